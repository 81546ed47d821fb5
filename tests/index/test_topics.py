"""What a sentence says on a topic."""

import pytest

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
