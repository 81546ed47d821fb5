"""The silence model on made corpora whose habits are known."""

import random

import numpy as np
import pytest
from fakes import build_index

from semenrich_datasets import FindingsIndex
from semenrich_datasets.index.silence import (
    FOLDS,
    NO_CONTEXT,
    NO_HISTORY,
    from_tables,
    sentence_features,
    to_tables,
)
from semenrich_datasets.index.topics import Topic
from semenrich_datasets.reading import Reader

NEVER_HELD_BY_FIVE = "Zebra."


def made_rows(n=600, seed=0):
    """Hearts are large after "dyspnea"; a third of the healthy reports say nothing of the heart."""
    rng = random.Random(seed)
    rows = []
    for number in range(n):
        sick = rng.random() < 0.3
        history = "Dyspnea." if rng.random() < (0.9 if sick else 0.1) else "Cough."
        told = [rng.choice(["No pneumothorax.", "No pleural effusion.", "Lungs clear."])]
        told.append(f"Frobnicated {'glimmer' if sick else 'plain'}.")
        if rng.random() < 0.66 or sick:
            told.append("Cardiomegaly." if sick else "Heart size normal.")
        if number < 3:
            told.append(NEVER_HELD_BY_FIVE)
        impression = "Normal chest." if number % 3 else None
        rows.append({"findings": " ".join(told), "impression": impression, "indication": history})
    return rows


@pytest.fixture(scope="module")
def rows():
    return made_rows()


@pytest.fixture(scope="module")
def index(rows):
    return build_index(rows)


def place(index, concept):
    return index.silence.topics.index(Topic(concept))


def odds(index, fold=0, findings=(), context=(), history=()):
    read = index.reader.read
    parts = (map(read, part) for part in (findings, context, history))
    rest = index.silence.rest(*parts)
    return index.silence.log_odds(rest, fold=fold)


def test_it_learns_from_histories_and_from_words_nobody_understands(index):
    silence = index.silence
    heart = place(index, "heart")
    assert silence.text.learned[heart]
    weight = {
        name: silence.text.weights[0][silence.numbers[name], heart]
        for name in ('history "dyspnea"', 'history "cough"', '"glimmer"', '"plain"')
    }
    assert weight['history "dyspnea"'] > 0.3 > -0.3 > weight['history "cough"']
    assert weight['"glimmer"'] > 0.3 > -0.3 > weight['"plain"']
    assert silence.text.auroc[heart] > 0.95
    sick = odds(index, findings=["Frobnicated glimmer."], history=["Dyspnea."])[heart]
    well = odds(index, findings=["Frobnicated plain."], history=["Cough."])[heart]
    assert sick - well > 3


def test_what_is_said_on_the_topic_is_not_learned_from(index):
    """Every sentence on the heart is cut out, so its words cannot tell of it."""
    column = place(index, "heart")
    for name in ('"cardiomegaly"', "present cardiomegaly", '"heart"', "normal heart"):
        if name in index.silence.numbers:
            weights = index.silence.text.weights[:, index.silence.numbers[name], column]
            assert not weights.any(), name


def test_counts_by_hand(rows, index):
    heart = place(index, "heart")
    texts = [row["findings"] for row in rows]
    counts = index.silence.counts
    assert counts.abnormal[heart] == sum("Cardiomegaly" in text for text in texts)
    assert counts.normal[heart] == sum("Heart size" in text for text in texts)
    assert counts.silent[heart] == len(rows) - counts.abnormal[heart] - counts.normal[heart]


def test_a_topic_with_few_abnormal_reports_keeps_to_its_prior(index):
    lone = place(index, "pneumothorax")
    counts = index.silence.counts
    assert counts.abnormal[lone] == 0
    assert not index.silence.text.learned[lone]
    assert np.isnan(index.silence.text.auroc[lone])
    expected = np.log(1 / (counts.silent[lone] + 1))
    for findings in (["Frobnicated glimmer."], ["Frobnicated plain."], []):
        assert odds(index, findings=findings)[lone] == pytest.approx(expected, abs=1e-3)


def test_held_out_it_is_calibrated(index):
    """Of other reports of the same authors, as many are sick as it tells."""
    heart = place(index, "heart")
    told, sick = [], []
    for row in made_rows(1_500, seed=7):
        sentences = [f"{one}." for one in row["findings"].rstrip(".").split(". ")]
        stated = "Cardiomegaly." in sentences
        if stated or "Heart size normal." not in sentences:
            rest = [one for one in sentences if one not in ("Cardiomegaly.", "Heart size normal.")]
            context = [row["impression"]] if row["impression"] else []
            z = odds(index, findings=rest, context=context, history=[row["indication"]])[heart]
            told.append(1 / (1 + np.exp(-z)))
            sick.append(stated)
    assert np.mean(told) == pytest.approx(np.mean(sick), abs=0.04)
    high = np.array(told) > 0.5
    assert np.mean(np.array(told)[high]) == pytest.approx(np.mean(np.array(sick)[high]), abs=0.06)


