"""Vectors kept on disk, in files written once: runs may be killed, or share a folder."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from semenrich_datasets.whole_files import draft_folder, put_file

Vectors = npt.NDArray[np.float32]

_KEY_BYTES = 16
# Seconds after which an unfinished file is one of a killed run: writing one takes less than one.
_STALE_AFTER = 3600.0


@dataclass(frozen=True)
class VectorCache:
    """The vectors of one encoder, found by what was embedded, of which only digests are stored.

    An item is a sentence, or the bytes that stand for an image.

    Args:
        root (`Path`): the folder that holds a folder for each encoder.
        encoder (`str`): the encoder's identity; another identity finds nothing of this one.
    """

    root: Path
    encoder: str

    @property
    def folder(self) -> Path:
        """Where this encoder's files lie."""
        return self.root / re.sub(r"[^\w.@-]+", "--", self.encoder)

    def read(self, items: Sequence[str | bytes]) -> Iterator[tuple[list[int], Vectors]]:
        """Yields, file by file, rows of `items` (distinct) and their vectors.

        Each row comes at most once. A damaged file is left out with a warning.
        """
        wanted = {self._key(item): row for row, item in enumerate(items)}
        for path in sorted(self.folder.glob("*.parquet")):
            try:
                rows, vectors = _read_file(path, wanted)
            except (OSError, pa.ArrowException, KeyError) as error:
                warnings.warn(
                    f"left out the damaged file {path} ({error}); what it held is "
                    "embedded again, and it can be deleted",
                    RuntimeWarning,
                    stacklevel=2,
                )
                continue
            if rows:
                yield rows, vectors

    def write(self, items: Sequence[str | bytes], vectors: Vectors) -> None:
        """Adds one file with the vectors of these items: a whole file or none.

        Its name is the digest of its keys: processes at the same work write the same file.
        """
        keys = [self._key(item) for item in items]
        table = pa.table(
            {
                "key": pa.array(keys, pa.binary(_KEY_BYTES)),
                "vector": pa.FixedSizeListArray.from_arrays(vectors.ravel(), vectors.shape[1]),
            }
        )
        name = hashlib.blake2b(b"".join(keys), digest_size=_KEY_BYTES).hexdigest()
        # From a vector much of its sentence can be guessed: others on the machine see none.
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # One name for all drafts: whoever writes next deletes those of runs that were killed.
        with draft_folder(self.folder / "vectors") as drafts:
            draft = drafts / f"{name}.parquet"
            pq.write_table(table, draft, compression="none", write_page_checksum=True)
            draft.chmod(0o600)
            put_file(draft, self.folder / draft.name)

    def keep(self, items: Sequence[str | bytes], vectors: Vectors) -> None:
        """Writes, and warns where the disk is full or read-only.

        That costs time in the next run, not this run's work.
        """
        try:
            self.write(items, vectors)
        except OSError as error:
            warnings.warn(f"vectors are not kept: {error}", RuntimeWarning, stacklevel=3)

    def _key(self, item: str | bytes) -> bytes:
        content = item if isinstance(item, bytes) else item.encode("utf-8", "surrogatepass")
        origin = f"{self.encoder}\0".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(origin + content, digest_size=_KEY_BYTES).digest()


def open_cache(
    encoder: str | None, cache_dir: str | os.PathLike[str] | None, kind: str
) -> VectorCache | None:
    """Gives the cache of an encoder's vectors.

    Args:
        encoder (`str`, *optional*): the encoder's identity; without one there is no cache.
        cache_dir (`str` or `os.PathLike`, *optional*): defaults to semenrich/`kind` in the Hugging
            Face cache.
        kind (`str`): the folder in the Hugging Face cache.
    """
    if encoder is None:
        return None
    if cache_dir is None:
        from huggingface_hub.constants import HF_HOME

        cache_dir = Path(HF_HOME) / "semenrich" / kind
    return VectorCache(Path(cache_dir), encoder)


def assemble(parts: Sequence[tuple[list[int], Vectors]], n: int) -> Vectors:
    """Puts vectors into their rows.

    Args:
        parts (`Sequence`): rows and their vectors, at least one.
        n (`int`): how many rows there are; those that no part names become NaN.

    Returns:
        `np.ndarray`: shape (n, d), float32.

    Raises:
        ValueError: if the parts are not of one dimension.
    """
    dimensions = {vectors.shape[1] for _, vectors in parts}
    if len(dimensions) > 1:
        raise ValueError(
            f"expected vectors of one dimension, found {sorted(dimensions)}: two encoders share "
            "one name in the cache; rename one, or pass another cache_dir"
        )
    whole = np.full((n, dimensions.pop()), np.nan, dtype=np.float32)
    for rows, vectors in parts:
        whole[rows] = vectors
    return whole


def _read_file(path: Path, wanted: dict[bytes, int]) -> tuple[list[int], Vectors]:
    """Gives the wanted rows that the file holds, and strikes them off `wanted`."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        # The keys first: most files of a large cache hold nothing that a small query wants.
        keys = file.read(columns=["key"])["key"].to_pylist()
        places = [place for place, key in enumerate(keys) if key in wanted]
        if not places:
            return [], np.empty((0, 0), dtype=np.float32)
        column = file.read(columns=["vector"])["vector"].combine_chunks()
    vectors = column.flatten().to_numpy().reshape(len(keys), -1)[places]
    return [wanted.pop(keys[place]) for place in places], vectors
