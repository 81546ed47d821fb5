"""Finding F1: what agrees, what follows, what contradicts; its averages and intervals."""

from importlib.resources import files
from pathlib import Path

import evaluate
import pytest
from fakes import UnusableEncoder, build_index, made_up_reports
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.finding_f1 import finding_claims, finding_f1
from metrics.finding_f1.finding_claims import Content, read_assertions
from metrics.finding_f1.finding_f1 import FindingF1
from semenrich_datasets import FindingsIndex, Reader

MODULE = str(Path(__file__).parents[2] / "metrics/finding_f1")
SENTENCES = [
    "The lungs are clear.",
    "No consolidation.",
    "Right lower lobe consolidation.",
    "Small left pleural effusion.",
    "No pleural effusion.",
    "No large effusion.",
    "Heart size is normal.",
    "The heart is mildly enlarged.",
    "Possible pneumonia.",
    "Old rib fracture.",
    "No acute cardiopulmonary abnormality.",
    "Flurbs whistle.",
    "",
]
REPORTS = st.lists(st.sampled_from(SENTENCES), max_size=5).map(" ".join)
PAIRS = st.lists(st.tuples(REPORTS, REPORTS), min_size=1, max_size=6)
GROUPS = ("", "_normal", "_abnormal")
EMPTY = Content(frozenset(), frozenset())


def load(**options):
    # In memory: an error leaves a cache file locked, and the next test waiting for it.
    return evaluate.load(MODULE, keep_in_memory=True, **options)


def score(pairs, **options):
    """Without the table that `evaluate` writes, for tests of many examples."""
    predictions, references = map(list, zip(*pairs, strict=True))
    return FindingF1(keep_in_memory=True, **options)._compute(predictions, references)


# What agrees


@pytest.mark.parametrize(
    ("prediction", "reference", "precision", "recall"),
    [
        # Wording
        ("Heart size is normal.", "Normal cardiac silhouette.", 1, 1),
        ("There is a small effusion on the left.", "Left pleural effusion.", 1, 1),
        ("No effusion or edema.", "No edema. No pleural effusion is seen.", 1, 1),
        ("Mild cardiomegaly.", "The heart is enlarged.", 1, 1),
        # Negation
        ("No effusion.", "Effusion.", 0, 0),
        ("The heart is enlarged.", "The heart is not enlarged.", 0, 0),
        ("The lungs are not clear.", "The lungs are clear.", 0, 0),
        # One says more than the other
        ("No consolidation.", "The lungs are clear.", 1, 0),
        ("The lungs are clear.", "No consolidation.", 0, 1),
        ("No large effusion.", "No effusion.", 1, 0),
        ("No right effusion.", "No effusion.", 1, 0),
        ("No effusion.", "No left effusion. No right effusion.", 1, 1),
        ("Right lung opacity.", "Right lower lobe consolidation.", 1, 0),
        ("Something is wrong: abnormal chest.", "Left effusion.", 1, 0),
        ("No large effusion.", "Small effusion.", 0, 0),
        # What a report says itself counts, what only follows from it not if it takes that back
        ("No nodule.", "The lungs are clear.", 1, 0),
        ("No nodule.", "The lungs are clear. Left lung nodule.", 0, 0),
        ("The lungs are clear.", "The lungs are clear. Left lung nodule.", 1, 0.5),
        # Sides
        ("Small left effusion.", "Small right effusion.", 0, 0),
        ("Opacity in the left lung.", "Opacity in the right lung.", 0, 0),
        ("Effusion.", "Left effusion.", 1, 0),
        ("Left effusion.", "Left and right effusions.", 1, 0.5),
        ("Left effusion and cardiomegaly.", "Cardiomegaly.", 0.5, 1),
        # Hedged findings count like certain ones
        ("Possible pneumonia.", "Pneumonia.", 1, 1),
        # Left out, made up, repeated
        ("Heart size is normal.", "Heart size is normal. No effusion.", 1, 0.5),
        ("Heart size is normal. No effusion.", "Heart size is normal.", 0.5, 1),
        ("Normal heart. Normal heart size.", "Heart size is normal.", 1, 1),
        # Nothing said
        ("", "", 1, 1),
        ("", "Heart size is normal.", 0, 0),
        ("Flurbs whistle.", "Heart size is normal.", 0, 0),
        ("Heart size is normal.", " \n", 0, 0),
    ],
)
def test_cases(prediction, reference, precision, recall):
    results = score([(prediction, reference)])
    assert (results["finding_precision"], results["finding_recall"]) == (precision, recall)


