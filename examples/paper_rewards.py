"""The rewards that GRPO is tried with, all from one checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

REWARDS: dict[str, Callable[[Indexes], Any]] = {
    "sentence": lambda made: SentenceReward(**COLUMN),
    "paper": lambda made: PaperClusterReward(
        made["paper_index"], made["paper_impressions"], **COLUMN
    ),
    "unit": lambda made: ClusterReward(made["index"], made["impressions"], **COLUMN),
    "surprise": lambda made: ClusterReward(
        made["index"], made["impressions"], weights="surprise", **COLUMN
    ),
    "distance": lambda made: SetDistanceReward("chamfer", **COLUMN),
}
