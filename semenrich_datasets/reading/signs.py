"""Units to normal | abnormal | neutral, by the signs of their sentences.

The paper (arXiv 2604.09887) calls these positive and negative; in radiology a "positive" finding
is an abnormal one, so the field's own words are used here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from semenrich_datasets.reading.reader import Sign

SIGNS: tuple[Sign, ...] = ("normal", "abnormal", "neutral")
NOISE = -1


class SignClassifier(Protocol):
    """A callable that gives each sentence its sign."""

    def __call__(self, sentences: Sequence[str]) -> list[Sign]:
        """One sign per sentence, in order."""
        ...


def vote_signs(
    unit_ids: npt.ArrayLike, signs: Sequence[Sign], counts: npt.ArrayLike
) -> tuple[list[Sign], npt.NDArray[np.float64]]:
    """Gives each unit the sign of most of its occurrences.

    Args:
        unit_ids (array of `int`, shape `(n,)`): Unit of each distinct sentence; -1 is noise.
        signs (`Sequence[Sign]`, length `n`): Sign of each distinct sentence.
        counts (array of `int`, shape `(n,)`): How often each sentence occurs.

    Returns:
        `tuple[list[Sign], numpy.ndarray]`: For units 0 to the largest id, the sign and the
        agreement (`float64`: the share of occurrences that have it). Ties go to the less normal
        sign; a unit without occurrences is neutral with agreement 0.

    Raises:
        ValueError: If the three lengths differ.
    """
    ids = np.asarray(unit_ids, dtype=np.int64)
    weights = np.asarray(counts, dtype=np.float64)
    if not len(ids) == len(signs) == len(weights):
        raise ValueError(
            f"Expected one sign and one count per unit id, found {len(ids)} ids, "
            f"{len(signs)} signs and {len(weights)} counts."
        )
    n_units = int(ids.max(initial=NOISE)) + 1
    member = ids != NOISE
    cells = ids[member] * len(SIGNS) + _sign_codes(signs)[member]
    votes = np.bincount(cells, weights[member], n_units * len(SIGNS)).reshape(-1, len(SIGNS))
    # Of equal votes the last sign wins: "normal", the one that travels, comes first.
    winners = len(SIGNS) - 1 - votes[:, ::-1].argmax(axis=1)
    totals = votes.sum(axis=1)
    agreement = np.divide(votes.max(axis=1), totals, out=np.zeros(n_units), where=totals > 0)
    return [SIGNS[winner] for winner in winners], agreement


def _sign_codes(signs: Sequence[Sign]) -> npt.NDArray[np.int64]:
    return np.fromiter((SIGNS.index(sign) for sign in signs), dtype=np.int64, count=len(signs))
