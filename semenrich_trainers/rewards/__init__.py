"""Reward functions for TRL's GRPO: `completions, **columns -> list[float | None]`."""

from semenrich_trainers.rewards.cluster import ClusterReward
from semenrich_trainers.rewards.metric import CheXbertReward, MetricReward, RadGraphReward
from semenrich_trainers.rewards.set_distance import SetDistanceReward
from semenrich_trainers.rewards.text import (
    BleuReward,
    SentenceReward,
    exact_answer_reward,
    format_reward,
)

__all__ = [
    "BleuReward",
    "CheXbertReward",
    "ClusterReward",
    "MetricReward",
    "RadGraphReward",
    "SentenceReward",
    "SetDistanceReward",
    "exact_answer_reward",
    "format_reward",
]
