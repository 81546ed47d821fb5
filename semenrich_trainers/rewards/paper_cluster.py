"""The cluster reward as published, for comparison: raw clusters, and weights from a CSV file."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from semenrich_datasets.index import FindingsIndex
from semenrich_datasets.reading.signs import NOISE
from semenrich_trainers.rewards.cluster import open_index
from semenrich_trainers.rewards.paper_text import published_sentences
from semenrich_trainers.rewards.sections import SectionReward, f1

SECTIONS = ("findings", "impression")
_COLUMNS = ("section", "cluster", "weight")

Weights = Mapping[str, Mapping[int, float]]


class PaperClusterReward(SectionReward):
    """F1 over the published clusters of the findings, plus that of the impressions: 0 to 2.

    As the reference code of SemEnrich (arXiv 2604.09887) computes it: cut at every ".", look each
    sentence up letter for letter, and compare the sets of cluster ids. A sentence that the index
    does not hold, or that it left as noise, is ignored, so that what is made up costs nothing; a
    section without any cluster gives 0. Opposites that lie in one cluster agree. What differs: a
    section whose reference says nothing is not scored ([`SectionReward`]) where the reference code
    gives 0, and sections are found as everywhere here ([`~formatting.parse_report`]).

    Args:
        index ([`FindingsIndex`], `str` or `os.PathLike`): Of findings, built with
            `preset="paper"`: itself, its folder or its Hub id.
        impression_index ([`FindingsIndex`], `str` or `os.PathLike`, *optional*): Of impressions,
            which the paper clusters by themselves; by default `index` serves both, and knows few.
        weights (`str`, `os.PathLike` or mapping, *optional*): What each cluster counts, 1 where
            nothing is said: a CSV file with the columns `section` (findings or impression),
            `cluster` (its id, or a sentence of it) and `weight` (0 or more), or section to cluster
            id to weight. ("Weighted cluster reward"; the paper's weights are criticality.)
        findings_column (`str`, *optional*, defaults to `"findings"`): Column of the reference
            findings.
        impression_column (`str` or `None`, *optional*, defaults to `"impression"`): Column of the
            reference impression; None to compare the findings alone.

    Raises:
        `ValueError`: When an index is of another preset, or the weights name an unknown section or
            cluster, one twice, or a weight below 0.

    Example:
        ```python
        >>> index = FindingsIndex.build(reports, "findings", preset="paper")
        >>> impressions = FindingsIndex.build(reports, "impression", preset="paper")
        >>> reward = PaperClusterReward(index, impressions, weights="weights.csv")
        ```
    """

    __name__ = "paper_cluster_reward"

    def __init__(
        self,
        index: FindingsIndex | str | os.PathLike[str],
        impression_index: FindingsIndex | str | os.PathLike[str] | None = None,
        *,
        weights: str | os.PathLike[str] | Weights | None = None,
        findings_column: str = "findings",
        impression_column: str | None = "impression",
    ) -> None:
        super().__init__(findings_column, impression_column)
        self.index = _open(index, "index")
        self.impression_index = (
            None if impression_index is None else _open(impression_index, "impression_index")
        )
        self._prepare()
        self.weights = self._checked(weights)
        if weights is not None:
            self.__name__ = "weighted_paper_cluster_reward"

    def _prepare(self) -> None:
        indexes = (self.index, self.impression_index or self.index)
        self._clusters = dict(zip(SECTIONS, map(_clusters, indexes), strict=True))

    def __getstate__(self) -> dict[str, Any]:
        # As the cluster reward: settings and the indexes' digests, and nothing derived.
        return {name: value for name, value in vars(self).items() if name != "_clusters"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._prepare()

    def score(
        self, generated: Sequence[str], references: Sequence[str], section: str
    ) -> list[float]:
        """Gives the F1 of each pair, 0 to 1; 0 where either holds no cluster."""
        pairs = zip(generated, references, strict=True)
        return [self._f1(self._ids(g, section), self._ids(r, section), section) for g, r in pairs]

    def _ids(self, text: str, section: str) -> set[int]:
        known = self._clusters[section]
        return {known[sentence] for sentence in published_sentences(text) if sentence in known}

    def _f1(self, generated: set[int], reference: set[int], section: str) -> float:
        weights = self.weights[section]
        shared, left, right = (
            sum(weights.get(cluster, 1.0) for cluster in ids)
            for ids in (generated & reference, generated, reference)
        )
        return f1(shared, left, right) if left and right else 0.0

    def _checked(self, weights: str | os.PathLike[str] | Weights | None) -> Weights:
        given: Weights = {}
        if isinstance(weights, Mapping):
            given = weights
        elif weights is not None:
            given = read_weights(weights, self._clusters)
        for section, of_clusters in given.items():
            if section not in SECTIONS:
                msg = f"expected weights of {' or '.join(SECTIONS)}, found {section!r}"
                raise ValueError(msg)
            known = set(self._clusters[section].values())
            for cluster, weight in of_clusters.items():
                _check_weight(weight, f"weights of {section}, cluster {cluster}")
                if cluster not in known:
                    raise ValueError(_unknown("weights", cluster, section, known))
        return {section: dict(given.get(section, {})) for section in SECTIONS}


def read_weights(
    path: str | os.PathLike[str], clusters: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[int, float]]:
    """Reads what each cluster counts.

    Args:
        path (`str` or `os.PathLike`): A CSV file with the columns section, cluster and weight.
        clusters (`Mapping`): Of each section the cluster of each sentence.

    Returns:
        `dict[str, dict[int, float]]`: Section to cluster id to weight.

    Raises:
        `ValueError`: Names the file, the row and what is wrong with it.
    """
    weights: dict[str, dict[int, float]] = {section: {} for section in SECTIONS}
    for place, row in _rows(Path(path)):
        section = row["section"].strip().lower()
        if section not in SECTIONS:
            msg = f"{place}: expected a section of {' or '.join(SECTIONS)}, found {section!r}"
            raise ValueError(msg)
        cluster = _cluster(row["cluster"].strip(), clusters[section], place, section)
        if cluster in weights[section]:
            msg = f"{place}: expected each cluster once, found cluster {cluster} again"
            raise ValueError(f"{msg}: leave one of its rows out")
        try:
            weight = float(row["weight"])
        except ValueError:
            weight = math.nan
        _check_weight(weight, place, row["weight"])
        weights[section][cluster] = weight
    return weights


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields the place of each row, for errors, and its cells."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            found = ", ".join(reader.fieldnames or ()) or "none"
            msg = f"{path}: expected the columns {', '.join(_COLUMNS)}, found {found}"
            raise ValueError(msg)
        for row in reader:
            place = f"{path}, line {reader.line_num}"
            if any(row[name] is None for name in _COLUMNS):
                raise ValueError(f"{place}: expected a value for each of {', '.join(_COLUMNS)}")
            yield place, row


def _cluster(text: str, known: Mapping[str, int], place: str, section: str) -> int:
    """Returns the cluster that an id or a sentence names."""
    ids = set(known.values())
    sentences = published_sentences(text)
    cluster = known.get(sentences[0]) if len(sentences) == 1 else None
    if text.isdecimal():
        cluster = int(text)
    if cluster is None or cluster not in ids:
        raise ValueError(_unknown(place, text, section, ids))
    return cluster


def _unknown(place: str, found: Any, section: str, ids: set[int]) -> str:
    return (
        f"{place}: expected a cluster of the index of {section} ({len(ids)} of them) or a sentence "
        f"of one, found {found!r}: `index.sentences` holds them, in `cluster_id`"
    )


def _check_weight(weight: float, place: str, found: Any = None) -> None:
    if not 0 <= weight < math.inf:
        msg = f"{place}: expected a weight of 0 or more, found {weight if found is None else found}"
        raise ValueError(msg)


def _clusters(index: FindingsIndex) -> dict[str, int]:
    """Returns the cluster of each sentence that has one."""
    columns = (index.sentences.column(name).to_pylist() for name in ("sentence", "cluster_id"))
    return {text: cluster for text, cluster in zip(*columns, strict=True) if cluster != NOISE}


def _open(index: FindingsIndex | str | os.PathLike[str], argument: str) -> FindingsIndex:
    found = open_index(index)
    if found.config.preset != "paper":
        # Its clusters are of sentences cut and spelled otherwise: they are not the published ones.
        msg = (
            f'expected {argument} to be built with preset="paper", found {found.config.preset!r}: '
            'build one with FindingsIndex.build(..., preset="paper")'
        )
        raise ValueError(msg)
    return found
