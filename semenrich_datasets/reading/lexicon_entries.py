"""The entries of a lexicon file: their forms, their checks, and the phrases that they define."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from typing import Any

ANYTHING = "anything"
"""The concept above all others: some abnormality, wherever it is."""

MISSPELT = "misspelt"
"""The role of a word that was read as another one, which it may be a misspelling of."""

URGENCIES = ("", "high", "low")
"""What a reader does about a finding: something at once, nothing today; by default in between."""

WORD_ROLES = (
    "negation negation_after uncertain doubt asked turn exception join alternative article link "
    "closing normal abnormal abnormality aspect prior unchanged leaning identifying left right "
    "both blank filler slight moderate severe "
    "change resolution partial exclusion inability none disbelief preposition inside sure evidence "
    "quantity thing superseded other_study not_quite vague hidden study acronym"
).split()

# Letters of any script, numbers, blanks, and the marks that mean something; a hyphen inside a word
# is a space, and one that stands free a dash.
_TOKEN = re.compile(
    r"[^\W\d_]+|\d+(?:[.,:]\d+)*|_+|\*{3,}|#{3,}|[,;:()/&.+?=–—¦]|(?<!\w)-+|-+(?!\w)"
)
_NOT = re.compile(r"\b(\w+)n['’]t\b")
_NOT_FORMS = {"ca": "can", "wo": "will", "sha": "shall"}
_IS = re.compile(r"\b(it|that|there|here|what|he|she|who|where)['’]s\b")
_POSSESSIVE = re.compile(r"(?<=\w)['’]s\b")  # "Baker's cyst"
_NON = re.compile(r"\bnon[- ](?=\w)")
_ENDINGS = (("ies", "y"), ("sses", "ss"), ("s", ""))

BLANK = "___"


@lru_cache(maxsize=2**16)
def _token(word: str) -> str:
    if word[0] in "_*#" or (len(word) > 2 and not word.strip("x")):
        return BLANK
    if word[0] == "-":
        return "-"
    if len(word) > 3 and not word.endswith(("ss", "us", "is")):
        for ending, singular in _ENDINGS:
            if word.endswith(ending):
                return word.removesuffix(ending) + singular
    return word


def tokenize(text: str) -> tuple[str, ...]:
    """Splits into lower-case words without plural "s", numbers, blanks and punctuation marks.

    De-identification blanks of any style ("XXXX", "___", "[**...**]", "***") are one token.
    """
    lowered = text.lower().replace("[**", " ___ ")
    if "'" in lowered or "’" in lowered:
        lowered = _NOT.sub(lambda found: _NOT_FORMS.get(found[1], found[1]) + " not", lowered)
        lowered = _POSSESSIVE.sub("", _IS.sub(r"\1 is", lowered))
    if "non" in lowered:
        lowered = _NON.sub("non", lowered)  # "non-specific" denies nothing that follows
    return tuple(map(_token, _TOKEN.findall(lowered)))


@dataclass(frozen=True)
class Meaning:
    """All that one phrase can mean.

    Args:
        phrase (`tuple[str, ...]`): its tokens.
        findings (`tuple[str, ...]`): findings that it names.
        structures (`tuple[str, ...]`): structures that it names.
        adjective_of (`tuple[str, ...]`): structures in which it places something.
        narrows (`tuple[str, ...]`): narrowings that it expresses.
        rules_out (`tuple[str, ...]`): narrowings whose opposite it is.
        roles (`frozenset[str]`): the lists of `[words]` that hold it.
    """

    phrase: tuple[str, ...]
    findings: tuple[str, ...] = ()
    structures: tuple[str, ...] = ()
    adjective_of: tuple[str, ...] = ()
    narrows: tuple[str, ...] = ()
    rules_out: tuple[str, ...] = ()
    roles: frozenset[str] = frozenset()

    @property
    def is_name(self) -> bool:
        """Whether it names a finding or a structure."""
        return bool(self.findings or self.structures or self.adjective_of)


@dataclass(frozen=True)
class Finding:
    """One `[findings.NAME]` table; the keys are explained in `chest_xray.toml`."""

    phrases: tuple[str, ...]
    of: tuple[str, ...] = ()
    kind_of: tuple[str, ...] = ()
    described: tuple[str, ...] = ()
    suggests: tuple[str, ...] = ()
    obscures: tuple[str, ...] = ()
    rules_out: tuple[str, ...] = ()
    absorbs: tuple[str, ...] = ()
    denied_covers: tuple[str, ...] = ()
    denied_is_normal: bool = False
    device: bool = False
    one_thing: bool = False
    anywhere: bool = False
    urgency: str = ""


@dataclass(frozen=True)
class Structure:
    """One `[structures.NAME]` table; the keys are explained in `chest_xray.toml`."""

    nouns: tuple[str, ...]
    adjectives: tuple[str, ...] = ()
    stands_for: tuple[str, ...] = ()
    overview_of: tuple[str, ...] = ()
    part_of: str = ""
    called: tuple[str, ...] = ()
    called_of: tuple[str, ...] = ()
    often_blank: bool = False
    findings_are: str = ""
    obscures: tuple[str, ...] = ()
    throughout: bool = False
    out_of_view: bool = False
    summed_up: tuple[str, ...] = ()
    everything: bool = False


@dataclass(frozen=True)
class Narrowing:
    """One `[narrowing.NAME]` table; the keys are explained in `english.toml`."""

    words: tuple[str, ...]
    opposites: tuple[str, ...] = ()
    graded: bool = False
    place: bool = False
    upper: tuple[str, ...] = ()
    middle: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """One `[questions.NAME]` table; the keys are explained in `chest_xray.toml`."""

    words: tuple[str, ...]
    asks: tuple[str, ...]


def read_entry(kind: type[Any], name: str, table: Any) -> Any:
    """Builds one dataclass from one table, and says what is wrong with the table if anything."""
    if not isinstance(table, Mapping):
        raise ValueError(f"Lexicon: expected a table for {name!r}, found {table!r}.")
    known = {item.name: item for item in fields(kind)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise ValueError(f"Lexicon: {name!r} has the unknown key {key!r}; known: {[*known]}.")
        values[key] = _checked(f"{name}.{key}", value, str(known[key].type))
    missing = [key for key, item in known.items() if item.default is MISSING and key not in values]
    if missing:
        raise ValueError(f"Lexicon: {name!r} lacks the key {missing[0]!r}; add it.")
    return kind(**values)


def _checked(where: str, value: Any, annotation: str) -> Any:
    """Returns a TOML value as its annotated type."""
    if annotation == "bool" and isinstance(value, bool):
        return value
    if annotation == "str" and isinstance(value, str):
        return value
    is_strings = isinstance(value, list) and all(isinstance(item, str) for item in value)
    if annotation.startswith("tuple") and is_strings:
        return tuple(value)
    expected = "a list of strings" if annotation.startswith("tuple") else annotation
    raise ValueError(f"Lexicon: expected {expected} for {where!r}, found {value!r}.")


def read_words(table: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Returns the lists of `[words]`, checked."""
    if set(table) != set(WORD_ROLES):
        wrong = sorted(set(table) ^ set(WORD_ROLES))
        raise ValueError(f"Lexicon: [words] must hold exactly {WORD_ROLES}; see {wrong}.")
    return {role: _checked(f"words.{role}", words, "tuple") for role, words in table.items()}


