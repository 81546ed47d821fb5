import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
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
        ("out.csv", "out.csv.semenrich.json"),
        ("out.jsonl", "out.jsonl.semenrich.json"),
        ("out.parquet", "out.parquet.semenrich.json"),
        ("out", "out/semenrich.json"),
    ],
)
def test_settings_stand_beside_the_reports(reports, tmp_path, name, beside):
    target = str(tmp_path / name)
    save_reports(reports, target, SETTINGS)
    assert settings_path(target) == tmp_path / beside
    written = json.loads((tmp_path / beside).read_text())
    assert set(written) - set(SETTINGS) == {"reports_sha256"}
    assert SETTINGS.items() <= written.items()
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


# Encodings and shapes of the files that datasets come in


def _write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> str:
    (folder / name).write_bytes(text.encode(encoding))
    return str(folder / name)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl"])
def test_encodings(tmp_path, name, encoding):
    text = 'findings\n"Réticulation – mild."\n'
    if not name.endswith("csv"):
        text = '{"findings": "Réticulation – mild."}\n'
    loaded = load_reports(_write(tmp_path, name, text, encoding))
    assert loaded.to_dict() == {"findings": ["Réticulation – mild."]}


def test_byte_of_another_encoding_may_come_late(tmp_path):
    text = "findings\n" + "Clear lungs.\n" * 200_000 + "Réticulation.\n"
    assert (
        load_reports(_write(tmp_path, "a.csv", text, "cp1252"))[-1]["findings"] == "Réticulation."
    )


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_with_line_breaks_quotes_and_separators_in_its_texts(tmp_path, separator):
    cell = f'Clear{separator} "normal"\nlungs.'
    quoted = cell.replace('"', '""')
    text = f'id{separator}findings\n1{separator}"{quoted}"\n'
    loaded = load_reports(_write(tmp_path, "a.csv", text))
    assert loaded.to_dict() == {"id": [1], "findings": [cell]}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("Clear, no effusion.,Normal.", "expected 2 cells as in the header, found 3"),
        ("Clear.", "expected 2 cells as in the header, found 1"),
        ('"Clear.,Normal.', "broken quotes"),
        ('"Clear" lungs.",Normal.', "broken quotes"),
    ],
)
def test_broken_row_of_a_csv_is_named_by_its_line(tmp_path, row, message):
    text = f'findings,impression\n"Two\nlines.",Normal.\n{row}\n'
    with pytest.raises(ValueError, match=rf"a\.csv, line 4: {message}"):
        load_reports(_write(tmp_path, "a.csv", text))


def test_csv_column_that_changes_its_kind_is_text(tmp_path):
    rows = [f"{i},Clear." for i in range(10_001)] + ["A1,Clear."]
    loaded = load_reports(_write(tmp_path, "a.csv", "\n".join(["id,findings", *rows])))
    assert loaded[0] == {"id": "0", "findings": "Clear."}
    assert loaded[-1]["id"] == "A1"


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl", "A.CSV"])
@pytest.mark.parametrize("text", ["", " \n\n", "\ufeff", "\ufeff \n"])
def test_empty_file_is_said(tmp_path, name, text):
    with pytest.raises(ValueError, match=f"{name} is empty: expected reports"):
        load_reports(_write(tmp_path, name, text))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "findings,impression\n", "a header but no rows"),
        ("a.json", "[]", "holds no reports"),
        ("a.json", "{}", "holds no reports"),
        ("a.json", "[1, 2]", "JSON of another shape"),
        ("a.json", "3", "JSON of another shape"),
        ("a.jsonl", "3", r"line 1: expected an object with columns, found '3'"),
        ("a.json", '[\n{"a": 1},\n{"a": }]', "line 3: broken JSON"),
        ("a.jsonl", '{"a": 1}\n\n{"a": ', "line 3: broken JSON"),
        ("a.jsonl", '{"a": \n{"a": 1}', "line 1: broken JSON"),
        ("a.json", '{"a": 1}\n{"a": \n{"a": 1}', "line 2: broken JSON"),
        ("a.json", "[" * 100_000, r"a\.json, from line 1: lists within lists"),
        ("a.json", '{"a": ' * 100_000, r"a\.json, from line 1: lists within lists"),
        ("a.jsonl", '{"a": 1}\n{"a": ' + "[" * 100_000, "from line 2: lists within lists"),
        ("a.jsonl", r'{"a": "Clear \ud800."}', r"a\.jsonl: expected text in 'a', found '\\ud800'"),
        ("a.csv", "PK\0\0", "is not text"),
        ("a.csv", "findings\n\x81", "neither UTF-8 nor UTF-16 nor cp1252"),
    ],
)
def test_file_that_cannot_be_read_is_one_sentence(tmp_path, name, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        load_reports(_write(tmp_path, name, text, "latin-1"))
    assert "\n" not in str(caught.value)


def test_utf16_that_ends_midway(tmp_path):
    (tmp_path / "a.csv").write_bytes("findings\nClear.".encode("utf-16")[:-1])
    with pytest.raises(ValueError, match="neither UTF-8 nor UTF-16 nor cp1252"):
        load_reports(str(tmp_path / "a.csv"))


def test_broken_parquet_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"a\.parquet is not a whole Parquet file"):
        load_reports(_write(tmp_path, "a.parquet", "PAR1"))


