"""A guard that asks a chat model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from semenrich_datasets.chat import Ask, parse_choice
from semenrich_datasets.enrich.guards.proposal import Proposal
from semenrich_datasets.enrich.reasons import Reason

JUDGE_QUESTION = """\
A radiologist wrote the report below. Somebody proposes to add one sentence to its findings, on \
the same image and nothing else. Which word fits the proposed sentence?

- contradicts: it conflicts with anything in the report.
- redundant: the report says it already, or says something that implies it.
- prior: it speaks of another study, of change over time, or of something an image cannot show.
- add: it is new, fits everything in the report, and is likely true of this patient.
- undecided: none of these is clear.

Answer with one of these five words and nothing else.

Findings: {findings}

Context: {context}

Proposed sentence: {sentence}"""


@dataclass(frozen=True)
class LLMGuard:
    """Refuses what a chat model would not add to the report.

    The answer must be one word exactly; an answer that cannot be read refuses the sentence as
    `"undecided"`: a wrong sentence is worse than none.

    Args:
        ask (`Callable[[Sequence[str]], list[str]]`):
            the chat model, such as [`~chat.PipelineChat`] or [`~chat.InferenceChat`].
    """

    ask: Ask

    def __call__(self, proposals: Sequence[Proposal]) -> list[str | None]:
        """`"contradicts"`, `"redundant"`, `"prior"`, `"undecided"` or None for each proposal."""
        answers = self.ask(
            [
                JUDGE_QUESTION.format(
                    findings=proposal.findings,
                    context=proposal.context,
                    sentence=proposal.sentence,
                )
                for proposal in proposals
            ]
        )
        words = ("add", Reason.CONTRADICTS, Reason.REDUNDANT, Reason.PRIOR, Reason.UNDECIDED)
        verdicts = [
            parse_choice(answer, words) or Reason.UNDECIDED
            for _, answer in zip(proposals, answers, strict=True)
        ]
        return [None if verdict == "add" else verdict for verdict in verdicts]
