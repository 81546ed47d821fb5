"""What a report states: the abnormal assertions of its sentences, gathered into findings."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from semenrich_datasets.reading.assertions import DEGREES, Assertion, Side
from semenrich_datasets.reading.lexicon import Lexicon
from semenrich_datasets.reading.lexicon_entries import ANYTHING, tokenize
from semenrich_datasets.reading.reader import Reading

SIDES: tuple[Side, ...] = ("left", "right")

# Numbers without a unit are taken too, so that none of them is begun with again.
_MEASURE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:(?:x|by|×|-|to)\s*[\d.]+\s*)*(?:([cm]m)\b)?")


@dataclass(frozen=True)
class StatedFinding:
    """One finding of a report.

    Args:
        concept (`str`): what it is.
        certain (`bool`): whether it is stated without doubt.
        sides (`frozenset[str]`): of "left" and "right"; empty where none is said.
        levels (`frozenset[str]`): of "upper", "middle" and "lower"; empty where none is said.
        degree (`int`, *optional*): its place in `DEGREES`.
        size (`float`, *optional*): in mm.
    """

    concept: str
    certain: bool = True
    sides: frozenset[Side] = frozenset()
    levels: frozenset[str] = frozenset()
    degree: int | None = None
    size: float | None = None

    def __or__(self, other: StatedFinding) -> StatedFinding:
        """The same finding, by what both say of it; of two degrees or sizes the greater holds."""
        degrees = [one for one in (self.degree, other.degree) if one is not None]
        sizes = [one for one in (self.size, other.size) if one is not None]
        return StatedFinding(
            self.concept,
            self.certain or other.certain,
            self.sides | other.sides,
            self.levels | other.levels,
            max(degrees, default=None),
            max(sizes, default=None),
        )

    def __str__(self) -> str:
        """Writes it for a reader: "slight left pleural_effusion (lower, 20 mm)"."""
        doubt = [] if self.certain else ["uncertain"]
        degree = [] if self.degree is None else [DEGREES[self.degree]]
        sides = ["bilateral"] if len(self.sides) > 1 else sorted(self.sides)
        notes = sorted(self.levels) + ([] if self.size is None else [f"{self.size:g} mm"])
        text = " ".join([*doubt, *degree, *sides, self.concept])
        return f"{text} ({', '.join(notes)})" if notes else text


def stated_findings(readings: Iterable[Reading], lexicon: Lexicon) -> list[StatedFinding]:
    """Gathers what sentences state; their order and repetition do not count.

    Findings of one name are one where side and level allow it: "Effusion." and "Small left
    effusion." are one finding, a left and a right one are two.

    Args:
        readings (`Iterable[Reading]`): The sentences of a report.
        lexicon (`Lexicon`): That they were read by.

    Returns:
        `list[StatedFinding]`: In a fixed order.
    """
    return gather_findings(one for reading in readings for one in _of_sentence(reading, lexicon))


def gather_findings(found: Iterable[StatedFinding]) -> list[StatedFinding]:
    """Puts statements of one thing together, in a fixed order, as [`stated_findings`] says."""
    # What is said most exactly comes first; what is said loosely joins it.
    order = sorted(set(found), key=lambda one: (not one.sides, not one.levels, str(one)))
    gathered: list[StatedFinding] = []
    for one in order:
        row = next((row for row, other in enumerate(gathered) if _are_one(one, other)), None)
        if row is None:
            gathered.append(one)
        else:
            gathered[row] |= one
    return gathered


def sides_of(finding: Assertion, reading: Reading, lexicon: Lexicon) -> list[Side]:
    """Gives the side of a stated finding, or those of its sentence that no other finding has.

    "Left and right effusions" are two. "Opacity in the left lung": what is wrong with a structure
    is where the finding is.

    Args:
        finding (`Assertion`): One that is stated.
        reading (`Reading`): Its sentence.
        lexicon (`Lexicon`): That it was read by.

    Returns:
        `list[str]`: Of "left" and "right"; empty where no side is said.
    """
    if finding.side is not None:
        return [finding.side]
    others = [one for one in reading.assertions if one.concept not in lexicon.structures]
    placed = finding.concept in lexicon.structures and all(one.side for one in others)
    taken = set() if placed else {one.side for one in others}
    return [side for side in SIDES if side in reading.sides - taken]


def measured(text: str) -> float | None:
    """Gives the largest measure of a sentence, in mm.

    Example:
        ```python
        >>> measured("a 2.5 x 1 cm nodule")
        25.0
        ```
    """
    sizes = [
        float(number) * (10 if unit == "cm" else 1)
        for number, unit in _MEASURE.findall(text)
        if unit
    ]
    return max(filter(math.isfinite, sizes), default=0.0) or None


def kinship(one: str, other: str, lexicon: Lexicon) -> int | None:
    """Gives how far two concepts are from each other.

    Args:
        one (`str`): A concept.
        other (`str`): Another.
        lexicon (`Lexicon`): Of both.

    Returns:
        `int` or `None`: 0 for the same, 1 where one is a kind or a part of the other, 2 where both
        are kinds of a third or one suggests the other, None for strangers.
    """
    if one == other:
        return 0
    if other in lexicon.below[one] or one in lexicon.below[other]:
        return 1
    findings = lexicon.findings
    suggested = any(
        b in findings[a].suggests for a, b in ((one, other), (other, one)) if a in findings
    )
    return 2 if suggested or lexicon.families[one] & lexicon.families[other] else None


def _of_sentence(reading: Reading, lexicon: Lexicon) -> list[StatedFinding]:
    """The findings that one sentence states.

    A structure stands for a finding where it is certain and nothing else is named: doubt about a
    structure places a finding, or says that it could not be seen.
    """
    said = [one for one in reading.assertions if one.is_abnormal and one.concept in lexicon.numbers]
    named = [one for one in said if one.concept in lexicon.findings]
    named = named or [one for one in said if one.status == "present" and one.concept != ANYTHING]
    if not named:
        return []
    words = tokenize(reading.text)
    if not lexicon.change_words.isdisjoint(words) and _denies_growth(reading, lexicon):
        return []
    bilateral = not lexicon.both_words.isdisjoint(words)
    size = measured(reading.text) if len(named) == 1 else None
    return [
        StatedFinding(
            concept=one.concept,
            certain=one.status == "present",
            sides=_sides(one, reading, lexicon, bilateral=bilateral),
            levels=frozenset(
                lexicon.place_levels[word] for word in one.places if word in lexicon.place_levels
            ),
            degree=None if one.degree is None else DEGREES.index(one.degree),
            size=size,
        )
        for one in named
    ]


def _sides(
    one: Assertion, reading: Reading, lexicon: Lexicon, *, bilateral: bool
) -> frozenset[Side]:
    finding = lexicon.findings.get(one.concept)
    if one.side is not None or (finding is not None and finding.device):
        return frozenset(cast(list[Side], [one.side] if one.side else []))
    return frozenset(SIDES if bilateral else sides_of(one, reading, lexicon))


def _denies_growth(reading: Reading, lexicon: Lexicon) -> bool:
    """Whether it says no more than "no enlarging effusion": there may be one, or not."""
    state = ""
    denies = False
    for tag in lexicon.tag(reading.text):
        if "negation" in tag.roles:
            state = "denied"
        elif state == "denied" and "change" in tag.roles:
            state = "grown"
        elif state == "grown" and tag.findings:
            denies = True
        elif tag.roles & {"turn", "preposition"}:
            if denies and "turn" in tag.roles:
                return False
            state = ""
    return denies


def _are_one(one: StatedFinding, other: StatedFinding) -> bool:
    """Whether two statements of a report speak of one thing."""
    meet = _may_meet(one.sides, other.sides) and _may_meet(one.levels, other.levels)
    return one.concept == other.concept and meet


def _may_meet(one: frozenset[str], other: frozenset[str]) -> bool:
    return one == other or not one or not other
