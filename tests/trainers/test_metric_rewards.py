"""CheXbert and RadGraph F1 as rewards, with the real modules on tiny random models."""

import pickle
from pathlib import Path

import evaluate
import pytest
from tiny_chexbert import SAMPLE_REPORTS, write_tiny
from tiny_radgraph import write_archive

from semenrich_trainers.rewards import CheXbertReward, MetricReward, RadGraphReward

METRICS = Path(__file__).parents[2] / "metrics"
WRITTEN = [f"<think> {text} </think><answer> Normal. </answer>" for text in SAMPLE_REPORTS[:6]]
# Half are what was written, half are not.
FINDINGS = SAMPLE_REPORTS[:3] + SAMPLE_REPORTS[4:7]
REFERENCES = {"findings": FINDINGS, "impression": ["Normal."] * 6}


@pytest.fixture(scope="module")
def chexbert(tmp_path_factory):
    options = write_tiny(tmp_path_factory.mktemp("chexbert"))
    return {"path": METRICS / "chexbert_f1", "device": "cpu", **options}


@pytest.fixture(scope="module")
def radgraph(tmp_path_factory):
    archive = write_archive(tmp_path_factory.mktemp("radgraph") / "radgraph-xl")
    return {"path": METRICS / "radgraph_f1", "device": "cpu", "archive": str(archive)}


def score_pairs(model, rows, key):
    """What the module itself says of the same whole reports."""
    options = {name: value for name, value in model.items() if name != "path"}
    module = evaluate.load(str(model["path"]), per_report=True, **options)
    result = module.compute(
        predictions=[f"{text} Normal." for text in SAMPLE_REPORTS[:6]],
        references=[f"{text} Normal." for text in FINDINGS],
    )
    return [row[key] for row in result[rows]]


@pytest.mark.parametrize(
    ("name", "make", "rows", "key"),
    [
        ("chexbert", CheXbertReward, "chexbert_per_report", "example_f1_14"),
        ("radgraph", RadGraphReward, "radgraph_per_report", "partial"),
    ],
)
def test_a_reward_is_what_the_module_says(name, make, rows, key, request):
    model = dict(request.getfixturevalue(name))
    path = model.pop("path")
    reward = make(path, **model)
    scores = reward(WRITTEN, **REFERENCES)
    assert scores == score_pairs({"path": path, **model}, rows, key)
    assert len(set(scores)) > 1
    assert all(0 <= score <= 1 for score in scores)
    again = pickle.loads(pickle.dumps(reward))
    assert again(WRITTEN, **REFERENCES) == scores
    empty = {"findings": ["", SAMPLE_REPORTS[0]], "impression": ["", "Normal."]}
    assert reward([WRITTEN[0], ""], **empty) == [None, 0.0]


def written(findings, impression):
    return f"<think> {findings} </think><answer> {impression} </answer>"


class FakeMetric:
    """An `evaluate` module that counts what it is asked."""

    def __init__(self, rows, key):
        self.rows, self.key, self.asked = rows, key, []

    def compute(self, predictions, references):
        self.asked += list(zip(predictions, references, strict=True))
        return {
            self.rows: [
                {self.key: float(p == r)} for p, r in zip(predictions, references, strict=True)
            ]
        }


@pytest.mark.parametrize(
    ("make", "rows", "key"),
    [
        (CheXbertReward, "chexbert_per_report", "example_f1_14"),
        (RadGraphReward, "radgraph_per_report", "partial"),
    ],
)
def test_metrics_as_rewards(make, rows, key):
    metric = FakeMetric(rows, key)
    reward = make(metric)
    columns = {"findings": ["A b.", "A b.", "", None, "c"], "impression": ["n", "n", "", None, ""]}
    completions = [
        written("A b.", "n"),
        written("A b.", "n"),
        written("x", "No acute disease."),
        "y",
        "",
    ]
    assert reward(completions, **columns) == [1.0, 1.0, None, None, 0.0]
    assert metric.asked == [("A b. n", "A b. n")]
    reward(completions, **columns)
    assert len(metric.asked) == 1
    with pytest.raises(ValueError, match="findings"):
        reward(["a"], impression=["b"])
    renamed = make(metric, findings_column="enriched", impression_column="summary")
    assert renamed([written("A b.", "n")], enriched=["A b."], summary=["n"]) == [1.0]


def test_metric_rewards_pickle_without_what_they_loaded():
    reward = MetricReward("somewhere/module", "rows", "score", uncertain="negative")
    other = pickle.loads(pickle.dumps(reward))
    assert (other.metric, other.options) == ("somewhere/module", {"uncertain": "negative"})
