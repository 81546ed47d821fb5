"""Distances between sets of sentence vectors, and the candidate that is nearest to all others.

Set-distance rewards, arXiv 2606.00440. All functions are pure, on float arrays of unit vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Vectors = NDArray[np.float32]
Distance = Literal["chamfer", "matching", "energy"]


def chamfer(left: Vectors, right: Vectors) -> float:
    """Symmetric Chamfer distance: how far each vector is from its nearest in the other set.

    d = 1/2 (mean over a of min over b (1 - a·b) + mean over b of min over a (1 - a·b))

    Args:
        left (`np.ndarray` of shape `(n, dim)`): Unit vectors, n at least 1.
        right (`np.ndarray` of shape `(m, dim)`): The same, m at least 1.

    Returns:
        `float`: 0 (the same directions) to 2.
    """
    cosines = left @ right.T
    return float(1.0 - 0.5 * (cosines.max(axis=1).mean() + cosines.max(axis=0).mean()))


def matching(left: Vectors, right: Vectors) -> float:
    """Optimal matching distance: one to one, what finds no partner is at distance 1.

    d = (sum over matched pairs of (1 - a·b) + |n - m|) / max(n, m)

    Args:
        left (`np.ndarray` of shape `(n, dim)`): Unit vectors, n at least 1.
        right (`np.ndarray` of shape `(m, dim)`): The same, m at least 1.

    Returns:
        `float`: 0 (the same set) to 2.
    """
    costs = 1.0 - left @ right.T
    rows, columns = linear_sum_assignment(costs)
    alone = abs(len(left) - len(right))
    return float((costs[rows, columns].sum() + alone) / max(len(left), len(right)))


def energy(left: Vectors, right: Vectors) -> float:
    """Energy distance between the two sets, each vector of a set weighing the same.

    d = 2 E|a - b| - E|a - a'| - E|b - b'|   (Szekely and Rizzo, 2013)

    Args:
        left (`np.ndarray` of shape `(n, dim)`): Unit vectors, n at least 1.
        right (`np.ndarray` of shape `(m, dim)`): The same, m at least 1.

    Returns:
        `float`: 0 (the same distribution) to 4.
    """
    between = 2.0 * _mean_distance(left, right)
    within = _mean_distance(left, left) + _mean_distance(right, right)
    return max(between - within, 0.0)


DISTANCES: dict[str, Callable[[Vectors, Vectors], float]] = {
    "chamfer": chamfer,
    "matching": matching,
    "energy": energy,
}


def set_similarity(left: Vectors, right: Vectors, distance: Distance = "chamfer") -> float:
    """Turns a distance of sets, empty ones too, into a similarity.

    Args:
        left (`np.ndarray` of shape `(n, dim)`): Unit vectors, n may be 0.
        right (`np.ndarray` of shape `(m, dim)`): The same.
        distance (`str`, *optional*, defaults to `"chamfer"`): "chamfer", "matching" or "energy".

    Returns:
        `float`: max(0, 1 - d), for "energy" max(0, 1 - d / 2): 0 to 1. Two empty sets give 1, one
        empty set 0.
    """
    if not len(left) or not len(right):
        return float(len(left) == len(right))
    scale = 0.5 if distance == "energy" else 1.0
    return max(0.0, 1.0 - scale * DISTANCES[distance](left, right))


def medoid(candidates: Sequence[Vectors], distance: Distance = "chamfer") -> int:
    """Gives the candidate that is most like the others: best of N without a reference.

    Args:
        candidates (`Sequence[np.ndarray]` of shapes `(n_i, dim)`): Sets of unit vectors.
        distance (`str`, *optional*, defaults to `"chamfer"`): "chamfer", "matching" or "energy".

    Returns:
        `int`: Position of the candidate of greatest mean similarity to the others, the first of
        equal ones.

    Raises:
        `ValueError`: When there is no candidate.
    """
    if not candidates:
        msg = "expected at least one candidate, found none"
        raise ValueError(msg)
    size = len(candidates)
    similarity = np.zeros((size, size))
    for row in range(size):
        for column in range(row):
            value = set_similarity(candidates[row], candidates[column], distance)
            similarity[row, column] = similarity[column, row] = value
    return int(similarity.sum(axis=1).argmax())


def _mean_distance(left: Vectors, right: Vectors) -> float:
    squared = 2.0 - 2.0 * (left @ right.T)
    # The root would make 1e-3 of a rounding error of 1e-6: equal vectors are at distance 0.
    return float(np.sqrt(np.where(squared < 1e-5, 0.0, squared)).mean())
