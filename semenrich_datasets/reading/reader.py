"""Reader: a sentence to what it says, by a lexicon."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from functools import lru_cache, reduce
from operator import or_
from typing import Any, Literal

from semenrich_datasets.reading.assertions import UNNAMED, Assertion, Content
from semenrich_datasets.reading.entailment import Logic, logic_of
from semenrich_datasets.reading.grammar import Grammar
from semenrich_datasets.reading.lexicon import Lexicon
from semenrich_datasets.reading.lexicon_entries import ANYTHING, Meaning, tokenize
from semenrich_datasets.reading.lexicon_files import DEFAULT_LEXICON, load_lexicon
from semenrich_datasets.reading.openness import at_issue, is_hedged, is_lost, left_open
from semenrich_datasets.reading.scope import Flags
from semenrich_datasets.sentences import normalize_sentence, plain_text

# Characters of a sentence.
_LONGEST = 4_000

Sign = Literal["normal", "abnormal", "neutral"]

#: Goes up whenever the grammar reads anything otherwise: part of every fingerprint.
GRAMMAR_VERSION = 3
# Distinct sentences whose readings are kept, so that a corpus's repeats cost nothing.
_MEMORY = 2**18


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
        depends_on_context (`bool`): whether it leans on other sentences, on technique or on the
            patient's position ("otherwise", "portable view"), or sums them all up ("normal chest").
        identifying (`bool`): whether it holds what can recognize a patient: digits, dates, names,
            de-identification blanks, sides, devices.
        out_of_view (`bool`): whether it speaks of what studies of this kind do not show, or not
            everybody has.
        hedges (`bool`): whether it denies only a degree of something: "no LARGE effusion".
        sides (`frozenset[str]`): of "left" and "right", those that its words name.
        logic (`Logic`): its content, compiled for comparison with others.
        parts (`tuple[Logic, ...]`): the same, each assertion by itself.
        left_open (`int`): denials, as in [`Logic`], on which it touches without making them:
            "stable heart" names the heart and calls it neither normal nor abnormal, "no large
            effusion" leaves a small one, a blank called normal could be any bone.
        at_issue (`int`): denials that it makes a question without touching on them: an effusion may
            hide the border of the heart, a fall may have broken a bone.
        lost (`bool`): whether it states something of which nothing was understood: then all
            topics are open.
        content (`frozenset[Assertion]` or `None`): what it says in the one form that paraphrases
            share: its assertions, how much there is of a finding left out, and "no abnormality" as
            what it means in such studies. None for a sentence that is not understood, or that
            speaks of the change of a finding.
        words (`int`): how many words it has.
        unknown (`tuple[str, ...]`): those that the lexicon does not hold.
        superseded (`bool`): whether it says that the report was changed after it was written
            ("addendum", "after further review").
        heading (`str` or `None`): the structure that is all of it ("Abdomen:").
        names_elsewhere (`bool`): whether it names a structure that is out of view, whatever it says
            of it.
        names_other_study (`bool`): whether it names a study of another kind ("MRI").
        names_study (`bool`): whether it names a study of the lexicon's kind ("chest").
        names_outside (`bool`): whether it names a structure outside the lexicon's region.
    """

    text: str
    assertions: tuple[Assertion, ...]
    sign: Sign
    understood: bool
    mentions_prior: bool
    depends_on_context: bool
    identifying: bool
    out_of_view: bool
    hedges: bool
    sides: frozenset[str]
    logic: Logic = field(repr=False)
    parts: tuple[Logic, ...] = field(repr=False)
    left_open: int = field(repr=False)
    at_issue: int = field(repr=False)
    lost: bool = field(repr=False)
    content: Content | None = field(repr=False)
    words: int = field(repr=False)
    unknown: tuple[str, ...] = field(repr=False)
    superseded: bool = field(repr=False)
    heading: str | None = field(repr=False)
    names_elsewhere: bool = field(repr=False)
    names_other_study: bool = field(repr=False)
    names_study: bool = field(repr=False)
    names_outside: bool = field(repr=False)

    @property
    def is_transferable(self) -> bool:
        """Whether it may be proposed to another report at all.

        True for a normal sentence, understood, that speaks of no other study, depends on no other
        sentence nor of what is out of view, hedges nothing and can recognize nobody.
        """
        barred = (
            self.mentions_prior
            or self.depends_on_context
            or self.identifying
            or self.out_of_view
            or self.hedges
        )
        return self.sign == "normal" and self.understood and not barred


