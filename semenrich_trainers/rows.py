"""The datasets that trainers are given: whether their columns will do, and their first rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, IterableDataset

_FORMATTED = ("prompt", "completion")


def check_datasets(
    dataset: Any, name: str, columns: Mapping[str, str], *, remove_unused_columns: bool | None
) -> None:
    """Checks, before anything is loaded or generated, that datasets have what a trainer reads.

    Args:
        dataset (`Dataset`, `IterableDataset`, a `dict` of them, or None): As the trainer's.
        name (`str`): Of the trainer's argument.
        columns (`Mapping[str, str]`): Columns that rows must have, each with the argument that
            names it. Streams whose columns are unknown are not read.
        remove_unused_columns (`bool`, *optional*): Of the trainer's configuration.

    Raises:
        `ValueError`: When a column is missing, a transform would lose the columns it reads, or
            there are images in two columns.
    """
    for label, one in _each(dataset, name):
        if remove_unused_columns and has_transform(one):
            raise ValueError(
                f"{label} has a transform (with_transform), and remove_unused_columns=True takes "
                "away the columns that the transform reads: pass remove_unused_columns=False"
            )
        names = column_names(one)
        if names is not None:
            check_columns(names, label, columns)
            check_image_columns(names, label)


def check_image_columns(names: Iterable[str], label: str) -> None:
    """Raises a `ValueError` where both columns of images are there: SFT takes one, GRPO another."""
    if {"image", "images"} <= set(names):
        raise ValueError(
            f"expected one column of images in {label}, found 'image' and 'images': remove one"
        )


def check_studies(dataset: Any, name: str) -> None:
    """Checks, before anything is generated, that each study has an image where others have.

    TRL's GRPO stops at the first batch with a study that has none. Nothing is read but the lengths
    of lists. Streams and transforms are looked at as their rows come ([`check_images`]).

    Args:
        dataset (`Dataset`, `IterableDataset`, a `dict` of them, or None): As the trainer's.
        name (`str`): Of the trainer's argument.

    Raises:
        `ValueError`: When a study has no image; how many and which is the first is said.
    """
    for label, one in _each(dataset, name):
        if not isinstance(one, Dataset) or has_transform(one):
            continue
        for column in {"image", "images"}.intersection(one.column_names):
            stored = one.data.column(column)
            is_list = pa.types.is_list(stored.type) or pa.types.is_large_list(stored.type)
            lengths = pc.list_value_length(stored) if is_list else stored.is_valid().cast("int32")
            # The rows that a filter leaves, without the images that `take` would copy.
            if one._indices is not None:
                lengths = lengths.take(one._indices.column(0))
            counts = np.nan_to_num(lengths.to_numpy())
            if not counts.all():
                first, total = int(counts.argmin()), int((counts == 0).sum())
                _refuse_without_image(label, f"{total} without, the first in row {first}", column)


def check_images(rows: Sequence[Mapping[str, Any]], label: str) -> None:
    """Raises a `ValueError` as [`check_studies`] does, and for both columns, of rows at hand."""
    check_image_columns(rows[0], label)
    for column in {"image", "images"}.intersection(rows[0]):
        if any(row[column] is None or row[column] == [] for row in rows):
            _refuse_without_image(label, "one without", column)


def _refuse_without_image(label: str, found: str, column: str) -> None:
    raise ValueError(
        f"expected an image for every study of {label}, found {found} in column {column!r}, at "
        f"which TRL's GRPO would stop: {label}.filter(bool, input_columns={column!r}) leaves such "
        f"studies out, {label}.remove_columns({column!r}) trains on text alone"
    )


def check_columns(names: Iterable[str], label: str, columns: Mapping[str, str]) -> None:
    """Raises a `ValueError` that names a missing column, those found and the way out."""
    names = list(names)
    for column, argument in columns.items():
        if column in names:
            continue
        way_out = f"pass one of them as {argument}="
        if column in _FORMATTED:
            way_out = f"make it with {label}.map(ReportFormatter(...), batched=True)"
        found = ", ".join(map(repr, names)) or "none"
        raise ValueError(f"column {column!r} not found in {label}; found {found}: {way_out}")


def column_names(dataset: Dataset | IterableDataset) -> list[str] | None:
    """Gives the columns that rows have when they are read; None where only reading would tell."""
    if has_transform(dataset) and len(dataset):
        return list(dataset[0])
    names = dataset.column_names
    return None if names is None else list(names)


def has_transform(dataset: Any) -> bool:
    """Tells whether rows are made as they are read (`with_transform`)."""
    return isinstance(dataset, Dataset) and dataset.format["type"] == "custom"


def first_rows(dataset: Any, count: int) -> Any:
    """Gives the first rows of a dataset, or of each dataset of a dict; all of them for 0."""
    if not count or dataset is None:
        return dataset
    if isinstance(dataset, dict):
        return {name: first_rows(one, count) for name, one in dataset.items()}
    if isinstance(dataset, IterableDataset):
        return dataset.take(count)
    return dataset.select(range(min(count, len(dataset))))


def _each(dataset: Any, name: str) -> Iterator[tuple[str, Dataset | IterableDataset]]:
    if isinstance(dataset, dict):
        for key, one in dataset.items():
            yield f"{name}[{key!r}]", one
    elif isinstance(dataset, (Dataset, IterableDataset)):
        yield name, dataset
