"""Evaluation by generation: what a model writes about the evaluation set, scored and shown."""

from __future__ import annotations

from itertools import islice
from math import ceil
from typing import Any

from accelerate.utils import gather_object
from datasets import Dataset, IterableDataset
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl.distributed import DistributedBackend
from trl.models import unwrap_model_for_generation

from semenrich_datasets.columns import check_column
from semenrich_trainers.config import ReportConfig
from semenrich_trainers.generation import generate_completions
from semenrich_trainers.report_scores import ReportScorer
from semenrich_trainers.tables import log_table


class ReportEvaluation(TrainerCallback):
    """Generates reports at each evaluation of a trainer and logs how good they are.

    For any trainer of TRL, text-only or vision-language, on one process or many. The metrics of
    [`ReportScores`] join those of the evaluation, so that `metric_for_best_model="eval_cluster_f1"`
    works. The reports and the most missed clusters are logged as tables
    ([`~tables.log_table`]: `eval_reports`, `eval_missed_clusters`). Decoding is greedy.

    Args:
        trainer ([`~transformers.Trainer`]): The trainer; add this to it with `add_callback`.
        dataset ([`~datasets.Dataset`] or [`~datasets.IterableDataset`]): Rows with `prompt`, the
            reference columns, and an `image` or `images` if any.
        scorer ([`ReportScorer`]): By an index.
        eval_reports (`int`): How many reports to generate and score, from the first row.
        findings_column (`str`, *optional*, defaults to `"findings"`): Reference findings.
        impression_column (`str`, *optional*, defaults to `"impression"`): Reference impression.
        max_new_tokens (`int`, *optional*, defaults to `512`): Length of a completion.
        prefix (`str`, *optional*, defaults to `"eval"`): Evaluations to add to, by the prefix of
            their metrics.

    Raises:
        `ValueError`: When a column is missing.
    """

    def __init__(
        self,
        trainer: Trainer,
        dataset: Dataset | IterableDataset,
        scorer: ReportScorer,
        eval_reports: int,
        *,
        findings_column: str = "findings",
        impression_column: str = "impression",
        max_new_tokens: int | None = 512,
        prefix: str = "eval",
    ) -> None:
        self.trainer = trainer
        self.scorer = scorer
        if isinstance(dataset, IterableDataset):
            self.rows: Any = list(islice(dataset, eval_reports))
        else:
            self.rows = dataset.select(range(min(eval_reports, len(dataset))))
        self.references: tuple[list[Any], list[Any]] = ([], [])
        for row in self.rows:
            check_column("prompt", row, "prompt")
            for column, texts, argument in (
                (findings_column, self.references[0], "findings_column"),
                (impression_column, self.references[1], "impression_column"),
            ):
                check_column(column, row, argument)
                texts.append(row[column])
        self.max_new_tokens = max_new_tokens
        self.prefix = prefix

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Adds to the metrics of an evaluation that has just been made."""
        if metrics is None or f"{self.prefix}_runtime" not in metrics or not len(self.rows):
            return
        metrics.update(self.evaluate())

    def evaluate(self) -> dict[str, float]:
        """Generates, scores and logs now, as for a test set when training is over.

        Returns:
            `dict[str, float]`: The metrics of [`ReportScores`], with the prefix.
        """
        args, state = self.trainer.args, self.trainer.state
        scores = self.scorer(self.generate(), *self.references)
        report = {f"{self.prefix}_{name}": value for name, value in scores.metrics.items()}
        # Not the trainer's own `log`: GRPO's would print and send its completions once more.
        Trainer.log(self.trainer, report)
        if state.is_world_process_zero:
            step = state.global_step
            log_table(args, f"{self.prefix}_reports", scores.reports, step)
            log_table(args, f"{self.prefix}_missed_clusters", scores.missed, step)
        return report

    def generate(self) -> list[str]:
        """Gives the completion of each row, on all processes; each generates its share."""
        trainer: Any = self.trainer
        accelerator = trainer.accelerator
        total, step = len(self.rows), accelerator.num_processes
        # As many for each process, the last row repeated: sharded models generate in lockstep.
        mine = [
            min(accelerator.process_index + step * k, total - 1) for k in range(ceil(total / step))
        ]
        with (
            unwrap_model_for_generation(
                trainer.model_wrapped,
                accelerator,
                gradient_checkpointing_kwargs=trainer.args.gradient_checkpointing_kwargs,
            ) as model,
            DistributedBackend(accelerator).summon_full_params(
                trainer.model_wrapped, recurse=False
            ),
        ):
            written = generate_completions(
                model,
                trainer.processing_class,
                (self.rows[row] for row in mine),
                batch_size=trainer.args.per_device_eval_batch_size,
                max_new_tokens=self.max_new_tokens,
            )
        by_row = dict(gather_object(list(zip(mine, written, strict=True))))
        return [by_row[row] for row in range(total)]


def add_report_evaluations(
    trainer: Trainer, config: ReportConfig, eval_dataset: Any, scorer: ReportScorer
) -> None:
    """Adds a [`ReportEvaluation`] to a trainer for each of its evaluation datasets.

    Args:
        trainer ([`~transformers.Trainer`]): The trainer.
        config ([`ReportConfig`]): Which columns, how many reports and how long.
        eval_dataset (`Dataset`, `IterableDataset`, a `dict` of them, or None): As the trainer's.
        scorer ([`ReportScorer`]): By an index.
    """
    if eval_dataset is None or not config.eval_reports:
        return
    datasets = {"eval": eval_dataset}
    if isinstance(eval_dataset, dict):
        datasets = {f"eval_{name}": dataset for name, dataset in eval_dataset.items()}
    for prefix, dataset in datasets.items():
        evaluation = ReportEvaluation(
            trainer,
            dataset,
            scorer,
            config.eval_reports,
            findings_column=config.eval_findings_column or config.findings_column,
            impression_column=config.impression_column,
            max_new_tokens=config.max_completion_length,
            prefix=prefix,
        )
        trainer.add_callback(evaluation)
