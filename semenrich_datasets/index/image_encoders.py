"""Frozen vision models as encoders of images: from a name, a folder, or an object."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from semenrich_datasets.index.embedding import encoder_name, is_sentence_transformer
from semenrich_datasets.index.model_files import check_model_files, check_weights
from semenrich_datasets.index.recorded_names import RecordedName, fetch_model
from semenrich_datasets.index.weights import weights_digest

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

# What an image processor does to a picture, whatever its class is called in this version.
_SETTINGS = (
    *("do_resize", "size", "resample", "crop_pct", "do_center_crop", "crop_size"),
    *("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std"),
    *("do_pad", "pad_size"),
)


@runtime_checkable
class ImageEncoder(Protocol):
    """Anything that turns RGB pictures into vectors.

    One that has a string attribute `name` is cached under it; others are not cached.
    """

    def encode(self, images: list[Image.Image], /) -> Any:
        """One finite vector per picture, in order: an array of shape (n, d)."""
        ...


def load_image_encoder(
    encoder: str | os.PathLike[str] | ImageEncoder | RecordedName,
) -> ImageEncoder:
    """Gives an image encoder from its name, its folder, or itself.

    Code of a model is never run, and pickled weights are not read. Models run in float32, on a
    GPU where there is one.

    Args:
        encoder (`str`, `os.PathLike`, [`ImageEncoder`] or [`RecordedName`]): the Hub id or folder
            of a vision model of `transformers` with its image processor (CLIP, SigLIP, DINO, ViT,
            ConvNeXt, ...) or of a SentenceTransformer that encodes images; what
            [`image_encoder_name`] gave for one;
            or any object with `encode`.

    Returns:
        [`ImageEncoder`]: ready to use. Those loaded here have the `name` "origin@digest": the
        digest of weights and image settings, so that a fine-tuned model never passes for its base.

    Raises:
        TypeError: if the object has no `encode`.
        OSError: if neither a folder nor the Hub gives a model with its image processor.
        ValueError: if the model gives no vector for an image, or its digest is not that of a name
            of [`image_encoder_name`].
    """
    if isinstance(encoder, RecordedName):
        repo, expected = encoder.parts()
        recorded = _load(fetch_model(repo), shown=repo)
        encoder.check(expected, recorded.name.rpartition("@")[2])
        return recorded
    if not isinstance(encoder, str | os.PathLike):
        return _from_object(encoder)
    name, digest = os.fspath(encoder), ""
    if not Path(name).exists():
        name, _, digest = name.partition("@")
    model = _load(name)
    found = model.name.rpartition("@")[2]
    if digest and digest != found:
        raise ValueError(
            f"expected weights and image settings {digest} of {name}, found {found}: pass the "
            "encoder that was used, as a folder or an object"
        )
    return model


def image_encoder_name(encoder: ImageEncoder) -> str:
    """Gives the identity of an image encoder: equal only where the vectors are.

    Args:
        encoder ([`ImageEncoder`]): as [`load_image_encoder`] gives it.

    Returns:
        `str`: its `name`, or `"anonymous ClassName"`, which [`load_image_encoder`] refuses.
    """
    return cache_name(encoder) or f"anonymous {type(encoder).__name__}"


def cache_name(encoder: ImageEncoder) -> str | None:
    """Gives the name under which an image encoder's vectors are kept, `None` without one."""
    name = getattr(encoder, "name", None)
    return name if isinstance(name, str) and name else None


class _VisionModel:
    """A frozen vision model of `transformers` and its image processor."""

    def __init__(self, origin: str, shown: str) -> None:
        from transformers import AutoImageProcessor, AutoModel

        self._processor = AutoImageProcessor.from_pretrained(origin, trust_remote_code=False)
        model, loading = AutoModel.from_pretrained(
            origin,
            trust_remote_code=False,
            use_safetensors=True,
            dtype="float32",
            output_loading_info=True,
        )
        # What the files lack was drawn at random: a pooler, often, of a model that classifies.
        random = set(loading["missing_keys"])
        self._projects = hasattr(model, "get_image_features")
        self._pools = not any("pooler" in key for key in random)
        if not self._projects and model.main_input_name != "pixel_values":
            raise ValueError(f"expected a vision model, found {type(model).__name__}")
        if lacking := {key for key in random if "pooler" not in key and "mask_token" not in key}:
            raise ValueError(f"the files lack {len(lacking)} weights, such as {min(lacking)}")
        self._network = model.eval().to(_device())
        self.name = f"{shown}@{_digest(model, self._processor, random)}"

    def encode(self, images: list[Image.Image], /) -> Any:
        import torch

        inputs = self._processor(images, return_tensors="pt").to(self._network.device)
        with torch.inference_mode():
            return self._features(inputs["pixel_values"]).float().cpu().numpy()

    def _features(self, pixels: torch.Tensor) -> Any:
        import torch

        if self._projects:
            output = self._network.get_image_features(pixel_values=pixels)
            # transformers 5 returns a model output whose pooler_output is what 4 returned itself.
            return output if isinstance(output, torch.Tensor) else output.pooler_output
        output = self._network(pixel_values=pixels)
        pooled = getattr(output, "pooler_output", None) if self._pools else None
        if pooled is None:
            hidden = output.last_hidden_state  # (n, tokens, d), or (n, d, h, w)
            pooled = hidden.mean(dim=1) if hidden.ndim == 3 else hidden.mean(dim=(2, 3))
        return pooled.flatten(start_dim=1)


