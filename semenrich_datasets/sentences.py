"""Report text to sentences, and back to prose.

Radiology reports are dictated: decimals, abbreviations, numbered impressions, hard-wrapped lines,
missing or doubled full stops ("normal.. No"), and no space after a stop ("apex.There") are all
common, so a boundary is decided from the characters on both sides of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

# An abbreviation of these never ends a sentence; the second set does before a capital letter.
_NEVER_FINAL = frozenset(
    "dr drs mr mrs ms prof st vs approx fig figs e.g i.e cf resp incl ca viz ref".split()
)
_MAYBE_FINAL = frozenset(
    "a.m p.m etc fr no nos max min dept hosp inc jr sr pl eff pulm bilat rt lt abn poss".split()
)
# "segment 2." is not the second item of a list, whatever item came before it.
_COUNTED_NOUNS = frozenset(
    "segment grade stage type level zone rib ribs day number phase class lobe image series "
    "of at to than by least approximately measures measuring about".split()
)
# A line that ends in one of these was wrapped, even when the next line starts with a capital.
_OPEN_WORDS = frozenset(
    "a an the of in on at to for from by with without within and or nor no not is are was were be "
    "been than as per over under near via into is/are dr mr mrs left right both".split()
)

# No editor wraps lines shorter than this: a line break before was meant.
_NARROWEST_WRAP = 60

_LIST_MARK = re.compile(r"\s*(?:\(?\d{1,2}[.)](?=\s|$)|\d{1,2}[.)](?=[A-Z])|[-*•–·]+(?=\s))\s*")
# Every way in which files, pages and databases end a line, a spelled-out "\\n" included.
_LINE_END = r"(?:\r\n|[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]|<[bB][rR] ?/?>|\\[rn])"
_STOP_OR_LINE = rf"[.!?]+[)\"'\]]*|(?P<line>{_LINE_END}(?:\s|{_LINE_END})*)"
# What a boundary begins with: looked for first, as one set is found fastest.
_STARTS = r"[.!?\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029<\\]"
_BOUNDARY = re.compile(_STOP_OR_LINE)
_FIRST_CHARACTER = re.compile(_STARTS)
_BOUNDARY_OR_ITEM = re.compile(  # "1. Lungs clear 2. No effusion": the stop may be missing
    _STOP_OR_LINE + r"|[ \t]+(?=(?P<item>\d{1,2})[.)][ \t]+[A-Za-z])"
)
_SENTENCE_START = re.compile(r"[A-Z][a-z]|[A-Z]{4}")
_NUMBERED_START = re.compile(r"\d{1,2}[.)]\s")
_INITIALS = re.compile(r"(?:[a-z]\.)+[a-z]")  # "T.B."
_EDGE_MARKS = " \t\r\n.,;:!?"
_WHITE_SPACE = re.compile(r"\s+")
_NEXT_WORD = re.compile(r"\S*")
_LINE_BREAK = re.compile(_LINE_END)
_LONGEST_LINE_END = len("<br />")
_SPELLED_LINE_ENDS = ">rn"  # last characters of those that are no white space
_LAST_LINE_END = re.compile(rf"{_LINE_END}$")
_BROKEN_WORD = re.compile(r"(?<=[a-z])-[ \t]*\n\s*(?=[a-z])")
_DOTS = re.compile(r"\.{3,}(?=\s*\w)")
_GLUED = re.compile(r"(?<=[a-z]{4})(?=[A-Z][a-z]{3})")
# In plain ASCII nothing has to be done where none of these is.
_UNUSUAL = re.compile(r"[\x00-\x1f\x7f<\\]|\.{3}|  |[a-z][A-Z]|[a-z]{3} [A-Z][a-z]")
_INNER_CAPITAL = re.compile(r"([a-z]{3}) (?=[A-Z][a-z]{2})")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Gives the character span of each sentence of a report, list marks left out.

    Args:
        text (`str`): A report section as it was written.

    Returns:
        `list[tuple[int, int]]`: `(start, end)` of each sentence, ascending and disjoint, so that
        `text[start:end]` is the sentence with its own final stop, and no white space around it.
        Pieces without a letter or digit (the second stop of "normal. .") are dropped.
    """
    spans: list[tuple[int, int]] = []
    start, last_item = _skip_list_mark(text, 0, 0)
    candidates = _BOUNDARY_OR_ITEM.finditer(text) if last_item else _boundaries(text)
    for match in candidates:
        if match.start() < start or not _is_boundary(text, start, match, last_item):
            continue
        _append_span(spans, text, start, match.end())
        start, last_item = _skip_list_mark(text, match.end(), last_item)
    _append_span(spans, text, start, len(text))
    return spans


