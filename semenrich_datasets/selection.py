"""Which sentences are added to a report: the published draw, its ablation, and the safe choice."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from semenrich_datasets.cliques import (
    CompatibilityGraph,
    addable_pairs,
    from_bits,
    heaviest_clique,
    to_bits,
)
from semenrich_datasets.index import FindingsIndex
from semenrich_datasets.sentences import join_sentences


@dataclass(frozen=True)
class Report:
    """One report to enrich.

    Args:
        text (`str`): As it was written.
        sentences (`tuple[str, ...]`): Its sentences.
        context (`tuple[str, ...]`): Other texts of the same study.
        rng (`random.Random`): Source of its draws, seeded by its text.
    """

    text: str
    sentences: tuple[str, ...]
    context: tuple[str, ...]
    rng: random.Random


@dataclass(frozen=True)
class Addition:
    """A sentence added to a report.

    Args:
        sentence (`str`): As it stands in the enriched report.
        cluster_id (`int`): Its cluster.
        support (`int`): Reports of the corpus that hold the cluster.
        score (`float`): From 0 to 1, how surely reports like this one hold it.
    """

    sentence: str
    cluster_id: int
    support: int
    score: float

    def as_dict(self) -> dict[str, Any]:
        """Gives the row of the column `added_findings`."""
        return dict(vars(self))


class Selection(Protocol):
    """What chooses the additions to a report."""

    def __call__(self, report: Report) -> list[Addition]:
        """Gives the additions, in the order in which reports say such things."""
        ...

    def replace(self, report: Report) -> list[str]:
        """Gives the report's sentences, each replaced by another that says the same."""
        ...


class PaperSelection:
    """The published draw: one maximal clique of compatible normal clusters, uniformly.

    SemEnrich (arXiv 2604.09887), section 3. Addability is asymmetric there, A[i, j] being divided
    by the sum of row i: candidates must be addable to each cluster of the report, two candidates
    to each other both ways.

    Args:
        index ([`FindingsIndex`]): Of the corpus.
        strategy (`str`): "random", or "heaviest" for the clique of greatest total support.
        max_added (`int`, *optional*): Most additions; those of greatest support stay.
    """

    def __init__(self, index: FindingsIndex, strategy: str, max_added: int | None) -> None:
        self.index = index
        self.strategy = strategy
        self.max_added = max_added
        clusters = index.clusters
        self.support: list[int] = clusters.column("reports").to_pylist()
        self.position: list[float] = clusters.column("position").to_pylist()
        normal = np.array([sign == "normal" for sign in clusters.column("sign").to_pylist()], bool)
        self.graph = CompatibilityGraph.from_pairs(addable_pairs(index.cooccurrence, normal))
        self.texts: list[str] = index.sentences.column("text").to_pylist()
        self.members = rows_by_cluster(index.cluster_ids, clusters.num_rows)

    @cached_property
    def _conditional(self) -> NDArray[np.float64]:
        """Share of the reports with cluster i that hold cluster j, at (i, j)."""
        shares = self.index.cooccurrence.toarray() / np.maximum(self.support, 1)[:, None]
        return np.asarray(shares, dtype=np.float64)

    def __call__(self, report: Report) -> list[Addition]:
        """Draws a clique, and from each of its clusters a sentence."""
        held = self.clusters(report)
        clique = from_bits(self.clique(to_bits(held), report.rng))
        return self._additions(held, clique, report.rng)

    def clusters(self, report: Report) -> list[int]:
        """Gives the clusters of a report's known sentences, ascending, each once."""
        index = self.index
        rows = (index.lookup.get(index.normalize(sentence)) for sentence in report.sentences)
        found = {int(index.cluster_ids[row]) for row in rows if row is not None}
        return sorted(found - {-1})

    def clique(self, held: int, rng: random.Random) -> int:
        """Gives the bit set of the clusters to add to a report that holds `held`."""
        candidates = self.graph.candidates(held)
        if self.strategy == "heaviest":
            return heaviest_clique(self.graph.mutual, candidates, self.support)
        return self.graph.draw(candidates, rng)

    def _additions(
        self, held: list[int], clusters: Sequence[int], rng: random.Random
    ) -> list[Addition]:
        kept = sorted(clusters, key=lambda cluster: -self.support[cluster])[: self.max_added]
        kept.sort(key=lambda cluster: (self.position[cluster], cluster))
        scores = self._conditional[held].min(axis=0, initial=1.0) if held else None
        return [
            Addition(
                join_sentences([self.texts[rng.choice(self.members[cluster])]]),
                cluster,
                self.support[cluster],
                float(scores[cluster]) if scores is not None else 0.0,
            )
            for cluster in kept
        ]

    def replace(self, report: Report) -> list[str]:
        """Gives for each sentence one of the others of its cluster, unknown ones as they are."""
        index = self.index
        replaced = []
        for sentence in report.sentences:
            row = index.lookup.get(index.normalize(sentence))
            cluster = -1 if row is None else int(index.cluster_ids[row])
            others = (
                [other for other in self.members[cluster] if other != row] if cluster >= 0 else []
            )
            replaced.append(self.texts[report.rng.choice(others)] if others else sentence)
        return replaced


class RandomSelection(PaperSelection):
    """The paper's ablation: as many sentences as the published draw adds, from random clusters."""

    def __call__(self, report: Report) -> list[Addition]:
        """Draws clusters that the report does not hold, of any sign."""
        held = self.clusters(report)
        count = self.clique(to_bits(held), report.rng).bit_count()
        others = sorted(set(range(len(self.support))) - set(held))
        return self._additions(held, report.rng.sample(others, min(count, len(others))), report.rng)


def rows_by_cluster(cluster_ids: NDArray[np.int64], n_clusters: int) -> list[list[int]]:
    """Gives the sentences of each cluster, ascending."""
    members: list[list[int]] = [[] for _ in range(n_clusters)]
    for row, cluster in enumerate(cluster_ids.tolist()):
        if cluster >= 0:
            members[cluster].append(row)
    return members
