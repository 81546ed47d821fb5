"""The tables of the experiment as Markdown, from its raw figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paper_arms import ARMS
from paper_policies import policy_table
from pruning_curve import as_table

#: Runs of both sides from which on a difference is called beyond chance.
FEWEST_RUNS = 3

#: Figures of a table by its title; those in percent are shares.
TABLES = {
    "Against the complete truth": {
        "bleu_complete": "BLEU",
        "bleu_cut": "BLEU, cut to base's length",
        "unit_complete": "claims F1",
        "all_f1": "truth F1",
        "all_precision": "precision",
        "all_recall": "recall",
        "harm": "studies with a false normal",
        "words": "words",
    },
    "Normal and abnormal apart": {
        "normal_precision": "normal precision",
        "normal_recall": "normal recall",
        "abnormal_precision": "abnormal precision",
        "abnormal_recall": "abnormal recall",
        "abnormal_f1": "abnormal F1",
    },
    "Against the reports as their authors wrote them": {
        "bleu_written": "BLEU",
        "unit_written": "claims F1",
        "distinct": "different sentences",
    },
    "F1 of claims by how many reports of the corpus make them": {
        "common_f1": "over 20 %",
        "usual_f1": "5 to 20 %",
        "seldom_f1": "1 to 5 %",
        "rare_f1": "under 1 %",
    },
}


def to_markdown(tables: Mapping[str, Any]) -> str:
    """Gives all tables: the arms of SFT, then the rewards of GRPO."""
    parts = [
        "<!-- Written by examples/paper_tables.py. -->",
        "In brackets: relative to the first row, and the 95 % interval over studies and seeds. "
        f"Bold: both have {FEWEST_RUNS} runs or more, and p, corrected over the rows of a column "
        "(Holm), is below 0.05.",
        "\n".join(f"- `{name}`: {arm.title}" for name, arm in ARMS.items()),
    ]
    for stage, base in {"sft": "base", "grpo": "sentence"}.items():
        arms = tables[stage]
        if base not in arms:
            continue
        name = "SFT, by what is learned" if stage == "sft" else "GRPO, by reward"
        for title, figures in TABLES.items():
            distinct = _distinct(tables["runs"], stage)
            parts.append(f"### {name}: {title[0].lower()}{title[1:]}")
            parts.append(_table(arms, base, figures, distinct))
    if tables.get("policies"):
        parts.append("### What rewards pay: mean of 2, and the share of the base model's reward")
        parts.append(policy_table(tables["policies"], "a model (sft/base)"))
    if tables.get("pruning"):
        parts.append("### Best of N, stopped on the way")
        parts.append(as_table(tables["pruning"]))
    return "\n\n".join(parts) + "\n"


def _table(
    arms: Mapping[str, Any], base: str, figures: Mapping[str, str], distinct: Mapping[str, float]
) -> str:
    shown = [name for name in figures if name == "distinct" or name in arms[base]]
    runs = next(iter(arms[base].values()))["seeds"]
    lines = [
        _row(["trained on" if base == "base" else "reward", "runs", *(figures[n] for n in shown)]),
        _row(["---"] * (len(shown) + 2)),
    ]
    for arm, entries in arms.items():
        seeds = str(next(iter(entries.values()))["seeds"])
        cells = []
        for name in shown:
            if name == "distinct":
                cells.append(f"{distinct[arm]:.0f}")
            else:
                cells.append(_cell(entries.get(name), name, arms[base][name]["value"], runs))
        lines.append(_row([arm, seeds, *cells]))
    return "\n".join(lines)


def _cell(entry: Mapping[str, Any] | None, name: str, base: float, base_runs: int) -> str:
    """The mean; relative to the base the difference and its interval, bold beyond chance."""
    if entry is None:
        return ""
    value = f"{entry['value']:.1f}" if name == "words" else f"{entry['value']:.3f}"
    if "difference" not in entry:
        return value
    low, high = (100 * bound / max(base, 1e-9) for bound in entry["interval"])
    # Of two runs the spread over seeds is not known well enough for a verdict.
    is_sure = min(entry["seeds"], base_runs) >= FEWEST_RUNS and entry["p_corrected"] < 0.05
    mark = "**" if is_sure else ""
    return f"{value} ({mark}{100 * entry['relative']:+.0f} %{mark}, {low:+.0f} to {high:+.0f})"


def _distinct(runs: Mapping[str, Any], stage: str) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for name, values in runs.items():
        kind, arm, _ = name.split("/")
        if kind == stage:
            found.setdefault(arm, []).append(values["distinct"])
    return {arm: sum(counts) / len(counts) for arm, counts in found.items()}


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
