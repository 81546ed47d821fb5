"""The published draw of additions, and its ablation."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from semenrich_datasets.enrich.cliques import (
    CompatibilityGraph,
    addable_pairs,
    from_bits,
    heaviest_clique,
    to_bits,
)
from semenrich_datasets.enrich.reasons import Reason
from semenrich_datasets.enrich.report import Addition, Report
from semenrich_datasets.index import FindingsIndex
from semenrich_datasets.index.holders import MIN_SUPPORT, may_travel
from semenrich_datasets.reading.plain_words import rebuild
from semenrich_datasets.sentences import join_sentences


class PaperSelection:
    """The published draw: one maximal clique of compatible normal units, uniformly.

    SemEnrich (arXiv 2604.09887), section 3. Addability is asymmetric there, A[i, j] being divided
    by the sum of row i: candidates must be addable to each unit of the report, two candidates
    to each other both ways. With an index of `preset="paper"` the units are the published clusters.

    Args:
        index ([`FindingsIndex`]): Of the corpus.
        strategy (`str`): "random", or "heaviest" for the clique of greatest total support.
        max_added (`int`, *optional*): Most additions; those of greatest support stay.
        privacy_floor (`bool`, *optional*, defaults to `True`): Whether sentences are drawn only
            among those of a unit that may travel ([`~index.holders.may_travel`]); of units without
            one nothing is added. False is as published.
    """

    def __init__(
        self,
        index: FindingsIndex,
        strategy: str,
        max_added: int | None,
        privacy_floor: bool = True,
    ) -> None:
        self.index = index
        self.strategy = strategy
        self.max_added = max_added
        units = index.unit_table
        self.support: list[int] = units.column("support").to_pylist()
        self.position: list[float] = units.column("position").to_pylist()
        normal = np.array([sign == "normal" for sign in units.column("sign").to_pylist()], bool)
        self.graph = CompatibilityGraph.from_pairs(addable_pairs(index.cooccurrence, normal))
        self.texts: list[str] = index.sentences.column("text").to_pylist()
        self.members = _rows_by_unit(index.unit_ids, units.num_rows)
        self.allowed = self.members
        if privacy_floor:
            travels = may_travel(index.sentences).to_pylist()
            self.allowed = [[row for row in rows if travels[row]] for rows in self.members]
            rebuilt = index.sentences.column("rebuilt").to_pylist()
            self.texts = [new or old for new, old in zip(rebuilt, self.texts, strict=True)]
        self._shared: dict[int, dict[int, int]] = {}

    def __call__(self, report: Report) -> list[Addition]:
        """Draws a clique, and from each of its units a sentence."""
        held, drawn = self._draw(report)
        return self._additions(held, drawn, report.rng)

    def refusals(self, report: Report) -> list[tuple[int, Reason]]:
        """Says what the privacy floor keeps from a report.

        Args:
            report ([`Report`]): The report, fresh: its draws are made here as in a call.

        Returns:
            `list[tuple[int, Reason]]`: The units drawn for it of which no sentence may travel: too
            few patients hold those in known words, or there are none.
        """
        return [
            (unit, self._fault(unit)) for unit in self._draw(report)[1] if not self.allowed[unit]
        ]

    def _fault(self, unit: int) -> Reason:
        lexicon = self.index.reader.lexicon
        known = any(rebuild(self.texts[row], lexicon) for row in self.members[unit])
        return Reason.UNSUPPORTED if known else Reason.IDENTIFYING

    def _draw(self, report: Report) -> tuple[list[int], list[int]]:
        """Returns the units that a report holds, and those drawn for it."""
        held = self.index.held_units(report.sentences)
        return held, list(from_bits(self.clique(to_bits(held), report.rng)))

    def clique(self, held: int, rng: random.Random) -> int:
        """Gives the bit set of the units to add to a report that holds `held`."""
        candidates = self.graph.candidates(held)
        if self.strategy == "heaviest":
            return heaviest_clique(self.graph.mutual, candidates, self.support)
        return self.graph.draw(candidates, rng)

    def _additions(
        self, held: list[int], units: Sequence[int], rng: random.Random
    ) -> list[Addition]:
        units = [unit for unit in units if self.allowed[unit]]
        kept = sorted(units, key=lambda unit: -self.support[unit])[: self.max_added]
        kept.sort(key=lambda unit: (self.position[unit], unit))
        return [
            Addition(
                join_sentences([self.texts[rng.choice(self.allowed[unit])]]),
                unit,
                self.support[unit],
                self._score(held, unit),
            )
            for unit in kept
        ]

    def _score(self, held: list[int], unit: int) -> float:
        """Returns the least share of the reports with a unit held that hold this unit."""
        shares = (self._partners(own).get(unit, 0) / max(self.support[own], 1) for own in held)
        return min(shares, default=0.0)

    def _partners(self, unit: int) -> dict[int, int]:
        """Returns the units that share reports with one, and how many."""
        if unit not in self._shared:
            counts = self.index.cooccurrence
            row = slice(counts.indptr[unit], counts.indptr[unit + 1])
            pairs = zip(counts.indices[row].tolist(), counts.data[row].tolist(), strict=True)
            self._shared[unit] = dict(pairs)
        return self._shared[unit]

    def with_strategy(self, strategy: str) -> Self:
        """Gives the same with another strategy, what is fitted shared."""
        other = copy.copy(self)
        other.strategy = strategy
        return other

    def replace(self, report: Report) -> list[str]:
        """Gives for each sentence one of the others of its unit, unknown ones as they are."""
        index = self.index
        replaced = []
        for sentence in report.sentences:
            row = index.lookup.get(index.normalize(sentence))
            unit = -1 if row is None else int(index.unit_ids[row])
            others = [other for other in self.allowed[unit] if other != row] if unit >= 0 else []
            replaced.append(self.texts[report.rng.choice(others)] if others else sentence)
        return replaced


class RandomSelection(PaperSelection):
    """The paper's ablation: as many sentences as the published draw adds, from random units.

    They are drawn among the units that at least 3 reports hold; with the privacy floor, among those
    of them that it lets through.
    """

    @cached_property
    def _common(self) -> list[int]:
        return [
            unit
            for unit, support in enumerate(self.support)
            if support >= MIN_SUPPORT and self.allowed[unit]
        ]

    def _draw(self, report: Report) -> tuple[list[int], list[int]]:
        """Returns the units that a report holds, and others of any sign."""
        held = self.index.held_units(report.sentences)
        count = self.clique(to_bits(held), report.rng).bit_count()
        others = [unit for unit in self._common if unit not in held]
        return held, report.rng.sample(others, min(count, len(others)))


def _rows_by_unit(unit_ids: NDArray[np.int64], n_units: int) -> list[list[int]]:
    """Returns the sentences of each unit, ascending."""
    members: list[list[int]] = [[] for _ in range(n_units)]
    for row, unit in enumerate(unit_ids.tolist()):
        if unit >= 0:
            members[unit].append(row)
    return members
