"""May this sentence join this report? The reason why not, or None."""

from __future__ import annotations

from collections.abc import Sequence
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
