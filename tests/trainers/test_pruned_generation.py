"""Who is stopped leaves the batch, who goes on writes as if alone, and each token is counted."""

import pytest
import torch
from fakes import FakeEncoder
from test_generation import ask
from trainer_fakes import make_dataset, make_model
from transformers import (
    Qwen3_5ForCausalLM,
    Qwen3_5TextConfig,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    set_seed,
)

from semenrich_trainers import best_of_n, pruned_best_of_n
from semenrich_trainers.generation import generate_tokens
from semenrich_trainers.partial_reports import CorpusNearness, Typicality, finished_findings
from semenrich_trainers.pruned_decoding import PrunedDecoding
from semenrich_trainers.sentence_vectors import SentenceVectors

PROMPTS = ["Report.", "Report this chest X-ray, at some length.", "Now.", "A view of the chest."]
TEXT = {
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "initializer_range": 0.2,
}


def make_named(name):
    """A model, its tokenizer or processor, and rows for it."""
    rows = ask(*PROMPTS)
    model, processing = make_model(images=name == "llava")
    tokens = {"pad_token_id": 0, "eos_token_id": 2, "bos_token_id": None}
    torch.manual_seed(0)
    if name == "llava":
        pictures = make_dataset(len(rows), images=True)["image"]
        rows = [{**row, "image": image} for row, image in zip(rows, pictures, strict=True)]
    if name == "qwen3_vl":  # positions of three axes
        rope = {"rope_type": "default", "mrope_section": [8, 4, 4], "rope_theta": 1e4}
        text = {**TEXT, **tokens, "vocab_size": len(processing), "rope_parameters": rope}
        vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2}
        vision |= {"out_hidden_size": 48, "deepstack_visual_indexes": [0]}
        ids = {"image_token_id": 1, "vision_start_token_id": 3, "vision_end_token_id": 4}
        config = Qwen3VLConfig(text_config=text, vision_config=vision, video_token_id=5, **ids)
        model = Qwen3VLForConditionalGeneration(config)
    if name == "qwen3_5":  # states of linear attention
        linear = {"linear_num_key_heads": 2, "linear_num_value_heads": 2}
        linear |= {"linear_key_head_dim": 16, "linear_value_head_dim": 16}
        layers = ["linear_attention", "full_attention"]
        settings = {**TEXT, **linear, **tokens, "layer_types": layers}
        model = Qwen3_5ForCausalLM(Qwen3_5TextConfig(vocab_size=len(processing), **settings))
    for weights in (one for one in model.parameters() if one.ndim == 2):
        torch.nn.init.normal_(weights, std=0.3)  # else each would repeat one token for ever
    return model.eval(), processing, rows


@pytest.mark.parametrize("name", ["llama", "llava", "qwen3_vl", "qwen3_5"])
def test_who_goes_on_writes_what_generate_writes(name):
    model, processing, rows = make_named(name)
    settings = {"batch_size": 4, "max_new_tokens": 9, "no_repeat_ngram_size": 1}
    (whole,) = generate_tokens(model, processing, rows, **settings)
    sizes = []
    model.register_forward_pre_hook(
        lambda module, args, inputs: sizes.append(len(inputs["input_ids"])), with_kwargs=True
    )
    answers = iter([[3, 1, 2], [3, 1], [1]])
    decoding = PrunedDecoding(lambda racing, written: next(answers), {2, 4, 6})
    (written,) = generate_tokens(model, processing, rows, decoding=decoding, **settings)
    lengths = [2, 9, 4, 6]
    for row, length in enumerate(lengths):
        assert written[row, :length].tolist() == whole[row, :length].tolist()
        assert (written[row, length:] == 0).all()
    assert len({tuple(one.tolist()) for one in whole}) == 4
    assert sizes == [4, 4, 3, 3, 2, 2, 1, 1, 1]
    assert decoding.tokens == sum(lengths)
    assert decoding.racing == [1]


@pytest.mark.parametrize("images", [False, True], ids=["text", "vision"])
def test_with_all_kept_it_is_best_of_n(images):
    model, processing = make_model(images)
    rows = make_dataset(3, images=images)
    ends = list(range(2, 400, 9))  # so that some end early, some late
    settings = {"encoder": FakeEncoder(), "batch_size": 2, "max_new_tokens": 12}
    settings |= {"eos_token_id": ends, "temperature": 0.9}
    set_seed(3)
    expected = best_of_n(model, processing, rows, 4, **settings)
    set_seed(3)
    pruned = pruned_best_of_n(model, processing, rows, 4, keep=1.0, checkpoints=[3, 5], **settings)
    assert pruned.completions == expected
    del settings["encoder"]
    set_seed(3)
    sampled = {"do_sample": True, "num_return_sequences": 4, **settings}
    batches = list(generate_tokens(model, processing, rows, **sampled))
    lengths = [length_of(one, ends) for batch in batches for one in batch]
    assert pruned.tokens == sum(lengths)
    assert len(set(lengths)) > 2


def length_of(written, ends):
    found = [at for at, token in enumerate(written.tolist(), 1) if token in ends]
    return found[0] if found else len(written)


def test_greedy_with_one_candidate_is_generate():
    model, tokenizer = make_model()
    ends = list(range(2, 400, 9))
    settings = {"max_new_tokens": 12, "eos_token_id": ends, "batch_size": 4}
    (whole,) = generate_tokens(model, tokenizer, ask(*PROMPTS), **settings)
    decoding = PrunedDecoding(lambda racing, written: racing, {2})
    (written,) = generate_tokens(model, tokenizer, ask(*PROMPTS), decoding=decoding, **settings)
    assert written.tolist() == whole.tolist()
    assert decoding.tokens == sum(length_of(one, ends) for one in whole)


