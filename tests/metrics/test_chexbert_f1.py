import json
from pathlib import Path

import evaluate
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.torch import save_file
from tiny_chexbert import EDGE_REPORTS, SAMPLE_REPORTS, write_checkpoint, write_encoder, write_tiny

from metrics.chexbert_f1.chexbert_labeler import LABELS, load_labeler
from metrics.chexbert_f1.multilabel import averages, bootstrap_intervals, label_scores

MODULE = str(Path(__file__).parents[2] / "metrics/chexbert_f1")
RECORDED = Path(__file__).parents[1] / "data/chexbert_recorded.json"
PREDICTIONS = SAMPLE_REPORTS + EDGE_REPORTS
REFERENCES = SAMPLE_REPORTS[::-1] + EDGE_REPORTS[1:] + EDGE_REPORTS[:1]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("chexbert"))


@pytest.fixture(scope="module")
def recorded():
    return json.loads(RECORDED.read_text())


def rule(reports):
    """Cardiomegaly where a report says "enlarged", uncertain where it asks."""
    classes = np.zeros((len(reports), 14), dtype=int)
    for row, report in enumerate(reports):
        classes[row, 1] = 0 if "enlarged" not in report else 3 if "?" in report else 1
    return classes


def load(**options):
    # In memory: an error leaves a cache file locked, and the next test waiting for it.
    return evaluate.load(MODULE, keep_in_memory=True, **options)


# What f1chexbert said of the same texts, by the same weights


def test_classes_are_those_recorded_from_f1chexbert(tiny, recorded):
    classes = load_labeler(**tiny).label(PREDICTIONS)
    theirs = [[{"": 0, 1: 1, 0: 2, -1: 3}[c] for c in row] for row in recorded["classes"]]
    assert classes.tolist() == theirs


def test_figures_are_those_recorded_from_f1chexbert(tiny, recorded):
    results = load(per_report=True, **tiny).compute(predictions=PREDICTIONS, references=REFERENCES)
    assert results["chexbert_accuracy_5"] == pytest.approx(recorded["accuracy_5"], abs=1e-12)
    rows = results["chexbert_per_report"]
    assert [row["accuracy_5"] for row in rows] == recorded["accuracy_5_per_report"]
    names = {"micro": "micro", "macro": "macro", "weighted": "weighted", "samples": "example"}
    for size in (14, 5):
        report = recorded[f"report_{size}"]
        for theirs, ours in names.items():
            figure = results[f"chexbert_{ours}_f1_{size}"]
            assert figure == pytest.approx(report[f"{theirs} avg"]["f1-score"], abs=1e-12)
    for label, scores in results["chexbert_labels"].items():
        theirs = recorded["report_14"][label]
        theirs["f1"] = theirs.pop("f1-score")
        assert scores == pytest.approx(theirs, abs=1e-12)


def test_labels_do_not_depend_on_batch_or_order(tiny):
    labeler = load_labeler(**tiny)
    one_by_one = labeler.label(PREDICTIONS, batch_size=1)
    assert np.array_equal(labeler.label(PREDICTIONS, batch_size=7), one_by_one)
    assert np.array_equal(labeler.label(PREDICTIONS[::-1]), one_by_one[::-1])


# What counts


def test_uncertain_counts_as_told_and_is_echoed():
    reports = {"predictions": ["enlarged?"], "references": ["enlarged"]}
    positive = load(labeler=rule).compute(**reports)
    negative = load(labeler=rule, uncertain="negative").compute(**reports)
    assert (positive["chexbert_uncertain"], positive["chexbert_micro_f1_14"]) == ("positive", 1)
    assert (negative["chexbert_uncertain"], negative["chexbert_micro_f1_14"]) == ("negative", 0)
    with pytest.raises(ValueError, match='"positive" or "negative", found \'ignore\''):
        load(labeler=rule, uncertain="ignore")


