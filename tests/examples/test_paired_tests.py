import itertools

import numpy as np
import pytest
from paired_tests import Figure, compare, compare_runs, holm


def constant(value, studies=5):
    """A run that scores every study alike, so that studies add nothing to the spread."""
    return Figure.mean([value] * studies)


def test_single_runs_are_compared_as_two_systems():
    generator = np.random.default_rng(0)
    hits = generator.integers(0, 4, (2, 50, 3)).astype(float)
    first, second = (Figure.f1(side, 2 * side + generator.integers(0, 3, (50, 3))) for side in hits)
    runs, pair = compare_runs([first], [second], 500, 7), compare(first, second, 500, 7)
    assert runs["difference"] == pair["difference"]
    assert runs["interval"] == pair["interval"]


def test_seeds_are_drawn_within_each_system_one_less_than_there_are():
    values = {"first": [0.0, 1.0, 10.0, 14.0], "second": [0.0, 3.0, 8.0]}
    means = [
        [np.mean(drawn) for drawn in itertools.product(runs, repeat=len(runs) - 1)]
        for runs in values.values()
    ]
    exact = np.array([one - other for one, other in itertools.product(*means)])
    first, second = ([constant(value) for value in runs] for runs in values.values())
    found = compare_runs(first, second, 20_000, 0)
    assert found["difference"] == pytest.approx(6.25 - 11 / 3)
    assert found["interval"] == pytest.approx(np.quantile(exact, [0.025, 0.975]), abs=0.35)
    tail = min(np.mean(exact <= 0), np.mean(exact >= 0))
    assert found["p_value"] == pytest.approx(2 * tail, abs=0.02)


def test_studies_are_drawn_for_all_runs_together():
    studies = np.random.default_rng(1).normal(0, 100, 40)
    first = [Figure.mean(studies + 1)] * 3
    second = [Figure.mean(studies)] * 2
    found = compare_runs(first, second, 300, 0)
    assert found["interval"] == pytest.approx([1, 1])
    assert found["p_value"] == 2 / 301


def test_equal_runs_differ_in_nothing():
    runs = [constant(0.3), constant(0.5)]
    found = compare_runs(runs, runs[::-1], 199, 0)
    assert found["difference"] == pytest.approx(0)
    assert found["p_value"] == 1


def test_runs_over_other_studies_are_refused():
    with pytest.raises(ValueError, match=r"found figures of \[5\] and \[5, 4\] studies"):
        compare_runs([constant(0)], [constant(0), constant(0, 4)], 9, 0)
    with pytest.raises(ValueError, match=r"one figure or more per system"):
        compare_runs([], [constant(0)], 9, 0)


def test_holm_is_as_by_hand():
    # Sorted: 0.005 * 4, 0.01 * 3, 0.03 * 2, 0.04 * 1, the last lifted to the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.2, 0.9]) == pytest.approx([1, 0.6, 1])
    assert holm([0.02]) == [0.02]
    assert holm([]) == []
