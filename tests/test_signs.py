"""Signs of sentences and clusters."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semenrich_datasets.reading.reader import read_sentence
from semenrich_datasets.reading.signs import (
    SIGNS,
    classify_sentences,
    cluster_signs,
    sentence_kinds,
    split_by_sign,
)

GOLD = Path(__file__).parents[2] / "shared" / "gold" / "sentence_signs_dev.tsv"

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
    assert classify_sentences([sentence]) == [sign]


def test_no_sentences_no_signs():
    assert classify_sentences([]) == []


def test_kinds_tell_whether_two_sentences_say_the_same():
    same, also, other, unknown = sentence_kinds(
        ["No effusion.", "There is no pleural fluid", "No large effusion", "The flurb is normal"]
    )
    assert same == also != other
    assert unknown is None


def test_a_cluster_has_the_sign_of_most_occurrences():
    signs, agreement = cluster_signs(
        [0, 0, 1, -1, 3], ["normal", "abnormal", "neutral", "abnormal", "normal"], [9, 1, 5, 7, 2]
    )
    assert signs == ["normal", "neutral", "neutral", "normal"]
    assert agreement.tolist() == [0.9, 1.0, 0.0, 1.0]


def test_a_tie_goes_to_the_less_normal_sign():
    assert cluster_signs([0, 0], ["abnormal", "normal"], [2, 2])[0] == ["abnormal"]


def test_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="1 signs"):
        cluster_signs([0, 0], ["normal"], [1, 1])


def test_only_noise():
    signs, agreement = cluster_signs([-1], ["normal"], [1])
    assert (signs, agreement.size) == ([], 0)
    assert split_by_sign([-1], ["normal"]).tolist() == [-1]


@given(labeled)
def test_split_clusters_hold_one_sign_and_stay_within_the_old(rows):
    ids, signs = [row[0] for row in rows], [row[1] for row in rows]
    parts = split_by_sign(ids, signs).tolist()
    assert [part == -1 for part in parts] == [old == -1 for old in ids]
    pairs = {
        (part, old, sign) for part, old, sign in zip(parts, ids, signs, strict=True) if part >= 0
    }
    assert len({part for part, _, _ in pairs}) == len(pairs)
    assert {part for part, _, _ in pairs} == set(range(len(pairs)))


@given(labeled)
def test_after_the_split_all_agree(rows):
    ids, signs, counts = ([row[k] for row in rows] for k in range(3))
    agreement = cluster_signs(split_by_sign(ids, signs), signs, counts)[1]
    assert np.all(agreement == 1)


@pytest.mark.skipif(not GOLD.exists(), reason="labels for development are not beside this checkout")
def test_signs_on_the_labels():
    with GOLD.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    signs = np.array(classify_sentences([row["sentence"] for row in rows]))
    truth = np.array([row["sign"] for row in rows])
    hits = np.sum((signs == "normal") & (truth == "normal"))
    assert hits / np.sum(signs == "normal") >= 0.99
    assert hits / np.sum(truth == "normal") >= 0.95
    prior = [
        read_sentence(row["sentence"]).mentions_prior == (row["mentions_prior"] == "1")
        for row in rows
    ]
    assert np.mean(prior) >= 0.95
