"""Files that declare more than they hold: refused in little memory."""

import json
import struct
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import build_index, child_environment
from tampering import copy_index, data_file, read_table, replace_data, table_bytes

from semenrich_datasets import FindingsIndex
from semenrich_datasets.index.files import IndexFileError
from semenrich_datasets.index.parquet_pages import page_totals

# Loads folders one after the other, in less memory than any of them asks for.
SCRIPT = """
import resource, sys, json
from semenrich_datasets import FindingsIndex
from semenrich_datasets.index.files import IndexFileError
import faiss
FindingsIndex.from_pretrained(sys.argv[1])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
found = []
for folder in sys.argv[2:]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        FindingsIndex.from_pretrained(folder)
        found.append(None)
    except IndexFileError as error:
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        found.append([grown, str(error)])
print(json.dumps(found))
"""


def same(table, rows):
    """The first row, again and again: run lengths keep it in a few bytes."""
    return table.take(pa.array(np.zeros(rows, dtype=np.int64)))


def long_texts(table):
    """One text of a megabyte in each of many rows, kept once in the file."""
    rows = table.take(pa.array(np.zeros(2_000, dtype=np.int64)))
    place = rows.schema.get_field_index("text")
    texts = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(2_000, dtype=np.int32)), pa.array(["x" * 2**20])
    )
    return rows.set_column(place, "text", texts)


def packed(folder):
    """A gigabyte of zeros, by a codec that leaves little of them."""
    table = read_table(folder, "silence")
    weights = pa.array([[0.0] * 2**20] * 8, pa.list_(pa.float32()))
    empty = pa.array([[]] * 8, pa.list_(pa.float32()))
    made = pa.Table.from_arrays(
        [pa.array([str(n) for n in range(8)]), weights, empty], schema=table.schema
    )
    return table_bytes(made, compression="zstd", use_dictionary=False)


BOMBS = {
    "rows": ("sentences", lambda folder: table_bytes(same(read_table(folder, "sentences"), 10**7))),
    "pairs": (
        "cooccurrence",
        lambda folder: table_bytes(same(read_table(folder, "cooccurrence"), 10**7)),
    ),
    "texts": ("units", lambda folder: table_bytes(long_texts(read_table(folder, "units")))),
    "a codec": ("silence", packed),
    "vectors": (
        "vectors",
        lambda folder: struct.pack("<4siqqqBiQ", b"IxFI", 64, 2**33, 0, 0, 1, 0, 2**39),
    ),
    "lists": (
        "vectors",
        lambda folder: (
            struct.pack("<4siqqqBiQQ", b"IwFl", 64, 27, 0, 0, 1, 0, 2**33, 8)
            + struct.pack("<4siqqqBiQ", b"IxFI", 64, 2**33, 0, 0, 1, 0, 2**39)
        ),
    ),
    "an index within an index": (
        "vectors",
        lambda folder: struct.pack("<4siqqqBi", b"IxPT", 64, 27, 0, 0, 1, 0) * 50_000,
    ),
    "a lexicon": ("lexicon", lambda folder: b"[" * 2**22),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "index"
    build_index().save_pretrained(folder)
    return folder


def test_bombs_are_refused_in_little_memory(saved, tmp_path):
    folders = []
    for number, (stem, make) in enumerate(BOMBS.values()):
        folder = copy_index(saved, tmp_path / str(number))
        replace_data(folder, stem, make(folder))
        folders.append(str(folder))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(saved), *folders],
        env={**child_environment(tmp_path / "home"), "ARROW_DEFAULT_MEMORY_POOL": "system"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = dict(zip(BOMBS, json.loads(done.stdout), strict=True))
    assert all(found.values()), found
    for kind, (grown, message) in found.items():
        assert "damaged" in message
        assert grown < 60_000, (kind, grown, message)  # KiB


def test_pages_that_declare_more_than_the_footer(saved, tmp_path):
    """The footer is honest, and the header of a page asks for a gigabyte."""
    folder = copy_index(saved, tmp_path / "index")
    content = bytearray(data_file(folder, "sentences").read_bytes())
    column = pq.ParquetFile(data_file(folder, "sentences")).metadata.row_group(0).column(2)
    start = column.dictionary_page_offset
    # Fields 1 to 3: the kind, then both sizes as zigzag varints.
    assert content[start : start + 2] == b"\x15\x04"
    assert content[start + 2] == 0x15
    content[start + 3 : start + 4] = b"\x7e"
    replace_data(folder, "sentences", bytes(content))
    with pytest.raises(IndexFileError, match="sentences"):
        FindingsIndex.from_pretrained(folder)


def test_page_totals_are_those_of_the_footer(saved):
    for stem in ("sentences", "silence", "agreement"):
        content = data_file(saved, stem).read_bytes()
        group = pq.ParquetFile(data_file(saved, stem)).metadata.row_group(0)
        for place in range(group.num_columns):
            column = group.column(place)
            start = column.dictionary_page_offset or column.data_page_offset
            values, unpacked = page_totals(content, start, column.total_compressed_size)
            assert values == column.num_values
            assert 0 < unpacked <= column.total_uncompressed_size
        with pytest.raises(ValueError, match="expected"):
            page_totals(content, start, column.total_compressed_size - 3)
        with pytest.raises(ValueError, match="expected"):
            page_totals(content, len(content), 8)
