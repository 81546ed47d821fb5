"""Draws how runs learned, from their `trainer_state.json`: a panel a metric, a line a run.

    python examples/learning_curves.py runs/sft_phantom --output examples/sft_phantom.svg \
        --metrics loss eval_truth_f1 eval_abnormal_f1

Several folders, such as one a seed, are drawn on top of each other; folders joined by "+" are the
stages of one run, drawn one after the other.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

Points = tuple[list[int], list[float]]


def read_history(run: str, metric: str) -> Points:
    """Gives the steps and values of a metric.

    Args:
        run (`str`): Folder of a run, or folders of its stages joined by "+".
        metric (`str`): Name in the log history, such as `eval_truth_f1`.

    Returns:
        `tuple[list[int], list[float]]`: Steps, counted on over the stages, and values.
    """
    steps: list[int] = []
    values: list[float] = []
    before = 0
    for folder in run.split("+"):
        state = json.loads(Path(folder, "trainer_state.json").read_text(encoding="utf-8"))
        logged = [entry for entry in state["log_history"] if metric in entry]
        steps += [before + entry["step"] for entry in logged]
        values += [entry[metric] for entry in logged]
        before += state["global_step"]
    return steps, values


def draw(runs: Sequence[str], metrics: Sequence[str], output: Path) -> None:
    """Writes the figure.

    Args:
        runs (`Sequence[str]`): As of [`read_history`], one line each.
        metrics (`Sequence[str]`): One panel each.
        output (`Path`): An SVG, or any format that matplotlib knows by its ending.
    """
    mpl.rcParams.update({"svg.hashsalt": "semenrich", "svg.fonttype": "none"})
    figure, axes = plt.subplots(1, len(metrics), figsize=(3.6 * len(metrics), 3), squeeze=False)
    for axis, metric in zip(axes[0], metrics, strict=True):
        for run in runs:
            label = " + ".join(Path(folder).name for folder in run.split("+"))
            axis.plot(*read_history(run, metric), marker=".", label=label)
        axis.set(title=metric.removeprefix("eval_").replace("_", " "), xlabel="step")
        axis.grid(alpha=0.3)
    axes[0, 0].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(output, metadata={"Date": None} if output.suffix == ".svg" else None)
    plt.close(figure)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", help="folders of runs")
    parser.add_argument("--metrics", nargs="+", default=["eval_truth_f1"], help="a panel each")
    parser.add_argument("--output", type=Path, required=True, help="the figure's file")
    args = parser.parse_args()
    draw(args.runs, args.metrics, args.output)


if __name__ == "__main__":
    main()
