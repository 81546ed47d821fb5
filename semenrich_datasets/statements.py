"""The forms of what a sentence says: assertions, and the words that limit them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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

    def __or__(self, other: Modifiers) -> Modifiers:
        """The words of both."""
        return Modifiers(
            self.sides | other.sides,
            self.places + other.places,
            self.narrows + other.narrows,
            self.rules_out | other.rules_out,
        )

    def assertion(self, concept: str, status: Status) -> Assertion:
        """The assertion about a concept that these words describe."""
        denied = status in ("absent", "normal")
        narrowing = next(iter((*self.places, *self.narrows)), None) if denied else None
        rules_out = self.rules_out if not denied else frozenset[str]()
        return Assertion(concept, status, one_side(self.sides), narrowing, rules_out)


@dataclass(frozen=True)
class Subject:
    """A structure that still waits for what is said of it."""

    concept: str
    modifiers: Modifiers
    after_denial: bool = False


def one_side(sides: frozenset[str]) -> Literal["left", "right"] | None:
    """The side that "left" and "right" words limit a statement to; None for both or neither."""
    if sides == {"left"}:
        return "left"
    return "right" if sides == {"right"} else None
