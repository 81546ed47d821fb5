import io
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import evaluate
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_chexbert import EDGE_REPORTS, SAMPLE_REPORTS, write_encoder
from tiny_radgraph import (
    ENTITY_LABELS,
    LONG_REPORT,
    RECORDED_MODELS,
    RECORDED_TEXTS,
    RELATION_LABELS,
    thin_out,
    write_archive,
    write_tiny,
)

from metrics.radgraph_f1.radgraph_archive import load_annotator
from metrics.radgraph_f1.radgraph_infer import split_words
from metrics.radgraph_f1.radgraph_score import rewards

ROOT = Path(__file__).parents[2]
MODULE = str(ROOT / "metrics/radgraph_f1")
RECORDED = Path(__file__).parents[1] / "data/radgraph_recorded.json"
LEVELS = ("simple", "partial", "complete")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("radgraph"))


@pytest.fixture(scope="module")
def recorded():
    return json.loads(RECORDED.read_text())


def load(**options):
    # In memory: an error leaves a cache file locked, and the next test waiting for it.
    return evaluate.load(MODULE, keep_in_memory=True, **options)


def annotation(*entities):
    """Of words, label and relations, numbered from 1."""
    rows = [dict(zip(("tokens", "label", "relations"), entity, strict=True)) for entity in entities]
    return {"entities": {str(row + 1): entity for row, entity in enumerate(rows)}}


def by_word(reports):
    """Every word is an entity."""
    return [annotation(*((word, "Anatomy", []) for word in report.split())) for report in reports]


# What radgraph 0.1.18 said of the same texts, by the same weights


@pytest.mark.parametrize("model_type", RECORDED_MODELS)
def test_annotations_are_those_recorded_from_radgraph(model_type, recorded, tmp_path):
    archive = write_archive(
        tmp_path / model_type, model_type, max_length=RECORDED_MODELS[model_type]
    )
    found = load_annotator(model_type, str(archive), "cpu").annotate(RECORDED_TEXTS)
    theirs = recorded[model_type]
    assert found == theirs["annotations"]
    scores = [list(rewards(thin_out(annotation), annotation)) for annotation in found]
    assert scores == theirs["rewards"]


def test_the_recording_holds_something(recorded):
    for theirs in recorded.values():
        entities = [e for graph in theirs["annotations"] for e in graph["entities"].values()]
        assert {entity["label"] for entity in entities} == set(ENTITY_LABELS[1:])
        assert {r[0] for e in entities for r in e["relations"]} == set(RELATION_LABELS)
        assert any(0 < complete != simple < 1 for simple, _, complete in theirs["rewards"])


def test_annotations_do_not_depend_on_batch_or_order(tiny):
    annotator = load_annotator("radgraph-xl", **tiny)
    texts = [*SAMPLE_REPORTS, LONG_REPORT, ""]
    one_by_one = annotator.annotate(texts, batch_tokens=1)
    assert annotator.annotate(texts, batch_tokens=200) == one_by_one
    assert annotator.annotate(texts[::-1]) == one_by_one[::-1]


# Words


def test_words_of_radgraph():
    report = "Lungs clear.No edema (mild), 1.5 cm w/o change? \n"
    expected = "Lungs clear . No edema ( mild ) , 1 . 5 cm w / o change ?"
    assert " ".join(split_words(report, "radgraph")) == expected


def test_words_of_the_later_models():
    report = 'Lungs clear.No 50%. (mild), follow-up \\n 5%, "no" edema).'
    expected = 'Lungs clear . No 50 % . ( mild ), follow - up 5 % , " no " edema ) .'
    for model_type in ("radgraph-xl", "modern-radgraph-xl", "echograph"):
        assert " ".join(split_words(report, model_type)) == expected


# What counts


def test_rewards_by_hand():
    lungs = ("lungs", "Anatomy", [])
    located = ("clear", "Observation", [["located_at", "1"]])
    alone = ("clear", "Observation", [])
    related, unrelated = annotation(lungs, located), annotation(lungs, alone)
    assert rewards(related, related) == (1, 1, 1)
    assert rewards(unrelated, related) == (1, 0.5, 0.5)
    # Two relations are two statements; the entity is one.
    twice = annotation(lungs, ("clear", "Observation", [["located_at", "1"], ["modify", "1"]]))
    assert rewards(related, twice) == (1, 1, pytest.approx(2 * (1 * 2 / 3) / (5 / 3)))
    # A relation to oneself; and what is said twice counts once.
    itself = ("clear", "Observation", [["modify", "1"]])
    assert rewards(annotation(itself), annotation(itself, itself)) == (1, 1, 1)
    assert rewards(annotation(), related) == rewards(annotation(), annotation()) == (0, 0, 0)


