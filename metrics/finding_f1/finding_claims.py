"""What reports claim, as assertions or as units of a FindingsIndex, and what follows from it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

try:
    from semenrich_datasets import FindingsIndex as FindingsIndex
    from semenrich_datasets import Reader as Reader
    from semenrich_datasets.index.claims import ClaimReader, shared_claims
    from semenrich_datasets.reading import Assertion, Reading
    from semenrich_datasets.reading.entailment import entailed_denials, logic_of
    from semenrich_datasets.reading.finding_score import FindingScore, finding_score
    from semenrich_datasets.reading.lexicon_entries import ANYTHING
    from semenrich_datasets.reading.stated import sides_of
    from semenrich_datasets.sentences import split_sentences
except ImportError as error:
    raise ImportError('finding_f1 reads reports with: pip install "semenrich[metrics]"') from error


@dataclass(frozen=True)
class Claim:
    """One thing that a report says.

    Args:
        label (`str`): What it is about: a concept of the lexicon, or a unit.
        sign (`str`): "normal" or "abnormal"; of units also "neutral".
        text (`str`): All of it, such as "present left pleural_effusion".
        denies (`int`): What it denies, as bits of [`Logic`]; 0 if it states a finding.
    """

    label: str
    sign: str
    text: str
    denies: int = 0


@dataclass(frozen=True)
class Confirmed:
    """A claim of one side, and how far the other side's report confirms it.

    Args:
        label (`str`): What it is about.
        sign (`str`): "normal", "abnormal" or "neutral".
        text (`str`): All of it.
        share (`float`): 0 to 1.
    """

    label: str
    sign: str
    text: str
    share: float


@dataclass(frozen=True)
class Content:
    """What a text says.

    Args:
        claims (`frozenset[Claim]`): Its claims.
        implied (`frozenset[Claim]`): Findings and units among them, and what follows from these.
        denials (`int`): Its denials, as bits of [`Logic`].
        denied (`int`): All that follows from them.
        forbidden (`int`): All denials that its findings contradict.
        sentences (`int`): How many it has.
        unread (`int`): How many of them claim nothing.
    """

    claims: frozenset[Claim]
    implied: frozenset[Claim]
    denials: int = 0
    denied: int = 0
    forbidden: int = 0
    sentences: int = 1
    unread: int = 0

    def entails(self, claim: Claim) -> bool:
        """Whether a claim follows: what its own findings take back does not."""
        if not claim.denies:
            return claim in self.implied
        return not claim.denies & ~(self.denials | self.denied & ~self.forbidden)


def read_assertions(reports: Sequence[str], reader: Reader) -> list[Content]:
    """Reads each report's assertions; a sentence that occurs again costs nothing.

    A denial follows from one that denies as much or more ("No consolidation" from "The lungs are
    clear"). A finding follows from the same finding or a kind of it, on the same side; one whose
    side is not said follows from either side, not the other way around. How large, how old and how
    certain it is does not count.

    Args:
        reports (`Sequence[str]`): Texts.
        reader (`Reader`): What reads their sentences.

    Returns:
        `list[Content]`, one of each report.
    """
    split = [split_sentences(report) for report in reports]
    distinct = dict.fromkeys(sentence for sentences in split for sentence in sentences)
    contents = {sentence: _read(reader.read(sentence), reader) for sentence in distinct}
    return [_join(contents[sentence] for sentence in sentences) for sentences in split]


def confirm_assertions(content: Content, other: Content) -> list[Confirmed]:
    """Tells of each assertion of one side whether it follows from the other side's report."""
    return [
        Confirmed(claim.label, claim.sign, claim.text, float(other.entails(claim)))
        for claim in sorted(content.claims, key=lambda claim: claim.text)
    ]


def confirm_clusters(
    predictions: Sequence[str], references: Sequence[str], index: FindingsIndex
) -> list[tuple[list[Confirmed], list[Confirmed]]]:
    """Tells of each claim of both sides how far the other side shares it, as the reward counts it.

    Args:
        predictions (`Sequence[str]`): Texts.
        references (`Sequence[str]`): Texts, in the same order.
        index ([`FindingsIndex`]): Of such reports.

    Returns:
        `list`: Of each pair the claims of both sides.
    """
    distinct = list(dict.fromkeys([*predictions, *references]))
    claims = dict(zip(distinct, ClaimReader(index)(distinct), strict=True))
    return [
        tuple(
            [_shared(*one) for one in side]
            for side in shared_claims(claims[said], claims[wanted], _alike, index.reader)
        )
        for said, wanted in zip(predictions, references, strict=True)
    ]


def _alike(kind: object, is_abnormal: bool) -> float:
    return 1.0


def _shared(kind: object, text: str, share: float) -> Confirmed:
    # A unit knows its sign, which may be neutral.
    sign = getattr(kind, "sign", "normal" if isinstance(kind, Assertion) else "abnormal")
    return Confirmed(str(kind), sign, text, share)


def score_findings(
    predictions: Sequence[str], references: Sequence[str], reader: Reader
) -> list[FindingScore]:
    """Scores each report's findings against its reference's, see `finding_score`.

    Args:
        predictions (`Sequence[str]`): Texts.
        references (`Sequence[str]`): Texts, in the same order.
        reader (`Reader`): What reads their sentences; it remembers what it has read.

    Returns:
        `list[FindingScore]`, one of each pair.
    """
    texts = dict.fromkeys([*predictions, *references])
    read = {text: [reader.read(sentence) for sentence in split_sentences(text)] for text in texts}
    pairs = zip(predictions, references, strict=True)
    return [finding_score(read[said], read[wanted], reader) for said, wanted in pairs]


def _join(contents: Iterable[Content]) -> Content:
    joined = Content(frozenset(), frozenset(), sentences=0)
    for content in contents:
        joined = Content(
            claims=joined.claims | content.claims,
            implied=joined.implied | content.implied,
            denials=joined.denials | content.denials,
            denied=joined.denied | content.denied,
            forbidden=joined.forbidden | content.forbidden,
            sentences=joined.sentences + content.sentences,
            unread=joined.unread + content.unread,
        )
    return joined


def _read(reading: Reading, reader: Reader) -> Content:
    said = list(_known_assertions(reading, reader))
    findings = [one for one in said if one.is_abnormal]
    denied = 0
    for one in said:
        denied |= 0 if one.is_abnormal else entailed_denials(one, reader.lexicon)
    return Content(
        claims=frozenset(_claim(one, reader) for one in said),
        implied=frozenset(claim for one in findings for claim in _implied(one, reader)),
        denials=reading.logic.denies,
        denied=denied,
        forbidden=reading.logic.excludes,
        unread=int(not said),
    )


def _known_assertions(reading: Reading, reader: Reader) -> Iterator[Assertion]:
    """Without what blanks and unknown words hide, and what does not count of a finding."""
    for assertion in reading.assertions:
        if assertion.concept not in reader.lexicon.numbers:
            continue
        if assertion.is_abnormal:
            for side in sides_of(assertion, reading, reader.lexicon) or (assertion.side,):
                yield Assertion(assertion.concept, "present", side)
        else:
            yield assertion


def _claim(assertion: Assertion, reader: Reader) -> Claim:
    sign = "abnormal" if assertion.is_abnormal else "normal"
    denies = logic_of((assertion,), reader.lexicon).denies
    return Claim(assertion.concept, sign, str(assertion), denies)


def _implied(finding: Assertion, reader: Reader) -> frozenset[Claim]:
    """The finding and all that it is a kind or a part of, with its side and without."""
    below = reader.lexicon.below
    concepts = {name for name, kinds in below.items() if finding.concept in kinds} | {ANYTHING}
    return frozenset(
        _claim(replace(finding, concept=concept, side=side), reader)
        for concept in concepts
        for side in {finding.side, None}
    )
