"""FindingsIndex: everything that is fitted on a corpus of reports."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import rustworkx as rx
from numpy.typing import NDArray
from scipy import sparse
from tqdm.auto import tqdm

from semenrich_datasets.columns import iterate_studies
from semenrich_datasets.index.agreement import Agreement
from semenrich_datasets.index.building import (
    BuildSettings,
    Clustering,
    ClusteringName,
    IndexParts,
    build_parts,
    settings_for,
    splitter_of,
)
from semenrich_datasets.index.card import index_card
from semenrich_datasets.index.config import IndexConfig, Preset
from semenrich_datasets.index.cooccurrence import cooccurrence_graph
from semenrich_datasets.index.coverage import Coverage, coverage, warn_of_unread
from semenrich_datasets.index.embedding import Encoder, load_encoder
from semenrich_datasets.index.files import (
    IndexFileError,
    Writer,
    index_digest,
    read_settled,
    write_index,
)
from semenrich_datasets.index.image_embedding import ImageEncoder
from semenrich_datasets.index.location import Location, find_index
from semenrich_datasets.index.parts import part_writers, read_parts
from semenrich_datasets.index.pushing import upload_index
from semenrich_datasets.index.recorded_names import RecordedName
from semenrich_datasets.index.sharing import share_parts
from semenrich_datasets.index.silence import SilenceModel
from semenrich_datasets.index.units import Unit, UnitFinder
from semenrich_datasets.reading import Lexicon, Reader, Sign
from semenrich_datasets.reading.signs import SignClassifier

# Open indexes by digest: workers that are forked find them here and share their memory.
_open_indexes: weakref.WeakValueDictionary[str, FindingsIndex] = weakref.WeakValueDictionary()


@dataclass(frozen=True, eq=False)
class FindingsIndex:
    """Everything that is fitted on a corpus of reports; immutable.

    Make one with [`FindingsIndex.build`] or [`FindingsIndex.from_pretrained`].

    Args:
        config ([`IndexConfig`]): Settings and figures of the build.
        sentences (`pyarrow.Table`): A row per distinct sentence, the most common first: `sentence`
            (normalized), `text` (most common spelling), `occurrences`, `reports` that hold it,
            `cluster_id` (-1 noise), `unit_id`, `sign`, `centrality` (cosine to its unit's mean),
            `transferable` (whether it may be proposed to other reports by what it says),
            `holders` (different patients that hold it), `rebuilt` (it in known words; empty where
            it must stay with its patients).
        unit_table (`pyarrow.Table`): A row per unit, what sentences say in whatever words:
            `unit_id`, `text` (its most common sentence), `content`, `sign`, `sign_share` (of its
            occurrences with that sign), `sentences`, `occurrences`, `support` (different reports
            that hold it), `position` (mean place in a report, 0 to 1), `x`, `y`.
        cooccurrence (`scipy.sparse.csr_array` of shape `(n_units, n_units)`, int64): Reports that
            hold both units; the diagonal is empty.
        agreement ([`Agreement`]): What may be added to reports, and how reports speak of it.
        silence ([`SilenceModel`]): How likely what a report leaves unsaid is abnormal.
        search (`faiss.Index`): Sentence vectors, in the order of `sentences`.
        reader ([`Reader`]): What reads sentences, with the lexicon of the index.
        encoder (`Encoder` or `str`, *optional*): For sentences that the corpus did not hold;
            by default the one the index was built with.

    Example:
        ```python
        >>> index = FindingsIndex.build(reports, text_column="findings")
        >>> index.save_pretrained("my-index")
        >>> index.units(["The lungs are clear."])
        [Unit(unit_id=0, sign='normal', content='normal lungs')]
        ```
    """

    config: IndexConfig
    sentences: pa.Table
    unit_table: pa.Table
    cooccurrence: sparse.csr_array
    agreement: Agreement
    silence: SilenceModel
    search: Any
    reader: Reader
    encoder: Encoder | str | None = None

    @classmethod
    def build(
        cls,
        reports: Any,
        text_column: str | None = None,
        *,
        context_columns: Sequence[str] | None = None,
        patient_column: str | None = None,
        image_column: str | None = None,
        image_encoder: ImageEncoder | str | os.PathLike[str] | None = None,
        embedder: Encoder | str | os.PathLike[str] | None = None,
        clustering: ClusteringName | Clustering = "hdbscan",
        lexicon: Reader | Lexicon | str | os.PathLike[str] | None = None,
        signs: SignClassifier | None = None,
        preset: Preset = "safe",
        seed: int = 0,
        show_progress: bool = True,
    ) -> FindingsIndex:
        """Fits an index on a corpus of reports.

        Args:
            reports (`datasets.Dataset`, `datasets.IterableDataset` or iterable): Rows with a
                `text_column`, or the texts themselves.
            text_column (`str`, *optional*): Column of the report text; found by its name by
                default, and printed. A report that several rows repeat counts once.
            context_columns (`Sequence[str]`, *optional*): Columns of the same study, of which the
                silence model learns too; found by their names by default.
            patient_column (`str`, *optional*): Column that names the patient; found by its name by
                default. A sentence travels to other reports where at least 3 patients hold it;
                without such a column near-copies of a report count as one patient's.
            image_column (`str`, *optional*): Column of the study's image, of which the silence
                model learns then; of a report that several rows repeat the first is taken.
            image_encoder ([`ImageEncoder`], `str` or `os.PathLike`, *optional*): What reads the
                images: a vision model of transformers or sentence-transformers (Hub id or folder),
                frozen, or anything with `encode`.
            embedder (`Encoder`, `str` or `os.PathLike`, *optional*): A SentenceTransformer (name,
                folder or object) or anything with `encode`; all-MiniLM-L6-v2 by default.
            clustering (`str` or config, *optional*, defaults to `"hdbscan"`): `"hdbscan"`,
                `"dbscan"`, `"kmeans"`, or one of their configs.
            lexicon ([`Reader`], [`Lexicon`], `str` or `os.PathLike`, *optional*): What the words
                mean: a reader, a lexicon, the name of a packaged one or a TOML file. By default the
                packaged one that understands the reports best. It is saved in the index and read by
                all who use it.
            signs (`SignClassifier`, *optional*): Sentences to "normal", "abnormal" or "neutral";
                the reader's by default. [`LLMSigns`] is asked about a few sentences of each unit,
                and the others take the unit's sign.
            preset (`"safe"` or `"paper"`, *optional*, defaults to `"safe"`): "paper" cuts at every
                "." and takes the clusters as they come out for units (SemEnrich, arXiv 2604.09887,
                section 3); "safe" reads sentences, and a unit is what they say.
            seed (`int`, *optional*, defaults to `0`): Of k-means.
            show_progress (`bool`, *optional*, defaults to `True`): Whether to show progress bars.

        Returns:
            [`FindingsIndex`]

        Raises:
            `ValueError`: When the column is missing, no row has a text, or a setting is unknown.
        """
        columns, studies = iterate_studies(
            reports, text_column, context_columns, image_column, patient_column
        )
        if patient_column is not None and columns is None:
            raise ValueError(f"expected rows with a column {patient_column!r}, found texts alone")
        if columns is not None and show_progress:
            tqdm.write(str(columns))
        settings = settings_for(
            columns,
            text_column=text_column,
            embedder=embedder,
            clustering=clustering,
            lexicon=lexicon,
            preset=preset,
            seed=seed,
            signs=signs,
            image_column=image_column,
            image_encoder=image_encoder,
        )
        return cls.fitted(build_parts(studies, settings, show_progress=show_progress), settings)

    @classmethod
    def fitted(cls, parts: IndexParts, settings: BuildSettings) -> FindingsIndex:
        """Makes an index of what was fitted, and warns where little of the corpus was understood.

        Args:
            parts ([`IndexParts`]): What was fitted.
            settings ([`BuildSettings`]): How.

        Returns:
            [`FindingsIndex`]
        """
        index = cls(*parts, encoder=settings.encoder)
        if settings.preset == "safe":
            warn_of_unread(index.coverage, index.config.lexicon)
        return index

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
            [`FindingsIndex`]: Its vectors are mapped from the file, not copied; nothing is written
            but the Hub's own cache.

        Raises:
            `IndexFileError`: A `ValueError`, when files are missing, cut, edited, or newer.
        """
        location = find_index(
            name_or_path,
            subfolder=subfolder,
            revision=revision,
            token=token,
            force_download=force_download,
        )
        return cls._open(location, encoder=encoder)

    @classmethod
    def _open(cls, location: Location, *, encoder: Encoder | str | None = None) -> FindingsIndex:
        folder = location.folder()
        parts, digest = read_settled(folder, lambda: read_parts(folder))
        index = cls(*parts, encoder=encoder)
        index._remember(digest, location)
        return index

    def __repr__(self) -> str:
        """One line, without a word of the corpus."""
        counts = f"{self.sentences.num_rows:,} sentences, {self.unit_table.num_rows:,} units"
        return f"FindingsIndex({self.config.reports:,} reports, {counts}, {self.config.lexicon!r})"

    def save_pretrained(self, folder: str | os.PathLike[str], *, share: bool = False) -> str:
        """Saves the index; an index that is already there stays whole until the new one is.

        The shared form holds the sentences that may travel, with their units, and counts in steps
        of 3; the words that the lexicon lacks are gone from the silence model. It enriches by
        `preset="safe"`; of 100 additions 17 are lost on IU X-ray and 3 on the phantom
        (tests/benchmarks/bench_sharing.py).

        Args:
            folder (`str` or `os.PathLike`): Made when missing.
            share (`bool`, *optional*, defaults to `False`): Whether to save the shared form: what
                may be shown to others.

        Returns:
            `str`: The digest of what was saved, SHA-256 in hex: equal content, equal digest.

        Raises:
            `ValueError`: With `share`, when nothing of the index may travel.
        """
        if share and not self.config.shared:
            return self.shared().save_pretrained(folder)
        digest = self._write(Path(folder))
        self._remember(digest, find_index(folder))
        return digest

    def shared(self) -> FindingsIndex:
        """Gives the shared form of the index, as `save_pretrained(share=True)` saves it."""
        return FindingsIndex(*share_parts(self._parts), encoder=self.encoder)

    def _write(self, folder: Path) -> str:
        card = index_card(self.config, self.sentences, self.unit_table)
        return write_index(folder, self.config.to_dict(), self._writers(), card)

    def _writers(self) -> Mapping[str, Writer]:
        return part_writers(*self._parts[1:])

    @property
    def _parts(self) -> IndexParts:
        return IndexParts(*(getattr(self, name) for name in IndexParts._fields))

    def push_to_hub(
        self,
        repo_id: str,
        *,
        share: bool = True,
        private: bool | None = None,
        token: str | bool | None = None,
        revision: str | None = None,
        commit_message: str = "Upload FindingsIndex",
    ) -> str:
        """Uploads the index to a model repository of the Hub, made when missing.

        Args:
            repo_id (`str`): Such as "me/my-index".
            share (`bool`, *optional*, defaults to `True`): Whether to push the shared form (see
                `save_pretrained`), else every sentence, rare ones of single patients included.
            private (`bool`, *optional*): Whether the repository is private. By default what is
                not shared is private, and the shared form is as the Hub makes repositories.
            token (`str` or `bool`, *optional*): Hub token.
            revision (`str`, *optional*): Branch to push to.
            commit_message (`str`, *optional*): Of the one commit.

        Returns:
            `str`: Address of the commit.

        Raises:
            `ValueError`: Before any upload, when the repository is public and was to be private,
                or nothing of the index may be shared.
        """
        pushed = self.shared() if share and not self.config.shared else self
        if private is None and not pushed.config.shared:
            private = True
        return upload_index(pushed._write, repo_id, private, token, revision, commit_message)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of settings and data, in hex; nothing is written for it."""
        digest = index_digest(self.config.to_dict(), self._writers())
        _open_indexes[digest] = self
        return digest

    def _remember(self, digest: str, location: Location) -> None:
        self.__dict__["digest"] = digest
        self.__dict__["_location"] = location
        _open_indexes[digest] = self

    def __reduce__(self) -> tuple[Callable[..., FindingsIndex], tuple[Any, ...]]:
        """Pickles to digest and place, and workers map the same file; unsaved, to its content."""
        location = self.__dict__.get("_location")
        if location is not None:
            return _open_again, (self.digest, location)
        return _make_again, (self.digest, tuple(self._parts))

    @cached_property
    def lookup(self) -> dict[str, int]:
        """Row of each normalized sentence."""
        return {key: row for row, key in enumerate(self.sentences.column("sentence").to_pylist())}

    @cached_property
    def unit_ids(self) -> NDArray[np.int64]:
        """Unit of each sentence, int64, -1 for none."""
        return np.asarray(self.sentences.column("unit_id").to_numpy())

    @cached_property
    def unit_signs(self) -> list[Sign]:
        """Sign of each unit."""
        return list(self.unit_table.column("sign").to_pylist())

    @cached_property
    def coverage(self) -> Coverage:
        """How much of the corpus was understood, and the commonest of what was not."""
        return coverage(self.sentences, self.reader)

    @cached_property
    def graph(self) -> rx.PyGraph[int, int]:
        """The co-occurrence: a node per unit, and on each edge the reports that hold both."""
        return cooccurrence_graph(self.cooccurrence)

    def split(self, text: str) -> list[str]:
        """Cuts a report into sentences the way the index was built, each as it was written."""
        return splitter_of(self.config.preset).split(text)

    def normalize(self, sentence: str) -> str:
        """Gives the form under which the index knows a sentence."""
        return splitter_of(self.config.preset).normalize(sentence)

    def held_units(self, sentences: Sequence[str]) -> list[int]:
        """Gives the units that the corpus holds too, ascending, each once; nothing is embedded."""
        return self._finder.held(sentences)

    def units(self, sentences: Sequence[str]) -> list[Unit]:
        """Gives what each sentence says, in the one form that paraphrases share.

        A sentence of the corpus has its unit, one that is understood the unit of its content. Of
        others the nearest sentence of the corpus with the same sign tells the cluster, and what has
        none is a unit of its own: "No effusion." never shares one with "Effusion.".

        Args:
            sentences (`Sequence[str]`): In any spelling.

        Returns:
            `list[Unit]`: One for each; equal where two sentences say the same.
        """
        return self._finder.units(sentences)

    @cached_property
    def _finder(self) -> UnitFinder:
        # It holds the parts and not the index: an index that nobody uses goes at once.
        return UnitFinder(
            self.sentences,
            self.unit_table,
            self.search,
            self.reader,
            splitter_of(self.config.preset).normalize,
            partial(load_encoder, self.encoder or RecordedName(self.config.embedder)),
            by_content=self.config.preset != "paper",
        )


def _open_again(digest: str, location: Location) -> FindingsIndex:
    """Opens a saved index once a process, wherever it is unpickled."""
    index = _open_indexes.get(digest)
    if index is not None:
        return index
    location.check(digest)
    index = FindingsIndex._open(location)
    if index.digest != digest:
        # Another was saved there in between.
        raise IndexFileError(location.gone(digest))
    return index


def _make_again(digest: str, parts: tuple[Any, ...]) -> FindingsIndex:
    """Makes an index that was never saved once a process."""
    index = _open_indexes.get(digest)
    if index is None:
        index = FindingsIndex(*parts)
        index.__dict__["digest"] = digest
        _open_indexes[digest] = index
    return index
