"""medspaCy's ConText over sentences, in an environment of its own.

    PYTHON readers_peer.py INPUT.json > OUTPUT.json

INPUT holds `terms` (phrase -> concept), `sentences` to be timed, and `cases` to be read. OUTPUT
holds the CPU seconds of the first, and for each of the second its findings as [concept, status]:
"denied", "doubtful", "elsewhere" (another time or person) or "stated".
"""

import json
import sys
from importlib import metadata
from time import process_time

import medspacy
from loguru import logger
from medspacy.ner import TargetRule

ROUNDS = 3


def load(terms):
    """The target matcher and ConText with their own rules; sentences come split already."""
    nlp = medspacy.load(enable=["medspacy_target_matcher", "medspacy_context"])
    nlp.replace_pipe("medspacy_pyrush", "sentencizer")
    matcher = nlp.get_pipe("medspacy_target_matcher")
    matcher.add([TargetRule(phrase, concept) for phrase, concept in terms.items()])
    return nlp


def status(entity):
    if entity._.is_negated:
        return "denied"
    if entity._.is_uncertain:
        return "doubtful"
    if entity._.is_historical or entity._.is_hypothetical or entity._.is_family:
        return "elsewhere"
    return "stated"


def main():
    logger.remove()
    with open(sys.argv[1], encoding="utf-8") as file:
        given = json.load(file)
    nlp = load(given["terms"])
    nlp("No pleural effusion.")
    seconds = []
    for _ in range(ROUNDS):
        start = process_time()
        for sentence in given["sentences"]:
            nlp(sentence)
        seconds.append(process_time() - start)
    cases = [[(one.label_, status(one)) for one in nlp(case).ents] for case in given["cases"]]
    version = metadata.version("medspacy")
    json.dump({"cpu_seconds": min(seconds), "cases": cases, "version": version}, sys.stdout)


if __name__ == "__main__":
    main()