def sentences_alone(tokenizer):
    """Lets a model write nothing but tokens that end in a stop: sentences, or pieces of them."""
    texts = {one: tokenizer.decode([one]) for one in range(len(tokenizer))}
    ends = [one for one, text in texts.items() if len(text) > 1 and text.endswith(".")]
    assert len(ends) > 5
    return [one for one in texts if one not in ends]


def test_the_worst_of_each_prompt_are_stopped_and_the_better_of_two_is_taken():
    model, tokenizer = make_model()
    calls = []

    def longest_first(findings):
        calls.append(list(findings))
        return [float(len(one)) for one in findings]

    settings = {"encoder": FakeEncoder(), "max_new_tokens": 8, "scorer": longest_first}
    settings |= {"suppress_tokens": sentences_alone(tokenizer), "batch_size": 2}
    set_seed(0)
    rows = ask("a", "b", "c")
    pruned = pruned_best_of_n(model, tokenizer, rows, 5, keep=0.5, checkpoints=[2, 4], **settings)
    assert [len(one) for one in calls] == [5, 5, 3, 3, 5, 3]
    firsts, seconds = [calls[0], calls[1], calls[4]], [calls[2], calls[3], calls[5]]
    for first, second, chosen in zip(firsts, seconds, pruned.completions, strict=True):
        best = sorted(first, key=len, reverse=True)[:3]
        assert all(one.startswith(start) for one, start in zip(second, best, strict=True))
        # Of the two that are left neither is nearer to the other.
        assert chosen.strip().startswith(max(second, key=len))
    assert pruned.tokens == 3 * (5 * 2 + 3 * 2 + 2 * 4)


def test_nobody_is_stopped_before_the_first_sentence():
    model, tokenizer = make_model()
    stops = [one for one in range(len(tokenizer)) if set(".!?<\n") & set(tokenizer.decode([one]))]
    settings = {"encoder": FakeEncoder(), "suppress_tokens": stops, "max_new_tokens": 6}
    pruned = pruned_best_of_n(model, tokenizer, ask("a"), 4, checkpoints=[2, 4], **settings)
    assert pruned.tokens == 4 * 6


def test_out_of_range():
    model, tokenizer = make_model()
    for settings, message in [
        ({"n": 0}, "n of at least 1, found 0"),
        ({"keep": 0.0}, "keep above 0 and at most 1, found 0.0"),
        ({"checkpoints": [3, 0]}, "at least 1 token, found 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            pruned_best_of_n(model, tokenizer, ask("a"), **settings)


def test_a_model_without_a_cache_is_named():
    model, tokenizer = make_model()
    decoding = PrunedDecoding(lambda racing, written: racing[:1], {1})
    settings = {"use_cache": False, "max_new_tokens": 2}
    batches = generate_tokens(model, tokenizer, ask("a", "b"), decoding=decoding, **settings)
    with pytest.raises(ValueError, match="found NoneType: use best_of_n"):
        next(batches)


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("<think> Lungs are clear. No pleu", "Lungs are clear."),
        ("<think> Lungs are clear. No effusion.", "Lungs are clear. No effusion."),
        ("<think> Lungs are clear. No effusion </thi", "Lungs are clear."),
        (
            "<think> Lungs are clear. No effusion </think><answer> Nor",
            "Lungs are clear. No effusion",
        ),
        ("<think> Lungs", ""),
        ("", ""),
    ],
)
def test_the_sentence_being_written_does_not_count(text, findings):
    assert finished_findings(text) == findings


def test_the_typical_is_what_the_others_say():
    score = Typicality(SentenceVectors(FakeEncoder()))
    findings = ["No pneumothorax.", "No pneumothorax.", "Heart enlarged.", ""]
    assert score(findings) == pytest.approx([1 / 3, 1 / 3, 0, 0], abs=1e-3)
    assert score(["No pneumothorax."]) == [0.0]


def test_nearness_is_to_the_nearest_reports_and_to_what_was_said_alone():
    whole = "Lungs clear. No pleural effusion. Spine straight."
    reports = [whole, "Heart enlarged.", "", "Lungs clear."]
    said = ["Lungs clear.", "Lungs clear. No pleural effusion."]
    said += ["Lungs clear. Heart enlarged.", ""]
    vectors = SentenceVectors(FakeEncoder())
    one = CorpusNearness(reports, vectors, k=1)
    assert one(said) == pytest.approx([1, 1, 0.5, -1], abs=1e-3)
    two = CorpusNearness(reports, vectors, k=2)
    assert two(said) == pytest.approx([1, 0.75, 0.5, -1], abs=1e-3)
    with pytest.raises(ValueError, match="none in 2"):
        CorpusNearness(["", " "], vectors)


def test_sentence_vectors_load_their_encoder_once(monkeypatch):
    loaded = []
    monkeypatch.setattr(
        "semenrich_trainers.sentence_vectors.load_encoder",
        lambda encoder: loaded.append(encoder) or FakeEncoder(),
    )
    vectors = SentenceVectors("me/encoder")
    for text in ("No effusion.", "Clear lungs.", "Large heart."):
        vectors([text])
    assert loaded == ["me/encoder"]
