"""Sentence vectors that keep apart what means the opposite: by sign, and by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semenrich_datasets.index.embedding import Encoder, embed_sentences, load_encoder
from semenrich_datasets.index.recorded_names import RecordedName
from semenrich_datasets.reading import Reader, Reading, as_reader
from semenrich_datasets.reading.signs import SIGNS
from semenrich_datasets.sentences import normalize_sentence, split_sentences

#: Distinct sentences whose vectors are remembered: 2,304 floats each with MiniLM, 150 MB in all.
_MEMORY = 2**14


class SentenceVectors:
    """Texts to sets of unit vectors, one per distinct sentence; what it has met it remembers.

    Embeddings put "effusion" beside "no effusion". A vector here is the tensor product of the
    sentence's embedding, its sign (one of three axes) and the side of its abnormal findings (left,
    right, or half of each), so that the cosine is that of the embeddings between sentences of one
    sign and side, and 0 between different signs, or left and right.

    Args:
        encoder (`Encoder`, `str` or `RecordedName`, *optional*): As of
            [`FindingsIndex.build`]; all-MiniLM-L6-v2 by default. Loaded when first needed, and
            once.
        reader ([`Reader`], *optional*): Tells sign and side; the chest X-ray one by default.
    """

    def __init__(
        self, encoder: Encoder | str | RecordedName | None = None, reader: Reader | None = None
    ) -> None:
        self.encoder = encoder
        self.reader = as_reader(reader)
        self._known: dict[str, NDArray[np.float32]] = {}

    def __call__(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Gives the vectors of each text, shape `(distinct sentences, 6 dim)`, float32."""
        cut = [
            list(dict.fromkeys(normalize_sentence(sentence) for sentence in split_sentences(text)))
            for text in texts
        ]
        new = list(dict.fromkeys(s for sentences in cut for s in sentences if s not in self._known))
        if len(self._known) + len(new) > _MEMORY:
            self._known.clear()
            new = list(dict.fromkeys(s for sentences in cut for s in sentences))
        if new:
            vectors = embed_sentences(new, self._loaded, show_progress=False)
            readings = map(self.reader.read, new)
            self._known.update(zip(new, map(_mark, readings, vectors), strict=True))
        return [_stack([self._known[sentence] for sentence in sentences]) for sentences in cut]

    @cached_property
    def _loaded(self) -> Encoder:
        return load_encoder(self.encoder)

    def __getstate__(self) -> dict[str, object]:
        # The default reader comes with the package: its lexicon need not travel.
        reader = None if self.reader == as_reader(None) else self.reader
        return {"encoder": self.encoder, "reader": reader}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.encoder, self.reader = state["encoder"], as_reader(state["reader"])
        self._known = {}


def _mark(reading: Reading, vector: NDArray[np.float32]) -> NDArray[np.float32]:
    sign = np.array([reading.sign == one for one in SIGNS], dtype=np.float32)
    sides = reading.sides if reading.sign == "abnormal" else ()
    side = np.array([side in (sides or ("left", "right")) for side in ("left", "right")])
    marks = np.kron(sign, side / np.sqrt(side.sum())).astype(np.float32)
    return np.kron(marks, vector)


def _stack(vectors: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.stack(vectors) if vectors else np.empty((0, 0), dtype=np.float32)
