"""What failing closed costs and holds: additions by reason, damaged texts, mixed and labelled sets.

Run: python tests/benchmarks/bench_fail_closed.py [--reports CSV] [--labelled CSV]

- reasons: all reports are enriched with an index of their train split, the impression as context;
  what became of each candidate in each report is counted.
- damage: the same reports with the damage that PDFs and keyboards do; an addition to the damaged
  report counts as contradicting when the clean report speaks against it, by the reader's own rules.
- mixed: an index of these reports and of made lumbar MRI reports, in one file.
- labelled: a CSV of reports with columns of 0 and 1 named as in bench_lexicons.py; an addition is
  checkable when it denies what a label states.
- reading: microseconds a distinct sentence, at first.
"""

import argparse
import random
import re
from collections import Counter
from time import perf_counter

from bench_lexicons import LABELS, load_reports
from common import COLUMNS, corpus_argument, load_corpus, print_table
from datasets import Dataset

from semenrich_datasets import FindingsIndex, Reader, SemEnricher
from semenrich_datasets.columns import StudyTexts
from semenrich_datasets.enrich.facts import ReportFacts
from semenrich_datasets.enrich.reasons import Reason
from semenrich_datasets.sentences import split_sentences

DAMAGED = 1_500
MIXED = 1_000
SPINE = [
    "Vertebral body heights are maintained.",
    "Normal alignment of the lumbar spine.",
    "The conus medullaris terminates at L1.",
    "No acute fracture.",
    "No acute osseous abnormality.",
    "Bone marrow signal is normal.",
    "Paraspinal soft tissues are unremarkable.",
    "No significant spinal canal stenosis.",
    "No neural foraminal narrowing at L1-L2.",
    "Mild facet arthropathy at L4-L5.",
    "L4-L5 disc bulge.",
    "L5-S1 disc desiccation with a small central protrusion.",
    "Mild bilateral neural foraminal stenosis at L5-S1.",
    "Grade 1 anterolisthesis of L4 on L5.",
    "Schmorl node at T12.",
    "Degenerative disc disease at L5-S1.",
    "No epidural abscess.",
    "The cauda equina nerve roots are normal.",
    "Multilevel degenerative changes.",
    "Hemangioma in the L3 vertebral body.",
]


def _inside(pattern, mark, at):
    return lambda text: re.sub(pattern, lambda word: word[0][:at] + mark + word[0][at:], text)


def _swapped(text):
    draw = random.Random(text)

    def swap(word):
        at = draw.randrange(1, len(word[0]) - 2)
        return word[0][:at] + word[0][at + 1] + word[0][at] + word[0][at + 2 :]

    return re.sub(r"\b[a-z]{6,}\b", swap, text)


DAMAGES = {
    "soft hyphens": _inside(r"\b\w{7,}\b", "\u00ad", 4),
    "zero-width spaces": _inside(r"\b\w{6,}\b", "\u200b", 3),
    "hyphens over a line end": _inside(r"\b[a-z]{8,}\b", "-\n", 5),
    "ligatures": lambda text: text.replace("fi", "\ufb01").replace("fl", "\ufb02"),
    "accents": lambda text: text.translate({ord("e"): "\u00e9", ord("o"): "\u00f2"}),
    "Cyrillic o and a": lambda text: text.translate({ord("o"): "\u043e", ord("a"): "\u0430"}),
    "two letters swapped in each word": _swapped,
}


def texts_of(row):
    context = {"impression": row["impression"]} if row["impression"] else {}
    return StudyTexts(row["findings"], context)


def added_to(enricher, rows):
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    found = enricher(columns)["added_findings"]
    return [[addition["sentence"] for addition in additions] for additions in found]


def contradicting(reader, rows, added):
    """Additions that the rows speak against, by the reader's own rules."""
    count = 0
    for row, sentences in zip(rows, added, strict=True):
        findings, impression = (split_sentences(row[name] or "") for name in COLUMNS)
        facts = ReportFacts.read(reader, findings, impression)
        count += sum(facts.check(reader.read(one)) == Reason.CONTRADICTS for one in sentences)
    return count


