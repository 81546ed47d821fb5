"""What a sentence says on a topic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semenrich_datasets.index.topics import (
    ABNORMAL,
    NORMAL,
    SILENT,
    TOUCHES,
    Topic,
    Topics,
    topics_of,
)
from semenrich_datasets.reading import Reader
from semenrich_datasets.reading.entailment import logic_of_one

READER = Reader()
TOPICS = Topics(
    [Topic("heart"), Topic("bones", "acute"), Topic("pleural_effusion"), Topic("vessels")],
    READER.lexicon,
)


@pytest.mark.parametrize(
    ("sentence", "heart", "bones", "effusion", "vessels"),
    [
        ("The heart is normal in size.", NORMAL, SILENT, SILENT, SILENT),
        ("Cardiomegaly.", ABNORMAL, SILENT, SILENT, SILENT),
        ("The heart is stable.", TOUCHES, SILENT, SILENT, SILENT),
        ("No acute bony abnormality.", SILENT, NORMAL, SILENT, SILENT),
        ("Bones are intact.", SILENT, NORMAL, SILENT, SILENT),
        # An old finding does not contradict "nothing acute", but it speaks of the bones.
        ("Degenerative changes of the spine.", SILENT, TOUCHES, SILENT, SILENT),
        ("Acute rib fracture.", SILENT, ABNORMAL, SILENT, SILENT),
        ("No large pleural effusion.", SILENT, SILENT, TOUCHES, SILENT),
        ("No effusion or pneumothorax.", SILENT, SILENT, NORMAL, SILENT),
        ("Possible small left effusion.", SILENT, SILENT, ABNORMAL, ABNORMAL),
        # A summary of the study speaks of no topic of its own.
        ("No acute cardiopulmonary abnormality.", SILENT, SILENT, SILENT, SILENT),
        ("Cough.", SILENT, SILENT, SILENT, SILENT),
    ],
)
def test_stances(sentence, heart, bones, effusion, vessels):
    told = TOPICS.stances([READER.read(sentence)])[0].tolist()
    assert told == [heart, bones, effusion, vessels]


def test_topics_of_denials():
    readings = map(READER.read, ["No acute bony abnormality.", "Heart normal. ", "Cardiomegaly."])
    assert topics_of(readings) == [Topic("bones", "acute"), Topic("heart")]
    assert str(Topic("bones", "acute")) == "acute bones"
    assert str(Topic("pleural_effusion")) == "pleural effusion"


SENTENCES = [
    "The heart is normal in size.",
    "Cardiomegaly.",
    "The heart is stable.",
    "No acute bony abnormality.",
    "Old rib fracture.",
    "No large pleural effusion.",
    "No acute cardiopulmonary abnormality.",
    "Cough.",
]


@pytest.mark.parametrize(
    ("sentence", "acute", "whole"),
    [
        ("No acute bony abnormality.", NORMAL, TOUCHES),
        ("The bones are normal.", NORMAL, NORMAL),
        # What is old leaves "nothing acute" alone, and contradicts "nothing".
        ("Degenerative changes of the spine.", TOUCHES, ABNORMAL),
        ("Acute rib fracture.", ABNORMAL, ABNORMAL),
    ],
)
def test_a_narrow_topic_is_another_one_than_the_whole(sentence, acute, whole):
    topics = Topics([Topic("bones", "acute"), Topic("bones")], READER.lexicon)
    assert topics.stances([READER.read(sentence)])[0].tolist() == [acute, whole]


@pytest.mark.parametrize(
    ("sentence", "heart", "effusion"),
    [
        # The summary is left out, what stands beside it is not.
        ("No acute cardiopulmonary abnormality or pleural effusion.", SILENT, NORMAL),
        ("Cardiomegaly without acute cardiopulmonary abnormality.", ABNORMAL, SILENT),
        ("No acute abnormality.", SILENT, SILENT),
    ],
)
def test_a_summary_speaks_of_no_topic_and_hides_none(sentence, heart, effusion):
    told = TOPICS.stances([READER.read(sentence)])[0]
    assert (told[0], told[2]) == (heart, effusion)


@pytest.mark.parametrize(
    ("sentence", "lungs", "effusion"),
    [
        # Logic alone would have it that the lungs are free of what is acute.
        ("No acute cardiopulmonary abnormality.", SILENT, SILENT),
        ("No acute cardiopulmonary process or pleural effusion.", SILENT, NORMAL),
        ("No acute pulmonary abnormality.", NORMAL, SILENT),
    ],
)
def test_a_summary_does_not_even_answer_what_follows_from_it(sentence, lungs, effusion):
    topics = Topics([Topic("lungs", "acute"), Topic("pleural_effusion")], READER.lexicon)
    reading = READER.read(sentence)
    assert topics.stances([reading])[0].tolist() == [lungs, effusion]
    if "cardio" in sentence:
        denial = logic_of_one(Topic("lungs", "acute").denial(READER.lexicon), READER.lexicon)
        assert not denial.denies & ~reading.logic.implies


def test_topics_come_once_and_in_order():
    sentences = ["No pneumothorax.", "Heart size normal.", "There is no pneumothorax."]
    told = topics_of(map(READER.read, sentences))
    assert told == [Topic("heart"), Topic("pneumothorax")]
    assert topics_of(map(READER.read, reversed(sentences))) == told
    assert topics_of([]) == []
    # What is stated to be wrong, or not understood, denies nothing.
    assert topics_of(map(READER.read, ["Cardiomegaly.", "Zork."])) == []


@pytest.mark.parametrize(
    "sentence", ["No acute bony abnormality.", "Heart size normal.", "No effusion or pneumothorax."]
)
def test_a_denial_is_normal_on_each_of_its_topics(sentence):
    reading = READER.read(sentence)
    own = topics_of([reading])
    assert own
    assert (Topics(own, READER.lexicon).stances([reading]) == NORMAL).all()


@given(st.lists(st.sampled_from(SENTENCES), max_size=6))
def test_a_stance_depends_on_its_sentence_alone(sentences):
    told = TOPICS.stances([READER.read(one) for one in sentences])
    assert told.dtype == np.int8
    assert told.shape == (len(sentences), 4)
    for row, sentence in zip(told, sentences, strict=True):
        assert row.tolist() == TOPICS.stances([READER.read(sentence)])[0].tolist()


def test_without_topics_there_is_nothing_to_tell():
    assert Topics([], READER.lexicon).stances([READER.read("Cardiomegaly.")]).shape == (1, 0)
