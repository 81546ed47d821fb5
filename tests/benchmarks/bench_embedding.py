"""Sentences a second: `embed_sentences` against `SentenceTransformer.encode` as it comes.

Run: python tests/benchmarks/bench_embedding.py [--reports CSV]
"""

import tempfile
from functools import partial

import numpy as np
import torch
from bench_clustering import load_now, report_sentences, timed
from common import parse_corpus, print_table

from semenrich_datasets.index.embedding import embed_sentences, load_encoder

ROUNDS = 3


def main():
    corpus = parse_corpus(__doc__)
    sentences = report_sentences(corpus)[::3]
    encoder = load_encoder()
    encoder.encode(sentences[:32])
    print(f"{len(sentences)} sentences, {torch.get_num_threads()} threads")
    rows = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            embed = partial(embed_sentences, cache_dir=folder, show_progress=False)
            ours, vectors = timed(embed, sentences, encoder)
            cached, _ = timed(embed, sentences, encoder)
        encode = partial(encoder.encode, normalize_embeddings=True)
        theirs, expected = timed(encode, sentences)
        speeds = [round(len(sentences) / seconds) for seconds in (ours, theirs, cached)]
        difference = np.abs(vectors - expected).max()
        rows.append([*speeds, theirs / ours, f"{difference:.0e}", load_now()])
    header = ["embed_sentences/s", "encode/s", "from the cache/s", "ratio", "difference", "load"]
    print_table(corpus.name, header, rows)


if __name__ == "__main__":
    main()
