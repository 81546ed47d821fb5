"""Which units stand together in reports, counted."""

import numpy as np

from semenrich_datasets.index.cooccurrence import (
    cooccurrence,
    cooccurrence_graph,
    membership_matrix,
)

# Report 0 holds units 0 (twice) and 1, reports 1 to 5 hold 0 and 2, report 6 holds noise.
REPORT_IDS = np.array([0, 0, 0, *np.repeat(np.arange(1, 6), 2), 6])
UNIT_IDS = np.array([0, 0, 1, *np.tile([0, 2], 5), -1])


def test_cooccurrence_counts_reports():
    membership = membership_matrix(REPORT_IDS, UNIT_IDS, (7, 3))
    assert membership.toarray()[[0, 1, 6]].tolist() == [[1, 1, 0], [1, 0, 1], [0, 0, 0]]
    counts = cooccurrence(membership)
    assert counts.toarray().tolist() == [[0, 1, 5], [1, 0, 0], [5, 0, 0]]
    assert counts.dtype == np.int64
    graph = cooccurrence_graph(counts)
    assert sorted(graph.weighted_edge_list()) == [(0, 1, 1), (0, 2, 5)]
    assert graph.nodes() == [0, 1, 2]