class Reader:
    """Reads sentences by a lexicon; what it has read it remembers.

    Readers of equal lexicons are equal, and pickle to the lexicon alone.

    Args:
        lexicon (`str`, `os.PathLike` or [`Lexicon`], *optional*, defaults to `"chest_xray"`):
            Name of a packaged lexicon, a TOML file, or a lexicon.

    Example:
        ```python
        >>> reading = Reader().read("No effusion or pneumothorax")
        >>> [(said.concept, said.status) for said in reading.assertions]
        [('pleural_effusion', 'absent'), ('pneumothorax', 'absent')]
        ```
    """

    def __init__(self, lexicon: str | os.PathLike[str] | Lexicon = DEFAULT_LEXICON) -> None:
        self.lexicon = lexicon if isinstance(lexicon, Lexicon) else load_lexicon(lexicon)
        self._remember = lru_cache(maxsize=_MEMORY)(self._read)

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of all that its readings depend on: lexicon and grammar."""
        text = f"{GRAMMAR_VERSION}:{self.lexicon.digest}"
        return hashlib.sha256(text.encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        """Whether both read alike."""
        return isinstance(other, Reader) and self.lexicon == other.lexicon

    def __hash__(self) -> int:
        """Hash of the lexicon."""
        return hash(self.lexicon)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles to the lexicon: what is remembered is no part of it."""
        return Reader, (self.lexicon,)

    def read(self, sentence: str) -> Reading:
        """Reads a sentence.

        Args:
            sentence (`str`): One sentence, in any case.

        Returns:
            [`Reading`]: What it says.
        """
        return self._remember(sentence)

    def _read(self, sentence: str) -> Reading:
        lexicon = self.lexicon
        plain = plain_text(sentence)
        normalized = normalize_sentence(plain)
        # What runs on for pages is no sentence: its end is not read.
        endless = len(normalized) > _LONGEST
        tags = lexicon.tag(lexicon.in_full(normalized[:_LONGEST]))
        grammar = Grammar(lexicon, tags)
        assertions = tuple(grammar.read())
        if grammar.flags.disbelieved or plain.rstrip().endswith("?"):
            assertions = tuple(replace(said, status="uncertain") for said in assertions)
        parts = tuple(logic_of((said,), lexicon) for said in assertions)
        roles = frozenset().union(*(tag.roles for tag in tags))
        understood = _is_understood(assertions, grammar.flags) and not endless
        sign = _sign(assertions, grammar.flags)
        compares = grammar.flags.compares or "prior" in roles
        settled = understood and not compares
        # "has increased" and "has decreased" do not say the same of a finding.
        hidden = lexicon.out_of_view
        places = {name for tag in tags for name in (*tag.structures, *tag.adjective_of)}
        changes = sign == "abnormal" and compares
        return Reading(
            text=normalized,
            assertions=assertions,
            sign=sign,
            understood=understood,
            mentions_prior=compares,
            depends_on_context=grammar.flags.labelled
            or _is_placeless(assertions, tags, lexicon)
            or _sums_up(assertions, lexicon)
            or bool(roles & {"leaning", "exception", "asked", "exclusion", "disbelief"}),
            identifying=_is_identifying(tags, grammar.flags, lexicon),
            out_of_view=any(said.concept in hidden for said in assertions),
            hedges=any(is_hedged(said, lexicon) for said in assertions),
            sides=frozenset({"left", "right"} & roles),
            logic=reduce(or_, parts, Logic()),
            parts=parts,
            left_open=left_open(assertions, tags, lexicon, settled=settled),
            at_issue=at_issue(assertions, tokenize(normalized[:_LONGEST]), lexicon),
            lost=endless or is_lost(plain, assertions, tags, roles, grammar.flags, lexicon),
            content=None if changes or not understood else _content(assertions, lexicon),
            words=sum([part.isalpha() for tag in tags for part in tag.phrase]),
            unknown=tuple(grammar.flags.unknown),
            superseded="superseded" in roles,
            heading=_heading(assertions, tags, lexicon),
            names_elsewhere=not hidden.isdisjoint(places),
            names_other_study="other_study" in roles,
            names_study="study" in roles,
            names_outside=not lexicon.region.issuperset(places),
        )


