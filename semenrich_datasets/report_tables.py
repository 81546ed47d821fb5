"""CSV and JSON files of reports, in the encodings and shapes that datasets come in."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from datasets import Dataset, Features, Value, load_dataset
from datasets.exceptions import DatasetGenerationError

_CHUNK = 1 << 20
_LARGEST_CELL = 2**31 - 1  # Python's csv stops at 128 KiB by default
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SEPARATORS = ",;\t"
# Keys under which a JSON file may keep all of its rows, beside a version or a licence.
_ROWS_KEYS = ("data", "reports", "studies", "annotations")
_JSON_SHAPES = "a list of reports, a report a line, reports by their study, or splits of these"


def read_csv(path: Path) -> Dataset:
    """Reads a CSV file, separated by commas, semicolons or tabs.

    Args:
        path (`Path`): In UTF-8, UTF-16 or cp1252.

    Returns:
        `datasets.Dataset`

    Raises:
        `ValueError`: When the file is empty, not text, or one of its rows has more or fewer cells
            than the header.
    """
    encoding = find_encoding(path)
    separator = _check_rows(path, encoding)
    options = {"data_files": str(path), "split": "train", "sep": separator, "encoding": encoding}
    try:
        return load_dataset("csv", **options)
    except DatasetGenerationError:
        # A column changed its kind midway ("17", later "A17"): read them all as text.
        names = pd.read_csv(path, sep=separator, encoding=encoding, nrows=0).columns
        features = Features({name: Value("string") for name in names})
    try:
        return load_dataset("csv", **options, features=features)
    except DatasetGenerationError as error:
        msg = f"{path} could not be read as CSV ({error.__cause__}): save it as CSV in UTF-8 again"
        raise ValueError(msg) from error


def read_json(path: Path, split: str | None = None) -> Dataset:
    """Reads a JSON or JSONL file.

    Args:
        path (`Path`): A list of reports, a report a line, reports by their study (the key becomes
            the column "study_id"), or splits of these by their names.
        split (`str`, *optional*): Which split, where there are several.

    Returns:
        `datasets.Dataset`

    Raises:
        `ValueError`: When the file is empty, a line is broken, or the shape is another one.
    """
    text = path.read_bytes().decode(find_encoding(path))
    rows = _find_rows(_parse(text, path), path, split)
    if not rows:
        raise ValueError(f"{path} holds no reports: expected {_JSON_SHAPES}")
    return _as_dataset(rows, path)


def choose_split(names: Iterable[str], source: object, split: str | None) -> str:
    """Returns the split asked for, or the only one; raises `ValueError` that names them else."""
    found = list(names)
    if split is None and len(found) == 1:
        return found[0]
    if split not in found:
        msg = f"{source} has the splits {', '.join(found)}; name one of them with --split"
        raise ValueError(msg)
    return split


def find_encoding(path: Path) -> str:
    """Tells in which encoding a text file is written.

    Args:
        path (`Path`): The file; all of it is read, as the one "é" may come last.

    Returns:
        `str`: "utf-8", "utf-8-sig", "utf-16" or "cp1252".

    Raises:
        `ValueError`: When the file is empty or not text.
    """
    with path.open("rb") as file:
        head = file.read(_CHUNK)
        for mark, encoding in _BYTE_ORDER_MARKS.items():
            if head.startswith(mark):
                _check_text(path, encoding)
                return encoding
    if not head.strip():
        raise ValueError(f"{path} is empty: expected reports; check how it was saved")
    if b"\0" in head:
        raise ValueError(f"{path} is not text: expected CSV or JSON; save it in UTF-8")
    with suppress(UnicodeDecodeError):
        _decode(path, "utf-8")
        return "utf-8"
    _check_text(path, "cp1252")
    return "cp1252"


def _check_text(path: Path, encoding: str) -> None:
    try:
        characters = _decode(path, encoding)
    except UnicodeError as error:
        msg = f"{path} is neither UTF-8 nor UTF-16 nor cp1252: save it in UTF-8"
        raise ValueError(msg) from error
    if not characters:
        raise ValueError(f"{path} is empty: expected reports; check how it was saved")


def _decode(path: Path, encoding: str) -> int:
    """Decodes a file and returns the number of its characters."""
    with path.open(encoding=encoding) as file:
        return sum(len(chunk.strip()) for chunk in iter(lambda: file.read(_CHUNK), ""))


def _check_rows(path: Path, encoding: str) -> str:
    """Returns the separator of a CSV file all rows of which have as many cells as its header.

    pandas would fill short rows, and take the first column for an index where all rows are longer
    than the header: text would silently stand in the wrong column.
    """
    limit = csv.field_size_limit(_LARGEST_CELL)
    try:
        with path.open(encoding=encoding, newline="") as file:
            separator = _separator(file.readline())
            file.seek(0)
            _check_lengths(csv.reader(file, delimiter=separator, strict=True), path)
    finally:
        csv.field_size_limit(limit)
    return separator


def _separator(header: str) -> str:
    return max(_SEPARATORS, key=header.count)


def _check_lengths(reader: Any, path: Path) -> None:
    header: list[str] = []
    line, rows = 1, 0
    try:
        for cells in reader:
            if header and cells and len(cells) != len(header):
                msg = (
                    f"{path}, line {line}: expected {len(header)} cells as in the header, found "
                    f"{len(cells)}: put texts with commas, quotes or line breaks in quotes"
                )
                raise ValueError(msg)
            header = header or cells
            rows += bool(cells)
            line = reader.line_num + 1
    except csv.Error as error:
        msg = (
            f"{path}, line {line}: broken quotes ({error}): close the quotes of this row, and "
            f"double those inside its texts"
        )
        raise ValueError(msg) from error
    if rows < 2:
        raise ValueError(f"{path} has a header but no rows: expected a row a report")


def _parse(text: str, path: Path) -> Any:
    body = text.lstrip()
    if path.suffix.lower() == ".jsonl" and not body.startswith("["):
        return _parse_lines(text, path)
    if body.startswith("{"):
        first, _, rest = body.partition("\n")
        with suppress(json.JSONDecodeError):
            _loads(first, path, 1)
            if rest.strip():
                return _parse_lines(text, path)
    try:
        return _loads(text, path, 1)
    except json.JSONDecodeError as error:
        raise _broken(path, error.lineno, error) from error


def _parse_lines(text: str, path: Path) -> list[Any]:
    rows = []
    # Not splitlines(): JSON texts may hold its other line ends, such as U+2028, as they are.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = _loads(line, path, number)
        except json.JSONDecodeError as error:
            raise _broken(path, number, error) from error
        if not isinstance(row, dict):
            msg = f"{path}, line {number}: expected an object with columns, found {line[:40]!r}"
            raise ValueError(msg)
        rows.append(row)
    return rows


def _loads(text: str, path: Path, line: int) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        msg = f"{path}, from line {line}: lists within lists without end: expected {_JSON_SHAPES}"
        raise ValueError(msg) from error


def _broken(path: Path, line: int, error: json.JSONDecodeError) -> ValueError:
    return ValueError(
        f"{path}, line {line}: broken JSON ({error.msg}, column {error.colno}): mend or delete "
        f"this line"
    )


def _find_rows(loaded: Any, path: Path, split: str | None) -> list[dict[str, Any]]:
    if isinstance(loaded, list):
        if all(isinstance(row, dict) for row in loaded):
            return loaded
    elif isinstance(loaded, dict):
        key = next((key for key in _ROWS_KEYS if _is_rows(loaded.get(key))), None)
        if key is not None:
            return _find_rows(loaded[key], path, split)
        if loaded and all(map(_is_rows, loaded.values())):
            return _find_rows(loaded[choose_split(loaded, path, split)], path, split)
        if all(isinstance(row, dict) for row in loaded.values()):
            return [{"study_id": key} | row for key, row in loaded.items()]
        return [loaded]
    raise ValueError(f"{path} is JSON of another shape: expected {_JSON_SHAPES}")


def _is_rows(value: Any) -> bool:
    """Tells rows from a row: a list of objects, or objects by their study."""
    if isinstance(value, list):
        return all(isinstance(row, dict) for row in value)
    if not isinstance(value, dict) or not value:
        return False
    return all(isinstance(row, dict) for row in value.values())


def _as_dataset(rows: list[dict[str, Any]], path: Path) -> Dataset:
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: _column([row.get(name) for row in rows], name, path) for name in names}
    return Dataset(pa.table(columns))


def _column(values: list[Any], name: str, path: Path) -> pa.Array:
    """Makes a column; where its rows differ in kind, of text or of lists of text."""
    # What pyarrow raises for mixed kinds; the last for whole numbers beyond 64 bits.
    mixed = (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError)
    with suppress(*mixed, UnicodeEncodeError):
        return pa.array(values)
    lists = any(isinstance(value, list) for value in values)
    try:
        return pa.array([_as_list(v) if lists else _as_string(v) for v in values])
    except mixed as error:
        msg = f"{path}: expected one kind of value in {name!r}, found several ({error})"
        raise ValueError(msg) from error
    except UnicodeEncodeError as error:  # half of a pair, "\\ud800": no character
        msg = f"{path}: expected text in {name!r}, found {error.object[error.start]!r}: mend it"
        raise ValueError(msg) from error


def _as_list(value: Any) -> list[str | None] | None:
    if value is None:
        return None
    return [_as_string(part) for part in value] if isinstance(value, list) else [_as_string(value)]


def _as_string(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
