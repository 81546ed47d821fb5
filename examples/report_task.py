"""What the training scripts share: their arguments, the data, the model and the evaluation."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import Dataset, load_dataset
from phantom_truth_scores import TruthScorer
from tiny_vlm import build_vlm
from transformers import PreTrainedModel, ProcessorMixin
from trl import GRPOConfig, ModelConfig, SFTConfig, TrlParser
from vision_pretraining import pretrain_vision

from semenrich_datasets import FindingsIndex, SemEnricher
from semenrich_datasets.phantom import load_phantom
from semenrich_trainers import (
    ReportEvaluation,
    ReportFormatter,
    SemEnrichGRPOTrainer,
    SemEnrichSFTTrainer,
    last_checkpoint,
)
from semenrich_trainers.config import ReportConfig
from semenrich_trainers.formatting import DEFAULT_PROMPT, completion_text

RECIPES = Path(__file__).parent / "recipes"


@dataclass
class TaskArguments:
    """Which reports to learn, and with which index and prompt."""

    dataset: str | None = field(
        default=None,
        metadata={
            "help": "Folder or Hub id of a dataset with the splits train and test and the columns "
            "image, findings and impression; the phantom when not given."
        },
    )
    index: str | None = field(
        default=None,
        metadata={"help": "Folder or Hub id of a findings index; built when not given."},
    )
    impression_index: str | None = field(
        default=None,
        metadata={"help": "Folder or Hub id of an index of impressions; built when not given."},
    )
    index_reports: int = field(
        default=2000, metadata={"help": "Reports that an index is built on when none is given."}
    )
    prompt: str = field(default=DEFAULT_PROMPT, metadata={"help": "Text of the user's message."})
    studies: int = field(default=40000, metadata={"help": "Studies of the phantom to train on."})
    held_out: int = field(default=200, metadata={"help": "Studies of the phantom held out."})
    model_size: str = field(
        default="small",
        metadata={"help": "tiny or small: the model made where no model_name_or_path is given."},
    )
    vision_steps: int = field(
        default=600,
        metadata={"help": "Steps of 128 images in which such a model's vision tower learns first."},
    )


def parse_arguments(config: type, recipe: str, argv: Sequence[str] | None = None) -> Any:
    """Reads the command line over the recipe: that of `--config`, or the phantom's.

    Args:
        config (`type`): Class of the trainer's configuration.
        recipe (`str`): File in `recipes/` for where no `--config` is given.
        argv (`Sequence[str]`, *optional*): The command line; by default this process's.

    Returns:
        `tuple`: The [`TaskArguments`], the trainer's configuration and the `ModelConfig`.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    if "--config" not in args:
        args += ["--config", str(RECIPES / recipe)]
    classes: Any = [TaskArguments, config, ModelConfig]
    return TrlParser(classes).parse_args_and_config(args)


def load_reports(task: TaskArguments) -> tuple[Dataset, Dataset]:
    """Gives the reports to train on, and those held out."""
    if task.dataset is not None:
        return load_dataset(task.dataset, split="train"), load_dataset(task.dataset, split="test")
    # The published figures are of the phantom's first form, whose authors leave nothing unsaid.
    form: dict[str, Any] = {"unsaid": 0.0, "habits": "plain"}
    held_out = load_phantom(task.held_out, seed=1, **form)
    return _fewer_normal(load_phantom(task.studies, seed=0, **form)), held_out


def _fewer_normal(studies: Dataset) -> Dataset:
    """Keeps a fifth of the normal studies, which are half of all and teach least."""
    abnormal = [any(one["name"] != "prior" for one in truth) for truth in studies["truth"]]
    return studies.select([row for row, is_one in enumerate(abnormal) if is_one or row % 5 == 0])


def open_indexes(
    task: TaskArguments, config: ReportConfig, reports: Dataset
) -> tuple[FindingsIndex, FindingsIndex]:
    """Gives the indexes of findings and of impressions: those named, or built on the first reports.

    Both are of one preset: that of the rewards where they are published ones, else "safe".
    """
    preset: Any = getattr(config, "reward_preset", "safe")
    named = {"findings": task.index, config.impression_column: task.impression_index}
    first = reports.select(range(min(task.index_reports, len(reports))))
    findings, impressions = (
        FindingsIndex.build(first.select_columns([column]), column, preset=preset)
        if place is None
        else FindingsIndex.from_pretrained(place)
        for column, place in named.items()
    )
    return findings, impressions


def format_reports(
    reports: Dataset, task: TaskArguments, config: ReportConfig, index: FindingsIndex
) -> Dataset:
    """Adds prompt and completion, and before them enriched findings if they are asked for."""
    is_enriched = "enriched_findings" in reports.column_names
    if config.findings_column == "enriched_findings" and not is_enriched:
        enricher = SemEnricher(index, context_columns=[config.impression_column])
        reports = reports.map(enricher, batched=True)
    formatter = ReportFormatter(config.findings_column, config.impression_column, task.prompt)
    rows = reports.map(formatter, batched=True)
    lengths = [len(completion_text(one)) for one in rows["completion"]]
    return rows.add_column("length", lengths)  # for train_sampling_strategy: group_by_length


def open_model(
    task: TaskArguments, model: ModelConfig, config: SFTConfig | GRPOConfig, rows: Dataset
) -> tuple[str | PreTrainedModel, ProcessorMixin | None]:
    """Gives the model named, which the trainer loads, or makes one that has learned to see."""
    if model.model_name_or_path is not None:
        names = ("model_revision", "attn_implementation", "dtype")
        given: Any = config.model_init_kwargs or {}
        settings = {name.removeprefix("model_"): getattr(model, name) for name in names}
        config.model_init_kwargs = settings | given
        return model.model_name_or_path, None
    first = rows.select(range(min(5000, len(rows))))
    # All texts: the tokenizer must also serve a later stage that learns another column.
    columns = {"findings", "complete_findings", "impression"}.intersection(rows.column_names)
    texts = [text for column in sorted(columns) for text in first[column]]
    made, processor = build_vlm([task.prompt] * 100 + texts, task.model_size, config.seed)
    if last_checkpoint(config.output_dir) is None:  # else its weights replace these
        made.to(config.device)
        pretrain_vision(made, processor, rows, task.vision_steps, seed=config.seed)
    return made, processor


def add_truth_evaluation(
    trainer: SemEnrichSFTTrainer | SemEnrichGRPOTrainer, held_out: Dataset
) -> None:
    """Replaces the trainer's evaluation by one that scores against the truth, where it is known."""
    if "truth" not in held_out.column_names:
        return
    trainer.remove_callback(ReportEvaluation)
    count = trainer.args.eval_reports
    evaluation = ReportEvaluation(
        trainer,
        held_out,
        TruthScorer(held_out["truth"][:count], *trainer.indexes.values()),
        count,
        findings_column=trainer.args.findings_column,
        impression_column=trainer.args.impression_column,
        max_new_tokens=trainer.args.max_completion_length,
    )
    trainer.add_callback(evaluation)
