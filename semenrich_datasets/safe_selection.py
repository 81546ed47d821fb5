"""The safe choice: normal statements that the report neither makes nor contradicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from semenrich_datasets.assertions import Reading, read_sentence
from semenrich_datasets.entailment import Logic, logic_of
from semenrich_datasets.guards import CONTRADICTS, REDUNDANT, ReportFacts, read_report, travels
from semenrich_datasets.index import FindingsIndex
from semenrich_datasets.lexicon import load_lexicon
from semenrich_datasets.selection import Addition, Report, rows_by_cluster
from semenrich_datasets.sentences import join_sentences, split_sentences

#: A sentence held by fewer different reports stays where it is: it may be one patient's own.
MIN_SUPPORT = 3
# Spellings of a statement to choose from.
_SHORTLIST = 6
# Share of reports that make a statement, from which on an author is taken to have left it out.
_USUAL_SHARE = 0.03
# Reports that a pair of clusters must have been seen in before its own figures outweigh the prior.
_PRIOR_WEIGHT = 10.0
# Share of abnormalities that authors are taken to leave unsaid (no corpus can tell it).
_UNSAID_ABNORMAL = 0.05
# Least share of reports taken to be silent on a topic, where the counts leave none.
_LEAST_SILENT = 0.02


@dataclass(frozen=True, eq=False)
class Statement:
    """What the sentences of one cluster say alike, and the few best ways to say it.

    Args:
        cluster_id (`int`): Their cluster.
        reading (`Reading`): Of the most common of them.
        sentences (`tuple[str, ...]`): Common first, at most six.
        cumulative (`tuple[float, ...]`): Running sum of their weights.
        support (`int`): Reports that hold the cluster.
        usage (`int`): Reports that hold one of these sentences, once for each.
        parts (`tuple[Logic, ...]`): Its assertions, each by itself.
    """

    cluster_id: int
    reading: Reading
    sentences: tuple[str, ...]
    cumulative: tuple[float, ...]
    support: int
    usage: int
    parts: tuple[Logic, ...]


@dataclass(frozen=True, eq=False)
class Decision:
    """What became of a statement that was considered for a report.

    Args:
        statement ([`Statement`]): The statement.
        score (`float`): Its score in this report.
        reason (`str` or `None`): Why it was refused: a reason of [`~guards.refusal`], "left_open"
            (the report touches on it, such as "stable heart", and does not say it), "says_less"
            (the author denies only a part of it, such as "no large effusion"), "repeats" (a part of
            it is said already), "unlikely" (score below the threshold), "never_together" (no
            report of the corpus makes it beside an accepted one), "enough" (`max_added` is
            reached); None when it was added.
    """

    statement: Statement
    score: float
    reason: str | None


class SafeSelection:
    """Adds statements that hold for a healthy person, unless a guard refuses them.

    Statements are considered by usage ("heaviest") or in a random order that favors usage
    ("random"). A statement must be new in every part. An accepted one counts as said for those
    after it, and any two must be made together by some report of the corpus, in whatever words:
    the additions are a clique, as published.

    The score of a statement in a report with clusters F is how likely it is true though unsaid
    ([`true_though_unsaid`]), the least over the clusters i in F of what the reports with i show,
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
        self.position: list[float] = index.clusters.column("position").to_pylist()
        self.statements = usual_statements(index)
        self.contents = [statement.reading.logic for statement in self.statements]
        agree, disagree = stances(index, self.statements)
        self.together = ever_together(index, agree)
        self.scores, self.prior = statement_scores(index, agree, disagree)

    def __call__(self, report: Report) -> list[Addition]:
        """Gives the statements that no guard refuses, each in one of its usual wordings."""
        facts = self._facts(report)
        decisions = self._decide(report, facts, self._open_numbers(report, facts))
        accepted = [decision for decision in decisions if decision.reason is None]
        accepted.sort(key=lambda decision: self.position[decision.statement.cluster_id])
        return [
            Addition(
                report.rng.choices(
                    decision.statement.sentences, cum_weights=decision.statement.cumulative
                )[0],
                decision.statement.cluster_id,
                decision.statement.support,
                decision.score,
            )
            for decision in accepted
        ]

    def consider(self, report: Report) -> list[Decision]:
        """Says of every statement of the corpus why the report does not get it, or None.

        Args:
            report ([`Report`]): The report, fresh: its draws are made here as in a call.

        Returns:
            `list[Decision]`: Those that come into question, in order, then the others.
        """
        facts = self._facts(report)
        numbers = self._open_numbers(report, facts)
        others = sorted(set(range(len(self.statements))) - set(numbers))
        return list(self._decide(report, facts, numbers + others))

    def _decide(self, report: Report, facts: ReportFacts, numbers: list[int]) -> Iterator[Decision]:
        scores = self._scores(report)
        accepted: list[int] = []
        for number in numbers:
            statement = self.statements[number]
            reason = facts.refusal(statement.reading)
            if reason is None and facts.leaves_open(statement.reading.logic):
                reason = "left_open"
            if reason is None and facts.says_less(statement.parts):
                reason = "says_less"
            if reason is None and facts.repeats(statement.reading.logic):
                reason = "repeats"
            if reason is None and scores[number] < self.min_score:
                reason = "unlikely"
            if reason is None and not all(self.together[number, other] for other in accepted):
                reason = "never_together"
            if reason is None and self.max_added is not None and len(accepted) >= self.max_added:
                reason = "enough"
            if reason is None:
                facts.add(statement.reading)
                accepted.append(number)
            yield Decision(statement, scores[number], reason)

    def _facts(self, report: Report) -> ReportFacts:
        context = [sentence for text in report.context for sentence in split_sentences(text)]
        return read_report(report.sentences, context)

    def _scores(self, report: Report) -> list[float]:
        index = self.index
        rows = (index.lookup.get(index.normalize(sentence)) for sentence in report.sentences)
        held = {int(index.cluster_ids[row]) for row in rows if row is not None} - {-1}
        if not held:
            return self.prior
        scores: list[float] = self.scores[sorted(held)].min(axis=0).tolist()
        return scores

    def _open_numbers(self, report: Report, facts: ReportFacts) -> list[int]:
        """Returns the statements that come into question, in the order of the strategy."""
        numbers = facts.open_to(self.contents)
        if self.strategy == "random":
            # Exponential clocks: a draw without replacement, in proportion to usage.
            clocks = [report.rng.expovariate(item.usage) for item in self.statements]
            numbers.sort(key=clocks.__getitem__)
        return numbers

    def replace(self, report: Report) -> list[str]:
        """Gives for each normal sentence another wording of the same statement, if there is one."""
        replaced = []
        for sentence in report.sentences:
            statement = self._by_meaning.get(read_sentence(sentence).assertions)
            if statement is None or not travels(read_sentence(sentence)):
                replaced.append(sentence)
                continue
            choice = report.rng.choices(statement.sentences, cum_weights=statement.cumulative)
            replaced.append(choice[0])
        return replaced

    @cached_property
    def _by_meaning(self) -> dict[object, Statement]:
        return {item.reading.assertions: item for item in reversed(self.statements)}


