"""Finding F1 on IU X-ray: reports per second, and what the figures tell apart.

Run: python tests/benchmarks/bench_finding.py ../shared/iu_xray/reports.csv
"""

import argparse
import csv
from pathlib import Path
from time import perf_counter

import evaluate

from semenrich_datasets import FindingsIndex
from semenrich_datasets.sentences import split_sentences

MODULE = str(Path(__file__).parents[2] / "metrics/finding_f1")
SIGNS = ("", "_normal", "_abnormal")


def read_findings(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [row["findings"] for row in csv.DictReader(file) if row["findings"].strip()]


def negate_first(report):
    """The report with its first sentence that starts with "No" turned round, or None."""
    sentences = split_sentences(report)
    for row, sentence in enumerate(sentences):
        if sentence.startswith("No "):
            turned = "There is " + sentence.removeprefix("No ")
            return " ".join([*sentences[:row], turned, *sentences[row + 1 :]])
    return None


def print_figures(name, metric, predictions, references):
    begin = perf_counter()
    results = metric.compute(predictions=predictions, references=references)
    seconds = perf_counter() - begin
    print(f"{name}: {len(references)} pairs, {2 * len(references) / seconds:.0f} reports/s")
    for unit in ("", "cluster_"):
        for figure in ("precision", "recall", "f1", "macro_f1", "example_f1"):
            keys = [f"finding_{unit}{figure}{sign}" for sign in SIGNS]
            if keys[0] in results:
                values = (f"{results[key]:.4f}" for key in keys)
                print(f"  {unit}{figure}: all, normal, abnormal:", *values)
    print("  unread", results["finding_unread"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reports", type=Path)
    parser.add_argument("--index", action="store_true", help="clusters too, of an index of these")
    options = parser.parse_args()
    reports = read_findings(options.reports)
    settings = {}
    if options.index:
        settings["index"] = FindingsIndex.build(reports, show_progress=False)
    metric = evaluate.load(MODULE, keep_in_memory=True, **settings)
    # Loads the lexicon.
    metric.compute(predictions=["No effusion."], references=["No effusion."])
    others = reports[1:] + reports[:1]
    print_figures("another patient's report", metric, others, reports)
    print_figures("the same, all read before", metric, others, reports)
    print_figures("the report itself", metric, reports, reports)
    turned = [(new, report) for report in reports if (new := negate_first(report))]
    print_figures("one negation turned round", metric, *map(list, zip(*turned, strict=True)))


if __name__ == "__main__":
    main()
