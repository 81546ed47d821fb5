"""Vectors to cluster ids: HDBSCAN and DBSCAN on one spanning tree, or k-means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from semenrich_datasets.index.neighbors import (
    Distances,
    Ids,
    NeighborSearch,
    Vectors,
    faiss_module,
    pair_distances,
)

Labels = npt.NDArray[np.int64]

# Where neighbors are approximate, so are the bridges between components of the graph: first this
# many points at the components' borders search a wider neighborhood, then all remaining bridges
# together look at no more pairs in one round than this.
_BORDER_POINTS = 20_000
_WIDER = 8
_BRIDGE_PAIRS = 400_000_000
# Points whose distances to all others are held at a time.
_BRIDGE_ROWS = 512


@dataclass(frozen=True)
class HDBSCAN:
    """Clusters that persist over a range of densities (Campello et al., 2013).

    Args:
        min_cluster_size (`int`, *optional*, defaults to `5`): points of the smallest cluster.
        min_samples (`int`, *optional*, defaults to `5`): a point's core distance reaches its
            `min_samples`-th other neighbor, as in the hdbscan package.
        n_neighbors (`int`, *optional*, defaults to `16`): neighbors of each point in the graph
            that stands in for all pairs; with n - 1 or more the result is exact.
    """

    min_cluster_size: int = 5
    min_samples: int = 5
    n_neighbors: int = 16

    def __post_init__(self) -> None:
        _check_at_least("min_cluster_size", self.min_cluster_size, 2)
        _check_at_least("min_samples", self.min_samples, 1)
        _check_at_least("n_neighbors", self.n_neighbors, self.min_samples)


@dataclass(frozen=True)
class DBSCAN:
    """Clusters of one density (Ester et al., 1996).

    Args:
        eps (`float`, *optional*, defaults to `0.5`): largest Euclidean distance of neighbors.
        min_samples (`int`, *optional*, defaults to `5`): points within `eps` that make a core
            point, itself among them, as in scikit-learn.
        n_neighbors (`int`, *optional*, defaults to `16`): as in [`HDBSCAN`].
    """

    eps: float = 0.5
    min_samples: int = 5
    n_neighbors: int = 16

    def __post_init__(self) -> None:
        if not self.eps > 0:
            raise ValueError(f"eps must be above 0, found {self.eps}")
        _check_at_least("min_samples", self.min_samples, 1)
        _check_at_least("n_neighbors", self.n_neighbors, max(1, self.min_samples - 1))


@dataclass(frozen=True)
class KMeans:
    """A fixed number of clusters around their means; no noise.

    Args:
        n_clusters (`int`, *optional*, defaults to `1000`): clusters; at most one for each point.
    """

    n_clusters: int = 1000

    def __post_init__(self) -> None:
        _check_at_least("n_clusters", self.n_clusters, 1)


Method = Literal["hdbscan", "dbscan", "kmeans"]
Config = HDBSCAN | DBSCAN | KMeans
_CONFIGS: dict[str, type[Config]] = {"hdbscan": HDBSCAN, "dbscan": DBSCAN, "kmeans": KMeans}


@dataclass(frozen=True)
class _Edges:
    """Edges of a graph on the points, by mutual reachability distance.

    These distances often tie, since one core distance rules many edges. Ties go to the shorter
    plain distance, not to the row number, so that the order of the rows does not matter.
    """

    sources: Ids
    targets: Ids
    distances: Distances
    weights: Distances

    @classmethod
    def between(cls, sources: Ids, targets: Ids, distances: Distances, core: Distances) -> Self:
        """Gives the edges from each source to its target, at a plain distance."""
        weights = np.maximum(np.maximum(core[sources], core[targets]), distances)
        return cls(sources, targets, distances, weights)

    def __len__(self) -> int:
        return len(self.sources)

    def __add__(self, other: Self) -> Self:
        pairs = zip(self._columns(), other._columns(), strict=True)
        return type(self)(*(np.concatenate(pair) for pair in pairs))

    def __getitem__(self, rows: Any) -> Self:
        return type(self)(*(column[rows] for column in self._columns()))

    def _columns(self) -> tuple[Ids, Ids, Distances, Distances]:
        return self.sources, self.targets, self.distances, self.weights


def cluster_vectors(vectors: Vectors, method: Method | Config = "hdbscan", seed: int = 0) -> Labels:
    """Gives the cluster id of each vector.

    Args:
        vectors (`np.ndarray`): shape (n, d), float32, finite.
        method (`str` or config, *optional*, defaults to `"hdbscan"`): `"hdbscan"`, `"dbscan"`,
            `"kmeans"`, or an [`HDBSCAN`], [`DBSCAN`] or [`KMeans`] with other settings.
        seed (`int`, *optional*, defaults to `0`): of k-means; the others draw nothing.

    Returns:
        `np.ndarray`: shape (n,), int64: ids from 0 without gaps, -1 for noise.

    Raises:
        ValueError: for an unknown method, a wrong shape, or values that are not finite.
    """
    config = _config(method)
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if vectors.ndim != 2:
        raise ValueError(f"expected vectors of shape (n, d), found {vectors.shape}")
    # Squared distances must be finite too: the bridges are sought by them.
    if not np.isfinite(4 * np.einsum("ij,ij->i", vectors, vectors)).all():
        raise ValueError("expected vectors of finite length, found NaN, infinity or overflow")
    if len(vectors) == 0:
        return np.empty(0, dtype=np.int64)
    if isinstance(config, KMeans):
        return _kmeans(vectors, config, seed)
    if isinstance(config, DBSCAN):
        return _dbscan(vectors, config)
    return _hdbscan(vectors, config)


def _hdbscan(vectors: Vectors, config: HDBSCAN) -> Labels:
    if len(vectors) <= config.min_cluster_size:
        # No split into two clusters is possible, and one cluster of everything is no clustering.
        return np.full(len(vectors), -1, dtype=np.int64)
    # The package's own tree code, so that labels agree with it wherever the trees do.
    from hdbscan.hdbscan_ import _tree_to_labels, label

    search = NeighborSearch.over(vectors)
    distances, ids = search.knn(min(config.n_neighbors, len(vectors) - 1))
    core = distances[:, min(config.min_samples, len(vectors) - 1) - 1]
    tree = _spanning_tree(search, distances, ids, core)
    linkage = label(np.column_stack([tree.sources, tree.targets, tree.weights]))
    labels = _tree_to_labels(vectors, linkage, config.min_cluster_size)[0]
    return np.asarray(labels, dtype=np.int64)


def _dbscan(vectors: Vectors, config: DBSCAN) -> Labels:
    """Cuts the spanning tree at eps: the connected core points are DBSCAN's clusters."""
    n = len(vectors)
    if n < max(2, config.min_samples):
        return _consecutive(np.arange(n), np.full(n, config.min_samples == 1))
    search = NeighborSearch.over(vectors)
    distances, ids = search.knn(min(config.n_neighbors, n - 1))
    core = np.zeros(n) if config.min_samples == 1 else distances[:, config.min_samples - 2]
    tree = _spanning_tree(search, distances, ids, core)
    roots = _components(n, tree[tree.weights <= config.eps])
    is_core = core <= config.eps
    # A border point joins its nearest core point, whatever the order of the rows.
    reaches = is_core[ids] & (distances <= config.eps)
    border = ~is_core & reaches.any(axis=1)
    roots[border] = roots[ids[border, reaches[border].argmax(axis=1)]]
    return _consecutive(roots, is_core | border)


