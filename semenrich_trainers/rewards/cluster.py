"""The cluster reward: does the model say what the report says, in whatever words?"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from semenrich_datasets.index import FindingsIndex
from semenrich_datasets.index.claims import ClaimReader, Overlap, agree
from semenrich_trainers.rewards.claim_weights import ClaimWeights, Weighting
from semenrich_trainers.rewards.sections import SectionReward


class ClusterReward(SectionReward):
    """F1 over what the findings say, plus that of the impressions: 0 to 2.

    With G what the completion claims and R what the reference claims ([`~index.claims.Claims`]),
    the score of a section is

        F1 = 2 w(G ∩ R) / (w(G) + w(R)),   w(X) = sum of the weights of X

    which is 1 for two empty sections and 0 when one alone is empty (SemEnrich, arXiv 2604.09887,
    "cluster reward", and with weights "weighted cluster reward"). Order and repetition of sentences
    do not count, nor do the words, nor how claims are put into sentences: "Cardiomegaly." and "The
    heart is enlarged." are one claim, "No effusion or pneumothorax." two. "Effusion." never agrees
    with "No effusion."; a finding on the wrong side counts for nothing, one of another degree, or
    that only may be there, in part ([`~index.claims.agree`]). A sentence that the reader does not
    understand is its unit ([`FindingsIndex.units`]), and one unlike all of the corpus a unit of its
    own, so that what is made up costs precision. With an index of `preset="paper"` all sentences
    are the published clusters.

    Args:
        index ([`FindingsIndex`], `str` or `os.PathLike`): An index, its folder or its Hub id.
        impression_index ([`FindingsIndex`], `str` or `os.PathLike`, *optional*): One built on
            impressions; by default `index` serves both sections.
        weights (`str` or `Mapping[int, float]`, *optional*): All claims count 1 by default.
            "rarity": log(1 + reports / reports that hold it). "abnormal": abnormal claims count 5,
            others 1. "surprise": how much a claim tells beyond a guess
            ([`~claim_weights.surprise`]), so that what everybody says counts next to nothing; and w
            of the corpus's average report is added below the line, so that a report with nothing to
            tell pays little, and the range is 0 to below 1 a section. A mapping
            gives weights by unit of `index`, of the findings alone; what it leaves out counts 1.
        findings_column (`str`, *optional*, defaults to `"findings"`): Column of the reference
            findings, such as `"enriched_findings"`.
        impression_column (`str` or `None`, *optional*, defaults to `"impression"`): Column of the
            reference impression; None to compare the findings alone.

    Raises:
        `ValueError`: When `weights` is unknown, or holds a negative number or an unknown unit.

    Example:
        ```python
        >>> reward = ClusterReward("me/my-index", weights="surprise")
        >>> trainer = GRPOTrainer(model, reward_funcs=[reward], train_dataset=reports)
        ```
    """

    __name__ = "cluster_reward"

    def __init__(
        self,
        index: FindingsIndex | str | os.PathLike[str],
        impression_index: FindingsIndex | str | os.PathLike[str] | None = None,
        *,
        weights: Weighting | Mapping[int, float] | None = None,
        findings_column: str = "findings",
        impression_column: str | None = "impression",
    ) -> None:
        super().__init__(findings_column, impression_column)
        self.index = open_index(index)
        self.impression_index = None if impression_index is None else open_index(impression_index)
        self.weights = dict(weights) if isinstance(weights, Mapping) else weights
        if weights is not None:
            self.__name__ = "weighted_cluster_reward"
        self._prepare()

    def _prepare(self) -> None:
        findings = ClaimReader(self.index)
        impressions = ClaimReader(self.impression_index) if self.impression_index else findings
        self._readers = {"findings": findings, "impression": impressions}
        named = None if isinstance(self.weights, Mapping) else self.weights
        self._claim_weights = {
            "findings": ClaimWeights(findings, self.weights),
            "impression": ClaimWeights(impressions, named),
        }
        self._batch = Overlap()

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
        reader, weights = self._readers[section], self._claim_weights[section]
        claims = reader([*generated, *references])
        pairs = zip(claims[: len(generated)], claims[len(generated) :], strict=True)
        overlaps = [
            sum(agree(*pair, weights, reader.index.reader).values(), Overlap()) for pair in pairs
        ]
        if section == "findings":
            self._batch = sum(overlaps, Overlap())
        return [one.f1(weights.prior) for one in overlaps]

    def __call__(
        self,
        completions: Sequence[Any],
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Scores a batch, and logs precision and recall over the claims of its findings."""
        rewards = super().__call__(completions, **columns)
        batch = self._batch
        if log_metric is not None and batch.written and batch.wanted:
            log_metric(f"{self.__name__}/precision", batch.shared / batch.written)
            log_metric(f"{self.__name__}/recall", batch.shared / batch.wanted)
        return rewards


def open_index(index: FindingsIndex | str | os.PathLike[str]) -> FindingsIndex:
    """Gives an index, from its folder or its Hub id unless it is one."""
    return index if isinstance(index, FindingsIndex) else FindingsIndex.from_pretrained(index)
