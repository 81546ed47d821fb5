"""Masked truth: hide what reports say on a topic, enrich, and see whether it is said again.

The test that every corpus carries in itself. For each topic the reports that speak of it are taken,
all sentences that do are cut out of all their columns, and the rest is enriched. An addition that
says the opposite of what was hidden is an error that needs no label to be seen, one that says the
same is a gain. The silence model that judges a report has not seen it: it is told by the other
parts of the index's corpus (by patient, where a column names them).
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tqdm.auto import tqdm

from semenrich_datasets.audit.summary import check_one_split, read_studies
from semenrich_datasets.columns import StudyTexts
from semenrich_datasets.enrich import SemEnricher
from semenrich_datasets.enrich.report import Report, Selection
from semenrich_datasets.enrich.safe_selection import SafeSelection
from semenrich_datasets.index.counting import fold_of
from semenrich_datasets.index.topics import NORMAL, SILENT, Topic, Topics
from semenrich_datasets.reading import Reading
from semenrich_datasets.reading.entailment import Logic
from semenrich_datasets.sentences import split_sentences

#: Thresholds of the curve.
MIN_SCORES = (0.0, 0.9, 0.95, 0.97, 0.98, 0.985, 0.99, 0.995, 0.998)
# Quantile of the normal distribution for 95 %.
_Z = 1.959964

MASKED_SCHEMA = pa.schema(
    [
        ("min_score", pa.float64()),
        ("topic", pa.string()),
        ("abnormal", pa.int64()),
        ("opposite", pa.int64()),
        ("normal", pa.int64()),
        ("restored", pa.int64()),
    ]
)


def interval(part: int, whole: int) -> tuple[float, float]:
    """Gives the 95 % interval of a share (Wilson, 1927); 0 to 1 of nothing.

    Example:
        ```python
        >>> [round(bound, 3) for bound in interval(5, 100)]
        [0.022, 0.112]
        ```
    """
    if whole == 0:
        return 0.0, 1.0
    share, spread = part / whole, _Z * _Z / whole
    middle = (share + spread / 2) / (1 + spread)
    width = _Z * math.sqrt(share * (1 - share) / whole + spread / (4 * whole)) / (1 + spread)
    return max(middle - width, 0.0), min(middle + width, 1.0)


@dataclass(frozen=True, eq=False)
class MaskedTruth:
    """What was said of what had been hidden.

    Args:
        min_score (`float`): The threshold of the enricher.
        unsaid (`float`): Share of abnormalities taken to be left unsaid.
        reports (`int`): Reports with a text, each with one topic hidden at a time.
        additions (`Mapping[float, int]`): Additions to these reports as they are, by threshold.
        table (`pyarrow.Table`): By `min_score` and `topic` (a concept of the lexicon): reports that
            state it `abnormal`, to which the `opposite` was added when that was hidden; reports
            that call it `normal`, to which it was `restored`.
    """

    min_score: float
    unsaid: float
    reports: int
    additions: Mapping[float, int]
    table: pa.Table

    def by_topic(self) -> pa.Table:
        """The rows of the enricher's own threshold, the most often abnormal topic first."""
        own = self.table.filter(pc.equal(self.table.column("min_score"), self.min_score))
        return own.drop_columns(["min_score"]).sort_by([("abnormal", "descending")])

    def total(self, min_score: float | None = None) -> dict[str, int]:
        """The sums over all topics at a threshold; that of the enricher by default."""
        wanted = self.min_score if min_score is None else min_score
        rows = self.table.filter(pc.equal(self.table.column("min_score"), wanted))
        names = MASKED_SCHEMA.names[2:]
        return {name: int(pc.sum(rows.column(name)).as_py() or 0) for name in names}

    @property
    def thresholds(self) -> list[float]:
        """Those that were tried, ascending."""
        return sorted(self.additions)

    def implied_false(self) -> float:
        """The additions of these reports that are false, if as many abnormalities are unsaid.

        A share q of unsaid abnormalities means q / (1 - q) unsaid ones for each that is stated; to
        each of them the opposite is added as often as to the hidden ones of its topic.
        """
        odds = self.unsaid / (1 - self.unsaid)
        return odds * self.total()["opposite"]

    def __str__(self) -> str:
        """Writes a table of the topics, then what it implies."""
        head = f"{'topic':<24}{'hidden abnormal':>16}{'opposite added':>24}{'hidden normal':>15}"
        lines = [f"{head}{'said again':>12}"]
        for row in [*self.by_topic().to_pylist(), {"topic": "all", **self.total()}]:
            lines.append(_line(row))
        return "\n".join([*lines, self.summary()])

    def summary(self) -> str:
        """What the figures mean, in two sentences."""
        total = self.total()
        hidden, added = total["abnormal"], self.additions[self.min_score]
        if not hidden:
            return "No report states an abnormality that could be hidden: how true is not known."
        low, high = interval(total["opposite"], hidden)
        odds = self.unsaid / (1 - self.unsaid) * hidden
        return (
            f"Of {hidden:,} hidden abnormalities (one topic of one report each) "
            f"{total['opposite']:,} ({_percent(total['opposite'], hidden)}; 95 % interval "
            f"{low:.1%} to {high:.1%}) were called normal. If authors leave {self.unsaid:.1%} of "
            f"abnormalities unsaid, about {self.implied_false():.1f} of the {added:,} additions to "
            f"these reports are false ({odds * low:.1f} to {odds * high:.1f} by that interval)."
        )


