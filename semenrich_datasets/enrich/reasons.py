"""Why a sentence does not join a report: every reason there is, with its meaning in words."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """One reason; a string, so that it compares, prints and saves as one.

    The rules give the first that applies, in this order.
    """

    CONTRADICTS = "contradicts"
    REDUNDANT = "redundant"
    PRIOR = "prior"
    IDENTIFYING = "identifying"
    NOT_UNDERSTOOD = "not_understood"
    NOT_NORMAL = "not_normal"
    HEDGES = "hedges"
    LEFT_OPEN = "left_open"
    AT_ISSUE = "at_issue"
    SAYS_LESS = "says_less"
    REPEATS = "repeats"
    UNSUPPORTED = "unsupported"
    UNLIKELY = "unlikely"
    NEVER_TOGETHER = "never_together"
    ENOUGH = "enough"
    UNREAD = "unread"
    OTHER_LANGUAGE = "other_language"
    OTHER_KIND = "other_kind"
    SUPERSEDED = "superseded"
    IMAGE = "image"
    UNDECIDED = "undecided"
    LEFT_OUT = "left_out"

    @property
    def meaning(self) -> str:
        """What it means, for a reader who has not seen the code."""
        return _MEANINGS[self]


_MEANINGS = {
    Reason.CONTRADICTS: "The report, or another column of the study, says or implies otherwise.",
    Reason.REDUNDANT: "The report says it already, or an addition made before does.",
    Reason.PRIOR: "It speaks of another study, of change over time, or depends on its context.",
    Reason.IDENTIFYING: "It could recognize a patient: digits, names, blanks, words out of place.",
    Reason.NOT_UNDERSTOOD: "It was not fully understood.",
    Reason.NOT_NORMAL: "A healthy person's report would not say it.",
    Reason.HEDGES: "It denies only a degree, such as no large effusion, and leaves the rest open.",
    Reason.LEFT_OPEN: "The report touches on it, such as stable heart, without saying it.",
    Reason.AT_ISSUE: "The history, or what is stated, makes it the question: silence is no answer.",
    Reason.SAYS_LESS: "The author denied only a part of it, such as no large effusion.",
    Reason.REPEATS: "A part of it is said already.",
    Reason.UNSUPPORTED: "Too few patients hold it.",
    Reason.UNLIKELY: "Who is silent on it may have a reason: its score is below the threshold.",
    Reason.NEVER_TOGETHER: "No report of the corpus holds it beside an addition made before.",
    Reason.ENOUGH: "The report has as many additions as were asked for.",
    Reason.UNREAD: "No sentence of the report was understood, so its silence says nothing.",
    Reason.OTHER_LANGUAGE: "Most words of the report are in no lexicon: another language, perhaps.",
    Reason.OTHER_KIND: "Reports like this one never speak of it: it is a study of another kind.",
    Reason.SUPERSEDED: "The report was changed later, or goes on under another heading.",
    Reason.IMAGE: "The study's image does not show it.",
    Reason.UNDECIDED: "A guard could not decide on it.",
    Reason.LEFT_OUT: "The rules accept it; a guard of the user's own left it out.",
}
