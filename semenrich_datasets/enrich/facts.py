"""What a report says, and the one check of whether a sentence may join it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

from semenrich_datasets.enrich.reasons import Reason
from semenrich_datasets.index.holders import MIN_SUPPORT
from semenrich_datasets.reading import Lexicon, Reader, Reading, as_reader
from semenrich_datasets.reading.entailment import Logic, contradicts, follows, union
from semenrich_datasets.sentences import split_sentences

# As a set of bits: every one.
_ALL_OPEN = -1


class ReportFacts:
    """What a report says, ready to be compared with sentences that might join it.

    Args:
        findings (`Iterable[Reading]`): the sentences of its findings, read.
        context (`Iterable[Reading]`, *optional*): those of its other texts on the same image, such
            as the impression.
        history (`Iterable[Reading]`, *optional*): those of the indication: what is not understood
            of a patient's history leaves nothing open on the image.
    """

    __slots__ = ("_added", "_at_issue", "_left_open", "_one_sided", "_own", "_said", "_texts")

    def __init__(
        self,
        findings: Iterable[Reading],
        context: Iterable[Reading] = (),
        history: Iterable[Reading] = (),
    ) -> None:
        own, others, past = list(findings), list(context), list(history)
        everything = [*own, *others, *past]
        self._own = union(reading.logic for reading in own)
        self._said = union(reading.logic for reading in everything)
        self._left_open = self._at_issue = 0
        for reading in everything:
            self._left_open |= reading.left_open
            self._at_issue |= reading.at_issue
        if any(reading.lost for reading in chain(own, others)):
            self._left_open = _ALL_OPEN
        self._one_sided = _is_one_sided([*own, *others])
        self._texts = {reading.text for reading in everything}
        self._added = 0

    @classmethod
    def read(
        cls,
        reader: Reader,
        findings: Iterable[str],
        context: Iterable[str] = (),
        history: Iterable[str] = (),
    ) -> ReportFacts:
        """Reads a report.

        Args:
            reader ([`Reader`]): What reads it.
            findings (`Iterable[str]`): The sentences of its findings.
            context (`Iterable[str]`, *optional*): The sentences of its other columns.
            history (`Iterable[str]`, *optional*): The sentences of its indication.

        Returns:
            [`ReportFacts`]: What they say together.
        """
        read = reader.read
        return cls(map(read, findings), map(read, context), map(read, history))

    def check(self, proposal: Reading) -> Reason | None:
        """Says why a sentence may not join the report; None where it may.

        Args:
            proposal ([`Reading`]): The sentence, read.

        Returns:
            [`Reason`] or `None`: The first that applies, in the order of [`Reason`].
        """
        logic = proposal.logic
        if contradicts(logic, self._said):
            return Reason.CONTRADICTS
        if proposal.text in self._texts:
            return Reason.REDUNDANT
        if logic.implies & self._added or follows(logic, self._said):
            return Reason.REDUNDANT
        own_fault = None if proposal.is_transferable else fault_of(proposal)
        if own_fault is not None:
            return own_fault
        if logic.implies & self._left_open:
            return Reason.LEFT_OPEN
        if logic.implies & self._at_issue:
            return Reason.AT_ISSUE
        if logic.implies & self._own.implies:
            return Reason.SAYS_LESS if self._says_less(proposal.parts) else Reason.REPEATS
        return Reason.LEFT_OPEN if self._one_sided else None

    def allows(self, proposal: Reading) -> bool:
        """Tells whether a sentence may join the report, sooner than its reason is found."""
        logic = proposal.logic
        spoken_of = self._left_open | self._at_issue | self._own.implies
        return not logic.implies & spoken_of and self.check(proposal) is None

    def add(self, addition: Reading) -> None:
        """Takes an accepted addition in: from now on no other may speak of its topics.

        Args:
            addition ([`Reading`]): The addition, read.
        """
        self._said |= addition.logic
        self._added |= addition.logic.implies
        self._texts.add(addition.text)

    def _says_less(self, parts: Iterable[Logic]) -> bool:
        """Whether the findings deny only a part of what one assertion would deny.

        Who writes "no large effusion" chose not to write "no effusion".
        """
        own, implied = self._own.denies, self._said.implies
        return any(part.implies & own and part.denies & ~implied for part in parts)


def fault_of(proposal: Reading) -> Reason | None:
    """Names the reason that a sentence carries in itself, whatever the report."""
    if proposal.mentions_prior or proposal.depends_on_context:
        return Reason.PRIOR
    if proposal.identifying:
        return Reason.IDENTIFYING
    if not proposal.understood:
        return Reason.NOT_UNDERSTOOD
    if proposal.out_of_view:
        return Reason.OTHER_KIND
    if proposal.sign != "normal":
        return Reason.NOT_NORMAL
    return Reason.HEDGES if proposal.hedges else None


def refusal(
    sentence: str,
    findings: str,
    context: str | Iterable[str] | Mapping[str, str] = "",
    *,
    support: int | None = None,
    min_support: int = MIN_SUPPORT,
    lexicon: Reader | Lexicon | str | None = None,
) -> Reason | None:
    """Says why a sentence may not join a report: what the enricher itself asks.

    Args:
        sentence (`str`): The sentence that would be added.
        findings (`str`): The report's findings.
        context (`str`, `Iterable[str]` or `Mapping[str, str]`, *optional*): The report's other
            texts (impression, indication), by column or not.
        support (`int`, *optional*): How many patients of the corpus have the sentence in a report.
        min_support (`int`, *optional*, defaults to 3): With fewer, it may be one person's.
        lexicon ([`Reader`], [`Lexicon`] or `str`, *optional*): What the words mean; the chest X-ray
            lexicon by default. Pass a reader when asking often: it remembers what it has read.

    Returns:
        [`Reason`] or `None`: The first that applies; None where it may join.

    Example:
        ```python
        >>> str(refusal("No pleural effusion.", "Small left effusion. Heart normal."))
        'contradicts'
        ```
    """
    if isinstance(context, str):
        context = (context,)
    elif isinstance(context, Mapping):
        context = context.values()
    reader = as_reader(lexicon)
    others = [part for text in context for part in split_sentences(text)]
    facts = ReportFacts.read(reader, split_sentences(findings), others)
    reason = facts.check(reader.read(sentence))
    if reason is None and support is not None and support < min_support:
        return Reason.UNSUPPORTED
    return reason


def _is_one_sided(readings: list[Reading]) -> bool:
    """Whether health is said of one side, and nothing of the other: "right lung is clear"."""
    sides = frozenset().union(*(reading.sides for reading in readings))
    return len(sides) == 1 and any(
        said.side is not None and not said.is_abnormal
        for reading in readings
        for said in reading.assertions
    )
