"""FindingsIndex: built, saved, loaded, and asked for the clusters of sentences."""

import json
import pickle
import random
import subprocess
import sys
from dataclasses import replace

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from fakes import (
    RARE,
    TOPICS,
    FakeEncoder,
    UnusableEncoder,
    build_index,
    child_environment,
    made_up_reports,
    use_hf_home,
)

from semenrich_datasets import FindingsIndex
from semenrich_datasets.index import findings_index as index_module
from semenrich_datasets.index.clustering import HDBSCAN, KMeans
from semenrich_datasets.index.files import IndexFileError
from semenrich_datasets.index.llm_signs import LLMSigns
from semenrich_datasets.index.tables import CLUSTER_SCHEMA, SENTENCE_SCHEMA


@pytest.fixture(autouse=True)
def hf_home(tmp_path, monkeypatch):
    use_hf_home(monkeypatch, tmp_path / "home")
    return tmp_path / "home"


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


def test_wordings_share_a_cluster_and_signs_do_not(index):
    for topic in range(len(TOPICS)):
        clusters = index.assign(normal(topic))
        assert len(set(clusters.tolist())) == 1
        assert clusters[0] not in index.assign(abnormal(topic)).tolist()
    signs = index.clusters.column("sign").to_pylist()
    assert [signs[index.assign(normal(t)[:1])[0]] for t in range(6)] == ["normal"] * 6
    assert [signs[index.assign(abnormal(t)[:1])[0]] for t in range(6)] == ["abnormal"] * 6


def test_tables_count_the_corpus(index):
    reports = [row["findings"] for row in made_up_reports()]
    assert index.sentences.schema == SENTENCE_SCHEMA
    assert index.clusters.schema == CLUSTER_SCHEMA
    rows = {row["sentence"]: row for row in index.sentences.to_pylist()}
    for sentence in ("No pleural effusion.", "The lungs are clear.", RARE[1]):
        row = rows[sentence.lower().rstrip(".")]
        # No wording is part of another one when its capital and its stop count.
        assert row["occurrences"] == sum(text.count(sentence) for text in reports)
        assert row["reports"] == sum(sentence in text for text in reports)
        assert row["text"] == sentence
    clusters = index.clusters.to_pylist()
    for number, cluster in enumerate(clusters):
        members = [row for row in rows.values() if row["cluster_id"] == number]
        texts = [row["text"] for row in members]
        assert cluster["cluster_id"] == number
        assert cluster["sentences"] == len(members)
        assert cluster["occurrences"] == sum(row["occurrences"] for row in members)
        assert cluster["reports"] == sum(any(text in r for text in texts) for r in reports)
        assert cluster["text"] == max(members, key=lambda row: row["reports"])["text"]
        assert cluster["agreement"] == 1.0
        assert 0 <= cluster["position"] <= 1
    positions = [clusters[index.assign(normal(t)[:1])[0]]["position"] for t in range(6)]
    assert positions == sorted(positions)
    first = index.assign(normal(0)[:1])[0]
    last = index.assign(normal(5)[:1])[0]
    together = sum(
        any(s in text for s in (*normal(0), "Clear lungs 2.", RARE[0])) and normal(5)[0] in text
        for text in reports
    )
    assert index.cooccurrence[first, last] == index.cooccurrence[last, first] == together
    assert index.config["reports"] == len(reports)


def assert_equal(one, other):
    assert one.sentences.equals(other.sentences)
    assert one.clusters.equals(other.clusters)
    assert (one.cooccurrence != other.cooccurrence).nnz == 0
    rows = range(one.search.ntotal)
    assert all(np.array_equal(one.search.reconstruct(r), other.search.reconstruct(r)) for r in rows)


def test_saved_and_loaded_is_equal(index, folder):
    loaded = FindingsIndex.from_pretrained(folder)
    assert_equal(index, loaded)
    assert loaded.digest == loaded.config["digest"] == replace(index).digest
    same = ("seed", "preset", "text_column", "reports", "clustering", "embedder")
    assert {key: loaded.config[key] for key in same} == {key: index.config[key] for key in same}
    assert loaded.assign(normal(1)).tolist() == index.assign(normal(1)).tolist()


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
def test_any_kind_of_reports(index, make):
    assert build_index(make(made_up_reports())).digest == replace(index).digest


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
    index = build_index([*made_up_reports(30), {"findings": None}, {"findings": " "}])
    assert (index.config["reports"], index.config["reports_without_text"]) == (30, 2)


def test_one_sentence_is_enough():
    index = build_index(["Clear lungs."])
    assert index.assign(["clear lungs", "?"]).tolist() == [0, -1]


def test_published_clusters_may_mix_signs():
    class OnePoint:
        def encode(self, sentences):
            return np.ones((len(sentences), 4), dtype=np.float32)

    mixed = build_index(embedder=OnePoint(), preset="paper")
    assert mixed.clusters.num_rows == 1
    assert 0.5 < mixed.clusters.column("agreement").to_pylist()[0] < 1
    signs = build_index(embedder=OnePoint()).clusters.column("sign").to_pylist()
    assert sorted(signs) == ["abnormal", "normal"]


