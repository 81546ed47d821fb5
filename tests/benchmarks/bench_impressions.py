"""How many equal impressions are one: pairs of wordings that share a unit, by index and preset.

Run: python tests/benchmarks/bench_impressions.py [--reports CSV]

Twelve ways to say that nothing acute is seen and twelve to say that the chest is normal, 66 pairs
each; and the 144 pairs of one of each, which must differ: who sees nothing acute may see old scars.
Asked of an index built on findings and one built on impressions, by meaning (preset "safe") and by
cluster (preset "paper"), where two sentences in no cluster are not one.
"""

from __future__ import annotations

import argparse
from itertools import combinations, product

from common import corpus_argument, load_corpus, print_table

from semenrich_datasets import FindingsIndex
from semenrich_trainers.rewards import ClusterReward, PaperClusterReward

NOTHING_ACUTE = [
    "No acute disease.",
    "No active disease.",
    "No acute abnormality.",
    "No acute findings.",
    "No acute cardiopulmonary disease.",
    "No active cardiopulmonary disease.",
    "No acute cardiopulmonary abnormality.",
    "No acute cardiopulmonary process.",
    "No acute cardiopulmonary findings.",
    "No evidence of acute cardiopulmonary disease.",
    "No radiographic evidence of acute cardiopulmonary disease.",
    "No acute intrathoracic process.",
]
NORMAL = [
    "Normal chest.",
    "Negative chest.",
    "Unremarkable chest.",
    "The chest is normal.",
    "Normal examination.",
    "Unremarkable examination.",
    "Normal chest x-ray.",
    "Negative chest x-ray.",
    "Normal chest radiograph.",
    "Unremarkable chest radiograph.",
    "Normal study.",
    "No abnormality.",
]


def count_equal(reward, pairs):
    """How many pairs the reward calls equal as impressions."""
    pairs = list(pairs)
    scores = reward.score([one for one, _ in pairs], [other for _, other in pairs], "impression")
    return f"{sum(score == 1.0 for score in scores)} of {len(pairs)}"


def make_rewards(reports):
    """Label -> reward: by meaning and by cluster, of findings alone and of impressions too."""
    said = reports.filter(lambda text: bool(text), input_columns=["impression"])
    for preset, reward in (("safe", ClusterReward), ("paper", PaperClusterReward)):
        settings = {"preset": preset, "show_progress": False}
        findings = FindingsIndex.build(reports, "findings", **settings)
        impressions = FindingsIndex.build(said, "impression", **settings)
        yield f"{preset}, findings' index", reward(findings)
        yield f"{preset}, impressions' index", reward(findings, impressions)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    corpus_argument(parser)
    options = parser.parse_args()
    corpus = load_corpus(options.reports, studies=2_000)
    rows = [
        [
            label,
            count_equal(reward, combinations(NOTHING_ACUTE, 2)),
            count_equal(reward, combinations(NORMAL, 2)),
            count_equal(reward, product(NOTHING_ACUTE, NORMAL)),
        ]
        for label, reward in make_rewards(corpus.reports)
    ]
    columns = ["by", "nothing acute: equal", "normal: equal", "one of each: equal (want 0)"]
    print_table(f"{corpus.name}: {len(corpus.reports)} reports", columns, rows)


if __name__ == "__main__":
    main()
