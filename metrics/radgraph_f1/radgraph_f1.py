"""RadGraph F1: do two reports state the same entities and relations?"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import datasets
import evaluate
import numpy as np

from .radgraph_archive import load_annotator
from .radgraph_infer import MODEL_TYPES
from .radgraph_score import Rewards, rewards

Annotator = Callable[[Sequence[str]], list[dict[str, Any]]]

_CITATION = """\
@inproceedings{delbrouck2022improving,
  title = {Improving the Factual Correctness of Radiology Report Generation with Semantic Rewards},
  author = {Delbrouck, Jean-Benoit and Chambon, Pierre and Bluethgen, Christian and Tsai, Emily and Almusa, Omar and Langlotz, Curtis},
  booktitle = {Findings of EMNLP},
  year = {2022},
  url = {https://aclanthology.org/2022.findings-emnlp.319}
}
@inproceedings{delbrouck2024radgraphxl,
  title = {{RadGraph-XL}: A Large-Scale Expert-Annotated Dataset for Entity and Relation Extraction from Radiology Reports},
  author = {Delbrouck, Jean-Benoit and Chambon, Pierre and Chen, Zhihong and Varma, Maya and Johnston, Andrew and Blankemeier, Louis and Van Veen, Dave and Bui, Tan and Truong, Steven and Langlotz, Curtis},
  booktitle = {Findings of ACL},
  year = {2024},
  url = {https://aclanthology.org/2024.findings-acl.765}
}
"""  # noqa: E501 - as published

_DESCRIPTION = """\
RadGraph F1 reads the entities (anatomy and observations, each present, uncertain or absent) and the
relations between them out of the generated and the reference reports with RadGraph, and compares
them: F1 at three levels of strictness, the mean over reports.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions (`list[str]`):
        Generated reports.
    references (`list[str]`):
        Reference reports, in the same order.

Options, given to `evaluate.load`:
    model_type (`str`, *optional*, defaults to `"radgraph-xl"`):
        `"radgraph"`, `"radgraph-xl"`, `"modern-radgraph-xl"` or `"echograph"`. Figures of two
        models must not be compared.
    ignore_case (`bool`, *optional*, defaults to `False`):
        radgraph 0.1.18, the latest release, compares words without case in relations alone. `True`
        does so everywhere, as its repository does since July 2026.
    per_report (`bool`, *optional*, defaults to `False`):
        Adds `radgraph_per_report`.
    archive (`str`, *optional*):
        Path to a file like radgraph-xl.tar.gz, or to a folder with what is in it. Downloaded from
        StanfordAIMI/RRG_scorers if left out.
    device (`str`, *optional*):
        A GPU when there is one, if left out.
    batch_tokens (`int`, *optional*, defaults to `2048`):
        Word pieces that go through the model at once.
    annotator (`Callable`, *optional*):
        Used instead of RadGraph: takes a list of reports, returns an annotation in RadGraph's JSON
        form of each.

Returns:
    `dict`, values from 0 to 1, higher is better:
    - `radgraph_simple` (`float`): entities agree in words and label (RG_E).
    - `radgraph_partial` (`float`): they also agree on whether they have a relation (RG_ER), the one
      that most papers report.
    - `radgraph_complete` (`float`): relations agree too, with the words at both ends (RG_ER-bar).
    - `radgraph_model_type` (`str`), `radgraph_ignore_case` (`bool`): what they rest on.
    - `radgraph_per_report` (`list[dict]`, with `per_report`): `simple`, `partial` and `complete` of
      each pair, and the annotations `prediction` and `reference`.

Examples:
    >>> import evaluate
    >>> radgraph = evaluate.load("semenrich/radgraph_f1")
    >>> reports = ["The heart is enlarged.", "There is a small left pleural effusion."]
    >>> results = radgraph.compute(predictions=reports, references=reports)
    >>> results["radgraph_model_type"], results["radgraph_partial"]
    ('radgraph-xl', 1.0)
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class RadgraphF1(evaluate.Metric):
    """RadGraph F1 as an `evaluate` module."""

    def __init__(
        self,
        *,
        model_type: str = "radgraph-xl",
        ignore_case: bool = False,
        per_report: bool = False,
        archive: str | None = None,
        device: str | None = None,
        batch_tokens: int = 2048,
        annotator: Annotator | None = None,
        **kwargs: Any,
    ) -> None:
        if model_type not in MODEL_TYPES:
            raise ValueError(
                f"`model_type` is one of {', '.join(MODEL_TYPES)}, found {model_type!r}"
            )
        super().__init__(**kwargs)
        self.model_type = model_type
        self.ignore_case = ignore_case
        self.per_report = per_report
        self.batch_tokens = batch_tokens
        self.annotator = annotator
        self._load = partial(load_annotator, model_type, archive, device)

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": text, "references": text}),
            reference_urls=[
                "https://aclanthology.org/2022.findings-emnlp.319",
                "https://aclanthology.org/2024.findings-acl.765",
                "https://github.com/Stanford-AIMI/radgraph",
            ],
        )

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, Any]:
        _check_reports(predictions=predictions, references=references)
        annotations = self._annotations(predictions + references)
        pairs = [
            (annotations[p], annotations[r]) for p, r in zip(predictions, references, strict=True)
        ]
        scores = [rewards(*pair, self.ignore_case) for pair in pairs]
        results: dict[str, Any] = {
            f"radgraph_{level}": np.mean(column).item()
            for level, column in zip(Rewards._fields, zip(*scores, strict=True), strict=True)
        }
        results["radgraph_model_type"] = self.model_type
        results["radgraph_ignore_case"] = self.ignore_case
        if self.per_report:
            results["radgraph_per_report"] = [
                {**score._asdict(), "prediction": prediction, "reference": reference}
                for score, (prediction, reference) in zip(scores, pairs, strict=True)
            ]
        return results

    def _annotations(self, reports: list[str]) -> dict[str, dict[str, Any]]:
        """The annotation of each distinct report."""
        distinct = list(dict.fromkeys(reports))
        annotate = self.annotator or partial(self._load().annotate, batch_tokens=self.batch_tokens)
        found = annotate(distinct)
        if len(found) != len(distinct):
            raise ValueError(
                f"The annotator must return {len(distinct)} annotations, one of each report, found "
                f"{len(found)}"
            )
        return dict(zip(distinct, found, strict=True))


def _check_reports(**columns: list[str]) -> None:
    for name, texts in columns.items():
        if not texts:
            raise ValueError(f"RadGraph F1 needs at least one report, found no {name}")
        missing = [row for row, text in enumerate(texts) if text is None]
        if missing:
            raise ValueError(
                f"Expected a string in every row, found None in {len(missing)} of the {name}, "
                f"first in row {missing[0]}. Pass '' for a report without text."
            )
