"""The parts of an index to files and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse

from semenrich_datasets.index import silence as silences
from semenrich_datasets.index.agreement import Agreement
from semenrich_datasets.index.building import IndexParts
from semenrich_datasets.index.config import IndexConfig
from semenrich_datasets.index.files import (
    CONFIG_NAME,
    DATA_FILES,
    IndexFileError,
    Writer,
    data_path,
    read_config,
)
from semenrich_datasets.index.neighbors import load_search_index, write_search_index
from semenrich_datasets.index.tables import cooccurrence_matrix, cooccurrence_table
from semenrich_datasets.reading import Lexicon, Reader


def part_writers(
    sentences: pa.Table,
    unit_table: pa.Table,
    cooccurrence: sparse.csr_array,
    agreement: Agreement,
    silence: silences.SilenceModel,
    search: Any,
    reader: Reader,
) -> Mapping[str, Writer]:
    """Gives what writes each data file of an index; see [`FindingsIndex`] for the parts."""
    candidates, pairs = agreement.to_tables()
    topics, weights, scaling = silences.to_tables(silence)
    return {
        "sentences": partial(pq.write_table, sentences),
        "units": partial(pq.write_table, unit_table),
        "cooccurrence": partial(pq.write_table, cooccurrence_table(cooccurrence)),
        "candidates": partial(pq.write_table, candidates),
        "agreement": partial(pq.write_table, pairs),
        "topics": partial(pq.write_table, topics),
        "silence": partial(pq.write_table, weights),
        "image_scaling": partial(pq.write_table, scaling),
        "lexicon": partial(_write_lexicon, reader.lexicon),
        "vectors": partial(write_search_index, search),
    }


def read_parts(folder: Path, *, verify: bool) -> tuple[IndexParts, str]:
    """Reads the index in a folder.

    Args:
        folder (`Path`): Of the index.
        verify (`bool`): Whether to check the content of each file against its hash.

    Returns:
        `tuple[IndexParts, str]`: The parts, vectors mapped from the file, and the digest.

    Raises:
        `IndexFileError`: When files are missing, cut, edited, or newer.
    """
    config = read_config(folder)
    path = partial(data_path, folder, config, verify=verify)
    names = [name for name, suffix in DATA_FILES.items() if suffix == ".parquet"]
    tables = {name: pq.read_table(path(name), memory_map=True) for name in names}
    n_units = tables["units"].num_rows
    try:
        settings = IndexConfig.from_dict(config)
        lexicon = Lexicon.from_tables(
            config["lexicon"], json.loads(path("lexicon").read_text(encoding="utf-8"))
        )
    except (KeyError, ValueError) as error:
        if isinstance(error, IndexFileError):
            raise
        raise IndexFileError(
            f"{folder / CONFIG_NAME} is damaged: {error}; build it anew"
        ) from error
    parts = IndexParts(
        settings,
        tables["sentences"],
        tables["units"],
        cooccurrence_matrix(tables["cooccurrence"], n_units),
        Agreement.from_tables(tables["candidates"], tables["agreement"], n_units),
        silences.from_tables(
            tables["topics"], tables["silence"], tables["image_scaling"], settings.unsaid
        ),
        load_search_index(path("vectors")),
        Reader(lexicon),
    )
    return parts, str(config["digest"])


def _write_lexicon(lexicon: Lexicon, file: BinaryIO) -> None:
    text = json.dumps(lexicon.tables, ensure_ascii=False, indent=1, sort_keys=True)
    file.write(text.encode())
