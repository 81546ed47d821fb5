"""What sentences assert: scope of negation, normality, doubt, lists; and their flags."""

from __future__ import annotations

import pytest

from semenrich_datasets.reading import Reader

READER = Reader()


def said(sentence):
    return {(a.concept, a.status) for a in READER.read(sentence).assertions}


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("No edema, scar, or pneumothorax.", "edema- scar- pneumothorax-"),
        ("Neither effusion nor pneumothorax.", "pleural_effusion- pneumothorax-"),
        ("Lungs are clear, without scar or effusion", "lungs= scar- pleural_effusion-"),
        ("No pneumothorax, but a small effusion is seen", "pneumothorax- pleural_effusion+"),
        ("No pneumothorax, mild cardiomegaly", "pneumothorax- cardiomegaly+"),
        ("No effusion is seen, atelectasis", "pleural_effusion- atelectasis+"),
        ("No effusion and there is mild edema", "pleural_effusion- edema+"),
        ("No consolidation the lungs are hyperinflated", "consolidation- hyperinflation+"),
        ("No effusion, heart is enlarged", "pleural_effusion- cardiomegaly+"),
        ("No effusion or edema, heart enlarged", "pleural_effusion- edema- cardiomegaly+"),
        ("No ileus or small bowel obstruction", "bowel_finding-"),
        ("Effusion is not seen", "pleural_effusion-"),
        ("The effusion has resolved", "pleural_effusion-"),
        ("Effusion cannot be excluded", "pleural_effusion?"),
        ("Nodule, possibly a granuloma", "nodule+ granuloma?"),
        ("No opacity to suggest pneumonia", "opacity- pneumonia-"),
        ("Rule out pneumonia", ""),
        ("Normal heart size and mediastinal contours", "heart= mediastinum="),
        ("Heart, hila and lungs are normal", "heart= hila= lungs="),
        ("Cardiac and hilar contours are unremarkable", "heart= hila="),
        ("Normal cardiomediastinal silhouette", "heart= mediastinum="),
        ("Heart size normal, tortuous aorta", "heart= tortuous_aorta+"),
        ("Heart normal, aorta tortuous", "heart= tortuous_aorta+"),
        ("The lungs are well expanded and clear", "lung_volumes= lungs="),
        ("The lungs are not clear", "lungs+"),
        ("The heart is not enlarged", "heart="),
        ("Cardiac silhouette at the upper limits of normal", "borderline_heart+"),
        ("The heart is borderline enlarged", "borderline_heart+"),
        ("No acute bony or soft tissue abnormality", "bones= soft_tissues="),
        ("Bones show no acute abnormality", "bones="),
        ("No abnormality of the spine", "spine="),
        ("No acute abnormality", "anything="),
        ("Elevated left hemidiaphragm", "elevated_diaphragm+"),
        ("Lungs clear except for a scar", "lungs= scar+"),
        ("Stable heart size, lungs clear", "lungs="),
        ("Heart size is stable", ""),
        ("Calcification in the mediastinum", "calcification+ mediastinum?"),
        ("Calcified mediastinal lymph nodes", "calcified_nodes+"),
    ],
)  # fmt: skip
def test_assertions(sentence, expected):
    marks = {"+": "present", "?": "uncertain", "-": "absent", "=": "normal"}
    pairs = {(item[:-1], marks[item[-1]]) for item in expected.split()}
    if ("anything", "normal") in pairs:
        pairs = {("anything", "absent")}
    assert said(sentence) == pairs


@pytest.mark.parametrize(
    ("sentence", "narrowing"),
    [
        ("No large effusion", "large"),
        ("No acute fracture", "acute"),
        ("No acute displaced rib fracture", "acute"),
        ("No suspicious nodule", "suspicious"),
        ("No opacity in the bases", "part"),
        ("Lung bases are clear", "part"),
        ("No definite effusion", None),
    ],
)
def test_narrowing_words_limit_a_denial(sentence, narrowing):
    (assertion,) = READER.read(sentence).assertions
    assert assertion.narrowing == narrowing


