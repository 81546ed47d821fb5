"""The arms of the experiment: what each model learns from, made of one corpus and one index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from datasets import Dataset
from PIL import Image

from semenrich_datasets import FindingsIndex, SemEnricher
from semenrich_datasets.sentences import append_sentences, split_sentences

PROMPT = "Report this chest X-ray."
AS_WRITTEN = "Report this chest X-ray as its reporter writes."
COMPLETE = "Report this chest X-ray completely."


@dataclass(frozen=True)
class Arm:
    """What a model is trained on.

    Args:
        title (`str`): In the tables.
        texts (`tuple[tuple[str, str], ...]`): Pairs of a prompt and the column of the findings that
            it asks for. With several, each study comes once with each.
        added_weight (`float`, *optional*, defaults to `1.0`): What a token of an added sentence
            counts in the loss; one of the report's own counts 1.
        rounds (`int`, *optional*, defaults to `1`): How often as many steps as the recipe says.
    """

    title: str
    texts: tuple[tuple[str, str], ...]
    added_weight: float = 1.0
    rounds: int = 1

    @property
    def prompts(self) -> list[str]:
        """The prompts that the model can be asked with."""
        return [prompt for prompt, _ in self.texts]


def _one(title: str, column: str, added_weight: float = 1.0) -> Arm:
    return Arm(title, ((PROMPT, column),), added_weight)


_BOTH = ((AS_WRITTEN, "findings"), (COMPLETE, "safe_findings"))

ARMS = {
    "base": _one("reports as written", "findings"),
    "safe": _one("safe", "safe_findings"),
    "complete": _one("complete reports (oracle)", "complete_findings"),
    "both": Arm("as written and safe, by prompt", _BOTH),
    "paper": _one("paper", "paper_findings"),
    "random": _one("random", "random_findings"),
    "safe_image": _one("safe, with the image", "safe_image_findings"),
    "repeated": _one("own sentences in other words, as many", "repeated_findings"),
    "safe_1": _one("safe, at most 1", "safe_1_findings"),
    "safe_2": _one("safe, at most 2", "safe_2_findings"),
    "safe_third": _one("safe, added at a third of the loss", "safe_findings", 1 / 3),
    # With two prompts, twice the steps read as much of each kind of report as arms with one do.
    "base_twice": Arm("reports as written, twice the steps", ((PROMPT, "findings"),), rounds=2),
    "safe_twice": Arm("safe, twice the steps", ((PROMPT, "safe_findings"),), rounds=2),
    "both_twice": Arm("as written and safe, by prompt, twice the steps", _BOTH, rounds=2),
    "both_third": Arm(
        "as written and safe, by prompt, twice the steps, added at a third", _BOTH, 1 / 3, rounds=2
    ),
}


class TowerEncoder:
    """A vision tower as the image encoder of an index: the mean of its last feature map.

    Args:
        model ([`~transformers.LlavaForConditionalGeneration`]): Whose tower has learned to see.
        processor ([`~transformers.LlavaProcessor`]): Its processor.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model, processor
        weights = sha256()
        for tensor in model.model.vision_tower.state_dict().values():
            weights.update(tensor.numpy().tobytes())
        # Tells this tower from others in the cache of vectors.
        self.name = f"tower {weights.hexdigest()[:16]}"

    def encode(self, images: Sequence[Image.Image]) -> Any:
        """Gives float32 of shape `(images, channels)`."""
        import torch

        grey = [image.convert("L") for image in images]
        pixels = self.processor.image_processor(grey, return_tensors="pt")["pixel_values"]
        layer = self.model.config.vision_feature_layer
        with torch.inference_mode():
            states = self.model.model.vision_tower(pixels, output_hidden_states=True).hidden_states
        return states[layer].mean(1).float().numpy()


def add_arm_columns(
    studies: Dataset, index: FindingsIndex, paper_index: FindingsIndex, encoder: TowerEncoder
) -> Dataset:
    """Adds the column of findings of each arm, `<arm>_findings`, and what was added.

    Args:
        studies (`Dataset`): Of the phantom, with the columns of varied habits.
        index ([`FindingsIndex`]): Of their reports, built with their images.
        paper_index ([`FindingsIndex`]): The same with `preset="paper"`.
        encoder ([`TowerEncoder`]): The image encoder that the index was built with.

    Returns:
        `Dataset`: With `safe_findings`, `safe_added` and so on.
    """
    context = ["impression", "indication"]
    made: dict[str, tuple[FindingsIndex, dict[str, Any]]] = {
        "safe": (index, {}),
        "safe_image": (index, {"image_column": "image", "image_encoder": encoder}),
        "safe_1": (index, {"max_added": 1}),
        "safe_2": (index, {"max_added": 2}),
        # As published.
        "paper": (paper_index, {"preset": "paper", "privacy_floor": False}),
        "random": (paper_index, {"preset": "random", "privacy_floor": False}),
    }
    for name, (one, options) in made.items():
        enricher = SemEnricher(
            one,
            "findings",
            context,
            enriched_column=f"{name}_findings",
            added_column=f"{name}_added",
            **options,
        )
        studies = studies.map(enricher, batched=True, desc=name)
    return studies.map(Repeater(index), batched=True, desc="repeated")


class Repeater:
    """The control of length: as many sentences more as "safe" adds, that say nothing new.

    Each is a sentence of the report itself, in other words where the corpus has others.
    """

    def __init__(self, index: FindingsIndex) -> None:
        # A sentence of its own unit, drawn anew: the paper's other augmentation (section 3).
        self._others = SemEnricher(
            index, "findings", [], max_added=0, resample=True, strategy="random"
        )

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, list[str]]:
        """Gives `repeated_findings` for a batch that has `findings` and `safe_added`."""
        counts = [len(added) for added in rows["safe_added"]]
        more: list[list[str]] = [[] for _ in counts]
        for variant in range(1, 6):
            rewritten = self._others.with_variant(variant)({"findings": rows["findings"]})
            for sentences, text in zip(more, rewritten["enriched_findings"], strict=True):
                sentences += split_sentences(text or "")
        return {
            "repeated_findings": [
                append_sentences(text, sentences[:count])
                for text, sentences, count in zip(rows["findings"], more, counts, strict=True)
            ]
        }
