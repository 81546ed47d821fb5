"""A folder knows what its run is made of: another run is an error, a resume says that it is one."""

import json
import shutil

import pytest
from datasets import Dataset
from fakes import made_up_reports
from peft import LoraConfig
from trainer_fakes import SETTINGS, losses, make_dataset, make_index, make_model

from semenrich_datasets import SemEnricher
from semenrich_trainers import (
    ReportFormatter,
    SemEnrichGRPOConfig,
    SemEnrichGRPOTrainer,
    SemEnrichSFTConfig,
    SemEnrichSFTTrainer,
    last_checkpoint,
)
from semenrich_trainers.formatting import DEFAULT_PROMPT
from semenrich_trainers.run_recipe import (
    RECIPE_NAME,
    _settings,
    describe_rows,
    differences,
    trained_prompt,
)

PROMPT = 'Read "this"\nchest film.'


@pytest.fixture(scope="module")
def index():
    return make_index()


def make_trainer(index, folder, rows=None, peft_config=None, **settings):
    model, tokenizer = make_model()
    return SemEnrichSFTTrainer(
        model,
        SemEnrichSFTConfig(
            str(folder), **{**SETTINGS, "max_steps": 2, "save_steps": 1, **settings}
        ),
        index=index,
        train_dataset=make_dataset(8) if rows is None else rows,
        processing_class=tokenizer,
        peft_config=peft_config,
    )


