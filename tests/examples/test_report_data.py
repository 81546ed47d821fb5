"""Where the training scripts take their reports from, and which they evaluate with."""

import json
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict
from PIL import Image
from report_data import hold_out, load_phantom_splits, load_splits, load_studies


def make_reports(count: int, first: int = 0) -> Dataset:
    rows = range(first, first + count)
    return Dataset.from_dict(
        {
            "subject_id": [row // 3 for row in rows],
            "findings": [f"Nodule of {row} mm." for row in rows],
            "impression": ["Nodule."] * count,
        }
    )


def texts(rows: Dataset) -> set[str]:
    return set(rows["findings"])


@pytest.mark.parametrize("name", ["validation", "val", "dev"])
def test_validation_is_evaluated_during_training_and_test_at_the_end(
    tmp_path: Path, name: str
) -> None:
    parts = {"train": make_reports(6), name: make_reports(3, 6), "test": make_reports(2, 9)}
    DatasetDict(parts).save_to_disk(tmp_path)
    splits = load_splits(str(tmp_path), 0)
    assert texts(splits.train) == texts(parts["train"])
    assert texts(splits.validation) == texts(parts[name])
    assert splits.test is not None
    assert texts(splits.test) == texts(parts["test"])


def test_without_validation_patients_are_held_out_of_train_not_taken_from_test(
    tmp_path: Path,
) -> None:
    parts = {"train": make_reports(60), "test": make_reports(9, 60)}
    for name, rows in parts.items():
        rows.to_parquet(tmp_path / f"{name}.parquet")
    splits = load_splits(str(tmp_path), 0)
    assert texts(splits.train) | texts(splits.validation) == texts(parts["train"])
    assert len(splits.validation) == 6
    assert not set(splits.train["subject_id"]) & set(splits.validation["subject_id"])
    assert texts(load_splits(str(tmp_path), 0).validation) == texts(splits.validation)
    assert texts(load_splits(str(tmp_path), 1).validation) != texts(splits.validation)


def test_holding_out_without_patients_and_with_one() -> None:
    rows = make_reports(20)
    train, validation = hold_out(rows.remove_columns("subject_id"), 0)
    assert (len(train), len(validation)) == (18, 2)
    with pytest.raises(ValueError, match=r"found 1 in column 'subject_id': add a split"):
        hold_out(rows.select(range(3)), 0)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "json", "parquet"])
def test_a_file_is_loaded_its_column_split_obeyed_and_its_image_names_opened(
    tmp_path: Path, ending: str
) -> None:
    (tmp_path / "films").mkdir()
    for row in range(6):
        Image.new("L", (4, 4), row).save(tmp_path / "films" / f"{row}.png")
    reports = make_reports(6)
    reports = reports.add_column("image", [f"films/{row}.png" for row in range(6)])
    reports = reports.add_column("split", ["train"] * 3 + ["validate", "test", "test"])
    path = tmp_path / f"reports.{ending}"
    match ending:
        case "csv":
            reports.to_csv(path)
        case "parquet":
            reports.to_parquet(path)
        case _:
            reports.to_json(path)
    splits = load_splits(str(path), 0)
    assert splits.test is not None
    assert [len(one) for one in (splits.train, splits.validation, splits.test)] == [3, 1, 2]
    assert splits.validation[0]["image"].getpixel((0, 0)) == 3
    assert texts(load_studies(str(path), "test")) == texts(splits.test)
    (tmp_path / "films" / "5.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"films/5\.png: expected names relative to"):
        load_splits(str(path), 0)


def test_a_file_of_text_alone_and_one_of_several_views(tmp_path: Path) -> None:
    reports = make_reports(30)
    reports.to_csv(tmp_path / "reports.csv")
    splits = load_splits(str(tmp_path / "reports.csv"), 0)
    assert splits.test is None
    assert len(splits.train) + len(splits.validation) == 30
    assert len(load_studies(str(tmp_path / "reports.csv"), "test")) == 30
    Image.new("L", (4, 4), 7).save(tmp_path / "a.png")
    row = {"findings": "Clear.", "impression": "Normal.", "images": ["a.png", "a.png"]}
    (tmp_path / "views.jsonl").write_text(f"{json.dumps(row)}\n" * 2)
    views = load_splits(str(tmp_path / "views.jsonl"), 0).train[0]["images"]
    assert [view.getpixel((0, 0)) for view in views] == [7, 7]


def test_no_train_is_an_error(tmp_path: Path) -> None:
    DatasetDict(test=make_reports(3)).save_to_disk(tmp_path)
    with pytest.raises(ValueError, match=r"expected a split 'train' in .*, found test"):
        load_splits(str(tmp_path), 0)


def test_the_splits_of_the_phantom_are_different_studies() -> None:
    splits = load_phantom_splits(40, 5, 6)
    assert splits.test is not None
    assert (len(splits.validation), len(splits.test)) == (5, 6)
    images = [
        {one.tobytes() for one in rows["image"]}
        for rows in (splits.train, splits.validation, splits.test)
    ]
    assert not images[0] & images[1]
    assert not images[1] & images[2]
    assert load_phantom_splits(40, 0, 0).test is None
