"""Reports as TRL's conversational prompt and completion, and what a model wrote back to a report.

The completion is `<think> findings </think><answer> impression </answer>` (SemEnrich,
arXiv 2604.09887).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from datasets.formatting.formatting import LazyDict, LazyRow

from semenrich_datasets.columns import check_column
from semenrich_datasets.enrich import SemEnricher
from semenrich_trainers.prompts import fill_prompt, placeholders

DEFAULT_PROMPT = (
    "Report this chest X-ray: the findings between <think> and </think>, then the impression "
    "between <answer> and </answer>."
)

#: What a report is written in, in this order.
TAGS = ("<think>", "</think>", "<answer>", "</answer>")

_TAG = re.compile(r"<(/?)(think|answer)>", re.IGNORECASE)
_FORM = ["think", "/think", "answer", "/answer"]

Message = dict[str, str]


@dataclass(frozen=True)
class ParsedReport:
    """What a model wrote, read as a report.

    Args:
        findings (`str`): the text between `<think>` and `</think>`.
        impression (`str`): the text between `<answer>` and `</answer>`.
        well_formed (`bool`): whether it was one pair of each tag, in this order, and no text
            outside them.
    """

    findings: str
    impression: str
    well_formed: bool


def parse_report(text: str) -> ParsedReport:
    """Gives the findings and the impression of whatever a model wrote.

    A section runs from its opening tag to the next tag of any kind, or to the end. Sections that
    come twice are joined, so that no second try goes unscored. Text before a first `</think>` is
    findings, because some chat templates open `<think>` in the prompt; so is a text without any
    tag. Other text outside the tags belongs to no section. Tags are read in upper or lower case.

    Args:
        text (`str`): any text.

    Returns:
        [`ParsedReport`]: sections without the white space around them, empty when missing.

    Example:
        ```python
        >>> parse_report("<think> No effusion. </think><answer> Normal. </answer>")
        ParsedReport(findings='No effusion.', impression='Normal.', well_formed=True)
        ```
    """
    # `re.split` with two groups gives: text, slash, name, text, slash, name, ..., text.
    before, *rest = _TAG.split(text)
    tags = [slash + name.lower() for slash, name in zip(rest[::3], rest[1::3], strict=True)]
    opened = "think" if tags[:1] in ([], ["/think"]) else ""
    sections: dict[str, list[str]] = {"think": [], "answer": []}
    outside: list[str] = []
    for tag, part in zip([opened, *tags], [before, *rest[2::3]], strict=True):
        if part.strip():
            sections.get(tag, outside).append(part.strip())
    return ParsedReport(
        findings=" ".join(sections["think"]),
        impression=" ".join(sections["answer"]),
        well_formed=tags == _FORM and not outside,
    )


def completion_text(completion: str | Iterable[Mapping[str, Any]]) -> str:
    """Gives the text of a completion as TRL hands it to reward functions.

    Args:
        completion (`str` or `Iterable[Mapping]`): a text, or messages whose `content` is a text, a
            list of parts (`{"type": "text", "text": ...}`) or None.

    Returns:
        `str`: the texts of the messages, one after the other.
    """
    if isinstance(completion, str):
        return completion
    return "".join(_content_text(message.get("content")) for message in completion)


def _content_text(content: str | Iterable[Mapping[str, Any]] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.get("text") or "" for part in content)


@dataclass(frozen=True)
class ReportFormatter:
    """Adds to rows of reports TRL's `prompt` and `completion`, for SFT and GRPO.

    A callable for `Dataset.map` (batched or not), `IterableDataset.map` and `with_transform`. The
    prompt's content is plain text and images stay where they are: TRL's trainers put those of the
    column `image` (one) or `images` (a list) in front of the text (`prepare_multimodal_messages`),
    and without such a column the same rows are text only.

    With an `enricher`, made for `with_transform`, each call draws another variant of the
    enrichment, so that each epoch sees other additions. The draw is torch's, which a `DataLoader`
    seeds anew for each epoch and worker. Under `with_transform` trainers need
    `remove_unused_columns=False`, for they cannot see which columns the transform reads.

    Args:
        findings_column (`str`, *optional*, defaults to `"findings"`): Column of the findings, such
            as `"enriched_findings"`.
        impression_column (`str`, *optional*, defaults to `"impression"`): Column of the impression.
        prompt (`str`, *optional*): Text of the user's message. Names in braces are columns, as in
            `"Report this chest X-ray. Indication: {indication}"`; a sentence or line whose column
            has no value is left out ([`~prompts.fill_prompt`]).
        enricher ([`SemEnricher`], *optional*): Enriches the rows on the fly; the findings column is
            then its `enriched_column`.

    Raises:
        `ValueError`: When the findings column is not the enricher's output, or the prompt has
            nothing to say where its columns have no value.

    Example:
        ```python
        >>> sft = enriched.map(ReportFormatter("enriched_findings"), batched=True)
        >>> fresh = reports.with_transform(ReportFormatter("enriched_findings", enricher=enricher))
        ```
    """

    findings_column: str = "findings"
    impression_column: str = "impression"
    prompt: str = DEFAULT_PROMPT
    enricher: SemEnricher | None = None

    def __post_init__(self) -> None:
        placeholders(self.prompt)
        if self.enricher and self.findings_column != self.enricher.enriched_column:
            msg = (
                "expected findings_column to be the enricher's output "
                f"{self.enricher.enriched_column!r}, found {self.findings_column!r}"
            )
            raise ValueError(msg)

    def __call__(self, rows: Mapping[str, Any]) -> dict[str, Any]:
        """Formats one row, or one batch of rows (columns of lists).

        Args:
            rows (`Mapping`): Column name to value, or to a list of values. A text that is missing
                (None, NaN) gives an empty section: filter such rows where that is not wanted.

        Returns:
            `dict`: `prompt` and `completion`, each a list of one message, in the form of the
            input; outside of `Dataset.map`, which keeps them itself, all other columns too.

        Raises:
            `ValueError`: When the findings, the impression or a column of the prompt is missing.
        """
        enriched: dict[str, Any] = {}
        if self.enricher:
            enriched = self.enricher.with_variant(int(torch.randint(2**31, ())))(rows)
        findings = _column(self.findings_column, enriched or rows, "findings_column")
        impressions = _column(self.impression_column, rows, "impression_column")
        # `Dataset.map` reads lazily, and must not decode images that it keeps as they are.
        kept = {} if isinstance(rows, LazyDict) else {**rows, **enriched}
        named = {name: _column(name, rows, "prompt") for name in placeholders(self.prompt)}
        if isinstance(rows, LazyRow) or not isinstance(impressions, list):
            return {**kept, **self._format(findings, impressions, named)}
        pairs = [
            self._format(*pair, {name: column[row] for name, column in named.items()})
            for row, pair in enumerate(zip(findings, impressions, strict=True))
        ]
        return {
            **kept,
            "prompt": [pair["prompt"] for pair in pairs],
            "completion": [pair["completion"] for pair in pairs],
        }

    def _format(
        self, findings: Any, impression: Any, named: Mapping[str, Any]
    ) -> dict[str, list[Message]]:
        text = f"<think> {_clean(findings)} </think><answer> {_clean(impression)} </answer>"
        return {
            "prompt": [{"role": "user", "content": fill_prompt(self.prompt, named)}],
            "completion": [{"role": "assistant", "content": text}],
        }


def _column(name: str, rows: Mapping[str, Any], argument: str) -> Any:
    check_column(name, rows, argument)
    return rows[name]


def _clean(text: Any) -> str:
    """Removes the tags that a report itself may hold, so that it is read back as it was."""
    return _TAG.sub(" ", text).strip() if isinstance(text, str) else ""
