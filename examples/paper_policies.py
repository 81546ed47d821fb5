"""What rewards pay a model that looks at the image, and policies that look at none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from semenrich_datasets import FindingsIndex
from semenrich_trainers.reward_probe import normal_template
from semenrich_trainers.rewards import (
    BleuReward,
    ClusterReward,
    FindingReward,
    PaperClusterReward,
    SentenceReward,
    SetDistanceReward,
)

Reward = Callable[..., list[float | None]]


def make_rewards(indexes: Mapping[str, FindingsIndex]) -> dict[str, Reward]:
    """Makes the rewards by the names that GRPO's configuration has for them."""
    safe = indexes["index"], indexes["impressions"]
    return {
        "sentence": SentenceReward(),
        "bleu": BleuReward(),
        "cluster, published": PaperClusterReward(
            indexes["paper_index"], indexes["paper_impressions"]
        ),
        "cluster": ClusterReward(*safe),
        "abnormal_cluster": ClusterReward(*safe, weights="abnormal"),
        "rarity_cluster": ClusterReward(*safe, weights="rarity"),
        "surprise_cluster": ClusterReward(*safe, weights="surprise"),
        "finding": FindingReward(),
        "chamfer": SetDistanceReward("chamfer"),
    }


def measure_policies(
    trained: Mapping[str, Sequence[str]], studies: Any, indexes: Mapping[str, FindingsIndex]
) -> dict[str, dict[str, float]]:
    """Gives the mean reward of models and of blind policies, against reports as written.

    Args:
        trained (`Mapping[str, Sequence[str]]`): The completions of models, by name.
        studies (`Dataset`): Held out, as many as there are completions.
        indexes (`Mapping[str, FindingsIndex]`): Of the training corpus: "index", "impressions" and
            both published ones.

    Returns:
        `dict`: Reward to writer to mean reward. The blind writers: "normal template" (the eight
        commonest normal statements and the commonest impression), "every normal statement" (the
        forty commonest), "commonest report".
    """
    columns = {name: list(studies[name]) for name in ("findings", "impression")}
    ((impression, _),) = Counter(columns["impression"]).most_common(1)
    pairs = Counter(zip(columns["findings"], columns["impression"], strict=True))
    (((copied, answer), _),) = pairs.most_common(1)
    size = len(columns["findings"])
    index = indexes["index"]
    blind = {
        "normal template": _report(" ".join(_prose(normal_template(index))), impression),
        "every normal statement": _report(" ".join(_prose(normal_template(index, 40))), impression),
        "commonest report": _report(copied, answer),
    }
    written = {
        "the reports themselves": [_report(*pair) for pair in zip(*columns.values(), strict=True)],
        **trained,
        **{name: [text] * size for name, text in blind.items()},
    }
    return {
        name: {writer: _mean(reward(texts, **columns)) for writer, texts in written.items()}
        for name, reward in make_rewards(indexes).items()
    }


def policy_table(paid: Mapping[str, Mapping[str, float]], trained: str) -> str:
    """Gives the means as Markdown, and what each blind policy earns of a trained model's reward."""
    writers = list(next(iter(paid.values())))
    lines = [" | ".join(["| reward", *writers]) + " |", "| --- " * (len(writers) + 1) + "|"]
    blind = writers[-3:]
    for reward, means in paid.items():
        cells = [
            f"{means[writer]:.2f}"
            + (f" ({means[writer] / max(means[trained], 1e-9):.0%})" if writer in blind else "")
            for writer in writers
        ]
        lines.append(" | ".join([f"| {reward}", *cells]) + " |")
    return "\n".join(lines)


def _prose(sentences: Sequence[str]) -> list[str]:
    return [f"{one[0].upper()}{one[1:].rstrip('.')}." for one in sentences]


def _report(findings: str, impression: str) -> str:
    return f"<think> {findings} </think><answer> {impression} </answer>"


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / max(len(known), 1)
