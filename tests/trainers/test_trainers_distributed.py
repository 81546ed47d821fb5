"""Two processes over gloo: the same rewards and scores as one, and a run that ends."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from fakes import child_environment
from trainer_fakes import SETTINGS, make_dataset, make_index, make_model

from semenrich_trainers import (
    SemEnrichGRPOConfig,
    SemEnrichGRPOTrainer,
    SemEnrichSFTConfig,
    SemEnrichSFTTrainer,
)

LONGER = {**SETTINGS, "max_completion_length": 40}


def fine_tune(folder):
    """Far enough for some sentences to be right."""
    model, processor = make_model(images=True)
    trainer = SemEnrichSFTTrainer(
        model,
        SemEnrichSFTConfig(str(folder), max_steps=80, **{**LONGER, "learning_rate": 1e-2}),
        index=make_index(),
        train_dataset=make_dataset(16, images=True),
        processing_class=processor,
    )
    trainer.train()
    trainer.save_model()
    trainer.accelerator.wait_for_everyone()


def make_trainer(model, folder):
    """A run of 8 completions a step, on however many processes there are."""
    settings = {**LONGER, "num_generations": 4, "eval_reports": 5, "max_steps": 2, "save_steps": 2}
    return SemEnrichGRPOTrainer(
        str(model),
        args=SemEnrichGRPOConfig(
            str(folder), rewards=["format", "cluster", "bleu"], log_completions=True, **settings
        ),
        index=make_index(),
        train_dataset=make_dataset(8, images=True),
        eval_dataset=make_dataset(5, images=True, seed=2),
    )


def run(folder):
    """What each process does: SFT, evaluate, GRPO, and say how it went."""
    fine_tune(folder / "sft")
    trainer = make_trainer(folder / "sft", folder / "grpo")
    metrics = trainer.evaluate()
    trainer.train()
    if trainer.accelerator.is_main_process:
        text = json.dumps({"metrics": metrics, "logs": trainer.state.log_history})
        Path(folder, "result.json").write_text(text)
    trainer.accelerator.end_training()  # a process that just leaves makes gloo abort the others


if __name__ == "__main__":
    run(Path(sys.argv[1]))


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [sys.executable, *command, __file__, str(folder)],
        env=child_environment(folder / "hf") | {"CUDA_VISIBLE_DEVICES": ""},
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_same_scores_of_the_same_model(two_processes, tmp_path):
    result = json.loads((two_processes / "result.json").read_text())
    alone = make_trainer(two_processes / "sft", tmp_path).evaluate()
    names = ["eval_cluster_f1", "eval_cluster_recall", "eval_format_rate", "eval_sentence_bleu"]
    assert [result["metrics"][name] for name in names] == [alone[name] for name in names]
    assert 0.0 < alone["eval_cluster_f1"] < 1.0
    tables = [folder / "_tables" for folder in (two_processes / "grpo", tmp_path)]
    texts = [
        list(pd.read_parquet(table / "eval_reports_00000.parquet")["completion"])
        for table in tables
    ]
    assert texts[0] == texts[1]
    assert len(texts[0]) == 5


def test_the_same_rewards_of_the_same_completions(two_processes, tmp_path):
    table = pd.read_parquet(two_processes / "grpo/completions/completions_00001.parquet")
    assert list(table["findings"].value_counts()) == [4, 4]
    trainer = make_trainer(two_processes / "sft", tmp_path)
    columns = {"findings": list(table["findings"]), "impression": ["Normal."] * 8}
    for name, reward in zip(trainer.reward_func_names, trainer.reward_funcs, strict=True):
        assert list(table[name]) == pytest.approx(reward(list(table["completion"]), **columns))
    assert table["cluster_reward"].nunique() > 2


def test_what_one_process_writes_is_written_once(two_processes):
    assert (two_processes / "grpo/checkpoint-2/findings_index/config.json").is_file()
    result = json.loads((two_processes / "result.json").read_text())
    assert [log["step"] for log in result["logs"] if "reward" in log] == [1, 2]
    missed = pd.read_parquet(two_processes / "grpo/_tables/missed_clusters_00001.parquet")
    assert missed["held"].max() in (4, 8)
