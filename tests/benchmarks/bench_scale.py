"""CPU seconds and memory of each stage of build and enrichment, over the size of the corpus.

    python tests/benchmarks/bench_scale.py FOLDER --sizes 10000 30000 100000 [--plot SCALE.svg]

The corpora are made up (large_corpus.py), the vectors hashed words: embedding is a matter of the
encoder, and bench_embedding.py tells its rate. Each step runs in a process of its own and leaves
its figures in FOLDER/figures.json: what is there already is not run again. CPU seconds count all
processes and threads; memory is the peak of resident pages, mapped files among them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest import mock
from zlib import crc32

import datasets
import numpy as np
import pyarrow.parquet as pq
from large_corpus import write_corpus
from scipy import sparse

from semenrich_datasets import FindingsIndex, SemEnricher
from semenrich_datasets.index import building
from semenrich_datasets.reading.lexicon_entries import tokenize

DIMENSIONS = 384
# Functions of index/building.py, in the order in which a build enters them.
STAGES = {
    "count_sentences": "count",
    "embed_sentences": "embed (hashing)",
    "cluster_vectors": "cluster",
    "best_reader": "choose lexicon",
    "read_sentences": "read",
    "unit_keys": "units",
    "number_units": "units",
    "vote_signs": "units",
    "sentence_table": "tables",
    "unit_table": "tables",
    "membership_matrix": "co-occurrence",
    "cooccurrence": "co-occurrence",
    "fit_agreement": "agreement",
    "fit_silence": "silence",
    "build_search_index": "search index",
}
_BATCH = 1_000
# More reports than these are not enriched: the rate is the same.
_ENRICHED = 200_000
# Stages that take less are noise, and those that never take this much are not drawn.
_LEAST_SECONDS = 0.2
_SHOWN_SECONDS = 1.0


class HashedWords:
    """A random direction for each word; a sentence is their sum, the rarer letters the heavier."""

    name = ""

    def encode(self, sentences: list[str]) -> Any:
        numbers: dict[str, int] = {}
        rows = [[numbers.setdefault(w, len(numbers)) for w in tokenize(s)] for s in sentences]
        indptr = np.cumsum([0, *map(len, rows)])
        indices = np.array([number for row in rows for number in row], dtype=np.int64)
        shape = (len(rows), len(numbers))
        held = sparse.csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=shape)
        found = held @ np.stack([_direction(word) for word in numbers])
        found[:, 0] += 1e-3
        return found


@cache
def _direction(word: str) -> Any:
    drawn = np.random.default_rng(crc32(word.encode())).standard_normal(DIMENSIONS)
    return (drawn * min(len(word), 8)).astype(np.float32)


class Meter:
    """CPU and wall seconds, and peak of memory, of named stages; a stage may be entered again."""

    def __init__(self) -> None:
        self.figures: dict[str, dict[str, float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        _forget_peak()
        cpu, wall = cpu_seconds(), perf_counter()
        yield
        entry = self.figures.setdefault(name, {"cpu_s": 0.0, "wall_s": 0.0, "peak_gib": 0.0})
        entry["cpu_s"] += cpu_seconds() - cpu
        entry["wall_s"] += perf_counter() - wall
        entry["peak_gib"] = max(entry["peak_gib"], peak_gib())

    def over(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return function(*args, **kwargs)

        return measured


def cpu_seconds() -> float:
    """Of this process and its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def peak_gib() -> float:
    """Peak of resident memory since it was last forgotten."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def reports_of(folder: Path, size: int) -> datasets.IterableDataset:
    """The corpus, streamed."""
    file = str(folder / f"reports-{size}.parquet")
    return datasets.load_dataset("parquet", data_files=file, split="train", streaming=True)


def make(folder: Path, size: int) -> dict[str, Any]:
    meter = Meter()
    with meter.stage("make corpus"):
        write_corpus(folder / f"reports-{size}.parquet", size)
    return meter.figures


def build(folder: Path, size: int) -> dict[str, Any]:
    meter, reports = Meter(), reports_of(folder, size)
    start, wall = cpu_seconds(), perf_counter()
    with ExitStack() as stack:
        for name, stage in STAGES.items():
            whole = getattr(building, name)
            stack.enter_context(mock.patch.object(building, name, meter.over(stage, whole)))
        index = FindingsIndex.build(reports, embedder=HashedWords(), show_progress=False)
    whole = {"cpu_s": cpu_seconds() - start, "wall_s": perf_counter() - wall}
    whole["peak_gib"] = max(entry["peak_gib"] for entry in meter.figures.values())
    with meter.stage("save"):
        index.save_pretrained(folder / f"index-{size}")
    sentences = index.sentences
    facts = {
        "sentences": sentences.num_rows,
        "occurrences": sum(sentences["occurrences"].to_pylist()),
        "units": index.unit_table.num_rows,
        "understood": index.coverage.share,
    }
    return {**meter.figures, "build": whole, "facts": facts}


def enrich(folder: Path, size: int) -> dict[str, Any]:
    """Both times by one process, batch after batch; reading Parquet is not counted."""
    meter, added = Meter(), 0
    with meter.stage("load"):
        index = FindingsIndex.from_pretrained(folder / f"index-{size}")
        enricher = SemEnricher(index, seed=0)
    count = min(size, _ENRICHED)
    for name, variant in (("enrich, first", 0), ("enrich, second", 1)):
        call = enricher.with_variant(variant) if variant else enricher
        file = pq.ParquetFile(folder / f"reports-{size}.parquet")
        for batch in file.iter_batches(_BATCH):
            if (count := count - len(batch)) < 0:
                break
            rows = batch.to_pydict()
            with meter.stage(name):
                made = call(rows)
            added += sum(map(len, made["added_findings"]))
        count = min(size, _ENRICHED)
        meter.figures[name]["reports_per_cpu_s"] = count / meter.figures[name]["cpu_s"]
    return {**meter.figures, "enrich facts": {"added_per_report": added / 2 / count}}


STEPS: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "make": make,
    "build": build,
    "enrich": enrich,
}


def run(folder: Path, size: int, step: str, again: bool) -> None:
    """Runs a step in a process of its own, unless its figures are there."""
    path = folder / "figures.json"
    known = json.loads(path.read_text()) if path.is_file() else {}
    if f"{size} {step}" in known and not again:
        return
    print(f"{size:,} reports: {step}", file=sys.stderr, flush=True)
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        found = pool.apply(STEPS[step], (folder, size))
    known[f"{size} {step}"] = found
    path.write_text(json.dumps(known, indent=1))


def table(figures: dict[str, Any], sizes: list[int]) -> list[tuple[Any, ...]]:
    """A row per stage: CPU seconds and GiB at each size, and the exponent of the seconds."""
    stages: dict[str, dict[int, dict[str, float]]] = {}
    for size in sizes:
        for step in STEPS:
            for stage, entry in figures.get(f"{size} {step}", {}).items():
                if "cpu_s" in entry:
                    stages.setdefault(stage, {})[size] = entry
    rows = []
    for stage, found in stages.items():
        cells = [
            f"{found[size]['cpu_s']:.1f} s, {found[size]['peak_gib']:.2f} GiB"
            if size in found
            else ""
            for size in sizes
        ]
        rows.append((stage, *cells, exponent({s: e["cpu_s"] for s, e in found.items()})))
    return rows


def exponent(seconds: dict[int, float]) -> str:
    """Of seconds over reports, from the first to the last size; that of 2x seconds at 2x is 1."""
    told = {size: value for size, value in seconds.items() if value >= _LEAST_SECONDS}
    if len(told) < 2:
        return ""
    first, last = min(told), max(told)
    return f"{np.log(told[last] / told[first]) / np.log(last / first):.2f}"


def draw(figures: dict[str, Any], sizes: list[int], path: Path) -> None:
    """Draws CPU seconds and memory of the build over the size of the corpus."""
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "scale"
    built = {size: figures[f"{size} build"] for size in sizes if f"{size} build" in figures}
    left, right = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")[1]
    for stage in ("build", *dict.fromkeys(STAGES.values())):
        line = {size: found[stage] for size, found in built.items() if stage in found}
        if max((entry["cpu_s"] for entry in line.values()), default=0) >= _SHOWN_SECONDS:
            wide = 2.5 if stage == "build" else 1.2
            seconds = [entry["cpu_s"] for entry in line.values()]
            left.loglog(list(line), seconds, marker="o", markersize=3, lw=wide, label=stage)
    peaks = [found["build"]["peak_gib"] for found in built.values()]
    right.semilogx(list(built), peaks, marker="o", color="black")
    right.set_ylim(bottom=0)
    left.legend(fontsize="x-small")
    for axes, title in ((left, "CPU seconds"), (right, "peak of resident memory, GiB")):
        axes.set(xlabel="reports", title=title)
    plt.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--steps", nargs="+", choices=list(STEPS), default=list(STEPS))
    parser.add_argument("--again", action="store_true", help="run steps whose figures are there")
    parser.add_argument("--plot", type=Path, metavar="SVG")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for size in options.sizes:
        for step in options.steps:
            run(options.folder, size, step, options.again)
    figures = json.loads((options.folder / "figures.json").read_text())
    header = ("stage", *(f"{size:,}" for size in options.sizes), "exponent")
    print("| " + " | ".join(header) + " |\n" + "|---" * len(header) + "|")
    for row in table(figures, options.sizes):
        print("| " + " | ".join(row) + " |")
    if options.plot:
        draw(figures, options.sizes, options.plot)
    for size in options.sizes:
        print(size, figures.get(f"{size} build", {}).get("facts"))


if __name__ == "__main__":
    main()
