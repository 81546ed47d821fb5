"""The Arrow tables of an index: sentences, units, and which units stand together in reports."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from semenrich_datasets.index.counting import SentenceCounts, reports_per_member
from semenrich_datasets.reading import Reading

SENTENCE_SCHEMA = pa.schema(
    [
        ("sentence", pa.string()),
        ("text", pa.string()),
        ("occurrences", pa.int64()),
        ("reports", pa.int64()),
        ("cluster_id", pa.int64()),
        ("unit_id", pa.int64()),
        ("sign", pa.string()),
        ("centrality", pa.float32()),
        ("understood", pa.bool_()),
        ("transferable", pa.bool_()),
        ("holders", pa.int64()),
        ("rebuilt", pa.string()),
    ]
)
UNIT_SCHEMA = pa.schema(
    [
        ("unit_id", pa.int64()),
        ("text", pa.string()),
        ("content", pa.string()),
        ("sign", pa.string()),
        ("sign_share", pa.float64()),
        ("sentences", pa.int64()),
        ("occurrences", pa.int64()),
        ("support", pa.int64()),
        ("position", pa.float64()),
        ("x", pa.float32()),
        ("y", pa.float32()),
    ]
)
COOCCURRENCE_SCHEMA = pa.schema(
    [("unit_id", pa.int64()), ("other_id", pa.int64()), ("reports", pa.int64())]
)


def sentence_table(
    counts: SentenceCounts,
    cluster_ids: NDArray[np.int64],
    unit_ids: NDArray[np.int64],
    signs: Sequence[str],
    readings: Sequence[Reading],
    vectors: NDArray[np.float32],
    holders: NDArray[np.int64],
    rebuilt: Sequence[str | None],
) -> pa.Table:
    """Makes a row per distinct sentence (`SENTENCE_SCHEMA`).

    `centrality` is the cosine between the sentence and the mean of its unit, 0 where it has none;
    `understood` tells whether the reader knows all of it, `transferable` whether it may be proposed
    to other reports by what it says, `holders` the patients that hold it, and `rebuilt` is it in
    known words, None where it stays with its patients ([`~index.holders.may_travel`]).
    """
    n = len(counts.sentences)
    means = _unit_means(vectors, unit_ids)
    centrality = np.zeros(n, dtype=np.float32)
    held = unit_ids >= 0
    centrality[held] = np.einsum("ij,ij->i", vectors[held], means[unit_ids[held]])
    columns = [
        counts.sentences,
        counts.texts,
        np.bincount(counts.sentence_ids, minlength=n),
        reports_per_member(counts.report_ids, counts.sentence_ids, n),
        cluster_ids,
        unit_ids,
        list(signs),
        centrality,
        [reading.understood for reading in readings],
        [reading.is_transferable for reading in readings],
        holders,
        [text or "" for text in rebuilt],
    ]
    return _table(columns, SENTENCE_SCHEMA)


def unit_table(
    counts: SentenceCounts,
    unit_ids: NDArray[np.int64],
    contents: Sequence[str],
    signs: Sequence[str],
    sign_share: NDArray[np.float64],
    vectors: NDArray[np.float32],
) -> pa.Table:
    """Makes a row per unit (`UNIT_SCHEMA`).

    `text` is its most common sentence, `sign_share` the share of its occurrences that have its
    sign, `support` the different reports that hold it, `position` the mean place in a report (0
    first, 1 last), `x` and `y` the plane of greatest variance of the units' means, for plots.
    """
    n = len(signs)
    occurrence_units = unit_ids[counts.sentence_ids]
    # Sums of floats depend on their order, and the digest may not depend on that of the reports.
    order = np.lexsort((counts.positions, occurrence_units))
    order = order[occurrence_units[order] >= 0]
    occurrences = np.bincount(occurrence_units[order], minlength=n)
    places = np.bincount(occurrence_units[order], weights=counts.positions[order], minlength=n)
    plane = _principal_plane(_unit_means(vectors, unit_ids))
    columns = [
        np.arange(n),
        [counts.texts[row] for row in _first_rows(unit_ids, n)],
        list(contents),
        list(signs),
        sign_share,
        np.bincount(unit_ids[unit_ids >= 0], minlength=n),
        occurrences,
        reports_per_member(counts.report_ids, occurrence_units, n),
        places / np.maximum(occurrences, 1),
        plane[:, 0],
        plane[:, 1],
    ]
    return _table(columns, UNIT_SCHEMA)


def cooccurrence_table(counts: sparse.csr_array) -> pa.Table:
    """Makes a row per pair of units that share reports (`COOCCURRENCE_SCHEMA`)."""
    upper = sparse.triu(counts, k=1).tocoo()
    return _table([upper.row, upper.col, upper.data], COOCCURRENCE_SCHEMA)


def cooccurrence_matrix(table: pa.Table, n_units: int) -> sparse.csr_array:
    """Gives the symmetric matrix, int64, of a table made by `cooccurrence_table`."""
    row, column, data = (table.column(name).to_numpy() for name in COOCCURRENCE_SCHEMA.names)
    half = sparse.csr_array((data, (row, column)), shape=(n_units, n_units), dtype=np.int64)
    return sparse.csr_array(half + half.T)


def _unit_means(vectors: NDArray[np.float32], unit_ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """Returns the mean direction of each unit, unit length."""
    held = np.flatnonzero(unit_ids >= 0)
    n = int(unit_ids.max(initial=-1)) + 1
    ones = np.ones(len(held), dtype=np.float32)
    sums = sparse.csr_array((ones, (unit_ids[held], held)), shape=(n, len(vectors))) @ vectors
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.maximum(norms, 1e-12), dtype=np.float32)


def _principal_plane(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Projects points on their two first principal axes, the sign of each axis fixed."""
    if len(points) < 3:
        return np.zeros((len(points), 2), dtype=np.float32)
    centered = points.astype(np.float64) - points.mean(axis=0)
    # The covariance has as many rows as a vector has dimensions, however many the points.
    axes = np.linalg.eigh(centered.T @ centered)[1][:, ::-1][:, :2].T
    largest = np.abs(axes).argmax(axis=1)
    axes = axes * np.sign(axes[np.arange(2), largest])[:, None]
    return np.asarray(centered @ axes.T, dtype=np.float32)


def _first_rows(unit_ids: NDArray[np.int64], n: int) -> list[int]:
    first = np.full(n, -1, dtype=np.int64)
    rows = np.flatnonzero(unit_ids >= 0)[::-1]
    first[unit_ids[rows]] = rows
    return [int(row) for row in first]


def _table(columns: Sequence[object], schema: pa.Schema) -> pa.Table:
    arrays = [
        pa.array(column, type=kind) for column, kind in zip(columns, schema.types, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
