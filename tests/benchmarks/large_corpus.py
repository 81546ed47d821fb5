"""Made-up corpora of any size, streamed to Parquet.

    python tests/benchmarks/large_corpus.py FILE.parquet --reports 100000 [--seed 0] [--describe]

The reports are the phantom's, whose few thousand wordings run out; so some of their sentences get
details of their own (sizes, levels, dates, causes), numbered, and drawn by a power law: few of a
sentence's wordings are common, and there is always another rare one. `--describe` prints how many
distinct sentences that gives, and Heaps' exponent (of distinct sentences over occurrences).
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# A study depends on the seed and its row alone: they need not be made all at once.
from semenrich_datasets.phantom import _make_study, statements
from semenrich_datasets.sentences import normalize_sentence, split_sentences

SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("findings", "impression", "indication", "patient_id")]
)
_ROWS = 10_000
# Share of the sentences of each section that get a detail, and the exponent of the power law by
# which the detail's number is drawn. Fitted so that 3,000 reports look like those of IU X-ray.
_DETAILED = {"findings": 0.33, "impression": 0.4, "indication": 0.75}
_EXPONENT = 1.42
# Shares of patients with another report.
_RETURNS = 0.3

_MONTHS = "January February March April May June July August September October November".split()
_LEVELS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh".split()
_VIEWS = ["frontal view", "lateral view", "current exam", "present study", "portable exam"]
_WHERE = ["anteriorly", "posteriorly", "laterally", "medially", "centrally", "inferiorly"]
_OFTEN = ["again", "once more", "incidentally", "also", "as before", "today"]
_CAUSES = ["infection", "aspiration", "trauma", "surgery", "overload", "scarring", "treatment"]
_DAYS = [f"{day}" for day in range(1, 29)]
_SIZES = [f"{size} mm" for size in range(2, 90)]
_YEARS = [f"{year}" for year in range(1998, 2020)]
_AGES = [f"{age} year old" for age in range(18, 95)]
_WHO = ["male", "female", "patient", "man", "woman"]

# What may stand behind ("x, {...}") or before a sentence, the fewest possibilities first.
_NORMAL = [
    ("On the {}, {}", (_VIEWS,)),
    ("{}, {}", ([one.capitalize() for one in _OFTEN],)),
    ("{1} on the {0}", (_VIEWS,)),
    ("{1} since {0}", (_MONTHS,)),
    ("{2} on {0} {1}", (_MONTHS, _DAYS)),
    ("{2} compared with {0} {1}", (_MONTHS, _YEARS)),
    ("{3}, as on {0} {1} {2}", (_MONTHS, _DAYS, _YEARS)),
]
_ABNORMAL = [
    ("{1} {0}", (_WHERE,)),
    ("{1}, likely from {0}", (_CAUSES,)),
    ("{1} at the {0} rib", (_LEVELS,)),
    ("{1} of about {0}", (_SIZES,)),
    ("{2} {0}, about {1}", (_WHERE, _SIZES)),
    ("{3} {0} at the {1} rib, likely from {2}", (_WHERE, _LEVELS, _CAUSES)),
    ("{3} of {0} at the {1} rib, seen since {2}", (_SIZES, _LEVELS, _YEARS)),
    ("{4} of {0} at the {1} rib {2}, likely from {3}", (_SIZES, _LEVELS, _WHERE, _CAUSES)),
]
_INDICATION = [
    ("{1}, {0}", (_WHO,)),
    ("{1}, {0}", (_AGES,)),
    ("{2}, {0} {1}", (_AGES, _WHO)),
    ("{3}, {0} {1}, since {2}", (_AGES, _WHO, _MONTHS)),
    ("{4}, {0} {1}, since {2} {3}", (_AGES, _WHO, _MONTHS, _YEARS)),
]


def detailed(sentence: str, number: int, section: str) -> str:
    """The sentence's wording of a number, from 1; without its stop where it had one."""
    bare = sentence.rstrip(".")
    if section == "indication":
        forms = _INDICATION
    else:
        said = statements(sentence) or ()
        forms = _ABNORMAL if any(one.sign == "abnormal" for one in said) else _NORMAL
    # The forms one after the other, and the last again and again.
    number -= 1
    for form, lists in forms:
        size = int(np.prod([len(words) for words in lists]))
        if number < size or form is forms[-1][0]:
            break
        number -= size
    words = []
    for choices in lists:
        number, place = divmod(number, len(choices))
        words.append(choices[place])
    lowered = bare[:1].lower() + bare[1:] if form.startswith(("On", "{},")) else bare
    return form.format(*words, lowered) + "."