def test_signs_of_your_own():
    index = build_index(signs=lambda sentences: ["neutral"] * len(sentences))
    assert set(index.clusters.column("sign").to_pylist()) == {"neutral"}


def test_signs_by_a_chat_model_reach_every_sentence():
    asked = []

    def ask(questions):
        asked.extend(questions)
        return ["abnormal"] * len(questions)

    index = build_index(signs=LLMSigns(ask, sentences_per_cluster=1))
    assert len(asked) == index.clusters.num_rows < index.sentences.num_rows
    assert set(index.sentences.column("sign").to_pylist()) == {"abnormal"}


# From here on: files


def test_nothing_in_the_folder_is_executable(folder):
    suffixes = sorted(path.suffix for path in folder.iterdir())
    assert suffixes == [".faiss", ".json", ".md", ".parquet", ".parquet", ".parquet"]
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


@pytest.mark.parametrize("stem", ["sentences", "clusters", "cooccurrence", "vectors"])
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


@pytest.mark.parametrize("writer", ["save_search_index", "index_card"])
def test_a_crash_while_saving_leaves_the_old_index(folder, monkeypatch, writer):
    def crash(*args):
        raise RuntimeError("disk full")

    old = FindingsIndex.from_pretrained(folder)
    new = build_index(made_up_reports(50, seed=5))
    monkeypatch.setattr(index_module, writer, crash)
    with pytest.raises(RuntimeError, match="disk full"):
        new.save_pretrained(folder)
    monkeypatch.undo()
    assert FindingsIndex.from_pretrained(folder).digest == old.digest
    assert new.save_pretrained(folder) != old.digest
    assert len(list(folder.iterdir())) == 6
    assert_equal(FindingsIndex.from_pretrained(folder), new)


def test_a_pickle_holds_the_digest_alone(folder):
    loaded = FindingsIndex.from_pretrained(folder)
    assert len(pickle.dumps(loaded)) < 300
    assert pickle.loads(pickle.dumps(loaded)) is loaded


def test_an_index_that_was_never_saved_travels_too(hf_home):
    index = build_index(made_up_reports(40))
    data = pickle.dumps(index)
    assert pickle.loads(data) is index
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).clusters.num_rows)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=data,
        env=child_environment(hf_home),
        capture_output=True,
        check=True,
    )
    assert int(done.stdout) == index.clusters.num_rows


def test_a_pickle_whose_index_is_gone_says_so(folder):
    loaded = FindingsIndex.from_pretrained(folder)
    digest, data = loaded.digest, pickle.dumps(loaded)
    index_module._open_indexes.pop(digest)
    (folder / "config.json").unlink()
    with pytest.raises(IndexFileError, match="load it again"):
        pickle.loads(data)


# From here on: clusters of sentences


def test_known_sentences_need_no_encoder(folder):
    loaded = FindingsIndex.from_pretrained(folder, encoder=UnusableEncoder())
    known = loaded.assign(["no PLEURAL effusion", "2. No  pleural effusion..", "", " . "])
    assert known[0] == known[1] >= 0
    assert known[2:].tolist() == [-1, -1]
    assert known.dtype == np.int64
    assert loaded.assign([]).tolist() == []
    with pytest.raises(AssertionError, match="embedded"):
        loaded.assign(["pleural effusion: none seen"])


def test_new_sentences_join_their_nearest_neighbor_of_the_same_sign(folder):
    loaded = FindingsIndex.from_pretrained(folder, encoder=FakeEncoder())
    known = loaded.assign(["No pleural effusion.", "Small left pleural effusion."]).tolist()
    assert loaded.assign(["There is no pleural effusion of the."]).tolist() == known[:1]
    # The words of "no pleural effusion" all but one: nearest to it, and yet abnormal.
    new = ["Pleural effusion.", "No pleural effusion seen.", "Nothing like it anywhere whatever."]
    clusters = loaded.assign(new).tolist()
    assert clusters[0] != known[0]
    assert clusters[1:] == [known[0], -1]
    assert loaded.assign(new, threshold=1.01).tolist() == [-1, -1, -1]


def test_equal_new_sentences_are_embedded_once(folder):
    class Counting(FakeEncoder):
        seen = ()

        def encode(self, sentences):
            self.seen += tuple(sentences)
            return super().encode(sentences)

    encoder = Counting()
    loaded = FindingsIndex.from_pretrained(folder, encoder=encoder)
    new = ["No pleural effusion seen.", "no pleural effusion seen", "No pneumothorax."]
    clusters = loaded.assign(new).tolist()
    assert clusters[0] == clusters[1] != clusters[2]
    assert encoder.seen == ("no pleural effusion seen",)


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
