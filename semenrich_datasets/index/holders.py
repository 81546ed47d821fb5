"""Whose a sentence is: the different patients that hold it, and whether it may leave them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from semenrich_datasets.index.counting import SentenceCounts, reports_per_member
from semenrich_datasets.reading import Lexicon
from semenrich_datasets.reading.plain_words import could_name, rebuild

#: A sentence held by fewer different patients stays where it is: it may be one patient's own.
MIN_SUPPORT = 3
# Share of the sentences of the longer of two reports from which on they are copies of one.
_COPIED = 0.5
# Nobody has so many copies of a report: from here on only equal reports are one.
_MANY = 10


def count_holders(counts: SentenceCounts, lexicon: Lexicon) -> NDArray[np.int64]:
    """Counts the patients that hold each sentence.

    Where none is named, different reports stand for them, and of a sentence that fewer than 10
    reports hold, those that share at least half of the sentences of the longer one are copies of
    one. A report in which a word of the sentence has the capital of a name
    ([`~plain_words.could_name`]) holds another sentence.

    Args:
        counts ([`SentenceCounts`]): Of a corpus.
        lexicon ([`Lexicon`]): Of its index.

    Returns:
        `np.ndarray` of shape `(n,)`, int64
    """
    n = len(counts.sentences)
    usual = np.array([not could_name(text, lexicon) for text in counts.spellings], dtype=np.bool_)
    fit = usual[counts.spelling_ids]
    reports, sentences = counts.report_ids[fit], counts.sentence_ids[fit]
    holders = reports_per_member(reports, sentences, n)
    order = np.argsort(sentences, kind="stable")
    reports, sentences = reports[order], sentences[order]
    bounds = np.searchsorted(sentences, np.arange(n + 1))
    texts = _ReportSets(counts)
    for sentence in np.flatnonzero(holders >= MIN_SUPPORT).tolist():
        held = reports[bounds[sentence] : bounds[sentence + 1]]
        patients = counts.patients[held]
        if (patients >= 0).all():
            holders[sentence] = len(np.unique(patients))
        else:
            holders[sentence] = _different(held.tolist(), patients.tolist(), texts)
    return holders


class _ReportSets:
    """The sentences of each report as a set, made when it is asked for."""

    def __init__(self, counts: SentenceCounts) -> None:
        order = np.argsort(counts.report_ids, kind="stable")
        self._sentences = counts.sentence_ids[order]
        self._bounds = np.searchsorted(counts.report_ids[order], np.arange(counts.n_reports + 1))
        self._known: dict[int, frozenset[int]] = {}

    def __getitem__(self, report: int) -> frozenset[int]:
        if report not in self._known:
            rows = slice(self._bounds[report], self._bounds[report + 1])
            self._known[report] = frozenset(self._sentences[rows].tolist())
        return self._known[report]


def _different(reports: list[int], patients: list[int], texts: _ReportSets) -> int:
    """Counts named patients, and groups of copies among the reports without one."""
    named = {patient for patient in patients if patient >= 0}
    owned = {texts[r] for r, patient in zip(reports, patients, strict=True) if patient >= 0}
    unnamed = {texts[r] for r, patient in zip(reports, patients, strict=True) if patient < 0}
    if len(reports) >= _MANY:
        return len(named) + len(unnamed - owned)
    groups: list[list[frozenset[int]]] = []
    for own in unnamed:
        near = [group for group in groups if any(_is_copy(own, other) for other in group)]
        groups = [group for group in groups if group not in near]
        groups.append([own, *(other for group in near for other in group)])
    apart = [
        group
        for group in groups
        if not any(_is_copy(own, other) for own in group for other in owned)
    ]
    return len(named) + len(apart)


def _is_copy(one: frozenset[int], other: frozenset[int]) -> bool:
    longer = max(len(one), len(other))
    # Of two sentences one says nothing of who wrote the other.
    return one == other or (longer > 2 and len(one & other) >= _COPIED * longer)


def rebuild_sentences(
    counts: SentenceCounts, holders: NDArray[np.int64], lexicon: Lexicon
) -> list[str | None]:
    """Writes those sentences anew that enough patients hold, and that hold nothing but known words.

    Args:
        counts ([`SentenceCounts`]): Of a corpus.
        holders (`np.ndarray` of shape `(n,)`, int64): Patients that hold each sentence.
        lexicon ([`Lexicon`]): Of its index.

    Returns:
        `list[str | None]` of length `n`: As [`~plain_words.rebuild`] gives them.
    """
    return [
        rebuild(sentence, lexicon) if count >= MIN_SUPPORT else None
        for sentence, count in zip(counts.sentences, holders.tolist(), strict=True)
    ]


def may_travel(sentences: pa.Table) -> pa.ChunkedArray:
    """Tells which sentences of an index may stand in another patient's report.

    Args:
        sentences (`pyarrow.Table`): Of the index (`SENTENCE_SCHEMA`).

    Returns:
        `pyarrow.ChunkedArray` of bool: True for those that at least 3 patients hold and that could
        be rebuilt from the words of the lexicon.
    """
    supported = pc.greater_equal(sentences.column("holders"), MIN_SUPPORT)
    return pc.and_(supported, pc.not_equal(sentences.column("rebuilt"), ""))


def travelling_texts(sentences: pa.Table, n_units: int) -> list[str | None]:
    """Gives for each unit its most common sentence that may travel: what cards may show of it.

    Args:
        sentences (`pyarrow.Table`): Of the index, the most common first.
        n_units (`int`): Units of the index.

    Returns:
        `list[str | None]` of length `n_units`: None for a unit without such a sentence.
    """
    texts: list[str | None] = [None] * n_units
    fit = sentences.select(["rebuilt", "unit_id"]).filter(may_travel(sentences))
    for text, unit in zip(*fit.to_pydict().values(), strict=True):
        if unit >= 0 and texts[unit] is None:
            texts[unit] = text
    return texts
