"""The lexicon file: loading, errors, closures, and a lexicon for another body part."""

from __future__ import annotations

import pickle

import pytest

from semenrich_datasets.enrich.facts import refusal
from semenrich_datasets.reading.lexicon import CHEST_LEXICON, load_lexicon
from semenrich_datasets.reading.lexicon_entries import ANYTHING, tokenize
from semenrich_datasets.reading.reader import read_sentence

KNEE_TABLES = """
[structures.menisci]
nouns = ["meniscus", "menisci"]
adjectives = ["meniscal"]

[structures.cartilage]
nouns = ["cartilage"]

[findings.tear]
phrases = ["tear", "rupture"]
of = ["menisci"]
described = ["torn"]

[findings.bucket_handle]
phrases = ["bucket handle tear"]
kind_of = ["tear"]

[narrowing.complete]
words = ["complete"]
opposites = ["partial"]
graded = true
"""


def words_table() -> str:
    """The packaged file's [words], which hold no body part's own words but a few."""
    text = CHEST_LEXICON.read_text(encoding="utf-8")
    return text[text.index("\n[words]") :]


@pytest.fixture
def knee(tmp_path):
    path = tmp_path / "knee.toml"
    path.write_text(KNEE_TABLES + words_table(), encoding="utf-8")
    return load_lexicon(path)


def write(tmp_path, text):
    path = tmp_path / "lexicon.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_packaged_lexicon_is_loaded_once():
    assert load_lexicon() is load_lexicon()


def test_tokens_drop_plurals_and_unify_blanks():
    assert tokenize("The Opacities, masses; air-space ____ XXXX 1.5 cm") == (
        "the", "opacity", ",", "mass", ";", "air", "space", "___", "___", "1.5", "cm",
    )  # fmt: skip


def test_the_longest_phrase_wins():
    phrases = [tag.phrase for tag in load_lexicon().tag("free air under the diaphragm")]
    assert phrases == [("free", "air", "under", "the", "diaphragm")]


def test_kinds_are_denied_with_what_they_are_a_kind_of():
    below = load_lexicon().below
    assert {"consolidation", "pneumonia", "scar", "granuloma"} <= below["lungs"]
    assert "pleural_effusion" not in below["lungs"]
    assert "spine" in below["bones"]
    assert below[ANYTHING] == {ANYTHING}


def test_what_is_suggested_is_not_inherited():
    above = load_lexicon().above
    assert "consolidation" in above["opacity"]
    assert "consolidation" not in above["scar"]
    assert {"opacity", "lungs", "cardiopulmonary", ANYTHING} <= above["scar"]


def test_another_body_part_needs_only_another_file(knee):
    reading = read_sentence("No complete meniscal tear. ", knee)
    assert [(a.concept, a.status, a.narrowing) for a in reading.assertions] == [
        ("tear", "absent", "complete")
    ]
    assert refusal("No tear.", "Bucket handle tear.", lexicon=knee) == "contradicts"
    assert refusal("No tear.", "The menisci are torn.", lexicon=knee) == "contradicts"
    assert refusal("No tear.", "The menisci are intact.", lexicon=knee) == "redundant"
    assert refusal("The cartilage is normal.", "Meniscal tear.", lexicon=knee) is None
    assert refusal("The heart is normal.", "Meniscal tear.", lexicon=knee) == "not_understood"


def test_a_lexicon_survives_pickling(knee):
    copy = pickle.loads(pickle.dumps(knee))
    assert copy.meanings == knee.meanings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[structures", "not valid TOML"),
        ("[structures]\n[findings]", "expected the tables"),
        ("structures = {a = 1}\nfindings = {}\nnarrowing = {}\nwords = {}", "expected a table"),
        (
            "[structures.a]\nnouns = ['a']\nnoun = ['b']\n[findings]\n[narrowing]\n[words]",
            "unknown key 'noun'",
        ),
        ("[structures.a]\n[findings]\n[narrowing]\n[words]", "lacks the key 'nouns'"),
        (
            "[structures.a]\nnouns = 'a'\n[findings]\n[narrowing]\n[words]",
            "expected a list of strings for 'a.nouns'",
        ),
        (
            "[structures]\n[findings.f]\nphrases = ['f']\nof = ['b']\n[narrowing]\n[words]",
            "'f' names 'b', which is not defined",
        ),
        (
            "[structures.a]\nnouns = ['a']\n[findings.a]\nphrases = ['a']\n[narrowing]\n[words]",
            "'a' is defined twice",
        ),
        ("[structures]\n[findings]\n[narrowing]\n[words]\nnegation = ['no']", "must hold exactly"),
        (KNEE_TABLES.replace('"tear",', '"-",') + words_table(), "holds no word"),
    ],
)
def test_a_wrong_file_is_named_and_explained(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        load_lexicon(write(tmp_path, text))
