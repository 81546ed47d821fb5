"""A corpus to the parts of an index: each room is entered once, in this order."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from semenrich_datasets.columns import ReportColumns, StudyTexts
from semenrich_datasets.index.agreement import Agreement, fit_agreement
from semenrich_datasets.index.clustering import DBSCAN, HDBSCAN, KMeans, cluster_vectors
from semenrich_datasets.index.config import IndexConfig, Preset
from semenrich_datasets.index.cooccurrence import cooccurrence, membership_matrix
from semenrich_datasets.index.counting import SentenceCounts, count_sentences
from semenrich_datasets.index.embedding import (
    EmbedRows,
    Encoder,
    embed_sentences,
    encoder_name,
    load_encoder,
)
from semenrich_datasets.index.holders import count_holders, rebuild_sentences
from semenrich_datasets.index.image_embedding import (
    ImageEncoder,
    embed_images,
    image_encoder_name,
    load_image_encoder,
)
from semenrich_datasets.index.llm_signs import LLMSigns, draw_occurrences
from semenrich_datasets.index.neighbors import build_search_index
from semenrich_datasets.index.progress import stage_bar, stage_name
from semenrich_datasets.index.silence import SilenceModel
from semenrich_datasets.index.silence_fit import fit_silence
from semenrich_datasets.index.splitters import SPLITTERS, Splitter
from semenrich_datasets.index.tables import sentence_table, unit_table
from semenrich_datasets.index.topics import topics_of
from semenrich_datasets.index.units import number_units, published_key, unit_keys
from semenrich_datasets.reading import Lexicon, Reader, Reading, Sign, as_reader, best_reader
from semenrich_datasets.reading.signs import NOISE, SignClassifier, vote_signs

Clustering = HDBSCAN | DBSCAN | KMeans
ClusteringName = Literal["hdbscan", "dbscan", "kmeans"]

_METHODS: dict[str, Callable[[], Clustering]] = {
    "hdbscan": HDBSCAN,
    "dbscan": DBSCAN,
    "kmeans": KMeans,
}
_SPLITTERS = {"safe": "prose", "paper": "paper"}
# Images that wait to be embedded.
_IMAGES_AT_ONCE = 512


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
        image_column (`str` or `None`): Column of the images.
        image_encoder ([`ImageEncoder`] or `None`): Images to vectors.
        patient_column (`str` or `None`): Column of the patients.
    """

    text_column: str
    encoder: Encoder
    method: Clustering
    reader: Reader | None
    signs: SignClassifier | None
    preset: Preset
    seed: int
    image_column: str | None
    image_encoder: ImageEncoder | None
    patient_column: str | None


def settings_for(
    columns: ReportColumns | None,
    *,
    text_column: str | None,
    embedder: Encoder | str | os.PathLike[str] | None,
    clustering: str | Clustering,
    lexicon: Reader | Lexicon | str | os.PathLike[str] | None,
    preset: Preset,
    seed: int,
    signs: SignClassifier | None = None,
    image_column: str | None = None,
    image_encoder: ImageEncoder | str | os.PathLike[str] | None = None,
) -> BuildSettings:
    """Makes the settings of the arguments of [`FindingsIndex.build`]; None for columns of texts.

    Raises:
        `ValueError`: When a setting is unknown.
    """
    splitter_of(preset)
    return BuildSettings(
        text_column=columns.findings if columns else text_column or "findings",
        encoder=load_encoder(embedder),
        method=clustering_config(clustering),
        reader=None if lexicon is None else as_reader(lexicon),
        signs=signs,
        preset=preset,
        seed=seed,
        image_column=image_column,
        image_encoder=image_encoder_of(image_column, image_encoder),
        patient_column=columns.patient_id if columns else None,
    )


class IndexParts(NamedTuple):
    """What a build gives: the fields of [`FindingsIndex`]."""

    config: IndexConfig
    sentences: pa.Table
    unit_table: pa.Table
    cooccurrence: sparse.csr_array
    agreement: Agreement
    silence: SilenceModel
    search: Any
    reader: Reader


def build_parts(
    studies: Iterable[StudyTexts], settings: BuildSettings, *, show_progress: bool
) -> IndexParts:
    """Fits an index on the studies of a corpus.

    Args:
        studies (`Iterable[StudyTexts]`): Their texts; without findings one is skipped and counted.
        settings ([`BuildSettings`]): How.
        show_progress (`bool`): Whether to show progress bars.

    Returns:
        [`IndexParts`]

    Raises:
        `ValueError`: When no row has a sentence.
    """
    images: list[NDArray[np.float32]] = []
    if settings.image_encoder is not None:
        studies = _look(studies, settings.image_encoder, images)
    counts = count_sentences(
        studies,
        splitter_of(settings.preset),
        by_patient=settings.patient_column is not None,
        show_progress=show_progress,
    )
    return fit_parts(counts, settings, images, show_progress=show_progress)


