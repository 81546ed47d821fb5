"""The training scripts with reports of one's own: no setting of the phantom's, and clear errors."""

from pathlib import Path
from typing import Any

import pytest
import report_run
import train_grpo
import train_sft
from console import clear_errors
from datasets import Dataset
from enrich_dataset import main as enrich
from fakes import build_index, made_up_reports
from peft import get_peft_model
from PIL import Image
from report_data import load_splits
from report_indexes import open_indexes
from report_task import parse_arguments
from tiny_vlm import build_vlm
from trl import get_peft_config

from semenrich_datasets import FindingsIndex
from semenrich_trainers import SemEnrichGRPOConfig, SemEnrichSFTConfig
from semenrich_trainers.checkpoints import FINDINGS_INDEX, IMPRESSION_INDEX


@pytest.fixture
def reports(tmp_path: Path) -> str:
    """A CSV file, and a folder of images beside it."""
    folder = tmp_path / "my"
    (folder / "png").mkdir(parents=True)
    rows = made_up_reports(20)
    for row, report in enumerate(rows):
        Image.new("L", (8, 8), row).save(folder / "png" / f"{row}.png")
        report |= {"image_path": f"png/{row}.png", "patient_id": f"p{row // 2}"}
    Dataset.from_list(rows).to_csv(folder / "reports.csv")
    return str(folder / "reports.csv")


