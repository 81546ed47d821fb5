"""Compatible cliques: exact against networkx and brute force, sampled ones near uniform."""

import random
from collections import Counter
from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse, stats

from semenrich_datasets.enrich.cliques import (
    MAX_CLIQUES,
    CompatibilityGraph,
    addable_pairs,
    from_bits,
    heaviest_clique,
    maximal_cliques,
    sample_maximal_clique,
    to_bits,
)


def neighbors_of(graph):
    return [to_bits(graph.neighbors(vertex)) for vertex in range(len(graph))]


def gnp(n, p, seed):
    return nx.gnp_random_graph(n, p, seed=seed)


def sets(cliques):
    return sorted(map(from_bits, cliques))


def networkx_sets(graph):
    return sorted(tuple(sorted(clique)) for clique in nx.find_cliques(graph))


graphs = st.builds(
    gnp, st.integers(1, 16), st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]), st.integers(0, 10**6)
)


@given(st.sets(st.integers(0, 400)))
def test_bits_hold_a_set(members):
    assert from_bits(to_bits(members)) == tuple(sorted(members))


@given(graphs)
def test_the_same_maximal_cliques_as_networkx(graph):
    found = list(maximal_cliques(neighbors_of(graph), to_bits(graph)))
    assert len(set(found)) == len(found)
    assert sets(found) == networkx_sets(graph)


@given(graphs, st.integers(0, 2**16 - 1))
def test_within_some_vertices(graph, bits):
    within = bits & to_bits(graph)
    found = maximal_cliques(neighbors_of(graph), within)
    assert sets(found) == networkx_sets(graph.subgraph(from_bits(within)))


@pytest.mark.parametrize(("n", "p"), [(40, 0.5), (60, 0.3), (130, 0.1), (30, 0.9)])
def test_larger_graphs_equal_networkx(n, p):
    graph = gnp(n, p, seed=n)
    assert sets(maximal_cliques(neighbors_of(graph), to_bits(graph))) == networkx_sets(graph)


def test_no_depth_is_too_deep():
    everything = (1 << 1_200) - 1
    neighbors = [everything & ~(1 << vertex) for vertex in range(1_200)]
    assert list(maximal_cliques(neighbors, everything)) == [everything]


def test_of_nothing_there_is_no_clique():
    assert list(maximal_cliques([0], 0)) == []


def cocktail_party(pairs):
    """Every two vertices but the partners 2k and 2k + 1: 2 ** pairs maximal cliques."""
    return nx.complete_multipartite_graph(*[2] * pairs)


@given(graphs, st.integers(0, 10**6))
def test_a_sampled_clique_is_maximal(graph, seed):
    clique = sample_maximal_clique(neighbors_of(graph), to_bits(graph), random.Random(seed))
    assert from_bits(clique) in networkx_sets(graph)


def test_of_nothing_nothing_is_sampled():
    assert sample_maximal_clique([0], 0, random.Random(0)) == 0


def test_a_clique_of_300_candidates_is_maximal():
    graph = gnp(300, 0.5, seed=1)
    neighbors = neighbors_of(graph)
    for seed in range(3):
        clique = sample_maximal_clique(neighbors, to_bits(graph), random.Random(seed))
        members = from_bits(clique)
        assert all(graph.has_edge(a, b) for a, b in combinations(members, 2))
        assert not any(clique & ~neighbors[v] == 0 for v in graph if v not in members)


def total_variation(graph, draws):
    """Distance between the drawn law and the uniform one over all maximal cliques, 0 to 1."""
    neighbors, everything = neighbors_of(graph), to_bits(graph)
    cliques = list(maximal_cliques(neighbors, everything))
    rng = random.Random(7)
    found = Counter(sample_maximal_clique(neighbors, everything, rng) for _ in range(draws))
    return sum(abs(found[clique] / draws - 1 / len(cliques)) for clique in cliques) / 2


def test_alike_cliques_are_sampled_uniformly():
    graph = cocktail_party(4)
    neighbors, everything = neighbors_of(graph), to_bits(graph)
    rng = random.Random(7)
    found = Counter(sample_maximal_clique(neighbors, everything, rng) for _ in range(1_600))
    assert len(found) == 16
    assert stats.chisquare(list(found.values())).pvalue > 0.001


def test_unlike_cliques_are_sampled_almost_uniformly():
    assert total_variation(gnp(14, 0.5, seed=3), 3_000) < 0.1


def test_sizes_of_sampled_cliques_beyond_the_bound():
    graph = gnp(40, 0.7, seed=3)
    neighbors, everything = neighbors_of(graph), to_bits(graph)
    sizes = Counter(clique.bit_count() for clique in maximal_cliques(neighbors, everything))
    n_cliques = sizes.total()
    assert n_cliques > MAX_CLIQUES
    rng = random.Random(7)
    drawn = Counter(
        sample_maximal_clique(neighbors, everything, rng).bit_count() for _ in range(500)
    )
    assert sum(abs(drawn[size] / 500 - sizes[size] / n_cliques) for size in sizes) / 2 < 0.15


