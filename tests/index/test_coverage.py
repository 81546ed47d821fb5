"""How much of a corpus was understood, and what is proposed for the rest."""

import tomllib
import warnings

import pyarrow as pa
import pytest
from fakes import build_index, made_up_reports

from semenrich_datasets.index.coverage import (
    LEAST_UNDERSTOOD,
    Coverage,
    Unread,
    coverage,
    suggest_lexicon,
    warn_of_unread,
)
from semenrich_datasets.reading import Reader, load_lexicon

READER = Reader()


def sentences(*rows):
    """Rows of text, occurrences and reports, as in an index: the most common first."""
    texts, occurrences, reports = zip(*rows, strict=True)
    understood = [READER.read(text).understood for text in texts]
    return pa.table(
        {
            "text": texts,
            "occurrences": occurrences,
            "reports": reports,
            "understood": understood,
        }
    )


TABLE = sentences(
    ("Lungs clear.", 60, 58),
    ("Flurb noted.", 10, 9),
    ("Zorb and flurb.", 5, 5),
    ("Large flurb.", 3, 3),
    ("Gnark 4711.", 2, 2),
)


def test_the_share_counts_every_occurrence():
    assert coverage(TABLE, READER).share == 60 / 80
    assert coverage(TABLE.slice(0, 1), READER).share == 1.0
    assert coverage(TABLE.slice(1), READER).share == 0.0
    assert coverage(TABLE.slice(0, 0), READER).share == 0.0


def test_words_are_counted_by_reports_the_most_common_first():
    words = coverage(TABLE, READER).words
    assert words == [Unread("flurb", 17, "Flurb noted."), Unread("zorb", 5, "Zorb and flurb.")]


def test_a_word_counts_once_a_sentence():
    table = sentences(("Flurb, flurb and flurb.", 4, 4))
    assert coverage(table, READER).words == [Unread("flurb", 4, "Flurb, flurb and flurb.")]


def test_what_few_reports_hold_is_not_shown():
    found = coverage(TABLE, READER)
    shown = str(found) + suggest_lexicon(TABLE, READER)
    assert "nark" not in shown
    assert "4711" not in shown
    assert [item.text for item in found.sentences] == [
        "Flurb noted.",
        "Zorb and flurb.",
        "Large flurb.",
    ]
    # Two sentences of two reports each: the word is held by four.
    table = sentences(("Gnark here.", 2, 2), ("Gnark there.", 2, 2))
    assert [word.text for word in coverage(table, READER).words][:1] == ["gnark"]
    assert coverage(table, READER).sentences == []


def test_it_is_told_in_lines():
    lines = str(coverage(TABLE, READER)).split("\n")
    assert lines[0] == "75% of the sentences were understood"
    assert "'flurb' (17)" in lines[1]
    assert "'Flurb noted.' (9)" in lines[2]
    assert str(Coverage(1.0, [], [])) == "100% of the sentences were understood"


def test_too_little_warns():
    assert LEAST_UNDERSTOOD == 0.7
    with pytest.warns(UserWarning, match=r"69% of the sentences.*\n.*'zorbs' does not"):
        warn_of_unread(Coverage(0.69, [], []), "zorbs")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_unread(Coverage(0.7, [], []), "zorbs")


def test_an_index_tells_and_warns():
    texts = [row["findings"] for row in made_up_reports(60)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        index = build_index(texts)
    assert index.coverage.share > 0.95
    unread = ["Flurbs are zorbed."] * 200
    with pytest.warns(UserWarning, match="semenrich lexicon suggest"):
        index = build_index([*texts, *unread])
    assert index.coverage.share < 0.7
    assert {word.text for word in index.coverage.words} >= {"zorbed"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as published nothing is read
        build_index([*texts, *unread], preset="paper")


# What is proposed


def uncommented(text):
    """The file as it would be with all proposals taken."""
    lines = text.split("\n")
    kept = [
        line.removeprefix("# ")
        if line.startswith(("# [", "# phrases", "# of", "# nouns"))
        else line
        for line in lines
    ]
    return "\n".join(line.removeprefix("# ") if "normal = [" in line else line for line in kept)


def test_a_proposal_is_a_lexicon_in_comments(tmp_path):
    text = suggest_lexicon(TABLE, READER)
    assert tomllib.loads(text) == {"inherits": "chest_xray"}
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    assert load_lexicon(path) == READER.lexicon
    path.write_text(uncommented(text), encoding="utf-8")
    own = Reader(path)
    assert own.lexicon.findings["flurb"].phrases == ("flurb",)
    assert own.read("No flurb.").understood
    assert own.read("Large flurb.").sign == "abnormal"
    assert not READER.read("Large flurb.").understood


def test_no_more_words_than_asked_for():
    assert suggest_lexicon(TABLE, READER, most=1).count("phrases = ") == 1
    assert suggest_lexicon(TABLE, READER, most=0).count("phrases = ") == 0


def test_a_model_is_asked_what_each_word_is(tmp_path):
    asked = []

    def ask(questions):
        asked.extend(questions)
        return ["structure", "normal"][: len(questions)]

    text = suggest_lexicon(TABLE, READER, ask=ask)
    assert len(asked) == 2
    assert "Word: flurb\nSentence: Flurb noted." in asked[0]
    assert '# [structures.flurb]\n# nouns = ["flurb"]' in text
    assert '# [words]\n# normal = ["zorb"]' in text
    path = tmp_path / "own.toml"
    path.write_text(uncommented(text), encoding="utf-8")
    assert Reader(path).read("The flurb is zorb.").sign == "normal"


def test_an_answer_beside_the_question_proposes_a_finding():
    text = suggest_lexicon(TABLE, READER, ask=lambda questions: ["dunno"] * len(questions))
    assert "# [findings.flurb]" in text
    assert "# [findings.zorb]" in text