def test_figures_by_hand():
    results = load(labeler=rule, per_report=True).compute(
        predictions=["enlarged", "", "enlarged"], references=["enlarged", "enlarged", ""]
    )
    scores = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}
    assert results["chexbert_labels"]["Cardiomegaly"] == scores
    assert results["chexbert_micro_f1_14"] == 0.5
    assert results["chexbert_macro_f1_5"] == pytest.approx(0.1)
    assert results["chexbert_example_f1_5"] == pytest.approx(1 / 3)
    assert results["chexbert_accuracy_5"] == pytest.approx(1 / 3)
    assert results["chexbert_per_report"][1] == {
        "predicted_labels": [],
        "reference_labels": ["Cardiomegaly"],
        "example_f1_14": 0.0,
        "accuracy_14": 0.0,
        "example_f1_5": 0.0,
        "accuracy_5": 0.0,
    }


def test_each_distinct_report_is_labelled_once():
    seen = []

    def labeler(reports):
        seen.extend(reports)
        return rule(reports)

    load(labeler=labeler).compute(predictions=["a", "b", "a"], references=["b", "a", "c"])
    assert seen == ["a", "b", "c"]


def test_the_model_is_loaded_once_a_process(tiny):
    first, second = load(**tiny), load(uncertain="negative", **tiny)
    assert first._load() is second._load()


@given(arrays(bool, st.tuples(st.integers(1, 8), st.just(5))), st.integers(0, 5), st.integers(0, 9))
def test_figures_keep_their_bounds(actual, flipped, seed):
    predicted = actual.copy()
    predicted[:, :flipped] ^= True
    figures = averages(predicted, actual)
    assert all(0 <= value.item() <= 1 for value in figures.values())
    assert all(
        0 <= v <= 1 for row in label_scores(predicted, actual) for v in list(row.values())[:3]
    )
    for name, (low, high) in bootstrap_intervals(predicted, actual, 20, seed).items():
        assert 0 <= low <= high <= 1, name


def test_weights_repeat_reports():
    generator = np.random.default_rng(0)
    predicted, actual = generator.random((2, 6, 5)) < 0.5
    counts = np.array([0, 1, 2, 0, 3, 1])
    rows = np.repeat(np.arange(6), counts)
    weighted = averages(predicted, actual, counts[None].astype(float))
    for name, value in averages(predicted[rows], actual[rows]).items():
        assert weighted[name] == pytest.approx(value, abs=1e-12), name


def test_intervals_hold_the_figure_and_follow_the_seed():
    reports = {"predictions": ["enlarged", ""] * 50, "references": ["enlarged"] * 100}
    results = load(labeler=rule, bootstrap=300, seed=1).compute(**reports)
    low, high = results["chexbert_intervals"]["micro_f1_14"]
    assert low < results["chexbert_micro_f1_14"] < high
    assert high - low == pytest.approx(2 * 1.96 * 0.045, abs=0.05)
    again = load(labeler=rule, bootstrap=300, seed=1).compute(**reports)
    assert again == results
    other = load(labeler=rule, bootstrap=300, seed=2).compute(**reports)
    assert other["chexbert_intervals"] != results["chexbert_intervals"]


# Bad input


def test_no_reports():
    with pytest.raises(ValueError, match="at least one report, found no predictions"):
        load(labeler=rule).compute(predictions=[], references=[])


def test_a_missing_report_is_named():
    with pytest.raises(ValueError, match="None in 1 of the references, first in row 1"):
        load(labeler=rule).compute(predictions=["a", "b"], references=["a", None])


def test_lengths_that_differ():
    with pytest.raises(ValueError, match="Mismatch in the number of predictions"):
        load(labeler=rule).compute(predictions=["a", "b"], references=["a"])


def test_empty_and_endless_reports_have_values(tiny):
    reports = ["", "The lungs are clear. " * 500]
    results = load(**tiny).compute(predictions=reports, references=reports)
    assert results["chexbert_accuracy_14"] == 1


def test_a_labeler_of_the_wrong_shape():
    with pytest.raises(ValueError, match=r"must return shape \(1, 14\), found \(1, 5\)"):
        load(labeler=lambda reports: np.zeros((len(reports), 5))).compute(
            predictions=["a"], references=["a"]
        )


