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
    assert texts(load_studies(str(path), "test", 0)[0]) == texts(splits.test)
    (tmp_path / "films" / "5.png").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"films/5\.png: expected names in column 'image' rel"
    ):
        load_splits(str(path), 0)


def test_a_file_of_text_alone_and_one_of_several_views(tmp_path: Path) -> None:
    reports = make_reports(30)
    reports.to_csv(tmp_path / "reports.csv")
    splits = load_splits(str(tmp_path / "reports.csv"), 0)
    assert splits.test is None
    assert len(splits.train) + len(splits.validation) == 30
    assert len(load_studies(str(tmp_path / "reports.csv"), "all", 0)[0]) == 30
    Image.new("L", (4, 4), 7).save(tmp_path / "a.png")
    row = {"findings": "Clear.", "impression": "Normal.", "images": ["a.png", "a.png"]}
    (tmp_path / "views.jsonl").write_text(f"{json.dumps(row)}\n" * 2)
    views = load_splits(str(tmp_path / "views.jsonl"), 0).train[0]["images"]
    assert [view.getpixel((0, 0)) for view in views] == [7, 7]


def test_of_one_split_what_training_holds_out_is_written_about(tmp_path: Path) -> None:
    path = str(tmp_path / "reports.csv")
    make_reports(60).to_csv(path)
    for seed in (0, 7):
        splits = load_splits(path, seed)
        studies, which = load_studies(path, "test", seed)
        assert (
            texts(studies)
            == texts(splits.validation)
            == texts(load_studies(path, "validation", seed)[0])
        )
        assert texts(load_studies(path, "train", seed)[0]) == texts(splits.train)
        assert (
            which == f"6 of the 60 rows of {path}, those that training with --seed {seed} holds out"
        )
    assert load_studies(path, "all", 0)[1] == f"all rows of {path}"
    make_reports(3).to_csv(path)
    with pytest.raises(ValueError, match=r"expected two patients or more.*--split all"):
        load_studies(path, "test", 0)
    with pytest.raises(
        ValueError, match=r"expected a split 'tset' in .*, found train: name one, or all"
    ):
        load_studies(path, "tset", 0)


@pytest.mark.parametrize("column", ["image_path", "image", "Image_File"])
def test_images_are_opened_by_the_names_of_the_field(tmp_path: Path, column: str) -> None:
    reports = make_reports(6).add_column(column, [f"{row}.png" for row in range(6)])
    for row in range(6):
        Image.new("L", (4, 4), row).save(tmp_path / f"{row}.png")
    # A table in a folder, and the file itself.
    reports.to_csv(tmp_path / "reports.csv")
    folder = tmp_path / "saved"
    reports.to_parquet(folder.with_suffix(".parquet"))
    for place in ("reports.csv", "saved.parquet"):
        rows = load_splits(str(tmp_path / place), 0).train
        expected = [int(row["findings"].split()[2]) for row in rows]
        assert [row["image"].getpixel((0, 0)) for row in rows] == expected
    reports.save_to_disk(folder)
    for row in range(6):
        (tmp_path / f"{row}.png").rename(folder / f"{row}.png")
    assert load_splits(str(folder), 0).train[0]["image"].size == (4, 4)


def test_names_of_no_image_that_is_there_stay_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = make_reports(6).add_column("image_path", [f"{row}.jpg" for row in range(6)])
    reports = reports.add_column("VolumeName", ["ct.nii.gz"] * 6)
    reports.to_csv(tmp_path / "reports.csv")
    assert "image" not in load_splits(str(tmp_path / "reports.csv"), 0).train.column_names
    assert "Column 'image_path' names images, of which none is there" in capsys.readouterr().out


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
