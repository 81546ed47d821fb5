"""GRPO: what differs from TRL's trainer, on text and on images."""

import pandas as pd
import pytest
from fakes import build_index
from peft import LoraConfig
from trainer_fakes import SETTINGS, logged, losses, make_dataset, make_index, make_model

from semenrich_datasets import FindingsIndex
from semenrich_trainers import SemEnrichGRPOConfig, SemEnrichGRPOTrainer
from semenrich_trainers.named_rewards import NAMED_REWARDS


@pytest.fixture(scope="module")
def index():
    return make_index()


def length_reward(completions, **columns):
    """A reward that random weights can earn, so that there is something to learn."""
    return [float(len(completion[0]["content"])) for completion in completions]


def make_trainer(index, folder, images=False, **settings):
    model, processing = make_model(images)
    trainer_settings = {
        name: settings.pop(name)
        for name in ("peft_config", "impression_index", "reward_funcs")
        if name in settings
    }
    return SemEnrichGRPOTrainer(
        model,
        args=SemEnrichGRPOConfig(
            str(folder), num_generations=4, **{**SETTINGS, "log_completions": True, **settings}
        ),
        index=index,
        train_dataset=make_dataset(8, images=images),
        eval_dataset=make_dataset(4, images=images, seed=2),
        processing_class=processing,
        **trainer_settings,
    )


def test_defaults(index, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, tokenizer = make_model()
    trainer = SemEnrichGRPOTrainer(
        model, index=index, train_dataset=make_dataset(4), processing_class=tokenizer
    )
    assert not trainer.args.bf16
    assert not trainer.args.remove_unused_columns
    assert trainer.args.output_dir == "llama-GRPO"
    assert trainer.card_rewards() == [("format_reward", 1.0), ("cluster_reward", 1.0)]


def test_rewards_by_name_and_weight(index, tmp_path):
    names = list(NAMED_REWARDS)
    weights = [float(number) for number in range(len(names) + 1)]
    impressions = build_index(["Normal.", "Cardiomegaly."] * 5)
    trainer = make_trainer(
        index,
        tmp_path,
        rewards=names,
        reward_weights=weights,
        reward_funcs=length_reward,
        impression_index=impressions,
    )
    assert [weight for _, weight in trainer.card_rewards()] == weights
    assert len(set(trainer.reward_func_names)) == len(weights)
    assert trainer.reward_func_names[-1] == "length_reward"
    rows = trainer.train_dataset
    texts = [row["completion"] for row in rows]
    columns = {name: rows[name] for name in ("findings", "impression")}
    for name, reward in zip(names, trainer.reward_funcs, strict=False):
        scores = reward(texts, **columns)
        if name == "surprise_cluster":  # pays by how much there is to tell
            assert 0 < min(scores) <= max(scores) < 2
            continue
        assert min(scores) == pytest.approx(max(scores))
        assert scores[0] == pytest.approx(1.0 if name in ("format", "exact_answer") else 2.0)
    trainer.save_model()
    saved = FindingsIndex.from_pretrained(tmp_path, subfolder="impression_index")
    assert saved.digest == impressions.digest


@pytest.mark.parametrize(
    ("names", "message"),
    [(["clusters"], "found 'clusters'.*reward_funcs"), (["bleu", "bleu"], "each reward once")],
)
def test_wrong_rewards(index, tmp_path, names, message):
    with pytest.raises(ValueError, match=message):
        make_trainer(index, tmp_path, rewards=names)


def test_rewards_compare_with_the_column_that_is_trained_on(index, tmp_path):
    model, tokenizer = make_model()
    rows = make_dataset(4).rename_column("findings", "enriched_findings")
    trainer = SemEnrichGRPOTrainer(
        model,
        args=SemEnrichGRPOConfig(
            str(tmp_path), num_generations=4, findings_column="enriched_findings", **SETTINGS
        ),
        index=index,
        train_dataset=rows,
        processing_class=tokenizer,
    )
    scores = trainer.reward_funcs[1](
        rows["completion"],
        enriched_findings=rows["enriched_findings"],
        impression=rows["impression"],
    )
    assert scores == [2.0] * 4


@pytest.mark.parametrize("images", [False, True], ids=["text", "vision"])
def test_learns_logs_and_resumes_with_the_same_curve(index, tmp_path, images):
    settings = {
        "max_steps": 4,
        "save_steps": 2,
        "eval_strategy": "steps",
        "eval_steps": 2,
        "reward_funcs": [length_reward],
        "peft_config": LoraConfig(r=4, target_modules=["q_proj", "v_proj"]) if images else None,
    }
    whole = make_trainer(index, tmp_path / "whole", images, **settings)
    before = [parameter.detach().clone() for parameter in whole.model.parameters()]
    whole.train()
    moved = [
        not after.equal(start)
        for after, start in zip(whole.model.parameters(), before, strict=True)
        if after.requires_grad
    ]
    assert any(moved)
    for name in ("cluster_reward/precision", "cluster_reward/recall"):
        assert len(logged(whole, name)) == 4
        assert len(logged(whole, f"eval_{name}")) == 2
    assert len(logged(whole, "eval_cluster_f1")) == 2
    completions = pd.read_parquet(tmp_path / "whole/completions/completions_00004.parquet")
    assert list(completions["findings"].value_counts()) == [4]
    missed = pd.read_parquet(tmp_path / "whole/_tables/missed_clusters_00004.parquet")
    assert set(missed["held"]) == {4}
    card = (tmp_path / "whole/README.md").read_text()
    assert "| length_reward | 1.0 |" in card
    assert "shao2024deepseekmath" in card

    resumed = make_trainer(index, tmp_path / "resumed", images, **settings)
    resumed.train(resume_from_checkpoint=str(tmp_path / "whole/checkpoint-2"))
    assert losses(resumed) == losses(whole)
    assert logged(resumed, "reward") == logged(whole, "reward")
    assert len(set(logged(whole, "reward"))) > 1


def test_no_table_of_completions_no_table_of_missed_clusters(index, tmp_path):
    trainer = make_trainer(index, tmp_path, max_steps=1, log_completions=False)
    trainer.train()
    assert not (tmp_path / "_tables").exists()


def test_a_weight_is_for_each_reward(index, tmp_path):
    message = r"rewards format, cluster and 1 in reward_funcs, found reward_weights \[1.0, 2.0\]"
    with pytest.raises(ValueError, match=message):
        make_trainer(index, tmp_path, reward_funcs=[length_reward], reward_weights=[1.0, 2.0])
