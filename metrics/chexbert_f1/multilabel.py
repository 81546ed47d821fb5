"""F1 over many labels, by counting: what scikit-learn's `classification_report` averages.

Where nothing was predicted and nothing was there, F1 is 0, as it is there by default: a label
without support pulls a macro average down, and so does a report without labels an example-based
one.
"""

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.bool_]
Floats = NDArray[np.float64]

# Bounds the memory of a bootstrap: this many draws of all reports are held at once.
_BLOCK = 64


def averages(predicted: Labels, actual: Labels, weights: Floats | None = None) -> dict[str, Floats]:
    """Micro, macro, weighted and example-based F1, and exact-match accuracy.

    Args:
        predicted (`ndarray` of shape `(reports, labels)`, bool):
            Which labels each prediction carries.
        actual (`ndarray` of shape `(reports, labels)`, bool):
            Which labels each reference carries.
        weights (`ndarray` of shape `(resamples, reports)`, *optional*):
            How often each report counts. Every report once if left out.

    Returns:
        `dict` of name to `ndarray` of shape `(resamples,)`: `micro_f1`, `macro_f1`, `weighted_f1`,
        `example_f1` and `accuracy`, from 0 to 1.
    """
    if weights is None:
        weights = np.ones((1, len(actual)))
    hits, found, support = (
        weights @ counts.astype(float) for counts in (predicted & actual, predicted, actual)
    )
    f1 = _ratio(2 * hits, found + support)
    total = weights.sum(axis=1)
    return {
        "micro_f1": _ratio(2 * hits.sum(axis=1), (found + support).sum(axis=1)),
        "macro_f1": f1.mean(axis=1),
        "weighted_f1": _ratio((f1 * support).sum(axis=1), support.sum(axis=1)),
        "example_f1": _ratio(weights @ example_f1(predicted, actual), total),
        "accuracy": _ratio(weights @ exact_match(predicted, actual), total),
    }


def example_f1(predicted: Labels, actual: Labels) -> Floats:
    """F1 of each report's labels, shape `(reports,)`."""
    hits = (predicted & actual).sum(axis=1)
    return _ratio(2 * hits, predicted.sum(axis=1) + actual.sum(axis=1))


def exact_match(predicted: Labels, actual: Labels) -> Floats:
    """1 for each report whose labels are all as they should be, else 0, shape `(reports,)`."""
    return np.asarray((predicted == actual).all(axis=1), dtype=float)


def label_scores(predicted: Labels, actual: Labels) -> list[dict[str, float]]:
    """Precision, recall, F1 and support (references that carry it) of each label."""
    hits, found, support = (c.sum(axis=0) for c in (predicted & actual, predicted, actual))
    columns = {
        "precision": _ratio(hits, found),
        "recall": _ratio(hits, support),
        "f1": _ratio(2 * hits, found + support),
        "support": support,
    }
    return [
        dict(zip(columns, row, strict=True))
        for row in zip(*(column.tolist() for column in columns.values()), strict=True)
    ]


def bootstrap_intervals(
    predicted: Labels, actual: Labels, resamples: int, seed: int
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of `averages`, by drawing reports with replacement.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    generator = np.random.default_rng(seed)
    reports = len(actual)
    blocks = []
    for start in range(0, resamples, _BLOCK):
        size = min(_BLOCK, resamples - start)
        draws = generator.multinomial(reports, np.full(reports, 1 / reports), size=size)
        blocks.append(averages(predicted, actual, draws.astype(float)))
    intervals = {}
    for name in blocks[0]:
        drawn = np.concatenate([block[name] for block in blocks])
        low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
        intervals[name] = (low, high)
    return intervals


def _ratio(part: NDArray[np.number], whole: NDArray[np.number]) -> Floats:
    quotient: Floats = np.zeros(whole.shape)
    np.divide(part, whole, out=quotient, where=whole > 0)
    return quotient
