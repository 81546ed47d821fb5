"""The audit of an enriched dataset as one page that opens from disk."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa

from semenrich_datasets.audit.masked_truth import MaskedTruth, interval, masked_truth
from semenrich_datasets.audit.tables import audit_tables
from semenrich_datasets.audit.verdicts import VERDICT_COLUMNS, VERDICTS
from semenrich_datasets.enrich import SemEnricher
from semenrich_datasets.enrich.reasons import Reason
from semenrich_datasets.whole_files import replace_text

# Refused statements listed under one report for one reason; the others are counted.
_LISTED = 20
_PARTS = {
    "{{style}}": ("page.css",),
    "{{script}}": ("charts.js", "masked.js", "reports.js", "sample.js"),
}


def write_audit(
    path: str | os.PathLike[str],
    enriched: datasets.Dataset,
    enricher: SemEnricher,
    *,
    seed: int = 0,
    max_reports: int = 2_000,
    sample_size: int = 100,
    masked: MaskedTruth | None = None,
) -> None:
    """Writes the audit of an enriched dataset as one HTML page.

    The page needs no network and loads nothing. It holds the text of the reports that it shows:
    treat it as you treat the reports.

    Args:
        path (`str` or `os.PathLike`): Of the page; a page that is there is replaced.
        enriched (`datasets.Dataset`): The output of `map(enricher)`.
        enricher ([`SemEnricher`]): What made it, with the same settings.
        seed (`int`, *optional*, defaults to `0`): Of the drawn reports and additions.
        max_reports (`int`, *optional*, defaults to `2_000`): Most reports on the page, drawn at
            random where there are more.
        sample_size (`int`, *optional*, defaults to `100`): Additions on the sheet to be judged.
        masked ([`MaskedTruth`], *optional*): The masked truth of the dataset, where it is known
            already; made here by default ([`~audit.masked_truth`]).

    Raises:
        `TypeError`: When `enriched` is not one split of a dataset.
        `ValueError`: When a column is missing.
    """
    tables = audit_tables(
        enriched, enricher, seed=seed, max_reports=max_reports, sample_size=sample_size
    )
    columns = str(enricher.find_columns(enriched.column_names))
    masked = masked or masked_truth(enriched, enricher, max_reports=max_reports, seed=seed)
    data = page_data(tables, enricher, columns, masked)
    replace_text(Path(path), render_page(data))


def page_data(
    tables: dict[str, pa.Table], enricher: SemEnricher, columns: str, masked: MaskedTruth
) -> dict[str, Any]:
    """Gives what the page shows, as JSON values.

    Args:
        tables (`dict[str, pyarrow.Table]`): The output of [`~audit_tables.audit_tables`].
        enricher ([`SemEnricher`]): What made the dataset.
        columns (`str`): What each of its columns was taken for.
        masked ([`MaskedTruth`]): Of the dataset.

    Returns:
        `dict[str, Any]`: The tables as lists of rows. Refused statements are numbers into
        "statements", per reason of "refusals": how many, and the first twenty.
    """
    refusals = tables["refusals"].to_pylist()
    statements: dict[str, int] = {}
    reasons = [row["reason"] for row in refusals]
    sample = tables["sample"].to_pylist()
    return {
        "about": _about(enricher, columns),
        "figures": dict(zip(*tables["figures"].to_pydict().values(), strict=True)),
        "refusals": [{**row, "meaning": Reason(row["reason"]).meaning} for row in refusals],
        "masked": _masked(masked),
        "unitSizes": tables["unit_sizes"].to_pylist(),
        "units": tables["units"].to_pylist(),
        "pairs": tables["cooccurrence"].to_pylist(),
        "reports": [
            {**row, "refused": _refused(row["refused"], reasons, statements)}
            for row in tables["reports"].to_pylist()
        ],
        "statements": list(statements),
        "sample": sample,
        "sampleId": sha256(json.dumps(sample).encode()).hexdigest()[:16],
        "verdicts": VERDICTS,
        "verdictColumns": VERDICT_COLUMNS,
    }


def render_page(data: dict[str, Any]) -> str:
    """Puts data into the page.

    Args:
        data (`dict[str, Any]`): JSON values; no string in it can end the script element that it
            stands in, whatever the reports hold.

    Returns:
        `str`: The HTML of the page.
    """
    folder = files(__package__)
    page = folder.joinpath("page.html").read_text(encoding="utf-8")
    for mark, names in _PARTS.items():
        text = "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)
        page = page.replace(mark, text)
    payload = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    # Only inside JSON strings do these stand, where the escape means the same character.
    for character in "<>&":
        payload = payload.replace(character, f"\\u{ord(character):04x}")
    return page.replace("{{data}}", payload)


def _refused(
    refused: list[dict[str, Any]], reasons: list[str], statements: dict[str, int]
) -> list[tuple[int, list[int]]]:
    numbers: dict[str, list[int]] = {reason: [] for reason in reasons}
    for item in refused:
        number = statements.setdefault(item["sentence"], len(statements))
        numbers[item["reason"]].append(number)
    return [(len(numbers[reason]), numbers[reason][:_LISTED]) for reason in reasons]


def _masked(masked: MaskedTruth) -> dict[str, Any]:
    """Returns what was said of what had been hidden: by topic, and over the threshold."""
    topics = [
        {
            **row,
            "topic": row["topic"].replace("_", " "),
            "bounds": interval(row["opposite"], row["abnormal"]),
        }
        for row in masked.by_topic().to_pylist()
    ]
    curve = [
        {
            "minScore": threshold,
            "additions": masked.additions[threshold] / max(masked.reports, 1),
            **masked.total(threshold),
        }
        for threshold in masked.thresholds
    ]
    return {
        "summary": masked.summary(),
        "reports": masked.reports,
        "minScore": masked.min_score,
        "topics": topics,
        "curve": curve,
    }


def _about(enricher: SemEnricher, columns: str) -> dict[str, Any]:
    settings, index = enricher.to_dict(), enricher.index
    return {
        "version": settings["semenrich_version"],
        "preset": enricher.preset,
        "strategy": enricher.strategy or "by default",
        "minScore": enricher.min_score,
        "maxAdded": enricher.max_added,
        "columns": columns,
        "indexReports": index.config.reports,
        "indexSentences": index.sentences.num_rows,
        "indexUnits": index.unit_table.num_rows,
        "indexDigest": index.digest,
        "embedder": index.config.embedder,
        "lexicon": index.config.lexicon,
    }
