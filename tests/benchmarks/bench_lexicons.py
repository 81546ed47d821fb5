"""How much of a corpus each lexicon understands, and how well it finds what was labelled by hand.

Run: python tests/benchmarks/bench_lexicons.py REPORTS.csv [--text-column report_text]

The table has a column of F1 for each label of `LABELS` that is a column (0 or 1) of the file. A
finding counts when the report states it as present or uncertain.
"""

import argparse
import csv
from pathlib import Path

from semenrich_datasets.reading.reader import Reader
from semenrich_datasets.sentences import split_sentences

LEXICONS = ("chest_xray", "chest_ct")
TEXT_COLUMNS = ("report_text", "report", "findings", "text")

# The labels of CT-CLIP's text_classifier, and the concepts of the lexicons that say the same.
LABELS = {
    "Medical material": {"device"},
    "Arterial wall calcification": {"atherosclerosis"},
    "Cardiomegaly": {"cardiomegaly"},
    "Pericardial effusion": {"pericardial_effusion"},
    "Coronary artery wall calcification": {"coronary_calcification", "coronary_arteries"},
    "Hiatal hernia": {"hiatal_hernia"},
    "Lymphadenopathy": {"adenopathy", "visible_nodes", "calcified_nodes"},
    "Emphysema": {"emphysema"},
    "Atelectasis": {"atelectasis"},
    "Lung nodule": {"nodule", "granuloma"},
    "Lung opacity": {"opacity", "ground_glass", "crazy_paving"},
    "Pulmonary fibrotic sequela": {"fibrotic_sequela", "fibrosis", "scar"},
    "Pleural effusion": {"pleural_effusion"},
    "Mosaic attenuation pattern": {"mosaic_attenuation"},
    "Peribronchial thickening": {"bronchial_wall_thickening"},
    "Consolidation": {"consolidation"},
    "Bronchiectasis": {"dilated_bronchi"},
    "Interlobular septal thickening": {"septal_thickening"},
}
# What the chest X-ray lexicon has in place of a concept of its own.
COARSER = {
    "hiatal_hernia": "hernia",
    "coronary_calcification": "atherosclerosis",
    "ground_glass": "opacity",
    "bronchial_wall_thickening": "bronchiectasis",
    "dilated_bronchi": "bronchiectasis",
    "fibrotic_sequela": "fibrosis",
    "septal_thickening": "interstitial",
}


def load_reports(path, text_column=None):
    """The texts of a CSV file, and its labels as {label: [0 or 1 a report]}."""
    csv.field_size_limit(2**31 - 1)
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    column = text_column or next(name for name in TEXT_COLUMNS if name in rows[0])
    labels = {label: [int(row[label]) for row in rows] for label in LABELS if label in rows[0]}
    return [row[column] for row in rows], labels


def read_reports(texts, reader):
    """The readings of each report's sentences."""
    return [[reader.read(sentence) for sentence in split_sentences(text)] for text in texts]


def understood_share(reports):
    """Share of all sentences, repeats counted, that are understood."""
    readings = [reading for report in reports for reading in report]
    return sum(reading.understood for reading in readings) / len(readings)


def found(reports, label, lexicon):
    """Whether each report states the label's finding."""
    concepts = {
        COARSER.get(name, name) if name not in lexicon.numbers else name for name in LABELS[label]
    }
    stated = [
        {said.concept for reading in report for said in reading.assertions if said.is_abnormal}
        for report in reports
    ]
    return [not concepts.isdisjoint(names) for names in stated]


def count(truth, guess):
    """True positives, false positives, false negatives."""
    pairs = list(zip(map(bool, truth), guess, strict=True))
    return pairs.count((True, True)), pairs.count((False, True)), pairs.count((True, False))


def f1(counts):
    """F1 of one label, or of the sum of several."""
    hits, false, missed = counts
    return 2 * hits / (2 * hits + false + missed) if hits else 0.0


def measure(texts, labels, reader):
    """Share understood, and F1 by label, "micro" (over all labels) last."""
    reports = read_reports(texts, reader)
    counts = {
        label: count(truth, found(reports, label, reader.lexicon))
        for label, truth in labels.items()
    }
    scores = {label: f1(value) for label, value in counts.items()}
    if counts:
        scores["micro"] = f1([sum(column) for column in zip(*counts.values(), strict=True)])
    return understood_share(reports), scores


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("csv", type=Path, help="reports, one a row")
    parser.add_argument("--text-column", help=f"default: the first of {', '.join(TEXT_COLUMNS)}")
    arguments = parser.parse_args()
    texts, labels = load_reports(arguments.csv, arguments.text_column)
    measured = {name: measure(texts, labels, Reader(name)) for name in LEXICONS}
    rows = [
        ("corpus", *[arguments.csv.stem] * len(LEXICONS)),
        ("reports", *[len(texts)] * len(LEXICONS)),
        ("understood", *[f"{share:.1%}" for share, _ in measured.values()]),
    ]
    for label in (*labels, *["micro"][: len(labels)]):
        name = "**F1, micro**" if label == "micro" else f"F1 {label}"
        rows.append((name, *[f"{scores[label]:.3f}" for _, scores in measured.values()]))
    print("| lexicon | " + " | ".join(LEXICONS) + " |")
    print("| --- |" + " ---: |" * len(LEXICONS))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
