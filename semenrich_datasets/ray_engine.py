"""Build and enrich on many machines: the steps of one process, under Ray Data's `map_batches`."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import disable_progress_bars
from tqdm.auto import tqdm

from semenrich_datasets.columns import find_columns, keyed_studies
from semenrich_datasets.enrich import SemEnricher
from semenrich_datasets.index import FindingsIndex
from semenrich_datasets.index.building import (
    Clustering,
    ClusteringName,
    fit_parts,
    settings_for,
    splitter_of,
)
from semenrich_datasets.index.config import Preset
from semenrich_datasets.index.counting import BlockCounts, count_block, merge_counts
from semenrich_datasets.index.embedding import (
    Encoder,
    embed_rows,
    is_sentence_transformer,
    shards,
)
from semenrich_datasets.index.vector_cache import Vectors
from semenrich_datasets.parquet_blocks import Corpus
from semenrich_datasets.reading import Lexicon, Reader
from semenrich_datasets.report_files import SETTINGS_NAME, write_parquet

try:
    import ray
    import ray.data
    from ray.exceptions import RayError
except ImportError as error:
    raise ImportError(
        f'many machines need Ray Data: pip install "semenrich[ray]" on each of them ({error})'
    ) from error

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds until a cluster that does not answer is given up.
_CONNECT_SECONDS = 10
_MENDABLE = (ValueError, OSError, ImportError)


def connect(address: str | None = None) -> None:
    """Joins a Ray cluster, unless this process is in one already.

    Args:
        address (`str`, *optional*): Of the head node, such as "10.0.0.1:6379", or "auto" for the
            cluster of this machine. By default the environment's `RAY_ADDRESS` or this machine's
            cluster, else one is started here for this run.

    Raises:
        `ValueError`: When the address is none.
        `ConnectionError`: When nothing answers there within ten seconds, or lets nobody in.
    """
    if ray.is_initialized():
        return
    if address is not None and address not in ("auto", "local"):
        _check_answer(address)
    # Ray reports its use to its makers by default; a cluster that we start does not.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    except ConnectionError as error:
        # Where ~/.ray/auth_token is `ray start` asks for it, and nobody who joins sends it unasked.
        msg = (
            f"{error}: where the cluster asks for a token, set RAY_AUTH_MODE=token, and the token "
            "of its head in ~/.ray/auth_token or as RAY_AUTH_TOKEN"
        )
        raise ConnectionError(msg) from error


def _check_answer(address: str) -> None:
    """Raises `ConnectionError` when no one listens: `ray.init` would wait for minutes."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()) or "//" in address:
        msg = f"expected the address of a Ray head node as host:port or auto, found {address!r}"
        raise ValueError(msg)
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        msg = f"no Ray cluster answers at {address} ({error}): start one with `ray start --head`"
        raise ConnectionError(msg) from error


