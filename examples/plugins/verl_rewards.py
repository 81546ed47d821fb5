r"""The cluster reward as a reward function of verl and of EasyR1.

verl, all completions of a batch at once (an index embeds the sentences that it does not know, and
does so faster in batches; with the manager "naive" the name is `compute_score`):

    python -m verl.trainer.main_ppo ... reward_model.reward_manager=batch \
        custom_reward_function.path=examples/plugins/verl_rewards.py \
        custom_reward_function.name=compute_scores \
        +custom_reward_function.reward_kwargs.index=me/my-index

Newer versions of verl name the keys `reward.custom_reward_function.path` and so on. EasyR1:

    python -m verl.trainer.main ... \
        worker.reward.reward_function=examples/plugins/verl_rewards.py:compute_easyr1_scores \
        worker.reward.reward_function_kwargs='{"index": "me/my-index"}'

(EasyR1 reads `REWARD_TYPE` below; a version that does not wants `worker.reward.reward_type=batch`.)

Both have one ground truth per row: here a JSON text, or a mapping, with `findings` and
`impression`, null where the report has none. A row for verl, and one for EasyR1
(`data.answer_key=answer`):

    {"data_source": "reports", "prompt": [{"role": "user", "content": "<image>Report ..."}],
     "images": [...], "reward_model": {"style": "rule", "ground_truth":
         "{\"findings\": \"The heart is enlarged.\", \"impression\": \"Cardiomegaly.\"}"}}

    {"problem": "<image>Report ...", "images": [...], "answer":
         "{\"findings\": \"The heart is enlarged.\", \"impression\": \"Cardiomegaly.\"}"}

The prompt asks for the form `<think> findings </think><answer> impression </answer>`
(`semenrich_trainers.formatting.DEFAULT_PROMPT`). The score is the cluster reward (0 to 2) and
`format_weight` times the format reward (0 or 1), 0.2 as in this repository's recipes. Where a row
has no reference at all the cluster reward is 0: that of all its group, so it teaches nothing.

Written from verl's `workers/reward_manager/naive.py` and `batch.py`, `trainer/ppo/reward.py`, and
EasyR1's `verl/workers/reward/function.py`; not run against installed ones.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from semenrich_trainers.rewards import ClusterReward, format_reward

REWARD_NAME = "semenrich"
REWARD_TYPE = "batch"

FORMAT_WEIGHT = 0.2


@cache
def open_reward(
    index: str, impression_index: str | None = None, weights: str | None = None
) -> ClusterReward:
    """Opens the reward at its first use; the projects call a bare function, again and again.

    Args:
        index (`str`): Folder or Hub id of a findings index.
        impression_index (`str`, *optional*): That of one built on impressions.
        weights (`str`, *optional*): "abnormal", "rarity" or "surprise".

    Returns:
        [`ClusterReward`]: One per process for the same arguments.
    """
    return ClusterReward(index, impression_index, weights=weights)


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str | Mapping[str, Any],
    extra_info: Mapping[str, Any] | None = None,
    **settings: Any,
) -> float:
    """Scores a completion, as verl's "naive" reward manager asks for it.

    Args:
        data_source (`str`): Not looked at.
        solution_str (`str`): The completion.
        ground_truth (`str` or `Mapping`): The reference report.
        extra_info (`Mapping`, *optional*): Not looked at.
        settings (`Any`): As of [`score_reports`].

    Returns:
        `float`: 0 to 2, and the format's share.
    """
    return score_reports([solution_str], [ground_truth], **settings)[0]["overall"]


def compute_scores(
    data_sources: Sequence[str],
    solution_strs: Sequence[str],
    ground_truths: Sequence[str | Mapping[str, Any]],
    extra_infos: Sequence[Any] | None = None,
    **settings: Any,
) -> list[float]:
    """Scores a batch, as verl's reward manager "batch" asks for it; otherwise `compute_score`."""
    return [row["overall"] for row in score_reports(solution_strs, ground_truths, **settings)]


def compute_easyr1_scores(
    reward_inputs: Sequence[Mapping[str, Any]], **settings: Any
) -> list[dict[str, float]]:
    """Scores a batch, as EasyR1 asks for it.

    Args:
        reward_inputs (`Sequence[Mapping]`): Each with a `response` and its `ground_truth`.
        settings (`Any`): As of [`score_reports`].

    Returns:
        `list[dict]`: `overall`, which is trained on, `format` and `accuracy`, which are logged.
    """
    responses = [row["response"] for row in reward_inputs]
    return score_reports(responses, [row["ground_truth"] for row in reward_inputs], **settings)


def score_reports(
    completions: Sequence[str],
    ground_truths: Sequence[str | Mapping[str, Any]],
    *,
    index: str,
    impression_index: str | None = None,
    weights: str | None = None,
    format_weight: float = FORMAT_WEIGHT,
    **unused: Any,
) -> list[dict[str, float]]:
    """Scores completions.

    Args:
        completions (`Sequence[str]`): What the model wrote.
        ground_truths (`Sequence[str | Mapping]`): The reference reports, in the same order.
        index (`str`): Folder or Hub id of a findings index.
        impression_index (`str`, *optional*): That of one built on impressions.
        weights (`str`, *optional*): "abnormal", "rarity" or "surprise".
        format_weight (`float`, *optional*, defaults to 0.2): Of the format reward.
        unused (`Any`): What else a version of these projects hands over.

    Returns:
        `list[dict[str, float]]`: `overall` = `accuracy` (cluster) + weight x `format`, of each.

    Raises:
        `ValueError`: When a ground truth is not a report.
    """
    reports = [read_ground_truth(one) for one in ground_truths]
    columns = {name: [report[name] for report in reports] for name in ("findings", "impression")}
    clusters = open_reward(index, impression_index, weights)(completions, **columns)
    return [
        {
            "overall": (cluster or 0.0) + format_weight * (form or 0.0),
            "format": form or 0.0,
            "accuracy": cluster or 0.0,
        }
        for cluster, form in zip(clusters, format_reward(completions), strict=True)
    ]


def read_ground_truth(ground_truth: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """Reads a reference report.

    Args:
        ground_truth (`str` or `Mapping`): A mapping with `findings` and `impression`, or its JSON.

    Returns:
        `Mapping`: The two, each a text or None.

    Raises:
        `ValueError`: When it is anything else.
    """
    report: Any = ground_truth
    if isinstance(ground_truth, str):
        try:
            report = json.loads(ground_truth)
        except json.JSONDecodeError:
            report = None
    if not isinstance(report, Mapping) or not {"findings", "impression"} <= report.keys():
        raise ValueError(
            'expected a ground truth such as {"findings": "...", "impression": null}, found '
            f"{ground_truth!r}: write both sections into the dataset as JSON"
        )
    return report
