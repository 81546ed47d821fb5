"""The texts of a study, and which rows repeat it."""

import datasets
import pytest
from datasets import Dataset, Features, Image, Value
from PIL import Image as PILImage

from semenrich_datasets.columns import (
    StudyTexts,
    check_column,
    find_columns,
    iterate_studies,
    read_texts,
)

ROWS = [{"findings": "Clear lungs.", "n": 1}, {"findings": None, "n": 2}]
TEXTS = ["Clear lungs.", None]


def findings_of(reports, text_column=None):
    return [study.findings for study in iterate_studies(reports, text_column)[1]]


def read_one(row, **options):
    columns = find_columns(list(row), **options)
    (texts,) = read_texts({name: [value] for name, value in row.items()}, columns)
    return texts


# What a row says of its study


def test_columns_of_one_row_by_what_they_bind():
    row = {"findings": "Clear.", "impression": "Mass.", "indication": "Cough.", "id": 3}
    expected = StudyTexts("Clear.", {"impression": "Mass."}, {"indication": "Cough."})
    assert read_one(row) == expected


@pytest.mark.parametrize("value", [None, float("nan"), 3, "", " \n", [], ["", None]])
def test_what_is_no_text_is_none(value):
    row = {"findings": value, "impression": value, "indication": value}
    assert read_one(row) == StudyTexts(None)


def test_context_that_is_switched_off():
    row = {"findings": "Clear.", "impression": "Mass."}
    assert read_one(row, context_columns=()) == StudyTexts("Clear.")


def test_a_whole_report_is_cut():
    text = "CHEST\nHISTORY: Cough.\nFINDINGS: Clear.\nIMPRESSION: Mass.\nADDENDUM: Effusion."
    assert read_one({"report": text}) == StudyTexts(
        "Clear.",
        {"impression": "Mass.", "addendum": "Effusion.", "text": "CHEST"},
        {"indication": "Cough."},
    )


def test_a_report_without_headings_is_its_findings():
    assert read_one({"report": "Clear. Heart normal."}) == StudyTexts("Clear. Heart normal.")
    expected = StudyTexts("Clear.", {}, {"indication": "Cough."})
    assert read_one({"report": "Clear.\nHISTORY: Cough."}) == expected


@pytest.mark.parametrize(
    "text", ["IMPRESSION: Pneumothorax.", "FINDINGS:\nIMPRESSION: Pneumothorax."]
)
def test_a_report_without_findings_has_none(text):
    assert read_one({"report": text}) == StudyTexts(None, {"impression": "Pneumothorax."})


def test_findings_and_impression_in_one_section():
    text = "FINDINGS/IMPRESSION: Mass. No effusion."
    assert read_one({"report": text}) == StudyTexts("Mass. No effusion.")


@pytest.mark.parametrize(
    ("row", "exam"),
    [
        ({"findings": "Clear.", "modality": "CR"}, "CR"),
        ({"findings": "Clear.", "modality": None}, ""),
        ({"findings": "Clear."}, ""),
        ({"report": "EXAM: CHEST 2 VIEWS\nFINDINGS: Clear."}, "CHEST 2 VIEWS"),
        ({"report": "EXAM: CHEST\nFINDINGS: Clear.", "modality": "CR"}, "CR"),
    ],
)
def test_the_exam_of_a_study(row, exam):
    assert read_one(row).exam == exam


# Each report once


def count(rows):
    return len(findings_of(rows))


