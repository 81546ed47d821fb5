"""Maximal cliques of the candidates of every report, against networkx and igraph.

Thresholds are lowered (any co-occurrence counts), so that a report has dozens of candidates.
rustworkx is asked too, and has had no enumeration of cliques so far.

Run: python tests/benchmarks/bench_cliques.py [--reports CSV] [--all-signs] [--json FILE]
"""

import argparse
import random
from importlib import metadata
from time import process_time

import igraph
import networkx as nx
import numpy as np
import rustworkx
from bench_build import build_index
from common import corpus_argument, load_corpus, print_table
from results import Results, json_argument

from semenrich_datasets.enrich.cliques import (
    CompatibilityGraph,
    addable_pairs,
    from_bits,
    maximal_cliques,
    sample_maximal_clique,
    to_bits,
)

ROUNDS = 3


def candidate_sets(corpus, index, graph):
    """The candidates of each report, as a bit set."""
    found = []
    for text in corpus.reports["findings"]:
        held = index.held_units(index.split(text))
        found.append(graph.candidates(to_bits(held)))
    return [bits for bits in found if bits]


def best_of(function, *args):
    times = []
    for _ in range(ROUNDS):
        start = process_time()
        result = function(*args)
        times.append(process_time() - start)
    return min(times), result


def ours(graph, candidates):
    return sum(1 for bits in candidates for _ in maximal_cliques(graph.mutual, bits))


def ours_memoised(graph, candidates):
    fresh = CompatibilityGraph(graph.addable)
    return sum(len(fresh.cliques(bits) or ()) for bits in candidates)


def by_networkx(whole, members):
    return sum(1 for group in members for _ in nx.find_cliques(whole.subgraph(group)))


def by_igraph(whole, members):
    return sum(len(whole.induced_subgraph(group).maximal_cliques()) for group in members)


def by_igraph_built(subgraphs):
    return sum(len(subgraph.maximal_cliques()) for subgraph in subgraphs)


def compare(corpus, all_signs, path):
    index = build_index(corpus, "paper")[0]
    normal = np.array(index.unit_signs) == "normal"
    pairs = addable_pairs(index.cooccurrence, normal | all_signs, min_count=0, min_share=0)
    graph = CompatibilityGraph.from_pairs(pairs)
    candidates = candidate_sets(corpus, index, graph)
    members = [from_bits(bits) for bits in candidates]
    edges = [(a, b) for a, row in enumerate(graph.mutual) for b in from_bits(row) if a < b]
    network = nx.Graph(edges)
    network.add_nodes_from(range(len(graph.mutual)))
    whole = igraph.Graph(n=len(graph.mutual), edges=edges)
    subgraphs = [whole.induced_subgraph(group) for group in members]
    runs = {
        "semenrich": (ours, graph, candidates),
        "semenrich, memo, to 1,000 a report": (ours_memoised, graph, candidates),
        "networkx.find_cliques": (by_networkx, network, members),
        "igraph, with the induced subgraph": (by_igraph, whole, members),
        "igraph, subgraphs built before": (by_igraph_built, subgraphs),
    }
    measured = {name: best_of(*run) for name, run in runs.items()}
    sizes = [len(group) for group in members]
    print(
        f"{len(candidates)} reports with {np.mean(sizes):.1f} candidates on average, "
        f"{max(sizes)} at most; best of {ROUNDS} rounds\n"
    )
    mine = measured["semenrich"][0]
    # A run is over in a second: only what it measured last counts.
    results = Results("cliques", f"{corpus.name}{', all signs' if all_signs else ''}", path)
    for name, (seconds, count) in measured.items():
        version = metadata.version(name.split(".")[0].split(",")[0])
        row = {"name": name, "size": len(candidates), "outcome": "ended", "cpu_seconds": seconds}
        results.add({**row, "cliques": count, "times_ours": seconds / mine, "version": version})
    if not any("clique" in name for name in dir(rustworkx)):
        row = {"name": "rustworkx", "size": len(candidates), "version": rustworkx.__version__}
        results.add({**row, "outcome": "has no enumeration of cliques"})
    head = ("name", "version", "cpu_seconds", "cliques", "times_ours", "outcome")
    print_table(corpus.name, head, [[row.get(key, "") for key in head] for row in results.rows])


def first_draw(graphs, everything, rng):
    return next(graphs).draw(everything, rng)


def sample_300():
    rows = []
    for density in (0.5, 0.8, 0.9, 0.97):
        network = nx.gnp_random_graph(300, density, seed=1)
        neighbors = tuple(to_bits(network.neighbors(vertex)) for vertex in range(300))
        everything = (1 << 300) - 1
        rng = random.Random(0)
        # Each round a graph of its own, without a memo of the round before.
        graphs = iter([CompatibilityGraph(neighbors) for _ in range(ROUNDS)])
        first, _ = best_of(first_draw, graphs, everything, rng)
        again, _ = best_of(sample_maximal_clique, neighbors, everything, rng)
        rows.append((density, round(1_000 * first, 1), round(1_000 * again, 1)))
    header = ["300 candidates, density", "first draw, ms", "later draws, ms"]
    print_table("random graphs, no reports", header, rows)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--all-signs", action="store_true", help="take every cluster as normal")
    json_argument(parser)
    corpus_argument(parser)
    arguments = parser.parse_args()
    compare(load_corpus(arguments.reports), arguments.all_signs, arguments.json)
    sample_300()


if __name__ == "__main__":
    main()
