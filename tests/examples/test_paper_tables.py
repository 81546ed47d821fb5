"""The experiment from end to end with almost nothing of each, and its parts by hand."""

import json
import re

import numpy as np
import paper_tables
import pytest
import torch
import yaml
from datasets import Dataset
from fakes import build_index
from paired_tests import Figure
from paper_arms import ARMS, PROMPT
from paper_comparison import compare_arms
from paper_markdown import to_markdown
from paper_rewards import REWARDS
from paper_runs import WeightedCollator, arm_rows
from paper_scores import ASKED, band_counts, cut_to, figures_of, score_reports
from phantom_truth_scores import count_statements

from semenrich_datasets.phantom import load_phantom


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paper")
    recipe = yaml.safe_load(paper_tables.RECIPE.read_text())
    (folder / "recipe.yaml").write_text(
        yaml.safe_dump({**recipe, "output_dir": str(folder / "runs")})
    )
    arguments = ["--config", str(folder / "recipe.yaml"), "--quick"]
    paper_tables.main(arguments)
    return folder / "runs_quick", arguments


def test_it_runs_from_nothing_to_the_tables(finished):
    runs, _ = finished
    tables = json.loads((runs / "tables" / "results.json").read_text())
    asked = {
        name: [f"{name}{ASKED[prompt]}" for prompt in arm.prompts] for name, arm in ARMS.items()
    }
    assert set(tables["sft"]) == {row for rows in asked.values() for row in rows}
    assert asked["both"] == ["both, asked as written", "both, asked for all"]
    assert set(tables["grpo"]) == {*REWARDS, "before GRPO"}
    assert {line["method"] for line in tables["pruning"]} >= {"greedy", "best_of_n"}
    assert tables["sft"]["safe"]["bleu_complete"].keys() >= {"value", "interval", "p_corrected"}
    assert len(tables["seconds"]) == len(ARMS) + len(REWARDS)
    text = (runs / "tables" / "tables.md").read_text()
    assert "| safe | 1 |" in text
    for name in ("arms", "rewards", "bands", "grpo", "pruning"):
        assert (runs / "tables" / f"{name}.svg").stat().st_size > 1000


def test_what_is_done_is_not_done_again(finished, monkeypatch):
    runs, arguments = finished
    before = {path: path.stat().st_mtime_ns for path in runs.glob("*/*/*/result.json")}
    monkeypatch.setattr(paper_tables, "_runner", None)  # no piece may start
    paper_tables.main(arguments)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_folder_knows_its_recipe(finished):
    runs, _ = finished
    recipe = yaml.safe_load(paper_tables.RECIPE.read_text())
    other = runs.parent / "other.yaml"
    other.write_text(yaml.safe_dump({**recipe, "output_dir": str(runs)[:-6], "unsaid": 0.1}))
    with pytest.raises(ValueError, match=r"unsaid: then 0\.05, now 0\.1"):
        paper_tables.main(["--config", str(other), "--quick"])


