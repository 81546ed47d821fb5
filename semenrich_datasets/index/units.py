"""Units of meaning: what a sentence says, in the one form that all parts share.

A unit is the content of a sentence (its assertions with their sides) where the reader understands
it, so that "Cardiomegaly." and "The heart is enlarged." are one; else the embedding cluster of the
sentence, split by sign and side; and a sentence like no other is a unit of its own. With
`preset="paper"` a unit is the cluster as it came out (SemEnrich, arXiv 2604.09887, section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from semenrich_datasets.index.embedding import Encoder, embed_sentences
from semenrich_datasets.index.neighbors import nearest
from semenrich_datasets.reading import Reader, Reading, Sign
from semenrich_datasets.reading.assertions import Content
from semenrich_datasets.reading.signs import NOISE

#: Least cosine similarity at which a sentence belongs to the cluster of its nearest neighbor.
SIMILARITY = 0.75
# Neighbors among which it looks for one of its sign.
_NEIGHBORS = 16
# Distinct sentences that are remembered; a training run meets the same ones again and again.
_MEMORY = 2**17


class Unit(NamedTuple):
    """One thing that reports say; two sentences say the same when their units are equal.

    Args:
        unit_id (`int`): Its row in the index's table of units; -1 where the corpus never says it.
        sign (`str`): "normal", "abnormal" or "neutral".
        content (`str`): What it says: assertions, a cluster, or the sentence itself.
    """

    unit_id: int
    sign: Sign
    content: str


def content_key(reading: Reading) -> str | None:
    """Writes the content of an understood sentence: equal for paraphrases; None for others."""
    if reading.content is None:
        return None
    # "enlarged" alone would be the same of the liver and of the spleen.
    said = (f"{one} of {one.concept}" if one.name else str(one) for one in reading.content)
    return "; ".join(sorted(said))


def cluster_key(cluster_id: int, reading: Reading) -> str:
    """Names the part of a cluster that holds sentences of this sign, and side where abnormal."""
    sides = sorted(reading.sides) if reading.sign == "abnormal" else []
    return " ".join([f"cluster {cluster_id}", reading.sign, *sides])


def published_key(cluster_id: int) -> str:
    """Names the unit of a cluster as published: all of it."""
    return f"cluster {cluster_id}"


def sentence_key(sentence: str) -> str:
    """Names the unit of a sentence like no other."""
    return f'"{sentence}"'


def unit_keys(readings: Iterable[Reading], cluster_ids: NDArray[np.int64]) -> list[str]:
    """Names the unit of each sentence.

    Args:
        readings (`Iterable[Reading]` of length `n`): The distinct sentences, read.
        cluster_ids (`np.ndarray` of shape `(n,)`, int64): Their clusters, -1 noise.

    Returns:
        `list[str]` of length `n`: Equal for sentences of one unit.
    """
    return [
        content_key(reading) or fallback_key(cluster, reading)
        for reading, cluster in zip(readings, cluster_ids.tolist(), strict=True)
    ]


def fallback_key(cluster_id: int, reading: Reading) -> str:
    """Names the unit of a sentence without content: its cluster's, or one of its own.

    What has changed stays by itself: an embedder puts "increased" beside "decreased".
    """
    if cluster_id == NOISE or (reading.sign == "abnormal" and reading.mentions_prior):
        return sentence_key(reading.text)
    return cluster_key(cluster_id, reading)


def number_units(keys: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Numbers units by the first sentence of each, so that 0 holds the most common sentence.

    Args:
        keys (`Sequence[str]` of length `n`): Names of the sentences' units; "" for none.

    Returns:
        `tuple`: The unit of each sentence (`np.ndarray` of shape `(n,)`, int64, from 0 without
        gaps, -1 for none), and the name of each unit.
    """
    numbers: dict[str, int] = {}
    units = [numbers.setdefault(key, len(numbers)) if key else NOISE for key in keys]
    return np.array(units, dtype=np.int64), list(numbers)


def nearest_cluster(
    similarities: NDArray[np.float32],
    neighbors: NDArray[np.int64],
    signs: Sequence[Sign],
    cluster_ids: NDArray[np.int64],
    known_signs: Sequence[Sign],
    threshold: float,
) -> NDArray[np.int64]:
    """Finds for each new sentence the cluster of its nearest known neighbor of the same sign.

    Args:
        similarities (`np.ndarray` of shape `(n, k)`, float32): Cosine to the neighbors, descending.
        neighbors (`np.ndarray` of shape `(n, k)`, int64): Their rows among the known sentences.
        signs (`Sequence[str]` of length `n`): Sign of each new sentence.
        cluster_ids (`np.ndarray` of shape `(n_known,)`, int64): Clusters of the known, -1 noise.
        known_signs (`Sequence[str]` of length `n_known`): Their signs.
        threshold (`float`): Least cosine similarity.

    Returns:
        `np.ndarray` of shape `(n,)`, int64: Clusters, -1 where no neighbor will do.
    """
    close = (similarities >= threshold) & (neighbors >= 0)
    close &= cluster_ids[neighbors] != NOISE
    found = np.full(len(signs), NOISE, dtype=np.int64)
    for row in np.flatnonzero(close.any(axis=1)).tolist():
        same = (
            cluster_ids[other]
            for other in neighbors[row][close[row]].tolist()
            if known_signs[other] == signs[row]
        )
        found[row] = next(same, NOISE)
    return found


