"""How true generated reports are, where the truth is known: on the phantom."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from semenrich_datasets import FindingsIndex
from semenrich_datasets.phantom import Statement, is_true, statements
from semenrich_datasets.phantom.truth import are_nested, normal_statements
from semenrich_trainers.formatting import parse_report
from semenrich_trainers.report_scores import ReportScorer, ReportScores

Truth = Sequence[Mapping[str, str]]

_SENTENCE_END = re.compile(r"(?<=\.)\s+")
_NUMBER = re.compile(r"^\d+\.$")


class TruthCounts(NamedTuple):
    """What a report states of a study, held against its truth; findings and impression together.

    Args:
        normal_said (`int`): Normal statements made.
        normal_true (`int`): Those that are true.
        normal_there (`int`): What is normal in the study, in the strongest statements.
        normal_found (`int`): Of those, the ones that a true normal statement speaks of.
        abnormal_said (`int`): Abnormal statements made.
        abnormal_true (`int`): Those that are true, side and severity as far as they are named.
        abnormal_there (`int`): Abnormal findings of the study.
        abnormal_found (`int`): Those that a true statement names.
        harm (`int`): 1 where a normal statement denies a finding that is there.
    """

    normal_said: int
    normal_true: int
    normal_there: int
    normal_found: int
    abnormal_said: int
    abnormal_true: int
    abnormal_there: int
    abnormal_found: int
    harm: int


def count_statements(completion: str, truth: Truth) -> TruthCounts:
    """Counts what a report states, and what it leaves out, of normal and of abnormal alike.

    Args:
        completion (`str`): What a model wrote, tags and all.
        truth (`Sequence`): The study's `truth`, as of [`~phantom.load_phantom`].

    Returns:
        [`TruthCounts`]
    """
    claims = _claims(completion)
    by_sign = {
        sign: [(one, is_true(one, truth)) for one in claims if one.sign == sign]
        for sign in ("normal", "abnormal")
    }
    right = {sign: [one for one, is_right in made if is_right] for sign, made in by_sign.items()}
    findings = [Statement(**one) for one in truth if one["name"] != "prior"]
    wanted = normal_statements(tuple(Statement(**one) for one in truth))
    said = {sign: len(made) for sign, made in by_sign.items()}
    return TruthCounts(
        normal_said=said["normal"],
        normal_true=len(right["normal"]),
        normal_there=len(wanted),
        normal_found=sum(any(are_nested(w, one) for one in right["normal"]) for w in wanted),
        abnormal_said=said["abnormal"],
        abnormal_true=len(right["abnormal"]),
        abnormal_there=len(findings),
        abnormal_found=sum(any(_says(c, f) for c in right["abnormal"]) for f in findings),
        harm=int(len(right["normal"]) < said["normal"]),
    )


def truth_scores(completions: Sequence[str], truths: Sequence[Truth]) -> dict[str, float]:
    """Gives how much of what reports state is true, and how much of the truth they state.

    Statements are those of the findings and the impression together, each once a report; sentences
    that the phantom's grammar does not know state nothing. A statement may leave severity or side
    open; a wrong one makes it false, and then it does not count as having found the finding.

    Two figures, both micro averages over all reports and both 0 for a report that says everything
    is normal, as well as for a copy of the commonest report, for such reports find nothing:

    - `truth_f1`: of precision = true share of all statements, normal and abnormal, and recall =
      share of the studies' abnormal findings that are stated.
    - `abnormal_f1`: the same recall, precision over abnormal statements alone. The harder one.

    Args:
        completions (`Sequence[str]`): What a model wrote, tags and all.
        truths (`Sequence`): Column `truth` of [`~phantom.load_phantom`].

    Returns:
        `dict[str, float]`: `truth_f1`, `truth_precision`, `truth_recall`, `abnormal_f1` and
        `abnormal_precision`, 0 to 1.
    """
    counts = [count_statements(*pair) for pair in zip(completions, truths, strict=True)]
    total = TruthCounts(*(sum(column) for column in zip(*counts, strict=True)))
    stated = total.normal_said + total.abnormal_said
    precision = (total.normal_true + total.abnormal_true) / max(stated, 1)
    recall = total.abnormal_found / max(total.abnormal_there, 1)
    abnormal_precision = total.abnormal_true / max(total.abnormal_said, 1)
    return {
        "truth_f1": _f1(precision, recall),
        "truth_precision": precision,
        "truth_recall": recall,
        "abnormal_f1": _f1(abnormal_precision, recall),
        "abnormal_precision": abnormal_precision,
    }


class TruthScorer(ReportScorer):
    """Adds [`truth_scores`] to the metrics of an evaluation.

    Args:
        truths (`Sequence`): Of the evaluation set, from its first row.
        index ([`FindingsIndex`]): Of findings.
        impression_index ([`FindingsIndex`], *optional*): Of impressions; by default `index`.
    """

    def __init__(
        self,
        truths: Sequence[Truth],
        index: FindingsIndex,
        impression_index: FindingsIndex | None = None,
    ) -> None:
        super().__init__(index, impression_index)
        self._truths = truths

    def __call__(
        self, completions: Sequence[str], findings: Sequence[Any], impressions: Sequence[Any]
    ) -> ReportScores:
        """Scores completions, which are those of the first rows."""
        scores = super().__call__(completions, findings, impressions)
        truth = truth_scores(completions, self._truths[: len(completions)])
        return replace(scores, metrics={**scores.metrics, **truth})


def _claims(completion: str) -> list[Statement]:
    report = parse_report(completion)
    sentences = _SENTENCE_END.split(f"{report.findings} {report.impression}")
    read = [statements(one) for one in sentences if not _NUMBER.match(one)]
    return list(dict.fromkeys(claim for claims in read for claim in claims or ()))


def _says(claim: Statement, finding: Statement) -> bool:
    return (
        claim.name == finding.name
        and claim.value in ("", finding.value)
        and claim.site in ("", finding.site)
    )


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision and recall else 0.0
