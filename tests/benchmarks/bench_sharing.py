"""What the shared form of an index loses: the additions of "safe" by it and by the whole index.

    python tests/benchmarks/bench_sharing.py [--reports CSV]

Additions are compared by what they say, whatever the wording.
"""

import argparse

from common import corpus_argument, load_corpus, print_table

from semenrich_datasets import FindingsIndex, SemEnricher


def said(reports, index):
    """What is added to each report, as the contents of units."""
    contents = index.unit_table.column("content").to_pylist()
    added = reports.map(SemEnricher(index), batched=True)["added_findings"]
    return [{contents[one["cluster_id"]] for one in row} for row in added]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    corpus_argument(parser)
    corpus = load_corpus(parser.parse_args().reports)
    whole = FindingsIndex.build(corpus.reports, show_progress=False)
    shared = whole.shared()
    pairs = list(zip(said(corpus.reports, whole), said(corpus.reports, shared), strict=True))
    additions = sum(len(one) for one, _ in pairs)
    lost = sum(len(one - other) for one, other in pairs)
    sentences = f"{shared.sentences.num_rows:,} of {whole.sentences.num_rows:,}"
    share = f"{lost:,} = {100 * lost / max(additions, 1):.0f}%"
    emptied = sum(bool(one) and not other for one, other in pairs)
    print_table(
        corpus.name,
        ["sentences", "additions", "lost", "new", "reports that lost all"],
        [[sentences, f"{additions:,}", share, sum(len(b - a) for a, b in pairs), emptied]],
    )


if __name__ == "__main__":
    main()