def brute_force_heaviest(graph, weights):
    return max(sum(weights[vertex] for vertex in clique) for clique in nx.find_cliques(graph))


@given(graphs, st.lists(st.integers(1, 9), min_size=16, max_size=16))
def test_heaviest_equals_brute_force(graph, weights):
    clique = from_bits(heaviest_clique(neighbors_of(graph), to_bits(graph), weights))
    assert all(graph.has_edge(a, b) for a, b in combinations(clique, 2))
    assert sum(weights[vertex] for vertex in clique) == brute_force_heaviest(graph, weights)


def test_of_nothing_nothing_is_heaviest():
    assert heaviest_clique([0, 0], 0, [1.0, 1.0]) == 0


def test_heaviest_of_300_candidates_is_a_clique():
    graph = gnp(300, 0.9, seed=2)
    clique = from_bits(heaviest_clique(neighbors_of(graph), to_bits(graph), [1.0] * 300))
    assert len(clique) > 20
    assert all(graph.has_edge(a, b) for a, b in combinations(clique, 2))


def pairs_of(counts, normal, **thresholds):
    matrix = addable_pairs(sparse.csr_array(np.array(counts)), np.array(normal), **thresholds)
    return matrix.toarray().astype(int).tolist()


def test_addable_above_both_thresholds_and_only_when_normal():
    counts = [[0, 3, 4], [3, 0, 9], [4, 9, 0]]
    assert pairs_of(counts, [True, True, True]) == [[0, 0, 1], [0, 0, 1], [1, 1, 0]]
    assert pairs_of(counts, [False, True, True]) == [[0, 0, 1], [0, 0, 1], [0, 1, 0]]
    assert pairs_of(counts, [True] * 3, min_count=0) == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]


def test_addability_is_asymmetric_as_published():
    # 4 of the 5,004 pairs of cluster 0 are with 1: below 0.001; all 4 of cluster 1 are with 0.
    counts = [[0, 4, 5_000], [4, 0, 0], [5_000, 0, 0]]
    assert pairs_of(counts, [True, True, True]) == [[0, 0, 1], [1, 0, 0], [1, 0, 0]]
    # Exactly 0.001 is not above it.
    assert pairs_of([[0, 4, 3_996], [4, 0, 0], [3_996, 0, 0]], [True] * 3)[0] == [0, 0, 1]


def compatibility(rows):
    return CompatibilityGraph.from_pairs(sparse.csr_array(np.array(rows, dtype=bool)))


def test_candidates_are_addable_to_every_member():
    graph = compatibility([[0, 1, 1, 1], [0, 0, 1, 0], [1, 1, 0, 1], [1, 1, 1, 0]])
    assert from_bits(graph.candidates(to_bits([0]))) == (1, 2, 3)
    assert from_bits(graph.candidates(to_bits([0, 1]))) == (2,)
    assert from_bits(graph.candidates(to_bits([2, 3]))) == (0, 1)
    assert graph.candidates(0) == 0
    # 1 may be added to 0 and not 0 to 1: no two of one clique.
    assert [from_bits(bits) for bits in graph.mutual] == [(2, 3), (2,), (0, 1, 3), (0, 2)]


def test_cliques_are_sorted_kept_and_bounded():
    graph = compatibility(nx.to_numpy_array(cocktail_party(4)))
    found = graph.cliques(255)
    assert found == tuple(sorted(found))
    assert len(found) == 16
    assert graph.cliques(255) is found
    assert graph.cliques(0) == ()
    many = compatibility(nx.to_numpy_array(cocktail_party(10)))
    assert MAX_CLIQUES < 2**10
    assert many.cliques(2**20 - 1) is None
    assert len(many.cliques(2**18 - 1)) == 512


def test_draws_are_uniform_up_to_the_bound():
    graph = compatibility(nx.to_numpy_array(nx.star_graph(4)))
    rng = random.Random(3)
    found = Counter(graph.draw(31, rng) for _ in range(1_000))
    assert sets(found) == [(0, 1), (0, 2), (0, 3), (0, 4)]
    assert stats.chisquare(list(found.values())).pvalue > 0.001
    assert graph.draw(0, rng) == 0


def test_draws_beyond_the_bound_are_maximal_and_differ():
    party = cocktail_party(12)
    graph = compatibility(nx.to_numpy_array(party))
    rng = random.Random(3)
    found = [graph.draw(2**24 - 1, rng) for _ in range(50)]
    assert all(clique.bit_count() == 12 for clique in found)
    assert all(clique >> 2 * k & 3 in (1, 2) for clique in found for k in range(12))
    assert len(set(found)) > 40


def test_a_graph_without_clusters():
    graph = compatibility(np.zeros((0, 0)))
    assert graph.candidates(0) == graph.draw(0, random.Random(0)) == 0
