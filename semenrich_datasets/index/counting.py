"""Reports of any dataset to the distinct sentences that they hold."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from tqdm.auto import tqdm

from semenrich_datasets.columns import StudyTexts
from semenrich_datasets.index.silence import FOLDS
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
class Mentions:
    """Distinct sentences, and which report holds which.

    Args:
        sentences (`list[str]` of length `n`): The sentences.
        report_ids (`np.ndarray` of shape `(n_occurrences,)`, int64): Report of each occurrence.
        sentence_ids (`np.ndarray` of shape `(n_occurrences,)`, int64): Its sentence.
    """

    sentences: list[str]
    report_ids: NDArray[np.int64]
    sentence_ids: NDArray[np.int64]

    def matrix(self, n_reports: int) -> sparse.csr_array:
        """Gives it as a matrix of shape `(n_reports, n)`, int64: 1 where a report holds one."""
        ones = np.ones(len(self.report_ids), dtype=np.int64)
        shape = (n_reports, len(self.sentences))
        table = sparse.csr_array((ones, (self.report_ids, self.sentence_ids)), shape=shape)
        table.sum_duplicates()
        table.data[:] = 1
        return table


# A list holds an object for each number: at ten million occurrences that is most of the memory.
def _whole_numbers() -> array[int]:
    return array("q")


def _as_int64(numbers: array[int]) -> NDArray[np.int64]:
    """Gives the numbers as an array on the same memory."""
    return np.frombuffer(numbers, dtype=np.int64)


@dataclass
class _Collector:
    """Mentions in the making; a report without a text holds the empty sentence."""

    ids: dict[str, int] = field(default_factory=dict)
    report_ids: array[int] = field(default_factory=_whole_numbers)
    sentence_ids: array[int] = field(default_factory=_whole_numbers)

    def add(self, report: int, texts: Iterable[str]) -> None:
        pieces = [normalize_sentence(one) for text in texts for one in split_sentences(text)]
        for piece in pieces or [""]:
            self.report_ids.append(report)
            self.sentence_ids.append(self.ids.setdefault(piece, len(self.ids)))

    def mentions(self) -> Mentions:
        """Gives them with the sentences in alphabetical order."""
        order = sorted(self.ids)
        rank = {text: place for place, text in enumerate(order)}
        places = np.array([rank[text] for text in self.ids], dtype=np.int64)
        return Mentions(order, _as_int64(self.report_ids), places[_as_int64(self.sentence_ids)])


@dataclass
class _Spellings:
    """How each sentence is written; most are written one way, and cost one text each."""

    first: list[str] = field(default_factory=list)
    others: dict[int, Counter[str]] = field(default_factory=dict)

    def add(self, sentence_id: int, spelling: str) -> None:
        """Takes an occurrence in; a new sentence has the next number."""
        if sentence_id == len(self.first):
            self.first.append(spelling)
        if sentence_id in self.others or spelling != self.first[sentence_id]:
            self.others.setdefault(sentence_id, Counter())[spelling] += 1

    def most_common(self, occurrences: NDArray[np.int64]) -> list[str]:
        """Gives the most common spelling of each sentence, of equals the first by alphabet."""
        found = list(self.first)
        for number, counter in self.others.items():
            # What stood before the second spelling came was the first one.
            counter[found[number]] += int(occurrences[number]) - counter.total()
            found[number] = min(counter, key=lambda one: (-counter[one], one))
        return found


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
        context ([`Mentions`]): Sentences of their other texts on the image.
        history ([`Mentions`]): Sentences of their indications.
        digests (`np.ndarray` of shape `(n_reports,)`, uint64): Of the texts of each report.
        rows (`np.ndarray` of shape `(n_reports,)`, int64): Place of each among the studies.
        folds (`np.ndarray` of shape `(n_reports,)`, int64): The part of the corpus that each is in,
            from 1 to `FOLDS`: the same for the reports of a patient.
    """

    sentences: list[str]
    texts: list[str]
    report_ids: NDArray[np.int64]
    sentence_ids: NDArray[np.int64]
    positions: NDArray[np.float64]
    n_reports: int
    n_skipped: int
    context: Mentions
    history: Mentions
    digests: NDArray[np.uint64]
    rows: NDArray[np.int64]
    folds: NDArray[np.int64]

    @property
    def findings(self) -> Mentions:
        """The sentences of the findings, as the others are given."""
        return Mentions(self.sentences, self.report_ids, self.sentence_ids)


