"""Studies a second, and how well a linear probe reads each finding off the image.

Run: python tests/benchmarks/bench_phantom.py
"""

from time import perf_counter

import numpy as np
from common import print_table

from semenrich_datasets.phantom import load_phantom
from semenrich_datasets.phantom.truth import FINDINGS


def speeds():
    load_phantom(n=1, images=False)  # reads the grammar
    rows = []
    for size, n in ((None, 10_000), (64, 1000), (128, 400), (224, 200)):
        start = perf_counter()
        load_phantom(n=n, images=size is not None, image_size=size or 64)
        rows.append([size or "none", n, round(n / (perf_counter() - start))])
    print_table("phantom", ["images", "studies", "a second"], rows)


def auroc(scores, labels):
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores)] = np.arange(1, len(scores) + 1)
    positives = labels.sum()
    above = ranks[labels].sum() - positives * (positives + 1) / 2
    return above / (positives * (len(labels) - positives))


def probe(n=6000, penalty=300.0):
    """Ridge regression from 64-pixel images; the last fifth of the studies is held out."""
    studies = load_phantom(n=n, seed=1)
    pixels = np.stack([np.asarray(image, dtype=np.float32).ravel() for image in studies["image"]])
    pixels = (pixels - pixels.mean(0)) / 30
    names = [{found["name"] for found in truth} for truth in studies["truth"]]
    labels = np.array([[name in one for name in FINDINGS] for one in names])
    train, test = slice(0, n * 4 // 5), slice(n * 4 // 5, n)
    gram = pixels[train].T @ pixels[train]
    gram[np.diag_indices_from(gram)] += penalty
    weights = np.linalg.solve(gram, pixels[train].T @ (labels[train] - labels[train].mean(0)))
    scores = pixels[test] @ weights
    rows = [
        [name, labels[:, column].sum(), f"{auroc(scores[:, column], labels[test][:, column]):.2f}"]
        for column, name in enumerate(FINDINGS)
    ]
    measured = f"phantom, {n:,} synthetic studies, a fifth held out"
    print_table(measured, ["finding", "studies", "AUROC"], rows)


if __name__ == "__main__":
    speeds()
    probe()
