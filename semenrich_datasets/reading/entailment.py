"""What follows from assertions and what they exclude, as sets of bits.

A bit stands for (concept, narrowing or none, side). A denial is one bit a side; everything that
follows from it is its closure downwards. What is stated excludes a closure of denials upwards. So
"contradicts" and "is already said" are a few `&` of Python integers, whatever the report's length.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from semenrich_datasets.reading.assertions import Assertion
from semenrich_datasets.reading.lexicon import Lexicon

_SIDES = {"left": 1, "right": 2, None: 3}


@dataclass(frozen=True)
class Logic:
    """The logical content of some sentences; `|` puts two together.

    Args:
        denies (`int`): the denials made, as such.
        implies (`int`): all denials that follow from them.
        states (`int`): the denials whose very opposite is stated.
        excludes (`int`): all denials that what is stated contradicts.
    """

    denies: int = 0
    implies: int = 0
    states: int = 0
    excludes: int = 0

    def __or__(self, other: Logic) -> Logic:
        """The content of both."""
        return Logic(
            self.denies | other.denies,
            self.implies | other.implies,
            self.states | other.states,
            self.excludes | other.excludes,
        )


def union(parts: Iterable[Logic]) -> Logic:
    """Gives the content of all."""
    denies = implies = states = excludes = 0
    for part in parts:
        denies |= part.denies
        implies |= part.implies
        states |= part.states
        excludes |= part.excludes
    return Logic(denies, implies, states, excludes)


def contradicts(proposal: Logic, said: Logic) -> bool:
    """Whether a proposal denies what is stated, or states what is denied."""
    return bool(proposal.denies & said.excludes or proposal.states & said.implies)


def follows(proposal: Logic, said: Logic) -> bool:
    """Whether all of a proposal is said already; a proposal without content never is."""
    unsaid = proposal.denies & ~said.implies or proposal.states & ~said.excludes
    return bool(proposal.denies or proposal.states) and not unsaid


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
        if assertion.concept in lexicon.numbers:
            content |= logic_of_one(assertion, lexicon)
    return content


def logic_of_one(assertion: Assertion, lexicon: Lexicon) -> Logic:
    """Compiles one assertion; the lexicon remembers it."""
    logic = lexicon.compiled.get(assertion)
    if logic is None:
        logic = (_stated if assertion.is_abnormal else _denied)(assertion, lexicon)
        lexicon.compiled[assertion] = logic
    return logic


def _bits(
    concepts: Iterable[str], narrowings: Iterable[str | None], side: str | None, lexicon: Lexicon
) -> int:
    numbers, order = lexicon.numbers, (None, *lexicon.narrowings)
    columns = 0
    for narrowing in narrowings:
        columns |= _SIDES[side] << 2 * order.index(narrowing)
    bits = 0
    for concept in concepts:
        bits |= columns << 2 * len(order) * numbers[concept]
    return bits


def entailed_denials(denial: Assertion, lexicon: Lexicon) -> int:
    """Gives the denials that are true whenever one is: of its kinds and parts, in every degree.

    [`Logic`]'s `implies` holds more: also what would only repeat the denial.

    Args:
        denial (`Assertion`): A finding absent, or a structure normal.
        lexicon (`Lexicon`): The lexicon whose concept it names.

    Returns:
        `int`: Bits, as in [`Logic`].
    """
    narrowing, concept = denial.narrowing, denial.concept
    narrowings = (None, *lexicon.narrowings) if narrowing is None else (narrowing,)
    concepts = set(lexicon.below[concept])
    if narrowing is not None and concept in lexicon.structures:
        concepts.update(lexicon.structures[concept].overview_of)
    return _bits(concepts, narrowings, denial.side, lexicon)


def _denied(denial: Assertion, lexicon: Lexicon) -> Logic:
    """Denying a finding denies its kinds; denying it outright also denies it narrowed.

    "No acute cardiopulmonary abnormality" says that of the lungs too, but "normal chest" is too
    short to stand for each normal statement.
    """
    narrowing, concept = denial.narrowing, denial.concept
    narrowings = (None, *lexicon.narrowings) if narrowing is None else (narrowing,)
    finding = lexicon.findings.get(concept)
    repeated = finding.denied_covers if finding else ()
    return Logic(
        denies=_bits((concept,), (narrowing,), denial.side, lexicon),
        implies=entailed_denials(denial, lexicon)
        | _bits(repeated, narrowings, denial.side, lexicon),
    )


def _stated(assertion: Assertion, lexicon: Lexicon) -> Logic:
    """Stating a finding forbids denying it and what lies above it, but for narrowings ruled out."""
    finding = lexicon.findings.get(assertion.concept)
    ruled_out = assertion.rules_out | frozenset(finding.rules_out if finding else ())
    open_to = [name for name in (None, *lexicon.narrowings) if name not in ruled_out]
    graded = [name for name in assertion.rules_out if lexicon.narrowings[name].graded]
    certain = assertion.status == "present"
    return Logic(
        implies=_bits((assertion.concept,), graded, None, lexicon) if certain else 0,
        states=_bits((assertion.concept,), (None,), assertion.side, lexicon),
        excludes=_bits(lexicon.above[assertion.concept], open_to, assertion.side, lexicon),
    )
