"""Signs of sentences and units."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semenrich_datasets.reading import Reader
from semenrich_datasets.reading.signs import SIGNS, vote_signs

READER = Reader()

GOLD = Path(__file__).parents[3] / "shared" / "gold" / "sentence_signs_dev.tsv"

labeled = st.lists(st.tuples(st.integers(-1, 5), st.sampled_from(SIGNS), st.integers(1, 9)))


@pytest.mark.parametrize(
    ("sentence", "sign"),
    [
        ("The lungs are clear.", "normal"),
        ("No acute bony abnormality.", "normal"),
        ("No effusion or pneumothorax.", "normal"),
        ("XXXX are unremarkable.", "normal"),
        ("The heart is stable and normal.", "normal"),
        ("Small effusion.", "abnormal"),
        ("Effusion cannot be excluded.", "abnormal"),
        ("Lungs clear, mild scoliosis.", "abnormal"),
        ("Heart size is top normal.", "abnormal"),
        ("Low lung volumes.", "abnormal"),
        ("Pacemaker leads are intact.", "abnormal"),
        ("Lungs are clear apart from the XXXX.", "abnormal"),
        ("There is a XXXX in place without pneumothorax.", "neutral"),
        ("The heart is unchanged.", "neutral"),
        ("Two portable views were obtained.", "neutral"),
        ("", "neutral"),
    ],
)
def test_signs_of_sentences(sentence, sign):
    assert READER.read(sentence).sign == sign


def test_content_tells_whether_two_sentences_say_the_same():
    same, also, other, unknown = (
        READER.read(sentence).content
        for sentence in [
            "No effusion.",
            "There is no pleural fluid",
            "No large effusion",
            "The flurb is normal",
        ]
    )
    assert same == also != other
    assert unknown is None


def test_content_knows_the_side_and_not_the_degree():
    small, large, left = (
        READER.read(text).content
        for text in ("Small effusion.", "Large effusion.", "Small left effusion.")
    )
    assert small == large != left
    # What a denial of a degree leaves open is another thing than a denial.
    assert READER.read("Calcified nodule.").content != READER.read("Nodule.").content


def test_a_unit_has_the_sign_of_most_occurrences():
    signs, agreement = vote_signs(
        [0, 0, 1, -1, 3], ["normal", "abnormal", "neutral", "abnormal", "normal"], [9, 1, 5, 7, 2]
    )
    assert signs == ["normal", "neutral", "neutral", "normal"]
    assert agreement.tolist() == [0.9, 1.0, 0.0, 1.0]


def test_a_tie_goes_to_the_less_normal_sign():
    assert vote_signs([0, 0], ["abnormal", "normal"], [2, 2])[0] == ["abnormal"]


def test_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="1 signs"):
        vote_signs([0, 0], ["normal"], [1, 1])


def test_only_noise():
    signs, agreement = vote_signs([-1], ["normal"], [1])
    assert (signs, agreement.size) == ([], 0)


@given(labeled)
def test_the_vote_is_that_of_a_naive_count(rows):
    ids, signs, counts = ([row[k] for row in rows] for k in range(3))
    voted, share = vote_signs(ids, signs, counts)
    assert len(voted) == max(ids, default=-1) + 1
    for unit, sign in enumerate(voted):
        votes = dict.fromkeys(SIGNS, 0)
        for other, own, count in rows:
            votes[own] += count if other == unit else 0
        assert votes[sign] == max(votes.values())
        # Of equal votes, the sign that travels least.
        assert all(votes[other] < votes[sign] for other in SIGNS[SIGNS.index(sign) + 1 :])
        assert share[unit] == votes[sign] / max(sum(votes.values()), 1)


@pytest.mark.skipif(not GOLD.exists(), reason="labels for development are not beside this checkout")
def test_signs_on_the_labels():
    with GOLD.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    signs = np.array([READER.read(row["sentence"]).sign for row in rows])
    truth = np.array([row["sign"] for row in rows])
    hits = np.sum((signs == "normal") & (truth == "normal"))
    assert hits / np.sum(signs == "normal") >= 0.99
    assert hits / np.sum(truth == "normal") >= 0.95
    prior = [
        READER.read(row["sentence"]).mentions_prior == (row["mentions_prior"] == "1")
        for row in rows
    ]
    assert np.mean(prior) >= 0.95
