"""One report to enrich, what is added to it, and what chooses the additions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


@dataclass(frozen=True)
class Report:
    """One report to enrich.

    Args:
        text (`str`): As it was written.
        sentences (`tuple[str, ...]`): Its sentences.
        context (`tuple[str, ...]`): Other texts on the same image.
        history (`tuple[str, ...]`): The indication or history.
        exam (`str`): What kind of study it is; empty where unknown.
        rng (`random.Random`): Source of its draws, seeded by its text.
        image (`np.ndarray` of shape `(d,)`, float32, *optional*): Embedding of its image.
        fold (`int`, *optional*, defaults to `0`): The part of the index's corpus whose reports the
            silence model must not have seen; 0 for none.
    """

    text: str
    sentences: tuple[str, ...]
    context: tuple[str, ...]
    history: tuple[str, ...]
    exam: str
    rng: random.Random
    image: NDArray[np.float32] | None = None
    fold: int = 0


@dataclass(frozen=True)
class Addition:
    """A sentence added to a report.

    Args:
        sentence (`str`): As it stands in the enriched report.
        cluster_id (`int`): Its unit in the index.
        support (`int`): Reports of the corpus that hold the unit.
        score (`float`): From 0 to 1, how surely it is true though unsaid.
    """

    sentence: str
    cluster_id: int
    support: int
    score: float

    def as_dict(self) -> dict[str, Any]:
        """Gives the row of the column `added_findings`."""
        return dict(vars(self))


#: Type of the column `added_findings`: the fields of an [`Addition`].
ADDED_TYPE = pa.list_(
    pa.struct(
        [
            ("sentence", pa.string()),
            ("cluster_id", pa.int64()),
            ("support", pa.int64()),
            ("score", pa.float64()),
        ]
    )
)


class Selection(Protocol):
    """What chooses the additions to a report."""

    def __call__(self, report: Report) -> list[Addition]:
        """Gives the additions, in the order in which reports say such things."""
        ...

    def replace(self, report: Report) -> list[str]:
        """Gives the report's sentences, each replaced by another that says the same."""
        ...

    def with_strategy(self, strategy: str) -> Self:
        """Gives the same with another strategy, what is fitted shared."""
        ...


class TypedColumn(list[Any]):
    """A column that tells Arrow its type, also when all of it is empty."""

    def __init__(self, values: Sequence[Any], arrow_type: pa.DataType) -> None:
        super().__init__(values)
        self.arrow_type = arrow_type

    def __arrow_array__(self, type: pa.DataType | None = None) -> pa.Array:
        return pa.array(list(self), type=type or self.arrow_type)
