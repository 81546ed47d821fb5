"""Reward functions for TRL's GRPO: `completions, **columns -> list[float | None]`."""

from semenrich_trainers.rewards.cluster import ClusterReward
from semenrich_trainers.rewards.finding import FindingReward
from semenrich_trainers.rewards.metric import CheXbertReward, MetricReward, RadGraphReward
from semenrich_trainers.rewards.paper_cluster import PaperClusterReward
from semenrich_trainers.rewards.paper_text import (
    PaperBleuReward,
    PaperExactAnswerReward,
    PaperSentenceReward,
)
from semenrich_trainers.rewards.set_distance import SetDistanceReward
from semenrich_trainers.rewards.text import (
    BleuReward,
    ExactAnswerReward,
    SentenceReward,
    format_reward,
)

__all__ = [
    "BleuReward",
    "CheXbertReward",
    "ClusterReward",
    "ExactAnswerReward",
    "FindingReward",
    "MetricReward",
    "PaperBleuReward",
    "PaperClusterReward",
    "PaperExactAnswerReward",
    "PaperSentenceReward",
    "RadGraphReward",
    "SentenceReward",
    "SetDistanceReward",
    "format_reward",
]