@settings(max_examples=100, deadline=None)
@given(PAIRS)
def test_roles_swap_precision_and_recall(pairs):
    there, back = score(pairs), score([pair[::-1] for pair in pairs])
    for group in GROUPS:
        assert there[f"finding_precision{group}"] == back[f"finding_recall{group}"]
        for name in ("f1", "macro_f1", "example_f1"):
            key = f"finding_{name}{group}"
            assert there[key] == pytest.approx(back[key], abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from(SENTENCES), max_size=5), min_size=1), st.randoms())
def test_order_and_repetition_do_not_count(reports, rng):
    pairs = []
    for sentences in reports:
        shuffled = sentences + sentences[:2]
        rng.shuffle(shuffled)
        pairs.append((" ".join(shuffled), " ".join(sentences)))
    results = score(pairs)
    assert all(value == 1 for value in results.values() if isinstance(value, float))


@settings(max_examples=50, deadline=None)
@given(PAIRS, st.randoms())
def test_the_order_of_reports_does_not_count(pairs, rng):
    results, shuffled = score(pairs), score(rng.sample(pairs, len(pairs)))
    assert results.pop("finding_unread") == shuffled.pop("finding_unread")
    assert shuffled == pytest.approx(results, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=60), REPORTS), min_size=1, max_size=4))
def test_any_text_has_a_finite_score(pairs):
    results = score(pairs, bootstrap=3)
    figures = [value for value in results.values() if isinstance(value, float)]
    figures += [bound for pair in results["finding_intervals"].values() for bound in pair]
    assert all(0 <= value <= 1 for value in figures)


def test_a_long_report_is_read_whole():
    pair = "The lungs are clear. " * 500 + "Left effusion.", "The lungs are clear. Left effusion."
    assert score([pair])["finding_f1"] == 1


def test_each_distinct_report_and_sentence_is_read_once(monkeypatch):
    read, compiled = [], []
    reader = Reader()
    real, real_read = reader.read, finding_claims._read
    monkeypatch.setattr(reader, "read", lambda s: read.append(s) or real(s))
    monkeypatch.setattr(
        finding_claims, "_read", lambda *args: compiled.append(args) or real_read(*args)
    )
    reports = ["No effusion. Clear lungs.", "Clear lungs. No effusion.", "Clear lungs."]
    read_assertions(reports, reader)
    assert sorted(read) == ["Clear lungs.", "No effusion."]
    assert len(compiled) == 2
    # And each distinct report once.
    seen = []
    monkeypatch.setattr(
        finding_f1, "read_assertions", lambda texts, reader: seen.append(texts) or [EMPTY] * 2
    )
    score([("No effusion.", "Clear lungs."), ("Clear lungs.", "No effusion.")])
    assert seen == [["No effusion.", "Clear lungs."]]


# What is counted


def test_figures_by_hand():
    results = load(per_report=True).compute(
        predictions=["Heart size is normal. No effusion.", "Heart size is normal.", "Flurbs."],
        references=["Heart size is normal. Left effusion.", "No consolidation.", ""],
    )
    normal = {"precision": 1 / 3, "recall": 1 / 2, "f1": 2 / 5}
    for name, value in normal.items():
        assert results[f"finding_{name}_normal"] == pytest.approx(value)
    assert results["finding_f1_abnormal"] == 0
    assert results["finding_precision"] == pytest.approx(1 / 3)
    assert results["finding_recall"] == pytest.approx(1 / 3)
    # Precision: heart 1/2, effusion 0. Recall: heart 1, effusion 0, consolidation 0.
    assert results["finding_macro_f1"] == pytest.approx(2 * (1 / 4) * (1 / 3) / (1 / 4 + 1 / 3))
    assert results["finding_example_f1"] == pytest.approx((1 / 2 + 0 + 1) / 3)
    assert results["finding_unread"] == {"predictions": 1 / 4, "references": 0}
    first = results["finding_per_report"][0]
    assert (first["predicted"], first["correct"], first["actual"], first["recalled"]) == (
        2,
        1,
        2,
        1,
    )
    assert (first["predicted_abnormal"], first["actual_abnormal"]) == (0, 1)
    assert first["wrong"] == ["absent pleural_effusion"]
    assert first["missed"] == ["present left pleural_effusion"]


