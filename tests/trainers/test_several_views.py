"""Studies of one to three views, with the report before and its image: SFT, GRPO, generation."""

from itertools import pairwise

import pytest
import torch
from datasets import Dataset
from PIL import Image
from trainer_fakes import SETTINGS, losses, make_dataset, make_index, make_model

from semenrich_trainers import (
    ReportFormatter,
    SemEnrichGRPOConfig,
    SemEnrichGRPOTrainer,
    SemEnrichSFTConfig,
    SemEnrichSFTTrainer,
    generate_completions,
)

PROMPT = "Report this chest X-ray. The last image is the prior one, reported as: {prior_findings}"
TOKENS = 16  # of the tiny model, for an image


@pytest.fixture(scope="module")
def index():
    return make_index()


def make_studies(n=8):
    """Every third study has a prior, whose image comes last; greys tell the images apart."""
    reports = make_dataset(n).select_columns(["findings", "impression"])
    rows = []
    for row, report in enumerate(reports):
        has_prior = row % 3 == 0
        count = 1 + row % 2 + has_prior
        images = [Image.new("L", (48, 64), 10 * (3 * row + view)) for view in range(count)]
        prior = reports[row - 1]["findings"] if has_prior else None
        rows.append({**report, "images": images, "prior_findings": prior})
    return Dataset.from_list(rows).map(ReportFormatter(prompt=PROMPT), batched=True)


def greys_of(pixels):
    """Undoes the processor's scaling."""
    return ((pixels.mean(dim=(1, 2, 3)) * 0.25 + 0.5) * 255).round().int().tolist()


def watch(model):
    """Records, of each forward with images, how many each row has and the grey of every image."""
    seen = []

    def record(module, args, inputs):
        pixels = inputs.get("pixel_values")
        if pixels is not None:
            tokens = (inputs["input_ids"] == module.config.image_token_id).sum(dim=1)
            seen.append(((tokens // TOKENS).tolist(), greys_of(pixels)))

    model.register_forward_pre_hook(record, with_kwargs=True)
    return seen


def rows_of(seen):
    """The studies of each row that was seen, by the grey of its images, which must be one's own."""
    found = []
    for counts, greys in seen:
        ends = torch.tensor([0, *counts]).cumsum(0).tolist()
        assert ends[-1] == len(greys)
        for start, end in pairwise(ends):
            row = greys[start] // 30
            assert greys[start:end] == [10 * (3 * row + view) for view in range(end - start)]
            found.append((row, end - start))
    return found


COUNTS = [(row, 1 + row % 2 + (row % 3 == 0)) for row in range(8)]


def test_the_prompt_tells_of_the_prior():
    prompts = [row[0]["content"] for row in make_studies()["prompt"]]
    assert prompts[1] == "Report this chest X-ray."
    assert prompts[0].startswith(f"{prompts[1]} The last image is the prior one, reported as: ")
    assert {count for _, count in COUNTS} == {1, 2, 3}


def test_sft_shows_each_study_its_images(index, tmp_path):
    model, processor = make_model(images=True)
    seen = watch(model)
    trainer = SemEnrichSFTTrainer(
        model,
        SemEnrichSFTConfig(str(tmp_path), **SETTINGS, num_train_epochs=1, eval_strategy="epoch"),
        index=index,
        train_dataset=make_studies(),
        eval_dataset=make_studies(4),
        processing_class=processor,
    )
    trainer.train()
    assert len(losses(trainer)) == 2
    # Once in training, the first four again in the evaluation's loss; generation encodes first.
    assert sorted(rows_of(seen)) == sorted(COUNTS + COUNTS[:4])


@pytest.mark.parametrize("steps_per_generation", [1, 2])
def test_grpo_shows_each_study_its_images(index, tmp_path, steps_per_generation):
    model, processor = make_model(images=True)
    seen = watch(model)
    settings = {
        **SETTINGS,
        "num_generations": 2,
        "steps_per_generation": steps_per_generation,
        "num_iterations": 2,
        "max_steps": 4,
    }
    trainer = SemEnrichGRPOTrainer(
        model,
        args=SemEnrichGRPOConfig(str(tmp_path), **settings),
        index=index,
        train_dataset=make_studies(),
        processing_class=processor,
    )
    trainer.train()
    found = rows_of(seen)
    assert set(found) <= set(COUNTS)
    assert len({count for _, count in found}) > 1
    assert len(losses(trainer)) == 4


def test_generation_gives_each_study_what_it_gives_alone():
    model, processor = make_model(images=True)
    # With random weights it hardly looks at the images.
    projector = model.model.multi_modal_projector.linear_1
    projector.weight = torch.nn.Parameter(1e3 * projector.weight.detach())
    rows, settings, seen = make_studies(), {"max_new_tokens": 8}, []
    tower = model.model.vision_tower
    tower.register_forward_pre_hook(
        lambda module, args, inputs: seen.extend(greys_of(args[0])), with_kwargs=True
    )
    together = generate_completions(model, processor, rows, batch_size=8, **settings)
    alone = generate_completions(model, processor, rows, batch_size=1, **settings)
    assert together == alone
    assert seen == 2 * [10 * (3 * row + view) for row, count in COUNTS for view in range(count)]
    assert len(set(alone)) > 1
    # Each of several candidates of a study looks at its images too; the likeliest token is greedy.
    settings |= {"do_sample": True, "top_k": 1, "num_return_sequences": 3}
    candidates = generate_completions(model, processor, rows, batch_size=8, **settings)
    assert candidates == [text for text in alone for _ in range(3)]
