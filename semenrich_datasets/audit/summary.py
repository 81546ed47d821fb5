"""What an enricher did to a dataset, counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import datasets
import pyarrow as pa
import pyarrow.compute as pc

from semenrich_datasets.columns import StudyTexts, check_column, read_texts
from semenrich_datasets.enrich import SemEnricher
from semenrich_datasets.enrich.reasons import Reason
from semenrich_datasets.enrich.report import ADDED_TYPE
from semenrich_datasets.enrich.safe_selection import SafeSelection

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
        rows_refused (`Mapping[Reason, int]`): Rows to which nothing at all may be added, by reason
            (not understood, another kind or language, changed later); they are counted under
            unchanged too.
        understood (`float`): Share of the findings' sentences that were understood.
        additions (`int`): Added sentences.
        distinct_additions (`int`): Different ones among them.
        additions_by_unit (`Mapping[int, int]`): Additions of each unit, most first.
    """

    rows: int
    rows_without_text: int
    rows_enriched: int
    rows_unchanged: int
    rows_unknown: int
    rows_refused: Mapping[Reason, int]
    understood: float
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
        values["sentences understood"] = self.understood
        return pa.table({"figure": list(values), "value": pa.array(values.values(), pa.float64())})

    def __str__(self) -> str:
        """Writes the counts as lines of text."""
        lines = [f"{name:<42}{value:>10,}" for name, value in named_counts(self)]
        shares = [
            f"{'additions per report':<42}{self.additions_per_report:>10.2f}",
            f"{'sentences understood':<42}{self.understood:>10.1%}",
        ]
        return "\n".join([*lines, *shares])


def named_counts(summary: Summary) -> list[tuple[str, int]]:
    """Names the counts of a summary, for whoever shows them."""
    return [
        ("reports", summary.rows),
        ("reports enriched", summary.rows_enriched),
        ("reports unchanged", summary.rows_unchanged),
        ("reports without text", summary.rows_without_text),
        ("reports with no sentence the index knows", summary.rows_unknown),
        *((f"reports left alone: {reason}", n) for reason, n in summary.rows_refused.items()),
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
    tally: Counter[str] = Counter()
    refused: Counter[Reason] = Counter()
    sentences: set[str] = set()
    units: Counter[int] = Counter()
    for studies, added in read_batches(enriched, enricher):
        lengths = pc.fill_null(pc.list_value_length(added), 0).to_numpy()
        flat = pc.list_flatten(added)
        tally.update(rows=len(studies), enriched=int((lengths > 0).sum()))
        for study, length in zip(studies, lengths.tolist(), strict=True):
            _count_row(study, length, enricher, tally, refused)
        sentences.update(flat.field("sentence").unique().to_pylist())
        for count in flat.field("cluster_id").value_counts().to_pylist():
            units[count["values"]] += count["counts"]
    return Summary(
        rows=tally["rows"],
        rows_without_text=tally["without text"],
        rows_enriched=tally["enriched"],
        rows_unchanged=tally["rows"] - tally["without text"] - tally["enriched"],
        rows_unknown=tally["unknown"],
        rows_refused=dict(sorted(refused.items())),
        understood=tally["understood"] / max(tally["sentences"], 1),
        additions=units.total(),
        distinct_additions=len(sentences),
        additions_by_unit=dict(sorted(units.items(), key=lambda item: (-item[1], item[0]))),
    )


def _count_row(
    study: StudyTexts,
    additions: int,
    enricher: SemEnricher,
    tally: Counter[str],
    refused: Counter[Reason],
) -> None:
    index = enricher.index
    report = enricher.read_report(study)
    if report is None:
        tally["without text"] += 1
        return
    known = any(index.normalize(sentence) in index.lookup for sentence in report.sentences)
    tally["unknown"] += not known
    tally["sentences"] += len(report.sentences)
    tally["understood"] += sum(index.reader.read(one).understood for one in report.sentences)
    if not additions and isinstance(enricher.selection, SafeSelection):
        fault = enricher.selection.fault(report)
        if fault is not None:
            refused[fault] += 1


def read_batches(
    enriched: datasets.Dataset, enricher: SemEnricher
) -> Iterator[tuple[list[StudyTexts], pa.ListArray]]:
    """Reads the columns of an enriched dataset that its audit needs, no image decoded.

    Args:
        enriched (`datasets.Dataset`): The output of `map(enricher)`.
        enricher ([`SemEnricher`]): What made it.

    Yields:
        `tuple`: Texts and additions of the next 10,000 rows.

    Raises:
        `TypeError`: When `enriched` is not one split of a dataset.
        `ValueError`: When a column is missing.
    """
    check_one_split(enriched)
    if not len(enriched):  # `Dataset.map` adds no columns to it
        return
    check_column(enricher.added_column, enriched.column_names, "added_column")
    columns = enricher.find_columns(enriched.column_names)
    narrow = enriched.select_columns([*columns.read, enricher.added_column]).with_format("arrow")
    for batch in narrow.iter(batch_size=_BATCH_SIZE):
        texts = read_texts({name: batch.column(name).to_pylist() for name in columns.read}, columns)
        yield texts, _read_additions(batch.column(enricher.added_column).combine_chunks())


def check_one_split(reports: object) -> None:
    """Raises `TypeError` for all but one split of a dataset."""
    if not isinstance(reports, datasets.Dataset):
        msg = (
            f"expected one split of a dataset, found {type(reports).__name__}: "
            "choose a split, or load the stream with Dataset.from_generator"
        )
        raise TypeError(msg)


def read_studies(reports: datasets.Dataset, enricher: SemEnricher) -> Iterator[StudyTexts]:
    """Reads the texts of reports, enriched or not, and whose they are; no image is decoded.

    Args:
        reports (`datasets.Dataset`): Rows with the columns that the enricher reads.
        enricher ([`SemEnricher`]): What tells which these are.

    Yields:
        [`~columns.StudyTexts`]: One for each row.

    Raises:
        `TypeError`: When `reports` is not one split of a dataset.
        `ValueError`: When a column is missing.
    """
    check_one_split(reports)
    columns = enricher.find_columns(reports.column_names)
    names = list(dict.fromkeys([*columns.read, *filter(None, [columns.patient_id])]))
    for batch in reports.select_columns(names).with_format("arrow").iter(batch_size=_BATCH_SIZE):
        yield from read_texts({name: batch.column(name).to_pylist() for name in names}, columns)


def _read_additions(column: pa.Array) -> pa.ListArray:
    """Returns the additions of some rows; a CSV file holds them as JSON text."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pa.array([json.loads(text or "[]") for text in column.to_pylist()], ADDED_TYPE)
    return column.cast(ADDED_TYPE)
