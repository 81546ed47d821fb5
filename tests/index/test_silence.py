"""The silence model on made corpora whose habits are known."""

import random

import numpy as np
import pytest
from fakes import build_index, of_patients
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from semenrich_datasets import FindingsIndex
from semenrich_datasets.columns import StudyTexts
from semenrich_datasets.index import silence_fit
from semenrich_datasets.index.counting import count_sentences, fold_of
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
from semenrich_datasets.sentences import split_sentences

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


# Of 120 reports with an effusion and 120 without a word on the pleura, so many hold a sentence.
HELD = {"Frobnicated.": (90, 10), "Mild scoliosis.": (80, 20), "Lungs clear.": (60, 60)}
PLEURA = ("No pleural effusion.", "Small left pleural effusion.")


def effusions(where="findings", n=120, held=None, told=10, seed=0):
    """Reports with an effusion, silent ones, and some that deny it: none, with sentences beside."""
    rng = random.Random(seed)
    rows = []
    for sick in (True, False):
        beside = [[] for _ in range(n)]
        for sentence, counts in (held or {}).items():
            for number in rng.sample(range(n), counts[not sick]):
                beside[number].append(sentence)
        for number, sentences in enumerate(beside):
            stated = [PLEURA[1]] if sick else []
            row = {"findings": [f"Tube {number}.", *stated], "impression": [], "indication": []}
            row[where] = [*row[where], *sentences]
            rows.append({name: " ".join(one) or None for name, one in row.items()})
    return rows + [{"findings": PLEURA[0], "impression": None, "indication": None}] * told


def pleura_of(index):
    return place(index, "pleural_effusion")


@pytest.mark.parametrize("where", ["findings", "impression", "indication"])
def test_each_text_of_a_study_tells_and_by_how_much(where):
    index = build_index(of_patients(effusions(where, held={"Mild scoliosis.": (80, 20)})))
    pleura = pleura_of(index)
    assert index.silence.text.learned[pleura]
    part = {"findings": "findings", "impression": "context", "indication": "history"}[where]
    prefix = "history " if where == "indication" else ""
    weights = index.silence.text.weights[0][:, pleura]
    for name in ('"scoliosis"', '"mild"'):
        assert weights[index.silence.numbers[prefix + name]] > 0.2
        other = '"scoliosis"' if prefix else 'history "scoliosis"'
        assert other not in index.silence.numbers
    # 80 of 100 reports with it state an effusion, 40 of 140 without it; the ridge holds it back.
    tube = {"findings": ["Tube 1."]}
    with_it = odds(index, **{**tube, part: [*tube.get(part, []), "Mild scoliosis."]})[pleura]
    without = odds(index, **tube)[pleura]
    assert with_it == pytest.approx(np.log(80 / 20), abs=0.25)
    assert without == pytest.approx(np.log(40 / 100), abs=0.25)


def test_words_count_whether_the_sentence_was_understood_or_not():
    index = build_index(of_patients(effusions(held=HELD)))
    pleura, numbers = pleura_of(index), index.silence.numbers
    assert not index.reader.read("Frobnicated.").understood
    assert index.reader.read("Mild scoliosis.").understood
    weights = index.silence.text.weights[0][:, pleura]
    assert weights[numbers['"frobnicated"']] > 1
    assert weights[numbers['"scoliosis"']] > 0.2
    # As many of the one as of the other hold it.
    assert abs(weights[numbers["normal lungs"]]) < 0.15


@pytest.mark.parametrize(("n", "learned"), [(9, False), (10, True)])
def test_nine_abnormal_reports_teach_nothing(n, learned):
    made = effusions(n=40, held={"Mild scoliosis.": (40, 0)})
    rows = [*made[:n], *made[40:]]
    index = build_index(of_patients(rows))
    pleura = pleura_of(index)
    assert index.silence.counts.abnormal[pleura] == n
    assert index.silence.text.learned[pleura] == learned
    if not learned:
        # Nine and one of them, forty and one that are silent; a twentieth is left unsaid.
        risk = index.silence.risk(odds(index, findings=["Mild scoliosis."]))[pleura]
        assert risk == pytest.approx((9 + 1) / (40 + 1) / 19, abs=1e-4)
        assert not index.silence.text.weights[:, :, pleura].any()
        assert len(set(index.silence.text.intercepts[:, pleura])) == 1


