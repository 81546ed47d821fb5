"""The finding reward: its columns, its range, what it pays less for, how fast it is."""

import pickle
from time import perf_counter
from types import SimpleNamespace

import pytest

from semenrich_datasets import Reader
from semenrich_trainers.named_rewards import RewardContext, make_rewards
from semenrich_trainers.rewards import FindingReward

REFERENCE = "Small left pleural effusion. Cardiomegaly. No pneumothorax."


def completion(findings, impression=""):
    return f"<think> {findings} </think><answer> {impression} </answer>"


def score(text, reference=REFERENCE):
    reward = FindingReward(impression_column=None)
    return reward([completion(text)], findings=[reference])[0]


def test_findings_and_impression_add_up():
    completions = [
        completion(REFERENCE, "Heart failure."),
        completion(REFERENCE, ""),
        completion("", "Heart failure."),
    ]
    columns = {"findings": [REFERENCE] * 3, "impression": ["Heart failure."] * 3}
    assert FindingReward()(completions, **columns) == [2, 1, 1]


def test_empty_sections():
    reward = FindingReward()
    assert reward([completion("", "")], findings=[""], impression=["Normal chest."]) == [0]
    assert reward([completion("Effusion.")], findings=[None], impression=[""]) == [None]
    assert reward([completion("Effusion.")], findings=[""], impression=["Effusion."]) == [0]


def test_what_is_worse_earns_less():
    steps = [
        REFERENCE,
        "Moderate left pleural effusion. Cardiomegaly. No pneumothorax.",
        "Large left pleural effusion. Cardiomegaly. No pneumothorax.",
        "Large right pleural effusion. Cardiomegaly. No pneumothorax.",
        "Cardiomegaly. No effusion or pneumothorax.",
        "No effusion. Normal heart. Large pneumothorax.",
        "",
    ]
    scores = [score(text) for text in steps]
    assert scores == sorted(set(scores), reverse=True)
    assert (scores[0], scores[-1]) == (1, 0)
    # A side that is not said: one step, 0.25; of the weight of both findings 1.75 are shared.
    unsided = REFERENCE.replace("left ", "")
    assert score(unsided) == pytest.approx((1 + 0.25 * 1.75) / (1 + 0.25 * 1.75 + 0.25))


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="findings_column"):
        FindingReward()([completion("Effusion.")], impression=["Effusion."])


def test_it_takes_a_reader_a_lexicon_or_a_name_and_pickles():
    reader = Reader()
    for given in (reader, reader.lexicon, "chest_xray", None):
        assert FindingReward(given).reader == reader
    again = pickle.loads(pickle.dumps(FindingReward(reader, findings_column="enriched")))
    assert (again.__name__, again.findings_column) == ("finding_reward", "enriched")
    assert again.reader == reader


def test_it_has_a_name():
    index = SimpleNamespace(reader=Reader())
    (reward,) = make_rewards(["finding"], RewardContext(index, None, "said", "concluded"))
    assert isinstance(reward, FindingReward)
    assert reward.reader is index.reader
    assert (reward.findings_column, reward.impression_column) == ("said", "concluded")


def test_it_is_fast_where_sentences_repeat():
    reward = FindingReward()
    texts = [completion(REFERENCE, f"{size} left effusion.") for size in ("Small", "Large")] * 100
    columns = {"findings": [REFERENCE] * 200, "impression": ["Left effusion."] * 200}
    reward(texts, **columns)
    times = []
    for _ in range(3):
        begin = perf_counter()
        reward(texts, **columns)
        times.append(perf_counter() - begin)
    assert min(times) / len(texts) < 0.001
