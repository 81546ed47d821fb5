"""Scores of the safe choice, against figures worked out by hand."""

import numpy as np
import pytest
from fakes import build_index, made_up_reports, of_patients, report_of

from semenrich_datasets import SemEnricher
from semenrich_datasets.enrich.safe_selection import SafeSelection

# The reports of test_agreement.py: too few to learn from, so that each topic keeps to its prior.
LUNGS, HEART, EFFUSION, BOTH = range(4)
REPORTS = [
    *["No pleural effusion. Lungs clear."] * 3,
    *["Heart enlarged. Lungs clear."] * 2,
    *["No pleural effusion or pneumothorax."] * 3,
    *["Heart size normal. Lungs clear."] * 3,
    "Small left pleural effusion.",
]


@pytest.fixture(scope="module")
def index():
    return build_index(of_patients(REPORTS))


def decisions(selection, text):
    return {item.candidate.unit_id: item for item in selection.consider(report_of(text))}


def test_scores_by_hand(index):
    told = decisions(SafeSelection(index, "heaviest", None, 0.0), "No pneumothorax seen. Tube.")
    # Of 12 reports 2 state a large heart, 7 are silent, each with one report added; a twentieth of
    # what is wrong stays unsaid, so 1 in 19 of what is stated.
    heart = (2 + 1) / (7 + 1) / 19
    assert told[HEART].score == pytest.approx(1 - heart, abs=1e-4)
    # An effusion contradicts clear lungs too: 1 states it, 3 are silent on the lungs, all of which
    # speak of the pleura.
    lungs = (1 + 1) / (3 + 1) / 19
    assert told[LUNGS].score == pytest.approx(1 - lungs, abs=1e-4)
    # Each statement of a sentence carries its own risk.
    effusion, pneumothorax = (1 + 1) / (5 + 1) / 19, (0 + 1) / (9 + 1) / 19
    assert told[EFFUSION].score == pytest.approx(1 - effusion, abs=1e-4)
    assert told[BOTH].score == pytest.approx(1 - effusion - pneumothorax, abs=2e-4)


def test_who_leaves_more_unsaid_is_trusted_less(index):
    scores = [
        decisions(SafeSelection(index, "heaviest", None, 0.0, share), "Tube.")[HEART].score
        for share in (0.0, 0.05, 0.2, 0.6)
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 1.0
    assert scores[2] == pytest.approx(1 - 3 / 8 * 0.25, abs=1e-4)


def test_the_least_score_cuts_below_itself(index):
    text = "Lungs clear. No pleural effusion."
    score_of_heart = decisions(SafeSelection(index, "heaviest", None, 0.0), text)[HEART].score
    for least, reason in ((score_of_heart - 1e-3, None), (score_of_heart + 1e-3, "unlikely")):
        told = decisions(SafeSelection(index, "heaviest", None, least), text)
        assert told[HEART].reason == reason


def test_a_rare_statement_must_be_surer():
    usual = ["Heart size normal. Lungs clear."] * 30 + ["Heart enlarged. Lungs clear."] * 2
    rare = ["No free air. Lungs clear."] * 3 + ["Free air. Lungs clear."]
    index = build_index(of_patients([*usual, *rare, *["Lungs clear. No pleural effusion."] * 165]))
    selection = SafeSelection(index, "heaviest", None, 0.97)
    tolerance = {
        item.wordings[0]: round(float(risk), 6)
        for item, risk in zip(selection.candidates, selection.tolerance, strict=True)
    }
    # 30 of 201 reports say that the heart is normal, 3 that there is no free air: 0.3 of 1 in 20.
    assert tolerance["Heart size normal."] == pytest.approx(0.03)
    assert tolerance["No free air."] == pytest.approx(0.03 * 3 / (0.05 * 201), rel=1e-3)


# Where a bent spine comes with a large heart, silence on it is no sign of a normal one.


@pytest.fixture(scope="module")
def telling():
    rows = [row["findings"] for row in made_up_reports()]
    rows += [f"Mild scoliosis. Heart enlarged. Tube {n}." for n in range(40)]
    rows += [f"No pneumothorax. Mediastinum normal. Tube {n}." for n in range(60)]
    return build_index(rows)


def hearts(enricher, text):
    additions = enricher({"findings": text})["added_findings"]
    return [a["sentence"] for a in additions if "heart" in a["sentence"].lower()]


def test_the_least_score_cuts_by_default(telling):
    text = "Mild scoliosis. Mediastinum normal."
    (without,) = hearts(SemEnricher(telling, min_score=0.0), text)
    assert "normal" in without.lower()
    assert hearts(SemEnricher(telling), text) == []
    # Of others the corpus says no such thing.
    assert len(hearts(SemEnricher(telling), "No pneumothorax. Mediastinum normal.")) == 1
    assert SemEnricher(telling).min_score == 0.97


def test_what_the_least_score_cut_is_called_unlikely_and_explained(telling):
    told = decisions(SemEnricher(telling).selection, "Mild scoliosis. Mediastinum normal.")
    (heart,) = (d for d in told.values() if "heart" in d.candidate.wordings[0].lower())
    assert heart.reason == "unlikely"
    assert heart.score < 0.97
    names = [influence.feature for influence in heart.influences]
    assert any("curvature" in name or "scoliosis" in name for name in names)
    assert max(influence.factor for influence in heart.influences) > 1.2


def test_the_model_of_a_part_has_not_seen_it(telling):
    """Each part of the corpus has its own model, and none of them is that of all."""
    weights = telling.silence.text.weights
    learned = np.flatnonzero(telling.silence.text.learned)
    assert len(learned)
    for fold in range(1, 6):
        assert not np.array_equal(weights[0][:, learned], weights[fold][:, learned])
