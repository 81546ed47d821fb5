"""CheXbert F1 against f1chexbert and radeval, on the same random weights.

Runs in its own environment: `make test-peers`.
"""

import csv
from pathlib import Path
from types import SimpleNamespace

import evaluate
import numpy as np
import pytest

pytest.importorskip("f1chexbert", reason="the peers live in another environment: make test-peers")

from chexbert_peers import EDGE_REPORTS, SAMPLE_REPORTS, load_f1chexbert, load_radeval, write_tiny

ROOT = Path(__file__).parents[2]
IU_REPORTS = ROOT.parent / "shared/iu_xray/reports.csv"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    options = write_tiny(tmp_path_factory.mktemp("chexbert"))
    paths = Path(options["checkpoint"]), Path(options["encoder"])
    metric = evaluate.load(str(ROOT / "metrics/chexbert_f1"), per_report=True, **options)
    return SimpleNamespace(metric=metric, paths=paths, options=options)


@pytest.fixture(scope="module")
def f1chexbert(model):
    return load_f1chexbert(*model.paths)


@pytest.fixture(scope="module")
def iu_reports():
    if not IU_REPORTS.exists():
        pytest.skip("needs ../shared/iu_xray/reports.csv")
    with IU_REPORTS.open(encoding="utf-8", newline="") as file:
        return [row["findings"] for row in csv.DictReader(file)][:1000]


def positives(metric, reports):
    return metric._positives(reports, reports)[0].astype(int).tolist()


def classes(metric, reports):
    """As f1chexbert's mode "classification": blank "", positive 1, negative 0, uncertain -1."""
    return [["", 1, 0, -1][c] for row in metric._load().label(reports).tolist() for c in row]


def test_labels_of_iu_reports_are_f1chexberts(model, f1chexbert, iu_reports):
    theirs = [f1chexbert.get_label(text) for text in iu_reports]
    assert positives(model.metric, iu_reports) == theirs
    assert len({str(row) for row in theirs}) > 100, "the random model says too little"
    by_class = [c for text in iu_reports for c in f1chexbert.get_label(text, "classification")]
    assert classes(model.metric, iu_reports) == by_class


def test_labels_of_edge_texts_are_f1chexberts(model, f1chexbert):
    texts = EDGE_REPORTS + SAMPLE_REPORTS
    assert positives(model.metric, texts) == [f1chexbert.get_label(text) for text in texts]
    by_class = [c for text in texts for c in f1chexbert.get_label(text, "classification")]
    assert classes(model.metric, texts) == by_class


def test_labels_are_radevals(model, iu_reports):
    radeval = load_radeval(*model.paths)
    assert positives(model.metric, iu_reports) == radeval.get_labels(iu_reports)
    # radeval leaves out the white space step of the original, which some control characters need.
    plain = [" ".join(text.split()) for text in EDGE_REPORTS]
    assert positives(model.metric, EDGE_REPORTS) == radeval.get_labels(plain)


def test_figures_are_f1chexberts(model, f1chexbert, iu_reports):
    predictions, references = iu_reports[:500] + EDGE_REPORTS, iu_reports[500:] + EDGE_REPORTS[::-1]
    ours = model.metric.compute(predictions=predictions, references=references)
    accuracy, per_report, of_14, of_5 = f1chexbert(predictions, references)
    check_figures(ours, accuracy, per_report, {14: of_14, 5: of_5})


def test_figures_with_uncertain_as_negative(model, f1chexbert, iu_reports):
    """f1chexbert has no such option: scikit-learn on its classes."""
    from sklearn.metrics import accuracy_score, classification_report

    metric = evaluate.load(
        str(ROOT / "metrics/chexbert_f1"), uncertain="negative", per_report=True, **model.options
    )
    predictions, references = iu_reports[:500], iu_reports[500:]
    ours = metric.compute(predictions=predictions, references=references)

    def labels(reports):
        found = [f1chexbert.get_label(text, "classification") for text in reports]
        return np.array([[c == 1 for c in row] for row in found])

    predicted, actual = labels(predictions), labels(references)
    five = f1chexbert.target_names_5_index
    reports = {
        size: classification_report(
            actual[:, columns],
            predicted[:, columns],
            target_names=np.array(f1chexbert.target_names)[columns].tolist(),
            output_dict=True,
        )
        for size, columns in {14: np.arange(14), 5: five}.items()
    }
    per_report = (predicted == actual)[:, five].all(axis=1)
    accuracy = accuracy_score(actual[:, five], predicted[:, five])
    check_figures(ours, accuracy, per_report, reports)


def check_figures(ours, accuracy, per_report, reports):
    assert ours["chexbert_accuracy_5"] == pytest.approx(accuracy, abs=1e-12)
    rows = ours["chexbert_per_report"]
    assert [row["accuracy_5"] for row in rows] == per_report.tolist()
    names = {"micro": "micro_f1", "macro": "macro_f1", "weighted": "weighted_f1"}
    for size, report in reports.items():
        for theirs, name in (names | {"samples": "example_f1"}).items():
            figure = report[f"{theirs} avg"]["f1-score"]
            assert ours[f"chexbert_{name}_{size}"] == pytest.approx(figure, abs=1e-12), name
        for label, scores in ours["chexbert_labels"].items():
            if label in report:
                theirs = {name.replace("f1-score", "f1"): v for name, v in report[label].items()}
                assert scores == pytest.approx(theirs, abs=1e-12), label
