"""The examples from reports to enriched reports, and from a model to generated ones."""

import json

import generate_reports
import numpy as np
import pandas as pd
import pytest
from datasets import Dataset, load_dataset
from enrich_dataset import main as enrich
from fakes import build_index, made_up_reports
from trainer_fakes import make_dataset, make_model

from semenrich_datasets import FindingsIndex
from semenrich_trainers import generation


class FakeVectors:
    """In place of an encoder that takes long to load."""

    def __call__(self, texts):
        return [np.ones((1, 2), dtype=np.float32) for _ in texts]


@pytest.fixture
def index(tmp_path):
    build_index().save_pretrained(tmp_path / "given")
    return str(tmp_path / "given")


def test_the_history_is_not_contradicted(tmp_path):
    index = build_index(made_up_reports(200))
    index.save_pretrained(tmp_path / "index")
    rows = [
        {
            "findings": "The lungs are clear. No pneumothorax.",
            "impression": "Normal.",
            "history": one,
        }
        for one in ["Cough.", "Known cardiomegaly."] * 10
    ]
    Dataset.from_list(rows).to_parquet(tmp_path / "reports.parquet")
    arguments = ["--dataset", str(tmp_path / "reports.parquet"), "--output", str(tmp_path / "out")]
    enrich([*arguments, "--index", str(tmp_path / "index")])
    splits = load_dataset(str(tmp_path / "out" / "data"))
    added = {
        row["history"]: " ".join(one["sentence"] for one in row["added_findings"]).lower()
        for row in splits["train"]
    }
    assert "heart" in added["Cough."]
    assert "heart" not in added["Known cardiomegaly."]


def test_a_dataset_of_one_split_is_divided_and_enriched(tmp_path, index):
    source, output = tmp_path / "reports.parquet", tmp_path / "out"
    Dataset.from_list(made_up_reports(50)).to_parquet(source)
    enrich(["--dataset", str(source), "--output", str(output), "--index", index])
    splits = load_dataset(str(output / "data"))
    assert {name: len(split) for name, split in splits.items()} == {"train": 45, "test": 5}
    assert any(splits["train"]["added_findings"])
    again = FindingsIndex.from_pretrained(output / "index")
    assert again.digest == FindingsIndex.from_pretrained(index).digest


def test_no_patient_is_in_train_and_in_test(tmp_path, index):
    source = tmp_path / "reports.parquet"
    rows = [{**row, "subject_id": n // 5} for n, row in enumerate(made_up_reports(50))]
    Dataset.from_list(rows).to_parquet(source)
    settings = ["--index", index, "--test_size", "0.3"]
    splits = enrich(["--dataset", str(source), "--output", str(tmp_path / "out"), *settings])
    patients = {name: set(split["subject_id"]) for name, split in splits.items()}
    assert len(patients["train"]) == 7
    assert len(patients["test"]) == 3
    assert not patients["train"] & patients["test"]


def test_splits_stay_and_the_index_is_fitted_on_train_alone(tmp_path, monkeypatch):
    folder = tmp_path / "reports"
    folder.mkdir()
    for name, size in (("train", 30), ("test", 6)):
        Dataset.from_list(made_up_reports(size)).to_json(folder / f"{name}.jsonl")
    fitted, index = [], build_index()

    def build(reports, text_column, preset, show_progress=True):
        fitted.append((len(reports), text_column, preset))
        return index

    monkeypatch.setattr(FindingsIndex, "build", build)
    splits = enrich(["--dataset", str(folder), "--output", str(tmp_path / "out")])
    assert fitted == [(30, "findings", "safe"), (30, "impression", "safe")]
    for name in ("index", "impression_index"):
        assert (tmp_path / "out" / name / "config.json").exists()
    assert len(splits["test"]) == 6


@pytest.mark.parametrize("best_of", ["1", "2"])
def test_reports_are_generated_and_kept_beside_their_references(tmp_path, monkeypatch, best_of):
    model, processor = make_model(images=True)
    model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    studies = make_dataset(3, images=True).select_columns(["image", "findings", "impression"])
    studies.to_parquet(tmp_path / "studies.parquet")
    target = tmp_path / "reports.jsonl"
    monkeypatch.setattr(generation, "SentenceVectors", lambda encoder: FakeVectors())
    files = ["--model", tmp_path / "model", "--dataset", tmp_path / "studies.parquet"]
    settings = ["--best_of", best_of, "--max_new_tokens", "4", "--output", target, "--split", "all"]
    generate_reports.main(list(map(str, [*files, *settings])))
    table = pd.read_json(target, lines=True)
    assert list(table["findings"]) == studies["findings"]
    assert set(table.columns) == {
        *("findings", "impression", "completion"),
        *("generated_findings", "generated_impression", "well_formed"),
    }
    assert json.loads(target.read_text().splitlines()[0])["well_formed"] is False
