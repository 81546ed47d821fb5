"""Rewards of the text alone as the reference code of SemEnrich computes them, for comparison."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from semenrich_datasets.columns import check_column
from semenrich_datasets.sentences import split_paper
from semenrich_trainers.formatting import completion_text
from semenrich_trainers.references import known_texts
from semenrich_trainers.rewards.sections import SectionReward, f1

_ANSWER = re.compile("<answer>(.*?)</answer>", re.DOTALL)
_LIST_NUMBERS = frozenset("123456789")  # "1. Clear lungs. 2. ...": pieces of their own
_LONGEST_GRAM = 4
_EPSILON = 0.1


def published_sentences(text: str) -> list[str]:
    """Cuts at every ".", in lower case, and drops the numbers of a list."""
    return [sentence for sentence in split_paper(text) if sentence not in _LIST_NUMBERS]


class PaperExactAnswerReward:
    """Rewards an impression that is the reference's letter for letter: 1, else 0.

    The reference code's "accuracy": the text between `<answer>` and `</answer>`, or the whole
    completion where there is none, without the white space around it. What differs: None where the
    reference says nothing, and no symbolic comparison of formulas (math_verify), which reports
    do not hold.

    Args:
        impression_column (`str`, *optional*, defaults to `"impression"`): Column of the reference.
    """

    __name__ = "paper_exact_answer_reward"

    def __init__(self, impression_column: str = "impression") -> None:
        self.impression_column = impression_column

    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float | None]:
        """Scores a batch of completions; a reward function for TRL."""
        check_column(self.impression_column, columns, "impression_column")
        references = known_texts(columns[self.impression_column])
        return [
            float(_answer(completion_text(completion)) == reference.strip()) if reference else None
            for completion, reference in zip(completions, references, strict=True)
        ]


class PaperSentenceReward(SectionReward):
    """F1 over the sets of sentences, cut at every ".", findings plus impression: 0 to 2.

    The reference code's "exact sentence match": lower case, 0 where a section is empty.
    """

    __name__ = "paper_sentence_reward"

    def score(
        self, generated: Sequence[str], references: Sequence[str], section: str
    ) -> list[float]:
        """Gives the F1 of each pair, 0 to 1."""
        sets = [
            (set(published_sentences(text)), set(published_sentences(reference)))
            for text, reference in zip(generated, references, strict=True)
        ]
        return [
            f1(len(left & right), len(left), len(right)) if left and right else 0.0
            for left, right in sets
        ]


class PaperBleuReward(SectionReward):
    """Sentence BLEU of the findings plus that of the impression, as published: 0 to 2.

    The reference code's: NLTK's `sentence_bleu` with `SmoothingFunction().method1`. Words are what
    white space divides, so that "clear." and "clear" differ, as do capitals; a precision without
    any match counts as 0.1 n-grams. sacrebleu's, in [`BleuReward`], tells punctuation from words,
    ignores case, smooths otherwise and leaves out n-grams longer than the text: it is higher for
    short texts.
    """

    __name__ = "paper_bleu_reward"

    def score(
        self, generated: Sequence[str], references: Sequence[str], section: str
    ) -> list[float]:
        """Gives the BLEU of each pair, 0 to 1."""
        pairs = zip(generated, references, strict=True)
        return [published_bleu(text.split(), reference.split()) for text, reference in pairs]


def published_bleu(words: Sequence[str], reference: Sequence[str]) -> float:
    """Gives NLTK's sentence BLEU of 4-grams, smoothed by method1 (Chen and Cherry, 2014).

    Args:
        words (`Sequence[str]`): What was generated.
        reference (`Sequence[str]`): What should have been.

    Returns:
        `float`: 0 to 1; 0 where no word is shared.
    """
    logs = []
    for size in range(1, _LONGEST_GRAM + 1):
        grams, wanted = _grams(words, size), _grams(reference, size)
        shared = (grams & wanted).total()
        if size == 1 and not shared:
            return 0.0
        logs.append(math.log((shared or _EPSILON) / max(grams.total(), 1)))
    brevity = min(0.0, 1 - len(reference) / len(words))
    return math.exp(brevity + sum(logs) / _LONGEST_GRAM)


def _grams(words: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(size)), strict=False))


def _answer(text: str) -> str:
    found = _ANSWER.search(text)
    return (found[1] if found else text).strip()
