"""What a sentence leaves open, and words of health that do not say that all is well."""

import pytest

from semenrich_datasets.enrich.facts import refusal
from semenrich_datasets.reading import Reader

READER = Reader()


@pytest.mark.parametrize(
    ("addition", "report"),
    [
        ("No acute bony abnormality.", "Left hip fracture."),
        ("The osseous structures are normal.", "Mandible fracture."),
        ("No pleural effusion.", "Costophrenic angles are not sharp."),
        ("The mediastinum is normal.", "Trachea is not midline."),
        ("No pleural effusion.", "Lungs: abnormal."),
        ("Pulmonary vasculature is normal.", "Cardiomegaly."),
        ("No pleural effusion.", "Left pneumonectomy."),
        ("No pneumothorax.", "No effusion, pneumothorax 10%."),
        ("The lungs are clear.", "Neither lung is clear."),
    ],
)
def test_not_beside_what_may_speak_against_it(addition, report):
    assert refusal(addition, report, lexicon=READER) is not None


@pytest.mark.parametrize(
    "sentence",
    [
        "Heart is nearly normal.",
        "The lungs are almost clear.",
        "Lungs will be clear.",
        "Lungs should be clear.",
        "Normal lungs are not seen.",
        "Not a small pneumothorax.",
        "Hila not normal.",
    ],
)
def test_not_quite_healthy(sentence):
    reading = READER.read(sentence)
    assert reading.sign != "normal"
    assert not reading.is_transferable


@pytest.mark.parametrize(
    "pair",
    [
        ("The spleen is enlarged.", "The liver is enlarged."),
        ("The trachea is deviated.", "The mediastinum is deviated."),
        ("Lungs clear?", "Lungs clear."),
    ],
)
def test_equal_words_of_two_things_are_two_units(pair):
    from semenrich_datasets.index.units import content_key

    reader = Reader("chest_ct")
    one, other = (content_key(reader.read(sentence)) for sentence in pair)
    assert one != other


def test_an_eponym_is_one_phrase():
    assert READER.read("Baker's cyst").text
    from semenrich_datasets.reading.lexicon_entries import tokenize

    assert tokenize("Baker's cyst") == tokenize("baker cyst")
    assert tokenize("it's clear") == ("it", "is", "clear")


@pytest.mark.parametrize("sentence", ["The knee is normal.", "No abnormality of the brain."])
def test_what_such_studies_do_not_show_does_not_travel(sentence):
    reading = READER.read(sentence)
    assert reading.sign == "normal"
    assert reading.understood
    assert not reading.is_transferable
    assert refusal(sentence, "The heart is normal.", lexicon=READER) == "other_kind"


@pytest.mark.parametrize("told", ["There is a frobnication.", "Air on the left."])
def test_beside_what_is_lost_everything_is_open(told):
    for addition in ("No pleural effusion.", "The bones are intact.", "Normal heart."):
        assert refusal(addition, f"Midline trachea. {told}", lexicon=READER) == "left_open"
        assert refusal(addition, "Midline trachea.", told, lexicon=READER) == "left_open"
