"""The README's lines for Qwen, LoRA after LoRA, with tiny models in its place."""

from pathlib import Path

import generate_reports
import pandas as pd
import pytest
import train_grpo
import train_sft
from enrich_dataset import main as enrich
from tiny_vlm import build_vlm

from semenrich_datasets import FindingsIndex
from semenrich_datasets.phantom import load_phantom
from semenrich_trainers import load_policy
from semenrich_trainers.adapters import is_adapter
from semenrich_trainers.formatting import DEFAULT_PROMPT

# What the README's lines leave to the recipe, made small.
SMALL = (
    "--max_steps 2 --eval_steps 2 --save_steps 2 --eval_reports 2 --max_completion_length 8 "
    "--per_device_train_batch_size 4 --per_device_eval_batch_size 4 --logging_steps 1 --use_cpu "
    "--gradient_accumulation_steps 1 --dtype float32 --report_to none --lora_r 4"
).split()
RECIPES = Path(train_sft.__file__).parent / "recipes"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("enriched")
    studies = load_phantom(40).select_columns(["image", "findings", "impression"])
    studies.to_parquet(folder / "reports.parquet")
    FindingsIndex.build(studies, show_progress=False).save_pretrained(folder / "given")
    source, given = str(folder / "reports.parquet"), str(folder / "given")
    enrich(["--dataset", source, "--output", str(folder / "out"), "--index", given])
    return folder / "out"


@pytest.mark.parametrize("adapter", ["continue", "merge"])
def test_from_reports_to_reports(data: Path, tmp_path: Path, adapter: str) -> None:
    texts = [DEFAULT_PROMPT, *load_phantom(40, images=False)["findings"]]
    for part in build_vlm(texts, "tiny"):
        part.save_pretrained(tmp_path / "base")
    shared = ["--dataset", str(data / "data"), "--index", str(data / "index"), *SMALL]
    sft, grpo = str(tmp_path / "sft"), str(tmp_path / "grpo")
    recipe = ["--config", str(RECIPES / "sft_qwen3_vl.yaml"), "--output_dir", sft]
    # "all-linear", the recipe's, reaches the tower's convolutions in this model.
    layers = ["--lora_target_modules", "q_proj", "v_proj"]
    train_sft.main([*recipe, "--model_name_or_path", str(tmp_path / "base"), *layers, *shared])
    assert is_adapter(sft)
    recipe = ["--config", str(RECIPES / "grpo_qwen3_vl.yaml"), "--output_dir", grpo]
    asked = ["--num_generations", "4", "--adapter", adapter, *layers]
    train_grpo.main([*recipe, "--model_name_or_path", sft, *asked, *shared])
    assert is_adapter(grpo)
    assert load_policy(grpo).peft_config["default"].r == 4
    output = tmp_path / "reports.parquet"
    model = ["--model", grpo, "--dataset", str(data / "data"), "--output", str(output)]
    generate_reports.main([*model, "--max_new_tokens", "4"])
    assert len(pd.read_parquet(output)) == 4
