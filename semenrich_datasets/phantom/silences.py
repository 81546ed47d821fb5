"""What an author leaves unsaid: easily missed findings more often than plain ones."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import NamedTuple

from semenrich_datasets.phantom.truth import (
    FINDINGS,
    NORMALS,
    State,
    Statement,
    facts,
    normal_statements,
)

# Of those unsaid, how many the author has not seen at all and denies. The others he passes over.
_OVERLOOKED = 0.15

# Odds of being left unsaid, against those of a finding of ordinary size.
_FAINT, _PLAIN, _STRIKING = 2.0, 1.0, 0.3
_ODDS = {
    ("borderline heart", ""): _FAINT,
    ("cardiomegaly", "mild"): _FAINT,
    ("nodule", "9 mm"): _FAINT,
    ("granuloma", ""): _FAINT,
    ("scar", ""): _FAINT,
    ("atelectasis", "mild"): _FAINT,
    ("effusion", "small"): _FAINT,
    ("pneumothorax", "small"): _FAINT,
    ("degenerative change", "mild"): _FAINT,
    ("old rib fracture", ""): _FAINT,
    ("cardiomegaly", "marked"): _STRIKING,
    ("edema", "alveolar"): _STRIKING,
    ("consolidation", "dense"): _STRIKING,
    ("nodule", "25 mm"): _STRIKING,
    ("effusion", "large"): _STRIKING,
    ("pneumothorax", "large"): _STRIKING,
}
# Of all findings that are drawn, how many have these odds (a test counts them).
SHARES = {_FAINT: 0.347, _PLAIN: 0.585, _STRIKING: 0.068}


class Silence(NamedTuple):
    """Names of the findings that a report states nowhere.

    Args:
        unsaid (`frozenset[str]`): all of them, devices too.
        overlooked (`frozenset[str]`): those not seen: the report has a normal statement that is
            false for each. Of the topics of the others it has no normal statement.
    """

    unsaid: frozenset[str] = frozenset()
    overlooked: frozenset[str] = frozenset()


def odds(found: Statement) -> float:
    """Gives how easily a finding is left unsaid, against one of ordinary size."""
    return _ODDS.get((found.name, found.value), _PLAIN)


@cache
def unsaid_rates(mean: float) -> dict[float, float]:
    """Maps the odds of a finding to its probability of being unsaid, so that their mean is this."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        rates = {one: one * middle / (1 - middle + one * middle) for one in SHARES}
        if sum(rates[one] * share for one, share in SHARES.items()) < mean:
            low = middle
        else:
            high = middle
    return rates


def draw_silence(found: State, mean: float, rng: Random) -> Silence:
    """Draws what is unsaid, and of that what was not seen; both sides of a finding go together.

    The same generator at a higher rate gives the same names and others.
    """
    rates = unsaid_rates(mean)
    draws = {one.name: (rates[odds(one)], rng.random(), rng.random()) for one in found}
    unsaid = frozenset(name for name, (rate, draw, _) in draws.items() if draw < rate)
    if not unsaid:
        return Silence()
    return Silence(unsaid, frozenset(name for name in unsaid if draws[name][2] < _OVERLOOKED))


def can_be_denied(name: str, seen: State, state: State) -> bool:
    """Tells whether who takes this to be all there is would say something false of a finding."""
    return any(denials(normal_statements(seen), state, frozenset([name])))


def denials(normal: list[Statement], state: State, overlooked: frozenset[str]) -> list[Statement]:
    """Lists a normal statement for each overlooked finding that is false because of it."""
    chosen: list[Statement] = []
    for one in state if overlooked else ():
        if one.name in overlooked:
            fact = facts((one,))
            false = [other for other in normal if not NORMALS[other].excludes.isdisjoint(fact)]
            topic = FINDINGS[one.name].topic
            chosen += sorted(false, key=lambda other: other.topic != topic)[:1]
    return list(dict.fromkeys(chosen))
