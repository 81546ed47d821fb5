"""Reports of any dataset to the distinct sentences that they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from semenrich_datasets.sentences import normalize_sentence, split_paper, split_sentences


@dataclass(frozen=True)
class Splitter:
    """How a report is cut into sentences, and which of them count as equal.

    Args:
        split (`Callable[[str], list[str]]`): Report to sentences.
        normalize (`Callable[[str], str]`): Sentence to the form under which it is counted.
    """

    split: Callable[[str], list[str]]
    normalize: Callable[[str], str]


#: "prose" reads a report as its author meant it, "paper" cuts at every "." as published.
SPLITTERS: dict[str, Splitter] = {
    "prose": Splitter(split_sentences, normalize_sentence),
    "paper": Splitter(split_paper, str.strip),
}


@dataclass(frozen=True)
class SentenceCounts:
    """The distinct sentences of a corpus and where they occur.

    Args:
        sentences (`list[str]` of length `n`): Normalized, the one held by most reports first.
        texts (`list[str]` of length `n`): Their most common spelling.
        report_ids (`np.ndarray` of shape `(n_occurrences,)`, int64): Report of each occurrence.
        sentence_ids (`np.ndarray` of shape `(n_occurrences,)`, int64): Its sentence.
        positions (`np.ndarray` of shape `(n_occurrences,)`, float64): Its place in the report, 0
            the first sentence and 1 the last.
        n_reports (`int`): Reports with at least one sentence.
        n_skipped (`int`): Rows without a usable text.
    """

    sentences: list[str]
    texts: list[str]
    report_ids: NDArray[np.int64]
    sentence_ids: NDArray[np.int64]
    positions: NDArray[np.float64]
    n_reports: int
    n_skipped: int


def count_sentences(
    texts: Iterable[Any], splitter: Splitter = SPLITTERS["prose"], *, show_progress: bool = False
) -> SentenceCounts:
    """Counts the distinct sentences of reports.

    The result does not depend on the order of the reports, but for `report_ids`.

    Args:
        texts (`Iterable[Any]`): Reports; what is not a string, or has no sentence, is skipped and
            counted.
        splitter ([`Splitter`], *optional*, defaults to the one for prose): Report to sentences.
        show_progress (`bool`, *optional*, defaults to `False`): Whether to show a progress bar.

    Returns:
        [`SentenceCounts`]: Sentences by the number of reports that hold them, then by alphabet.
    """
    ids: dict[str, int] = {}
    spellings: list[Counter[str]] = []
    report_ids, sentence_ids, positions = [], [], []
    n_reports = n_skipped = 0
    for text in tqdm(texts, desc="Sentences", unit=" reports", disable=not show_progress):
        pieces = splitter.split(text) if isinstance(text, str) else []
        keyed = [(key, piece) for piece in pieces if (key := splitter.normalize(piece))]
        if not keyed:
            n_skipped += 1
            continue
        for position, (key, piece) in enumerate(keyed):
            sentence_id = ids.setdefault(key, len(ids))
            if sentence_id == len(spellings):
                spellings.append(Counter())
            spellings[sentence_id][" ".join(piece.split())] += 1
            report_ids.append(n_reports)
            sentence_ids.append(sentence_id)
            positions.append(position / max(len(keyed) - 1, 1))
        n_reports += 1
    raw_ids = np.array(sentence_ids, dtype=np.int64)
    holders = reports_per_member(np.array(report_ids, dtype=np.int64), raw_ids, len(ids))
    keys = list(ids)
    order = sorted(range(len(keys)), key=lambda i: (-holders[i], keys[i]))
    rank = np.empty(len(keys), dtype=np.int64)
    rank[order] = np.arange(len(keys))
    return SentenceCounts(
        sentences=[keys[i] for i in order],
        texts=[_most_common(spellings[i]) for i in order],
        report_ids=np.array(report_ids, dtype=np.int64),
        sentence_ids=rank[raw_ids],
        positions=np.array(positions, dtype=np.float64),
        n_reports=n_reports,
        n_skipped=n_skipped,
    )


def _most_common(counter: Counter[str]) -> str:
    return min(counter, key=lambda spelling: (-counter[spelling], spelling))


def reports_per_member(
    report_ids: NDArray[np.int64], member_ids: NDArray[np.int64], n_members: int
) -> NDArray[np.int64]:
    """Counts the different reports that hold each sentence or cluster (noise, -1, left out)."""
    held = member_ids >= 0
    pairs = np.unique(np.stack([report_ids[held], member_ids[held]]), axis=1)
    return np.bincount(pairs[1], minlength=n_members).astype(np.int64)
