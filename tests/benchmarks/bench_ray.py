"""Seconds to build and enrich with one and two Ray workers of one CPU each, stage by stage.

Run: python tests/benchmarks/bench_ray.py [--studies N]

All workers share this machine: what its memory, disk and cores do to each other is in the figures,
and a network between them is not. The sentences' vectors are embedded anew each time.
"""

import argparse
import os
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from unittest import mock

import pyarrow.parquet as pq
import ray
from common import load_corpus, print_table
from huggingface_hub import constants
from ray.cluster_utils import Cluster

from semenrich_datasets import SemEnricher, ray_engine
from semenrich_datasets.index import building
from semenrich_datasets.parquet_blocks import open_corpus

BLOCK = 500
SCALES = ("count", "embed", "enrich")


@contextmanager
def cluster(workers):
    """A head that takes no work, and workers of one CPU each, warm."""
    memory = {"object_store_memory": 200 << 20}
    head = {"num_cpus": 0, "include_dashboard": False, **memory}
    nodes = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(workers):
        nodes.add_node(num_cpus=1, **memory)
    ray.init(address=nodes.address, log_to_driver=False, logging_level="error")
    try:
        yield
    finally:
        ray.shutdown()
        nodes.shutdown()


@contextmanager
def timed(seconds, stage, module, name):
    """Adds the seconds of each call of a function to its stage."""
    function = getattr(module, name)

    def call(*args, **kwargs):
        start = perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            seconds[stage] += perf_counter() - start

    with mock.patch.object(module, name, call):
        yield


def run(path, workers, folder):
    """Seconds of each stage."""
    seconds = defaultdict(float)
    corpus = open_corpus(path, block_rows=BLOCK)
    with cluster(workers), mock.patch.object(constants, "HF_HOME", folder / f"cache-{workers}"):
        ray_engine.build_index(open_corpus(folder / "warm.parquet"), show_progress=False)
        start = perf_counter()
        with (
            timed(seconds, "count", ray_engine, "_results"),
            timed(seconds, "embed", building, "embed_sentences"),
        ):
            index = ray_engine.build_index(corpus, show_progress=False)
        rest = perf_counter() - start - seconds["count"] - seconds["embed"]
        seconds["merge, cluster, fit (one process)"] = rest
        index.save_pretrained(folder / f"index-{workers}")
        start = perf_counter()
        enricher = SemEnricher(index)
        target = folder / f"enriched-{workers}"
        ray_engine.enrich_reports(corpus, target, enricher, show_progress=False)
        seconds["enrich"] = perf_counter() - start
    return dict(seconds), index.digest


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=10_000)
    arguments = parser.parse_args()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parents[2]))
    corpus = load_corpus(None, arguments.studies)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = corpus.reports.select_columns(["findings", "impression"]).data.table
        pq.write_table(table, folder / "reports.parquet", BLOCK)
        pq.write_table(table.slice(0, 20), folder / "warm.parquet")
        one, digest = run(folder / "reports.parquet", 1, folder)
        two, same = run(folder / "reports.parquet", 2, folder)
    rows = [[stage, one[stage], two[stage], one[stage] / two[stage]] for stage in one]
    rows.append(
        ["all", sum(one.values()), sum(two.values()), sum(one.values()) / sum(two.values())]
    )
    measured = f"{corpus.name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print_table(measured, ["stage", "1 worker, s", "2 workers, s", "times faster"], rows)
    share = sum(one[stage] for stage in SCALES) / sum(one.values())
    print(f"Share of the work that is spread over workers: {share:.0%}.")
    print(f"Same index: {digest == same}.")


if __name__ == "__main__":
    main()
