"""Which words of a sentence speak of which: scope of negation, normality and doubt.

One pass over the tagged phrases, as a person reads: what is denied stays denied until something
turns it ("but", a new verb, ", mild ..."); "normal" belongs to the structures named before it, or,
where there are none, to those after it. In doubt the reading is the abnormal one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from semenrich_datasets.lexicon import ANYTHING, Lexicon, Meaning

Status = Literal["present", "uncertain", "absent", "normal"]

UNNAMED = "unnamed"
"""Stands for a structure or finding that a blank or an unknown word hides."""


@dataclass(frozen=True)
class Assertion:
    """One thing that a sentence says.

    Args:
        concept (`str`): a finding, a structure, `ANYTHING` or `UNNAMED`.
        status (`str`): a finding is "present", "uncertain" or "absent", a structure "normal" (or
            "present" / "uncertain": something is wrong with it).
        side (`str`, *optional*): "left" or "right"; both sides by default.
        narrowing (`str`, *optional*): the narrowing of a denial ("no LARGE effusion").
        rules_out (`frozenset[str]`): narrowings that what is stated cannot have ("SMALL effusion").
    """

    concept: str
    status: Status
    side: Literal["left", "right"] | None = None
    narrowing: str | None = None
    rules_out: frozenset[str] = frozenset()

    @property
    def is_abnormal(self) -> bool:
        """Whether a healthy person's report would not say it."""
        return self.status in ("present", "uncertain")


@dataclass(frozen=True)
class Modifiers:
    """Words waiting for the noun that they describe."""

    sides: frozenset[str] = frozenset()
    places: tuple[str, ...] = ()
    narrows: tuple[str, ...] = ()
    rules_out: frozenset[str] = frozenset()

    def assertion(self, concept: str, status: Status) -> Assertion:
        """The assertion about a concept that these words describe."""
        denied = status in ("absent", "normal")
        narrowing = next(iter((*self.places, *self.narrows)), None) if denied else None
        rules_out = self.rules_out if not denied else frozenset[str]()
        return Assertion(concept, status, _one_side(self.sides), narrowing, rules_out)


@dataclass(frozen=True)
class Subject:
    """A structure that still waits for what is said of it."""

    concept: str
    modifiers: Modifiers
    after_join: bool = False


@dataclass
class Clause:
    """What is open while a clause is read."""

    polarity: Literal["affirmed", "denied", "normal"] = "affirmed"
    uncertain: bool = False
    asked: bool = False
    subjects: list[Subject] = field(default_factory=list)
    adjectives: list[str] = field(default_factory=list)
    told: list[Subject] = field(default_factory=list)  # subjects that have their predicate
    attribute: Meaning | None = None  # "enlarged", waiting for its noun
    normal_word: Meaning | None = None  # "normal", said before its nouns
    abnormality: Modifiers | None = None  # "no abnormality", waiting for "of the ..."
    modifiers: Modifiers = field(default_factory=Modifiers)
    first: int = 0  # index of the clause's first assertion
    joined: bool = False  # a conjunction since the last noun
    denial_is_empty: bool = False


@dataclass
class Flags:
    """What a sentence holds beside its assertions."""

    unknown: list[str] = field(default_factory=list)
    blank: bool = False
    number: bool = False
    exception: bool = False
    dangling: bool = False
    unclear: bool = False


