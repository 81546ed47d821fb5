"""Precision, recall and F1 of claims that the other side confirms, if only by implication.

Where neither side claims anything, precision, recall and F1 are 1; where only one does, 0.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]

# Bounds the memory of a bootstrap: this many draws of all reports are held at once.
_BLOCK = 64


class Tally(NamedTuple):
    """The claims of one side of a corpus.

    Args:
        claimed (`csr_array` of shape `(reports, labels)`, float64): How many.
        confirmed (`csr_array` of shape `(reports, labels)`, float64): How many of these the other
            side's report confirms; one that it confirms in part counts in part.
    """

    claimed: Any
    confirmed: Any


def tally(claims: Sequence[tuple[int, int, float]], shape: tuple[int, int]) -> Tally:
    """Counts claims, given as report, label and how far it is confirmed, 0 to 1."""
    places = np.array([claim[:2] for claim in claims], dtype=np.int64).reshape(-1, 2).T
    shares = np.array([claim[2] for claim in claims], dtype=float)
    return Tally(
        sparse.csr_array((np.ones(len(claims)), tuple(places)), shape),
        sparse.csr_array((shares, tuple(places)), shape),
    )


def averages(predicted: Tally, actual: Tally, weights: Floats | None = None) -> dict[str, Floats]:
    """Micro, macro and example-based figures.

    Args:
        predicted (`Tally`): Of the predictions.
        actual (`Tally`): Of the references.
        weights (`ndarray` of shape `(resamples, reports)`, *optional*):
            How often each report counts. Every report once if left out.

    Returns:
        `dict` of name to `ndarray` of shape `(resamples,)`: `precision`, `recall` and `f1` (micro:
        all claims together), `macro_f1` (of the mean precision of the labels that predictions
        claim and the mean recall of those that references claim, since a claim may be confirmed by
        one of another label), `example_f1` (mean of the reports' F1).
    """
    if weights is None:
        weights = np.ones((1, predicted.claimed.shape[0]))
    micro = _precision_recall(*(weights @ count for count in _per_report(predicted, actual)))
    labels = [np.asarray((count.T @ weights.T).T) for count in (*predicted, *actual)]
    return {
        "precision": micro[0],
        "recall": micro[1],
        "f1": harmonic_mean(*micro),
        "macro_f1": harmonic_mean(*_macro(*labels)),
        "example_f1": weights @ example_f1(predicted, actual) / weights.sum(axis=1),
    }


def example_f1(predicted: Tally, actual: Tally) -> Floats:
    """F1 of each report, shape `(reports,)`."""
    return harmonic_mean(*_precision_recall(*_per_report(predicted, actual)))


def report_values(predicted: Tally, actual: Tally) -> dict[str, list[Any]]:
    """The counts of each report, and its F1."""
    names = ("predicted", "correct", "actual", "recalled")
    counts = zip(names, _per_report(predicted, actual), strict=True)
    values: dict[str, list[Any]] = {name: _whole(count) for name, count in counts}
    return values | {"example_f1": example_f1(predicted, actual).tolist()}


def bootstrap_intervals(
    predicted: Tally, actual: Tally, resamples: int, seed: int
) -> dict[str, list[float]]:
    """95 % percentile intervals of `averages`, by drawing reports with replacement.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    reports = predicted.claimed.shape[0]
    blocks = [averages(predicted, actual, draws) for draws in _draws(reports, resamples, seed)]
    drawn = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    return {name: np.quantile(values, [0.025, 0.975]).tolist() for name, values in drawn.items()}


def mean_interval(values: Sequence[float], resamples: int, seed: int) -> list[float]:
    """The same of the mean of one value per report, by the same draws."""
    reports = len(values)
    means = [draws @ np.array(values) / reports for draws in _draws(reports, resamples, seed)]
    bounds: list[float] = np.quantile(np.concatenate(means), [0.025, 0.975]).tolist()
    return bounds


def _draws(reports: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each report is drawn, by blocks of resamples."""
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, _BLOCK):
        size = min(_BLOCK, resamples - start)
        draws = generator.multinomial(reports, np.full(reports, 1 / reports), size=size)
        yield draws.astype(float)


def harmonic_mean(precision: Floats, recall: Floats) -> Floats:
    """F1; 0 where both are 0."""
    return _ratio(2 * precision * recall, precision + recall)


def _whole(counts: Floats) -> list[int | float]:
    """Counts as whole numbers, but for those in which something counts in part."""
    return [int(count) if count.is_integer() else count for count in counts.tolist()]


def _per_report(predicted: Tally, actual: Tally) -> list[Floats]:
    return [np.asarray(count.sum(axis=1)) for count in (*predicted, *actual)]


def _macro(
    claimed: Floats, confirmed: Floats, claimed_there: Floats, confirmed_there: Floats
) -> tuple[Floats, Floats]:
    """Mean precision and mean recall of the labels that occur, by rows."""
    return _precision_recall(
        (claimed > 0).sum(axis=1),
        _ratio(confirmed, claimed).sum(axis=1),
        (claimed_there > 0).sum(axis=1),
        _ratio(confirmed_there, claimed_there).sum(axis=1),
    )


def _precision_recall(
    predicted: NDArray[Any], correct: Floats, actual: NDArray[Any], recalled: Floats
) -> tuple[Floats, Floats]:
    nothing = ((predicted == 0) & (actual == 0)).astype(float)
    return _ratio(correct, predicted) + nothing, _ratio(recalled, actual) + nothing


def _ratio(part: Floats, whole: NDArray[Any]) -> Floats:
    quotient: Floats = np.zeros(whole.shape)
    np.divide(part, whole, out=quotient, where=whole > 0)
    return quotient