def measure_reasons(corpus, enricher):
    """Each candidate in each report once."""
    reasons, faults = Counter(), Counter()
    for row in corpus.reports:
        report = enricher.read_report(texts_of(row))
        if report is not None:
            faults[enricher.selection.fault(report) or "none"] += 1
            reasons.update(one.reason or "added" for one in enricher.selection.consider(report))
    print_table(corpus.name, ("reports by fault", "reports"), faults.most_common())
    print_table(corpus.name, ("candidates by reason", "times"), reasons.most_common())


def measure_damage(corpus, enricher):
    clean = [dict(row) for row in corpus.reports.select(range(min(DAMAGED, len(corpus.reports))))]
    table = []
    for name, damage in {"none": str, **DAMAGES}.items():
        hurt = [{key: damage(row[key] or "") for key in COLUMNS} for row in clean]
        added = added_to(enricher, hurt)
        wrong = contradicting(enricher.index.reader, clean, added)
        table.append((name, sum(map(len, added)), wrong))
    print_table(f"{corpus.name}, the first {len(clean)}", ("damage", "additions", "wrong"), table)


def measure_mixed(corpus):
    draw = random.Random(1)
    spine = [
        {"findings": " ".join(draw.sample(SPINE, draw.randint(4, 8))), "impression": ""}
        for _ in range(MIXED)
    ]
    chest = [
        {key: row[key] or "" for key in COLUMNS}
        for row in corpus.reports.shuffle(seed=1).select(range(min(MIXED, len(corpus.reports))))
    ]
    index = FindingsIndex.build(Dataset.from_list([*chest, *spine]), show_progress=False)
    enricher = SemEnricher(index)
    table = [
        (name, sum(map(len, added_to(enricher, rows))))
        for name, rows in (("chest", chest), ("made lumbar spine", spine))
    ]
    print_table(f"{corpus.name}, and {MIXED:,} made spines", ("reports of", "additions"), table)


def measure_labelled(path):
    texts, labels = load_reports(path)
    rows = [{"findings": text, "impression": ""} for text in texts]
    table = []
    for preset in ("safe", "paper"):
        index = FindingsIndex.build(Dataset.from_list(rows), preset=preset, show_progress=False)
        added = added_to(SemEnricher(index, preset=preset), rows)
        reader = Reader(index.config.lexicon)
        denied = [[_denied(reader, sentence) for sentence in report] for report in added]
        pairs = [
            label[row]
            for name, label in labels.items()
            for row, report in enumerate(denied)
            for concepts in report
            if LABELS[name] & concepts
        ]
        share = f"{index.coverage.share:.1%}" if preset == "safe" else ""
        each = sum(map(len, added)) / len(rows)
        table.append((preset, index.config.lexicon, share, each, len(pairs), sum(pairs)))
    head = ("preset", "lexicon", "understood", "additions per report", "checkable", "against")
    print_table(f"{path}, {len(rows)} reports", head, table)


def _denied(reader, sentence):
    """Concepts that a sentence denies, and those that follow."""
    below = reader.lexicon.below
    calm = [said.concept for said in reader.read(sentence).assertions if not said.is_abnormal]
    return frozenset().union(*(below.get(concept, {concept}) for concept in calm))


def measure_reading(corpus):
    texts = {one for row in corpus.reports for one in split_sentences(row["findings"] or "")}
    reader = Reader()
    reader.read("Clear.")
    start = perf_counter()
    for text in texts:
        reader.read(text)
    took = (perf_counter() - start) / len(texts) * 1e6
    print_table(corpus.name, ("distinct sentences", "first reading, us each"), [(len(texts), took)])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    corpus_argument(parser)
    parser.add_argument("--labelled", help="a CSV of reports with labels of 0 and 1")
    arguments = parser.parse_args()
    corpus = load_corpus(arguments.reports)
    measure_reading(corpus)
    enricher = SemEnricher(
        FindingsIndex.build(corpus.parts()[0], show_progress=False),
        "findings",
        ["impression"],
    )
    measure_reasons(corpus, enricher)
    measure_damage(corpus, enricher)
    measure_mixed(corpus)
    if arguments.labelled:
        measure_labelled(arguments.labelled)


if __name__ == "__main__":
    main()
