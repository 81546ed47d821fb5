import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semenrich_datasets.index.llm_signs import LLMSigns, draw_occurrences

ANSWERS = {
    "lungs clear": "normal",
    "large mass": "Abnormal.",
    "two views": "neutral",
    "heart {odd} braces": "not normal",
}


def ask(prompts):
    """A chat model that reads the sentence at the end of the question."""
    return [ANSWERS[prompt.rpartition("Sentence: ")[2]] for prompt in prompts]


def test_answers_become_signs_and_the_unreadable_is_neutral():
    signs = LLMSigns(ask)
    assert signs(list(ANSWERS)) == ["normal", "abnormal", "neutral", "neutral"]
    assert signs([]) == []
    assert pickle.loads(pickle.dumps(signs)) == signs


def test_a_model_that_loses_answers_is_an_error():
    with pytest.raises(ValueError, match="shorter"):
        LLMSigns(lambda prompts: [])(["lungs clear"])


def test_no_sentence_per_cluster_is_refused():
    with pytest.raises(ValueError, match="sentences_per_cluster=0"):
        LLMSigns(ask, sentences_per_cluster=0)


corpora = st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 9)), max_size=30).map(
    lambda rows: np.array(rows, dtype=np.int64).reshape(-1, 2)
)


@given(corpora, st.integers(1, 12), st.integers(0, 5))
def test_every_cluster_gives_k_occurrences_or_all_it_has(corpus, k, seed):
    cluster_ids, counts = corpus.T
    draws = draw_occurrences(cluster_ids, counts, k, seed)
    assert draws.shape == counts.shape
    assert (draws <= counts).all()
    assert (draws[cluster_ids == -1] == 0).all()
    for cluster in set(cluster_ids) - {-1}:
        members = cluster_ids == cluster
        assert draws[members].sum() == min(k, counts[members].sum())
    assert (draws == draw_occurrences(cluster_ids, counts, k, seed)).all()


def test_sentences_are_drawn_as_often_as_reports_hold_them():
    cluster_ids = np.array([1, 0, 1, 0])
    counts = np.array([90, 5, 10, 5])
    drawn = Counter()
    for seed in range(2000):
        draws = draw_occurrences(cluster_ids, counts, 1, seed)
        drawn.update(np.flatnonzero(draws).tolist())
    shares = np.array([drawn[i] for i in range(4)]) / 2000
    np.testing.assert_allclose(shares, [0.9, 0.5, 0.1, 0.5], atol=0.04)
