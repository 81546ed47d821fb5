"""Which units stand together in reports."""

from __future__ import annotations

import numpy as np
import rustworkx as rx
from numpy.typing import NDArray
from scipy import sparse


def membership_matrix(
    report_ids: NDArray[np.int64], unit_ids: NDArray[np.int64], shape: tuple[int, int]
) -> sparse.csr_array:
    """Gives which report holds which unit.

    Args:
        report_ids (`np.ndarray` of shape `(n_occurrences,)`, int64): Report of each sentence.
        unit_ids (`np.ndarray` of shape `(n_occurrences,)`, int64): Its unit; noise (-1) is
            left out.
        shape (`tuple[int, int]`): `(n_reports, n_units)`.

    Returns:
        `scipy.sparse.csr_array` of `shape`, int64: 1 where the report holds the unit.
    """
    held = unit_ids >= 0
    ones = np.ones(int(held.sum()), dtype=np.int64)
    matrix = sparse.csr_array((ones, (report_ids[held], unit_ids[held])), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def cooccurrence(membership: sparse.csr_array) -> sparse.csr_array:
    """Counts the reports that hold both of two units.

    Args:
        membership (`scipy.sparse.csr_array` of shape `(n_reports, n_units)`): 0 or 1.

    Returns:
        `scipy.sparse.csr_array` of shape `(n_units, n_units)`, int64: `A[i, j]`, symmetric,
        with an empty diagonal (SemEnrich, arXiv 2604.09887, section 3: i and j differ).
    """
    counts = sparse.csr_array(membership.T @ membership)
    counts.setdiag(0)
    counts.eliminate_zeros()
    counts.sort_indices()
    return counts


def cooccurrence_graph(counts: sparse.csr_array) -> rx.PyGraph[int, int]:
    """Gives the co-occurrence as a graph: a node per unit, the shared reports on the edges."""
    graph: rx.PyGraph[int, int] = rx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(counts.shape[0]))
    upper = sparse.triu(counts, k=1).tocoo()
    edges = zip(upper.row.tolist(), upper.col.tolist(), upper.data.tolist(), strict=True)
    graph.add_edges_from(list(edges))
    return graph
