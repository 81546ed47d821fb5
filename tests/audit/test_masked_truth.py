"""Masked truth: what is hidden, what is counted, by whom a report is judged."""

import pytest
from datasets import Dataset, DatasetDict
from fakes import build_index, made_up_reports

from semenrich_datasets import SemEnricher
from semenrich_datasets.audit import masked_truth
from semenrich_datasets.audit.masked_truth import interval
from semenrich_datasets.enrich.report import Addition
from semenrich_datasets.index.counting import fold_of

ROWS = [
    {
        "findings": "Cardiomegaly. Lungs clear. Small left pleural effusion.",
        "impression": "Large heart. No pneumothorax.",
        "indication": "Heart failure. Cough.",
    },
    {
        "findings": "Heart size normal. No pleural effusion.",
        "impression": "Normal heart.",
        "indication": None,
    },
]


class Recorder:
    """A choice of its own that keeps the reports that it was asked about."""

    def __init__(self, *sentences):
        self.sentences = sentences
        self.reports = []

    def __call__(self, report):
        self.reports.append(report)
        return [Addition(one, 0, 1, 1.0) for one in self.sentences]


@pytest.fixture(scope="module")
def index():
    return build_index([*made_up_reports(), *ROWS])


def masked_by(index, *sentences, rows=ROWS, **options):
    """The masked truth of a choice that always adds these sentences."""
    enricher = SemEnricher(index)
    recorder = Recorder(*sentences)
    enricher.__dict__["selection"] = recorder
    data = Dataset.from_list(rows)
    return masked_truth(data, enricher, show_progress=False, **options), recorder


def figures(masked, topic):
    (row,) = (row for row in masked.by_topic().to_pylist() if row["topic"] == topic)
    return tuple(row[name] for name in ("abnormal", "opposite", "normal", "restored"))


def test_the_opposite_and_the_same_are_told_apart(index):
    masked, _ = masked_by(index, "The heart size is normal.")
    # The first report states a large heart, the second a normal one: hidden, both are said normal.
    assert figures(masked, "heart") == (1, 1, 1, 1)
    # Nothing is said of the pleura.
    assert figures(masked, "pleural_effusion") == (1, 0, 1, 0)
    assert masked.total()["opposite"] == 1


def test_what_is_said_of_another_topic_is_no_opposite(index):
    masked, _ = masked_by(index, "No pneumothorax.")
    assert masked.total()["opposite"] == 0
    assert figures(masked, "pneumothorax") == (0, 0, 1, 1)


def test_all_that_is_said_on_a_topic_is_gone_from_every_column(index):
    _, recorder = masked_by(index, concepts=["heart"])
    whole, masked, *others = recorder.reports
    assert "Cardiomegaly." in whole.sentences
    texts = " ".join([*masked.sentences, *masked.context, *masked.history]).lower()
    for word in ("cardiomegaly", "heart"):
        assert word not in texts
    for kept in ("lungs clear", "effusion", "no pneumothorax", "cough"):
        assert kept in texts
    assert len(others) == 2  # the second report whole, then without its heart


def test_a_report_is_judged_by_a_model_that_has_not_seen_it(index):
    _, recorder = masked_by(index)
    from semenrich_datasets.columns import StudyTexts

    folds = {report.text: report.fold for report in recorder.reports}
    assert folds == {
        row["findings"]: fold_of(StudyTexts(row["findings"]), by_patient=False) for row in ROWS
    }


def test_additions_to_the_reports_as_they_are(index):
    masked, _ = masked_by(index, "No pneumothorax.", "The heart size is normal.")
    assert masked.reports == 2
    assert masked.additions == {0.0: 4}


def test_what_it_implies_by_hand(index):
    masked, _ = masked_by(index, "The heart size is normal.", "No pleural effusion.")
    # Two abnormalities were hidden, to both the opposite was added: 1 in 19 stays unsaid beside.
    wrong = masked.total()["opposite"]
    assert wrong >= 2
    assert masked.unsaid == 0.05
    assert masked.implied_false() == pytest.approx(wrong / 19)
    assert f"about {wrong / 19:.1f} of the 4 additions" in masked.summary()
    empty, _ = masked_by(index, rows=[{"findings": "Lungs clear.", "impression": None}])
    assert "not known" in empty.summary()
    assert "heart" in str(masked)


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    # By R: binom::binom.confint(part, whole, methods = "wilson")
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (5, 100, 0.0215, 0.1118),
    ],
)
def test_intervals(part, whole, low, high):
    assert interval(part, whole) == pytest.approx((low, high), abs=1e-4)
    assert interval(0, 0) == (0.0, 1.0)


def test_a_higher_threshold_adds_no_more():
    rows = made_up_reports(300, seed=4)
    masked = masked_truth(
        Dataset.from_list(rows), SemEnricher(build_index(rows)), show_progress=False
    )
    assert masked.min_score == 0.97
    assert len(masked.thresholds) > 5
    added = [masked.additions[threshold] for threshold in masked.thresholds]
    assert added == sorted(added, reverse=True)
    assert added[0] > added[-1]
    wrong = [masked.total(threshold)["opposite"] for threshold in masked.thresholds]
    assert wrong[0] > wrong[-1]
    for threshold in masked.thresholds:
        total = masked.total(threshold)
        assert total["opposite"] <= total["abnormal"]
        assert total["restored"] <= total["normal"]


def test_patients_must_be_told():
    rows = [{**row, "patient_id": f"p{n % 40}"} for n, row in enumerate(made_up_reports())]
    index = build_index(rows)
    assert index.config.by_patient
    data = Dataset.from_list(rows)
    masked = masked_truth(data, SemEnricher(index), min_scores=(), show_progress=False)
    assert masked.reports == 200
    with pytest.raises(ValueError, match="keep the column of patients"):
        masked_truth(data.remove_columns("patient_id"), SemEnricher(index), show_progress=False)


def test_no_more_reports_than_asked_for(index):
    data = Dataset.from_list(made_up_reports(60, seed=9))
    masked = masked_truth(data, SemEnricher(index), max_reports=25, show_progress=False)
    assert masked.reports == 25


def test_the_published_method_is_tested_on_topics_that_are_named():
    rows = made_up_reports()
    paper = build_index(rows, preset="paper")
    enricher = SemEnricher(paper, preset="paper")
    masked = masked_truth(
        Dataset.from_list(rows), enricher, concepts=["heart", "pneumothorax"], show_progress=False
    )
    assert set(masked.table.column("topic").to_pylist()) == {"heart", "pneumothorax"}
    assert masked.thresholds == [0.0]
    assert masked.total()["abnormal"] > 5


def test_one_split_is_asked_for(index):
    splits = DatasetDict(train=Dataset.from_list(ROWS))
    with pytest.raises(TypeError, match="choose a split"):
        masked_truth(splits, SemEnricher(index), show_progress=False)
