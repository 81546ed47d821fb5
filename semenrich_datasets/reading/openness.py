"""Topics on which an author's silence is no sign of health.

A sentence leaves a topic open that it touches without settling it ("stable heart"), and puts at
issue what it hides, suggests or asks for ("status post fall": the bones).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from semenrich_datasets.reading.assertions import DEGREES, UNNAMED, Assertion
from semenrich_datasets.reading.entailment import logic_of
from semenrich_datasets.reading.lexicon import Lexicon
from semenrich_datasets.reading.lexicon_entries import ANYTHING, Meaning
from semenrich_datasets.reading.scope import Flags

# A form: what is ticked, and what is only printed, cannot be told apart for sure.
_FORM = re.compile(r"\[\s*[xX]?\s*\]|\([xX]\)|[☐☑☒]|\[[^\]]*\|[^\]]*\]|=\s*[01]\b")
# By itself a sentence of these says something, though not of what.
_TELLING = frozenset({"abnormal", "vague", "partial", "doubt", "quantity", *DEGREES})
# A sentence that names a structure and holds one of these needs no assertion to be understood.
_FRAMES = frozenset({"prior", "blank", "leaning", "normal", "asked", "other_study"})
_ENDS = frozenset({",", ";", "after", "following", "from", "since", "with", "post", "s", "p"})
# Words before a phrase among which a negation denies it.
_DENIED = 3
# Words that make a heading of a structure's name no sentence.
_PLAIN = frozenset({"article", "left", "right", "both", "join", "turn", "preposition"})


def left_open(
    assertions: tuple[Assertion, ...],
    tags: list[Meaning],
    lexicon: Lexicon,
    *,
    settled: bool,
) -> int:
    """Gives the topics, as bits of logic, that a sentence touches and does not settle."""
    touched = {replace(said, narrowing=None) for said in assertions if is_hedged(said, lexicon)}
    concepts: set[str] = set()
    if not settled:
        said = {assertion.concept for assertion in assertions}
        concepts |= {name for tag in tags for name in (*tag.structures, *tag.adjective_of)} - said
    if any(assertion.concept == UNNAMED for assertion in assertions):
        concepts |= {name for name, entry in lexicon.structures.items() if entry.often_blank}
    return logic_of(touched | _denials(concepts, lexicon), lexicon).implies


def at_issue(assertions: tuple[Assertion, ...], tokens: tuple[str, ...], lexicon: Lexicon) -> int:
    """Gives the topics, as bits of logic, that a sentence makes a question without naming them.

    Args:
        assertions (`tuple[Assertion, ...]`): What it says.
        tokens (`tuple[str, ...]`): Its words.
        lexicon (`Lexicon`): That it was read by.

    Returns:
        `int`: Denials, as in [`Logic`]: who is silent on these has not called them normal.
    """
    concepts = _obscured(assertions, lexicon) | _something_wrong(assertions, lexicon)
    concepts.update(_asked(tokens, lexicon))
    return logic_of(_denials(concepts, lexicon), lexicon).implies if concepts else 0


def _denials(concepts: Iterable[str], lexicon: Lexicon) -> set[Assertion]:
    return {
        Assertion(name, "normal" if name in lexicon.structures else "absent") for name in concepts
    }


def _asked(tokens: tuple[str, ...], lexicon: Lexicon) -> Iterator[str]:
    """Yields what the phrases of the lexicon's questions ask for; "no trauma" asks nothing."""
    known = lexicon.questions_by_word
    for start, token in enumerate(tokens):
        for phrase, asks in known.get(token, ()):
            before = tokens[max(start - _DENIED, 0) : start]
            # "no LOC after fall", "no helmet, fell": the negation ends.
            denied = _ENDS.isdisjoint(before) and not lexicon.negations.isdisjoint(before)
            if tokens[start : start + len(phrase)] == phrase and not denied:
                yield from asks


def is_lost(
    plain: str,
    assertions: tuple[Assertion, ...],
    tags: list[Meaning],
    roles: frozenset[str],
    flags: Flags,
    lexicon: Lexicon,
) -> bool:
    """Tells whether a sentence states something of which it is not understood what it is.

    `roles` are those of all its `tags`.
    """
    if flags.attribute_alone or "hidden" in roles or _FORM.search(plain):
        return True
    if not assertions:
        return flags.unknown_stated or _tells_without_saying(tags, roles)
    # "The findings are nonspecific" speaks of what was told before.
    refers = bool(roles & {"article", "prior", "leaning", "normal", "uncertain"})
    return any(_is_unspecific(said, flags, lexicon, refers=refers) for said in assertions)


def is_hedged(said: Assertion, lexicon: Lexicon) -> bool:
    """Tells whether a denial is of a degree alone."""
    return said.narrowing is not None and lexicon.narrowings[said.narrowing].graded


def _tells_without_saying(tags: list[Meaning], roles: frozenset[str]) -> bool:
    """Whether a sentence that asserts nothing speaks of something: "the left lung is down"."""
    names = any(tag.is_name for tag in tags)
    told = roles & _TELLING and not roles & {"leaning", "prior", "blank"}
    placed = "blank" in roles and roles & {"left", "right"}  # "there is XXXX on the left"
    if told or (not names and ("vague" in roles or placed)):
        return True
    bare = all(tag.is_name or not tag.phrase[0].isalpha() or not tag.roles - _PLAIN for tag in tags)
    return names and not bare and not roles & _FRAMES


def _is_unspecific(said: Assertion, flags: Flags, lexicon: Lexicon, *, refers: bool) -> bool:
    """Whether something is wrong, and not said what: "abnormal chest", "lungs: abnormal"."""
    if said.concept == ANYTHING:
        told = said.status == "present" and not refers
        return told or (said.is_abnormal and flags.unknown_stated)
    structure = lexicon.structures.get(said.concept)
    return structure is not None and bool(structure.overview_of) and said.status == "present"


def _something_wrong(assertions: tuple[Assertion, ...], lexicon: Lexicon) -> set[str]:
    """Returns the structures of which something is wrong, but not what, with what may cause it.

    A structure that is only named beside a finding is not among them, unless that finding can be
    anywhere: "fullness of the hilum".
    """
    findings = lexicon.findings
    placed = not any(
        said.is_abnormal
        and said.concept in findings
        and not (findings[said.concept].of or findings[said.concept].kind_of)
        for said in assertions
    )
    return {
        name
        for said in assertions
        if said.concept in lexicon.structures
        if said.status == "present" or (said.status == "uncertain" and not placed)
        for structure in [lexicon.structures[said.concept]]
        for name in (said.concept, structure.part_of, *structure.obscures)
        if name
    }


def _obscured(assertions: tuple[Assertion, ...], lexicon: Lexicon) -> set[str]:
    findings = lexicon.findings
    return {
        name
        for said in assertions
        if said.is_abnormal and said.concept in findings
        for kind in lexicon.families[said.concept]
        for name in findings[kind].obscures
    }
