"""Units of meaning: equal for what says the same, by hand and by naive counts."""

import csv
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEncoder, UnusableEncoder, build_index, made_up_reports

from semenrich_datasets import FindingsIndex
from semenrich_datasets.index import Unit
from semenrich_datasets.index.clustering import KMeans
from semenrich_datasets.index.units import (
    SIMILARITY,
    content_key,
    nearest_cluster,
    number_units,
    unit_keys,
)
from semenrich_datasets.reading import Reader
from semenrich_datasets.sentences import split_sentences

IU_REPORTS = Path(__file__).parents[3] / "shared" / "iu_xray" / "reports.csv"
READER = Reader()


@pytest.fixture(scope="module")
def index():
    return build_index()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Cardiomegaly.", "The heart is enlarged."),
        ("No focal airspace consolidation.", "No focal infiltrate."),
        ("No effusion or pneumothorax.", "No pneumothorax, no pleural effusion"),
        ("Small left pleural effusion.", "There is a moderate left effusion."),
        ("The lungs are clear.", "CLEAR LUNGS"),
    ],
)
def test_paraphrases_are_one_unit(index, one, other):
    units = index.units([one, other])
    assert units[0] == units[1]
    assert units[0].content == content_key(READER.read(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Left pleural effusion.", "Right pleural effusion."),
        ("Left pleural effusion.", "Pleural effusion."),
        ("Pleural effusion.", "No pleural effusion."),
        ("Possible pleural effusion.", "Pleural effusion."),
        ("No large pleural effusion.", "No pleural effusion."),
        ("No effusion.", "No effusion or pneumothorax."),
        ("Upper lobe nodule.", "Nodule."),
        ("Calcified nodule.", "Nodule."),
        ("Quite unheard of.", "Quite unheard of, twice."),
    ],
)
def test_what_says_another_thing_is_another_unit(one, other):
    index = build_index([one, other] * 3)
    units = index.units([one, other])
    assert units[0] != units[1]
    assert all(unit.unit_id >= 0 for unit in units)


class OnePoint:
    """All sentences are alike: one cluster."""

    def encode(self, sentences):
        return np.ones((len(sentences), 4), dtype=np.float32)


def test_unread_sentences_go_by_cluster_sign_and_side():
    sentences = [
        "Flurbs enlarged.",
        "Flurbs widened.",
        "Left flurbs enlarged.",
        "Right flurbs enlarged.",
        "Flurbs unremarkable.",
        "Flurbs seen.",
        "Left flurbs seen.",
        "Clear lungs.",
    ]
    index = build_index([" ".join(sentences)], embedder=OnePoint())
    contents = [unit.content for unit in index.units(sentences)]
    assert contents == [
        "cluster 0 abnormal",
        "cluster 0 abnormal",
        "cluster 0 abnormal left",
        "cluster 0 abnormal right",
        "cluster 0 neutral",
        "cluster 0 neutral",
        "cluster 0 neutral",
        "normal lungs",
    ]
    assert [READER.read(text).sign for text in sentences[4:]] == [*["neutral"] * 3, "normal"]
    # A new one joins by its sign and side; what the corpus never says stands for itself.
    new = index.units(["The left flurbs are widened.", "Bilateral zorb.", "Left zorb opacity."])
    assert new[0] == index.units(sentences)[2]
    assert new[1].content == "cluster 0 neutral"
    assert new[2] == index.units(sentences)[2]


def test_as_published_a_unit_is_a_cluster_whatever_it_says():
    index = build_index(["Clear lungs. Heart enlarged"] * 3, embedder=OnePoint(), preset="paper")
    units = index.units(["clear lungs", "heart enlarged", "never heard of"])
    assert units == [Unit(0, "abnormal", "cluster 0")] * 2 + units[2:]
    assert index.units(["cardiomegaly"]) == units[:1]


def test_a_sentence_like_no_other_is_its_own_unit():
    index = build_index(["Flurbs seen. Lungs clear.", "Lungs clear."])
    flurb, own, again = index.units(["Flurbs seen.", "Quite unheard of.", "quite UNHEARD of"])
    assert flurb.unit_id >= 0
    assert own == again == Unit(-1, "neutral", '"quite unheard of"')
    # Of the corpus and in no cluster: a unit with a row.
    keys = unit_keys([READER.read(text) for text in ("Flurbs.", "Zorbs.")], np.array([-1, -1]))
    assert keys == ['"flurbs"', '"zorbs"']


