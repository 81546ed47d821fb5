"""What may stand in another patient's report: a sentence all of whose words play their part.

A word that the grammar merely passes over could be anything, a name above all: "no effusion,
Small". So a sentence is rebuilt from the lexicon's words, or not at all: its phrases are put
together, step by step (Abney 1996, cascaded finite-state parsing), to statements, and what is left
over refuses it.
"""

from __future__ import annotations

import re

from semenrich_datasets.reading.lexicon import Lexicon
from semenrich_datasets.reading.lexicon_entries import BLANK, MISSPELT, Meaning
from semenrich_datasets.sentences import normalize_sentence

# Letters and the marks that the grammar itself uses; no initial, number, address or markup fits.
_PLAIN = re.compile(r"[a-z]+(?:(?:, ?|[ \-/])[a-z]+)*")
_WORD = re.compile(r"[a-z]+")
_WRITTEN_WORD = re.compile(r"[^\W\d_]+")
_NON = re.compile(r"\bnon[- ](?=\w)")
# Phrases; longer sentences are not of one statement.
_LONGEST = 64

# The part that a word plays, by what the lexicon lists it under; the first that fits.
_PARTS = (
    ("z", {"negation_after", "closing"}),
    ("g", {"normal"}),
    ("B", {"abnormality"}),
    ("T", {"aspect"}),
    ("k", {"unchanged"}),
    ("D", {"slight", "moderate", "severe"}),
    ("x", {"abnormal"}),
    ("u", {"uncertain"}),
    ("a", {"article"}),
    ("b", {"both"}),
    ("s", {"left", "right"}),
    ("e", {"evidence", "thing", "quantity"}),
    ("p", {"preposition"}),
    ("l", {"link"}),
    ("f", {"filler", "sure"}),
)
# Fillers that are nobody's surname: "no field effusion" could be told of a Field.
_QUALIFIERS = frozenset(
    "focal focally otherwise grossly diffuse diffusely essentially overall generally relatively "
    "definite definitely definitive clearly obvious specifically fully completely".split()
)
_NEVER = {"identifying", "blank", MISSPELT}
# Only these are counted in the plural or, as verbs, end in "s".
_INFLECTED = frozenset("FSBTPeyl+")

# Each step writes one part for what it put together; what it can't place stays, and refuses.
_STEPS = [
    (re.compile(pattern), part)
    for pattern, part in (
        (r"(?:[aAPbszDxfk]|A\+|ep?|yp)*S?[FB]", "F"),  # "focal airspace consolidation"
        (r"(?:[aPbszm]|[ey]p|A(?:,?\+)?)*(?:S|AT|P)T?", "S"),  # "cardiac and mediastinal contours"
        (r"(?<=[FSg])p[aA]*T(?:,?\+T)*", ""),  # "in size and contour"
        (r"(?<=[FSgzT])p[FS]", ""),  # "in the lungs"
        (r"(?<=[FS])l?uF", ""),  # "to suggest a pneumonia"
        (r"(?<=[FSgxzk])[mb]+", ""),  # "bilaterally", "in appearance"
        (r"F(?:(?:,\+?|\+)F)+", "F"),
        (r"S(?:(?:,\+?|\+)S)+", "S"),
        (r"S(?:lf?|lnf?)?p?[gxk](?:,?\+[gxkT])*", "C"),  # "heart is normal in size and contour"
        (r"[gk](?:,?\+[gk])*S", "C"),  # "clear lungs"
        (r"Fl[gxkD]", "C"),
    )
]
_DENIAL = r"t?[no][FS](?:l?z)?(?:n[FS](?:l?z)?)*"
_CLAUSE = rf"(?:C(?:{_DENIAL})?|Slf?{_DENIAL}|Slz|Sn[FS](?:l?z)?|tF(?:l?z)?|Fl?z|{_DENIAL})"
_SENTENCE = re.compile(rf"F|{_CLAUSE}(?:(?:,\+?|\+|,?w){_CLAUSE})*")


