"""Cells of CSV files that no spreadsheet takes for a formula, and back.

A spreadsheet runs a cell that begins with "=", "+", "-" or "@", or with one of them behind a tab or
a line end, be it in quotes. Such a cell is written behind a single quote, which a spreadsheet takes
for "this is text" (OWASP, "CSV Injection"), and one that has quotes there already gets one more, so
that what is read back is what was written.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

# The last four are what spreadsheets of East Asia take for the first four.
_FORMULA = "[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
_RISKY = re.compile(f"'*{_FORMULA}")
_QUOTED = f"^'+{_FORMULA}"


def guard_cell(text: str) -> str:
    """Writes a cell so that a spreadsheet takes it for text."""
    return f"'{text}" if _RISKY.match(text) else text


def unguard_cell(text: str) -> str:
    """Reads what `guard_cell` wrote: the inverse of it."""
    return text[1:] if re.match(_QUOTED, text) else text


def unguard(reports: Dataset) -> Dataset:
    """Reads the cells and column names of a CSV file as they were before they were guarded.

    Args:
        reports (`datasets.Dataset`): As its cells stand in the file.

    Returns:
        `datasets.Dataset`: The same rows.
    """
    names = {name: unguard_cell(name) for name in reports.column_names}
    if len(set(names.values())) == len(names):
        reports = reports.rename_columns({k: v for k, v in names.items() if k != v})
    table = reports.data.table
    guarded = [
        field.name
        for field in table.schema
        if _is_text(field.type)
        and pc.any(pc.match_substring_regex(table[field.name], _QUOTED)).as_py()
    ]
    if not guarded:
        return reports

    def restore(batch: pa.Table) -> pa.Table:
        for name in guarded:
            cells = pc.replace_substring_regex(batch[name], f"^'('*{_FORMULA})", "\\1")
            batch = batch.set_column(batch.schema.get_field_index(name), name, cells)
        return batch

    plain = reports.with_format("arrow").map(restore, batched=True, features=reports.features)
    return plain.with_format(None)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
