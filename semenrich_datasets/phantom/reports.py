"""Reports of a hidden state, written by reporters with habits of their own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random
from typing import NamedTuple

from semenrich_datasets.phantom.grammar import Rule, fill, rules
from semenrich_datasets.phantom.truth import (
    PRIOR,
    TOPICS,
    State,
    Statement,
    holds,
    normal_statements,
)

REPORTER_COUNT = 40

# How many reporters mention a topic that is normal; the others hardly ever do.
_HABIT = {
    "heart": 0.95,
    "mediastinum": 0.7,
    "aorta": 0.15,
    "hila": 0.25,
    "vasculature": 0.45,
    "volumes": 0.35,
    "lungs": 0.95,
    "pleura": 0.92,
    "diaphragm": 0.2,
    "bones": 0.6,
}
_MENTIONED, _FORGOTTEN = 0.88, 0.06
_TERSE_SHARE, _TERSE_FACTOR = 0.15, 0.4

# What many reporters say instead of the stronger statement. It says less, and is still true.
_CAUTIOUS = {
    "lungs clear": ("no consolidation", "no opacity"),
    "vasculature normal": ("no edema",),
    "bones normal": ("no acute bone finding", "no fracture"),
    "no fracture": ("no acute bone finding",),
}
_LUNGS_FIRST = tuple(
    "technique devices volumes lungs pleura vasculature heart mediastinum aorta hila diaphragm "
    "bones summary".split()
)

# Findings that an impression leads with; the rest, long-standing ones, often stay out of it.
_PRESSING = frozenset(
    "consolidation|edema|congestion|effusion|pneumothorax|nodule|wide mediastinum|cardiomegaly|"
    "acute rib fracture|prominent hilum".split("|")
)
_FOLLOWED_UP = frozenset(("consolidation", "nodule"))
_CHRONIC_IN_IMPRESSION = 0.3
_ONLY_IN_IMPRESSION = 0.04

# Per report: asides, and how often a rule that has one is then used.
_OTHERWISE, _BLANK, _ASIDE_USED = 0.15, 0.2, 0.6
_BILATERAL = 0.95  # where there is one on each side
_TECHNIQUE, _COMPARISON = 0.05, 0.06
_NORMAL_CHEST, _OTHERWISE_NORMAL, _ADVICE = 0.2, 0.06, 0.2


class WrittenReport(NamedTuple):
    """A study's report, and the findings section of a reporter who leaves nothing out."""

    findings: str
    impression: str
    complete_findings: str


class _Line(NamedTuple):
    """A sentence without capital and stop, and the first statement that it makes."""

    statement: Statement
    text: str


@dataclass(frozen=True)
class Reporter:
    """One reporter's habits, fixed for all studies and seeds.

    Args:
        mentions (`dict[str, float]`): topic -> probability of speaking of it when it is normal.
        joins (`float`): probability of saying together what one sentence can say.
        cautious (`float`): probability of the weaker of two normal statements.
        compares (`float`): probability of reporting against the prior study, where there is one.
        repeats (`float`): probability of a rule's favorite sentence.
        numbers (`bool`): whether an impression of several points is a numbered list.
        order (`tuple[str, ...]`): the topics in the order of the report.
        rules (`tuple[tuple[Rule, str], ...]`): the grammar in the order in which it is tried, with
            the reporter's favorite sentence of each rule.
    """

    mentions: dict[str, float]
    joins: float
    cautious: float
    compares: float
    repeats: float
    numbers: bool
    order: tuple[str, ...]
    rules: tuple[tuple[Rule, str], ...]

    def likes(self, rule: Rule) -> float:
        """Gives the probability of using a rule where it fits."""
        if rule.is_plain:
            return 1.0
        if rule.asides:
            return _ASIDE_USED
        return _BILATERAL if rule.is_bilateral else self.joins


@cache
def reporters() -> tuple[Reporter, ...]:
    """Gives the reporters of all phantom studies."""
    return tuple(_make_reporter(Random(f"reporter {name}")) for name in range(REPORTER_COUNT))


def _make_reporter(rng: Random) -> Reporter:
    factor = _TERSE_FACTOR if rng.random() < _TERSE_SHARE else 1.0
    mentions = {
        topic: factor * (_MENTIONED if rng.random() < share else _FORGOTTEN)
        for topic, share in _HABIT.items()
    }
    # Rules that say more tend to be tried first, in an order of the reporter's own.
    trials = [(rng.random() - 0.4 * len(rule.names), rule) for rule in rules()]
    ordered = [rule for _, rule in sorted(trials, key=lambda trial: (trial[1].is_plain, trial[0]))]
    return Reporter(
        mentions=mentions,
        joins=rng.uniform(0.3, 0.9),
        cautious=rng.choice((0.1, 0.4, 0.8)),
        compares=rng.choice((0.1, 0.4, 0.8)),
        repeats=rng.uniform(0.2, 0.8),
        numbers=rng.random() < 0.4,
        order=TOPICS if rng.random() < 0.65 else _LUNGS_FIRST,
        rules=tuple((rule, rule.draw(rng)) for rule in ordered),
    )


