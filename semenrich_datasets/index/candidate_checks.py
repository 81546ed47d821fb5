"""What may be added to reports, read again: no table of an index is believed on it.

The reader of the index is the authority. A sentence whose flag was turned, or that was moved into
a unit that says something else, is found here and never reaches a report.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from semenrich_datasets.index.agreement import MIN_SUPPORT, choose_candidates
from semenrich_datasets.index.checks import check_equal, check_range, numbers
from semenrich_datasets.index.config import IndexConfig
from semenrich_datasets.index.topics import Topic, topics_of
from semenrich_datasets.index.units import content_key
from semenrich_datasets.reading import Reader
from semenrich_datasets.sentences import normalize_sentence

# Some 0.25 % of the reports hold each; this many make a table of 16 MB of their pairs.
MOST_CANDIDATES = 4_096


def check_candidates(
    candidates: pa.Table, sentences: pa.Table, units: pa.Table, config: IndexConfig
) -> None:
    """Checks that the candidates are those that a build chooses from these sentences."""
    if config.preset == "paper":
        sentences = sentences.slice(0, 0)
    ids, usage = choose_candidates(sentences, units, config.reports)
    if len(ids) > MOST_CANDIDATES:
        raise ValueError(f"expected at most {MOST_CANDIDATES} candidates, found {len(ids)}")
    check_equal(numbers(candidates, "unit_id"), ids, "unit_id of candidates")
    check_equal(numbers(candidates, "usage"), usage, "usage of candidates")
    check_range(numbers(candidates, "speaks"), 0, config.reports, "speaks of candidates")
    together = candidates.column("together").combine_chunks()
    rows = np.asarray(pc.list_parent_indices(together))
    partners = np.asarray(together.flatten())
    n = len(ids)
    check_range(partners, 0, n - 1, "together of candidates")
    keys = rows * n + partners
    if not (np.diff(keys) > 0).all() or not np.isin(partners * n + rows, keys).all():
        raise ValueError("expected together both ways, each once and in order, found others")


def check_agreement(
    pairs: pa.Table, candidates: pa.Table, units: pa.Table, config: IndexConfig
) -> None:
    """Checks how reports with each unit speak of the candidates."""
    n, ids = units.num_rows, numbers(candidates, "unit_id")
    rows, chosen = numbers(pairs, "unit_id"), numbers(pairs, "candidate_id")
    check_range(rows, 0, n - 1, "unit_id of agreement")
    if not np.isin(chosen, ids).all():
        raise ValueError("expected candidate_id among the candidates, found another")
    if not np.diff(np.sort(rows * n + chosen)).all():
        raise ValueError("expected each pair of agreement once, found one twice")
    places = np.zeros(n, dtype=np.int64)
    places[ids] = numbers(candidates, "speaks")
    most = np.minimum(numbers(units, "support")[rows], places[chosen])
    check_range(numbers(pairs, "speaks"), 1, most, "speaks of agreement")


def check_readings(
    sentences: pa.Table, units: pa.Table, ids: NDArray[np.int64], reader: Reader
) -> None:
    """Reads each sentence that may travel: it must, and say what its unit says.

    Args:
        sentences (`pyarrow.Table`): Of the index.
        units (`pyarrow.Table`): Of the index.
        ids (`np.ndarray` of shape `(c,)`, int64): The candidates.
        reader ([`Reader`]): Of the index.
    """
    contents = units.column("content").to_pylist()
    fit = pc.and_(
        pc.and_(sentences["transferable"], pc.greater_equal(sentences["reports"], MIN_SUPPORT)),
        pc.is_in(sentences["unit_id"], pa.array(ids, pa.int64())),
    )
    for row in sentences.filter(fit).select(["sentence", "text", "unit_id"]).to_pylist():
        reading = reader.read(row["text"])
        known = normalize_sentence(row["text"]) == row["sentence"] and row["text"].isprintable()
        if not (known and reading.is_transferable):
            raise ValueError(
                f"expected a normal sentence that may travel, found {row['text']!r:.200}"
            )
        if content_key(reading) != contents[row["unit_id"]]:
            raise ValueError(
                f"expected a sentence that says {contents[row['unit_id']]!r:.200}, found "
                f"{row['text']!r:.200}"
            )


def check_topics(topics: pa.Table, units: pa.Table, ids: NDArray[np.int64], reader: Reader) -> None:
    """Checks that the topics are those on which the candidates speak.

    Args:
        topics (`pyarrow.Table`): Of the silence model.
        units (`pyarrow.Table`): Of the index.
        ids (`np.ndarray` of shape `(c,)`, int64): The candidates.
        reader ([`Reader`]): Of the index.
    """
    texts = units.column("text").take(pa.array(ids, pa.int64())).to_pylist()
    pairs = zip(
        *(topics.column(name).to_pylist() for name in ("concept", "narrowing")), strict=True
    )
    found = [Topic(*pair) for pair in pairs]
    expected = topics_of(map(reader.read, texts))
    if found != expected:
        raise ValueError(
            f"expected the topics {', '.join(map(str, expected))}, found "
            f"{', '.join(map(str, found))}".replace("\n", " ")[:400]
        )
