"""The finding reward: does the model find what the report finds, as a reader weighs it?"""

from __future__ import annotations

import os
from collections.abc import Sequence

from semenrich_datasets.reading import Lexicon, Reader, Reading, as_reader
from semenrich_datasets.reading.finding_score import finding_score
from semenrich_datasets.sentences import split_sentences
from semenrich_trainers.rewards.sections import SectionReward


class FindingReward(SectionReward):
    """The `finding_score` of the findings plus that of the impression: 0 to 2.

    Errors cost by what they are: a missed pneumothorax more than missed degenerative change, the
    wrong side more than a side that is not said, severe for mild more than moderate for mild (see
    [`~semenrich_datasets.reading.finding_score.finding_score`], which is also the `finding_score`
    of the metric `finding_f1`). It needs no index and no model. A normal statement left out costs
    little and an empty section everything, so that beside a normal reference a short completion
    scores well: combine it with a reward of what is said, such as
    [`~semenrich_trainers.rewards.ClusterReward`].

    Args:
        reader ([`Reader`], [`Lexicon`], `str` or `os.PathLike`, *optional*): What reads the
            sentences: by default the lexicon for chest X-rays. A reader remembers what it has read.
        findings_column (`str`, *optional*, defaults to `"findings"`): Column of the reference
            findings.
        impression_column (`str` or `None`, *optional*, defaults to `"impression"`): Column of the
            reference impression; None to compare the findings alone.

    Example:
        ```python
        >>> reward = FindingReward(impression_column=None)
        >>> reward(["Effusion.", "No effusion."], findings=["Left effusion."] * 2)
        [0.8260869565217391, 0.4]
        ```
    """

    __name__ = "finding_reward"

    def __init__(
        self,
        reader: Reader | Lexicon | str | os.PathLike[str] | None = None,
        *,
        findings_column: str = "findings",
        impression_column: str | None = "impression",
    ) -> None:
        super().__init__(findings_column, impression_column)
        self.reader = as_reader(reader)

    def score(
        self, generated: Sequence[str], references: Sequence[str], section: str
    ) -> list[float]:
        """Gives the score of each pair, 0 to 1."""
        texts = dict.fromkeys([*generated, *references])
        read = {text: self._read(text) for text in texts}
        return [
            finding_score(read[text], read[reference], self.reader).score if text.strip() else 0.0
            for text, reference in zip(generated, references, strict=True)
        ]

    def _read(self, text: str) -> list[Reading]:
        return [self.reader.read(sentence) for sentence in split_sentences(text)]
