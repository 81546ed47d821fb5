"""Group Relative Policy Optimization with rewards from the sentence clusters of a corpus."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from transformers import PreTrainedModel
from trl import GRPOConfig, GRPOTrainer, is_conversational
from trl.trainer.grpo_trainer import RewardFunc

from semenrich_trainers.adapters import open_policy
from semenrich_trainers.chat_templates import use_report_chat_template
from semenrich_trainers.checkpoints import (
    FINDINGS_INDEX,
    IMPRESSION_INDEX,
    SEMENRICH_PAPER,
    IndexCheckpoints,
    IndexOrName,
    open_indexes,
)
from semenrich_trainers.config import ReportConfig, check_config, run_name
from semenrich_trainers.evaluation import add_report_evaluations
from semenrich_trainers.formatting import completion_text
from semenrich_trainers.named_rewards import NAMED_REWARDS, RewardContext, make_rewards
from semenrich_trainers.report_scores import ReportScorer
from semenrich_trainers.rows import (
    check_columns,
    check_datasets,
    check_images,
    check_studies,
    first_rows,
)
from semenrich_trainers.run_recipe import describe_rows, describe_start
from semenrich_trainers.tables import log_table

_PAPERS = {
    **SEMENRICH_PAPER,
    "citation": f"{SEMENRICH_PAPER['citation']}\n\n{GRPOTrainer._paper['citation']}",
}


@dataclass
class SemEnrichGRPOConfig(ReportConfig, GRPOConfig):
    """[`~trl.GRPOConfig`] and what [`SemEnrichGRPOTrainer`] needs besides.

    Args:
        rewards (`list[str]`, *optional*, defaults to `["format", "cluster"]`):
            Rewards by name: `format`, `exact_answer`, `cluster`, `rarity_cluster`,
            `abnormal_cluster`, `surprise_cluster`, `finding`, `sentence`, `bleu`, `chamfer`,
            `matching`, `energy`.
            Their weights, in this order and then those of `reward_funcs`, are TRL's
            `reward_weights`.
        reward_preset (`str`, *optional*, defaults to `"safe"`):
            "paper" for the rewards of these names as published, for comparison: `format`,
            `exact_answer`, `cluster`, `sentence`, `bleu`. `cluster` asks then for indexes that were
            built with `preset="paper"`.
    """

    rewards: list[str] = field(
        default_factory=lambda: ["format", "cluster"],
        metadata={"help": f"Rewards by name, of {', '.join(NAMED_REWARDS)}."},
    )
    reward_preset: str = field(
        default="safe", metadata={"help": "safe, or paper: the rewards as published."}
    )


class SemEnrichGRPOTrainer(IndexCheckpoints, GRPOTrainer):
    """[`~trl.GRPOTrainer`] for radiology reports.

    The only changes with respect to it: rewards are made by name from an index; the index is saved,
    pushed and named in the model card, and beside it the run's recipe, so that a folder goes on
    with its own recipe only; at each evaluation reports are generated and scored
    ([`~evaluation.ReportEvaluation`]), and the rewards are those of the same reports; with
    `log_completions` the reference findings join the table of completions, and the most missed
    clusters are logged as a table, `missed_clusters`. The cluster rewards log their precision and
    recall. A LoRA adapter is trained on (`args.adapter`), and is its own reference where `beta` is
    above 0. A chat template that does not leave reports as they are is wrapped into one that does
    ([`~chat_templates.use_report_chat_template`]).

    Args:
        model (`str`, [`~transformers.PreTrainedModel`] or [`~peft.PeftModel`]): To be trained,
            text-only or vision-language; a name may be that of a LoRA adapter.
        reward_funcs (`RewardFunc` or `list[RewardFunc]`, *optional*): Rewards of your own, in
            addition to those of `args.rewards`, such as a [`~rewards.CheXbertReward`].
        args ([`SemEnrichGRPOConfig`], *optional*): Configuration.
        index ([`FindingsIndex`], `str` or `os.PathLike`): An index, its folder or its Hub id.
        impression_index ([`FindingsIndex`], `str` or `os.PathLike`, *optional*): One built on
            impressions; by default `index` serves both.
        eval_dataset (`Dataset` or `dict[str, Dataset]`, *optional*): Rows as those to train on.
        kwargs (`Any`): As of [`~trl.GRPOTrainer`], such as `train_dataset` (rows with `prompt` and
            the reference columns) and `peft_config`.

    Raises:
        `TypeError`: When `args` are TRL's.
        `ValueError`: When a dataset lacks a column, or `remove_unused_columns` would take it away,
            or a study has no image where others have.

    Example:
        ```python
        >>> trainer = SemEnrichGRPOTrainer(model, index=index, train_dataset=train)
        >>> trainer.train(resume_from_checkpoint=last_checkpoint(trainer.args.output_dir))
        ```
    """

    _tag_names = ["trl", "grpo", "semenrich"]  # noqa: RUF012 - as TRL declares it
    _name = "SemEnrich GRPO"
    _paper = _PAPERS

    def __init__(
        self,
        model: str | PreTrainedModel,
        reward_funcs: RewardFunc | list[RewardFunc] | None = None,
        args: SemEnrichGRPOConfig | None = None,
        *,
        index: IndexOrName,
        impression_index: IndexOrName | None = None,
        eval_dataset: Any = None,
        **kwargs: Any,
    ) -> None:
        args = args or SemEnrichGRPOConfig(run_name(model, "GRPO"))
        check_config(args, SemEnrichGRPOConfig)
        self.findings_column = args.findings_column
        self._references = _references(args)
        train_dataset = kwargs.get("train_dataset")
        self._check_datasets(args, train_dataset, eval_dataset, kwargs)
        self.rows_recipe = describe_rows(train_dataset, list(self._references))
        self.start_recipe = describe_start(model, args.model_init_kwargs)
        self.indexes = open_indexes(index, impression_index)
        context = RewardContext(
            self.indexes[FINDINGS_INDEX],
            self.indexes.get(IMPRESSION_INDEX),
            args.findings_column,
            args.impression_column,
        )
        if not isinstance(reward_funcs, list):
            reward_funcs = [] if reward_funcs is None else [reward_funcs]
        _check_weights(args, len(reward_funcs))
        super().__init__(
            reward_funcs=[
                *make_rewards(args.rewards, context, args.reward_preset),
                *reward_funcs,
            ],
            args=args,
            eval_dataset=first_rows(eval_dataset, args.eval_reports),
            **open_policy(
                model,
                args,
                kwargs,
                self.start_recipe,
                truncation_side="left",
                padding_side="left",
            ),
        )
        rows: Any = self.train_dataset
        if is_conversational(next(iter(rows))):
            use_report_chat_template(self.processing_class)
        self._scorer = ReportScorer(*self.indexes.values())
        add_report_evaluations(self, args, eval_dataset, self._scorer)

    def card_rewards(self) -> list[tuple[str, float]]:
        """Gives the rewards and their weights, for the card."""
        return list(zip(self.reward_func_names, self.reward_weights.tolist(), strict=True))

    def _check_datasets(
        self, args: SemEnrichGRPOConfig, train_dataset: Any, eval_dataset: Any, kwargs: Any
    ) -> None:
        if args.remove_unused_columns:
            raise ValueError(
                "remove_unused_columns=True takes away the columns that rewards compare with: pass "
                "remove_unused_columns=False"
            )
        # An environment hands out its own prompts.
        prompt = {} if kwargs.get("environment_factory") else {"prompt": "prompt"}
        columns = {**prompt, **self._references}
        check_datasets(train_dataset, "train_dataset", columns, remove_unused_columns=False)
        evaluated = args.evaluation_reference if args.eval_reports else {}
        columns = {**evaluated, **columns}
        check_datasets(eval_dataset, "eval_dataset", columns, remove_unused_columns=False)
        check_studies(train_dataset, "train_dataset")
        check_studies(first_rows(eval_dataset, args.eval_reports), "eval_dataset")

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> Any:
        # A stream may not tell its columns earlier than here.
        check_columns(inputs[0], "the first batch", self._references)
        check_images(inputs, "the dataset")
        return super()._generate_and_score_completions(inputs)

    def _calculate_rewards(self, inputs: list[dict[str, Any]], *args: Any) -> Any:
        column = self.findings_column
        self._log_completion_extra(column, [row[column] for row in inputs])
        return super()._calculate_rewards(inputs, *args)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Logs, and after a training step the most missed clusters beside the completions."""
        super().log(logs, start_time)
        model, table = self.model, dict[str, Any](self._logs)
        is_training = model is not None and model.training
        if not (is_training and self.log_completions and self.accelerator.is_main_process):
            return
        written = [completion_text(completion) for completion in table["completion"]]
        missed = self._scorer.most_missed(written, list(table["extra"][self.findings_column]))
        log_table(self.args, "missed_clusters", missed, self.state.global_step)


def _check_weights(args: SemEnrichGRPOConfig, own: int) -> None:
    weights = args.reward_weights
    if weights is not None and len(weights) != len(args.rewards) + own:
        more = f" and {own} in reward_funcs" if own else ""
        raise ValueError(
            f"expected a weight for each of the rewards {', '.join(args.rewards)}{more}, found "
            f"reward_weights {weights}: pass as many, or None"
        )


def _references(args: SemEnrichGRPOConfig) -> dict[str, str]:
    """The columns that are read at each step, by the argument that names them."""
    columns = {args.findings_column: "findings_column"}
    if set(args.rewards) - {"format"}:
        columns[args.impression_column] = "impression_column"
    return columns
