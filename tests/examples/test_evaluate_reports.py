import csv
import itertools
import json
import sys
from types import ModuleType

import evaluate_reports
import fakes
import numpy as np
import pytest
import tiny_chexbert
import tiny_radgraph
from evaluate_reports import load_columns, main, read_options, score_all
from paired_tests import Figure, compare, holm, interval, randomization_p
from tiny_chexbert import SAMPLE_REPORTS

ROWS = [
    {"written": report, "same": report, "other": SAMPLE_REPORTS[row - 1]}
    for row, report in enumerate(SAMPLE_REPORTS)
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    options = tiny_chexbert.write_tiny(tmp_path_factory.mktemp("chexbert"))
    return [f"--set=chexbert_f1.{name}={value}" for name, value in options.items()]


def build_index(folder):
    """An index of the reports themselves, each sentence in its cluster."""
    reports = [{"findings": report} for report in SAMPLE_REPORTS]
    index = fakes.build_index(reports)
    index.save_pretrained(folder)
    return index


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def write_csv(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


# Figures


def test_figures_are_what_they_stand_for():
    assert Figure.mean([0.0, 0.5, 1.0]).value == 0.5
    hits, sizes = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[2.0, 0.0], [4.0, 0.0]])
    # The second label is nowhere: its F1 is 0.
    assert Figure.f1(hits, sizes).value == pytest.approx((4 / 6 + 0) / 2)
    # Precision 3/4, recall 1/2.
    parts, wholes = np.array([[1.0, 1.0], [2.0, 1.0]]), np.array([[1.0, 3.0], [3.0, 1.0]])
    assert Figure(parts, wholes, harmonic=True).value == pytest.approx(0.6)
    assert Figure(0 * parts, wholes, harmonic=True).value == 0


def test_interval_is_that_of_the_mean():
    scores = np.random.default_rng(0).normal(0.5, 0.1, 400)
    low, high = interval(Figure.mean(scores).values, 400, 2000, seed=1)
    half = 1.96 * scores.std() / 20
    assert (low, high) == pytest.approx((scores.mean() - half, scores.mean() + half), abs=0.002)


def test_p_is_that_of_all_permutations():
    generator = np.random.default_rng(3)
    parts = generator.integers(0, 4, (2, 8, 3)).astype(float)
    wholes = parts + generator.integers(0, 3, (2, 8, 3))
    first, second = Figure(parts[0], wholes[0]), Figure(parts[1], wholes[1])
    observed = abs(first.value - second.value)
    extreme = []
    for swap in itertools.product([0, 1], repeat=8):
        rows = np.array(swap), np.arange(8)
        other = 1 - rows[0], rows[1]
        mixed = Figure(parts[rows], wholes[rows]).value - Figure(parts[other], wholes[other]).value
        extreme.append(abs(mixed) >= observed - 1e-12)
    assert 0.05 < np.mean(extreme) < 0.95
    p = randomization_p(first, second, 20_000, seed=0)
    assert p == pytest.approx(np.mean(extreme), abs=0.01)


def test_p_of_equal_and_of_unlike_systems():
    low, high = Figure.mean([0.1] * 30), Figure.mean([0.9] * 30)
    assert compare(low, low, 199, 0) == {"difference": 0, "interval": [0, 0], "p_value": 1}
    apart = compare(high, low, 199, 0)
    assert apart["p_value"] == 1 / 200
    assert apart["interval"] == pytest.approx([0.8, 0.8])


def test_p_is_rarely_small_by_chance():
    generator = np.random.default_rng(0)
    pairs = generator.normal(size=(200, 2, 40))
    small = [
        randomization_p(Figure.mean(a), Figure.mean(b), 199, seed=row) <= 0.05
        for row, (a, b) in enumerate(pairs)
    ]
    assert 0.01 < np.mean(small) < 0.1


# A run


