"""Finding F1: reports per second, and what the figures tell apart.

Run: python tests/benchmarks/bench_finding.py [--reports CSV] [--index]
"""

import argparse
from pathlib import Path
from time import perf_counter

import evaluate
from common import corpus_argument, load_corpus, print_table

from semenrich_datasets import FindingsIndex
from semenrich_datasets.sentences import split_sentences

MODULE = str(Path(__file__).parents[2] / "metrics/finding_f1")
SIGNS = ("", "_normal", "_abnormal")


def negate_first(report):
    """The report with its first sentence that starts with "No" turned round, or None."""
    sentences = split_sentences(report)
    for row, sentence in enumerate(sentences):
        if sentence.startswith("No "):
            turned = "There is " + sentence.removeprefix("No ")
            return " ".join([*sentences[:row], turned, *sentences[row + 1 :]])
    return None


def figures(metric, predictions, references):
    begin = perf_counter()
    results = metric.compute(predictions=predictions, references=references)
    seconds = perf_counter() - begin
    values = {"pairs": len(references), "reports/s": round(2 * len(references) / seconds)}
    for unit in ("", "cluster_"):
        for figure in ("precision", "recall", "f1", "macro_f1", "example_f1"):
            found = [results.get(f"finding_{unit}{figure}{sign}") for sign in SIGNS]
            if found[0] is not None:
                values[f"{unit}{figure}: all, normal, abnormal"] = ", ".join(
                    f"{value:.4f}" for value in found
                )
    unread = results["finding_unread"]
    values["unread: predictions, references"] = (
        f"{unread['predictions']:.4f}, {unread['references']:.4f}"
    )
    return values


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    corpus_argument(parser)
    parser.add_argument("--index", action="store_true", help="units too, of an index of these")
    options = parser.parse_args()
    corpus = load_corpus(options.reports)
    reports = [text for text in corpus.reports["findings"] if text.strip()]
    settings = {}
    if options.index:
        settings["index"] = FindingsIndex.build(reports, show_progress=False)
    metric = evaluate.load(MODULE, keep_in_memory=True, **settings)
    # Loads the lexicon.
    metric.compute(predictions=["No effusion."], references=["No effusion."])
    others = reports[1:] + reports[:1]
    turned = [(new, report) for report in reports if (new := negate_first(report))]
    columns = {
        "another patient's report": figures(metric, others, reports),
        "the same, all read before": figures(metric, others, reports),
        "the report itself": figures(metric, reports, reports),
        "one negation turned round": figures(metric, *map(list, zip(*turned, strict=True))),
    }
    names = columns["the report itself"]
    rows = [[name, *(column[name] for column in columns.values())] for name in names]
    print_table(corpus.name, ["", *columns], rows)


if __name__ == "__main__":
    main()
