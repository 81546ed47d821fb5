"""CheXbert F1: do two reports carry the same findings?"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import datasets
import evaluate
import numpy as np
from numpy.typing import NDArray

from .chexbert_labeler import ENCODER, LABELS, POSITIVE, UNCERTAIN, load_labeler
from .multilabel import averages, bootstrap_intervals, exact_match, example_f1, label_scores

Labeler = Callable[[Sequence[str]], NDArray[np.integer]]

# The five findings that CheXpert's authors compete on, and that papers average over.
FIVE = ("Cardiomegaly", "Edema", "Consolidation", "Atelectasis", "Pleural Effusion")
_COLUMNS = {14: list(range(14)), 5: [LABELS.index(name) for name in FIVE]}

_CITATION = """\
@inproceedings{smit2020chexbert,
  title = {{CheXbert}: Combining Automatic Labelers and Expert Annotations for Accurate Radiology Report Labeling Using {BERT}},
  author = {Smit, Akshay and Jain, Saahil and Rajpurkar, Pranav and Pareek, Anuj and Ng, Andrew Y. and Lungren, Matthew P.},
  booktitle = {Proceedings of EMNLP},
  year = {2020},
  url = {https://aclanthology.org/2020.emnlp-main.117}
}
"""  # noqa: E501 - as published

_DESCRIPTION = """\
CheXbert F1 labels the generated and the reference chest X-ray reports with CheXbert, which reads
14 findings out of a report, and compares the labels: F1 over all 14 and over the 5 that papers
report, averaged over labels, decisions or reports.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions (`list[str]`):
        Generated reports.
    references (`list[str]`):
        Reference reports, in the same order.

Options, given to `evaluate.load`:
    uncertain (`str`, *optional*, defaults to `"positive"`):
        What a finding that is said to be uncertain counts as: `"positive"` (f1chexbert, vilmedic,
        the "14+" and "5+" of LLaVA-Rad) or `"negative"` (its "14" and "5"). Figures of the two
        must not be compared.
    per_report (`bool`, *optional*, defaults to `False`):
        Adds `chexbert_per_report`.
    bootstrap (`int`, *optional*, defaults to `0`):
        Resamples for `chexbert_intervals`; 1000 are usual.
    checkpoint (`str`, *optional*):
        Path to chexbert.pth or its safetensors. Downloaded from StanfordAIMI/RRG_scorers if left
        out.
    encoder (`str`, *optional*, defaults to `"google-bert/bert-base-uncased"`):
        Hub repository or folder of the BERT configuration and tokenizer.
    device (`str`, *optional*):
        A GPU when there is one, if left out.
    batch_size (`int`, *optional*, defaults to `32`):
        Reports that go through the model at once.
    labeler (`Callable`, *optional*):
        Used instead of CheXbert: takes a list of reports, returns an integer array of shape
        `(reports, 14)` with 0 blank, 1 positive, 2 negative, 3 uncertain.
    seed (`int`, *optional*):
        Of the bootstrap.

Returns:
    `dict`, values from 0 to 1, higher is better:
    - `chexbert_{micro_f1,macro_f1,weighted_f1,example_f1,accuracy}_{14,5}` (`float`): F1 of all
      decisions, mean F1 of the labels, the same weighted by support, mean F1 of the reports, and
      the share of reports with every label right.
    - `chexbert_labels` (`dict`): precision, recall, f1 and support of each of the 14.
    - `chexbert_uncertain` (`str`): what uncertain counted as.
    - `chexbert_intervals` (`dict`, with `bootstrap`): 95 % interval of each figure.
    - `chexbert_per_report` (`list[dict]`, with `per_report`): the labels of both reports,
      `example_f1_14`, `example_f1_5`, `accuracy_14` and `accuracy_5`.

Examples:
    >>> import evaluate
    >>> chexbert = evaluate.load("semenrich/chexbert_f1", uncertain="negative")
    >>> reports = ["The heart is enlarged.", "There is a small left pleural effusion."]
    >>> results = chexbert.compute(predictions=reports, references=reports)
    >>> results["chexbert_uncertain"], results["chexbert_accuracy_14"]
    ('negative', 1.0)
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class ChexbertF1(evaluate.Metric):
    """CheXbert F1 as an `evaluate` module."""

    def __init__(
        self,
        *,
        uncertain: Literal["positive", "negative"] = "positive",
        per_report: bool = False,
        bootstrap: int = 0,
        checkpoint: str | None = None,
        encoder: str = ENCODER,
        device: str | None = None,
        batch_size: int = 32,
        labeler: Labeler | None = None,
        **kwargs: Any,
    ) -> None:
        if uncertain not in ("positive", "negative"):
            raise ValueError(f'`uncertain` is "positive" or "negative", found {uncertain!r}')
        super().__init__(**kwargs)
        self.uncertain = uncertain
        self.per_report = per_report
        self.bootstrap = bootstrap
        self.batch_size = batch_size
        self.labeler = labeler
        self._load = partial(load_labeler, checkpoint, encoder, device)

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": text, "references": text}),
            reference_urls=[
                "https://aclanthology.org/2020.emnlp-main.117",
                "https://github.com/stanfordmlgroup/CheXbert",
            ],
        )

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, Any]:
        predicted, actual = self._positives(predictions, references)
        results: dict[str, Any] = {"chexbert_uncertain": self.uncertain}
        intervals: dict[str, list[float]] = {}
        for size, columns in _COLUMNS.items():
            pair = predicted[:, columns], actual[:, columns]
            for name, value in averages(*pair).items():
                results[f"chexbert_{name}_{size}"] = value.item()
            if self.bootstrap:
                drawn = bootstrap_intervals(*pair, self.bootstrap, self.seed)
                intervals |= {f"{name}_{size}": list(bounds) for name, bounds in drawn.items()}
        scores = label_scores(predicted, actual)
        results["chexbert_labels"] = dict(zip(LABELS, scores, strict=True))
        if intervals:
            results["chexbert_intervals"] = intervals
        if self.per_report:
            results["chexbert_per_report"] = _per_report(predicted, actual)
        return results

    def _positives(
        self, predictions: list[str], references: list[str]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which labels count as positive, in each prediction and in each reference."""
        _check_reports(predictions=predictions, references=references)
        distinct = {text: row for row, text in enumerate(dict.fromkeys(predictions + references))}
        label = self.labeler or partial(self._load().label, batch_size=self.batch_size)
        classes = np.asarray(label(list(distinct)))
        if classes.shape != (len(distinct), len(LABELS)):
            raise ValueError(
                f"The labeler must return shape {(len(distinct), len(LABELS))}, found "
                f"{classes.shape}"
            )
        positive = classes == POSITIVE
        if self.uncertain == "positive":
            positive |= classes == UNCERTAIN
        return (
            positive[[distinct[text] for text in predictions]],
            positive[[distinct[text] for text in references]],
        )


def _check_reports(**columns: list[str]) -> None:
    for name, texts in columns.items():
        if not texts:
            raise ValueError(f"CheXbert F1 needs at least one report, found no {name}")
        missing = [row for row, text in enumerate(texts) if text is None]
        if missing:
            raise ValueError(
                f"Expected a string in every row, found None in {len(missing)} of the {name}, "
                f"first in row {missing[0]}. Pass '' for a report without text."
            )


def _per_report(
    predicted: NDArray[np.bool_], actual: NDArray[np.bool_]
) -> list[dict[str, list[str] | float]]:
    values: dict[str, list[Any]] = {
        "predicted_labels": [_names(row) for row in predicted],
        "reference_labels": [_names(row) for row in actual],
    }
    for size, columns in _COLUMNS.items():
        pair = predicted[:, columns], actual[:, columns]
        values[f"example_f1_{size}"] = example_f1(*pair).tolist()
        values[f"accuracy_{size}"] = exact_match(*pair).tolist()
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def _names(row: NDArray[np.bool_]) -> list[str]:
    return [LABELS[column] for column in np.flatnonzero(row)]
