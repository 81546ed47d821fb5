"""Images of studies to vectors: each distinct image embedded once, and kept on disk."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from semenrich_datasets.index.image_encoders import (
    ImageEncoder,
    blank_image,
    cache_name,
    image_encoder_name,
    load_image_encoder,
)
from semenrich_datasets.index.image_pixels import content_key, is_missing, to_rgb
from semenrich_datasets.index.vector_cache import Vectors, assemble, open_cache

__all__ = ["ImageEncoder", "embed_images", "image_encoder_name", "load_image_encoder"]

# Images between two writes to the cache: what a killed run loses at most.
_SHARD = 512

_MISSING = "missing"
# Row of an image -> what is wrong with it.
_Faults = dict[int, str]


def embed_images(
    images: Sequence[Any],
    encoder: str | os.PathLike[str] | ImageEncoder,
    *,
    batch_size: int = 32,
    cache_dir: str | os.PathLike[str] | None = None,
    show_progress: bool = True,
) -> Vectors:
    """Gives the vector of each image, as features for a model that reads them.

    Each distinct image is embedded once and kept in `cache_dir`, found again by its content: a
    killed run resumes, and a grown dataset costs only its new images. Of the pictures no more than
    a batch is in memory. Each is read twice: a column with `Image(decode=False)` is quickest.

    Vectors are as the model gives them, not of length 1. What else is embedded with an image
    changes no more than the last bits of its vector.

    Args:
        images (`Sequence[Any]`): one a study, repeats allowed: PIL images, arrays, paths, or
            `{"bytes": ..., "path": ...}`; `None` where a study has none. A lazy sequence, such as a
            column of a dataset, is read row by row.
        encoder (`str`, `os.PathLike` or [`ImageEncoder`]): see [`load_image_encoder`].
        batch_size (`int`, *optional*, defaults to `32`): images encoded together.
        cache_dir (`str` or `os.PathLike`, *optional*): defaults to semenrich/image-embeddings in
            the Hugging Face cache (`HF_HOME`). It holds digests of the images, not their pixels.
        show_progress (`bool`, *optional*, defaults to `True`): whether to draw a progress bar.

    Returns:
        `np.ndarray`: shape (len(images), d), float32. The row of an image that is missing or
        cannot be decoded is NaN; one warning counts them.

    Raises:
        ValueError: if there is no row, or the encoder gives a wrong shape or values that are not
            finite.
    """
    if len(images) == 0:
        raise ValueError("expected at least one image, found none")
    if batch_size < 1:
        raise ValueError(f"expected batch_size of at least 1, found {batch_size}")
    encoder = load_image_encoder(encoder)
    keys, faults = _content_keys(images)
    # The first row of each content stands for all that have it.
    first: dict[bytes, int] = {}
    for row, key in keys.items():
        first.setdefault(key, row)
    cache = open_cache(cache_name(encoder), cache_dir, "image-embeddings")
    contents = list(first)
    parts = list(cache.read(contents)) if cache else []
    missing = sorted(set(range(len(contents))).difference(*(places for places, _ in parts)))
    with tqdm(
        desc="Embedding",
        total=len(contents),
        initial=len(contents) - len(missing),
        unit=" images",
        disable=not show_progress,
    ) as progress:
        work = _Work(images, list(first.values()), faults, batch_size, progress.update)
        for places, vectors in _embed(encoder, work, missing):
            parts.append((places, vectors))
            if cache:
                cache.keep([contents[place] for place in places], vectors)
    faults |= {row: faults[first[key]] for row, key in keys.items() if first[key] in faults}
    if faults:
        _warn(faults, len(images))
    # A row more than there are contents, which no part names: that of an image without one.
    whole = assemble(parts or [_no_vectors(encoder)], len(contents) + 1)
    place = {key: place for place, key in enumerate(contents)}
    return whole[[place[keys[row]] if row in keys else -1 for row in range(len(images))]]


@dataclass(frozen=True)
class _Work:
    """The images to embed, by place.

    Args:
        images (`Sequence[Any]`): all rows.
        rows (`list[int]`): the row of the image at each place.
        faults (`dict[int, str]`): gets the rows that cannot be decoded.
        batch_size (`int`): images encoded together.
        advance (`Callable`): told how many were done.
    """

    images: Sequence[Any]
    rows: list[int]
    faults: _Faults
    batch_size: int
    advance: Callable[[int], object]


def _content_keys(images: Sequence[Any]) -> tuple[dict[int, bytes], _Faults]:
    """Gives, by row, the digest of the image's content, or what stands in the way of one."""
    keys: dict[int, bytes] = {}
    faults: _Faults = {}
    for row in range(len(images)):
        # A sequence that decodes may fail here too.
        try:
            image = images[row]
            if is_missing(image):
                faults[row] = _MISSING
            else:
                keys[row] = content_key(image)
        except Exception as error:
            faults[row] = _said(error)
    return keys, faults


def _embed(
    encoder: ImageEncoder, work: _Work, missing: list[int]
) -> Iterator[tuple[list[int], Vectors]]:
    """Yields places and their vectors, shard after shard; leaves out what cannot be decoded."""
    per_shard = max(_SHARD // work.batch_size, 1) * work.batch_size
    for start in range(0, len(missing), per_shard):
        done: list[int] = []
        vectors: list[Vectors] = []
        shard = missing[start : start + per_shard]
        for offset in range(0, len(shard), work.batch_size):
            batch = shard[offset : offset + work.batch_size]
            places, pictures = _decode(work, batch)
            if pictures:
                vectors.append(_checked(encoder.encode(pictures), len(pictures)))
                done += places
            work.advance(len(batch))
        if done:
            yield done, np.concatenate(vectors)


def _decode(work: _Work, batch: list[int]) -> tuple[list[int], list[Image.Image]]:
    """Gives the places that can be decoded and their pictures."""
    places: list[int] = []
    pictures: list[Image.Image] = []
    for place in batch:
        row = work.rows[place]
        # Pillow and its plugins raise errors of all kinds: one image never ends a long run.
        try:
            pictures.append(to_rgb(work.images[row]))
            places.append(place)
        except Exception as error:
            work.faults[row] = _said(error)
    return places, pictures


def _checked(raw: Any, expected: int) -> Vectors:
    vectors = np.asarray(raw, dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != expected:
        raise ValueError(
            f"expected an array of shape ({expected}, d) from the encoder, found {vectors.shape}"
        )
    if bad := int((~np.isfinite(vectors).all(axis=1)).sum()):
        raise ValueError(
            f"expected finite vectors from the encoder, found {bad} of {expected} that are not"
        )
    return vectors


def _no_vectors(encoder: ImageEncoder) -> tuple[list[int], Vectors]:
    """Gives a part without rows, of the encoder's dimension."""
    return [], _checked(encoder.encode([blank_image()]), 1)[:0]


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _warn(faults: _Faults, n: int) -> None:
    broken = sorted(row for row, fault in faults.items() if fault != _MISSING)
    counts = f"{len(faults) - len(broken)} missing, {len(broken)} that cannot be decoded"
    first = f" (the first, row {broken[0]}: {faults[broken[0]]})" if broken else ""
    warnings.warn(
        f"the vectors of {len(faults)} of {n} images are NaN: {counts}{first}",
        RuntimeWarning,
        stacklevel=3,
    )
