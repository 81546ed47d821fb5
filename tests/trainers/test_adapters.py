"""LoRA, stage after stage: an adapter is trained on or merged, and can always be loaded again."""

import json
import logging
import shutil

import pytest
import torch
from peft import LoraConfig, PeftConfig, PeftModel
from safetensors.torch import load_file, save_file
from trainer_fakes import SETTINGS, losses, make_dataset, make_index, make_model
from transformers import LlavaForConditionalGeneration, PreTrainedModel

from semenrich_trainers import (
    SemEnrichGRPOConfig,
    SemEnrichGRPOTrainer,
    SemEnrichSFTConfig,
    SemEnrichSFTTrainer,
    adapters,
    last_checkpoint,
    load_policy,
)
from semenrich_trainers.adapters import MERGED_BASE, is_adapter, load_processing_class

LORA = LoraConfig(r=4, target_modules=["q_proj", "v_proj"])


def length_reward(completions, **columns):
    """A reward that random weights can earn, so that there is something to learn."""
    return [float(len(completion[0]["content"])) for completion in completions]


@pytest.fixture(scope="module")
def index():
    return make_index()


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "base"
    for part in make_model(images=True):
        part.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def sft(index, base):
    folder = base.parent / "sft"
    trainer = SemEnrichSFTTrainer(
        str(base),
        SemEnrichSFTConfig(str(folder), max_steps=2, **SETTINGS),
        index=index,
        train_dataset=make_dataset(4, images=True),
        peft_config=LORA,
    )
    trainer.train()
    trainer.save_model()
    return folder


def make_grpo(index, model, folder, peft_config=None, **settings):
    return SemEnrichGRPOTrainer(
        str(model),
        [length_reward],
        SemEnrichGRPOConfig(
            str(folder), num_generations=4, **{**SETTINGS, "max_steps": 1, **settings}
        ),
        index=index,
        train_dataset=make_dataset(4, images=True),
        eval_dataset=make_dataset(2, images=True),
        peft_config=peft_config,
    )


def logits(model):
    """Gives the scores of the next token after a text: what a policy is, in numbers."""
    training = model.training
    model.eval()
    with torch.no_grad():
        scores = model(input_ids=torch.tensor([[270, 300, 330]])).logits
    model.train(training)
    return scores


def adapter_weights(model, name):
    named = model.named_parameters()
    return {key: value.detach().clone() for key, value in named if f".{name}." in key}


def test_names_are_loaded_as_what_they_are(base, sft):
    assert not is_adapter(str(base))
    assert is_adapter(str(sft))
    policy, merged, plain = (
        load_policy(str(sft)),
        load_policy(str(sft), "merge"),
        load_policy(str(base)),
    )
    assert isinstance(policy, PeftModel)
    assert isinstance(policy.get_base_model(), LlavaForConditionalGeneration)
    assert isinstance(merged, PreTrainedModel)
    assert not any(parameter.requires_grad for parameter in policy.parameters())
    torch.testing.assert_close(logits(policy), logits(merged))
    assert not torch.allclose(logits(policy), logits(plain))
    assert load_policy(str(sft), dtype="bfloat16").get_base_model().dtype is torch.bfloat16


def test_an_adapter_is_trained_on_and_is_its_own_reference(index, sft, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "semenrich_trainers"):
        trainer = make_grpo(index, sft, tmp_path / "run", LORA, beta=0.1, save_steps=1)
    assert "peft_config is not used" in caplog.text
    assert trainer.ref_model is None
    before = logits(load_policy(str(sft)))
    torch.testing.assert_close(logits(trainer.model), before)
    trainable = [name for name, one in trainer.model.named_parameters() if one.requires_grad]
    assert trainable
    assert all(".default." in name for name in trainable)
    trainer.train()
    assert not torch.equal(logits(trainer.model), before)
    trainer.model.set_adapter("ref")
    torch.testing.assert_close(logits(trainer.model), before)
    trainer.model.set_adapter("default")
    trainer.save_model()
    again = load_policy(str(tmp_path / "run"))
    torch.testing.assert_close(logits(again), logits(trainer.model))


def test_a_run_on_an_adapter_resumes(index, sft, tmp_path):
    settings = {"max_steps": 3, "save_steps": 2, "beta": 0.1}
    whole = make_grpo(index, sft, tmp_path / "whole", **settings)
    whole.train()
    shutil.copytree(tmp_path / "whole/checkpoint-2", tmp_path / "cut/checkpoint-2")
    resumed = make_grpo(index, sft, tmp_path / "cut", **settings)
    resumed.train(resume_from_checkpoint=last_checkpoint(tmp_path / "cut"))
    assert losses(resumed) == pytest.approx(losses(whole), rel=1e-4, abs=1e-7)
    torch.testing.assert_close(logits(resumed.model), logits(whole.model))
    reference, first = adapter_weights(resumed.model, "ref"), load_policy(str(sft))
    own = adapter_weights(first, "default")
    assert reference
    for name, weights in reference.items():
        torch.testing.assert_close(weights, own[name.replace(".ref.", ".default.")])