def check_references(
    structures: Mapping[str, Structure],
    findings: Mapping[str, Finding],
    narrowings: Mapping[str, Narrowing],
    questions: Mapping[str, Question],
) -> None:
    """Checks that every name used in a table is defined, and that names are not shared."""
    shared = sorted((set(structures) & set(findings)) | ({*structures, *findings} & {ANYTHING}))
    if shared:
        raise ValueError(f"Lexicon: {shared[0]!r} is defined twice; give one another name.")
    concepts = {*structures, *findings}
    uses: list[tuple[str, Iterable[str], Iterable[str]]] = []
    for name, structure in structures.items():
        part_of = (structure.part_of,) if structure.part_of else ()
        others = (*structure.stands_for, *structure.overview_of, *structure.called_of, *part_of)
        uses.append((name, others, structures))
        uses.append((name, structure.obscures, concepts))
        uses.append((name, (structure.findings_are,) if structure.findings_are else (), findings))
    for name, finding in findings.items():
        uses.append((name, (*finding.of, *finding.absorbs), structures))
        uses.append((name, finding.kind_of, findings))
        uses.append(
            (name, (*finding.suggests, *finding.obscures, *finding.denied_covers), concepts)
        )
        uses.append((name, finding.rules_out, narrowings))
    uses.extend((name, question.asks, concepts) for name, question in questions.items())
    for name, finding in findings.items():
        if finding.urgency not in URGENCIES:
            raise ValueError(
                f"Lexicon: expected high, low or nothing for '{name}.urgency', found "
                f"{finding.urgency!r}."
            )
    for name, used, defined in uses:
        unknown = sorted(set(used) - set(defined))
        if unknown:
            raise ValueError(f"Lexicon: {name!r} names {unknown[0]!r}, which is not defined.")


def collect_meanings(
    structures: Mapping[str, Structure],
    findings: Mapping[str, Finding],
    narrowings: Mapping[str, Narrowing],
    words: Mapping[str, Iterable[str]],
) -> dict[tuple[str, ...], Meaning]:
    """Collects, phrase by phrase, all that the tables say about it."""
    entries: list[tuple[str, str, Iterable[str]]] = []  # (field of Meaning, value, phrases)
    for name, structure in structures.items():
        for part in structure.stands_for or (name,):
            entries.append(("structures", part, structure.nouns))
            entries.append(("adjective_of", part, structure.adjectives))
    for name, finding in findings.items():
        entries.append(("findings", name, finding.phrases))
    for name, narrowing in narrowings.items():
        entries.append(("narrows", name, narrowing.words))
        entries.append(("rules_out", name, narrowing.opposites))
    for role, phrases in words.items():
        if role != "acronym":  # how a word is written says nothing of what it means
            entries.append(("roles", role, phrases))
    # A described word must be known as one that can be said of a structure.
    entries.extend(("roles", "abnormal", finding.described) for finding in findings.values())
    entries.extend(("roles", "normal", structure.called) for structure in structures.values())
    collected: dict[tuple[str, ...], dict[str, dict[str, None]]] = {}
    for attribute, value, phrases in entries:
        for phrase in phrases:
            tokens = tokenize(phrase)
            if not tokens:
                raise ValueError(f"Lexicon: {phrase!r} under {value!r} holds no word.")
            collected.setdefault(tokens, {}).setdefault(attribute, {})[value] = None
    return {tokens: _meaning(tokens, found) for tokens, found in collected.items()}


def _meaning(tokens: tuple[str, ...], found: Mapping[str, Mapping[str, None]]) -> Meaning:
    values = {attribute: tuple(names) for attribute, names in found.items()}
    return Meaning(tokens, **{**values, "roles": frozenset(values.get("roles", ()))})  # type: ignore[arg-type]