def _boundaries(text: str) -> Iterator[re.Match[str]]:
    """Yields where a sentence may end, as `_BOUNDARY.finditer` would, and faster."""
    position = 0
    while (found := _FIRST_CHARACTER.search(text, position)) is not None:
        match = _BOUNDARY.match(text, found.start())
        if match is not None:
            yield match
        position = match.end() if match is not None else found.end()


def split_sentences(text: str) -> list[str]:
    """Splits a report into its sentences, characters unchanged.

    Args:
        text (`str`): A report section as it was written.

    Returns:
        `list[str]`: The sentences in order, each with its own final stop.

    Example:
        ```python
        >>> split_sentences("1. Nodule of 1.5 cm.. 2. No effusion")
        ['Nodule of 1.5 cm..', 'No effusion']
        ```
    """
    return [text[start:end] for start, end in sentence_spans(text)]


def split_paper(text: str) -> list[str]:
    """Splits as SemEnrich (arXiv 2604.09887, section 3) does: at every ".", lower-cased, stripped.

    Args:
        text (`str`): A report section as it was written.

    Returns:
        `list[str]`: The non-empty pieces; "1.5 cm" becomes two of them.
    """
    return split_stops(text.lower())


def split_stops(text: str) -> list[str]:
    """Splits at every "." and strips, the capitals as they were written."""
    return [piece for part in text.split(".") if (piece := part.strip())]


def plain_text(sentence: str) -> str:
    """Takes out of a sentence what files put in and nobody wrote.

    Compatibility forms (ligatures, full-width letters) become plain ones, soft hyphens, zero-width
    and control characters and accents go, a word hyphenated over a line end is joined, and a line
    end becomes a space. Where a capital starts a word right behind a small letter ("apexSmall"), or
    inside a line of prose, a mark "¦" says that a stop may be missing.

    Args:
        sentence (`str`): A sentence as written.

    Returns:
        `str`: The text that readers are given. Idempotent.
    """
    if sentence.isascii() and not _UNUSUAL.search(sentence):
        return sentence
    # First of all, for what files put in can hide a line end or dots: "…" is three of them. Accents
    # go before too: to put a heap of them in order takes the square of its length.
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", _visible(sentence)))
    text = _visible(text)
    text = _DOTS.sub(": ", _LINE_BREAK.sub("\n", text))
    text = _BROKEN_WORD.sub("", text)
    text = _GLUED.sub(" ¦ ", _WHITE_SPACE.sub(" ", text))
    return _INNER_CAPITAL.sub(r"\1 ¦ ", text)


def _visible(text: str) -> str:
    return "".join([character for character in text if not _is_invisible(character)])


def _is_invisible(character: str) -> bool:
    """Whether a character is an accent, a format or a control character, no white space."""
    hidden = unicodedata.category(character) in ("Mn", "Cf", "Cc") and not character.isspace()
    return hidden or unicodedata.combining(character) > 0


def normalize_sentence(sentence: str) -> str:
    """Gives the form under which equal sentences are counted as one.

    Args:
        sentence (`str`): A sentence as written.

    Returns:
        `str`: Lower case, white space squeezed, without list mark, surrounding stops and commas.
        Idempotent.
    """
    squeezed = _WHITE_SPACE.sub(" ", sentence).strip(_EDGE_MARKS).lower()
    while (mark := _LIST_MARK.match(squeezed)) and mark.end() < len(squeezed):
        squeezed = squeezed[mark.end() :].strip(_EDGE_MARKS)
    # A question says something else than its words.
    asked = squeezed and sentence.rstrip(" \t\r\n.").endswith("?")
    return f"{squeezed}?" if asked else squeezed


def join_sentences(sentences: Iterable[str]) -> str:
    """Writes sentences as prose: each with a capital and one full stop, a space between.

    Args:
        sentences (`Iterable[str]`): Sentences in any case, with or without a final stop.

    Returns:
        `str`: The paragraph; an empty string for no sentences.
    """
    return " ".join(polished for sentence in sentences if (polished := _polish(sentence)))


def append_sentences(text: str, sentences: Iterable[str]) -> str:
    """Writes sentences behind a report whose own characters stay as they are.

    Args:
        text (`str`): The report.
        sentences (`Iterable[str]`): What to add.

    Returns:
        `str`: `text`, a full stop where its last sentence lacked one, and the sentences as prose;
        `text` itself, unchanged, when there is nothing to add.
    """
    addition = join_sentences(sentences)
    if not addition:
        return text
    body = text.rstrip()
    if not body:
        return addition
    stop = "" if body.endswith((".", "!", "?")) else "."
    return f"{body.rstrip(',;:')}{stop} {addition}"


