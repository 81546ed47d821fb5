"""What reports speak of, as data: concepts, the phrases that name them, what follows from what.

The words live in a TOML file (`chest_lexicon.toml` for chest X-rays, where every table and key is
explained); this module checks it and turns it into look-up tables.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from semenrich_datasets.lexicon_entries import (
    ANYTHING,
    Finding,
    Meaning,
    Narrowing,
    Structure,
    check_references,
    collect_meanings,
    read_entry,
    read_words,
    tokenize,
)

CHEST_LEXICON = Path(__file__).with_name("chest_lexicon.toml")


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
    structures = {name: read_entry(Structure, name, t) for name, t in tables["structures"].items()}
    findings = {name: read_entry(Finding, name, t) for name, t in tables["findings"].items()}
    narrowings = {name: read_entry(Narrowing, name, t) for name, t in tables["narrowing"].items()}
    check_references(structures, findings, narrowings)
    meanings = collect_meanings(structures, findings, narrowings, read_words(tables["words"]))
    return Lexicon(structures, findings, narrowings, meanings)


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
