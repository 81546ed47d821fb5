"""Clustering beside hdbscan, scikit-learn and fast_hdbscan: CPU time, memory, agreement.

Run: python tests/benchmarks/bench_clustering_peers.py [--reports CSV] [--json FILE]
     [--sizes 5000 20000 200000 1000000] [--minutes 20] [--gib 8] [--methods NAME ...]

Points are the vectors of distinct sentences, filled up with noisy copies. Each clustering is a
process of two threads with a bound of CPU time and memory; one that did not end at a size is not
started at a larger one. ARI is against the hdbscan package, which is exact, where that ended.
fast_hdbscan lives in the peers' environment (`make bench-peers` makes it).
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from bench_clustering import filled_up, report_sentences
from clustering_methods import METHODS
from common import corpus_argument, load_corpus, print_table
from results import Results, json_argument
from sklearn.metrics import adjusted_rand_score

from semenrich_datasets.index.embedding import embed_sentences

ROOT = Path(__file__).parents[2]
SIZES = (5_000, 20_000, 200_000, 1_000_000)
EXACT = "hdbscan"
THREADS = "2"
# Threads that wait must not spin: CPU seconds would count it.
ENVIRONMENT = {
    "OMP_WAIT_POLICY": "passive",
    "PYTHONPATH": str(ROOT),
    **{f"{name}_NUM_THREADS": THREADS for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")},
}


def bound(memory, seconds):
    """Limits this process: bytes of data (mapped libraries hold no memory) and CPU seconds."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    # CPU seconds, not wall time: these do not grow when others use the machine.
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 60))


def run(method, python, vectors, labels, options):
    """What the method's process measured, or how it ended."""
    script = Path(__file__).with_name("clustering_methods.py")
    process = subprocess.run(
        [str(python), str(script), method, str(vectors), str(labels)],
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: bound(int(options.gib * 2**30), int(options.minutes * 60)),
    )
    if process.returncode == -signal.SIGXCPU:
        return {"outcome": f"did not end in {options.minutes:g} CPU minutes"}
    if process.returncode:
        said = process.stderr.strip().splitlines()
        return {"outcome": f"failed: {said[-1] if said else process.returncode}"[:120]}
    return {"outcome": "ended", **json.loads(process.stdout.splitlines()[-1])}


def measure(results, vectors, size, options):
    """Each method at one size, the exact one last."""
    with tempfile.TemporaryDirectory() as folder:
        points = Path(folder) / "vectors.npy"
        for method in options.methods:
            if results.find(method, size) is not None:
                continue
            if not points.exists():
                np.save(points, filled_up(vectors, size))
            python = options.peers if method == "fast_hdbscan" else sys.executable
            labels = label_file(results, method, size)
            smaller = [row for row in results.rows if row["name"] == method and row["size"] < size]
            if any(row["outcome"] != "ended" for row in smaller):
                row = {"outcome": "not started: did not end at fewer points"}
            elif not Path(python).exists():
                row = {"outcome": f"not started: no {python} (make bench-peers makes it)"}
            else:
                row = run(method, python, points, labels, options)
            results.add({"name": method, "size": size, **row})
            print(method, size, row, flush=True)


def label_file(results, method, size):
    """Beside the results, so that a resumed run compares too."""
    labels = results.path.with_suffix(".labels")
    labels.mkdir(parents=True, exist_ok=True)
    return labels / f"{method}-{size}.npy"


def compare(results, size):
    """Adds the agreement with the exact labels; without those, with ours."""
    files = {name: label_file(results, name, size) for name in METHODS}
    held = {name: np.load(path) for name, path in files.items() if path.exists()}
    reference = EXACT if EXACT in held else "semenrich"
    for name, labels in held.items():
        row = results.find(name, size)
        row["ari"] = float(adjusted_rand_score(held[reference], labels))
        row["ari_against"] = reference
        results.add(row)


def table(results):
    rows = []
    ours = {
        row["size"]: row.get("cpu_seconds") for row in results.rows if row["name"] == "semenrich"
    }
    for row in sorted(results.rows, key=lambda row: row["size"]):
        if row["outcome"] != "ended":
            rows.append((row["size"], row["name"], row["outcome"], *["-"] * 6))
            continue
        mine = ours.get(row["size"])
        rows.append(
            (
                row["size"],
                f"{row['name']} {row['version']}",
                row["cpu_seconds"],
                row["cpu_seconds"] / mine if mine else "-",
                row["warm_up_cpu_seconds"],
                row["peak_mib"],
                row["clusters"],
                row["noise"],
                f"{row['ari']:.4f} ({row['ari_against']})",
            )
        )
    head = ("points", "method", "CPU s", "/ ours", "warm-up, CPU s", "peak MiB", "clusters")
    print_table(results.measured, (*head, "noise", "ARI (against)"), rows)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--minutes", type=float, default=20, help="CPU time of one process")
    parser.add_argument("--gib", type=float, default=8, help="memory of one clustering")
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv/peers/bin/python")
    json_argument(parser)
    corpus_argument(parser)
    return parser.parse_args()


def main():
    options = parse()
    corpus = load_corpus(options.reports)
    vectors = embed_sentences(report_sentences(corpus))
    measured = f"{corpus.name}, vectors of {len(vectors):,} distinct sentences and noisy copies"
    with tempfile.TemporaryDirectory() as folder:
        results = Results("clustering", measured, options.json or Path(folder) / "results.json")
        for size in sorted(options.sizes):
            measure(results, vectors, size, options)
            compare(results, size)
        table(results)


if __name__ == "__main__":
    main()