def test_parquet_that_datasets_cannot_hold_is_one_sentence(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"findings": pa.array([], pa.string())}), path)
    with pytest.raises(ValueError, match=r"a\.parquet has columns but no rows"):
        load_reports(str(path))
    codes = pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32()))
    pq.write_table(pa.table({"findings": ["Clear."], "codes": codes}), path)
    with pytest.raises(ValueError, match=r"a\.parquet: column 'codes' is of a type .*: leave it"):
        load_reports(str(path))


STUDY = {"findings": "Clear.", "image_path": ["a.png", "b.png"]}


@pytest.mark.parametrize(
    "shape",
    [
        [STUDY, STUDY],
        {"train": [STUDY, STUDY]},
        {"version": "1.0", "data": [STUDY, STUDY]},
        {"reports": {"s1": STUDY, "s2": STUDY}},
        {"s1": STUDY, "s2": STUDY},
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_json_shapes(tmp_path, shape, indent):
    loaded = load_reports(_write(tmp_path, "a.json", json.dumps(shape, indent=indent)))
    assert loaded.select_columns(list(STUDY)).to_list() == [STUDY, STUDY]
    if "s1" in shape or "reports" in shape:
        assert loaded["study_id"][:] == ["s1", "s2"]


@pytest.mark.parametrize("rows", [[STUDY], {"s1": STUDY}])
def test_json_splits_ask_for_a_name(tmp_path, rows):
    path = _write(tmp_path, "a.json", json.dumps({"train": rows, "test": rows}))
    assert load_reports(path, "test")["findings"][:] == ["Clear."]
    with pytest.raises(ValueError, match=r"splits train, test; name one of them with --split"):
        load_reports(path)


def test_key_of_a_study_does_not_replace_its_own_id(tmp_path):
    path = _write(tmp_path, "a.json", json.dumps({"k": {"study_id": "s1", "findings": "Clear."}}))
    assert load_reports(path)["study_id"][:] == ["s1"]


def test_json_array_may_be_called_jsonl(tmp_path):
    assert len(load_reports(_write(tmp_path, "a.jsonl", json.dumps([STUDY, STUDY])))) == 2


def test_rows_of_json_need_not_have_the_same_columns(tmp_path):
    text = '{"findings": "A."}\n{"impression": "B.", "id": 1}\n{"id": "x"}\n'
    assert load_reports(_write(tmp_path, "a.jsonl", text)).to_dict() == {
        "findings": ["A.", None, None],
        "impression": [None, "B.", None],
        "id": [None, "1", "x"],
    }


def test_texts_and_lists_of_sentences_in_one_column(tmp_path):
    text = '{"findings": "A."}\n{"findings": ["B.", "C."]}\n{"findings": null}\n'
    loaded = load_reports(_write(tmp_path, "a.jsonl", text))
    assert loaded["findings"][:] == [["A."], ["B.", "C."], None]


def test_line_separators_inside_json_texts(tmp_path):
    text = json.dumps({"findings": "A.\u2028B."}, ensure_ascii=False)
    loaded = load_reports(_write(tmp_path, "a.jsonl", f"{text}\r\n{text}\r\n"))
    assert loaded["findings"][:] == ["A.\u2028B."] * 2
