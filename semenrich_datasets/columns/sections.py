"""A whole report to its sections, and a cell of a dataset to its text."""

from __future__ import annotations

import re
from typing import Any

from semenrich_datasets.sentences import join_sentences

# In a flat line only the first three cut by capitals alone, without a stop before them.
_HEADINGS = {
    "findings": "findings?(?: ?(?:and|/|&) ?impressions?)?",
    "impression": "(?:(?:final|overall|clinical) )?impressions?|conclusions?|opinion|"
    "imp|impressions? ?/ ?plan|impressions? \\((?:prelim(?:inary)?|final)\\)|diagnos[ie]s|"
    "assessment",
    "indication": "(?:(?:clinical|patient|medical|brief) )?(?:history|indications?)|"
    "clinical (?:information|info|data|details|statement|question)|"
    "reason for (?:the )?(?:exam(?:ination)?|study)|exam indication",
    "comparison": "comparisons?(?: stud(?:y|ies))?",
    "technique": "techniques?|procedure(?: comments)?|protocol",
    "exam": "exam(?:ination)?s?(?: type)?|study|narrative",
    "addendum": "addend(?:um|a)|recommendations?|wet read|end of impression|summary",
}
_MAIN = frozenset(("findings", "impression", "indication"))
_ANY = "|".join(_HEADINGS.values())
_CAPITALS = "|".join(_HEADINGS[name] for name in _HEADINGS if name in _MAIN).upper()
_HEADING = re.compile(
    rf"^[ \t#*>]*(?P<line>{_ANY})[ \t*]*(?P<end>:[ \t*]*|\r?$)"
    rf"|(?<=[.!?;])[ \t]*(?P<stop>{_ANY})[ \t]*:[ \t]*"
    rf"|(?<![^\s:*])(?-i:(?P<capitals>{_CAPITALS}))[ \t]*:[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_SECTIONS = {name: re.compile(words, re.IGNORECASE) for name, words in _HEADINGS.items()}


def cut_sections(report: str) -> dict[str, str]:
    """Cuts a whole report at its headings.

    A heading is a known word, in any case, with a colon behind it: at the start of a line, after a
    stop, or in capitals anywhere; also a line of its own without the colon. Inside the findings
    "Comparison:" and the like must stand at the start of a line or in capitals, as there they open
    sentences too.

    Args:
        report (`str`): A report as it was written.

    Returns:
        `dict[str, str]`: "findings", "impression", "indication", "comparison", "technique", "exam"
        and "addendum", those that the report has, without their headings; "" holds the text before
        the first heading. Sections that come twice are joined by a line break.

    Example:
        ```python
        >>> cut_sections("HISTORY: Cough. FINDINGS: Clear lungs. IMPRESSION: Normal.")
        {'indication': 'Cough.', 'findings': 'Clear lungs.', 'impression': 'Normal.'}
        ```
    """
    pieces: dict[str, list[str]] = {"": []}
    name, start = "", 0
    for match in _HEADING.finditer(report):
        words = match["line"] or match["stop"] or match["capitals"]
        if not _is_heading(match, words, name):
            continue
        pieces[name].append(report[start : match.start()].strip())
        name, start = _section(words), match.end()
        pieces.setdefault(name, [])
    pieces[name].append(report[start:].strip())
    sections = {name: "\n".join(filter(None, texts)) for name, texts in pieces.items()}
    return {name: text for name, text in sections.items() if name or text}


def text_of(value: Any) -> str | None:
    """Gives the text of a cell: a string as it is, a list of sentences joined.

    Args:
        value (`Any`): What a column holds.

    Returns:
        `str`, *optional*: None for None, NaN, numbers, and texts of white space.

    Raises:
        `ValueError`: When it holds structs or bytes.
    """
    if isinstance(value, str):
        return None if not value or value.isspace() else value
    if hasattr(value, "tolist"):  # formatted datasets
        value = value.tolist()
    if isinstance(value, (dict, bytes)) or (_is_list(value) and any(map(_is_struct, value))):
        msg = (
            f"expected text or a list of texts, found {type(value).__name__}; take the text out "
            "first, of chat messages what the assistant says"
        )
        raise ValueError(msg)
    if not _is_list(value):
        return None
    flat = [part for item in value for part in (item if _is_list(item) else [item])]
    sentences = [part for part in flat if isinstance(part, str) and part.strip()]
    if len(sentences) == 1:
        return sentences[0]
    return join_sentences(sentences) or None


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _is_struct(value: Any) -> bool:
    return isinstance(value, (dict, bytes))


def _is_heading(match: re.Match[str], words: str, current: str) -> bool:
    if match["line"]:
        return bool(match["end"].strip()) or not words[0].islower()
    in_findings = current == "findings" and _section(words) not in _MAIN
    return not in_findings or words.isupper()


def _section(words: str) -> str:
    return next(name for name, pattern in _SECTIONS.items() if pattern.fullmatch(words))