def list_statements(index: FindingsIndex) -> list[Statement]:
    """Gives what may be added to reports at all, the most usual first.

    From a normal cluster come the sentences that at least `MIN_SUPPORT` reports hold, that are
    understood, that neither mention another study nor could recognize a patient, and that do not
    hedge ("no LARGE effusion" leaves a small one open); one statement for each different content.
    """
    signs = index.clusters.column("sign").to_pylist()
    support = index.clusters.column("reports").to_pylist()
    columns = index.sentences.select(["text", "reports", "centrality"]).to_pydict()
    statements = []
    for cluster, rows in enumerate(rows_by_cluster(index.cluster_ids, len(signs))):
        if signs[cluster] != "normal" or support[cluster] < MIN_SUPPORT:
            continue
        by_content: dict[object, list[tuple[float, int, str, Reading]]] = {}
        for row in rows:
            reading = read_sentence(columns["text"][row])
            if columns["reports"][row] >= MIN_SUPPORT and travels(reading) and not hedges(reading):
                weight = columns["reports"][row] * max(columns["centrality"][row], 0.0) ** 2
                option = (weight, columns["reports"][row], columns["text"][row], reading)
                by_content.setdefault(reading.logic, []).append(option)
        for options in by_content.values():
            statements.append(_statement(cluster, options, support[cluster]))
    return sorted(statements, key=lambda item: (-item.usage, item.cluster_id))


def usual_statements(index: FindingsIndex) -> list[Statement]:
    """Gives the statements that at least 3 in 100 reports make in so many words.

    One that fewer make answers a question of its own (free air after surgery, nodules in a patient
    with cancer): who does not write it left nothing out.
    """
    statements = list_statements(index)
    usage: Counter[Logic] = Counter()
    for statement in statements:
        usage[statement.reading.logic] += statement.usage
    least = _USUAL_SHARE * index.config["reports"]
    return [item for item in statements if usage[item.reading.logic] >= least]


