"""What a sentence says, as one unit that sentences can share: its cluster, and its side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from semenrich_datasets.assertions import read_sentence
from semenrich_datasets.index import FindingsIndex

#: Distinct sentences that are remembered; a training run meets the same ones again and again.
_MEMORY = 2**17


class Unit(NamedTuple):
    """One thing that a report says.

    Args:
        cluster_id (`int`): Cluster of the sentence, -1 when it has none.
        abnormal (`bool`): Whether the sentence states a finding.
        sides (`frozenset[str]`): Of "left" and "right", those that its findings are said to be on.
        text (`str`): The sentence itself where it has no cluster, else empty: a sentence unlike
            all of the corpus agrees with nothing but itself.
    """

    cluster_id: int
    abnormal: bool
    sides: frozenset[str]
    text: str


class SentenceUnits:
    """Texts to sets of units by an index; what it has met it remembers.

    The cluster of a sentence is the one that [`FindingsIndex.assign`] gives: looked up where the
    corpus held it, else that of its nearest neighbor of the same sign. Clusters put "left" and
    "right" together, and those of `preset="paper"` "effusion" and "no effusion" too, as the
    published method does; sign and side keep them apart here.

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

    def _unit(self, sentence: str, cluster_id: int) -> Unit:
        text = self.index.normalize(sentence) if cluster_id < 0 else ""
        abnormal = read_sentence(sentence).sign == "abnormal"
        return Unit(cluster_id, abnormal, sides_of(sentence), text)


def sides_of(sentence: str) -> frozenset[str]:
    """Gives the sides ("left", "right") that a sentence with an abnormal finding names."""
    reading = read_sentence(sentence)
    return reading.sides if reading.sign == "abnormal" else frozenset()
