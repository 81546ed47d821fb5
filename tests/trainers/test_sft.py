"""SFT: what differs from TRL's trainer, on text and on images."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from fakes import child_environment
from peft import LoraConfig
from trainer_fakes import SETTINGS, logged, losses, make_dataset, make_index, make_model

from semenrich_datasets import FindingsIndex
from semenrich_trainers import SemEnrichSFTConfig, SemEnrichSFTTrainer, last_checkpoint

LORA = LoraConfig(r=4, target_modules=["q_proj", "v_proj"])


@pytest.fixture(scope="module")
def index():
    return make_index()


def make_trainer(index, folder, images=False, **settings):
    model, processing = make_model(images)
    peft_config = settings.pop("peft_config", None)
    return SemEnrichSFTTrainer(
        model,
        SemEnrichSFTConfig(str(folder), **{**SETTINGS, **settings}),
        index=index,
        train_dataset=make_dataset(images=images),
        eval_dataset=make_dataset(7, images=images, seed=2),
        processing_class=processing,
        peft_config=peft_config,
    )


def test_defaults(index, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, tokenizer = make_model()
    trainer = SemEnrichSFTTrainer(
        model, index=index, train_dataset=make_dataset(4), processing_class=tokenizer
    )
    assert not trainer.args.bf16
    assert trainer.args.output_dir == "llama-SFT"
    trainer.train()
    trainer.save_model()
    saved = FindingsIndex.from_pretrained("llama-SFT", subfolder="findings_index")
    assert saved.digest == index.digest


@pytest.mark.parametrize("images", [False, True], ids=["text", "vision"])
def test_learns_evaluates_and_keeps_its_best(index, tmp_path, images):
    trainer = make_trainer(
        index,
        tmp_path,
        images,
        max_steps=4,
        eval_strategy="steps",
        eval_steps=2,
        save_steps=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_cluster_f1",
    )
    trainer.train()
    assert losses(trainer)[-1] < losses(trainer)[0]
    for name in ("cluster_f1", "cluster_precision", "cluster_recall", "format_rate"):
        assert len(logged(trainer, f"eval_{name}")) == 2
    assert trainer.state.best_metric == max(logged(trainer, "eval_cluster_f1"))
    reports = pd.read_parquet(tmp_path / "_tables" / "eval_reports_00004.parquet")
    assert len(reports) == SETTINGS["eval_reports"]
    missed = pd.read_parquet(tmp_path / "_tables" / "eval_missed_clusters_00004.parquet")
    assert missed["missed"].is_monotonic_decreasing
    for folder in (tmp_path, tmp_path / "checkpoint-2", tmp_path / "checkpoint-4"):
        saved = FindingsIndex.from_pretrained(folder, subfolder="findings_index")
        assert saved.digest == index.digest
    card = (tmp_path / "README.md").read_text()
    assert f"`{index.digest[:12]}`" in card
    assert ("image-text-to-text" in card) == images


def test_what_is_learned_by_heart_is_generated_and_scores_one(index, tmp_path):
    model, tokenizer = make_model()
    one = make_dataset(1)
    settings = {**SETTINGS, "learning_rate": 1e-2, "max_completion_length": 64}
    trainer = SemEnrichSFTTrainer(
        model,
        SemEnrichSFTConfig(str(tmp_path), max_steps=40, **settings),
        index=index,
        train_dataset=one,
        eval_dataset=one,
        processing_class=tokenizer,
    )
    trainer.train()
    metrics = trainer.evaluate()
    expected = ("cluster_f1", "impression_cluster_f1", "format_rate", "cluster_f1_normal")
    assert [metrics[f"eval_{name}"] for name in expected] == [1.0] * 4
    assert metrics["eval_sentence_bleu"] == pytest.approx(1.0)


def test_evaluations_of_several_datasets_and_of_others(index, tmp_path):
    model, tokenizer = make_model()
    trainer = SemEnrichSFTTrainer(
        model,
        SemEnrichSFTConfig(str(tmp_path), **SETTINGS),
        index=index,
        train_dataset=make_dataset(4),
        eval_dataset={"near": make_dataset(2), "far": make_dataset(2, seed=3)},
        processing_class=tokenizer,
    )
    metrics = trainer.evaluate()
    assert {"eval_near_cluster_f1", "eval_far_cluster_f1"} <= set(metrics)
    other = trainer.evaluate(make_dataset(2), metric_key_prefix="test")
    assert "test_loss" in other
    assert not [name for name in other if "cluster" in name]


def test_a_missing_reference_column_is_named(index, tmp_path):
    model, tokenizer = make_model()
    with pytest.raises(ValueError, match=r"'enriched_findings' not found.*findings_column"):
        SemEnrichSFTTrainer(
            model,
            SemEnrichSFTConfig(str(tmp_path), findings_column="enriched_findings", **SETTINGS),
            index=index,
            train_dataset=make_dataset(2),
            eval_dataset=make_dataset(2),
            processing_class=tokenizer,
        )


def test_bf16_is_left_as_it_is_given(tmp_path, monkeypatch):
    folder = str(tmp_path)
    assert SemEnrichSFTConfig(folder, use_cpu=True, bf16=True).bf16
    monkeypatch.setattr("semenrich_trainers.config.is_torch_bf16_gpu_available", lambda: True)
    assert not SemEnrichSFTConfig(folder, use_cpu=True).bf16
    with pytest.raises(ValueError, match="eval_reports"):
        SemEnrichSFTConfig(folder, eval_reports=-1)


KILLED = """
import os, signal, sys
from test_sft import LORA, SemEnrichSFTTrainer, make_index, make_trainer

def die_at_the_second_checkpoint(self, output_dir):
    if self.state.global_step == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    save(self, output_dir)

save = SemEnrichSFTTrainer._save_optimizer_and_scheduler
SemEnrichSFTTrainer._save_optimizer_and_scheduler = die_at_the_second_checkpoint
make_trainer(make_index(), sys.argv[1], True, max_steps=6, save_steps=2, peft_config=LORA).train()
"""


def test_a_killed_run_resumes_with_the_same_curve(index, tmp_path):
    settings = {"max_steps": 6, "save_steps": 2, "peft_config": LORA}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "killed")],
        env=child_environment(tmp_path / "hf"),
        cwd=Path(__file__).parent,
        check=False,
        capture_output=True,
        timeout=600,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert sorted(os.listdir(tmp_path / "killed")) == [
        "README.md",
        "checkpoint-2",
        "checkpoint-4",
        "findings_index",
        "run_recipe.json",
    ]
    checkpoint = last_checkpoint(tmp_path / "killed")
    assert checkpoint == str(tmp_path / "killed" / "checkpoint-2")
    whole = make_trainer(index, tmp_path / "whole", True, **settings)
    whole.train(resume_from_checkpoint=last_checkpoint(tmp_path / "whole"))
    resumed = make_trainer(index, tmp_path / "killed", True, **settings)
    resumed.train(resume_from_checkpoint=checkpoint)
    assert len(losses(whole)) == 6
    assert losses(resumed) == losses(whole)
