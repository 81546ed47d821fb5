"""How good a report is while it is being written: scores of candidates by set distance.

After the streaming use of set distances in SDR (arXiv 2606.00440).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from semenrich_datasets.sentences import split_sentences
from semenrich_trainers.formatting import parse_report
from semenrich_trainers.sentence_vectors import SentenceVectors
from semenrich_trainers.set_distance import Distance, set_similarity

#: From the finished findings of one prompt's candidates to a score of each: higher is better.
PartialScorer = Callable[[Sequence[str]], Sequence[float]]

_FINDINGS_ENDED = re.compile(r"</think>|<answer>", re.IGNORECASE)
_STOPS = (".", "!", "?")


def finished_findings(text: str) -> str:
    """Gives the sentences of the findings that a model has finished.

    Args:
        text (`str`): A completion, or how far it has come.

    Returns:
        `str`: The findings, without the sentence that is still being written.

    Example:
        ```python
        >>> finished_findings("<think> Lungs are clear. No pleu")
        'Lungs are clear.'
        ```
    """
    findings = parse_report(text).findings
    if _FINDINGS_ENDED.search(text) or findings.endswith(_STOPS):
        return findings
    return " ".join(split_sentences(findings)[:-1])


class Typicality:
    """Scores a candidate by its similarity to the other candidates of its prompt.

    As [`best_of_n`] chooses among whole reports; what most of them say is what the model, having
    seen the image, says most surely. Needs no corpus.

    Args:
        vectors ([`SentenceVectors`]): Embeds sentences.
        distance (`str`, *optional*, defaults to `"chamfer"`): "chamfer", "matching" or "energy".
    """

    def __init__(self, vectors: SentenceVectors, distance: Distance = "chamfer") -> None:
        self.vectors = vectors
        self.distance = distance

    def __call__(self, findings: Sequence[str]) -> list[float]:
        """Gives the mean similarity of each candidate to the others, 0 to 1; alone, 0."""
        sets = self.vectors(findings)
        others = max(len(sets) - 1, 1)
        return [
            sum(
                set_similarity(one, other, self.distance)
                for row, other in enumerate(sets)
                if row != at
            )
            / others
            for at, one in enumerate(sets)
        ]


class CorpusNearness:
    """Scores a candidate by how near the reports of a corpus are to what it has said so far.

    The mean, over the k nearest reports, of 1 - the one-sided Chamfer distance from the candidate:
    how far each of its sentences is from its nearest in the report. What the report says beyond is
    not counted, for the candidate may yet say it. It knows nothing of the image: what is common
    in the corpus is near.

    Args:
        reports (`Sequence[str]`): Findings of the corpus; some thousands are enough, and their
            vectors are kept, 9 KB a distinct sentence with MiniLM.
        vectors ([`SentenceVectors`]): Embeds sentences.
        k (`int`, *optional*, defaults to `5`): How many of the nearest reports count.

    Raises:
        `ValueError`: When no report holds a sentence.
    """

    def __init__(self, reports: Sequence[str], vectors: SentenceVectors, k: int = 5) -> None:
        self.vectors = vectors
        cut = [list(dict.fromkeys(split_sentences(text))) for text in reports]
        cut = [sentences for sentences in cut if sentences]
        if not cut:
            raise ValueError(f"expected reports with sentences, found none in {len(reports)}")
        numbers: dict[str, int] = {}
        occurrences = [numbers.setdefault(s, len(numbers)) for sentences in cut for s in sentences]
        self._sentences = np.concatenate(vectors(list(numbers)))
        self._occurrences = np.array(occurrences)
        self._starts = np.cumsum([0, *map(len, cut)])[:-1]
        self.k = min(k, len(cut))

    def __call__(self, findings: Sequence[str]) -> list[float]:
        """Gives the nearness of each candidate, -1 to 1; of one that has said nothing, -1."""
        return [self._nearness(vectors) for vectors in self.vectors(findings)]

    def _nearness(self, vectors: NDArray[np.float32]) -> float:
        if not len(vectors):
            return -1.0
        cosines = (vectors @ self._sentences.T)[:, self._occurrences]
        nearest = np.maximum.reduceat(cosines, self._starts, axis=1).mean(axis=0)
        return float(np.partition(nearest, -self.k)[-self.k :].mean())
