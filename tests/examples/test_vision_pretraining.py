"""A new vision tower learns which words the report of an image has."""

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image
from tiny_vlm import build_vlm
from vision_pretraining import pretrain_vision

from semenrich_trainers import ReportFormatter, generate_completions


def square(column: int, noise: np.random.Generator) -> Image.Image:
    pixels = noise.integers(0, 60, (64, 64), dtype=np.uint8)
    pixels[20:40, column : column + 20] += 150
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def rows() -> Dataset:
    noise = np.random.default_rng(0)
    places = {"Mass on the right.": 5, "Mass on the left.": 40}
    reports = [
        {"image": square(column, noise), "findings": text, "impression": "Abnormal."}
        for text, column in places.items()
        for _ in range(40)
    ]
    return Dataset.from_list(reports).map(ReportFormatter(prompt="Report."), batched=True)


def test_it_learns_to_tell_images_apart(rows: Dataset) -> None:
    model, processor = build_vlm([*rows["findings"], "Abnormal.", "Report."], "tiny")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    losses = pretrain_vision(model, processor, rows, steps=60, batch_size=16)
    assert len(losses) == 60
    # What is left is what no image tells: nothing. A constant guess leaves 2 ln 2 nats and more.
    assert np.mean(losses[-5:]) < 0.5 < 2 * np.log(2) < losses[0]
    after = model.state_dict()
    changed = {name.split(".")[1] for name in before if not before[name].equal(after[name])}
    assert changed >= {"vision_tower", "multi_modal_projector"}
    layers = [name for name in before if ".language_model.layers." in name]
    assert layers
    assert all(before[name].equal(after[name]) for name in layers)


def test_a_seed_gives_the_same_tower_and_it_still_generates(rows: Dataset) -> None:
    towers = []
    for seed in (0, 0, 1):
        model, processor = build_vlm([*rows["findings"], "Report."], "tiny", 0)
        pretrain_vision(model, processor, rows, steps=3, batch_size=8, seed=seed)
        towers.append(next(model.model.vision_tower.parameters()).detach())
    assert torch.equal(towers[0], towers[1])
    assert not torch.equal(towers[0], towers[2])
    assert len(generate_completions(model, processor, rows.select([0]), max_new_tokens=4)) == 1
