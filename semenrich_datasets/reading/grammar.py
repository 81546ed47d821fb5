"""Which words of a sentence speak of which: scope of negation, normality and doubt.

One pass over the tagged phrases, as a person reads: what is denied stays denied until something
turns it ("but", a new verb, ", mild ..."); "normal" belongs to the structures named before it, or,
where there are none, to those after it. In doubt the reading is the abnormal one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from semenrich_datasets.reading.assertions import UNNAMED, Assertion, Modifiers, Subject
from semenrich_datasets.reading.denial import Denials
from semenrich_datasets.reading.lexicon_entries import MISSPELT, Meaning


class Grammar(Denials):
    """Reads one sentence; made anew for each.

    Args:
        lexicon (`Lexicon`): what the words mean.
        tags (`list[Meaning]`): the sentence's phrases.
    """

    def read(self) -> list[Assertion]:
        """Gives what the sentence asserts, in order; sets `flags`."""
        for position, tag in enumerate(self.tags):
            self.position = position
            self.modify(tag)
            self.flags.misspelt |= MISSPELT in tag.roles
            self._handler(tag)(self, tag)
        self.end_clause()
        if self.flags.exception and not any(item.is_abnormal for item in self.assertions):
            self.assertions.append(Assertion(UNNAMED, "uncertain"))
        return list(dict.fromkeys(self.assertions))

    def _handler(self, tag: Meaning) -> Callable[[Grammar, Meaning], None]:
        """What to do with a phrase: of all that it can mean the most telling comes first."""
        scope, other, is_special = _cues(tag.roles)
        if is_special:
            if self._is_change_denied(tag):
                return Grammar._change
            if "none" in tag.roles and self._said() and self._is_answer(self.position):
                return Grammar._negation
        if scope is not None:
            return scope
        if tag.findings and not self._describes(tag):
            return Grammar._finding
        if tag.structures:
            return Grammar._structure
        if tag.adjective_of:
            return Grammar._adjective
        return other

    # ------------------------------------------------------------------ nouns

    def _finding(self, tag: Meaning) -> None:
        clause = self.clause
        if clause.polarity == "normal":
            clause.polarity = "affirmed"
        modifiers = self.take_modifiers()
        if clause.polarity == "affirmed" and not (modifiers.sides or modifiers.places):
            for subject in clause.subjects:  # "RIGHT lung opacity"
                modifiers |= subject.modifiers
        if clause.polarity == "denied" and self._stands_alone(tag):
            clause.polarity, clause.abnormality, clause.told = "affirmed", None, []
        clause.attribute = None
        clause.denial_is_empty = False
        if clause.polarity == "denied":  # "lungs without effusion": the lungs have their predicate
            clause.told += [item for item in clause.subjects if not item.after_denial]
            clause.subjects = [item for item in clause.subjects if item.after_denial]
        for name in self._located_findings(tag):
            if clause.asked:
                clause.asked_about.append(name)
            else:
                self.assert_finding(name, modifiers, tag.phrase)
        clause.adjectives = []
        clause.joined = False

    def _located_findings(self, tag: Meaning) -> tuple[str, ...]:
        """The findings of a phrase, or what they count as where they are: "THYROID nodule"."""
        findings, structures = self.lexicon.findings, self.lexicon.structures
        placed = len(tag.phrase) > 1  # "pericardial effusion" says itself where it is
        for name in tag.findings:
            finding = findings[name]
            bodily = any(structures[of].throughout for of in finding.of)  # "HIP fracture"
            if finding.device or bodily or (placed and finding.of):
                return tag.findings
        nearest = [*self.clause.adjectives[-1:]]
        before = self._tag_at(self.position - 1)
        if before is not None:
            nearest += before.structures
        for structure in nearest:
            if elsewhere := self.lexicon.structures[structure].findings_are:
                return (elsewhere,)
        return tag.findings

    def _structure(self, tag: Meaning) -> None:
        named = (self.lexicon.structures[name].findings_are for name in tag.structures)
        elsewhere = next(filter(None, named), None)
        between = list(self._since_finding())
        if elsewhere and between and all("join" not in one.roles for one in between):
            self.move_last(elsewhere)  # "nodule in the thyroid"
        self._noun(tag.structures)

    def _noun(self, structures: Iterable[str]) -> None:
        clause = self.clause
        if clause.joined and clause.adjectives:  # "cardiac and mediastinal contours"
            structures = (*clause.adjectives, *structures)
        clause.adjectives = []
        subjects = self.take_subjects(structures)
        if clause.abnormality is not None:
            self.say_all(subjects, clause.abnormality)
            clause.abnormality = None
            clause.told = subjects
        elif clause.attribute is not None:
            self.describe(subjects, clause.attribute)
            clause.attribute = None
            clause.told = subjects
        elif clause.polarity == "normal" and clause.normal_word is not None:
            self.call_normal(subjects, clause.normal_word)
            clause.told = subjects
        elif clause.unchanged:
            clause.told = subjects
        else:
            clause.subjects.extend(subjects)
        clause.joined = clause.unchanged = False

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
            self.say(UNNAMED, "normal", Modifiers())
        elif clause.polarity == "affirmed":
            clause.subjects.append(Subject(UNNAMED, Modifiers()))

    # ------------------------------------------------------------- predicates

    def _normal(self, tag: Meaning) -> None:
        clause = self.clause
        if clause.polarity == "denied" and clause.denial_is_empty and not clause.modifiers.narrows:
            self.describe(self.take_told(), tag, "present")  # "not normal"
            return
        if self._is_not_quite():
            self.describe(self.take_told(), tag, "uncertain")  # "almost normal", "should be normal"
            clause.polarity = "affirmed"
            return
        if self._is_attributive():
            clause.polarity, clause.normal_word = "normal", tag
            return
        subjects = self.take_told()
        if subjects:
            self.call_normal(subjects, tag)
            clause.polarity = "affirmed"
        else:
            clause.polarity, clause.normal_word = "normal", tag
        clause.adjectives = []

    def _is_not_quite(self) -> bool:
        """Whether "almost", "should be" or the like stands before a word of health."""
        for tag in self._before():
            if tag.is_name:
                return False
            if "not_quite" in tag.roles:
                return True
        return False

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
            subjects = self.take_told()
            if clause.polarity == "denied" and any(subject.after_denial for subject in subjects):
                clause.polarity = "affirmed"  # "no effusion, heart enlarged"
        if subjects:
            self.describe(subjects, tag)
        else:
            clause.attribute = tag

    def _abnormality(self, tag: Meaning) -> None:
        clause = self.clause
        subjects = [Subject(name, Modifiers()) for name in clause.adjectives] + clause.subjects
        clause.adjectives, clause.attribute = [], None
        modifiers = self.take_modifiers()
        clause.denial_is_empty = False
        if subjects:
            self.say_all(subjects, modifiers)
            clause.told, clause.subjects = subjects, []
        else:
            clause.abnormality = modifiers

    def _unchanged(self, tag: Meaning) -> None:
        if self._follows_link() or not self._is_attributive():
            self.take_told()
        else:
            self.clause.unchanged = True

    # ------------------------------------------------------------------- cues

    def _uncertain(self, tag: Meaning) -> None:
        if self.clause.polarity != "denied":
            self.clause.uncertain = True

    def _link(self, tag: Meaning) -> None:
        if self.clause.polarity == "denied" and any(s.after_denial for s in self.clause.subjects):
            self.clause.polarity = "affirmed"  # "no effusion, heart is ..."

    def _other(self, tag: Meaning) -> None:
        if tag.roles or tag.narrows or tag.rules_out:
            return
        if tag.phrase[0][0].isdigit():
            self.flags.number = True
        elif len(tag.phrase[0]) > 1:
            self.flags.unknown.append(tag.phrase[0])
            self.flags.unknown_stated |= self.clause.polarity != "denied"

    # ---------------------------------------------------------------- helpers

    def _is_attributive(self) -> bool:
        """Whether the word stands before its noun: "normal heart", not "heart is normal"."""
        for tag in self.tags[self.position + 1 :]:
            if tag.is_name or "blank" in tag.roles:
                return not self.clause.subjects or not self._follows_noun()
            if tag.roles & {"join", "turn", "negation", "normal", "link", "uncertain", "doubt"}:
                return False
        return False

    def _follows_noun(self) -> bool:
        """Whether the word before this one belongs to a subject: "heart [is] normal"."""
        before = self._tag_at(self.position - 1)
        return before is not None and not before.roles & {"join", "turn", "article", "blank"}

    def _describes(self, tag: Meaning) -> bool:
        """Whether a finding's word is said of a structure here: "aorta is tortuous"."""
        return "abnormal" in tag.roles and any(
            (subject.concept, tag.phrase) in self.lexicon.descriptions
            for subject in (*self.clause.subjects, *self.clause.told)
        )