def as_reader(lexicon: Reader | Lexicon | str | os.PathLike[str] | None) -> Reader:
    """Gives a reader from a reader, a lexicon, its name or its file; None is the chest one."""
    if isinstance(lexicon, Reader):
        return lexicon
    return Reader() if lexicon is None else Reader(lexicon)


def _content(assertions: tuple[Assertion, ...], lexicon: Lexicon) -> Content:
    """Returns the assertions without the degree of what is stated.

    "No acute disease" under a chest X-ray is one statement with "no acute cardiopulmonary disease";
    what follows from it, and what speaks against it, is asked of the assertions themselves.
    """
    if lexicon.everything:
        assertions = tuple(
            replace(said, concept=lexicon.everything, status="normal")
            if said.concept == ANYTHING and said.status == "absent"
            else said
            for said in assertions
        )
    return frozenset(
        replace(
            said,
            degree=None,
            rules_out=frozenset(
                name for name in said.rules_out if not lexicon.narrowings[name].graded
            ),
        )
        if said.degree or said.rules_out
        else said
        for said in assertions
    )


def _heading(
    assertions: tuple[Assertion, ...], tags: list[Meaning], lexicon: Lexicon
) -> str | None:
    """Returns the structure of a sentence that only names it, or that it labels."""
    if len(tags) > 1 and tags[0].structures and tags[1].phrase == (":",):
        label = tags[0].structures[0]
        elsewhere = lexicon.structures[label].findings_are or label in lexicon.out_of_view
        return label if elsewhere or label in lexicon.region else None
    named = [tag.structures[0] for tag in tags if tag.structures]
    bare = all(tag.structures or not tag.phrase[0].isalpha() for tag in tags)
    return named[0] if len(named) == 1 and bare and not assertions else None


def _is_placeless(assertions: tuple[Assertion, ...], tags: list[Meaning], lexicon: Lexicon) -> bool:
    """Whether it speaks of something that can be anywhere, and does not say where."""
    findings = lexicon.findings
    anywhere = any(
        said.concept in findings and findings[said.concept].anywhere for said in assertions
    )
    return anywhere and not any(tag.structures or tag.adjective_of for tag in tags)


def _sums_up(assertions: tuple[Assertion, ...], lexicon: Lexicon) -> bool:
    """Whether it calls the whole study normal, without a limit such as "acute"."""
    return any(
        said.concept in lexicon.summaries and not said.is_abnormal and said.narrowing is None
        for said in assertions
    )


def _sign(assertions: tuple[Assertion, ...], flags: Flags) -> Sign:
    if any(assertion.is_abnormal for assertion in assertions):
        return "abnormal"
    # What was not understood is no sign of health.
    return "normal" if assertions and not (flags.unclear or flags.unknown) else "neutral"


def _is_understood(assertions: tuple[Assertion, ...], flags: Flags) -> bool:
    named = bool(assertions) and all(item.concept != UNNAMED for item in assertions)
    return named and not (flags.unknown or flags.misspelt or flags.blank or flags.dangling)


def _is_identifying(tags: list[Meaning], flags: Flags, lexicon: Lexicon) -> bool:
    devices = (lexicon.findings[name].device for tag in tags for name in tag.findings)
    tokens = {token for tag in tags for token in tag.phrase}
    return flags.number or any(devices) or not tokens.isdisjoint(lexicon.identifying_tokens)
