"""FindingsIndex: built, saved and loaded; asked for units in test_held_units.py."""

import json
import pickle
import random
import subprocess
import sys
from dataclasses import replace

import datasets
import numpy as np
import pytest
from fakes import (
    RARE,
    TOPICS,
    build_index,
    child_environment,
    made_up_reports,
)

from semenrich_datasets import FindingsIndex
from semenrich_datasets.index import Unit, parts
from semenrich_datasets.index import findings_index as index_module
from semenrich_datasets.index.clustering import HDBSCAN, KMeans
from semenrich_datasets.index.files import DATA_FILES, IndexFileError
from semenrich_datasets.index.llm_signs import LLMSigns
from semenrich_datasets.index.tables import SENTENCE_SCHEMA, UNIT_SCHEMA


@pytest.fixture(scope="module")
def index():
    return build_index()


@pytest.fixture
def folder(index, tmp_path):
    replace(index).save_pretrained(tmp_path / "index")
    return tmp_path / "index"


def normal(topic):
    return TOPICS[topic][0]


def abnormal(topic):
    return TOPICS[topic][1]


def ids(index, sentences):
    return [unit.unit_id for unit in index.units(sentences)]


def test_wordings_share_a_unit_and_signs_do_not(index):
    for topic in range(len(TOPICS)):
        units = index.units(normal(topic))
        assert len(set(units)) == 1
        assert units[0] not in index.units(abnormal(topic))
        assert units[0].sign == "normal"
        assert {unit.sign for unit in index.units(abnormal(topic))} == {"abnormal"}
        assert index.unit_signs[units[0].unit_id] == "normal"


def test_tables_count_the_corpus(index):
    reports = [row["findings"] for row in made_up_reports()]
    assert index.sentences.schema == SENTENCE_SCHEMA
    assert index.unit_table.schema == UNIT_SCHEMA
    rows = {row["sentence"]: row for row in index.sentences.to_pylist()}
    for sentence in ("No pleural effusion.", "The lungs are clear.", RARE[2]):
        row = rows[sentence.lower().rstrip(".")]
        # No wording is part of another one when its capital and its stop count.
        assert row["occurrences"] == sum(text.count(sentence) for text in reports)
        assert row["reports"] == sum(sentence in text for text in reports)
        assert row["text"] == sentence
        assert row["transferable"] is True
    assert rows["clear lungs 2"]["transferable"] is False
    assert rows["heart enlarged"]["transferable"] is False
    units = index.unit_table.to_pylist()
    for number, unit in enumerate(units):
        members = [row for row in rows.values() if row["unit_id"] == number]
        texts = [row["text"] for row in members]
        assert unit["unit_id"] == number
        assert unit["sentences"] == len(members)
        assert unit["occurrences"] == sum(row["occurrences"] for row in members)
        assert unit["support"] == sum(any(text in r for text in texts) for r in reports)
        assert unit["text"] == max(members, key=lambda row: row["reports"])["text"]
        assert unit["sign_share"] == 1.0
        assert 0 <= unit["position"] <= 1
        assert {row["sign"] for row in members} == {unit["sign"]}
    assert len({unit["content"] for unit in units}) == len(units)
    positions = [units[ids(index, normal(t)[:1])[0]]["position"] for t in range(6)]
    assert positions == sorted(positions)
    first = ids(index, normal(0)[:1])[0]
    last = ids(index, normal(5)[:1])[0]
    together = sum(
        any(s in text for s in (*normal(0), "Clear lungs 2.", RARE[0])) and normal(5)[0] in text
        for text in reports
    )
    assert index.cooccurrence[first, last] == index.cooccurrence[last, first] == together
    assert index.graph.get_edge_data(first, last) == together
    assert index.config.reports == len(reports)


def test_the_unit_of_a_sentence_is_that_of_its_row(index):
    rows = index.sentences.to_pylist()
    units = index.units([row["text"] for row in rows])
    assert [unit.unit_id for unit in units] == [row["unit_id"] for row in rows]
    table = index.unit_table.to_pylist()
    for unit in units:
        row = table[unit.unit_id]
        assert (unit.sign, unit.content) == (row["sign"], row["content"])
    assert index.unit_ids.tolist() == [row["unit_id"] for row in rows]


def test_held_units_are_those_of_sentences_that_the_corpus_holds(index):
    effusion, lungs = ids(index, ["No pleural effusion.", "Lungs clear."])
    told = ["Lungs clear.", "no PLEURAL effusion", "The lungs are clear.", "Unheard of.", ""]
    assert index.held_units(told) == sorted([effusion, lungs])
    # It says the same in words that the corpus does not hold.
    assert "no effusion" not in index.lookup
    assert index.held_units(["No effusion."]) == ids(index, ["No effusion."]) == [effusion]
    # What nobody says, and what is not understood, is held by none.
    assert index.held_units(["Mild scoliosis.", "The flurbs are zorbed."]) == []


