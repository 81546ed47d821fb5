"""What may be added to reports: units of the index, with the few best ways to say each."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from semenrich_datasets.index import FindingsIndex
from semenrich_datasets.index.holders import may_travel
from semenrich_datasets.reading import Reading

# What makes a whole sentence of a report's phrase.
_VERBS = frozenset(
    "is are was were appear appears demonstrate demonstrates show shows remain remains has have "
    "seen identified noted".split()
)
# Wordings of a candidate to choose from.
_SHORTLIST = 6
# Of a wording far from the others of its unit.
_LEAST_CENTRALITY = 0.01


@dataclass(frozen=True, eq=False)
class Candidate:
    """A normal unit that may be added to reports.

    Args:
        unit_id (`int`): Its unit.
        reading ([`Reading`]): Of its best wording.
        wordings (`tuple[str, ...]`): Sentences that say it, common first, at most six.
        cumulative (`tuple[float, ...]`): Running sum of their weights.
        support (`int`): Reports that hold the unit.
        usage (`int`): Reports that hold one of its sentences that may travel, once for each.
        position (`float`): Its mean place in a report, 0 first and 1 last.
    """

    unit_id: int
    reading: Reading
    wordings: tuple[str, ...]
    cumulative: tuple[float, ...]
    support: int
    usage: int
    position: float

    def draw(self, rng: random.Random, *, telegraphic: bool | None = None) -> str:
        """Draws a wording, the common ones more often.

        Args:
            rng (`random.Random`): Source of the draw.
            telegraphic (`bool`, *optional*): Whether to do without verbs, where there is such a
                wording ([`is_telegraphic`]); any by default.
        """
        if telegraphic is None:
            return rng.choices(self.wordings, cum_weights=self.cumulative)[0]
        wordings, cumulative = self._by_style[telegraphic]
        return rng.choices(wordings, cum_weights=cumulative)[0]

    @cached_property
    def _by_style(self) -> dict[bool, tuple[list[str], list[float]]]:
        """The wordings without a verb and those with one, with running sums of their weights."""
        starts = (0.0, *self.cumulative[:-1])
        weights = [end - start for start, end in zip(starts, self.cumulative, strict=True)]
        pairs = list(zip(self.wordings, weights, strict=True))
        found = {}
        for style in (True, False):
            own = [pair for pair in pairs if is_telegraphic([pair[0]]) == style] or pairs
            found[style] = [text for text, _ in own], list(accumulate(weight for _, weight in own))
        return found


def is_telegraphic(sentences: Sequence[str]) -> bool:
    """Tells whether most of some sentences do without a verb: "Lungs clear. No effusion."."""
    verbs = sum(not _VERBS.isdisjoint(one.lower().rstrip(".").split()) for one in sentences)
    return 2 * verbs < len(sentences)


def list_candidates(index: FindingsIndex) -> list[Candidate]:
    """Gives what may be added to reports at all, the most usual first.

    Args:
        index ([`FindingsIndex`]): Of the corpus.

    Returns:
        `list[Candidate]`: In the order of the index's agreement. Each wording is rebuilt from known
        words, and at least 3 patients hold it; it weighs its reports times the square of its
        centrality.
    """
    ids = index.agreement.candidate_ids.tolist()
    sentences = index.sentences
    fit = sentences.filter(pc.and_(sentences["transferable"], may_travel(sentences)))
    columns = fit.select(["unit_id", "rebuilt", "reports", "centrality"])
    table = columns.filter(pc.is_in(columns["unit_id"], pa.array(ids, pa.int64())))
    options: dict[int, list[tuple[float, str]]] = {unit: [] for unit in ids}
    for row in table.to_pylist():
        weight = row["reports"] * max(row["centrality"], _LEAST_CENTRALITY) ** 2
        options[row["unit_id"]].append((weight, row["rebuilt"]))
    units = (
        index.unit_table.take(pa.array(ids, pa.int64())).select(["support", "position"]).to_pylist()
    )
    usage = index.agreement.usage.tolist()
    return [
        _candidate(index, unit, options[unit], used, **figures)
        for unit, used, figures in zip(ids, usage, units, strict=True)
    ]


def _candidate(
    index: FindingsIndex,
    unit_id: int,
    options: Sequence[tuple[float, str]],
    usage: int,
    support: int,
    position: float,
) -> Candidate:
    best = sorted(options, key=lambda option: (-option[0], option[1]))[:_SHORTLIST]
    wordings = tuple(text for _, text in best)
    cumulative = tuple(accumulate(weight for weight, _ in best))
    reading = index.reader.read(best[0][1])
    return Candidate(unit_id, reading, wordings, cumulative, support, usage, position)
