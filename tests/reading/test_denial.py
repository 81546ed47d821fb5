"""How far a denial reaches, by sentences written by hand: what it holds for, and what ends it."""

import pytest

from semenrich_datasets.enrich.facts import refusal
from semenrich_datasets.reading import Reader

READER = Reader()

EFFUSION, PNEUMOTHORAX = "No pleural effusion.", "No pneumothorax."
CONSOLIDATION, PNEUMONIA = "No focal consolidation.", "No pneumonia."
NODULE, FRACTURE, HEART = "No nodule.", "No rib fracture.", "Heart size is normal."
EDEMA, ATELECTASIS = "No pulmonary edema.", "No atelectasis."


def states(sentence, *denials):
    """The sentence is abnormal, and each of the denials contradicts it."""
    assert READER.read(sentence).sign == "abnormal"
    for denial in denials:
        assert refusal(denial, sentence, lexicon=READER) == "contradicts", denial


def denies(sentence, *denials):
    """The sentence is normal, understood, and says each of the denials already."""
    reading = READER.read(sentence)
    assert (reading.sign, reading.understood) == ("normal", True)
    for denial in denials:
        assert refusal(denial, sentence, lexicon=READER) == "redundant", denial


# To deny a change states the thing


@pytest.mark.parametrize(
    ("sentence", "denial"),
    [
        ("No increase in the pleural effusion.", EFFUSION),
        ("No significant change in the right pneumothorax.", PNEUMOTHORAX),
        ("No interval worsening of the consolidation.", CONSOLIDATION),
        ("The effusion has not changed.", EFFUSION),
        ("No enlargement of the nodule.", NODULE),
        ("The pneumothorax is not larger.", PNEUMOTHORAX),
        ("Absence of improvement in the edema.", EDEMA),
    ],
)
def test_a_change_that_is_denied(sentence, denial):
    states(sentence, denial)


@pytest.mark.parametrize(
    "sentence",
    [
        "No increase in the pleural effusion.",
        "No significant change in the right pneumothorax.",
        "No enlargement of the nodule.",
        "The pneumothorax is not larger.",
        "The effusion has increased.",
        "The consolidation has worsened.",
    ],
)
def test_who_speaks_of_change_speaks_of_another_study(sentence):
    """And two of them need not say the same: they have no content to compare."""
    assert READER.read(sentence).mentions_prior
    assert READER.read(sentence).content is None


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("No acute change.", "No acute abnormality."),
        ("No enlargement of the heart.", HEART),
        ("The heart is not enlarged.", HEART),
    ],
)
def test_an_abnormal_word_is_no_change(sentence, said):
    denies(sentence, said)


# Resolved: whole, half and not at all


@pytest.mark.parametrize(
    ("sentence", "denial"),
    [
        ("The effusion has resolved.", EFFUSION),
        ("Resolution of the pneumothorax.", PNEUMOTHORAX),
        ("The consolidation has cleared.", CONSOLIDATION),
        ("Interval resolution of the pulmonary edema.", EDEMA),
    ],
)
def test_what_has_resolved_is_denied(sentence, denial):
    denies(sentence, denial)


@pytest.mark.parametrize("thing", ["effusion", "pneumothorax", "consolidation"])
@pytest.mark.parametrize(
    "text",
    [
        "The {} has resolved.",
        "The {} has cleared.",
        "The {} is resolved.",
        "Resolution of the {}.",
        "Interval resolution of the {}.",
        "The {} has disappeared.",
        "The {} is gone.",
        "The {} is no longer seen.",
    ],
)
def test_what_has_resolved_does_not_travel(text, thing):
    """Who had none cannot be said to have lost it."""
    assert not READER.read(text.format(thing)).is_transferable


@pytest.mark.parametrize(
    ("sentence", "denial"),
    [
        ("Partial resolution of the effusion.", EFFUSION),
        ("The pneumothorax has almost completely resolved.", PNEUMOTHORAX),
        ("The effusion is slowly clearing.", EFFUSION),
        ("Incomplete clearing of the consolidation.", CONSOLIDATION),
        ("The edema has partly resolved.", EDEMA),
    ],
)
def test_what_has_resolved_in_part_is_there(sentence, denial):
    states(sentence, denial)


