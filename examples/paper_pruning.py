"""What stopping poor candidates on the way costs in truth and saves in tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paper_arms import PROMPT
from paper_runs import Scale, open_model
from paper_scores import figures_of, statement_counts
from pruning_curve import pruning_curve

from semenrich_trainers.rewards import BleuReward

CANDIDATES = 8
#: Sampling eight reports of a study, in ten ways, costs a hundred times what its greedy one does.
STUDIES = 60
KEEPS = (0.5, 0.25)
SEEDS = 2


def measure_pruning(model: Path, studies: Any, train: Any, scale: Scale) -> list[dict[str, Any]]:
    """Measures greedy reports, best of N, and best of N stopped on the way, with two seeds.

    Args:
        model (`Path`): Folder of a trained model.
        studies (`Dataset`): Held out.
        train (`Dataset`): What the model was trained on: the corpus to be near to.
        scale ([`Scale`]): How long a report may be.

    Returns:
        `list[dict]`: Of [`~pruning_curve.pruning_curve`].
    """
    policy, processor = open_model(model)
    studies = studies.select(range(min(STUDIES, len(studies))))
    messages = [{"role": "user", "content": PROMPT}]
    rows = [{"image": image, "prompt": messages} for image in studies["image"]]
    texts = studies.remove_columns("image")

    def score(completions: Sequence[str]) -> dict[str, float]:
        return truth_of(completions, texts)

    return [
        line
        for seed in range(SEEDS)
        for line in pruning_curve(
            policy,
            processor,
            rows,
            score,
            CANDIDATES,
            KEEPS,
            seed,
            corpus=train["safe_findings"][:1000],
            batch_size=25,
            max_new_tokens=scale.max_new_tokens,
        )
    ]


def truth_of(completions: Sequence[str], studies: Any) -> dict[str, float]:
    """Gives the figures that the ways are compared in."""
    scores = statement_counts(completions, studies)
    bleu = BleuReward(impression_column=None)(completions, findings=studies["complete_findings"])
    scores["bleu_complete"] = [one or 0.0 for one in bleu]
    figures = figures_of(scores, bands=())
    kept = ("bleu_complete", "all_f1", "abnormal_f1", "harm")
    return {name: figures[name].value for name in kept}
