"""Is silence told apart from health? On reports by masked truth, on the phantom by its truth.

    python tests/benchmarks/bench_silence.py --reports CSV [--plot FILE.svg]
    python tests/benchmarks/bench_silence.py --phantom [--plot FILE.svg] [--rates 0 0.02 0.05 0.1]

Reports: an index of the train split; of the validation split all that is said on a topic is cut
out, topic by topic, and what is added in its place is counted: over the least score, by topic, and
by preset. Then how well the silence model ranks and how well it is calibrated on these reports,
which it has not seen; "without" is the same enricher without the lexicon's questions, or without
what findings hide.

Phantom: authors leave a chosen share of abnormalities unsaid. An index of 3,000 studies with their
images (a frozen EfficientNet-Lite0 with ImageNet weights), other 1,000 are enriched by texts alone,
with the image, by the published method and at random. Precision is the share of added statements
that are true of their study, recall the share of omitted normal statements that were made good.
Images take some 40 seconds of rendering and 30 of embedding, each index about a minute.
"""

import argparse
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from bench_truth import phantom_figures
from common import corpus_argument, load_corpus, print_table
from datasets import Image, concatenate_datasets
from scipy import sparse

from semenrich_datasets import FindingsIndex, SemEnricher
from semenrich_datasets.audit import masked_truth
from semenrich_datasets.audit.masked_truth import interval
from semenrich_datasets.audit.summary import read_studies
from semenrich_datasets.enrich.images import Cells
from semenrich_datasets.index.counting import count_sentences
from semenrich_datasets.index.silence_fit import Studies
from semenrich_datasets.index.topics import ABNORMAL, NORMAL, SILENT
from semenrich_datasets.phantom import is_true, load_phantom, statements
from semenrich_datasets.reading import Lexicon

CONTEXT = ["impression", "indication"]
BINS = np.array([0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0])


def share(part, whole):
    low, high = interval(part, whole)
    return f"{part:,} of {whole:,} = {part / max(whole, 1):.1%} ({low:.1%} to {high:.1%})"


# ----------------------------------------------------------------------------------- reports


def print_curve(measured, masked):
    rows = []
    for threshold in masked.thresholds:
        total = masked.total(threshold)
        each = masked.additions[threshold] / masked.reports
        again = f"{total['restored'] / max(total['normal'], 1):.1%}"
        rows.append((threshold, each, share(total["opposite"], total["abnormal"]), again))
    print_table(measured, ("min_score", "additions per report", "opposite", "restored"), rows)


def print_topics(measured, masked):
    rows = [
        (row["topic"], share(row["opposite"], row["abnormal"]), row["normal"], row["restored"])
        for row in masked.by_topic().to_pylist()
    ]
    print_table(measured, ("topic", "opposite", "hidden normal", "restored"), rows)


def without(lexicon, table, key=None):
    """A lexicon without its questions, or without what its findings and structures hide."""
    tables = {name: dict(entries) for name, entries in lexicon.tables.items()}
    if key is None:
        tables[table] = {}
    else:
        for name in table:
            tables[name] = {
                entry: {k: v for k, v in values.items() if k != key}
                for entry, values in tables[name].items()
            }
    return Lexicon.from_tables(lexicon.name, tables)


def print_arms(measured, fitted, others, index):
    lexicon = index.reader.lexicon
    made = {
        "safe": (index, {}),
        "safe, silence not asked (min_score 0)": (index, {"min_score": 0.0}),
        "safe without the lexicon's questions": (
            FindingsIndex.build(fitted, lexicon=without(lexicon, "questions"), show_progress=False),
            {},
        ),
        "safe without what findings hide": (
            FindingsIndex.build(
                fitted,
                lexicon=without(lexicon, ("structures", "findings"), "obscures"),
                show_progress=False,
            ),
            {},
        ),
    }
    paper = FindingsIndex.build(fitted, preset="paper", show_progress=False)
    rows = []
    for name, (one, options) in made.items():
        enricher = SemEnricher(one, "findings", context_of(fitted), **options)
        rows.append((name, *masked_row(others, enricher)))
    for preset in ("paper", "random"):
        enricher = SemEnricher(paper, "findings", context_of(fitted), preset=preset)
        rows.append((preset, *published_row(others, enricher, index)))
    print_table(measured, ("preset", "additions per report", "opposite", "restored"), rows)


