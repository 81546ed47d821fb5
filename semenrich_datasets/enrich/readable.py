"""Is the silence of this report a silence at all? What was not understood is not silence."""

from __future__ import annotations

from collections.abc import Sequence

from semenrich_datasets.enrich.reasons import Reason
from semenrich_datasets.reading import Assertion, Lexicon, Reading

# Share of words that the lexicon does not hold, from which on a report is in no known language.
_FOREIGN_SHARE = 0.4


# A sentence of no more words is a heading: it may name the study.
_HEADING_WORDS = 4


def report_fault(
    findings: Sequence[Reading], context: Sequence[Reading], exam: Reading, lexicon: Lexicon
) -> Reason | None:
    """Says why nothing at all may be added to a report; None where something may.

    Args:
        findings (`Sequence[Reading]`): The sentences of its findings, read.
        context (`Sequence[Reading]`): Those of its other texts.
        exam ([`Reading`]): What kind of study it is; of an empty text where that is unknown.
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
    return None if _is_of_kind(findings, exam, lexicon) else Reason.OTHER_KIND


def _is_of_kind(findings: Sequence[Reading], exam: Reading, lexicon: Lexicon) -> bool:
    """Whether a report is of the kind that the lexicon is for.

    It says something that is understood of the lexicon's region, in more sentences than those that
    name what is out of view, and neither its exam nor a heading of it names another kind of study.
    """
    headings = [reading for reading in findings if reading.words <= _HEADING_WORDS]
    if exam.names_elsewhere or any(one.names_other_study for one in (exam, *headings)):
        return False
    if exam.names_outside and lexicon.names_studies and not exam.names_study:
        return False  # "shoulder", "abdomen"
    inside = sum(
        reading.understood and any(_names_region(said, lexicon) for said in reading.assertions)
        for reading in findings
    )
    elsewhere = sum(reading.names_elsewhere for reading in findings)
    return not lexicon.region or inside > elsewhere


def _names_region(said: Assertion, lexicon: Lexicon) -> bool:
    """Whether it speaks of the region; "normal examination" does not say of which it is."""
    sums_up = said.concept in lexicon.summaries and said.narrowing is None
    return said.concept in lexicon.region and not sums_up


def _ends_elsewhere(findings: Sequence[Reading], lexicon: Lexicon) -> bool:
    """Whether the last heading of a report is of another region: an addition would stand there."""
    headings = [reading.heading for reading in findings if reading.heading]
    return bool(headings) and headings[-1] not in lexicon.region