def _kmeans(vectors: Vectors, config: KMeans, seed: int) -> Labels:
    faiss = faiss_module()
    n_clusters = min(config.n_clusters, len(vectors))
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        n_clusters,
        seed=seed,
        min_points_per_centroid=1,
        gpu=faiss.get_num_gpus() > 0,
    )
    kmeans.train(vectors)
    _, nearest = kmeans.index.search(vectors, 1)
    return _consecutive(nearest[:, 0], np.ones(len(vectors), dtype=np.bool_))


def _spanning_tree(
    search: NeighborSearch, distances: Distances, ids: Ids, core: Distances
) -> _Edges:
    """Gives the minimum spanning tree of the k-NN graph, its components joined by bridges."""
    n, k = ids.shape
    edges = _Edges.between(np.repeat(np.arange(n), k), ids.ravel(), distances.ravel(), core)
    tree = _minimum_forest(n, edges)
    if len(tree) < n - 1 and not search.exact:
        tree = _minimum_forest(n, tree + _wider_edges(search, k, core, _components(n, tree)))
    while len(tree) < n - 1:
        parts = _components(n, tree)
        queries = _border(core, parts, n if search.exact else _BRIDGE_PAIRS // n)
        tree = _minimum_forest(n, tree + _bridges(search.vectors, core, parts, queries))
    return tree


def _minimum_forest(n: int, edges: _Edges) -> _Edges:
    """Gives a minimum spanning tree of each component, shortest edge first."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    low = np.minimum(edges.sources, edges.targets)
    high = np.maximum(edges.sources, edges.targets)
    # Each undirected edge once: both directions carry the same weight.
    once = np.unique(low * n + high, return_index=True)[1]
    keys = (high[once], low[once], edges.distances[once], edges.weights[once])
    order = once[np.lexsort(keys)]
    # Ranks stand in for weights: a sparse matrix would drop the zero edges between duplicates.
    ranks = np.arange(1, len(order) + 1, dtype=np.float64)
    # Trees of SciPy before 1.16 take 32-bit indices alone.
    ends = low[order].astype(np.int32), high[order].astype(np.int32)
    graph = coo_array((ranks, ends), shape=(n, n))
    kept = np.sort(minimum_spanning_tree(graph.tocsr()).data).astype(np.int64) - 1
    return edges[order[kept]]


def _components(n: int, edges: _Edges) -> Ids:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(edges))
    graph = coo_array((ones, (edges.sources, edges.targets)), shape=(n, n))
    return connected_components(graph.tocsr(), directed=False)[1].astype(np.int64)


def _wider_edges(search: NeighborSearch, k: int, core: Distances, parts: Ids) -> _Edges:
    """Gives the edges from the components' borders to their neighbors in a wider search."""
    rows = _border(core, parts, _BORDER_POINTS)
    distances, ids = search.knn(min(_WIDER * k, len(core) - 1), rows)
    sources = np.repeat(rows, ids.shape[1])
    edges = _Edges.between(sources, ids.ravel(), distances.ravel(), core)
    return edges[parts[edges.sources] != parts[edges.targets]]


def _bridges(vectors: Vectors, core: Distances, parts: Ids, queries: Ids) -> _Edges:
    """Gives the shortest edge that leaves each component from its queries, searched exactly.

    One round of Borůvka's algorithm, where the queries are all points but the largest component's.
    """
    squares = np.einsum("ij,ij->i", vectors, vectors)
    core_floor = core.astype(np.float32)
    targets = np.empty(len(queries), dtype=np.int64)
    for start in range(0, len(queries), _BRIDGE_ROWS):
        rows = queries[start : start + _BRIDGE_ROWS]
        reach = squares[rows, None] + squares - 2 * (vectors[rows] @ vectors.T)
        np.sqrt(reach.clip(min=0, out=reach), out=reach)
        np.maximum(reach, core_floor, out=reach)
        reach[parts[rows, None] == parts] = np.inf
        targets[start : start + len(rows)] = reach.argmin(axis=1)
    distances = pair_distances(vectors, queries, targets[:, None])[:, 0]
    edges = _Edges.between(queries, targets, distances, core)
    order = np.lexsort((edges.distances, edges.weights, parts[queries]))
    return edges[order[np.unique(parts[queries[order]], return_index=True)[1]]]


def _border(core: Distances, parts: Ids, limit: int) -> Ids:
    """Gives the points of all components but the largest, or the sparsest few of each.

    The limit is shared among the components, each of which keeps one point at least.
    """
    points = np.flatnonzero(parts != np.bincount(parts).argmax())
    if len(points) <= limit:
        return points
    order = points[np.lexsort((-core[points], parts[points]))]
    starts, sizes = np.unique(parts[order], return_index=True, return_counts=True)[1:]
    place = np.arange(len(order)) - np.repeat(starts, sizes)
    return order[place < max(1, limit // len(starts))]


def _consecutive(roots: Ids, clustered: npt.NDArray[np.bool_]) -> Labels:
    """Numbers the clusters from 0 by their first point; the rest is noise."""
    labels = np.full(len(roots), -1, dtype=np.int64)
    _, first, inverse = np.unique(roots[clustered], return_index=True, return_inverse=True)
    labels[clustered] = np.argsort(np.argsort(first))[inverse]
    return labels


def _config(method: Method | Config) -> Config:
    if isinstance(method, HDBSCAN | DBSCAN | KMeans):
        return method
    if method not in _CONFIGS:
        raise ValueError(f"expected a method of {sorted(_CONFIGS)} or a config, found {method!r}")
    return _CONFIGS[method]()


def _check_at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ValueError(f"{name} must be at least {least}, found {value}")