class _SentenceTransformerImages:
    """A SentenceTransformer, asked for images."""

    def __init__(self, model: SentenceTransformer, shown: str) -> None:
        self._model = model
        processor = getattr(model[0], "processor", None)
        processor = getattr(processor, "image_processor", processor)
        self.name = f"{shown}@{_digest(model, processor)}"

    def encode(self, images: list[Image.Image], /) -> Any:
        # Its types know of sentences alone in version 5.
        items: Any = images
        return self._model.encode(items, batch_size=len(images), show_progress_bar=False)


_Loaded = _VisionModel | _SentenceTransformerImages


def _from_object(encoder: ImageEncoder) -> ImageEncoder:
    if is_sentence_transformer(encoder):
        origin = encoder_name(encoder).partition("@")[0]
        images = _SentenceTransformerImages(encoder, _shown(origin))
        _check(images, images.name)
        return images
    if not isinstance(encoder, ImageEncoder):
        raise TypeError(
            "expected a model's Hub id, a folder or an object with `encode`, found "
            f"{type(encoder).__name__}: save a model of transformers and its image processor to "
            "one folder with save_pretrained, and pass the folder"
        )
    return encoder


def _load(origin: str, shown: str = "") -> _Loaded:
    """Loads a folder or a Hub id; its name begins with `shown`, or tells where it came from."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.util import is_sentence_transformer_model

    shown = shown or _shown(origin)
    try:
        model: _Loaded
        if is_sentence_transformer_model(origin):
            check_model_files(origin)
            loaded = SentenceTransformer(
                origin, trust_remote_code=False, model_kwargs={"use_safetensors": True}
            )
            model = _SentenceTransformerImages(loaded, shown)
        else:
            check_weights(origin)
            model = _VisionModel(origin, shown)
    except (OSError, ValueError) as error:
        raise OSError(
            "expected the folder or Hub id of a vision model with its image processor, found "
            f"{origin!r}, which does not load. A model that transformers does not know goes in as "
            f"an object whose `encode` turns PIL images into an array. ({error})"
        ) from error
    _check(model, origin)
    return model


def _check(encoder: ImageEncoder, origin: str) -> None:
    """Raises `ValueError` unless the encoder makes a vector of a blank picture."""
    try:
        shape = np.shape(encoder.encode([blank_image()]))
    except Exception as error:
        raise ValueError(
            f"expected a model that encodes images, found {origin}: {error}. Pass a vision model, "
            "or an object whose `encode` turns PIL images into an array"
        ) from error
    if len(shape) != 2 or shape[0] != 1:
        raise ValueError(f"expected shape (1, d) for one image from {origin}, found {shape}")


def blank_image() -> Image.Image:
    """Gives a grey picture, to ask a model for its dimension."""
    return Image.new("RGB", (64, 64), (128, 128, 128))


def _shown(origin: str) -> str:
    return Path(origin).resolve().name if Path(origin).exists() else origin


def _digest(model: torch.nn.Module, processor: Any, random: Collection[str] = ()) -> str:
    """Gives the digest of weights, running means among them, and of what is done to pictures."""
    weights = (
        weight
        for key, weight in model.state_dict().items()
        if key not in random and weight.is_floating_point()
    )
    return weights_digest(weights, _settings(processor))


def _settings(processor: Any) -> bytes:
    # Off, absent and None are one, in lists of sizes too.
    given = processor.to_dict() if hasattr(processor, "to_dict") else {}
    values = {key: _plain(given.get(key)) for key in _SETTINGS}
    used = {key: value for key, value in values.items() if value is not None and value is not False}
    return json.dumps(used, sort_keys=True).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: size for key, size in value.items() if size is not None}
    return list(value) if isinstance(value, tuple) else value


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
