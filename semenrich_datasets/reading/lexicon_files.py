"""Lexicon files: the packaged ones, a user's own, and what they inherit."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from semenrich_datasets.reading.lexicon import TABLES, Lexicon, Tables

#: The packaged lexicon that is meant when none is named.
DEFAULT_LEXICON = "chest_xray"

# What all of them inherit; it speaks of no part of the body, and reads nothing by itself.
_GENERAL = "english"

_FOLDER = Path(__file__).parent


def load_lexicon(source: str | os.PathLike[str] = DEFAULT_LEXICON) -> Lexicon:
    """Loads a lexicon, with all that it inherits.

    A file may say `inherits = "chest_xray"` (a packaged lexicon, or the path of another file) and
    then hold no more than what it adds: its lists are put behind the inherited ones, "-phrase"
    takes a phrase out of them, other values replace them.

    Args:
        source (`str` or `os.PathLike`, *optional*, defaults to `"chest_xray"`): Name of a packaged
            lexicon, or the path of a TOML file.

    Returns:
        [`Lexicon`]

    Raises:
        FileNotFoundError: If there is no such lexicon.
        ValueError: If the file is not TOML, or a table or key of it is unknown, missing, of the
            wrong type, or names a concept that it does not hold.
    """
    path = _find_file(source, Path())
    return Lexicon.from_tables(path.stem, _read_tables(path, ()))


def packaged_lexicons() -> dict[str, Path]:
    """Gives the packaged lexicons of body parts by their names."""
    found = {path.stem: path for path in sorted(_FOLDER.glob("*.toml"))}
    return {name: path for name, path in found.items() if name != _GENERAL}


def _find_file(source: str | os.PathLike[str], folder: Path) -> Path:
    packaged = {**packaged_lexicons(), _GENERAL: _FOLDER / f"{_GENERAL}.toml"}
    path = packaged.get(str(source), folder / source)
    if not path.is_file():
        names = ", ".join(packaged)
        msg = f"no lexicon {source}: expected one of {names}, or a TOML file"
        raise FileNotFoundError(msg)
    return path


def _read_tables(path: Path, heirs: tuple[Path, ...]) -> Tables:
    if path in heirs:
        raise ValueError(f"{path} inherits itself; take its line inherits = ... out.")
    try:
        own = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid TOML: {error}. Correct that line.") from error
    parent = own.pop("inherits", None)
    unknown = sorted(set(own) - set(TABLES))
    if unknown or not all(isinstance(table, dict) for table in own.values()):
        found = unknown[0] if unknown else "a value in place of a table"
        raise ValueError(f"{path}: expected the tables {', '.join(TABLES)}, found {found!r}.")
    if parent is None:
        return own
    inherited = _read_tables(_find_file(parent, path.parent), (*heirs, path))
    return _merged(inherited, own, str(path))


def _merged(inherited: Tables, own: Tables, place: str) -> Tables:
    """Returns both: tables merged, lists joined or, by "-phrase", shortened, values replaced."""
    merged = dict(inherited)
    for key, value in own.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merged(old, value, f"{place}: {key}")
        elif isinstance(value, list):
            merged[key] = _joined(old if isinstance(old, list) else [], value, f"{place}: {key}")
        else:
            merged[key] = value
    return merged


def _joined(inherited: list[Any], own: list[Any], place: str) -> list[Any]:
    """Returns a list shortened by the "-phrases" of the other, and what is new in it."""
    gone = [str(item)[1:] for item in own if str(item).startswith("-")]
    if missing := [item for item in gone if item not in inherited]:
        raise ValueError(f'{place}: "-{missing[0]}" takes out what is not inherited; delete it.')
    more = [item for item in own if item not in inherited and not str(item).startswith("-")]
    return [*(item for item in inherited if item not in gone), *more]
