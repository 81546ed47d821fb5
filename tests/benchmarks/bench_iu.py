"""Seconds to build an index of the IU X-ray reports, and to enrich all of them.

Run: python tests/benchmarks/bench_iu.py [--warm]
"""

import argparse
import tempfile
from time import perf_counter
from unittest import mock

from common import load_iu, print_table
from huggingface_hub import constants

from semenrich_datasets import FindingsIndex, SemEnricher
from semenrich_datasets.index import findings_index as index_module


def build_iu(preset):
    """The index of all reports, the seconds that took, and those of embedding."""
    embedding = []

    def timed(*args, **kwargs):
        start = perf_counter()
        vectors = embed_sentences(*args, **kwargs)
        embedding.append(perf_counter() - start)
        return vectors

    embed_sentences = index_module.embed_sentences
    reports = load_iu()
    with mock.patch.object(index_module, "embed_sentences", timed):
        start = perf_counter()
        index = FindingsIndex.build(reports, preset=preset, show_progress=False)
    return index, perf_counter() - start, sum(embedding)


def enrich(index, preset):
    """Seconds of the first map, and of the next one, all files and memos of a process new."""
    reports = load_iu()
    enricher = SemEnricher(index, context_columns=["impression"], preset=preset)
    seconds = []
    for enricher.variant in (0, 1):
        start = perf_counter()
        enriched = reports.map(enricher, batched=True, load_from_cache_file=False)
        seconds.append(perf_counter() - start)
    return seconds, sum(map(len, enriched["added_findings"]))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--warm", action="store_true", help="take vectors from this user's cache")
    arguments = parser.parse_args()
    FindingsIndex.build(["One sentence."], show_progress=False)  # imports and model
    rows = []
    for preset in ("safe", "paper"):
        with tempfile.TemporaryDirectory() as home:
            cache = constants.HF_HOME if arguments.warm else home
            with mock.patch.object(constants, "HF_HOME", cache):
                index, seconds, embedding = build_iu(preset)
        (first, again), added = enrich(index, preset)
        share = f"{embedding / seconds:.0%}"
        times = [round(value, 2) for value in (seconds, first, again)]
        rows.append((preset, index.sentences.num_rows, times[0], share, *times[1:], added))
    print_table(
        ["preset", "sentences", "build, s", "of which embedding", "enrich, s", "again, s", "added"],
        rows,
    )


if __name__ == "__main__":
    main()
