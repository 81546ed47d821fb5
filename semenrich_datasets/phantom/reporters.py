"""Reporters of synthetic studies: what each of them mentions, and in which words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random

from semenrich_datasets.phantom.grammar import Rule, rules
from semenrich_datasets.phantom.truth import TOPICS

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
_LUNGS_FIRST = tuple(
    "technique devices volumes lungs pleura vasculature heart mediastinum aorta hila diaphragm "
    "bones abdomen summary".split()
)

# How often a rule that has an aside is used in a report with that aside, and how often both sides
# are said at once where there is one on each.
_ASIDE_USED, _BILATERAL = 0.6, 0.95

Phrases = tuple[tuple[Rule, str, float], ...]
"""Rules in the order in which they are tried, each with a reporter's favorite sentence of it and
the probability of using it where it fits."""


@dataclass(frozen=True)
class Reporter:
    """One reporter's habits, fixed for all studies and seeds.

    Args:
        mentions (`dict[str, float]`): topic -> probability of speaking of it when it is normal.
        cautious (`float`): probability of the weaker of two normal statements.
        compares (`float`): probability of reporting against the prior study, where there is one.
        repeats (`float`): probability of a rule's favorite sentence.
        numbers (`bool`): whether an impression of several points is a numbered list.
        order (`tuple[str, ...]`): the topics in the order of the report.
        rules (`Phrases`): the grammar of the findings.
        points (`Phrases`): the grammar of the impression.
        hospital (`str`, *optional*, defaults to `""`): where the reporter works.
    """

    mentions: dict[str, float]
    cautious: float
    compares: float
    repeats: float
    numbers: bool
    order: tuple[str, ...]
    rules: Phrases
    points: Phrases
    hospital: str = ""


@cache
def reporters() -> tuple[Reporter, ...]:
    """Gives the reporters of the plain phantom: all of one hospital, all as thorough."""
    return tuple(_make_reporter(Random(f"reporter {name}")) for name in range(REPORTER_COUNT))


def _make_reporter(rng: Random) -> Reporter:
    mentions = draw_mentions(_HABIT, rng)
    # Rules that say more tend to be tried first, in an order of the reporter's own.
    trials = [(rng.random() - 0.4 * len(rule.names), rule) for rule in rules()]
    ordered = [rule for _, rule in sorted(trials, key=lambda trial: (trial[1].is_plain, trial[0]))]
    joins = rng.uniform(0.3, 0.9)
    cautious = rng.choice((0.1, 0.4, 0.8))
    compares = rng.choice((0.1, 0.4, 0.8))
    repeats = rng.uniform(0.2, 0.8)
    numbers = rng.random() < 0.4
    order = TOPICS if rng.random() < 0.65 else _LUNGS_FIRST
    phrases = tuple((rule, rule.draw(rng), likes(rule, joins)) for rule in ordered)
    return Reporter(
        mentions,
        cautious,
        compares,
        repeats,
        numbers,
        order,
        rules=phrases,
        points=phrases + _nothing_to_add(),
    )


@cache
def _nothing_to_add() -> Phrases:
    """Gives the words for an impression without a point, where all that there is was unsaid."""
    found = [rule for rule in rules("beside.txt") if rule.names == ("as above",)]
    return tuple((rule, rule.sentences[0], 1.0) for rule in found)


def draw_mentions(habit: dict[str, float], rng: Random) -> dict[str, float]:
    """Draws how often a reporter mentions each topic, where these shares of reporters do."""
    factor = _TERSE_FACTOR if rng.random() < _TERSE_SHARE else 1.0
    return {
        topic: factor * (_MENTIONED if rng.random() < share else _FORGOTTEN)
        for topic, share in habit.items()
    }


def likes(rule: Rule, joins: float) -> float:
    """Gives the probability of using a rule where it fits, by who joins statements so often."""
    if rule.is_plain:
        return 1.0
    if rule.asides:
        return _ASIDE_USED
    return _BILATERAL if rule.is_bilateral else joins
