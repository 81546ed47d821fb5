"""The training scripts run on the phantom with the tiny model, two steps each."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import generate_reports
import pytest
import train_grpo
import train_sft
from learning_curves import draw, read_history
from phantom_truth_scores import truth_scores
from report_task import RECIPES, parse_arguments
from tiny_vlm import build_vlm
from transformers import LlamaForCausalLM

from semenrich_datasets import FindingsIndex
from semenrich_datasets.phantom import load_phantom
from semenrich_trainers import ReportFormatter, SemEnrichGRPOConfig, SemEnrichSFTConfig
from semenrich_trainers.formatting import completion_text

SMALL = (
    "--studies 60 --vision_steps 2 --test_reports 4 --max_steps 2 --eval_steps 2 --save_steps 2 "
    "--eval_reports 4 --max_completion_length 8 --per_device_train_batch_size 4 --logging_steps 1"
).split()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("index")
    reports = load_phantom(60, images=False)
    FindingsIndex.build(reports, show_progress=False).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def sft(index: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sft")
    arguments = ["--model_size", "tiny", "--index", index, "--output_dir", str(folder)]
    train_sft.main([*SMALL, *arguments])
    return folder


def logged(folder: Path) -> set[str]:
    history = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    return {name for entry in history for name in entry}


def test_sft_trains_evaluates_tests_and_saves(sft: Path) -> None:
    assert {"loss", "eval_truth_f1", "eval_cluster_f1"} < logged(sft)
    assert {"test_truth_f1", "test_cluster_f1"} < logged(sft)
    assert (sft / "findings_index").is_dir()
    saved = FindingsIndex.from_pretrained(sft, subfolder="impression_index")
    assert saved.config.text_column == "impression"
    assert "| `impression_index` | impression |" in (sft / "README.md").read_text()


def test_grpo_goes_on_from_sft(sft: Path, index: str, tmp_path: Path) -> None:
    impressions = str(sft / "impression_index")
    arguments = ["--model_name_or_path", str(sft), "--index", index, "--num_generations", "2"]
    arguments += ["--impression_index", impressions]
    trainer = train_grpo.main([*SMALL, *arguments, "--output_dir", str(tmp_path)])
    digest = FindingsIndex.from_pretrained(impressions).digest
    assert trainer.reward_funcs[1].impression_index.digest == digest
    assert FindingsIndex.from_pretrained(tmp_path / "impression_index").digest == digest
    assert {"reward", "eval_truth_f1", "eval_cluster_f1"} < logged(tmp_path)
    assert (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize("recipe", sorted(path.name for path in RECIPES.glob("*.yaml")))
def test_recipes_are_read(recipe: str, tmp_path: Path) -> None:
    config = SemEnrichSFTConfig if recipe.startswith("sft") else SemEnrichGRPOConfig
    argv = ["--config", str(RECIPES / recipe), "--output_dir", str(tmp_path), "--use_cpu"]
    _, args, model = parse_arguments(config, "", [*argv, "--bf16", "false", "--seed", "7"])
    assert args.seed == 7
    assert "qwen" not in recipe or model.model_name_or_path.startswith("Qwen/")
    assert args.report_to == []  # what a recipe reports to would have to be installed


def test_enriched_findings_are_scored_against_those_before(tmp_path: Path) -> None:
    recipe = ["--config", str(RECIPES / "sft_qwen3_vl.yaml"), "--output_dir", str(tmp_path)]
    recipe += ["--use_cpu", "--bf16", "false"]
    read = {
        "findings": recipe,
        "enriched_findings": [*recipe, "--eval_findings_column", "enriched_findings"],
        None: [*recipe, "--findings_column", "complete_findings"],
    }
    for column, argv in read.items():
        assert parse_arguments(SemEnrichSFTConfig, "", argv)[1].eval_findings_column == column


def test_a_run_in_the_same_folder_resumes_and_with_another_column_is_an_error(
    sft: Path,
    index: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = shutil.copytree(sft, tmp_path / "run")
    arguments = ["--model_size", "tiny", "--index", index, "--output_dir", str(run)]
    train_sft.main([*SMALL, *arguments])
    assert f"Resuming from {run}/checkpoint-2, after step 2" in caplog.text
    shown = capsys.readouterr().out
    assert "Scores of the first 4 of 4 test reports:" in shown
    assert "  test_truth_f1 " in shown
    assert f"Saved to {run}" in shown
    with pytest.raises(ValueError, match="then 'complete_findings', now 'findings'"):
        train_sft.main([*SMALL, *arguments, "--findings_column", "findings"])


def test_reports_are_generated_with_the_prompt_of_the_training(
    sft: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def note(model: object, processor: object, rows: Iterable[dict[str, Any]], **_: Any) -> Any:
        asked.extend(row["prompt"] for row in rows)
        return [""]

    monkeypatch.setattr("semenrich_trainers.generate_completions", note)
    arguments = ["--test_reports", "1", "--output", str(tmp_path / "reports.jsonl")]
    generate_reports.main(["--model", str(sft), *arguments])
    generate_reports.main(["--model", str(sft), *arguments, "--prompt", "Another one."])
    texts = [message["content"] for prompt in asked for message in prompt]
    assert texts == ["Report this chest X-ray.", "Another one."]


def test_text_models_learn_from_a_csv_file(
    index: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = load_phantom(60, images=False).select_columns(["findings", "impression"])
    reports.to_csv(tmp_path / "reports.csv")
    model, processor = build_vlm(reports["findings"], "tiny")
    tokenizer = processor.tokenizer
    tokenizer.chat_template = processor.chat_template
    LlamaForCausalLM(model.config.text_config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    files = ["--dataset", str(tmp_path / "reports.csv"), "--index", index]
    column = ["--findings_column", "findings"]
    arguments = ["--model_name_or_path", str(tmp_path / "model"), *files, *column]
    # The column that phantoms are sorted by is none of a tokenized dataset.
    arguments += ["--remove_unused_columns", "true"]
    train_sft.main([*SMALL, *arguments, "--output_dir", str(tmp_path / "sft")])
    assert {"loss", "eval_loss", "eval_cluster_f1"} < logged(tmp_path / "sft")
    assert "No test scores: no split 'test'" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"expected a column image.*--model_name_or_path"):
        train_sft.main([*SMALL, *files, *column, "--output_dir", str(tmp_path / "none")])


def test_truth_scores() -> None:
    studies = load_phantom(200, seed=5, images=False)
    own = studies.map(ReportFormatter("complete_findings"), batched=True)["completion"]
    right = truth_scores([completion_text(one) for one in own], studies["truth"])
    assert min(right.values()) > 0.98
    normal = "<think> No pleural effusion. </think><answer> Normal chest. </answer>"
    everything_normal = truth_scores([normal] * 200, studies["truth"])
    assert everything_normal["truth_f1"] == everything_normal["abnormal_f1"] == 0.0
    left = [{"name": "effusion", "value": "small", "site": "left"}]
    flipped = truth_scores(["<think> Small right pleural effusion. </think>"], [left])
    assert flipped["truth_precision"] == flipped["truth_recall"] == 0.0
    found = truth_scores(["<think> Small left pleural effusion. </think>"], [left])
    assert found["truth_f1"] == found["abnormal_f1"] == 1.0


def test_curves_go_on_over_the_stages_of_a_run(sft: Path, tmp_path: Path) -> None:
    steps, losses = read_history(f"{sft}+{sft}", "loss")
    assert steps == [1, 2, 3, 4]
    assert losses[:2] == losses[2:]
    draw([str(sft), f"{sft}+{sft}"], ["loss", "eval_truth_f1"], tmp_path / "curves.svg")
    assert "</svg>" in (tmp_path / "curves.svg").read_text()
