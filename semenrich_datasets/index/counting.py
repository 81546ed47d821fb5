"""Reports of any dataset to the distinct sentences that they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from semenrich_datasets.columns import StudyTexts
from semenrich_datasets.index.progress import stage_bar
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


@dataclass
class _Collector:
    """Mentions in the making; a report without a text holds the empty sentence."""

    ids: dict[str, int] = field(default_factory=dict)
    report_ids: list[int] = field(default_factory=list)
    sentence_ids: list[int] = field(default_factory=list)

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
        held = np.array(self.sentence_ids, dtype=np.int64)
        return Mentions(order, np.array(self.report_ids, dtype=np.int64), places[held])


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
    spellings: list[Counter[str]] = []
    report_ids, sentence_ids, positions = [], [], []
    context, history = _Collector(), _Collector()
    digests: list[int] = []
    folds: list[int] = []
    rows: list[int] = []
    n_reports = n_skipped = 0
    bar = stage_bar("Reading reports", studies, unit="reports", show=show_progress)
    for row, study in enumerate(bar):
        pieces = splitter.split(study.findings) if study.findings is not None else []
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
        context.add(n_reports, study.context.values())
        history.add(n_reports, study.history.values())
        texts = [study.findings or "", *study.context.values(), *study.history.values()]
        digests.append(_digest(*texts))
        folds.append(fold_of(study, by_patient=by_patient))
        rows.append(row)
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
        context=context.mentions(),
        history=history.mentions(),
        digests=np.array(digests, dtype=np.uint64),
        rows=np.array(rows, dtype=np.int64),
        folds=np.array(folds, dtype=np.int64),
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


def _most_common(counter: Counter[str]) -> str:
    return min(counter, key=lambda spelling: (-counter[spelling], spelling))


def reports_per_member(
    report_ids: NDArray[np.int64], member_ids: NDArray[np.int64], n_members: int
) -> NDArray[np.int64]:
    """Counts the different reports that hold each sentence or cluster (noise, -1, left out)."""
    held = member_ids >= 0
    pairs = np.unique(np.stack([report_ids[held], member_ids[held]]), axis=1)
    return np.bincount(pairs[1], minlength=n_members).astype(np.int64)
