"""What an enricher did to a dataset, counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc

from semenrich_datasets.columns import check_column
from semenrich_datasets.enrich import SemEnricher
from semenrich_datasets.enrich.report import ADDED_TYPE
from semenrich_datasets.index import FindingsIndex

_BATCH_SIZE = 10_000


@dataclass(frozen=True)
class Summary:
    """What an enricher did to a dataset, counted; no row is left out.

    `rows == rows_without_text + rows_enriched + rows_unchanged`.

    Args:
        rows (`int`): Rows of the dataset.
        rows_without_text (`int`): Rows whose text is not a string, or holds no sentence.
        rows_enriched (`int`): Rows with at least one addition.
        rows_unchanged (`int`): Rows with a text and no addition.
        rows_unknown (`int`): Rows with a text of which the index knows no sentence; they are
            counted under enriched or unchanged too.
        additions (`int`): Added sentences.
        distinct_additions (`int`): Different ones among them.
        additions_by_unit (`Mapping[int, int]`): Additions of each unit, most first.
    """

    rows: int
    rows_without_text: int
    rows_enriched: int
    rows_unchanged: int
    rows_unknown: int
    additions: int
    distinct_additions: int
    additions_by_unit: Mapping[int, int]

    @property
    def additions_per_report(self) -> float:
        """Additions over the rows that have a text."""
        return self.additions / max(self.rows - self.rows_without_text, 1)

    def figures(self) -> pa.Table:
        """Gives the counts as a table of `figure` (string) and `value` (float64)."""
        values = {name: float(value) for name, value in named_counts(self)}
        values["additions per report"] = self.additions_per_report
        return pa.table({"figure": list(values), "value": pa.array(values.values(), pa.float64())})

    def __str__(self) -> str:
        """Writes the counts as lines of text."""
        lines = [f"{name:<42}{value:>10,}" for name, value in named_counts(self)]
        return "\n".join(
            [*lines, f"{'additions per report':<42}{self.additions_per_report:>10.2f}"]
        )


def named_counts(summary: Summary) -> list[tuple[str, int]]:
    """Names the counts of a summary, for whoever shows them."""
    return [
        ("reports", summary.rows),
        ("reports enriched", summary.rows_enriched),
        ("reports unchanged", summary.rows_unchanged),
        ("reports without text", summary.rows_without_text),
        ("reports with no sentence the index knows", summary.rows_unknown),
        ("additions", summary.additions),
        ("distinct added sentences", summary.distinct_additions),
        ("units added from", len(summary.additions_by_unit)),
    ]


def summarize(enriched: datasets.Dataset, enricher: SemEnricher) -> Summary:
    """Counts what an enricher did to a dataset.

    Args:
        enriched (`datasets.Dataset`): The output of `map(enricher)`. Only the text column and the
            column of additions are read.
        enricher ([`SemEnricher`]): What made it.

    Returns:
        [`Summary`]

    Raises:
        `TypeError`: When `enriched` is not one split of a dataset.
        `ValueError`: When a column is missing.

    Example:
        ```python
        >>> print(summarize(enriched, enricher))
        ```
    """
    without_text = unknown = n_enriched = n_rows = 0
    sentences: set[str] = set()
    units: Counter[int] = Counter()
    for batch in read_batches(enriched, enricher):
        texts = batch.column(enricher.text_column).to_pylist()
        known = Counter(_knows(enricher.index, text) for text in texts)
        added = read_additions(batch, enricher)
        lengths = pc.fill_null(pc.list_value_length(added), 0).to_numpy()
        flat = pc.list_flatten(added)
        n_rows += len(texts)
        without_text += known[None]
        unknown += known[False]
        n_enriched += int((lengths > 0).sum())
        sentences.update(flat.field("sentence").unique().to_pylist())
        for count in flat.field("cluster_id").value_counts().to_pylist():
            units[count["values"]] += count["counts"]
    return Summary(
        rows=n_rows,
        rows_without_text=without_text,
        rows_enriched=n_enriched,
        rows_unchanged=n_rows - without_text - n_enriched,
        rows_unknown=unknown,
        additions=units.total(),
        distinct_additions=len(sentences),
        additions_by_unit=dict(sorted(units.items(), key=lambda item: (-item[1], item[0]))),
    )


def read_batches(enriched: datasets.Dataset, enricher: SemEnricher) -> Iterator[pa.Table]:
    """Reads the columns of an enriched dataset that its audit needs, no image decoded.

    Args:
        enriched (`datasets.Dataset`): The output of `map(enricher)`.
        enricher ([`SemEnricher`]): What made it.

    Yields:
        `pyarrow.Table`: Text, context columns and additions of the next 10,000 rows.

    Raises:
        `TypeError`: When `enriched` is not one split of a dataset.
        `ValueError`: When a column is missing.
    """
    if not isinstance(enriched, datasets.Dataset):
        msg = (
            f"expected one split of an enriched dataset, found {type(enriched).__name__}: "
            "choose a split, or load the stream with Dataset.from_generator"
        )
        raise TypeError(msg)
    if not len(enriched):  # `Dataset.map` adds no columns to it
        return
    check_column(enricher.text_column, enriched.column_names)
    check_column(enricher.added_column, enriched.column_names, "added_column")
    for column in enricher.context_columns:
        check_column(column, enriched.column_names, "context_columns")
    columns = dict.fromkeys([enricher.text_column, *enricher.context_columns])
    narrow = enriched.select_columns([*columns, enricher.added_column])
    yield from narrow.with_format("arrow").iter(batch_size=_BATCH_SIZE)


def read_additions(batch: pa.Table, enricher: SemEnricher) -> pa.ListArray:
    """Gives the additions of some rows; a CSV file holds them as JSON text."""
    column = batch.column(enricher.added_column).combine_chunks()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pa.array([json.loads(text or "[]") for text in column.to_pylist()], ADDED_TYPE)
    return column.cast(ADDED_TYPE)


def _knows(index: FindingsIndex, text: Any) -> bool | None:
    """Whether the index knows a sentence of a text; None where the text has no sentence."""
    sentences = index.split(text) if isinstance(text, str) else []
    if not sentences:
        return None
    return any(index.normalize(sentence) in index.lookup for sentence in sentences)