def rebuild(sentence: str, lexicon: Lexicon) -> str | None:
    """Writes a sentence anew from the words of a lexicon, where each plays its part.

    Args:
        sentence (`str`): A sentence, in any case.
        lexicon ([`Lexicon`]): Whose words they must be.

    Returns:
        `str` or `None`: In plain ASCII letters, spaces, commas, hyphens and slashes, with a capital
        and a full stop, acronyms in capitals. None where a word is not the lexicon's, stands by
        itself, or could tell a person: these are no statements that another report could take.

    Example:
        ```python
        >>> rebuild("no  pleural effusion", load_lexicon("chest_xray"))
        'No pleural effusion.'
        >>> rebuild("No pleural effusion, Small.", load_lexicon("chest_xray")) is None
        True
        ```
    """
    sentence = normalize_sentence(sentence).replace("there's ", "there is ")
    text = _NON.sub("non", sentence)
    if not _PLAIN.fullmatch(text):
        return None
    tags = lexicon.tag(text)
    parts = _parts(tags, _WORD.findall(text), lexicon) if len(tags) <= _LONGEST else None
    if parts is None or not _is_statement(parts, tags):
        return None
    words = [
        word.upper() if word in lexicon.acronyms else word
        for word in re.split(r"(, ?|[ \-/])", sentence)
    ]
    plain = "".join(", " if word == "," else word for word in words)
    return f"{plain[0].upper()}{plain[1:]}."


def could_name(written: str, lexicon: Lexicon) -> bool:
    """Tells whether the capitals of a sentence could be those of a name: "no effusion, Stone".

    Args:
        written (`str`): A sentence as its author spelled it.
        lexicon ([`Lexicon`]): Which tells what an acronym is.

    Returns:
        `bool`: Whether a word behind the first one has a capital. Not so where all letters are
        capitals, nor of acronyms.
    """
    words = _WRITTEN_WORD.findall(written)
    if written == written.lower() or all(word.isupper() for word in words):
        return False
    return any(
        word != word.lower() and not (word.isupper() and word.lower() in lexicon.acronyms)
        for word in words[1:]
    )


def _parts(tags: list[Meaning], words: list[str], lexicon: Lexicon) -> str | None:
    """Returns a letter for the part of each phrase; None where a word may play none."""
    parts = []
    position = 0
    for tag in tags:
        count = sum(token.isalpha() for token in tag.phrase)
        own = tuple(words[position : position + count])
        position += count
        part = _part(tag, lexicon)
        if part is None or any(len(word) == 1 and word != "a" for word in own):
            return None
        if count == 1 and own != tag.phrase and part not in _INFLECTED:
            return None  # "Wells" is not the "well" of the lexicon
        parts.append(part)
    return "".join(parts) if position == len(words) else None


def _part(tag: Meaning, lexicon: Lexicon) -> str | None:
    roles, phrase = tag.roles, tag.phrase
    if roles & _NEVER or BLANK in phrase or not lexicon.naming_tokens.isdisjoint(phrase):
        return None
    if phrase == (",",):
        return ","
    if "negation" in roles:
        # "Heart no effusion" lacks what "heart without effusion" has.
        return "o" if "none" in roles else "n"
    if "join" in roles:
        return "+"
    if tag.findings or tag.structures:
        return "F" if tag.findings else "S"
    if tag.adjective_of:
        return "A"
    if tag.narrows or tag.rules_out:
        return "P" if any(lexicon.narrowings[name].place for name in tag.narrows) else "D"
    if "turn" in roles:
        return "t" if phrase[0] == "there" else "w"
    part = next((letter for letter, listed in _PARTS if roles & listed), None)
    return _part_of_one(part, phrase[0]) if len(phrase) == 1 else _part_of_several(part)


def _part_of_one(part: str | None, word: str) -> str | None:
    """Returns the part of a phrase of one word, which could be a name."""
    if part == "e":
        return "y"  # "no evidence of", but not "no case effusion"
    return None if part == "f" and word not in _QUALIFIERS else part


def _part_of_several(part: str | None) -> str | None:
    return "m" if part in ("f", "p") else part


def _is_statement(parts: str, tags: list[Meaning]) -> bool:
    """Whether the phrases make statements, each with what it is about, and nothing is left over."""
    if parts[0] in "fue":
        return False
    reduced = parts
    for pattern, part in _STEPS:
        reduced = pattern.sub(part, reduced)
    # One word may be who signed: "Stone."
    alone = reduced == "F" and len(tags) == 1 and len(tags[0].phrase) == 1
    return not alone and _SENTENCE.fullmatch(reduced) is not None
