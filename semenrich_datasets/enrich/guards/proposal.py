"""The form that every guard has: proposals in, reasons out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Proposal:
    """One sentence proposed for one report.

    Args:
        sentence (`str`): the sentence that would be added.
        findings (`str`): the report's own findings text.
        context (`str`): what else is known of the study: impression, indication.
        image (`Any`, *optional*): the study's image, for guards that look at it.
    """

    sentence: str
    findings: str
    context: str
    image: Any = None


class Guard(Protocol):
    """A callable that says, for each proposal, why it is refused, or None where it is not."""

    def __call__(self, proposals: Sequence[Proposal]) -> list[str | None]:
        """One short constant reason (or None) per proposal, in order."""
        ...


def batches(items: list[Any], size: int) -> Iterator[list[Any]]:
    """Yields the items in lists of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def device() -> str:
    """Gives the device that models run on: a GPU where there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
