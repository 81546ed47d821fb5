"""FindingsIndex: the sentence clusters of a corpus and which of them go together."""

from __future__ import annotations

import importlib.metadata
import os
import weakref
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import HfApi, snapshot_download
from numpy.typing import NDArray
from scipy import sparse

from semenrich_datasets.clustering import DBSCAN, HDBSCAN, KMeans, cluster_vectors
from semenrich_datasets.corpus import SPLITTERS, count_sentences, iterate_texts
from semenrich_datasets.embedding import Encoder, embed_sentences, encoder_name, load_encoder
from semenrich_datasets.fitting import (
    NEIGHBORS,
    SIMILARITY,
    cooccurrence_matrix,
    cooccurrence_table,
    fit_tables,
    join_nearest,
    number_clusters,
    refine_clusters,
)
from semenrich_datasets.index_card import index_card
from semenrich_datasets.index_files import (
    HUB_PATTERNS,
    data_path,
    find_folder,
    read_config,
    remember_folder,
    shared_folder,
    write_index,
)
from semenrich_datasets.neighbors import (
    build_search_index,
    load_search_index,
    nearest,
    save_search_index,
)
from semenrich_datasets.signs import SignClassifier, classify_sentences

Clustering = HDBSCAN | DBSCAN | KMeans
Preset = Literal["safe", "paper"]

_METHODS: dict[str, Callable[[], Clustering]] = {
    "hdbscan": HDBSCAN,
    "dbscan": DBSCAN,
    "kmeans": KMeans,
}

# Open indexes by digest: workers that are forked find them here and share their memory.
_open_indexes: weakref.WeakValueDictionary[str, FindingsIndex] = weakref.WeakValueDictionary()