def masked_row(reports, enricher):
    masked = masked_truth(reports, enricher, min_scores=(), show_progress=False)
    total = masked.total()
    each = masked.additions[masked.min_score] / masked.reports
    again = f"{total['restored'] / max(total['normal'], 1):.1%}"
    return each, share(total["opposite"], total["abnormal"]), again


def published_row(reports, enricher, index):
    """The same topics are hidden: those of the safe index."""
    concepts = {topic.concept for topic in index.silence.topics}
    masked = masked_truth(reports, enricher, concepts=concepts, show_progress=False)
    total = masked.total()
    each = masked.additions[masked.min_score] / masked.reports
    again = f"{total['restored'] / max(total['normal'], 1):.1%}"
    return each, share(total["opposite"], total["abnormal"]), again


def context_of(reports):
    return [name for name in CONTEXT if name in reports.column_names]


def studies_matrices(reports, index):
    """What the reports say on each topic, and the rest of each as a matrix of features."""
    enricher = SemEnricher(index, "findings", context_of(reports))
    studies = Studies(
        count_sentences(read_studies(reports, enricher)), index.reader, index.silence.topics
    )
    studies.features()
    table = studies.feature_table(index.silence.numbers)
    rests = [
        sparse.csr_matrix(studies.rest(number) @ table > 0, dtype=np.float64)
        for number in range(len(index.silence.topics))
    ]
    return studies.stance, rests


def auroc(wrong, others, odds):
    from sklearn.metrics import roc_auc_score

    used = wrong | others
    enough = min(wrong.sum(), others.sum()) >= 5
    return f"{roc_auc_score(wrong[used], odds[used]):.3f}" if enough else "-"


def measure_model(measured, fitted, others, index, plot):
    """How the model of silence ranks and how it is calibrated on reports it has not seen.

    Beside it a model of its own, abnormal against normal among the reports that speak of a topic:
    what the rest of a report knows of the truth, whoever speaks.
    """
    from sklearn.linear_model import LogisticRegression

    taught, own = studies_matrices(fitted, index)
    stances, rests = studies_matrices(others, index)
    rows, told, stated, spoken = [], [], [], []
    for number, topic in enumerate(index.silence.topics):
        text = index.silence.text
        odds = rests[number] @ text.weights[0][:, number] + text.intercepts[0][number]
        wrong, calm, silent = (stances[:, number] == level for level in (ABNORMAL, NORMAL, SILENT))
        known = (taught[:, number] == ABNORMAL) | (taught[:, number] == NORMAL)
        target = taught[known, number] == ABNORMAL
        among = "-"
        if min(target.sum(), (~target).sum()) >= 10:
            model = LogisticRegression(C=0.1, max_iter=1000).fit(own[number][known], target)
            chances = model.predict_proba(rests[number])[:, 1]
            among = auroc(wrong, calm, chances)
            spoken.append((chances[wrong | calm], wrong[wrong | calm]))
        learned = "yes" if text.learned[number] else "no: prior"
        counts = (int(wrong.sum()), int(calm.sum()), int(silent.sum()))
        rows.append((str(topic), *counts, learned, auroc(wrong, silent, odds), among))
        told.append(1 / (1 + np.exp(-odds[wrong | silent])))
        stated.append(wrong[wrong | silent])
    head = ("topic", "abnormal", "normal", "silent", "learned", "AUROC to silent", "to normal")
    print_table(measured, head, sorted(rows, key=lambda row: -row[1]))
    error, points = reliability(np.concatenate(told), np.concatenate(stated))
    print(f"calibration error of P(stated abnormal | abnormal or silent): {error:.4f}")
    error, _ = reliability(*(np.concatenate(part) for part in zip(*spoken, strict=True)))
    print(f"calibration error of P(abnormal | spoken of): {error:.4f}\n")
    if plot:
        draw_reliability(
            points,
            plot.with_name(f"{plot.stem}_reliability.svg"),
            "told: stated abnormal, of abnormal and silent reports",
        )


