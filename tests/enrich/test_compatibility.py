"""Which candidates go together."""

import random

import numpy as np
from fakes import build_index
from hypothesis import given
from hypothesis import strategies as st

from semenrich_datasets.enrich.candidates import is_telegraphic, list_candidates
from semenrich_datasets.enrich.compatibility import Compatibility

REPORTS = [
    *["No acute bony abnormality. Heart size normal."] * 9,
    *["No acute rib fracture. Lungs clear."] * 4,
    *["No pleural effusion. Lungs clear. Heart size normal."] * 6,
    *["No pleural effusion or pneumothorax. Heart size normal."] * 5,
]
INDEX = build_index(REPORTS)
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


def test_the_graph_is_symmetric():
    n = len(CANDIDATES)
    table = np.array([[beside(i, j) for j in range(n)] for i in range(n)])
    assert np.array_equal(table, table.T)


def test_a_wording_fits_the_style_of_the_report():
    reports = ["No effusion. Lungs clear."] * 6 + ["There is no effusion seen. Heart normal."] * 6
    (effusion,) = (
        one for one in list_candidates(build_index(reports)) if "effusion" in one.wordings[0]
    )
    rng = random.Random(0)
    terse = {effusion.draw(rng, telegraphic=True) for _ in range(20)}
    whole = {effusion.draw(rng, telegraphic=False) for _ in range(20)}
    assert terse == {"No effusion."}
    assert whole == {"There is no effusion seen."}
    assert is_telegraphic(["Lungs clear.", "No effusion.", "The heart is normal."])
    assert not is_telegraphic(["The lungs are clear.", "The heart is normal.", "No effusion."])
    # What has one style keeps it.
    only = next(one for one in list_candidates(build_index(reports)) if "Lungs" in one.wordings[0])
    assert only.draw(rng, telegraphic=False) == "Lungs clear."
