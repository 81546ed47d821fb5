"""Trains vision-language models on enriched reports: SFT and GRPO, on top of TRL."""

from typing import TYPE_CHECKING

from semenrich_trainers.formatting import ReportFormatter, parse_report

if TYPE_CHECKING:
    from semenrich_trainers.adapters import load_policy
    from semenrich_trainers.chat_templates import use_report_chat_template
    from semenrich_trainers.checkpoints import last_checkpoint
    from semenrich_trainers.evaluation import ReportEvaluation
    from semenrich_trainers.generation import best_of_n, generate_completions
    from semenrich_trainers.grpo import SemEnrichGRPOConfig, SemEnrichGRPOTrainer
    from semenrich_trainers.pruned_generation import pruned_best_of_n
    from semenrich_trainers.sft import SemEnrichSFTConfig, SemEnrichSFTTrainer

__all__ = [
    "ReportEvaluation",
    "ReportFormatter",
    "SemEnrichGRPOConfig",
    "SemEnrichGRPOTrainer",
    "SemEnrichSFTConfig",
    "SemEnrichSFTTrainer",
    "best_of_n",
    "generate_completions",
    "last_checkpoint",
    "load_policy",
    "parse_report",
    "pruned_best_of_n",
    "use_report_chat_template",
]

# TRL takes seconds to import, and formatting and most rewards do without it.
_ROOMS = {
    "ReportEvaluation": "evaluation",
    "SemEnrichGRPOConfig": "grpo",
    "SemEnrichGRPOTrainer": "grpo",
    "SemEnrichSFTConfig": "sft",
    "SemEnrichSFTTrainer": "sft",
    "best_of_n": "generation",
    "generate_completions": "generation",
    "last_checkpoint": "checkpoints",
    "pruned_best_of_n": "pruned_generation",
    "load_policy": "adapters",
    "use_report_chat_template": "chat_templates",
}


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        room = import_module(f"{__name__}.{_ROOMS[name]}")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("accelerate", "peft", "sacrebleu", "trl"):
            raise
        raise ImportError(f'{name} needs TRL: pip install "semenrich[train]"') from error
    return getattr(room, name)