def assert_equal(one, other):
    assert one.sentences.equals(other.sentences)
    assert one.unit_table.equals(other.unit_table)
    assert (one.cooccurrence != other.cooccurrence).nnz == 0
    assert one.config == other.config
    assert one.reader == other.reader
    for table, again in zip(one.agreement.to_tables(), other.agreement.to_tables(), strict=True):
        assert table.equals(again)
    rows = range(one.search.ntotal)
    assert all(np.array_equal(one.search.reconstruct(r), other.search.reconstruct(r)) for r in rows)


def test_saved_and_loaded_is_equal(index, folder):
    loaded = FindingsIndex.from_pretrained(folder)
    assert_equal(index, loaded)
    written = json.loads((folder / "config.json").read_text())["digest"]
    assert loaded.digest == written == replace(index).digest
    assert loaded.units(normal(1)) == index.units(normal(1))


def test_a_loaded_index_saves_to_the_same_digest(folder, tmp_path):
    loaded = FindingsIndex.from_pretrained(folder)
    assert loaded.save_pretrained(tmp_path / "copy") == loaded.digest
    assert loaded.save_pretrained(folder) == loaded.digest
    assert_equal(loaded, FindingsIndex.from_pretrained(folder))


def test_two_builds_have_one_digest_whatever_the_order(index):
    reports = made_up_reports()
    shuffled = random.Random(1).sample(reports, len(reports))
    digests = {replace(index).digest, build_index(reports).digest, build_index(shuffled).digest}
    assert len(digests) == 1
    assert build_index(made_up_reports(seed=1)).digest not in digests


@pytest.mark.parametrize("clustering", ["hdbscan", "dbscan", "kmeans", HDBSCAN(3, 2), KMeans(4)])
def test_no_clustering_depends_on_the_order_of_the_reports(clustering):
    shuffled = random.Random(1).sample(made_up_reports(), 200)
    one, other = build_index(clustering=clustering), build_index(shuffled, clustering=clustering)
    assert one.digest == other.digest


@pytest.mark.parametrize(
    "make",
    [
        lambda rows: [row["findings"] for row in rows],
        iter,
        datasets.Dataset.from_list,
        lambda rows: datasets.Dataset.from_list(rows).to_iterable_dataset(),
    ],
    ids=["strings", "iterator", "Dataset", "IterableDataset"],
)
def test_any_kind_of_reports(make):
    rows = [{"findings": row["findings"]} for row in made_up_reports()]
    assert build_index(make(rows)).digest == build_index(rows).digest


def test_unusable_reports_say_so():
    rows = made_up_reports(20)
    with pytest.raises(ValueError, match="'report' not found; the columns are 'findings', 'imp"):
        build_index(rows, text_column="report")
    with pytest.raises(ValueError, match="choose one of 'train'"):
        build_index(datasets.DatasetDict(train=datasets.Dataset.from_list(rows)))
    with pytest.raises(ValueError, match="no sentence in column 'findings': 2 rows are empty"):
        build_index([None, " "])
    with pytest.raises(ValueError, match="hdbscan, dbscan, kmeans, found 'optics'"):
        build_index(rows, clustering="optics")
    with pytest.raises(ValueError, match="safe, paper, found 'best'"):
        build_index(rows, preset="best")


def test_rows_without_text_are_counted():
    index = build_index(
        made_up_reports(30) + [{"findings": text, "impression": "Normal."} for text in (None, " ")]
    )
    assert (index.config.reports, index.config.reports_without_text) == (30, 2)


def test_one_sentence_is_enough():
    index = build_index(["Clear lungs."])
    assert index.units(["clear lungs", "?"]) == [
        Unit(0, "normal", "normal lungs"),
        Unit(-1, "neutral", '""'),
    ]


def test_published_clusters_may_mix_signs():
    class OnePoint:
        def encode(self, sentences):
            return np.ones((len(sentences), 4), dtype=np.float32)

    mixed = build_index(embedder=OnePoint(), preset="paper")
    assert mixed.unit_table.num_rows == 1
    assert 0.5 < mixed.unit_table.column("sign_share").to_pylist()[0] < 1
    assert len(set(mixed.units(["Lungs clear.", "Heart enlarged."]))) == 1
    # What is not understood is told apart by the cluster and the sign alone.
    unread = ["Flurbs seen.", "Flurbs unremarkable.", "Flurbs enlarged.", "Flurbs widened."]
    index = build_index([" ".join(unread)], embedder=OnePoint())
    assert index.unit_table.select(["sign", "content", "sentences"]).to_pylist() == [
        {"sign": "abnormal", "content": "cluster 0 abnormal", "sentences": 2},
        {"sign": "neutral", "content": "cluster 0 neutral", "sentences": 2},
    ]


