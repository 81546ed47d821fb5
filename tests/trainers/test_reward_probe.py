"""The table of edits: what each is, and that it tells a good reward from poor ones."""

import pytest
from fakes import build_index, made_up_reports

from semenrich_trainers.reward_probe import probe_rewards
from semenrich_trainers.rewards import ClusterReward, SentenceReward

REPORTS = {
    "findings": [
        "The heart is enlarged. No pneumothorax.",
        "Small left pleural effusion. The lungs are clear.",
        "There is a small left pleural effusion. Normal heart size.",
        "The lungs are clear. No pleural effusion.",
    ],
    "impression": ["Cardiomegaly.", "Effusion.", None, "Normal."],
}


def length_reward(prompts, completions, **columns):
    return [float(len(text)) for text in completions]


def nothing_reward(completions, **columns):
    return [0.0 for _ in completions]


@pytest.fixture(scope="module")
def table():
    index = build_index(made_up_reports(200))
    rewards = {
        "cluster": ClusterReward(index),
        "sentence": SentenceReward(),
        "length": length_reward,
        "nothing": nothing_reward,
    }
    return probe_rewards(rewards, REPORTS, index, show_progress=False)


def test_what_keeps_the_meaning_is_paid_in_full(table):
    kept = ["in another order", "each sentence twice"]
    assert (table.loc[kept, "cluster"] == 1.0).all()
    assert table.loc["in other words", "cluster"] == 1.0
    assert table.loc["in other words", "sentence"] < 1.0


def test_what_turns_the_meaning_costs(table):
    turned = ["the other side", "another degree", "a finding left out", "a finding denied"]
    turned += ["all findings denied as well"]
    assert (table.loc[turned, "cluster"] < 0.95).all()
    assert table.loc["nothing", "cluster"] == 0.0


def test_each_edit_is_of_the_reports_that_it_can_be_made_in(table):
    assert table.loc["the other side", "reports"] == 2
    assert table.loc["a finding left out", "reports"] == 3
    assert table.loc["a normal statement left out", "reports"] == 4
    assert table.loc["the prompt", "reports"] == 4


def test_a_reward_of_length_is_found_out(table):
    assert table.loc["each sentence twice", "length"] > 1.5
    assert table.loc["the prompt", "length"] > 0.9


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="expected a column 'findings' of reports, found text"):
        probe_rewards({}, {"text": ["Lungs clear."]}, build_index(), show_progress=False)


def test_a_reward_that_pays_nothing_for_the_reports_has_no_share(table):
    assert table["nothing"].isna().all()
