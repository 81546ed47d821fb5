"""The studies of a dataset: their texts, and which rows repeat one of them."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import chain, islice
from typing import Any

import pyarrow as pa
from datasets import Dataset, DatasetDict, Image, IterableDataset, IterableDatasetDict

from semenrich_datasets.columns.names import ReportColumns, find_columns
from semenrich_datasets.columns.sections import cut_sections, text_of

_BATCH_SIZE = 1_000
# Sections of a whole report that say something of its image beside the findings.
_CONTEXT_SECTIONS = ("impression", "addendum", "")

# "patient1/study2/view1.jpg", "p10/s50414267/a.jpg", and "train_1_a_2.nii.gz": one of the
# reconstructions of scan a.
_STUDY_IN_PATH = re.compile(
    r"(?P<folder>.*[/\\](?:study|s)[-_]?\d+)[/\\]|(?P<scan>.*\w_\d+_[a-z]+)_\d+(?:\.nii(?:\.gz)?)?$"
)


@dataclass(frozen=True)
class StudyTexts:
    """What the columns of one row say of its study.

    Args:
        findings (`str` or `None`): What is added to; None where there is nothing.
        context (`Mapping[str, str]`): Other texts on the same image, by column or section.
        history (`Mapping[str, str]`): The indication or history, by column or section.
        exam (`str`): What kind of study it is, in the words of the dataset; empty where unknown.
        patient (`str`): Whose it is; empty where no column names the patient.
        image (`Any`): Its image, undecoded where the dataset allows it; None where none was asked
            for.
    """

    findings: str | None
    context: Mapping[str, str] = field(default_factory=dict)
    history: Mapping[str, str] = field(default_factory=dict)
    exam: str = ""
    patient: str = ""
    image: Any = None


def read_texts(rows: Mapping[str, Sequence[Any]], columns: ReportColumns) -> list[StudyTexts]:
    """Reads the texts of a batch of rows; whole reports are cut at their headings.

    Args:
        rows (`Mapping[str, Sequence[Any]]`): Column name to the values of the batch.
        columns ([`ReportColumns`]): What is what.

    Returns:
        `list[StudyTexts]`: One for each row.
    """
    return [_read_row(rows, row, columns) for row in range(len(rows[columns.findings]))]


def _read_row(rows: Mapping[str, Sequence[Any]], row: int, columns: ReportColumns) -> StudyTexts:
    findings = _text(rows, row, columns.findings)
    context: dict[str, str] = {}
    history: dict[str, str] = {}
    exams = [text for name in columns.exam if (text := _text(rows, row, name))]
    concluded = columns.impression is not None and _text(rows, row, columns.impression)
    needed = columns.report == columns.findings or not concluded
    if columns.report and needed and (whole := _text(rows, row, columns.report)):
        sections = cut_sections(whole)
        headed = bool({"findings", "impression"} & sections.keys())
        if columns.report == columns.findings and headed:
            findings = sections.get("findings") or None
        elif columns.report == columns.findings:
            findings = sections.get("") or findings
        if headed:
            context = {f"{s or 'text'}": sections[s] for s in _CONTEXT_SECTIONS if sections.get(s)}
        history = {s: sections[s] for s in ("indication",) if sections.get(s)}
        exams = exams or [sections.get("exam", "")]
    for name in columns.context:
        if name != columns.report and (text := _text(rows, row, name)):
            (history if name == columns.indication else context)[name] = text
    patient = _name_of(_identifier(rows, row, columns.patient_id))
    return StudyTexts(findings, context, history, ". ".join(exams), patient)


def _text(rows: Mapping[str, Sequence[Any]], row: int, name: str) -> str | None:
    """Returns the text of a cell; None where the row lacks the column."""
    try:
        return text_of(rows[name][row]) if name in rows else None
    except ValueError as error:
        raise ValueError(f"column {name!r}: {error}") from error


def iterate_studies(
    reports: Any,
    text_column: str | None = None,
    context_columns: Sequence[str] | None = None,
    image_column: str | None = None,
    patient_column: str | None = None,
) -> tuple[ReportColumns | None, Iterator[StudyTexts]]:
    """Reads the texts of a dataset, each report once however many rows repeat it.

    Rows repeat a report when their texts are equal and they are of the same study, by the study
    id (and patient), else by the path of the image. Without either, equal texts of the same
    patient, or of a dataset with an image a row, are taken for one report; where nothing speaks of
    images or patients every row counts, as equal texts are then those of different studies.

    Args:
        reports (`datasets.Dataset`, `datasets.IterableDataset` or iterable): Rows, or the texts
            themselves.
        text_column (`str`, *optional*): The column of the findings; found by its name by default.
        context_columns (`Sequence[str]`, *optional*): The columns of the same study; found by their
            names by default.
        image_column (`str`, *optional*): The column of the image; of a report that several rows
            repeat the first is taken.
        patient_column (`str`, *optional*): The column that names the patient; found by its name by
            default.

    Returns:
        `tuple`: What each column was taken for (None for texts), and an iterator over the studies.

    Raises:
        `ValueError`: When there is no such column, or a `DatasetDict` is given.
    """
    if isinstance(reports, (DatasetDict, IterableDatasetDict)):
        names = ", ".join(map(repr, reports))
        msg = f"expected one split of a dataset, found a DatasetDict: choose one of {names}"
        raise ValueError(msg)
    if isinstance(reports, (Dataset, IterableDataset)) and reports.column_names is not None:
        columns = find_columns(
            reports.column_names,
            text_column=text_column,
            context_columns=context_columns,
            patient_column=patient_column,
        )
        if image_column is not None:
            check_column(image_column, reports.column_names, "image_column")
        keyed = _studies(_rows(reports, columns, image_column), columns, image_column)
        return columns, (study for _, study in keyed)
    if isinstance(reports, (str, bytes, os.PathLike)) or hasattr(reports, "columns"):
        msg = (
            f"expected a dataset, rows or texts, found a {type(reports).__name__}: "
            "use datasets.load_dataset, or datasets.Dataset.from_pandas"
        )
        raise TypeError(msg)
    rows = iter(reports)
    start = list(islice(rows, 1))
    if not start or not isinstance(start[0], Mapping):
        texts = chain(start, rows)
        return None, (StudyTexts(text if isinstance(text, str) else None) for text in texts)
    first = start[0]
    columns = find_columns(
        list(first),
        text_column=text_column,
        context_columns=context_columns,
        patient_column=patient_column,
    )
    keyed = _studies(chain([first], rows), columns, image_column)
    return columns, (study for _, study in keyed)


def keyed_studies(
    reports: Dataset | IterableDataset, columns: ReportColumns
) -> Iterator[tuple[Any, StudyTexts]]:
    """Reads the texts of a part of a dataset, to be counted together with the other parts.

    Args:
        reports (`datasets.Dataset` or `datasets.IterableDataset`): The part.
        columns ([`ReportColumns`]): What is what.

    Yields:
        `tuple[Any, StudyTexts]`: Each report of the part once, with what the rows that repeat it
        share in other parts too; None for a row that is a report of its own.
    """
    yield from _studies(_rows(reports, columns, None), columns, None)


def study_columns(columns: ReportColumns) -> list[str]:
    """Names the columns that hold a study's texts or tell its rows from those of others."""
    names = [columns.findings, *columns.context, columns.study_id, columns.patient_id]
    return [*dict.fromkeys(name for name in [*names, *columns.images] if name)]