def _polish(sentence: str) -> str:
    body = _WHITE_SPACE.sub(" ", sentence).strip()
    final = body[-1] if body.endswith(("!", "?")) else "."
    body = body.strip(_EDGE_MARKS)
    if not body:
        return ""
    first_word = body.split(" ", 1)[0]
    # "pH" and "mSv" keep their own case; an all lower-case word opens the sentence.
    head = body[0].upper() if first_word == first_word.lower() else body[0]
    return f"{head}{body[1:]}{final}"


def _append_span(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    piece = text[start : _end_of_text(text, start, end)]
    stripped = piece.lstrip()
    if any(map(str.isalnum, stripped)):
        start += len(piece) - len(stripped)
        spans.append((start, start + len(stripped)))


def _end_of_text(text: str, start: int, end: int) -> int:
    """Returns where a piece ends without the white space and line ends behind it."""
    while end > start:
        last = text[end - 1]
        if last.isspace():
            end -= 1
        elif last not in _SPELLED_LINE_ENDS:
            break
        elif ended := _LAST_LINE_END.search(text, max(start, end - _LONGEST_LINE_END), end):
            end = ended.start()
        else:
            break
    return end


def _skip_list_mark(text: str, position: int, last_item: int) -> tuple[int, int]:
    """Returns the position behind a list mark, and the number of the list's last item."""
    mark = _LIST_MARK.match(text, position)
    if mark is None:
        return position, last_item
    digits = "".join(filter(str.isdigit, mark.group()))
    return mark.end(), int(digits) if digits else last_item


def _is_boundary(text: str, start: int, match: re.Match[str], last_item: int) -> bool:
    words = text[max(start, match.start() - 24) : match.start()].rsplit(None, 1)
    word = words[-1].lower().lstrip("(\"'[") if words else ""
    if match.lastgroup == "line":
        return _ends_line(text, word, match)
    if match.lastgroup == "item":
        return int(match["item"]) == last_item + 1 and word not in _COUNTED_NOUNS
    return _ends_sentence(text, word, match)


def _ends_sentence(text: str, word: str, match: re.Match[str]) -> bool:
    """Tells a final stop from that of a number or an abbreviation."""
    end = match.end()
    following = text[end : end + 4]
    if following and not following[0].isspace():
        return _is_glued(text[max(match.start() - 3, 0) : match.start()], following)
    if match.group() != ".":
        return True
    after = following.lstrip()[:1]
    if word in _NEVER_FINAL:
        return not after
    if word in _MAYBE_FINAL or _INITIALS.fullmatch(word):
        # "No. 3", "5 Fr. catheter" go on; "at 5 p.m. Heart" does not.
        return not after or (after.isupper() and word not in ("no", "nos"))
    return True


def _is_glued(before: str, after: str) -> bool:
    """Tells "apex.There", "clear.there" and "disease.2. Clear" from "1.5" and "p.m"."""
    if _SENTENCE_START.match(after):
        return len(before) > 1 and before[-2:].isalnum()
    words = len(before) == 3 and before.isalpha() and before.islower()
    return words and (after[:3].isalpha() or _NUMBERED_START.match(after) is not None)


def _ends_line(text: str, word: str, match: re.Match[str]) -> bool:
    """Tells a line that ends a sentence from one that an editor wrapped at its margin."""
    if len(_LINE_BREAK.findall(match.group())) > 1 or _LIST_MARK.match(text, match.end()):
        return True
    before = text[max(0, match.start() - _NARROWEST_WRAP) : match.start()].rstrip(" \t")
    if word in _OPEN_WORDS or before.endswith((",", "(", "/", "-")):
        return False
    next_word = _NEXT_WORD.match(text, match.end())
    fits = len(next_word.group()) if next_word else 0
    line_length = match.start() - _line_start(text, match.start())
    if line_length + 1 + fits <= _NARROWEST_WRAP:
        return True
    return bool(_SENTENCE_START.match(text, match.end()))


def _line_start(text: str, position: int) -> int:
    """Returns where the line of a position starts; only as far back as matters is looked."""
    window = max(0, position - _NARROWEST_WRAP - 1)
    ends = [match.end() for match in _LINE_BREAK.finditer(text, window, position)]
    return ends[-1] if ends else window
