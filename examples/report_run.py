"""What both training scripts do before their trainer is made, and after."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from console import be_quiet, say
from datasets import Dataset
from phantom_truth_scores import TruthScorer
from report_data import Splits, load_phantom_splits, load_splits
from report_indexes import open_indexes
from report_task import ENRICHED, TaskArguments, parse_arguments
from tiny_vlm import build_vlm
from transformers import PreTrainedModel, ProcessorMixin
from transformers.utils import cached_file
from trl import GRPOConfig, ModelConfig, SFTConfig, get_peft_config
from vision_pretraining import pretrain_vision

from semenrich_datasets import FindingsIndex, SemEnricher
from semenrich_trainers import (
    ReportEvaluation,
    ReportFormatter,
    SemEnrichGRPOTrainer,
    SemEnrichSFTTrainer,
    last_checkpoint,
)
from semenrich_trainers.adapters import is_adapter
from semenrich_trainers.checkpoints import FINDINGS_INDEX, IMPRESSION_INDEX
from semenrich_trainers.config import ReportConfig
from semenrich_trainers.formatting import completion_text
from semenrich_trainers.prompts import placeholders
from semenrich_trainers.report_scores import ReportScorer


@dataclass(frozen=True)
class Run:
    """What a training script is to do.

    Args:
        trainer (`dict[str, Any]`): Arguments of the trainer: model, configuration, indexes, data.
        test (`Dataset`, *optional*): Reports for the final scores.
        test_reports (`int`): How many of them.
    """

    trainer: dict[str, Any]
    test: Dataset | None
    test_reports: int


def prepare_run(config: type, recipe: str, argv: Sequence[str] | None = None) -> Run:
    """Reads the arguments, loads and checks the reports, and opens indexes and model.

    Args:
        config (`type`): Class of the trainer's configuration.
        recipe (`str`): File in `recipes/` for the phantom.
        argv (`Sequence[str]`, *optional*): The command line; by default this process's.

    Returns:
        [`Run`]

    Raises:
        `ValueError`, `OSError`: When an argument, a column, a file or a model is missing: before
            anything is built or loaded that takes long.
    """
    be_quiet()
    task, args, model_config = parse_arguments(config, recipe, argv)
    name = model_config.model_name_or_path
    if name is not None:
        check_model(name, model_config.model_revision)
    splits = _load(task, args)
    check_columns(splits, task, args, is_model_made=name is None)
    index, impression_index = _open_indexes(task, args, name, splits.train)
    rows = {
        split: None if reports is None else format_reports(reports, task, args, index)
        for split, reports in vars(splits).items()
    }
    model, processor = open_model(task, model_config, args, rows["train"])
    trainer = {
        "model": model,
        "args": args,
        "index": index,
        "impression_index": impression_index,
        "train_dataset": rows["train"],
        "eval_dataset": rows["validation"],
        "processing_class": processor,
        "peft_config": get_peft_config(model_config),
    }
    return Run(trainer, rows["test"], task.test_reports)


def finish_run(trainer: SemEnrichSFTTrainer | SemEnrichGRPOTrainer, run: Run) -> None:
    """Trains, or goes on, then scores the test split, saves and pushes."""
    args = trainer.args
    add_truth_evaluation(trainer, run.trainer["eval_dataset"])
    trainer.train(resume_from_checkpoint=last_checkpoint(str(args.output_dir)))
    show_test_scores(trainer, run.test, run.test_reports)
    trainer.save_model()
    trainer.save_state()
    say(f"Saved to {args.output_dir}")
    if args.push_to_hub:
        trainer.push_to_hub()
    trainer.accelerator.end_training()


def check_model(name: str, revision: str | None = None) -> None:
    """Raises `OSError` where no model or adapter has this name: nothing but a file is fetched."""
    try:
        found = is_adapter(name, revision) or cached_file(name, "config.json", revision=revision)
    except (OSError, ValueError) as error:
        found, reason = None, error
    else:
        reason = None
    if not found:
        raise OSError(
            f"expected the folder or Hub id of a model, found none at {name!r}: train one there "
            "first (train_sft.py), or give another --model_name_or_path"
        ) from reason


def _load(task: TaskArguments, config: SFTConfig | GRPOConfig) -> Splits:
    """Gives the reports to train on, to evaluate during training, and to test at the end."""
    if task.dataset is not None:
        splits = load_splits(task.dataset, config.seed)
    else:
        splits = load_phantom_splits(task.studies, config.eval_reports, task.test_reports)
    sizes = {name: "none" if one is None else len(one) for name, one in vars(splits).items()}
    say("Reports: " + ", ".join(f"{name} {size}" for name, size in sizes.items()))
    return splits


def check_columns(
    splits: Splits, task: TaskArguments, config: ReportConfig, *, is_model_made: bool
) -> None:
    """Raises `ValueError` for a column that an argument names and a split lacks.

    Args:
        splits ([`Splits`]): The reports.
        task ([`TaskArguments`]): With the prompt, whose braces name columns.
        config ([`ReportConfig`]): Which columns hold the reports.
        is_model_made (`bool`): Whether the model is made here, which needs an image.
    """
    learned = config.findings_column
    for split, reports in vars(splits).items():
        if reports is None:
            continue
        names = reports.column_names
        # What is not enriched yet will be, from the findings.
        findings = "findings" if learned == ENRICHED and learned not in names else learned
        wanted = {
            "findings_column": findings,
            "impression_column": config.impression_column,
            "eval_findings_column": config.eval_findings_column or findings,
        }
        needed = [(f"--{argument}", column) for argument, column in wanted.items()]
        needed += [("--prompt", column) for column in placeholders(task.prompt)]
        for argument, column in needed:
            if column not in names:
                near = get_close_matches(column, names, 1)
                meant = f"did you mean {near[0]!r}? " if near else ""
                raise ValueError(
                    f"column {column!r} not found in the reports for {split}, found "
                    f"{', '.join(names)}: {meant}name it with {argument}"
                )
        if is_model_made and "image" not in names:
            raise ValueError(
                f"expected a column image for the model that is made here, found "
                f"{', '.join(names)}: name a model for text with --model_name_or_path"
            )


def _open_indexes(
    task: TaskArguments, config: ReportConfig, model: str | None, reports: Dataset
) -> tuple[FindingsIndex, FindingsIndex]:
    """Both are of one preset: that of the rewards where they are published ones, else "safe"."""
    preset: Any = getattr(config, "reward_preset", "safe")
    findings = "findings" if "findings" in reports.column_names else config.findings_column
    first = reports.select(range(min(task.index_reports, len(reports))))
    return open_indexes(
        {FINDINGS_INDEX: task.index, IMPRESSION_INDEX: task.impression_index},
        {FINDINGS_INDEX: findings, IMPRESSION_INDEX: config.impression_column},
        model,
        first,
        preset,
    )


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
        say(
            f"Enriching {len(reports)} reports; additions must not contradict: {', '.join(context)}"
        )
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
    trainer: SemEnrichSFTTrainer | SemEnrichGRPOTrainer, validation: Dataset
) -> None:
    """Replaces the trainer's evaluation by one that scores against the truth, where it is known."""
    count = trainer.args.eval_reports
    if "truth" in validation.column_names and count:
        trainer.remove_callback(ReportEvaluation)
        trainer.add_callback(_evaluation(trainer, validation, count, "eval"))


def show_test_scores(
    trainer: SemEnrichSFTTrainer | SemEnrichGRPOTrainer, test: Dataset | None, count: int
) -> dict[str, float]:
    """Scores, logs and prints what the trained model writes about the first test reports."""
    if test is None or not count:
        say("No test scores: " + ("no split 'test'" if test is None else "--test_reports 0"))
        return {}
    scores = _evaluation(trainer, test, count, "test").evaluate()
    say(f"Scores of the first {min(count, len(test))} of {len(test)} test reports:")
    for name, value in scores.items():
        if name.startswith("test_"):
            say(f"  {name:<34} {value:.4f}")
    return scores


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