def test_case_counts_as_told_and_is_echoed():
    upper, lower = annotation(("Lungs", "Anatomy", [])), annotation(("lungs", "Anatomy", []))
    assert rewards(upper, lower) == (0, 0, 0)
    assert rewards(upper, lower, ignore_case=True) == (1, 1, 1)
    upper, lower = (annotation((w, "Anatomy", [["modify", "1"]])) for w in ("Lungs", "lungs"))
    assert rewards(upper, lower) == (0, 0, 1)
    reports = {"predictions": ["Lungs"], "references": ["lungs"]}
    for ignore_case in (False, True):
        results = load(annotator=by_word, ignore_case=ignore_case).compute(**reports)
        assert results["radgraph_ignore_case"] is ignore_case
        assert [results[f"radgraph_{level}"] for level in LEVELS] == [float(ignore_case)] * 3


TOKENS = st.sampled_from(["lungs", "Lungs", "clear", "left base"])
ENTITIES = st.lists(
    st.tuples(TOKENS, st.sampled_from(["Anatomy", "Observation"]), st.booleans()), max_size=5
)
ANNOTATIONS = ENTITIES.map(
    lambda rows: annotation(*((w, label, [["modify", "1"]] * has) for w, label, has in rows))
)


@given(ANNOTATIONS, ANNOTATIONS, st.booleans())
def test_rewards_keep_their_bounds(prediction, reference, ignore_case):
    found = rewards(prediction, reference, ignore_case)
    assert all(0 <= value <= 1 for value in found)
    assert rewards(reference, prediction, ignore_case) == pytest.approx(found)
    same = rewards(reference, reference, ignore_case)
    assert same == ((1, 1, 1) if reference["entities"] else (0, 0, 0))
    assert found.simple <= rewards(prediction, reference, True).simple + 1e-12 or not ignore_case


def test_figures_are_means_over_reports():
    reports = {"predictions": ["a b", "", "c"], "references": ["a", "a", "c"]}
    results = load(annotator=by_word, per_report=True).compute(**reports)
    assert results["radgraph_simple"] == pytest.approx((2 / 3 + 0 + 1) / 3)
    rows = results["radgraph_per_report"]
    assert [row["simple"] for row in rows] == pytest.approx([2 / 3, 0, 1])
    assert [row["prediction"] for row in rows] == by_word(reports["predictions"])
    assert [row["reference"] for row in rows] == by_word(reports["references"])
    assert results["radgraph_model_type"] == "radgraph-xl"


def test_each_distinct_report_is_read_once():
    seen = []

    def annotator(reports):
        seen.extend(reports)
        return by_word(reports)

    load(annotator=annotator).compute(predictions=["a", "b", "a"], references=["b", "a", "c"])
    assert seen == ["a", "b", "c"]


def test_the_model_is_loaded_once_a_process(tiny):
    first, second = load(**tiny), load(ignore_case=True, **tiny)
    assert first._load() is second._load()


def test_scoring_needs_python_alone(tmp_path):
    shutil.copy(ROOT / "metrics/radgraph_f1/radgraph_score.py", tmp_path)
    code = "import sys, radgraph_score; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


# Bad input


def test_a_missing_report_is_named():
    with pytest.raises(ValueError, match="None in 1 of the references, first in row 1"):
        load(annotator=by_word).compute(predictions=["a", "b"], references=["a", None])


def test_empty_and_endless_reports_have_values(tiny):
    endless = "The lungs are clear. " * 500
    texts = [*(text for text in EDGE_REPORTS if not text.split()), "None", endless]
    results = load(per_report=True, **tiny).compute(predictions=texts, references=texts)
    rows = results["radgraph_per_report"]
    assert [row["simple"] for row in rows[:3]] == [0, 0, 0]
    assert rows[-1]["complete"] == 1
    assert len(rows[-1]["prediction"]["text"].split()) == 2500


def test_an_unknown_model_type():
    with pytest.raises(ValueError, match=r"one of radgraph, radgraph-xl, .* found 'radgraph-2'"):
        load(model_type="radgraph-2")


def test_an_annotator_that_leaves_reports_out():
    with pytest.raises(ValueError, match="must return 2 annotations, one of each report, found 1"):
        load(annotator=lambda reports: by_word(reports[:1])).compute(
            predictions=["a"], references=["b"]
        )


@pytest.mark.parametrize(
    "broken",
    [None, {}, {"entities": {"1": {"tokens": "a"}}}, annotation(("a", "b", [["modify", "7"]]))],
)
def test_annotations_of_another_form(broken):
    with pytest.raises(ValueError, match="expected an annotation in RadGraph's form"):
        rewards(broken, annotation())


class Payload:
    def __reduce__(self):
        return (Path.touch, (Path("executed"),))


