"""What the training scripts share: their arguments, the data, the model and the evaluation."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import Dataset
from phantom_truth_scores import TruthScorer
from report_data import Splits, load_phantom_splits, load_splits
from tiny_vlm import build_vlm
from transformers import PreTrainedModel, ProcessorMixin
from trl import GRPOConfig, ModelConfig, SFTConfig, TrlParser
from vision_pretraining import pretrain_vision

from semenrich_datasets import FindingsIndex, SemEnricher
from semenrich_trainers import (
    ReportEvaluation,
    ReportFormatter,
    SemEnrichGRPOTrainer,
    SemEnrichSFTTrainer,
    last_checkpoint,
)
from semenrich_trainers.config import ReportConfig
from semenrich_trainers.formatting import DEFAULT_PROMPT, completion_text
from semenrich_trainers.report_scores import ReportScorer

RECIPES = Path(__file__).parent / "recipes"
ENRICHED = "enriched_findings"


@dataclass
class TaskArguments:
    """Which reports to learn, and with which index and prompt."""

    dataset: str | None = field(
        default=None,
        metadata={
            "help": "Folder, Hub id, or CSV, JSONL or Parquet file of a dataset with the columns "
            "findings and impression, and image or images unless the model reads text alone; the "
            "phantom when not given. Its split validation is evaluated during training (a part of "
            "train where it has none), test at the end."
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
    """Reads the command line over the recipe: that of `--config`, or the phantom's.

    Args:
        config (`type`): Class of the trainer's configuration.
        recipe (`str`): File in `recipes/` for where no `--config` is given.
        argv (`Sequence[str]`, *optional*): The command line; by default this process's.

    Returns:
        `tuple`: The [`TaskArguments`], the trainer's configuration, which scores against the column
            before enrichment unless another is named, and the `ModelConfig`.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    if "--config" not in args:
        args += ["--config", str(RECIPES / recipe)]
    classes: Any = [TaskArguments, config, ModelConfig]
    task, training, model = TrlParser(classes).parse_args_and_config(args)
    if training.eval_findings_column is None and training.findings_column == ENRICHED:
        # What we added is no reference: a model would gain by writing our additions again.
        training.eval_findings_column = "findings"
    return task, training, model


def load_task_splits(task: TaskArguments, config: SFTConfig | GRPOConfig) -> Splits:
    """Gives the reports to train on, to evaluate during training, and to test at the end."""
    if task.dataset is not None:
        return load_splits(task.dataset, config.seed)
    return load_phantom_splits(task.studies, config.eval_reports, task.test_reports)


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
    is_enriched = ENRICHED in reports.column_names
    if config.findings_column == ENRICHED and not is_enriched:
        # The history too must not be contradicted: it is found by its name.
        found = SemEnricher(index).find_columns(reports.column_names).context
        context = dict.fromkeys([*found, config.impression_column])
        enricher = SemEnricher(index, context_columns=list(context))
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
    if "image" not in rows.column_names:
        raise ValueError(
            "expected a column image for the model that is made here, found "
            f"{', '.join(rows.column_names)}: name a model for text with --model_name_or_path"
        )
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
    trainer: SemEnrichSFTTrainer | SemEnrichGRPOTrainer, validation: Dataset
) -> None:
    """Replaces the trainer's evaluation by one that scores against the truth, where it is known."""
    count = trainer.args.eval_reports
    if "truth" in validation.column_names and count:
        trainer.remove_callback(ReportEvaluation)
        trainer.add_callback(_evaluation(trainer, validation, count, "eval"))


def log_test_scores(
    trainer: SemEnrichSFTTrainer | SemEnrichGRPOTrainer, test: Dataset | None, count: int
) -> dict[str, float]:
    """Scores and logs what the trained model writes about the first reports of the test split."""
    if test is None or not count:
        return {}
    return _evaluation(trainer, test, count, "test").evaluate()


def _evaluation(
    trainer: SemEnrichSFTTrainer | SemEnrichGRPOTrainer, rows: Dataset, count: int, prefix: str
) -> ReportEvaluation:
    indexes = trainer.indexes.values()
    scorer = ReportScorer(*indexes)
    if "truth" in rows.column_names:
        scorer = TruthScorer(rows["truth"][:count], *indexes)
    return ReportEvaluation(
        trainer,
        rows,
        scorer,
        count,
        findings_column=trainer.args.eval_findings_column or trainer.args.findings_column,
        impression_column=trainer.args.impression_column,
        max_new_tokens=trainer.args.max_completion_length,
        prefix=prefix,
    )
