"""The published rewards: what the reference code of SemEnrich pays, counted by hand."""

from __future__ import annotations

import math
import pickle
from functools import cache

import pytest
from fakes import build_index
from hypothesis import given, settings
from hypothesis import strategies as st
from trainer_fakes import SETTINGS, make_dataset, make_model

from semenrich_datasets.index.clustering import DBSCAN
from semenrich_trainers import SemEnrichGRPOConfig, SemEnrichGRPOTrainer
from semenrich_trainers.references import known_text
from semenrich_trainers.rewards import (
    PaperBleuReward,
    PaperClusterReward,
    PaperExactAnswerReward,
    PaperSentenceReward,
)
from semenrich_trainers.rewards.paper_text import published_bleu, published_sentences

# The fake encoder puts sentences of equal content words together: four clusters.
CORPUS = [
    "The lungs are clear. The heart is enlarged.",
    "Lungs clear. Heart enlarged. No effusion.",
    "Lungs clear. There is no effusion. Large pneumothorax.",
]
IMPRESSIONS = ["Normal chest.", "The chest is normal.", "Cardiomegaly."]


@cache
def index():
    return build_index([{"findings": text} for text in CORPUS], preset="paper")


@cache
def impression_index():
    rows = [{"impression": text} for text in IMPRESSIONS]
    return build_index(rows, text_column="impression", preset="paper")


def report(findings, impression=""):
    return f"<think> {findings} </think><answer> {impression} </answer>"


def pay(reward, text, reference, answer="", wanted=None):
    (value,) = reward([report(text, answer)], findings=[reference], impression=[wanted])
    return None if value is None else value if wanted else value / 2


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("Lungs clear. Heart enlarged.", "The lungs are clear. The heart is enlarged.", 1.0),
        ("Lungs clear. Bizarre parrots whistle.", "The lungs are clear.", 1.0),  # ignored
        ("Lungs clear. The lungs are rather clear.", "The lungs are clear.", 1.0),  # not looked up
        ("Bizarre parrots whistle.", "Bizarre parrots whistle.", 0.0),  # an empty set
        ("", "Lungs clear.", 0.0),
        ("Lungs clear. No effusion.", "Lungs clear. Heart enlarged. Large pneumothorax.", 2 / 5),
        ("1. Lungs clear. 2. No effusion.", "LUNGS CLEAR. no effusion", 1.0),
    ],
)
def test_clusters_as_published(text, reference, expected):
    assert pay(PaperClusterReward(index()), text, reference) == pytest.approx(expected)


def test_noise_is_no_cluster():
    rows = [{"findings": text} for text in [*CORPUS, "Bizarre parrots whistle. Odd shadows fall."]]
    noisy = build_index(rows, preset="paper", clustering=DBSCAN(eps=0.1, min_samples=2))
    assert -1 in noisy.sentences["cluster_id"].to_pylist()
    reward = PaperClusterReward(noisy)
    assert pay(reward, "Odd shadows fall.", "Bizarre parrots whistle.") == 0.0
    assert pay(reward, "Lungs clear. Odd shadows fall.", "The lungs are clear.") == 1.0


def test_impressions_have_their_own_clusters():
    reward = PaperClusterReward(index(), impression_index())
    findings = "Lungs clear."
    assert pay(reward, findings, findings, "The chest is normal.", "Normal chest.") == 2.0
    assert pay(reward, findings, findings, "Cardiomegaly.", "Normal chest.") == 1.0
    # The findings' index holds no impression, and an empty set gives 0.
    alone = PaperClusterReward(index())
    assert pay(alone, findings, findings, "Normal chest.", "Normal chest.") == 1.0


def test_weights_of_both_sections_from_a_file(tmp_path):
    path = tmp_path / "weights.csv"
    path.write_text(
        "section,cluster,weight\nfindings,Heart enlarged.,5\nimpression,cardiomegaly,0\n"
    )
    reward = PaperClusterReward(index(), impression_index(), weights=path)
    assert reward.__name__ == "weighted_paper_cluster_reward"
    both = "Lungs clear. Heart enlarged."
    assert pay(reward, "Lungs clear.", both) == pytest.approx(2 * 1 / (1 + 6))
    assert pay(reward, "Heart enlarged.", both) == pytest.approx(2 * 5 / (5 + 6))
    # All that is wanted counts nothing: as published 0, not 1.
    assert pay(reward, both, both, "Cardiomegaly.", "Cardiomegaly.") == 1.0
    heart = dict(zip(*index().sentences.select(["sentence", "cluster_id"]).columns, strict=True))
    by_id = next(c.as_py() for s, c in heart.items() if s.as_py() == "heart enlarged")
    path.write_text(f"weight,section,cluster\n5,findings,{by_id}\n")
    by_number = PaperClusterReward(index(), weights=path)
    by_mapping = PaperClusterReward(index(), weights={"findings": {by_id: 5.0}})
    assert by_number.weights == by_mapping.weights == {"findings": {by_id: 5.0}, "impression": {}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("section,cluster\n", r"w\.csv: expected the columns section, cluster, weight, found sec"),
        ("", "columns.*found none"),
        ("section,cluster,weight\nfindings,0,1\nlungs,1,1\n", "line 3: expected a section.*lungs"),
        ("section,cluster,weight\nfindings,99,1\n", "line 2: expected a cluster.*'99'"),
        ("section,cluster,weight\nfindings,Parrots whistle.,1\n", "line 2.*'Parrots whistle.'"),
        ("section,cluster,weight\nfindings,0,-1\n", "line 2: expected a weight.*-1"),
        ("section,cluster,weight\nfindings,0,much\n", "line 2: expected a weight.*much"),
        ("section,cluster,weight\nfindings,0,inf\n", "line 2: expected a weight.*inf"),
        ("section,cluster,weight\nfindings,0\n", "line 2: expected a value"),
        ("section,cluster,weight\nfindings,0,1\nfindings,0,2\n", "line 3.*cluster 0 again"),
    ],
)
def test_bad_weights_name_file_and_row(tmp_path, text, message):
    path = tmp_path / "w.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        PaperClusterReward(index(), weights=path)