def test_a_merged_adapter_gets_a_new_one_and_the_base_goes_with_it(index, sft, tmp_path):
    run = tmp_path / "run"
    trainer = make_grpo(index, sft, run, LORA, beta=0.1, adapter="merge", save_steps=1)
    torch.testing.assert_close(logits(trainer.model), logits(load_policy(str(sft))))
    trainer.train()
    trainer.save_model()
    written = json.loads((run / "adapter_config.json").read_text())
    assert written["base_model_name_or_path"] == str(run / MERGED_BASE)
    expected = logits(trainer.model)
    run.rename(tmp_path / "moved")
    for name in ("moved", "moved/checkpoint-1"):
        torch.testing.assert_close(logits(load_policy(str(tmp_path / name))), expected)
    shutil.rmtree(tmp_path / "moved" / MERGED_BASE)
    with pytest.raises(OSError, match=r"expected the base model of the adapter .*merged_base"):
        load_policy(str(tmp_path / "moved"))


def turned(sft, folder):
    """Another adapter of the same form, such as that of another seed."""
    shutil.copytree(sft, folder, ignore=shutil.ignore_patterns("checkpoint-*"))
    weights = load_file(folder / "adapter_model.safetensors")
    save_file({name: -one for name, one in weights.items()}, folder / "adapter_model.safetensors")
    return folder


@pytest.mark.parametrize("use", ["merge", "continue"])
def test_a_folder_goes_on_from_its_own_adapter_only(index, sft, tmp_path, use):
    run, settings = tmp_path / "run", {"adapter": use, "save_steps": 1}
    make_grpo(index, sft, run, LORA, **settings).train()
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    other = turned(sft, tmp_path / "other")
    match = f"another recipe:\n  start.adapter: then '{sft}', now '{other}'\n  start.weights: then"
    with pytest.raises(ValueError, match=match):
        make_grpo(index, other, run, LORA, **settings).train()
    # The same name too, when the adapter was trained anew.
    mine = shutil.copytree(sft, tmp_path / "mine")
    make_grpo(index, mine, tmp_path / "again", LORA, **settings).train()
    shutil.rmtree(mine)
    turned(sft, mine)
    with pytest.raises(
        ValueError, match=r"another recipe:\n  start.weights: then '\w+', now '\w+'\n"
    ):
        make_grpo(index, mine, tmp_path / "again", LORA, **settings).train()
    again = make_grpo(
        index, sft, run, LORA, **{**settings, "model_init_kwargs": {"dtype": "bfloat16"}}
    )
    with pytest.raises(ValueError, match="another recipe"):
        again.train()
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (run / MERGED_BASE).is_dir() is (use == "merge")


def test_all_weights_are_trained_from_the_merged_ones(index, sft, tmp_path):
    # The tower of the tiny model has no other attention.
    eager = {"attn_implementation": "eager"}
    trainer = make_grpo(index, sft, tmp_path, beta=0.1, adapter="merge", model_init_kwargs=eager)
    assert trainer.model.config._attn_implementation == "eager"
    assert not isinstance(trainer.model, PeftModel)
    before = logits(load_policy(str(sft)))
    torch.testing.assert_close(logits(trainer.ref_model), before)
    trainer.train()
    torch.testing.assert_close(logits(trainer.ref_model), before)
    trainer.save_model()
    assert not is_adapter(str(tmp_path))
    torch.testing.assert_close(logits(load_policy(str(tmp_path))), logits(trainer.model))


def test_sft_goes_on_from_an_adapter(index, sft, tmp_path):
    trainer = SemEnrichSFTTrainer(
        str(sft),
        SemEnrichSFTConfig(str(tmp_path), max_steps=1, **SETTINGS),
        index=index,
        train_dataset=make_dataset(4, images=True),
    )
    torch.testing.assert_close(logits(trainer.model), logits(load_policy(str(sft))))
    trainer.train()
    trainer.save_model()
    torch.testing.assert_close(logits(load_policy(str(tmp_path))), logits(trainer.model))


def test_the_processor_is_the_adapters_or_else_its_bases(sft, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(sft / name, alone / name)
    ours = load_processing_class(str(sft))
    ours.chat_template = "ours"
    ours.save_pretrained(tmp_path / "ours")
    shutil.copy(sft / "adapter_config.json", tmp_path / "ours")
    assert load_processing_class(str(tmp_path / "ours")).chat_template == "ours"
    assert type(load_processing_class(str(alone))) is type(ours)
    with pytest.raises((OSError, ValueError)):
        load_processing_class(str(tmp_path))


def test_a_merged_base_on_the_hub_comes_with_its_adapter(sft, tmp_path, monkeypatch):
    load_policy(str(sft), "merge").save_pretrained(tmp_path / MERGED_BASE)
    for path in sft.glob("adapter_*"):
        shutil.copy(path, tmp_path)
    settings = json.loads((tmp_path / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = f"runs/elsewhere/{MERGED_BASE}"
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    asked = []

    def download(name, revision, allow_patterns):
        asked.append((name, revision, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr(adapters, "snapshot_download", download)
    found = PeftConfig.from_pretrained(str(tmp_path))
    monkeypatch.setattr(PeftConfig, "from_pretrained", lambda *_, **__: found)
    assert adapters.base_model("me/lora", "v1") == (str(tmp_path / MERGED_BASE), None)
    assert asked == [("me/lora", "v1", "merged_base/*")]


def test_an_unknown_use_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="'continue' or 'merge', found 'new'"):
        SemEnrichSFTConfig(str(tmp_path), adapter="new")
