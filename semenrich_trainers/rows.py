"""The datasets that trainers are given: whether their columns will do, and their first rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

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
        `ValueError`: When a column is missing, or a transform would lose the columns it reads.
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
