"""CheXbert and RadGraph F1 as rewards, with the real modules on tiny random models."""

import pickle
from pathlib import Path

import evaluate
import pytest
from tiny_chexbert import SAMPLE_REPORTS, write_tiny
from tiny_radgraph import write_archive

from semenrich_trainers.rewards import CheXbertReward, RadGraphReward

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