def build_index(
    corpus: Corpus,
    text_column: str | None = None,
    *,
    context_columns: Sequence[str] | None = None,
    patient_column: str | None = None,
    embedder: Encoder | str | os.PathLike[str] | None = None,
    clustering: ClusteringName | Clustering = "hdbscan",
    lexicon: Reader | Lexicon | str | os.PathLike[str] | None = None,
    preset: Preset = "safe",
    seed: int = 0,
    show_progress: bool = True,
) -> FindingsIndex:
    """Fits an index on a corpus, as [`FindingsIndex.build`] does on one machine.

    Reports are counted and sentences embedded on the cluster, on its GPUs where it has any. This
    process merges the counts, clusters the distinct sentences and fits the rest.

    Args:
        corpus ([`Corpus`]): The reports.
        text_column (`str`, *optional*): This and all others as for [`FindingsIndex.build`].
        context_columns (`Sequence[str]`, *optional*): Columns of the same study.
        patient_column (`str`, *optional*): Column that names the patient.
        embedder (`Encoder`, `str` or `os.PathLike`, *optional*): It is sent to the workers.
        clustering (`str` or config, *optional*, defaults to `"hdbscan"`): How to cluster.
        lexicon ([`Reader`], [`Lexicon`], `str` or `os.PathLike`, *optional*): What words mean.
        preset (`"safe"` or `"paper"`, *optional*, defaults to `"safe"`): What is a unit.
        seed (`int`, *optional*, defaults to `0`): Of k-means.
        show_progress (`bool`, *optional*, defaults to `True`): Whether to show progress bars.

    Returns:
        [`FindingsIndex`]: With the digest of the one that a single machine builds.

    Raises:
        `ValueError`: As [`FindingsIndex.build`] does.
    """
    splitter = splitter_of(preset)
    columns = find_columns(
        corpus.column_names,
        text_column=text_column,
        context_columns=context_columns,
        patient_column=patient_column,
    )
    if show_progress:
        tqdm.write(str(columns))
    settings = settings_for(
        columns,
        text_column=text_column,
        embedder=embedder,
        clustering=clustering,
        lexicon=lexicon,
        preset=preset,
        seed=seed,
    )

    def count(batch: dict[str, Any]) -> dict[str, Any]:
        (number,) = batch["id"].tolist()
        studies = keyed_studies(corpus.read_studies(number, columns), columns)
        counted = count_block(studies, splitter, by_patient=settings.patient_column is not None)
        return {"number": [number], "counts": [counted]}

    counting = _numbers(len(corpus.blocks)).map_batches(count, batch_size=1, num_cpus=1)
    rows = _results(counting, len(corpus.blocks), "Sentences", show_progress=show_progress)
    blocks: list[BlockCounts] = [row["counts"] for row in rows]
    parts = fit_parts(
        merge_counts(blocks), settings, embed=_embed_on_cluster, show_progress=show_progress
    )
    return FindingsIndex.fitted(parts, settings)


class _Embedder:
    """An actor that holds a model."""

    def __init__(self, encoder: Encoder, batch_size: int) -> None:
        if is_sentence_transformer(encoder) and ray.get_gpu_ids():
            encoder.to("cuda")
        self.encoder = encoder
        self.batch_size = batch_size

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        (number,), (shard,) = batch["number"].tolist(), batch["texts"]
        texts = list(map(str, shard))
        done = embed_rows(
            self.encoder, texts, [*range(len(texts))], self.batch_size, lambda _: None
        )
        ((rows, vectors),) = done
        return {"number": [number], "rows": [rows], "vectors": [vectors]}


def _embed_on_cluster(
    encoder: Encoder,
    sentences: list[str],
    rows: list[int],
    batch_size: int,
    advance: Callable[[int], object],
) -> Iterator[tuple[list[int], Vectors]]:
    """Does what [`embed_rows`] does, a shard an actor at a time; on GPUs where there are any."""
    parts = shards(sentences, rows)
    if not parts:
        return
    items = [
        {"number": number, "texts": [sentences[row] for row in part]}
        for number, part in enumerate(parts)
    ]
    gpus = int(ray.cluster_resources().get("GPU", 0))
    embedding = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        _Embedder,
        batch_size=1,
        compute=_actors(gpus or _cpus(), len(items)),
        fn_constructor_args=(_on_cpu(encoder), batch_size),
        num_cpus=None if gpus else 1,
        num_gpus=1 if gpus else None,
    )
    # Its bar is that of the caller.
    for found in _stream(embedding):
        part = parts[found["number"]]
        advance(len(part))
        yield [part[row] for row in found["rows"]], found["vectors"]


def _on_cpu(encoder: Encoder) -> Encoder:
    """Gives an encoder that a machine without this one's GPU can unpickle."""
    return encoder.to("cpu") if is_sentence_transformer(encoder) else encoder