def test_units_are_numbered_by_their_first_sentence():
    ids, names = number_units(["b", "a", "", "b", "c", ""])
    assert ids.tolist() == [0, 1, -1, 0, 2, -1]
    assert names == ["b", "a", "c"]
    assert ids.dtype == np.int64


def test_the_nearest_cluster_of_the_same_sign():
    cluster_ids = np.array([7, 8, -1, 9])
    known = ["abnormal", "normal", "normal", "neutral"]
    close = np.full((1, 4), 0.9, np.float32)
    order = np.array([[0, 2, 1, 3]])

    def found(sign, similarities=close, neighbors=order):
        return nearest_cluster(
            similarities, neighbors, [sign], cluster_ids, known, SIMILARITY
        ).tolist()

    # Nearest is an abnormal one, then one of no cluster, then what is looked for.
    assert found("normal") == [8]
    assert found("abnormal") == [7]
    assert found("neutral") == [9]
    far = np.array([[0.9, 0.8, 0.74, 0.7]], np.float32)
    assert found("normal", far) == [-1]
    assert found("abnormal", far) == [7]
    assert found("normal", close, np.array([[2, 1, -1, -1]])) == [8]
    assert found("neutral", close, np.array([[2, 0, 1, -1]])) == [-1]
    assert nearest_cluster(
        np.zeros((0, 4), np.float32), np.zeros((0, 4), np.int64), [], cluster_ids, known, 0.5
    ).tolist() == []  # fmt: skip


def naive_support(texts):
    """Reports that say each content, by frozensets of assertions."""
    support = {}
    for text in texts:
        contents = {READER.read(sentence).content for sentence in split_sentences(text)}
        for content in contents - {None}:
            support[content] = support.get(content, 0) + 1
    return support


def assert_support(index, texts):
    support = naive_support(texts)
    sentence_of = {}
    for text in texts:
        for sentence in split_sentences(text):
            sentence_of.setdefault(READER.read(sentence).content, sentence)
    counts = index.unit_table.column("support").to_pylist()
    units = index.units([sentence_of[content] for content in support])
    assert [counts[unit.unit_id] for unit in units] == list(support.values())
    assert len({unit.unit_id for unit in units}) == len(support)
    return len(support)


def test_support_counts_the_reports_that_say_it():
    texts = [row["findings"] for row in made_up_reports()]
    texts += ["Cardiomegaly. Heart enlarged.", "No effusion.", "No effusion. No pleural effusion."]
    index = build_index(texts)
    assert assert_support(index, texts) > 10
    rows = index.unit_table.to_pylist()
    effusion = rows[index.units(["No effusion."])[0].unit_id]
    naive = sum("No pleural effusion." in t or "no pleural effusion." in t for t in texts)
    assert effusion["support"] == naive + 1
    assert effusion["occurrences"] == effusion["support"] + 1


def test_support_over_iu_x_ray():
    if not IU_REPORTS.is_file():
        pytest.skip("needs ../shared/iu_xray/reports.csv")
    with IU_REPORTS.open(newline="", encoding="utf-8") as file:
        texts = [row["findings"] for row in csv.DictReader(file) if row["findings"].strip()]
    index = build_index(texts, clustering=KMeans(50))
    assert assert_support(index, texts) > 500


def test_content_needs_no_encoder(index, tmp_path):
    index._write(tmp_path / "index")
    loaded = FindingsIndex.from_pretrained(tmp_path / "index", encoder=UnusableEncoder())
    assert loaded.units(["Cardiomegaly."]) == loaded.units(["The heart is enlarged."])
    assert loaded.units(["Pneumoperitoneum."])[0].unit_id == -1


def test_the_encoder_is_loaded_once_however_often_units_are_asked_for(monkeypatch):
    loaded = []

    def load(embedder):
        loaded.append(embedder)
        return FakeEncoder()

    index = build_index()
    monkeypatch.setattr("semenrich_datasets.index.findings_index.load_encoder", load)
    for text in ("Foo bar baz.", "Qux quux.", "Corge grault."):
        index.units([text])
    assert len(loaded) == 1
