"""Prompts that say more than one text for all: the indication, the report before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from semenrich_datasets.columns import check_column

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
# Between the sentences and the lines of a template, kept by the split.
_BREAK = re.compile(r"((?<=[.?!])\s+|\s*\n\s*)")


def placeholders(template: str) -> list[str]:
    """Gives the columns that a prompt names in braces.

    Args:
        template (`str`): Such as `"Report this chest X-ray. Indication: {indication}"`. Other
            braces, as in JSON, are text.

    Returns:
        `list[str]`: Names, each once, in order.

    Raises:
        `ValueError`: When every sentence has one, so that a row without values had no prompt.
    """
    if all(_PLACEHOLDER.search(sentence) for sentence in _BREAK.split(template)[::2]):
        msg = (
            "expected a prompt with a sentence or line of its own for all rows, found "
            f"{template!r}: one whose column has no value is left out"
        )
        raise ValueError(msg)
    return list(dict.fromkeys(_PLACEHOLDER.findall(template)))


def fill_prompt(template: str, row: Mapping[str, Any]) -> str:
    """Gives the prompt of a row.

    A sentence or line of the template with a column that has no value (None, NaN, blank) is left
    out. Values are put in as they are: braces and stops in them mean nothing.

    Args:
        template (`str`): As of [`placeholders`].
        row (`Mapping`): Column name to value: a text, or a number such as an age.

    Returns:
        `str`: The text.

    Raises:
        `ValueError`: When a column is missing, or as of [`placeholders`].
    """
    values = {}
    for name in placeholders(template):
        check_column(name, row, "prompt")
        values[name] = _text(row[name])
    first, *rest = _BREAK.split(template)
    filled = ""
    for separator, sentence in zip(["", *rest[::2]], [first, *rest[1::2]], strict=True):
        if all(values[name] for name in _PLACEHOLDER.findall(sentence)):
            text = _PLACEHOLDER.sub(lambda found: values[found[1]], sentence)
            filled += separator + text if filled else text
    return filled


def _text(value: Any) -> str:
    is_missing = value is None or value != value  # NaN, as pandas writes it
    return "" if is_missing else str(value).strip()
