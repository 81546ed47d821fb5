"""Misspelt findings are read as what they stand for; nothing healthy is made of a misspelling."""

import string

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from semenrich_datasets.enrich.facts import refusal
from semenrich_datasets.reading import Reader
from semenrich_datasets.reading.lexicon_entries import MISSPELT, tokenize
from semenrich_datasets.reading.spelling import Spelling

READER = Reader()
FINDINGS = [
    "effusion", "pneumothorax", "consolidation", "atelectasis", "cardiomegaly", "pneumonia",
    "emphysema", "fracture", "opacity", "granuloma", "scoliosis", "adenopathy", "fibrosis",
]  # fmt: skip
NEGATIONS = ["without", "negative", "absent", "neither", "denies", "free of"]
NORMAL = ["normal", "clear", "unremarkable", "intact", "midline"]


@st.composite
def misspelt(draw, words):
    """A word with one swap, deletion or insertion behind its first letter."""
    word = draw(st.sampled_from(words))
    kind = draw(st.sampled_from(["swap", "delete", "insert"]))
    at = draw(st.integers(1, len(word) - (2 if kind == "swap" else 1)))
    if kind == "swap":
        wrong = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    elif kind == "delete":
        wrong = word[:at] + word[at + 1 :]
    else:
        wrong = word[:at] + draw(st.sampled_from(string.ascii_lowercase)) + word[at:]
    assume(not wrong.endswith("ies"))  # read as the plural of a word in "y", an edit more
    return word, wrong


def is_a_word(word):
    """Whether an edit made another known word, such as "denied" of "denies"."""
    return READER.lexicon.vocabulary.issuperset(tokenize(word))


@settings(max_examples=300, deadline=None)
@given(misspelt(FINDINGS))
@example(("effusion", "efusion"))
@example(("pneumothorax", "pneumothroax"))
def test_a_misspelt_finding_is_the_finding(pair):
    word, wrong = pair
    told = READER.read(f"There is {wrong}.")
    # Further away than a misspelling it is an unknown word, and leaves everything open.
    assert told.sign == "abnormal" or told.lost
    refused = refusal(f"No {word}.", f"There is {wrong}.", lexicon=READER)
    assert refused == ("contradicts" if told.sign == "abnormal" else "left_open")


@settings(max_examples=300, deadline=None)
@given(misspelt(FINDINGS))
@example(("effusion", "efusion"))
def test_a_misspelt_denial_denies_and_does_not_travel(pair):
    word, wrong = pair
    told = READER.read(f"No {wrong}.")
    assert told.sign == "normal"
    assert refusal(f"No {word}.", f"No {wrong}.", lexicon=READER) == "redundant"
    if wrong != word:
        assert not told.understood
        assert not told.is_transferable


@settings(max_examples=300, deadline=None)
@given(misspelt(NORMAL), st.sampled_from(["The heart is {}.", "{} mediastinum."]))
def test_no_misspelling_makes_anything_normal(pair, text):
    wrong = pair[1]
    if is_a_word(wrong):
        return
    told = READER.read(text.format(wrong))
    assert told.sign != "normal"
    assert not told.is_transferable


@settings(max_examples=300, deadline=None)
@given(misspelt([word for word in NEGATIONS if " " not in word]), st.sampled_from(FINDINGS))
@example(("without", "withuot"), "effusion")
def test_no_misspelling_makes_a_denial(pair, finding):
    wrong = pair[1]
    if is_a_word(wrong):
        return
    told = READER.read(f"Lungs {wrong} {finding}.")
    assert told.sign == "abnormal"
    assert refusal(f"No {finding}.", f"Lungs {wrong} {finding}.", lexicon=READER) == "contradicts"


@pytest.mark.parametrize(
    "word", [*FINDINGS, *NORMAL, "without", "heart", "place", "unheard", "flurb"]
)
def test_other_words_stay(word):
    assert not any(MISSPELT in tag.roles for tag in READER.lexicon.tag(f"the {word} is"))


# The search itself


@pytest.fixture
def spelling():
    return Spelling(["effusion", "effusions", "consolidation", "atelectasis", "lung", "edema"])


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("effusion", "effusion"),
        ("efusion", "effusion"),
        ("effusoin", "effusion"),
        ("effusionz", "effusion"),
        ("consolidtaion", "consolidation"),
        ("consoldiaton", "consolidation"),  # two edits in a long word
        ("edeam", "edema"),
        ("eedma", "edema"),
        ("eedmaa", "eedmaa"),  # two edits in a short one
        ("atel", "atelectasis"),  # its beginning
        ("consol", "consolidation"),
        ("lugn", "lugn"),  # too short to have been misspelt
        ("zebra", "zebra"),
    ],
)
def test_the_nearest_known_word(spelling, word, expected):
    assert spelling.correct(word) == expected


@given(st.text(string.ascii_lowercase, min_size=1, max_size=14))
def test_only_known_words_are_given(word):
    words = ["effusion", "consolidation", "pneumothorax"]
    assert Spelling(words).correct(word) in (word, *words)
