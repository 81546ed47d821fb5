"""Clusters and their figures as Arrow tables: the pure steps between embedding and index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from semenrich_datasets.corpus import SentenceCounts, reports_per_member

SENTENCE_SCHEMA = pa.schema(
    [
        ("sentence", pa.string()),
        ("text", pa.string()),
        ("occurrences", pa.int64()),
        ("reports", pa.int64()),
        ("cluster_id", pa.int64()),
        ("sign", pa.string()),
        ("centrality", pa.float32()),
    ]
)
CLUSTER_SCHEMA = pa.schema(
    [
        ("cluster_id", pa.int64()),
        ("text", pa.string()),
        ("sign", pa.string()),
        ("agreement", pa.float64()),
        ("sentences", pa.int64()),
        ("occurrences", pa.int64()),
        ("reports", pa.int64()),
        ("position", pa.float64()),
        ("x", pa.float32()),
        ("y", pa.float32()),
    ]
)
COOCCURRENCE_SCHEMA = pa.schema(
    [("cluster_id", pa.int64()), ("other_id", pa.int64()), ("reports", pa.int64())]
)


def number_clusters(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Renumbers clusters by the first sentence of each, so that 0 holds the most common sentence.

    Args:
        labels (`np.ndarray` of shape `(n,)`, int64): Any numbers; -1 is noise and stays.

    Returns:
        `np.ndarray` of shape `(n,)`, int64: Numbers from 0 without gaps.
    """
    clustered = labels >= 0
    _, first, inverse = np.unique(labels[clustered], return_index=True, return_inverse=True)
    numbers = np.full(len(labels), -1, dtype=np.int64)
    numbers[clustered] = np.argsort(np.argsort(first))[inverse]
    return numbers


def join_nearest(
    similarities: NDArray[np.float32],
    neighbors: NDArray[np.int64],
    kinds: Sequence[object],
    labels: NDArray[np.int64],
    known_kinds: Sequence[object],
    threshold: float,
) -> NDArray[np.int64]:
    """Gives each sentence the cluster of its nearest known neighbor of the same kind.

    Args:
        similarities (`np.ndarray` of shape `(n, k)`, float32): Cosine to the neighbors, descending.
        neighbors (`np.ndarray` of shape `(n, k)`, int64): Their rows among the known sentences.
        kinds (`Sequence` of length `n`): What each sentence says; only equals join, `None` never.
        labels (`np.ndarray` of shape `(n_known,)`, int64): Clusters of the known, -1 noise.
        known_kinds (`Sequence` of length `n_known`): What each of them says.
        threshold (`float`): Least cosine similarity.

    Returns:
        `np.ndarray` of shape `(n,)`, int64: Clusters, -1 where no neighbor will do.
    """
    joined = np.full(len(kinds), -1, dtype=np.int64)
    close = (similarities >= threshold) & (neighbors >= 0)
    close &= labels[neighbors] >= 0
    for row in np.flatnonzero(close.any(axis=1)).tolist():
        same = (
            labels[other]
            for other in neighbors[row][close[row]].tolist()
            if kinds[row] is not None and known_kinds[other] == kinds[row]
        )
        joined[row] = next(same, -1)
    return joined


def sentence_table(
    counts: SentenceCounts,
    cluster_ids: NDArray[np.int64],
    signs: Sequence[str],
    vectors: NDArray[np.float32],
) -> pa.Table:
    """Gives a row per distinct sentence (`SENTENCE_SCHEMA`).

    `centrality` is the cosine between the sentence and the mean of its cluster, 0 for noise.
    """
    n = len(counts.sentences)
    means = _cluster_means(vectors, cluster_ids)
    centrality = np.zeros(n, dtype=np.float32)
    held = cluster_ids >= 0
    centrality[held] = np.einsum("ij,ij->i", vectors[held], means[cluster_ids[held]])
    columns = [
        counts.sentences,
        counts.texts,
        np.bincount(counts.sentence_ids, minlength=n),
        reports_per_member(counts.report_ids, counts.sentence_ids, n),
        cluster_ids,
        list(signs),
        centrality,
    ]
    return _table(columns, SENTENCE_SCHEMA)


