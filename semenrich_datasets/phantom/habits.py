"""How an author comes to a study: what is hard to see, doubtful, unsaid, or said in one section."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from semenrich_datasets.phantom.silences import Silence, can_be_denied
from semenrich_datasets.phantom.truth import (
    FINDINGS,
    HEDGE,
    HEDGED,
    PRIOR,
    State,
    Statement,
)

# What makes topics hard to see -> how much less often these are mentioned when normal.
LIMITS: dict[str, dict[str, float]] = {
    "heart hard to see": {"heart": 0.4, "mediastinum": 0.3, "aorta": 0.3, "hila": 0.3},
    "bases hard to see": {"lungs": 0.5, "pleura": 0.5, "diaphragm": 0.1, "volumes": 0.5},
    "apices hard to see": {"lungs": 0.6, "pleura": 0.5, "mediastinum": 0.6},
}
_PORTABLE = frozenset(("central line", "edema", "low volumes", "pneumothorax"))
_ROTATED, _ROTATED_PORTABLE = 0.05, 0.35
_BASES, _APICES = 0.7, 0.03
_COMPLAINS = 0.35  # how often an author says what he could not see

_HEDGED_RATE = 0.06  # of the findings said that can be hedged
_DOUBT_RATE = 0.03  # of studies: a hedge of what is not there
_BRIEF_RATE = 0.08  # of findings: said in the findings, kept out of the impression
_SECOND_REGION = 0.03
_NONE: frozenset[str] = frozenset()


class View(NamedTuple):
    """What one author makes of one study.

    Args:
        silence (`Silence`): what is unsaid.
        hedged (`frozenset[str]`): names of findings that are there and only called possible.
        doubts (`State`): findings that are not there and are called possible.
        brief (`frozenset[str]`): names of findings that stay out of the impression.
        limits (`tuple[str, ...]`): what was hard to see, of `LIMITS`.
        remarks (`tuple[Statement, ...]`): what is said of other things than findings.
    """

    silence: Silence = Silence()
    hedged: frozenset[str] = frozenset()
    doubts: State = ()
    brief: frozenset[str] = frozenset()
    limits: tuple[str, ...] = ()
    remarks: tuple[Statement, ...] = ()

    @property
    def dims(self) -> Mapping[str, float]:
        """Topic -> how much less often it is mentioned when normal, because it is hard to see."""
        if not self.limits:
            return {}
        return {
            topic: min(LIMITS[limit].get(topic, 1.0) for limit in self.limits)
            for limit in self.limits
            for topic in LIMITS[limit]
        }

    def believed(self, state: State) -> State:
        """Gives the state as the author has it: without what he overlooks, with his doubts."""
        if not self.silence.overlooked and not self.doubts:
            return state
        overlooked = self.silence.overlooked
        return (*(one for one in state if one.name not in overlooked), *self.doubts)

    def said(self, state: State) -> State:
        """Gives the findings that the author states as such, in any section."""
        hidden = self.silence.unsaid | self.hedged
        return tuple(one for one in state if one != PRIOR and one.name not in hidden)

    def hedges(self, state: State) -> list[Statement]:
        """Gives what the author calls possible: "possible effusion", with its side."""
        there = [one for one in state if one.name in self.hedged]
        return [Statement(HEDGE + name, "", site) for name, _, site in (*there, *self.doubts)]


def plain_view(state: State, silence: Silence) -> View:
    """Gives the view of an author without habits, who may leave something unsaid."""
    return View(_settle(state, (), silence)) if silence.unsaid else View()


def draw_view(state: State, silence: Silence, rng: Random) -> View:
    """Draws an author's view of a study, what he leaves unsaid being drawn."""
    names = {one.name for one in state}
    limits = _draw_limits(state, names, rng)
    remarks = [Statement(limit) for limit in limits if rng.random() < _COMPLAINS]
    if rng.random() < _SECOND_REGION:
        remarks += [Statement("abdomen")] * rng.choice((1, 2, 2, 3))
    doubts = _draw_doubts(state, rng) if rng.random() < _DOUBT_RATE else ()
    if silence.unsaid:
        silence = _settle(state, doubts, silence)
    hedged, brief = _draw_sections(names - silence.unsaid, rng) if names else (_NONE, _NONE)
    return View(silence, hedged, doubts, brief, tuple(limits), tuple(remarks))


def _draw_sections(names: set[str], rng: Random) -> tuple[frozenset[str], frozenset[str]]:
    """Draws which findings are only called possible, and which stay out of the impression."""
    hedged, brief = [], []
    for name in FINDINGS:
        if name in names:
            draw = rng.random()
            if draw < _HEDGED_RATE and name in HEDGED:
                hedged.append(name)
            elif draw > 1 - _BRIEF_RATE:
                brief.append(name)
    return frozenset(hedged), frozenset(brief)


def _draw_limits(state: State, names: set[str], rng: Random) -> list[str]:
    portable = not names.isdisjoint(_PORTABLE)
    fluid = any(one.name == "effusion" and one.value != "small" for one in state)
    rates = {
        "heart hard to see": _ROTATED_PORTABLE if portable else _ROTATED,
        "bases hard to see": _BASES if fluid or "low volumes" in names else 0.0,
        "apices hard to see": _APICES,
    }
    return [limit for limit, rate in rates.items() if rng.random() < rate]


def _draw_doubts(state: State, rng: Random) -> State:
    """Draws a finding to call possible, in a part of the chest that has none."""
    topics = {one.topic for one in state}
    names = [name for name in HEDGED if FINDINGS[name].topic not in topics]
    if not names:
        return ()
    name = rng.choice(names)
    return (Statement(name, FINDINGS[name].values[0], rng.choice(FINDINGS[name].sites)),)


def _settle(state: State, doubts: State, silence: Silence) -> Silence:
    """Keeps as overlooked what a normal statement can deny; the rest is passed over."""
    overlooked: frozenset[str] = frozenset()
    for name in FINDINGS:
        if name in silence.overlooked:
            without = overlooked | {name}
            seen = (*(one for one in state if one.name not in without), *doubts)
            if can_be_denied(name, seen, state):
                overlooked = without
    return Silence(silence.unsaid, overlooked)
