"""The plugins, called as ms-swift, verl and EasyR1 call them.

The fakes follow the sources of these projects: `import_external_file` and the reward loop of
ms-swift's GRPOTrainer, verl's `get_custom_reward_fn` with its "naive" and "batch" reward managers,
and EasyR1's `FunctionRewardManager`.
"""

import importlib
import importlib.util
import json
import math
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from fakes import build_index, made_up_reports

from semenrich_trainers.rewards import ClusterReward, format_reward

PLUGINS = Path(__file__).parents[2] / "examples/plugins"

COMPLETIONS = [
    "<think> Heart enlarged. No pneumothorax. </think><answer> The heart is enlarged. </answer>",
    "<think> Lungs clear. </think><answer> No pneumothorax. </answer> and more",
    "No pleural effusion.",
    "<think> Lungs clear. </think><answer> Lungs clear. </answer>",
]
COLUMNS = {
    "findings": ["The heart is enlarged.", "The lungs are clear.", "There is no effusion.", None],
    "impression": ["Heart enlarged.", "No pneumothorax.", None, None],
}
GROUND_TRUTHS = [
    dict(zip(COLUMNS, sections, strict=True)) for sections in zip(*COLUMNS.values(), strict=True)
]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    build_index(made_up_reports(60)).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def expected(index):
    scores = ClusterReward(index)(COMPLETIONS, **COLUMNS)
    assert scores[:2] == [pytest.approx((2 / 3) + 1), 2]
    assert scores[3] is None
    return scores


# ms-swift


@pytest.fixture(params=["swift.rewards", "swift.plugin"], ids=["version 4", "version 3"])
def make_reward(request, monkeypatch):
    """Reads the plugin as `--external_plugins` does; makes a reward as `_prepare_rewards` does."""

    class ORM:
        if request.param == "swift.rewards":

            def __init__(self, args=None, **kwargs):
                self.args = args

    room = ModuleType(request.param)
    room.ORM, room.orms = ORM, {}
    for name in ("swift", "swift.rewards", "swift.plugin", "ms_swift_rewards"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "swift", ModuleType("swift"))
    monkeypatch.setitem(sys.modules, request.param, room)
    monkeypatch.syspath_prepend(str(PLUGINS))
    importlib.import_module("ms_swift_rewards")
    given = {"args": object()} if request.param == "swift.rewards" else {}
    return lambda name: room.orms[name](**given)


def call(reward, rows):
    """As `_compute_rewards_per_func` does."""
    completions = [row["messages"][-1]["content"] for row in rows]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    values = reward(completions, trainer_state=None, **columns)
    return [math.nan if value is None else value for value in values]


def test_ms_swift_gets_the_cluster_and_the_format_reward(make_reward, index, expected, monkeypatch):
    rows = [
        {
            "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": text}],
            "images": ["1.png"],
            **sections,
        }
        for text, sections in zip(COMPLETIONS, GROUND_TRUTHS, strict=True)
    ]
    monkeypatch.setenv("SEMENRICH_INDEX", index)
    clusters = call(make_reward("semenrich_cluster"), rows)
    assert clusters[:3] == expected[:3]
    assert math.isnan(clusters[3])
    form = call(make_reward("semenrich_format"), rows)
    assert form == format_reward(COMPLETIONS) == [1, 0, 0, 1]


def test_the_plugin_takes_its_choices_from_the_environment(make_reward, index, monkeypatch):
    reward = make_reward("semenrich_cluster")
    monkeypatch.delenv("SEMENRICH_INDEX", raising=False)
    with pytest.raises(ValueError, match="SEMENRICH_INDEX, found none"):
        reward(COMPLETIONS, **COLUMNS)
    monkeypatch.setenv("SEMENRICH_INDEX", index)
    monkeypatch.setenv("SEMENRICH_IMPRESSION_INDEX", index)
    monkeypatch.setenv("SEMENRICH_WEIGHTS", "abnormal")
    weighted = ClusterReward(index, index, weights="abnormal")
    assert reward(COMPLETIONS, **COLUMNS) == weighted(COMPLETIONS, **COLUMNS)
    assert reward.reward is reward.reward
    assert reward.reward.impression_index is not None


# verl and EasyR1


def load(name):
    """Both load the file by its path, under a name of their own, and take one name from it."""
    spec = importlib.util.spec_from_file_location("custom_module", PLUGINS / "verl_rewards.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name), module


@pytest.mark.parametrize("as_text", [True, False], ids=["json", "mapping"])
def test_verl_gets_the_cluster_reward(index, expected, as_text):
    truths = [json.dumps(one) if as_text else one for one in GROUND_TRUTHS]
    compute_score, _ = load("compute_score")
    compute_scores, _ = load("compute_scores")
    kwargs = {"index": index, "format_weight": 0.0}
    # NaiveRewardManager, and what newer versions add to the call.
    one_by_one = [
        compute_score(
            data_source="reports",
            solution_str=text,
            ground_truth=truth,
            extra_info={"num_turns": None},
            reward_router_address=None,
            **kwargs,
        )
        for text, truth in zip(COMPLETIONS, truths, strict=True)
    ]
    # BatchRewardManager.
    batch = compute_scores(
        data_sources=["reports"] * 4,
        solution_strs=COMPLETIONS,
        ground_truths=truths,
        extra_infos=[None] * 4,
        **kwargs,
    )
    assert one_by_one == batch == [*expected[:3], 0.0]
    with_format = compute_scores(["reports"] * 4, COMPLETIONS, truths, None, index=index)
    assert with_format == pytest.approx([expected[0] + 0.2, expected[1], expected[2], 0.2])


def test_easyr1_gets_the_cluster_reward(index, expected):
    function, module = load("compute_easyr1_scores")
    assert module.REWARD_TYPE == "batch"
    reward_fn = partial(function, index=index)
    inputs = [
        {"response": text, "response_length": len(text), "ground_truth": json.dumps(truth)}
        for text, truth in zip(COMPLETIONS, GROUND_TRUTHS, strict=True)
    ]
    scores = reward_fn(inputs)
    assert [score["accuracy"] for score in scores] == [*expected[:3], 0.0]
    assert [score["format"] for score in scores] == [1, 0, 0, 1]
    assert scores[0]["overall"] == pytest.approx(expected[0] + 0.2)


def test_an_index_is_opened_once(index):
    _, module = load("compute_score")
    assert module.open_reward(index) is module.open_reward(index)
    assert module.open_reward(index, None, "abnormal").weights == "abnormal"


@pytest.mark.parametrize("truth", ["No effusion.", '{"findings": "a"}', "[1]", None])
def test_a_ground_truth_that_is_no_report_is_named(index, truth):
    compute_score, _ = load("compute_score")
    with pytest.raises(ValueError, match=r"write both sections into the dataset as JSON"):
        compute_score("reports", COMPLETIONS[0], truth, index=index)
