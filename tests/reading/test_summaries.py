"""Sentences that sum up a whole study: read, one unit where equal, and never added."""

from itertools import combinations, product

import pytest

from semenrich_datasets.enrich.facts import refusal
from semenrich_datasets.enrich.readable import report_fault
from semenrich_datasets.enrich.reasons import Reason
from semenrich_datasets.index.units import content_key
from semenrich_datasets.reading import Reader
from semenrich_datasets.sentences import split_sentences

READER = Reader()
NOTHING_ACUTE = [
    "No acute disease.",
    "No active disease.",
    "No acute abnormality.",
    "No acute findings.",
    "No acute cardiopulmonary disease.",
    "No active cardiopulmonary disease.",
    "No acute cardiopulmonary abnormality.",
    "No acute cardiopulmonary process.",
    "No evidence of acute cardiopulmonary disease.",
    "No acute intrathoracic process.",
]
NORMAL = [
    "Normal chest.",
    "Negative chest.",
    "The chest is normal.",
    "UNREMARKABLE EXAMINATION",
    "1. Normal exam.",
    "Negative chest x-ray.",
    "Normal chest radiograph.",
    "No abnormality.",
]


def same(one, other):
    return content_key(READER.read(one)) == content_key(READER.read(other)) is not None


@pytest.mark.parametrize("group", [NOTHING_ACUTE, NORMAL])
def test_equal_impressions_are_one_unit(group):
    assert all(same(*pair) for pair in combinations(group, 2))
    assert {READER.read(one).sign for one in group} == {"normal"}


def test_nothing_acute_is_less_than_normal():
    assert not any(same(*pair) for pair in product(NOTHING_ACUTE, NORMAL))


@pytest.mark.parametrize(
    "sentence",
    [
        "No acute fracture.",
        "No acute pulmonary disease.",
        "No pleural abnormality.",
        "Heart and lungs normal.",
        "No significant abnormality.",
        "Normal chest?",
        "Normal chest otherwise.",
        "Not a normal chest.",
        "Abnormal chest.",
        "Normal chest wall.",
        "Limited examination.",
        "Normal examination of the left hip.",
        "Negative.",
    ],
)
def test_what_says_another_thing_is_no_summary(sentence):
    assert not any(same(sentence, other) for other in (NORMAL[0], NOTHING_ACUTE[0]))


@pytest.mark.parametrize("sentence", NORMAL)
@pytest.mark.parametrize("findings", ["The heart is normal.", "Left pleural effusion."])
def test_a_summary_is_never_added(sentence, findings):
    assert not READER.read(sentence).is_transferable
    assert refusal(sentence, findings) is not None
    assert refusal(sentence, findings, support=10_000) is not None


def test_a_summary_says_nothing_of_an_organ():
    """It is silent on each: what the report calls abnormal stays so, and is contradicted alone."""
    heart = READER.read("The heart is normal.").logic
    for sentence in NORMAL:
        assert not heart.denies & READER.read(sentence).logic.implies
    said = READER.read("Left pleural effusion.").logic
    assert READER.read("Normal chest.").logic.denies & said.excludes


@pytest.mark.parametrize("findings", ["Normal examination.", "Normal study. Unremarkable exam."])
def test_a_report_that_only_sums_up_an_unnamed_study_gets_nothing(findings):
    read = list(map(READER.read, split_sentences(findings)))
    assert report_fault(read, [], READER.read(""), READER.lexicon) == Reason.OTHER_KIND
    heart = [*read, READER.read("The heart is normal.")]
    assert report_fault(heart, [], READER.read(""), READER.lexicon) is None
