"""Which units may join a report: addability and compatible cliques.

Sets of units are Python integers used as bit sets (bit j set: unit j is in), so that an
intersection of hundreds of units is one machine operation.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

# Exact enumeration stops here; reports with more maximal cliques are sampled instead.
MAX_CLIQUES = 1_000
# Descents of the clique tree behind one sampled clique.
_DESCENTS = 16
# Nodes that the search for the heaviest clique may open before it keeps the best so far.
_HEAVIEST_NODES = 2_000


def addable_pairs(
    counts: sparse.csr_array,
    normal: NDArray[np.bool_],
    min_count: int = 3,
    min_share: float = 0.001,
) -> sparse.csr_array:
    """Tells which normal cluster j may be added to a report that holds cluster i.

    Row-normalised as published, hence asymmetric: j may be addable to i and i not to j.

    Args:
        counts (`scipy.sparse.csr_array` of shape `(n, n)`): Co-occurrence `A`.
        normal (`np.ndarray` of shape `(n,)`, bool): Clusters that a healthy report would hold.
        min_count (`int`, *optional*, defaults to `3`): `A[i, j]` must be above.
        min_share (`float`, *optional*, defaults to `0.001`): `A[i, j] / sum_k A[i, k]` must be
            above (both: SemEnrich, arXiv 2604.09887, section 3).

    Returns:
        `scipy.sparse.csr_array` of shape `(n, n)`, bool.
    """
    pairs = counts.tocoo()
    shares = pairs.data / np.maximum(counts.sum(axis=1), 1)[pairs.row]
    keep = (pairs.data > min_count) & (shares > min_share) & normal[pairs.col]
    return sparse.csr_array(
        (np.ones(int(keep.sum()), dtype=np.bool_), (pairs.row[keep], pairs.col[keep])),
        shape=counts.shape,
    )


def to_bits(members: Iterable[int]) -> int:
    """Gives the bit set of cluster ids."""
    bits = 0
    for member in members:
        bits |= 1 << member
    return bits


def from_bits(bits: int) -> tuple[int, ...]:
    """Gives the cluster ids of a bit set, ascending."""
    members = []
    while bits:
        low = bits & -bits
        members.append(low.bit_length() - 1)
        bits ^= low
    return tuple(members)


def maximal_cliques(neighbors: Sequence[int], within: int) -> Iterator[int]:
    """Enumerates the maximal cliques of the subgraph on some vertices.

    Bron-Kerbosch with the pivot of Tomita, Tanaka and Takahashi (2006), over bit sets; no
    recursion, so depth is no limit.

    Args:
        neighbors (`Sequence[int]`): Bit set of the neighbors of each vertex, symmetric, no loops.
        within (`int`): Bit set of the vertices.

    Yields:
        `int`: Bit set of a maximal clique; each once, in an order that depends on nothing but the
        graph. Nothing for an empty `within`.
    """
    if not within:
        return
    stack = [(0, within, 0)]
    while stack:
        clique, candidates, excluded = stack.pop()
        branches = _branches(neighbors, candidates, excluded)
        while branches:
            low = branches & -branches
            branches ^= low
            adjacent = neighbors[low.bit_length() - 1]
            inner = candidates & adjacent
            outer = excluded & adjacent
            if not inner:
                if not outer:
                    yield clique | low
            elif inner & (inner - 1):
                stack.append((clique | low, inner, outer))
            elif not outer & neighbors[inner.bit_length() - 1]:
                # One vertex was left: this saves a third of the nodes.
                yield clique | low | inner
            candidates ^= low
            excluded |= low


def _branches(neighbors: Sequence[int], candidates: int, excluded: int) -> int:
    """Returns the candidates outside the pivot's neighborhood: each clique holds one of them."""
    best, most = 0, -1
    enough = candidates.bit_count() - 2
    pool = candidates | excluded
    while pool:
        low = pool & -pool
        pool ^= low
        covered = candidates & neighbors[low.bit_length() - 1]
        count = covered.bit_count()
        if count > most:
            best, most = covered, count
            # Looking on for a pivot with fewer than two branches costs more than it saves.
            if count >= enough:
                break
    return candidates & ~best


def sample_maximal_clique(neighbors: Sequence[int], within: int, rng: random.Random) -> int:
    """Draws a maximal clique of the subgraph on some vertices without enumerating them.

    Sampling-importance-resampling (Rubin 1987) on Knuth's (1975) random descents of the
    Bron-Kerbosch tree: each maximal clique is one leaf of the tree; a descent reaches it with a
    known probability p, and one of the descents is kept with weight 1/p. The law tends to the
    uniform one over all maximal cliques as the number of descents (here 16) grows, and favors
    cliques that are easier to reach before that.

    Args:
        neighbors (`Sequence[int]`): Bit set of the neighbors of each vertex, symmetric, no loops.
        within (`int`): Bit set of the vertices.
        rng (`random.Random`): Source of the draw.

    Returns:
        `int`: Bit set of a maximal clique; 0 for an empty `within`.
    """
    leaves = [_descend(neighbors, within, rng) for _ in range(_DESCENTS)]
    found = [leaf for leaf in leaves if leaf is not None]
    if not found:  # every descent ended beside the maximal cliques
        return _greedy_clique(neighbors, rng.sample(from_bits(within), within.bit_count()))
    largest = max(log_weight for _, log_weight in found)
    weights = [float(np.exp(log_weight - largest)) for _, log_weight in found]
    return rng.choices([clique for clique, _ in found], weights)[0]


