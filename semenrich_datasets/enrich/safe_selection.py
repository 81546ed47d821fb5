"""The safe choice: normal statements that the report neither makes nor contradicts."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from semenrich_datasets.enrich.candidates import Candidate, is_telegraphic, list_candidates
from semenrich_datasets.enrich.cliques import from_bits, heaviest_clique
from semenrich_datasets.enrich.compatibility import Compatibility
from semenrich_datasets.enrich.facts import ReportFacts
from semenrich_datasets.enrich.readable import report_fault
from semenrich_datasets.enrich.reasons import Reason
from semenrich_datasets.enrich.report import Addition, Report
from semenrich_datasets.index import FindingsIndex
from semenrich_datasets.index.holders import MIN_SUPPORT
from semenrich_datasets.index.silence import Influence
from semenrich_datasets.index.topics import topics_of
from semenrich_datasets.reading import Reading
from semenrich_datasets.sentences import split_sentences

# Sum of evidence below which a report is of a kind that does not speak of a topic.
_KIND_EVIDENCE = -10.0
# Reports by which counts are smoothed towards the corpus.
_ADDED_REPORTS = 2.0
# Share of reports that make a usual statement.
_USUAL_SHARE = 0.05
# Texts and choices that are remembered.
_MEMORY = 2**16
# Expected numbers of true statements are compared to so many digits.
_DIGITS = 2
# A statement that is one in so many thousand reports more usual wins between equals.
_TIE = 1e-4


@dataclass(frozen=True, eq=False)
class Decision:
    """What became of a candidate that was considered for a report.

    Args:
        candidate ([`Candidate`]): The candidate.
        score (`float`): How likely it is true of this study though unsaid.
        reason ([`Reason`] or `None`): Why it was refused; None when it was added.
        influences (`tuple[Influence, ...]`): What moved the score of its riskiest topic most.
    """

    candidate: Candidate
    score: float
    reason: Reason | None
    influences: tuple[Influence, ...] = ()


class _Study(NamedTuple):
    """A report, read."""

    findings: list[Reading]
    context: list[Reading]
    history: list[Reading]
    held: list[int]
    fault: Reason | None


class SafeSelection:
    """Adds statements that hold for a healthy person, unless a rule or the silence refuses them.

    A candidate must be new in every part, and its score, 1 less the risk of each of its topics
    ([`~index.silence.SilenceModel`]), at least `min_score`. A statement that fewer than 1 in 20
    reports make must be surer in proportion: who is silent on it left less out. Among those that
    pass, "heaviest" takes the compatible clique with the greatest expected number of true
    statements, "random" draws in proportion to usage. Any two additions must be made together by
    some report of the corpus, in whatever words, as published, and not say the same.

    Args:
        index ([`FindingsIndex`]): Of the corpus.
        strategy (`str`): "heaviest" or "random".
        max_added (`int`, *optional*): Most additions.
        min_score (`float`): Least score.
        unsaid (`float`, *optional*): Share of abnormalities taken to be left unsaid; that of the
            index by default.
    """

    def __init__(
        self,
        index: FindingsIndex,
        strategy: str,
        max_added: int | None,
        min_score: float,
        unsaid: float | None = None,
    ) -> None:
        self.index = index
        self.strategy = strategy
        self.max_added = max_added
        self.min_score = min_score
        self.unsaid = unsaid
        self.candidates = list_candidates(index)
        self.compatible = Compatibility.of(self.candidates, index.agreement.together > 0)
        self.topics = candidate_topics(index, self.candidates)
        self.kind_evidence = kind_evidence(index)
        self._cliques = lru_cache(maxsize=_MEMORY)(self._clique)
        self._texts = lru_cache(maxsize=_MEMORY)(self._read_text)

    def __call__(self, report: Report) -> list[Addition]:
        """Gives the chosen candidates, each in one of its usual wordings."""
        study = self._read(report)
        if study.fault is not None:
            return []
        risks = self._risks(study, report)
        facts = ReportFacts(study.findings, study.context, study.history)
        spoken = self._spoken_of(study.held)
        # The risk first, as it is known of all at once.
        passed = np.flatnonzero((risks <= self.tolerance) & spoken).tolist()
        fit = [number for number in passed if facts.allows(self.candidates[number].reading)]
        chosen = sorted(
            self._choose(fit, risks, report),
            key=lambda number: (self.candidates[number].position, self.candidates[number].unit_id),
        )
        terse = is_telegraphic(report.sentences)
        return [
            Addition(
                candidate.draw(report.rng, telegraphic=terse),
                candidate.unit_id,
                candidate.support,
                round(1.0 - float(risks[number]), 4),
            )
            for number in chosen
            for candidate in [self.candidates[number]]
        ]

    @property
    def tolerance(self) -> NDArray[np.float64]:
        """The risk that each candidate may carry, shape `(c,)`."""
        return (1.0 - self.min_score) * self._usual + 1e-9

    @cached_property
    def _usual(self) -> NDArray[np.float64]:
        """How usual each candidate is: 1 from 1 in 20 reports on, less in proportion."""
        usage = np.array([item.usage for item in self.candidates], dtype=np.float64)
        return np.minimum(usage / max(_USUAL_SHARE * self.index.config.reports, 1.0), 1.0)

    def wants_image(self, report: Report) -> bool:
        """Whether the rules leave anything for the image of a report to decide on."""
        study = self._read(report)
        if study.fault is not None:
            return False
        facts = ReportFacts(study.findings, study.context, study.history)
        return any(facts.allows(candidate.reading) for candidate in self.candidates)

    def consider(self, report: Report) -> list[Decision]:
        """Says of every candidate of the corpus why the report does not get it, or None.

        Args:
            report ([`Report`]): The report, fresh: its draws are made here as in a call.

        Returns:
            `list[Decision]`: The most usual candidate first.
        """
        study = self._read(report)
        risks = self._risks(study, report)
        reasons = self._reasons(study, risks, report)
        rest = self.index.silence.rest(study.findings, study.context, study.history)
        return [
            Decision(
                candidate, round(1.0 - float(risk), 4), reason, self._why(number, rest, report)
            )
            for number, (candidate, risk, reason) in enumerate(
                zip(self.candidates, risks, reasons, strict=True)
            )
        ]

    def _why(self, number: int, rest: Sequence[int], report: Report) -> tuple[Influence, ...]:
        topics = np.flatnonzero(self.topics[number]).tolist()
        if not topics:
            return ()
        silence = self.index.silence
        odds = silence.log_odds(rest, report.image, report.fold)
        riskiest = max(topics, key=lambda topic: float(odds[topic]))
        return tuple(silence.explain(rest, riskiest, report.image, report.fold))

    def _reasons(
        self, study: _Study, risks: NDArray[np.float64], report: Report
    ) -> list[Reason | None]:
        if study.fault is not None:
            return [study.fault] * len(self.candidates)
        facts = ReportFacts(study.findings, study.context, study.history)
        spoken = self._spoken_of(study.held)
        reasons = [facts.check(candidate.reading) for candidate in self.candidates]
        for number, reason in enumerate(reasons):
            if reason is None and not spoken[number]:
                reasons[number] = Reason.OTHER_KIND
            elif reason is None and risks[number] > self.tolerance[number]:
                reasons[number] = Reason.UNLIKELY
        fit = [number for number, reason in enumerate(reasons) if reason is None]
        chosen = set(self._choose(fit, risks, report))
        for number in fit:
            if number not in chosen:
                reasons[number] = self._left_out(number, chosen)
        return reasons

    def _left_out(self, number: int, chosen: set[int]) -> Reason:
        """Returns why a candidate that passed every rule is not among the chosen."""
        if any(self.compatible.repeats[number] >> other & 1 for other in chosen):
            return Reason.REDUNDANT
        together = self.index.agreement.together
        if not all(together[number, other] for other in chosen):
            return Reason.NEVER_TOGETHER
        return Reason.ENOUGH

    def fault(self, report: Report) -> Reason | None:
        """Says why nothing at all may be added to a report; None where something may."""
        return self._read(report).fault

    def _read(self, report: Report) -> _Study:
        read = self.index.reader.read
        findings = list(map(read, report.sentences))
        context, history = (
            [reading for text in texts for reading in self._texts(text)]
            for texts in (report.context, report.history)
        )
        held = self.index.held_units(report.sentences)
        fault = report_fault(findings, context, read(report.exam), self.index.reader.lexicon)
        # Nothing that the corpus says too: nothing is known of such reports.
        fault = fault or (None if held else Reason.OTHER_KIND)
        return _Study(findings, context, history, held, fault)

    def _read_text(self, text: str) -> tuple[Reading, ...]:
        """Reads the sentences of an impression or indication: many reports share theirs."""
        return tuple(map(self.index.reader.read, split_sentences(text)))

    def _risks(self, study: _Study, report: Report) -> NDArray[np.float64]:
        """Returns for each candidate how likely it is false of a report that is silent on it."""
        silence = self.index.silence
        rest = silence.rest(study.findings, study.context, study.history)
        odds = silence.log_odds(rest, report.image, report.fold)
        risks = self.topics @ silence.risk(odds, self.unsaid)
        return np.minimum(risks, 1.0)

    def _spoken_of(self, held: list[int]) -> NDArray[np.bool_]:
        """Returns of each candidate whether reports of this kind speak of its topic."""
        return np.asarray(self.kind_evidence[held].sum(axis=0) >= _KIND_EVIDENCE)

    def _choose(self, fit: Sequence[int], risks: NDArray[np.float64], report: Report) -> list[int]:
        """Returns the numbers of a compatible clique among the candidates that passed."""
        broad = self.compatible.broadest(fit)
        if not broad:
            return []
        if self.strategy == "random":
            # Exponential clocks: a draw without replacement, in proportion to usage.
            clocks = {n: report.rng.expovariate(self.candidates[n].usage) for n in broad}
            return self.compatible.greedy(sorted(broad, key=clocks.__getitem__))[: self.max_added]
        true = np.round(self._statements[broad] - risks[broad], _DIGITS)
        return list(self._cliques(tuple(broad), tuple(true.tolist())))

    def _clique(self, fit: tuple[int, ...], true: tuple[float, ...]) -> tuple[int, ...]:
        """Returns the compatible clique with the greatest expected number of true statements."""
        weights = [0.0] * len(self.candidates)
        for number, expected in zip(fit, true, strict=True):
            usual = self.candidates[number].usage / max(self.index.config.reports, 1)
            weights[number] = expected + _TIE * usual
        within = sum(1 << number for number in fit)
        found = from_bits(heaviest_clique(self.compatible.neighbors, within, weights))
        return tuple(sorted(found, key=lambda n: (-weights[n], n))[: self.max_added])

    @cached_property
    def _statements(self) -> NDArray[np.float64]:
        """The number of statements that each candidate makes."""
        return np.asarray(self.topics.sum(axis=1))

    def with_strategy(self, strategy: str) -> Self:
        """Gives the same with another strategy, what is fitted shared."""
        other = copy.copy(self)
        other.strategy = strategy
        return other

    def with_min_score(self, min_score: float) -> Self:
        """Gives the same with another threshold, what is fitted shared."""
        other = copy.copy(self)
        other.min_score = min_score
        return other

    def replace(self, report: Report) -> list[str]:
        """Gives for each normal sentence another wording of the same statement, if there is one."""
        replaced = []
        for sentence in report.sentences:
            reading = self.index.reader.read(sentence)
            candidate = self._by_content.get(reading.content) if reading.is_transferable else None
            replaced.append(candidate.draw(report.rng) if candidate else sentence)
        return replaced

    @cached_property
    def _by_content(self) -> dict[object, Candidate]:
        return {item.reading.content: item for item in self.candidates}


def candidate_topics(index: FindingsIndex, candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    """Tells which topics each candidate denies.

    Returns:
        `np.ndarray` of shape `(c, t)`, float64: 1 where it does, else 0.
    """
    places = {topic: place for place, topic in enumerate(index.silence.topics)}
    table = np.zeros((len(candidates), len(places)))
    for row, candidate in enumerate(candidates):
        table[row, [places[topic] for topic in topics_of([candidate.reading])]] = 1.0
    return table


def kind_evidence(index: FindingsIndex) -> NDArray[np.float64]:
    """Weighs how much a unit tells that reports with it speak of the topic of a candidate.

    The logarithm of P(unit | report speaks of it) / P(unit | report does not), by counts with two
    reports added in the proportion of the corpus: summed over the units of a report as in a naive
    Bayes classifier. Units that fewer than 3 reports hold tell nothing: they may be the report's
    own.

    Args:
        index ([`FindingsIndex`]): Of the corpus.

    Returns:
        `np.ndarray` of shape `(n_units, c)`, float64.
    """
    agreement, reports = index.agreement, index.config.reports
    support = index.unit_table.column("support").to_numpy()[:, None]
    speaks = agreement.speaks + 0.5
    share = speaks / (reports + 1.0)
    with_unit = agreement.speaks_with.toarray()
    among_speaking = (with_unit + _ADDED_REPORTS * share) / speaks
    among_silent = (support - with_unit + _ADDED_REPORTS * (1.0 - share)) / (reports + 1.0 - speaks)
    evidence: NDArray[np.float64] = np.log(among_speaking / among_silent)
    return np.where(support >= MIN_SUPPORT, evidence, 0.0)
