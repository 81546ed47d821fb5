"""What may be added to reports, read again: no table of an index is believed on it.

The reader of the index is the authority. A sentence whose flag was turned, or that was moved into
a unit that says something else, is found here and never reaches a report.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from semenrich_datasets.index.agreement import choose_candidates
from semenrich_datasets.index.checks import (
    check_choice,
    check_equal,
    check_range,
    check_unique,
    numbers,
)
from semenrich_datasets.index.config import IndexConfig
from semenrich_datasets.index.holders import may_travel
from semenrich_datasets.index.topics import Topic, topics_of
from semenrich_datasets.index.units import content_key
from semenrich_datasets.reading import Reader
from semenrich_datasets.reading.plain_words import rebuild

# Some 0.25 % of the reports hold each; this many make a table of 16 MB of their pairs.
MOST_CANDIDATES = 4_096


def check_candidates(
    candidates: pa.Table, sentences: pa.Table, units: pa.Table, config: IndexConfig
) -> None:
    """Checks that the candidates are those that a build chooses from these sentences."""
    if config.preset == "paper":
        sentences = sentences.slice(0, 0)
    n = candidates.num_rows
    if n > MOST_CANDIDATES:
        raise ValueError(f"expected at most {MOST_CANDIDATES} candidates, found {n}")
    if config.shared:  # chosen by counts that are rounded now
        check_unique(candidates.column("unit_id"), "unit_id of candidates")
        check_range(numbers(candidates, "unit_id"), 0, units.num_rows - 1, "unit_id of candidates")
        check_range(numbers(candidates, "usage"), 1, 2**53, "usage of candidates")
        signs = units.column("sign").take(candidates.column("unit_id"))
        check_choice(signs, ("normal",), "signs of candidates")
    else:
        ids, usage = choose_candidates(sentences, units, config.reports)
        check_equal(numbers(candidates, "unit_id"), ids, "unit_id of candidates")
        check_equal(numbers(candidates, "usage"), usage, "usage of candidates")
    check_range(numbers(candidates, "speaks"), 0, config.reports, "speaks of candidates")
    _check_together(candidates, config)


def _check_together(candidates: pa.Table, config: IndexConfig) -> None:
    """Checks the reports that make two candidates both."""
    n = candidates.num_rows
    together, reports = (
        candidates.column(name).combine_chunks() for name in ("together", "together_reports")
    )
    rows = np.asarray(pc.list_parent_indices(together))
    check_equal(pc.list_parent_indices(reports), rows, "together_reports of candidates")
    partners, counts = np.asarray(together.flatten()), np.asarray(reports.flatten())
    check_range(partners, 0, n - 1, "together of candidates")
    check_range(counts, 1, config.reports, "together_reports of candidates")
    keys, back = rows * n + partners, partners * n + rows
    if not (np.diff(keys) > 0).all() or not np.array_equal(np.sort(back), keys):
        raise ValueError("expected together both ways, each once and in order, found others")
    check_equal(counts[np.argsort(back)], counts, "together_reports both ways")


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
    """Reads each sentence that may travel: it must, in known words, and say what its unit says.

    Args:
        sentences (`pyarrow.Table`): Of the index.
        units (`pyarrow.Table`): Of the index.
        ids (`np.ndarray` of shape `(c,)`, int64): The candidates.
        reader ([`Reader`]): Of the index.
    """
    contents, chosen = units.column("content").to_pylist(), set(ids.tolist())
    names = ["sentence", "rebuilt", "transferable", "unit_id"]
    for row in sentences.filter(may_travel(sentences)).select(names).to_pylist():
        if row["rebuilt"] != rebuild(row["sentence"], reader.lexicon):
            raise ValueError(
                f"expected {row['sentence']!r:.200} in words of the lexicon, found "
                f"{row['rebuilt']!r:.200}"
            )
        if not row["transferable"] or row["unit_id"] not in chosen:
            continue
        reading = reader.read(row["sentence"])
        if not reading.is_transferable:
            raise ValueError(
                f"expected a normal sentence that may travel, found {row['sentence']!r:.200}"
            )
        if content_key(reading) != contents[row["unit_id"]]:
            raise ValueError(
                f"expected a sentence that says {contents[row['unit_id']]!r:.200}, found "
                f"{row['sentence']!r:.200}"
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