def reliability(chances, truth):
    """The expected calibration error over bins, and a point for each bin."""
    places = np.clip(np.digitize(chances, BINS) - 1, 0, len(BINS) - 2)
    points = [
        (chances[places == b].mean(), truth[places == b].mean(), int((places == b).sum()))
        for b in range(len(BINS) - 1)
        if (places == b).any()
    ]
    error = sum(n * abs(told - seen) for told, seen, n in points) / len(chances)
    return float(error), points


def draw_reliability(points, path, label):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4.5, 4.5), layout="constrained")
    axes.plot([0, 1], [0, 1], color="#999", linewidth=1)
    told, seen, n = (np.array(column) for column in zip(*points, strict=True))
    low, high = np.array([interval(round(s * k), k) for s, k in zip(seen, n, strict=True)]).T
    axes.errorbar(told, seen, [seen - low, high - seen], fmt="o", color="#0b5fa5", capsize=2)
    axes.set_xlabel(label)
    axes.set_ylabel("seen")
    axes.grid(alpha=0.3)
    figure.savefig(path, metadata={"Date": None})


def draw_curve(masked, path):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    totals = [masked.total(threshold) for threshold in masked.thresholds]
    wrong = [100 * one["opposite"] / max(one["abnormal"], 1) for one in totals]
    each = [masked.additions[threshold] / masked.reports for threshold in masked.thresholds]
    axes.plot(wrong, each, marker="o", color="#0b5fa5")
    for threshold, x, y in zip(masked.thresholds, wrong, each, strict=True):
        axes.annotate(f"{threshold:g}", (x, y), textcoords="offset points", xytext=(5, -10))
    axes.set_xlabel("hidden abnormalities that were called normal (%)")
    axes.set_ylabel("additions per report")
    axes.grid(alpha=0.3)
    figure.savefig(path, metadata={"Date": None})


def measure_reports(path, plot):
    corpus = load_corpus(path)
    fitted, others = corpus.parts()
    index = FindingsIndex.build(fitted, "findings", show_progress=False)
    measured = f"{corpus.name}: an index of {len(fitted)}, {len(others)} others masked"
    masked = masked_truth(
        others, SemEnricher(index, "findings", context_of(others)), show_progress=False
    )
    print_curve(measured, masked)
    print_topics(measured, masked)
    print(masked.summary(), "\n")
    print_arms(measured, fitted, others, index)
    measure_model(measured, fitted, others, index, plot)
    if plot:
        draw_curve(masked, plot)


# ----------------------------------------------------------------------------------- phantom


def studies_of(n, seed, rate, images):
    texts = load_phantom(n, seed, images=False, unsaid=rate)
    return concatenate_datasets([texts, images], axis=1)


def phantom_row(rate, arm, enriched):
    figures = phantom_figures(enriched)
    true = round(figures["statements"] * figures["precision"])
    good = round(figures["omitted"] * figures["recall"])
    return (
        f"{rate:.0%}",
        arm,
        figures["additions per report"],
        share(true, figures["statements"]),
        share(good, figures["omitted"]),
    )


def true_unsaid(studies, index):
    """The share of unsaid among the abnormal findings whose topics the index speaks of."""
    unsaid = sum(len(row["unsaid"]) for row in studies)
    there = sum(one["name"] != "prior" for row in studies for one in row["truth"])
    return unsaid / there


