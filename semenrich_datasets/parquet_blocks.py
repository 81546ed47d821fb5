"""Parquet files that several machines see, cut into blocks of rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, Features
from datasets.table import table_cast
from pyarrow import fs

from semenrich_datasets.columns import ReportColumns, study_columns

# Fewer rows than this are not worth a task of their own.
_BLOCK_ROWS = 10_000


@dataclass(frozen=True)
class Corpus:
    """Parquet files that all machines see, as blocks of rows. Made by [`open_corpus`].

    Args:
        source (`str`): What was opened.
        filesystem (`pyarrow.fs.FileSystem`): Where the files are.
        features (`datasets.Features`): Of the first file; the others are cast to them.
        blocks (`list[tuple[str, list[int]]]`): Path of a file and some of its row groups, in the
            order of the rows.
    """

    source: str
    filesystem: fs.FileSystem
    features: Features
    blocks: list[tuple[str, list[int]]]

    @property
    def column_names(self) -> list[str]:
        """Names of the columns."""
        return list(self.features)

    def read(self, number: int) -> Dataset:
        """Reads a block, as `datasets` reads a Parquet file."""
        table = table_cast(self._table(number, None), self.features.arrow_schema)
        return Dataset(table, fingerprint=f"block-{number}")

    def read_studies(self, number: int, columns: ReportColumns) -> Dataset:
        """Reads of a block only what tells studies; of a picture its path."""
        schema = self.features.arrow_schema
        wanted = []
        for name in study_columns(columns):
            kind = schema.field(name).type
            is_picture = name in columns.images and pa.types.is_struct(kind)
            if is_picture and kind.get_field_index("path") >= 0:
                wanted.append(f"{name}.path")
            else:
                wanted.append(name)
        table = self._table(number, wanted).replace_schema_metadata(None)
        return Dataset(table, fingerprint=f"studies-{number}")

    def _table(self, number: int, columns: list[str] | None) -> pa.Table:
        path, groups = self.blocks[number]
        with self.filesystem.open_input_file(path) as source:
            return pq.ParquetFile(source).read_row_groups(groups, columns)


def open_corpus(source: str | os.PathLike[str], *, block_rows: int = _BLOCK_ROWS) -> Corpus:
    """Finds the Parquet files of a corpus and cuts them into blocks of whole row groups.

    Args:
        source (`str` or `os.PathLike`): A Parquet file or a folder of them, on a path that all
            machines see or under an address that pyarrow knows ("s3://bucket/reports").
        block_rows (`int`, *optional*, defaults to `10_000`): Least rows of a block, but for the
            last of a file. It changes how the work is shared out, not what comes of it.

    Returns:
        [`Corpus`]: Rows by the path of their file, then as they stand in it.

    Raises:
        `ValueError`: When it is no Parquet, a file lacks a column of the first, or there is no row.
        `FileNotFoundError`: When nothing is there.
    """
    source = os.fspath(source)
    filesystem, paths = _find_files(source)
    features: Features | None = None
    blocks: list[tuple[str, list[int]]] = []
    for path in paths:
        try:
            footer = pq.read_metadata(path, filesystem=filesystem)
        except pa.ArrowInvalid as error:
            raise ValueError(f"{path} is not a whole Parquet file ({error})") from error
        found = Features.from_arrow_schema(footer.schema.to_arrow_schema())
        features = features or found
        _check_features(found, path, features, paths[0])
        blocks += [(path, groups) for groups in _cut(footer, block_rows)]
    if features is None or not blocks:
        raise ValueError(f"expected reports in {source}, found no row")
    return Corpus(source, filesystem, features, blocks)


def _find_files(source: str) -> tuple[fs.FileSystem, list[str]]:
    if "://" in source:
        filesystem, path = fs.FileSystem.from_uri(source)
    else:
        filesystem, path = fs.LocalFileSystem(), os.path.abspath(source)
    info = filesystem.get_file_info(path)
    if info.type == fs.FileType.Directory:
        inside = filesystem.get_file_info(fs.FileSelector(path, recursive=True))
        files = [one.path for one in inside if one.is_file]
    else:
        files = [path] if info.type == fs.FileType.File else []
    paths = sorted(one for one in files if one.lower().endswith(".parquet"))
    if not paths and info.type == fs.FileType.NotFound and path.lower().endswith(".parquet"):
        raise FileNotFoundError(f"no file {source}; expected a Parquet file or a folder of them")
    if not paths:
        msg = (
            f"expected a Parquet file or a folder of them for many machines, found {source!r}: "
            "save the reports with `Dataset.to_parquet` where all machines see them"
        )
        raise ValueError(msg)
    return filesystem, paths


def _check_features(found: Features, path: str, first: Features, first_path: str) -> None:
    for name in [*first, *found]:
        if name not in found or name not in first:
            lacks, holds = (path, first_path) if name not in found else (first_path, path)
            msg = f"column {name!r} of {holds} is not in {lacks}: give all files the same columns"
            raise ValueError(msg)


def _cut(footer: pq.FileMetaData, block_rows: int) -> Iterator[list[int]]:
    """Yields row groups that together hold `block_rows` rows."""
    groups: list[int] = []
    rows = 0
    for group in range(footer.num_row_groups):
        groups.append(group)
        rows += footer.row_group(group).num_rows
        if rows >= block_rows:
            yield groups
            groups, rows = [], 0
    if rows:
        yield groups
