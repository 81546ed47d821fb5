"""Known words of which nothing is understood are no silence: nothing is added beside them."""

import pytest
from fakes import build_index

from semenrich_datasets import SemEnricher

CHEST = "Heart size is normal. Lungs are clear."


@pytest.fixture(scope="module")
def enricher():
    return SemEnricher(build_index(), min_score=0.0)


def added(enricher, findings, **row):
    return [one["sentence"] for one in enricher({"findings": findings, **row})["added_findings"]]


def test_the_report_itself_gets_something(enricher):
    assert added(enricher, CHEST)


@pytest.mark.parametrize(
    "sentence",
    [
        "The left lung is down.",
        "Air on the left.",
        "Loculated air at the right base.",
        "Rounded band in the left apex.",
        "There is [redacted] on the left.",
        "Worse.",
        "Apices off film.",
        "Left hemithorax not included.",
        "Absent lung markings in the left apex.",
        "[ ] No effusion [X] Effusion.",
        "Pneumothorax: [yes|no]",
        "Effusion = 0.",
        "☐ No pneumothorax",
        "Abnormal chest x-ray.",
        "Multiple abnormalities.",
    ],
)
def test_nothing_beside_what_is_told_and_not_said(enricher, sentence):
    assert added(enricher, f"{CHEST} {sentence}") == []
    assert added(enricher, CHEST, impression=sentence) == []


@pytest.mark.parametrize("sentence", ["2 views.", "PA and lateral views.", "Comparison: none."])
def test_a_frame_says_nothing(enricher, sentence):
    assert added(enricher, f"{CHEST} {sentence}")


def test_one_side_is_not_both(enricher):
    assert added(enricher, "Right lung is clear. Heart size is normal.") == []
    assert added(enricher, "Right lung is clear. Left lung is clear. Heart size is normal.")


@pytest.mark.parametrize(
    "exam",
    [
        {"exam": "XR SHOULDER LEFT"},
        {"exam": "Ribs unilateral"},
        {"exam_type": None, "StudyDescription": "MRI KNEE"},
        {"exam": "", "modality": "MR"},
        {"BodyPartExamined": "KNEE"},
        {"technique": "Left knee MRI."},
        {"procedure": "CT abdomen"},
    ],
)
def test_every_column_of_the_exam_is_read(enricher, exam):
    assert added(enricher, CHEST, **exam) == []


@pytest.mark.parametrize(
    "exam",
    [{"exam": "Chest 2 views"}, {"modality": "CR"}, {"technique": "AP portable"}, {"exam": None}],
)
def test_exams_of_its_kind(enricher, exam):
    assert added(enricher, CHEST, **exam)


def test_no_column_with_a_conclusion_is_left_unread(enricher):
    told = "Moderate left pneumothorax."
    for row in (
        {"impression": [[told]]},
        {"impression": None, "report": f"FINDINGS: {CHEST} IMPRESSION: {told}"},
        {"diagnosis": told},
        {"comments": told},
    ):
        assert not any("pneumothorax" in one for one in added(enricher, CHEST, **row)), row


def test_what_is_no_text_is_refused(enricher):
    for value in ({"text": "Left pneumothorax."}, b"Left", [{"role": "user", "content": "x"}]):
        with pytest.raises(ValueError, match="'impression'"):
            enricher({"findings": CHEST, "impression": value})
    with pytest.raises(TypeError, match="dict"):
        enricher(CHEST)


@pytest.mark.parametrize(
    "options",
    [
        {"enriched_column": "impression"},
        {"enriched_column": "mine", "added_column": "mine"},
        {"text_column": "a", "enriched_column": "a"},
        {"min_score": float("nan")},
        {"min_score": 7},
    ],
)
def test_options_that_would_switch_a_check_off(enricher, options):
    with pytest.raises(ValueError, match=r"expected|replace"):
        SemEnricher(enricher.index, **options)


@pytest.mark.parametrize(
    "text", ["ab" * 25_000, "No " + "opacity, " * 12_000, "normal heart " * 10_000, "1" * 100_000]
)
def test_no_text_is_too_long(enricher, text):
    assert added(enricher, text) == []
