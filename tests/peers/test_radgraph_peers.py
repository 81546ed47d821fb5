"""RadGraph F1 against radgraph 0.1.18, on the same random weights.

Runs in its own environment: `make test-peers`.
"""

import csv
import random
from pathlib import Path
from types import SimpleNamespace

import evaluate
import pytest

pytest.importorskip("radgraph", reason="the peers live in another environment: make test-peers")

from radgraph_peers import annotate, load_radgraph, rewards, score
from tiny_radgraph import (
    ENTITY_LABELS,
    LONG_REPORT,
    RECORDED_TEXTS,
    RELATION_LABELS,
    thin_out,
    write_archive,
)

from metrics.radgraph_f1.radgraph_archive import load_annotator
from metrics.radgraph_f1.radgraph_score import rewards as our_rewards

ROOT = Path(__file__).parents[2]
IU_REPORTS = ROOT.parent / "shared/iu_xray/reports.csv"
# Model type and segment length: some fold every report, some only the longest.
MODELS = [("radgraph", 512), ("radgraph-xl", 512), ("radgraph-xl", 24), ("modern-radgraph-xl", 512)]


@pytest.fixture(scope="module", params=MODELS, ids=lambda model: f"{model[0]}-{model[1]}")
def model(request, tmp_path_factory):
    model_type, max_length = request.param
    folder = tmp_path_factory.mktemp("radgraph") / model_type
    archive = str(write_archive(folder, model_type, max_length=max_length))
    ours = load_annotator(model_type, archive, "cpu")
    return SimpleNamespace(type=model_type, archive=archive, ours=ours, peer=load_radgraph(folder))


@pytest.fixture(scope="module")
def iu_reports():
    if not IU_REPORTS.exists():
        pytest.skip("needs ../shared/iu_xray/reports.csv")
    with IU_REPORTS.open(encoding="utf-8", newline="") as file:
        reports = [row["findings"] for row in csv.DictReader(file)]
    return [report for report in reports if report.split()][:1000]


@pytest.fixture(scope="module")
def iu_annotations(model, iu_reports):
    return annotate(model.peer, iu_reports)


def test_annotations_of_iu_reports_are_radgraphs(model, iu_reports, iu_annotations):
    assert model.ours.annotate(iu_reports) == iu_annotations
    entities = [entity for graph in iu_annotations for entity in graph["entities"].values()]
    relations = [relation for entity in entities for relation in entity["relations"]]
    assert {entity["label"] for entity in entities} == set(ENTITY_LABELS[1:])
    assert {label for label, _ in relations} == set(RELATION_LABELS)
    assert len(entities) > 5000, "the random model says too little"
    assert len(relations) > 1000, "the random model says too little"


def test_annotations_of_long_and_edge_texts_are_radgraphs(model, iu_reports):
    joined = [" ".join(iu_reports[row : row + 12]) for row in range(0, 120, 12)]
    texts = [*RECORDED_TEXTS, *joined]
    tokenizer = model.ours.tokenizer
    assert sum(len(tokenizer(text)["input_ids"]) > 512 for text in texts) > 5
    assert len(tokenizer(LONG_REPORT)["input_ids"]) > 512
    assert model.ours.annotate(texts) == annotate(model.peer, texts)


def test_rewards_are_radgraphs(model, iu_reports, iu_annotations):
    """Each report against the next, and with an eighth of its entities gone."""
    thinned = [thin_out(annotation) for annotation in iu_annotations]
    pairs = list(zip(iu_annotations, iu_annotations[1:] + iu_annotations[:1], strict=True))
    pairs += zip(thinned, iu_annotations, strict=True)
    theirs = rewards(pairs)
    assert [tuple(our_rewards(*pair)) for pair in pairs] == theirs
    assert len(set(theirs)) > 200


def test_module_gives_radgraphs_figures(model, iu_reports):
    predictions, references = iu_reports[:40], iu_reports[20:60]
    predictions[3] = references[7] = ""
    metric = evaluate.load(
        str(ROOT / "metrics/radgraph_f1"),
        model_type=model.type,
        archive=model.archive,
        device="cpu",
        per_report=True,
    )
    results = metric.compute(predictions=predictions, references=references)
    means, rows = score(model.peer, predictions, references)
    assert [results[f"radgraph_{name}"] for name in ("simple", "partial", "complete")] == [*means]
    found = [(r["simple"], r["partial"], r["complete"]) for r in results["radgraph_per_report"]]
    assert found == rows


WORDS = ["Lungs", "lungs", "LUNGS", "clear", "left base", "Left base"]


def random_annotation(generator):
    """Repeated words in different case, relations to anything, to oneself and twice."""
    keys = [str(key + 1) for key in range(generator.randrange(6))]

    def entity():
        relations = [
            [generator.choice(RELATION_LABELS), generator.choice(keys)]
            for _ in range(generator.choice([0, 0, 1, 2, 3]))
        ]
        label = generator.choice(ENTITY_LABELS[1:])
        return {"tokens": generator.choice(WORDS), "label": label, "relations": relations}

    return {"entities": {key: entity() for key in keys}}


def test_rewards_of_made_up_annotations_are_radgraphs():
    generator = random.Random(0)
    pairs = [(random_annotation(generator), random_annotation(generator)) for _ in range(20_000)]
    assert [tuple(our_rewards(*pair)) for pair in pairs] == rewards(pairs)