def enrich_reports(
    corpus: Corpus,
    target: str | os.PathLike[str],
    enricher: SemEnricher,
    settings: dict[str, Any] | None = None,
    *,
    show_progress: bool = True,
) -> tuple[int, int]:
    """Enriches a corpus into a folder of Parquet files, which is whole or not there.

    The rows are those of `Dataset.map(enricher)` in the same order, a file for each block; how they
    were made stands in the schema of each file and beside them.

    Args:
        corpus ([`Corpus`]): The reports.
        target (`str` or `os.PathLike`): The folder, on a path that all machines see.
        enricher ([`SemEnricher`]): Its index lies on such a path too, or on the Hub.
        settings (`dict[str, Any]`, *optional*): How; what `enricher.to_dict` gives by default.
        show_progress (`bool`, *optional*, defaults to `True`): Whether to show a progress bar.

    Returns:
        `tuple[int, int]`: Reports, and sentences added.

    Raises:
        `FileExistsError`: When there is something at `target`.
        `ValueError`: When a column is missing, or `target` is not the name of a local folder.
    """
    folder = check_folder(target)
    enricher.find_columns(corpus.column_names)
    settings = enricher.to_dict() if settings is None else settings
    unfinished = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.unfinished")
    unfinished.mkdir(parents=True)
    try:
        enriching = _numbers(len(corpus.blocks)).map_batches(
            _Enriching,
            batch_size=1,
            compute=_actors(_cpus(), len(corpus.blocks)),
            num_cpus=1,
            fn_constructor_args=(corpus, enricher, str(unfinished), settings),
        )
        rows = _results(enriching, len(corpus.blocks), "Enrich", show_progress=show_progress)
        # What a killed worker began and another one finished.
        for leftover in set(unfinished.iterdir()) - {unfinished / row["file"] for row in rows}:
            leftover.unlink()
        text = json.dumps(settings, indent=1) + "\n"
        (unfinished / SETTINGS_NAME).write_text(text, encoding="utf-8")
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return sum(row["reports"] for row in rows), sum(row["added"] for row in rows)


def check_folder(target: str | os.PathLike[str]) -> Path:
    """Gives the folder that enriched reports are written to, before any work is done for it."""
    name = os.fspath(target)
    if "://" in name or Path(name).suffix:
        msg = (
            f"expected a folder on a path that all machines see, found {name!r}: many machines "
            "write a folder of Parquet files, named without an ending"
        )
        raise ValueError(msg)
    folder = Path(name).resolve()
    if folder.exists():
        raise FileExistsError(f"{name} is there already: remove it, or name another output")
    return folder


class _Enriching:
    """An actor that holds an index."""

    def __init__(
        self, corpus: Corpus, enricher: SemEnricher, folder: str, settings: dict[str, Any]
    ) -> None:
        disable_progress_bars()
        self.corpus = corpus
        self.enricher = enricher
        self.folder = Path(folder)
        self.settings = settings

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        (number,) = batch["id"].tolist()
        enriched = self.corpus.read(number).map(
            self.enricher, batched=True, keep_in_memory=True, new_fingerprint=f"enriched-{number}"
        )
        # A task that is tried again writes the same file, in one step.
        name = f"part-{number:06}.parquet"
        draft = self.folder / f"{name}.{uuid.uuid4().hex}"
        write_parquet(enriched, draft, self.settings)
        draft.replace(self.folder / name)
        added = sum(map(len, enriched[self.enricher.added_column]))
        return {"number": [number], "file": [name], "reports": [len(enriched)], "added": [added]}


def _cpus() -> int:
    return max(int(ray.cluster_resources().get("CPU", 1)), 1)


def _actors(most: int, tasks: int) -> ray.data.ActorPoolStrategy:
    """A pool that starts whole, and goes on with those that are left."""
    size = min(most, tasks)
    return ray.data.ActorPoolStrategy(min_size=1, max_size=size, initial_size=size)


def _numbers(count: int) -> ray.data.Dataset:
    """The numbers of blocks, a task each."""
    # Not `ray.data.range`: its reading needs a CPU, and the actors would hold them all.
    return ray.data.from_items([{"id": n} for n in range(count)], override_num_blocks=count)


def _stream(dataset: ray.data.Dataset) -> Iterator[dict[str, Any]]:
    """Yields rows as they come; what a user can mend is raised as on one machine."""
    dataset.context.enable_progress_bars = False
    dataset.context.print_on_execution_start = False
    # Wrapped, an error loses its cause on its way here.
    dataset.context.raise_original_map_exception = True
    try:
        yield from dataset.iter_rows()
    except RayError as error:
        raise _cause(error) from error


def _cause(error: BaseException) -> BaseException:
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, _MENDABLE) and not isinstance(at, RayError):
            return at
        at = getattr(at, "cause", None) or at.__cause__
    return error


def _results(
    dataset: ray.data.Dataset, total: int, description: str, *, show_progress: bool
) -> list[dict[str, Any]]:
    """Runs it, and gives its rows by their numbers: they come in any order."""
    bar = partial(tqdm, desc=description, unit=" blocks", disable=not show_progress)
    return sorted(bar(_stream(dataset), total=total), key=lambda row: int(row["number"]))
