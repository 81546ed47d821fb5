"""Is the silence of this report a silence at all? What was not understood is not silence."""

from __future__ import annotations

from collections.abc import Sequence

from semenrich_datasets.enrich.reasons import Reason
from semenrich_datasets.reading import Lexicon, Reading

# Share of words that the lexicon does not hold, from which on a report is in no known language.
_FOREIGN_SHARE = 0.4


def report_fault(
    findings: Sequence[Reading], context: Sequence[Reading], lexicon: Lexicon
) -> Reason | None:
    """Says why nothing at all may be added to a report; None where something may.

    Args:
        findings (`Sequence[Reading]`): The sentences of its findings, read.
        context (`Sequence[Reading]`): Those of its other texts.
        lexicon ([`Lexicon`]): What they were read by.

    Returns:
        [`Reason`] or `None`: `SUPERSEDED`, `OTHER_LANGUAGE`, `UNREAD` or `OTHER_KIND`.
    """
    if any(reading.superseded for reading in (*findings, *context)) or _ends_elsewhere(
        findings, lexicon
    ):
        return Reason.SUPERSEDED
    words = sum(reading.words for reading in findings)
    unknown = sum(len(reading.unknown) for reading in findings)
    if unknown > _FOREIGN_SHARE * words:
        return Reason.OTHER_LANGUAGE
    understood = [reading for reading in findings if reading.understood]
    if not understood:
        return Reason.UNREAD
    said = {assertion.concept for reading in understood for assertion in reading.assertions}
    return None if said & lexicon.region or not lexicon.region else Reason.OTHER_KIND


def _ends_elsewhere(findings: Sequence[Reading], lexicon: Lexicon) -> bool:
    """Whether the last heading of a report is of another region: an addition would stand there."""
    headings = [reading.heading for reading in findings if reading.heading]
    return bool(headings) and headings[-1] not in lexicon.region
