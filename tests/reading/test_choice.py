"""The packaged lexicon that understands a corpus best."""

import pytest
from fakes import build_index, made_up_reports

from semenrich_datasets.reading import Reader, best_reader, choice
from semenrich_datasets.reading.lexicon_files import DEFAULT_LEXICON, packaged_lexicons

CHEST = ["The lungs are clear.", "No pleural effusion.", "Heart size is normal."]
LUMBAR = [
    "No spinal canal stenosis at L4-L5.",
    "The conus medullaris terminates at L1.",
    "Disc bulge at L5-S1.",
    "No neural foraminal narrowing.",
]


def share(name, sentences):
    reader = Reader(name)
    return sum(reader.read(sentence).understood for sentence in sentences) / len(sentences)


def test_the_default_one_is_among_the_packaged():
    assert DEFAULT_LEXICON == "chest_xray"
    assert {"chest_xray", "chest_ct", "lumbar_mri"} <= set(packaged_lexicons())
    assert "english" not in packaged_lexicons()


def test_each_corpus_gets_its_own():
    assert best_reader(CHEST, [1, 1, 1]).lexicon.name == "chest_xray"
    assert share("lumbar_mri", LUMBAR) > share("chest_xray", LUMBAR) + 0.05
    assert best_reader(LUMBAR, [1] * 4).lexicon.name == "lumbar_mri"


def test_it_understands_no_less_than_the_others():
    for sentences in (CHEST, LUMBAR, ["Quite unheard of."]):
        best = best_reader(sentences, [1] * len(sentences)).lexicon.name
        most = max(share(name, sentences) for name in packaged_lexicons())
        assert share(best, sentences) > most - 0.05


def test_occurrences_count():
    texts = [*CHEST, *LUMBAR]
    assert best_reader(texts, [50, 40, 30, 1, 1, 1, 1]).lexicon.name == "chest_xray"
    assert best_reader([*LUMBAR, *CHEST], [50, 40, 30, 20, 1, 1, 1]).lexicon.name == "lumbar_mri"


def test_a_small_lead_changes_nothing():
    """Of 100 occurrences 5 more are a lead, 4 are none."""
    only = next(
        text
        for text in LUMBAR
        if share("lumbar_mri", [text]) > share("chest_xray", [text]) == share("chest_ct", [text])
    )
    both = next(
        text
        for text in ("No fracture.", "Scoliosis.", "Normal alignment.", "Mild scoliosis.")
        if share("lumbar_mri", [text]) == share("chest_xray", [text]) == 1.0
    )
    assert best_reader([both, only], [96, 4]).lexicon.name == "chest_xray"
    assert best_reader([both, only], [90, 10]).lexicon.name == "lumbar_mri"


def test_no_sentences_and_no_understanding_give_the_default_one():
    assert best_reader([], []).lexicon.name == DEFAULT_LEXICON
    assert best_reader(["Quite unheard of."], [9]).lexicon.name == DEFAULT_LEXICON


def test_the_most_common_sentences_tell(monkeypatch):
    monkeypatch.setattr(choice, "_TELLING", 2)
    assert best_reader([*CHEST[:2], *LUMBAR], [2, 2, 1, 1, 1, 1]).lexicon.name == DEFAULT_LEXICON
    with pytest.raises(ValueError, match="zip"):
        best_reader(CHEST, [1])


def test_an_index_takes_it():
    lumbar = build_index([" ".join(LUMBAR)] * 5)
    assert lumbar.config.lexicon == lumbar.reader.lexicon.name == "lumbar_mri"
    assert build_index(made_up_reports(40)).config.lexicon == "chest_xray"
    assert build_index([" ".join(LUMBAR)] * 5, lexicon="chest_ct").config.lexicon == "chest_ct"
