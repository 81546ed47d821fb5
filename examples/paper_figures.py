"""The plots of the experiment, from its raw figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

#: Panels of the comparison of arms: figure, title.
GAINS = {
    "bleu_complete": "BLEU, complete truth",
    "bleu_cut": "the same, cut to base's length",
    "all_f1": "truth F1, all statements",
    "abnormal_f1": "abnormal F1",
    "bleu_written": "BLEU, as written",
}
CURVES = {"reward": "reward", "frac_reward_zero_std": "groups of equal rewards"}
_INK = "#0b5fa5"


def draw_all(tables: dict[str, Any], to: Path) -> None:
    """Draws what there is into a folder."""
    mpl.rcParams.update({"svg.hashsalt": "semenrich", "svg.fonttype": "none"})
    if "base" in tables["sft"]:
        draw_gains(tables["sft"], "base", to / "arms.svg")
    if "sentence" in tables["grpo"]:
        draw_gains(tables["grpo"], "sentence", to / "rewards.svg")
    if tables["grpo"]:
        draw_bands(tables["grpo"], to / "bands.svg")
    if tables.get("curves"):
        draw_curves(tables["curves"], to / "grpo.svg")
    if tables.get("pruning"):
        draw_pruning(tables["pruning"], to / "pruning.svg")


def draw_gains(arms: dict[str, Any], base: str, path: Path) -> None:
    """Draws how far each arm is from the base, relative, with 95 % intervals."""
    names = [name for name in GAINS if name in arms[base]]
    others = [arm for arm in arms if arm != base]
    size = (2.6 * len(names) + 1.6, 0.32 * len(others) + 1.0)
    figure, axes = plt.subplots(1, len(names), figsize=size, sharey=True, squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        scale = 100 / max(arms[base][name]["value"], 1e-9)
        for row, arm in enumerate(reversed(others)):
            entry = arms[arm].get(name, {})
            if "interval" not in entry:
                continue
            low, high = (scale * bound for bound in entry["interval"])
            axis.plot([low, high], [row, row], color=_INK, linewidth=1.5)
            axis.plot(scale * entry["difference"], row, marker="o", color=_INK, markersize=4)
        axis.axvline(0, color="0.5", linewidth=0.8)
        axis.set(title=GAINS[name], xlabel=f"% from {base}")
        axis.title.set_fontsize("small")
        axis.grid(alpha=0.3, axis="x")
    axes[0, 0].set_yticks(range(len(others)), list(reversed(others)), fontsize="small")
    _save(figure, path)


def draw_bands(rewards: dict[str, Any], path: Path) -> None:
    """Draws F1 by how common a claim is: a model that repeats what is common is good there only."""
    bands = ("common", "usual", "seldom", "rare")
    figure, axis = plt.subplots(figsize=(6, 3.4))
    width = 0.8 / len(rewards)
    for place, (reward, figures) in enumerate(rewards.items()):
        heights = [figures[f"{band}_f1"]["value"] for band in bands]
        axis.bar([x + place * width for x in range(len(bands))], heights, width, label=reward)
    middle = 0.4 - width / 2
    labels = ("over 20 %", "5 to 20 %", "1 to 5 %", "under 1 %")
    axis.set_xticks([x + middle for x in range(len(bands))], labels)
    axis.set(xlabel="reports of the corpus that make the claim", ylabel="F1, complete truth")
    axis.legend(fontsize="x-small")
    axis.grid(alpha=0.3, axis="y")
    _save(figure, path)


def draw_curves(curves: dict[str, dict[str, list[float]]], path: Path) -> None:
    """Draws how each reward rose over the steps of GRPO, as a share of where it began."""
    figure, axes = plt.subplots(1, len(CURVES), figsize=(4 * len(CURVES), 3), squeeze=False)
    for axis, (name, title) in zip(axes[0], CURVES.items(), strict=True):
        for reward, logged in curves.items():
            values = logged.get(name, [])
            if name == "reward" and values:
                values = [value / max(values[0], 1e-9) for value in values]
            axis.plot(range(1, len(values) + 1), values, label=reward, linewidth=1.2)
        axis.set(title=title, xlabel="step")
        axis.grid(alpha=0.3)
    axes[0, 0].legend(fontsize="x-small")
    _save(figure, path)


def draw_pruning(lines: list[dict[str, Any]], path: Path) -> None:
    """Draws quality over the tokens that were drawn, means over the seeds."""
    figure, axis = plt.subplots(figsize=(5.5, 3.6))
    ways: dict[str, dict[tuple[int, float], list[dict[str, Any]]]] = {}
    for line in lines:
        same = ways.setdefault(line["method"], {})
        same.setdefault((line["n"], line["keep"]), []).append(line)
    for method, points in ways.items():
        means = sorted(
            tuple(sum(one[name] for one in same) / len(same) for name in ("tokens", "all_f1"))
            for same in points.values()
        )
        axis.plot(*zip(*means, strict=True), marker="o", label=method, linewidth=1.2)
    axis.set(xlabel="tokens drawn", ylabel="truth F1, all statements")
    axis.legend(fontsize="x-small")
    axis.grid(alpha=0.3)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
