"""How far a denial reaches: what opens it, what ends it, and what takes it back.

A denial holds for a list ("no effusion, consolidation or pneumothorax") and ends where something
is said in its own right: behind a comma with a degree, side, change or verb ("no effusion, left
basilar atelectasis"), behind "and a", a dash, or a preposition ("no shift from the effusion"). To
deny a change, or that something has resolved, states the thing. In doubt the denial has ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from semenrich_datasets.reading.assertions import DEGREES, UNNAMED, Assertion
from semenrich_datasets.reading.lexicon import Lexicon
from semenrich_datasets.reading.lexicon_entries import Meaning
from semenrich_datasets.reading.scope import Clause, Scope

# Phrases before a word among which what limits it is looked for.
_REACH = 7
_BREAKS = frozenset({"join", "turn", "exception", "asked"})
_SIDES = frozenset({"left", "right", "both"})
# Marks behind which a label's answer stands ("Effusion: none").
_LABEL_MARKS = frozenset(":-–—=(")
_ADJECTIVE_ENDINGS = ("ary", "al", "ic", "ous", "ed", "ar", "ive")


class Denials(Scope):
    """Opens, ends and takes back denials; made anew for each sentence.

    Args:
        lexicon (`Lexicon`): what the words mean.
        tags (`list[Meaning]`): the sentence's phrases.
    """

    def __init__(self, lexicon: Lexicon, tags: list[Meaning]) -> None:
        super().__init__(lexicon)
        self.tags = tags
        self.position = 0

    # ------------------------------------------------------------------ opens

    def _negation(self, tag: Meaning) -> None:
        clause = self.clause
        if self._doubles():  # "not without effusion", "effusion is not absent"
            clause.polarity, clause.denial_is_empty = "affirmed", False
            return
        if self._said() and (self._is_answer(self.position) or self._is_before_closing()):
            self._deny_said()  # "effusion: none", "effusion was not seen"
            return
        self.resolve_open()
        self._note_blank_subject()
        clause.polarity, clause.uncertain, clause.asked = "denied", False, False
        clause.denial_is_empty = True
        clause.joined = False

    def _doubles(self) -> bool:
        """Whether this negation follows another at once."""
        clause = self.clause
        if clause.polarity != "denied" or not clause.denial_is_empty:
            return False
        for tag in self._before():
            if "negation" in tag.roles:
                return True
            if not tag.roles & {"filler", "link", "closing"}:
                return False
        return False

    def _negation_after(self, tag: Meaning) -> None:
        if self.clause.polarity == "denied" and self.clause.denial_is_empty:
            self.clause.polarity = "affirmed"
            return
        if len(self.assertions) == self.clause.first:
            self.clause.polarity, self.clause.denial_is_empty = "denied", True  # "not seen: ..."
            return
        self._deny_said()

    def _deny_said(self) -> None:
        """Denies what the clause states; where that is health, doubts it."""
        praised = not self._said()
        for index in range(self.clause.first, len(self.assertions)):
            said = self.assertions[index]
            if said.is_abnormal:
                denied = Assertion(said.concept, "absent", said.side)
                self.assertions[index] = self._as_normal(denied)
            elif praised:  # "normal lungs are not seen"
                self.assertions[index] = replace(said, status="uncertain")

    def _as_normal(self, denied: Assertion) -> Assertion:
        finding = self.lexicon.findings.get(denied.concept)
        if denied.concept in self.lexicon.structures:
            return replace(denied, status="normal")
        if finding is not None and finding.denied_is_normal and len(finding.of) == 1:
            return replace(denied, concept=finding.of[0], status="normal")
        return denied

    # ------------------------------------------------------------- takes back

    def _resolution(self, tag: Meaning) -> None:
        """Resolved: denies the thing; not, hardly or half resolved: states it."""
        self.flags.compares = True
        clause = self.clause
        partial = any("partial" in one.roles for one in self._before())
        following = self._tag_at(self.position + 1)
        partial |= following is not None and "partial" in following.roles
        if self._finding_ahead() and not any("link" in one.roles for one in self._before(1)):
            self._resolution_of(partial=partial)
            return
        if self._said() or len(self.assertions) > clause.first:
            if clause.polarity == "denied":
                self._state_denied()
            elif not partial:
                self._deny_said()
            clause.polarity = "affirmed"
            return
        self._resolution_of(partial=partial)

    def _resolution_of(self, *, partial: bool) -> None:
        """Resolution of what is named next."""
        clause = self.clause
        if clause.polarity == "denied" and not clause.denial_is_empty:
            return
        if partial or clause.polarity == "denied":
            clause.polarity, clause.denial_is_empty = "affirmed", False
        else:
            clause.polarity, clause.denial_is_empty = "denied", True

    def _state_denied(self) -> None:
        """States what the clause denies: "no evidence that the effusion has resolved"."""
        for index in range(self.clause.first, len(self.assertions)):
            said = self.assertions[index]
            if said.status == "absent":
                self.assertions[index] = replace(said, status="present", narrowing=None)
            elif said.status == "normal":
                self.assertions[index] = replace(said, status="uncertain", narrowing=None)

    def _change(self, tag: Meaning) -> None:
        """A change denied says that there is something that could have changed."""
        self.flags.compares = True
        clause = self.clause
        if not clause.denial_is_empty:
            self._state_denied()  # "no effusion increase"
        clause.polarity, clause.denial_is_empty = "affirmed", False
        clause.attribute = None

    def _is_change_denied(self, tag: Meaning) -> bool:
        clause = self.clause
        if "change" not in tag.roles or clause.polarity != "denied":
            return False
        if clause.denial_is_empty:
            # "no enlargement of the heart" denies, "no enlargement of the nodule" does not.
            if self._finding_ahead():
                return True
            following = self._tag_at(self.position + 1)
            if "abnormality" in tag.roles:  # "no acute CHANGE"
                return following is not None and "preposition" in following.roles
            return not ("abnormal" in tag.roles or tag.findings)
        return not clause.joined and not self._finding_ahead()

    def _exclusion(self, tag: Meaning) -> None:
        """Excluded: denies the thing; not, hardly or impossible to exclude: doubts it."""
        before = list(self._before())
        able = not any(one.roles & {"negation", "inability"} for one in before)
        if able and self._said() and before and before[0].roles & {"link", "sure"}:
            self._deny_said()
        elif able and "asked" in tag.roles and all("filler" in one.roles for one in before):
            self._asked(tag)  # "rule out pneumonia"
        elif (
            able
            and before
            and all(one.roles & {"leaning", "article", "filler", "sure"} for one in before)
        ):
            self.clause.polarity, self.clause.denial_is_empty = "denied", True  # "CT rules out"
        else:
            self._doubt(tag)

    def _doubt(self, tag: Meaning) -> None:
        clause = self.clause
        clause.polarity, clause.uncertain, clause.denial_is_empty = "affirmed", True, False
        for name in clause.asked_about:
            self.assertions.append(Assertion(name, "uncertain"))
        clause.asked, clause.asked_about = False, []
        first = clause.first
        if len(self.assertions) == first and not self._finding_ahead():
            first = 0  # "no pneumonia, but it cannot be excluded"
        for index in range(first, len(self.assertions)):
            said = self.assertions[index]
            self.assertions[index] = replace(said, status="uncertain", narrowing=None)

    def _asked(self, tag: Meaning) -> None:
        self._turn(tag)
        self.clause.asked = True

    def _exception(self, tag: Meaning) -> None:
        self._turn(tag)
        self.flags.exception = True

    def _disbelief(self, tag: Meaning) -> None:
        self.flags.disbelieved = True

    # ------------------------------------------------------------------- ends

    def _turn(self, tag: Meaning) -> None:
        if tag.phrase[0] in _LABEL_MARKS and self._said() and self._is_answer(self.position + 1):
            return
        empty = self.clause.polarity == "denied" and self.clause.denial_is_empty
        if tag.phrase == (":",) and empty:  # "negative for: ..."
            return
        # "lungs with ..." and "LUNGS: ..." speak of the lungs; "lungs; ..." does not.
        label = self._is_label(tag)
        self.flags.labelled |= label
        carries_over = label or (tag.phrase[0].isalpha() and not self.clause.told)
        subjects = self.clause.subjects if carries_over else []
        self.end_clause(final=False)
        self.clause = Clause(first=len(self.assertions), subjects=subjects)

    def _join(self, tag: Meaning) -> None:
        clause = self.clause
        self.place_last()
        if clause.abnormality is not None:
            self.resolve_open()
        clause.joined = True
        if clause.polarity == "denied" and self._ends_denial(tag):
            clause.polarity = "affirmed"
            clause.told = []

    def _ends_denial(self, tag: Meaning) -> bool:
        """Whether what follows a comma or a conjunction is said in its own right."""
        if "alternative" in tag.roles:
            return False
        if self.clause.denial_is_empty:  # "without a lateral view, ..."
            return any(one.roles & {"leaning"} or _is_thing(one) for one in self._before())
        item = list(self._ahead())
        if not item:
            return False
        if "negation" in item[0].roles:
            return False
        own = frozenset().union(*(one.roles for one in item))
        before = self._tag_at(self.position - 1)
        if before is not None and "closing" in before.roles and tag.phrase == (",",):
            return True
        if own & {"link", "turn", "uncertain"}:
            return True
        if tag.phrase == (",",) and self._is_list():
            return False
        placed = any(self.lexicon.narrowings[name].place for one in item for name in one.narrows)
        told = {"article", "prior", "change", "quantity", "abnormal", *DEGREES} | _SIDES
        eased = any(one.rules_out and not one.narrows for one in item)
        measured = any(one.phrase[0][0].isdigit() for one in item)  # "no effusion, mass 3 cm"
        return bool(own & told) or placed or eased or measured or self._is_seen(item)

    def _is_seen(self, item: list[Meaning]) -> bool:
        """Whether a verb of seeing is said of the item: "atelectasis NOTED", not "VISIBLE air"."""
        last = max((i for i, one in enumerate(item) if one.findings or one.structures), default=-1)
        return any("closing" in one.roles for one in item[last + 1 :])

    def _is_list(self) -> bool:
        """Whether an "or" comes before the denial ends: "no A, large B, or C"."""
        noun = False
        for one in self.tags[self.position + 1 :]:
            if "alternative" in one.roles:
                return True
            if one.roles & {"turn", "link", "negation", "exception"}:
                return False
            if noun and "closing" in one.roles:
                return False
            noun = bool(one.findings or one.structures)
        return False

    def _stands_alone(self, tag: Meaning) -> bool:
        """Whether a finding under a denial is not denied: "no shift from the pneumothorax".

        So it is where no conjunction leads to it from what was denied before, or where it is only
        what something denied would belong to.
        """
        between = list(self._since_finding())
        if any("uncertain" in one.roles and "preposition" not in one.roles for one in between):
            return False  # "no opacity to suggest pneumonia"
        if self.clause.denial_is_empty:
            return self._is_of_something_denied(between)
        if any("join" in one.roles for one in between):
            return False
        if any("preposition" in one.roles for one in between):
            return True
        return not (self._is_list() or self._follows_adjective() or self._is_kind_of_last(tag))

    def _follows_adjective(self) -> bool:
        """Whether the finding before is said of this one, by its form: "CAVITARY nodule"."""
        before = self._tag_at(self.position - 1)
        return (
            before is not None
            and bool(before.findings)
            and before.phrase[-1].endswith(_ADJECTIVE_ENDINGS)
        )

    def _is_of_something_denied(self, between: list[Meaning]) -> bool:
        """Whether something of the finding is denied: "no SPICULATION OF the nodule"."""
        last = next((i for i, one in enumerate(between) if "preposition" in one.roles), None)
        if last is None:
            return False
        head = [one for one in between[last:] if "preposition" not in one.roles]
        if any(_is_thing(one) for one in head):
            return True
        definite = any("article" in one.roles for one in between[:last])
        return definite and any("inside" in one.roles for one in between)

    def _is_kind_of_last(self, tag: Meaning) -> bool:
        """Whether a finding only says the last one in another word: "no mass lesion"."""
        last = self.assertions[-1].concept if self.assertions else ""
        below = self.lexicon.below
        return any(
            name in below.get(last, ()) or last in below.get(name, ()) for name in tag.findings
        )

    # ---------------------------------------------------------------- helpers

    def _said(self) -> bool:
        """Whether the clause states something."""
        return any(said.is_abnormal for said in self.assertions[self.clause.first :])

    def _note_blank_subject(self) -> None:
        only_blank = {subject.concept for subject in self.clause.subjects} == {UNNAMED}
        if only_blank and not self._follows_link():  # "a XXXX in place, without effusion"
            self.flags.unclear = True

    def _follows_link(self) -> bool:
        """Whether a verb stands before this word, modifiers aside."""
        for tag in reversed(self.tags[: self.position]):
            if tag.structures or tag.findings or tag.roles & {"join", "turn", "blank"}:
                return False
            if "link" in tag.roles:
                return True
        return False

    def _tag_at(self, position: int) -> Meaning | None:
        return self.tags[position] if 0 <= position < len(self.tags) else None

    def _before(self, reach: int = _REACH) -> Iterator[Meaning]:
        """Yields the phrases before this one, nearest first, back to where the clause began."""
        for tag in reversed(self.tags[max(0, self.position - reach) : self.position]):
            if tag.roles & _BREAKS:
                return
            yield tag

    def _since_finding(self) -> Iterator[Meaning]:
        """Yields the phrases before this one, nearest first, back to a finding or a denial."""
        for tag in reversed(self.tags[: self.position]):
            if tag.findings or tag.roles & {"negation", "turn"}:
                return
            yield tag

    def _ahead(self) -> Iterator[Meaning]:
        """Yields the phrases behind this one, up to the next comma or turn."""
        for tag in self.tags[self.position + 1 :]:
            if tag.roles & (_BREAKS - {"turn"}):
                return
            if "turn" in tag.roles:
                if tag.phrase[0].isalpha():
                    yield tag
                return
            yield tag

    def _finding_ahead(self) -> bool:
        """Whether a finding comes before a structure and before the clause ends."""
        for tag in self._ahead():
            if tag.findings:
                return True
            if tag.structures:
                return False
        return False

    def _is_answer(self, position: int) -> bool:
        """Whether a word answers what stands before it: "effusion: none"."""
        tag, following = self._tag_at(position), self._tag_at(position + 1)
        if tag is None or "none" not in tag.roles:
            return False
        return following is None or bool(following.roles & _BREAKS)

    def _is_before_closing(self) -> bool:
        """Whether "not" stands before a verb of seeing: "was not definitely seen"."""
        for tag in self.tags[self.position + 1 :]:
            if "closing" in tag.roles:
                return True
            if not tag.roles & {"sure", "link"}:
                return False
        return False

    def _is_label(self, tag: Meaning) -> bool:
        """Whether a colon or dash makes a label of the structures before it."""
        clause = self.clause
        bare = clause.polarity == "affirmed" and len(self.assertions) == clause.first
        return tag.phrase[0] in _LABEL_MARKS and bare and bool(clause.subjects) and not clause.told


def _is_thing(tag: Meaning) -> bool:
    """Whether a word between a denial and a preposition is what is denied: "no SPICULATION of"."""
    if tag.roles & {"evidence", "blank"} or tag.narrows or tag.structures or tag.adjective_of:
        return False
    named = bool(tag.roles & {"abnormal", "abnormality", "change", "thing"} or tag.rules_out)
    return named or (not tag.roles and tag.phrase[0].isalpha())