def wrong_checkpoints(folder, encoder):
    large = write_encoder(folder / "large", hidden_size=64)
    torch.save({"weights": {}}, folder / "other.pth")
    torch.save({"model_state_dict": {"module.bert.x": torch.ones(1)}}, folder / "few.pth")
    (folder / "page.pth").write_text("<html>Not Found</html>")
    (folder / "page.safetensors").write_text("<html>Not Found</html>")
    return {
        folder / "absent.pth": "found no file",
        folder / "page.pth": "cannot be read",
        folder / "page.safetensors": "cannot be read",
        folder / "other.pth": r"as `model_state_dict`, found \['weights'\]",
        folder / "few.pth": "found other weights in .*Missing key",
        write_checkpoint(folder / "large.pth", large): "size mismatch",
    }


def test_wrong_checkpoints(tmp_path, tiny):
    for path, message in wrong_checkpoints(tmp_path, tiny["encoder"]).items():
        with pytest.raises(ValueError, match=message):
            load_labeler(str(path), tiny["encoder"], "cpu")


class Payload:
    def __reduce__(self):
        return (Path.touch, (Path("executed"),))


def test_a_checkpoint_runs_no_code(tmp_path, tiny, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model_state_dict": Payload()}, "evil.pth")
    with pytest.raises(ValueError, match="cannot be read"):
        load_labeler(str(tmp_path / "evil.pth"), tiny["encoder"], "cpu")
    assert not Path("executed").exists()


def test_safetensors_give_the_same_labels(tmp_path, tiny):
    weights = torch.load(tiny["checkpoint"], weights_only=True)["model_state_dict"]
    weights.pop("module.bert.embeddings.position_ids")
    path = tmp_path / "chexbert.safetensors"
    save_file({name.removeprefix("module."): t for name, t in weights.items()}, path)
    converted = load_labeler(str(path), tiny["encoder"], "cpu")
    assert np.array_equal(
        converted.label(SAMPLE_REPORTS), load_labeler(**tiny).label(SAMPLE_REPORTS)
    )


def test_published_weights_come_from_the_hub_and_are_converted_once(hub, tiny):
    """Everything at its default, over HTTP, from a Hub on this machine."""
    hub.run(f"""
        from huggingface_hub import HfApi

        api = HfApi()
        api.create_repo("me/RRG_scorers")
        api.upload_file(repo_id="me/RRG_scorers", path_in_repo="chexbert.pth",
                        path_or_fileobj={tiny["checkpoint"]!r})
        api.create_repo("me/bert-base-uncased")
        api.upload_folder(repo_id="me/bert-base-uncased", folder_path={tiny["encoder"]!r})
    """)
    for theirs in ("StanfordAIMI/RRG_scorers", "google-bert/bert-base-uncased"):
        repos = hub.server.store.repos
        repos["models", theirs] = repos.pop(("models", f"me/{theirs.split('/')[1]}"))
    code = f"""
        import json
        import os
        from pathlib import Path
        from metrics.chexbert_f1.chexbert_labeler import load_labeler

        labels = load_labeler().label({SAMPLE_REPORTS!r}).tolist()
        files = Path(os.environ["HF_HOME"]).rglob("chexbert.*")
        converted = [f.stat().st_mtime_ns for f in files if f.suffix == ".safetensors"]
        print(json.dumps([labels, converted]))
    """
    first, second = (json.loads(hub.run(code).splitlines()[-1]) for _ in range(2))
    assert first[0] == load_labeler(**tiny).label(SAMPLE_REPORTS).tolist()
    assert len(first[1]) == 1
    assert second == first
    downloads = [line for line in hub.server.log if "GET" in line and "chexbert.pth" in line]
    assert len(downloads) == 1


def test_labels_have_the_papers_order():
    assert (LABELS[1], LABELS[9], LABELS[13]) == ("Cardiomegaly", "Pleural Effusion", "No Finding")
