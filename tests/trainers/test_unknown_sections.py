"""A section whose reference says nothing is not scored, whatever the reward."""

from __future__ import annotations

import math
from functools import cache

import pytest
from fakes import FakeEncoder, build_index
from hypothesis import given, settings
from hypothesis import strategies as st

from semenrich_trainers.references import known_text
from semenrich_trainers.report_scores import ReportScorer
from semenrich_trainers.rewards import (
    BleuReward,
    ClusterReward,
    ExactAnswerReward,
    FindingReward,
    MetricReward,
    SentenceReward,
    SetDistanceReward,
)

NOTHING = [
    None, math.nan, "", " \n", "XXXX.", "xxxx xxxx", "___", "-", "--", "...", "[**Location**]"[:0],
    "***", "[REDACTED]", "N/A", "n/a.", "NA", "n.a.", "None.", "none", "nil", "null", "NaN",
    "Not available.", "1. XXXX 2. XXXX.", [], ["XXXX."], 3.0,
]  # fmt: skip
SOMETHING = ["No XXXX.", "Normal.", "None of the above.", "No effusion", "XXXX normal", "Clear"]
FINDINGS = "The lungs are clear. Small left pleural effusion."


class SameWords:
    """An `evaluate` module: the share of words that are the same."""

    def compute(self, predictions, references):
        pairs = zip(predictions, references, strict=True)
        rows = [(set(p.split()), set(r.split())) for p, r in pairs]
        return {"rows": [{"score": len(p & r) / len(p | r)} for p, r in rows]}


MAKERS = {
    "cluster": lambda: ClusterReward(build_index()),
    "rarity": lambda: ClusterReward(build_index(), weights="rarity"),
    "abnormal": lambda: ClusterReward(build_index(), weights="abnormal"),
    "finding": FindingReward,
    "sentence": SentenceReward,
    "bleu": BleuReward,
    "chamfer": lambda: SetDistanceReward("chamfer", FakeEncoder()),
    "matching": lambda: SetDistanceReward("matching", FakeEncoder()),
    "energy": lambda: SetDistanceReward("energy", FakeEncoder()),
    "metric": lambda: MetricReward(SameWords(), "rows", "score"),
}
SECTIONED = [name for name in MAKERS if name != "metric"]


@cache
def made(name):
    return MAKERS[name]()


def report(findings, impression):
    return f"<think> {findings} </think><answer> {impression} </answer>"


def paid(name, completion, findings, impression):
    (value,) = made(name)([completion], findings=[findings], impression=[impression])
    return value


@pytest.mark.parametrize("value", NOTHING)
def test_what_says_nothing(value):
    assert known_text(value) is None


@pytest.mark.parametrize("value", SOMETHING)
def test_what_says_something(value):
    assert known_text(value) == value


def test_a_list_of_sentences_is_a_text():
    assert known_text(["No effusion", "Clear lungs."]) == "No effusion. Clear lungs."


@pytest.mark.parametrize("name", SECTIONED)
@pytest.mark.parametrize("nothing", [None, "XXXX.", "N/A"])
def test_silence_is_not_paid_where_nobody_says_what_is_right(name, nothing):
    spoken, silent = report(FINDINGS, "Normal."), report(FINDINGS, "")
    assert paid(name, spoken, FINDINGS, nothing) == pytest.approx(2.0)
    assert paid(name, silent, FINDINGS, nothing) == pytest.approx(2.0)
    # What is known counts twice, right or wrong.
    assert paid(name, "", FINDINGS, nothing) == 0.0
    assert paid(name, report("", "Normal."), nothing, "Normal.") == pytest.approx(2.0)
    assert paid(name, spoken, nothing, nothing) is None


@pytest.mark.parametrize("name", SECTIONED)
def test_of_two_known_sections_each_counts_once(name):
    half = report(FINDINGS, "")
    assert paid(name, half, FINDINGS, "Cardiomegaly.") == pytest.approx(1.0)


def test_a_metric_compares_only_what_is_known():
    assert paid("metric", report(FINDINGS, "Normal chest."), FINDINGS, "XXXX.") == 1.0
    assert paid("metric", report(FINDINGS, "Normal."), None, "Normal.") == 1.0
    assert paid("metric", report("", "Normal."), FINDINGS, None) == 0.0
    assert paid("metric", report(FINDINGS, ""), "N/A", math.nan) is None


def test_an_exact_answer_needs_one_that_says_something():
    reward = ExactAnswerReward()
    texts = [report("", "XXXX."), report("", "Normal."), report("", "None.")]
    assert reward(texts, impression=["XXXX.", "Normal.", "None."]) == [None, 1.0, None]


plain = st.sampled_from([FINDINGS, "Cardiomegaly.", "XXXX.", "", "No effusion. Clear lungs."])
any_text = plain | st.text(max_size=40).filter(lambda text: "<" not in text)
reference = st.sampled_from(NOTHING) | any_text


@settings(max_examples=60, deadline=None)
@given(any_text, any_text, any_text, reference, st.sampled_from(NOTHING))
@pytest.mark.parametrize("name", MAKERS)
def test_what_is_written_for_an_unknown_section_changes_nothing(
    name, findings, impression, other, known, unknown
):
    base = paid(name, report(findings, impression), known, unknown)
    assert paid(name, report(findings, other), known, unknown) == base
    base = paid(name, report(findings, impression), unknown, known)
    assert paid(name, report(other, impression), unknown, known) == base


@settings(max_examples=60, deadline=None)
@given(any_text, any_text, reference, reference)
@pytest.mark.parametrize("name", MAKERS)
def test_range(name, findings, impression, wanted, answer):
    value = paid(name, report(findings, impression), wanted, answer)
    highest = 1.0 if name == "metric" else 2.0
    if known_text(wanted) is None and known_text(answer) is None:
        assert value is None
    else:
        assert 0.0 <= value <= highest + 1e-6


def test_evaluation_leaves_out_what_is_unknown():
    scorer = ReportScorer(build_index())
    written = [report("Lungs clear.", "Cardiomegaly."), report("Clear lungs.", "Normal.")]
    scores = scorer(written, ["Lungs are clear.", "XXXX."], ["N/A", "Normal."])
    assert scores.metrics["impression_cluster_f1"] == 1.0
    assert scores.metrics["cluster_f1"] == scores.metrics["cluster_precision"] == 1.0
    assert scores.metrics["sentence_bleu"] > 0.0
    assert scores.reports["cluster_f1"].isna().tolist() == [False, True]
    assert scorer.most_missed(["", ""], ["XXXX.", "N/A"]).empty
