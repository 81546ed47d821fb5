"""A guard that asks an entailment model."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semenrich_datasets.enrich.guards.proposal import Proposal, batches, device
from semenrich_datasets.enrich.reasons import Reason

# Guards hold a model's name, never the model: they pickle small, and their fingerprint does not
# change with use. The functions marked lru_cache load a model once per process.


@dataclass(frozen=True)
class NLIGuard:
    """Refuses what the report contradicts or entails, by a natural language inference model.

    The premise is the report (findings and context), the hypothesis the sentence. A report longer
    than the model's window is read in overlapping windows, and the strongest verdict counts.

    Args:
        model (`str`):
            Hub id or folder of any `transformers` sequence-classification model with labels for
            entailment and contradiction, and a fast tokenizer.
        threshold (`float`, *optional*, defaults to `0.5`):
            probability, in (0, 1], from which a verdict refuses the sentence.
        batch_size (`int`, *optional*, defaults to `32`): proposals per forward pass.

    Raises:
        ValueError: if `threshold` is out of range, or the model has no such labels.
    """

    model: str
    threshold: float = 0.5
    batch_size: int = 32

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ValueError(f"Expected a threshold in (0, 1], found {self.threshold}.")

    def __call__(self, proposals: Sequence[Proposal]) -> list[str | None]:
        """`"contradicts"`, `"redundant"` or None for each proposal; None where no report is."""
        reasons: list[str | None] = [None] * len(proposals)
        premises = [f"{proposal.findings} {proposal.context}".strip() for proposal in proposals]
        # Neighbors in length share a batch: less padding.
        asked = sorted(
            (i for i, text in enumerate(premises) if text), key=lambda i: len(premises[i])
        )
        for batch in batches(asked, self.batch_size):
            verdicts = _load_nli(self.model).verdicts(
                [premises[i] for i in batch], [proposals[i].sentence for i in batch]
            )
            for i, (contradiction, entailment) in zip(batch, verdicts, strict=True):
                if contradiction >= self.threshold:
                    reasons[i] = Reason.CONTRADICTS
                elif entailment >= self.threshold:
                    reasons[i] = Reason.REDUNDANT
        return reasons


@dataclass(frozen=True)
class _NLI:
    """A loaded entailment model."""

    tokenizer: Any
    network: Any
    labels: tuple[int, int]  # columns of contradiction and entailment
    window: int  # tokens

    def verdicts(self, premises: list[str], hypotheses: list[str]) -> NDArray[np.float64]:
        """Probabilities of contradiction and entailment, shape (n, 2)."""
        import torch

        windows = self.tokenizer(
            premises,
            hypotheses,
            truncation="only_first",
            max_length=self.window,
            stride=self.window // 8,
            return_overflowing_tokens=True,
            padding=True,
            return_tensors="pt",
        )
        owner = windows.pop("overflow_to_sample_mapping").numpy()
        with torch.inference_mode():
            logits = self.network(**windows.to(self.network.device)).logits
        probabilities = logits.float().softmax(dim=-1)[:, self.labels].cpu().numpy()
        strongest = np.zeros((len(premises), 2))
        np.maximum.at(strongest, owner, probabilities)
        return strongest


@functools.lru_cache(maxsize=2)
def _load_nli(name: str) -> _NLI:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    network = AutoModelForSequenceClassification.from_pretrained(name)
    tokenizer = AutoTokenizer.from_pretrained(name)
    labels = {str(label).lower(): column for label, column in network.config.label2id.items()}
    found = [
        next((column for label, column in labels.items() if label.startswith(stem)), None)
        for stem in ("contradict", "entail")
    ]
    if found[0] is None or found[1] is None:
        raise ValueError(
            f"Expected a model with labels for entailment and contradiction, found {name!r} with "
            f"{sorted(labels)}; choose one trained for natural language inference (NLI)."
        )
    # Some tokenizers state no length (a number beyond any model); 512 is what BERT's heirs read.
    window = min(tokenizer.model_max_length, 512)
    return _NLI(tokenizer, network.eval().to(device()), (found[0], found[1]), window)