def hedges(reading: Reading) -> bool:
    """Whether a sentence denies only a degree of something: "no LARGE effusion"."""
    narrowings = load_lexicon().narrowings
    return any(
        assertion.narrowing is not None and narrowings[assertion.narrowing].graded
        for assertion in reading.assertions
    )


def _statement(
    cluster: int, options: list[tuple[float, int, str, Reading]], support: int
) -> Statement:
    best = sorted(options, key=lambda option: (-option[0], option[2]))[:_SHORTLIST]
    sentences = tuple(join_sentences([option[2]]) for option in best)
    cumulative = tuple(accumulate(option[0] for option in best))
    usage = sum(option[1] for option in options)
    reading = best[0][3]
    parts = tuple(logic_of((assertion,), load_lexicon()) for assertion in reading.assertions)
    return Statement(cluster, reading, sentences, cumulative, support, usage, parts)


def stances(
    index: FindingsIndex, statements: list[Statement]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tells which clusters say a statement, or more, and which contradict it.

    Args:
        index ([`FindingsIndex`]): Of the corpus.
        statements (`list[Statement]` of length `n`): What may be added.

    Returns:
        `tuple`: Two arrays of shape `(n_clusters, n)`, float64, 0 or 1: agrees, disagrees. A
        cluster speaks by its most common sentence.
    """
    readings = [read_sentence(text) for text in index.clusters.column("text").to_pylist()]
    shape = (len(readings), len(statements))
    agree, disagree = np.zeros(shape), np.zeros(shape)
    for row, reading in enumerate(readings):
        facts = ReportFacts([reading])
        for column, statement in enumerate(statements):
            reason = facts.refusal(statement.reading)
            agree[row, column] = reason == REDUNDANT
            disagree[row, column] = reason == CONTRADICTS
    return agree, disagree


def ever_together(index: FindingsIndex, agree: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tells which two statements some report of the corpus makes both, in whatever words.

    Args:
        index ([`FindingsIndex`]): Of the corpus.
        agree (`np.ndarray` of shape `(n_clusters, n)`): As [`stances`] gives it.

    Returns:
        `np.ndarray` of shape `(n, n)`, bool, symmetric.
    """
    in_other_sentences = agree.T @ (index.cooccurrence @ agree)
    in_one_sentence = agree.T @ agree
    return np.asarray(in_other_sentences + in_one_sentence > 0)


def statement_scores(
    index: FindingsIndex, agree: NDArray[np.float64], disagree: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[float]]:
    """Scores statements by how reports with a cluster speak of their topics.

    Args:
        index ([`FindingsIndex`]): Of the corpus.
        agree (`np.ndarray` of shape `(n_clusters, n)`): As [`stances`] gives it.
        disagree (`np.ndarray` of shape `(n_clusters, n)`): The same.

    Returns:
        `tuple`: Scores in 0..1 of shape `(n_clusters, n)`, float64, given that a report holds a
        cluster, and the `n` scores given nothing.
    """
    support = np.array(index.clusters.column("reports").to_pylist(), dtype=np.float64)
    reports = float(index.config["reports"])
    prior_agree, prior_disagree = support @ agree / reports, support @ disagree / reports
    weight = support[:, None] + _PRIOR_WEIGHT
    agree = (index.cooccurrence @ agree + _PRIOR_WEIGHT * prior_agree) / weight
    disagree = (index.cooccurrence @ disagree + _PRIOR_WEIGHT * prior_disagree) / weight
    return true_though_unsaid(agree, disagree), true_though_unsaid(
        prior_agree, prior_disagree
    ).tolist()


def true_though_unsaid(
    agree: NDArray[np.float64], disagree: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Gives how likely a statement is true of a report that says nothing on its topic.

    Authors leave what is normal unsaid often, and what is abnormal seldom. With q the share of
    abnormalities that they leave unsaid, a share d of reports that disagree with the statement
    means d / (1 - q) that it is false of, of which a part q is silent. Bayes' rule over all silent
    reports, a share 1 - a - d, gives 1 - d q / (1 - q) / (1 - a - d).

    Args:
        agree (`np.ndarray`): Share a of reports that say the statement, or more.
        disagree (`np.ndarray`): Share d that contradict it.

    Returns:
        `np.ndarray` of the same shape, in 0..1. A topic on which nearly everybody speaks scores
        low: who is silent there may have a reason.
    """
    silent = np.maximum(1.0 - agree - disagree, _LEAST_SILENT)
    false = disagree * _UNSAID_ABNORMAL / (1.0 - _UNSAID_ABNORMAL)
    return np.clip(1.0 - false / silent, 0.0, 1.0)
