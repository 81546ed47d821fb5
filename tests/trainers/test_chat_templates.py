"""Every chat template that TRL ships: what is trained is what is generated, and a report."""

import re
from functools import partial
from pathlib import Path

import pytest
import trl
from trainer_fakes import SETTINGS, make_dataset, make_index, make_model
from transformers import AddedToken, AutoProcessor
from trl.data_utils import prepare_multimodal_messages

from semenrich_trainers import (
    SemEnrichGRPOConfig,
    SemEnrichGRPOTrainer,
    SemEnrichSFTConfig,
    SemEnrichSFTTrainer,
    generate_completions,
    parse_report,
    use_report_chat_template,
)
from semenrich_trainers.chat_templates import read_chat_template, report_chat_template
from semenrich_trainers.formatting import TAGS
from semenrich_trainers.rewards import format_reward

FOLDER = Path(trl.__file__).parent / "chat_templates"
TEMPLATES = sorted(path.stem for path in FOLDER.glob("*.jinja"))
# A message is a list of parts in these, of which a tokenizer alone would render nothing.
PARTS_ALONE = re.compile("idefics3|smolvlm|llava_next")
# A message is a text in these, which no model with images uses.
TEXT_ALONE = re.compile(
    r"cohere|deepseek|gemma$|gemma_training|gptoss|lfm2(_v2)?(_training)?$|llama3|nemotron|phi3"
    r"|qwen2_5(_training)?$|qwen3(_instruct_2507)?(_training)?$"
)
# These leave an image out, or name it as no processor here does; transformers says so.
WITHOUT_IMAGES = re.compile("glm4moe|muse_glimmer")
TROUBLES = {
    "deepseek_r1_distill": {"opens_think", "changes_report"},
    "deepseek_r1_distill_training": {"opens_think"},
    "deepseekv3": {"opens_think", "changes_report"},
    "glm4moe": {"endless"},
    "gptoss": {"header"},
    "muse_glimmer": {"header"},
    "nemotron_3_nano": {"opens_think"},
    "qwen3": set(),
    "qwen3_5_nothink": {"empty_think"},
    "qwen3_5_think": {"opens_think"},
    "qwen3_6": {"opens_think"},
    "qwen3_8": {"opens_think", "changes_report"},
    "qwen3_vl": set(),
}
# A template for images names its own model's placeholder.
IMAGE = re.compile(r"<\|image_pad\|>|<\|image\|>|<start_of_image>")
CONTROL = re.compile(r"<[|｜][^<>|｜]+[|｜]>|<turn\|>|<\|turn>|<(?:start|end)_of_\w+>|</?s>")


def source(name):
    return (FOLDER / f"{name}.jinja").read_text(encoding="utf-8")


def with_template(processing_class, name):
    """Sets a template whose control tokens are special, as in the model that it is of."""
    tokenizer = getattr(processing_class, "tokenizer", processing_class)
    template = source(name)
    if tokenizer is not processing_class:
        template = IMAGE.sub("<image>", template)
    control = sorted(set(CONTROL.findall(template)))
    tokenizer.add_special_tokens({"additional_special_tokens": control, "bos_token": "<begin>"})
    processing_class.chat_template = template
    return processing_class


def make_trainer(folder, images=False, template=None, **settings):
    model, processing_class = make_model(images)
    if template is not None:
        with_template(processing_class, template)
    return SemEnrichSFTTrainer(
        model,
        SemEnrichSFTConfig(str(folder), **SETTINGS, **settings),
        index=make_index(),
        train_dataset=make_dataset(4, images),
        processing_class=processing_class,
    )


@pytest.fixture(scope="module", params=[False, True], ids=["text", "vision"])
def trainer(request, tmp_path_factory):
    return make_trainer(tmp_path_factory.mktemp("run"), request.param)


def trained(trainer, name):
    """Gives the ids that are trained on and those before them, for each of two rows."""
    images = trainer._is_vlm
    processing_class = with_template(make_model(images)[1], name)
    rows = make_dataset(2, images, seed=3)
    if images:
        trainer._fit_chat_template(rows, processing_class)
        trainer.data_collator.processor = processing_class
        batch = trainer.data_collator([dict(row) for row in rows])
        pairs = list(zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True))
    else:
        data = trainer._prepare_dataset(rows, processing_class, trainer.args, False, None, "train")
        pairs = list(zip(data["input_ids"], data["labels"], strict=True))
    pad = getattr(processing_class, "tokenizer", processing_class).pad_token_id
    labels = [[one for one in label if one != -100] for _, label in pairs]
    before = [
        [one for one, label in zip(ids, labels, strict=True) if label == -100 and one != pad]
        for ids, labels in pairs
    ]
    return processing_class, rows, before, labels


