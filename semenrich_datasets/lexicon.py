"""What reports speak of, as data: concepts, the phrases that name them, what follows from what.

The words live in a TOML file (`chest_lexicon.toml` for chest X-rays, where every table and key is
explained); this module checks it and turns it into look-up tables.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

CHEST_LEXICON = Path(__file__).with_name("chest_lexicon.toml")
ANYTHING = "anything"
"""The concept above all others: some abnormality, wherever it is."""

WORD_ROLES = (
    "negation negation_after uncertain doubt asked turn exception join alternative article link closing "
    "normal abnormal abnormality aspect prior unchanged leaning identifying left right both blank filler"
).split()

_TOKEN = re.compile(r"[a-z]+|\d+(?:[.,:]\d+)*|_+|[,;:()/&.]")
_ENDINGS = (("ies", "y"), ("sses", "ss"), ("s", ""))


@lru_cache(maxsize=2**16)
def _singular(word: str) -> str:
    if len(word) > 3 and not word.endswith(("ss", "us", "is")):
        for ending, singular in _ENDINGS:
            if word.endswith(ending):
                return word.removesuffix(ending) + singular
    return word


def tokenize(text: str) -> tuple[str, ...]:
    """Splits into lower-case words without plural "s", numbers, blanks and punctuation marks."""
    lowered = text.lower().replace("'s", " is").replace("’s", " is")
    return tuple(
        "___" if token[0] == "_" else _singular(token) for token in _TOKEN.findall(lowered)
    )


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


@dataclass(frozen=True)
class Finding:
    """One `[findings.NAME]` table; the keys are explained in `chest_lexicon.toml`."""

    phrases: tuple[str, ...]
    of: tuple[str, ...] = ()
    kind_of: tuple[str, ...] = ()
    described: tuple[str, ...] = ()
    suggests: tuple[str, ...] = ()
    rules_out: tuple[str, ...] = ()
    absorbs: tuple[str, ...] = ()
    denied_is_normal: bool = False
    device: bool = False


@dataclass(frozen=True)
class Structure:
    """One `[structures.NAME]` table; the keys are explained in `chest_lexicon.toml`."""

    nouns: tuple[str, ...]
    adjectives: tuple[str, ...] = ()
    stands_for: tuple[str, ...] = ()
    overview_of: tuple[str, ...] = ()
    part_of: str = ""
    called: tuple[str, ...] = ()
    called_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Narrowing:
    """One `[narrowing.NAME]` table; the keys are explained in `chest_lexicon.toml`."""

    words: tuple[str, ...]
    opposites: tuple[str, ...] = ()
    graded: bool = False
    place: bool = False


@dataclass(frozen=True, eq=False)
class Lexicon:
    """A checked lexicon, compared by identity (load it once).

    Args:
        structures (`Mapping[str, Structure]`): the parts of the body.
        findings (`Mapping[str, Finding]`): what can be wrong.
        narrowings (`Mapping[str, Narrowing]`): what makes a denial say less.
        meanings (`Mapping[tuple[str, ...], Meaning]`): what each phrase means.
    """

    structures: Mapping[str, Structure]
    findings: Mapping[str, Finding]
    narrowings: Mapping[str, Narrowing]
    meanings: Mapping[tuple[str, ...], Meaning] = field(repr=False)

    @cached_property
    def concepts(self) -> tuple[str, ...]:
        """Every concept once, in the file's order, `ANYTHING` first."""
        return (ANYTHING, *self.structures, *self.findings)

    @cached_property
    def longest_phrase(self) -> Mapping[str, int]:
        """For each first token the length of the longest phrase that starts with it."""
        lengths: dict[str, int] = {}
        for phrase in self.meanings:
            lengths[phrase[0]] = max(len(phrase), lengths.get(phrase[0], 0))
        return lengths

    @cached_property
    def identifying_tokens(self) -> frozenset[str]:
        """Words that can recognize a patient, also inside a longer phrase."""
        roles = {"identifying", "blank", "left", "right"}
        return frozenset(
            phrase[0]
            for phrase, meaning in self.meanings.items()
            if len(phrase) == 1 and meaning.roles & roles
        )

    @cached_property
    def descriptions(self) -> Mapping[tuple[str, tuple[str, ...]], str]:
        """The finding that a word names when it is said of a structure."""
        return {
            (structure, phrase): name
            for name, finding in self.findings.items()
            for structure in finding.of
            for phrase in map(tokenize, finding.described)
        }

    @cached_property
    def callings(self) -> Mapping[tuple[str, tuple[str, ...]], str]:
        """The structure that a word calls normal when it is said of another."""
        return {
            (other, phrase): name
            for name, structure in self.structures.items()
            for other in structure.called_of
            for phrase in map(tokenize, structure.called)
        }

    @cached_property
    def below(self) -> Mapping[str, frozenset[str]]:
        """The concepts that are denied with each concept, itself included."""
        return _closure(self.concepts, _inverse(self._parents()))

    @cached_property
    def above(self) -> Mapping[str, frozenset[str]]:
        """The concepts that nobody may deny once a concept is stated, itself included.

        What a finding suggests is not inherited: an opacity may be a consolidation, but a scar,
        which is an opacity too, is not.
        """
        parents = self._parents()
        for name, structure in self.structures.items():
            for member in structure.overview_of:
                parents[member].add(name)
        for name, higher in parents.items():
            if name != ANYTHING:
                higher.add(ANYTHING)
        climbed = _closure(self.concepts, parents)
        suggested = {name: finding.suggests for name, finding in self.findings.items()}
        return {
            name: climbed[name].union(*(climbed[other] for other in suggested.get(name, ())))
            for name in self.concepts
        }

    def _parents(self) -> dict[str, set[str]]:
        parents: dict[str, set[str]] = {ANYTHING: set()}
        for name, structure in self.structures.items():
            parents[name] = {structure.part_of} if structure.part_of else set()
        for name, finding in self.findings.items():
            parents[name] = {*finding.of, *finding.kind_of}
        return parents

    def tag(self, text: str) -> list[Meaning]:
        """Reads a text as its longest known phrases, left to right.

        Args:
            text (`str`): A sentence.

        Returns:
            `list[Meaning]`: One per phrase; an unknown token has a meaning without any role.
        """
        tokens = tokenize(text)
        meanings, longest = self.meanings, self.longest_phrase
        tags: list[Meaning] = []
        start = 0
        while start < len(tokens):
            for length in range(longest.get(tokens[start], 0), 0, -1):
                meaning = meanings.get(tokens[start : start + length])
                if meaning is not None:
                    break
            else:
                length, meaning = 1, Meaning(phrase=tokens[start : start + 1])
            tags.append(meaning)
            start += length
        return tags


