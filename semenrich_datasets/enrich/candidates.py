"""What may be added to reports: units of the index, with the few best ways to say each."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from semenrich_datasets.index import FindingsIndex
from semenrich_datasets.index.agreement import MIN_SUPPORT
from semenrich_datasets.reading import Reading
from semenrich_datasets.sentences import join_sentences

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

    def draw(self, rng: random.Random) -> str:
        """Draws a wording, the common ones more often."""
        return rng.choices(self.wordings, cum_weights=self.cumulative)[0]


def list_candidates(index: FindingsIndex) -> list[Candidate]:
    """Gives what may be added to reports at all, the most usual first.

    Args:
        index ([`FindingsIndex`]): Of the corpus.

    Returns:
        `list[Candidate]`: In the order of the index's agreement. Each wording may travel and at
        least 3 reports hold it; it weighs its reports times the square of its centrality.
    """
    ids = index.agreement.candidate_ids.tolist()
    sentences = index.sentences.select(["unit_id", "text", "reports", "centrality", "transferable"])
    fit = sentences.filter(
        pc.and_(sentences["transferable"], pc.greater_equal(sentences["reports"], MIN_SUPPORT))
    )
    table = fit.filter(pc.is_in(fit["unit_id"], pa.array(ids, pa.int64())))
    options: dict[int, list[tuple[float, str]]] = {unit: [] for unit in ids}
    for row in table.to_pylist():
        weight = row["reports"] * max(row["centrality"], _LEAST_CENTRALITY) ** 2
        options[row["unit_id"]].append((weight, row["text"]))
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
    wordings = tuple(join_sentences([text]) for _, text in best)
    cumulative = tuple(accumulate(weight for weight, _ in best))
    reading = index.reader.read(best[0][1])
    return Candidate(unit_id, reading, wordings, cumulative, support, usage, position)