@pytest.mark.parametrize(
    "weights", [{"lungs": {}}, {"findings": {99: 1.0}}, {"findings": {0: math.nan}}]
)
def test_bad_mappings(weights):
    with pytest.raises(ValueError, match="expected"):
        PaperClusterReward(index(), weights=weights)


def test_an_index_of_another_preset_is_refused():
    with pytest.raises(ValueError, match=r'preset="paper", found .safe.*FindingsIndex\.build'):
        PaperClusterReward(build_index())
    with pytest.raises(ValueError, match="expected impression_index"):
        PaperClusterReward(index(), build_index())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (report("", "No acute disease."), 1.0),
        ("<answer>No acute disease.</answer>", 1.0),
        ("No acute disease.", 1.0),  # without tags the whole of it is the answer
        (report("", "no acute disease."), 0.0),
        (report("", "No acute disease"), 0.0),
        (report("No acute disease.", "Normal."), 0.0),
    ],
)
def test_exact_answer_is_letter_for_letter(text, expected):
    assert PaperExactAnswerReward()([text], impression=["No acute disease."]) == [expected]


def test_exact_sentences():
    reward = PaperSentenceReward()
    assert pay(reward, "LUNGS CLEAR. 2. New.", "Lungs clear") == pytest.approx(2 / 3)
    assert published_sentences("1. Nodule of 1.5 cm. 2. Clear") == ["nodule of 1", "5 cm", "clear"]


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [  # what NLTK 3.9's sentence_bleu with method1 gives
        ("Clear lungs.", "Clear lungs.", 0.316227766016838),
        (
            "The heart is normal in size. The lungs are clear.",
            "The heart is normal. The lungs are clear.",
            0.37991784282579627,
        ),
        ("No acute disease", "No acute disease.", 0.24028114141347542),
        ("normal", "Cardiomegaly", 0.0),
        ("clear lungs.", "Clear lungs", 0.0),  # capitals and stops are of the word
        ("", "Clear lungs.", 0.0),
    ],
)
def test_bleu_is_that_of_nltk(text, reference, expected):
    assert published_bleu(text.split(), reference.split()) == pytest.approx(expected, abs=1e-12)
    assert pay(PaperBleuReward(), text, reference) == pytest.approx(expected, abs=1e-12)


REWARDS = {
    "cluster": lambda: PaperClusterReward(index(), impression_index()),
    "sentence": PaperSentenceReward,
    "bleu": PaperBleuReward,
}
sentences = st.lists(
    st.sampled_from(["Lungs clear", "No effusion", "Heart enlarged", "Parrots", "2", "X"])
)
texts = sentences.map(lambda some: "".join(f"{one}. " for one in some)) | st.just("XXXX.")


@settings(max_examples=60, deadline=None)
@given(texts, texts, texts)
@pytest.mark.parametrize("name", REWARDS)
def test_range_and_unknown_sections(name, findings, impression, reference):
    reward = REWARDS[name]()
    (base,) = reward([report(findings, impression)], findings=[reference], impression=["N/A"])
    (other,) = reward([report(findings)], findings=[reference], impression=[None])
    assert base == other
    assert (base is None) == (known_text(reference) is None)
    assert base is None or 0.0 <= base <= 2.0


def test_they_pickle_to_their_settings():
    reward = PaperClusterReward(index(), weights={"findings": {0: 3.0}})
    other = pickle.loads(pickle.dumps(reward))
    assert (other.__name__, other.weights) == (reward.__name__, reward.weights)
    assert pay(other, "Lungs clear.", CORPUS[0]) == pay(reward, "Lungs clear.", CORPUS[0])


def make_trainer(folder, an_index, **args):
    model, tokenizer = make_model()
    settings = {"num_generations": 4, "max_steps": 1, "reward_preset": "paper", **SETTINGS, **args}
    return SemEnrichGRPOTrainer(
        model,
        args=SemEnrichGRPOConfig(str(folder), **settings),
        index=an_index,
        impression_index=impression_index(),
        train_dataset=make_dataset(4),
        processing_class=tokenizer,
    )


def test_the_published_set_in_grpo(tmp_path):
    names = ["format", "cluster", "exact_answer", "bleu"]
    trainer = make_trainer(tmp_path, index(), rewards=names)
    assert trainer.reward_funcs[1].impression_index is impression_index()
    trainer.train()
    trainer.create_model_card()
    card = (tmp_path / "README.md").read_text()
    published = [name for name, _ in trainer.card_rewards()]
    assert published == [
        "format_reward",
        "paper_cluster_reward",
        "paper_exact_answer_reward",
        "paper_bleu_reward",
    ]
    assert all(name in card for name in published)
    assert any("rewards/paper_bleu_reward/mean" in entry for entry in trainer.state.log_history)


def test_what_the_published_set_does_not_hold(tmp_path):
    with pytest.raises(ValueError, match="reward_preset='paper', found 'chamfer'"):
        make_trainer(tmp_path, index(), rewards=["chamfer"])
    with pytest.raises(ValueError, match="expected index to be built with"):
        make_trainer(tmp_path, build_index(), rewards=["cluster"])
    with pytest.raises(ValueError, match="reward_preset of safe, paper, found 'published'"):
        make_trainer(tmp_path, index(), reward_preset="published")
