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
from semenrich_trainers.config import ReportConfig, run_name
from semenrich_trainers.evaluation import add_report_evaluations
from semenrich_trainers.report_scores import ReportScorer


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

    The only changes with respect to it: the index is saved, pushed and named in the model card;
    at each evaluation reports are generated and scored ([`~evaluation.ReportEvaluation`]); a
    LoRA adapter is trained on (`args.adapter`); a chat template that does not leave reports as they
    are is wrapped into one that does ([`~chat_templates.use_report_chat_template`]).

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

    Example:
        ```python
        >>> trainer = SemEnrichSFTTrainer(model, index=index, train_dataset=train)
        >>> trainer.train(resume_from_checkpoint=last_checkpoint(trainer.args.output_dir))
        ```
    """

    _tag_names = ["trl", "sft", "semenrich"]  # noqa: RUF012 - as TRL declares it
    _name = "SemEnrich SFT"
    _paper = SEMENRICH_PAPER

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
        self.indexes = open_indexes(index, impression_index)
        super().__init__(
            args=args,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            **open_policy(model, args, kwargs),
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