def _line(row: Mapping[str, int | str]) -> str:
    opposite, abnormal = int(row["opposite"]), int(row["abnormal"])
    low, high = interval(opposite, abnormal)
    share = f"{opposite:,} ({low:.1%} to {high:.1%})" if abnormal else "-"
    again = _percent(int(row["restored"]), int(row["normal"]))
    topic = str(row["topic"]).replace("_", " ")
    return f"{topic:<24}{abnormal:>16,}{share:>24}{int(row['normal']):>15,}{again:>12}"


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def masked_truth(
    reports: datasets.Dataset,
    enricher: SemEnricher,
    *,
    min_scores: Sequence[float] = MIN_SCORES,
    concepts: Sequence[str] | None = None,
    max_reports: int = 2_000,
    seed: int = 0,
    show_progress: bool = True,
) -> MaskedTruth:
    """Hides what reports say, topic by topic, and counts what the enricher says in its place.

    Args:
        reports (`datasets.Dataset`): Reports, enriched or not: of the index's corpus or others.
        enricher ([`SemEnricher`]): What is tested, its images and guards left aside.
        min_scores (`Sequence[float]`, *optional*): Thresholds of the curve, beside the enricher's
            own. The presets "paper" and "random" have none.
        concepts (`Sequence[str]`, *optional*): What is hidden, in the lexicon's names; by default
            all that the index's additions speak of. An index as published has none of its own.
        max_reports (`int`, *optional*, defaults to `2_000`): Most reports, drawn at random.
        seed (`int`, *optional*, defaults to `0`): Of that draw.
        show_progress (`bool`, *optional*, defaults to `True`): Whether to show a progress bar.

    Returns:
        [`MaskedTruth`]

    Raises:
        `TypeError`: When `reports` is not one split of a dataset.
        `ValueError`: When a column is missing, or the index was split by patients and no column of
            the reports names these.
    """
    check_one_split(reports)
    _check_patients(reports, enricher)
    rows = np.sort(np.random.default_rng(seed).permutation(len(reports))[:max_reports])
    own, selections = _selections(enricher, min_scores)
    mask = _Mask(enricher, concepts)
    counts: Counter[tuple[float, str, str]] = Counter()
    additions: Counter[float] = Counter(dict.fromkeys(selections, 0))
    seen = 0
    studies = read_studies(reports.select(rows), enricher)
    for study in tqdm(
        studies, "Masked truth", len(rows), unit=" reports", disable=not show_progress
    ):
        report = _held_out(study, enricher)
        if report is None:
            continue
        seen += 1
        for threshold, selection in selections.items():
            additions[threshold] += len(selection(_fresh(report)))
        for hidden in mask.hide(report):
            for threshold, selection in selections.items():
                found = hidden.outcome(selection, enricher)
                counts[threshold, hidden.concept, hidden.kind] += 1
                counts[threshold, hidden.concept, found] += 1
    table = _table(counts, list(selections), mask.concepts)
    index = enricher.index
    unsaid = index.silence.unsaid if enricher.unsaid_abnormal is None else enricher.unsaid_abnormal
    return MaskedTruth(own, unsaid, seen, dict(additions), table)


def _selections(
    enricher: SemEnricher, min_scores: Sequence[float]
) -> tuple[float, dict[float, Selection]]:
    """Returns the enricher's threshold, and its selection at each."""
    selection = enricher.selection
    if not isinstance(selection, SafeSelection):
        return 0.0, {0.0: selection}
    wanted = sorted({*min_scores, enricher.min_score})
    return enricher.min_score, {score: selection.with_min_score(score) for score in wanted}


def _check_patients(reports: datasets.Dataset, enricher: SemEnricher) -> None:
    if enricher.index.config.by_patient and (
        enricher.find_columns(reports.column_names).patient_id is None
    ):
        msg = (
            "the index keeps the reports of a patient together, and these reports name no patient: "
            "keep the column of patients in the dataset"
        )
        raise ValueError(msg)


