"""A corpus to the parts of an index: each room is entered once, in this order."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from semenrich_datasets.index.agreement import Agreement, fit_agreement
from semenrich_datasets.index.clustering import DBSCAN, HDBSCAN, KMeans, cluster_vectors
from semenrich_datasets.index.config import IndexConfig, Preset
from semenrich_datasets.index.cooccurrence import cooccurrence, membership_matrix
from semenrich_datasets.index.counting import SPLITTERS, SentenceCounts, Splitter, count_sentences
from semenrich_datasets.index.embedding import Encoder, embed_sentences, encoder_name
from semenrich_datasets.index.llm_signs import LLMSigns, draw_occurrences
from semenrich_datasets.index.neighbors import build_search_index
from semenrich_datasets.index.tables import sentence_table, unit_table
from semenrich_datasets.index.units import number_units, published_key, unit_keys
from semenrich_datasets.reading import Reader, Reading, Sign, best_reader
from semenrich_datasets.reading.signs import NOISE, SignClassifier, vote_signs

Clustering = HDBSCAN | DBSCAN | KMeans
ClusteringName = Literal["hdbscan", "dbscan", "kmeans"]

_METHODS: dict[str, Callable[[], Clustering]] = {
    "hdbscan": HDBSCAN,
    "dbscan": DBSCAN,
    "kmeans": KMeans,
}
_SPLITTERS = {"safe": "prose", "paper": "paper"}


@dataclass(frozen=True)
class BuildSettings:
    """How an index is built; the arguments of [`FindingsIndex.build`], checked.

    Args:
        text_column (`str`): Column of the reports.
        encoder ([`Encoder`]): Sentences to vectors.
        method (config): Of the clustering.
        reader ([`Reader`] or `None`): What reads the sentences; None takes the packaged lexicon
            that understands them best.
        signs ([`SignClassifier`] or `None`): Signs of one's own; None asks the reader.
        preset (`str`): "safe" or "paper".
        seed (`int`): Of k-means.
    """

    text_column: str
    encoder: Encoder
    method: Clustering
    reader: Reader | None
    signs: SignClassifier | None
    preset: Preset
    seed: int


class IndexParts(NamedTuple):
    """What a build gives: the fields of [`FindingsIndex`]."""

    config: IndexConfig
    sentences: pa.Table
    unit_table: pa.Table
    cooccurrence: sparse.csr_array
    agreement: Agreement
    search: Any
    reader: Reader


def build_parts(
    texts: Iterable[Any], settings: BuildSettings, *, show_progress: bool
) -> IndexParts:
    """Fits an index on the texts of a corpus.

    Args:
        texts (`Iterable[Any]`): Reports; what is not a string is skipped and counted.
        settings ([`BuildSettings`]): How.
        show_progress (`bool`): Whether to show progress bars.

    Returns:
        [`IndexParts`]

    Raises:
        `ValueError`: When no row has a sentence.
    """
    counts = count_sentences(texts, splitter_of(settings.preset), show_progress=show_progress)
    if not counts.sentences:
        msg = f"no sentence in column {settings.text_column!r}: {counts.n_skipped} rows are empty"
        raise ValueError(msg)
    vectors = embed_sentences(counts.sentences, settings.encoder, show_progress=show_progress)
    cluster_ids = _number(cluster_vectors(vectors, settings.method, settings.seed))
    occurrences = np.bincount(counts.sentence_ids, minlength=len(counts.sentences))
    reader = settings.reader or best_reader(counts.sentences, occurrences.tolist())
    readings = [reader.read(sentence) for sentence in counts.sentences]
    if settings.preset == "paper":
        keys = [published_key(one) if one != NOISE else "" for one in cluster_ids.tolist()]
    else:
        keys = unit_keys(readings, cluster_ids)
    unit_ids, contents = number_units(keys)
    sentence_signs, unit_signs, share = _signs(settings.signs, counts, readings, unit_ids)
    sentences = sentence_table(counts, cluster_ids, unit_ids, sentence_signs, readings, vectors)
    units = unit_table(counts, unit_ids, contents, unit_signs, share, vectors)
    membership = membership_matrix(
        counts.report_ids, unit_ids[counts.sentence_ids], (counts.n_reports, len(contents))
    )
    return IndexParts(
        _config(settings, counts, reader),
        sentences,
        units,
        cooccurrence(membership),
        _agreement(settings, sentences, units, readings, membership, reader),
        build_search_index(vectors),
        reader,
    )


def splitter_of(preset: str) -> Splitter:
    """Gives how an index of a preset cuts reports into sentences."""
    if preset not in _SPLITTERS:
        msg = f"expected preset to be one of {', '.join(_SPLITTERS)}, found {preset!r}"
        raise ValueError(msg)
    return SPLITTERS[_SPLITTERS[preset]]


def clustering_config(clustering: str | Clustering) -> Clustering:
    """Gives the config of a clustering from its name, or itself."""
    if isinstance(clustering, (HDBSCAN, DBSCAN, KMeans)):
        return clustering
    if clustering not in _METHODS:
        msg = f"expected clustering to be one of {', '.join(_METHODS)}, found {clustering!r}"
        raise ValueError(msg)
    return _METHODS[clustering]()


def _number(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers clusters by the first sentence of each; noise stays -1."""
    return number_units([str(label) if label != NOISE else "" for label in labels.tolist()])[0]


