"""Rewards by name, made for an index and the columns of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trl.trainer.grpo_trainer import RewardFunc

from semenrich_datasets.index import FindingsIndex
from semenrich_datasets.index.recorded_names import RecordedName
from semenrich_trainers.rewards import (
    BleuReward,
    ClusterReward,
    ExactAnswerReward,
    FindingReward,
    PaperBleuReward,
    PaperClusterReward,
    PaperExactAnswerReward,
    PaperSentenceReward,
    SentenceReward,
    SetDistanceReward,
    format_reward,
)
from semenrich_trainers.rewards.claim_weights import Weighting
from semenrich_trainers.set_distance import Distance


@dataclass(frozen=True)
class RewardContext:
    """What a named reward is made from.

    Args:
        index ([`FindingsIndex`]): Of findings.
        impression_index ([`FindingsIndex`] or None): Of impressions; with None `index` serves both.
        findings_column (`str`): Column of the reference findings.
        impression_column (`str`): Column of the reference impression.
    """

    index: FindingsIndex
    impression_index: FindingsIndex | None
    findings_column: str
    impression_column: str

    @property
    def columns(self) -> dict[str, str]:
        """The columns, as the rewards' arguments."""
        return {
            "findings_column": self.findings_column,
            "impression_column": self.impression_column,
        }

    def cluster(self, weights: Weighting | None = None) -> RewardFunc:
        """Makes a cluster reward, named by its weights: TRL logs those of one name as one."""
        reward = ClusterReward(self.index, self.impression_index, weights=weights, **self.columns)
        if weights is not None:
            reward.__name__ = f"{weights}_cluster_reward"
        return reward

    def set_distance(self, distance: Distance) -> RewardFunc:
        """Makes a set-distance reward with the encoder and the reader of the index."""
        encoder = self.index.encoder or RecordedName(self.index.config.embedder)
        return SetDistanceReward(distance, encoder, self.index.reader, **self.columns)


NAMED_REWARDS: dict[str, Callable[[RewardContext], RewardFunc]] = {
    "format": lambda context: format_reward,
    "exact_answer": lambda context: ExactAnswerReward(context.impression_column),
    "cluster": RewardContext.cluster,
    "rarity_cluster": lambda context: context.cluster("rarity"),
    "abnormal_cluster": lambda context: context.cluster("abnormal"),
    "surprise_cluster": lambda context: context.cluster("surprise"),
    "finding": lambda context: FindingReward(context.index.reader, **context.columns),
    "sentence": lambda context: SentenceReward(**context.columns),
    "bleu": lambda context: BleuReward(**context.columns),
    "chamfer": lambda context: context.set_distance("chamfer"),
    "matching": lambda context: context.set_distance("matching"),
    "energy": lambda context: context.set_distance("energy"),
}

#: The published ones of the same names, for comparison; "format" is ours: it refuses tags twice.
PAPER_REWARDS: dict[str, Callable[[RewardContext], RewardFunc]] = {
    "format": lambda context: format_reward,
    "exact_answer": lambda context: PaperExactAnswerReward(context.impression_column),
    "cluster": lambda context: PaperClusterReward(
        context.index, context.impression_index, **context.columns
    ),
    "sentence": lambda context: PaperSentenceReward(**context.columns),
    "bleu": lambda context: PaperBleuReward(**context.columns),
}

_PRESETS = {"safe": NAMED_REWARDS, "paper": PAPER_REWARDS}


def make_rewards(
    names: Sequence[str], context: RewardContext, preset: str = "safe"
) -> list[RewardFunc]:
    """Makes reward functions.

    Args:
        names (`Sequence[str]`): Of `NAMED_REWARDS`, or of `PAPER_REWARDS`, each once.
        context ([`RewardContext`]): What they are made from.
        preset (`str`, *optional*, defaults to `"safe"`): "paper" for the published ones.

    Returns:
        `list[Callable]`: In the order of the names.

    Raises:
        `ValueError`: When the preset or a name is unknown, or a name comes twice.
    """
    if preset not in _PRESETS:
        raise ValueError(f"expected reward_preset of {', '.join(_PRESETS)}, found {preset!r}")
    makers = _PRESETS[preset]
    for name in names:
        if name not in makers:
            of_preset = "" if preset == "safe" else f" with reward_preset={preset!r}"
            msg = (
                f"expected rewards of {', '.join(makers)}{of_preset}, found {name!r}: pass a "
                "reward of your own as reward_funcs="
            )
            raise ValueError(msg)
    if len(set(names)) < len(names):
        raise ValueError(f"expected each reward once, found {', '.join(names)}")
    return [makers[name](context) for name in names]