@pytest.mark.parametrize(
    ("sentence", "denial"),
    [
        ("The effusion has not resolved.", EFFUSION),
        ("No resolution of the pneumothorax.", PNEUMOTHORAX),
        ("No evidence that the effusion has resolved.", EFFUSION),
        ("The consolidation has not cleared.", CONSOLIDATION),
    ],
)
def test_what_has_not_resolved_is_there(sentence, denial):
    states(sentence, denial)


# To exclude, and to fail to


@pytest.mark.parametrize(
    ("sentence", "denial"),
    [
        ("Pneumonia cannot be excluded.", PNEUMONIA),
        ("Pneumothorax is not excluded.", PNEUMOTHORAX),
        ("Difficult to exclude a small effusion.", EFFUSION),
        ("The film does not exclude pneumonia.", PNEUMONIA),
        ("No definite consolidation, but pneumonia cannot be excluded.", PNEUMONIA),
    ],
)
def test_what_is_not_excluded_is_in_doubt(sentence, denial):
    states(sentence, denial)
    assert "uncertain" in {said.status for said in READER.read(sentence).assertions}


@pytest.mark.parametrize(
    ("sentence", "denial"),
    [("Pneumothorax has been excluded.", PNEUMOTHORAX), ("CT excludes pneumonia.", PNEUMONIA)],
)
def test_what_is_excluded_is_denied(sentence, denial):
    denies(sentence, denial)
    assert not READER.read(sentence).is_transferable


def test_what_is_asked_about_is_neither():
    for sentence in ("Rule out pneumonia.", "Evaluate for pneumothorax."):
        assert READER.read(sentence).sign == "neutral"
        assert not READER.read(sentence).is_transferable


# Where a denial ends


@pytest.mark.parametrize(
    ("sentence", "denied", "stated"),
    [
        ("No pleural effusion, left basilar atelectasis.", EFFUSION, ATELECTASIS),
        ("No pneumothorax but a small effusion.", PNEUMOTHORAX, EFFUSION),
        ("No effusion, mild cardiomegaly.", EFFUSION, HEART),
        ("No pneumothorax and a small left effusion.", PNEUMOTHORAX, EFFUSION),
        ("No effusion - right lower lobe consolidation.", EFFUSION, CONSOLIDATION),
        ("No pneumothorax; rib fracture is seen.", PNEUMOTHORAX, FRACTURE),
        ("No effusion, heart is enlarged.", EFFUSION, HEART),
    ],
)
def test_a_denial_ends(sentence, denied, stated):
    states(sentence, stated)
    assert refusal(denied, sentence, lexicon=READER) == "redundant"


@pytest.mark.parametrize(
    ("sentence", "denials"),
    [
        (
            "No pleural effusion, consolidation, or pneumothorax.",
            [EFFUSION, CONSOLIDATION, PNEUMOTHORAX],
        ),
        ("Negative for effusion, edema or pneumothorax.", [EFFUSION, EDEMA, PNEUMOTHORAX]),
        ("No effusion or pneumothorax is seen.", [EFFUSION, PNEUMOTHORAX]),
        (
            "Without evidence of consolidation, effusion, or pneumothorax.",
            [CONSOLIDATION, EFFUSION, PNEUMOTHORAX],
        ),
        (
            "No pneumothorax, large effusion, or focal consolidation.",
            [PNEUMOTHORAX, CONSOLIDATION],
        ),
        ("Neither pneumothorax nor effusion.", [PNEUMOTHORAX, EFFUSION]),
    ],
)
def test_a_denial_holds_for_a_list(sentence, denials):
    denies(sentence, *denials)


# Two negations, and those that are none


@pytest.mark.parametrize(
    ("sentence", "denials"),
    [
        ("The lungs are not without consolidation.", [CONSOLIDATION]),
        ("There is no doubt that there is a pneumothorax.", [PNEUMOTHORAX]),
        ("Not only an effusion but also a pneumothorax.", [EFFUSION, PNEUMOTHORAX]),
        ("Gram negative pneumonia.", [PNEUMONIA]),
        ("No denying the effusion.", [EFFUSION]),
        ("No fewer than three nodules.", [NODULE]),
    ],
)
def test_negations_that_deny_nothing(sentence, denials):
    states(sentence, *denials)


