"""An index on disk: plain files whose one commit point is config.json.

Data files carry their own hash in their names and config.json, replaced in one step, says which of
them belong together. A crash at any moment leaves either the old index or the new one whole, and
workers that have mapped the old files keep them. Savers of one folder take turns at its lock, and a
reader whose files were deleted meanwhile reads again: it sees one index or the other.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from semenrich_datasets.index.strict_json import parse_json
from semenrich_datasets.whole_files import ABANDONED, draft_folder, locked, put_file

FORMAT_VERSION = 4
CONFIG_NAME = "config.json"
CARD_NAME = "README.md"
#: Stem and suffix of each data file.
DATA_FILES = {
    "sentences": ".parquet",
    "units": ".parquet",
    "cooccurrence": ".parquet",
    "candidates": ".parquet",
    "agreement": ".parquet",
    "topics": ".parquet",
    "silence": ".parquet",
    "image_scaling": ".parquet",
    "lexicon": ".json",
    "vectors": ".faiss",
}
# Readings that savers may overtake before a reader asks them to wait.
_READS = 3
_Read = TypeVar("_Read")
#: Writes one data file; the same index writes the same bytes.
Writer = Callable[[BinaryIO], None]
# Bytes of config.json: that of an index has some two thousand.
_MOST_CONFIG = 2**20
_SHA256 = re.compile("[0-9a-f]{64}")
HUB_PATTERNS = [CONFIG_NAME, CARD_NAME, *(f"{name}-*{end}" for name, end in DATA_FILES.items())]


class IndexFileError(ValueError):
    """An index folder that is missing, incomplete, edited, or from a newer version."""


def write_index(
    folder: Path, config: dict[str, Any], writers: Mapping[str, Writer], card: str
) -> str:
    """Writes an index into a folder, atomically.

    Args:
        folder (`Path`): Made when missing; an index in it stays whole until the new one is.
        config (`dict`): Settings of the index, JSON values.
        writers (`Mapping[str, Writer]`): For each of `DATA_FILES`, what writes it.
        card (`str`): Text of README.md.

    Returns:
        `str`: The digest: SHA-256, in hex, over the settings and the data.
    """
    with draft_folder(folder / CONFIG_NAME) as drafts:
        files = {
            stem: _write_draft(drafts / stem, stem, writer) for stem, writer in writers.items()
        }
        body = {"format_version": FORMAT_VERSION, **config, "files": files}
        digest = _digest(body)
        text = json.dumps({**body, "digest": digest}, indent=2, sort_keys=True, ensure_ascii=False)
        (drafts / CARD_NAME).write_text(card, encoding="utf-8")
        (drafts / CONFIG_NAME).write_text(text + "\n", encoding="utf-8")
        # From here to the end it takes milliseconds, and other savers wait.
        with locked(folder) as alone:
            for stem, entry in files.items():
                put_file(drafts / stem, folder / entry["name"])
            put_file(drafts / CARD_NAME, folder / CARD_NAME)
            put_file(drafts / CONFIG_NAME, folder / CONFIG_NAME)
            _delete_stale(folder, {entry["name"] for entry in files.values()}, alone=alone)
    return digest


def _delete_stale(folder: Path, kept: set[str], *, alone: bool) -> None:
    """Deletes data files of former indexes; without a lock, a younger one may be of a saver."""
    for stem, suffix in DATA_FILES.items():
        for stale in folder.glob(f"{stem}-*{suffix}"):
            if stale.name in kept:
                continue
            if alone or time.time() - stale.stat().st_mtime > ABANDONED:
                stale.unlink(missing_ok=True)


def index_digest(config: dict[str, Any], writers: Mapping[str, Writer]) -> str:
    """Gives the digest that `write_index` would give, without writing a file.

    Args:
        config (`dict`): Settings of the index, JSON values.
        writers (`Mapping[str, Writer]`): For each of `DATA_FILES`, what writes it.

    Returns:
        `str`: SHA-256, in hex, over the settings and the data.
    """
    files = {}
    for stem, writer in writers.items():
        sink = _HashSink()
        writer(sink)  # type: ignore[arg-type]
        files[stem] = _entry(stem, sink.sha256.hexdigest(), sink.size)
    return _digest({"format_version": FORMAT_VERSION, **config, "files": files})


class _HashSink(io.RawIOBase):
    """A file that keeps no more of what is written to it than its hash and its size."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        self.size += memoryview(data).nbytes
        return memoryview(data).nbytes

    def tell(self) -> int:
        return self.size


