"""The cluster reward in ms-swift's GRPO: a plugin with `semenrich_cluster` and `semenrich_format`.

    SEMENRICH_INDEX=me/my-index swift rlhf --rlhf_type grpo --model Qwen/Qwen3-VL-4B-Instruct \
        --external_plugins examples/plugins/ms_swift_rewards.py \
        --reward_funcs semenrich_format semenrich_cluster --reward_weights 0.2 1.0 \
        --dataset reports.jsonl --max_completion_length 384

ms-swift makes a reward without arguments of its own, so the index comes from the environment:
`SEMENRICH_INDEX`, a folder or a Hub id, and, where they are wanted, `SEMENRICH_IMPRESSION_INDEX`
(one built on impressions) and `SEMENRICH_WEIGHTS` ("abnormal", "rarity" or "surprise"). It hands
every column of the dataset to the reward: the references stand in columns of their own. A line of
reports.jsonl:

    {"messages": [{"role": "user", "content": "<image>Report this chest X-ray: ..."}],
     "images": ["1.png"], "findings": "The heart is enlarged.", "impression": "Cardiomegaly."}

The message asks for the form `<think> findings </think><answer> impression </answer>`
(`semenrich_trainers.formatting.DEFAULT_PROMPT`). A row without any reference earns None, which
ms-swift leaves out. Written from ms-swift's `swift/rewards/orm.py` (version 4; in version 3
`swift/plugin/orm.py`) and the call in its `GRPOTrainer`; not run against an installed one.
"""

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from semenrich_trainers.rewards import ClusterReward, format_reward

try:
    from swift.rewards import ORM, orms
except ImportError:  # version 3
    from swift.plugin import ORM, orms


class SemEnrichClusterORM(ORM):
    """The [`ClusterReward`] of the index that the environment names, opened at its first batch."""

    @cached_property
    def reward(self) -> ClusterReward:
        """The reward, one per process: ms-swift makes one object for each name."""
        if not os.environ.get("SEMENRICH_INDEX"):
            raise ValueError(
                "expected the environment variable SEMENRICH_INDEX, found none: set it to the "
                "folder or the Hub id of a findings index"
            )
        return ClusterReward(
            os.environ["SEMENRICH_INDEX"],
            os.environ.get("SEMENRICH_IMPRESSION_INDEX") or None,
            weights=os.environ.get("SEMENRICH_WEIGHTS") or None,
        )

    def __call__(self, completions: Sequence[str], **columns: Any) -> list[float | None]:
        """Scores a batch; the columns `findings` and `impression` hold the references."""
        return self.reward(completions, **columns)


class SemEnrichFormatORM(ORM):
    """The format reward: 1 for one pair of each tag in its place and no text outside, else 0."""

    def __call__(self, completions: Sequence[str], **columns: Any) -> list[float | None]:
        """Scores a batch; looks at no column."""
        return format_reward(completions)


orms["semenrich_cluster"] = SemEnrichClusterORM
orms["semenrich_format"] = SemEnrichFormatORM
