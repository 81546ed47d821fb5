"""May this sentence join this report? The reason why not, or None.

The rules compare what the sentence asserts with what the report's sentences assert; other guards
(a language model, the image) are plain callables of the same form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from operator import or_
from typing import Any, Protocol

from semenrich_datasets.assertions import Reading, read_sentence
from semenrich_datasets.entailment import Logic
from semenrich_datasets.lexicon import Lexicon
from semenrich_datasets.sentences import split_sentences

CONTRADICTS = "contradicts"
REDUNDANT = "redundant"
PRIOR = "prior"
IDENTIFYING = "identifying"
NOT_UNDERSTOOD = "not_understood"
UNSUPPORTED = "unsupported"
REFUSALS = (CONTRADICTS, REDUNDANT, PRIOR, IDENTIFYING, NOT_UNDERSTOOD, UNSUPPORTED)
"""Every reason that the rules give; of several the first is given."""


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


class ReportFacts:
    """What a report says, ready to be compared with sentences that might join it.

    Args:
        readings (`Iterable[Reading]`): the sentences of its findings, read.
        context (`Iterable[Reading]`, *optional*): those of its other texts.
    """

    __slots__ = (
        "_added",
        "_denied",
        "_forbidden",
        "_left_open",
        "_own_denials",
        "_own_denied",
        "_statements",
        "_texts",
    )

    def __init__(self, readings: Iterable[Reading], context: Iterable[Reading] = ()) -> None:
        own = list(readings)
        self._own_denials = reduce(or_, (reading.logic.denials for reading in own), 0)
        self._own_denied = reduce(or_, (reading.logic.denied for reading in own), 0)
        denied = statements = forbidden = left_open = 0
        texts = set()
        for reading in chain(own, context):
            logic = reading.logic
            left_open |= reading.left_open
            denied |= logic.denied
            statements |= logic.statements
            forbidden |= logic.forbidden
            texts.add(reading.text)
        self._denied, self._statements, self._forbidden = denied, statements, forbidden
        self._left_open = left_open
        self._texts = texts
        self._added = 0

    def refusal(self, reading: Reading) -> str | None:
        """Gives the reason why a sentence may not join the report.

        Args:
            reading (`Reading`): The sentence, read.

        Returns:
            `str` or `None`: One of `REFUSALS` but "unsupported"; None where it may join. The
            sign is not looked at: propose only sentences that [`travels`] lets through.
        """
        logic = reading.logic
        if reading.text in self._texts:
            return REDUNDANT
        if logic.denials & self._forbidden or logic.statements & self._denied:
            return CONTRADICTS
        if logic.denied & self._added or self._is_said(logic):
            return REDUNDANT
        return _own_refusal(reading)

    def open_to(self, contents: Sequence[Logic]) -> list[int]:
        """Sifts many contents at once, before [`ReportFacts.refusal`] is asked about the rest.

        Args:
            contents (`Sequence[Logic]`): What some sentences say.

        Returns:
            `list[int]`: Positions of those that the report does not contradict, of which its
            findings say no part, and that it does not leave open.
        """
        own, denied, forbidden = self._own_denied | self._left_open, self._denied, self._forbidden
        return [
            position
            for position, logic in enumerate(contents)
            if not (logic.denied & own or logic.denials & forbidden or logic.statements & denied)
        ]

    def leaves_open(self, content: Logic) -> bool:
        """Whether the report touches on what a sentence denies without denying it itself."""
        return bool(content.denied & self._left_open)

    def repeats(self, content: Logic) -> bool:
        """Whether the findings, additions included, deny a part of what a sentence denies."""
        return bool(content.denied & (self._own_denied | self._added))

    def says_less(self, parts: Iterable[Logic]) -> bool:
        """Whether the findings deny only a part of what one of the parts would deny.

        Who writes "no large effusion" chose not to write "no effusion".

        Args:
            parts (`Iterable[Logic]`): The assertions of a sentence, each by itself.

        Returns:
            `bool`
        """
        own, denied = self._own_denials, self._denied
        return any(part.denied & own and part.denials & ~denied for part in parts)

    def add(self, reading: Reading) -> None:
        """Takes an accepted addition in: from now on no other may speak of its topics.

        Args:
            reading (`Reading`): The addition, read.
        """
        logic = reading.logic
        self._denied |= logic.denied
        self._statements |= logic.statements
        self._forbidden |= logic.forbidden
        self._added |= logic.denied
        self._texts.add(reading.text)

    def _is_said(self, logic: Logic) -> bool:
        """Whether all that a sentence says follows from the report."""
        if not logic.denials and not logic.statements:
            return False
        return not (logic.denials & ~self._denied or logic.statements & ~self._forbidden)


def read_report(findings: Iterable[str], context: Iterable[str] = ()) -> ReportFacts:
    """Gives what a report says, from the cached readings of its sentences.

    Args:
        findings (`Iterable[str]`): The sentences of its findings.
        context (`Iterable[str]`, *optional*): The sentences of its other columns.

    Returns:
        `ReportFacts`: What they say together.
    """
    return ReportFacts(map(read_sentence, findings), map(read_sentence, context))


def refusal(
    sentence: str,
    findings: str,
    context: str | Iterable[str] | Mapping[str, str] = "",
    *,
    support: int | None = None,
    min_support: int = 3,
    lexicon: Lexicon | None = None,
) -> str | None:
    """Gives the reason why a sentence may not join a report.

    Args:
        sentence (`str`): The sentence that would be added.
        findings (`str`): The report's findings.
        context (`str`, `Iterable[str]` or `Mapping[str, str]`, *optional*): The report's other
            texts (impression, indication), by column or not.
        support (`int`, *optional*): In how many reports of the corpus the sentence stands.
        min_support (`int`, *optional*, defaults to 3): With fewer, it may be one person's.
        lexicon (`Lexicon`, *optional*): What the words mean; the chest lexicon by default.

    Returns:
        `str` or `None`: The first of `REFUSALS` that applies; None where it may join.

    Example:
        ```python
        >>> refusal("No pleural effusion.", "Small left effusion. Heart normal.")
        'contradicts'
        ```
    """
    if isinstance(context, str):
        context = (context,)
    elif isinstance(context, Mapping):
        context = context.values()
    texts = (part for text in (findings, *context) for part in split_sentences(text))
    facts = ReportFacts(read_sentence(text, lexicon) for text in texts)
    reason = facts.refusal(read_sentence(sentence, lexicon))
    if reason is None and support is not None and support < min_support:
        return UNSUPPORTED
    return reason


def travels(reading: Reading) -> bool:
    """Says whether a sentence may be proposed to any report at all.

    Args:
        reading (`Reading`): The sentence, read.

    Returns:
        `bool`: True for a normal sentence, understood, that speaks of no other study, leans on no
        other sentence and can recognize nobody. The guards compare a sentence with a report
        whatever its sign; that only normal ones are proposed is decided here.
    """
    return reading.sign == "normal" and _own_refusal(reading) is None


def _own_refusal(reading: Reading) -> str | None:
    """The reason that a sentence carries in itself, whatever the report."""
    if reading.mentions_prior or reading.leans:
        return PRIOR
    if reading.identifying:
        return IDENTIFYING
    return None if reading.understood else NOT_UNDERSTOOD
