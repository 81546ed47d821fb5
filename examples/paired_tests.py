"""Figures of a corpus, their intervals, and whether two systems differ in them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Bounds the memory of resampling: this many draws of all reports are held at once.
BLOCK = 64


@dataclass(frozen=True)
class Figure:
    """A figure of a corpus that can be had of any part of it, and so be resampled.

    The mean, over terms, of a sum of `parts` over a sum of `wholes`: a mean of report scores is one
    term whose wholes are 1, micro F1 one term of counts, macro F1 a term per label. The harmonic
    mean of precision and recall is F1 where these count different things.

    Args:
        parts (`ndarray` of shape `(reports, terms)`): What each report adds above the line.
        wholes (`ndarray` of shape `(reports, terms)`): What it adds below; 0/0 counts as 0.
        harmonic (`bool`, *optional*, defaults to `False`): Whether the mean is the harmonic one.
    """

    parts: Floats
    wholes: Floats
    harmonic: bool = False

    @classmethod
    def mean(cls, scores: Sequence[float]) -> "Figure":
        """The mean of one score per report."""
        column = np.asarray(scores, dtype=float)[:, None]
        return cls(column, np.ones_like(column))

    @classmethod
    def f1(cls, hits: Floats, sizes: Floats) -> "Figure":
        """F1 of hits, over the sizes of both sides together."""
        return cls(2.0 * hits, sizes.astype(float))

    def __getitem__(self, rows: slice) -> "Figure":
        """The figure of some of the reports."""
        return replace(self, parts=self.parts[rows], wholes=self.wholes[rows])

    def values(self, weights: Floats) -> Floats:
        """The figure under each row of `weights`, shape `(resamples, reports)`."""
        return self.of_sums(weights @ self.parts, weights @ self.wholes)

    def of_sums(self, parts: Floats, wholes: Floats) -> Floats:
        """The figure of sums of parts and wholes, shape `(resamples, terms)`."""
        ratios = np.divide(parts, wholes, out=np.zeros_like(parts), where=wholes > 0)
        if self.harmonic:
            # One that is 0 makes the mean 0, by way of 1 / inf.
            inverse = np.divide(1, ratios, out=np.full_like(ratios, np.inf), where=ratios > 0)
            ratios = 1 / inverse.mean(axis=1, keepdims=True)
        means: Floats = ratios.mean(axis=1)
        return means

    @property
    def value(self) -> float:
        """The figure of all reports."""
        return float(self.values(np.ones((1, len(self.parts))))[0])


def interval(draw: Callable[[Floats], Floats], reports: int, resamples: int, seed: int) -> Floats:
    """The 95 % percentile bootstrap interval of `draw`, a function of weights as in `Figure`.

    Source: Koehn, Statistical Significance Tests for Machine Translation Evaluation (EMNLP 2004).
    """
    generator = np.random.default_rng(seed)
    values = [
        draw(generator.multinomial(reports, np.full(reports, 1 / reports), size=size).astype(float))
        for size in _blocks(resamples)
    ]
    bounds: Floats = np.quantile(np.concatenate(values), [0.025, 0.975])
    return bounds


def randomization_p(first: Figure, second: Figure, resamples: int, seed: int) -> float:
    """The two-sided p-value of a difference, by swapping the systems' outputs report by report.

    Source: Noreen, Computer-Intensive Methods for Testing Hypotheses (1989); Riezler and Maxwell,
    On Some Pitfalls in Automatic Evaluation and Significance Testing for MT (2005).
    """
    generator = np.random.default_rng(seed)
    observed = abs(first.value - second.value)
    extreme = 0
    for size in _blocks(resamples):
        swap = generator.integers(0, 2, (size, len(first.parts))).astype(float)
        mixed = [
            first.of_sums(
                (1 - own) @ first.parts + own @ second.parts,
                (1 - own) @ first.wholes + own @ second.wholes,
            )
            for own in (swap, 1 - swap)
        ]
        # A sum in another order may fall short of itself by its last digits.
        extreme += int((np.abs(mixed[0] - mixed[1]) >= observed - 1e-12).sum())
    return (1 + extreme) / (1 + resamples)


def compare(first: Figure, second: Figure, resamples: int, seed: int) -> dict[str, Any]:
    """The difference of two systems on the same reports, its 95 % interval and p-value."""

    def difference(weights: Floats) -> Floats:
        return first.values(weights) - second.values(weights)

    return {
        "difference": first.value - second.value,
        "interval": interval(difference, len(first.parts), resamples, seed).tolist(),
        "p_value": randomization_p(first, second, resamples, seed),
    }


def _blocks(resamples: int) -> Iterator[int]:
    for start in range(0, resamples, BLOCK):
        yield min(BLOCK, resamples - start)
