"""Reports of a hidden state, written by reporters with habits of their own."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from semenrich_datasets.phantom.grammar import Rule, fill
from semenrich_datasets.phantom.habits import LIMITS, View
from semenrich_datasets.phantom.reporters import Phrases, Reporter
from semenrich_datasets.phantom.silences import denials
from semenrich_datasets.phantom.truth import (
    FINDINGS,
    HEDGE,
    PRIOR,
    State,
    Statement,
    holds,
    normal_statements,
)

# What many reporters say instead of the stronger statement. It says less, and is still true.
_CAUTIOUS = {
    "lungs clear": ("no consolidation", "no opacity"),
    "vasculature normal": ("no edema",),
    "bones normal": ("no acute bone finding", "no fracture"),
    "no fracture": ("no acute bone finding",),
}
# Findings that an impression leads with; the rest, long-standing ones, often stay out of it.
_PRESSING = frozenset(
    "consolidation|edema|congestion|effusion|pneumothorax|nodule|wide mediastinum|cardiomegaly|"
    "acute rib fracture|prominent hilum".split("|")
)
_FOLLOWED_UP = frozenset(("consolidation", "nodule"))
_CHRONIC_IN_IMPRESSION = 0.3
_ONLY_IN_IMPRESSION = 0.04

# Per report: asides.
_OTHERWISE, _BLANK = 0.15, 0.2
_TECHNIQUE, _COMPARISON = 0.05, 0.06
_NORMAL_CHEST, _OTHERWISE_NORMAL, _ADVICE = 0.2, 0.06, 0.2


class WrittenReport(NamedTuple):
    """A study's report, and the findings section of a reporter who leaves nothing out."""

    findings: str
    impression: str
    complete_findings: str


class _Line(NamedTuple):
    """A sentence without capital and stop, and the statements that it makes, the main one first."""

    says: tuple[Statement, ...]
    text: str


def write_report(state: State, reporter: Reporter, view: View, rng: Random) -> WrittenReport:
    """Writes a study's report as one of the reporters would.

    Args:
        state (`State`): the study's hidden state.
        reporter (`Reporter`): who writes.
        view (`View`): what the reporter makes of this study.
        rng (`Random`): draws the wording.

    Returns:
        `WrittenReport`: states each abnormal finding that the view neither leaves unsaid nor
        hedges, a few in one section only. The complete findings hold the sentences of `findings`,
        but for hedges, complaints and what is false, and all that they leave unsaid.
    """
    found = [one for one in state if one != PRIOR]
    said = view.said(state)
    believed = view.believed(state)
    withheld = _withhold(said, view, rng)
    normal = normal_statements(believed)
    spoken_of = _drop_silent(normal, view)
    kept = denials(normal, state, view.silence.overlooked)
    kept += _keep([one for one in spoken_of if one not in kept], reporter, view, rng)
    stated = [one for one in said if one.name != withheld]
    stated += _remarks(state, said, reporter, rng) + kept
    beside = [*view.hedges(state), *view.remarks]
    asides = _asides(state, reporter, rng)
    lines = _write(
        [*stated, *beside] or spoken_of[:1] or [Statement("technique")],
        asides,
        reporter.rules,
        reporter,
        rng,
    )
    true = lines
    if beside or view.silence.overlooked:
        true = [line for line in lines if _is_sure_and_true(line, state)]
        stated = [one for line in true for one in line.says]
    missing = [one for one in (*found, *normal_statements(state)) if one not in stated]
    complete = true + _write(missing, frozenset(), reporter.rules, reporter, rng)
    return WrittenReport(
        findings=_prose(_arrange(lines, reporter)),
        impression=_impression(state, view, asides, reporter, rng),
        complete_findings=_prose(_arrange(complete, reporter)),
    )


def _withhold(said: State, view: View, rng: Random) -> str | None:
    """Draws the finding, if any, that the reporter states in the impression only."""
    pressing = [one.name for one in said if one.name in _PRESSING and one.name not in view.brief]
    return rng.choice(pressing) if pressing and rng.random() < _ONLY_IN_IMPRESSION else None


def _drop_silent(normal: list[Statement], view: View) -> list[Statement]:
    """Drops the normal statements of the topics of what is passed over."""
    unsaid, overlooked = view.silence
    silent = {FINDINGS[name].topic for name in unsaid - overlooked}
    return [one for one in normal if one.topic not in silent] if silent else normal


def _keep(normal: list[Statement], reporter: Reporter, view: View, rng: Random) -> list[Statement]:
    """Draws the normal statements that are made by habit."""
    kept = []
    dims = view.dims
    for statement in normal:
        topic = statement.topic
        if rng.random() < reporter.mentions[topic] * dims.get(topic, 1.0):
            weaker = _CAUTIOUS.get(statement.name)
            if weaker and rng.random() < reporter.cautious:
                statement = Statement(rng.choice(weaker))
            kept.append(statement)
    return kept


