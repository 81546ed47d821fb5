"""The parts of an index to files and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse

from semenrich_datasets.index import silence as silences
from semenrich_datasets.index.agreement import AGREEMENT_SCHEMA, CANDIDATE_SCHEMA, Agreement
from semenrich_datasets.index.building import IndexParts
from semenrich_datasets.index.candidate_checks import (
    check_agreement,
    check_candidates,
    check_readings,
    check_topics,
)
from semenrich_datasets.index.checks import (
    check_cooccurrence,
    check_sentences,
    check_signs,
    check_units,
)
from semenrich_datasets.index.config import IndexConfig
from semenrich_datasets.index.files import (
    CONFIG_NAME,
    IndexFileError,
    Writer,
    damaged,
    data_path,
    open_data,
    read_config,
)
from semenrich_datasets.index.lexicon_checks import check_lexicon
from semenrich_datasets.index.neighbors import load_search_index, write_search_index
from semenrich_datasets.index.parquet_tables import parse_table
from semenrich_datasets.index.sharing import check_shared
from semenrich_datasets.index.silence_checks import check_silence
from semenrich_datasets.index.strict_json import parse_json
from semenrich_datasets.index.tables import (
    COOCCURRENCE_SCHEMA,
    SENTENCE_SCHEMA,
    UNIT_SCHEMA,
    cooccurrence_matrix,
    cooccurrence_table,
)
from semenrich_datasets.reading import Lexicon, Reader

TABLE_SCHEMAS = {
    "sentences": SENTENCE_SCHEMA,
    "units": UNIT_SCHEMA,
    "cooccurrence": COOCCURRENCE_SCHEMA,
    "candidates": CANDIDATE_SCHEMA,
    "agreement": AGREEMENT_SCHEMA,
    "topics": silences.TOPIC_SCHEMA,
    "silence": silences.WEIGHT_SCHEMA,
    "image_scaling": silences.SCALING_SCHEMA,
}
# What config.json says of files; the rest are settings.
_OF_FILES = frozenset(("format_version", "files", "digest"))
# Bytes of a lexicon: the packaged one has a hundred thousand.
_MOST_LEXICON = 2**23
# What a file can cause that is not as it was written.
_STRANGE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    OSError,
    NotImplementedError,
    RecursionError,
    MemoryError,
)


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


def read_parts(folder: Path) -> tuple[IndexParts, str]:
    """Reads the index in a folder, and checks all of it.

    Args:
        folder (`Path`): Of the index.

    Returns:
        `tuple[IndexParts, str]`: The parts, vectors mapped from the file, and the digest.

    Raises:
        `IndexFileError`: When files are missing, cut, edited, newer, or hold what no build makes.
    """
    config = read_config(folder)
    path = partial(data_path, folder, config)
    with _reading(folder / CONFIG_NAME):
        settings = IndexConfig.from_dict(
            {key: value for key, value in config.items() if key not in _OF_FILES}
        )
    tables = {stem: _read_table(folder, config, stem) for stem in TABLE_SCHEMAS}
    with _reading(path("lexicon")):
        reader = _read_reader(open_data(folder, config, "lexicon"), settings)
    _check_tables(path, settings, tables, reader)
    n_units = tables["units"].num_rows
    with _reading(path("vectors")):
        search = load_search_index(
            open_data(folder, config, "vectors"), tables["sentences"].num_rows
        )
    parts = IndexParts(
        settings,
        tables["sentences"],
        tables["units"],
        cooccurrence_matrix(tables["cooccurrence"], n_units),
        Agreement.from_tables(tables["candidates"], tables["agreement"], n_units),
        silences.from_tables(
            tables["topics"], tables["silence"], tables["image_scaling"], settings.unsaid
        ),
        search,
        reader,
    )
    with _reading(path("sentences")):
        check_shared(parts)
    return parts, str(config["digest"])


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Makes of whatever a strange file causes the one error that names it."""
    try:
        yield
    except IndexFileError:
        raise
    except (*_STRANGE, pa.ArrowException) as error:
        raise damaged(path, f"{error or type(error).__name__}") from error


def _read_table(folder: Path, config: dict[str, Any], stem: str) -> pa.Table:
    with _reading(data_path(folder, config, stem)), open_data(folder, config, stem) as file:
        return parse_table(file.read(), TABLE_SCHEMAS[stem])


def _read_reader(file: BinaryIO, settings: IndexConfig) -> Reader:
    with file:
        tables = parse_json(file.read(), _MOST_LEXICON)
    reader = Reader(Lexicon.from_tables(settings.lexicon, tables))
    if reader.digest != settings.reader:
        raise ValueError(
            "its sentences were read by another version of semenrich or another lexicon (expected "
            f"the reader {reader.digest[:12]}, found {settings.reader[:12]} in config.json)"
        )
    check_lexicon(reader.lexicon)
    return reader


def _check_tables(
    path: Callable[[str], Path],
    settings: IndexConfig,
    tables: Mapping[str, pa.Table],
    reader: Reader,
) -> None:
    """Raises `IndexFileError` with the name of the table that is not as a build makes it."""
    sentences, units, candidates = (tables[stem] for stem in ("sentences", "units", "candidates"))
    with _reading(path("sentences")):
        check_sentences(sentences, units.num_rows, settings)
    with _reading(path("units")):
        check_units(units, sentences, settings)
        check_signs(units, sentences)
    with _reading(path("cooccurrence")):
        check_cooccurrence(tables["cooccurrence"], units)
    with _reading(path("candidates")):
        check_candidates(candidates, sentences, units, settings)
    with _reading(path("agreement")):
        check_agreement(tables["agreement"], candidates, units, settings)
    ids = candidates.column("unit_id").to_numpy()
    with _reading(path("sentences")):
        check_readings(sentences, units, ids, reader)
    with _reading(path("topics")):
        check_topics(tables["topics"], units, ids, reader)
    with _reading(path("silence")):
        check_silence(tables["topics"], tables["silence"], tables["image_scaling"], settings)


def _write_lexicon(lexicon: Lexicon, file: BinaryIO) -> None:
    text = json.dumps(lexicon.tables, ensure_ascii=False, indent=1, sort_keys=True)
    file.write(text.encode())
