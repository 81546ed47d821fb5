"""The clause that is being read: who is spoken of, what limits it, and what is said under it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from semenrich_datasets.reading.assertions import (
    DEGREES,
    UNNAMED,
    Assertion,
    Modifiers,
    Status,
    Subject,
    one_side,
)
from semenrich_datasets.reading.lexicon import Lexicon
from semenrich_datasets.reading.lexicon_entries import ANYTHING, Finding, Meaning

_NO_WORDS = Modifiers()
_MODIFIERS = frozenset({"left", "right", "both", *DEGREES})


@dataclass
class Clause:
    """What is open while a clause is read."""

    polarity: Literal["affirmed", "denied", "normal"] = "affirmed"
    uncertain: bool = False
    asked: bool = False
    asked_about: list[str] = field(default_factory=list)  # findings named after it
    subjects: list[Subject] = field(default_factory=list)
    adjectives: list[str] = field(default_factory=list)
    told: list[Subject] = field(default_factory=list)  # subjects that have their predicate
    attribute: Meaning | None = None  # "enlarged", waiting for its noun
    unchanged: bool = False  # "stable", said before its noun
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
    unknown_stated: bool = False  # one of them where no denial is open
    attribute_alone: bool = False  # "it is enlarged", of nothing that was named
    blank: bool = False
    number: bool = False
    exception: bool = False
    dangling: bool = False
    unclear: bool = False
    labelled: bool = False
    misspelt: bool = False
    disbelieved: bool = False
    compares: bool = False  # with what was there before


class Scope:
    """Writes assertions under the state of the open clause; the grammar decides what opens it.

    Args:
        lexicon (`Lexicon`): what the words mean.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self.assertions: list[Assertion] = []
        self.flags = Flags()
        self.clause = Clause()

    def take_modifiers(self) -> Modifiers:
        """Hands over the words that wait for a noun."""
        taken, self.clause.modifiers = self.clause.modifiers, Modifiers()
        return taken

    def modify(self, tag: Meaning) -> None:
        """Keeps the side, place, degree and narrowing words of a phrase for the next noun."""
        if not (tag.narrows or tag.rules_out or tag.roles & _MODIFIERS):
            return
        places = tuple(name for name in tag.narrows if self.lexicon.narrowings[name].place)
        self.clause.modifiers |= Modifiers(
            sides=tag.roles & {"left", "right", "both"},
            places=places,
            narrows=tuple(name for name in tag.narrows if name not in places),
            rules_out=frozenset(tag.rules_out),
            degrees=tuple(degree for degree in DEGREES if degree in tag.roles),
            place_words=frozenset({" ".join(tag.phrase)} if places else ()),
        )

    def take_subjects(self, structures: Iterable[str]) -> list[Subject]:
        """Gives the side and place words before a structure to it; others wait for a finding."""
        waiting = self.clause.modifiers
        own = Modifiers(sides=waiting.sides, places=waiting.places, place_words=waiting.place_words)
        self.place_last()
        if waiting != _NO_WORDS:
            self.clause.modifiers = waiting.without_place()
        clause = self.clause
        after_denial = clause.polarity == "denied" and not clause.denial_is_empty
        return [Subject(name, own, after_denial) for name in dict.fromkeys(structures)]

    def take_told(self) -> list[Subject]:
        """The subjects that a predicate speaks of: those waiting, else the last ones told of."""
        clause = self.clause
        if clause.subjects:
            clause.told, clause.subjects = clause.subjects, []
        return clause.told

    def status(self) -> Status:
        """How a finding named here is meant."""
        if self.clause.polarity == "denied":
            return "absent"
        return "uncertain" if self.clause.uncertain else "present"

    def say(
        self, concept: str, status: Status, modifiers: Modifiers, phrase: tuple[str, ...] = ()
    ) -> None:
        """Writes one assertion; of a finding that is stated, by which phrase it was named."""
        said = modifiers.assertion(concept, status)
        finding = self.lexicon.findings.get(concept)
        if finding is not None and said.is_abnormal and not finding.one_thing:
            said = replace(said, name=" ".join(phrase))
        self.assertions.append(said)
        self.clause.denial_is_empty = False

    def say_all(self, subjects: list[Subject], modifiers: Modifiers) -> None:
        """Says that something is, or is not, wrong with structures."""
        status = self.status()
        for subject in subjects:
            joint = modifiers | subject.modifiers
            self.say(subject.concept, "normal" if status == "absent" else status, joint)

    def call_normal(self, subjects: list[Subject], word: Meaning) -> None:
        """Says that structures are as in health."""
        for subject in subjects:
            concept = self.lexicon.callings.get((subject.concept, word.phrase), subject.concept)
            self.say(concept, "normal", subject.modifiers)

    def describe(
        self, subjects: list[Subject], word: Meaning, status: Status | None = None
    ) -> None:
        """States (or denies) that structures are as an abnormal word says."""
        modifiers = self.take_modifiers()
        self.clause.denial_is_empty = False
        for subject in subjects:
            joint = modifiers | subject.modifiers
            name = self.lexicon.descriptions.get((subject.concept, word.phrase), subject.concept)
            finding = self.lexicon.findings.get(name)
            said = status or self.status()
            if said == "absent" and (finding is None or finding.denied_is_normal):
                self.say(subject.concept, "normal", joint)
            else:
                self.say(name, said, joint, word.phrase)

    def assert_finding(self, name: str, modifiers: Modifiers, phrase: tuple[str, ...]) -> None:
        """States or denies a finding, and doubts the structures whose adjectives place it."""
        finding = self.lexicon.findings[name]
        if self.clause.polarity != "denied":
            touched = [] if finding.device else self.clause.adjectives
            ruled_out = modifiers.rules_out | frozenset(finding.rules_out)
            for structure in touched:
                if structure not in finding.absorbs:
                    self.say(structure, "uncertain", Modifiers(rules_out=ruled_out))
        elif self._leaves_adjectives(finding):
            self.flags.dangling = True
        if self.clause.polarity == "denied" and finding.denied_is_normal:
            for structure in finding.of:
                self.say(structure, "normal", modifiers)
            return
        # Who denies that it is small may mean that it is large.
        doubted = self.clause.polarity == "denied" and "slight" in modifiers.degrees
        self.say(name, "uncertain" if doubted else self.status(), modifiers, phrase)

    def _leaves_adjectives(self, finding: Finding) -> bool:
        """Whether "no pleural or pericardial effusion" was read as the pericardial one alone."""
        placed = {*finding.of, *finding.suggests, *finding.absorbs}
        return self.clause.joined and not placed.issuperset(self.clause.adjectives)

    def place_last(self) -> None:
        """Gives side and place words that follow what was just said to it.

        They limit a denial ("no opacity in the RIGHT BASE") and locate what is stated ("opacity in
        the RIGHT BASE"), where several findings are named together all of them.
        """
        waiting, clause = self.clause.modifiers, self.clause
        if clause.joined or len(self.assertions) == clause.first or waiting == _NO_WORDS:
            return
        last = self.assertions[-1]
        if last.is_abnormal:
            self._locate_findings(waiting)
            clause.modifiers = replace(waiting.without_place(), degrees=())
        elif (waiting.sides or waiting.places) and not clause.denial_is_empty:
            self.assertions[-1] = replace(
                last,
                side=one_side(waiting.sides) or last.side,
                narrowing=next(iter(waiting.places), last.narrowing),
            )
            clause.modifiers = waiting.without_place()

    def _locate_findings(self, words: Modifiers) -> None:
        for position in range(len(self.assertions) - 1, self.clause.first - 1, -1):
            said = self.assertions[position]
            if not said.is_abnormal or said.side or said.places:
                return
            self.assertions[position] = words.located(said)

    def move_last(self, concept: str) -> None:
        """Says what was just said of a finding of another."""
        if len(self.assertions) > self.clause.first:
            last = self.assertions[-1]
            finding = self.lexicon.findings.get(last.concept)
            if finding is not None and not finding.device:
                self.assertions[-1] = replace(last, concept=concept)

    def resolve_open(self) -> None:
        """Settles an abnormality or an abnormal word for which no structure came."""
        clause = self.clause
        if clause.abnormality is not None:
            self.say(ANYTHING, self.status(), clause.abnormality)
        elif clause.attribute is not None and clause.polarity != "denied":
            stated = any(item.is_abnormal for item in self.assertions[clause.first :])
            if not stated:
                self.say(ANYTHING, "uncertain", Modifiers())
                self.flags.attribute_alone = True
        clause.abnormality = clause.attribute = None

    def touch(self, said: list[Assertion]) -> None:
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
                self.say(subject.concept, "uncertain", Modifiers(rules_out=ruled_out))

    def end_clause(self, *, final: bool = True) -> None:
        """Settles all that is open; at the end of the sentence too, what has no predicate."""
        clause = self.clause
        self.place_last()
        self.resolve_open()
        if clause.denial_is_empty and clause.polarity == "denied" and self.flags.blank:
            self.say(UNNAMED, "absent", Modifiers())
        said = self.assertions[clause.first :]
        if not said and any(subject.concept == UNNAMED for subject in clause.subjects):
            self.flags.unclear = True
        self.touch(said)
        if final and clause.subjects and not said:
            self.flags.dangling = True
