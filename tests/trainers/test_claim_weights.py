"""What claims weigh: surprise by hand, and what a policy that looks at no image can earn."""

import math
import pickle

import pytest
from fakes import build_index

from semenrich_datasets.index.claims import ClaimReader, agree
from semenrich_trainers.rewards import ClusterReward
from semenrich_trainers.rewards.claim_weights import ClaimWeights, surprise

# 20 reports: the heart is normal in 12, large in 4; an effusion is denied in 18 and there in 2.
CORPUS = [
    *["The heart size is normal. No pleural effusion."] * 12,
    *["The heart is enlarged. No pleural effusion."] * 4,
    *["No pleural effusion."] * 2,
    *["Small left pleural effusion."] * 2,
]
TEMPLATE = "The heart size is normal. No pleural effusion."


@pytest.fixture(scope="module")
def index():
    # The corpus counts a report once however often it is repeated: a running number tells them.
    return build_index([{"findings": f"{text} Film {n}."} for n, text in enumerate(CORPUS)])


def weight_of(index, sentence):
    reader = ClaimReader(index)
    ((kind, is_abnormal),) = reader([sentence])[0].kinds
    return ClaimWeights(reader, "surprise")(kind, is_abnormal)


def test_surprise_is_the_focal_loss_of_a_guess():
    assert surprise(1.0) == 0.0
    assert surprise(0.5) == 0.25
    assert surprise(0.25) == pytest.approx(2 * 0.75**2)


@pytest.mark.parametrize(
    ("sentence", "share"),
    [
        # In all reports but those that state what it denies.
        ("The heart size is normal.", 16 / 20),
        ("No pleural effusion.", 18 / 20),
        # In those that state it.
        ("The heart is enlarged.", 4 / 20),
        ("Left pleural effusion.", 2 / 20),
    ],
)
def test_weights_by_hand(index, sentence, share):
    assert weight_of(index, sentence) == pytest.approx(-math.log2(share) * (1 - share) ** 2)


def test_a_finding_that_nobody_has_is_as_rare_as_the_rarest(index):
    assert weight_of(index, "Right pneumothorax.") == weight_of(index, "Pleural effusion.")


def test_what_says_nothing_of_the_patient_weighs_nothing(index):
    assert weight_of(index, "Film 3.") == 0.0


def test_a_rare_wording_of_a_denial_tells_no_more():
    corpus = [*CORPUS, "No large pleural effusion."]
    index = build_index([{"findings": f"{text} Film {n}."} for n, text in enumerate(corpus)])
    plain, rare = (weight_of(index, f"No {kind}effusion.") for kind in ("", "large "))
    assert rare <= plain < 0.01


def reward_of(index, weights=None):
    return ClusterReward(index, weights=weights, impression_column=None)


def paid(reward, text, references):
    written = [f"<think> {text} </think>"] * len(references)
    return sum(reward(written, findings=references)) / len(references)


def test_a_report_with_nothing_to_tell_pays_little(index):
    reward = reward_of(index, "surprise")
    normal, abnormal = (paid(reward, text, [text]) for text in (TEMPLATE, CORPUS[12]))
    assert 0 < normal < abnormal / 4


def test_the_normal_template_earns_little_of_what_the_truth_earns(index):
    earned = {}
    for weights in (None, "surprise"):
        reward = reward_of(index, weights)
        truth = sum(paid(reward, text, [text]) for text in CORPUS) / len(CORPUS)
        earned[weights] = paid(reward, TEMPLATE, CORPUS) / truth
    assert earned[None] > 0.7
    assert earned["surprise"] < 0.25


def test_the_prior_is_the_average_report(index):
    weights = ClaimWeights(ClaimReader(index), "surprise")
    shares = {16 / 20: 12, 18 / 20: 18, 4 / 20: 4, 2 / 20: 2}
    total = sum(held * surprise(share) for share, held in shares.items())
    assert weights.prior == pytest.approx(total / 20)
    assert ClaimWeights(ClaimReader(index)).prior == 0.0


def test_an_unknown_weighting_names_those_that_there_are(index):
    with pytest.raises(ValueError, match="'rarity', 'abnormal', 'surprise' or a mapping"):
        ClaimWeights(ClaimReader(index), "frequency")


def test_it_pickles_to_its_settings(index, tmp_path):
    index.save_pretrained(tmp_path)
    reward = reward_of(type(index).from_pretrained(tmp_path), "surprise")
    again = pickle.loads(pickle.dumps(reward))
    assert paid(again, TEMPLATE, CORPUS) == paid(reward, TEMPLATE, CORPUS)
    assert len(pickle.dumps(reward)) < 2000


def test_claims_and_agreement_by_hand(index):
    reader = ClaimReader(index)
    written, wanted = reader(
        [
            "No pneumothorax or pleural effusion. Mild cardiomegaly.",
            "No pneumothorax. Severe cardiomegaly. Left pleural effusion.",
        ]
    )
    assert (len(written.normal), len(written.findings), len(written.units)) == (2, 1, 0)
    weights = ClaimWeights(reader)
    agreement = agree(written, wanted, weights, index.reader)
    assert agreement["normal"].shared == 1.0
    assert (agreement["normal"].written, agreement["normal"].wanted) == (2, 1)
    # Mild for severe: two steps of a quarter.
    assert agreement["abnormal"].shared == 0.5
    assert (agreement["abnormal"].written, agreement["abnormal"].wanted) == (1, 2)