def test_study_id_tells_repeats():
    rows = [{"study_id": i // 2, "findings": "Clear."} for i in range(6)]
    assert count(rows) == 3


def test_the_first_row_of_a_report_stands_for_it():
    texts = ["A.", "A.", "B.", "A."]
    rows = [{"study_id": 1, "findings": text} for text in texts]
    assert findings_of(rows) == ["A.", "B."]


def test_study_numbers_start_anew_with_each_patient():
    rows = [{"patient_id": p, "study": 1, "findings": "Clear."} for p in "aabb"]
    assert count(rows) == 2


def test_what_is_no_id_does_not_make_one_report_of_all():
    rows = [{"study": "CT chest", "findings": text} for text in ("Clear.", "Mass.", "Clear.")]
    assert findings_of(rows) == ["Clear.", "Mass."]


def test_studies_of_other_impressions_are_others():
    rows = [{"study": 1, "findings": "Clear.", "impression": text} for text in ("A.", "B.", "A.")]
    assert count(rows) == 2


@pytest.mark.parametrize(
    ("column", "paths"),
    [
        ("path_to_image", [f"train/patient{p}/study1/view{v}.jpg" for p in "12" for v in "12"]),
        ("VolumeName", [f"train_{p}_a_{v}.nii.gz" for p in "12" for v in "12"]),
        ("image_path", [f"p10/p100/s{s}/{v}.jpg" for s in "12" for v in "ab"]),
    ],
)
def test_path_of_the_image_tells_the_study(column, paths):
    assert count([{column: path, "findings": "Clear."} for path in paths]) == 2


def test_texts_tell_repeats_where_rows_are_images():
    rows = [{"image": f"{i}.png", "findings": t} for i, t in enumerate(["A.", "B.", "A.", None])]
    assert findings_of(rows) == ["A.", "B.", None]
    by_patient = [row | {"patient_id": i} for i, row in enumerate(rows)]
    assert findings_of(by_patient) == ["A.", "B.", "A.", None]


def test_rows_with_all_their_images_are_studies():
    rows = [{"image_path": ["a.png", "b.png"], "findings": "Clear."}] * 2
    assert count(rows) == 2
    assert count([{"ImagePath": "['a.png', 'b.png']", "findings": "Clear."}] * 2) == 2


def test_equal_texts_of_a_plain_list_are_reports_of_their_own():
    assert count([{"findings": "Clear."}] * 3) == 3


def test_missing_ids_count_as_none():
    rows = [{"study_id": float("nan"), "findings": "Clear."}] * 2
    assert count(rows) == 2


def test_every_kind_of_dataset_gives_the_same():
    columns = {"study_id": [1, 1, 2], "findings": [["A", "B"], ["A", "B"], ["A", "B"]]}
    table = Dataset.from_dict(columns)
    for reports in (table, table.to_iterable_dataset(), table.select([2, 1, 0])):
        assert findings_of(reports) == ["A. B."] * 2


def test_pictures_are_not_read(monkeypatch):
    picture = PILImage.new("L", (4, 4))
    features = Features({"image": Image(), "findings": Value("string")})
    reports = Dataset.from_dict({"image": [picture] * 2, "findings": ["A.", "A."]}, features)
    monkeypatch.setattr(Image, "decode_example", lambda *_, **__: pytest.fail("decoded"))
    assert findings_of(reports) == ["A."]
    assert findings_of(reports.to_iterable_dataset()) == ["A."]


# One column of any kind of dataset, and no other


@pytest.mark.parametrize(
    "reports",
    [
        lambda: ROWS,
        lambda: TEXTS,
        lambda: iter(ROWS),
        lambda: Dataset.from_list(ROWS),
        lambda: Dataset.from_list(ROWS).with_format("numpy"),
        lambda: Dataset.from_list(ROWS).to_iterable_dataset(),
        lambda: Dataset.from_list(ROWS).to_iterable_dataset().map(lambda row: row),
    ],
    ids=["dicts", "strings", "iterator", "Dataset", "numpy", "IterableDataset", "stream"],
)
@pytest.mark.parametrize("text_column", ["findings", None])
def test_findings_of_any_kind_of_dataset(reports, text_column):
    assert findings_of(reports(), text_column) == TEXTS


def test_what_was_found_is_told():
    columns, _ = iterate_studies([{"Findings": "A.", "Impression": "B."}])
    assert (columns.findings, columns.impression) == ("Findings", "Impression")
    assert iterate_studies(TEXTS)[0] is None
    assert findings_of([]) == []


def test_other_columns_are_not_decoded():
    table = Dataset.from_dict(
        {"findings": ["Clear lungs."], "image": [{"bytes": b"no image", "path": None}]},
        features=Features({"findings": Value("string"), "image": Image()}),
    )
    with pytest.raises(OSError, match="cannot identify image"):
        table[0]
    assert findings_of(table) == ["Clear lungs."]
    assert findings_of(table.to_iterable_dataset()) == ["Clear lungs."]


@pytest.mark.parametrize(
    "reports",
    [ROWS, Dataset.from_list(ROWS), Dataset.from_list(ROWS).to_iterable_dataset()],
    ids=["dicts", "Dataset", "IterableDataset"],
)
def test_a_missing_column_names_those_there_are(reports):
    with pytest.raises(ValueError, match="'report' not found; the columns are 'findings', 'n'"):
        findings_of(reports, "report")


def test_a_row_that_lacks_the_column_is_an_error():
    with pytest.raises(ValueError, match="'findings' not found; the columns are 'n'"):
        findings_of([ROWS[0], {"n": 3}])


def test_rows_need_not_have_the_same_columns():
    rows = [{"findings": "A.", "impression": "B."}, {"findings": "C."}]
    assert findings_of(rows) == ["A.", "C."]


def test_a_dataset_dict_is_refused_with_its_splits():
    splits = datasets.DatasetDict(train=Dataset.from_list(ROWS))
    with pytest.raises(ValueError, match="choose one of 'train'"):
        iterate_studies(splits)
    streams = datasets.IterableDatasetDict(test=splits["train"].to_iterable_dataset())
    with pytest.raises(ValueError, match="choose one of 'test'"):
        iterate_studies(streams)


def test_check_column_names_the_argument():
    check_column("a", {"a": 1})
    with pytest.raises(ValueError, match="columns are none: pass one as context_columns="):
        check_column("a", [], "context_columns")
