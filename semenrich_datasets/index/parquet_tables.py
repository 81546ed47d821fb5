"""Parquet tables of an index, read in memory that their files earn.

A few bytes can declare billions of rows, and a codec can pack a gigabyte in a kilobyte. What a file
declares is set against its size before anything is decoded.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from semenrich_datasets.index.parquet_pages import page_totals

# What `pyarrow.parquet.write_table` uses; it packs at most 64 bytes into 3, others a thousandfold.
_CODECS = frozenset(("SNAPPY", "UNCOMPRESSED"))
_MOST_PACKED = 32
# Rows of a table for each byte of its file, and rows that any file may hold.
_ROWS_PER_BYTE, _FEW_ROWS = 32, 4_096
# Bytes of all texts for each byte of the file: equal ones are kept once.
_TEXT_PER_BYTE, _LITTLE_TEXT = 64, 2**20
#: Values of all lists of a column: 512 MiB of float32.
MOST_VALUES = 2**27


def parse_table(data: bytes, schema: pa.Schema, most_values: int = MOST_VALUES) -> pa.Table:
    """Reads a table as `pyarrow.parquet.write_table` writes it.

    Args:
        data (`bytes`): The file.
        schema (`pyarrow.Schema`): The columns that it must have; none of them may be missing a
            value.
        most_values (`int`, *optional*): Allowed number of values in the lists of a column.

    Returns:
        `pyarrow.Table`: Of that schema.

    Raises:
        `ValueError`: When the columns are others, a value is missing, or the file declares more
            than it can hold.
        `OSError` or `pyarrow.ArrowException`: When it is damaged.
    """
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    limits = {"thrift_string_size_limit": len(data), "thrift_container_size_limit": len(data)}
    metadata = pq.ParquetFile(pa.BufferReader(data), **limits).metadata
    _check_schema(metadata.schema.to_arrow_schema(), schema)
    _check_declared(data, metadata, schema, most_values)
    # Of equal texts one is kept, until it is known how much all of them would take.
    file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts, **limits)
    table = file.read(use_threads=False)
    for name in texts:
        _check_text(table.column(name), len(data), name)
    table = table.cast(schema).combine_chunks()
    for field in schema:
        _check_nulls(table.column(field.name), field.name)
    return table


def _check_schema(found: pa.Schema, expected: pa.Schema) -> None:
    if not found.equals(expected, check_metadata=False):
        columns = [f"{field.name}: {field.type}" for field in found]
        raise ValueError(f"expected the columns {_listed(expected)}, found {', '.join(columns)}")


def _listed(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)


def _check_declared(
    data: bytes, metadata: pq.FileMetaData, schema: pa.Schema, most_values: int
) -> None:
    """Raises `ValueError` where the columns declare more than the file can hold."""
    most_rows = _ROWS_PER_BYTE * len(data) + _FEW_ROWS
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    rows = sum(group.num_rows for group in groups)
    if rows != metadata.num_rows or not 0 <= rows <= most_rows:
        raise ValueError(
            f"expected at most {most_rows:,} rows of {len(data):,} bytes, found {metadata.num_rows}"
        )
    packed = 0
    held = [0] * len(schema)
    for group in groups:
        for place, field in enumerate(schema):
            column = group.column(place)
            is_list = pa.types.is_list(field.type)
            held[place] += _check_column(
                data, column, most_values if is_list else group.num_rows, is_list
            )
            packed += column.total_compressed_size
    if packed > len(data) or max(held, default=0) > max(most_rows, most_values):
        raise ValueError(f"expected columns that share {len(data):,} bytes, found {packed:,}")


def _check_column(
    data: bytes, column: pq.ColumnChunkMetaData, most_values: int, is_list: bool
) -> int:
    if column.compression not in _CODECS:
        raise ValueError(f"expected the codec SNAPPY, found {column.compression}")
    # Where Arrow starts; a column without a value has no page to start at, and none is read.
    start = column.data_page_offset
    if column.has_dictionary_page and 0 < column.dictionary_page_offset < start:
        start = column.dictionary_page_offset
    length = column.total_compressed_size if column.num_values else 0
    values, unpacked = page_totals(data, start, length)
    fits = values <= most_values if is_list else values == most_values
    if values != column.num_values or not fits:
        raise ValueError(
            f"expected {'at most ' if is_list else ''}{most_values:,} values of "
            f"{column.path_in_schema}, found {column.num_values:,}, {values:,} in its pages"
        )
    if unpacked > _MOST_PACKED * (column.total_compressed_size + 64):
        raise ValueError(
            f"expected pages of {column.path_in_schema} that {column.total_compressed_size:,} "
            f"bytes can hold, found {unpacked:,} bytes"
        )
    return values


def _check_text(column: pa.ChunkedArray, size: int, name: str) -> None:
    """Raises `ValueError` where the texts of a column would take far more than the file."""
    total = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary)
        total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
    if total > _TEXT_PER_BYTE * size + _LITTLE_TEXT:
        raise ValueError(f"expected texts in {name} that fit {size:,} bytes, found {total:,} bytes")


def _check_nulls(column: pa.ChunkedArray, name: str) -> None:
    lists = pa.types.is_list(column.type)
    if column.null_count or (lists and any(c.flatten().null_count for c in column.chunks)):
        raise ValueError(f"expected a value in each row of {name}, found none in some")
