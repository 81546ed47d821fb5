"""A made-up corpus and a small encoder, so that tests need no model and no download."""

import os
import random
from pathlib import Path
from zlib import crc32

import numpy as np

from semenrich_datasets import FindingsIndex
from semenrich_datasets.enrich.report import Report
from semenrich_datasets.index.clustering import DBSCAN
from semenrich_datasets.sentences import split_sentences

DIMENSIONS = 64
_FILLERS = frozenset("the is are there a an of and in xxxx 2".split())

# Each topic in usual normal wordings, then in usual abnormal ones.
TOPICS = [
    (
        ["The lungs are clear.", "Lungs clear.", "Clear lungs."],
        ["Right lower lobe consolidation.", "There is right lower lobe consolidation."],
    ),
    (
        ["No pleural effusion.", "There is no pleural effusion."],
        ["Small left pleural effusion.", "There is a small left pleural effusion."],
    ),
    (["No pneumothorax.", "There is no pneumothorax."], ["Large right pneumothorax."]),
    (
        ["The heart size is normal.", "Normal heart size.", "Heart size normal."],
        ["The heart is enlarged.", "Heart enlarged."],
    ),
    (["The mediastinum is normal.", "Mediastinum normal."], ["Mediastinum widened."]),
    (["No acute bony abnormality."], ["There is an old left rib fracture."]),
]
# Normal, but held by two reports each: rare wordings of common clusters, and a rare cluster.
RARE = ["There are clear lungs.", "The heart is of a normal size.", "The trachea is midline."]
# Normal and common, in common clusters, but with a blank or a digit.
MARKED = ["The XXXX heart size is normal.", "Clear lungs 2."]


class FakeEncoder:
    """Signed hashing of the content words; without a `name`, so that nothing is cached."""

    def encode(self, sentences):
        vectors = np.zeros((len(sentences), DIMENSIONS), dtype=np.float32)
        vectors[:, 0] = 1e-3
        for row, sentence in enumerate(sentences):
            for word in sentence.lower().strip(". ").split():
                if word not in _FILLERS:
                    digest = crc32(word.encode())
                    sign = 1.0 if digest & 1 << 20 else -1.0
                    vectors[row, 1 + digest % (DIMENSIONS - 1)] += sign
        return vectors


class UnusableEncoder:
    """Stands where no sentence may be embedded."""

    def encode(self, sentences):
        raise AssertionError(f"embedded {sentences}")


def made_up_reports(n=200, seed=0):
    """Reports over the topics: mostly normal, each topic left out by about every third report."""
    rng = random.Random(seed)
    rows = []
    for number in range(n):
        sentences = []
        for normal, abnormal in TOPICS:
            if rng.random() < 0.65:
                sentences.append(rng.choice(normal if rng.random() < 0.94 else abnormal))
        if number < 2 * len(RARE):
            sentences.append(RARE[number // 2])
        if number % 20 in (7, 8):
            sentences.append(MARKED[number % 20 - 7])
        findings = " ".join(sentences or TOPICS[0][0][:1])
        rows.append({"findings": findings, "impression": rng.choice(["Normal.", "", None])})
    return rows


def of_patients(reports):
    """Each report with a patient of its own: equal reports of nobody count as one patient's."""
    rows = ({"findings": one} if isinstance(one, str) else one for one in reports)
    return [{**row, "patient_id": f"patient {number}"} for number, row in enumerate(rows)]


def build_index(reports=None, **settings):
    """An index of the made-up corpus: wordings of equal content words make a cluster."""
    settings = {
        "embedder": FakeEncoder(),
        "clustering": DBSCAN(eps=0.1, min_samples=1),
        "show_progress": False,
        **settings,
    }
    return FindingsIndex.build(made_up_reports() if reports is None else reports, **settings)


def report_of(text, *context, history=(), exam="", sentences=None, seed=0):
    """A report as a selection is given it."""
    cut = split_sentences(text) if sentences is None else sentences
    return Report(text, tuple(cut), context, tuple(history), exam, random.Random(seed))


def child_environment(hf_home):
    """The environment of another Python process that finds the package and these fakes."""
    path = os.pathsep.join(str(Path(__file__).parents[up]) for up in (0, 1))
    return {**os.environ, "PYTHONPATH": path, "HF_HOME": str(hf_home), "OMP_NUM_THREADS": "1"}
