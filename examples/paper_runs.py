"""One run of the experiment: a model trained on an arm, and its reports of held-out studies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from datasets import Dataset, concatenate_datasets
from paper_arms import Arm
from tiny_vlm import build_vlm
from transformers import AutoModelForImageTextToText, AutoProcessor
from vision_pretraining import pretrain_vision

from semenrich_datasets import FindingsIndex
from semenrich_trainers import (
    ReportFormatter,
    SemEnrichGRPOConfig,
    SemEnrichGRPOTrainer,
    SemEnrichSFTConfig,
    SemEnrichSFTTrainer,
    generate_completions,
)
from semenrich_trainers.formatting import completion_text

#: Columns of reference texts that the tokenizer must be able to write.
TEXTS = ("findings", "complete_findings", "impression")


@dataclass(frozen=True)
class Scale:
    """How much of everything.

    Args:
        size (`str`): Of the model, in `SIZES`.
        vision_steps (`int`): Steps of 128 images in which the shared vision tower learns.
        sft_steps (`int`): Steps of SFT.
        sft_batch (`int`): Reports a step.
        grpo_steps (`int`): Steps of GRPO.
        grpo_batch (`int`): Reports a step, 8 to a study.
        max_new_tokens (`int`): Of a generated report.
    """

    size: str = "narrow"
    vision_steps: int = 600
    sft_steps: int = 450
    sft_batch: int = 32
    grpo_steps: int = 60
    grpo_batch: int = 64
    max_new_tokens: int = 200


def make_start(studies: Dataset, prompts: list[str], scale: Scale, folder: Path) -> None:
    """Makes the vision tower and the tokenizer that all runs share.

    The studies are of no run: a tower that has seen the training images with the reports of one
    arm would favour that arm, and one that has seen them at all would know what enrichment asks.
    """
    texts = [text for column in TEXTS for text in studies[column]]
    model, processor = build_vlm(prompts * 100 + texts, scale.size)
    rows = studies.map(ReportFormatter("findings"), batched=True)
    pretrain_vision(model, processor, rows, scale.vision_steps)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def open_model(folder: Path) -> tuple[Any, Any]:
    """Opens a model and its processor."""
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    return model, AutoProcessor.from_pretrained(folder)


def seeded_start(folder: Path, scale: Scale, seed: int) -> tuple[Any, Any]:
    """Gives the shared start with a language model whose random weights are drawn anew.

    The tower is frozen in all runs, so that they differ by what they read.
    """
    model, processor = open_model(folder)
    other, _ = build_vlm(["No effusion."], scale.size, seed)
    language, drawn = model.model.language_model, other.model.language_model
    language.layers.load_state_dict(drawn.layers.state_dict())
    model.model.vision_tower.requires_grad_(False)
    return model, processor


def arm_rows(studies: Dataset, arm: Arm) -> Dataset:
    """Gives prompt and completion of each study, and where the added text begins and ends."""
    parts = []
    for prompt, column in arm.texts:
        formatter = ReportFormatter(column, "impression", prompt)
        rows = studies.map(formatter, batched=True, desc=column)
        rows = rows.map(_span(column), desc="added")
        kept = ["image", "prompt", "completion", "added_from", "added_to", "length"]
        parts.append(rows.select_columns(kept))
    return concatenate_datasets(parts)


def _span(column: str) -> Any:
    def span(row: dict[str, Any]) -> dict[str, int]:
        text = completion_text(row["completion"])
        start = text.index(row[column]) if row[column] else 0
        # Enriched findings are the report's own, and then what was added.
        own, whole = len(row["findings"].rstrip(".,;: ")), len(row[column])
        return {"added_from": start + own, "added_to": start + whole, "length": len(text)}

    return span


class WeightedCollator:
    """Adds to a batch what each token counts in the loss, for [`WeightedSFTTrainer`].

    Args:
        collator (`Callable`): TRL's own.
        tokenizer (`PreTrainedTokenizerFast`): Of the completions.
        added_weight (`float`): Of a token of an added sentence; of others it is 1.
    """

    def __init__(self, collator: Any, tokenizer: Any, added_weight: float) -> None:
        self.collator, self.tokenizer, self.added_weight = collator, tokenizer, added_weight

    def __call__(self, rows: list[dict[str, Any]]) -> Any:
        """Gives the batch with `loss_weights`, shape `(rows, tokens)`, float32."""
        texts = [completion_text(row["completion"]) for row in rows]
        spans = [(row["added_from"], row["added_to"]) for row in rows]
        encoded = self.tokenizer(texts, return_offsets_mapping=True, add_special_tokens=False)
        batch = self.collator(rows)
        weights = torch.ones_like(batch["labels"], dtype=torch.float32)
        for row, (low, high) in enumerate(spans):
            # What is learned is the completion and one token that ends it.
            (learned,) = (batch["labels"][row] != -100).nonzero(as_tuple=True)
            ids, offsets = encoded["input_ids"][row], encoded["offset_mapping"][row]
            if batch["input_ids"][row][learned[: len(ids)]].tolist() != ids:
                raise ValueError(f"expected the labels to be the tokens of {texts[row]!r}")
            for position, (start, end) in zip(learned.tolist(), offsets, strict=False):
                if start >= low and end <= high:
                    weights[row, position] = self.added_weight
        batch["loss_weights"] = weights
        return batch


class WeightedSFTTrainer(SemEnrichSFTTrainer):
    """SFT in which a token counts what its `loss_weights` say: a weighted mean over the batch."""

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Gives the loss."""
        weights = inputs.pop("loss_weights")[:, 1:]
        outputs = model(**inputs, use_cache=False, fused_lm_head=True)
        weights = weights * outputs.label_mask
        return -(outputs.log_probs * weights).sum() / weights.sum().clamp(min=1)


