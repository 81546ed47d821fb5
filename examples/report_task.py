"""The arguments of the training scripts, and the recipes that they are read over."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from console import say
from trl import GRPOConfig, ModelConfig, TrlParser

from semenrich_trainers import SemEnrichGRPOConfig
from semenrich_trainers.formatting import DEFAULT_PROMPT

RECIPES = Path(__file__).parent / "recipes"
ENRICHED = "enriched_findings"
ALL_LINEAR = "all-linear"


@dataclass
class TaskArguments:
    """Which reports to learn, and with which index and prompt."""

    dataset: str | None = field(
        default=None,
        metadata={
            "help": "Folder, Hub id, or CSV, JSONL or Parquet file of a dataset with the columns "
            "findings and impression, and image or images (or image_path, names of files) unless "
            "the model reads text alone; the phantom when not given. Its split validation is "
            "evaluated during training (a part of train where it has none), test at the end."
        },
    )
    index: str | None = field(
        default=None,
        metadata={
            "help": "Folder or Hub id of a findings index; by default the one in the folder of "
            "model_name_or_path, else built on the training reports."
        },
    )
    impression_index: str | None = field(
        default=None,
        metadata={"help": "Folder or Hub id of an index of impressions; the same."},
    )
    index_reports: int = field(
        default=2000, metadata={"help": "Reports that an index is built on when none is given."}
    )
    prompt: str = field(default=DEFAULT_PROMPT, metadata={"help": "Text of the user's message."})
    studies: int = field(default=40000, metadata={"help": "Studies of the phantom to train on."})
    test_reports: int = field(
        default=200,
        metadata={
            "help": "Reports of the test split, from its beginning, that are generated and scored "
            "when training is over; 0 for none."
        },
    )
    model_size: str = field(
        default="small",
        metadata={"help": "tiny or small: the model made where no model_name_or_path is given."},
    )
    vision_steps: int = field(
        default=600,
        metadata={"help": "Steps of 128 images in which such a model's vision tower learns first."},
    )


def parse_arguments(config: type, recipe: str, argv: Sequence[str] | None = None) -> Any:
    """Reads the command line over the recipe of `--config`, or over the phantom's for the phantom.

    Args:
        config (`type`): Class of the trainer's configuration.
        recipe (`str`): File in `recipes/` for the phantom, where neither `--config` nor `--dataset`
            is given: its settings are none for other reports.
        argv (`Sequence[str]`, *optional*): The command line; by default this process's.

    Returns:
        `tuple`: The [`TaskArguments`], the trainer's configuration, which scores against the column
            before enrichment unless another is named, and the `ModelConfig`.

    Raises:
        `ValueError`: When an argument is unknown, has a wrong value, or does not fit another.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    given = {one[2:].partition("=")[0].replace("-", "_") for one in args if one.startswith("--")}
    is_phantom = not given & {"config", "dataset", "help"}
    if is_phantom:
        args += ["--config", str(RECIPES / recipe)]
    elif not given & {"config", "eval_strategy", "help"}:
        # Reports are held out to be evaluated with, which TRL's default would not do.
        args += ["--eval_strategy", "steps" if "eval_steps" in given else "epoch"]
    classes: Any = [TaskArguments, config, ModelConfig]
    try:
        task, training, model = TrlParser(classes).parse_args_and_config(args)
    except (ValueError, OSError) as error:
        raise ValueError(f"{error} (see --help)") from error
    if is_phantom:
        say(f"Recipe: {RECIPES / recipe}, for the phantom")
    elif "config" not in given:
        say(f"No recipe (--config): what is not given is as in {config.__name__}")
    if training.eval_findings_column is None and training.findings_column == ENRICHED:
        # What we added is no reference: a model would gain by writing our additions again.
        training.eval_findings_column = "findings"
    if isinstance(training, SemEnrichGRPOConfig):
        _fit_rewards(training, given)
    if isinstance(training, GRPOConfig) and model.model_name_or_path is None:
        raise ValueError(
            "expected a model that writes reports already: name it with --model_name_or_path, such "
            "as the output_dir of train_sft.py"
        )
    if model.use_peft and not (model.lora_target_modules or model.lora_target_parameters):
        model.lora_target_modules = ALL_LINEAR
        say(f"LoRA on {ALL_LINEAR}: name other layers with --lora_target_modules")
    return task, training, model


def _fit_rewards(training: SemEnrichGRPOConfig, given: set[str]) -> None:
    """Leaves out a recipe's weights where other rewards are named, and counts those given."""
    weights = training.reward_weights
    if weights is not None and "rewards" in given and "reward_weights" not in given:
        say(f"Each reward counts 1: the recipe's weights {weights} are for its own rewards")
        training.reward_weights = weights = None
    if weights is not None and len(weights) != len(training.rewards):
        raise ValueError(
            f"expected a weight for each of the rewards {', '.join(training.rewards)}, found "
            f"reward_weights {weights}: give as many with --reward_weights, or none"
        )
