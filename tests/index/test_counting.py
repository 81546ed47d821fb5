"""Distinct sentences of reports, counted."""

import dataclasses
import itertools
import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from semenrich_datasets.columns import StudyTexts
from semenrich_datasets.index.counting import (
    SPLITTERS,
    count_block,
    fold_of,
    merge_counts,
    reports_per_member,
)
from semenrich_datasets.index.counting import count_sentences as count_studies


def count_sentences(texts, *splitter):
    return count_studies(map(StudyTexts, texts), *splitter)


def test_counts():
    texts = ["Clear lungs. NO  effusion.", "no effusion. no effusion", None, "", " . "]
    counts = count_sentences([*texts, "No  effusion. Tube. clear lungs"])
    assert counts.sentences == ["no effusion", "clear lungs", "tube"]
    assert counts.texts == ["NO effusion.", "Clear lungs.", "Tube."]
    assert counts.report_ids.tolist() == [0, 0, 1, 1, 2, 2, 2]
    assert counts.sentence_ids.tolist() == [1, 0, 0, 0, 0, 2, 1]
    assert counts.positions.tolist() == [0.0, 1.0, 0.0, 1.0, 0.0, 0.5, 1.0]
    assert (counts.n_reports, counts.n_skipped) == (3, 3)
    assert counts.rows.tolist() == [0, 1, 5]
    assert counts.sentence_ids.dtype == counts.report_ids.dtype == np.int64


def test_the_most_common_spelling_stands_for_a_sentence():
    assert count_sentences(["A b.", "a b", "a  b"]).texts == ["a b"]


def test_counts_as_published():
    counts = count_sentences(["A 1.5 cm nodule.", "a 1. Tube"], SPLITTERS["paper"])
    assert counts.sentences == ["a 1", "5 cm nodule", "tube"]
    assert counts.texts == counts.sentences


def test_no_reports():
    counts = count_sentences([])
    assert (counts.sentences, counts.n_reports, len(counts.report_ids)) == ([], 0, 0)


reports = st.lists(
    st.lists(st.sampled_from(["A.", "a.", "B.", "C."]), max_size=4).map(" ".join), max_size=8
)


@given(reports, st.randoms(use_true_random=False))
def test_order_of_reports_changes_nothing_but_their_numbers(texts, random):
    shuffled = random.sample(texts, len(texts))
    one, other = count_sentences(texts), count_sentences(shuffled)
    assert (one.sentences, one.texts, one.n_reports) == (
        other.sentences,
        other.texts,
        other.n_reports,
    )
    counts = [np.bincount(found.sentence_ids).tolist() for found in (one, other)]
    assert counts[0] == counts[1]


@given(reports)
def test_sentences_come_by_the_number_of_reports_that_hold_them(texts):
    counts = count_sentences(texts)
    holders = reports_per_member(counts.report_ids, counts.sentence_ids, len(counts.sentences))
    naive = [
        sum(sentence in {s.strip(".").lower() for s in text.split()} for text in texts)
        for sentence in counts.sentences
    ]
    assert holders.tolist() == naive == sorted(naive, reverse=True)


keyed = st.lists(
    st.tuples(
        st.sampled_from([None, None, "s1", "s2"]),
        st.lists(st.sampled_from(["A.", "a.", " a .", "B."]), max_size=3).map(" ".join),
        st.sampled_from(["Tube.", "tube. Normal.", ""]),
    ),
    max_size=8,
)


@given(keyed, st.lists(st.integers(0, 8), max_size=3))
def test_cuts_into_blocks_change_nothing(rows, cuts):
    """A study with a key counts where it comes first, whichever block that is in."""
    first = {key: row for row, (key, *_) in reversed([*enumerate(rows)])}
    studies = [
        (key, StudyTexts(findings, {"impression": conclusion}, {"history": findings}))
        for key, findings, conclusion in rows
    ]
    ends = [0, *sorted(cuts), 8]
    parts = [studies[start:end] for start, end in itertools.pairwise(ends)]
    merged = merge_counts([count_block(part) for part in parts])
    kept = [one for row, (key, one) in enumerate(studies) if key is None or first[key] == row]
    expected = count_studies(kept)
    for field in dataclasses.fields(expected):
        found, wanted = getattr(merged, field.name), getattr(expected, field.name)
        np.testing.assert_equal(_plain(found), _plain(wanted), field.name)


def _plain(value):
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value


def test_noise_has_no_holders():
    held = reports_per_member(np.array([0, 0, 1]), np.array([-1, 1, 1]), 3)
    assert held.tolist() == [0, 2, 0]


def test_other_texts_are_counted_beside():
    studies = [
        StudyTexts("A.", {"impression": "Normal. Tube."}, {"indication": "Fall."}),
        StudyTexts("  "),
        StudyTexts("B.", {"impression": "tube"}),
    ]
    counts = count_studies(studies)
    # A report without an impression or indication holds the empty text.
    assert counts.context.sentences == ["normal", "tube"]
    assert counts.context.matrix(2).toarray().tolist() == [[1, 1], [0, 1]]
    assert counts.history.sentences == ["", "fall"]
    assert counts.history.matrix(2).toarray().tolist() == [[0, 1], [1, 0]]
    assert counts.findings.matrix(2).toarray().tolist() == [[1, 0], [0, 1]]


def test_folds_keep_patients_together():
    texts = [f"Report {number}." for number in range(200)]
    assert len({fold_of(StudyTexts(text), by_patient=True) for text in texts}) == 5
    assert len({fold_of(StudyTexts(text, patient="p1"), by_patient=True) for text in texts}) == 1
    assert len({fold_of(StudyTexts("A.", patient=text), by_patient=True) for text in texts}) == 5
    assert {fold_of(StudyTexts(text), by_patient=True) for text in texts} == {1, 2, 3, 4, 5}


@given(st.lists(st.sampled_from(["A b.", "a b", "a  b", "A B"]), min_size=1, max_size=9))
def test_the_most_common_spelling_of_any_run(spellings):
    plain = [" ".join(one.split()) for one in spellings]
    expected = min(plain, key=lambda one: (-plain.count(one), one))
    same_ending = [one.removesuffix(".") for one in plain]
    assert len(set(map(str.lower, same_ending))) == 1
    assert count_sentences(spellings).texts == [expected]


def test_an_occurrence_costs_some_bytes():
    # 32 of numbers where it stands once, and as much for a moment when they are sorted.
    n = 8_000
    studies = (StudyTexts("Lungs clear. No effusion.", {"b": "Normal."}) for _ in range(n))
    tracemalloc.start()
    counts = count_studies(studies)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert counts.n_reports == n
    assert peak < 75 * 4 * n
