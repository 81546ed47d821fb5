"""Fill sentence templates into probes for a reader of negation, doubt and change.

A template file (TOML, or JSON of the same shape) holds a table of findings and an array of
templates.  Each template is filled once for every finding that suits it, and gives one probe for
each denial that would be proposed beside the sentence.

Slots, always written in braces; a capital first letter capitalises the filling, all capitals
upper-case it whole:

    finding   the bare name                 "pleural effusion"
    a         the name, with an article     "a pleural effusion"
    short     the shorter name              "effusion"
    shorts    its plural                    "effusions"
    sited     with degree, side and place   "small left pleural effusion"
    asited    the same, with an article     "a small left pleural effusion"
    the       one named instance            "the left pleural effusion"
    deg       a degree alone                "small"
    where     a place alone                 "on the left"
    other     another finding, unrelated    "pneumothorax"
    other2    a third finding               "consolidation"
    abbr      an abbreviation               "eff."
    typo      the name, misspelt            "plueral effusion"
    soft      the name with soft hyphens, zwsp: with zero-width spaces, broken: over a line end

What a template expects:

    signs            the signs that the sentence may be given
    denial           "refuse": the finding is stated or left open, so letting the denial through
                     is the error; "redundant_or_refuse": it is denied already; "any": no matter
    never_redundant  true where the sentence does not hold the plain denial, so that calling the
                     denial redundant is an error although adding or refusing it is none
"""

import argparse
import json
import re
import tomllib
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

SLOT = re.compile(r"\{([A-Za-z]+2?)\}")
SIGNS = {"normal", "abnormal", "neutral"}
DENIALS = {"refuse", "redundant_or_refuse", "any"}
MARKS = {"soft": "\u00ad", "zwsp": "\u200b", "broken": "-\n"}


def load(templates_file: str | Path) -> dict[str, Any]:
    """Read a template file, by its ending as JSON or as TOML."""
    text = Path(templates_file).read_text(encoding="utf-8")
    return json.loads(text) if str(templates_file).endswith(".json") else tomllib.loads(text)


def with_article(phrase: str, countable: bool) -> str:
    """Put the indefinite article before a countable phrase."""
    if not countable:
        return phrase
    return f"an {phrase}" if phrase[0] in "aeiou8" else f"a {phrase}"


def pick(options: list[str], turn: int) -> str:
    """Take one option; equal turns take equal options."""
    return options[turn % len(options)]


def fillings(finding: dict[str, Any], turn: int) -> dict[str, list[str]]:
    """All ways to fill each slot for one finding; `turn` rotates those of equal standing."""
    name, count = finding["name"], finding["countable"]
    sited, others = pick(finding["sited"], turn), finding["others"]
    slots = {
        "finding": [name],
        "a": [with_article(name, count)],
        "short": [finding["short"]],
        "shorts": [finding["shorts"]],
        "sited": [sited],
        "asited": [with_article(sited, count)],
        "the": [pick(finding["the"], turn)],
        "deg": [finding["deg"]],
        "where": [finding["where"]],
        "other": [pick(others, turn)],
        "other2": [pick(others, turn + 1)],
        "abbr": finding["abbr"],
        "typo": finding["typos"],
    }
    for slot, mark in MARKS.items():
        slots[slot] = [finding["split"].replace("|", mark)]
    return slots


def cased(slot: str, filling: str) -> str:
    """Give a filling the case in which its slot is written."""
    letters = slot.rstrip("2")
    if letters.isupper() and len(letters) > 1:
        return filling.upper()
    return filling[0].upper() + filling[1:] if letters[0].isupper() else filling


def fill(text: str, slots: dict[str, list[str]]) -> list[str]:
    """Fill every slot of a text; a slot of several fillings gives several sentences."""
    names = {slot.lower() for slot in SLOT.findall(text)}
    many = next((name for name in sorted(names) if len(slots[name]) > 1), None)
    count = len(slots[many]) if many else 1
    sentences = []
    for index in range(count):
        chosen = {name: pick(slots[name], index) for name in names if slots[name]}
        if len(chosen) < len(names):
            return []
        sentence = SLOT.sub(lambda m, c=chosen: cased(m[1], c[m[1].lower()]), text)
        sentences.append(re.sub(r"\.\.$", ".", sentence))
    return sentences


def check(template: dict[str, Any], findings: dict[str, Any]) -> None:
    """Raise ValueError where a template is not well formed."""
    text = template["text"]
    if not template["signs"] or not set(template["signs"]) <= SIGNS:
        raise ValueError(f"signs of {text!r}")
    if template["denial"] not in DENIALS:
        raise ValueError(f"denial of {text!r}")
    if ("add" in template) == ("findings" in template):
        raise ValueError(f"either `add` or `findings` for {text!r}")
    unknown = set(template.get("findings", [])) - set(findings)
    if unknown or ("add" in template and SLOT.search(text)):
        raise ValueError(f"findings of {text!r}")


def probes(templates_file: str | Path) -> list[dict[str, Any]]:
    """Fill all templates of a file, in the order of the file, without repeats.

    Each probe has `kind`, `template` (its text), `finding` (None where the text is fixed),
    `sentence`, `signs`, `add` (the denial proposed), `denial` and `never_redundant`.
    """
    data = load(templates_file)
    findings: dict[str, dict[str, Any]] = data["findings"]
    order = {name: index for index, name in enumerate(findings)}
    seen: set[tuple[str, str]] = set()
    made: list[dict[str, Any]] = []
    for template in data["templates"]:
        check(template, findings)
        text = template["text"]
        filled: list[tuple[str | None, str, str]] = []
        for name in template.get("findings", []):
            slots = fillings(findings[name], zlib.crc32(text.encode()) + order[name])
            denial = findings[name]["denial"]
            filled += [(name, sentence, denial) for sentence in fill(text, slots)]
        filled += [(None, text, denial) for denial in template.get("add", [])]
        for name, sentence, add in filled:
            if (sentence, add) in seen:
                continue
            seen.add((sentence, add))
            made.append(
                {
                    "kind": template["kind"],
                    "template": text,
                    "finding": name,
                    "sentence": sentence,
                    "signs": list(template["signs"]),
                    "add": add,
                    "denial": template["denial"],
                    "never_redundant": template.get("never_redundant", False),
                }
            )
    return made


def main() -> None:
    """Print the probes of a file as JSON lines, or only their number by kind."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("templates_file", type=Path)
    parser.add_argument("--count", action="store_true", help="print only the numbers by kind")
    options = parser.parse_args()
    made = probes(options.templates_file)
    if options.count:
        for kind, number in sorted(Counter(probe["kind"] for probe in made).items()):
            print(kind, number)
        print("all", len(made))
        return
    for probe in made:
        print(json.dumps(probe, ensure_ascii=True))


if __name__ == "__main__":
    main()
