import json

import pytest
from datasets import Dataset, DatasetDict, Features, Image, List, Value
from PIL import Image as PILImage

from semenrich_datasets.report_files import (
    check_target,
    load_reports,
    read_settings,
    save_reports,
    settings_path,
)

ADDED = List({"sentence": Value("string"), "score": Value("float64")})


@pytest.fixture
def reports() -> Dataset:
    rows = {
        "findings": ["Clear lungs.", None],
        "added_findings": [[{"sentence": "No effusion.", "score": 0.5}], []],
    }
    features = Features({"findings": Value("string"), "added_findings": ADDED})
    return Dataset.from_dict(rows, features=features)


@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl", "out"])
def test_round_trip_keeps_texts_and_additions(reports, tmp_path, name):
    save_reports(reports, str(tmp_path / "deep" / name))
    loaded = load_reports(str(tmp_path / "deep" / name))
    assert loaded["findings"][:] == ["Clear lungs.", None]
    assert loaded[0]["added_findings"] == [{"sentence": "No effusion.", "score": 0.5}]


def test_csv_holds_additions_as_json(reports, tmp_path):
    save_reports(reports, str(tmp_path / "out.csv"))
    loaded = load_reports(str(tmp_path / "out.csv"))
    assert json.loads(loaded[0]["added_findings"]) == reports[0]["added_findings"]
    assert loaded["findings"][:] == ["Clear lungs.", None]


def test_text_files_leave_images_out(tmp_path):
    picture = PILImage.new("L", (4, 4))
    features = Features({"image": Image(), "findings": Value("string")})
    reports = Dataset.from_dict({"image": [picture], "findings": ["Clear."]}, features=features)
    for name in ("out.csv", "out.jsonl"):
        save_reports(reports, str(tmp_path / name))
        assert load_reports(str(tmp_path / name)).column_names == ["findings"]
    save_reports(reports, str(tmp_path / "out.parquet"))
    assert load_reports(str(tmp_path / "out.parquet"))[0]["image"].size == (4, 4)


def test_one_split_needs_no_name(reports, tmp_path):
    DatasetDict(train=reports).save_to_disk(str(tmp_path / "one"))
    assert len(load_reports(str(tmp_path / "one"))) == 2


def test_several_splits_ask_for_a_name(reports, tmp_path):
    DatasetDict(train=reports, test=reports.select([0])).save_to_disk(str(tmp_path / "two"))
    assert len(load_reports(str(tmp_path / "two"), "test")) == 1
    with pytest.raises(ValueError, match=r"splits train, test; name one of them with --split"):
        load_reports(str(tmp_path / "two"))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*gone\.csv"):
        load_reports(str(tmp_path / "gone.csv"))


def test_other_kinds_are_refused_before_work_begins(tmp_path):
    (tmp_path / "reports.xlsx").touch()
    with pytest.raises(ValueError, match=r"ends in \.xlsx; expected"):
        load_reports(str(tmp_path / "reports.xlsx"))
    with pytest.raises(ValueError, match=r"cannot write \.xlsx files; expected \.csv"):
        check_target("out.xlsx")
    check_target("out.csv")
    check_target("folder")


SETTINGS = {"preset": "paper", "max_added": None, "context_columns": ["impression"], "index": "a"}


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("out.csv", "out.semenrich.json"),
        ("out.jsonl", "out.semenrich.json"),
        ("out.parquet", "out.semenrich.json"),
        ("out", "out/semenrich.json"),
    ],
)
def test_settings_stand_beside_the_reports(reports, tmp_path, name, beside):
    target = str(tmp_path / name)
    save_reports(reports, target, SETTINGS)
    assert settings_path(target) == tmp_path / beside
    assert json.loads((tmp_path / beside).read_text()) == SETTINGS
    assert read_settings(target) == SETTINGS
    assert load_reports(target)["findings"][:] == ["Clear lungs.", None]


def test_a_parquet_file_carries_its_settings(reports, tmp_path):
    save_reports(reports, str(tmp_path / "out.parquet"), SETTINGS)
    settings_path(str(tmp_path / "out.parquet")).unlink()
    moved = (tmp_path / "out.parquet").rename(tmp_path / "moved.parquet")
    assert read_settings(str(moved)) == SETTINGS
    loaded = load_reports(str(moved))
    assert loaded.features == reports.features
    assert loaded[:] == reports[:]


def test_reports_without_settings(reports, tmp_path):
    for name in ("out.csv", "out.jsonl", "out.parquet", "out"):
        save_reports(reports, str(tmp_path / name))
        assert read_settings(str(tmp_path / name)) is None
    assert not list(tmp_path.rglob("*semenrich.json"))
    assert read_settings("phantom") is None
    assert read_settings(str(tmp_path / "gone.csv")) is None


def test_a_long_parquet_file_is_written_whole(tmp_path):
    texts = [f"Clear lungs {number}." for number in range(2_500)]
    long = Dataset.from_dict({"findings": texts})
    save_reports(long, str(tmp_path / "out.parquet"), SETTINGS)
    assert load_reports(str(tmp_path / "out.parquet"))["findings"][:] == texts
    save_reports(long.select([]), str(tmp_path / "none.parquet"), SETTINGS)
    assert read_settings(str(tmp_path / "none.parquet")) == SETTINGS