def _descend(
    neighbors: Sequence[int], candidates: int, rng: random.Random
) -> tuple[int, float] | None:
    """Follows a random path of the Bron-Kerbosch tree: its clique and log 1/p, None if barren."""
    clique, excluded, log_weight = 0, 0, 0.0
    while candidates:
        branches = from_bits(_branches(neighbors, candidates, excluded))
        if not branches:
            return None
        position = rng.randrange(len(branches))
        log_weight += float(np.log(len(branches)))
        earlier = to_bits(branches[:position])
        adjacent = neighbors[branches[position]]
        clique |= 1 << branches[position]
        excluded = (excluded | earlier) & adjacent
        candidates = candidates & ~earlier & adjacent
    return None if excluded else (clique, log_weight)


def _greedy_clique(neighbors: Sequence[int], order: Iterable[int]) -> int:
    clique, common = 0, -1
    for vertex in order:
        if common >> vertex & 1:
            clique |= 1 << vertex
            common &= neighbors[vertex]
    return clique


def heaviest_clique(neighbors: Sequence[int], within: int, weights: Sequence[float]) -> int:
    """Finds the clique of greatest total weight.

    Branch and bound on the sum of what is left, heavy vertices first, from the greedy clique on;
    exact unless 2,000 nodes were opened, then the best clique so far.

    Args:
        neighbors (`Sequence[int]`): Bit set of the neighbors of each vertex, symmetric, no loops.
        within (`int`): Bit set of the vertices.
        weights (`Sequence[float]`): Weight of each vertex, positive.

    Returns:
        `int`: Bit set of the clique; ties go to the one found first, heavy vertices first.
    """
    order = sorted(from_bits(within), key=lambda vertex: (-weights[vertex], vertex))
    best = _greedy_clique(neighbors, order)
    best_weight = sum(weights[vertex] for vertex in from_bits(best))
    stack = [(0, 0.0, order)]
    for _ in range(_HEAVIEST_NODES):
        if not stack:
            break
        clique, weight, rest = stack.pop()
        if not rest and weight > best_weight:
            best, best_weight = clique, weight
        if weight + sum(weights[vertex] for vertex in rest) <= best_weight or not rest:
            continue
        head, tail = rest[0], rest[1:]
        stack.append((clique, weight, tail))
        joined = [vertex for vertex in tail if neighbors[head] >> vertex & 1]
        stack.append((clique | 1 << head, weight + weights[head], joined))
    return best


@dataclass(frozen=True)
class CompatibilityGraph:
    """Which clusters may be added together to which reports.

    Args:
        addable (`tuple[int, ...]`): For each cluster i, the bit set of the clusters that may be
            added to a report that holds i.
        mutual (`tuple[int, ...]`): For each cluster, the bit set of those addable both ways.
    """

    addable: tuple[int, ...]
    mutual: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Derives the symmetric part and a memo of its own."""
        incoming = [0] * len(self.addable)
        for source, targets in enumerate(self.addable):
            for target in from_bits(targets):
                incoming[target] |= 1 << source
        mutual = tuple(a & b for a, b in zip(self.addable, incoming, strict=True))
        object.__setattr__(self, "mutual", mutual)
        object.__setattr__(self, "cliques", lru_cache(maxsize=100_000)(self.cliques))

    @classmethod
    def from_pairs(cls, pairs: sparse.csr_array) -> CompatibilityGraph:
        """Builds the graph from a boolean matrix of addable pairs (row: held, column: added)."""
        rows = np.split(pairs.indices, pairs.indptr[1:-1]) if pairs.shape[0] else []
        return cls(tuple(to_bits(row.tolist()) for row in rows))

    def candidates(self, members: int) -> int:
        """Gives the clusters addable to every member of a report, none for an empty report.

        Args:
            members (`int`): Bit set of the report's clusters.

        Returns:
            `int`: Bit set of the candidates, members left out.
        """
        if not members:
            return 0
        bits = -1
        for member in from_bits(members):
            bits &= self.addable[member]
        return bits & ~members

    def cliques(self, candidates: int) -> tuple[int, ...] | None:
        """Gives all maximal cliques of mutually addable candidates (memoised).

        Args:
            candidates (`int`): Bit set of candidates.

        Returns:
            `tuple[int, ...]`: Bit sets of the cliques, ascending; `None` when there are more than
            `MAX_CLIQUES`.
        """
        found = []
        for clique in maximal_cliques(self.mutual, candidates):
            found.append(clique)
            if len(found) > MAX_CLIQUES:
                return None
        return tuple(sorted(found))

    def draw(self, candidates: int, rng: random.Random) -> int:
        """Draws a maximal clique: uniformly up to `MAX_CLIQUES` of them, beyond it by sampling.

        Args:
            candidates (`int`): Bit set of candidates.
            rng (`random.Random`): Source of the draw.

        Returns:
            `int`: Bit set of the clique, 0 when there are no candidates.
        """
        cliques = self.cliques(candidates)
        if cliques is None:
            return sample_maximal_clique(self.mutual, candidates, rng)
        return cliques[rng.randrange(len(cliques))] if cliques else 0