@pytest.fixture
def nothing_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an index nor a model may be made."""

    def fail(*_: object, **__: object) -> Any:
        raise AssertionError("too late")

    monkeypatch.setattr(FindingsIndex, "build", fail)
    monkeypatch.setattr(report_run, "build_vlm", fail)


def test_enriched_reports_hold_their_images_wherever_they_go(reports: str, tmp_path: Path) -> None:
    build_index().save_pretrained(tmp_path / "index")
    output = tmp_path / "out"
    enrich(["--dataset", reports, "--output", str(output), "--index", str(tmp_path / "index")])
    expected = load_splits(reports, 0).train
    pixels = {row["image_path"]: row["image"].getpixel((0, 0)) for row in expected}
    for image in Path(reports).parent.glob("png/*.png"):
        image.unlink()
    moved = output.rename(tmp_path / "elsewhere") / "data"
    splits = load_splits(str(moved), 0)
    assert splits.test is not None
    found = [*splits.train, *splits.validation, *splits.test]
    assert len(found) == 20
    for row in found:
        name = row["image_path"]
        assert row["image"].getpixel((0, 0)) == pixels.get(name, int(Path(name).stem))


def test_own_reports_take_no_setting_of_the_phantom(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ["--dataset", "my.csv", "--output_dir", str(tmp_path), "--bf16", "false"]
    task, args, model = parse_arguments(SemEnrichSFTConfig, "sft_phantom.yaml", own)
    assert (args.findings_column, args.max_steps, args.use_cpu) == ("findings", -1, False)
    assert args.eval_strategy == "epoch"
    assert "No recipe (--config)" in capsys.readouterr().out
    named = [*own, "--model_name_or_path", "me/x"]
    task, args, model = parse_arguments(SemEnrichGRPOConfig, "grpo_phantom.yaml", named)
    assert (task.index, task.impression_index, args.reward_weights) == (None, None, None)
    assert (args.findings_column, model.model_name_or_path) == ("findings", "me/x")
    with pytest.raises(ValueError, match=r"expected a model that writes reports.*--model_name_or"):
        parse_arguments(SemEnrichGRPOConfig, "grpo_phantom.yaml", own)
    phantom = ["--output_dir", str(tmp_path), "--bf16", "false"]
    _, args, _ = parse_arguments(SemEnrichSFTConfig, "sft_phantom.yaml", phantom)
    assert args.findings_column == "complete_findings"
    assert "sft_phantom.yaml, for the phantom" in capsys.readouterr().out


def test_indexes_are_those_named_then_those_beside_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, beside = build_index(made_up_reports(30)), build_index(made_up_reports(40))
    given.save_pretrained(tmp_path / "given")
    for name in (FINDINGS_INDEX, IMPRESSION_INDEX):
        beside.save_pretrained(tmp_path / "model" / name)
    places = {FINDINGS_INDEX: str(tmp_path / "given"), IMPRESSION_INDEX: None}
    columns = {FINDINGS_INDEX: "findings", IMPRESSION_INDEX: "impression"}
    model, rows = str(tmp_path / "model"), Dataset.from_list(made_up_reports(5))
    found = open_indexes(places, columns, model, rows, "safe")
    assert [one.digest for one in found] == [given.digest, beside.digest]
    assert f"{IMPRESSION_INDEX}: {tmp_path}/model/{IMPRESSION_INDEX}" in capsys.readouterr().out


def test_weights_are_of_the_rewards_that_they_were_given_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def weights(*more: str) -> Any:
        phantom = ["--output_dir", str(tmp_path), "--bf16", "false", *more]
        return parse_arguments(SemEnrichGRPOConfig, "grpo_phantom.yaml", phantom)[1].reward_weights

    assert weights() == [0.2, 1.0]
    assert weights("--rewards", "cluster") is None
    assert "Each reward counts 1: the recipe's weights [0.2, 1.0]" in capsys.readouterr().out
    assert weights("--rewards", "cluster", "--reward_weights", "2") == [2.0]
    with pytest.raises(ValueError, match=r"rewards format, cluster, found reward_weights \[1\.0\]"):
        weights("--reward_weights", "1")


def test_lora_finds_its_layers_in_a_vision_language_model(tmp_path: Path) -> None:
    own = ["--dataset", "my.csv", "--output_dir", str(tmp_path), "--bf16", "false", "--use_peft"]
    model = parse_arguments(SemEnrichSFTConfig, "", own)[2]
    made = get_peft_model(build_vlm(["Clear lungs."], "tiny")[0], get_peft_config(model))
    assert made.get_nb_trainable_parameters()[0] > 0
    named = parse_arguments(SemEnrichSFTConfig, "", [*own, "--lora_target_modules", "q_proj"])[2]
    assert named.lora_target_modules == "q_proj"


@pytest.mark.usefixtures("nothing_long")
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ["--findings_column", "findngs"],
            r"column 'findngs' not found in the reports for train, found findings, "
            r"impression, image_path, patient_id, image: did you mean 'findings'\? "
            r"name it with --findings_column",
        ),
        (["--impression_column", "opinion"], r"column 'opinion' .*--impression_column"),
        (["--prompt", "Report this. Age {age}."], r"column 'age' not found .*--prompt"),
        (["--eval_findings_column", "x"], r"column 'x' not found .*--eval_findings_column"),
        (["--dataset", "none.csv"], r"no file none\.csv"),
        (["--model_name_or_path", "runs/none"], "expected the folder or Hub id of a model, found"),
        (["--lerning_rate", "1"], "lerning_rate"),
    ],
)
def test_what_is_wrong_ends_in_one_line_before_anything_long(
    reports: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    message: str,
) -> None:
    own = ["--dataset", reports, "--output_dir", str(tmp_path), "--bf16", "false"]
    with pytest.raises(SystemExit) as ended, clear_errors():
        train_sft.main([*own, *more])
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith("Error: ")
    with pytest.raises((ValueError, OSError), match=message):
        train_sft.main([*own, *more])


@pytest.mark.usefixtures("nothing_long")
def test_a_model_of_the_recipe_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match="found none at 'runs/sft_phantom': train one there first"):
        train_grpo.main(["--bf16", "false"])


def test_errors_of_other_libraries_keep_their_traceback() -> None:
    with pytest.raises(ValueError, match="Width and height"), clear_errors():
        Image.new("L", (0, -1))
