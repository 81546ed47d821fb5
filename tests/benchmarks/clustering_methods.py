"""One clustering in a process of its own: CPU seconds, peak memory, labels.

    PYTHON clustering_methods.py METHOD VECTORS.npy LABELS.npy

prints one line of JSON. It imports nothing but numpy and the method, so that any environment that
holds the method can run it.
"""

import json
import os
import resource
import sys
from importlib import metadata
from pathlib import Path
from time import perf_counter

import numpy as np

# Quick methods are repeated: the least of so many rounds, while they are under so many CPU seconds.
ROUNDS = 3
ENOUGH = 40.0
WARM_UP = 1_000
MIN_SIZE = MIN_SAMPLES = 5


def semenrich():
    from semenrich_datasets.index.clustering import cluster_vectors

    return cluster_vectors


def hdbscan():
    from hdbscan import HDBSCAN

    model = HDBSCAN(
        min_cluster_size=MIN_SIZE, min_samples=MIN_SAMPLES, core_dist_n_jobs=os.cpu_count()
    )
    return lambda vectors: model.fit_predict(vectors.astype(np.float64))


def scikit_learn():
    from sklearn.cluster import HDBSCAN

    # It counts the point itself among min_samples; the other packages do not.
    model = HDBSCAN(min_cluster_size=MIN_SIZE, min_samples=MIN_SAMPLES + 1, n_jobs=-1, copy=True)
    return model.fit_predict


def fast_hdbscan():
    from fast_hdbscan import HDBSCAN

    model = HDBSCAN(
        min_cluster_size=MIN_SIZE, min_samples=MIN_SAMPLES, algorithm="kruskal", knn_k=32
    )
    return model.fit_predict


# Name -> the distribution whose version is told, and what loads the method.
METHODS = {
    "semenrich": ("semenrich", semenrich),
    "fast_hdbscan": ("fast_hdbscan", fast_hdbscan),
    "scikit-learn": ("scikit-learn", scikit_learn),
    "hdbscan": ("hdbscan", hdbscan),
}


def cpu_seconds():
    """User and system time of this process and its children."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak_mib():
    """The most memory held so far. Linux's ru_maxrss counts the parent's before the exec too."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(one for one in status.read_text().splitlines() if one.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def timed(function, *args):
    wall, cpu = perf_counter(), cpu_seconds()
    result = function(*args)
    return cpu_seconds() - cpu, perf_counter() - wall, result


def main():
    method, source, target = sys.argv[1:]
    distribution, load = METHODS[method]
    vectors = np.load(source)
    fit = load()
    # What a first call compiles or loads is told apart.
    first = timed(fit, vectors[:WARM_UP].copy())[0]
    rounds = []
    while len(rounds) < ROUNDS and sum(one[0] for one in rounds) < ENOUGH:
        rounds.append(timed(fit, vectors))
    cpu, wall, labels = min(rounds, key=lambda one: one[0])
    np.save(target, labels)
    measured = {
        "cpu_seconds": cpu,
        "wall_seconds": wall,
        "rounds": len(rounds),
        "warm_up_cpu_seconds": first,
        "peak_mib": peak_mib(),
        "clusters": int(labels.max()) + 1,
        "noise": float((labels < 0).mean()),
        "version": metadata.version(distribution),
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