Handler = Callable[[Grammar, Meaning], None]

_SCOPE_CUES: dict[str, Handler] = {
    "disbelief": Grammar._disbelief,
    "negation_after": Grammar._negation_after,
    "resolution": Grammar._resolution,
    "doubt": Grammar._doubt,
    "exclusion": Grammar._exclusion,
    "negation": Grammar._negation,
    "none": Grammar._negation,
    "exception": Grammar._exception,
    "asked": Grammar._asked,
    "uncertain": Grammar._uncertain,
}
_OTHER_CUES: dict[str, Handler] = {
    "normal": Grammar._normal,
    "abnormality": Grammar._abnormality,
    "abnormal": Grammar._abnormal,
    "unchanged": Grammar._unchanged,
    "aspect": Grammar._aspect,
    "link": Grammar._link,
    "turn": Grammar._turn,
    "join": Grammar._join,
    "blank": Grammar._blank,
}


@lru_cache(maxsize=2**12)
def _cues(roles: frozenset[str]) -> tuple[Handler | None, Handler, bool]:
    """What roles call for before and after nouns, and whether more must be looked at."""
    scope = next((handler for role, handler in _SCOPE_CUES.items() if role in roles), None)
    other = next((handler for role, handler in _OTHER_CUES.items() if role in roles), None)
    return scope, other or Grammar._other, bool(roles & {"change", "none"})