def test_intervals_hold_the_figure_and_follow_the_seed():
    reports = [row["findings"] for row in made_up_reports(60)]
    pairs = list(zip(reports[1:] + reports[:1], reports, strict=True))
    results = score(pairs, bootstrap=300, seed=1)
    for name, (low, high) in results["finding_intervals"].items():
        assert low <= results[f"finding_{name}"] <= high, name
    low, high = results["finding_intervals"]["f1"]
    assert 0 < high - low < 0.3
    assert score(pairs, bootstrap=300, seed=1) == results
    other = score(pairs, bootstrap=300, seed=2)
    assert other["finding_intervals"] != results["finding_intervals"]


# Units


@pytest.fixture
def index():
    return build_index()


def test_units_of_an_index(index):
    results = load(index=index, per_report=True).compute(
        predictions=["Lungs clear. Normal heart size.", "No pleural effusion.", "No parrots."],
        references=["The lungs are clear.", "Small left pleural effusion.", "No parrots."],
    )
    rows = results["finding_per_report"]
    assert [row["cluster_predicted_normal"] for row in rows[:2]] == [2, 1]
    assert [row["cluster_correct"] for row in rows[:2]] == [1, 0]
    assert results["finding_cluster_f1_abnormal"] == 0
    assert rows[0]["cluster_example_f1"] == pytest.approx(2 / 3)
    assert [row["cluster_example_f1"] for row in rows[1:]] == [0, 1]
    assert rows[1]["cluster_missed"] == ["slight left pleural_effusion"]
    assert results["finding_index"] == index.digest


def test_a_unit_on_the_other_side_is_another(index):
    pair = "Right pleural effusion.", "Left pleural effusion."
    same = score([pair[::-1], pair], index=index)
    assert same["finding_cluster_f1"] == 0, index.units(list(pair))
    assert score([pair[:1] * 2], index=index)["finding_cluster_f1"] == 1


def test_sentences_unlike_the_corpus_agree_with_themselves_alone(index):
    for stranger in ("No pericardial effusion. Severe scoliosis.", "Flurbs whistle."):
        assert score([(stranger, stranger)], index=index)["finding_cluster_f1"] == 1
        assert score([(stranger, "")], index=index)["finding_cluster_f1"] == 0
    made_up = "No pneumothorax. Flurbs whistle."
    results = score([(made_up, "No pneumothorax.")], index=index)
    assert results["finding_cluster_precision"] == 1 / 2
    assert results["finding_cluster_precision_normal"] == 1


def test_the_lexicon_is_that_of_the_index_or_one_given(tmp_path):
    lexicon = tmp_path / "more.toml"
    source = files("semenrich_datasets") / "reading/chest_xray.toml"
    lexicon.write_text(source.read_text(encoding="utf-8").replace("cardiomegaly", "grossherz"))
    pair = [("Grossherz.", "The heart is enlarged.")]
    assert score(pair)["finding_f1"] == 0
    assert score(pair, lexicon=str(lexicon))["finding_f1"] == 1
    assert score(pair, lexicon=Reader(lexicon))["finding_f1"] == 1
    index = build_index(lexicon=lexicon)
    results = score(pair, index=index)
    assert results["finding_f1"] == results["finding_cluster_f1"] == 1
    assert score(pair, index=index, lexicon="chest_xray")["finding_f1"] == 0


def test_an_index_is_loaded_from_its_folder_once(index, tmp_path, monkeypatch):
    index.save_pretrained(tmp_path / "index")
    opened = []
    real = FindingsIndex.from_pretrained
    monkeypatch.setattr(
        FindingsIndex,
        "from_pretrained",
        lambda name: opened.append(name) or real(name, encoder=UnusableEncoder()),
    )
    metric = load(index=str(tmp_path / "index"))
    assert not opened
    report = ["The lungs are clear. No pneumothorax."]
    for _ in range(2):
        results = metric.compute(predictions=report, references=report)
        assert results["finding_cluster_f1"] == 1
    assert opened == [str(tmp_path / "index")]
    assert results["finding_index"] == index.digest


def test_what_is_no_index_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="config"):
        load(index=str(tmp_path)).compute(predictions=["a"], references=["a"])


# Bad input


def test_no_reports():
    with pytest.raises(ValueError, match="at least one report, found no predictions"):
        load().compute(predictions=[], references=[])


def test_a_missing_report_is_named():
    with pytest.raises(ValueError, match="None in 1 of the references, first in row 1"):
        load().compute(predictions=["a", "b"], references=["a", None])
