"""Trains vision-language models on enriched reports: SFT and GRPO, on top of TRL."""

from semenrich_trainers.checkpoints import last_checkpoint
from semenrich_trainers.evaluation import ReportEvaluation
from semenrich_trainers.formatting import ReportFormatter, parse_report
from semenrich_trainers.generation import best_of_n, generate_completions
from semenrich_trainers.grpo import SemEnrichGRPOConfig, SemEnrichGRPOTrainer
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
    "parse_report",
]
