"""Rewards of the text alone: its form, its exact sentences, its n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from semenrich_datasets.columns import check_column
from semenrich_datasets.sentences import normalize_sentence, split_sentences
from semenrich_trainers.formatting import completion_text, parse_report
from semenrich_trainers.references import known_texts
from semenrich_trainers.rewards.sections import SectionReward, f1


def format_reward(
    completions: Sequence[Any], prompts: Sequence[Any] | None = None, **columns: Any
) -> list[float | None]:
    """Rewards the form `<think> findings </think><answer> impression </answer>`: 1, else 0.

    Each tag once, in this order, and no text outside them (SemEnrich, arXiv 2604.09887). Where a
    prompt itself ends in `<think>`, the completion goes on from there. A `<think>` that a chat
    template adds to a prompt is not seen here: our trainers take it out, and for TRL's own so does
    [`~chat_templates.use_report_chat_template`].

    Args:
        completions (`Sequence`): Texts, or lists of messages as TRL hands them over.
        prompts (`Sequence`, *optional*): The same, a prompt per completion.
        columns (`list`): Columns of the dataset; not looked at.

    Returns:
        `list[float | None]`: 0.0 or 1.0 per completion.

    Example:
        ```python
        >>> format_reward(["<think> No effusion. </think><answer> Normal. </answer>", "Normal."])
        [1.0, 0.0]
        ```
    """
    opened = [_opened_think(prompt) for prompt in prompts or [""] * len(completions)]
    texts = [completion_text(completion) for completion in completions]
    reports = [parse_report(tag + text) for tag, text in zip(opened, texts, strict=True)]
    return [float(report.well_formed) for report in reports]


def _opened_think(prompt: Any) -> str:
    """Gives the tag that a prompt ends in: a text, or messages of which the model's is begun."""
    if not isinstance(prompt, str):
        is_begun = bool(prompt) and prompt[-1].get("role") == "assistant"
        prompt = completion_text(prompt[-1:]) if is_begun else ""
    return "<think>" if prompt.rstrip().endswith("<think>") else ""


class ExactAnswerReward:
    """Rewards an impression that is the reference's, sentence by sentence in any order: 1, else 0.

    Case, white space and final stops are not looked at (SemEnrich, arXiv 2604.09887). None where
    the reference impression says nothing.

    Args:
        impression_column (`str`, *optional*, defaults to `"impression"`): Column of the reference.
    """

    __name__ = "exact_answer_reward"

    def __init__(self, impression_column: str = "impression") -> None:
        self.impression_column = impression_column

    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float | None]:
        """Scores a batch of completions.

        Args:
            completions (`Sequence`): Texts, or lists of messages as TRL hands them over.
            columns (`list`): Columns of the dataset, a value per completion.

        Returns:
            `list[float | None]`: 0.0 or 1.0 per completion; None where there is no reference.

        Raises:
            `ValueError`: When the column is missing.
        """
        check_column(self.impression_column, columns, "impression_column")
        rewards: list[float | None] = []
        references = known_texts(columns[self.impression_column])
        for completion, reference in zip(completions, references, strict=True):
            wanted = _sentences(reference)
            written = _sentences(parse_report(completion_text(completion)).impression)
            rewards.append(float(written == wanted) if wanted else None)
        return rewards


class SentenceReward(SectionReward):
    """F1 over the sets of sentences, equal letter for letter: the baseline of the cluster reward.

    F1 = 2 |G ∩ R| / (|G| + |R|) with G the distinct sentences generated and R those of the
    reference, lower case, for the findings plus the same for the impression: 0 to 2 (SemEnrich,
    arXiv 2604.09887, "exact reward"). References that say nothing as in [`SectionReward`].
    """

    __name__ = "sentence_reward"

    def score(
        self, generated: Sequence[str], references: Sequence[str], section: str
    ) -> list[float]:
        """Gives the F1 of each pair, 0 to 1."""
        pairs = zip(map(_sentences, generated), map(_sentences, references), strict=True)
        return [f1(len(left & right), len(left), len(right)) for left, right in pairs]


class BleuReward(SectionReward):
    """Sentence BLEU of the findings plus that of the impression, 0 to 2.

    sacrebleu's sentence BLEU (4-grams, exponential smoothing, effective order), lower case, over
    100; an empty section gives 0.

    Raises:
        `ImportError`: When sacrebleu is missing.
    """

    __name__ = "bleu_reward"

    def __init__(
        self, findings_column: str = "findings", impression_column: str | None = "impression"
    ) -> None:
        try:
            from sacrebleu.metrics.bleu import BLEU
        except ImportError as error:
            raise ImportError(
                'BleuReward needs sacrebleu: pip install "semenrich[train]"'
            ) from error
        super().__init__(findings_column, impression_column)
        self._bleu = BLEU(lowercase=True, effective_order=True)

    def score(
        self, generated: Sequence[str], references: Sequence[str], section: str
    ) -> list[float]:
        """Gives the BLEU of each pair, 0 to 1."""
        return [
            self._bleu.sentence_score(text, [reference]).score / 100.0 if text.strip() else 0.0
            for text, reference in zip(generated, references, strict=True)
        ]


def _sentences(text: str) -> set[str]:
    return {normalize_sentence(sentence) for sentence in split_sentences(text)}
