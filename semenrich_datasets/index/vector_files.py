"""The FAISS file of an index, checked byte by byte before FAISS reads it.

FAISS believes what a file declares: a few bytes of it can ask for any memory. Its two forms that
`neighbors` writes (flat, and inverted lists over a flat quantizer, both by inner product) are laid
out in faiss/impl/index_write.cpp.
"""

from __future__ import annotations

import os
import struct
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from semenrich_datasets.index.files import IndexFileError

_INNER_PRODUCT = 0
_MOST_DIMENSIONS = 2**16
# Vectors checked at a time: keeps the temporary near 30 MB.
_ROWS = 8_192
# Of a squared length from 1, float32.
_ROUNDING = 1e-3


class _Head(NamedTuple):
    """What FAISS writes first of each of its indexes."""

    kind: bytes
    dimensions: int
    rows: int
    trained: int
    metric: int


class MappedFile:
    """A file that is mapped: to read where it was cut since would end the process (SIGBUS).

    Args:
        file (`BinaryIO`): Open; kept so.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._state = _state(file.fileno())

    def check(self) -> None:
        """Raises `IndexFileError` where the file has been cut or written since it was opened."""
        if _state(self._file.fileno()) != self._state:
            raise IndexFileError(
                f"expected {self._file.name} as it was when it was loaded, found it cut or "
                "written since: load the index again"
            )

    def check_place(self) -> None:
        """Raises `IndexFileError` where another file has taken its place."""
        if not os.path.samestat(os.stat(self._file.name), os.fstat(self._file.fileno())):
            raise IndexFileError(
                f"expected {self._file.name} to stay while it is loaded, found another file there: "
                "load the index again"
            )


def _state(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_size, found.st_mtime_ns


def check_vectors(file: BinaryIO, rows: int) -> None:
    """Checks the form and each vector of a FAISS file.

    Args:
        file (`BinaryIO`): Open at its start.
        rows (`int`): Vectors that it must have.

    Raises:
        `ValueError`: When it is no index of `neighbors.build_search_index`, of other sizes than its
            own, or a vector is not of length 1.
    """
    size = os.fstat(file.fileno()).st_size
    head = _read_head(file)
    if head.rows != rows:
        raise ValueError(f"expected {rows:,} vectors, one a sentence, found {head.rows:,}")
    if head.kind == b"IxFI":
        _check_flat(file, head)
    elif head.kind == b"IwFl":
        _check_lists(file, head)
    else:
        raise ValueError(f"expected FAISS's IxFI or IwFl, found {head.kind!r}")
    if file.tell() != size:
        raise ValueError(f"expected {file.tell():,} bytes, found {size:,}")


def _read_head(file: BinaryIO) -> _Head:
    kind, dimensions, rows, _, _, trained, metric = _read(file, "4siqqqBi")
    head = _Head(kind, dimensions, rows, trained, metric)
    if metric != _INNER_PRODUCT or trained != 1:
        raise ValueError(f"expected a trained index by inner product, found metric {metric}")
    if not (0 < dimensions <= _MOST_DIMENSIONS and rows >= 0):
        raise ValueError(f"expected vectors of some dimensions, found {rows} of {dimensions}")
    return head


def _check_flat(file: BinaryIO, head: _Head, *, unit: bool = True) -> None:
    (values,) = _read(file, "Q")
    if values != head.rows * head.dimensions:
        raise ValueError(f"expected {head.rows * head.dimensions} values, found {values}")
    _check_rows(file, head.rows, head.dimensions, unit=unit)


def _check_lists(file: BinaryIO, head: _Head) -> None:
    lists, probed = _read(file, "QQ")
    quantizer = _read_head(file)
    if quantizer.kind != b"IxFI" or (quantizer.rows, quantizer.dimensions) != (
        lists,
        head.dimensions,
    ):
        raise ValueError(f"expected a flat quantizer of {lists} lists, found {quantizer}")
    if not 0 < probed <= lists <= head.rows:
        raise ValueError(f"expected to probe some of {lists} lists, found {probed}")
    _check_flat(file, quantizer, unit=False)
    direct = _read(file, "BQ")
    kind, count, code_size = _read(file, "4sQQ")
    if direct != (0, 0) or (kind, count, code_size) != (b"ilar", lists, 4 * head.dimensions):
        raise ValueError(f"expected {lists} lists of vectors, found {kind!r} of {count}")
    sizes = _read_sizes(file, lists)
    if sum(sizes) != head.rows:
        raise ValueError(f"expected {head.rows:,} vectors in the lists, found {sum(sizes):,}")
    seen = np.zeros(head.rows, dtype=np.bool_)
    for size in sizes:
        _check_rows(file, size, head.dimensions)
        ids = _read_array(file, size, np.dtype("<i8"))
        if ((ids < 0) | (ids >= head.rows)).any():
            raise ValueError("expected the numbers of sentences in the lists, found others")
        seen[ids] = True
    if not seen.all():
        raise ValueError("expected each sentence once in the lists, found some twice")


def _read_sizes(file: BinaryIO, lists: int) -> list[int]:
    """Returns the length of each list that is not empty, and of empty ones 0."""
    kind, count = _read(file, "4sQ")
    if kind == b"full" and count == lists:
        return [int(size) for size in _read_array(file, lists, np.dtype("<u8"))]
    if kind == b"sprs" and count <= 2 * lists and count % 2 == 0:
        pairs = _read_array(file, count, np.dtype("<u8")).reshape(-1, 2)
        places = pairs[:, 0].tolist()
        if places != sorted(set(places)) or any(place >= lists for place in places):
            raise ValueError("expected each list once, in order, found others")
        return [int(size) for size in pairs[:, 1]]
    raise ValueError(f"expected the sizes of {lists} lists, found {kind!r} {count}")


def _check_rows(file: BinaryIO, rows: int, dimensions: int, *, unit: bool = True) -> None:
    for start in range(0, rows, _ROWS):
        count = min(_ROWS, rows - start)
        block = _read_array(file, count * dimensions, np.dtype("<f4")).reshape(count, dimensions)
        lengths = np.einsum("ij,ij->i", block, block)
        fit = np.abs(lengths - 1.0) < _ROUNDING if unit else np.isfinite(lengths)
        if not fit.all():
            raise ValueError(
                f"expected finite vectors of length 1, found {int((~fit).sum())} others"
            )


def _read(file: BinaryIO, form: str) -> tuple[Any, ...]:
    layout = struct.Struct(f"<{form}")
    data = file.read(layout.size)
    if len(data) < layout.size:
        raise ValueError("expected a whole FAISS file, found one that is cut")
    return layout.unpack(data)


def _read_array(file: BinaryIO, count: int, kind: np.dtype[Any]) -> NDArray[Any]:
    """Reads an array, once it is known that the file is long enough for it."""
    rest = os.fstat(file.fileno()).st_size - file.tell()
    if count * kind.itemsize > rest:
        raise ValueError(f"expected {count * kind.itemsize:,} more bytes, found {rest:,}")
    return np.frombuffer(file.read(count * kind.itemsize), dtype=kind)
