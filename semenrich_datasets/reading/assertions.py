"""The forms of what a sentence says: assertions, and the words that limit them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Status = Literal["present", "uncertain", "absent", "normal"]
Side = Literal["left", "right"]
Degree = Literal["slight", "moderate", "severe"]
Content = frozenset["Assertion"]

#: From the least to the most.
DEGREES: tuple[Degree, ...] = ("slight", "moderate", "severe")

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
        degree (`str`, *optional*): how much of a stated finding there is, one of `DEGREES`.
        places (`frozenset[str]`): the parts of a structure that a stated finding is in ("UPPER LOBE
            nodule").
        name (`str`): by which phrase a stated finding was named, where its concept is wider than
            one thing: "scoliosis" and "kyphosis" are both a curvature.
    """

    concept: str
    status: Status
    side: Side | None = None
    narrowing: str | None = None
    rules_out: frozenset[str] = frozenset()
    degree: Degree | None = None
    places: frozenset[str] = frozenset()
    name: str = ""

    @property
    def is_abnormal(self) -> bool:
        """Whether a healthy person's report would not say it."""
        return self.status in ("present", "uncertain")

    def __str__(self) -> str:
        """Writes it for a reader: "present left pleural_effusion (upper lobe)"."""
        words = (self.status, self.narrowing, self.side, self.name or self.concept)
        notes = [*sorted(self.places), *(f"not {name}" for name in sorted(self.rules_out))]
        text = " ".join(word for word in words if word)
        return f"{text} ({', '.join(notes)})" if notes else text


@dataclass(frozen=True)
class Modifiers:
    """Words waiting for the noun that they describe."""

    sides: frozenset[str] = frozenset()
    places: tuple[str, ...] = ()
    narrows: tuple[str, ...] = ()
    rules_out: frozenset[str] = frozenset()
    degrees: tuple[Degree, ...] = ()
    place_words: frozenset[str] = frozenset()

    def __or__(self, other: Modifiers) -> Modifiers:
        """The words of both."""
        return Modifiers(
            self.sides | other.sides,
            self.places + other.places,
            self.narrows + other.narrows,
            self.rules_out | other.rules_out,
            self.degrees + other.degrees,
            self.place_words | other.place_words,
        )

    def assertion(self, concept: str, status: Status) -> Assertion:
        """The assertion about a concept that these words describe."""
        side = one_side(self.sides)
        if status in ("absent", "normal"):
            narrowing = next(iter((*self.places, *self.narrows)), None)
            return Assertion(concept, status, side, narrowing)
        degree = next(iter(self.degrees), None)
        return Assertion(concept, status, side, None, self.rules_out, degree, self.place_words)

    def located(self, said: Assertion) -> Assertion:
        """A stated finding, with the side, place and degree words that came behind it."""
        return replace(
            said,
            side=said.side or one_side(self.sides),
            degree=said.degree or next(iter(self.degrees), None),
            places=said.places or self.place_words,
        )

    def without_place(self) -> Modifiers:
        """The words that are left when side and place have been given away."""
        return replace(self, sides=frozenset(), places=(), place_words=frozenset())


@dataclass(frozen=True)
class Subject:
    """A structure that still waits for what is said of it."""

    concept: str
    modifiers: Modifiers
    after_denial: bool = False


def one_side(sides: frozenset[str]) -> Side | None:
    """The side that "left" and "right" words limit a statement to; None for both or neither."""
    if sides == {"left"}:
        return "left"
    return "right" if sides == {"right"} else None
