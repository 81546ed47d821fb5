"""The score for ranking: what each error costs, what orders what, and the metric's keys."""

import json
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.finding_f1.finding_counts import mean_interval
from metrics.finding_f1.finding_f1 import FindingF1
from semenrich_datasets import Reader
from semenrich_datasets.reading import load_lexicon
from semenrich_datasets.reading.finding_score import Costs, finding_score
from semenrich_datasets.reading.lexicon import Lexicon
from semenrich_datasets.reading.stated import kinship, measured, stated_findings
from semenrich_datasets.sentences import split_sentences

ROOT = Path(__file__).resolve().parents[2]
RADPREF = ROOT.parent / "shared" / "corpora" / "radpref_dev.json"
READER = Reader()


def read(text):
    return [READER.read(sentence) for sentence in split_sentences(text)]


def compare(prediction, reference, costs=None):
    return finding_score(read(prediction), read(reference), READER, costs or Costs())


def stated(text):
    return [str(one) for one in stated_findings(read(text), READER.lexicon)]


# What a report states


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("", []),
        ("No effusion. The heart is normal.", []),
        ("Small left pleural effusion.", ["slight left pleural_effusion"]),
        ("Possible pneumonia.", ["uncertain pneumonia"]),
        # Said again, less exactly or more so
        ("Effusion. Small left effusion.", ["slight left pleural_effusion"]),
        ("Small left effusion. Effusion. Left effusion.", ["slight left pleural_effusion"]),
        ("Bilateral effusions.", ["bilateral pleural_effusion"]),
        ("Left and right effusions.", ["bilateral pleural_effusion"]),
        ("Left effusion. Right effusion.", ["left pleural_effusion", "right pleural_effusion"]),
        ("Right upper lobe nodule.", ["right nodule (upper)"]),
        ("A 2.5 cm nodule in the left upper lobe.", ["left nodule (upper, 25 mm)"]),
        # Where it is, is nothing more that is wrong
        ("Opacity in the left lung.", ["left opacity"]),
        ("The lungs are not well seen.", []),
        # Neither there nor denied
        ("No enlarging effusion.", []),
        (
            "No enlarging effusion, but there is a pneumothorax.",
            ["pleural_effusion", "pneumothorax"],
        ),
        ("No change in the left effusion.", ["left pleural_effusion"]),
        # Technique, comparison, advice
        ("Portable view of the chest. Compared with the prior study.", []),
    ],
)
def test_stated_findings(text, findings):
    assert stated(text) == findings


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("a 5 cm mass", 50),
        ("a mass of 50mm", 50),
        ("measures 1.5 x 2 cm", 15),
        ("a 3 mm and a 1.2 cm nodule", 12),
        ("the 5th rib", None),
        ("0 mm", None),
        ("level 4, 5 to 7 mm", 5),
        (f"a mass of {'9' * 400} cm", None),  # no number that a computer holds
        (f"a mass of {'9' * 400} cm and one of 3 mm", 3),
    ],
)
def test_measures(text, size):
    assert measured(text) == size


@pytest.mark.parametrize("piece", ["1", "1 x ", "1x1 ", "9 -", "1 to 1.1 to "])
def test_measures_take_time_in_proportion(piece):
    start = time.process_time()
    measured("a nodule of " + piece * 20_000)
    assert time.process_time() - start < 0.5  # tens of seconds with the square of the length


def test_measures_of_any_size_are_compared():
    tiny, huge = (f"Left nodule of {size} cm." for size in (f"0.{'0' * 300}1", "9" * 300))
    far = compare("Left nodule of 1 cm.", "Left nodule of 9 cm.").inexact
    assert compare(tiny, huge).inexact == compare(huge, tiny).inexact == far


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("consolidation", "consolidation", 0),
        ("pneumonia", "opacity", 1),
        ("nodule", "lungs", 1),
        ("atelectasis", "consolidation", 2),
        ("borderline_heart", "cardiomegaly", 2),
        ("fracture", "pneumothorax", None),
    ],
)
def test_kinship(one, other, distance):
    assert kinship(one, other, READER.lexicon) == distance
    assert kinship(other, one, READER.lexicon) == distance


# What each error costs


