"""Scores of generated reports, counted by hand; tables of a run."""

import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from fakes import build_index

from semenrich_trainers.report_scores import ReportScorer
from semenrich_trainers.tables import log_table


@pytest.fixture(scope="module")
def scorer():
    return ReportScorer(build_index())


def report(findings, impression="Normal."):
    return f"<think> {findings} </think><answer> {impression} </answer>"


def test_counted_by_hand(scorer):
    written = [
        report("Lungs clear. No pneumothorax. Heart enlarged."),
        report("Clear lungs.", "Cardiomegaly."),
        "Lungs clear.",
    ]
    findings = ["The lungs are clear. Normal heart size.", "Lungs clear.", None]
    scores = scorer(written, findings, ["Normal.", "Normal.", ""])
    metrics = scores.metrics
    # Of 3 + 1 statements written and 2 + 1 wanted, 1 + 1 are the same; the third has no reference.
    assert metrics["cluster_precision"] == pytest.approx(2 / 4)
    assert metrics["cluster_recall"] == pytest.approx(2 / 3)
    assert metrics["cluster_f1"] == pytest.approx((2 * 1 / 5 + 1) / 2)
    assert metrics["cluster_f1_normal"] == pytest.approx(2 * 2 / (3 + 3))
    assert metrics["cluster_f1_abnormal"] == 0.0
    assert metrics["impression_cluster_f1"] == pytest.approx(1 / 2)
    assert metrics["format_rate"] == pytest.approx(2 / 3)
    assert scores.reports["cluster_f1"].isna().tolist() == [False, False, True]
    assert len(scores.missed) == 1
    assert "eart" in scores.missed["sentence"][0]
    assert scores.missed[["sign", "missed", "held"]].to_numpy().tolist() == [["normal", 1, 1]]


def test_the_most_often_missed_come_first(scorer):
    written = [report("No pneumothorax.")] * 3
    findings = ["Lungs clear. No pneumothorax.", "Lungs clear.", "The heart is enlarged."]
    missed = scorer.most_missed(written, findings)
    assert missed["missed"].tolist() == [2, 1]
    assert missed["held"].tolist() == [2, 1]
    assert missed["sign"].tolist() == ["normal", "abnormal"]


def test_nothing_to_score(scorer):
    scores = scorer([], [], [])
    assert scores.metrics["cluster_f1"] == 0.0
    assert scores.metrics["format_rate"] == 0.0
    assert scores.missed.empty


def test_a_table_goes_where_the_run_reports_to(tmp_path, monkeypatch):
    sent = []
    fake = SimpleNamespace(log=sent.append, Table=lambda dataframe: dataframe.to_dict("list"))
    monkeypatch.setitem(sys.modules, "trackio", fake)
    args = SimpleNamespace(output_dir=tmp_path, report_to=["trackio", "tensorboard"])
    path = log_table(args, "missed", pd.DataFrame({"sentence": ["Lungs clear."]}), 7)
    assert sent == [{"missed": {"step": [7], "sentence": ["Lungs clear."]}}]
    assert path == tmp_path / "_tables" / "missed_00007.parquet"
    assert pd.read_parquet(path)["step"].tolist() == [7]
