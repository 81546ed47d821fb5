"""Time per completion of each reward beside radeval's BLEU reward, and what poor policies earn.

Run: python tests/benchmarks/bench_rewards.py [--reports CSV] [--peers .venv/peers/bin/python]

An index is built on the training reports. Completions are held-out reports with sentences dropped,
swapped for others' and repeated, so that sentences repeat as they do in training.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
from collections import Counter
from pathlib import Path
from time import perf_counter

from common import corpus_argument, load_corpus, print_table

from semenrich_datasets import FindingsIndex
from semenrich_datasets.sentences import split_sentences
from semenrich_trainers.rewards import (
    BleuReward,
    ClusterReward,
    ExactAnswerReward,
    FindingReward,
    SentenceReward,
    SetDistanceReward,
    format_reward,
)

ROOT = Path(__file__).resolve().parents[2]
GROUP = 8  # completions of each prompt
COMMON = 12  # statements of the policy that says what is normal most often


def make_rewards(index):
    """Label -> reward, each with nothing in its memory."""
    return {
        "format": format_reward,
        "exact answer": ExactAnswerReward(),
        "exact sentences": SentenceReward(),
        "sentence BLEU": BleuReward(),
        "cluster": ClusterReward(index),
        "cluster, rarity": ClusterReward(index, weights="rarity"),
        "cluster, abnormal": ClusterReward(index, weights="abnormal"),
        "finding": FindingReward(),
        "chamfer": SetDistanceReward("chamfer"),
        "matching": SetDistanceReward("matching"),
        "energy": SetDistanceReward("energy"),
    }


def as_completion(findings, impression):
    return f"<think> {findings} </think><answer> {impression} </answer>"


def noisy_completions(studies, rng):
    """`GROUP` completions of each study, and the columns repeated to match."""
    pool = [sentence for text in studies["findings"] for sentence in split_sentences(text)]
    completions = []
    for findings, impression in zip(studies["findings"], studies["impression"], strict=True):
        sentences = split_sentences(findings)
        for _ in range(GROUP):
            kept = [s if rng.random() < 0.8 else rng.choice(pool) for s in sentences]
            completions.append(as_completion(" ".join(kept[rng.randrange(2) :]), impression))
    names = ("findings", "impression")
    return completions, {n: [v for v in studies[n] for _ in range(GROUP)] for n in names}


def time_rewards(index, studies, rounds, peers):
    """Rows of the table of times, in milliseconds per completion."""
    completions, columns = noisy_completions(studies, random.Random(0))
    rows = []
    for label, reward in make_rewards(index).items():
        seconds = []
        for _ in range(rounds):
            start = perf_counter()
            reward(completions, **columns)
            seconds.append(perf_counter() - start)
        rows.append([label, seconds])
    references = list(map(as_completion, *columns.values()))
    task = {"completions": completions, "references": references, "rounds": rounds}
    if peers.exists():
        command = [str(peers), str(ROOT / "tests/peers/radeval_bleu.py")]
        done = subprocess.run(
            command, input=json.dumps(task), stdout=subprocess.PIPE, text=True, check=True
        )
        rows.append(["radeval's BLEU", json.loads(done.stdout)])
    else:
        print(f"radeval is left out: no {peers} (make bench-peers makes it)")
    scale = 1000 / len(completions)
    print(f"{len(completions)} completions a batch, {len(set(completions))} distinct")
    return [[label, scale * times[0], scale * min(times[1:])] for label, times in rows]


def policies(index, corpus, studies):
    """Name -> a completion of each study."""
    size = len(studies)
    normal = index.unit_table.filter([sign == "normal" for sign in index.unit_signs]).sort_by(
        [("support", "descending")]
    )
    statements = [f"{text}." for text in normal["text"].to_pylist()]
    pairs = list(zip(corpus["findings"], corpus["impression"], strict=True))
    (commonest, _), *_ = Counter(pairs).most_common(1)
    (impression, _), *_ = Counter(corpus["impression"]).most_common(1)
    truth = list(map(as_completion, studies["findings"], studies["impression"]))
    return {
        "the report itself": truth,
        "another patient's report": truth[1:] + truth[:1],
        f"the {COMMON} commonest normal statements": [
            as_completion(" ".join(statements[:COMMON]), impression)
        ]
        * size,
        "every normal statement": [as_completion(" ".join(statements), impression)] * size,
        "the commonest report": [as_completion(*commonest)] * size,
        "nothing": [""] * size,
    }


def score_policies(index, corpus, studies):
    """Rows of the table of mean rewards, one per policy."""
    columns = {name: studies[name] for name in ("findings", "impression")}
    rewards = {
        label: reward
        for label, reward in make_rewards(index).items()
        if label not in ("format", "exact answer")
    }
    rows = []
    for name, completions in policies(index, corpus, studies).items():
        means = []
        for reward in rewards.values():
            values = [value for value in reward(completions, **columns) if value is not None]
            means.append(sum(values) / len(values))
        rows.append([name, *means])
    return ["mean reward, 0 to 2", *rewards], rows


def divide(corpus):
    """Training reports, held-out reports, of those that have both sections."""
    whole = corpus.reports.filter(
        lambda findings, impression: bool(findings and impression),
        input_columns=["findings", "impression"],
    )
    return whole.train_test_split(200, seed=0).values()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    corpus_argument(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv/peers/bin/python")
    options = parser.parse_args()
    corpus = load_corpus(options.reports, studies=1_200)
    fitted, studies = divide(corpus)
    index = FindingsIndex.build(fitted, show_progress=False)
    measured = f"{corpus.name}: an index of {len(fitted)}, {len(studies)} held out"
    rows = time_rewards(index, studies.select(range(64)), options.rounds, options.peers)
    print_table(measured, ["reward", "first batch, ms per completion", "later, ms"], rows)
    print_table(measured, *score_policies(index, fitted, studies))


if __name__ == "__main__":
    main()