def test_a_copy_scores_1():
    studies = load_phantom(3, seed=4, images=False)
    copies = [f"<think> {text} </think>" for text in studies["complete_findings"]]
    scores = score_reports(copies, studies, build_index())
    assert scores["bleu_complete"] == pytest.approx([1.0] * 3)
    assert scores["unit_complete"] == [1.0] * 3
    assert scores["normal_found"] == scores["normal_there"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    with pytest.raises(TypeError):
        paper_tables.write_json(tmp_path / "result.json", {"bad": object()})
    assert not (tmp_path / "result.json").exists()


TRUTH = [
    {"name": "cardiomegaly", "value": "mild", "site": ""},
    {"name": "effusion", "value": "small", "site": "left"},
]


def test_statements_counted_by_hand():
    text = (
        "<think> The heart is enlarged. There is a small right pleural effusion. No visible "
        "pneumothorax. The lungs are clear. </think><answer> Cardiomegaly. </answer>"
    )
    counts = count_statements(text, TRUTH)
    # Cardiomegaly is true and found; the effusion is on the other side.
    assert (counts.abnormal_said, counts.abnormal_true) == (2, 1)
    assert (counts.abnormal_there, counts.abnormal_found) == (2, 1)
    # With an effusion before them the lungs are not clear.
    assert (counts.normal_said, counts.normal_true, counts.harm) == (2, 1, 1)
    assert counts.normal_there > counts.normal_found == 1


def test_a_report_that_says_nothing_does_no_harm_and_finds_nothing():
    counts = count_statements("", TRUTH)
    assert (counts.normal_said, counts.abnormal_said, counts.harm) == (0, 0, 0)
    assert (counts.normal_found, counts.abnormal_found) == (0, 0)
    assert counts.normal_there > 5


def test_reports_are_cut_after_whole_sentences():
    texts = [
        "<think> One two. Three four. Five six. </think>",
        "<think> A long first one. </think>",
    ]
    others = ["<think> Five words are in here. </think>", "<think> Short. </think>"]
    assert cut_to(texts, others) == [
        "<think> One two. Three four. </think>",
        "<think> A long first one. </think>",
    ]


def test_figures_by_hand():
    counts = {"said": [2, 2], "true": [1, 2], "there": [4, 2], "found": [1, 2]}
    scores = {
        f"{sign}_{name}": one for name, one in counts.items() for sign in ("normal", "abnormal")
    }
    figures = figures_of({**scores, "harm": [1, 0]}, bands=())
    assert figures["all_precision"].value == pytest.approx(6 / 8)
    assert figures["all_recall"].value == pytest.approx(6 / 12)
    assert figures["all_f1"].value == pytest.approx(0.6)
    assert figures["harm"].value == 0.5


def test_claims_are_counted_by_how_common_they_are():
    index = build_index(
        [{"findings": f"No pneumothorax. Film {n}." if n else "Cardiomegaly."} for n in range(10)]
    )
    counts = band_counts(["No pneumothorax."], ["No pneumothorax. Cardiomegaly."], index)
    assert (counts["common_both"], counts["common_there"]) == ([1.0], [1.0])
    assert (counts["usual_both"], counts["usual_there"]) == ([0.0], [1.0])


def test_arms_are_compared_over_seeds_and_corrected():
    generator = np.random.default_rng(0)
    studies = generator.random(80)

    def runs(gain):
        return {s: {"score": Figure.mean(studies + gain + s / 100)} for s in range(3)}

    table = compare_arms({"base": runs(0.0), "better": runs(0.3), "same": runs(0.0)}, "base")
    assert table["better"]["score"]["difference"] == pytest.approx(0.3)
    assert table["better"]["score"]["relative"] == pytest.approx(
        0.3 / table["base"]["score"]["value"]
    )
    assert table["better"]["score"]["p_corrected"] < 0.05 < table["same"]["score"]["p_corrected"]
    assert "difference" not in table["base"]["score"]


def test_only_differences_beyond_chance_are_bold():
    entry = {"value": 0.5, "seeds": 3, "difference": 0.1, "relative": 0.25, "p_corrected": 0.2}
    entry["interval"] = [0.04, 0.16]
    arms = {"base": {"harm": {"value": 0.4, "seeds": 3}}, "safe": {"harm": entry}}
    runs = {"sft/base/0": {"distinct": 3.0}, "sft/safe/0": {"distinct": 4.0}}
    tables = {"sft": arms, "grpo": {}, "runs": runs}
    assert "0.500 (+25 %, +10 to +40)" in to_markdown(tables)
    entry["p_corrected"] = 0.01
    assert "0.500 (**+25 %**, +10 to +40)" in to_markdown(tables)
    entry["seeds"] = 2
    assert "0.500 (+25 %, +10 to +40)" in to_markdown(tables)


class Tokenizer:
    """A token a word."""

    def __call__(self, texts, **_):
        cut = [[match.span() for match in re.finditer(r"\S+", text)] for text in texts]
        return {"input_ids": [[*range(1, len(one) + 1)] for one in cut], "offset_mapping": cut}


def collate(rows):
    """A prompt of two tokens, the words of the completion and an end, as TRL lays them out."""
    words = [len(row["completion"][0]["content"].split()) for row in rows]
    longest = max(words)
    ids = [[90, 91, *range(1, n + 1), 99, *[0] * (longest - n)] for n in words]
    labels = [[-100, -100, *range(1, n + 1), 99, *[-100] * (longest - n)] for n in words]
    return {"input_ids": torch.tensor(ids), "labels": torch.tensor(labels)}


STUDIES = Dataset.from_dict(
    {
        "image": [None, None],
        "findings": ["Heart normal.", "No effusion"],
        "safe_findings": ["Heart normal. Lungs clear.", "No effusion"],
        "impression": ["Normal.", "Normal."],
    }
)


def test_what_was_added_weighs_less_and_nothing_else_does():
    rows = [*arm_rows(STUDIES, ARMS["safe_third"])]
    weights = WeightedCollator(collate, Tokenizer(), 0.25)(rows)["loss_weights"]
    # <think> Heart normal. Lungs clear. </think><answer> Normal. </answer>
    assert weights[0].tolist() == [1, 1, 1, 1, 1, 0.25, 0.25, 1, 1, 1, 1]
    assert weights[1].tolist() == [1.0] * 11


def test_an_arm_of_two_prompts_shows_each_study_with_each():
    rows = arm_rows(STUDIES, ARMS["both"])
    asked = [(row["prompt"][0]["content"], row["completion"][0]["content"]) for row in rows]
    assert len(asked) == 4
    assert "Lungs clear" not in asked[0][1]
    assert "Lungs clear" in asked[2][1]
    assert asked[0][0] != asked[2][0] != PROMPT
