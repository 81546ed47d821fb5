"""SemEnricher: the callable for `datasets.map` that adds left-out normal findings."""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from hashlib import blake2b
from importlib.metadata import version
from typing import Any, Literal, Self

import pandas as pd
import pyarrow as pa
from datasets import Features, List, Value
from datasets.formatting.formatting import LazyRow

from semenrich_datasets.columns import (
    ReportColumns,
    StudyTexts,
    check_column,
    check_names,
    find_columns,
    read_texts,
)
from semenrich_datasets.enrich.guards.asking import ask_guard
from semenrich_datasets.enrich.guards.proposal import Guard
from semenrich_datasets.enrich.images import Cells, StudyImages, is_batch_of
from semenrich_datasets.enrich.options import (
    OUTPUT_COLUMNS,
    check_free,
    check_index,
    check_options,
    check_output_columns,
)
from semenrich_datasets.enrich.paper_selection import PaperSelection, RandomSelection
from semenrich_datasets.enrich.report import (
    ADDED_TYPE,
    Report,
    Selection,
    TypedColumn,
)
from semenrich_datasets.enrich.safe_selection import SafeSelection
from semenrich_datasets.index import FindingsIndex
from semenrich_datasets.index.image_embedding import ImageEncoder
from semenrich_datasets.index.recorded_names import RecordedName
from semenrich_datasets.sentences import append_sentences, join_sentences

Strategy = Literal["random", "heaviest"]
EnricherPreset = Literal["safe", "paper", "random"]

# What `to_dict` holds beside the digest of the index: the arguments that are plain values.
_SETTINGS = (
    "text_column context_columns preset strategy max_added min_score unsaid_abnormal privacy_floor "
    "image_column resample variant seed enriched_column added_column"
).split()