def test_two_systems_are_scored_and_compared(tmp_path, tiny, capsys):
    source = write_csv(tmp_path / "reports.csv", ROWS)
    names = ["--references=written", "--systems", "same", "other", "--resamples=199"]
    main([source, *names, f"--output={tmp_path / 'scores'}", *tiny])
    summary = json.loads((tmp_path / "scores/scores.json").read_text())
    same, other = summary["systems"]["same"], summary["systems"]["other"]
    for name in ("sentence_bleu", "chexbert_micro_f1_14", "chexbert_example_f1_5"):
        assert other[name]["value"] < same[name]["value"]
        low, high = summary["comparison"][name]["interval"]
        assert low <= other[name]["value"] - same[name]["value"] <= high < 0
        assert 0 < summary["comparison"][name]["p_value"] <= 1
    assert same["sentence_bleu"]["value"] == pytest.approx(1)
    assert same["chexbert_micro_f1_14"]["value"] == 1
    assert summary["reports"] == len(ROWS)
    assert 0 <= other["finding_f1_normal"]["value"] < same["finding_f1_normal"]["value"] == 1
    assert {"bleu", "chexbert_f1", "finding_f1"}.isdisjoint(summary["left_out"])
    assert summary["left_out"]["radgraph_f1"]
    assert summary["comparisons"] == {"other": summary["comparison"]}
    table = (tmp_path / "scores/scores.md").read_text()
    assert "| figure | same | other | other - same | p | p (Holm) |" in table
    assert capsys.readouterr().out.strip().endswith(table.strip())
    assert "| sentence_bleu | 1.0000 [1.0000, 1.0000] |" in table
    assert "Left out: radgraph_f1: " in table
    assert "(--set radgraph_f1.archive=radgraph.tar.gz)" in table
    assert (
        "Left out: finding_cluster_f1: no index of findings is given (--set finding_f1.index="
        in table
    )
    assert same["finding_score"]["value"] == 1 > other["finding_score"]["value"]


@pytest.mark.parametrize(
    ("name", "write", "count"),
    [
        ("chexbert_f1", tiny_chexbert.write_tiny, 6),
        ("radgraph_f1", tiny_radgraph.write_tiny, 3),
        ("finding_f1", lambda _: {}, 9),
        ("finding_f1", lambda folder: {"index": build_index(folder)}, 17),
    ],
)
def test_figures_are_the_modules_own(name, write, count, tmp_path):
    """Rebuilt from the values per report, they are what the module gives for the corpus."""
    options = write(tmp_path)
    columns = [row["other"] for row in ROWS], [row["written"] for row in ROWS]
    results = evaluate_reports._run_module(name, *columns, options)
    figures = evaluate_reports.SCORERS[name](*columns, options)
    assert len(figures) == count
    for figure_name, figure in figures.items():
        assert figure.value == pytest.approx(results[figure_name], abs=1e-12), figure_name


def test_one_system_has_no_comparison(tmp_path, tiny, capsys):
    source = write_csv(tmp_path / "reports.csv", ROWS)
    main([source, "--references=written", "--systems=other", f"--output={tmp_path}", *tiny])
    assert "comparison" not in json.loads((tmp_path / "scores.json").read_text())
    assert "difference" not in capsys.readouterr().out


def test_each_of_many_systems_is_compared_with_the_first(tmp_path, monkeypatch):
    """By bleu alone, and a second figure that is the same upside down."""

    def score(predictions, references, options):
        found = evaluate_reports.score_bleu(predictions, references, options)
        flipped = Figure.mean((1 - found["sentence_bleu"].parts[:, 0]).tolist())
        return {**found, "flipped": flipped}

    monkeypatch.setattr(evaluate_reports, "SCORERS", {"bleu": score})
    rows = [{**row, "none": "", "half": ROWS[r - r % 2]["written"]} for r, row in enumerate(ROWS)]
    source, names = write_csv(tmp_path / "reports.csv", rows), ["same", "other", "half", "none"]
    main(
        [
            source,
            "--references=written",
            "--resamples=199",
            f"--output={tmp_path}",
            "--systems",
            *names,
        ]
    )
    summary = json.loads((tmp_path / "scores.json").read_text())
    assert list(summary["systems"]) == names
    assert list(summary["comparisons"]) == names[1:]
    assert "comparison" not in summary
    entries = [one for named in summary["comparisons"].values() for one in named.values()]
    assert [one["p_holm"] for one in entries] == holm([one["p_value"] for one in entries])
    # Each p-value is once in either figure: six comparisons, the smallest times six.
    smallest = min(one["p_value"] for one in entries)
    assert min(one["p_holm"] for one in entries) == pytest.approx(6 * smallest)
    for name in names[1:]:
        found = summary["comparisons"][name]["sentence_bleu"]["difference"]
        value = summary["systems"][name]["sentence_bleu"]["value"]
        assert found == pytest.approx(value - 1)
    lines = (tmp_path / "scores.md").read_text().splitlines()
    heads = [
        "other - same | p | p (Holm)",
        "half - same | p | p (Holm)",
        "none - same | p | p (Holm)",
    ]
    assert lines[0] == f"| figure | {' | '.join([*names, *heads])} |"
    assert {line.count("|") for line in lines[:4]} == {15}
    assert "corrected for all 6 of the table." in "\n".join(lines)
    assert "Too few" not in "\n".join(lines)