@dataclass(frozen=True, eq=False)
class FindingsIndex:
    """Everything that is fitted on a corpus of reports; immutable.

    Make one with [`FindingsIndex.build`] or [`FindingsIndex.from_pretrained`].

    Args:
        config (`dict`): Settings and figures of the build.
        sentences (`pyarrow.Table`): A row per distinct sentence, the most common first: `sentence`
            (normalized), `text` (most common spelling), `occurrences`, `reports` that hold it,
            `cluster_id` (-1 noise), `sign`, `centrality` (cosine to its cluster's mean).
        clusters (`pyarrow.Table`): A row per cluster: `cluster_id`, `text` (its most common
            sentence), `sign`, `agreement` (share of its occurrences with that sign), `sentences`,
            `occurrences`, `reports`, `position` (mean place in a report, 0 to 1), `x`, `y`.
        cooccurrence (`scipy.sparse.csr_array` of shape `(n_clusters, n_clusters)`, int64): Reports
            that hold both clusters; the diagonal is empty.
        search (`faiss.Index`): Sentence vectors, in the order of `sentences`.
        encoder (`Encoder` or `str`, *optional*): For sentences that the corpus did not hold;
            by default the one the index was built with.

    Example:
        ```python
        >>> index = FindingsIndex.build(reports, text_column="findings")
        >>> index.save_pretrained("my-index")
        >>> index.assign(["The lungs are clear."])
        array([0])
        ```
    """

    config: dict[str, Any]
    sentences: pa.Table
    clusters: pa.Table
    cooccurrence: sparse.csr_array
    search: Any
    encoder: Encoder | str | None = None

    @classmethod
    def build(
        cls,
        reports: Any,
        text_column: str = "findings",
        *,
        embedder: Encoder | str | os.PathLike[str] | None = None,
        clustering: Literal["hdbscan", "dbscan", "kmeans"] | Clustering = "hdbscan",
        signs: SignClassifier = classify_sentences,
        preset: Preset = "safe",
        seed: int = 0,
        show_progress: bool = True,
    ) -> FindingsIndex:
        """Fits an index on a corpus of reports.

        Args:
            reports (`datasets.Dataset`, `datasets.IterableDataset` or iterable): Rows with a
                `text_column`, or the texts themselves.
            text_column (`str`, *optional*, defaults to `"findings"`): Column of the report text.
            embedder (`Encoder`, `str` or `os.PathLike`, *optional*): A SentenceTransformer (name,
                folder or object) or anything with `encode`; all-MiniLM-L6-v2 by default.
            clustering (`str` or config, *optional*, defaults to `"hdbscan"`): `"hdbscan"`,
                `"dbscan"`, `"kmeans"`, or one of their configs.
            signs (`SignClassifier`, *optional*): Sentences to "normal", "abnormal" or "neutral";
                the offline rules by default. [`LLMSigns`] is asked about a few sentences of each
                cluster, and the others take the cluster's sign.
            preset (`"safe"` or `"paper"`, *optional*, defaults to `"safe"`): "paper" cuts at every
                "." and leaves the clusters as they come out (SemEnrich, arXiv 2604.09887, section
                3); "safe" reads sentences, splits clusters whose sentences differ in sign, and
                lets noise join the nearest cluster that says the same.
            seed (`int`, *optional*, defaults to `0`): Of k-means.
            show_progress (`bool`, *optional*, defaults to `True`): Whether to show progress bars.

        Returns:
            [`FindingsIndex`]

        Raises:
            `ValueError`: When the column is missing, no row has a text, or a setting is unknown.
        """
        method = _clustering_config(clustering)
        splitter = SPLITTERS[_splitter_name(preset)]
        texts = iterate_texts(reports, text_column)
        counts = count_sentences(texts, splitter, show_progress=show_progress)
        if not counts.sentences:
            msg = f"no sentence in column {text_column!r}: {counts.n_skipped} rows are empty"
            raise ValueError(msg)
        encoder = load_encoder(embedder)
        vectors = embed_sentences(counts.sentences, encoder, show_progress=show_progress)
        search = build_search_index(vectors)
        labels = cluster_vectors(vectors, method, seed)
        if preset == "safe":
            labels = refine_clusters(counts.sentences, labels, search, vectors)
        tables = fit_tables(counts, number_clusters(labels), signs, vectors)
        config = {
            "semenrich_version": importlib.metadata.version("semenrich"),
            "preset": preset,
            "text_column": text_column,
            "reports": counts.n_reports,
            "reports_without_text": counts.n_skipped,
            "embedder": encoder_name(encoder),
            "clustering": {"method": type(method).__name__.lower(), **asdict(method)},
            "seed": seed,
        }
        return cls(config, *tables, search=search, encoder=encoder)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str],
        *,
        subfolder: str = "",
        revision: str | None = None,
        token: str | bool | None = None,
        force_download: bool = False,
        encoder: Encoder | str | None = None,
    ) -> FindingsIndex:
        """Loads an index from a folder or from the Hub; no code of the index is run.

        Args:
            name_or_path (`str` or `os.PathLike`): A folder made by `save_pretrained`, or the id of
                a Hub repository.
            subfolder (`str`, *optional*): Where in it, such as "findings_index" of a model.
            revision (`str`, *optional*): Branch, tag or commit on the Hub.
            token (`str` or `bool`, *optional*): Hub token.
            force_download (`bool`, *optional*, defaults to `False`): Whether to fetch the files
                again though they are in the cache.
            encoder (`Encoder` or `str`, *optional*): In place of the one it was built with.

        Returns:
            [`FindingsIndex`]: Its vectors are mapped from the file, not copied.

        Raises:
            `IndexFileError`: A `ValueError`, when files are missing, cut, edited, or newer.
        """
        folder = Path(name_or_path)
        if not folder.is_dir():
            folder = Path(
                snapshot_download(
                    str(name_or_path),
                    revision=revision,
                    token=token,
                    force_download=force_download,
                    allow_patterns=[str(Path(subfolder) / name) for name in HUB_PATTERNS],
                )
            )
        return cls._open(folder / subfolder, encoder=encoder)

    @classmethod
    def _open(
        cls, folder: Path, *, verify: bool = True, encoder: Encoder | str | None = None
    ) -> FindingsIndex:
        config = read_config(folder)
        path = partial(data_path, folder, config, verify=verify)
        sentences, clusters, pairs = (
            pq.read_table(path(name), memory_map=True)
            for name in ("sentences", "clusters", "cooccurrence")
        )
        index = cls(
            config,
            sentences,
            clusters,
            cooccurrence_matrix(pairs, clusters.num_rows),
            search=load_search_index(path("vectors")),
            encoder=encoder,
        )
        index._remember(config["digest"], folder)
        return index

    def save_pretrained(self, folder: str | os.PathLike[str]) -> str:
        """Saves the index; an index that is already there stays whole until the new one is.

        Args:
            folder (`str` or `os.PathLike`): Made when missing.

        Returns:
            `str`: The digest of the index, SHA-256 in hex: equal content, equal digest.
        """
        digest = self._write(Path(folder))
        self._remember(digest, Path(folder))
        return digest

    def _write(self, folder: Path) -> str:
        pairs = cooccurrence_table(self.cooccurrence)
        writers: dict[str, Callable[[Path], None]] = {
            "sentences": partial(pq.write_table, self.sentences),
            "clusters": partial(pq.write_table, self.clusters),
            "cooccurrence": partial(pq.write_table, pairs),
            "vectors": partial(save_search_index, self.search),
        }
        config = {k: v for k, v in self.config.items() if k not in ("digest", "files")}
        return write_index(folder, config, writers, index_card(self))

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | bool | None = None,
        revision: str | None = None,
        commit_message: str = "Upload FindingsIndex",
    ) -> str:
        """Uploads the index to a model repository of the Hub, made when missing.

        The index holds every distinct sentence of the corpus, rare ones of single patients
        included: push an index of reports that may not be published with `private=True`.

        Args:
            repo_id (`str`): Such as "me/my-index".
            private (`bool`, *optional*): Whether a new repository is private.
            token (`str` or `bool`, *optional*): Hub token.
            revision (`str`, *optional*): Branch to push to.
            commit_message (`str`, *optional*): Of the one commit.

        Returns:
            `str`: Address of the commit.
        """
        api = HfApi(token=token)
        repo = api.create_repo(repo_id, private=private, exist_ok=True)
        with TemporaryDirectory() as folder:
            self._write(Path(folder))
            commit = api.upload_folder(
                repo_id=repo.repo_id,
                folder_path=folder,
                revision=revision,
                commit_message=commit_message,
                delete_patterns=["*.parquet", "*.faiss"],
            )
        return str(commit.commit_url)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of settings and data, in hex; an index that was never saved is kept for it."""
        if "digest" in self.config:
            return str(self.config["digest"])
        with TemporaryDirectory() as scratch:
            digest = self._write(Path(scratch))
        folder = shared_folder(digest)
        if not folder.is_dir():
            self._write(folder)
        self._remember(digest, folder)
        return digest

    def _remember(self, digest: str, folder: Path) -> None:
        self.__dict__["digest"] = digest
        remember_folder(digest, folder)
        _open_indexes[digest] = self

    def __reduce__(self) -> tuple[Callable[[str], FindingsIndex], tuple[str]]:
        """Pickles to the digest alone: small, equal across runs, and workers map the same file."""
        return _open_shared, (self.digest,)

    @cached_property
    def lookup(self) -> dict[str, int]:
        """Row of each normalized sentence."""
        return {key: row for row, key in enumerate(self.sentences.column("sentence").to_pylist())}

    @cached_property
    def cluster_ids(self) -> NDArray[np.int64]:
        """Cluster of each sentence, int64, -1 for noise."""
        return np.asarray(self.sentences.column("cluster_id").to_numpy())

    def split(self, text: str) -> list[str]:
        """Cuts a report into sentences the way the index was built, each as it was written."""
        return SPLITTERS[_splitter_name(self.config["preset"])].split(text)

    def normalize(self, sentence: str) -> str:
        """Gives the form under which the index knows a sentence."""
        return SPLITTERS[_splitter_name(self.config["preset"])].normalize(sentence)

    def assign(
        self, sentences: Sequence[str], *, threshold: float = SIMILARITY
    ) -> NDArray[np.int64]:
        """Gives the cluster of each sentence.

        Sentences of the corpus are looked up; others are embedded and take the cluster of their
        nearest neighbor that has the same sign, so that "No effusion." never joins "Effusion.".

        Args:
            sentences (`Sequence[str]`): In any spelling.
            threshold (`float`, *optional*, defaults to `0.75`): Least cosine to the neighbor.

        Returns:
            `np.ndarray` of shape `(n,)`, int64: Cluster ids, -1 where there is none.
        """
        keys = [self.normalize(sentence) for sentence in sentences]
        rows = np.array([self.lookup.get(key, -1) for key in keys], dtype=np.int64)
        clusters = np.where(rows >= 0, self.cluster_ids[rows], -1)
        new = sorted({key for key, row in zip(keys, rows.tolist(), strict=True) if row < 0 and key})
        if new:
            found = dict(zip(new, self._assign_new(new, threshold), strict=True))
            for position, key in enumerate(keys):
                clusters[position] = found.get(key, clusters[position])
        return clusters

    def _assign_new(self, sentences: list[str], threshold: float) -> NDArray[np.int64]:
        encoder = load_encoder(self.encoder or self.config["embedder"])
        vectors = embed_sentences(sentences, encoder, show_progress=False)
        known_signs = self.sentences.column("sign").to_pylist()
        found = nearest(self.search, vectors, min(NEIGHBORS, len(known_signs)))
        signs = classify_sentences(sentences)
        return join_nearest(*found, signs, self.cluster_ids, known_signs, threshold)


def _open_shared(digest: str) -> FindingsIndex:
    """Opens the index of a digest once a process."""
    index = _open_indexes.get(digest)
    return index if index is not None else FindingsIndex._open(find_folder(digest), verify=False)


def _clustering_config(clustering: str | Clustering) -> Clustering:
    if isinstance(clustering, (HDBSCAN, DBSCAN, KMeans)):
        return clustering
    if clustering not in _METHODS:
        msg = f"expected clustering to be one of {', '.join(_METHODS)}, found {clustering!r}"
        raise ValueError(msg)
    return _METHODS[clustering]()


def _splitter_name(preset: str) -> str:
    names = {"safe": "prose", "paper": "paper"}
    if preset not in names:
        msg = f"expected preset to be one of {', '.join(names)}, found {preset!r}"
        raise ValueError(msg)
    return names[preset]
