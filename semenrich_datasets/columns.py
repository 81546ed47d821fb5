"""Columns of datasets: found by name, and read without touching any other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import datasets

_BATCH_SIZE = 1_000


def iterate_texts(reports: Any, text_column: str) -> Iterator[Any]:
    """Reads one column of a dataset, no other column decoded.

    Args:
        reports (`datasets.Dataset`, `datasets.IterableDataset` or iterable): Rows with a
            `text_column`, or the texts themselves.
        text_column (`str`): Name of the column.

    Yields:
        `Any`: Value of the column for each row.

    Raises:
        `ValueError`: When the column is missing, or a `DatasetDict` is given.
    """
    if isinstance(reports, (datasets.DatasetDict, datasets.IterableDatasetDict)):
        names = ", ".join(map(repr, reports))
        msg = f"expected one split of a dataset, found a DatasetDict: choose one of {names}"
        raise ValueError(msg)
    if isinstance(reports, (datasets.Dataset, datasets.IterableDataset)):
        if reports.column_names is not None:
            check_column(text_column, reports.column_names)
            reports = reports.select_columns([text_column])
        batches = reports.with_format(None).iter(batch_size=_BATCH_SIZE)
        yield from (text for batch in batches for text in batch[text_column])
        return
    for row in reports:
        if isinstance(row, Mapping):
            check_column(text_column, row)
            yield row[text_column]
        else:
            yield row


def check_column(column: str, columns: Iterable[str], argument: str = "text_column") -> None:
    """Raises `ValueError` that names the columns there are when `column` is not among them."""
    names = list(columns)
    if column not in names:
        found = ", ".join(map(repr, names)) or "none"
        msg = f"column {column!r} not found; the columns are {found}: pass one as {argument}="
        raise ValueError(msg)
