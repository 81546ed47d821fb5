"""What may be added to reports at all, and how reports with each unit speak of it.

Which normal units are candidates, how many reports with a unit speak of the topic of each, and
which candidates some report of the corpus makes both, in whatever words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from semenrich_datasets.index.holders import may_travel
from semenrich_datasets.reading import Lexicon, Reading
from semenrich_datasets.reading.entailment import Logic, follows

_T = TypeVar("_T")

# Share of reports that make a statement, below which it is no candidate whatever its truth.
_LEAST_SHARE = 0.0025

CANDIDATE_SCHEMA = pa.schema(
    [
        ("unit_id", pa.int64()),
        ("usage", pa.int64()),
        ("speaks", pa.int64()),
        ("together", pa.list_(pa.int64())),
        ("together_reports", pa.list_(pa.int64())),
    ]
)
AGREEMENT_SCHEMA = pa.schema(
    [
        ("unit_id", pa.int64()),
        ("candidate_id", pa.int64()),
        ("speaks", pa.int64()),
    ]
)


@dataclass(frozen=True, eq=False)
class Agreement:
    """How reports speak of the candidates; a column for each, in the order of `candidate_ids`.

    Args:
        candidate_ids (`np.ndarray` of shape `(c,)`, int64): Their units, the most usual first.
        usage (`np.ndarray` of shape `(c,)`, int64): Reports that hold a sentence of the unit that
            may travel, once for each sentence.
        speaks (`np.ndarray` of shape `(c,)`, int64): Reports that speak of its very topic, be it to
            say what they say: "bones intact" does not speak of the spine.
        speaks_with (`scipy.sparse.csr_array` of shape `(n_units, c)`, int64): Of the reports that
            hold a unit, those that speak of its topic.
        together (`np.ndarray` of shape `(c, c)`, int64): Reports that say both.
    """

    candidate_ids: NDArray[np.int64]
    usage: NDArray[np.int64]
    speaks: NDArray[np.int64]
    speaks_with: sparse.csr_array
    together: NDArray[np.int64]

    def to_tables(self) -> tuple[pa.Table, pa.Table]:
        """Writes it as two tables, of `CANDIDATE_SCHEMA` and `AGREEMENT_SCHEMA`."""
        partners = [np.flatnonzero(row).tolist() for row in self.together]
        reports = [row[row > 0].tolist() for row in self.together]
        figures = (self.candidate_ids, self.usage, self.speaks, partners, reports)
        candidates = pa.table(dict(zip(CANDIDATE_SCHEMA.names, figures, strict=True)))
        pairs = self.speaks_with.tocoo()
        columns = (pairs.row, self.candidate_ids[pairs.col], pairs.data)
        agreement = pa.table(dict(zip(AGREEMENT_SCHEMA.names, columns, strict=True)))
        return candidates.cast(CANDIDATE_SCHEMA), agreement.cast(AGREEMENT_SCHEMA)

    @classmethod
    def from_tables(cls, candidates: pa.Table, agreement: pa.Table, n_units: int) -> Agreement:
        """Reads what `to_tables` wrote."""
        ids, usage, speaks = (
            candidates.column(name).to_numpy() for name in CANDIDATE_SCHEMA.names[:3]
        )
        together = np.zeros((len(ids), len(ids)), dtype=np.int64)
        pairs = (candidates.column(name).to_pylist() for name in CANDIDATE_SCHEMA.names[3:])
        for row, (partners, reports) in enumerate(zip(*pairs, strict=True)):
            together[row, partners] = reports
        place = {unit: column for column, unit in enumerate(ids.tolist())}
        rows = agreement.column("unit_id").to_numpy()
        columns = [place[unit] for unit in agreement.column("candidate_id").to_pylist()]
        speaks_with = sparse.csr_array(
            (agreement.column("speaks").to_numpy(), (rows, columns)), shape=(n_units, len(ids))
        )
        return cls(ids, usage, speaks, speaks_with, together)


def fit_agreement(
    sentences: pa.Table,
    units: pa.Table,
    readings: Sequence[Reading],
    membership: sparse.csr_array,
    lexicon: Lexicon,
) -> Agreement:
    """Counts how reports speak of the candidates.

    A unit speaks by its most common sentence: all sentences of an understood unit say the same.

    Args:
        sentences (`pyarrow.Table`): Of the index (`SENTENCE_SCHEMA`).
        units (`pyarrow.Table`): Of the index (`UNIT_SCHEMA`), `n_units` rows.
        readings (`Sequence[Reading]` of length `n_units`): The most common sentence of each unit.
        membership (`scipy.sparse.csr_array` of shape `(n_reports, n_units)`, int64): Which report
            holds which unit.
        lexicon ([`Lexicon`]): What they were read by.

    Returns:
        [`Agreement`]
    """
    candidate_ids, usage = choose_candidates(sentences, units, membership.shape[0])
    chosen = [readings[unit] for unit in candidate_ids.tolist()]
    topics = [_topic(reading, lexicon) for reading in chosen]
    said = _at_most_one(membership @ _statements(readings, chosen))
    spoken = _at_most_one(membership @ _pairs(readings, topics, _speaks))
    return Agreement(
        candidate_ids,
        usage,
        np.asarray(spoken.sum(axis=0)).ravel(),
        sparse.csr_array(membership.T @ spoken),
        together=(said.T @ said).toarray().astype(np.int64),
    )


def _statements(readings: Sequence[Reading], candidates: Sequence[Reading]) -> sparse.csr_array:
    """Returns 1 where a candidate follows from a unit, in whatever words."""
    return _pairs(readings, [one.logic for one in candidates], _says)


def _says(reading: Reading, candidate: Logic) -> bool:
    return follows(candidate, reading.logic)


def _speaks(reading: Reading, topic: frozenset[str]) -> bool:
    return any(said.concept in topic for said in reading.assertions)


def _topic(candidate: Reading, lexicon: Lexicon) -> frozenset[str]:
    """Returns the concepts of a candidate, and what is in them."""
    concepts = (said.concept for said in candidate.assertions)
    return frozenset().union(*(lexicon.below[concept] for concept in concepts))


def choose_candidates(
    sentences: pa.Table, units: pa.Table, n_reports: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Chooses the units that may be added to reports.

    A candidate is normal, and the sentences of it that may travel (`transferable`, and
    [`~index.holders.may_travel`]) are held by at least 1 in 400 reports. Whether it is true where
    it is left unsaid is the silence model's to tell.

    Args:
        sentences (`pyarrow.Table`): Of the index (`SENTENCE_SCHEMA`).
        units (`pyarrow.Table`): Of the index (`UNIT_SCHEMA`).
        n_reports (`int`): Reports with a sentence.

    Returns:
        `tuple`: Unit ids and usage, both `np.ndarray` of shape `(c,)`, int64, the most usual first.
    """
    travels = sentences.filter(pc.and_(sentences.column("transferable"), may_travel(sentences)))
    held = travels.group_by("unit_id").aggregate([("reports", "sum")])
    signs = units.column("sign").to_pylist()
    usual = [
        (usage, unit)
        for unit, usage in zip(
            *(held.column(k).to_pylist() for k in held.column_names), strict=True
        )
        if unit >= 0 and signs[unit] == "normal" and usage >= _LEAST_SHARE * n_reports
    ]
    usual.sort(key=lambda item: (-item[0], item[1]))
    ids = np.array([unit for _, unit in usual], dtype=np.int64)
    return ids, np.array([usage for usage, _ in usual], dtype=np.int64)


def _pairs(
    readings: Sequence[Reading], candidates: Sequence[_T], rule: Callable[[Reading, _T], bool]
) -> sparse.csr_array:
    """Returns 1 where what a unit says stands in a relation to a candidate."""
    found = [
        (row, column)
        for row, reading in enumerate(readings)
        for column, candidate in enumerate(candidates)
        if rule(reading, candidate)
    ]
    rows, columns = np.array(found, dtype=np.int64).reshape(-1, 2).T
    shape = (len(readings), len(candidates))
    return sparse.csr_array((np.ones(len(found), dtype=np.int64), (rows, columns)), shape=shape)


def _at_most_one(counts: sparse.csr_array) -> sparse.csr_array:
    counts = sparse.csr_array(counts)
    counts.data[:] = 1
    return counts