# What is denied of a thing leaves the thing


@pytest.mark.parametrize(
    ("sentence", "denial"),
    [
        ("No mediastinal shift from the pneumothorax.", PNEUMOTHORAX),
        ("No air within the effusion.", EFFUSION),
        ("No spiculation of the nodule.", NODULE),
        ("No cavitation within the consolidation.", CONSOLIDATION),
        ("No underlying cause for the effusion.", EFFUSION),
        ("No rib fracture adjacent to the pneumothorax.", PNEUMOTHORAX),
    ],
)
def test_what_something_denied_belongs_to_is_there(sentence, denial):
    states(sentence, denial)


# Labels and their answers


@pytest.mark.parametrize(
    ("sentence", "denial"),
    [
        ("Pleural effusion: none.", EFFUSION),
        ("Pneumothorax - no.", PNEUMOTHORAX),
        ("Effusion (-).", EFFUSION),
        ("Consolidation: absent", CONSOLIDATION),
        ("Lungs: Clear.", "The lungs are clear."),
    ],
)
def test_answers_that_deny(sentence, denial):
    denies(sentence, denial)


@pytest.mark.parametrize(
    ("sentence", "denial"),
    [
        ("Pneumothorax: present.", PNEUMOTHORAX),
        ("Pleural effusion: small left.", EFFUSION),
        ("Heart: Enlarged.", HEART),
        ("Consolidation: yes.", CONSOLIDATION),
    ],
)
def test_answers_that_state(sentence, denial):
    states(sentence, denial)


def test_a_label_does_not_travel():
    assert not READER.read("Lungs: Clear.").is_transferable
    assert READER.read("Lungs clear.").is_transferable


# A denial of a part leaves the rest


@pytest.mark.parametrize(
    ("sentence", "denial", "reason"),
    [
        ("No large effusion.", EFFUSION, "left_open"),
        ("No overt edema.", EDEMA, "left_open"),
        ("No left pleural effusion.", EFFUSION, "says_less"),
        ("No displaced rib fracture.", FRACTURE, "says_less"),
        ("No focal consolidation in the left lung.", CONSOLIDATION, "says_less"),
        ("No suspicious nodule.", NODULE, "says_less"),
    ],
)
def test_a_part_that_is_denied(sentence, denial, reason):
    assert READER.read(sentence).sign == "normal"
    assert refusal(denial, sentence, lexicon=READER) == reason
    # And the whole says the part.
    assert refusal(sentence, denial, lexicon=READER) == "redundant"


# Other organs


@pytest.mark.parametrize(
    ("sentence", "denial"),
    [
        ("No thyroid nodule.", "No pulmonary nodule."),
        ("No pericardial effusion.", EFFUSION),
        ("The thyroid is normal.", "No pulmonary nodule."),
        ("No ascites.", EFFUSION),
    ],
)
def test_a_denial_of_another_organ_is_no_denial_here(sentence, denial):
    assert READER.read(sentence).sign == "normal"
    assert refusal(denial, sentence, lexicon=READER) != "redundant"
    assert refusal(sentence, denial, lexicon=READER) != "redundant"


@pytest.mark.parametrize(
    ("sentence", "denial"),
    [
        ("The thyroid is normal; a 6 mm right upper lobe nodule is seen.", "No pulmonary nodule."),
        ("No pericardial effusion, small left pleural effusion.", EFFUSION),
        ("The liver is normal with a right pleural effusion.", EFFUSION),
    ],
)
def test_what_stands_beside_another_organ_is_stated(sentence, denial):
    states(sentence, denial)


def test_a_finding_of_another_organ_leaves_the_chest_alone():
    for sentence in ("Pericardial effusion.", "Thyroid nodule.", "Liver mass."):
        assert READER.read(sentence).sign == "abnormal"
        assert refusal(EFFUSION, sentence, lexicon=READER) is None
        assert refusal(PNEUMOTHORAX, sentence, lexicon=READER) is None
