"""The figures of an audit as Arrow tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from semenrich_datasets.audit.summary import Summary, read_batches, summarize
from semenrich_datasets.columns import StudyTexts
from semenrich_datasets.enrich import SemEnricher
from semenrich_datasets.enrich.paper_selection import PaperSelection
from semenrich_datasets.enrich.reasons import Reason
from semenrich_datasets.enrich.report import ADDED_TYPE, Report
from semenrich_datasets.enrich.safe_selection import SafeSelection
from semenrich_datasets.index import FindingsIndex
from semenrich_datasets.index.holders import MIN_SUPPORT, travelling_texts
from semenrich_datasets.reading.signs import SIGNS

# Units in the view of those that stand together.
_COMMON_UNITS = 24

_NAME = pa.dictionary(pa.int32(), pa.string())
_REFUSED = pa.struct(
    [("sentence", _NAME), ("reason", _NAME), ("score", pa.float64()), ("why", pa.string())]
)
_REPORTS = pa.schema(
    [
        ("row", pa.int64()),
        ("text", pa.string()),
        ("context", pa.list_(pa.struct([("name", pa.string()), ("text", pa.string())]))),
        ("report_sign", pa.string()),
        ("additions", ADDED_TYPE),
    ]
)


def audit_tables(
    enriched: datasets.Dataset,
    enricher: SemEnricher,
    *,
    seed: int = 0,
    max_reports: int = 2_000,
    sample_size: int = 100,
) -> dict[str, pa.Table]:
    """Gives the figures of an audit.

    Args:
        enriched (`datasets.Dataset`): The output of `map(enricher)`.
        enricher ([`SemEnricher`]): What made it, with the same settings: the refusals are not kept
            in the dataset, they are decided again.
        seed (`int`, *optional*, defaults to `0`): Of the draws.
        max_reports (`int`, *optional*, defaults to `2_000`): Reports drawn for "reports" and
            "refusals"; all of them when there are no more.
        sample_size (`int`, *optional*, defaults to `100`): Additions drawn for "sample", from the
            whole dataset, each as likely as any other.

    Returns:
        `dict[str, pyarrow.Table]`:

        - "figures": `figure`, `value`, as [`~audit.summarize`] counts them, then "reports
          considered again" and "additions not explained by these settings" (in those reports).
        - "refusals": `reason`, `statements` refused for it, `reports` in which it was given, the
          most frequent first; of "paper" and "random" what their privacy floor refuses.
        - "unit_sizes": units that `low` to `high` reports hold: `normal`, `abnormal`, `neutral`.
        - "units": those of the index that at least 3 reports hold or that were added from, with
          `additions`; `text` is None where no sentence of it may travel.
        - "cooccurrence": `unit_a`, `unit_b`, `reports` that hold both, and their `share` of those
          that hold a, over the 24 most common units.
        - "reports": `row`, `text`, `context`, `report_sign` ("abnormal" where any sentence is, else
          "normal"), `additions`, `refused` (list of struct: `sentence`, `reason`, `score`, and
          `why` the score is what it is), `why` (list: the same of each addition).
        - "sample": `number`, the columns of a report but `refused`, and the `position` in
          `additions` of the one to be judged.

    Raises:
        `TypeError`: When `enriched` is not one split of a dataset.
        `ValueError`: When a column is missing.
    """
    summary = summarize(enriched, enricher)
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(summary.rows)[:max_reports])
    reports = _read_rows(enriched, enricher, rows)
    refused, why, unexplained = _consider(reports, enricher)
    tabled = [{name: row[name] for name in _REPORTS.names} for row in reports]
    return {
        "figures": _figures(summary, len(reports), unexplained),
        "refusals": _refusals(refused),
        "unit_sizes": unit_sizes(enricher.index),
        "units": _units(enricher.index, summary),
        "cooccurrence": _common_pairs(enricher.index),
        "reports": pa.Table.from_pylist(tabled, schema=_REPORTS)
        .append_column("refused", pa.array(refused, type=pa.list_(_REFUSED)))
        .append_column("why", pa.array(why, type=pa.list_(pa.string()))),
        "sample": _sample(enriched, enricher, rng, sample_size),
    }


def unit_sizes(index: FindingsIndex) -> pa.Table:
    """Counts units by the number of reports that hold them, in bins of powers of two.

    Args:
        index ([`FindingsIndex`]): Of the corpus.

    Returns:
        `pyarrow.Table`: `low` and `high` (both included), `normal`, `abnormal`, `neutral`.
    """
    # floor(log2(n)), exact for any integer that a float64 holds.
    bins = np.frexp(index.unit_table.column("support").to_numpy())[1] - 1
    signs = np.array(index.unit_signs, dtype=object)
    n_bins = int(bins.max(initial=0)) + 1
    low = 2 ** np.arange(n_bins)
    columns = {"low": low, "high": 2 * low - 1}
    for sign in SIGNS:
        columns[sign] = np.bincount(bins[signs == sign], minlength=n_bins)
    return pa.table(columns)


def _figures(summary: Summary, considered: int, unexplained: int) -> pa.Table:
    more = {
        "figure": ["reports considered again", "additions not explained by these settings"],
        "value": [float(considered), float(unexplained)],
    }
    return pa.concat_tables([summary.figures(), pa.table(more)])


def _read_rows(
    enriched: datasets.Dataset, enricher: SemEnricher, rows: NDArray[np.int64]
) -> list[dict[str, Any]]:
    """Returns some rows of the dataset, in the columns of `_REPORTS`."""
    reports: list[dict[str, Any]] = []
    for studies, added in read_batches(enriched.select(rows), enricher):
        for study, additions in zip(studies, added.to_pylist(), strict=True):
            named = {**study.context, **study.history}
            report = {
                "row": int(rows[len(reports)]),
                "text": study.findings,
                "context": [{"name": name, "text": text} for name, text in named.items()],
                "report_sign": _report_sign(enricher.index, study.findings),
                "additions": additions or [],
                "study": study,
            }
            reports.append(report)
    return reports


def _report_sign(index: FindingsIndex, text: str | None) -> str | None:
    if text is None:
        return None
    signs = {index.reader.read(sentence).sign for sentence in index.split(text)}
    return "abnormal" if "abnormal" in signs else "normal"


def _consider(
    reports: Sequence[dict[str, Any]], enricher: SemEnricher
) -> tuple[list[list[dict[str, Any]]], list[list[str]], int]:
    """Decides again on each report.

    Returns the refused statements of each, why its additions have their scores, and the number of
    additions that were not chosen again.
    """
    all_refused, all_why, unexplained = [], [], 0
    for row in reports:
        report = enricher.read_report(row["study"])
        added = {(addition["cluster_id"], addition["sentence"]) for addition in row["additions"]}
        refused: list[dict[str, Any]] = []
        why: dict[int, str] = {}
        if report is not None and isinstance(enricher.selection, SafeSelection):
            refused, why = _decide(enricher.selection, report, added)
        elif report is not None and isinstance(enricher.selection, PaperSelection):
            refused = _floored(enricher, enricher.selection, row["study"])
            chosen = enricher.selection(report)
            added -= {(addition.cluster_id, addition.sentence) for addition in chosen}
        all_refused.append(refused)
        all_why.append([why.get(addition["cluster_id"], "") for addition in row["additions"]])
        unexplained += len(added)
    return all_refused, all_why, unexplained


def _floored(
    enricher: SemEnricher, selection: PaperSelection, study: StudyTexts
) -> list[dict[str, Any]]:
    """Returns what the privacy floor refuses to a report: units, for their words stay hidden."""
    fresh = enricher.read_report(study)
    return [
        {"sentence": f"unit {unit}", "reason": str(reason), "score": 0.0, "why": ""}
        for unit, reason in (selection.refusals(fresh) if fresh else ())
    ]


def _decide(
    selection: SafeSelection, report: Report, added: set[tuple[int, str]]
) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """Returns what is refused, and why the units of additions have their scores.

    What is accepted again is taken out of `added`.
    """
    refused = []
    accepted: dict[int, str] = {}
    for decision in selection.consider(report):
        candidate, reason = decision.candidate, decision.reason
        why = ", ".join(map(str, decision.influences))
        if reason is None:
            wordings = {(candidate.unit_id, text) for text in candidate.wordings}
            if added & wordings:
                added -= wordings
                accepted[candidate.unit_id] = why
                continue
            reason = Reason.LEFT_OUT
        sentence = candidate.wordings[0]
        refused.append(
            {"sentence": sentence, "reason": str(reason), "score": decision.score, "why": why}
        )
    return refused, accepted


def _refusals(refused: list[list[dict[str, Any]]]) -> pa.Table:
    statements = Counter(item["reason"] for report in refused for item in report)
    reports = Counter(reason for report in refused for reason in {i["reason"] for i in report})
    order = sorted(statements, key=lambda reason: (-statements[reason], reason))
    columns = {
        "reason": pa.array(order, pa.string()),
        "statements": pa.array([statements[reason] for reason in order], pa.int64()),
        "reports": pa.array([reports[reason] for reason in order], pa.int64()),
    }
    return pa.table(columns)


def _units(index: FindingsIndex, summary: Summary) -> pa.Table:
    """Returns the units that are common enough to be shown, or that were added from."""
    units = index.unit_table
    additions = [summary.additions_by_unit.get(i, 0) for i in range(units.num_rows)]
    place = units.schema.get_field_index("text")
    texts = pa.array(travelling_texts(index.sentences, units.num_rows), pa.string())
    table = units.drop_columns(["content"]).set_column(place, "text", texts)
    table = table.append_column("additions", pa.array(additions, pa.int64()))
    common = pc.greater_equal(table.column("support"), MIN_SUPPORT)
    return table.filter(pc.or_(common, pc.greater(table.column("additions"), 0)))


def _common_pairs(index: FindingsIndex) -> pa.Table:
    """Returns the pairs of the most common units that stand together."""
    reports = index.unit_table.column("support").to_numpy()
    common = np.argsort(-reports, kind="stable")[:_COMMON_UNITS]
    common = common[reports[common] >= MIN_SUPPORT]
    counts = index.cooccurrence[common][:, common].toarray()
    first, second = np.nonzero(counts)
    together = counts[first, second]
    columns = {
        "unit_a": common[first],
        "unit_b": common[second],
        "reports": together,
        "share": together / reports[common[first]],
    }
    return pa.table(columns)


def _sample(
    enriched: datasets.Dataset, enricher: SemEnricher, rng: np.random.Generator, size: int
) -> pa.Table:
    """Draws additions of the whole dataset, in random order."""
    lengths = [
        pc.fill_null(pc.list_value_length(added), 0).to_numpy()
        for _, added in read_batches(enriched, enricher)
    ]
    ends = np.cumsum(np.concatenate([np.zeros(1, np.int64), *lengths]))
    drawn = rng.permutation(int(ends[-1]))[:size]
    rows = np.searchsorted(ends, drawn, side="right") - 1
    reports = _read_rows(enriched, enricher, rows)
    for report, place in zip(reports, (drawn - ends[rows]).tolist(), strict=True):
        report["position"] = place
    schema = _REPORTS.append(pa.field("position", pa.int64()))
    rows_ = [{name: report[name] for name in schema.names} for report in reports]
    table = pa.Table.from_pylist(rows_, schema=schema)
    return table.add_column(0, "number", pa.array(np.arange(1, len(reports) + 1)))
