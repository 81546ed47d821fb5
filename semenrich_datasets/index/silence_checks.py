"""The arrays of a silence model, checked for shape, range and finiteness."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semenrich_datasets.index.checks import check_range, check_unique, numbers
from semenrich_datasets.index.config import IndexConfig
from semenrich_datasets.index.silence import FOLDS, IMAGE, TopicCounts

# Of a weight or an intercept: beyond it no fit goes.
_LARGEST = 1e6
_LARGEST_IMAGE = 1e30


def check_silence(
    topics: pa.Table, weights: pa.Table, scaling: pa.Table, config: IndexConfig
) -> None:
    """Checks the three tables of a silence model.

    Args:
        topics (`pyarrow.Table`): Of `TOPIC_SCHEMA`, t rows.
        weights (`pyarrow.Table`): Of `WEIGHT_SCHEMA`: the features of texts, then of images.
        scaling (`pyarrow.Table`): A row for each dimension of an image's embedding, d rows.
        config ([`IndexConfig`]): Of the index.

    Raises:
        `ValueError`: When an array has another shape, or holds what no fit gives.
    """
    t, d, n = topics.num_rows, scaling.num_rows, weights.num_rows
    for name in TopicCounts._fields:
        check_range(numbers(topics, name), 0, config.reports, f"{name} of topics")
    names = weights.column("feature")
    check_unique(names, "feature")
    if names.slice(max(n - d, 0)).to_pylist() != [f"{IMAGE} {number}" for number in range(d)]:
        raise ValueError(f"expected {d} dimensions of images as the last features, found others")
    images = 1 + FOLDS if d else 0
    _check_lists(topics, "intercepts", [1 + FOLDS] * t)
    _check_lists(topics, "image_intercepts", [images] * t)
    _check_lists(weights, "weights", [t * (1 + FOLDS)] * (n - d) + [0] * d)
    _check_lists(weights, "image_weights", [t * images] * n)
    for kind in ("", "image_"):
        learned = numbers(topics, f"{kind}learned").astype(np.bool_)
        auroc = numbers(topics, f"{kind}auroc")
        check_range(auroc[learned], 0, 1, f"{kind}auroc of topics")
        if not np.isnan(auroc[~learned]).all() or (kind and not d and learned.any()):
            raise ValueError(f"expected no {kind}auroc where nothing was learned, found one")
    mean, factor = numbers(scaling, "mean"), numbers(scaling, "factor")
    check_range(mean, -_LARGEST_IMAGE, _LARGEST_IMAGE, "mean of image_scaling")
    check_range(factor, 0, _LARGEST_IMAGE, "factor of image_scaling")
    if d and config.image_encoder is None:
        raise ValueError(f"expected image_encoder beside {d} dimensions of images, found none")


def _check_lists(table: pa.Table, name: str, lengths: list[int]) -> None:
    """Raises `ValueError` unless the lists of a column have these lengths and small numbers."""
    column = table.column(name).combine_chunks()
    found = pc.list_value_length(column).to_pylist()
    if found != lengths:
        wrong = next(
            row for row, pair in enumerate(zip(found, lengths, strict=True)) if len(set(pair)) > 1
        )
        raise ValueError(f"expected {lengths[wrong]} {name} in row {wrong}, found {found[wrong]}")
    check_range(column.flatten().to_numpy(), -_LARGEST, _LARGEST, name)
