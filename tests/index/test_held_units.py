"""A loaded index asked for the units of sentences: known, understood, and neither."""

from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from fakes import FakeEncoder, UnusableEncoder, build_index, made_up_reports

from semenrich_datasets import FindingsIndex
from semenrich_datasets.index import Unit
from semenrich_datasets.index.clustering import DBSCAN


@pytest.fixture
def folder(tmp_path):
    replace(build_index()).save_pretrained(tmp_path / "index")
    return tmp_path / "index"


def test_known_and_understood_sentences_need_no_encoder(folder):
    loaded = FindingsIndex.from_pretrained(folder, encoder=UnusableEncoder())
    known = loaded.units(["no PLEURAL effusion", "2. No  pleural effusion..", "", " . "])
    assert known[0] == known[1]
    assert known[0].unit_id >= 0
    assert [unit.unit_id for unit in known[2:]] == [-1, -1]
    assert loaded.units([]) == []
    fluid = ["Pericardial effusion.", "There is a pericardial effusion."]
    said = loaded.units([*fluid, "There is no effusion seen."])
    expected = Unit(-1, "abnormal", "present pericardial effusion of pericardial_effusion")
    assert said == [expected, expected, known[0]]
    with pytest.raises(AssertionError, match="embedded"):
        loaded.units(["Nothing like it anywhere whatever."])


class Counting(FakeEncoder):
    """Notes what was embedded."""

    def __init__(self):
        self.seen = []

    def encode(self, sentences):
        self.seen += sentences
        return super().encode(sentences)


@pytest.fixture(scope="module")
def unread_folder(tmp_path_factory):
    """Of the made-up corpus, with sentences that no reader understands."""
    unread = ["Flurbs seen.", "Flurbs seen. No pneumothorax.", "Flurbs normal.", "Zorb gone."]
    folder = tmp_path_factory.mktemp("unread")
    texts = [row["findings"] for row in made_up_reports(40)]
    build_index(texts + unread * 5)._write(folder)
    return folder


def test_new_unread_sentences_join_their_nearest_neighbor(unread_folder):
    encoder = Counting()
    loaded = FindingsIndex.from_pretrained(unread_folder, encoder=encoder)
    flurbs, zorb = loaded.units(["Flurbs seen.", "Zorb gone."])
    assert flurbs.unit_id >= 0 <= zorb.unit_id
    assert encoder.seen == []
    new = ["The flurbs seen.", "the FLURBS seen", "Nothing like it anywhere whatever."]
    units = loaded.units(new)
    assert units[:2] == [flurbs, flurbs]
    assert units[2] == Unit(-1, units[2].sign, '"nothing like it anywhere whatever"')
    # Equal ones are embedded once, and remembered.
    assert encoder.seen == ["the flurbs seen", "nothing like it anywhere whatever"]
    assert loaded.units(new) == units
    assert len(encoder.seen) == 2


def test_a_sentence_never_joins_one_of_another_sign():
    """The words of a known sentence all but one: nearest to it, and yet of another sign."""
    words = "alpha beta gamma delta epsilon zeta eta theta iota kappa"
    known = [f"No flurb {words}.", f"Opacity flurb {words} zorb."]
    index = build_index(known * 4, clustering=DBSCAN(eps=0.01, min_samples=1))
    assert index.reader.read(known[1]).content is None
    assert index.unit_signs[index.units(known[1:])[0].unit_id] == "abnormal"
    (unit,) = index.units([f"Flurb {words} zorb."])
    assert unit.sign == "neutral"
    assert unit != index.units(known[1:])[0]


def test_vectors_are_mapped_from_the_file(folder):
    (vectors,) = (str(path) for path in folder.glob("vectors-*"))
    loaded = FindingsIndex.from_pretrained(folder)
    assert loaded.search.ntotal == loaded.sentences.num_rows
    with open("/proc/self/maps") as maps:
        assert any(vectors in line for line in maps)


def test_the_paper_preset_keeps_the_published_sentences(tmp_path):
    index = build_index(["A 1.5 cm nodule. Clear lungs"] * 6, preset="paper")
    assert index.split("A 1.5 cm nodule.") == ["a 1", "5 cm nodule"]
    assert index.sentences.column("sentence").to_pylist() == ["5 cm nodule", "a 1", "clear lungs"]
    index.save_pretrained(tmp_path / "paper")
    assert FindingsIndex.from_pretrained(tmp_path / "paper").split("1.5") == ["1", "5"]
    assert pq.read_table(next((tmp_path / "paper").glob("sentences-*"))).num_rows == 3
