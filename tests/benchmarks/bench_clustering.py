"""Growth of our clustering, its agreement with an exact search, and memory of the index.

Run: python tests/benchmarks/bench_clustering.py [--reports CSV] [--large]
`--large` adds 200,000 points. Other packages: bench_clustering_peers.py.
"""

import argparse
import math
import multiprocessing
import os
import tempfile
from pathlib import Path
from time import perf_counter
from unittest import mock

import numpy as np
import psutil
from common import corpus_argument, load_corpus, print_table
from sklearn.metrics import adjusted_rand_score

from semenrich_datasets.index import neighbors
from semenrich_datasets.index.clustering import cluster_vectors
from semenrich_datasets.index.embedding import embed_sentences
from semenrich_datasets.index.neighbors import (
    build_search_index,
    faiss_module,
    load_search_index,
    nearest,
    write_search_index,
)
from semenrich_datasets.sentences import normalize_sentence, split_sentences

WORKERS = 4
# Rows that are copied at a time, to spare memory.
COPIED = 50_000


def report_sentences(corpus):
    texts = corpus.reports["findings"]
    found = {normalize_sentence(one) for text in texts for one in split_sentences(text)}
    return sorted(found - {""})


def filled_up(vectors, n, seed=0):
    """The first n vectors, then noisy copies of them: 0.02 per component, renormalised."""
    rng = np.random.default_rng(seed)
    points = np.empty((n, vectors.shape[1]), dtype=np.float32)
    points[: len(vectors)] = vectors[:n]
    sources = rng.integers(0, len(vectors), max(0, n - len(vectors)))
    for start in range(0, len(sources), COPIED):
        copies = vectors[sources[start : start + COPIED]]
        copies = copies + rng.normal(0, 0.02, copies.shape)
        copies /= np.linalg.norm(copies, axis=1, keepdims=True)
        points[len(vectors) + start :][: len(copies)] = copies
    return points


def timed(function, *args):
    start = perf_counter()
    result = function(*args)
    return perf_counter() - start, result


def load_now():
    return f"{os.getloadavg()[0]:.1f}"


def growth(measured, vectors, sizes):
    rows = []
    for n in sizes:
        seconds, _ = timed(cluster_vectors, filled_up(vectors, n))
        first = rows[0] if rows else [n, seconds]
        power = math.log(seconds / first[1]) / math.log(n / first[0]) if rows else "-"
        rows.append([n, seconds, power, load_now()])
    print_table(measured, ["points", "seconds", "exponent since the first", "load"], rows)


def approximation(measured, vectors, n=50_000):
    """The clusters by inverted lists against those by an exact search."""
    points = filled_up(vectors, n)
    seconds, labels = timed(cluster_vectors, points)
    with mock.patch.object(neighbors, "APPROXIMATE_FROM", n + 1):
        exact, expected = timed(cluster_vectors, points)
    agreement = adjusted_rand_score(expected, labels)
    rows = [[n, seconds, exact, agreement, load_now()]]
    print_table(measured, ["points", "inverted lists, s", "exact, s", "ARI", "load"], rows)


def _worker(path, queries, together, answers):
    faiss_module()
    before = psutil.Process().memory_full_info().pss
    index = load_search_index(Path(path).open("rb"), 100_000)  # noqa: SIM115 (it stays open)
    nearest(index, queries, 5)
    together.wait()
    answers.put(psutil.Process().memory_full_info().pss - before)
    together.wait()


def memory(measured, vectors):
    """Each worker's proportional share (PSS) sums to one copy if the file is truly mapped."""
    points = filled_up(vectors, 100_000)
    flat = faiss_module().IndexFlatIP(points.shape[1])
    flat.add(points)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, index in (("flat", flat), ("inverted lists", build_search_index(points))):
            path = Path(folder) / name
            with path.open("wb") as file:
                write_search_index(index, file)
            for method in ("spawn", "fork"):
                total = shared_memory(method, path, points[:: len(points) // 100])
                rows.append([name, f"{WORKERS}, {method}", path.stat().st_size / 2**20, total])
    print_table(measured, ["index", "workers", "file, MB", "all workers, MB"], rows)


def shared_memory(method, path, queries):
    context = multiprocessing.get_context(method)
    together, answers = context.Barrier(WORKERS), context.Queue()
    work = (path, queries, together, answers)
    workers = [context.Process(target=_worker, args=work) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    total = sum(answers.get() for _ in workers) / 2**20
    for worker in workers:
        worker.join()
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="grow to 200,000 points")
    corpus_argument(parser)
    arguments = parser.parse_args()
    corpus = load_corpus(arguments.reports)
    sentence_vectors = embed_sentences(report_sentences(corpus))
    measured = f"{corpus.name}, {len(sentence_vectors):,} distinct sentences"
    growth(
        measured,
        sentence_vectors,
        [20_000, 50_000, 100_000, *([200_000] if arguments.large else [])],
    )
    approximation(measured, sentence_vectors)
    memory(measured, sentence_vectors)
