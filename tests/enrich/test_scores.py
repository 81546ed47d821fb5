"""Scores of the safe choice, against fractions worked out by hand."""

from fractions import Fraction

import numpy as np
import pytest
from fakes import build_index, made_up_reports, report_of

from semenrich_datasets import SemEnricher
from semenrich_datasets.enrich.safe_selection import (
    SafeSelection,
    candidate_scores,
    true_though_unsaid,
)

# The reports of test_agreement.py, whose counts are worked out there.
LUNGS, HEART, EFFUSION, BOTH = range(4)
REPORTS = [
    *["No pleural effusion. Lungs clear."] * 3,
    *["Heart enlarged. Lungs clear."] * 2,
    *["No pleural effusion or pneumothorax."] * 3,
    *["Heart size normal. Lungs clear."] * 3,
    "Small left pleural effusion.",
]


def score(says, denies):
    """Bayes' rule: of the silent reports, those in which the statement is true."""
    silent = max(1 - says - denies, Fraction(2, 100))
    # A twentieth of what is wrong stays unsaid: what is told of it is 19 of 20.
    silent_and_false = denies * Fraction(20, 19) * Fraction(1, 20)
    return float(min(max(1 - silent_and_false / silent, 0), 1))


@pytest.fixture(scope="module")
def index():
    return build_index(REPORTS)


def decisions(selection, text):
    return {item.candidate.unit_id: item for item in selection.consider(report_of(text))}


def test_true_though_unsaid_by_hand():
    # Of 100 reports 40 say it, 38 contradict it: it is false of 40, of which 2 are silent; of the
    # 22 silent ones it is true of 20.
    assert true_though_unsaid(np.array([0.40]), np.array([0.38])) == pytest.approx([20 / 22])
    # Nobody contradicts it: it is true.
    assert true_though_unsaid(np.array([0.5]), np.array([0.0])).tolist() == [1.0]
    # Hardly anybody is silent: at least 2 in 100 are taken to be.
    assert true_though_unsaid(np.array([0.81]), np.array([0.19])) == pytest.approx([0.5])
    assert true_though_unsaid(np.array([0.62]), np.array([0.38])) == pytest.approx([0.0])
    assert true_though_unsaid(np.array([0.0]), np.array([0.95])) == pytest.approx([0.0])
    # More that contradict it, and more that say it: both make silence a worse sign.
    steps = np.linspace(0, 0.4, 9)
    assert np.all(np.diff(true_though_unsaid(np.full(9, 0.3), steps)) < 0)
    assert np.all(np.diff(true_though_unsaid(steps, np.full(9, 0.3))) < 0)
    shape = (3, 2)
    assert true_though_unsaid(np.full(shape, 0.1), np.full(shape, 0.1)).shape == shape


def test_scores_by_hand(index):
    scores, prior = candidate_scores(index)
    assert scores.shape == (6, 4)
    says, denies = [8, 3, 6, 3], [1, 2, 1, 1]
    of_all = [(Fraction(a, 12), Fraction(d, 12)) for a, d in zip(says, denies, strict=True)]
    assert prior == pytest.approx([score(*pair) for pair in of_all])
    assert prior[HEART] == pytest.approx(1 - (2 / 12 / 19) / (7 / 12))
    # Unit, its reports, and of them those that say and that contradict each candidate.
    cases = {
        0: (8, [8, 3, 3, 0], [0, 2, 0, 0]),
        1: (3, [3, 3, 0, 0], [0, 0, 0, 0]),
        4: (2, [2, 0, 0, 0], [0, 2, 0, 0]),
        5: (1, [0, 0, 0, 0], [1, 0, 1, 1]),
    }
    for unit, (support, with_says, with_denies) in cases.items():
        for column, (a, d) in enumerate(of_all):
            # The whole corpus counts as ten more reports.
            own = (with_says[column] + 10 * a) / (support + 10)
            against = (with_denies[column] + 10 * d) / (support + 10)
            assert scores[unit, column] == pytest.approx(score(own, against)), (unit, column)


def test_a_report_scores_by_the_least_of_its_units(index):
    selection = SafeSelection(index, "heaviest", None, 0.0)
    scores, _ = candidate_scores(index)
    told = decisions(selection, "Lungs clear. No pleural effusion.")
    assert told[HEART].score == min(scores[LUNGS, HEART], scores[EFFUSION, HEART])
    assert scores[LUNGS, HEART] < scores[EFFUSION, HEART]
    assert told[HEART].score == pytest.approx(
        score((3 + Fraction(30, 12)) / 18, (2 + Fraction(20, 12)) / 18)
    )
    assert told[BOTH].score == min(scores[LUNGS, BOTH], scores[EFFUSION, BOTH])


def test_a_report_of_unknown_units_scores_as_the_corpus(index):
    selection = SafeSelection(index, "heaviest", None, 0.0)
    _, prior = candidate_scores(index)
    told = decisions(selection, "Mild scoliosis.")
    assert [told[unit].score for unit in range(4)] == prior
    # 3 of 12 deny both, 1 of 12 states one, 8 of 12 are silent.
    assert told[BOTH].score == pytest.approx(1 - (1 / 12 / 19) / (8 / 12))
    # Of such reports the corpus knows nothing.
    assert [told[unit].reason for unit in range(4)] == ["other_kind"] * 4


def test_the_least_score_cuts_below_itself(index):
    text = "Lungs clear. No pleural effusion."
    score_of_heart = decisions(SafeSelection(index, "heaviest", None, 0.0), text)[HEART].score
    for least, reason in ((score_of_heart, None), (score_of_heart + 1e-9, "unlikely")):
        told = decisions(SafeSelection(index, "heaviest", None, least), text)
        assert told[HEART].reason == reason


# Where the heart is often large, silence on it is no sign of a normal one.


@pytest.fixture(scope="module")
def telling():
    rows = [row["findings"] for row in made_up_reports()]
    rows += ["Mild scoliosis. Heart enlarged."] * 27 + ["Mild scoliosis. Lungs clear."] * 13
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
    assert len(hearts(SemEnricher(telling), "No pneumothorax.")) == 1
    assert SemEnricher(telling).min_score == 0.97


def test_what_the_least_score_cut_is_called_unlikely(telling):
    told = decisions(SemEnricher(telling).selection, "Mild scoliosis. Mediastinum normal.")
    (heart,) = (d for d in told.values() if "heart" in d.candidate.wordings[0].lower())
    assert heart.reason == "unlikely"
    # 40 reports hold the scoliosis: 27 with a large heart, none with a normal one.
    agreement, reports = telling.agreement, telling.config.reports
    column = agreement.candidate_ids.tolist().index(heart.candidate.unit_id)
    says, denies = (
        Fraction(int(counts[column]), reports) for counts in (agreement.says, agreement.denies)
    )
    own = score(Fraction(10 * says, 50), (27 + 10 * denies) / Fraction(50))
    assert heart.score == pytest.approx(own)
    assert heart.score < 0.97