@pytest.mark.parametrize(
    ("prediction", "reference", "wrong", "missed", "inexact", "unsaid"),
    [
        ("Left effusion.", "Left effusion.", 0, 0, 0, 0),
        # Missed, made up, by urgency, denied
        ("Cardiomegaly.", "Cardiomegaly. Effusion.", 0, 1, 0, 0),
        ("Cardiomegaly. Effusion.", "Cardiomegaly.", 1, 0, 0, 0),
        ("Cardiomegaly.", "Cardiomegaly. Pneumothorax.", 0, 2, 0, 0),
        ("Cardiomegaly.", "Cardiomegaly. Degenerative change.", 0, 0.5, 0, 0),
        ("Cardiomegaly.", "Cardiomegaly. Pacemaker.", 0, 0.5, 0, 0),
        ("No effusion.", "Effusion.", 0, 1.5, 0, 0),
        ("Effusion.", "No effusion.", 1.5, 0, 0, 0),
        ("The lungs are clear.", "Nodule.", 0, 1.5, 0, 0),
        ("No right effusion.", "Left effusion.", 0, 1, 0, 0),
        # Side
        ("Effusion.", "Left effusion.", 0, 0, 0.25, 0),
        ("Left effusion.", "Bilateral effusions.", 0, 0, 0.5, 0),
        ("Right effusion.", "Left effusion.", 0, 0, 1, 0),
        ("Left effusion. Right effusion.", "Bilateral effusions.", 0, 0, 1, 0),
        # Degree, as words
        ("Small effusion.", "Moderate effusion.", 0, 0, 0.25, 0),
        ("Small effusion.", "Large effusion.", 0, 0, 0.5, 0),
        ("Effusion.", "Large effusion.", 0, 0, 0.125, 0),
        # Size
        ("A 5 cm mass.", "A 5 cm mass.", 0, 0, 0, 0),
        ("A 2 cm mass.", "A 4 cm mass.", 0, 0, 0.25, 0),
        ("A 40 mm mass.", "A 4 cm mass.", 0, 0, 0, 0),
        ("A 1 cm mass.", "A 9 cm mass.", 0, 0, 0.5, 0),
        ("A mass.", "A 9 cm mass.", 0, 0, 0, 0),
        # Certainty, level, kind
        ("Possible effusion.", "Effusion.", 0, 0, 0.125, 0),
        ("Left upper lobe nodule.", "Left lower lobe nodule.", 0, 0, 0.25, 0),
        ("Left lower lobe nodule.", "Nodule at the left base.", 0, 0, 0, 0),
        ("Right opacity.", "Right consolidation.", 0, 0, 0.25, 0),
        ("Atelectasis.", "Consolidation.", 0, 0, 1, 0),
        ("Fracture.", "Effusion.", 1, 1, 0, 0),
        # Never more than to miss it
        ("Possible small right opacity.", "Large left consolidation.", 0, 0, 1, 0),
        # Pairs are those that cost least
        ("Small left effusion. Large right effusion.", "Large right effusion.", 1, 0, 0, 0),
        # Normal statements
        ("Cardiomegaly.", "Cardiomegaly. No effusion. No edema.", 0, 0, 0, 0.2),
        ("Cardiomegaly. No effusion. No edema.", "Cardiomegaly.", 0, 0, 0, 0),
        ("The lungs are clear.", "No consolidation.", 0, 0, 0, 0),
        # Devices: one of the kind, by side and measure
        ("Tube 2 cm above the carina.", "Tube 4 cm above the carina.", 0, 0, 0.125, 0),
        # Nothing read, nothing to score
        ("Portable view.", "Portable view.", 0, 0, 0, 0),
        ("Effusion.", "Portable view.", 1, 0, 0, 0),
    ],
)
def test_costs(prediction, reference, wrong, missed, inexact, unsaid):
    found = compare(prediction, reference)
    parts = (found.wrong, found.missed, found.inexact, found.unsaid)
    assert parts == pytest.approx((wrong, missed, inexact, unsaid))


def test_the_formula():
    # Cardiomegaly is shared (1), pneumothorax missed (2), no edema left out (0.1).
    found = compare("Cardiomegaly.", "Cardiomegaly. Pneumothorax. No edema.")
    assert found.shared == 1
    assert found.score == pytest.approx(1.25 / (1.25 + 2 + 0.1))


def test_a_pair_that_is_half_right_is_half_shared():
    found = compare("Small effusion.", "Large effusion.")
    assert (found.shared, found.score) == (0.5, pytest.approx(1.125 / (1.125 + 0.5)))


def test_who_says_nothing_scores_nothing():
    for text in ("", "Portable view.", "Flurbs whistle."):
        assert compare(text, "No effusion.").score == 0
        assert compare(text, "Left effusion.").score == 0
        assert compare(text, "").score == 1
    assert compare("", "Pneumothorax. No edema.").missed == 2
    assert compare("", "Pneumothorax. No edema.").unsaid == 0.1


def test_other_numbers():
    costs = Costs(urgent=5, denied=1, normal=0)
    assert compare("No edema.", "Pneumothorax. No effusion.", costs).score == 1 / 6


# What orders what

SENTENCES = [
    "Cardiomegaly.",
    "Small left effusion.",
    "Large right effusion.",
    "Bilateral effusions.",
    "Right lower lobe consolidation.",
    "Opacity in the right lung.",
    "Possible pneumonia.",
    "A 2 cm nodule in the left upper lobe.",
    "Mild degenerative change.",
    "Left chest tube.",
    "No pneumothorax.",
    "The lungs are clear.",
    "Heart size is normal.",
    "Flurbs whistle.",
]
REPORTS = st.lists(st.sampled_from(SENTENCES), max_size=6)
# What goes with any finding: none of these speaks of it, or of what it may be a kind of.
OTHERS = st.lists(
    st.sampled_from(["Hiatal hernia.", "Scoliosis.", "Rib fracture.", "Trachea is midline."]),
    max_size=3,
).map(" ".join)
FINDINGS = st.sampled_from(["pneumothorax", "pleural effusion", "lung nodule", "opacity"])
SIDES = st.permutations(["left", "right"])


