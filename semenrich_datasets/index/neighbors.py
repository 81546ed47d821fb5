"""Nearest neighbors by FAISS: exact at first, through inverted lists from a size where they pay."""

from __future__ import annotations

import functools
import os
import warnings
from dataclasses import dataclass
from importlib import metadata
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt

from semenrich_datasets.index.vector_files import MappedFile, check_vectors

Vectors = npt.NDArray[np.float32]
Distances = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

# From about this many vectors on, inverted lists cost less than half of an exact all-pairs search.
# HNSW was measured too: built by several threads it differs from run to run, and built by one
# it is slower than inverted lists at a lower recall.
APPROXIMATE_FROM = 30_000
_PROBED_LISTS = 8
# Rows whose exact distances are computed at a time: keeps the temporary near 50 MB.
_DISTANCE_ROWS = 2_048

_FAISS_BUILDS = ("faiss-cpu", "faiss-gpu-cu12")
_KEEP_ONE_FAISS = (
    "faiss-cpu and faiss-gpu-cu12 are both installed, and each overwrites the other's module "
    "`faiss`. Keep one: pip uninstall -y faiss-cpu faiss-gpu-cu12 && pip install faiss-gpu-cu12"
)


@functools.cache
def faiss_module() -> Any:
    """Gives the module `faiss`, and warns once when its CPU and GPU builds are installed together.

    Returns:
        `module`: `faiss`, of faiss-cpu or faiss-gpu-cu12.

    Raises:
        ImportError: if `faiss` is missing, or broken by two builds in one place.
    """
    installed = {found.metadata["Name"] for found in metadata.distributions()}
    clash = installed.issuperset(_FAISS_BUILDS)
    if clash:
        warnings.warn(_KEEP_ONE_FAISS, RuntimeWarning, stacklevel=2)
    try:
        import faiss
    except (ImportError, AttributeError) as error:
        advice = _KEEP_ONE_FAISS if clash else "pip install faiss-cpu"
        raise ImportError(f"`import faiss` fails: {error}. {advice}") from error
    # OpenMP's threads do not survive a fork: a forked worker that waited for them would hang.
    os.register_at_fork(after_in_child=lambda: faiss.omp_set_num_threads(1))
    return faiss


@dataclass(frozen=True)
class NeighborSearch:
    """Searches among the rows of one matrix, on all GPUs where FAISS has them.

    Args:
        vectors (`np.ndarray`): shape (n, d), float32.
        index (`faiss.Index`): of these vectors, by Euclidean distance.
        exact (`bool`): whether the index misses no neighbor.
    """

    vectors: Vectors
    index: Any
    exact: bool

    @classmethod
    def over(cls, vectors: Vectors) -> Self:
        """Builds the index: exact below `APPROXIMATE_FROM` rows and on GPUs, else inverted lists.

        The same vectors give the same index.
        """
        faiss = faiss_module()
        if faiss.get_num_gpus() > 0:
            index = faiss.index_cpu_to_all_gpus(faiss.IndexFlatL2(vectors.shape[1]))
            index.add(vectors)
            return cls(vectors, index, exact=True)
        index = _build(vectors, faiss.METRIC_L2)
        return cls(vectors, index, exact=len(vectors) < APPROXIMATE_FROM)

    def knn(self, k: int, rows: Ids | None = None) -> tuple[Distances, Ids]:
        """Gives the k nearest other rows of each row.

        Args:
            k (`int`): neighbors of each row, from 1 to n - 1; the row itself is not counted.
            rows (`np.ndarray`, *optional*): int64, the rows to search from; by default all.

        Returns:
            `tuple`: Euclidean distances (float64) and row numbers (int64), both of shape
            (rows, k), nearest first. The distances are computed again from the vectors'
            differences: exact, symmetric, and zero between duplicates, which FAISS's are not.
        """
        rows = np.arange(len(self.vectors)) if rows is None else rows
        found = self.index.search(self.vectors[rows], k + 1)[1]
        short = np.flatnonzero((found < 0).any(axis=1))
        if short.size:
            # The probed lists held too few rows: search these exactly.
            whole = _flat(self.vectors, faiss_module().METRIC_L2)
            found[short] = whole.search(self.vectors[rows[short]], k + 1)[1]
        others = found != rows[:, None]
        # A row with many duplicates may miss itself among its k + 1 nearest: then the last goes.
        others[others.all(axis=1), k] = False
        ids = found[others].reshape(-1, k)
        distances = pair_distances(self.vectors, rows, ids)
        order = np.lexsort((ids, distances), axis=1)
        return np.take_along_axis(distances, order, axis=1), np.take_along_axis(ids, order, axis=1)


