"""What a sentence says, as one unit that sentences can share: its cluster, and its side."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

from semenrich_datasets.assertions import read_sentence
from semenrich_datasets.index import FindingsIndex

#: Distinct sentences that are remembered; a training run meets the same ones again and again.
_MEMORY = 2**17
#: Sentences of a cluster, the most common ones, that tell what the cluster says.
_TELLING = 2**10
#: Findings of one kind and one place, so that naming them, with the side, says all but the degree.
#: Other concepts are wider: "nodule" does not say which lobe, "curvature" not which way.
_ONE_THING = frozenset(
    "blunted_angle bone_density borderline_heart cardiomegaly congestion edema elevated_diaphragm "
    "flat_diaphragm hilar_enlargement hyperinflation low_volumes mediastinal_widening "
    "pleural_effusion pneumothorax tortuous_aorta".split()
)


class Unit(NamedTuple):
    """One thing that a report says.

    Args:
        cluster_id (`int`): Cluster of the sentence, the lowest of those that say the same; -1 when
            it has none.
        abnormal (`bool`): Whether the sentence states a finding.
        sides (`frozenset[str]`): Of "left" and "right", those that its findings are said to be on.
        statement (`Hashable`): Where it has no cluster, what it asserts, or the sentence itself
            when that can't be read: a sentence unlike all of the corpus agrees with its like alone.
            Else None.
    """

    cluster_id: int
    abnormal: bool
    sides: frozenset[str]
    statement: Hashable


class SentenceUnits:
    """Texts to sets of units by an index; what it has met it remembers.

    The cluster of a sentence is the one that [`FindingsIndex.assign`] gives: looked up where the
    corpus held it, else that of its nearest neighbor of the same sign. Two things are mended.
    Clusters put "left" and "right" together, and those of `preset="paper"` "effusion" and "no
    effusion" too, as the published method does; sign and side keep them apart here. And a corpus
    has several clusters that say the same ("Cardiomegaly.", "The heart is enlarged."), by wording;
    they count as one here, and a sentence that asserts just what they do belongs to them.

    Args:
        index ([`FindingsIndex`]): Of the corpus.
    """

    def __init__(self, index: FindingsIndex) -> None:
        self.index = index
        self._known: dict[str, Unit] = {}

    def __call__(self, texts: Sequence[str]) -> list[set[Unit]]:
        """Gives the set of units of each text; sentences new to all of them are embedded once."""
        cut = [self.index.split(text) for text in texts]
        new = list(dict.fromkeys(s for sentences in cut for s in sentences if s not in self._known))
        if len(self._known) + len(new) > _MEMORY:
            self._known.clear()
            new = list(dict.fromkeys(s for sentences in cut for s in sentences))
        if new:
            clusters = self.index.assign(new).tolist()
            self._known.update(zip(new, map(self._unit, new, clusters), strict=True))
        return [{self._known[sentence] for sentence in sentences} for sentences in cut]

    @cached_property
    def _homes(self) -> dict[Hashable, int]:
        """Statement -> its cluster: the lowest whose majority says it, else where it is commonest.

        -1 for what sentences without a cluster say most often.
        """
        best: dict[Hashable, tuple[bool, int, int]] = {}
        for cluster, votes in self._votes.items():
            majority = _majority(votes) if cluster >= 0 else None
            for statement, count in votes.items():
                is_majority = statement == majority
                rank = (is_majority, 0 if is_majority else count, -cluster)
                if statement is not None:
                    best[statement] = max(best.get(statement, rank), rank)
        return {statement: -rank[2] for statement, rank in best.items()}

    @cached_property
    def _votes(self) -> dict[int, Counter[Hashable]]:
        """For each cluster, the occurrences of each statement among its common sentences."""
        table = self.index.sentences.select(["text", "cluster_id", "occurrences"])
        table = table.sort_by([("occurrences", "descending"), ("text", "ascending")])
        columns = (table.column(name).to_pylist() for name in table.column_names)
        votes: defaultdict[int, Counter[Hashable]] = defaultdict(Counter)
        read: Counter[int] = Counter()
        for text, cluster, occurrences in zip(*columns, strict=True):
            read[cluster] += 1
            if read[cluster] <= _TELLING:
                votes[cluster][statement_of(text)] += occurrences
        return votes

    def counts_as(self, cluster_id: int) -> int:
        """Gives the cluster that a cluster counts as: the one of what most of its sentences say."""
        statement = _majority(self._votes[cluster_id]) if cluster_id >= 0 else None
        return cluster_id if statement is None else self._homes[statement]

    def _unit(self, sentence: str, cluster_id: int) -> Unit:
        statement = statement_of(sentence)
        if statement is not None:
            cluster_id = self._homes.get(statement, cluster_id)
        cluster = self.counts_as(cluster_id)
        own = None if cluster >= 0 else statement or self.index.normalize(sentence)
        abnormal = read_sentence(sentence).sign == "abnormal"
        return Unit(cluster, abnormal, sides_of(sentence), own)


def statement_of(sentence: str) -> Hashable:
    """Gives what a sentence asserts in a form that paraphrases share; None when it can't be read.

    It is read when each of its words has its place, it speaks of nothing but this study, and what
    it says of findings is no more than the lexicon tells apart.
    """
    reading = read_sentence(sentence)
    if not (reading.understood and reading.assertions) or reading.mentions_prior or reading.leans:
        return None
    if any(one.is_abnormal and one.concept not in _ONE_THING for one in reading.assertions):
        return None
    sides = sides_of(sentence)
    only: Any = next(iter(sides)) if len(sides) == 1 else None  # "effusion on the left"
    return reading.sign, frozenset(
        replace(one, side=one.side or only) if one.is_abnormal else one
        for one in reading.assertions
    )


def _majority(votes: Counter[Hashable]) -> Hashable:
    """The statement of more than half of the votes; None when there is none."""
    first = votes.most_common(1)
    return first[0][0] if first and 2 * first[0][1] > votes.total() else None


def sides_of(sentence: str) -> frozenset[str]:
    """Gives the sides ("left", "right") that a sentence with an abnormal finding names."""
    reading = read_sentence(sentence)
    return reading.sides if reading.sign == "abnormal" else frozenset()
