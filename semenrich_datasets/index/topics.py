"""What a sentence says on a topic: nothing, something, that all is well, or that it is not.

A topic is one denial that additions make: "the heart is normal", "no acute bony abnormality". The
summaries of a whole study ("no acute cardiopulmonary abnormality") speak of no topic of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

import numpy as np
from numpy.typing import NDArray

from semenrich_datasets.reading import Lexicon, Reading
from semenrich_datasets.reading.assertions import Assertion, Status
from semenrich_datasets.reading.entailment import Logic, logic_of_one

#: Stances of a sentence, or of a report: the highest of its sentences.
SILENT, TOUCHES, NORMAL, ABNORMAL = range(4)


@dataclass(frozen=True, order=True)
class Topic:
    """One denial that additions make.

    Args:
        concept (`str`): A structure or a finding of the lexicon.
        narrowing (`str`): What limits it ("acute"); empty for none.
    """

    concept: str
    narrowing: str = ""

    def __str__(self) -> str:
        """Writes it for a reader: "acute bones", "pleural effusion"."""
        return " ".join([self.narrowing, self.concept]).strip().replace("_", " ")

    def denial(self, lexicon: Lexicon) -> Assertion:
        """Gives the assertion that nothing is wrong with it."""
        status: Status = "normal" if self.concept in lexicon.structures else "absent"
        return Assertion(self.concept, status, narrowing=self.narrowing or None)


def topics_of(readings: Iterable[Reading]) -> list[Topic]:
    """Gives the topics of some denials, each once, in order."""
    said = {
        Topic(one.concept, one.narrowing or "")
        for reading in readings
        for one in reading.assertions
        if not one.is_abnormal
    }
    return sorted(said)


class Topics:
    """Some topics, ready to be compared with many sentences.

    Args:
        topics (`Sequence[Topic]` of length `t`): The topics.
        lexicon ([`Lexicon`]): What sentences are read by.
    """

    def __init__(self, topics: Sequence[Topic], lexicon: Lexicon) -> None:
        self.topics = tuple(topics)
        self._summaries = lexicon.summaries
        self._views = [_View(topic, lexicon) for topic in topics]

    def stances(self, readings: Sequence[Reading]) -> NDArray[np.int8]:
        """Tells what each sentence says on each topic.

        Args:
            readings (`Sequence[Reading]` of length `n`): The sentences, read.

        Returns:
            `np.ndarray` of shape `(n, t)`, int8: `ABNORMAL` where the sentence contradicts the
            denial, `NORMAL` where the denial follows from it, `TOUCHES` where it speaks of the
            topic otherwise ("stable heart", "no large effusion"), else `SILENT`.
        """
        found = np.full((len(readings), len(self._views)), SILENT, dtype=np.int8)
        for row, reading in enumerate(readings):
            logic = self._without_summaries(reading)
            concepts = {said.concept for said in reading.assertions}
            found[row] = [view.stance(reading, logic, concepts) for view in self._views]
        return found

    def _without_summaries(self, reading: Reading) -> Logic:
        if self._summaries.isdisjoint(said.concept for said in reading.assertions):
            return reading.logic
        pairs = zip(reading.assertions, reading.parts, strict=True)
        own = (part for said, part in pairs if said.concept not in self._summaries)
        return reduce(or_, own, Logic())


class _View:
    """A topic, ready to be compared with many sentences."""

    def __init__(self, topic: Topic, lexicon: Lexicon) -> None:
        self._denies = logic_of_one(topic.denial(lexicon), lexicon).denies
        self._whole = logic_of_one(Topic(topic.concept).denial(lexicon), lexicon).denies
        self._below = lexicon.below[topic.concept]

    def stance(self, reading: Reading, logic: Logic, concepts: set[str]) -> int:
        if self._denies & logic.excludes:
            return ABNORMAL
        if not self._denies & ~logic.implies:
            return NORMAL
        named = not self._below.isdisjoint(concepts)
        touched = reading.sign != "abnormal" and reading.left_open & self._whole
        return TOUCHES if named or touched else SILENT
