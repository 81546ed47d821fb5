"""Masked truth: what is hidden, what is counted, by whom a report is judged."""

from itertools import pairwise

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from fakes import build_index, made_up_reports
from hypothesis import given
from hypothesis import strategies as st

from semenrich_datasets import SemEnricher
from semenrich_datasets.audit import masked_truth
from semenrich_datasets.audit.masked_truth import interval
from semenrich_datasets.enrich.report import Addition
from semenrich_datasets.index.counting import fold_of
from semenrich_datasets.index.topics import SILENT, Topic, Topics
from semenrich_datasets.sentences import split_sentences

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


MORE = [
    *ROWS,
    {  # Said twice, once each way: what is wrong counts.
        "findings": "Heart size normal. No pneumothorax.",
        "impression": "Cardiomegaly.",
        "indication": "Pneumothorax? Cough.",
    },
    {  # Spoken of, but neither normal nor abnormal; a history states nothing of the image.
        "findings": "The heart is stable. Lungs clear.",
        "impression": None,
        "indication": "Known cardiomegaly.",
    },
]
CONCEPTS = ["heart", "lungs", "pleural_effusion", "pneumothorax"]


def test_counts_by_hand(index):
    # The lungs: an effusion contradicts clear lungs, so the first report counts as hidden normal.
    masked, _ = masked_by(index, rows=MORE, concepts=CONCEPTS)
    assert masked.reports == 4
    assert figures(masked, "heart") == (2, 0, 1, 0)
    assert figures(masked, "pleural_effusion") == (1, 0, 1, 0)
    assert figures(masked, "pneumothorax") == (0, 0, 2, 0)
    assert masked.additions == {0.0: 0}
    masked, _ = masked_by(index, "The heart is normal.", "No pneumothorax.", rows=MORE)
    assert figures(masked, "heart") == (2, 2, 1, 1)
    assert figures(masked, "pleural_effusion") == (1, 0, 1, 0)
    assert figures(masked, "pneumothorax") == (0, 0, 2, 2)
    assert masked.additions == {0.0: 8}


def test_two_sentences_on_one_topic_are_one_error(index):
    masked, _ = masked_by(index, "The heart is normal.", "Heart size normal.", rows=MORE)
    assert figures(masked, "heart") == (2, 2, 1, 1)
    # What is added abnormal is neither the opposite of one that was hidden nor the same.
    masked, _ = masked_by(index, "Cardiomegaly.", rows=MORE)
    assert figures(masked, "heart") == (2, 0, 1, 0)


@pytest.mark.parametrize("concept", CONCEPTS)
def test_nothing_that_is_left_speaks_of_what_was_hidden(index, concept):
    touching = {
        "findings": "The heart is stable. No large pleural effusion. No large pneumothorax. Tube.",
        "impression": "Cardiomegaly, small effusion and pneumothorax, right lung consolidation.",
        "indication": "Large heart. Effusion?",
    }
    rows = [*MORE, touching, *made_up_reports(60, seed=2)]
    _, recorder = masked_by(index, rows=rows, concepts=[concept])
    read = index.reader.read
    topic = Topics([Topic(concept)], index.reader.lexicon)

    def spoken(report):
        parts = [report.sentences, report.context, report.history]
        said = [piece for part in parts for text in part for piece in split_sentences(text)]
        return (topic.stances([read(one) for one in said]) > SILENT).any()

    # Asked about each report as it is, then about the same text with the topic cut out.
    reports = recorder.reports
    hidden = [report for before, report in pairwise(reports) if before.text == report.text]
    assert len(hidden) > 20
    assert not any(map(spoken, hidden))
    assert sum(map(spoken, reports)) >= len(hidden)


def test_what_is_only_asked_is_hidden_but_not_counted(index):
    _, recorder = masked_by(index, rows=MORE[2:3], concepts=["pneumothorax"])
    whole, masked = recorder.reports
    assert whole.history == ("Pneumothorax? Cough.",)
    assert masked.history == ("cough",)
    assert masked.sentences == ("heart size normal",)
    assert masked.context == ("cardiomegaly",)
    known, _ = masked_by(index, rows=MORE[3:], concepts=["heart"])
    assert known.table.num_rows == 0


def test_each_question_is_asked_with_fresh_draws(index):
    _, recorder = masked_by(index, rows=ROWS[:1])
    states = {report.rng.getstate() for report in recorder.reports}
    assert len(recorder.reports) > 3
    assert len(states) == 1
    assert len({id(report.rng) for report in recorder.reports}) == len(recorder.reports)


def test_a_concept_that_is_none_is_named(index):
    with pytest.raises(ValueError, match="no concept 'zork'"):
        masked_by(index, concepts=["heart", "zork"])


def test_another_draw_takes_other_reports(index):
    rows = made_up_reports(60, seed=9)
    drawn = []
    for seed in (0, 0, 1):
        _, recorder = masked_by(index, rows=rows, concepts=["heart"], max_reports=20, seed=seed)
        drawn.append([report.text for report in recorder.reports])
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_share_left_unsaid_is_the_enrichers(index):
    enricher = SemEnricher(index, unsaid_abnormal=0.2)
    enricher.__dict__["selection"] = Recorder("The heart is normal.")
    masked = masked_truth(Dataset.from_list(MORE), enricher, show_progress=False)
    assert masked.unsaid == 0.2
    assert masked.implied_false() == pytest.approx(2 * 0.2 / 0.8)
    assert "leave 20.0% of abnormalities unsaid, about 0.5 of the 4 additions" in masked.summary()


def test_it_is_written_as_a_table(index):
    masked, _ = masked_by(index, "The heart is normal.", rows=MORE, concepts=CONCEPTS)
    head, *lines, everything, summary = str(masked).splitlines()
    assert head.split() == "topic hidden abnormal opposite added hidden normal said again".split()
    assert {len(line) for line in (head, *lines, everything)} == {91}
    told = {line[:24].strip(): line[24:].split() for line in (*lines, everything)}
    assert set(told) == {"heart", "lungs", "pleural effusion", "pneumothorax", "all"}
    assert told["heart"] == ["2", "2", "(34.2%", "to", "100.0%)", "1", "100.0%"]
    assert told["pneumothorax"] == ["0", "-", "2", "0.0%"]
    assert summary == masked.summary()
    total = masked.total()
    for name in ("abnormal", "opposite", "normal", "restored"):
        assert total[name] == sum(masked.by_topic().column(name).to_pylist())


@given(st.integers(0, 500), st.integers(1, 500))
def test_an_interval_holds_its_share_and_mirrors(part, whole):
    part = min(part, whole)
    low, high = interval(part, whole)
    assert 0 <= low <= part / whole + 1e-12
    assert part / whole - 1e-12 <= high <= 1
    assert interval(whole - part, whole) == pytest.approx((1 - high, 1 - low), abs=1e-9)
    wide, narrow = high - low, np.subtract(*interval(4 * part, 4 * whole)[::-1])
    assert narrow < wide
