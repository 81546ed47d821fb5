"""Agreement: which units may be added, and how reports speak of them, counted by hand."""

import numpy as np
import pyarrow as pa
import pytest
from fakes import build_index, made_up_reports

from semenrich_datasets.index.agreement import Agreement, choose_candidates
from semenrich_datasets.index.holders import MIN_SUPPORT
from semenrich_datasets.reading.entailment import follows

# 12 reports over five units, numbered by their most common sentence.
LUNGS, HEART, EFFUSION, BOTH, ENLARGED, LEFT = range(6)
REPORTS = [
    *["No pleural effusion. Lungs clear."] * 3,
    *["Heart enlarged. Lungs clear."] * 2,
    *["No pleural effusion or pneumothorax."] * 3,
    *["Heart size normal. Lungs clear."] * 3,
    "Small left pleural effusion.",
]


@pytest.fixture(scope="module")
def index():
    # Of a patient each: equal reports of nobody in particular count once.
    rows = [{"findings": text, "patient_id": n} for n, text in enumerate(REPORTS)]
    return build_index(rows)


def test_the_units_are_numbered_as_said(index):
    texts = [
        "Lungs clear.",
        "Heart size normal.",
        "No pleural effusion.",
        "No pleural effusion or pneumothorax.",
        "Heart enlarged.",
        "Small left pleural effusion.",
    ]
    assert index.unit_table.column("text").to_pylist() == texts
    assert index.unit_table.column("support").to_pylist() == [8, 3, 3, 3, 2, 1]


def test_candidates_and_their_counts_by_hand(index):
    agreement = index.agreement
    assert agreement.candidate_ids.tolist() == [LUNGS, HEART, EFFUSION, BOTH]
    assert agreement.usage.tolist() == [8, 3, 3, 3]
    # Three speak of clear lungs and no effusion, five of the heart, one states an effusion.
    assert agreement.speaks.tolist() == [8, 5, 7, 7]


def test_agreement_with_each_unit_by_hand(index):
    agreement = index.agreement
    assert agreement.speaks_with.toarray().tolist() == [
        [8, 5, 3, 3],  # lungs
        [3, 3, 0, 0],  # heart
        [3, 0, 3, 3],  # no effusion
        [0, 0, 3, 3],  # no effusion or pneumothorax
        [2, 2, 0, 0],  # heart enlarged
        [0, 0, 1, 1],  # left effusion
    ]
    assert (agreement.together > 0).tolist() == [
        [True, True, True, False],
        [True, True, False, False],
        [True, False, True, True],
        [False, False, True, True],
    ]


def test_tables_keep_it_all(index):
    agreement = index.agreement
    again = Agreement.from_tables(*agreement.to_tables(), index.unit_table.num_rows)
    for name in ("candidate_ids", "usage", "speaks", "together"):
        assert np.array_equal(getattr(again, name), getattr(agreement, name))
    assert again.speaks_with.shape == agreement.speaks_with.shape
    assert (again.speaks_with != agreement.speaks_with).nnz == 0


def naive_topics(index, text):
    """Whether a report speaks of the topic of each candidate."""
    read, below = index.reader.read, index.reader.lexicon.below
    spoken = {said.concept for one in index.split(text) for said in read(one).assertions}
    table = index.unit_table.column("text").to_pylist()
    return [
        any(not below[said.concept].isdisjoint(spoken) for said in read(table[unit]).assertions)
        for unit in index.agreement.candidate_ids.tolist()
    ]


def test_the_counts_are_those_of_a_naive_reading():
    texts = [row["findings"] for row in made_up_reports()]
    texts += ["No pleural effusion or pneumothorax. Heart enlarged."] * 9
    texts += ["Cardiomegaly. Large right pneumothorax.", "Normal chest.", "No large effusion."] * 3
    # A pair that one report alone says.
    texts += ["No free air. Lungs clear."] * 12
    texts += ["No pleural effusion or pneumothorax. No free air."]
    index = build_index([{"findings": text, "patient_id": n} for n, text in enumerate(texts)])
    agreement, read = index.agreement, index.reader.read
    table = index.unit_table.column("text").to_pylist()
    candidates = [read(table[unit]).logic for unit in agreement.candidate_ids.tolist()]
    assert len(candidates) > 6
    logics = [[read(sentence).logic for sentence in index.split(text)] for text in texts]
    says = np.array(
        [[any(follows(own, one) for one in said) for own in candidates] for said in logics]
    )
    speaks = np.array([naive_topics(index, text) for text in texts])
    held = np.zeros((len(texts), len(table)), dtype=bool)
    for row, text in enumerate(texts):
        held[row, index.held_units(index.split(text))] = True
    assert agreement.speaks.tolist() == speaks.sum(0).tolist()
    for unit in range(len(table)):
        own = held[:, unit]
        assert agreement.speaks_with.toarray()[unit].tolist() == speaks[own].sum(0).tolist()
    for one in range(len(candidates)):
        for other in range(len(candidates)):
            assert agreement.together[one, other] == (says[:, one] & says[:, other]).sum()
    assert ((says.T.astype(int) @ says) == 1).any()
    assert not agreement.together.all()


def tables(rows, signs):
    columns = {"transferable": [], "reports": [], "unit_id": [], "holders": [], "rebuilt": []}
    for unit, reports, transferable in rows:
        for name, value in zip(columns, (transferable, reports, unit, reports, "A."), strict=True):
            columns[name].append(value)
    return pa.table(columns), pa.table({"sign": signs})


def test_candidates_are_normal_usual_and_of_wordings_that_may_travel():
    rows = [
        (0, 3, True),
        (0, 2, True),  # too few reports hold this wording: it does not count
        (1, 50, True),  # abnormal
        (2, 50, False),  # may not travel
        (3, 2, True),
        (3, 2, True),
        (4, 3, True),
        (4, 3, True),
        (5, 3, True),
        (6, 50, True),  # neutral
        (-1, 50, True),  # no unit
    ]
    signs = ["normal", "abnormal", "normal", "normal", "normal", "normal", "neutral"]
    ids, usage = choose_candidates(*tables(rows, signs), n_reports=100)
    assert ids.tolist() == [4, 0, 5]
    assert usage.tolist() == [6, 3, 3]
    assert ids.dtype == usage.dtype == np.int64
    # Three of 1,200 are enough, three of 1,201 are not.
    ids, _ = choose_candidates(*tables(rows, signs), n_reports=1_200)
    assert ids.tolist() == [4, 0, 5]
    ids, _ = choose_candidates(*tables(rows, signs), n_reports=1_201)
    assert ids.tolist() == [4]
    assert choose_candidates(*tables(rows, signs), n_reports=2_401)[0].tolist() == []
    assert MIN_SUPPORT == 3


def test_what_few_reports_say_is_no_candidate():
    """Three reports of 1,200 that speak of free air are enough, three of 1,201 are not."""
    rare, usual = ["No free air."] * 3, ["Lungs clear."] * 1_197
    for more, expected in ((0, 2), (1, 1)):
        texts = [*rare, *usual, *["Lungs clear."] * more]
        rows = [{"findings": text, "patient_id": n} for n, text in enumerate(texts)]
        index = build_index(rows)
        assert len(index.agreement.candidate_ids) == expected


def test_an_index_as_published_has_no_candidates():
    index = build_index(REPORTS, preset="paper")
    assert index.agreement.candidate_ids.tolist() == []
    assert index.agreement.together.shape == (0, 0)