class SemEnricher:
    """Adds to each report the normal findings that its author most likely left out.

    A callable for `Dataset.map` (batched or not, any `num_proc`), `IterableDataset.map`,
    `DatasetDict.map` and `with_transform`. It adds two columns and changes none:
    `enriched_findings` (string: the report, then the added sentences) and `added_findings` (list of
    struct: `sentence`, `cluster_id` = its unit in the index, `support` = different reports that
    hold the unit, `score` in 0..1 = how surely it is true though unsaid). Rows without a string
    (None, NaN, numbers) get None, rows that nothing can be added to keep their text, both with an
    empty list: [`~audit.summarize`] counts them.

    The draw depends on the seed, the variant and the report's own text alone, so the same report
    gets the same additions whatever the batch, the order, the process or the day.

    Args:
        index ([`FindingsIndex`], `str` or `os.PathLike`): An index, its folder or its Hub id.
        text_column (`str`, *optional*): Column of the findings. By default it is found by the
            names in use in public datasets ([`~columns.find_columns`]); a whole report in one
            column is cut at its headings.
        context_columns (`Sequence[str]`, *optional*): Columns of the same study that an addition
            must not contradict. By default the impression, the indication and the like, where
            there are any; an empty list uses none.
        preset (`str`, *optional*, defaults to `"safe"`): "safe" adds only what the guards let
            through; "paper" is the published method, which contradicts about 1 in 9 abnormal
            reports (for comparison; to reproduce it exactly build the index with
            `preset="paper"` too); "random" its ablation, as many sentences of random units.
        strategy (`str`, *optional*): "random" draws among the statements that go together,
            "heaviest" takes the most usual ones. Default: "heaviest" for "safe" with variant 0,
            else "random".
        max_added (`int`, *optional*): Most sentences added to a report; no bound by default.
        min_score (`float`, *optional*, defaults to `0.97`): Least `score` of an addition, for
            "safe"; of a statement that fewer than 1 in 20 reports make more is asked, in
            proportion.
        unsaid_abnormal (`float`, *optional*): Share of abnormalities that authors are taken to
            leave unsaid, from 0 to 1: no text can tell it, and the risk of an addition goes with
            it. By default what the index learned from images, or 0.05.
        privacy_floor (`bool`, *optional*, defaults to `True`): Whether "paper" and "random" too add
            and resample only sentences that at least 3 patients hold and that could be rebuilt from
            the words of the lexicon; False sends anybody's words to anybody, as published. "safe"
            always has this floor.
        guards (`Sequence[Guard]`, *optional*): Guards of your own, asked in turn after the
            built-in ones: each takes a list of [`~guards.Proposal`] and gives for each a reason
            to refuse or None.
        image_column (`str`, *optional*): Column of the study's image. It is decoded only for
            reports with candidates, once, for the silence model where the index was built with
            images, and for the guards (`Proposal.image`).
        image_encoder ([`~index.image_embedding.ImageEncoder`] or `str`, *optional*): In place of
            the one that the index was built with.
        resample (`bool`, *optional*, defaults to `False`): Whether each sentence of the report is
            replaced by another one of its unit (the paper's other augmentation, section 3).
        variant (`int`, *optional*, defaults to `0`): Another number gives another draw: other
            statements among those that go together, in other words.
        seed (`int`, *optional*, defaults to `0`): Seed of the draws.
        enriched_column (`str`, *optional*, defaults to `"enriched_findings"`): Name of the output.
        added_column (`str`, *optional*, defaults to `"added_findings"`): Name of the output.

    Example:
        ```python
        >>> enricher = SemEnricher(index, context_columns=["impression"])
        >>> enriched = reports.map(enricher, batched=True, num_proc=2)
        >>> another = reports.map(enricher.with_variant(1), batched=True)
        ```
    """

    def __init__(
        self,
        index: FindingsIndex | str | os.PathLike[str],
        text_column: str | None = None,
        context_columns: Sequence[str] | None = None,
        *,
        preset: EnricherPreset = "safe",
        strategy: Strategy | None = None,
        max_added: int | None = None,
        min_score: float = 0.97,
        unsaid_abnormal: float | None = None,
        privacy_floor: bool = True,
        guards: Sequence[Guard] = (),
        image_column: str | None = None,
        image_encoder: ImageEncoder | str | None = None,
        resample: bool = False,
        variant: int = 0,
        seed: int = 0,
        enriched_column: str = OUTPUT_COLUMNS[0],
        added_column: str = OUTPUT_COLUMNS[1],
    ) -> None:
        check_options(preset, strategy, max_added, min_score, unsaid_abnormal, privacy_floor)
        check_output_columns((enriched_column, added_column), text_column, context_columns)
        if not isinstance(index, FindingsIndex):
            index = FindingsIndex.from_pretrained(index)
        check_index(preset, index.config)
        self.index = index
        self.text_column = text_column
        self.context_columns = None if context_columns is None else tuple(context_columns)
        self.preset = preset
        self.strategy = strategy
        self.max_added = max_added
        self.min_score = min_score
        self.unsaid_abnormal = unsaid_abnormal
        self.privacy_floor = privacy_floor
        self.guards = tuple(guards)
        self.image_column = image_column
        recorded = index.config.image_encoder
        self.images = StudyImages(
            image_column,
            image_encoder or (RecordedName(recorded, "image_encoder") if recorded else None),
        )
        self.resample = resample
        self.variant = variant
        self.seed = seed
        self.enriched_column = enriched_column
        self.added_column = added_column

    def __getstate__(self) -> dict[str, Any]:
        """Names all that the output depends on, and no memo.

        `datasets` makes its fingerprint of it: the same before and after a run, another one when
        the package, the index or the way in which sentences are read has changed.
        """
        state = {key: value for key, value in self.__dict__.items() if key != "selection"}
        return {**state, "_version": version("semenrich"), "_reader": self.index.reader.digest}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Takes the attributes back."""
        kept = {key: value for key, value in state.items() if key not in ("_version", "_reader")}
        self.__dict__.update(kept)

    def to_dict(self) -> dict[str, Any]:
        """Writes down how the enricher works, as JSON values, to stand beside what it made.

        Returns:
            `dict[str, Any]`: Its arguments; `guards` by the names of their classes; `index_digest`,
            `index_reports` and `semenrich_version`.
        """
        settings: dict[str, Any] = {name: getattr(self, name) for name in _SETTINGS}
        return {
            **settings,
            "context_columns": None if self.context_columns is None else [*self.context_columns],
            "guards": [type(guard).__name__ for guard in self.guards],
            "index_digest": self.index.digest,
            "index_reports": self.index.config.reports,
            "semenrich_version": version("semenrich"),
        }

    @classmethod
    def from_dict(
        cls,
        settings: Mapping[str, Any],
        index: FindingsIndex | str | os.PathLike[str],
        guards: Sequence[Guard] = (),
    ) -> Self:
        """Makes the enricher that `to_dict` wrote down.

        Args:
            settings (`Mapping[str, Any]`): What `to_dict` gave.
            index ([`FindingsIndex`], `str` or `os.PathLike`): The index it was used with.
            guards (`Sequence[Guard]`, *optional*): Guards of your own: they are not written down.

        Raises:
            `ValueError`: When a setting is missing, or the index is another one.
        """
        missing = [name for name in (*_SETTINGS, "index_digest") if name not in settings]
        if missing:
            raise ValueError(f"expected the settings of an enricher, found none of {missing[0]!r}")
        if not isinstance(index, FindingsIndex):
            index = FindingsIndex.from_pretrained(index)
        if settings["index_digest"] != index.digest:
            msg = (
                f"expected the index {settings['index_digest'][:12]}, with which the reports were "
                f"enriched, found {index.digest[:12]}: pass that one"
            )
            raise ValueError(msg)
        return cls(index, guards=guards, **{name: settings[name] for name in _SETTINGS})

    def with_variant(self, variant: int) -> Self:
        """Gives the same enricher with another draw, what is fitted shared: one for each epoch.

        Args:
            variant (`int`): Such as the number of the epoch.

        Example:
            ```python
            >>> for epoch in range(3):
            ...     enriched = reports.map(enricher.with_variant(epoch), batched=True)
            ```
        """
        other = copy.copy(self)
        other.variant = variant
        other.__dict__["selection"] = self.selection.with_strategy(other._strategy)
        return other

    @property
    def _strategy(self) -> Strategy:
        """The strategy in use: the first draw of the safe preset is the most usual one."""
        usual = self.preset == "safe" and self.variant == 0
        return self.strategy or ("heaviest" if usual else "random")

    def features(self, features: Features) -> Features:
        """Gives the features of the output, for `map(enricher, features=...)` on a stream."""
        added = {name: Value(str(field.type)) for name, field in _added_fields()}
        return Features(
            {**features, self.enriched_column: Value("string"), self.added_column: List(added)}
        )

    def __call__(self, rows: Mapping[str, Any]) -> dict[str, Any]:
        """Enriches one row, or one batch of rows (columns of lists).

        Args:
            rows (`Mapping`): Column name to value, or to a list of values.

        Returns:
            `dict`: The two added columns, in the form of the input.

        Raises:
            `ValueError`: When the text, a context or the image column is missing, a column that
                looks like an impression is not used, an output column is there already, or a guard
                does not answer each proposal.
        """
        if not isinstance(rows, (Mapping, pd.DataFrame)):
            msg = (
                f"expected a row or a batch as a dict, found a {type(rows).__name__}: call map "
                "without input_columns, and on with_format(None)"
            )
            raise TypeError(msg)
        check_free(rows.keys(), (self.enriched_column, self.added_column))
        columns = self.find_columns(list(rows))
        if self.image_column:
            check_column(self.image_column, rows, "image_column")
        names = columns.read
        is_batch = is_batch_of(rows, names)
        values = {name: rows[name] for name in names}
        if not is_batch:
            values = {name: [value] for name, value in values.items()}
        studies = read_texts(values, columns)
        enriched, added = self._enrich(studies, self.images.cells(rows, is_batch))
        if not is_batch and not isinstance(rows, LazyRow):
            return {self.enriched_column: enriched[0], self.added_column: added[0]}
        if not is_batch:
            # `Dataset.map` would take the types of the first thousand rows, which may be empty.
            return {
                self.enriched_column: pa.array(enriched, type=pa.string()),
                self.added_column: pa.array(added, type=ADDED_TYPE),
            }
        return {
            self.enriched_column: TypedColumn(enriched, pa.string()),
            self.added_column: TypedColumn(added, ADDED_TYPE),
        }

    def find_columns(self, names: Sequence[str]) -> ReportColumns:
        """Tells what each column of a dataset is taken for.

        Args:
            names (`Sequence[str]`): Names of the columns.

        Returns:
            [`~columns.ReportColumns`]: Its text is one line to show.

        Raises:
            `ValueError`: When the findings are not found, a given column is missing, or one that
                looks like an impression is not used.
        """
        check_names(names)
        own = (self.enriched_column, self.added_column)
        return _found_columns(
            tuple(name for name in names if name not in own),
            self.text_column,
            self.context_columns,
            self.index.config.patient_column,
        )

    def _enrich(
        self, studies: Sequence[StudyTexts], cells: Cells
    ) -> tuple[list[str | None], list[list[dict[str, Any]]]]:
        reports = [self.read_report(study) for study in studies]
        if self.index.silence.image is not None and isinstance(self.selection, SafeSelection):
            reports = self._look(self.selection, reports, cells)
        chosen = [self.selection(report) if report else [] for report in reports]
        for guard in self.guards:
            chosen = ask_guard(guard, reports, chosen, cells)
        enriched: list[str | None] = []
        for study, report, additions in zip(studies, reports, chosen, strict=True):
            if report is None:
                enriched.append(study.findings)
                continue
            body = self._resample(report) if self.resample else report.text
            enriched.append(append_sentences(body, [addition.sentence for addition in additions]))
        return enriched, [[addition.as_dict() for addition in chosen_] for chosen_ in chosen]

    def _look(
        self, selection: SafeSelection, reports: Sequence[Report | None], cells: Cells
    ) -> list[Report | None]:
        """Gives the reports with the embeddings of their images, where these decide anything."""
        rows = [row for row, one in enumerate(reports) if one and selection.wants_image(one)]
        found: list[Report | None] = list(reports)
        for row, vector in self.images.embed(cells, rows).items():
            report = found[row]
            found[row] = replace(report, image=vector) if report else None
        return found

    def read_report(self, study: StudyTexts) -> Report | None:
        """Gives the report of a study, its draws still to be made; None without a sentence."""
        text = study.findings
        sentences = self.index.split(text) if text is not None else []
        if text is None or not sentences:
            return None
        key = f"{self.seed}|{self.variant}|{text}".encode(errors="surrogatepass")
        rng = random.Random(int.from_bytes(blake2b(key, digest_size=8).digest()))
        context, history = tuple(study.context.values()), tuple(study.history.values())
        return Report(text, tuple(sentences), context, history, study.exam, rng)

    def _resample(self, report: Report) -> str:
        return join_sentences(self.selection.replace(report))

    @cached_property
    def selection(self) -> Selection:
        """What chooses the additions; made once a process, at the first report."""
        if self.preset == "safe":
            return SafeSelection(
                self.index, self._strategy, self.max_added, self.min_score, self.unsaid_abnormal
            )
        kind = PaperSelection if self.preset == "paper" else RandomSelection
        return kind(self.index, self._strategy, self.max_added, self.privacy_floor)


@lru_cache(maxsize=64)
def _found_columns(
    names: tuple[str, ...],
    text_column: str | None,
    context_columns: tuple[str, ...] | None,
    patient_column: str | None,
) -> ReportColumns:
    return find_columns(
        names,
        text_column=text_column,
        context_columns=context_columns,
        patient_column=patient_column if patient_column in names else None,
    )


def _added_fields() -> list[tuple[str, pa.Field]]:
    return [(field.name, field) for field in ADDED_TYPE.value_type]