def made_up(n: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """Yields reports, one at a time; the first of a larger corpus are a smaller one."""
    patient = 0
    for row in range(n):
        study = _make_study(seed, row, None, 0.05, "varied")
        rng = Random(f"{seed} {row} large")
        if rng.random() >= _RETURNS:
            patient = row
        texts = {}
        for section, share in _DETAILED.items():
            sentences = split_sentences(study[section])
            texts[section] = " ".join(
                detailed(one, int(rng.random() ** (-1 / (_EXPONENT - 1))), section)
                if rng.random() < share
                else one
                for one in sentences
            )
        yield {**texts, "patient_id": f"patient-{patient}"}


def write_corpus(path: Path, n: int, seed: int = 0) -> None:
    """Writes a corpus, some thousand reports at a time."""
    draft = path.with_suffix(".draft")
    with pq.ParquetWriter(draft, SCHEMA) as writer:
        rows = made_up(n, seed)
        for first in range(0, n, _ROWS):
            some = [next(rows) for _ in range(min(_ROWS, n - first))]
            writer.write_table(pa.Table.from_pylist(some, schema=SCHEMA))
    draft.rename(path)


def describe(reports: list[list[str]]) -> dict[str, object]:
    """Distinct sentences, Heaps' exponent and the rank-frequency curve of cut reports."""
    occurrences, distinct = [], []
    parts = [len(reports) // 2**halvings for halvings in range(5, -1, -1)]
    order = Random(0).sample(reports, len(reports))
    for part in filter(None, parts):
        occurrences.append(sum(map(len, order[:part])))
        distinct.append(len({one for report in order[:part] for one in report}))
    counts = Counter(one for report in reports for one in report)
    ranked = sorted(counts.values(), reverse=True)
    slope = np.polyfit(np.log(occurrences), np.log(distinct), 1)[0]
    last = np.diff(np.log(distinct))[-1] / np.diff(np.log(occurrences))[-1]
    ranks = (1, 3, 10, 30, 100, 300, 1000, 3000)
    return {
        "reports": len(reports),
        "occurrences": occurrences[-1],
        "distinct": distinct[-1],
        "distinct_share": round(distinct[-1] / occurrences[-1], 3),
        "heaps": round(float(slope), 3),
        "heaps_last_doubling": round(float(last), 3),
        "once_share": round(sum(count == 1 for count in ranked) / len(ranked), 3),
        "per_1000_reports_at_rank": {
            rank: round(1000 * ranked[rank - 1] / len(reports), 2)
            for rank in ranks
            if rank <= len(ranked)
        },
    }


def cut(text: str | None) -> list[str]:
    """The sentences of a text in the form under which an index counts them."""
    return [key for one in split_sentences(text or "") if (key := normalize_sentence(one))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("--reports", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--describe", action="store_true", help="of the file, written if missing")
    options = parser.parse_args()
    if not (options.describe and options.path.is_file()):
        write_corpus(options.path, options.reports, options.seed)
    if options.describe:
        for section in _DETAILED:
            texts = pq.read_table(options.path, columns=[section])[section].to_pylist()
            print(section, describe([found for text in texts if (found := cut(text))]))


if __name__ == "__main__":
    main()
