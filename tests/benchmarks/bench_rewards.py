"""Time per completion of each reward beside radeval's BLEU reward, and what edits leave of each.

Run: python tests/benchmarks/bench_rewards.py [--reports CSV] [--peers .venv/peers/bin/python]

An index is built on the training reports. Completions are held-out reports with sentences dropped,
swapped for others' and repeated, so that sentences repeat as they do in training.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
from pathlib import Path
from time import perf_counter

from common import corpus_argument, load_corpus, print_table

from semenrich_datasets import FindingsIndex
from semenrich_datasets.sentences import split_sentences
from semenrich_trainers.reward_probe import probe_rewards
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
        "cluster, surprise": ClusterReward(index, weights="surprise"),
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


def probe(index, studies):
    """The table of edits: what each reward makes of reports that were changed in known ways."""
    rewards = {
        label: reward
        for label, reward in make_rewards(index).items()
        if label not in ("format", "exact answer")
    }
    table = probe_rewards(rewards, studies, index, show_progress=False)
    return ["edit", *table.columns], [list(row) for row in table.itertuples()]


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
    print_table(f"{measured}: share of a reward that is left", *probe(index, studies))


if __name__ == "__main__":
    main()
