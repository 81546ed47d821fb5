"""Sentence vectors kept on disk, in files written once: runs may be killed, or share a folder."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Vectors = npt.NDArray[np.float32]

_KEY_BYTES = 16


@dataclass(frozen=True)
class VectorCache:
    """The vectors of one encoder, found by sentence; the sentences' text is not stored.

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

    def read(self, sentences: Sequence[str]) -> Iterator[tuple[list[int], Vectors]]:
        """Yields, file by file, rows of `sentences` (distinct) and their vectors.

        Each row comes at most once. A damaged file is left out with a warning.
        """
        wanted = {self._key(sentence): row for row, sentence in enumerate(sentences)}
        for path in sorted(self.folder.glob("*.parquet")):
            try:
                rows, vectors = _read_file(path, wanted)
            except (OSError, pa.ArrowException, KeyError) as error:
                warnings.warn(
                    f"left out the damaged file {path} ({error}); its sentences are embedded "
                    "again, and it can be deleted",
                    RuntimeWarning,
                    stacklevel=2,
                )
                continue
            if rows:
                yield rows, vectors

    def write(self, sentences: Sequence[str], vectors: Vectors) -> None:
        """Adds one file with the vectors of these sentences: a whole file or none.

        Its name is the digest of its keys: processes at the same work write the same file.
        """
        keys = [self._key(sentence) for sentence in sentences]
        table = pa.table(
            {
                "key": pa.array(keys, pa.binary(_KEY_BYTES)),
                "vector": pa.FixedSizeListArray.from_arrays(vectors.ravel(), vectors.shape[1]),
            }
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.blake2b(b"".join(keys), digest_size=_KEY_BYTES).hexdigest()
        unfinished = self.folder / f"{name}.{uuid.uuid4().hex}.unfinished"
        try:
            pq.write_table(table, unfinished, compression="none", write_page_checksum=True)
            os.replace(unfinished, self.folder / f"{name}.parquet")
        finally:
            unfinished.unlink(missing_ok=True)

    def _key(self, sentence: str) -> bytes:
        text = f"{self.encoder}\0{sentence}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, digest_size=_KEY_BYTES).digest()


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