def count_sentences(
    studies: Iterable[StudyTexts],
    splitter: Splitter = SPLITTERS["prose"],
    *,
    by_patient: bool = False,
    show_progress: bool = False,
) -> SentenceCounts:
    """Counts the distinct sentences of reports.

    The result does not depend on the order of the reports, but for `report_ids`.

    Args:
        studies (`Iterable[StudyTexts]`): Their texts; without a sentence of findings one is skipped
            and counted.
        splitter ([`Splitter`], *optional*, defaults to the one for prose): Report to sentences.
        by_patient (`bool`, *optional*, defaults to `False`): Whether the reports of a patient are
            kept in one part of the corpus.
        show_progress (`bool`, *optional*, defaults to `False`): Whether to show a progress bar.

    Returns:
        [`SentenceCounts`]: Sentences by the number of reports that hold them, then by alphabet.
    """
    ids: dict[str, int] = {}
    spellings = _Spellings()
    report_ids, sentence_ids, positions = _whole_numbers(), _whole_numbers(), array("d")
    context, history = _Collector(), _Collector()
    digests, folds, rows = array("Q"), _whole_numbers(), _whole_numbers()
    n_reports = n_skipped = 0
    bar = tqdm(studies, desc="Sentences", unit=" reports", disable=not show_progress)
    for row, study in enumerate(bar):
        pieces = splitter.split(study.findings) if study.findings is not None else []
        keyed = [(key, piece) for piece in pieces if (key := splitter.normalize(piece))]
        if not keyed:
            n_skipped += 1
            continue
        for position, (key, piece) in enumerate(keyed):
            sentence_id = ids.setdefault(key, len(ids))
            spellings.add(sentence_id, " ".join(piece.split()))
            report_ids.append(n_reports)
            sentence_ids.append(sentence_id)
            positions.append(position / max(len(keyed) - 1, 1))
        context.add(n_reports, study.context.values())
        history.add(n_reports, study.history.values())
        texts = [study.findings or "", *study.context.values(), *study.history.values()]
        digests.append(_digest(*texts))
        folds.append(fold_of(study, by_patient=by_patient))
        rows.append(row)
        n_reports += 1
    raw_ids = _as_int64(sentence_ids)
    holders = reports_per_member(_as_int64(report_ids), raw_ids, len(ids))
    texts_of = spellings.most_common(np.bincount(raw_ids, minlength=len(ids)))
    keys = list(ids)
    order = sorted(range(len(keys)), key=lambda i: (-holders[i], keys[i]))
    rank = np.empty(len(keys), dtype=np.int64)
    rank[order] = np.arange(len(keys))
    return SentenceCounts(
        sentences=[keys[i] for i in order],
        texts=[texts_of[i] for i in order],
        report_ids=_as_int64(report_ids),
        sentence_ids=rank[raw_ids],
        positions=np.frombuffer(positions, dtype=np.float64),
        n_reports=n_reports,
        n_skipped=n_skipped,
        context=context.mentions(),
        history=history.mentions(),
        digests=np.frombuffer(digests, dtype=np.uint64),
        rows=_as_int64(rows),
        folds=_as_int64(folds),
    )


def fold_of(study: StudyTexts, *, by_patient: bool) -> int:
    """Gives the part of a corpus that a study is in, from 1 to `FOLDS`.

    It follows from the patient where the index keeps patients together and the study names one,
    else from the findings: whoever has the study can tell which model has not seen it.
    """
    patient = study.patient if by_patient else ""
    return 1 + _digest(patient or study.findings or "") % FOLDS


def _digest(*texts: str) -> int:
    text = "\0".join(texts).encode(errors="surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest())


def reports_per_member(
    report_ids: NDArray[np.int64], member_ids: NDArray[np.int64], n_members: int
) -> NDArray[np.int64]:
    """Counts the different reports that hold each sentence or cluster (noise, -1, left out)."""
    held = member_ids >= 0
    # One number for each pair sorts many times faster than two.
    pairs = np.unique(report_ids[held] * n_members + member_ids[held])
    return np.bincount(pairs % max(n_members, 1), minlength=n_members).astype(np.int64)