def write_report(state: State, rng: Random) -> WrittenReport:
    """Writes a study's report as one of the reporters would.

    Args:
        state (`State`): the study's hidden state.
        rng (`Random`): draws the reporter and the wording.

    Returns:
        `Report`: abnormal findings are all stated, a few in the impression only. The complete
        findings hold the sentences of `findings` and all that they leave unsaid.
    """
    reporter = rng.choice(reporters())
    found = [statement for statement in state if statement != PRIOR]
    withheld = _withhold(found, rng)
    normal = normal_statements(state)
    kept = _keep(normal, reporter, rng)
    stated = [statement for statement in found if statement.name != withheld]
    stated += _remarks(state, reporter, rng) + kept
    asides = _asides(state, reporter, rng)
    lines = _write(stated or normal[:1], asides, reporter, rng)

    missing = [statement for statement in found if statement.name == withheld]
    missing += [statement for statement in normal if statement not in kept]
    complete = lines + _write(missing, frozenset(), reporter, rng)
    return WrittenReport(
        findings=_prose(_arrange(lines, reporter)),
        impression=_impression(state, found, asides, reporter, rng),
        complete_findings=_prose(_arrange(complete, reporter)),
    )


def _withhold(found: list[Statement], rng: Random) -> str | None:
    """Draws the finding, if any, that the reporter states in the impression only."""
    pressing = [statement.name for statement in found if statement.name in _PRESSING]
    return rng.choice(pressing) if pressing and rng.random() < _ONLY_IN_IMPRESSION else None


def _keep(normal: list[Statement], reporter: Reporter, rng: Random) -> list[Statement]:
    kept = []
    for statement in normal:
        if rng.random() < reporter.mentions[statement.topic]:
            weaker = _CAUTIOUS.get(statement.name)
            if weaker and rng.random() < reporter.cautious:
                statement = Statement(rng.choice(weaker))
            kept.append(statement)
    return kept


def _remarks(state: State, reporter: Reporter, rng: Random) -> list[Statement]:
    """Draws what is said beside findings: technique, comparison, blanks, "otherwise clear"."""
    comparison = PRIOR if PRIOR in state else Statement("no prior")
    remarks = (
        (Statement("technique"), _TECHNIQUE),
        (Statement("blank"), _BLANK / 4),
        (comparison, _COMPARISON if comparison != PRIOR else reporter.compares / 4),
        (Statement("otherwise clear"), _OTHERWISE),
    )
    return [one for one, rate in remarks if rng.random() < rate and holds(one, state)]


def _asides(state: State, reporter: Reporter, rng: Random) -> frozenset[str]:
    compares = PRIOR in state and rng.random() < reporter.compares
    blanks = rng.random() < _BLANK
    return frozenset(["prior"] * compares + ["blank"] * blanks)


def _write(
    statements: list[Statement], asides: frozenset[str], reporter: Reporter, rng: Random
) -> list[_Line]:
    """Says every statement once, by the reporter's rules in their order."""
    pending: dict[str, list[Statement]] = {}
    for statement in statements:
        pending.setdefault(statement.name, []).append(statement)
    lines = []
    for rule, favorite in [one for one in reporter.rules if one[0].names[0] in pending]:
        while rule.covers(pending, asides) and rng.random() < reporter.likes(rule):
            first = _take(rule, pending)
            text = favorite if rng.random() < reporter.repeats else rule.draw(rng)
            lines.append(_Line(first, fill(text, first.value, first.site, rng)))
    return lines


def _take(rule: Rule, pending: dict[str, list[Statement]]) -> Statement:
    """Takes what a rule says off the pending statements, and gives the first of it."""
    first = pending[rule.names[0]][0]
    for name in rule.names:
        del pending[name][: 2 if rule.both else 1]
        if not pending[name]:
            del pending[name]
    return first


def _arrange(lines: list[_Line], reporter: Reporter) -> list[str]:
    """Orders by topic; within one, what is abnormal comes before what is normal or the rest."""
    signs = ("abnormal", "neutral", "normal")
    ordered = sorted(
        lines,
        key=lambda line: (
            reporter.order.index(line.statement.topic),
            signs.index(line.statement.sign),
        ),
    )
    return [line.text for line in ordered]


def _impression(
    state: State,
    found: list[Statement],
    asides: frozenset[str],
    reporter: Reporter,
    rng: Random,
) -> str:
    led = [one for one in found if one.name in _PRESSING]
    other = [one for one in found if one not in led and rng.random() < _CHRONIC_IN_IMPRESSION]
    summary = Statement("normal chest" if rng.random() < _NORMAL_CHEST else "no acute disease")
    if not holds(summary, state):
        summary = Statement("no acute disease")
    points = led + ([summary] if holds(summary, state) else []) + other
    if found and not led and rng.random() < _OTHERWISE_NORMAL:
        points.append(Statement("otherwise normal"))
    names = [one.name for one in points]
    if not _FOLLOWED_UP.isdisjoint(names) and rng.random() < _ADVICE:
        points.append(Statement("advice"))
        names.append("advice")
    lines = _write(points, asides, reporter, rng)
    texts = [line.text for line in sorted(lines, key=lambda one: names.index(one.statement.name))]
    return _numbered(texts) if reporter.numbers and len(texts) > 1 else _prose(texts)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _prose(texts: list[str]) -> str:
    return " ".join(map(_sentence, texts))


def _numbered(texts: list[str]) -> str:
    return " ".join(f"{number}. {_sentence(text)}" for number, text in enumerate(texts, start=1))
