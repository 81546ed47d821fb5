"""Seconds to build an index of reports, and to enrich all of them.

Run: python tests/benchmarks/bench_build.py [--reports CSV] [--warm]
"""

import argparse
import tempfile
from time import perf_counter
from unittest import mock

from common import corpus_argument, load_corpus, print_table
from huggingface_hub import constants

from semenrich_datasets import FindingsIndex, SemEnricher
from semenrich_datasets.index import building


def build_index(corpus, preset):
    """The index of all reports, the seconds that took, and those of embedding."""
    embedding = []

    def timed(*args, **kwargs):
        start = perf_counter()
        vectors = embed_sentences(*args, **kwargs)
        embedding.append(perf_counter() - start)
        return vectors

    embed_sentences = building.embed_sentences
    with mock.patch.object(building, "embed_sentences", timed):
        start = perf_counter()
        index = FindingsIndex.build(corpus.reports, preset=preset, show_progress=False)
    return index, perf_counter() - start, sum(embedding)


def enrich(corpus, index, preset):
    """Seconds of the first map, and of the next one, all files and memos of a process new."""
    enricher = SemEnricher(index, context_columns=["impression"], preset=preset)
    seconds = []
    for variant in (0, 1):
        start = perf_counter()
        call = enricher.with_variant(variant) if variant else enricher
        enriched = corpus.reports.map(call, batched=True, load_from_cache_file=False)
        seconds.append(perf_counter() - start)
    return seconds, sum(map(len, enriched["added_findings"]))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--warm", action="store_true", help="take vectors from this user's cache")
    corpus_argument(parser)
    arguments = parser.parse_args()
    corpus = load_corpus(arguments.reports)
    FindingsIndex.build(["One sentence."], show_progress=False)  # imports and model
    rows = []
    for preset in ("safe", "paper"):
        with tempfile.TemporaryDirectory() as home:
            cache = constants.HF_HOME if arguments.warm else home
            with mock.patch.object(constants, "HF_HOME", cache):
                index, seconds, embedding = build_index(corpus, preset)
        (first, again), added = enrich(corpus, index, preset)
        share = f"{embedding / seconds:.0%}"
        times = [round(value, 2) for value in (seconds, first, again)]
        rows.append((preset, index.sentences.num_rows, times[0], share, *times[1:], added))
    print_table(
        corpus.name,
        ["preset", "sentences", "build, s", "of which embedding", "enrich, s", "again, s", "added"],
        rows,
    )


if __name__ == "__main__":
    main()
