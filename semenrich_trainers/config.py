"""What the configurations of both trainers add to TRL's, and what both trainers check."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from transformers import PreTrainedModel
from transformers.utils import is_torch_bf16_gpu_available

AdapterUse = Literal["continue", "merge"]
ADAPTER_USES = get_args(AdapterUse)


@dataclass
class ReportConfig:
    """Which columns hold the reports, and how much to generate at an evaluation.

    Goes before a configuration of TRL among the bases. It is no `TrainingArguments` itself, for a
    dataclass takes the defaults of its first base, inherited ones too, and TRL's must stay.

    `bf16`, when not set, is on where the accelerator has it and off elsewhere; TRL turns it on
    everywhere, which is slow on a CPU and not to be had on older GPUs.

    Args:
        findings_column (`str`, *optional*, defaults to `"findings"`):
            Column of the reference findings, such as `"enriched_findings"`.
        impression_column (`str`, *optional*, defaults to `"impression"`):
            Column of the reference impression.
        eval_findings_column (`str`, *optional*, defaults to `findings_column`):
            Column of the findings that generated reports are scored against at an evaluation, by
            which `load_best_model_at_end` chooses: `"findings"` where enriched ones are learned, so
            that runs on either can be compared. The rewards of GRPO's own evaluation stay those of
            `findings_column`.
        eval_reports (`int`, *optional*, defaults to `64`):
            Reports of the evaluation set, from its beginning, that are generated and scored at
            each evaluation; 0 for none. GRPO's own evaluation, which samples `num_generations_eval`
            completions a report for its rewards, reads the same ones; with 0, all of the set.
        max_completion_length (`int`, *optional*, defaults to `512`):
            Most tokens of a generated report.
        adapter (`str`, *optional*, defaults to `"continue"`):
            Of a model that is named by its LoRA adapter: `"continue"` trains this adapter, and
            `"merge"` merges it into its base model, for a new adapter (`peft_config`) or for
            training all weights.
    """

    findings_column: str = field(
        default="findings", metadata={"help": "Column of the reference findings."}
    )
    impression_column: str = field(
        default="impression", metadata={"help": "Column of the reference impression."}
    )
    eval_findings_column: str | None = field(
        default=None,
        metadata={"help": "Column of the findings to score against; findings_column by default."},
    )
    eval_reports: int = field(
        default=64,
        metadata={"help": "Reports that are generated and scored at each evaluation; 0 for none."},
    )
    max_completion_length: int | None = field(
        default=512, metadata={"help": "Most tokens of a generated report."}
    )
    adapter: AdapterUse = field(
        default="continue",
        metadata={"help": "A model that is a LoRA adapter: train it on, or merge it first."},
    )

    def __post_init__(self: Any) -> None:
        if self.adapter not in ADAPTER_USES:
            uses = " or ".join(map(repr, ADAPTER_USES))
            raise ValueError(f"expected adapter to be {uses}, found {self.adapter!r}")
        if self.eval_reports < 0:
            raise ValueError(f"expected eval_reports to be 0 or more, found {self.eval_reports}")
        if self.bf16 is None:
            has_bf16 = not self.use_cpu and is_torch_bf16_gpu_available()
            self.bf16 = has_bf16 and not self.fp16
        super().__post_init__()  # type: ignore[misc]

    @property
    def evaluation_reference(self) -> dict[str, str]:
        """The column of findings that evaluations score against, by the argument that names it."""
        if self.eval_findings_column is None:
            return {self.findings_column: "findings_column"}
        return {self.eval_findings_column: "eval_findings_column"}


def check_config(args: Any, expected: type) -> None:
    """Raises `TypeError` for a configuration that lacks our fields, such as TRL's own."""
    if not isinstance(args, expected):
        found = type(args).__name__
        raise TypeError(
            f"expected args to be a {expected.__name__}, found a {found}: make a "
            f"{expected.__name__} with the same arguments; it takes all of {found}'s"
        )


def run_name(model: str | PreTrainedModel, method: str) -> str:
    """Gives the output folder of a run without one, such as "Qwen3-VL-4B-Instruct-SFT"."""
    name = model if isinstance(model, str) else model.config.name_or_path or model.config.model_type
    return f"{Path(name).name}-{method}"
