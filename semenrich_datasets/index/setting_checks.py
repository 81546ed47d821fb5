"""The settings in config.json: their types and bounds."""

from __future__ import annotations

import math
from typing import Any

#: Longest text of a setting, such as the name of a column.
_LONGEST = 500
_MOST_SETTINGS = 32
_MOST = 2**53
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "dict[str, Any]": (dict,),
}
_CHOICES = {"preset": ("safe", "paper")}
# Least value, and least value that is too much.
_BOUNDS = {"reports": (1, _MOST), "reports_without_text": (0, _MOST), "unsaid": (0, 1)}


def check_setting(name: str, value: Any, annotation: str) -> None:
    """Checks the value of a setting.

    Args:
        name (`str`): Of the setting.
        value (`Any`): As JSON gives it.
        annotation (`str`): Its type in [`IndexConfig`].

    Raises:
        `ValueError`: When it is of another type, or out of its bounds.
    """
    choices = _CHOICES.get(name)
    if choices is not None:
        if value not in choices:
            raise _wrong(name, f"one of {', '.join(choices)}", value)
        return
    if type(value) not in _TYPES[annotation]:
        raise _wrong(name, annotation, value)
    if isinstance(value, str):
        _check_text(name, value)
    if isinstance(value, dict):
        _check_table(name, value)
    least, too_much = _BOUNDS.get(name, (-_MOST, _MOST))
    if isinstance(value, int | float) and not least <= value < too_much:
        raise _wrong(name, f"a number from {least} to below {too_much}", value)


def _check_text(name: str, text: str) -> None:
    # The card shows it.
    if len(text) > _LONGEST or not text.isprintable():
        raise _wrong(name, f"a printable line of at most {_LONGEST} characters", text)


def _check_table(name: str, table: dict[Any, Any]) -> None:
    if len(table) > _MOST_SETTINGS:
        raise _wrong(name, f"at most {_MOST_SETTINGS} values", table)
    for key, value in table.items():
        place = f"{name}.{key}"
        if isinstance(value, str):
            _check_text(place, value)
        elif not isinstance(value, int | float | None) or not math.isfinite(value or 0):
            raise _wrong(place, "a number, a text or null", value)
        _check_text(name, key)


def _wrong(name: str, expected: str, value: Any) -> ValueError:
    return ValueError(f"expected {expected} for {name}, found {value!r:.80}")
