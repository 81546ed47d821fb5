"""The lexicon file: loading, errors, closures, and a lexicon for another body part."""

from __future__ import annotations

import pickle
import tomllib
from pathlib import Path

import pytest

import semenrich_datasets.reading
from semenrich_datasets.enrich.facts import refusal
from semenrich_datasets.reading import Reader, load_lexicon
from semenrich_datasets.reading.lexicon_entries import ANYTHING, tokenize

KNEE = """
inherits = "english"
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


@pytest.fixture
def knee(tmp_path):
    path = tmp_path / "knee.toml"
    path.write_text(KNEE, encoding="utf-8")
    return load_lexicon(path)


def write(tmp_path, text):
    path = tmp_path / "lexicon.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_equal_lexicons_are_equal():
    one, other = load_lexicon(), load_lexicon("chest_xray")
    assert (one, hash(one), one.digest) == (other, hash(other), other.digest)
    assert Reader() == Reader(one)
    assert Reader().digest == Reader(other).digest
    assert len(one.digest) == 64


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
    reading = Reader(knee).read("No complete meniscal tear. ")
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
    assert copy == knee
    assert pickle.loads(pickle.dumps(Reader(knee))) == Reader(knee)


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
        (KNEE.replace('"tear",', '" ",'), "holds no word"),
    ],
)
def test_a_wrong_file_is_named_and_explained(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        load_lexicon(write(tmp_path, text))


def test_no_such_lexicon(tmp_path):
    with pytest.raises(FileNotFoundError, match="no lexicon knee: expected one of chest_ct"):
        load_lexicon("knee")
    with pytest.raises(FileNotFoundError, match="or a TOML file"):
        load_lexicon(write(tmp_path, 'inherits = "gone.toml"'))


# Inheritance


def english_tables():
    path = Path(semenrich_datasets.reading.__file__).with_name("english.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def test_what_is_inherited_is_extended_and_replaced(tmp_path):
    parent = write(
        tmp_path,
        'inherits = "english"\n[structures.knee]\nnouns = ["knee"]\npart_of = "leg"\n'
        '[structures.leg]\nnouns = ["leg"]\n[findings.tear]\nphrases = ["tear", "rupture"]\n',
    )
    child = tmp_path / "child.toml"
    child.write_text(
        f'inherits = "{parent.name}"\n[findings.tear]\nphrases = ["rupture", "rip"]\n'
        'device = true\n[structures.knee]\npart_of = ""\n',
        encoding="utf-8",
    )
    own, inherited = load_lexicon(child), load_lexicon(parent)
    assert own.findings["tear"].phrases == ("tear", "rupture", "rip")
    assert own.findings["tear"].device
    assert own.structures["knee"].part_of == ""
    assert own.structures["leg"] == inherited.structures["leg"]
    assert own.tables["words"] == english_tables()["words"]
    assert inherited.findings["tear"].phrases == ("tear", "rupture")
    assert own.digest != inherited.digest


def test_an_inherited_phrase_is_taken_out(tmp_path):
    path = write(
        tmp_path,
        'inherits = "chest_xray"\n[findings.nodule]\nphrases = ["-nodule", "zorb"]\n'
        '[words]\nnormal = ["-clear"]\n',
    )
    own, inherited = load_lexicon(path), load_lexicon()
    assert own.findings["nodule"].phrases == (
        *(phrase for phrase in inherited.findings["nodule"].phrases if phrase != "nodule"),
        "zorb",
    )
    assert Reader(own).read("The lungs are clear.").sign != "normal"
    assert Reader(own).read("The lungs are normal.").sign == "normal"
    assert refusal("No zorb.", "Pulmonary nodule.", lexicon=own) == "contradicts"


def test_the_chest_lexicon_inherits_the_english_one():
    english, chest = english_tables(), load_lexicon().tables
    assert english["words"].keys() == chest["words"].keys()
    path = Path(semenrich_datasets.reading.__file__).with_name("chest_xray.toml")
    own = tomllib.loads(path.read_text(encoding="utf-8"))["words"]
    for role, words in english["words"].items():
        taken_out = {word[1:] for word in own.get(role, []) if word.startswith("-")}
        kept = [word for word in words if word not in taken_out]
        assert chest["words"][role][: len(kept)] == kept
        assert not taken_out.intersection(chest["words"][role])
        assert taken_out <= set(words)
    assert english["narrowing"].items() <= chest["narrowing"].items()
    assert set(english) == {"narrowing", "words"}


def test_a_file_that_inherits_itself(tmp_path):
    with pytest.raises(ValueError, match="inherits itself"):
        load_lexicon(write(tmp_path, 'inherits = "lexicon.toml"'))


def test_an_unknown_table(tmp_path):
    with pytest.raises(ValueError, match=r"expected the tables .*, found 'finding'"):
        load_lexicon(write(tmp_path, 'inherits = "chest_xray"\n[finding.a]\nphrases = ["a"]'))
    with pytest.raises(ValueError, match=r"found 'a value in place of a table'"):
        load_lexicon(write(tmp_path, 'inherits = "chest_xray"\nfindings = 3'))


def test_the_digest_counts_what_is_said_and_not_the_name(tmp_path):
    one = write(tmp_path, 'inherits = "chest_xray"\n[findings.flurb]\nphrases = ["flurb"]\n')
    other = tmp_path / "other.toml"
    other.write_bytes(one.read_bytes())
    assert load_lexicon(one).digest == load_lexicon(other).digest != load_lexicon().digest
    assert [load_lexicon(path).name for path in (one, other)] == ["lexicon", "other"]
