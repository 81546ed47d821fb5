"""Reports from and to files, folders and the Hub, for the command line."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import re
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
from semenrich_datasets.whole_files import (
    clear_drafts,
    draft_folder,
    locked,
    put_file,
    replace_text,
    whole_folder,
)

#: The built-in sample, in place of a file or a Hub id.
PHANTOM = "phantom"

_ENDINGS = (".csv", ".json", ".jsonl", ".parquet")
#: Name of the file that says how enriched reports were made.
SETTINGS_NAME = "semenrich.json"
_SCHEMA_KEY = b"semenrich"
# In the settings: the reports to which they belong, and the settings of those that they replace.
_DIGEST, _BEFORE = "reports_sha256", "before"
_STATE_NAME = "state.json"
# What `datasets` puts into a folder of reports, its drafts and caches included, and we do.
_SAVED_NAMES = re.compile(
    rf"dataset_info\.json|{_STATE_NAME}|{SETTINGS_NAME}|(data|cache)-.+\.arrow|tmp\w+"
)
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
    if not path.exists():
        clear_drafts(path)  # who died while replacing a folder left it beside
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

    Whenever the process dies, the old reports or the new ones are there, whole, with their own
    settings: they are written beside the target and take its place at the end. A CSV file holds
    lists as JSON text, and no images; a cell that a spreadsheet would run ("=1+1") stands behind a
    single quote, which [`load_reports`] takes off again. How the reports were made is written
    beside them, and into the schema of a Parquet file: [`read_settings`] finds it again.

    Args:
        reports (`datasets.Dataset`): What to save.
        target (`str`): A CSV, JSONL, JSON or Parquet file, or a folder.
        settings (`Mapping[str, Any]`, *optional*): What `SemEnricher.to_dict` gave: JSON values.

    Raises:
        `ValueError`: When the ending is another one, or something else is in the target's place.
    """
    check_target(target)
    path = Path(target)
    if not path.suffix:
        with whole_folder(path) as draft:
            reports.save_to_disk(draft)
            if settings is not None:
                replace_text(draft / SETTINGS_NAME, _sealed(settings, draft))
        return
    path = Path(os.path.realpath(path))
    with draft_folder(path) as folder:
        draft = folder / path.name
        _write_file(reports, draft, settings)
        with locked(path.parent):
            _commit(draft, path, settings_path(target), settings)


def _write_file(reports: Dataset, draft: Path, settings: Mapping[str, Any] | None) -> None:
    match draft.suffix:
        case ".parquet":
            write_parquet(reports, draft, settings)
        case ".csv":
            cells = _without_images(reports).map(
                _as_cells,
                features=_flat(reports),
                cache_file_name=str(draft.with_name("rows.arrow")),
            )
            names = {name: guard_cell(name) for name in cells.column_names}
            # Each text in quotes: Python before 3.13 puts none around one that holds only "\r".
            cells.rename_columns(names).to_csv(draft, quoting=csv.QUOTE_NONNUMERIC)
        case _:
            _without_images(reports).to_json(draft)


