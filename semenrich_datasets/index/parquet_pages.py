"""What the pages of a Parquet file say of themselves, told before any is decoded.

A reader sets aside the memory that a page's header asks for, whatever the footer says. So the
headers are read by themselves: they are Thrift structures in its compact protocol
(https://github.com/apache/parquet-format, `PageHeader`), one before the bytes of each page.
"""

from __future__ import annotations

# Numbers of the fields of `PageHeader`, and of those within.
_UNPACKED, _PACKED, _DATA, _DICTIONARY, _DATA_V2 = 2, 3, 5, 7, 8
_VALUES = 1
_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY = range(9)
_STRUCT = 12
# A page header holds structures within structures twice.
_DEEPEST = 4

_Struct = dict[int, "int | _Struct | None"]


def page_totals(data: bytes, start: int, length: int) -> tuple[int, int]:
    """Sums what the pages of one column chunk declare.

    Args:
        data (`bytes`): The file.
        start (`int`): Of the chunk in it.
        length (`int`): Of the chunk, in bytes.

    Returns:
        `tuple[int, int]`: Values of its data pages, nulls and empty lists counted, and bytes of all
        its pages once unpacked.

    Raises:
        `ValueError`: When a header is damaged, or the pages do not fill the chunk.
    """
    position, end = start, start + length
    values = unpacked = 0
    if not 0 <= start <= end <= len(data):
        raise ValueError(f"expected a column within {len(data):,} bytes, found {start}..{end}")
    while position < end:
        header, position = _read_struct(data, position, end, 0)
        packed, size = header.get(_PACKED), header.get(_UNPACKED)
        page = header.get(_DATA) or header.get(_DATA_V2)
        held = page.get(_VALUES) if isinstance(page, dict) else 0
        if not (isinstance(packed, int) and isinstance(size, int) and isinstance(held, int)):
            raise ValueError("expected a page with its sizes, found one without")
        if min(packed, size, held) < 0 or (page is None and _DICTIONARY not in header):
            raise ValueError("expected pages of data or of a dictionary, found another")
        values += held
        unpacked += size
        position += packed
    if position != end:
        raise ValueError("expected pages that fill their column, found one that runs over")
    return values, unpacked


def _read_struct(data: bytes, at: int, end: int, depth: int) -> tuple[_Struct, int]:
    """Returns the numbers and structures among the fields of a structure, and where it ends."""
    found: _Struct = {}
    number = 0
    if depth > _DEEPEST:
        raise ValueError("expected a page header, found structures nested too deeply")
    while True:
        if at >= end:
            raise ValueError("expected a page header, found the end of its column")
        head, at = data[at], at + 1
        if head == _STOP:
            return found, at
        if head >> 4:
            number += head >> 4
        else:
            number, at = _read_integer(data, at, end)
        found[number], at = _read_value(data, at, end, head & 15, depth)


def _read_value(
    data: bytes, at: int, end: int, kind: int, depth: int
) -> tuple[int | _Struct | None, int]:
    if kind in (_TRUE, _FALSE):
        return int(kind == _TRUE), at
    if kind == _BYTE:
        return None, at + 1
    if kind in (_I16, _I32, _I64):
        return _read_integer(data, at, end)
    if kind == _DOUBLE:
        return None, at + 8
    if kind == _BINARY:
        length, at = _read_varint(data, at, end)
        return None, at + length
    if kind == _STRUCT:
        return _read_struct(data, at, end, depth + 1)
    raise ValueError(f"expected a page header, found a value of type {kind} in it")


def _read_integer(data: bytes, at: int, end: int) -> tuple[int, int]:
    zigzag, at = _read_varint(data, at, end)
    return (zigzag >> 1) ^ -(zigzag & 1), at


def _read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at + place >= end:
            break
        byte = data[at + place]
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    raise ValueError("expected a number in a page header, found none")
