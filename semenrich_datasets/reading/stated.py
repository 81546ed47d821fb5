"""What a report states: the abnormal assertions of its sentences, gathered into findings.

One thing on the image is often named more than once: "opacity at the left base, which may be
pneumonia or atelectasis", and again in the impression. It counts once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from semenrich_datasets.reading.assertions import DEGREES, Assertion, Side
from semenrich_datasets.reading.lexicon import Lexicon
from semenrich_datasets.reading.lexicon_entries import ANYTHING, tokenize
from semenrich_datasets.reading.reader import Reading

SIDES: tuple[Side, ...] = ("left", "right")

_MEASURE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:(?:x|by|×|-|to)\s*[\d.]+\s*)*([cm]m)\b")


@dataclass(frozen=True)
class StatedFinding:
    """One finding of a report, by all the names that the report has for it.

    Args:
        names (`frozenset[str]`): concepts that name it: what it is, and what it may be.
        certain (`bool`): whether one of them is stated without doubt.
        sides (`frozenset[str]`): of "left" and "right"; empty where none is said.
        levels (`frozenset[str]`): of "upper", "middle" and "lower"; empty where none is said.
        degree (`int`, *optional*): its place in `DEGREES`.
        size (`float`, *optional*): in mm.
    """

    names: frozenset[str]
    certain: bool
    sides: frozenset[str] = frozenset()
    levels: frozenset[str] = frozenset()
    degree: int | None = None
    size: float | None = None

    def __or__(self, other: StatedFinding) -> StatedFinding:
        """The same finding, by what both say of it; of two degrees or sizes the greater holds."""
        degrees = [one for one in (self.degree, other.degree) if one is not None]
        sizes = [one for one in (self.size, other.size) if one is not None]
        return StatedFinding(
            self.names | other.names,
            self.certain or other.certain,
            self.sides | other.sides,
            self.levels | other.levels,
            max(degrees, default=None),
            max(sizes, default=None),
        )

    def __str__(self) -> str:
        """Writes it for a reader: "slight left pleural_effusion (lower, 20 mm)"."""
        both = ["bilateral"] if len(self.sides) > 1 else sorted(self.sides)
        degree = [] if self.degree is None else [DEGREES[self.degree]]
        notes = sorted(self.levels) + ([] if self.size is None else [f"{self.size:g} mm"])
        words = [*([] if self.certain else ["uncertain"]), *degree, *both, "/".join(self._sorted())]
        return " ".join(words) + (f" ({', '.join(notes)})" if notes else "")

    def _sorted(self) -> list[str]:
        return sorted(self.names)


def stated_findings(readings: Iterable[Reading], lexicon: Lexicon) -> list[StatedFinding]:
    """Gathers what sentences state; their order and repetition do not count.

    Args:
        readings (`Iterable[Reading]`): The sentences of a report.
        lexicon (`Lexicon`): That they were read by.

    Returns:
        `list[StatedFinding]`: In a fixed order.
    """
    distinct = {reading.text: reading for reading in readings}
    found = {one for reading in distinct.values() for one in _of_sentence(reading, lexicon)}
    # What is said most exactly comes first; what is said loosely joins it.
    waiting = sorted(found, key=lambda one: (not one.sides, not one.levels, str(one)))
    gathered: list[StatedFinding] = []
    while waiting:
        one = waiting.pop(0)
        joined = next((row for row in gathered if _are_one(row, one, lexicon)), None)
        if joined is None:
            gathered.append(one)
        else:
            gathered.remove(joined)
            waiting.insert(0, joined | one)
    return sorted(gathered, key=str)


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
    sizes = [float(number) * (10 if unit == "cm" else 1) for number, unit in _MEASURE.findall(text)]
    return max(sizes, default=None) or None


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
    if lexicon.families[one] & lexicon.families[other]:
        return 2
    near = (lexicon.findings[name].suggests for name in (one, other) if name in lexicon.findings)
    return 2 if {one, other} & {name for names in near for name in names} else None


def _of_sentence(reading: Reading, lexicon: Lexicon) -> list[StatedFinding]:
    """The findings that one sentence states.

    A structure stands for a finding where nothing else is named. What may be there, beside what
    is there and akin to it, is another name for that.
    """
    said = [one for one in reading.assertions if one.is_abnormal and one.concept in lexicon.numbers]
    named = [one for one in said if one.concept in lexicon.findings]
    named = named or [one for one in said if one.concept != ANYTHING]
    found: list[StatedFinding] = []
    for assertion in named:
        one = _stated(assertion, reading, lexicon)
        row = _explained(one, found, lexicon)
        if row is None:
            found.append(one)
        else:
            found[row] = replace(found[row], names=found[row].names | one.names)
    if len(found) == 1:
        found = [replace(found[0], size=measured(reading.text))]
    return found


def _explained(one: StatedFinding, found: Sequence[StatedFinding], lexicon: Lexicon) -> int | None:
    """The finding of the same sentence that an uncertain one may be an explanation of."""
    if one.certain:
        return None
    for row, other in enumerate(found):
        akin = any(kinship(a, b, lexicon) is not None for a in one.names for b in other.names)
        if akin and _may_meet(one.sides, other.sides):
            return row
    return None


def _stated(assertion: Assertion, reading: Reading, lexicon: Lexicon) -> StatedFinding:
    sides = frozenset(sides_of(assertion, reading, lexicon))
    if not sides and not lexicon.both_words.isdisjoint(tokenize(reading.text)):
        sides = frozenset(SIDES)
    levels = lexicon.place_levels
    return StatedFinding(
        names=frozenset({assertion.concept}),
        certain=assertion.status == "present",
        sides=sides,
        levels=frozenset(levels[word] for word in assertion.places if word in levels),
        degree=None if assertion.degree is None else DEGREES.index(assertion.degree),
    )


def _are_one(one: StatedFinding, other: StatedFinding, lexicon: Lexicon) -> bool:
    """Whether two statements of a report speak of one thing.

    The same on both sides is one bilateral finding, if no degree or size sets them apart. A
    more general name is another name of the same, if it can be in the same place.
    """
    if one.names & other.names:
        alike = (one.degree, one.size) == (other.degree, other.size)
        return alike or _may_meet(one.sides, other.sides)
    general = any(kinship(a, b, lexicon) == 1 for a in one.names for b in other.names)
    same_place = _may_meet(one.sides, other.sides) and _may_meet(one.levels, other.levels)
    return general and same_place


def _may_meet(one: frozenset[str], other: frozenset[str]) -> bool:
    return one == other or not one or not other
