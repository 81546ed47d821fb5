"""May this sentence join this report? The rules, and guards that ask another model."""

from semenrich_datasets.enrich.facts import refusal
from semenrich_datasets.enrich.guards.image_text import ImageTextGuard
from semenrich_datasets.enrich.guards.llm import LLMGuard
from semenrich_datasets.enrich.guards.nli import NLIGuard
from semenrich_datasets.enrich.guards.proposal import Guard, Proposal
from semenrich_datasets.enrich.reasons import Reason

__all__ = [
    "Guard",
    "ImageTextGuard",
    "LLMGuard",
    "NLIGuard",
    "Proposal",
    "Reason",
    "refusal",
]
