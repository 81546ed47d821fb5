"""JSON of which nobody knows who wrote it: one meaning, bounded, or an error."""

from __future__ import annotations

import json
import math
from typing import Any

#: Lists and tables within each other; those of an index have four.
_DEEPEST = 8
_LARGEST = 2**63


def parse_json(data: bytes, most_bytes: int) -> Any:
    """Parses JSON that any reader understands alike.

    Args:
        data (`bytes`): UTF-8.
        most_bytes (`int`): Allowed size: a file beyond it is not parsed.

    Returns:
        `Any`: Its value.

    Raises:
        `ValueError`: When it is too large or too deep, is no JSON or no UTF-8, or holds a key
            twice, a number that is not finite or beyond 64 bits, or half a surrogate pair.
    """
    if len(data) > most_bytes:
        raise ValueError(f"expected JSON of at most {most_bytes:,} bytes, found {len(data):,}")
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_table,
            parse_constant=_refuse,
            parse_int=_integer,
            parse_float=_number,
        )
    except RecursionError as error:
        raise _too_deep() from error
    _check_depth(value)
    # Half a surrogate pair can't be written back.
    json.dumps(value, ensure_ascii=False).encode()
    return value


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"expected each key once, found {twice[:80]!r} twice")
    return table


def _refuse(constant: str) -> Any:
    raise ValueError(f"expected finite numbers, found {constant}")


def _integer(digits: str) -> int:
    # Before `int`: its time is quadratic in the digits.
    if len(digits) > len(str(_LARGEST)) + 1 or not -_LARGEST <= int(digits) < _LARGEST:
        raise ValueError(f"expected integers of 64 bits, found {digits[:20]}...")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"expected finite numbers, found {digits[:20]}")
    return number


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        nested = [item for item in level if isinstance(item, list | dict)]
        if not nested:
            return
        level = [
            inner
            for item in nested
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
    if any(isinstance(item, list | dict) for item in level):
        raise _too_deep()


def _too_deep() -> ValueError:
    return ValueError(f"expected at most {_DEEPEST} lists within each other, found more")
