"""What reports claim, as assertions or as clusters of a FindingsIndex, and what follows from it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

try:
    from semenrich_datasets import FindingsIndex as FindingsIndex
    from semenrich_datasets.assertions import Reading, read_sentence
    from semenrich_datasets.entailment import logic_of
    from semenrich_datasets.lexicon import load_lexicon
    from semenrich_datasets.lexicon_entries import ANYTHING
    from semenrich_datasets.sentences import split_sentences
    from semenrich_datasets.signs import classify_sentences
    from semenrich_datasets.statements import Assertion
except ImportError as error:
    raise ImportError('finding_f1 reads reports with: pip install "semenrich[metrics]"') from error


@dataclass(frozen=True)
class Claim:
    """One thing that a report says.

    Args:
        label (`str`): What it is about: a concept of the lexicon, a cluster, or a sentence.
        sign (`str`): "normal" or "abnormal"; of clusters and sentences also "neutral".
        text (`str`): All of it, such as "present left pleural_effusion".
        denies (`int`): What it denies, as bits of [`Logic`]; 0 if it states a finding.
    """

    label: str
    sign: str
    text: str
    denies: int = 0


@dataclass(frozen=True)
class Content:
    """What a text says.

    Args:
        claims (`frozenset[Claim]`): Its claims.
        implied (`frozenset[Claim]`): Findings and clusters among them, and what follows from these.
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


def read_assertions(reports: Sequence[str]) -> list[Content]:
    """Reads each report's assertions; a sentence that occurs again costs nothing.

    A denial follows from one that denies as much or more ("No consolidation" from "The lungs are
    clear"). A finding follows from the same finding or a kind of it, on the same side; one whose
    side is not said follows from either side, not the other way around. How large, how old and how
    certain it is does not count.

    Args:
        reports (`Sequence[str]`): Texts.

    Returns:
        `list[Content]`, one of each report.
    """
    return [_join(map(_read, split_sentences(report))) for report in reports]


def read_clusters(reports: Sequence[str], index: FindingsIndex) -> list[Content]:
    """Finds the clusters of each report's sentences; each distinct sentence is looked up once.

    Nothing follows from a cluster but itself, and of an abnormal one only on the sides that the
    sentence names. A sentence without a cluster stands for itself.

    Args:
        reports (`Sequence[str]`): Texts.
        index ([`FindingsIndex`]): Of such reports.

    Returns:
        `list[Content]`, one of each report.
    """
    split = [index.split(report) for report in reports]
    distinct = list(dict.fromkeys(sentence for sentences in split for sentence in sentences))
    known = [
        Claim(f"cluster {row['cluster_id']}", row["sign"], row["text"])
        for row in index.clusters.select(["cluster_id", "sign", "text"]).to_pylist()
    ]
    clusters = index.assign(distinct).tolist() if distinct else []
    contents = {}
    for sentence, cluster, sign in zip(
        distinct, clusters, classify_sentences(distinct), strict=True
    ):
        key = index.normalize(sentence)
        claim = known[cluster] if cluster >= 0 else Claim(key, sign, sentence)
        if claim.sign == "abnormal":
            sides = sorted(read_sentence(sentence).sides)
            claim = replace(claim, text=" ".join([claim.text, *sides]))
        contents[sentence] = Content(frozenset([claim]), frozenset([claim]))
    return [_join(contents[sentence] for sentence in sentences) for sentences in split]


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


@lru_cache(maxsize=2**17)
def _read(sentence: str) -> Content:
    reading = read_sentence(sentence)
    said = list(_known_assertions(reading))
    denied = 0
    for assertion in said:
        denied |= 0 if assertion.is_abnormal else _denied(assertion)
    return Content(
        claims=frozenset(map(_claim, said)),
        implied=frozenset(c for a in said if a.is_abnormal for c in _implied(a)),
        denials=reading.logic.denials,
        denied=denied,
        forbidden=reading.logic.forbidden,
        unread=int(not said),
    )


def _known_assertions(reading: Reading) -> Iterator[Assertion]:
    """Without what blanks and unknown words hide, and what does not count of a finding."""
    # "Opacity in the right lung": the side stands with the structure, and is the finding's.
    free = reading.sides - {assertion.side for assertion in reading.assertions}
    for assertion in reading.assertions:
        if assertion.concept not in load_lexicon().below:
            continue
        if not assertion.is_abnormal:
            yield assertion
            continue
        for side in ("left", "right"):
            if assertion.side == side or (assertion.side is None and side in free):
                yield Assertion(assertion.concept, "present", side)
        if assertion.side is None and not free:
            yield Assertion(assertion.concept, "present")


def _claim(assertion: Assertion) -> Claim:
    parts = (assertion.status, assertion.narrowing, assertion.side, assertion.concept)
    text = " ".join(part for part in parts if part)
    sign = "abnormal" if assertion.is_abnormal else "normal"
    return Claim(assertion.concept, sign, text, logic_of((assertion,), load_lexicon()).denials)


@lru_cache(maxsize=2**12)
def _implied(finding: Assertion) -> frozenset[Claim]:
    """The finding and all that it is a kind or a part of, with its side and without."""
    below = load_lexicon().below
    concepts = {name for name, kinds in below.items() if finding.concept in kinds} | {ANYTHING}
    return frozenset(
        _claim(Assertion(concept, "present", side))
        for concept in concepts
        for side in {finding.side, None}
    )


@lru_cache(maxsize=2**12)
def _denied(denial: Assertion) -> int:
    """The denials that follow: of its kinds and parts, and outright also in every degree.

    Stricter than [`Logic.denied`], which holds what would only repeat a denial, too.
    """
    lexicon = load_lexicon()
    concepts = set(lexicon.below[denial.concept])
    narrowings: tuple[str | None, ...] = (denial.narrowing,)
    if denial.narrowing is None:
        narrowings = (None, *lexicon.narrowings)
    elif denial.concept in lexicon.structures:
        concepts.update(lexicon.structures[denial.concept].overview_of)
    implied = (
        replace(denial, concept=concept, narrowing=narrowing)
        for concept in concepts
        for narrowing in narrowings
    )
    return logic_of(implied, lexicon).denials
