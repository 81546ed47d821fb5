"""Clusters and their figures as Arrow tables: the pure steps between embedding and index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from semenrich_datasets.cliques import cooccurrence, membership_matrix
from semenrich_datasets.corpus import SentenceCounts, reports_per_member
from semenrich_datasets.llm_signs import LLMSigns, draw_occurrences
from semenrich_datasets.neighbors import nearest
from semenrich_datasets.signs import (
    Sign,
    SignClassifier,
    classify_sentences,
    cluster_signs,
    sentence_kinds,
    split_by_sign,
)

# Least cosine similarity at which a sentence belongs to the cluster of its nearest neighbor.
SIMILARITY = 0.75
# Neighbors among which it looks for one that says the same.
NEIGHBORS = 16

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
    # Sums of floats depend on their order, and the digest may not depend on that of the reports.
    order = np.lexsort((counts.positions, occurrence_clusters))
    order = order[occurrence_clusters[order] >= 0]
    occurrences = np.bincount(occurrence_clusters[order], minlength=n)
    places = np.bincount(
        occurrence_clusters[order], weights=counts.positions[order], minlength=n
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


def refine_clusters(
    sentences: list[str], labels: NDArray[np.int64], search: Any, vectors: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Splits clusters that mix signs, and lets noise join a cluster that says the same.

    Args:
        sentences (`list[str]` of length `n`): Distinct sentences.
        labels (`np.ndarray` of shape `(n,)`, int64): Their clusters, -1 noise.
        search (`faiss.Index`): Of their vectors.
        vectors (`np.ndarray` of shape `(n, d)`, float32): Unit rows.

    Returns:
        `np.ndarray` of shape `(n,)`, int64: The new clusters.
    """
    refined = split_by_sign(labels, classify_sentences(sentences))
    noise = np.flatnonzero(refined < 0)
    kinds = sentence_kinds(sentences)
    found = nearest(search, vectors[noise], min(NEIGHBORS, len(sentences)))
    noise_kinds = [kinds[row] for row in noise.tolist()]
    refined[noise] = join_nearest(*found, noise_kinds, refined, kinds, SIMILARITY)
    return refined


def fit_tables(
    counts: SentenceCounts,
    cluster_ids: NDArray[np.int64],
    signs: SignClassifier,
    vectors: NDArray[np.float32],
) -> tuple[pa.Table, pa.Table, sparse.csr_array]:
    """Gives the sentence table, the cluster table and the co-occurrence of an index.

    Args:
        counts ([`SentenceCounts`]): The corpus.
        cluster_ids (`np.ndarray` of shape `(n,)`, int64): From 0 without gaps, -1 noise.
        signs (`SignClassifier`): Asked about all sentences; a [`LLMSigns`] about a few of each
            cluster, whose others then take the cluster's sign.
        vectors (`np.ndarray` of shape `(n, d)`, float32): Unit rows.
    """
    n_clusters = int(cluster_ids.max(initial=-1)) + 1
    occurrences = np.bincount(counts.sentence_ids, minlength=len(counts.sentences))
    sentence_signs, votes = _ask_signs(signs, counts.sentences, cluster_ids, occurrences)
    signs_of_clusters, agreement = cluster_signs(cluster_ids, sentence_signs, votes)
    if isinstance(signs, LLMSigns):
        for row in np.flatnonzero((votes == 0) & (cluster_ids >= 0)).tolist():
            sentence_signs[row] = signs_of_clusters[cluster_ids[row]]
    membership = membership_matrix(
        counts.report_ids, cluster_ids[counts.sentence_ids], (counts.n_reports, n_clusters)
    )
    return (
        sentence_table(counts, cluster_ids, sentence_signs, vectors),
        cluster_table(counts, cluster_ids, signs_of_clusters, agreement, vectors),
        cooccurrence(membership),
    )


def _ask_signs(
    signs: SignClassifier,
    sentences: list[str],
    cluster_ids: NDArray[np.int64],
    occurrences: NDArray[np.int64],
) -> tuple[list[Sign], NDArray[np.int64]]:
    """Returns the sign and the votes of each sentence; a language model sees a sample of them."""
    if not isinstance(signs, LLMSigns):
        return list(signs(sentences)), occurrences
    votes = draw_occurrences(cluster_ids, occurrences, signs.sentences_per_cluster, signs.seed)
    asked = np.flatnonzero(votes).tolist()
    answers = signs([sentences[row] for row in asked])
    sentence_signs: list[Sign] = ["neutral"] * len(sentences)
    for row, sign in zip(asked, answers, strict=True):
        sentence_signs[row] = sign
    return sentence_signs, votes