def test_too_few_resamples_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate_reports, "SCORERS", {"bleu": evaluate_reports.score_bleu})
    source = write_csv(tmp_path / "reports.csv", ROWS)
    settings = ["--references=written", "--resamples=18", f"--output={tmp_path}"]
    main([source, *settings, "--systems", "same", "other"])
    assert "--resamples 20 or more." in (tmp_path / "scores.md").read_text()


def test_what_cannot_run_is_named_with_the_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    monkeypatch.setitem(sys.modules, "bert_score", None)
    monkeypatch.setitem(sys.modules, "comet", None)
    options = {"chexbert_f1": {"encoder": "nobody/nothing"}}
    figures, left_out = score_all({"a": ["Clear."]}, ["Clear."], options)
    assert all(name.startswith("finding_") for name in figures["a"])
    assert set(left_out) == {*evaluate_reports.SCORERS, "finding_cluster_f1"} - {"finding_f1"}
    assert left_out["comet"].endswith("(pip install unbabel-comet)")
    assert left_out["chexbert_f1"]


def test_bertscore_and_comet_get_the_reports(monkeypatch):
    class Scores(list):
        numpy = lambda self: np.array(self)  # noqa: E731

    bert_score = ModuleType("bert_score")
    bert_score.score = lambda p, r, model_type: (None, None, Scores([0.5] * len(p)))
    monkeypatch.setitem(sys.modules, "bert_score", bert_score)
    figures = evaluate_reports.score_bertscore(["a", "", "c"], ["x", "y", " "], {})
    # An empty report scores 0 and never reaches bert_score.
    assert figures["bertscore_f1"].parts.tolist() == [[0.5], [0], [0]]

    class Model:
        def predict(self, rows, gpus, progress_bar):
            assert rows == [{"src": "x", "mt": "a", "ref": "x"}]
            return {"scores": [0.25]}

    comet = ModuleType("comet")
    comet.download_model = lambda name: f"/models/{name}"
    comet.load_from_checkpoint = lambda path: Model()
    monkeypatch.setitem(sys.modules, "comet", comet)
    assert evaluate_reports.score_comet(["a"], ["x"], {})["comet"].value == 0.25


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json", ".parquet"])
def test_files_are_read_alike(tmp_path, suffix):
    rows = [{"a": "None"}, {"a": ""}, {"a": 'Clear, "dry" lungs.\nNo effusion.'}]
    path = tmp_path / f"reports{suffix}"
    if suffix == ".csv":
        write_csv(path, rows)
    elif suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("\n".join(json.dumps(row) for row in rows))
    assert load_columns(str(path), "test", ["a"]) == {"a": [row["a"] for row in rows]}


def test_wrong_columns_and_options_are_named(tmp_path):
    source = write_csv(tmp_path / "reports.csv", ROWS)
    with pytest.raises(ValueError, match=r"Expected the columns \['generated'\], found"):
        load_columns(source, "test", ["written", "generated"])
    with pytest.raises(FileNotFoundError, match=r"no file missing\.csv"):
        load_columns("missing.csv", "test", ["written"])
    with pytest.raises(ValueError, match=r"one of bleu, .*found 'rouge.x=1'"):
        read_options(["rouge.x=1"])
    assert read_options(["bertscore.num_layers=6", "finding_f1.index=me/x"]) == {
        "bertscore": {"num_layers": 6},
        "finding_f1": {"index": "me/x"},
    }
