"""Reports of any dataset to the distinct sentences that they hold."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from semenrich_datasets.columns import StudyTexts
from semenrich_datasets.index.progress import stage_bar
from semenrich_datasets.index.silence import FOLDS
from semenrich_datasets.index.splitters import SPLITTERS, Splitter
from semenrich_datasets.sentences import normalize_sentence, plain_text, split_sentences

# What stands in a column of patients where one is not known; no id.
_NOBODY = frozenset("nan none null nil na n/a #n/a <na> unknown anonymous - -- ? .".split())


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
        self.hold(report, pieces or [""])

    def hold(self, report: int, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            self.report_ids.append(report)
            self.sentence_ids.append(self.ids.setdefault(sentence, len(self.ids)))

    def mentions(self) -> Mentions:
        """Gives them with the sentences in the order of their first mention."""
        return Mentions([*self.ids], _as_int64(self.report_ids), _as_int64(self.sentence_ids))


@dataclass(frozen=True)
class BlockCounts:
    """What a block of studies holds; the blocks of a corpus are merged to its counts.

    Args:
        keys (`list` of length `n_studies`): What the rows of one report share, whatever block they
            are in; None for a row that is a report of its own.
        study_ids (`np.ndarray` of shape `(n_reports,)`, int64): Which study each report is of;
            those without a sentence have none.
        spelled ([`Mentions`]): Sentences of the findings in three lines: with the capitals of
            their author, as they were cut, normalized.
        positions (`np.ndarray` of shape `(n_occurrences,)`, float64): As in [`SentenceCounts`].
        context ([`Mentions`]): As in [`SentenceCounts`].
        history ([`Mentions`]): As in [`SentenceCounts`].
        digests (`np.ndarray` of shape `(n_reports,)`, uint64): As in [`SentenceCounts`].
        folds (`np.ndarray` of shape `(n_reports,)`, int64): As in [`SentenceCounts`].
        patients (`np.ndarray` of shape `(n_reports,)`, int64): As in [`SentenceCounts`].
    """

    keys: list[Any]
    study_ids: NDArray[np.int64]
    spelled: Mentions
    positions: NDArray[np.float64]
    context: Mentions
    history: Mentions
    digests: NDArray[np.uint64]
    folds: NDArray[np.int64]
    patients: NDArray[np.int64]

    def select(self, held: NDArray[np.bool_]) -> BlockCounts:
        """Gives what the studies with True in `held`, of shape `(n_studies,)`, hold."""
        reports = held[self.study_ids]
        number = np.cumsum(reports) - 1

        def of(mentions: Mentions) -> Mentions:
            kept = reports[mentions.report_ids]
            report_ids = number[mentions.report_ids[kept]]
            return Mentions(mentions.sentences, report_ids, mentions.sentence_ids[kept])

        return BlockCounts(
            keys=[key for key, is_held in zip(self.keys, held, strict=True) if is_held],
            study_ids=(np.cumsum(held) - 1)[self.study_ids[reports]],
            spelled=of(self.spelled),
            positions=self.positions[reports[self.spelled.report_ids]],
            context=of(self.context),
            history=of(self.history),
            digests=self.digests[reports],
            folds=self.folds[reports],
            patients=self.patients[reports],
        )


@dataclass(frozen=True)
class SentenceCounts:
    """The distinct sentences of a corpus and where they occur.

    Args:
        sentences (`list[str]` of length `n`): Normalized, the one held by most reports first.
        texts (`list[str]` of length `n`): Their most common spelling.
        report_ids (`np.ndarray` of shape `(n_occurrences,)`, int64): Report of each occurrence.
        sentence_ids (`np.ndarray` of shape `(n_occurrences,)`, int64): Its sentence.
        spellings (`list[str]`): The different ways in which sentences are written.
        spelling_ids (`np.ndarray` of shape `(n_occurrences,)`, int64): That of each occurrence.
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
        patients (`np.ndarray` of shape `(n_reports,)`, int64): A number for the patient of each
            report; -1 where none is named.
    """

    sentences: list[str]
    texts: list[str]
    report_ids: NDArray[np.int64]
    sentence_ids: NDArray[np.int64]
    spellings: list[str]
    spelling_ids: NDArray[np.int64]
    positions: NDArray[np.float64]
    n_reports: int
    n_skipped: int
    context: Mentions
    history: Mentions
    digests: NDArray[np.uint64]
    rows: NDArray[np.int64]
    folds: NDArray[np.int64]
    patients: NDArray[np.int64]

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
    bar = stage_bar("Reading reports", studies, unit="reports", show=show_progress)
    own = ((None, study) for study in bar)
    return merge_counts([count_block(own, splitter, by_patient=by_patient)])


def count_block(
    studies: Iterable[tuple[Any, StudyTexts]],
    splitter: Splitter = SPLITTERS["prose"],
    *,
    by_patient: bool = False,
) -> BlockCounts:
    """Counts the sentences of a block of studies.

    Args:
        studies (`Iterable[tuple[Any, StudyTexts]]`): Their keys and texts.
        splitter ([`Splitter`], *optional*, defaults to the one for prose): Report to sentences.
        by_patient (`bool`, *optional*, defaults to `False`): As for [`count_sentences`].

    Returns:
        [`BlockCounts`]
    """
    keys: list[Any] = []
    spelled, context, history = _Collector(), _Collector(), _Collector()
    study_ids, folds, patients = _whole_numbers(), _whole_numbers(), _whole_numbers()
    positions, digests = array("d"), array("Q")
    for place, (study_key, study) in enumerate(studies):
        keys.append(study_key)
        pieces = splitter.split(study.findings) if study.findings is not None else []
        as_written = pieces
        if splitter.written is not splitter.split and study.findings is not None:
            as_written = splitter.written(study.findings)
        lines = [
            f"{_one_line(written)}\n{_one_line(piece)}\n{key}"
            for piece, written in zip(pieces, as_written, strict=True)
            if (key := splitter.normalize(piece))
        ]
        if not lines:
            continue
        report = len(study_ids)
        study_ids.append(place)
        spelled.hold(report, lines)
        positions.extend(number / max(len(lines) - 1, 1) for number in range(len(lines)))
        context.add(report, study.context.values())
        history.add(report, study.history.values())
        texts = [study.findings or "", *study.context.values(), *study.history.values()]
        digests.append(_digest(*texts))
        folds.append(fold_of(study, by_patient=by_patient))
        # Half of a digest: a number that is the same in all blocks, and no less than 0.
        person = _person(study.patient) if by_patient else ""
        patients.append(_digest(person) >> 1 if person else -1)
    return BlockCounts(
        keys=keys,
        study_ids=_as_int64(study_ids),
        spelled=spelled.mentions(),
        positions=np.frombuffer(positions, dtype=np.float64),
        context=context.mentions(),
        history=history.mentions(),
        digests=np.frombuffer(digests, dtype=np.uint64),
        folds=_as_int64(folds),
        patients=_as_int64(patients),
    )


def _person(patient: str) -> str:
    """Gives what all spellings of a patient's id share; empty where it names nobody.

    Two patients taken for one keep a sentence at home; one taken for three lets it travel.
    """
    plain = "".join(plain_text(patient.casefold()).split())
    return "" if plain in _NOBODY else plain.lstrip("0") or plain


def _one_line(text: str) -> str:
    return " ".join(text.split())


def merge_counts(blocks: Sequence[BlockCounts]) -> SentenceCounts:
    """Merges the counts of the blocks of a corpus; how it was cut into them changes nothing.

    Args:
        blocks (`Sequence[BlockCounts]`): At least one, in the order of the corpus: of a report that
            several hold the first counts.

    Returns:
        [`SentenceCounts`]: Sentences by the number of reports that hold them, then by alphabet.
    """
    blocks = _without_repeats(blocks)
    of_reports = [len(block.study_ids) for block in blocks]
    spelled = _join([block.spelled for block in blocks], of_reports)
    lines = [one.split("\n", 2) for one in spelled.sentences]
    written, texts, keys = ([line[place] for line in lines] for place in range(3))
    uses = np.bincount(spelled.sentence_ids, minlength=len(keys)).tolist()
    common = _most_common(keys, texts, uses)
    ids = {key: number for number, key in enumerate(common)}
    sentence_of = np.array([ids[key] for key in keys], dtype=np.int64)
    spellings = {text: number for number, text in enumerate(dict.fromkeys(written))}
    spelling_of = np.array([spellings[text] for text in written], dtype=np.int64)
    raw_ids = sentence_of[spelled.sentence_ids]
    holders = reports_per_member(spelled.report_ids, raw_ids, len(ids))
    sentences = sorted(ids, key=lambda key: (-holders[ids[key]], key))
    rank = np.empty(len(ids), dtype=np.int64)
    rank[[ids[key] for key in sentences]] = np.arange(len(ids))
    starts = np.cumsum([0, *(len(block.keys) for block in blocks)]).tolist()
    rows = [block.study_ids + start for block, start in zip(blocks, starts, strict=False)]
    return SentenceCounts(
        sentences=sentences,
        texts=[common[key] for key in sentences],
        report_ids=spelled.report_ids,
        sentence_ids=rank[raw_ids],
        spellings=list(spellings),
        spelling_ids=spelling_of[spelled.sentence_ids],
        positions=np.concatenate([block.positions for block in blocks]),
        n_reports=sum(of_reports),
        n_skipped=starts[-1] - sum(of_reports),
        context=_join([block.context for block in blocks], of_reports),
        history=_join([block.history for block in blocks], of_reports),
        digests=np.concatenate([block.digests for block in blocks]),
        rows=np.concatenate(rows),
        folds=np.concatenate([block.folds for block in blocks]),
        patients=np.concatenate([block.patients for block in blocks]),
    )


def _most_common(keys: Sequence[str], texts: Sequence[str], uses: Sequence[int]) -> dict[str, str]:
    """Gives of each key its most common text, of equals the first in alphabetical order."""
    totals: Counter[tuple[str, str]] = Counter()
    for key, text, count in zip(keys, texts, uses, strict=True):
        totals[key, text] += count
    common: dict[str, str] = {}
    for key, text in sorted(totals, key=lambda pair: (-totals[pair], pair[1])):
        common.setdefault(key, text)
    return common


def _without_repeats(blocks: Sequence[BlockCounts]) -> list[BlockCounts]:
    """Leaves out the studies that an earlier place of the corpus holds too."""
    seen: set[Any] = set()
    selected = []
    for block in blocks:
        held = np.ones(len(block.keys), dtype=np.bool_)
        for row, key in enumerate(block.keys):
            held[row] = key is None or key not in seen
            seen.add(key)
        selected.append(block.select(held))
    return selected


def _join(blocks: Sequence[Mentions], n_reports: Sequence[int]) -> Mentions:
    """Joins mentions, sentences in alphabetical order; the reports are counted on."""
    used = [np.unique(block.sentence_ids) for block in blocks]
    held = zip(blocks, used, strict=True)
    sentences = sorted({block.sentences[row] for block, rows in held for row in rows.tolist()})
    place = {sentence: row for row, sentence in enumerate(sentences)}
    starts = np.cumsum([0, *n_reports])
    report_ids, sentence_ids = [], []
    for block, start in zip(blocks, starts, strict=False):
        places = np.array([place.get(one, -1) for one in block.sentences], dtype=np.int64)
        report_ids.append(block.report_ids + start)
        sentence_ids.append(places[block.sentence_ids])
    return Mentions(sentences, np.concatenate(report_ids), np.concatenate(sentence_ids))


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