def _held_out(study: StudyTexts, enricher: SemEnricher) -> Report | None:
    """Returns the report of a study, to be judged by a model that has not seen it."""
    report = enricher.read_report(study)
    fold = fold_of(study, by_patient=enricher.index.config.by_patient)
    return None if report is None else replace(report, fold=fold)


@dataclass(frozen=True)
class _Hidden:
    """A report with all that it says on a topic cut out.

    Args:
        report ([`Report`]): The rest.
        concept (`str`): The topic.
        kind (`str`): "abnormal" or "normal": what was cut.
        stated ([`Logic`]): What was said of the topic itself.
    """

    report: Report
    concept: str
    kind: str
    stated: Logic

    def outcome(self, selection: Selection, enricher: SemEnricher) -> str:
        """Gives "opposite" or "restored", else "nothing"."""
        read = enricher.index.reader.read
        added = [read(addition.sentence).logic for addition in selection(_fresh(self.report))]
        if self.kind == "abnormal":
            return "opposite" if any(one.denies & self.stated.excludes for one in added) else ""
        return "restored" if any(one.denies & self.stated.implies for one in added) else ""


def _fresh(report: Report) -> Report:
    """Returns a report whose draws nobody has made yet."""
    return replace(report, rng=copy.copy(report.rng))


class _Mask:
    """Cuts topics out of reports."""

    def __init__(self, enricher: SemEnricher, concepts: Sequence[str] | None) -> None:
        self.index = enricher.index
        lexicon = self.index.reader.lexicon
        own = {topic.concept for topic in self.index.silence.topics}
        self.concepts = sorted(own if concepts is None else concepts)
        if unknown := [concept for concept in self.concepts if concept not in lexicon.numbers]:
            raise ValueError(f"the lexicon {lexicon.name} has no concept {unknown[0]!r}")
        self._topics = Topics([Topic(concept) for concept in self.concepts], lexicon)
        self._below = [lexicon.below[concept] for concept in self.concepts]
        self._known: dict[str, tuple[Reading, list[int], list[Logic | None]]] = {}

    def hide(self, report: Report) -> Iterator[_Hidden]:
        """Yields the report once for each topic that it calls normal or abnormal."""
        parts = [
            [self._view(sentence) for sentence in report.sentences],
            [self._view(one) for text in report.context for one in split_sentences(text)],
            [self._view(one) for text in report.history for one in split_sentences(text)],
        ]
        said = [*parts[0], *parts[1]]
        for number, concept in enumerate(self.concepts):
            stated = [found[number] for _, _, found in said]
            wrong = [logic for logic in stated if logic is not None]
            calm = [one.logic for one, stances, _ in said if stances[number] == NORMAL]
            if not wrong and not calm:
                continue
            kept = [
                tuple(
                    reading.text
                    for reading, stances, found in part
                    if stances[number] == SILENT and found[number] is None
                )
                for part in parts
            ]
            rest = replace(report, sentences=kept[0], context=kept[1], history=kept[2])
            kind = "abnormal" if wrong else "normal"
            yield _Hidden(rest, concept, kind, reduce(or_, wrong or calm, Logic()))

    def _view(self, sentence: str) -> tuple[Reading, list[int], list[Logic | None]]:
        """Returns a sentence, its stance on each topic, and what it states to be wrong with it."""
        known = self._known.get(sentence)
        if known is None:
            reading = self.index.reader.read(sentence)
            stances = self._topics.stances([reading])[0].tolist()
            known = self._known[sentence] = reading, stances, self._stated(reading)
        return known

    def _stated(self, reading: Reading) -> list[Logic | None]:
        pairs = list(zip(reading.assertions, reading.parts, strict=True))
        found: list[Logic | None] = []
        for below in self._below:
            parts = [part for said, part in pairs if said.is_abnormal and said.concept in below]
            found.append(reduce(or_, parts) if parts else None)
        return found


def _table(
    counts: Counter[tuple[float, str, str]], thresholds: Sequence[float], concepts: Sequence[str]
) -> pa.Table:
    kinds = MASKED_SCHEMA.names[2:]
    rows = [
        {
            "min_score": threshold,
            "topic": concept,
            **{kind: counts[threshold, concept, kind] for kind in kinds},
        }
        for threshold in thresholds
        for concept in concepts
        if counts[threshold, concept, "abnormal"] or counts[threshold, concept, "normal"]
    ]
    return pa.Table.from_pylist(rows, schema=MASKED_SCHEMA)
