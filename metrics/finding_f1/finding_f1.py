"""Finding F1: do two reports say the same, whatever their wording?"""

from functools import cached_property
from typing import Any

import datasets
import evaluate

from .finding_claims import (
    Confirmed,
    Content,
    FindingsIndex,
    Reader,
    confirm_assertions,
    confirm_clusters,
    read_assertions,
    score_findings,
)
from .finding_counts import (
    Tally,
    averages,
    bootstrap_intervals,
    mean_interval,
    report_values,
    tally,
)

Pairs = list[tuple[list[Confirmed], list[Confirmed]]]

# The signs that are averaged over, by how the figures' names end. Assertions are never neutral.
GROUPS = {
    "": ("normal", "abnormal", "neutral"),
    "_normal": ("normal",),
    "_abnormal": ("abnormal",),
}

_CITATION = """\
@article{gulluk2026semenrich,
  title = {{SemEnrich}: Self-Supervised Semantic Enrichment for Medical Vision-Language Models},
  author = {Gulluk and Gevaert},
  journal = {arXiv preprint arXiv:2604.09887},
  year = {2026}
}
"""

_DESCRIPTION = """\
Finding F1 reads what a radiology report asserts (findings that are there, may be there or are not
there, structures that are normal) and compares the generated report with the reference: precision,
recall and F1, of normal and abnormal statements apart. Nothing is downloaded, and negation counts.
A single score for ranking grades side, place, degree and size, and weighs findings by urgency. With
a FindingsIndex it also compares the units of the reports' sentences.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions (`list[str]`):
        Generated reports.
    references (`list[str]`):
        Reference reports, in the same order.

Options, given to `evaluate.load`:
    index (`str` or `FindingsIndex`, *optional*):
        Folder or Hub id of a FindingsIndex, or one. Adds the figures of its units.
    lexicon (`str` or `Reader`, *optional*):
        Name of a packaged lexicon, a TOML file, or a Reader; that of the index by default, without
        an index the chest X-ray one.
    per_report (`bool`, *optional*, defaults to `False`):
        Adds `finding_per_report`.
    bootstrap (`int`, *optional*, defaults to `0`):
        Resamples for `finding_intervals`; 1000 are usual.
    seed (`int`, *optional*):
        Of the bootstrap.

Returns:
    `dict`, values from 0 to 1, higher is better:
    - `finding_{precision,recall,f1}` (`float`): the share of the predictions' assertions that
      follow from their references, the share of the references' assertions that follow from their
      predictions, and the harmonic mean of the two.
    - `finding_score` (`float`): mean over the reports of the score for ranking, by what is wrong,
      missed and inexact, weighed by the urgency of the finding.
    - `finding_macro_f1` (`float`): of the mean precision and the mean recall of the concepts.
    - `finding_example_f1` (`float`): mean F1 of the reports.
    - each but the score again with `_normal` and with `_abnormal` at the end, over the assertions
      of that sign.
    - `finding_cluster_f1` and so on (with `index`): all of the above over claims as SemEnrich's
      cluster reward counts them: a finding of another degree or on one of two sides is shared in
      part, and what is not understood goes by its unit.
    - `finding_unread` (`dict`): of `predictions` and of `references`, the share of sentences
      without an assertion that is understood.
    - `finding_index` (`str`, with `index`): the digest of the index.
    - `finding_intervals` (`dict`, with `bootstrap`): 95 % interval of each figure.
    - `finding_per_report` (`list[dict]`, with `per_report`): `predicted`, `correct`, `actual` and
      `recalled` (counts) and `example_f1`, with the same beginnings and ends; `wrong` and `missed`:
      the assertions that do not follow from the other side; `score`, and `costs`: what it is of.

Examples:
    >>> import evaluate
    >>> finding = evaluate.load("semenrich/finding_f1")
    >>> results = finding.compute(
    ...     predictions=["Normal cardiac silhouette. No effusion."],
    ...     references=["Heart size is normal. Small left effusion."],
    ... )
    >>> results["finding_f1_normal"], results["finding_f1_abnormal"]
    (0.6666666666666666, 0.0)
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class FindingF1(evaluate.Metric):
    """Finding F1 as an `evaluate` module."""

    def __init__(
        self,
        *,
        index: str | FindingsIndex | None = None,
        lexicon: str | Reader | None = None,
        per_report: bool = False,
        bootstrap: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.index = index
        self.lexicon = lexicon
        self.per_report = per_report
        self.bootstrap = bootstrap

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": text, "references": text}),
            reference_urls=["https://arxiv.org/abs/2604.09887"],
        )

    @cached_property
    def _opened(self) -> FindingsIndex | None:
        """The index, loaded when it is first asked for."""
        if self.index is None or isinstance(self.index, FindingsIndex):
            return self.index
        return FindingsIndex.from_pretrained(self.index)

    @cached_property
    def _reader(self) -> Reader:
        """What reads the reports, made when it is first asked for."""
        if self.lexicon is None:
            return Reader() if self._opened is None else self._opened.reader
        return self.lexicon if isinstance(self.lexicon, Reader) else Reader(self.lexicon)

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, Any]:
        _check_reports(predictions=predictions, references=references)
        contents = _read_pairs(self._reader, predictions, references)
        pairs = [(confirm_assertions(a, b), confirm_assertions(b, a)) for a, b in contents]
        parts = _joined(self._score("", pairs), self._rank(predictions, references))
        results: dict[str, Any] = {"finding_unread": _unread(contents)}
        index = self._opened
        if index is not None:
            results["finding_index"] = index.digest
            pairs = confirm_clusters(predictions, references, index)
            parts = _joined(parts, self._score("cluster_", pairs))
        figures, intervals, columns = parts
        results |= {f"finding_{name}": value for name, value in figures.items()}
        if self.bootstrap:
            results["finding_intervals"] = intervals
        if self.per_report:
            results["finding_per_report"] = [
                dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
            ]
        return results

    def _rank(self, predictions: list[str], references: list[str]) -> list[dict[str, Any]]:
        """The score for ranking: figure, interval and values per report."""
        found = score_findings(predictions, references, self._reader)
        scores = [one.score for one in found]
        costs = [
            {name: getattr(one, name) for name in ("wrong", "missed", "inexact", "unsaid")}
            for one in found
        ]
        mean = sum(scores) / len(scores)
        intervals = {}
        if self.bootstrap:
            intervals["score"] = mean_interval(scores, self.bootstrap, self.seed)
        return [{"score": mean}, intervals, {"score": scores, "costs": costs}]

    def _score(self, unit: str, pairs: Pairs) -> list[dict[str, Any]]:
        """Figures, intervals and values per report, by names that begin with `unit`."""
        figures, intervals, columns = {}, {}, {}
        for group, signs in GROUPS.items():
            tallies = _tallies(pairs, signs)
            for name, value in averages(*tallies).items():
                figures[f"{unit}{name}{group}"] = value.item()
            if self.bootstrap:
                for name, bounds in bootstrap_intervals(
                    *tallies, self.bootstrap, self.seed
                ).items():
                    intervals[f"{unit}{name}{group}"] = bounds
            for name, values in report_values(*tallies).items():
                columns[f"{unit}{name}{group}"] = values
        columns[f"{unit}wrong"] = [_unconfirmed(said) for said, _ in pairs]
        columns[f"{unit}missed"] = [_unconfirmed(wanted) for _, wanted in pairs]
        return [figures, intervals, columns]


def _joined(parts: list[dict[str, Any]], more: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one | other for one, other in zip(parts, more, strict=True)]


def _check_reports(**columns: list[str]) -> None:
    for name, texts in columns.items():
        if not texts:
            raise ValueError(f"Finding F1 needs at least one report, found no {name}")
        missing = [row for row, text in enumerate(texts) if text is None]
        if missing:
            raise ValueError(
                f"Expected a string in every row, found None in {len(missing)} of the {name}, "
                f"first in row {missing[0]}. Pass '' for a report without text."
            )


def _read_pairs(
    reader: Reader, predictions: list[str], references: list[str]
) -> list[tuple[Content, Content]]:
    """What each prediction and its reference say; each distinct report is read once."""
    distinct = list(dict.fromkeys(predictions + references))
    contents = dict(zip(distinct, read_assertions(distinct, reader), strict=True))
    return [(contents[p], contents[r]) for p, r in zip(predictions, references, strict=True)]


def _tallies(pairs: Pairs, signs: tuple[str, ...]) -> tuple[Tally, Tally]:
    """The claims of these signs, of the predictions and of the references."""
    labels: dict[str, int] = {}
    sides: tuple[list[tuple[int, int, float]], ...] = ([], [])
    for row, pair in enumerate(pairs):
        for side, claims in zip(sides, pair, strict=True):
            side += [
                (row, labels.setdefault(claim.label, len(labels)), claim.share)
                for claim in claims
                if claim.sign in signs
            ]
    # A matrix has a column, be there nothing to say.
    shape = len(pairs), max(1, len(labels))
    return tally(sides[0], shape), tally(sides[1], shape)


def _unread(pairs: list[tuple[Content, Content]]) -> dict[str, float]:
    sides = zip(("predictions", "references"), zip(*pairs, strict=True), strict=True)
    return {
        name: sum(c.unread for c in contents) / max(1, sum(c.sentences for c in contents))
        for name, contents in sides
    }


def _unconfirmed(claims: list[Confirmed]) -> list[str]:
    return sorted(claim.text for claim in claims if claim.share < 1)