def wrong_archives(folder, tiny):
    unpacked = folder / "unpacked"
    with tarfile.open(tiny["archive"]) as archive:
        archive.extractall(unpacked, filter="data")

    def variant(name, change):
        path = folder / name
        shutil.copytree(unpacked, path)
        change(path)
        return path

    def other_encoder(path):
        config = json.loads((path / "config.json").read_text())
        large = write_encoder(folder / "large", hidden_size=64)
        config["dataset_reader"]["token_indexers"]["bert"]["model_name"] = str(large)
        (path / "config.json").write_text(json.dumps(config))

    def coreference(path):
        config = json.loads((path / "config.json").read_text())
        config["model"]["modules"]["coref"]["coref_prop"] = 1
        (path / "config.json").write_text(json.dumps(config))

    def more_labels(path):
        with (path / "vocabulary/radgraph-xl__ner_labels.txt").open("a") as file:
            file.write("Observation::measured\n")

    (folder / "page.tar.gz").write_text("<html>Not Found</html>")
    torn = Path(tiny["archive"]).read_bytes()
    (folder / "torn.tar.gz").write_bytes(torn[: len(torn) // 2])
    weights = "weights.th"
    return {
        folder / "absent.tar.gz": "found none of config.json",
        folder / "page.tar.gz": "expected a tar archive",
        folder / "torn.tar.gz": "expected a tar archive",
        variant("few", lambda path: (path / weights).unlink()): "found none of weights.th",
        variant("text", lambda path: (path / weights).write_text("no")): "UnpicklingError",
        variant("bare", lambda path: torch.save({}, path / weights)): "Missing key",
        variant("evil", lambda path: torch.save({"a": Payload()}, path / weights)): "Unpickling",
        variant("json", lambda path: (path / "config.json").write_text("{")): "JSONDecodeError",
        variant("keys", lambda path: (path / "config.json").write_text("{}")): "dataset_reader",
        variant("encoder", other_encoder): "size mismatch",
        variant("coref", coreference): "coref_prop",
        variant("labels", more_labels): r"entity scorer maps 84 values to 4, not \(84, 5\)",
    }


def test_wrong_archives(tmp_path, tiny, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path, message in wrong_archives(tmp_path, tiny).items():
        with pytest.raises(ValueError, match=message):
            load_annotator("radgraph-xl", str(path), "cpu")
    assert not Path("executed").exists()


def test_an_archive_of_another_type(tiny):
    with pytest.raises(ValueError, match=r"radgraph__ner_labels.txt.*model_type"):
        load_annotator("radgraph", **tiny)


def test_other_members_of_an_archive_are_left_alone(tmp_path, tiny):
    path = tmp_path / "inner" / "odd.tar.gz"
    path.parent.mkdir()
    with tarfile.open(tiny["archive"]) as source, tarfile.open(path, "w:gz") as archive:
        for member in source:
            archive.addfile(member, source.extractfile(member))
        outside = tarfile.TarInfo("../outside")
        outside.size = 2
        archive.addfile(outside, io.BytesIO(b"no"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    found = load_annotator("radgraph-xl", str(path), "cpu").annotate(SAMPLE_REPORTS)
    assert found == load_annotator("radgraph-xl", **tiny).annotate(SAMPLE_REPORTS)
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["inner", "odd.tar.gz"]


def test_published_archive_comes_from_the_hub_once(hub, tmp_path):
    """Everything at its default, over HTTP, from a Hub on this machine."""
    encoder = write_encoder(tmp_path / "encoder")
    archive = write_archive(tmp_path / "radgraph-xl", encoder=encoder, encoder_id="me/encoder")
    hub.run(f"""
        from huggingface_hub import HfApi

        api = HfApi()
        api.create_repo("me/RRG_scorers")
        api.upload_file(repo_id="me/RRG_scorers", path_in_repo="radgraph-xl.tar.gz",
                        path_or_fileobj={str(archive)!r})
        api.create_repo("me/encoder")
        api.upload_folder(repo_id="me/encoder", folder_path={str(encoder)!r})
    """)
    repos = hub.server.store.repos
    repos["models", "StanfordAIMI/RRG_scorers"] = repos.pop(("models", "me/RRG_scorers"))
    code = f"""
        import json
        from metrics.radgraph_f1.radgraph_archive import load_annotator

        print(json.dumps(load_annotator().annotate({SAMPLE_REPORTS!r})))
    """
    first, second = (json.loads(hub.run(code).splitlines()[-1]) for _ in range(2))
    local = write_archive(tmp_path / "local", encoder=encoder)
    expected = load_annotator("radgraph-xl", str(local), "cpu").annotate(SAMPLE_REPORTS)
    assert first == second == expected
    downloads = [line for line in hub.server.log if "GET" in line and "radgraph-xl.tar.gz" in line]
    assert len(downloads) == 1
