"""Sentences and clusters to normal | abnormal | neutral.

The paper (arXiv 2604.09887) calls these positive and negative; in radiology a "positive" finding
is an abnormal one, so the field's own words are used here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from semenrich_datasets.assertions import Sign, read_sentence
from semenrich_datasets.statements import Assertion

__all__ = [
    "NOISE",
    "SIGNS",
    "Sign",
    "SignClassifier",
    "classify_sentences",
    "cluster_signs",
    "sentence_kinds",
    "split_by_sign",
]

SIGNS: tuple[Sign, ...] = ("normal", "abnormal", "neutral")
NOISE = -1


class SignClassifier(Protocol):
    """A callable that gives each sentence its sign."""

    def __call__(self, sentences: Sequence[str]) -> list[Sign]:
        """One sign per sentence, in order."""
        ...


def classify_sentences(sentences: Sequence[str]) -> list[Sign]:
    """Gives each sentence its sign, by what it asserts.

    Args:
        sentences (`Sequence[str]`): Sentences, in any case.

    Returns:
        `list[Sign]`: "normal" where all of it holds for a healthy person, "abnormal" where it
        states any finding or cannot exclude it, else "neutral".
    """
    return [read_sentence(sentence).sign for sentence in sentences]


def sentence_kinds(sentences: Sequence[str]) -> list[frozenset[Assertion] | None]:
    """Gives what each sentence asserts, to tell whether two say the same.

    Args:
        sentences (`Sequence[str]`): Sentences, in any case.

    Returns:
        `list[frozenset[Assertion] | None]`: Equal for sentences that say the same; None for those
        that are not understood.
    """
    readings = map(read_sentence, sentences)
    return [frozenset(item.assertions) if item.understood else None for item in readings]


def cluster_signs(
    cluster_ids: npt.ArrayLike, signs: Sequence[Sign], counts: npt.ArrayLike
) -> tuple[list[Sign], npt.NDArray[np.float64]]:
    """Gives each cluster the sign of most of its occurrences.

    Args:
        cluster_ids (array of `int`, shape `(n,)`): Cluster of each distinct sentence; -1 is noise.
        signs (`Sequence[Sign]`, length `n`): Sign of each distinct sentence.
        counts (array of `int`, shape `(n,)`): How often each sentence occurs.

    Returns:
        `tuple[list[Sign], numpy.ndarray]`: For clusters 0 to the largest id, the sign and the
        agreement (`float64`: the share of occurrences that have it). Ties go to the less normal
        sign; a cluster without occurrences is neutral with agreement 0.

    Raises:
        ValueError: If the three lengths differ.
    """
    ids = np.asarray(cluster_ids, dtype=np.int64)
    weights = np.asarray(counts, dtype=np.float64)
    if not len(ids) == len(signs) == len(weights):
        raise ValueError(
            f"Expected one sign and one count per cluster id, found {len(ids)} ids, "
            f"{len(signs)} signs and {len(weights)} counts."
        )
    n_clusters = int(ids.max(initial=NOISE)) + 1
    member = ids != NOISE
    cells = ids[member] * len(SIGNS) + _sign_codes(signs)[member]
    votes = np.bincount(cells, weights[member], n_clusters * len(SIGNS)).reshape(-1, len(SIGNS))
    # Of equal votes the last sign wins: "normal", the one that travels, comes first.
    winners = len(SIGNS) - 1 - votes[:, ::-1].argmax(axis=1)
    totals = votes.sum(axis=1)
    agreement = np.divide(votes.max(axis=1), totals, out=np.zeros(n_clusters), where=totals > 0)
    return [SIGNS[winner] for winner in winners], agreement


def split_by_sign(cluster_ids: npt.ArrayLike, signs: Sequence[Sign]) -> npt.NDArray[np.int64]:
    """Splits clusters that mix signs, so that "effusion" and "no effusion" part.

    Args:
        cluster_ids (array of `int`, shape `(n,)`): Cluster of each distinct sentence; -1 is noise.
        signs (`Sequence[Sign]`, length `n`): Sign of each distinct sentence.

    Returns:
        `numpy.ndarray`: New ids, shape `(n,)`, `int64`, dense from 0, in the order of the old ids
        and of normal, abnormal, neutral within each; noise stays -1.
    """
    ids = np.asarray(cluster_ids, dtype=np.int64)
    parts = np.full(len(ids), NOISE, dtype=np.int64)
    member = ids != NOISE
    cells = ids[member] * len(SIGNS) + _sign_codes(signs)[member]
    parts[member] = np.unique(cells, return_inverse=True)[1]
    return parts


def _sign_codes(signs: Sequence[Sign]) -> npt.NDArray[np.int64]:
    return np.fromiter((SIGNS.index(sign) for sign in signs), dtype=np.int64, count=len(signs))
