"""What follows from assertions and what they exclude, as sets of bits.

A bit stands for (concept, narrowing or none, side). A denial is one bit a side; everything that
follows from it is its closure downwards. A statement forbids a closure of denials upwards. So
"contradicts" and "is already said" are a few `&` of Python integers, whatever the report's length.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from semenrich_datasets.lexicon import Lexicon
from semenrich_datasets.statements import Assertion

_SIDES = {"left": 1, "right": 2, None: 3}


@dataclass(frozen=True)
class Logic:
    """The logical content of some sentences; `|` puts two together.

    Args:
        denials (`int`): the denials made, as such.
        denied (`int`): all denials that follow from them.
        statements (`int`): the denials whose very opposite is stated.
        forbidden (`int`): all denials that what is stated contradicts.
    """

    denials: int = 0
    denied: int = 0
    statements: int = 0
    forbidden: int = 0

    def __or__(self, other: Logic) -> Logic:
        """The content of both."""
        return Logic(
            self.denials | other.denials,
            self.denied | other.denied,
            self.statements | other.statements,
            self.forbidden | other.forbidden,
        )


def logic_of(assertions: Iterable[Assertion], lexicon: Lexicon) -> Logic:
    """Compiles assertions.

    Args:
        assertions (`Iterable[Assertion]`): What is said.
        lexicon (`Lexicon`): The lexicon whose concepts they name.

    Returns:
        `Logic`: Its content; concepts unknown to the lexicon have none.
    """
    content = Logic()
    for assertion in assertions:
        if assertion.concept in _numbers(lexicon):
            content |= (_stated if assertion.is_abnormal else _denied)(assertion, lexicon)
    return content


@lru_cache(maxsize=8)
def _numbers(lexicon: Lexicon) -> dict[str, int]:
    return {concept: number for number, concept in enumerate(lexicon.concepts)}


def _bits(
    concepts: Iterable[str], narrowings: Iterable[str | None], side: str | None, lexicon: Lexicon
) -> int:
    numbers, order = _numbers(lexicon), (None, *lexicon.narrowings)
    columns = [order.index(narrowing) for narrowing in narrowings]
    bits = 0
    for concept in concepts:
        for column in columns:
            bits |= _SIDES[side] << 2 * (numbers[concept] * len(order) + column)
    return bits


def _denied(assertion: Assertion, lexicon: Lexicon) -> Logic:
    """Denying a finding denies its kinds; denying it outright also denies it narrowed.

    "No acute cardiopulmonary abnormality" says that of the lungs too, but "normal chest" is too
    short to stand for each normal statement.
    """
    narrowing, side, concept = assertion.narrowing, assertion.side, assertion.concept
    implied = (None, *lexicon.narrowings) if narrowing is None else (narrowing,)
    concepts = set(lexicon.below[concept])
    if narrowing is not None and concept in lexicon.structures:
        concepts.update(lexicon.structures[concept].overview_of)
    if concept in lexicon.findings:
        concepts.update(lexicon.findings[concept].denied_covers)
    return Logic(
        denials=_bits((concept,), (narrowing,), side, lexicon),
        denied=_bits(concepts, implied, side, lexicon),
    )


def _stated(assertion: Assertion, lexicon: Lexicon) -> Logic:
    """Stating a finding forbids denying it and what lies above it, but for narrowings ruled out."""
    finding = lexicon.findings.get(assertion.concept)
    ruled_out = assertion.rules_out | frozenset(finding.rules_out if finding else ())
    open_to = [name for name in (None, *lexicon.narrowings) if name not in ruled_out]
    graded = [name for name in assertion.rules_out if lexicon.narrowings[name].graded]
    certain = assertion.status == "present"
    return Logic(
        denied=_bits((assertion.concept,), graded, None, lexicon) if certain else 0,
        statements=_bits((assertion.concept,), (None,), assertion.side, lexicon),
        forbidden=_bits(lexicon.above[assertion.concept], open_to, assertion.side, lexicon),
    )
