"""The image of a study in any form that datasets have: its pixels, and its digest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

_KEY_BYTES = 16


def to_rgb(image: Any) -> Image.Image:
    """Gives an RGB picture of 8 bits.

    Args:
        image (`Any`): a PIL image, a row of datasets' Image feature, decoded or not
            (`{"bytes": ..., "path": ...}`), the path of a file, or an array of shape (h, w),
            (h, w, 1 to 4) or (1 or 3, h, w). Values that are not 8 bits become grey levels by their
            own range; those from 0 to 1 are taken as they are.

    Returns:
        `PIL.Image.Image`: of mode RGB.

    Raises:
        Exception: whatever Pillow, its plugins or numpy find wrong with it.
    """
    import datasets

    if isinstance(image, str | os.PathLike):
        image = {"bytes": None, "path": os.fspath(image)}
    if isinstance(image, Mapping):  # undecoded
        image = datasets.Image().decode_example(dict(image))
    if isinstance(image, Image.Image) and not image.mode.startswith(("I", "F")):
        return image.convert("RGB")
    # Deep pixels (16 bit, float): PIL would clip them to white.
    values = np.asarray(image)
    if values.ndim == 3 and values.shape[0] in (1, 3) and values.shape[2] not in (1, 3, 4):
        values = values.transpose(1, 2, 0)  # channels first, as torch has them
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.dtype != np.uint8:
        values = values.astype(np.float32)
        low, high = (0.0, 1.0) if values.min() >= 0 and values.max() <= 1 else _span(values)
        values = ((values - low) / (high - low) * 255).round().astype(np.uint8)
    return Image.fromarray(values).convert("RGB")


def is_missing(image: Any) -> bool:
    """Says whether a study has no image: `None`, or a file without content and path."""
    return image is None or (
        isinstance(image, Mapping) and image.get("bytes") is None and not image.get("path")
    )


def content_key(image: Any) -> bytes:
    """Gives 16 bytes that are equal for equal images, whatever their file is called.

    An image file and its decoded pixels are two contents: no file is decoded for this.

    Args:
        image (`Any`): as for [`to_rgb`].

    Returns:
        `bytes`: the digest of the file's bytes, or of the pixels with their type and shape.

    Raises:
        OSError: if the file cannot be read.
        Exception: if it is not an image in any of these forms.
    """
    if isinstance(image, str | os.PathLike):
        image = {"path": os.fspath(image)}
    if isinstance(image, Mapping):
        return _digest("file", _file_bytes(image))
    if isinstance(image, Image.Image):
        palette = bytes(image.getpalette() or ()) if image.mode in ("P", "PA") else b""
        return _digest(f"{image.mode} {image.size}", palette, image.tobytes())
    values = np.asarray(image)
    if values.dtype.hasobject:
        raise TypeError(f"expected an image, found {type(image).__name__}")
    return _digest(f"{values.dtype.str} {values.shape}", np.ascontiguousarray(values).tobytes())


def _file_bytes(image: Mapping[str, Any]) -> bytes:
    content = image.get("bytes")
    if content is None:
        import fsspec

        # A path of datasets may lie in an archive: "zip://1.png::/data/images.zip".
        with fsspec.open(os.fspath(image["path"]), "rb") as file:
            content = file.read()
    return bytes(content)


def _digest(form: str, *contents: bytes) -> bytes:
    digest = hashlib.blake2b(f"{form}\0".encode(), digest_size=_KEY_BYTES)
    for content in contents:
        digest.update(content)
    return digest.digest()


def _span(values: npt.NDArray[np.float32]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return low, max(high, low + 1)
