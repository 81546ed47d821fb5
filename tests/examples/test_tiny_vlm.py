"""The models made from configurations alone."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny_vlm import SIZES, TAGS, build_tokenizer, build_vlm
from transformers import AutoModelForImageTextToText, AutoProcessor

from semenrich_datasets.phantom import load_phantom
from semenrich_trainers import ReportFormatter, generate_completions
from semenrich_trainers.formatting import completion_text

PROMPT = "Report this chest X-ray."
ROWS = load_phantom(80).map(ReportFormatter(prompt=PROMPT), batched=True)
TEXTS = [PROMPT, *(text for column in ("findings", "impression") for text in ROWS[column])]


@pytest.mark.parametrize(
    ("size", "least", "most"), [("tiny", 1e5, 2e5), ("narrow", 3e6, 4e6), ("small", 4e6, 1e7)]
)
def test_size(size: str, least: float, most: float) -> None:
    model, _ = build_vlm(TEXTS, size)
    assert least < sum(one.numel() for one in model.parameters()) < most


def test_tokenizer_reads_back_reports_and_keeps_their_tags() -> None:
    tokenizer = build_tokenizer(TEXTS, 1000)
    for row in ROWS:
        text = completion_text(row["completion"])
        tokens = tokenizer(text).input_ids
        assert tokenizer.decode(tokens, skip_special_tokens=True) == text
        assert [tokenizer.decode(one) for one in tokens if tokenizer.decode(one) in TAGS] == TAGS
        assert len(tokens) < len(text) / 3


def test_a_seed_gives_the_same_model() -> None:
    first, second, other = (build_vlm(TEXTS, "tiny", seed)[0] for seed in (0, 0, 1))
    name = "model.language_model.layers.0.mlp.up_proj.weight"
    assert first.state_dict()[name].equal(second.state_dict()[name])
    assert not first.state_dict()[name].equal(other.state_dict()[name])


def test_it_is_saved_loaded_and_reads_the_image(tmp_path: Path) -> None:
    model, processor = build_vlm(TEXTS, "tiny")
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path)
    reader = AutoProcessor.from_pretrained(tmp_path)
    rows = [dict(ROWS[0]), {**ROWS[0], "image": Image.new("L", (64, 64))}]
    assert generate_completions(loaded, reader, rows, max_new_tokens=8) == generate_completions(
        model, processor, rows, max_new_tokens=8
    )
    colour = [{**row, "image": row["image"].convert("RGB")} for row in rows]
    assert generate_completions(loaded, reader, colour, max_new_tokens=8) == generate_completions(
        model, processor, rows, max_new_tokens=8
    )
    text = reader.apply_chat_template(ROWS[0]["prompt"], tokenize=False)
    inputs = reader(text=["<image>" + text] * 2, images=[[row["image"]] for row in rows])
    tensors = {name: torch.as_tensor(value) for name, value in inputs.items()}
    first, blank = loaded(**tensors).logits
    assert not torch.allclose(first[-1], blank[-1])
    assert inputs["input_ids"][0].count(loaded.config.image_token_id) == 16
    assert set(SIZES) == {"tiny", "narrow", "small"}
