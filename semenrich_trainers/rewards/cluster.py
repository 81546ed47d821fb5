"""The cluster reward: does the model say what the report says, in whatever words?"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from semenrich_datasets.index import FindingsIndex, Unit
from semenrich_trainers.rewards.sections import SectionReward, f1

#: What one abnormal statement counts, in normal ones, with `weights="abnormal"`.
ABNORMAL_WEIGHT = 5.0


class ClusterReward(SectionReward):
    """F1 over what the findings say, plus that of the impressions: 0 to 2.

    With G what the completion says and R what the reference says, each a set of units
    ([`FindingsIndex.units`]), the score of a section is

        F1 = 2 w(G ∩ R) / (w(G) + w(R)),   w(X) = sum of the weights of X

    which is 1 for two empty sections and 0 when one alone is empty (SemEnrich, arXiv 2604.09887,
    "cluster reward", and with weights "weighted cluster reward"). Order and repetition of sentences
    do not count, nor do the words: "Cardiomegaly." and "The heart is enlarged." are one unit.
    "Effusion." never shares one with "No effusion.", nor with an effusion of the other side, and a
    sentence unlike all of the corpus is a unit of its own, so that what is made up costs precision.
    With an index of `preset="paper"` the units are the published clusters.

    Args:
        index ([`FindingsIndex`], `str` or `os.PathLike`): An index, its folder or its Hub id.
        impression_index ([`FindingsIndex`], `str` or `os.PathLike`, *optional*): One built on
            impressions; by default `index` serves both sections.
        weights (`str` or `Mapping[int, float]`, *optional*): All units count 1 by default.
            "rarity": log(1 + reports / reports that hold it). "abnormal": abnormal statements count
            5, others 1. A mapping gives weights by unit of `index`, of the findings alone; what it
            leaves out counts 1.
        findings_column (`str`, *optional*, defaults to `"findings"`): Column of the reference
            findings, such as `"enriched_findings"`.
        impression_column (`str` or `None`, *optional*, defaults to `"impression"`): Column of the
            reference impression; None to compare the findings alone.

    Raises:
        `ValueError`: When `weights` is unknown, or holds a negative number or an unknown unit.

    Example:
        ```python
        >>> reward = ClusterReward("me/my-index", weights="rarity")
        >>> trainer = GRPOTrainer(model, reward_funcs=[reward], train_dataset=reports)
        ```
    """

    __name__ = "cluster_reward"

    def __init__(
        self,
        index: FindingsIndex | str | os.PathLike[str],
        impression_index: FindingsIndex | str | os.PathLike[str] | None = None,
        *,
        weights: Literal["rarity", "abnormal"] | Mapping[int, float] | None = None,
        findings_column: str = "findings",
        impression_column: str | None = "impression",
    ) -> None:
        super().__init__(findings_column, impression_column)
        self.index = _open(index)
        self.impression_index = None if impression_index is None else _open(impression_index)
        self.weights = _checked(weights, self.index)
        if weights is not None:
            self.__name__ = "weighted_cluster_reward"
        self._prepare()

    def _prepare(self) -> None:
        self._indexes = {
            "findings": self.index,
            "impression": self.impression_index or self.index,
        }
        self._unit_weights = {
            section: _unit_weights(index, self.weights, section)
            for section, index in self._indexes.items()
        }
        self._batch = [(0.0, 0.0, 0.0)]

    def __getstate__(self) -> dict[str, Any]:
        # What it derives is not a part of it: it pickles to its settings and the indexes' digest.
        kept = [name for name in vars(self) if name == "__name__" or not name.startswith("_")]
        return {name: getattr(self, name) for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._prepare()

    def score(
        self, generated: Sequence[str], references: Sequence[str], section: str
    ) -> list[float]:
        """Gives the F1 of each pair, 0 to 1."""
        sets = unit_sets(self._indexes[section], [*generated, *references])
        sums = [
            (self._sum(left & right, section), self._sum(left, section), self._sum(right, section))
            for left, right in zip(sets[: len(generated)], sets[len(generated) :], strict=True)
        ]
        if section == "findings":
            self._batch = sums or self._batch
        return [f1(*one) for one in sums]

    def __call__(
        self,
        completions: Sequence[Any],
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Scores a batch, and logs precision and recall over the units of its findings."""
        rewards = super().__call__(completions, **columns)
        shared, generated, reference = (sum(column) for column in zip(*self._batch, strict=True))
        if log_metric is not None and generated and reference:
            log_metric(f"{self.__name__}/precision", shared / generated)
            log_metric(f"{self.__name__}/recall", shared / reference)
        return rewards

    def _sum(self, units: Iterable[Unit], section: str) -> float:
        weights = self._unit_weights[section]
        return sum(self._weight(unit, weights) for unit in units)

    def _weight(self, unit: Unit, weights: Sequence[float]) -> float:
        if self.weights == "abnormal":
            return ABNORMAL_WEIGHT if unit.sign == "abnormal" else 1.0
        if unit.unit_id >= 0:
            return weights[unit.unit_id]
        # What the corpus never says is as rare as the rarest of it.
        return max(weights, default=1.0) if self.weights == "rarity" else 1.0


def unit_sets(index: FindingsIndex, texts: Sequence[str]) -> list[frozenset[Unit]]:
    """Gives what each text says, as a set of units; each distinct sentence is looked up once."""
    cut = [index.split(text) for text in texts]
    units = iter(index.units([sentence for sentences in cut for sentence in sentences]))
    return [frozenset(next(units) for _ in sentences) for sentences in cut]


def _open(index: FindingsIndex | str | os.PathLike[str]) -> FindingsIndex:
    return index if isinstance(index, FindingsIndex) else FindingsIndex.from_pretrained(index)


def _checked(weights: Any, index: FindingsIndex) -> Any:
    if weights in (None, "rarity", "abnormal"):
        return weights
    if not isinstance(weights, Mapping):
        msg = f"expected weights to be 'rarity', 'abnormal' or a mapping, found {weights!r}"
        raise ValueError(msg)
    units = range(index.unit_table.num_rows)
    for unit, weight in weights.items():
        if unit not in units or not weight >= 0 or math.isinf(weight):
            msg = (
                f"expected weights of 0 or more for units 0 to {len(units) - 1}, found "
                f"{weight!r} for {unit!r}"
            )
            raise ValueError(msg)
    return dict(weights)


def _unit_weights(index: FindingsIndex, weights: Any, section: str) -> list[float]:
    """Returns the weight of each unit of the index of a section."""
    if weights == "rarity":
        support = index.unit_table.column("support").to_pylist()
        return [math.log1p(index.config.reports / max(held, 1)) for held in support]
    given = weights if isinstance(weights, Mapping) and section == "findings" else {}
    return [float(given.get(unit, 1.0)) for unit in range(index.unit_table.num_rows)]