@lru_cache(maxsize=8)
def load_lexicon(path: str | Path | None = None) -> Lexicon:
    """Gives the lexicon in a TOML file, checked; the same object for the same path.

    Args:
        path (`str` or `Path`, *optional*): The file; the packaged chest lexicon by default.

    Returns:
        `Lexicon`: The lexicon.

    Raises:
        ValueError: If the file is not TOML, or a table or key of it is unknown, missing, of the
            wrong type, or names a concept that the file does not hold.
    """
    source = Path(path) if path is not None else CHEST_LEXICON
    try:
        tables = tomllib.loads(source.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{source} is not valid TOML: {error}. Correct that line.") from error
    expected = {"structures", "findings", "narrowing", "words"}
    if set(tables) != expected:
        raise ValueError(
            f"{source}: expected the tables {sorted(expected)}, found {sorted(tables)}. "
            f"Start from {CHEST_LEXICON}."
        )
    structures = {name: _entry(Structure, name, t) for name, t in tables["structures"].items()}
    findings = {name: _entry(Finding, name, t) for name, t in tables["findings"].items()}
    narrowings = {name: _entry(Narrowing, name, t) for name, t in tables["narrowing"].items()}
    _check_references(structures, findings, narrowings)
    meanings = _meanings(structures, findings, narrowings, _checked_words(tables["words"]))
    return Lexicon(structures, findings, narrowings, meanings)


def _entry(kind: type[Any], name: str, table: Any) -> Any:
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


def _checked_words(table: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    if set(table) != set(WORD_ROLES):
        wrong = sorted(set(table) ^ set(WORD_ROLES))
        raise ValueError(f"Lexicon: [words] must hold exactly {WORD_ROLES}; see {wrong}.")
    return {role: _checked(f"words.{role}", words, "tuple") for role, words in table.items()}


def _check_references(
    structures: Mapping[str, Structure],
    findings: Mapping[str, Finding],
    narrowings: Mapping[str, Narrowing],
) -> None:
    """Checks that every name used in a table is defined, and that names are not shared."""
    shared = sorted((set(structures) & set(findings)) | ({*structures, *findings} & {ANYTHING}))
    if shared:
        raise ValueError(f"Lexicon: {shared[0]!r} is defined twice; give one another name.")
    concepts = {*structures, *findings}
    uses: list[tuple[str, Iterable[str], Iterable[str]]] = []
    for name, structure in structures.items():
        part_of = (structure.part_of,) if structure.part_of else ()
        used = (*structure.stands_for, *structure.overview_of, *structure.called_of, *part_of)
        uses.append((name, used, structures))
    for name, finding in findings.items():
        uses.append((name, (*finding.of, *finding.absorbs), structures))
        uses.append((name, finding.kind_of, findings))
        uses.append((name, finding.suggests, concepts))
        uses.append((name, finding.rules_out, narrowings))
    for name, used, defined in uses:
        unknown = sorted(set(used) - set(defined))
        if unknown:
            raise ValueError(f"Lexicon: {name!r} names {unknown[0]!r}, which is not defined.")


def _meanings(
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


def _inverse(edges: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    inverse: dict[str, set[str]] = {}
    for source, targets in edges.items():
        for target in targets:
            inverse.setdefault(target, set()).add(source)
    return inverse


def _closure(
    concepts: Iterable[str], edges: Mapping[str, Iterable[str]]
) -> dict[str, frozenset[str]]:
    """Everything that can be reached from each concept, itself included."""
    return {concept: frozenset(_reach(concept, edges)) for concept in concepts}


def _reach(concept: str, edges: Mapping[str, Iterable[str]]) -> Iterator[str]:
    seen, waiting = {concept}, [concept]
    while waiting:
        current = waiting.pop()
        yield current
        new = set(edges.get(current, ())) - seen
        seen |= new
        waiting.extend(new)
