"""Reports from and to files, folders and the Hub, for the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, DatasetDict, Features, Image, Value, load_dataset, load_from_disk
from datasets.exceptions import DatasetGenerationError
from datasets.table import embed_table_storage
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    RepositoryNotFoundError,
)

from semenrich_datasets.csv_cells import guard_cell, unguard
from semenrich_datasets.report_tables import choose_split, read_csv, read_json

#: The built-in sample, in place of a file or a Hub id.
PHANTOM = "phantom"

_ENDINGS = (".csv", ".json", ".jsonl", ".parquet")
#: Name of the file that says how enriched reports were made.
SETTINGS_NAME = "semenrich.json"
_SCHEMA_KEY = b"semenrich"
_ROW_GROUP = 1_000
_FORMS = (
    "a .csv, .jsonl, .json or .parquet file, a folder of Parquet files or saved by datasets, or a "
    "Hub id"
)


def load_reports(source: str, split: str | None = None) -> Dataset:
    """Loads reports.

    Args:
        source (`str`): A CSV, JSONL, JSON or Parquet file, a folder of Parquet files or one saved
            by `save_to_disk`, a Hub id, or "phantom" for 1,000 synthetic studies.
        split (`str`, *optional*): Which split, where there are several.

    Returns:
        `datasets.Dataset`

    Raises:
        `ValueError`: When the file is of another kind, empty or broken (its line is named), or
            there are several splits and none named.
        `FileNotFoundError`: When the file is missing.
    """
    if source == PHANTOM:
        from semenrich_datasets.phantom import load_phantom

        return load_phantom(1_000)
    path = Path(source)
    if path.suffix.lower() in _ENDINGS and not path.is_dir():
        if not path.is_file():
            raise FileNotFoundError(f"no file {source}; expected {_FORMS}")
        return _read_file(path, split)
    if path.is_file():
        raise ValueError(f"{source} ends in {path.suffix or 'nothing'}; expected {_FORMS}")
    if path.is_dir() and (parts := sorted(map(str, path.rglob("*.parquet")))):
        return load_dataset("parquet", data_files=parts, split="train")
    loaded = load_from_disk(source) if path.is_dir() else load_dataset(source)
    return _one_split(loaded, source, split)


def save_reports(reports: Dataset, target: str, settings: Mapping[str, Any] | None = None) -> None:
    """Saves reports in the form that the target's ending names, a folder without an ending.

    A CSV file holds lists as JSON text, and no images; a cell that a spreadsheet would run ("=1+1")
    stands behind a single quote, which [`load_reports`] takes off again. How the reports were made
    is written beside them, and into the schema of a Parquet file: [`read_settings`] finds it again.

    Args:
        reports (`datasets.Dataset`): What to save.
        target (`str`): A CSV, JSONL, JSON or Parquet file, or a folder.
        settings (`Mapping[str, Any]`, *optional*): What `SemEnricher.to_dict` gave: JSON values.

    Raises:
        `ValueError`: When the ending is another one.
    """
    path = Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix:
        case ".csv":
            cells = _without_images(reports).map(_as_cells, features=_flat(reports))
            names = {name: guard_cell(name) for name in cells.column_names}
            cells.rename_columns(names).to_csv(target)
        case ".json" | ".jsonl":
            _without_images(reports).to_json(target)
        case ".parquet":
            write_parquet(reports, path, settings)
        case "":
            reports.save_to_disk(target)
        case other:
            endings = ", ".join(_ENDINGS)
            raise ValueError(f"cannot write {other} files; expected {endings} or a folder")
    if settings is not None:
        settings_path(target).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def settings_path(target: str) -> Path:
    """Gives where the settings of saved reports stand: in their folder, or beside their file."""
    path = Path(target)
    return path.with_name(f"{path.name}.{SETTINGS_NAME}") if path.suffix else path / SETTINGS_NAME


def read_settings(source: str) -> dict[str, Any] | None:
    """Reads how saved reports were made.

    Args:
        source (`str`): What [`save_reports`] wrote, or the Hub id of an enriched dataset.

    Returns:
        `dict[str, Any]` or `None`: What `SemEnricher.to_dict` gave, and where the index lies; None
        where nothing says so.
    """
    beside = settings_path(source)
    if beside.is_file():
        return dict(json.loads(beside.read_text(encoding="utf-8")))
    if Path(source).suffix == ".parquet" and Path(source).is_file():
        written = (pq.read_schema(source).metadata or {}).get(_SCHEMA_KEY)
        return None if written is None else dict(json.loads(written))
    if Path(source).exists() or Path(source).suffix in _ENDINGS or source == PHANTOM:
        return None
    try:
        found = hf_hub_download(source, SETTINGS_NAME, repo_type="dataset")
    except (HFValidationError, EntryNotFoundError, RepositoryNotFoundError):
        return None
    return dict(json.loads(Path(found).read_text(encoding="utf-8")))


def write_parquet(reports: Dataset, path: Path, settings: Mapping[str, Any] | None) -> None:
    """Writes a Parquet file as `Dataset.to_parquet` does, the settings in its schema.

    Args:
        reports (`datasets.Dataset`): What to save.
        path (`Path`): The file.
        settings (`Mapping[str, Any]` or `None`): As for [`save_reports`].
    """
    schema = reports.features.arrow_schema
    if settings is not None:
        written = {_SCHEMA_KEY: json.dumps(settings).encode()}
        schema = schema.with_metadata({**(schema.metadata or {}), **written})
    with pq.ParquetWriter(path, schema) as writer:
        for batch in reports.with_format("arrow").iter(batch_size=_ROW_GROUP):
            writer.write_table(embed_table_storage(batch).cast(schema), _ROW_GROUP)


def check_target(target: str) -> None:
    """Raises `ValueError` when `save_reports` could not write to a target of this name."""
    suffix = Path(target).suffix
    if suffix and suffix not in _ENDINGS:
        endings = ", ".join(_ENDINGS)
        raise ValueError(f"cannot write {suffix} files; expected {endings} or a folder")


def _read_file(path: Path, split: str | None) -> Dataset:
    match path.suffix.lower():
        case ".csv":
            return unguard(read_csv(path))
        case ".json" | ".jsonl":
            return read_json(path, split)
    try:
        pq.read_schema(path)  # before `datasets` does, which logs the error too
        return load_dataset("parquet", data_files=str(path), split="train")
    except (pa.ArrowInvalid, DatasetGenerationError) as error:
        msg = f"{path} is not a whole Parquet file ({error.__cause__ or error}): save it again"
        raise ValueError(msg) from error


def _one_split(loaded: Dataset | DatasetDict, source: str, split: str | None) -> Dataset:
    if not isinstance(loaded, DatasetDict):
        return loaded
    return loaded[choose_split(loaded, source, split)]


def _without_images(reports: Dataset) -> Dataset:
    images = [name for name, feature in reports.features.items() if isinstance(feature, Image)]
    return reports.remove_columns(images)


def _flat(reports: Dataset) -> Features:
    features = _without_images(reports).features
    return Features(
        {
            name: feature if isinstance(feature, Value) else Value("string")
            for name, feature in features.items()
        }
    )


def _as_cells(row: dict[str, Any]) -> dict[str, Any]:
    """Writes lists as JSON text, and texts so that no spreadsheet runs them."""
    cells = dict(row)
    for name, value in row.items():
        if isinstance(value, (list, dict)):
            cells[name] = json.dumps(value, ensure_ascii=False)
        elif isinstance(value, str):
            cells[name] = guard_cell(value)
    return cells
