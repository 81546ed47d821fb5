"""Teaches a new vision tower which words the report of an image has.

A vision tower with random weights learns little from a language model's loss, which reaches it
through the few tokens of a report that depend on the image. So it is first trained alone, to tell
from the image which tokens the report has, in whatever order: SuperClass (Huang et al., NeurIPS
2024, arXiv 2411.03313). Here the classifier's weights are the language model's own token
embeddings, so that the image's tokens come to lie among those of its words.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from datasets import Dataset
from PIL import Image
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from tqdm.auto import tqdm
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from semenrich_trainers.formatting import completion_text


class WordClassifier(nn.Module):
    """Tells which tokens a report has from the mean of its image's embeddings.

    Args:
        model ([`~transformers.LlavaForConditionalGeneration`]): Its vision tower, projector and
            token embeddings are shared, not copied.
        frequencies (`torch.Tensor`): Share of the reports that have each token, `(vocabulary,)`.
    """

    def __init__(self, model: LlavaForConditionalGeneration, frequencies: torch.Tensor) -> None:
        super().__init__()
        self.tower = model.model.vision_tower
        self.projector = model.model.multi_modal_projector
        self.words = model.get_input_embeddings()
        self.layer = model.config.vision_feature_layer
        self.scale = nn.Parameter(torch.tensor(5.0))
        self.bias = nn.Parameter(torch.logit(frequencies, eps=1e-4))

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Gives logits `(batch, vocabulary)` of images `(batch, 3, height, width)`."""
        states = self.tower(pixel_values, output_hidden_states=True).hidden_states
        image = self.projector(states[self.layer]).mean(1).float()
        return self.scale * image @ self.words.weight.T + self.bias


def pretrain_vision(
    model: LlavaForConditionalGeneration,
    processor: LlavaProcessor,
    rows: Dataset,
    steps: int,
    batch_size: int = 128,
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> list[float]:
    """Trains vision tower, projector and token embeddings in place.

    Args:
        model ([`~transformers.LlavaForConditionalGeneration`]): Of [`~tiny_vlm.build_vlm`].
        processor ([`~transformers.LlavaProcessor`]): Its processor.
        rows (`Dataset`): With the columns image and completion.
        steps (`int`): Batches to train on, drawn with replacement.
        batch_size (`int`, *optional*, defaults to `128`): Images a step.
        learning_rate (`float`, *optional*, defaults to `3e-3`): At its highest; it rises over 50
            steps and falls along a cosine.
        seed (`int`, *optional*, defaults to `0`): Draws the batches.

    Returns:
        `list[float]`: Loss of each step: binary cross-entropy in nats, summed over the vocabulary.
    """
    words = _word_sets(processor, rows)
    frequencies = _multi_hot(words, len(processor.tokenizer)).mean(0)
    classifier = WordClassifier(model, frequencies).to(model.device)
    optimizer = torch.optim.AdamW(
        classifier.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.05
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    rng = np.random.default_rng(seed)
    losses: list[float] = []
    classifier.train()
    for _ in tqdm(range(steps), desc="vision pretraining"):
        drawn = rng.integers(len(rows), size=min(batch_size, len(rows))).tolist()
        pixels = _pixels(processor, rows.select_columns("image")[drawn]["image"]).to(model.device)
        targets = _multi_hot([words[row] for row in drawn], len(frequencies)).to(model.device)
        with torch.autocast(model.device.type, torch.bfloat16):
            logits = classifier(pixels)
        loss = binary_cross_entropy_with_logits(logits, targets, reduction="sum") / len(drawn)
        loss.backward()
        nn.utils.clip_grad_norm_(classifier.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        losses.append(loss.item())
    return losses


def _word_sets(processor: LlavaProcessor, rows: Dataset) -> list[np.ndarray]:
    texts = [completion_text(one) for one in rows["completion"]]
    return [np.unique(ids) for ids in processor.tokenizer(texts)["input_ids"]]


def _multi_hot(words: Sequence[np.ndarray], vocabulary: int) -> torch.Tensor:
    hot = torch.zeros(len(words), vocabulary)
    row = np.repeat(np.arange(len(words)), [len(ids) for ids in words])
    hot[torch.from_numpy(row), torch.from_numpy(np.concatenate(words))] = 1.0
    return hot


def _pixels(processor: LlavaProcessor, images: Sequence[Image.Image]) -> torch.Tensor:
    pixels: torch.Tensor = processor.image_processor(images, return_tensors="pt")["pixel_values"]
    return pixels


def _rate(step: int, steps: int, warmup: int = 50) -> float:
    rise = min(1.0, (step + 1) / warmup)
    return rise * max(0.02, (1 + math.cos(math.pi * step / steps)) / 2)
