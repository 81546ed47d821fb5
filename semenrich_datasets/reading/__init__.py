"""A sentence to what it says: reader, lexicon, grammar, assertions, entailment, signs."""

from semenrich_datasets.reading.assertions import Assertion
from semenrich_datasets.reading.choice import best_reader
from semenrich_datasets.reading.lexicon import Lexicon
from semenrich_datasets.reading.lexicon_files import load_lexicon
from semenrich_datasets.reading.reader import Reader, Reading, Sign, as_reader

__all__ = [
    "Assertion",
    "Lexicon",
    "Reader",
    "Reading",
    "Sign",
    "as_reader",
    "best_reader",
    "load_lexicon",
]