def _remarks(state: State, said: State, reporter: Reporter, rng: Random) -> list[Statement]:
    """Draws what is said beside findings: technique, comparison, blanks, "otherwise clear"."""
    comparison = PRIOR if PRIOR in state else Statement("no prior")
    remarks = (
        (Statement("technique"), _TECHNIQUE),
        (Statement("blank"), _BLANK / 4),
        (comparison, _COMPARISON if comparison != PRIOR else reporter.compares / 4),
        (Statement("otherwise clear"), _OTHERWISE),
    )
    known = (*said, PRIOR) if PRIOR in state else said
    return [one for one, rate in remarks if rng.random() < rate and holds(one, known)]


def _asides(state: State, reporter: Reporter, rng: Random) -> frozenset[str]:
    compares = PRIOR in state and rng.random() < reporter.compares
    blanks = rng.random() < _BLANK
    return frozenset(["prior"] * compares + ["blank"] * blanks)


def _is_sure_and_true(line: _Line, state: State) -> bool:
    """Tells whether a reporter who knows all would write a sentence of another one."""
    names = {one.name for one in line.says}
    if names & LIMITS.keys() or any(name.startswith(HEDGE) for name in names):
        return False
    return all(holds(one, state) for one in line.says)


def _write(
    statements: list[Statement],
    asides: frozenset[str],
    phrases: Phrases,
    reporter: Reporter,
    rng: Random,
) -> list[_Line]:
    """Says every statement once, by these rules in their order."""
    pending: dict[str, list[Statement]] = {}
    for statement in statements:
        pending.setdefault(statement.name, []).append(statement)
    lines = []
    for rule, favorite, likes in [one for one in phrases if one[0].names[0] in pending]:
        while rule.covers(pending, asides) and rng.random() < likes:
            says = _take(rule, pending)
            text = favorite if rng.random() < reporter.repeats else rule.draw(rng)
            lines.append(_Line(says, fill(text, says[0].value, says[0].site, rng)))
    return lines


def _take(rule: Rule, pending: dict[str, list[Statement]]) -> tuple[Statement, ...]:
    """Takes what a rule says off the pending statements, and gives it."""
    says: list[Statement] = []
    for name in rule.names:
        count = 2 if rule.both else 1
        says += pending[name][:count]
        del pending[name][:count]
        if not pending[name]:
            del pending[name]
    return tuple(says)


def _arrange(lines: list[_Line], reporter: Reporter) -> list[str]:
    """Orders by topic; within one, what is abnormal comes before what is normal or the rest."""
    signs = ("abnormal", "neutral", "normal")
    ordered = sorted(
        lines,
        key=lambda line: (
            reporter.order.index(line.says[0].topic),
            signs.index(line.says[0].sign),
        ),
    )
    return [line.text for line in ordered]


def _impression(
    state: State, view: View, asides: frozenset[str], reporter: Reporter, rng: Random
) -> str:
    found, known = view.said(state), view.believed(state)
    led = [one for one in found if one.name in _PRESSING and one.name not in view.brief]
    other = [one for one in found if one.name not in _PRESSING]
    other = [one for one in other if rng.random() < _CHRONIC_IN_IMPRESSION]
    led += [one for one in view.hedges(state) if one.name.removeprefix(HEDGE) in _PRESSING]
    summary = Statement("normal chest" if rng.random() < _NORMAL_CHEST else "no acute disease")
    if not holds(summary, known):
        summary = Statement("no acute disease")
    points = led + ([summary] if holds(summary, known) else []) + other
    if found and not led and rng.random() < _OTHERWISE_NORMAL:
        points.append(Statement("otherwise normal"))
    names = [one.name for one in points]
    if not _FOLLOWED_UP.isdisjoint(names) and rng.random() < _ADVICE:
        points.append(Statement("advice"))
    points = points or [Statement("as above")]
    names = [one.name for one in points]
    lines = _write(points, asides, reporter.points, reporter, rng)
    texts = [line.text for line in sorted(lines, key=lambda one: names.index(one.says[0].name))]
    return _numbered(texts) if reporter.numbers and len(texts) > 1 else _prose(texts)


def _sentence(text: str) -> str:
    region, colon, rest = text.partition(": ")
    if colon:
        text = f"{region}: {rest[0].upper()}{rest[1:]}"
    return text[0].upper() + text[1:] + "."


def _prose(texts: list[str]) -> str:
    return " ".join(map(_sentence, texts))


def _numbered(texts: list[str]) -> str:
    return " ".join(f"{number}. {_sentence(text)}" for number, text in enumerate(texts, start=1))
