"""Throws texts that nobody wrote at all that reads reports: no crash, and time linear in length.

    python tests/benchmarks/fuzz_reader.py --inputs 1000000 --seed 0 --json fuzz.json

Each text (see fuzz_texts.py) goes through the cutting of sections and sentences, `Reader.read` of
its sentences and of it whole, `rebuild`, `refusal` into a report and of a proposal against it, the
findings that it states and their score, and `SemEnricher` on a small index, with every preset. A
crash is any exception, or a promise that does not hold: sentence spans ascend, an enriched report
begins with its own text. A text is drawn from the seed and its number, so that `--only NUMBER`
shows it again.

First the time of each step for each kind of text is taken at 100, 1,000, 10,000 and 100,000
characters. A kind is linear where the time per character at a length is at most `GROWTH` times that
at any shorter one, but for what takes less than `NEGLIGIBLE` seconds.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from string import ascii_lowercase

import numpy as np
from fuzz_texts import HEADS, KINDS, PIECES, Sources, draw_text, repeat

from semenrich_datasets import FindingsIndex, SemEnricher
from semenrich_datasets.columns.sections import cut_sections
from semenrich_datasets.enrich.facts import refusal
from semenrich_datasets.phantom import load_phantom
from semenrich_datasets.reading.finding_score import finding_score
from semenrich_datasets.reading.plain_words import rebuild
from semenrich_datasets.reading.stated import stated_findings
from semenrich_datasets.sentences import (
    normalize_sentence,
    plain_text,
    sentence_spans,
    split_paper,
    split_sentences,
)

LENGTHS = (100, 1_000, 10_000, 100_000)
#: Most that the time per character may grow from a shorter text to a longer one of its kind.
GROWTH = 4.0
NEGLIGIBLE = 0.02
#: Texts of one call of the enricher, and texts after which what was read is forgotten.
BATCH, MEMORY = 50, 20_000
REPORT = "Small left pleural effusion. Heart size is normal. 1.5 cm nodule in the right upper lobe."
PROPOSAL = "No pneumothorax."
STUDIES = 400

Step = Callable[[str], object]


class Target:
    """All that reads reports, on a small index of made-up ones."""

    def __init__(self) -> None:
        reports = load_phantom(STUDIES, seed=0, images=False)
        texts = [*reports["findings"], *reports["impression"]]
        self.index = FindingsIndex.build(reports, show_progress=False, embedder=_Letters())
        self.reader = self.index.reader
        self.sources = Sources(
            sorted(" ".join(phrase) for phrase in self.reader.lexicon.meanings),
            [text for text in texts if text],
        )
        self.steps: dict[str, Step] = {
            "sections": cut_sections,
            "sentences": self._cut,
            "read": lambda text: [self.reader.read(one) for one in split_sentences(text)],
            "read whole": self.reader.read,
            "rebuild": lambda text: rebuild(text, self.reader.lexicon),
            "refusal": self._refuse,
            "stated": self._state,
            "score": self._score,
        }
        self.forget()

    def forget(self) -> None:
        """Drops what was read and chosen, so that nothing but the text decides what it costs."""
        self.reader._remember.cache_clear()
        self.enrichers = [
            SemEnricher(self.index, preset=preset, resample=preset != "safe")
            for preset in ("safe", "paper", "random")
        ]
        for enricher in self.enrichers:
            enricher({"findings": [REPORT]})  # their tables are made at the first report

    def _cut(self, text: str) -> None:
        last = 0
        for start, end in sentence_spans(text):
            assert last <= start < end <= len(text), (last, start, end)
            assert text[start:end].strip() == text[start:end]
            last = end
        split_paper(text)
        plain, normal = plain_text(text), normalize_sentence(text)
        assert plain_text(plain) == plain, "plain_text is idempotent"
        assert normalize_sentence(normal) == normal, "normalize_sentence is idempotent"

    def _refuse(self, text: str) -> None:
        refusal(PROPOSAL, text, lexicon=self.reader)
        refusal(PROPOSAL, REPORT, {"impression": text}, lexicon=self.reader)
        refusal(text, REPORT, lexicon=self.reader)

    def _state(self, text: str) -> None:
        list(map(str, stated_findings(self._read(text), self.reader.lexicon)))

    def _score(self, text: str) -> None:
        report = self._read(REPORT)
        for one, other in ((self._read(text), report), (report, self._read(text))):
            assert 0 <= finding_score(one, other, self.reader).score <= 1

    def _read(self, text: str) -> list:
        return [self.reader.read(one) for one in split_sentences(text)]

    def enrich(self, texts: Sequence[str]) -> None:
        """Enriches texts as findings, as impressions of a report, and as whole reports."""
        own = [REPORT] * len(texts)
        for enricher in self.enrichers:
            for batch in (
                {"findings": list(texts), "impression": own},
                {"findings": own, "impression": list(texts)},
                {"report": list(texts)},
            ):
                found = enricher(batch)
                added = found["added_findings"]
                for text, row, enriched in zip(
                    batch.get("findings", ()), added, found["enriched_findings"], strict=False
                ):
                    if not enricher.resample and text.strip():
                        begins = text.rstrip().rstrip(",;:")
                        assert enriched.startswith(begins), "its own text stays"
                    assert bool(row) or enricher.resample or enriched == text or not text.strip()


class _Letters:
    """Vectors of how often a text has each letter: enough for an index that is only asked."""

    def encode(self, sentences: list[str]) -> np.ndarray:
        counts = [
            [1 + text.lower().count(letter) for letter in ascii_lowercase] for text in sentences
        ]
        return np.array(counts, dtype=np.float32)


def measure_growth(target: Target, seed: int) -> list[dict]:
    """Times each step for each kind, and all steps for each piece that is repeated."""
    steps = {**target.steps, "enrich": lambda text: target.enrich([text])}
    made = {
        kind: [make(random.Random(f"{seed}:{kind}"), length, target.sources) for length in LENGTHS]
        for kind, make in KINDS.items()
    }
    rows = [
        _growth(target, kind, step, run, texts)
        for kind, texts in made.items()
        for step, run in steps.items()
    ]

    def run_all(text: str) -> None:
        for run in steps.values():
            run(text)

    for head, piece in product(HEADS, PIECES):
        texts = [repeat(piece, head, length) for length in LENGTHS]
        rows.append(_growth(target, f"repeated {head!a} {piece!a}", "all", run_all, texts))
    return sorted(rows, key=lambda row: -row["growth"])


def _growth(target: Target, kind: str, step: str, run: Step, texts: Sequence[str]) -> dict:
    """The most that the time per character grows from a shorter text to a longer one."""
    seconds = [_best_time(target, run, text) for text in texts]
    rates = [one / max(len(text), 1) for one, text in zip(seconds, texts, strict=True)]
    growths = [
        rates[i] / (min(rates[:i]) or rates[i])
        for i in range(1, len(rates))
        if seconds[i] > NEGLIGIBLE
    ]
    return {
        "kind": kind,
        "step": step,
        "growth": round(max(growths, default=0.0), 2),
        "seconds": [float(f"{one:.3g}") for one in seconds],
    }


def _best_time(target: Target, run: Step, text: str) -> float:
    """CPU seconds, the best of three, nothing remembered; 0 for a crash, which inputs count."""
    best = float("inf")
    for _ in range(3):
        target.forget()
        start = time.process_time()
        try:
            run(text)
        except Exception:
            return 0.0
        best = min(best, time.process_time() - start)
        if best > 1:
            break
    return best


class Run:
    """The inputs of a run, and what came of them.

    Args:
        target (`Target`): What they are given to.
        seed (`int`): Of the inputs.
        path (`Path`, *optional*): Where results are written, every ten seconds.
    """

    def __init__(self, target: Target, seed: int, path: Path | None) -> None:
        self.target, self.seed, self.path = target, seed, path
        self.inputs, self.characters, self.crashed = 0, 0, 0
        self.crashes: list[dict] = []
        self.kinds: Counter[str] = Counter()
        self.longest = {"seconds": 0.0, "number": -1}
        self.growth: list[dict] = []
        self.start = time.monotonic()

    def go(self, numbers: range, minutes: float | None) -> None:
        """Draws the texts of these numbers, until the time is over."""
        written = time.monotonic()
        for first in range(numbers.start, numbers.stop, BATCH):
            self._batch(range(first, min(first + BATCH, numbers.stop)))
            if self.inputs % MEMORY < BATCH:
                self.target.forget()
            if time.monotonic() - written > 10:
                written = time.monotonic()
                self.write(done=False)
            if minutes is not None and time.monotonic() - self.start > 60 * minutes:
                break
        self.write(done=True)

    def _batch(self, numbers: range) -> None:
        drawn = [draw_text(self.seed, number, self.target.sources) for number in numbers]
        texts = [text for _, text in drawn]
        for number, (kind, text) in zip(numbers, drawn, strict=True):
            self.inputs += 1
            self.characters += len(text)
            self.kinds[kind] += 1
            began = time.monotonic()
            for step, run in self.target.steps.items():
                self._try(number, kind, step, run, text)
            taken = time.monotonic() - began
            if taken > self.longest["seconds"]:
                self.longest = {
                    "seconds": round(taken, 3),
                    "number": number,
                    "kind": kind,
                    "characters": len(text),
                }
        try:
            self.target.enrich(texts)
        except Exception:
            for number, (kind, text) in zip(numbers, drawn, strict=True):
                self._try(number, kind, "enrich", lambda one: self.target.enrich([one]), text)

    def _try(self, number: int, kind: str, step: str, run: Step, text: str) -> None:
        try:
            run(text)
        except Exception as error:
            self.crashed += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            crash = {
                "number": number,
                "kind": kind,
                "step": step,
                "where": f"{where.name}:{where.lineno}",
                "error": f"{type(error).__name__}: {error}"[:300],
                "text": ascii(text)[:1_000],
            }
            if sum(one["where"] == crash["where"] for one in self.crashes) < 5:
                self.crashes.append(crash)
                print(json.dumps(crash), flush=True)

    def write(self, *, done: bool) -> None:
        """Writes what was found so far, to the file and the log."""
        seconds = time.monotonic() - self.start
        found = {
            "done": done,
            "seed": self.seed,
            "inputs": self.inputs,
            "crashes": self.crashed,
            "characters": self.characters,
            "seconds": round(seconds),
            "inputs_per_second": round(self.inputs / seconds, 1),
            "kinds": dict(self.kinds),
            "slowest": self.longest,
            "growth_allowed": GROWTH,
            "superlinear": [row for row in self.growth if row["growth"] > GROWTH],
            "growth": self.growth,
            "examples": self.crashes,
        }
        print(
            f"{self.inputs:,} inputs, {self.crashed} crashes, {found['inputs_per_second']}/s",
            flush=True,
        )
        if self.path is not None:
            draft = self.path.with_suffix(".part")
            draft.write_text(json.dumps(found, indent=1) + "\n")
            draft.replace(self.path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, help="stop after so many")
    parser.add_argument("--json", type=Path, metavar="FILE", help="updated as it goes")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="the text of this number alone")
    parser.add_argument("--no-growth", action="store_true", help="measure no time over length")
    options = parser.parse_args()
    run = Run(Target(), options.seed, options.json)
    if options.only is not None:
        print(ascii(draw_text(options.seed, options.only, run.target.sources)))
        run.go(range(options.only, options.only + 1), None)
    else:
        if not options.no_growth:
            run.growth = measure_growth(run.target, options.seed)
            for row in run.growth[:20]:
                print(row, flush=True)
        run.start = time.monotonic()
        run.go(range(options.inputs), options.minutes)
    superlinear = any(row["growth"] > GROWTH for row in run.growth)
    sys.exit(1 if run.crashed or superlinear else 0)


if __name__ == "__main__":
    main()