def check_column(column: str, columns: Iterable[str], argument: str = "text_column") -> None:
    """Raises `ValueError` that names the columns there are when `column` is not among them."""
    names = list(columns)
    if column not in names:
        found = ", ".join(map(repr, names)) or "none"
        msg = f"column {column!r} not found; the columns are {found}: pass one as {argument}="
        raise ValueError(msg)


def _studies(
    rows: Iterable[Mapping[str, Any]], columns: ReportColumns, image_column: str | None
) -> Iterator[tuple[Any, StudyTexts]]:
    seen: set[Any] = set()
    for row in rows:
        check_column(columns.findings, row)
        key = _report_key(row, columns)
        if key is None or key not in seen:
            seen.add(key)
            single = {name: [value] for name, value in row.items()}
            study = read_texts(single, columns)[0]
            if image_column is not None:
                study = replace(study, image=row.get(image_column))
            yield key, study


def _rows(
    reports: Any, columns: ReportColumns, image_column: str | None
) -> Iterator[Mapping[str, Any]]:
    """Iterates rows of the columns that tell reports apart; pictures are told of, not read."""
    schema = _schema(reports)
    if image_column is not None and isinstance((reports.features or {}).get(image_column), Image):
        reports = reports.cast_column(image_column, Image(decode=False))
    if schema is None:
        yield from reports
        return
    wanted = dict.fromkeys([*study_columns(columns), image_column])
    there = [name for name in wanted if name in schema.names]
    pictures = {
        name: "picture"
        for name in columns.images
        if name in there and name != image_column and _is_picture(schema, name)
    }
    names = [name for name in there if name not in pictures]
    for batch in reports.select_columns(names).with_format("arrow").iter(_BATCH_SIZE):
        for row in batch.to_pylist():
            yield row | pictures


def _schema(reports: Any) -> pa.Schema | None:
    if isinstance(reports, (Dataset, IterableDataset)) and reports.features is not None:
        return reports.features.arrow_schema
    return None


def _is_picture(schema: pa.Schema, name: str) -> bool:
    return bool(pa.types.is_struct(schema.field(name).type))


def _report_key(row: Mapping[str, Any], columns: ReportColumns) -> Any:
    """Returns what two rows of one report share, or None for a row that is a report of its own."""
    patient = _known(row.get(columns.patient_id)) if columns.patient_id else None
    study = _known(row.get(columns.study_id)) if columns.study_id else None
    images = [row.get(name) for name in columns.images]
    one_image = any(_is_one_image(image) for image in images)
    if study is None:
        study = next(filter(None, map(_study_in_path, images)), None)
    if study is None and patient is None and not one_image:
        return None
    texts = [text_of(row.get(name)) or "" for name in (columns.findings, *columns.context)]
    # Ids that turn out to be no ids ("CT chest") must not make one report of them all.
    if study is None and not any(texts):
        return None
    # One digest, not the texts and ids: a key is kept for each report of the corpus.
    said = "\0".join([*map(repr, (study, patient)), *texts])
    return blake2b(said.encode(errors="surrogatepass"), digest_size=16).digest()


def _identifier(rows: Mapping[str, Sequence[Any]], row: int, name: str | None) -> Any:
    return _known(rows[name][row]) if name and name in rows else None


def _name_of(patient: Any) -> str:
    """Returns one text for a patient, whether the column is read as numbers or as text."""
    if isinstance(patient, float) and patient.is_integer():
        patient = int(patient)
    return "" if patient is None else str(patient).strip()


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _is_one_image(image: Any) -> bool:
    return image is not None and not isinstance(image, list) and not str(image).startswith("[")


def _study_in_path(image: Any) -> str | None:
    match = _STUDY_IN_PATH.match(image) if isinstance(image, str) else None
    return (match["folder"] or match["scan"]) if match else None
