"""The safe choice: normal statements that the report neither makes nor contradicts."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from semenrich_datasets.enrich.candidates import Candidate, list_candidates
from semenrich_datasets.enrich.facts import ReportFacts
from semenrich_datasets.enrich.readable import report_fault
from semenrich_datasets.enrich.reasons import Reason
from semenrich_datasets.enrich.report import Addition, Report
from semenrich_datasets.index import FindingsIndex
from semenrich_datasets.index.agreement import MIN_SUPPORT
from semenrich_datasets.reading import Reading
from semenrich_datasets.sentences import split_sentences

# Reports that a unit must have been seen in before its own figures outweigh the whole corpus's.
_PRIOR_WEIGHT = 10.0
# Share of abnormalities that authors are taken to leave unsaid (no corpus can tell it).
_UNSAID_ABNORMAL = 0.05
# Sum of evidence below which a report is of a kind that does not speak of a topic.
_KIND_EVIDENCE = -10.0
# Reports by which counts are smoothed towards the corpus.
_ADDED_REPORTS = 2.0
# Least share of reports taken to be silent on a topic, where the counts leave none.
_LEAST_SILENT = 0.02


@dataclass(frozen=True, eq=False)
class Decision:
    """What became of a candidate that was considered for a report.

    Args:
        candidate ([`Candidate`]): The candidate.
        score (`float`): Its score in this report.
        reason ([`Reason`] or `None`): Why it was refused; None when it was added.
    """

    candidate: Candidate
    score: float
    reason: Reason | None


class SafeSelection:
    """Adds statements that hold for a healthy person, unless a rule refuses them.

    Candidates are considered by usage ("heaviest") or in a random order that favors usage
    ("random"). A candidate must be new in every part. An accepted one counts as said for those
    after it, and any two must be made together by some report of the corpus, in whatever words:
    the additions are a clique, as published.

    The score of a candidate in a report with units F is how likely it is true though unsaid
    ([`true_though_unsaid`]), the least over the units of F of what the reports with each show,
    smoothed towards the whole corpus with the weight of 10 reports.

    Args:
        index ([`FindingsIndex`]): Of the corpus.
        strategy (`str`): "heaviest" or "random".
        max_added (`int`, *optional*): Most additions.
        min_score (`float`): Least score.
    """

    def __init__(
        self, index: FindingsIndex, strategy: str, max_added: int | None, min_score: float
    ) -> None:
        self.index = index
        self.strategy = strategy
        self.max_added = max_added
        self.min_score = min_score
        self.candidates = list_candidates(index)
        self.together = index.agreement.together.tolist()
        self.scores, self.prior = candidate_scores(index)
        self.kind_evidence = kind_evidence(index)

    def __call__(self, report: Report) -> list[Addition]:
        """Gives the candidates that no rule refuses, each in one of its usual wordings."""
        accepted = [item for item in self.consider(report) if item.reason is None]
        accepted.sort(key=lambda item: (item.candidate.position, item.candidate.unit_id))
        return [
            Addition(
                item.candidate.draw(report.rng),
                item.candidate.unit_id,
                item.candidate.support,
                item.score,
            )
            for item in accepted
        ]

    def consider(self, report: Report) -> list[Decision]:
        """Says of every candidate of the corpus why the report does not get it, or None.

        Args:
            report ([`Report`]): The report, fresh: its draws are made here as in a call.

        Returns:
            `list[Decision]`: In the order in which the strategy considers them.
        """
        return list(self._decide(report))

    def fault(self, report: Report) -> Reason | None:
        """Says why nothing at all may be added to a report; None where something may."""
        findings, context, _ = self._read(report)
        return self._fault(findings, context, report)

    def _fault(
        self, findings: list[Reading], context: list[Reading], report: Report
    ) -> Reason | None:
        exam = self.index.reader.read(report.exam)
        fault = report_fault(findings, context, exam, self.index.reader.lexicon)
        held = self.index.held_units(report.sentences)
        # Nothing that the corpus says too: nothing is known of such reports.
        return fault or (None if held else Reason.OTHER_KIND)

    def _decide(self, report: Report) -> Iterator[Decision]:
        findings, context, history = self._read(report)
        held = self.index.held_units(report.sentences)
        scores = self._scores(held)
        fault = self._fault(findings, context, report)
        if fault is not None:
            for number in self._order(report):
                yield Decision(self.candidates[number], scores[number], fault)
            return
        facts = ReportFacts(findings, context, history)
        spoken_of = self._spoken_of(held)
        accepted: list[int] = []
        for number in self._order(report):
            candidate = self.candidates[number]
            reason = facts.check(candidate.reading)
            if reason is None and not spoken_of[number]:
                reason = Reason.OTHER_KIND
            if reason is None and scores[number] < self.min_score:
                reason = Reason.UNLIKELY
            if reason is None and not all(self.together[number][other] for other in accepted):
                reason = Reason.NEVER_TOGETHER
            if reason is None and self.max_added is not None and len(accepted) >= self.max_added:
                reason = Reason.ENOUGH
            if reason is None:
                facts.add(candidate.reading)
                accepted.append(number)
            yield Decision(candidate, scores[number], reason)

    def _read(self, report: Report) -> tuple[list[Reading], list[Reading], list[Reading]]:
        read = self.index.reader.read
        findings = list(map(read, report.sentences))
        context, history = (
            [read(sentence) for text in texts for sentence in split_sentences(text)]
            for texts in (report.context, report.history)
        )
        return findings, context, history

    def _spoken_of(self, held: list[int]) -> list[bool]:
        """Returns of each candidate whether reports of this kind speak of its topic."""
        spoken: list[bool] = (self.kind_evidence[held].sum(axis=0) >= _KIND_EVIDENCE).tolist()
        return spoken

    def _scores(self, held: list[int]) -> list[float]:
        if not held:
            return self.prior
        scores: list[float] = self.scores[held].min(axis=0).tolist()
        return scores

    def _order(self, report: Report) -> list[int]:
        """Returns the numbers of the candidates in the order of the strategy."""
        if self.strategy == "heaviest":
            return self._by_usage
        # Exponential clocks: a draw without replacement, in proportion to usage.
        clocks = [report.rng.expovariate(item.usage) for item in self.candidates]
        return sorted(self._by_usage, key=clocks.__getitem__)

    @cached_property
    def _by_usage(self) -> list[int]:
        return list(range(len(self.candidates)))

    def with_strategy(self, strategy: str) -> Self:
        """Gives the same with another strategy, what is fitted shared."""
        other = copy.copy(self)
        other.strategy = strategy
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


def candidate_scores(index: FindingsIndex) -> tuple[NDArray[np.float64], list[float]]:
    """Scores candidates by how reports with a unit speak of their topics.

    Args:
        index ([`FindingsIndex`]): Of the corpus.

    Returns:
        `tuple`: Scores in 0..1 of shape `(n_units, c)`, float64, given that a report holds a unit,
        and the `c` scores given nothing.
    """
    agreement, reports = index.agreement, float(index.config.reports)
    support = index.unit_table.column("support").to_numpy().astype(np.float64)
    prior_says, prior_denies = agreement.says / reports, agreement.denies / reports
    weight = support[:, None] + _PRIOR_WEIGHT
    says = (agreement.says_with.toarray() + _PRIOR_WEIGHT * prior_says) / weight
    denies = (agreement.denies_with.toarray() + _PRIOR_WEIGHT * prior_denies) / weight
    prior: list[float] = true_though_unsaid(prior_says, prior_denies).tolist()
    return true_though_unsaid(says, denies), prior


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


def true_though_unsaid(
    says: NDArray[np.float64], denies: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Gives how likely a statement is true of a report that says nothing on its topic.

    Authors leave what is normal unsaid often, and what is abnormal seldom. With q the share of
    abnormalities that they leave unsaid, a share d of reports that contradict the statement
    means d / (1 - q) that it is false of, of which a part q is silent. Bayes' rule over all silent
    reports, a share 1 - a - d, gives 1 - d q / (1 - q) / (1 - a - d).

    Args:
        says (`np.ndarray`): Share a of reports that say the statement, or more.
        denies (`np.ndarray`): Share d that contradict it.

    Returns:
        `np.ndarray` of the same shape, in 0..1. A topic on which nearly everybody speaks scores
        low: who is silent there may have a reason.
    """
    silent = np.maximum(1.0 - says - denies, _LEAST_SILENT)
    false = denies * _UNSAID_ABNORMAL / (1.0 - _UNSAID_ABNORMAL)
    return np.clip(1.0 - false / silent, 0.0, 1.0)