def asked(processing_class, row):
    """Gives the ids of a prompt as GRPO and generation make them."""
    if "image" not in row:
        messages, settings = [row["prompt"]], {}
    else:
        messages = [prepare_multimodal_messages(row["prompt"], [row["image"]])]
        settings = {"processor_kwargs": {"padding": True}}
    return processing_class.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, **settings
    )["input_ids"][0]


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_is_trained_is_what_is_generated_and_a_report(trainer, name):
    unfit = TEXT_ALONE if trainer._is_vlm else PARTS_ALONE
    if unfit.match(name):
        with pytest.raises(ValueError, match=r"expected a chat template .* processing_class"):
            trained(trainer, name)
        return
    if trainer._is_vlm and WITHOUT_IMAGES.match(name):
        with pytest.raises(ValueError, match="number of <image> tokens"):
            trained(trainer, name)
        return
    processing_class, rows, before, labels = trained(trainer, name)
    decode = getattr(processing_class, "tokenizer", processing_class).decode
    for row, prompt, written in zip(rows, before, labels, strict=True):
        assert list(asked(processing_class, row)) == prompt
        # What generation would give back of these tokens.
        text = decode(written, skip_special_tokens=True)
        report = parse_report(text)
        assert (report.findings, report.impression) == (row["findings"], row["impression"])
        assert format_reward([text]) == [1.0]
        assert decode(written).rstrip() != text.rstrip(), "nothing ends the report"


def test_every_template_is_tried():
    assert len(TEMPLATES) > 60
    assert set(TROUBLES) < set(TEMPLATES)


@pytest.mark.parametrize("name", TROUBLES)
def test_what_a_template_does_is_told(name):
    tokenizer = with_template(make_model()[1], name)
    assert set(read_chat_template(tokenizer).troubles) == TROUBLES[name]
    use_report_chat_template(tokenizer)
    assert (tokenizer.chat_template != source(name)) == bool(TROUBLES[name])
    assert read_chat_template(tokenizer).troubles == ()
    assert report_chat_template(tokenizer) is None


def test_a_wrapped_template_keeps_the_rest():
    tokenizer = with_template(make_model()[1], "qwen3_5_think")
    render = partial(tokenizer.apply_chat_template, tokenize=False)
    question = [{"role": "user", "content": "Write <think>"}]
    answer = {"role": "assistant", "content": "<think> No"}
    history = [{"role": "system", "content": "S"}, *question, answer, *question]
    before = render(question), render(history)
    use_report_chat_template(tokenizer)
    assert (render(question), render(history)) == before
    begun = before[0] + "<|im_start|>assistant\n"
    for thinking in ({}, {"enable_thinking": False}, {"enable_thinking": True}):
        assert render(question, add_generation_prompt=True, **thinking) == begun
    assert render([*question, answer], continue_final_message=True) == begun + "<think> No"


def test_a_trained_model_is_saved_with_the_template_it_was_trained_with(tmp_path):
    trainer = make_trainer(tmp_path, images=True, template="qwen3_5_think", max_steps=1)
    trainer.save_model()
    saved = AutoProcessor.from_pretrained(tmp_path)
    assert saved.chat_template == trainer.processing_class.chat_template
    assert "original_chat" in saved.chat_template
    assert report_chat_template(saved) is None


def test_grpo_and_generation_do_not_open_think(tmp_path):
    model, tokenizer = make_model()
    with_template(tokenizer, "qwen3_5_think")
    model.resize_token_embeddings(len(tokenizer))
    prompts = []
    generate = model.generate

    def spy(input_ids, **settings):
        prompts.extend(tokenizer.batch_decode(input_ids))
        return generate(input_ids=input_ids, **settings)

    model.generate = spy
    generate_completions(model, tokenizer, make_dataset(2), max_new_tokens=1)
    assert tokenizer.chat_template == source("qwen3_5_think")
    trainer = SemEnrichGRPOTrainer(
        model,
        args=SemEnrichGRPOConfig(str(tmp_path), num_generations=4, max_steps=1, **SETTINGS),
        index=make_index(),
        train_dataset=make_dataset(4),
        processing_class=tokenizer,
    )
    trainer.train()
    assert len(prompts) > 2
    assert {prompt[-len("assistant\n") :] for prompt in prompts} == {"assistant\n"}


def test_special_tags_are_an_error():
    tokenizer = make_model()[1]
    tags = [AddedToken(tag, special=True) for tag in TAGS[:2]]
    tokenizer.add_special_tokens({"additional_special_tokens": tags})
    with pytest.raises(ValueError, match=r"found \['</think>', '<think>'\].*special=False"):
        report_chat_template(tokenizer)


def test_a_report_is_ended_only_where_there_is_a_token_for_it():
    tokenizer = make_model()[1]
    tokenizer.chat_template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    assert "<end>" in report_chat_template(tokenizer)
    tokenizer.eos_token = None
    assert report_chat_template(tokenizer) is None
    tokenizer.chat_template = None
    assert report_chat_template(tokenizer) is None


def test_format_goes_by_what_the_prompt_itself_opens():
    rest = "No effusion. </think><answer> Normal. </answer>"
    begun = [{"role": "user", "content": "A"}, {"role": "assistant", "content": "<think>\n"}]
    prompts = ["A <think>\n", "A", begun, begun[:1], [{"role": "user", "content": "<think>"}]]
    assert format_reward([rest] * 5, prompts=prompts) == [1.0, 0.0, 1.0, 0.0, 0.0]
    assert format_reward([f"<think> {rest}"] * 2, prompts=prompts[:2]) == [0.0, 1.0]
    assert format_reward([rest]) == [0.0]