@pytest.mark.parametrize(
    ("sentence", "word", "least"),
    # What the lexicon knows is nobody's name.
    [("Mild scoliosis.", '"scoliosis"', 5), ("Frobnicated.", '"frobnicated"', 20)],
)
@pytest.mark.parametrize("below", [0, 1])
def test_how_many_reports_a_feature_needs(sentence, word, least, below):
    # Said twice in a report it is still held by one.
    rows = effusions(n=40, held={f"{sentence} {sentence}": (least - below, 0)})
    assert (word in build_index(of_patients(rows)).silence.numbers) == (not below)


def test_a_topic_of_which_nothing_tells_keeps_to_its_prior():
    index = build_index(
        of_patients(effusions(held={"Frobnicated.": (60, 60), "Mild scoliosis.": (60, 60)}))
    )
    pleura = pleura_of(index)
    assert not index.silence.text.learned[pleura]
    assert np.isnan(index.silence.text.auroc[pleura])
    for findings in ([], ["Frobnicated."], ["Mild scoliosis."]):
        assert odds(index, findings=findings)[pleura] == 0  # of 120 to 120


def test_the_auroc_is_that_of_models_which_have_not_seen_the_reports():
    """Judged one by one, as an enricher judges them, the reports come in the order of the fit."""
    held = {"Frobnicated.": (40, 20), "Mild scoliosis.": (33, 24)}
    rows = of_patients(effusions(n=60, held=held))
    index = build_index(rows)
    pleura = pleura_of(index)
    sick, own, seen = [], [], []
    for row in rows:
        sentences = split_sentences(row["findings"])
        if PLEURA[0] in sentences:
            continue
        sick.append(PLEURA[1] in sentences)
        rest = [one for one in sentences if one != PLEURA[1]]
        fold = fold_of(StudyTexts(row["findings"], patient=row["patient_id"]), by_patient=True)
        own.append(odds(index, fold, rest)[pleura])
        seen.append(odds(index, 0, rest)[pleura])
    assert index.silence.text.auroc[pleura] == pytest.approx(roc_auc_score(sick, own), abs=2e-3)
    assert roc_auc_score(sick, seen) > roc_auc_score(sick, own) + 0.01


def test_tables_keep_a_model_of_texts(index):
    own = index.silence
    tables = to_tables(own)
    again = from_tables(*tables, unsaid=own.unsaid)
    for one, other in zip(tables, to_tables(again), strict=True):
        assert one.schema == other.schema
        assert str(one.to_pylist()) == str(other.to_pylist())
    assert again.scaling.shape == (2, 0)
    for fold in range(1 + FOLDS):
        assert (
            again.log_odds([0, 2], fold=fold).tolist() == own.log_odds([0, 2], fold=fold).tolist()
        )


def test_without_topics_there_is_no_risk(rows):
    silence = build_index(rows[:50], preset="paper").silence
    for model in (silence, from_tables(*to_tables(silence), unsaid=0.05)):
        assert model.log_odds(model.rest([Reader().read("Lungs clear.")], [], [])).shape == (0,)
        assert model.text.weights.shape == (1 + FOLDS, 0, 0)
        assert model.counts.silent.tolist() == []


def test_a_missing_indication_is_a_feature_too():
    rows = [
        {**row, "indication": "Cough." if number % 2 else None, "impression": "Normal chest."}
        for number, row in enumerate(effusions(held=HELD))
    ]
    index = build_index(of_patients(rows))
    assert NO_HISTORY in index.silence.numbers
    assert NO_CONTEXT not in index.silence.numbers
    asked = index.silence.rest([], [], [index.reader.read("Cough.")])
    assert index.silence.numbers[NO_HISTORY] not in asked
    assert index.silence.numbers[NO_HISTORY] in index.silence.rest([], [], [])


