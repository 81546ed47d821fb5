"""Known reports enriched per second on one core, and the memory of four workers.

The floor is the identity map of the same rows. Memory is that of the mapped vectors: RSS counts
them in every process, PSS shares them out, so PSS / file = 1 says that there is one copy.

Run: OMP_NUM_THREADS=1 python tests/benchmarks/bench_map.py [--reports CSV]
"""

import argparse
import multiprocessing
import tempfile
from pathlib import Path
from time import perf_counter

import datasets
import numpy as np
from bench_build import build_index
from common import corpus_argument, load_corpus, print_table

from semenrich_datasets import FindingsIndex, SemEnricher
from semenrich_datasets.index.neighbors import nearest

COPIES = 4
ROUNDS = 5
WORKERS = 4


def identity(rows):
    return rows


def rate(reports, function):
    """Reports a second: of the first run of all, and of the fastest after it."""
    seconds = []
    for _ in range(ROUNDS):
        start = perf_counter()
        function(reports)
        seconds.append(perf_counter() - start)
    return len(reports) / seconds[0], len(reports) / min(seconds[1:])


def speed(corpus, indexes):
    texts = {name: corpus.reports[name][:] for name in ("findings", "impression")}
    reports = datasets.Dataset.from_dict({name: texts[name] * COPIES for name in texts})
    batch = reports[:]
    floor = rate(reports, lambda rows: rows.map(identity, batched=True))[1]
    rows = [("identity map", "-", round(floor), "1")]
    for preset, index in indexes.items():
        for columns in ([], ["impression"]):
            enricher = SemEnricher(index, context_columns=columns, preset=preset)
            first, later = rate(reports, lambda _, call=enricher: call(batch))
            name = f"{preset}, with impression" if columns else preset
            rows.append((f"{name}: call", round(first), round(later), f"{later / floor:.3f}"))
            enricher = SemEnricher(index, context_columns=columns, preset=preset, variant=1)
            first, later = rate(reports, lambda data, call=enricher: data.map(call, batched=True))
            rows.append((f"{name}: map", round(first), round(later), f"{later / floor:.3f}"))
    measured = f"{corpus.name}, each {COPIES} times; best of {ROUNDS - 1} rounds"
    print_table(
        measured, ["", "first run, reports/s", "later, reports/s", "later / identity"], rows
    )


def mapped_kib(name):
    """Resident and proportional KiB of the mappings of a file in this process."""
    rss = pss = 0
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if not line[:1].isupper():
            inside = name in line
        elif inside and line.startswith(("Rss:", "Pss:")):
            size = int(line.split()[1])
            rss, pss = (rss + size, pss) if line.startswith("Rss:") else (rss, pss + size)
    return rss, pss


def hold(folder, texts, barrier, results):
    """A worker: enriches, searches all vectors, and measures while the others hold them too."""
    index = FindingsIndex.from_pretrained(folder)
    SemEnricher(index)({"findings": texts})
    nearest(index.search, np.ones((1, index.search.d), dtype=np.float32), 1)
    barrier.wait()
    results.put(mapped_kib(".faiss"))
    barrier.wait()


def memory(corpus, index, method):
    with tempfile.TemporaryDirectory() as folder:
        index.save_pretrained(folder)
        file = next(Path(folder).glob("vectors-*")).stat().st_size / 1024
        context = multiprocessing.get_context(method)
        barrier, results = context.Barrier(WORKERS), context.Queue()
        work = (folder, corpus.reports["findings"][:200], barrier, results)
        workers = [context.Process(target=hold, args=work) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        sizes = np.array([results.get() for _ in workers])
        for worker in workers:
            worker.join()
    rss, pss = sizes.sum(axis=0)
    return method, round(file), int(rss), int(pss), f"{pss / file:.2f}"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    corpus_argument(parser)
    corpus = load_corpus(parser.parse_args().reports)
    indexes = {preset: build_index(corpus, preset)[0] for preset in ("safe", "paper")}
    datasets.disable_progress_bars()
    datasets.disable_caching()
    rows = [memory(corpus, indexes["safe"], method) for method in ("spawn", "fork")]
    speed(corpus, indexes)
    columns = ["file, KiB", f"RSS of {WORKERS}, KiB", f"PSS of {WORKERS}, KiB", "PSS / file"]
    print_table(corpus.name, ["workers by", *columns], rows)


if __name__ == "__main__":
    main()