def read_config(folder: Path) -> dict[str, Any]:
    """Reads and checks the settings of an index.

    Raises:
        `IndexFileError`: When there is no index, or config.json was cut, edited, or written by a
            newer version of this package.
    """
    path = folder / CONFIG_NAME
    if not path.is_file():
        msg = f"no index in {folder}: {CONFIG_NAME} is missing; make one with FindingsIndex.build"
        raise IndexFileError(msg)
    try:
        config = parse_json(path.read_bytes(), _MOST_CONFIG)
        version = config["format_version"]
        if type(version) is not int:
            raise ValueError(f"expected a number for format_version, found {version!r:.80}")
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(path, f"it is not the JSON of an index ({error})") from error
    if version < FORMAT_VERSION:
        msg = f"{path} was written by an older semenrich: build the index anew"
        raise IndexFileError(msg)
    if version > FORMAT_VERSION:
        msg = (
            f"{path} has format version {version}, this semenrich reads up to {FORMAT_VERSION}: "
            "pip install --upgrade semenrich"
        )
        raise IndexFileError(msg)
    body = {key: value for key, value in config.items() if key != "digest"}
    if config.get("digest") != _digest(body):
        raise damaged(path, "its digest does not match its content")
    _check_entries(path, config.get("files"))
    return dict(config)


def _check_entries(path: Path, files: Any) -> None:
    """Raises `IndexFileError` unless each data file has its name, hash and size, and no other."""
    if not isinstance(files, dict) or set(files) != set(DATA_FILES):
        raise damaged(path, f"expected the files {', '.join(DATA_FILES)}, found others")
    for stem, entry in files.items():
        known = isinstance(entry, dict) and set(entry) == {"name", "sha256", "size"}
        sha256, size = (entry["sha256"], entry["size"]) if known else ("", 0)
        typed = type(size) is int and isinstance(sha256, str) and _SHA256.fullmatch(sha256)
        if not typed or size < 0 or entry != _entry(stem, str(sha256), size):
            msg = f"expected name, sha256 and size of the file {stem}, found {entry!r:.200}"
            raise damaged(path, msg)


def data_path(folder: Path, config: dict[str, Any], stem: str) -> Path:
    """Gives the path of a data file, its size checked.

    Raises:
        `IndexFileError`: When the file is missing or cut.
    """
    entry = config["files"].get(stem, {})
    path = folder / Path(str(entry.get("name", stem))).name
    if not path.is_file():
        raise damaged(path, "it is missing")
    if path.stat().st_size != entry["size"]:
        raise damaged(path, f"expected {entry['size']} bytes, found {path.stat().st_size}")
    return path


def open_data(folder: Path, config: dict[str, Any], stem: str) -> BinaryIO:
    """Opens a data file whose content has been checked against the hash in config.json.

    Returns:
        `BinaryIO`: At its start. What is read of it is what was checked, whatever takes its place.

    Raises:
        `IndexFileError`: When the file is missing, cut or edited.
    """
    path = data_path(folder, config, stem)
    file = path.open("rb")
    if hashlib.file_digest(file, "sha256").hexdigest() != config["files"][stem]["sha256"]:
        file.close()
        raise damaged(path, "its SHA-256 does not match config.json")
    file.seek(0)
    return file


def read_settled(folder: Path, read: Callable[[], _Read]) -> _Read:
    """Reads an index that may be saved anew meanwhile: the old one or the new one, whole.

    Args:
        folder (`Path`): Of the index; nothing is written into it.
        read (`Callable`): Reads it, config.json first.

    Returns:
        What `read` returns.

    Raises:
        `IndexFileError`: When `read` raises it of an index that nobody replaced.
    """
    for _ in range(_READS):
        before = _config_identity(folder)
        try:
            return read()
        except (IndexFileError, OSError):
            if _config_identity(folder) == before:
                raise
    # So many savers that each reading was overtaken: have them wait.
    with locked(folder, shared=True):
        return read()


def _config_identity(folder: Path) -> tuple[int, int] | None:
    """Tells one config.json from the next, though they may say the same."""
    try:
        status = (folder / CONFIG_NAME).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _write_draft(path: Path, stem: str, writer: Writer) -> dict[str, Any]:
    with path.open("wb") as file:
        writer(file)
        file.flush()
        os.fsync(file.fileno())
    return _entry(stem, _file_sha256(path), path.stat().st_size)


def _entry(stem: str, sha256: str, size: int) -> dict[str, Any]:
    return {"name": f"{stem}-{sha256[:12]}{DATA_FILES[stem]}", "sha256": sha256, "size": size}


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(body: dict[str, Any]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def damaged(path: Path, reason: str) -> IndexFileError:
    """Gives the error of a file that is not as an index writes it, with the way out."""
    return IndexFileError(
        f"{path} is damaged: {reason}; fetch the index again with "
        "FindingsIndex.from_pretrained(..., force_download=True) or build it anew"
    )
