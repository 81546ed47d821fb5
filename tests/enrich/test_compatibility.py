"""Which candidates go together."""

import random

import numpy as np
from fakes import build_index, of_patients
from hypothesis import given
from hypothesis import strategies as st

from semenrich_datasets.enrich.candidates import is_telegraphic, list_candidates
from semenrich_datasets.enrich.cliques import from_bits, heaviest_clique, to_bits
from semenrich_datasets.enrich.compatibility import Compatibility

REPORTS = [
    *["No acute bony abnormality. Heart size normal."] * 9,
    *["No acute rib fracture. Lungs clear."] * 4,
    *["No pleural effusion. Lungs clear. Heart size normal."] * 6,
    *["No pleural effusion or pneumothorax. Heart size normal."] * 5,
]
INDEX = build_index(of_patients(REPORTS))
CANDIDATES = list_candidates(INDEX)
NUMBER = {candidate.wordings[0]: number for number, candidate in enumerate(CANDIDATES)}
GRAPH = Compatibility.of(CANDIDATES, INDEX.agreement.together)
BONES, RIBS = NUMBER["No acute bony abnormality."], NUMBER["No acute rib fracture."]
EFFUSION = NUMBER["No pleural effusion."]
BOTH = NUMBER["No pleural effusion or pneumothorax."]
HEART, LUNGS = NUMBER["Heart size normal."], NUMBER["Lungs clear."]


def beside(one, other):
    return bool(GRAPH.neighbors[one] >> other & 1)


def test_neighbors_by_hand():
    assert beside(HEART, BONES)
    assert beside(HEART, LUNGS)
    # No report says both.
    assert not beside(BONES, LUNGS)
    # One says a part of the other again, though reports say both.
    assert not beside(EFFUSION, BOTH)
    assert GRAPH.repeats[EFFUSION] >> BOTH & 1
    assert not beside(HEART, HEART)


def test_a_narrow_statement_gives_way_to_the_broad_one():
    assert GRAPH.broadest([RIBS]) == [RIBS]
    assert GRAPH.broadest([BONES, RIBS, HEART]) == [BONES, HEART]
    # "No effusion" is the more usual of the two: what says more stays beside it.
    assert GRAPH.broadest(sorted([EFFUSION, BOTH])) == sorted([EFFUSION, BOTH])


@given(st.permutations(range(len(CANDIDATES))))
def test_a_greedy_choice_is_a_maximal_clique(order):
    taken = GRAPH.greedy(order)
    assert all(beside(one, other) for one in taken for other in taken if one != other)
    for number in set(order) - set(taken):
        assert not all(beside(number, other) for other in taken)


@given(st.sets(st.sampled_from(range(len(CANDIDATES)))))
def test_the_broadest_cover_what_is_left_out(numbers):
    kept = GRAPH.broadest(sorted(numbers))
    assert set(kept) <= numbers
    assert GRAPH.broadest(kept) == kept
    for number in numbers - set(kept):
        assert any(GRAPH.covered[number] >> other & 1 for other in kept)


graphs = st.lists(st.lists(st.booleans(), min_size=8, max_size=8), min_size=8, max_size=8)


def graph_of(rows):
    """A graph of eight candidates, and whether two of them go together."""
    joined = np.triu(np.array(rows), 1)
    joined = joined | joined.T
    bits = tuple(to_bits(np.flatnonzero(row).tolist()) for row in joined)
    return Compatibility(bits, (0,) * 8, (0,) * 8), joined


@given(graphs, st.permutations(range(8)), st.integers(0, 8))
def test_in_any_graph_a_greedy_choice_is_the_first_clique(rows, order, n):
    graph, joined = graph_of(rows)
    offered = order[:n]
    taken = []
    for number in offered:
        if all(joined[number, other] for other in taken):
            taken.append(number)
    assert graph.greedy(offered) == taken
    assert graph.greedy(taken) == taken


@given(graphs, st.lists(st.integers(1, 9), min_size=8, max_size=8))
def test_the_heaviest_choice_is_a_clique_no_lighter_than_a_greedy_one(rows, weights):
    graph, joined = graph_of(rows)
    found = from_bits(heaviest_clique(graph.neighbors, (1 << 8) - 1, [float(w) for w in weights]))
    assert all(joined[one, other] for one in found for other in found if one != other)
    greedy = graph.greedy(sorted(range(8), key=lambda number: -weights[number]))
    assert sum(weights[n] for n in found) >= sum(weights[n] for n in greedy)


def test_of_nothing_nothing_is_chosen():
    assert GRAPH.greedy([]) == []
    assert GRAPH.broadest([]) == []


def test_the_graph_is_symmetric():
    n = len(CANDIDATES)
    table = np.array([[beside(i, j) for j in range(n)] for i in range(n)])
    assert np.array_equal(table, table.T)


def test_a_wording_fits_the_style_of_the_report():
    reports = ["No effusion. Lungs clear."] * 6 + ["There is no effusion seen. Heart normal."] * 6
    (effusion,) = (
        one
        for one in list_candidates(build_index(of_patients(reports)))
        if "effusion" in one.wordings[0]
    )
    rng = random.Random(0)
    terse = {effusion.draw(rng, telegraphic=True) for _ in range(20)}
    whole = {effusion.draw(rng, telegraphic=False) for _ in range(20)}
    assert terse == {"No effusion."}
    assert whole == {"There is no effusion seen."}
    assert is_telegraphic(["Lungs clear.", "No effusion.", "The heart is normal."])
    assert not is_telegraphic(["The lungs are clear.", "The heart is normal.", "No effusion."])
    # What has one style keeps it.
    only = next(
        one
        for one in list_candidates(build_index(of_patients(reports)))
        if "Lungs" in one.wordings[0]
    )
    assert only.draw(rng, telegraphic=False) == "Lungs clear."
