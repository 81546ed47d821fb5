"""What all rewards of report sections share: columns in, one number per completion out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from semenrich_datasets.columns import check_column
from semenrich_trainers.formatting import completion_text, parse_report
from semenrich_trainers.references import known_texts


class SectionReward(ABC):
    """Findings score plus impression score of each completion; a reward function for TRL.

    A completion is parsed into its sections ([`~formatting.parse_report`]) and each section is
    compared with the reference's. The range is 0 to the number of sections compared (0 to 2).

    A section whose reference says nothing ([`~references.known_text`]) is not scored: nobody knows
    what is right there, and silence is not. The other is then worth both, so that the range stays.
    A row whose references all say nothing gives None, which TRL leaves out of the mean.

    Args:
        findings_column (`str`, *optional*, defaults to `"findings"`): Column of the reference
            findings.
        impression_column (`str` or `None`, *optional*, defaults to `"impression"`): Column of the
            reference impression; None to compare the findings alone.
    """

    #: TRL names a reward in its logs by this.
    __name__: str

    def __init__(
        self, findings_column: str = "findings", impression_column: str | None = "impression"
    ) -> None:
        self.findings_column = findings_column
        self.impression_column = impression_column

    def __call__(
        self,
        completions: Sequence[Any],
        **columns: Any,
    ) -> list[float | None]:
        """Scores a batch of completions.

        Args:
            completions (`Sequence`): Texts, or lists of messages as TRL hands them over.
            columns (`list`): Columns of the dataset, a value per completion.

        Returns:
            `list[float | None]`: A reward per completion; None where there is no reference.

        Raises:
            `ValueError`: When a reference column is missing.
        """
        reports = [parse_report(completion_text(completion)) for completion in completions]
        pairs = [([report.findings for report in reports], self.findings_column, "findings")]
        if self.impression_column is not None:
            texts = [report.impression for report in reports]
            pairs.append((texts, self.impression_column, "impression"))
        scores: list[list[float]] = [[] for _ in reports]
        for generated, column, section in pairs:
            check_column(column, columns, f"{section}_column")
            references = known_texts(columns[column])
            known = [row for row, text in enumerate(references) if text]
            found = self.score(
                [generated[row] for row in known], [references[row] for row in known], section
            )
            for row, score in zip(known, found, strict=True):
                scores[row].append(score)
        return [sum(one) * len(pairs) / len(one) if one else None for one in scores]

    @abstractmethod
    def score(
        self, generated: Sequence[str], references: Sequence[str], section: str
    ) -> list[float]:
        """Compares sections.

        Args:
            generated (`Sequence[str]`): What the model wrote.
            references (`Sequence[str]`): What it should have written, in the same order; each says
                something.
            section (`str`): "findings" or "impression".

        Returns:
            `list[float]`: 0 to 1 for each pair.
        """


def f1(shared: float, generated: float, reference: float) -> float:
    """F1 of two sets by their weights: 2 shared / (generated + reference); 1 for two empty ones."""
    total = generated + reference
    return 2.0 * shared / total if total else 1.0