def _settings(seed: int) -> dict[str, Any]:
    """What both trainers have in common: nothing is saved or evaluated on the way."""
    return {
        "seed": seed,
        "gradient_checkpointing": False,
        "bf16": True,
        "use_cpu": not torch.cuda.is_available(),
        "save_strategy": "no",
        "eval_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }


def _save(trainer: Any, processor: Any, to: Path) -> None:
    trainer.model.save_pretrained(to / "model")
    processor.save_pretrained(to / "model")


def run_sft(
    arm: Arm, studies: Dataset, index: FindingsIndex, start: Path, scale: Scale, seed: int, to: Path
) -> dict[str, Any]:
    """Trains a model on an arm and saves it in `to`; gives its seconds and its last loss."""
    model, processor = seeded_start(start, scale, seed)
    rows = arm_rows(studies, arm)
    steps = arm.rounds * scale.sft_steps
    args = SemEnrichSFTConfig(
        str(to / "run"),
        max_steps=steps,
        per_device_train_batch_size=scale.sft_batch,
        learning_rate=1.5e-3,
        lr_scheduler_type="cosine",
        warmup_steps=min(40, steps // 10),
        weight_decay=0.05,
        adam_beta2=0.98,
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,
        logging_steps=max(steps // 10, 1),
        **_settings(seed),
    )
    kind = SemEnrichSFTTrainer if arm.added_weight == 1 else WeightedSFTTrainer
    trainer = kind(model, args, index=index, train_dataset=rows, processing_class=processor)
    if arm.added_weight != 1:
        trainer.data_collator = WeightedCollator(
            trainer.data_collator, processor.tokenizer, arm.added_weight
        )
    began = perf_counter()
    trainer.train()
    seconds = perf_counter() - began
    _save(trainer, processor, to)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {"seconds": seconds, "loss": float(losses[-1])}


def write_reports(model: Any, processor: Any, studies: Dataset, prompt: str, scale: Scale) -> Any:
    """Gives a greedy completion per study."""
    messages = [{"role": "user", "content": prompt}]
    rows = ({"image": image, "prompt": messages} for image in studies["image"])
    return generate_completions(
        model, processor, rows, batch_size=100, max_new_tokens=scale.max_new_tokens
    )


def run_grpo(
    rewards: list[Any],
    learning_rate: float,
    rows: Dataset,
    index: FindingsIndex,
    model: Path,
    scale: Scale,
    seed: int,
    to: Path,
) -> list[dict[str, Any]]:
    """Trains a checkpoint by GRPO with rewards beside `format`, and saves it in `to`.

    Gives the log of the training.
    """
    policy, processor = open_model(model)
    policy.model.vision_tower.requires_grad_(False)
    args = SemEnrichGRPOConfig(
        str(to / "run"),
        findings_column="safe_findings",
        rewards=["format"],
        max_steps=scale.grpo_steps,
        per_device_train_batch_size=scale.grpo_batch,
        num_generations=8,
        max_completion_length=scale.max_new_tokens,
        learning_rate=learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=min(5, scale.grpo_steps // 4),
        beta=0.0,
        temperature=1.0,
        logging_steps=1,
        **_settings(seed),
    )
    trainer = SemEnrichGRPOTrainer(
        policy, rewards, args, index=index, train_dataset=rows, processing_class=processor
    )
    trainer.train()
    _save(trainer, processor, to)
    return list(trainer.state.log_history)