def fit_parts(
    counts: SentenceCounts,
    settings: BuildSettings,
    images: Sequence[NDArray[np.float32]] = (),
    *,
    embed: EmbedRows | None = None,
    show_progress: bool,
) -> IndexParts:
    """Fits an index on the counted sentences of a corpus.

    Args:
        counts ([`SentenceCounts`]): The sentences.
        settings ([`BuildSettings`]): How.
        images (`Sequence[np.ndarray]`, *optional*): Embeddings of the images of all studies, one
            part after the other.
        embed (`EmbedRows`, *optional*): What embeds sentences; this process by default.
        show_progress (`bool`): Whether to show progress bars.

    Returns:
        [`IndexParts`]

    Raises:
        `ValueError`: When there is no sentence.
    """
    if not counts.sentences:
        msg = f"no sentence in column {settings.text_column!r}: {counts.n_skipped} rows are empty"
        raise ValueError(msg)
    vectors = embed_sentences(
        counts.sentences,
        settings.encoder,
        show_progress=show_progress,
        embed=embed,
        desc=stage_name("Embedding"),
    )
    cluster_ids = _clusters(vectors, settings, show_progress=show_progress)
    occurrences = np.bincount(counts.sentence_ids, minlength=len(counts.sentences))
    reader = settings.reader or best_reader(counts.sentences, occurrences.tolist())
    readings = read_sentences(counts.sentences, reader, show_progress=show_progress)
    unit_ids, contents = number_units(_unit_keys(settings.preset, cluster_ids, readings))
    with stage_bar("Units", total=len(contents), unit="units", show=show_progress) as progress:
        sentence_signs, unit_signs, share = _signs(settings.signs, counts, readings, unit_ids)
        holders = count_holders(counts, reader.lexicon)
        rebuilt = rebuild_sentences(counts, holders, reader.lexicon)
        numbers = (cluster_ids, unit_ids)
        sentences = sentence_table(
            counts, *numbers, sentence_signs, readings, vectors, holders, rebuilt
        )
        units = unit_table(counts, unit_ids, contents, unit_signs, share, vectors)
        membership = membership_matrix(
            counts.report_ids, unit_ids[counts.sentence_ids], (counts.n_reports, len(contents))
        )
        agreement = _agreement(settings, sentences, units, readings, membership, reader)
        progress.update(len(contents))
    added = _most_common_readings(sentences, agreement.candidate_ids, readings)
    seen = np.concatenate(images)[counts.rows] if images else None
    silence = fit_silence(counts, reader, topics_of(added), seen, show_progress=show_progress)
    return IndexParts(
        _config(settings, counts, reader, silence),
        sentences,
        units,
        cooccurrence(membership),
        agreement,
        silence,
        build_search_index(vectors),
        reader,
    )


def _clusters(
    vectors: NDArray[np.float32], settings: BuildSettings, *, show_progress: bool
) -> NDArray[np.int64]:
    total = len(vectors)
    with stage_bar("Clustering", total=total, unit="sentences", show=show_progress) as progress:
        cluster_ids = _number(cluster_vectors(vectors, settings.method, settings.seed))
        progress.update(total)
    return cluster_ids


def _unit_keys(
    preset: Preset, cluster_ids: NDArray[np.int64], readings: Sequence[Reading]
) -> list[str]:
    if preset == "paper":
        return [published_key(one) if one != NOISE else "" for one in cluster_ids.tolist()]
    return unit_keys(readings, cluster_ids)


def read_sentences(
    sentences: Sequence[str], reader: Reader, *, show_progress: bool = False
) -> list[Reading]:
    """Reads distinct sentences."""
    bar = stage_bar("Reading sentences", sentences, unit="sentences", show=show_progress)
    return [reader.read(sentence) for sentence in bar]


def _look(
    studies: Iterable[StudyTexts], encoder: ImageEncoder, vectors: list[NDArray[np.float32]]
) -> Iterator[StudyTexts]:
    """Passes studies on, and embeds their images, some hundreds at a time."""
    waiting: list[Any] = []
    for study in studies:
        waiting.append(study.image)
        if len(waiting) == _IMAGES_AT_ONCE:
            vectors.append(embed_images(waiting, encoder, show_progress=False))
            waiting = []
        yield study
    if waiting:
        vectors.append(embed_images(waiting, encoder, show_progress=False))


def image_encoder_of(
    image_column: str | None, encoder: ImageEncoder | str | os.PathLike[str] | None
) -> ImageEncoder | None:
    """Gives what reads the images of a corpus; None where no column of them is named.

    Raises:
        `ValueError`: When a column is named without an encoder, or an encoder without a column.
    """
    if (image_column is None) != (encoder is None):
        given, missing = ("image_column", "image_encoder")[:: 1 if image_column else -1]
        msg = f"expected {missing}= beside {given}=, found none: images are read by both or not"
        raise ValueError(msg)
    return None if encoder is None else load_image_encoder(encoder)


def _most_common_readings(
    sentences: pa.Table, unit_ids: NDArray[np.int64], readings: Sequence[Reading]
) -> list[Reading]:
    """Returns the reading of the most common sentence of each unit."""
    first: dict[int, int] = {}
    for row, unit in enumerate(sentences.column("unit_id").to_pylist()):
        first.setdefault(unit, row)
    return [readings[first[unit]] for unit in unit_ids.tolist()]


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


def _config(
    settings: BuildSettings, counts: SentenceCounts, reader: Reader, silence: SilenceModel
) -> IndexConfig:
    method, images = settings.method, settings.image_encoder
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
        image_column=settings.image_column,
        image_encoder=None if images is None else image_encoder_name(images),
        patient_column=settings.patient_column,
        unsaid=silence.unsaid,
    )