def _commit(draft: Path, path: Path, beside: Path, settings: Mapping[str, Any] | None) -> None:
    """Puts reports and their settings into their places; at each moment they belong together.

    Two files can't be replaced in one step: between the two steps the settings name those of the
    old reports too, and which of them hold is told by the digest of the reports.
    """
    before = None
    if path.exists():
        old = None
        with contextlib.suppress(ValueError):  # those of other reports are replaced too
            old = _settings_of(path, beside)
        before = json.loads(_sealed(old or {}, path))
    if settings is not None:
        made = json.loads(_sealed(settings, draft))
        replace_text(beside, _as_text(made if before is None else {**made, _BEFORE: before}))
    if path.exists():
        draft.chmod(path.stat().st_mode & 0o777)  # who had closed a file finds it closed
    put_file(draft, path)
    if settings is not None:
        replace_text(beside, _as_text(made))
    else:
        beside.unlink(missing_ok=True)


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

    Raises:
        `ValueError`: When the settings beside reports are those of others, or damaged.
    """
    path = Path(source)
    if path.suffix == ".parquet" and path.is_file():
        written = (pq.read_schema(path).metadata or {}).get(_SCHEMA_KEY)
        if written is not None:
            return dict(json.loads(written))
    if path.exists():
        with locked(Path(os.path.realpath(path)).parent, shared=True):
            return _settings_of(path, settings_path(source))
    if path.suffix in _ENDINGS or source == PHANTOM:
        return None
    try:
        found = hf_hub_download(source, SETTINGS_NAME, repo_type="dataset")
    except (HFValidationError, EntryNotFoundError, RepositoryNotFoundError):
        return None
    return dict(json.loads(Path(found).read_text(encoding="utf-8")))


def _settings_of(path: Path, beside: Path) -> dict[str, Any] | None:
    """Returns the settings of the reports that are there now."""
    if not beside.is_file():
        return None
    try:
        written = dict(json.loads(beside.read_text(encoding="utf-8")))
    except ValueError as error:
        msg = f"{beside} is damaged ({error}): enrich {path} again, or delete {beside.name}"
        raise ValueError(msg) from error
    digest = _reports_digest(path)
    for made in (written, written.pop(_BEFORE, None)):
        # Before digests were written, nothing told.
        if made is not None and made.pop(_DIGEST, digest) == digest:
            return made or None
    raise ValueError(
        f"{beside} does not belong to {path}: expected reports of the digest that it names, found "
        f"{digest[:12]}, changed since; enrich them again, or delete {beside.name}"
    )


def _sealed(settings: Mapping[str, Any], reports: Path) -> str:
    """Returns the text of settings that name the reports to which they belong."""
    return _as_text({**settings, _DIGEST: _reports_digest(reports)})


def _as_text(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, indent=1) + "\n"


def _reports_digest(path: Path) -> str:
    """Returns the SHA-256 of a file, or of what names the files of a folder and their content."""
    file = path / _STATE_NAME if path.is_dir() else path
    if not file.is_file():
        return ""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


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
    """Raises `ValueError` when `save_reports` could not write to a target of this name.

    A folder is replaced as a whole: only one that reports were saved in is.
    """
    path = Path(target)
    if path.suffix and path.suffix not in _ENDINGS:
        endings = ", ".join(_ENDINGS)
        raise ValueError(f"cannot write {path.suffix} files; expected {endings} or a folder")
    if path.suffix and path.is_dir():
        raise ValueError(f"{target} is a folder: name another --output for a {path.suffix} file")
    if path.suffix or not path.exists():
        return
    if not path.is_dir():
        raise ValueError(
            f"{target} is a file: an --output without {', '.join(_ENDINGS)} is a folder"
        )
    others = sorted(one.name for one in path.iterdir() if not _SAVED_NAMES.fullmatch(one.name))
    if others:
        msg = f"{target} holds {others[0]!r} and would be replaced: name a new folder as --output"
        raise ValueError(msg)


def _read_file(path: Path, split: str | None) -> Dataset:
    match path.suffix.lower():
        case ".csv":
            return unguard(read_csv(path))
        case ".json" | ".jsonl":
            return read_json(path, split)
    try:
        _check_parquet(path)
        return load_dataset("parquet", data_files=str(path), split="train")
    except (pa.ArrowInvalid, DatasetGenerationError) as error:
        msg = f"{path} is not a whole Parquet file ({error.__cause__ or error}): save it again"
        raise ValueError(msg) from error


def _check_parquet(path: Path) -> None:
    """Raises what is wrong with a Parquet file before `datasets` does, which logs it too."""
    written = pq.ParquetFile(path)
    if not written.metadata.num_rows:
        raise ValueError(f"{path} has columns but no rows: expected a row a report")
    for column in written.schema_arrow:
        try:
            Features.from_arrow_schema(pa.schema([column]))
        except ValueError as error:
            msg = f"{path}: column {column.name!r} is of a type that `datasets` lacks ({error})"
            raise ValueError(f"{msg}: leave it out") from error


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