def pair_distances(vectors: Vectors, rows: Ids, ids: Ids) -> Distances:
    """Gives the Euclidean distance between row `rows[i]` and row `ids[i, j]`, as float64."""
    distances = np.empty(ids.shape)
    for start in range(0, len(ids), _DISTANCE_ROWS):
        part = slice(start, start + _DISTANCE_ROWS)
        own = vectors[rows[part]].astype(np.float64)
        for column in range(ids.shape[1]):
            difference = own - vectors[ids[part, column]]
            distances[part, column] = np.einsum("ij,ij->i", difference, difference)
    return np.sqrt(distances, out=distances)


def build_search_index(vectors: Vectors) -> Any:
    """Gives a FAISS index of unit vectors by inner product, on the CPU.

    Args:
        vectors (`np.ndarray`): shape (n, d), float32, rows of length 1.

    Returns:
        `faiss.Index`: exact below `APPROXIMATE_FROM` rows, else inverted lists. The same vectors
        give the same index.
    """
    return _build(vectors, faiss_module().METRIC_INNER_PRODUCT)


def nearest(index: Any, queries: Vectors, k: int) -> tuple[Vectors, Ids]:
    """Gives the k rows of an index that are most similar to each query.

    Args:
        index (`faiss.Index`): from `build_search_index` or `load_search_index`.
        queries (`np.ndarray`): shape (q, d), float32, rows of length 1.
        k (`int`): rows wanted for each query.

    Returns:
        `tuple`: cosine similarities (float32) and row numbers (int64), both of shape (q, k), most
        similar first. Where the index has fewer rows: similarity -inf, row -1.
    """
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    if queries.ndim != 2 or queries.shape[1] != index.d:
        raise ValueError(f"expected queries of shape (q, {index.d}), found {queries.shape}")
    _check_mapped(index)
    similarities, ids = index.search(queries, k)
    similarities[ids < 0] = -np.inf
    return similarities, ids


def write_search_index(index: Any, file: BinaryIO) -> None:
    """Writes an index to one FAISS file, open for writing."""
    _check_mapped(index)
    faiss = faiss_module()
    faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))


def load_search_index(file: BinaryIO, rows: int) -> Any:
    """Gives the index of a FAISS file, its vectors mapped from the file and shared by processes.

    Args:
        file (`BinaryIO`): Of `write_search_index`, open at its start and of a name; it must stay
            unchanged while the index is in use.
        rows (`int`): vectors that it must have.

    Returns:
        `faiss.Index`: read-only. It keeps the file open: a search in a file that has been cut or
        written since raises `IndexFileError`.

    Raises:
        ValueError: if the file is none of `write_search_index`, or of another number of vectors.
    """
    mapped = MappedFile(file)
    check_vectors(file, rows)
    faiss = faiss_module()
    try:
        index = faiss.read_index(file.name, faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise ValueError(f"{file.name} is not a whole FAISS index: {error}") from error
    mapped.check_place()
    # FAISS's classes refuse attributes of others.
    index.__dict__["mapped_file"] = mapped
    return index


def _check_mapped(index: Any) -> None:
    """Raises `IndexFileError` where the file that an index is mapped from is not whole any more."""
    mapped = getattr(index, "mapped_file", None)
    if mapped is not None:
        mapped.check()


def _build(vectors: Vectors, metric: int) -> Any:
    if len(vectors) < APPROXIMATE_FROM:
        return _flat(vectors, metric)
    return _inverted_lists(vectors, metric)


def _flat(vectors: Vectors, metric: int) -> Any:
    index = faiss_module().IndexFlat(vectors.shape[1], metric)
    index.add(vectors)
    return index


def _inverted_lists(vectors: Vectors, metric: int) -> Any:
    faiss = faiss_module()
    n, d = vectors.shape
    # 4 sqrt(n) lists: FAISS's guideline (wiki, "Guidelines to choose an index").
    index = faiss.IndexIVFFlat(faiss.IndexFlat(d, metric), d, int(4 * np.sqrt(n)), metric)
    index.cp.niter = 8
    index.cp.max_points_per_centroid = 64
    index.train(vectors)
    index.add(vectors)
    index.nprobe = _PROBED_LISTS
    return index
