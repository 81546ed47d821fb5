"""How true are the additions? On synthetic studies, whose truth is known, or on reports.

    python tests/benchmarks/bench_truth.py [--reports CSV] [--plot FILE.svg]

Phantom: the index is built on 3,000 studies, other 1,000 are enriched. Precision is the share of
added statements that are true of their study, recall the share of normal statements that the author
left out and the additions made good. With `--reports` also: the index is built on the train split,
the validation split is enriched with the impression as context; what is counted there is what a
program can see. Whether an addition is right for a patient was judged by readers: see README.md.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterable
from functools import reduce
from operator import or_
from pathlib import Path

from common import corpus_argument, load_corpus, print_table
from datasets import Dataset

from semenrich_datasets import FindingsIndex, SemEnricher
from semenrich_datasets.enrich.facts import ReportFacts
from semenrich_datasets.enrich.reasons import Reason
from semenrich_datasets.phantom import is_true, load_phantom, omitted_normals, statements
from semenrich_datasets.reading import Reader
from semenrich_datasets.reading.entailment import Logic
from semenrich_datasets.sentences import split_sentences

THRESHOLDS = (0.0, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)


def phantom_figures(enriched: Dataset) -> dict[str, float]:
    """Precision and recall of the additions against the truth of the studies."""
    true = false = unknown = omitted = recovered = additions = 0
    abnormal_additions = abnormal_contradicted = 0
    for row in enriched:
        added = [addition["sentence"] for addition in row["added_findings"]]
        additions += len(added)
        abnormal = any(found["name"] != "prior" for found in row["truth"])
        for sentence in added:
            claims = statements(sentence)
            if claims is None:
                unknown += 1
                continue
            verdicts = [is_true(claim, row["truth"]) for claim in claims]
            true += sum(verdicts)
            false += len(verdicts) - sum(verdicts)
            abnormal_additions += abnormal
            abnormal_contradicted += abnormal and not all(verdicts)
        complete = split_sentences(row["complete_findings"])
        own = split_sentences(row["findings"])
        before = omitted_normals(own, complete)
        omitted += len(before)
        recovered += len(before) - len(omitted_normals([*own, *added], complete))
    return {
        "additions per report": additions / len(enriched),
        "statements": true + false,
        "precision": true / max(true + false, 1),
        "recall": recovered / max(omitted, 1),
        "omitted": omitted,
        "abnormal reports: false additions": abnormal_contradicted / max(abnormal_additions, 1),
        "unknown sentences": unknown,
    }


def report_figures(enriched: Dataset, reader: Reader) -> dict[str, float]:
    """What a program can see of the additions to real reports."""
    counts: Counter[str] = Counter()
    distinct = set()
    for row in enriched:
        added = [addition["sentence"] for addition in row["added_findings"]]
        distinct.update(added)
        own = (reader.read(sentence).logic for sentence in split_sentences(row["findings"] or ""))
        denied = reduce(or_, own, Logic()).implies
        readings = [reader.read(sentence) for sentence in added]
        counts["additions"] += len(added)
        counts["reports with an addition"] += bool(added)
        for reading in readings:
            counts["new assertions"] += (reading.logic.denies & ~denied).bit_count()
            counts["prior words"] += reading.mentions_prior
            counts["digits or blanks"] += bool(re.search(r"\d|xx|__", reading.text))
            counts["not normal"] += reading.sign != "normal"
        counts["same topic twice"] += _overlaps(reading.logic.implies for reading in readings)
        facts = ReportFacts.read(reader, split_sentences(row["impression"] or ""))
        refusals = [facts.check(reading) for reading in readings]
        counts["against the impression"] += refusals.count(Reason.CONTRADICTS)
    return {
        "additions per report": counts["additions"] / len(enriched),
        "new assertions per report": counts["new assertions"] / len(enriched),
        "reports with an addition": counts["reports with an addition"] / len(enriched),
        "distinct sentences": len(distinct),
        **{
            name: counts[name]
            for name in (
                "not normal",
                "prior words",
                "digits or blanks",
                "same topic twice",
                "against the impression",
            )
        },
    }


def _overlaps(contents: Iterable[int]) -> int:
    seen = overlaps = 0
    for content in contents:
        overlaps += bool(seen & content)
        seen |= content
    return overlaps


def enrich_with(reports: Dataset, indexes: dict[str, FindingsIndex]) -> dict[str, Dataset]:
    """The same reports by each preset; "paper" and "random" on an index built as published."""
    return {
        preset: reports.map(
            SemEnricher(
                indexes["safe" if preset == "safe" else "paper"],
                context_columns=["impression"],
                preset=preset,
            ),
            batched=True,
            load_from_cache_file=False,
        )
        for preset in ("safe", "paper", "random")
    }


def plot_operating_points(
    measured: str, reports: Dataset, index: FindingsIndex, path: Path
) -> None:
    """Draws true additions per report against the share of false ones, over the threshold."""
    import matplotlib.pyplot as plt

    points = []
    for threshold in THRESHOLDS:
        enricher = SemEnricher(index, context_columns=["impression"], min_score=threshold)
        figures = phantom_figures(reports.map(enricher, batched=True, load_from_cache_file=False))
        points.append((threshold, figures))
    print_table(
        measured,
        ["min_score", "true additions per report", "precision", "recall"],
        [
            [t, f["additions per report"] * f["precision"], f["precision"], f["recall"]]
            for t, f in points
        ],
    )
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    false = [100 * (1 - f["precision"]) for _, f in points]
    good = [f["additions per report"] * f["precision"] for _, f in points]
    axes.plot(false, good, marker="o", color="#0b5fa5")
    for (threshold, _), x, y in zip(points, false, good, strict=True):
        axes.annotate(f"{threshold:g}", (x, y), textcoords="offset points", xytext=(5, -10))
    axes.set_xlabel("false statements among those added (%)")
    axes.set_ylabel("true additions per report")
    axes.set_title("Operating points of min_score, 1,000 held-out synthetic studies")
    axes.grid(alpha=0.3)
    figure.savefig(path, metadata={"Date": None})


def build_both(reports: Dataset) -> dict[str, FindingsIndex]:
    return {
        preset: FindingsIndex.build(reports, preset=preset, show_progress=False)
        for preset in ("safe", "paper")
    }


def print_presets(measured: str, figures: dict[str, dict[str, float]]) -> None:
    rows = [[preset, *values.values()] for preset, values in figures.items()]
    print_table(measured, ["preset", *figures["safe"]], rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    corpus_argument(parser)
    parser.add_argument("--plot", type=Path, help="also draw the operating points to this file")
    arguments = parser.parse_args()
    phantom = load_corpus()
    held_out = load_phantom(1_000, seed=1, images=False)
    measured = f"{phantom.name}; 1,000 others enriched"
    indexes = build_both(phantom.reports)
    enriched = enrich_with(held_out, indexes)
    print_presets(measured, {preset: phantom_figures(rows) for preset, rows in enriched.items()})
    if arguments.plot:
        plot_operating_points(measured, held_out, indexes["safe"], arguments.plot)
    if arguments.reports is None:
        return
    corpus = load_corpus(arguments.reports)
    fitted, others = corpus.parts()
    measured = f"{corpus.name}: an index of {len(fitted)}, {len(others)} others enriched"
    indexes = build_both(fitted)
    figures = {
        preset: report_figures(enriched, indexes["safe"].reader)
        for preset, enriched in enrich_with(others, indexes).items()
    }
    print_presets(measured, figures)


if __name__ == "__main__":
    main()
