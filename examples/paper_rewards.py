"""What GRPO is tried with, all from one checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from semenrich_datasets import FindingsIndex
from semenrich_trainers.rewards import (
    ClusterReward,
    PaperClusterReward,
    SentenceReward,
    SetDistanceReward,
)

COLUMN = {"findings_column": "safe_findings"}

Indexes = Mapping[str, FindingsIndex]


@dataclass(frozen=True)
class Lesson:
    """How a policy is taught.

    Args:
        title (`str`): In the tables.
        rewards (`Callable[[Indexes], list]`): Gives what it is paid by, beside `format`.
        learning_rate (`float`, *optional*, defaults to `3e-4`): Of the first step.
    """

    title: str
    rewards: Callable[[Indexes], list[Any]]
    learning_rate: float = 3e-4


def _unit(made: Indexes) -> ClusterReward:
    return ClusterReward(made["index"], made["impressions"], **COLUMN)


def _surprise(made: Indexes) -> ClusterReward:
    return ClusterReward(made["index"], made["impressions"], weights="surprise", **COLUMN)


REWARDS = {
    "sentence": Lesson("exact sentences", lambda made: [SentenceReward(**COLUMN)]),
    "paper": Lesson(
        "clusters, as published",
        lambda made: [PaperClusterReward(made["paper_index"], made["paper_impressions"], **COLUMN)],
    ),
    "unit": Lesson("claims, each counts the same", lambda made: [_unit(made)]),
    "surprise": Lesson("claims, by how surprising they are", lambda made: [_surprise(made)]),
    "distance": Lesson(
        "distance between sets of sentences (chamfer)",
        lambda made: [SetDistanceReward("chamfer", **COLUMN)],
    ),
    # What was tried against the loss of what is abnormal.
    "unit_slow": Lesson(
        "claims, at a third of the learning rate", lambda made: [_unit(made)], learning_rate=1e-4
    ),
    "unit_surprise": Lesson(
        "claims, both ways at once", lambda made: [_unit(made), _surprise(made)]
    ),
    "unit_surprise_slow": Lesson(
        "claims, both ways at once, at a third of the learning rate",
        lambda made: [_unit(made), _surprise(made)],
        learning_rate=1e-4,
    ),
}