@pytest.mark.parametrize(
    ("sentence", "side"),
    [
        ("The right lung is clear", "right"),
        ("No effusion on the left", "left"),
        ("No left or right effusion", None),
        ("The lungs are clear bilaterally", None),
    ],
)
def test_sides_limit_a_denial(sentence, side):
    (assertion,) = READER.read(sentence).assertions
    assert assertion.side == side


def test_small_rules_out_large():
    (assertion,) = READER.read("There is a small effusion.").assertions
    assert assertion.rules_out == {"large"}


@pytest.mark.parametrize(
    "sentence",
    [
        "Unchanged heart size",
        "No new consolidation",
        "The lungs are now clear",
        "Effusion, larger than on the prior study",
        "In the interval the lungs have cleared",
    ],
)
def test_prior_is_noticed(sentence):
    assert READER.read(sentence).mentions_prior


@pytest.mark.parametrize("sentence", ["Old granulomatous disease", "Prior cholecystectomy"])
def test_history_is_not_a_prior_study(sentence):
    assert not READER.read(sentence).mentions_prior


@pytest.mark.parametrize(
    "sentence",
    ["The lungs are otherwise clear", "Portable view: clear lungs", "Remainder of lungs clear"],
)  # fmt: skip
def test_dependence_on_context_is_noticed(sentence):
    assert READER.read(sentence).depends_on_context


@pytest.mark.parametrize(
    "sentence",
    [
        "Clear lungs on 3 images",
        "No nodule over 5 mm",
        "XXXX and hila are normal",
        "The ___ are intact",
        "The left lung is clear",
        "Elevated right hemidiaphragm",
        "The pacemaker leads are intact",
        "Seen with Dr. Nobody, the lungs are clear",
    ],
)
def test_identifying_is_noticed(sentence):
    assert READER.read(sentence).identifying


@pytest.mark.parametrize(
    "sentence",
    [
        "The flurbs are normal",
        "The XXXX are normal",
        "The heart and mediastinum",
        "No pleural or pericardial effusion",  # two effusions, of which one phrase is known
        "",
    ],
)
def test_what_is_not_understood_is_said_so(sentence):
    assert not READER.read(sentence).understood


@pytest.mark.parametrize(
    "sentence",
    ["The lungs are clear.", "there is no effusion identified", "Visualized bones appear intact"],
)
def test_plain_normal_sentences_are_understood(sentence):
    reading = READER.read(sentence)
    assert reading.understood
    assert not any((reading.mentions_prior, reading.depends_on_context, reading.identifying))


def test_readings_are_kept():
    assert READER.read("No effusion.") is READER.read("No effusion.")


@pytest.mark.parametrize(
    ("sentence", "addition", "open_"),
    [
        ("The mediastinum is stable.", "Mediastinal contours are normal.", True),
        ("Heart normal in size, stable mediastinal contour.", "Normal mediastinum.", True),
        ("Calcified mediastinal XXXX.", "The mediastinum is normal.", True),
        ("The XXXX are normal.", "No acute bony abnormality.", True),
        ("No large effusion.", "No pleural effusion.", True),
        ("Goiter shifts the trachea.", "Mediastinal contours are normal.", True),
        ("Large left effusion.", "The heart is normal in size.", True),
        ("Possible basal pneumonia.", "No pleural effusion.", True),
        ("Small pneumothorax.", "No effusion.", True),
        ("Large left effusion.", "No acute bony abnormality.", False),
        ("The heart is stable.", "Mediastinal contours are normal.", False),
        ("The heart is normal.", "Mediastinal contours are normal.", False),
        ("No pneumothorax.", "No effusion.", False),
    ],
)
def test_what_a_sentence_touches_on_stays_open(sentence, addition, open_):
    told = READER.read(sentence)
    left_open = told.left_open | told.at_issue | told.logic.excludes
    assert bool(left_open & READER.read(addition).logic.implies) == open_


def test_hilar_vessels_are_vessels():
    vessels = READER.read("The pulmonary vascularity is normal.").logic
    assert not vessels.denies & ~READER.read("Normal hilar vasculature.").logic.implies
