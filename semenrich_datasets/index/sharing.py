"""The shared form of an index: only what may travel to whoever reads it.

An index holds every distinct sentence of its corpus, rare ones of single patients included. Its
shared form holds the sentences that may be added to another patient's report anyway, and what is
known of them, in counts that no single report changes by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from semenrich_datasets.index.agreement import Agreement
from semenrich_datasets.index.building import IndexParts
from semenrich_datasets.index.config import IndexConfig
from semenrich_datasets.index.holders import MIN_SUPPORT, may_travel
from semenrich_datasets.index.neighbors import build_search_index
from semenrich_datasets.index.silence import LogOdds, SilenceModel, TopicCounts
from semenrich_datasets.index.units import number_units
from semenrich_datasets.reading import Lexicon
from semenrich_datasets.reading.signs import NOISE

# What is an average over few reports would tell one of them if it were exact.
_DECIMALS = 2


def shareable_rows(sentences: pa.Table) -> pa.ChunkedArray:
    """Tells which sentences of an index may be shown to whoever holds the index.

    Args:
        sentences (`pyarrow.Table`): Of the index (`SENTENCE_SCHEMA`), `n` rows.

    Returns:
        `pyarrow.ChunkedArray` of length `n`, bool: True for those that may be proposed to other
        reports ([`~holders.may_travel`]).
    """
    return pc.and_(sentences.column("transferable"), may_travel(sentences))


def share_parts(parts: IndexParts) -> IndexParts:
    """Gives the shared form of an index, as [`FindingsIndex.save_pretrained`] says.

    Args:
        parts ([`IndexParts`]): Of the index.

    Returns:
        [`IndexParts`]: Those of an index that is shared already as they are.

    Raises:
        `ValueError`: When nothing of the index may travel.
    """
    if parts.config.shared:
        return parts
    rows = np.flatnonzero(shareable_rows(parts.sentences).to_numpy())
    if not len(rows):
        msg = (
            f"expected sentences that may travel, found none that {MIN_SUPPORT} patients "
            "hold: share an index of more reports, or keep this one private (share=False)"
        )
        raise ValueError(msg)
    # Sorted anew: an order by exact counts would tell what the rounded ones do not.
    usage = round_counts(parts.sentences.column("reports").to_numpy()[rows])
    names = parts.sentences.column("sentence").take(pa.array(rows)).to_pylist()
    rows = rows[sorted(range(len(rows)), key=lambda row: (-usage[row], names[row]))]
    kept = parts.sentences.take(pa.array(rows))
    old_ids = kept.column("unit_id").to_numpy()
    unit_ids, keys = number_units([str(one) if one >= 0 else "" for one in old_ids.tolist()])
    units = np.array([int(key) for key in keys], dtype=np.int64)
    sentences = _sentences(kept, unit_ids)
    vectors = np.ascontiguousarray(parts.search.reconstruct_n(0, parts.search.ntotal)[rows])
    return IndexParts(
        _config(parts.config),
        sentences,
        _units(parts.unit_table, units, sentences),
        _rounded(parts.cooccurrence[units][:, units]),
        _agreement(parts, units),
        _silence(parts.silence, parts.reader.lexicon),
        build_search_index(vectors),
        parts.reader,
    )


def check_shared(parts: IndexParts) -> None:
    """Checks that an index that calls itself shared is: it would be shown to others as it is.

    Args:
        parts ([`IndexParts`]): Of any index.

    Raises:
        `ValueError`: When it says that it is shared, and holds what the shared form leaves out.
    """
    if not parts.config.shared:
        return
    shown = shareable_rows(parts.sentences)
    shown = pc.and_(shown, pc.equal(*(parts.sentences.column(one) for one in ("text", "rebuilt"))))
    if not pc.all(shown).as_py():
        kept = parts.sentences.filter(pc.invert(shown)).column("text")[0].as_py()
        raise ValueError(
            f"expected sentences that may travel in a shared index, found {kept!r:.80}"
        )
    unknown = [one for one in parts.silence.features if not _is_known(one, parts.reader.lexicon)]
    if unknown:
        raise ValueError(
            f"expected words of the lexicon in a shared index, found {unknown[0]!r:.80}"
        )


def round_counts(counts: Any) -> NDArray[np.int64]:
    """Rounds counts to the nearest multiple of `MIN_SUPPORT`; what is below it becomes 0."""
    exact = np.asarray(counts, dtype=np.int64)
    steps = (exact + MIN_SUPPORT // 2) // MIN_SUPPORT
    return np.where(exact < MIN_SUPPORT, 0, steps * MIN_SUPPORT)


def _config(config: IndexConfig) -> IndexConfig:
    reports, without = round_counts([config.reports, config.reports_without_text]).tolist()
    return replace(config, shared=True, reports=reports, reports_without_text=without)


def _sentences(kept: pa.Table, unit_ids: NDArray[np.int64]) -> pa.Table:
    """Returns the rows that stay, with rounded figures and the new numbers of their units."""
    names = ("occurrences", "reports", "holders")
    clusters = [str(one) if one != NOISE else "" for one in kept.column("cluster_id").to_pylist()]
    return _replace(
        kept,
        **{name: round_counts(kept.column(name)) for name in names},
        text=kept.column("rebuilt").to_pylist(),
        cluster_id=number_units(clusters)[0],
        unit_id=unit_ids,
        centrality=kept.column("centrality").to_numpy().round(_DECIMALS),
    )


def _units(table: pa.Table, units: NDArray[np.int64], sentences: pa.Table) -> pa.Table:
    """Returns the units that stay, each by the most common of its sentences that do."""
    kept = table.take(pa.array(units))
    owners = sentences.column("unit_id").to_numpy()
    texts = sentences.column("text").to_pylist()
    first = dict(zip(owners[::-1].tolist(), texts[::-1], strict=True))
    averages = {
        name: kept.column(name).to_numpy().round(_DECIMALS)
        for name in ("sign_share", "position", "x", "y")
    }
    # Rounded one by one they can be more than all of them rounded.
    left = np.bincount(owners, sentences.column("occurrences").to_numpy(), len(units))
    occurrences = np.maximum(round_counts(kept.column("occurrences")), left.astype(np.int64))
    return _replace(
        kept,
        support=round_counts(kept.column("support")),
        occurrences=occurrences,
        **averages,
        unit_id=np.arange(len(units)),
        text=[first[unit] for unit in range(len(units))],
        sentences=np.bincount(owners, minlength=len(units)),
    )


def _replace(table: pa.Table, **columns: Any) -> pa.Table:
    for name, values in columns.items():
        kind = table.schema.field(name)
        table = table.set_column(
            table.schema.get_field_index(name), kind, pa.array(values, kind.type)
        )
    return table


def _rounded(counts: sparse.csr_array) -> sparse.csr_array:
    counts = sparse.csr_array(counts, copy=True)
    counts.data = round_counts(counts.data)
    counts.eliminate_zeros()
    counts.sort_indices()
    return counts


def _agreement(parts: IndexParts, units: NDArray[np.int64]) -> Agreement:
    """Returns the agreement of the units that stay; all candidates do."""
    exact, new_ids = parts.agreement, {old: new for new, old in enumerate(units.tolist())}
    ids = np.array([new_ids[unit] for unit in exact.candidate_ids.tolist()], dtype=np.int64)
    usage = round_counts(exact.usage)
    order = np.lexsort((ids, -usage))
    return Agreement(
        ids[order],
        usage[order],
        round_counts(exact.speaks[order]),
        _rounded(exact.speaks_with[units][:, order]),
        together=round_counts(exact.together)[np.ix_(order, order)],
    )


def _silence(model: SilenceModel, lexicon: Lexicon) -> SilenceModel:
    """Returns the model without words that the lexicon lacks, which may be names."""
    known = [_is_known(name, lexicon) for name in model.features]
    counts = TopicCounts(*map(round_counts, model.counts))
    # The prior of a topic tells its counts. Where they are too few to show, the lower of them is
    # taken for the least that may be shown: the more abnormal, the less is added.
    prior = np.log((np.maximum(counts.abnormal, MIN_SUPPORT) + 1) / (counts.silent + 1))
    return replace(
        model,
        counts=counts,
        features=tuple(name for name, keep in zip(model.features, known, strict=True) if keep),
        text=_log_odds(model.text, known, prior),
        image=None if model.image is None else _log_odds(model.image, known, prior),
    )


def _is_known(feature: str, lexicon: Lexicon) -> bool:
    """Whether a feature is an assertion, or a word of the lexicon that names nobody."""
    _, quote, rest = feature.partition('"')
    word = rest.removesuffix('"')
    if not quote or word not in lexicon.vocabulary:
        return not quote
    meaning = lexicon.meanings.get((word,))
    return meaning is None or meaning.roles.isdisjoint(("identifying", "blank"))


def _log_odds(model: LogOdds, known: Sequence[bool], prior: NDArray[np.float64]) -> LogOdds:
    # The dimensions of the image stand behind the features of the texts.
    shown = np.ones(model.weights.shape[1] - len(known), dtype=np.bool_)
    kept = np.concatenate([np.array(known, dtype=np.bool_), shown])
    rounded = prior.round(_DECIMALS).astype(np.float32)
    return LogOdds(
        np.ascontiguousarray(model.weights[:, kept]),
        np.where(model.learned, model.intercepts, rounded),
        model.learned,
        model.auroc.round(_DECIMALS),
    )
