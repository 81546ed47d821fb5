"""Supervised fine-tuning on enriched reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from transformers import PreTrainedModel
from trl import SFTConfig, SFTTrainer, is_conversational

from semenrich_trainers.adapters import open_policy
from semenrich_trainers.chat_templates import use_report_chat_template
from semenrich_trainers.checkpoints import (
    SEMENRICH_PAPER,
    IndexCheckpoints,
    IndexOrName,
    open_indexes,
)
from semenrich_trainers.config import ReportConfig, check_config, run_name
from semenrich_trainers.evaluation import add_report_evaluations
from semenrich_trainers.report_scores import ReportScorer
from semenrich_trainers.rows import check_datasets, column_names
from semenrich_trainers.run_recipe import describe_rows, describe_start


@dataclass
class SemEnrichSFTConfig(ReportConfig, SFTConfig):
    """[`~trl.SFTConfig`] and what [`SemEnrichSFTTrainer`] needs besides.

    Args:
        max_length (`int`, *optional*):
            As of [`~trl.SFTConfig`], but nothing is cut by default: an image is many tokens.
    """

    max_length: int | None = field(
        default=None, metadata={"help": "Maximum length of the tokenized sequence; None: no cut."}
    )


class SemEnrichSFTTrainer(IndexCheckpoints, SFTTrainer):
    """[`~trl.SFTTrainer`] for radiology reports.

    The only changes with respect to it: the index is saved, pushed and named in the model card, and
    the run's recipe beside it, so that a folder goes on with its own recipe only; at each
    evaluation reports are generated and scored ([`~evaluation.ReportEvaluation`]); a LoRA adapter
    is trained on (`args.adapter`); a chat template that does not leave reports as they are is
    wrapped into one that does ([`~chat_templates.use_report_chat_template`]).

    Args:
        model (`str`, [`~transformers.PreTrainedModel`] or [`~peft.PeftModel`]): To be trained,
            text-only or vision-language; a name may be that of a LoRA adapter.
        args ([`SemEnrichSFTConfig`], *optional*): Configuration.
        index ([`FindingsIndex`], `str` or `os.PathLike`): An index, its folder or its Hub id.
        impression_index ([`FindingsIndex`], `str` or `os.PathLike`, *optional*): One built on
            impressions; by default `index` serves both.
        train_dataset ([`~datasets.Dataset`] or [`~datasets.IterableDataset`]): Rows with `prompt`
            and `completion`, as [`~formatting.ReportFormatter`] makes them.
        eval_dataset (`Dataset` or `dict[str, Dataset]`, *optional*): The same, with the reference
            columns.
        kwargs (`Any`): As of [`~trl.SFTTrainer`], such as `peft_config`.

    Raises:
        `TypeError`: When `args` are TRL's.
        `ValueError`: When a dataset lacks a column, or has a transform and
            `remove_unused_columns` is not False.

    Example:
        ```python
        >>> trainer = SemEnrichSFTTrainer(model, index=index, train_dataset=train)
        >>> trainer.train(resume_from_checkpoint=last_checkpoint(trainer.args.output_dir))
        ```
    """

    _tag_names = ["trl", "sft", "semenrich"]  # noqa: RUF012 - as TRL declares it
    _name = "SemEnrich SFT"
    _paper = SEMENRICH_PAPER
    evaluation_settings = frozenset({"max_completion_length"})

    def __init__(
        self,
        model: str | PreTrainedModel,
        args: SemEnrichSFTConfig | None = None,
        *,
        index: IndexOrName,
        impression_index: IndexOrName | None = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        **kwargs: Any,
    ) -> None:
        args = args or SemEnrichSFTConfig(run_name(model, "SFT"))
        check_config(args, SemEnrichSFTConfig)
        self._check_datasets(args, train_dataset, eval_dataset, kwargs.get("formatting_func"))
        self.rows_recipe = describe_rows(
            train_dataset, [args.findings_column, args.impression_column]
        )
        self.start_recipe = describe_start(model, args.model_init_kwargs)
        self.indexes = open_indexes(index, impression_index)
        super().__init__(
            args=args,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            **open_policy(model, args, kwargs, self.start_recipe),
        )
        self._fit_chat_template(train_dataset, self.processing_class)
        # The dataset as given: for text-only models the trainer's own one is tokens alone.
        add_report_evaluations(self, args, eval_dataset, ReportScorer(*self.indexes.values()))

    def _prepare_dataset(self, dataset: Any, processing_class: Any, *args: Any) -> Any:
        # Text alone is rendered here, in the midst of TRL's own __init__.
        self._fit_chat_template(dataset, processing_class)
        return super()._prepare_dataset(dataset, processing_class, *args)

    def _fit_chat_template(self, dataset: Any, processing_class: Any) -> None:
        if is_conversational(next(iter(dataset))):
            use_report_chat_template(processing_class)

    @staticmethod
    def _check_datasets(
        args: SemEnrichSFTConfig, train_dataset: Any, eval_dataset: Any, formatting_func: Any
    ) -> None:
        removes = args.remove_unused_columns
        # TRL learns rows of these forms too.
        other_forms = {"messages", "input_ids", args.dataset_text_field}
        names = train_dataset is not None and column_names(train_dataset)
        is_other = formatting_func is not None or bool(names and other_forms.intersection(names))
        formatted = {} if is_other else {"prompt": "prompt", "completion": "completion"}
        check_datasets(train_dataset, "train_dataset", formatted, remove_unused_columns=removes)
        columns = formatted
        if args.eval_reports:
            impression = {args.impression_column: "impression_column"}
            columns = {**formatted, **args.evaluation_reference, **impression}
        check_datasets(eval_dataset, "eval_dataset", columns, remove_unused_columns=removes)