def test_a_sentence_counts_once_however_often_it_stands_there(index):
    said = [index.reader.read("Frobnicated glimmer.")]
    once = index.silence.rest(said, said, [])
    assert index.silence.rest(said * 3, said * 2, []) == once == sorted(set(once))


@given(
    st.lists(st.floats(-60, 60), min_size=2, max_size=2),
    st.lists(st.floats(0, 0.99), min_size=2, max_size=2),
)
def test_who_leaves_more_unsaid_has_more_risk(index, odds_, shares):
    low, high = sorted(odds_)
    less, more = sorted(shares)
    risk = index.silence.risk
    assert 0 <= risk(np.array([low]), less)[0] <= risk(np.array([low]), more)[0] <= 1
    assert risk(np.array([low]), more)[0] <= risk(np.array([high]), more)[0] <= 1


def test_an_influence_is_the_factor_of_its_weight(index):
    silence, heart = index.silence, place(index, "heart")
    rest = silence.rest([index.reader.read("Frobnicated glimmer.")], [], [])
    for fold in (0, 3):
        weights = silence.text.weights[fold][rest, heart]
        told = silence.explain(rest, heart, fold=fold, most=len(rest))
        assert len(told) == np.count_nonzero(weights)
        for influence in told:
            weight = silence.text.weights[fold][silence.numbers[influence.feature], heart]
            assert influence.factor == pytest.approx(np.exp(weight), rel=1e-5)
    assert len(silence.explain(rest, heart, most=1)) == 1
    # A topic that keeps to its prior is moved by nothing.
    assert silence.explain(rest, place(index, "pneumothorax")) == []


def test_a_history_states_nothing_of_the_image_and_is_cut_on_its_own_topic():
    """What was known before: nobody says it is on this image, and it gives its topic away."""
    rows = effusions(n=60, held={"Mild scoliosis.": (50, 10)})
    for number, row in enumerate(rows[:120]):
        row["indication"] = "Known cardiomegaly." if number % 3 else PLEURA[1]
    rows += [{"findings": "Heart size normal.", "impression": None, "indication": None}] * 10
    index = build_index(of_patients(rows))
    counts, heart, pleura = index.silence.counts, place(index, "heart"), pleura_of(index)
    assert (counts.abnormal[heart], counts.normal[heart]) == (0, 10)
    assert counts.silent[heart] == len(rows) - 10
    assert (counts.abnormal[pleura], counts.normal[pleura]) == (60, 10)
    weights, numbers = index.silence.text.weights, index.silence.numbers
    assert not weights[:, numbers['history "effusion"'], pleura].any()
    assert weights[:, numbers['history "cardiomegaly"'], pleura].any()


def test_of_a_large_corpus_only_what_its_sample_holds_is_read(monkeypatch):
    studies = [
        StudyTexts(f"Tube {n}. Heart size normal.", {"b": f"Normal {n}."}, {"i": f"Fall {n}."})
        for n in range(200)
    ]
    counts, topics = count_sentences(studies), [Topic("heart")]
    whole = silence_fit.Studies(counts, Reader(), topics)
    monkeypatch.setattr(silence_fit, "_MOST_REPORTS", 20)
    some = silence_fit.Studies(counts, Reader(), topics)
    assert (len(whole.readings), len(some.readings)) == (3 * 200 + 1, 3 * 20 + 1)
    assert some.of_history.sum() == 20
    assert {one.text for one, past in zip(some.readings, some.of_history, strict=True) if past} == {
        f"fall {number}" for number in np.sort(counts.rows[some.order])
    }
    assert some.counts().normal.tolist() == [20]
    assert (some.stance == whole.stance[:20]).all()
