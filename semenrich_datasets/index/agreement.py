"""What may be added to reports at all, and how reports with each unit speak of it.

The fitted part of the safe enrichment: which normal units are candidates, how many reports with a
unit say each candidate (or more), how many contradict it, and which candidates some report of the
corpus makes both, in whatever words.
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

from semenrich_datasets.reading import Lexicon, Reading
from semenrich_datasets.reading.entailment import Logic, contradicts, follows

_T = TypeVar("_T")

#: A sentence held by fewer different reports stays where it is: it may be one patient's own.
MIN_SUPPORT = 3
# Share of reports that make a statement, from which on an author is taken to have left it out.
_USUAL_SHARE = 0.03

CANDIDATE_SCHEMA = pa.schema(
    [
        ("unit_id", pa.int64()),
        ("usage", pa.int64()),
        ("says", pa.int64()),
        ("denies", pa.int64()),
        ("speaks", pa.int64()),
        ("together", pa.list_(pa.int64())),
    ]
)
AGREEMENT_SCHEMA = pa.schema(
    [
        ("unit_id", pa.int64()),
        ("candidate_id", pa.int64()),
        ("says", pa.int64()),
        ("denies", pa.int64()),
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
        says (`np.ndarray` of shape `(c,)`, int64): Reports that say it, or more, in one sentence.
        denies (`np.ndarray` of shape `(c,)`, int64): Reports that contradict it in one sentence.
        speaks (`np.ndarray` of shape `(c,)`, int64): Reports that speak of its very topic, be it to
            say what they say: "bones intact" does not speak of the spine.
        says_with (`scipy.sparse.csr_array` of shape `(n_units, c)`, int64): Of the reports that
            hold a unit, those that say the candidate.
        denies_with (`scipy.sparse.csr_array` of shape `(n_units, c)`, int64): The same for those
            that contradict it.
        speaks_with (`scipy.sparse.csr_array` of shape `(n_units, c)`, int64): The same for those
            that speak of its topic.
        together (`np.ndarray` of shape `(c, c)`, bool): Whether some report says both.
    """

    candidate_ids: NDArray[np.int64]
    usage: NDArray[np.int64]
    says: NDArray[np.int64]
    denies: NDArray[np.int64]
    speaks: NDArray[np.int64]
    says_with: sparse.csr_array
    denies_with: sparse.csr_array
    speaks_with: sparse.csr_array
    together: NDArray[np.bool_]

    def to_tables(self) -> tuple[pa.Table, pa.Table]:
        """Writes it as two tables, of `CANDIDATE_SCHEMA` and `AGREEMENT_SCHEMA`."""
        partners = [np.flatnonzero(row).tolist() for row in self.together]
        figures = (self.candidate_ids, self.usage, self.says, self.denies, self.speaks, partners)
        candidates = pa.table(dict(zip(CANDIDATE_SCHEMA.names, figures, strict=True)))
        counted = (self.says_with, self.denies_with, self.speaks_with)
        pairs = sum(counted[1:], start=counted[0]).tocoo()
        values = (counts.toarray()[pairs.row, pairs.col] for counts in counted)
        columns = (pairs.row, self.candidate_ids[pairs.col], *values)
        agreement = pa.table(dict(zip(AGREEMENT_SCHEMA.names, columns, strict=True)))
        return candidates.cast(CANDIDATE_SCHEMA), agreement.cast(AGREEMENT_SCHEMA)

    @classmethod
    def from_tables(cls, candidates: pa.Table, agreement: pa.Table, n_units: int) -> Agreement:
        """Reads what `to_tables` wrote."""
        ids, usage, says, denies, speaks = (
            candidates.column(name).to_numpy() for name in CANDIDATE_SCHEMA.names[:-1]
        )
        together = np.zeros((len(ids), len(ids)), dtype=np.bool_)
        for row, partners in enumerate(candidates.column("together").to_pylist()):
            together[row, partners] = True
        place = {unit: column for column, unit in enumerate(ids.tolist())}
        rows = agreement.column("unit_id").to_numpy()
        columns = [place[unit] for unit in agreement.column("candidate_id").to_pylist()]
        shape = (n_units, len(ids))
        says_with, denies_with, speaks_with = (
            sparse.csr_array((agreement.column(name).to_numpy(), (rows, columns)), shape=shape)
            for name in AGREEMENT_SCHEMA.names[2:]
        )
        return cls(ids, usage, says, denies, speaks, says_with, denies_with, speaks_with, together)


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
    stances = (
        _pairs(readings, [reading.logic for reading in chosen], _says),
        _pairs(readings, [reading.logic for reading in chosen], _denies),
        _pairs(readings, topics, _speaks),
    )
    by_report = [_at_most_one(membership @ stance) for stance in stances]
    says, denies, speaks = (np.asarray(stance.sum(axis=0)).ravel() for stance in by_report)
    says_with, denies_with, speaks_with = (
        sparse.csr_array(membership.T @ stance) for stance in by_report
    )
    said = by_report[0]
    return Agreement(
        candidate_ids,
        usage,
        says,
        denies,
        speaks,
        says_with,
        denies_with,
        speaks_with,
        together=(said.T @ said).toarray() > 0,
    )


def _says(reading: Reading, candidate: Logic) -> bool:
    return follows(candidate, reading.logic)


def _denies(reading: Reading, candidate: Logic) -> bool:
    return contradicts(candidate, reading.logic)


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

    A candidate is normal, and the sentences of it that may travel (`transferable`, each held by
    `MIN_SUPPORT` reports) are held by at least 3 in 100 reports. A statement that fewer make
    answers a question of its own (free air after surgery, nodules in a patient with cancer): who
    does not write it left nothing out.

    Args:
        sentences (`pyarrow.Table`): Of the index (`SENTENCE_SCHEMA`).
        units (`pyarrow.Table`): Of the index (`UNIT_SCHEMA`).
        n_reports (`int`): Reports with a sentence.

    Returns:
        `tuple`: Unit ids and usage, both `np.ndarray` of shape `(c,)`, int64, the most usual first.
    """
    travels = sentences.filter(
        pc.and_(
            sentences.column("transferable"),
            pc.greater_equal(sentences.column("reports"), MIN_SUPPORT),
        )
    )
    held = travels.group_by("unit_id").aggregate([("reports", "sum")])
    signs = units.column("sign").to_pylist()
    usual = [
        (usage, unit)
        for unit, usage in zip(
            *(held.column(k).to_pylist() for k in held.column_names), strict=True
        )
        if unit >= 0 and signs[unit] == "normal" and usage >= _USUAL_SHARE * n_reports
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
