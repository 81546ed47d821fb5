"""What a sentence asserts: findings present or absent, structures normal, and how it says it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from semenrich_datasets.entailment import Logic, logic_of
from semenrich_datasets.grammar import Grammar
from semenrich_datasets.lexicon import Lexicon, load_lexicon
from semenrich_datasets.lexicon_entries import Meaning
from semenrich_datasets.scope import Flags
from semenrich_datasets.sentences import normalize_sentence
from semenrich_datasets.statements import UNNAMED, Assertion

Sign = Literal["normal", "abnormal", "neutral"]


@dataclass(frozen=True)
class Reading:
    """One sentence, read.

    Args:
        text (`str`): the sentence, normalized.
        assertions (`tuple[Assertion, ...]`): what it says, in order.
        sign (`str`): "normal" (all of it holds for a healthy person; the paper's "positive"),
            "abnormal" (states a finding, or cannot exclude one), or "neutral".
        understood (`bool`): whether every word of it is known and has its place.
        mentions_prior (`bool`): whether it speaks of another study or of change over time.
        leans (`bool`): whether it leans on other sentences, on technique or on the patient's
            position ("otherwise", "portable view").
        identifying (`bool`): whether it holds what can recognize a patient: digits, dates, names,
            de-identification blanks, sides, devices.
        sides (`frozenset[str]`): of "left" and "right", those that its words name.
        logic (`Logic`): its content, compiled for comparison with others.
        left_open (`int`): denials, as in [`Logic`], on which it touches without making them:
            "stable heart" names the heart and calls it neither normal nor abnormal, "no large
            effusion" leaves a small one, a blank called normal could be any bone, an effusion may
            hide the border of the heart.
    """

    text: str
    assertions: tuple[Assertion, ...]
    sign: Sign
    understood: bool
    mentions_prior: bool
    leans: bool
    identifying: bool
    sides: frozenset[str]
    logic: Logic
    left_open: int


def read_sentence(text: str, lexicon: Lexicon | None = None) -> Reading:
    """Reads a sentence; readings are kept, so that a corpus's repeats cost nothing.

    Args:
        text (`str`): One sentence, in any case.
        lexicon (`Lexicon`, *optional*): What its words mean; the chest lexicon by default.

    Returns:
        `Reading`: What it says.

    Example:
        ```python
        >>> [(a.concept, a.status) for a in read_sentence("No effusion or pneumothorax").assertions]
        [('pleural_effusion', 'absent'), ('pneumothorax', 'absent')]
        ```
    """
    return _read(text, lexicon or load_lexicon())


@lru_cache(maxsize=2**18)
def _read(text: str, lexicon: Lexicon) -> Reading:
    normalized = normalize_sentence(text)
    tags = lexicon.tag(normalized)
    grammar = Grammar(lexicon, tags)
    assertions = tuple(grammar.read())
    roles = frozenset().union(*(tag.roles for tag in tags))
    understood = _is_understood(assertions, grammar.flags)
    mentions_prior = "prior" in roles
    return Reading(
        text=normalized,
        assertions=assertions,
        sign=_sign(assertions, grammar.flags),
        understood=understood,
        mentions_prior=mentions_prior,
        leans=bool(roles & {"leaning", "exception", "asked"}),
        identifying=_is_identifying(tags, grammar.flags, lexicon),
        sides=frozenset({"left", "right"} & roles),
        logic=logic_of(assertions, lexicon),
        left_open=_left_open(assertions, tags, lexicon, settled=understood and not mentions_prior),
    )


def _left_open(
    assertions: tuple[Assertion, ...], tags: list[Meaning], lexicon: Lexicon, *, settled: bool
) -> int:
    touched = {
        replace(assertion, narrowing=None)
        for assertion in assertions
        if assertion.narrowing is not None and lexicon.narrowings[assertion.narrowing].graded
    }
    concepts = _obscured(assertions, lexicon)
    if not settled:
        said = {assertion.concept for assertion in assertions}
        concepts |= {name for tag in tags for name in (*tag.structures, *tag.adjective_of)} - said
    if any(assertion.concept == UNNAMED for assertion in assertions):
        concepts |= {name for name, entry in lexicon.structures.items() if entry.often_blank}
    touched |= {
        Assertion(name, "normal" if name in lexicon.structures else "absent") for name in concepts
    }
    return logic_of(touched, lexicon).denied


def _obscured(assertions: tuple[Assertion, ...], lexicon: Lexicon) -> set[str]:
    stated = {assertion.concept for assertion in assertions if assertion.is_abnormal}
    findings = (lexicon.findings[name] for name in stated & lexicon.findings.keys())
    return {name for finding in findings for name in finding.obscures}


def _sign(assertions: tuple[Assertion, ...], flags: Flags) -> Sign:
    if any(assertion.is_abnormal for assertion in assertions):
        return "abnormal"
    return "normal" if assertions and not flags.unclear else "neutral"


def _is_understood(assertions: tuple[Assertion, ...], flags: Flags) -> bool:
    named = bool(assertions) and all(item.concept != UNNAMED for item in assertions)
    return named and not (flags.unknown or flags.blank or flags.dangling)


def _is_identifying(tags: list[Meaning], flags: Flags, lexicon: Lexicon) -> bool:
    devices = (lexicon.findings[name].device for tag in tags for name in tag.findings)
    tokens = {token for tag in tags for token in tag.phrase}
    return flags.number or any(devices) or not tokens.isdisjoint(lexicon.identifying_tokens)
