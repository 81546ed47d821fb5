"""What all rewards of report sections share: columns in, one number per completion out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from semenrich_datasets.columns import check_column
from semenrich_trainers.formatting import completion_text, parse_report


class SectionReward(ABC):
    """Findings score plus impression score of each completion; a reward function for TRL.

    A completion is parsed into its sections ([`~formatting.parse_report`]) and each section is
    compared with the reference's. The range is 0 to the number of sections compared (0 to 2).

    Two empty sections agree fully (1); when one alone is empty the score is 0. A row whose
    references are all missing gives None, which TRL leaves out of the mean.

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
        totals = [0.0] * len(reports)
        known = [False] * len(reports)
        for generated, column, section in pairs:
            check_column(column, columns, f"{section}_column")
            references = [text if isinstance(text, str) else "" for text in columns[column]]
            scores = self.score(generated, references, section)
            totals = [total + score for total, score in zip(totals, scores, strict=True)]
            known = [one or bool(text.strip()) for one, text in zip(known, references, strict=True)]
        return [total if one else None for total, one in zip(totals, known, strict=True)]

    @abstractmethod
    def score(
        self, generated: Sequence[str], references: Sequence[str], section: str
    ) -> list[float]:
        """Compares sections.

        Args:
            generated (`Sequence[str]`): What the model wrote.
            references (`Sequence[str]`): What it should have written, in the same order.
            section (`str`): "findings" or "impression".

        Returns:
            `list[float]`: 0 to 1 for each pair.
        """


def f1(shared: float, generated: float, reference: float) -> float:
    """F1 of two sets by their weights: 2 shared / (generated + reference); 1 for two empty ones."""
    total = generated + reference
    return 2.0 * shared / total if total else 1.0