def score_points(studies, enricher):
    """For each candidate that the rules leave: its risk, and whether it is false."""
    told, false = [], []
    selection = enricher.selection.with_min_score(0.0)
    for study, row in zip(read_studies(studies, enricher), studies, strict=True):
        report = enricher.read_report(study)
        if report is None:
            continue
        if enricher.image_column:
            (vector,) = enricher.images.embed(Cells([row["image"]]), [0]).values()
            report = replace(report, image=vector)
        for one in selection.consider(report):
            if one.reason not in (None, "unlikely", "redundant", "never_together"):
                continue
            claims = statements(one.candidate.wordings[0])
            if claims is not None and one.reason in (None, "unlikely"):
                told.append(1 - one.score)
                false.append(not all(is_true(claim, row["truth"]) for claim in claims))
    return np.array(told), np.array(false)


def measure_phantom(rates, plot):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from efficientnet import EfficientNetLite0

    encoder = EfficientNetLite0()
    pictures = {
        seed: load_phantom(n, seed, image_size=128)
        .select_columns("image")
        .cast_column("image", Image(decode=False))
        for seed, n in ((0, 3_000), (1, 1_000))
    }
    rows, learned, lines = [], [], {}
    for rate in rates:
        fitted = studies_of(3_000, 0, rate, pictures[0])
        others = studies_of(1_000, 1, rate, pictures[1])
        index = FindingsIndex.build(
            fitted, image_column="image", image_encoder=encoder, show_progress=False
        )
        paper = FindingsIndex.build(fitted, preset="paper", show_progress=False)
        arms = {
            "safe, silence not asked": SemEnricher(index, min_score=0.0),
            "safe, texts": SemEnricher(index, unsaid_abnormal=0.05),
            "safe, texts and image": SemEnricher(
                index, image_column="image", image_encoder=encoder
            ),
            "paper": SemEnricher(paper, preset="paper"),
            "random": SemEnricher(paper, preset="random"),
        }
        for arm, enricher in arms.items():
            enriched = others.map(enricher, batched=True, load_from_cache_file=False)
            rows.append(phantom_row(rate, arm, enriched.remove_columns("image")))
            print("|", " | ".join(map(str, rows[-1])), "|", flush=True)
        learned.append(
            (f"{rate:.1%}", f"{true_unsaid(fitted, index):.2%}", f"{index.silence.unsaid:.2%}")
        )
        for arm in ("safe, texts", "safe, texts and image"):
            error, points = reliability(*score_points(others, arms[arm]))
            lines[rate, arm] = points
            print(f"calibration error of 1 - score, {rate:.0%} unsaid, {arm}: {error:.4f}")
    head = ("unsaid", "arm", "additions per report", "precision", "recall")
    print_table("phantom, an index of 3,000 studies, 1,000 others enriched", head, rows)
    print_table("the share of abnormalities left unsaid", ("asked", "true", "learned"), learned)
    if plot:
        draw_phantom(rows, plot)


def draw_phantom(rows, path):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    number = lambda text: float(text.split(" = ")[1].split("%")[0])  # noqa: E731
    arms = Counter(row[1] for row in rows)
    for arm in arms:
        own = [row for row in rows if row[1] == arm]
        axes.plot([number(r[4]) for r in own], [number(r[3]) for r in own], marker="o", label=arm)
        for row in own:
            axes.annotate(row[0], (number(row[4]), number(row[3])), fontsize=7)
    axes.set_xlabel("recall of omitted normal statements (%)")
    axes.set_ylabel("precision of added statements (%)")
    axes.legend(fontsize=7)
    axes.grid(alpha=0.3)
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    corpus_argument(parser)
    parser.add_argument("--phantom", action="store_true", help="measure on the phantom")
    parser.add_argument("--rates", type=float, nargs="+", default=[0.0, 0.02, 0.05, 0.1])
    parser.add_argument("--plot", type=Path, help="also draw to this file")
    arguments = parser.parse_args()
    if arguments.phantom:
        measure_phantom(arguments.rates, arguments.plot)
    else:
        measure_reports(arguments.reports, arguments.plot)


if __name__ == "__main__":
    main()