def test_bayes_rule_by_hand(index):
    silence = index.silence
    # Odds of 2 stated abnormal reports to 1 silent one; a fifth is left unsaid: 1/4 * 2.
    assert silence.risk(np.log([2.0, 0.5]), 0.2).tolist() == pytest.approx([0.5, 0.125])
    assert silence.risk(np.array([60.0]), 0.05).tolist() == [1.0]
    assert silence.risk(np.array([3.0]), 0.0).tolist() == [0.0]
    assert silence.unsaid == 0.05
    assert silence.risk(np.array([0.0])).tolist() == pytest.approx([1 / 19])


def test_a_model_of_a_part_has_not_seen_it(rows):
    """Other words in one part change the models of the others, and not its own."""
    from semenrich_datasets.columns import StudyTexts
    from semenrich_datasets.index.counting import fold_of

    ids = [{**row, "patient_id": f"p{number}"} for number, row in enumerate(rows)]
    changed = [
        {**row, "indication": "Cough."}
        if fold_of(StudyTexts(None, patient=row["patient_id"]), by_patient=True) == 2
        else row
        for row in ids
    ]
    before, after = build_index(ids), build_index(changed)
    assert before.config.by_patient
    assert before.silence.features == after.silence.features
    heart = place(before, "heart")
    one, other = (index.silence.text.weights[:, :, heart] for index in (before, after))
    # The same but for the calibration, which is one number for all: the same direction.
    cosine = one[2] @ other[2] / np.linalg.norm(one[2]) / np.linalg.norm(other[2])
    assert cosine == pytest.approx(1, abs=1e-4)
    for fold in (0, 1, 3, 4, 5):
        cosine = one[fold] @ other[fold] / np.linalg.norm(one[fold]) / np.linalg.norm(other[fold])
        assert cosine < 0.999


def test_the_order_of_reports_changes_nothing(rows, index):
    shuffled = random.Random(3).sample(rows, len(rows))
    assert build_index(shuffled).digest == index.digest


def test_files_keep_it_all(index, tmp_path):
    index.save_pretrained(tmp_path / "index")
    again = FindingsIndex.from_pretrained(tmp_path / "index").silence
    own = index.silence
    assert (again.topics, again.features, again.unsaid) == (own.topics, own.features, own.unsaid)
    assert again.image is None
    for name in ("weights", "intercepts", "learned", "auroc"):
        one, other = getattr(again.text, name), getattr(own.text, name)
        assert one.dtype == other.dtype
        assert np.array_equal(one, other, equal_nan=name == "auroc")
    assert again.text.weights.shape == (1 + FOLDS, len(own.features), len(own.topics))
    for name in ("normal", "abnormal", "silent"):
        assert np.array_equal(getattr(again.counts, name), getattr(own.counts, name))


def test_an_index_as_published_has_no_topics(rows):
    silence = build_index(rows[:50], preset="paper").silence
    again = from_tables(*to_tables(silence), unsaid=0.05)
    assert (again.topics, again.features) == ((), ())


def test_what_fewer_than_five_reports_hold_is_no_feature(index):
    assert '"zebra"' not in index.silence.numbers
    assert not any("zebra" in name for name in index.silence.features)


def test_texts_that_are_missing_are_a_feature(index):
    numbers = index.silence.numbers
    assert NO_CONTEXT in numbers  # a third of the reports have no impression
    assert NO_HISTORY not in numbers  # all have an indication
    read = index.reader.read
    alone = index.silence.rest([read("Lungs clear.")], [], [])
    both = index.silence.rest([read("Lungs clear.")], [read("Normal chest.")], [])
    assert numbers[NO_CONTEXT] in alone
    assert numbers[NO_CONTEXT] not in both


def test_features_of_a_sentence():
    reading = Reader().read("Mild cardiomegaly, no acute fracture.")
    names = set(sentence_features(reading, history=False))
    assert {"present cardiomegaly", "speaks of cardiomegaly", '"mild"'} <= names
    assert "absent acute fracture" in names
    assert "states an abnormality" in names
    assert all(name.startswith("history ") for name in sentence_features(reading, history=True))


def test_the_strongest_influences_come_first(index):
    read = index.reader.read
    rest = index.silence.rest([read("Frobnicated glimmer.")], [], [read("Dyspnea.")])
    told = index.silence.explain(rest, place(index, "heart"))
    assert len(told) == 3
    factors = [abs(np.log(one.factor)) for one in told]
    assert factors == sorted(factors, reverse=True)
    assert {'"glimmer"', 'history "dyspnea"'} & {one.feature for one in told}
    assert str(told[0]).startswith(told[0].feature)
