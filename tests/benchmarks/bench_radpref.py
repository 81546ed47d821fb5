"""What scores have to do with the judgement of radiologists: RadPref, 50 studies of two candidates.

Run: python tests/benchmarks/bench_radpref.py [--sensitivity] [--kinds] [radpref_dev.json]

Three radiologists rated each candidate 1 to 5 and marked its errors. Kendall's tau-b of each score
with the mean rating, and with the negated mean number of errors, once

- pooled: over all candidates (ties count as in tau-b), and once
- within: over pairs of candidates of one study, with the same formula.

An error is actionable if they call a false or missed finding urgent or actionable, or a wrong
attribute significant; of any weight if they call it anything but benign, expected or negligible.
"""

import argparse
import json
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from common import print_table
from sacrebleu.metrics.bleu import BLEU
from scipy.stats import kendalltau, rankdata

from metrics.finding_f1.finding_f1 import FindingF1
from semenrich_datasets import Reader
from semenrich_datasets.reading.finding_score import Costs, finding_score
from semenrich_datasets.reading.stated import stated_findings
from semenrich_datasets.sentences import split_sentences

RADPREF = Path(__file__).resolve().parents[3] / "shared" / "corpora" / "radpref_dev.json"
CANDIDATES = ("C1", "C2")
ACTIONABLE = ("actionable_not_urgent", "urgent")
READERS = 3
MEASURED = "RadPref, development half: 50 studies, 100 candidates"


def load_candidates(path):
    """A row of each candidate."""
    rows = []
    for study in json.loads(path.read_text(encoding="utf-8")):
        for name in CANDIDATES:
            judged = [annotation[name] for annotation in study["annotations"]]
            rows.append(
                {
                    "prediction": study[f"{name}_report"],
                    "reference": study["ground_truth_report"],
                    "shared": len(study["ground_truth_findings"])
                    - np.mean([len(one["missing_findings"]) for one in judged]),
                    "ratings": [one["rating"] for one in judged],
                    "actionable": [count_errors(one, ACTIONABLE) for one in judged],
                    "of any weight": [
                        count_errors(one, (*ACTIONABLE, "not_actionable_not_urgent"))
                        for one in judged
                    ],
                }
            )
    return rows


def count_errors(judged, significances):
    found = [*judged["finding_errors"].values(), *judged["missing_findings"].values()]
    attributes = [one["attributes"].values() for one in found if "attributes" in one]
    return sum("significant" in one for one in attributes) + sum(
        one.get("clinical_significance") in significances for one in found
    )


def pooled(scores, target):
    return float(kendalltau(scores, target).statistic)


def within(scores, target):
    """The same, of the pairs of one study alone."""
    ours, theirs = (np.sign(np.diff(np.reshape(one, (-1, 2)))).ravel() for one in (scores, target))
    return float((ours * theirs).sum() / np.sqrt((ours**2).sum() * (theirs**2).sum()))


def targets(rows):
    """Name -> what is to be agreed with, higher being better."""
    return {
        "rating": np.array([np.mean(row["ratings"]) for row in rows]),
        "actionable errors": np.array([-np.mean(row["actionable"]) for row in rows]),
        "errors of any weight": np.array([-np.mean(row["of any weight"]) for row in rows]),
    }


def taus(scores, rows):
    return [tau(scores, aim) for aim in targets(rows).values() for tau in (pooled, within)]


def read_pairs(rows, reader):
    def read(text):
        return [reader.read(sentence) for sentence in split_sentences(text)]

    return [(read(row["prediction"]), read(row["reference"])) for row in rows]


def scores_of(rows):
    """Name -> scores."""
    predictions = [row["prediction"] for row in rows]
    references = [row["reference"] for row in rows]
    bleu = BLEU(lowercase=True, effective_order=True)
    metric = FindingF1(keep_in_memory=True, per_report=True)
    results = metric._compute(predictions, references)["finding_per_report"]
    return {
        "sentence BLEU": [
            bleu.sentence_score(prediction, [reference]).score
            for prediction, reference in zip(predictions, references, strict=True)
        ],
        "finding_f1": [one["example_f1"] for one in results],
        "finding_f1_abnormal": [one["example_f1_abnormal"] for one in results],
        "finding_score": [one["score"] for one in results],
    }


def scores_by_readers(rows):
    """The formula of finding_score, were reports read and errors called as the readers did."""
    merits = [1 + Costs().credit * row["shared"] for row in rows]
    errors = [np.mean(row["actionable"]) for row in rows]
    return [merit / (merit + cost) for merit, cost in zip(merits, errors, strict=True)]


def print_agreement_of_radiologists(rows):
    aims = targets(rows)
    print("The mean rating with the errors:")
    for name in list(aims)[1:]:
        print(f"  {name}: {pooled(aims['rating'], aims[name]):.3f} pooled")
    for name in ("ratings", "actionable", "of any weight"):
        columns = np.array([row[name] for row in rows]).T
        pairs = [(a, b) for a in range(READERS) for b in range(a)]
        values = ", ".join(f"{pooled(columns[a], columns[b]):.2f}" for a, b in pairs)
        print(f"One radiologist with another, {name}: {values}")
    print()


def print_sensitivity(rows, reader, header):
    pairs = read_pairs(rows, reader)
    table = []
    for field in fields(Costs):
        for factor in (0.5, 2):
            costs = replace(Costs(), **{field.name: factor * field.default})
            scores = [finding_score(*pair, reader, costs).score for pair in pairs]
            label = f"{field.name} {field.default:g} -> {factor * field.default:g}"
            table.append([label, *taus(scores, rows)])
    print_table(MEASURED, ["number", *header], table)


def print_kinds(rows, reader, scores):
    """Where the score and the mean rating are furthest apart, one line a candidate."""
    pairs = read_pairs(rows, reader)
    gap = rankdata(scores) - rankdata(targets(rows)["rating"])
    print(f"{Counter(np.sign(np.trunc(gap / 25)).astype(int).tolist())} (1: too high by 25 ranks)")
    for place in np.argsort(-np.abs(gap))[:30]:
        said, wanted = (map(str, stated_findings(one, reader.lexicon)) for one in pairs[place])
        ratings = np.mean(rows[place]["ratings"])
        print(f"{place // 2}{CANDIDATES[place % 2]} {gap[place]:+.0f} rated {ratings:.1f}")
        print("   said", ", ".join(said), "\n   of  ", ", ".join(wanted))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, nargs="?", default=RADPREF)
    parser.add_argument("--sensitivity", action="store_true", help="each number halved and doubled")
    parser.add_argument("--kinds", action="store_true", help="where score and ratings differ most")
    options = parser.parse_args()
    if not options.path.exists():
        print(f"Left out: no {options.path}")
        return
    rows = load_candidates(options.path)
    header = [f"{name}, {how}" for name in targets(rows) for how in ("pooled", "within")]
    scores = scores_of(rows)
    table = {**scores, "the formula on the readers' own marks": scores_by_readers(rows)}
    rated = [[name, *taus(one, rows)] for name, one in table.items()]
    print_table(MEASURED, ["score", *header], rated)
    print_agreement_of_radiologists(rows)
    if options.sensitivity:
        print_sensitivity(rows, Reader(), header)
    if options.kinds:
        print_kinds(rows, Reader(), scores["finding_score"])


if __name__ == "__main__":
    main()
