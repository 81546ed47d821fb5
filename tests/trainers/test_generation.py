"""Completions: the same alone and in a batch; the best of several is the most typical."""

import pytest
import torch
from fakes import FakeEncoder
from trainer_fakes import make_dataset, make_model

from semenrich_trainers import best_of_n, generate_completions, generation


def ask(*texts):
    return [{"prompt": [{"role": "user", "content": text}]} for text in texts]


@pytest.mark.parametrize("images", [False, True], ids=["text", "vision"])
def test_a_batch_of_unequal_prompts_gives_what_each_gives_alone(images):
    model, processing = make_model(images)
    rows = ask("Report.", "Report this chest X-ray, at some length.", "Now.")
    if images:
        pictures = make_dataset(3, images=True)["image"]
        rows = [{**row, "image": image} for row, image in zip(rows, pictures, strict=True)]
        # With random weights it hardly looks at the image.
        projector = model.model.multi_modal_projector.linear_1
        projector.weight = torch.nn.Parameter(1e4 * projector.weight.detach())
    settings = {"max_new_tokens": 8}
    side = getattr(processing, "tokenizer", processing).padding_side
    together = generate_completions(model, processing, rows, batch_size=3, **settings)
    alone = generate_completions(model, processing, rows, batch_size=1, **settings)
    assert together == alone
    assert len(set(alone)) > 1
    assert getattr(processing, "tokenizer", processing).padding_side == side


def test_plain_text_prompts_and_none_at_all():
    model, tokenizer = make_model()
    written = generate_completions(model, tokenizer, [{"prompt": "Report"}], max_new_tokens=4)
    assert len(written) == 1
    assert generate_completions(model, tokenizer, []) == []


def test_a_text_has_no_place_for_an_image_and_two_columns_of_images_are_one_too_many():
    model, processor = make_model(images=True)
    image = make_dataset(1, images=True)[0]["image"]
    rows = [{"prompt": "Report"}, {"prompt": "Report", "image": image}]
    match = r'found a text: make it \[{"role": "user", "content": prompt}\]'
    with pytest.raises(ValueError, match=match):
        generate_completions(model, processor, rows, max_new_tokens=2)
    assert len(generate_completions(model, processor, rows[:1], max_new_tokens=2)) == 1
    both = [{**ask("Report")[0], "image": image, "images": [image]}]
    with pytest.raises(ValueError, match="one column of images in a row, found 'image' and"):
        generate_completions(model, processor, both, max_new_tokens=2)
    # A model that does not see takes the text alone.
    blind, tokenizer = make_model()
    assert len(generate_completions(blind, tokenizer, rows, max_new_tokens=2)) == 2


def test_an_image_token_is_never_written(monkeypatch):
    model, processor = make_model(images=True)
    image_token = model.config.image_token_id
    written = []

    def prefer_images(module, inputs, output):
        output.logits[..., image_token] = 1e4
        return output

    def record(generate=model.generate, **inputs):
        written.append(generate(**inputs)[:, inputs["input_ids"].shape[1] :])
        return generate(**inputs)

    model.register_forward_hook(prefer_images)
    monkeypatch.setattr(model, "generate", record)
    generate_completions(model, processor, [make_dataset(1, images=True)[0]], max_new_tokens=3)
    assert written[0].shape == (1, 3)
    assert image_token not in written[0]


def test_the_best_is_what_most_candidates_say(monkeypatch):
    candidates = [
        "Heart enlarged.",
        "No pneumothorax. Lungs clear.",
        "Lungs clear. No pneumothorax.",
        "Lungs clear.",
    ]
    written = [f"<think> {text} </think><answer> Normal. </answer>" for text in candidates]
    calls = []

    def generate(model, processing_class, rows, **settings):
        calls.append(settings)
        return written * len(list(rows))

    monkeypatch.setattr(generation, "generate_completions", generate)
    chosen = best_of_n(None, None, ask("a", "b"), 4, encoder=FakeEncoder(), temperature=0.7)
    assert chosen == [written[1]] * 2
    expected = {"do_sample": True, "num_return_sequences": 4, "temperature": 0.7, "batch_size": 8}
    assert calls == [expected]


def test_best_of_n_samples_from_a_model():
    model, tokenizer = make_model()
    settings = {"encoder": FakeEncoder(), "max_new_tokens": 4}
    assert len(best_of_n(model, tokenizer, ask("a", "b"), 3, **settings)) == 2
    with pytest.raises(ValueError, match="at least 1, found 0"):
        best_of_n(model, tokenizer, ask("a"), 0)


def test_it_generates_in_evaluation_mode_and_goes_back_to_training():
    model, processor = make_model(images=True)
    rows = make_dataset(3, images=True)
    model.eval()
    expected = generate_completions(model, processor, rows, max_new_tokens=6)
    model.train()  # in which the vision tower's batch norm would see the batch, and then shift
    assert generate_completions(model, processor, rows, max_new_tokens=6) == expected
    assert model.training
    model.eval()
    assert generate_completions(model, processor, rows, max_new_tokens=6) == expected
    assert not model.training
