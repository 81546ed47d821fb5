"""The reward, the scorer and the metric give one F1 to a pair of reports, by what both claim."""

from itertools import pairwise

import pytest
from fakes import FakeEncoder, build_index, made_up_reports

from metrics.finding_f1.finding_f1 import FindingF1
from semenrich_datasets.index.clustering import DBSCAN
from semenrich_trainers.report_scores import ReportScorer
from semenrich_trainers.rewards import ClusterReward

# Nothing but its cluster tells what "flurby" says: both wordings lie in one, by sign and side.
UNREAD = [
    "Flurby lungs.",
    "The lungs flurby.",
    "No flurby effusion.",
    "There is no flurby effusion.",
    "Left flurby effusion.",
    "Right flurby effusion.",
]


class OneSpace(FakeEncoder):
    """Sees neither sides nor negation, so that clusters mix both."""

    def encode(self, sentences):
        blind = [" ".join(word for word in s.split() if word not in BLIND) for s in sentences]
        return super().encode(blind)


BLIND = ("left", "right", "no", "Left", "Right", "No")


@pytest.fixture(scope="module")
def index():
    reports = [*(row["findings"] for row in made_up_reports()), *UNREAD * 3]
    settings = {"embedder": OneSpace(), "clustering": DBSCAN(eps=0.1, min_samples=1)}
    return build_index(reports, **settings)


def score(index, generated, reference):
    """What all three say of a pair: the reward, the scorer's F1 and the metric's."""
    completion = f"<think> {generated} </think><answer> Normal. </answer>"
    (reward,) = ClusterReward(index, impression_column=None)([completion], findings=[reference])
    scores = ReportScorer(index)([completion], [reference], ["Normal."])
    metric = FindingF1(index=index, keep_in_memory=True)
    results = metric._compute([generated], [reference])
    assert results["finding_cluster_example_f1"] == results["finding_cluster_f1"]
    return reward, scores.metrics["cluster_f1"], results["finding_cluster_f1"]


@pytest.mark.parametrize(
    ("left", "right", "f1"),
    [
        # One meaning, two wordings
        ("No focal airspace consolidation.", "No focal infiltrate.", 1),
        ("Cardiomegaly.", "The heart is enlarged.", 1),
        ("The lungs are clear.", "Clear lungs.", 1),
        ("No pleural effusion.", "There is no pleural effusion.", 1),
        ("Heart size is normal.", "Normal cardiac silhouette.", 1),
        ("There is a small left pleural effusion.", "Small effusion on the left.", 1),
        # How much there is of it
        ("Small left pleural effusion.", "Large left pleural effusion.", 0.5),
        # Sides
        ("Left pleural effusion.", "Right pleural effusion.", 0),
        ("Left pleural effusion.", "Bilateral pleural effusions.", 2 / 3),
        # Negation
        ("Left pleural effusion.", "No left pleural effusion.", 0),
        ("The heart is enlarged.", "The heart is not enlarged.", 0),
        # Doubt
        ("The heart is enlarged.", "The heart may be enlarged.", 0.875),
        # One says more than the other
        ("No pleural effusion.", "No large pleural effusion.", 0),
        ("No pleural effusion or pneumothorax.", "No pneumothorax.", 2 / 3),
        # How it is put into sentences
        ("No pleural effusion or pneumothorax.", "No pneumothorax. No pleural effusion.", 1),
        # Not understood: in one cluster, of one sign and side
        ("Flurby lungs.", "The lungs flurby.", 1),
        ("No flurby effusion.", "There is no flurby effusion.", 1),
        # in one cluster, of another sign or side
        ("No flurby effusion.", "Left flurby effusion.", 0),
        ("Left flurby effusion.", "Right flurby effusion.", 0),
        # in none
        ("Parrots whistle.", "Bizarre penguins sing.", 0),
        ("Parrots whistle.", "parrots  whistle", 1),
        ("Parrots whistle.", "Flurby lungs.", 0),
    ],
)
def test_one_f1_of_a_pair(index, left, right, f1):
    assert score(index, left, right) == pytest.approx((f1, f1, f1))
    assert score(index, right, left) == pytest.approx((f1, f1, f1))


def test_one_f1_of_reports():
    index = build_index()
    generated = "Clear lungs. Cardiomegaly. Parrots whistle. Small left effusion. Lungs clear."
    reference = "The lungs are clear. The heart is enlarged. Right effusion. No pneumothorax."
    # Two of four and four.
    assert score(index, generated, reference) == pytest.approx([1 / 2] * 3, abs=1e-12)
    texts = [row["findings"] for row in made_up_reports(30, seed=5)]
    for pair in pairwise(texts):
        reward, scored, measured = score(index, *pair)
        assert reward == scored == pytest.approx(measured, abs=1e-12)
    assert len({score(index, *pair)[0] for pair in pairwise(texts)}) > 3