def test_signs_of_your_own():
    index = build_index(signs=lambda sentences: ["neutral"] * len(sentences))
    assert set(index.unit_table.column("sign").to_pylist()) == {"neutral"}
    assert set(index.sentences.column("sign").to_pylist()) == {"neutral"}


def test_signs_by_a_chat_model_reach_every_sentence():
    asked = []

    def ask(questions):
        asked.extend(questions)
        return ["abnormal"] * len(questions)

    index = build_index(signs=LLMSigns(ask, sentences_per_cluster=1))
    assert len(asked) == index.unit_table.num_rows < index.sentences.num_rows
    assert set(index.sentences.column("sign").to_pylist()) == {"abnormal"}


# From here on: files


def test_nothing_in_the_folder_is_executable(folder):
    suffixes = sorted(path.suffix for path in folder.iterdir())
    assert suffixes == [".faiss", ".json", ".json", ".md", *[".parquet"] * 8]
    assert all(path.stat().st_mode & 0o111 == 0 for path in folder.iterdir())


def test_the_card_shows_figures_and_no_rare_sentence(index, folder):
    card = (folder / "README.md").read_text()
    assert card.startswith("---\n")
    assert "library_name: semenrich" in card
    for figure in ("| reports | 200 (0 rows without text) |", f"| {index.sentences.num_rows} |"):
        assert figure in card
    assert "| No pleural effusion. | normal | " in card
    assert not any(sentence in card for sentence in RARE)
    assert "{" not in card.replace("{this repository or folder}", "")


@pytest.mark.parametrize("stem", DATA_FILES)
@pytest.mark.parametrize("damage", ["missing", "cut", "edited", "empty"])
def test_a_damaged_file_gives_one_clear_error(folder, stem, damage):
    (path,) = folder.glob(f"{stem}-*")
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        path.write_bytes({"cut": content[:-1], "edited": flipped, "empty": b""}[damage])
    with pytest.raises(IndexFileError, match=rf"{stem}-\w+\.\w+ is damaged: .* build it anew"):
        FindingsIndex.from_pretrained(folder)


def test_an_edited_setting_or_a_newer_version(folder):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "preset": "paper"}))
    with pytest.raises(IndexFileError, match="digest does not match"):
        FindingsIndex.from_pretrained(folder)
    path.write_text(json.dumps({**config, "format_version": 99}))
    with pytest.raises(IndexFileError, match="pip install --upgrade semenrich"):
        FindingsIndex.from_pretrained(folder)


def test_a_folder_without_an_index(tmp_path):
    with pytest.raises(IndexFileError, match=r"make one with FindingsIndex\.build"):
        FindingsIndex.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("module", "writer"), [(parts, "write_search_index"), (index_module, "index_card")]
)
def test_a_crash_while_saving_leaves_the_old_index(folder, monkeypatch, module, writer):
    def crash(*args):
        raise RuntimeError("disk full")

    old = FindingsIndex.from_pretrained(folder)
    new = build_index(made_up_reports(50, seed=5))
    monkeypatch.setattr(module, writer, crash)
    with pytest.raises(RuntimeError, match="disk full"):
        new.save_pretrained(folder)
    monkeypatch.undo()
    assert FindingsIndex.from_pretrained(folder).digest == old.digest
    assert new.save_pretrained(folder) != old.digest
    assert len(list(folder.iterdir())) == 2 + len(DATA_FILES)
    assert_equal(FindingsIndex.from_pretrained(folder), new)


def test_a_pickle_holds_digest_and_place_alone(folder):
    loaded = FindingsIndex.from_pretrained(folder)
    assert len(pickle.dumps(loaded)) < 300 + len(str(folder))
    assert pickle.loads(pickle.dumps(loaded)) is loaded


def test_an_index_that_was_never_saved_travels_too(tmp_path):
    index = build_index(made_up_reports(40))
    data = pickle.dumps(index)
    assert pickle.loads(data) is index
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).unit_table.num_rows)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=data,
        env=child_environment(tmp_path / "home"),
        capture_output=True,
        check=True,
    )
    assert int(done.stdout) == index.unit_table.num_rows


def test_a_pickle_whose_index_is_gone_says_so(folder):
    loaded = FindingsIndex.from_pretrained(folder)
    digest, data = loaded.digest, pickle.dumps(loaded)
    index_module._open_indexes.pop(digest)
    (folder / "config.json").unlink()
    with pytest.raises(IndexFileError, match="load it again"):
        pickle.loads(data)


def test_a_pickle_whose_place_holds_another_index_says_so(folder):
    loaded = FindingsIndex.from_pretrained(folder)
    digest, data = loaded.digest, pickle.dumps(loaded)
    build_index(made_up_reports(50, seed=5)).save_pretrained(folder)
    index_module._open_indexes.pop(digest)
    with pytest.raises(IndexFileError, match=rf"the index {digest[:12]} is not at .* any more"):
        pickle.loads(data)