def cluster_table(
    counts: SentenceCounts,
    cluster_ids: NDArray[np.int64],
    signs: Sequence[str],
    agreement: NDArray[np.float64],
    vectors: NDArray[np.float32],
) -> pa.Table:
    """Gives a row per cluster (`CLUSTER_SCHEMA`).

    `text` is its most common sentence, `position` the mean place in a report (0 first, 1 last),
    `x` and `y` the plane of greatest variance of the cluster means, for plots.
    """
    n = len(signs)
    occurrence_clusters = cluster_ids[counts.sentence_ids]
    held = occurrence_clusters >= 0
    occurrences = np.bincount(occurrence_clusters[held], minlength=n)
    places = np.bincount(
        occurrence_clusters[held], weights=counts.positions[held], minlength=n
    ) / np.maximum(occurrences, 1)
    plane = _principal_plane(_cluster_means(vectors, cluster_ids))
    first = _first_rows(cluster_ids, n)
    columns = [
        np.arange(n),
        [counts.texts[row] for row in first],
        list(signs),
        agreement,
        np.bincount(cluster_ids[cluster_ids >= 0], minlength=n),
        occurrences,
        reports_per_member(counts.report_ids, occurrence_clusters, n),
        places,
        plane[:, 0],
        plane[:, 1],
    ]
    return _table(columns, CLUSTER_SCHEMA)


def cooccurrence_table(counts: sparse.csr_array) -> pa.Table:
    """Gives a row per pair of clusters that share reports (`COOCCURRENCE_SCHEMA`)."""
    upper = sparse.triu(counts, k=1).tocoo()
    return _table([upper.row, upper.col, upper.data], COOCCURRENCE_SCHEMA)


def cooccurrence_matrix(table: pa.Table, n_clusters: int) -> sparse.csr_array:
    """Gives the symmetric matrix, int64, of a table made by `cooccurrence_table`."""
    row, column, data = (table.column(name).to_numpy() for name in COOCCURRENCE_SCHEMA.names)
    half = sparse.csr_array((data, (row, column)), shape=(n_clusters, n_clusters), dtype=np.int64)
    return sparse.csr_array(half + half.T)


def _cluster_means(
    vectors: NDArray[np.float32], cluster_ids: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Returns the mean direction of each cluster, unit length."""
    held = np.flatnonzero(cluster_ids >= 0)
    n = int(cluster_ids.max(initial=-1)) + 1
    ones = np.ones(len(held), dtype=np.float32)
    sums = sparse.csr_array((ones, (cluster_ids[held], held)), shape=(n, len(vectors))) @ vectors
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.maximum(norms, 1e-12), dtype=np.float32)


def _principal_plane(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Projects points on their two first principal axes, the sign of each axis fixed."""
    if len(points) < 3:
        return np.zeros((len(points), 2), dtype=np.float32)
    centered = points.astype(np.float64) - points.mean(axis=0)
    axes = np.linalg.svd(centered, full_matrices=False)[2][:2]
    largest = np.abs(axes).argmax(axis=1)
    axes *= np.sign(axes[np.arange(2), largest])[:, None]
    return np.asarray(centered @ axes.T, dtype=np.float32)


def _first_rows(cluster_ids: NDArray[np.int64], n: int) -> list[int]:
    first = np.full(n, -1, dtype=np.int64)
    rows = np.flatnonzero(cluster_ids >= 0)[::-1]
    first[cluster_ids[rows]] = rows
    return [int(row) for row in first]


def _table(columns: Sequence[object], schema: pa.Schema) -> pa.Table:
    arrays = [
        pa.array(column, type=kind) for column, kind in zip(columns, schema.types, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
