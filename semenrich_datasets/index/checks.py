"""What the tables of an index must hold, each by itself and together.

Whoever edits an index can also make its hashes anew, so that they prove nothing. These checks keep
what no build makes from being read: each takes whole columns and raises `ValueError`, which says
what was expected and what was found.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from semenrich_datasets.index.config import IndexConfig
from semenrich_datasets.reading.signs import NOISE, SIGNS

# Of a cosine from 1, float32.
_ROUNDING = 1e-3
_FARTHEST = 1e6


def numbers(table: pa.Table, name: str) -> NDArray[Any]:
    """Gives a column as an array."""
    return np.asarray(table.column(name).to_numpy())


def check_range(values: NDArray[Any], least: float, most: float | NDArray[Any], name: str) -> None:
    """Raises `ValueError` unless all values are finite and from `least` to `most`."""
    fit = (values >= least) & (values <= most)
    if not fit.all():
        bound = f"to {most}" if np.ndim(most) == 0 else "to what other columns allow"
        found = values[~fit][0]
        raise ValueError(f"expected {name} from {least} {bound}, found {found}")


def check_unique(column: pa.ChunkedArray, name: str) -> None:
    """Raises `ValueError` unless each value stands once, and no text is empty."""
    if len(column.unique()) != len(column):
        raise ValueError(f"expected each {name} once, found one twice")
    if pa.types.is_string(column.type) and pc.any(pc.equal(column, "")).as_py():
        raise ValueError(f"expected a text for each {name}, found an empty one")


def check_equal(found: object, expected: object, name: str) -> None:
    """Raises `ValueError` unless two columns, or two values, are the same."""
    if not np.array_equal(np.asarray(found), np.asarray(expected)):
        raise ValueError(f"expected {name} as it follows from the sentences, found another")


def check_choice(column: pa.ChunkedArray, allowed: tuple[str, ...], name: str) -> None:
    """Raises `ValueError` unless all values are among the allowed ones."""
    wrong = sorted(set(column.unique().to_pylist()) - set(allowed))
    if wrong:
        raise ValueError(f"expected {name} among {allowed}, found {wrong[0]!r:.80}")


def check_sentences(sentences: pa.Table, n_units: int, config: IndexConfig) -> None:
    """Checks the table of sentences by itself."""
    n = sentences.num_rows
    if n == 0:
        raise ValueError("expected a sentence, found none")
    check_unique(sentences.column("sentence"), "sentence")
    if pc.any(pc.equal(sentences.column("text"), "")).as_py():
        raise ValueError("expected a text for each sentence, found an empty one")
    reports, occurrences = numbers(sentences, "reports"), numbers(sentences, "occurrences")
    check_range(reports, 1, config.reports, "reports of sentences")
    check_range(occurrences, 1, 2**53, "occurrences of sentences")
    check_range(reports, 1, occurrences, "reports of sentences")
    check_range(numbers(sentences, "holders"), 0, reports, "holders of sentences")
    check_numbering(numbers(sentences, "cluster_id"), n, "cluster_id")
    units = numbers(sentences, "unit_id")
    check_numbering(units, n_units, "unit_id")
    if config.preset != "paper" and (units == NOISE).any():
        raise ValueError("expected a unit for each sentence, found one without")
    check_choice(sentences.column("sign"), SIGNS, "signs of sentences")
    check_range(
        numbers(sentences, "centrality"), -1 - _ROUNDING, 1 + _ROUNDING, "centrality of sentences"
    )


def check_numbering(ids: NDArray[Any], too_much: int, name: str) -> None:
    """Raises `ValueError` unless groups are numbered by the first row of each, from 0; -1 none."""
    check_range(ids, NOISE, too_much - 1, name)
    groups, first = np.unique(ids[ids != NOISE], return_index=True)
    if not (np.array_equal(groups, np.arange(len(groups))) and (np.diff(first) > 0).all()):
        raise ValueError(f"expected {name} numbered by the first sentence of each, found others")


def check_units(units: pa.Table, sentences: pa.Table, config: IndexConfig) -> None:
    """Checks the table of units, and that it follows from the sentences where it can."""
    n = units.num_rows
    check_equal(numbers(units, "unit_id"), np.arange(n), "unit_id of units")
    ids = numbers(sentences, "unit_id").astype(np.int64)
    held = np.flatnonzero(ids != NOISE)
    first = held[np.unique(ids[held], return_index=True)[1]]
    if len(first) != n:
        raise ValueError(f"expected a sentence of each of {n} units, found {len(first)} with one")
    counted = np.zeros((2, n), dtype=np.int64)
    np.add.at(counted[0], ids[held], 1)
    np.add.at(counted[1], ids[held], numbers(sentences, "occurrences")[held])
    check_equal(numbers(units, "sentences"), counted[0], "sentences of units")
    occurrences = numbers(units, "occurrences")
    if config.shared:  # the sentences that are left are not all that were counted
        check_range(counted[1], 1, occurrences, "occurrences of the sentences of units")
    else:
        check_equal(occurrences, counted[1], "occurrences of units")
    texts = sentences.column("text").take(pa.array(first, pa.int64()))
    if not units.column("text").combine_chunks().equals(texts.combine_chunks()):
        raise ValueError("expected the text of each unit from its first sentence, found another")
    check_unique(units.column("content"), "content of units")
    check_choice(units.column("sign"), SIGNS, "signs of units")
    most = np.zeros(n, dtype=np.int64)
    np.maximum.at(most, ids[held], numbers(sentences, "reports")[held])
    support = numbers(units, "support")
    check_range(support, 1, np.minimum(occurrences, config.reports), "support of units")
    check_range(most, 1, support, "reports of the sentences of units")
    check_range(numbers(units, "sign_share"), 0, 1, "sign_share of units")
    check_range(numbers(units, "position"), 0, 1, "position of units")
    for axis in ("x", "y"):
        check_range(numbers(units, axis), -_FARTHEST, _FARTHEST, f"{axis} of units")


def check_signs(units: pa.Table, sentences: pa.Table) -> None:
    """Raises `ValueError` unless each unit has the sign of a sentence of it."""
    codes = {sign: code for code, sign in enumerate(SIGNS)}
    has = np.zeros((units.num_rows, len(SIGNS)), dtype=np.bool_)
    signs = [codes[sign] for sign in sentences.column("sign").to_pylist()]
    ids = numbers(sentences, "unit_id")
    held = ids != NOISE
    has[ids[held], np.array(signs)[held]] = True
    own = [codes[sign] for sign in units.column("sign").to_pylist()]
    if not has[np.arange(units.num_rows), own].all():
        raise ValueError("expected the sign of each unit from its sentences, found another")


def check_cooccurrence(pairs: pa.Table, units: pa.Table) -> None:
    """Checks the pairs of units that share reports: the half above the diagonal, in order."""
    n = units.num_rows
    first, second = numbers(pairs, "unit_id"), numbers(pairs, "other_id")
    check_range(first, 0, n - 1, "unit_id of pairs")
    check_range(second, 0, n - 1, "other_id of pairs")
    if not (first < second).all() or not (np.diff(first * n + second) > 0).all():
        raise ValueError("expected pairs of two units, each once and in order, found others")
    support = numbers(units, "support")
    least = np.minimum(support[first], support[second])
    check_range(numbers(pairs, "reports"), 1, least, "reports of pairs")