def _signs(
    signs: SignClassifier | None,
    counts: SentenceCounts,
    readings: Sequence[Reading],
    unit_ids: NDArray[np.int64],
) -> tuple[list[Sign], list[Sign], NDArray[np.float64]]:
    """Returns the sign of each sentence and unit; a language model is asked about a sample."""
    votes = np.bincount(counts.sentence_ids, minlength=len(counts.sentences))
    if isinstance(signs, LLMSigns):
        votes = draw_occurrences(unit_ids, votes, signs.sentences_per_cluster, signs.seed)
        asked = np.flatnonzero(votes).tolist()
        answers = signs([counts.sentences[row] for row in asked])
        of_sentences: list[Sign] = ["neutral"] * len(counts.sentences)
        for row, sign in zip(asked, answers, strict=True):
            of_sentences[row] = sign
    elif signs is not None:
        of_sentences = list(signs(counts.sentences))
    else:
        of_sentences = [reading.sign for reading in readings]
    of_units, share = vote_signs(unit_ids, of_sentences, votes)
    for row in np.flatnonzero((votes == 0) & (unit_ids >= 0)).tolist():
        of_sentences[row] = of_units[unit_ids[row]]
    return of_sentences, of_units, share


def _agreement(
    settings: BuildSettings,
    sentences: pa.Table,
    units: pa.Table,
    readings: Sequence[Reading],
    membership: sparse.csr_array,
    reader: Reader,
) -> Agreement:
    """Fits the agreement; published clusters mix what they say, so nothing safe comes of them."""
    if settings.preset == "paper":
        sentences = sentences.slice(0, 0)
    unit_ids = sentences.column("unit_id").to_pylist()
    spoken = dict(zip(reversed(unit_ids), reversed(range(len(unit_ids))), strict=True))
    told = [readings[spoken.get(unit, 0)] for unit in range(units.num_rows)]
    return fit_agreement(sentences, units, told, membership, reader.lexicon)


def _config(settings: BuildSettings, counts: SentenceCounts, reader: Reader) -> IndexConfig:
    method = settings.method
    return IndexConfig(
        semenrich_version=importlib.metadata.version("semenrich"),
        preset=settings.preset,
        text_column=settings.text_column,
        reports=counts.n_reports,
        reports_without_text=counts.n_skipped,
        embedder=encoder_name(settings.encoder),
        clustering={"method": type(method).__name__.lower(), **asdict(method)},
        seed=settings.seed,
        lexicon=reader.lexicon.name,
        reader=reader.digest,
    )