class UnitFinder:
    """Finds the units of any sentences by the tables of an index; what is new it remembers.

    Args:
        sentences (`pyarrow.Table`): Of the index.
        units (`pyarrow.Table`): Of the index.
        search (`faiss.Index`): Of the sentences' vectors.
        reader ([`Reader`]): What reads new sentences.
        normalize (`Callable[[str], str]`): The form under which the index knows a sentence.
        open_encoder (`Callable[[], Encoder]`): Opens what embeds new sentences; called when first
            one is not understood.
        by_content (`bool`): Whether content makes units; else clusters do, as published.
    """

    def __init__(
        self,
        sentences: pa.Table,
        units: pa.Table,
        search: Any,
        reader: Reader,
        normalize: Callable[[str], str],
        open_encoder: Callable[[], Encoder],
        *,
        by_content: bool,
    ) -> None:
        self._search = search
        self._reader = reader
        self._normalize = normalize
        self._open_encoder = open_encoder
        self._by_content = by_content
        self._signs: list[Sign] = sentences.column("sign").to_pylist()
        self._cluster_ids = np.asarray(sentences.column("cluster_id").to_numpy())
        columns = (units.column(name).to_pylist() for name in ("unit_id", "sign", "content"))
        self._units = list(map(Unit, *columns))
        self._texts = list(
            zip(units.column("text").to_pylist(), units.column("unit_id").to_pylist(), strict=True)
        )
        self._by_key = {unit.content: unit for unit in self._units}
        self._known = {
            key: self._units[unit]
            for key, unit in zip(
                sentences.column("sentence").to_pylist(),
                sentences.column("unit_id").to_pylist(),
                strict=True,
            )
            if unit != NOISE
        }
        self._new: dict[str, Unit] = {}
        self._held: dict[str, int] = {}

    def units(self, sentences: Sequence[str]) -> list[Unit]:
        """Gives the unit of each sentence, as [`FindingsIndex.units`] says."""
        if isinstance(sentences, str) or not all(isinstance(s, str) for s in sentences):
            raise TypeError(f"expected a list of sentences, found {type(sentences).__name__}")
        if len(self._new) > _MEMORY:
            self._new.clear()
        new = [s for s in dict.fromkeys(sentences) if s not in self._new]
        if new:
            self._new.update(zip(new, self._find(new), strict=True))
        return [self._new[sentence] for sentence in sentences]

    def held(self, sentences: Iterable[str]) -> list[int]:
        """Gives the units of the corpus that sentences hold, by their words or their content.

        Sentences that are new and not understood hold none: nothing is embedded here.

        Args:
            sentences (`Iterable[str]`): In any spelling.

        Returns:
            `list[int]`: Ascending, each once.
        """
        if len(self._held) > _MEMORY:
            self._held.clear()
        units = set()
        for sentence in sentences:
            unit_id = self._held.get(sentence)
            if unit_id is None:
                unit_id = self._held[sentence] = self._hold(sentence)
            units.add(unit_id)
        return sorted(units - {NOISE})

    def _hold(self, sentence: str) -> int:
        unit = self._known.get(self._normalize(sentence))
        if unit is None and self._by_content:
            unit = self._by_assertions.get(self._reader.read(sentence).content)
        return NOISE if unit is None else unit.unit_id

    @cached_property
    def _by_assertions(self) -> dict[Content | None, Unit]:
        """The unit of each content that the corpus understood."""
        contents: dict[Content | None, Unit] = {}
        for text, unit_id in self._texts:
            content = self._reader.read(text).content
            if content is not None:
                contents[content] = self._units[unit_id]
        return contents

    def _find(self, sentences: list[str]) -> list[Unit]:
        keys = [self._normalize(sentence) for sentence in sentences]
        readings = [self._reader.read(sentence) for sentence in sentences]
        found = [
            self._known.get(key) or self._by_meaning(reading)
            for key, reading in zip(keys, readings, strict=True)
        ]
        unread = [row for row, unit in enumerate(found) if unit is None]
        clusters = self._clusters(
            [keys[row] for row in unread], [readings[row].sign for row in unread]
        )
        for row, cluster in zip(unread, clusters, strict=True):
            found[row] = self._by_cluster(keys[row], readings[row], cluster)
        return [unit for unit in found if unit is not None]

    def _by_meaning(self, reading: Reading) -> Unit | None:
        key = content_key(reading) if self._by_content else None
        return None if key is None else self._by_key.get(key, Unit(NOISE, reading.sign, key))

    def _by_cluster(self, key: str, reading: Reading, cluster: int) -> Unit:
        name = fallback_key(cluster, reading) if self._by_content else published_key(cluster)
        own = sentence_key(key)
        unit = self._by_key.get(name) or self._by_key.get(own)
        return unit or Unit(NOISE, reading.sign, own)

    @cached_property
    def _encoder(self) -> Encoder:
        """Loaded when first needed, and once: a reward asks at every step."""
        return self._open_encoder()

    def _clusters(self, keys: list[str], signs: list[Sign]) -> list[int]:
        """Returns the cluster of the nearest neighbor of each sentence, -1 for none."""
        clusters = dict.fromkeys(keys, NOISE)
        new = {key: sign for key, sign in zip(keys, signs, strict=True) if key}
        if new:
            vectors = embed_sentences(list(new), self._encoder, show_progress=False)
            found = nearest(self._search, vectors, min(_NEIGHBORS, len(self._signs)))
            joined = nearest_cluster(
                *found, list(new.values()), self._cluster_ids, self._signs, SIMILARITY
            )
            clusters.update(zip(new, joined.tolist(), strict=True))
        return [clusters[key] for key in keys]