@settings(max_examples=150, deadline=None)
@given(OTHERS, FINDINGS, SIDES)
def test_the_worse_the_error_the_lower_the_score(others, finding, sides):
    side, other = sides
    reference = f"{others} There is a small {side} {finding}."

    def score(said):
        return compare(f"{others} {said}", reference).score

    same = score(f"There is a small {side} {finding}.")
    one_off = score(f"There is a moderate {side} {finding}.")
    two_off = score(f"There is a large {side} {finding}.")
    unsided = score(f"There is a small {finding}.")
    missing, denied = score("Normal soft tissues."), score(f"No {finding}.")
    wrong_side = score(f"There is a small {other} {finding}.")
    assert same == 1
    assert same > one_off > two_off > missing > denied
    assert unsided > wrong_side >= missing


@settings(max_examples=150, deadline=None)
@given(REPORTS, REPORTS, st.randoms())
def test_order_and_repetition_do_not_count(said, wanted, rng):
    shuffled = said + said[:2]
    rng.shuffle(shuffled)
    score = compare(" ".join(said), " ".join(wanted))
    assert compare(" ".join(shuffled), " ".join(rng.sample(wanted, len(wanted)))) == score
    assert 0 <= score.score <= 1


@settings(max_examples=100, deadline=None)
@given(REPORTS, REPORTS)
def test_roles_swap_wrong_and_missed(said, wanted):
    there = compare(" ".join(said), " ".join(wanted))
    back = compare(" ".join(wanted), " ".join(said))
    if there.score and back.score:  # neither is silent
        assert (there.wrong, there.missed) == pytest.approx((back.missed, back.wrong))
        assert there.inexact == pytest.approx(back.inexact)


@settings(max_examples=100, deadline=None)
@given(REPORTS)
def test_a_report_agrees_with_itself(said):
    found = compare(" ".join(said), " ".join(said))
    assert found.score == 1
    assert found.wrong == found.missed == found.inexact == found.unsaid == 0


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), REPORTS)
def test_any_text_has_a_score(text, wanted):
    assert 0 <= compare(text, " ".join(wanted)).score <= 1


# The lexicon


def test_an_urgency_is_high_or_low():
    lexicon = load_lexicon()
    tables = json.loads(json.dumps(lexicon.tables))
    tables["findings"]["pneumothorax"]["urgency"] = "extreme"
    with pytest.raises(ValueError, match=r"expected high, low or nothing for 'pneumothorax\.urg"):
        Lexicon.from_tables("mine", tables)


def test_each_level_word_is_a_place():
    entry = READER.lexicon.narrowings["part"]
    levels = [*entry.upper, *entry.middle, *entry.lower]
    assert len(set(levels)) == len(levels)
    assert set(levels) <= set(entry.words)


# The metric


def metric(**options):
    return FindingF1(keep_in_memory=True, **options)


def test_the_metric_gives_the_mean():
    predictions, references = ["Effusion.", "No edema."], ["Left effusion.", "No edema."]
    results = metric(per_report=True, bootstrap=20)._compute(predictions, references)
    rows = results["finding_per_report"]
    assert [row["score"] for row in rows] == [compare("Effusion.", "Left effusion.").score, 1]
    assert rows[0]["costs"] == {"wrong": 0, "missed": 0, "inexact": 0.25, "unsaid": 0}
    assert results["finding_score"] == pytest.approx((rows[0]["score"] + 1) / 2)
    low, high = results["finding_intervals"]["score"]
    assert rows[0]["score"] <= low <= results["finding_score"] <= high <= 1
    assert "finding_intervals" not in metric()._compute(predictions, references)


def test_the_interval_of_equal_values_is_that_value():
    assert mean_interval([0.25] * 7, 100, 0) == [0.25, 0.25]


def test_readers_pickle_and_score_alike():
    again = pickle.loads(pickle.dumps(READER))
    said, wanted = ([again.read(text)] for text in ("Effusion.", "Left effusion."))
    assert finding_score(said, wanted, again) == compare("Effusion.", "Left effusion.")


@pytest.mark.skipif(not RADPREF.exists(), reason=f"RadPref is not there: no {RADPREF}")
def test_it_agrees_with_radiologists_more_than_others_do():
    command = [sys.executable, "tests/benchmarks/bench_radpref.py"]
    paths = {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(
        command, cwd=ROOT, env=paths, capture_output=True, text=True, check=True, timeout=300
    )
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if "|" in line]
    taus = {row[0]: [float(cell) for cell in row[1:]] for row in rows[2:]}
    score, f1, bleu = (taus[name] for name in ("finding_score", "finding_f1", "sentence BLEU"))
    assert score[0] >= 0.64  # 0.65 when written; one radiologist against another 0.71 to 0.76
    assert score[2] >= 0.56
    for place in (0, 2, 4):  # pooled
        assert score[place] > f1[place] > bleu[place]