class Grammar:
    """Reads one sentence; made anew for each."""

    def __init__(self, lexicon: Lexicon, tags: list[Meaning]) -> None:
        self.lexicon = lexicon
        self.tags = tags
        self.assertions: list[Assertion] = []
        self.flags = Flags()
        self.clause = Clause()
        self.position = 0

    def read(self) -> list[Assertion]:
        """Gives what the sentence asserts, in order; sets `flags`."""
        for self.position, tag in enumerate(self.tags):
            self._modify(tag)
            self._handler(tag)(tag)
        self._end_clause()
        if self.flags.exception and not any(item.is_abnormal for item in self.assertions):
            self.assertions.append(Assertion(UNNAMED, "uncertain"))
        return list(dict.fromkeys(self.assertions))

    def _handler(self, tag: Meaning) -> Callable[[Meaning], None]:
        """The first of what a phrase can be that fits, the most telling first."""
        for role in ("negation_after", "doubt", "negation", "exception", "asked", "uncertain"):
            if role in tag.roles:
                return self._cues[role].__get__(self)
        if tag.findings and not self._describes(tag):
            return self._finding
        if tag.structures:
            return self._structure
        if tag.adjective_of:
            return self._adjective
        for role, handler in self._cues.items():
            if role in tag.roles:
                return handler.__get__(self)
        return self._other

    # ------------------------------------------------------------------ nouns

    def _finding(self, tag: Meaning) -> None:
        clause = self.clause
        clause.attribute = None
        if clause.polarity == "normal":
            clause.polarity = "affirmed"
        modifiers = self._take_modifiers()
        clause.denial_is_empty = False
        if not clause.asked:
            for name in tag.findings:
                self._assert_finding(name, modifiers)
        clause.adjectives = []
        clause.joined = False

    def _assert_finding(self, name: str, modifiers: Modifiers) -> None:
        finding = self.lexicon.findings[name]
        if self.clause.polarity != "denied":
            touched = [] if finding.device else self.clause.adjectives
            ruled_out = modifiers.rules_out | frozenset(finding.rules_out)
            for structure in touched:
                if structure not in finding.absorbs:
                    self._say(structure, "uncertain", Modifiers(rules_out=ruled_out))
        if self.clause.polarity == "denied" and finding.denied_is_normal:
            for structure in finding.of:
                self._say(structure, "normal", modifiers)
            return
        self._say(name, self._status(), modifiers)

    def _structure(self, tag: Meaning) -> None:
        self._noun(tag.structures)

    def _noun(self, structures: Iterable[str]) -> None:
        clause = self.clause
        if clause.joined and clause.adjectives:  # "cardiac and mediastinal contours"
            structures = (*clause.adjectives, *structures)
        clause.adjectives = []
        subjects = self._take_subjects(structures)
        if clause.abnormality is not None:
            self._say_all(subjects, clause.abnormality)
            clause.abnormality = None
            clause.told = subjects
        elif clause.attribute is not None:
            self._describe(subjects, clause.attribute)
            clause.attribute = None
            clause.told = subjects
        elif clause.polarity == "normal" and clause.normal_word is not None:
            self._call_normal(subjects, clause.normal_word)
            clause.told = subjects
        else:
            clause.subjects.extend(subjects)
        clause.joined = False

    def _take_subjects(self, structures: Iterable[str]) -> list[Subject]:
        """Gives the side and place words before a structure to it; others wait for a finding."""
        waiting = self.clause.modifiers
        own = Modifiers(sides=waiting.sides, places=waiting.places)
        if self._is_after_denial():
            self._narrow_last_denial()
        self.clause.modifiers = replace(waiting, sides=frozenset(), places=())
        after_join = self.clause.joined and self.clause.polarity == "denied"
        return [Subject(name, own, after_join) for name in dict.fromkeys(structures)]

    def _adjective(self, tag: Meaning) -> None:
        self.clause.adjectives.extend(tag.adjective_of)

    def _aspect(self, tag: Meaning) -> None:
        if self.clause.adjectives:
            self._noun_of_adjectives()

    def _noun_of_adjectives(self) -> None:
        adjectives, self.clause.adjectives = self.clause.adjectives, []
        self._noun(adjectives)

    def _blank(self, tag: Meaning) -> None:
        self.flags.blank = True
        clause = self.clause
        clause.adjectives = []
        if clause.polarity == "normal":
            self._say(UNNAMED, "normal", Modifiers())
        elif clause.polarity == "affirmed":
            clause.subjects.append(Subject(UNNAMED, Modifiers()))

    # ------------------------------------------------------------- predicates

    def _normal(self, tag: Meaning) -> None:
        clause = self.clause
        if clause.polarity == "denied" and clause.denial_is_empty and not clause.modifiers.narrows:
            self._describe(self._take_told(), tag, "uncertain")  # "not normal"
            return
        if self._is_attributive():
            clause.polarity, clause.normal_word = "normal", tag
            return
        subjects = self._take_told()
        if subjects:
            self._call_normal(subjects, tag)
            clause.polarity = "affirmed"
        else:
            clause.polarity, clause.normal_word = "normal", tag
        clause.adjectives = []

    def _call_normal(self, subjects: list[Subject], word: Meaning) -> None:
        for subject in subjects:
            concept = self.lexicon.callings.get((subject.concept, word.phrase), subject.concept)
            self._say(concept, "normal", subject.modifiers)

    def _abnormal(self, tag: Meaning) -> None:
        clause = self.clause
        if clause.polarity == "normal":
            clause.polarity = "affirmed"
        if self._is_attributive() and not self._follows_link():
            clause.attribute = tag
            return
        subjects = [Subject(name, clause.modifiers) for name in clause.adjectives]
        clause.adjectives = []
        if not subjects:
            subjects = self._take_told()
            if clause.polarity == "denied" and any(subject.after_join for subject in subjects):
                clause.polarity = "affirmed"  # "no effusion, heart enlarged"
        if subjects:
            self._describe(subjects, tag)
        else:
            clause.attribute = tag

    def _describe(
        self, subjects: list[Subject], word: Meaning, status: Status | None = None
    ) -> None:
        """States (or denies) that structures are as an abnormal word says."""
        modifiers = self._take_modifiers()
        self.clause.denial_is_empty = False
        for subject in subjects:
            joint = _joined(modifiers, subject.modifiers)
            name = self.lexicon.descriptions.get((subject.concept, word.phrase), subject.concept)
            finding = self.lexicon.findings.get(name)
            said = status or self._status()
            if said == "absent" and (finding is None or finding.denied_is_normal):
                self._say(subject.concept, "normal", joint)
            else:
                self._say(name, said, joint)

    def _abnormality(self, tag: Meaning) -> None:
        clause = self.clause
        subjects = [Subject(name, Modifiers()) for name in clause.adjectives] + clause.subjects
        clause.adjectives, clause.attribute = [], None
        modifiers = self._take_modifiers()
        clause.denial_is_empty = False
        if subjects:
            self._say_all(subjects, modifiers)
            clause.told, clause.subjects = subjects, []
        else:
            clause.abnormality = modifiers

    def _say_all(self, subjects: list[Subject], modifiers: Modifiers) -> None:
        status = self._status()
        for subject in subjects:
            joint = _joined(modifiers, subject.modifiers)
            self._say(subject.concept, "normal" if status == "absent" else status, joint)

    def _unchanged(self, tag: Meaning) -> None:
        if self._follows_link() or not self._is_attributive():
            self._take_told()

    # ------------------------------------------------------------------- cues

    def _negation(self, tag: Meaning) -> None:
        self._resolve_open()
        clause = self.clause
        clause.polarity, clause.uncertain, clause.asked = "denied", False, False
        clause.denial_is_empty = True
        clause.joined = False

    def _negation_after(self, tag: Meaning) -> None:
        for index in range(self.clause.first, len(self.assertions)):
            said = self.assertions[index]
            if said.is_abnormal:
                self.assertions[index] = replace(said, status="absent", rules_out=frozenset())

    def _uncertain(self, tag: Meaning) -> None:
        if self.clause.polarity != "denied":
            self.clause.uncertain = True

    def _doubt(self, tag: Meaning) -> None:
        self.clause.polarity, self.clause.uncertain = "affirmed", True
        for index in range(self.clause.first, len(self.assertions)):
            self.assertions[index] = replace(self.assertions[index], status="uncertain")

    def _asked(self, tag: Meaning) -> None:
        self._turn(tag)
        self.clause.asked = True

    def _exception(self, tag: Meaning) -> None:
        self._turn(tag)
        self.flags.exception = True

    def _turn(self, tag: Meaning) -> None:
        subjects = self.clause.subjects if not self.clause.told else []
        self._end_clause(final=False)
        self.clause = Clause(first=len(self.assertions), subjects=subjects)

    def _join(self, tag: Meaning) -> None:
        clause = self.clause
        if self._is_after_denial():
            self._narrow_last_denial()
        if clause.abnormality is not None:
            self._resolve_open()
        clause.joined = True
        following = self._tag_at(self.position + 1)
        before = self._tag_at(self.position - 1)
        closed = before is not None and "closing" in before.roles and tag.phrase == (",",)
        anew = _starts_anew(following) and "alternative" not in tag.roles
        if clause.polarity == "denied" and (closed or anew):
            clause.polarity = "affirmed"
            clause.told = []

    def _link(self, tag: Meaning) -> None:
        if self.clause.polarity == "denied" and any(s.after_join for s in self.clause.subjects):
            self.clause.polarity = "affirmed"  # "no effusion, heart is ..."

    def _other(self, tag: Meaning) -> None:
        if tag.roles or tag.narrows or tag.rules_out:
            return
        if tag.phrase[0][0].isdigit():
            self.flags.number = True
        elif len(tag.phrase[0]) > 1:
            self.flags.unknown.append(tag.phrase[0])

    def _pass(self, tag: Meaning) -> None:
        """Says nothing of its own."""

    _cues = {
        "negation_after": _negation_after,
        "doubt": _doubt,
        "negation": _negation,
        "exception": _exception,
        "asked": _asked,
        "uncertain": _uncertain,
        "normal": _normal,
        "abnormality": _abnormality,
        "abnormal": _abnormal,
        "unchanged": _unchanged,
        "aspect": _aspect,
        "link": _link,
        "turn": _turn,
        "join": _join,
        "blank": _blank,
        "article": _pass,
    }

    # ---------------------------------------------------------------- helpers

    def _modify(self, tag: Meaning) -> None:
        """Keeps the side, place, narrowing and opposite words of a phrase for the next noun."""
        waiting = self.clause.modifiers
        sides = tag.roles & {"left", "right", "both"}
        if not (sides or tag.narrows or tag.rules_out):
            return
        places = tuple(name for name in tag.narrows if self.lexicon.narrowings[name].place)
        narrows = tuple(name for name in tag.narrows if name not in places)
        self.clause.modifiers = Modifiers(
            waiting.sides | sides,
            waiting.places + places,
            waiting.narrows + narrows,
            waiting.rules_out | frozenset(tag.rules_out),
        )

    def _take_modifiers(self) -> Modifiers:
        taken, self.clause.modifiers = self.clause.modifiers, Modifiers()
        return taken

    def _take_told(self) -> list[Subject]:
        """The subjects that a predicate speaks of: those waiting, else the last ones told of."""
        clause = self.clause
        if clause.subjects:
            clause.told, clause.subjects = clause.subjects, []
        return clause.told

    def _status(self) -> Status:
        if self.clause.polarity == "denied":
            return "absent"
        return "uncertain" if self.clause.uncertain else "present"

    def _say(self, concept: str, status: Status, modifiers: Modifiers) -> None:
        self.assertions.append(modifiers.assertion(concept, status))
        self.clause.denial_is_empty = False

    def _tag_at(self, position: int) -> Meaning | None:
        return self.tags[position] if 0 <= position < len(self.tags) else None

    def _follows_link(self) -> bool:
        """Whether a verb stands before this word, modifiers aside."""
        for tag in reversed(self.tags[: self.position]):
            if tag.structures or tag.findings or tag.roles & {"join", "turn", "blank"}:
                return False
            if "link" in tag.roles:
                return True
        return False

    def _is_attributive(self) -> bool:
        """Whether the word stands before its noun: "normal heart", not "heart is normal"."""
        for tag in self.tags[self.position + 1 :]:
            if tag.findings or tag.structures or tag.adjective_of or "blank" in tag.roles:
                return not self.clause.subjects or not self._follows_noun()
            if tag.roles & {"join", "turn", "negation", "normal", "link", "uncertain", "doubt"}:
                return False
        return False

    def _follows_noun(self) -> bool:
        """Whether the word before this one belongs to a subject: "heart [is] normal"."""
        before = self._tag_at(self.position - 1)
        return before is not None and not before.roles & {"join", "turn", "article"}

    def _describes(self, tag: Meaning) -> bool:
        """Whether a finding's word is said of a structure here: "aorta is tortuous"."""
        return "abnormal" in tag.roles and any(
            (subject.concept, tag.phrase) in self.lexicon.descriptions
            for subject in (*self.clause.subjects, *self.clause.told)
        )

    def _is_after_denial(self) -> bool:
        """Whether side and place words wait that belong to the denial just made."""
        waiting = self.clause.modifiers
        return bool(
            (waiting.sides or waiting.places)
            and not self.clause.joined
            and len(self.assertions) > self.clause.first
            and self.assertions[-1].status in ("absent", "normal")
            and not self.clause.denial_is_empty
        )

    def _narrow_last_denial(self) -> None:
        """Limits the denial just made: "no opacity in the RIGHT BASE"."""
        waiting, last = self.clause.modifiers, self.assertions[-1]
        self.assertions[-1] = replace(
            last,
            side=_one_side(waiting.sides) or last.side,
            narrowing=next(iter(waiting.places), last.narrowing),
        )
        self.clause.modifiers = replace(waiting, sides=frozenset(), places=())

    def _resolve_open(self) -> None:
        """Settles an abnormality or an abnormal word for which no structure came."""
        clause = self.clause
        if clause.abnormality is not None:
            self._say(ANYTHING, self._status(), clause.abnormality)
        elif clause.attribute is not None and clause.polarity != "denied":
            stated = any(item.is_abnormal for item in self.assertions[clause.first :])
            if not stated:
                self._say(ANYTHING, "uncertain", Modifiers())
        clause.abnormality = clause.attribute = None

    def _end_clause(self, *, final: bool = True) -> None:
        clause = self.clause
        if self._is_after_denial():
            self._narrow_last_denial()
        self._resolve_open()
        if clause.denial_is_empty and clause.polarity == "denied" and self.flags.blank:
            self._say(UNNAMED, "absent", Modifiers())
        said = self.assertions[clause.first :]
        if not said and any(subject.concept == UNNAMED for subject in clause.subjects):
            self.flags.unclear = True
        self._touch(said)
        if final and clause.subjects and not said:
            self.flags.dangling = True

    def _touch(self, said: list[Assertion]) -> None:
        """Doubts the structures that are only named beside a stated finding."""
        findings = [
            item for item in said if item.is_abnormal and item.concept in self.lexicon.findings
        ]
        located = [item for item in findings if not self.lexicon.findings[item.concept].device]
        if not located:
            return
        absorbed = {
            name for item in located for name in self.lexicon.findings[item.concept].absorbs
        }
        ruled_out = frozenset.intersection(
            *(
                item.rules_out | frozenset(self.lexicon.findings[item.concept].rules_out)
                for item in located
            )
        )
        for subject in self.clause.subjects:
            if subject.concept not in absorbed:
                self._say(subject.concept, "uncertain", Modifiers(rules_out=ruled_out))


def _starts_anew(tag: Meaning | None) -> bool:
    """Whether a phrase after a comma or "and" ends the denial before it."""
    if tag is None:
        return False
    return bool(tag.roles & {"article", "prior", "uncertain", "turn"}) or bool(
        tag.rules_out and not tag.narrows
    )


def _one_side(sides: frozenset[str]) -> Literal["left", "right"] | None:
    if sides == {"left"}:
        return "left"
    return "right" if sides == {"right"} else None


def _joined(first: Modifiers, second: Modifiers) -> Modifiers:
    return Modifiers(
        first.sides | second.sides,
        first.places + second.places,
        first.narrows + second.narrows,
        first.rules_out | second.rules_out,
    )