@pytest.fixture(scope="module")
def finished(index, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    trainer = make_trainer(index, folder)
    trainer.train()
    return folder, losses(trainer)


@pytest.fixture
def run(finished, tmp_path):
    """A copy of a run of two steps, cut off after the first."""
    folder = shutil.copytree(finished[0], tmp_path / "run")
    shutil.rmtree(folder / "checkpoint-2")
    return folder


def reworded(rows):
    texts = [f"{text} No fracture." for text in rows["enriched_findings"]]
    return rows.remove_columns("enriched_findings").add_column("enriched_findings", texts)


def other_column():
    rows = make_dataset(8).remove_columns(["prompt", "completion"])
    rows = reworded(rows.rename_column("findings", "enriched_findings"))
    return rows.map(ReportFormatter("enriched_findings"), batched=True)


@pytest.mark.parametrize("resumes", [True, False])
def test_another_recipe_is_an_error_that_names_all_that_differs(index, run, resumes):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    trainer = make_trainer(
        index,
        run,
        other_column(),
        LoraConfig(r=4, target_modules=["q_proj"]),
        findings_column="enriched_findings",
        learning_rate=1e-4,
        logging_steps=2,
    )
    with pytest.raises(ValueError, match="another recipe") as error:
        trainer.train(resume_from_checkpoint=last_checkpoint(run) if resumes else None)
    message = str(error.value)
    assert "findings_column: then 'findings', now 'enriched_findings'" in message
    assert "learning_rate: then 0.003, now 0.0001" in message
    assert "adapter.default.r: then None, now 4" in message
    assert "data.sample: then '" in message
    assert "pass another output_dir, or delete" in message
    assert not [name for name in ("logging_steps", "seed", "data.rows", "model") if name in message]
    after = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    assert after == before


def test_a_resume_says_that_it_is_one_and_may_change_what_is_not_learned(
    index, run, finished, caplog
):
    settings = {"logging_steps": 1, "save_steps": 2, "max_completion_length": 9, "eval_reports": 1}
    split = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    trainer = make_trainer(index, run, **settings, **split)
    trainer.train(resume_from_checkpoint=True)
    assert f"Resuming from {run}/checkpoint-1, after step 1" in caplog.text
    assert losses(trainer) == pytest.approx(finished[1], abs=1e-4)
    trainer.train()  # the same trainer, once more: training has changed the model's configuration
    assert f"Starting anew in {run}, which holds checkpoint-1" in caplog.text


def test_a_folder_of_before_there_were_recipes_resumes_with_a_warning(index, run, caplog):
    (run / RECIPE_NAME).unlink()
    (run / "checkpoint-1" / RECIPE_NAME).unlink()
    make_trainer(index, run, seed=9).train(resume_from_checkpoint=last_checkpoint(run))
    assert f"has no {RECIPE_NAME}" in caplog.text
    assert json.loads((run / RECIPE_NAME).read_text())["settings"]["seed"] == 9


def test_a_folder_in_which_nothing_was_trained_takes_any_recipe(index, run, caplog):
    shutil.rmtree(run / "checkpoint-1")
    for path in run.glob("*.safetensors"):
        path.unlink()
    make_trainer(index, run, seed=9, max_steps=1).train()
    assert "Starting anew" not in caplog.text


def test_other_rewards_and_another_index_are_named(index, tmp_path):
    def make(rewards, name, used):
        model, tokenizer = make_model()
        settings = {**SETTINGS, "num_generations": 4, "max_steps": 1, "save_steps": 1}
        return SemEnrichGRPOTrainer(
            model,
            args=SemEnrichGRPOConfig(str(tmp_path), rewards=rewards, **settings),
            index=used,
            train_dataset=make_dataset(8),
            processing_class=tokenizer,
        )

    make(["format", "cluster"], "one", index).train()
    other = type(index).build(Dataset.from_list(made_up_reports(50)), show_progress=False)
    with pytest.raises(ValueError, match="another recipe") as error:
        make(["format", "sentence"], "two", other).train()
    message = str(error.value)
    assert f"indexes.findings_index: then '{index.digest}', now '{other.digest}'" in message
    assert "rewards.cluster_reward: then 1.0, now None" in message
    assert "rewards.sentence_reward: then None, now 1.0" in message


def test_it_holds_no_text_of_a_report(index, tmp_path):
    rows = make_dataset(8)
    quoting = [[{"role": "user", "content": f"Before: {text}"}] for text in rows["findings"]]
    rows = rows.remove_columns("prompt").add_column("prompt", quoting)
    make_trainer(index, tmp_path, rows, max_steps=1).train()
    text = (tmp_path / RECIPE_NAME).read_text()
    assert json.loads(text)["prompt"] is None
    said = {sentence for report in rows["findings"] for sentence in report.split(". ")}
    assert not [sentence for sentence in said if sentence in text]


def test_the_prompt_goes_with_the_model_and_stands_on_its_card(index, tmp_path):
    rows = make_dataset(8).map(ReportFormatter(prompt=PROMPT), batched=True)
    trainer = make_trainer(index, tmp_path / "run", rows, max_steps=1)
    trainer.train()
    trainer.save_model(str(tmp_path / "model"))
    for folder in ("run", "run/checkpoint-1", "model"):
        assert trained_prompt(str(tmp_path / folder)) == [{"role": "user", "content": PROMPT}]
    assert trained_prompt(str(tmp_path)) is None
    card = (tmp_path / "run" / "README.md").read_text()
    assert DEFAULT_PROMPT not in card
    code = card.split("messages = ")[1].split("report = ")[0]
    assert eval(code) == [{"role": "user", "content": PROMPT}]


def test_rows_made_on_the_fly_are_told_apart_though_each_draw_differs(index):
    reports = make_dataset(12).remove_columns(["prompt", "completion"])

    def on_the_fly(prompt=PROMPT, **settings):
        enricher = SemEnricher(index, context_columns=["impression"], **settings)
        formatter = ReportFormatter("enriched_findings", prompt=prompt, enricher=enricher)
        return describe_rows(reports.with_transform(formatter), ["findings"])

    once = on_the_fly(seed=1)
    assert once == on_the_fly(seed=1)
    assert once["prompt"] == [{"role": "user", "content": PROMPT}]
    assert once["sample"] != on_the_fly(seed=2)["sample"]
    assert once["sample"] != on_the_fly("Other.", seed=1)["sample"]


def test_rows_are_told_apart_and_images_are_not_decoded(monkeypatch):
    rows = make_dataset(6, images=True)
    monkeypatch.setattr("datasets.Image.decode_example", lambda *args: 1 / 0)
    one = describe_rows(rows, ["findings"])
    assert one == describe_rows(rows, ["findings"])
    assert one["rows"] == 6
    assert one["sample"] != describe_rows(rows.select([0, 1, 2, 3, 5, 4]), ["findings"])["sample"]
    stream = describe_rows(make_dataset(6).to_iterable_dataset(), ["findings"])
    assert stream == {"rows": None, "sample": None, "prompt": one["prompt"]}


def test_updates_per_generation_are_compared_and_the_split_of_a_batch_is_not(tmp_path):
    def read(**given):
        settings = {**SETTINGS, "num_generations": 4, **given}
        return _settings(SemEnrichGRPOConfig(str(tmp_path), **settings), frozenset())

    one, two = read(steps_per_generation=1), read(steps_per_generation=2)
    assert {name for name in one if one[name] != two[name]} == {"generation_batch_size"}
    split = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    assert read(**split) == one


def test_a_setting_of_another_version_of_a_library_is_no_difference():
    then, now = ({"settings": {"seed": 1, name: 2}} for name in ("old", "new"))
    assert list(differences(then, now)) == []
    assert list(differences(then, {"settings": {"seed": 2}})) == ["seed: then 1, now 2"]
