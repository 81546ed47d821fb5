"""Verdicts of a reader on a sample of additions, to rates with their confidence intervals."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from semenrich_datasets.enrich.reasons import Reason

#: What a reader may say of an addition; of several that apply, the first from "contradicts" on.
VERDICTS: dict[str, str] = {
    "good": "new, compatible with the report, and true whoever the patient is",
    Reason.CONTRADICTS: "the report says or implies otherwise",
    Reason.REDUNDANT: "the report says it already, or another addition does",
    Reason.PRIOR: "not transferable: another study, change over time, technique, a blank",
    "unsure": "cannot be decided from the report",
}
#: Columns of the CSV file that the audit page exports.
VERDICT_COLUMNS = ("number", "row", "cluster_id", "sentence", "report_sign", "verdict")
#: Sign of a report: "abnormal" where any of its sentences is.
REPORT_SIGNS = ("abnormal", "normal")

CONFIDENCE = 0.95
_ALL = "all"
_RATES = pa.schema(
    [
        ("report_sign", pa.string()),
        ("verdict", pa.string()),
        ("count", pa.int64()),
        ("judged", pa.int64()),
        ("rate", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Verdicts:
    """The verdicts on a sample of additions.

    Args:
        counts (`Mapping[tuple[str, str], int]`): Additions by sign of their report and verdict.
        unjudged (`int`): Additions of the sample without a verdict; they are left out of the rates.
    """

    counts: Mapping[tuple[str, str], int]
    unjudged: int

    def rates(self) -> pa.Table:
        """Gives the share of each verdict, over all reports and by the sign of the report.

        Returns:
            `pyarrow.Table`: `report_sign` ("all", "abnormal", "normal"), `verdict`, `count`,
            `judged` (of the group, "unsure" included), `rate`, and `low` and `high`, the exact 95 %
            interval (Clopper-Pearson). Groups that nothing was judged of are left out.
        """
        rows = []
        for group in (_ALL, *REPORT_SIGNS):
            counts = {name: self._count(group, name) for name in VERDICTS}
            judged = sum(counts.values())
            rows += [_rate(group, name, count, judged) for name, count in counts.items() if judged]
        return pa.Table.from_pylist(rows, schema=_RATES)

    def _count(self, group: str, verdict: str) -> int:
        signs = REPORT_SIGNS if group == _ALL else (group,)
        return sum(self.counts.get((sign, verdict), 0) for sign in signs)

    def __str__(self) -> str:
        """Writes the rates as lines of text."""
        lines, group = [], ""
        for row in self.rates().to_pylist():
            if row["report_sign"] != group:
                group = row["report_sign"]
                lines.append(f"{group} reports: {row['judged']:,} additions judged")
            interval = f"95 % interval {row['low']:.1%} to {row['high']:.1%}"
            lines.append(
                f"  {row['verdict']:<12}{row['count']:>6,}  {row['rate']:>6.1%}  ({interval})"
            )
        return "\n".join([*lines, f"not judged: {self.unjudged:,}"])


def read_verdicts(path: str | os.PathLike[str]) -> Verdicts:
    """Reads the CSV file that the audit page exports.

    Args:
        path (`str` or `os.PathLike`): UTF-8, comma-separated, with the columns `report_sign` and
            `verdict` at least; an empty verdict is one still to be given.

    Returns:
        [`Verdicts`]

    Raises:
        `ValueError`: When a column is missing, a value is unknown, or nothing was judged.

    Example:
        ```python
        >>> print(read_verdicts("verdicts.csv"))
        all reports: 100 additions judged
          good            97   97.0%  (95 % interval 91.5% to 99.4%)
        ```
    """
    # Spreadsheets write a byte order mark, which would become part of the first column's name.
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        _check_columns(path, reader.fieldnames or [])
        rows = [(row["report_sign"], row["verdict"]) for row in reader]
    judged = [_check_row(path, line, *row) for line, row in enumerate(rows, start=2) if row[1]]
    if not judged:
        msg = f"no verdict in {path}: judge some additions on the audit page and export them again"
        raise ValueError(msg)
    return Verdicts(Counter(judged), unjudged=len(rows) - len(judged))


def exact_interval(count: int, total: int) -> tuple[float, float]:
    """Gives the exact 95 % confidence interval of a rate (Clopper and Pearson 1934).

    Args:
        count (`int`): Successes.
        total (`int`): Trials, at least one.

    Returns:
        `tuple[float, float]`: Its ends, in 0..1.
    """
    from scipy.stats import binomtest

    interval = binomtest(count, total).proportion_ci(CONFIDENCE, method="exact")
    return float(interval.low), float(interval.high)


def _rate(group: str, verdict: str, count: int, judged: int) -> dict[str, Any]:
    low, high = exact_interval(count, judged)
    values = (group, verdict, count, judged, count / judged, low, high)
    return dict(zip(_RATES.names, values, strict=True))


def _check_columns(path: str | os.PathLike[str], columns: Sequence[str]) -> None:
    if not {"report_sign", "verdict"} <= set(columns):
        msg = (
            f"expected the columns {', '.join(VERDICT_COLUMNS)} in {path}, found "
            f"{', '.join(columns) or 'none'}: export it from the audit page, separated by commas"
        )
        raise ValueError(msg)


def _check_row(
    path: str | os.PathLike[str], line: int, report_sign: str, verdict: str
) -> tuple[str, str]:
    for value, allowed in ((report_sign, REPORT_SIGNS), (verdict, tuple(VERDICTS))):
        if value not in allowed:
            msg = f"expected one of {', '.join(allowed)} in line {line} of {path}, found {value!r}"
            raise ValueError(msg)
    return report_sign, verdict
