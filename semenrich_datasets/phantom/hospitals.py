"""The hospitals of the phantom: what their reporters mention, and their house phrases."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import NamedTuple

from semenrich_datasets.phantom.grammar import OTHERS, Rule, rules
from semenrich_datasets.phantom.reporters import Phrases, Reporter, draw_mentions, likes
from semenrich_datasets.phantom.truth import CONTEXT, TOPICS

_LUNGS_FIRST = tuple(
    "technique lungs pleura volumes vasculature heart mediastinum aorta hila diaphragm bones "
    "devices abdomen summary".split()
)
_HOUSE_PHRASE = 0.5  # how often a house phrase is preferred where it fits
_HOUSE_FAVORITE = 0.6  # how many reporters share their hospital's favorite sentence of a rule
_FORM = "labels.txt"


class Hospital(NamedTuple):
    """One hospital's habits.

    Args:
        reporters (`int`): how many write there; each writes as many reports.
        shares (`tuple[float, ...]`): of the reporters who mention a topic that is normal, in the
            order of `_TOPICS`.
        house (`str`): file of the hospital's own phrases, "" where there is none.
        joins (`float`): how often statements are put together that one sentence can say.
        order (`tuple[str, ...]`): the topics in the order of the report.
    """

    reporters: int
    shares: tuple[float, ...]
    house: str
    joins: float
    order: tuple[str, ...]


_TOPICS = tuple(
    "heart mediastinum aorta hila vasculature volumes lungs pleura diaphragm bones".split()
)
HOSPITALS = {
    "A": Hospital(14, (0.95, 0.7, 0.15, 0.2, 0.4, 0.3, 0.95, 0.95, 0.15, 0.6), "", 0.6, TOPICS),
    "B": Hospital(
        10, (0.98, 0.9, 0.4, 0.5, 0.8, 0.3, 0.95, 0.95, 0.3, 0.9), "hospital_b.txt", 0.4, TOPICS
    ),
    "C": Hospital(
        8,
        (0.9, 0.4, 0.05, 0.1, 0.3, 0.1, 0.98, 0.8, 0.05, 0.3),
        "hospital_c.txt",
        0.8,
        _LUNGS_FIRST,
    ),
    "D": Hospital(8, (1.0, 0.8, 0.2, 0.3, 0.2, 0.5, 1.0, 1.0, 0.3, 0.95), _FORM, 0.5, TOPICS),
}


@cache
def staff() -> tuple[Reporter, ...]:
    """Gives the reporters of all hospitals."""
    return tuple(
        _make_reporter(name, Random(f"hospital {name} {number}"))
        for name, hospital in HOSPITALS.items()
        for number in range(hospital.reporters)
    )


def _make_reporter(name: str, rng: Random) -> Reporter:
    hospital = HOSPITALS[name]
    joins = min(max(rng.gauss(hospital.joins, 0.15), 0.1), 0.95)
    common = [*rules(), *rules(*OTHERS[:2])]
    points = _order(common, joins, name, rng)
    if hospital.house == _FORM:
        # A form has no asides; what is said of no region is said in prose.
        prose = [rule for rule in common if rule.names[0] in CONTEXT and rule.is_plain]
        phrases = _order([*rules(_FORM), *prose], joins, name, rng)
    else:
        phrases = points
        if hospital.house:
            house = _order(rules(hospital.house), joins, name, rng)
            phrases = (*((rule, text, _HOUSE_PHRASE) for rule, text, _ in house), *points)
    return Reporter(
        mentions=draw_mentions(dict(zip(_TOPICS, hospital.shares, strict=True)), rng),
        cautious=rng.choice((0.1, 0.4, 0.8)),
        compares=rng.choice((0.1, 0.4, 0.8)),
        repeats=rng.uniform(0.3, 0.9),
        numbers=rng.random() < (0.8 if name == "B" else 0.3),
        order=hospital.order,
        rules=phrases,
        points=points,
        hospital=name,
    )


def _order(found: list[Rule] | tuple[Rule, ...], joins: float, name: str, rng: Random) -> Phrases:
    """Orders rules as a reporter tries them, with favorites of his own or of his hospital."""
    house = _favorites(name)
    trials = [(rule.is_plain, rng.random() - 0.4 * len(rule.names), rule) for rule in found]
    ordered = [rule for _, _, rule in sorted(trials, key=lambda trial: trial[:2])]
    return tuple(
        (
            rule,
            house[rule] if rng.random() < _HOUSE_FAVORITE else rule.draw(rng),
            likes(rule, joins),
        )
        for rule in ordered
    )


@cache
def _favorites(name: str) -> dict[Rule, str]:
    """Draws a hospital's favorite sentence of each rule; any is as likely as another."""
    rng = Random(f"favorites {name}")
    known = [*rules(), *rules(*OTHERS)]
    return {rule: rng.choice(rule.sentences) for rule in known}
