"""Signs of sentences from a chat model, asked about a few sentences of each unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semenrich_datasets.chat import Ask, parse_choice
from semenrich_datasets.reading import Sign
from semenrich_datasets.reading.signs import NOISE, SIGNS

QUESTION = """\
Below is one sentence from a radiology report. Would the report of a completely healthy person \
say it?

- normal: yes, everything in the sentence holds for a completely healthy person.
- abnormal: the sentence states, suspects or fails to exclude anything that a completely healthy \
person would not have.
- neutral: the sentence says nothing of the person's health, or it cannot be understood.

Answer with one word, normal, abnormal or neutral, and nothing else.

Sentence: {sentence}"""


@dataclass(frozen=True)
class LLMSigns:
    """A chat model's sign of each sentence: the published way, made robust.

    As published (SemEnrich, arXiv 2604.09887; details from its reference code), a model is asked
    about ONE random sentence of a cluster, at temperature 0.9, and every answer that contains
    "positive" counts as such, "not positive" included. Here it is asked about several, drawn as
    the reports hold them (see [`draw_occurrences`]), at temperature 0, and the answer must be
    one word exactly; what cannot be read is neutral.

    The question is the paper's (would a completely healthy person's report say this?) in words of
    our own: "normal" and "abnormal" for its "positive" and "negative", since in radiology a
    positive finding is an abnormal one, and "neutral" as a way out of a forced choice.

    Args:
        ask (`Callable[[Sequence[str]], list[str]]`):
            the chat model, such as [`~chat.PipelineChat`] or [`~chat.InferenceChat`].
        sentences_per_cluster (`int`, *optional*, defaults to `5`):
            occurrences drawn from a unit. Odd numbers leave fewer ties; 1 is as published.
        seed (`int`, *optional*, defaults to `0`): seed of the draw.

    Raises:
        ValueError: if `sentences_per_cluster` is below 1.
    """

    ask: Ask
    sentences_per_cluster: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sentences_per_cluster < 1:
            raise ValueError(
                "Expected at least one sentence per cluster, found sentences_per_cluster="
                f"{self.sentences_per_cluster}; 5 is the default, 1 the paper's."
            )

    def __call__(self, sentences: Sequence[str]) -> list[Sign]:
        """The sign of each sentence, in order; one question per distinct sentence."""
        answers = self.ask([QUESTION.format(sentence=sentence) for sentence in sentences])
        return [
            parse_choice(answer, SIGNS) or "neutral"
            for _, answer in zip(sentences, answers, strict=True)
        ]


def draw_occurrences(
    cluster_ids: NDArray[np.integer], counts: NDArray[np.integer], k: int, seed: int
) -> NDArray[np.int64]:
    """How often each sentence comes up when k occurrences are drawn from each cluster.

    A sentence that the corpus holds 90 times stands in the draw 90 times, and none is drawn twice;
    clusters of k occurrences or fewer are drawn whole. So the result takes the place of `counts` in
    [`~signs.cluster_signs`]: its vote estimates the vote of all occurrences, and only sentences
    with a draw need be classified.

    Args:
        cluster_ids (`np.ndarray` of int, shape (n,)): cluster of each sentence; -1 is noise.
        counts (`np.ndarray` of int, shape (n,)): occurrences of each sentence, at least 0.
        k (`int`): draws per cluster.
        seed (`int`): seed of the draw.

    Returns:
        `np.ndarray` of int64, shape (n,): draws of each sentence; 0 for noise.
    """
    clustered = np.flatnonzero(np.asarray(cluster_ids) != NOISE)
    occurrences = np.repeat(clustered, np.asarray(counts)[clustered])
    np.random.default_rng(seed).shuffle(occurrences)
    # A stable sort keeps the shuffled order inside each cluster: its first k are the draw.
    occurrences = occurrences[np.argsort(cluster_ids[occurrences], kind="stable")]
    clusters = cluster_ids[occurrences]
    rank = np.arange(len(clusters)) - np.searchsorted(clusters, clusters)
    return np.bincount(occurrences[rank < k], minlength=len(cluster_ids))
