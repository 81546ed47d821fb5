"""One meaning: the F1 of pairs of sentences by the cluster reward, the scorer and finding_f1.

Run: python tests/benchmarks/one_meaning.py [--reports CSV]

All three go by the claims of the sentences, and by the units of one index where these are not
understood. It is one of the phantom, or of the reports given.
"""

from __future__ import annotations

import sys
from pathlib import Path

from common import parse_corpus, print_table

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from metrics.finding_f1.finding_f1 import FindingF1  # noqa: E402
from semenrich_datasets import FindingsIndex  # noqa: E402
from semenrich_trainers.report_scores import ReportScorer  # noqa: E402
from semenrich_trainers.rewards import ClusterReward  # noqa: E402

PAIRS = {
    "other words": [
        ("No focal airspace consolidation.", "No focal infiltrate."),
        ("Cardiomegaly.", "The heart is enlarged."),
        ("Heart size is normal.", "Normal cardiac silhouette."),
        ("The lungs are clear.", "Both lungs are clear."),
        ("There is a small left pleural effusion.", "Small effusion on the left."),
    ],
    "degree": [("Small left pleural effusion.", "Large left pleural effusion.")],
    "side": [
        ("Left pleural effusion.", "Right pleural effusion."),
        ("Left pleural effusion.", "Bilateral pleural effusions."),
    ],
    "negation": [
        ("The heart is enlarged.", "The heart is not enlarged."),
        ("Pleural effusion.", "No pleural effusion."),
        ("No pleural effusion.", "No large pleural effusion."),
    ],
    "doubt": [("The heart is enlarged.", "The heart may be enlarged.")],
    "not understood": [
        ("The lungs are flurby and clear.", "Lungs are flurby and clear."),
        ("Flurby left pleural effusion.", "Flurby right pleural effusion."),
        ("Parrots whistle.", "Penguins sing."),
        ("Parrots whistle.", "parrots whistle"),
    ],
    "a report": [
        (
            "Clear lungs. Cardiomegaly. No effusion. Parrots whistle.",
            "The lungs are clear. The heart is enlarged. Left rib fracture.",
        ),
    ],
}


def main() -> None:
    corpus = parse_corpus(__doc__)
    index = FindingsIndex.build(corpus.reports, show_progress=False)
    reward = ClusterReward(index, impression_column=None)
    scorer, metric = ReportScorer(index), FindingF1(index=index, keep_in_memory=True)
    rows = []
    for kind, pairs in PAIRS.items():
        for left, right in pairs:
            completion = f"<think> {left} </think><answer> Normal. </answer>"
            figures = (
                reward([completion], findings=[right])[0],
                scorer([completion], [right], ["Normal."]).metrics["cluster_f1"],
                metric.compute(predictions=[left], references=[right])["finding_cluster_f1"],
            )
            agree = max(figures) - min(figures) < 1e-12
            rows.append([kind, left, right, *figures, "yes" if agree else "NO"])
    header = ["differ in", "generated", "reference", "ClusterReward", "ReportScorer", "finding_f1"]
    print_table(f"{corpus.name}: an index of them", [*header, "agree"], rows)
    if any(row[-1] == "NO" for row in rows):
        raise SystemExit("they do not agree")


if __name__ == "__main__":
    main()
