"""The reader beside medspaCy's ConText: sentences a second, and what each takes for a denial.

Run: python tests/benchmarks/bench_readers.py CASES.jsonl [--reports CSV] [--json FILE]
     [--peer .venv/readers/bin/python]  (make bench-readers makes that environment)

A line of CASES holds `sentence`, `sign_may_be` (any of these is right) and `proposals`, each with
`add` and `refusal_may_be` (null: may be let through). An error is unsafe when a sentence is called
normal that may not be, or a proposal is let through that may not be; all others do no harm.

ConText gets the phrases of our lexicon's findings as its targets, and its own rules. It finds who
is denied and who not, no more: so its sign is "abnormal" with any finding that is not denied, else
"normal" with any that is, and a proposal is refused when it denies a finding that the sentence
names without denying it. What this does not show: ConText is made for any clinical text, our
grammar for radiology, and the cases are of kinds that negation detection is known to fail on, not
as often as they come. ConText does not read normal statements ("heart normal"): those are misread
by it, but not unsafe. It runs with no statistical model.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time

from bench_clustering import report_sentences
from common import corpus_argument, load_corpus, print_table
from results import Results, json_argument

from semenrich_datasets import Reader
from semenrich_datasets.enrich.facts import refusal
from semenrich_datasets.sentences import split_sentences

ROOT = Path(__file__).parents[2]
ROUNDS = 3


def load_cases(path):
    try:
        lines = path.read_text(encoding="utf-8").strip().split("\n")
        return [json.loads(line) for line in lines]
    except (OSError, json.JSONDecodeError) as error:
        sys.exit(f"{path} holds no cases, one JSON object a line: {error}")


def worst(signs):
    return next((sign for sign in ("abnormal", "normal") if sign in signs), "neutral")


def our_answers(reader, cases):
    """For each case its sign, and for each proposal whether it is let through."""
    answers = []
    for case in cases:
        signs = {reader.read(one).sign for one in split_sentences(case["sentence"])}
        found = (refusal(one["add"], case["sentence"], lexicon=reader) for one in case["proposals"])
        answers.append((worst(signs), [one is None for one in found]))
    return answers


def their_answers(reader, cases, read):
    """The same of ConText, from the findings that it names in each case."""
    below = reader.lexicon.below
    answers = []
    for case, findings in zip(cases, read, strict=True):
        denied = {concept for concept, status in findings if status == "denied"}
        stated = {concept for concept, status in findings if status != "denied"}
        sign = "abnormal" if stated else "normal" if denied else "neutral"
        through = []
        for proposal in case["proposals"]:
            said = reader.read(proposal["add"]).assertions
            speaks = {concept for one in said for concept in below.get(one.concept, {one.concept})}
            through.append(not speaks & (stated | denied))
        answers.append((sign, through))
    return answers


def errors(cases, answers):
    """Cases called normal that may not be, let through that may not be, and misread harmlessly."""
    normal, let_through, misread = 0, 0, 0
    for case, (sign, through) in zip(cases, answers, strict=True):
        wrong_sign = sign not in case["sign_may_be"]
        may = [None in proposal["refusal_may_be"] for proposal in case["proposals"]]
        wrong_through = any(found and not right for found, right in zip(through, may, strict=True))
        normal += wrong_sign and sign == "normal"
        let_through += wrong_through
        misread += wrong_sign and sign != "normal" and not wrong_through
    return normal, let_through, misread


def our_seconds(sentences):
    """CPU seconds of the first reading of all, by a new reader each round."""
    seconds = []
    for _ in range(ROUNDS):
        reader = Reader()
        reader.read("No pleural effusion.")
        start = process_time()
        for sentence in sentences:
            reader.read(sentence)
        seconds.append(process_time() - start)
    return min(seconds)


def ask_peer(python, reader, sentences, cases):
    """What `readers_peer.py` found."""
    terms = {
        phrase: name
        for name, finding in reader.lexicon.findings.items()
        for phrase in (name.replace("_", " "), *finding.phrases)
    }
    given = {
        "terms": terms,
        "sentences": sentences,
        "cases": [case["sentence"] for case in cases],
    }
    script = Path(__file__).with_name("readers_peer.py")
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(given, file)
        file.flush()
        done = subprocess.run([python, script, file.name], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", type=Path, metavar="CASES.jsonl")
    parser.add_argument("--peer", type=Path, default=ROOT / ".venv/readers/bin/python")
    json_argument(parser)
    corpus_argument(parser)
    options = parser.parse_args()
    if not options.peer.exists():
        sys.exit(f"no {options.peer}: `make bench-readers` makes it, --peer names another")
    corpus, cases, reader = load_corpus(options.reports), load_cases(options.cases), Reader()
    sentences = report_sentences(corpus)
    words = sum(len(sentence.split()) for sentence in sentences)
    peer = ask_peer(options.peer, reader, sentences, cases)
    measured = {
        "semenrich": (our_seconds(sentences), our_answers(reader, cases)),
        f"medspaCy {peer['version']} ConText": (
            peer["cpu_seconds"],
            their_answers(reader, cases, peer["cases"]),
        ),
    }
    name = f"{corpus.name}, {len(sentences):,} distinct sentences; {len(cases)} cases"
    results = Results("readers", name, options.json)
    for method, (seconds, answers) in measured.items():
        normal, let_through, misread = errors(cases, answers)
        row = {
            "name": method,
            "size": len(sentences),
            "outcome": "ended",
            "cpu_seconds": seconds,
            "sentences_per_second": round(len(sentences) / seconds),
            "words_per_second": round(words / seconds),
            "called_normal": normal,
            "let_through": let_through,
            "misread": misread,
        }
        results.add(row)
    head = [key for key in results.rows[0] if key not in ("size", "outcome")]
    print_table(name, head, [[row[key] for key in head] for row in results.rows])


if __name__ == "__main__":
    main()
