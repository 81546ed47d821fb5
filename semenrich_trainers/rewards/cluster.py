"""The cluster reward: does the model say what the report says, in whatever words?"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from semenrich_datasets.index import FindingsIndex
from semenrich_trainers.rewards.sections import SectionReward, f1
from semenrich_trainers.sentence_units import SentenceUnits, Unit

#: What one abnormal statement counts, in normal ones, with `weights="abnormal"`.
ABNORMAL_WEIGHT = 5.0


class ClusterReward(SectionReward):
    """F1 over the sets of clusters of the findings, plus that of the impressions: 0 to 2.

    With G what the completion says and R what the reference says, each a set of clusters (each with
    its sign, and the side of abnormal findings), the score of a section is

        F1 = 2 w(G ∩ R) / (w(G) + w(R)),   w(X) = sum of the weights of X

    which is 1 for two empty sections and 0 when one alone is empty (SemEnrich, arXiv 2604.09887,
    "cluster reward", and with weights "weighted cluster reward"). Order and repetition of sentences
    do not count. Clusters that say the same in other words count as one
    ([`~sentence_units.SentenceUnits`]). A sentence that the index has never seen takes the cluster
    of what it states, or of its nearest neighbor of the same sign; one unlike all of the corpus
    counts as a cluster of its own, so that what is made up costs precision. "No effusion." never
    shares a cluster with "Effusion.".

    Args:
        index ([`FindingsIndex`], `str` or `os.PathLike`): An index, its folder or its Hub id.
        impression_index ([`FindingsIndex`], `str` or `os.PathLike`, *optional*): One built on
            impressions; by default `index` serves both sections.
        weights (`str` or `Mapping[int, float]`, *optional*): All clusters count 1 by default.
            "rarity": log(1 + reports / reports that hold it). "abnormal": abnormal statements count
            5, others 1. A mapping gives weights by cluster id of `index`, of the findings alone;
            what it leaves out counts 1. Clusters that say the same share one weight.
        findings_column (`str`, *optional*, defaults to `"findings"`): Column of the reference
            findings, such as `"enriched_findings"`.
        impression_column (`str` or `None`, *optional*, defaults to `"impression"`): Column of the
            reference impression; None to compare the findings alone.

    Raises:
        `ValueError`: When `weights` is unknown, or holds a negative number or an unknown cluster.

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
        findings = SentenceUnits(self.index)
        self._units = {"findings": findings, "impression": findings}
        if self.impression_index is not None:
            self._units["impression"] = SentenceUnits(self.impression_index)
        self._cluster_weights = {
            section: _cluster_weights(units, self.weights, section)
            for section, units in self._units.items()
        }
        self._batch = [(0.0, 0.0, 0.0)]

    def __getstate__(self) -> dict[str, Any]:
        # What it remembers is not a part of it: it pickles to its settings and the indexes' digest.
        kept = [name for name in vars(self) if name == "__name__" or not name.startswith("_")]
        return {name: getattr(self, name) for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._prepare()

    def score(
        self, generated: Sequence[str], references: Sequence[str], section: str
    ) -> list[float]:
        """Gives the F1 of each pair, 0 to 1."""
        sets = self._units[section]([*generated, *references])
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
        """Scores a batch, and logs precision and recall over the clusters of its findings."""
        rewards = super().__call__(completions, **columns)
        shared, generated, reference = (sum(column) for column in zip(*self._batch, strict=True))
        if log_metric is not None and generated and reference:
            log_metric(f"{self.__name__}/precision", shared / generated)
            log_metric(f"{self.__name__}/recall", shared / reference)
        return rewards

    def _sum(self, units: set[Unit], section: str) -> float:
        weights = self._cluster_weights[section]
        return sum(self._weight(unit, weights) for unit in units)

    def _weight(self, unit: Unit, weights: list[float]) -> float:
        if self.weights == "abnormal":
            return ABNORMAL_WEIGHT if unit.abnormal else 1.0
        if unit.cluster_id >= 0:
            return weights[unit.cluster_id]
        # What the corpus never says is as rare as the rarest of it.
        return max(weights, default=1.0) if self.weights == "rarity" else 1.0


def _open(index: FindingsIndex | str | os.PathLike[str]) -> FindingsIndex:
    return index if isinstance(index, FindingsIndex) else FindingsIndex.from_pretrained(index)


def _checked(weights: Any, index: FindingsIndex) -> Any:
    if weights in (None, "rarity", "abnormal"):
        return weights
    if not isinstance(weights, Mapping):
        msg = f"expected weights to be 'rarity', 'abnormal' or a mapping, found {weights!r}"
        raise ValueError(msg)
    clusters = range(index.clusters.num_rows)
    for cluster, weight in weights.items():
        if cluster not in clusters or not weight >= 0 or math.isinf(weight):
            msg = (
                f"expected weights of 0 or more for clusters 0 to {len(clusters) - 1}, found "
                f"{weight!r} for {cluster!r}"
            )
            raise ValueError(msg)
    return dict(weights)


def _cluster_weights(units: SentenceUnits, weights: Any, section: str) -> list[float]:
    """Weights by cluster; those that say the same share their reports, or the highest weight."""
    clusters = range(units.index.clusters.num_rows)
    if weights == "rarity":
        held = Counter[int]()
        for cluster, reports in zip(
            clusters, units.index.clusters.column("reports").to_pylist(), strict=True
        ):
            held[units.counts_as(cluster)] += reports
        return [math.log1p(units.index.config["reports"] / max(held[one], 1)) for one in clusters]
    shared: dict[int, float] = {}
    if isinstance(weights, Mapping) and section == "findings":
        for cluster, weight in weights.items():
            one = units.counts_as(cluster)
            shared[one] = max(shared.get(one, 0.0), weight)
    return [float(shared.get(cluster, 1.0)) for cluster in clusters]
