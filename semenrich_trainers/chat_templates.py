"""What a chat template does with `<think>`, and one that leaves a report as it is.

A report is `<think> findings </think><answer> impression </answer>`. Chat templates of reasoning
models open `<think>` in the prompt, take it out of the assistant's message, or write an empty one:
then what is trained is not what is generated, and the form is never right. Here a template is tried
on one conversation, and where it does any of that, it is wrapped into one that renders the prompt
as before, without an opened `<think>`, and the report letter for letter.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jinja2 import TemplateError
from transformers import ProcessorMixin

from semenrich_trainers.formatting import DEFAULT_PROMPT, TAGS, parse_report

logger = logging.getLogger(__name__)

Trouble = Literal["opens_think", "empty_think", "changes_report", "header", "endless"]

_FINDINGS, _IMPRESSION = "The heart is large.", "Large heart."
_REPORT = f"<think> {_FINDINGS} </think><answer> {_IMPRESSION} </answer>"
_OPENED = re.compile(r"<think>\s*(</think>\s*)?$")
_TAG = re.compile(r"</?(think|answer)>")
# Tags of the generation that TRL's training templates mark: no place for them inside of a macro.
_GENERATION = re.compile(r"(\{%[-+]?\s*)(end)?generation(\s*[-+]?%\})")

_WRAPPER = """\
{#- SemEnrich: a report is rendered as it is, after the prompt of the chat template inside. -#}
{% macro original_chat(messages, add_generation_prompt) %}
@ORIGINAL@{%+ endmacro %}
{%- set is_answered = messages[-1].role == 'assistant' -%}
{%- set is_asked = is_answered or add_generation_prompt -%}
{%- set text = original_chat(messages[:-1] if is_answered else messages, is_asked) -%}
{%- if is_asked -%}
    {%- set opened = text.rsplit('<think>', 1) -%}
    {%- if opened|length == 2 and opened[1]|trim in ['', '</think>'] -%}
        {%- set text = opened[0] -%}
    {%- endif -%}
    {%- set text = text + @HEADER@ -%}
{%- endif -%}
{{- text -}}
{%- if is_answered -%}
    {%- set report = messages[-1].content -%}
    {{- report if report is string else report|map(attribute='text')|join -}}
    {{- @END@ -}}
{%- endif -%}"""


@dataclass(frozen=True)
class TemplateReading:
    r"""What a chat template made of a conversation of one question and one report.

    Args:
        prompt (`str`): The question with the generation prompt, without an opened `<think>`.
        opening (`str`): What of `<think>` the generation prompt ends in, such as `"<think>\n"`.
        header (`str`): What comes between the prompt and the report's first tag.
        report (`str`): The report, from its first tag to its last.
        end (`str`): What comes after the report.
    """

    prompt: str
    opening: str
    header: str
    report: str
    end: str

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """Why a model trained with this template would not write reports; empty for a fit one."""
        report = parse_report(self.report)
        is_kept = (report.findings, report.impression) == (_FINDINGS, _IMPRESSION)
        found: dict[Trouble, bool] = {
            "opens_think": bool(self.opening) and "</think>" not in self.opening,
            "empty_think": "</think>" in self.opening,
            "changes_report": not (is_kept and report.well_formed),
            "header": bool(self.header.strip()),
            "endless": not self.end.strip(),
        }
        return tuple(trouble for trouble, is_found in found.items() if is_found)


def read_chat_template(processing_class: Any, chat_template: str | None = None) -> TemplateReading:
    """Tries a chat template on one conversation.

    Args:
        processing_class (`PreTrainedTokenizerBase` or `ProcessorMixin`): Its tokenizer or
            processor; a processor gets the parts of a message, a tokenizer its text.
        chat_template (`str`, *optional*): Another than its own.

    Returns:
        [`TemplateReading`]: What became of it.

    Raises:
        `ValueError`: When the template does not take such messages, or loses the question or the
            end of the report.
    """
    as_parts = isinstance(processing_class, ProcessorMixin)
    asked = [_message("user", DEFAULT_PROMPT, as_parts)]
    answered = [*asked, _message("assistant", _REPORT, as_parts)]
    render = processing_class.apply_chat_template
    settings: dict[str, Any] = {"chat_template": chat_template, "tokenize": False}
    try:
        prompt = render(asked, add_generation_prompt=True, **settings)
        whole = render(answered, **settings)
    except (TemplateError, TypeError, ValueError, AttributeError, KeyError) as error:
        raise ValueError(_unfit(as_parts, f"it raises {error!r}")) from error
    if re.search(r"""['"]type['"]: ['"]text""", prompt):
        raise ValueError(_unfit(as_parts, "it prints the parts of a message as code"))
    if DEFAULT_PROMPT not in prompt:
        raise ValueError(_unfit(as_parts, "it changes or drops the question"))
    opened = _OPENED.search(prompt)
    opening = opened[0] if opened else ""
    prompt = prompt.removesuffix(opening)
    first, last = _TAG.search(whole, len(prompt)), whole.rfind("</answer>")
    if not whole.startswith(prompt) or first is None or last < first.start():
        raise ValueError(_unfit(as_parts, f"it makes {whole[-200:]!r} of {_REPORT!r}"))
    last += len("</answer>")
    return TemplateReading(
        prompt=prompt,
        opening=opening,
        header=whole[len(prompt) : first.start()],
        report=whole[first.start() : last],
        end=whole[last:],
    )


def report_chat_template(processing_class: Any) -> str | None:
    """Gives the chat template to train, generate and serve reports with.

    Args:
        processing_class (`PreTrainedTokenizerBase` or `ProcessorMixin`): A tokenizer or processor
            with a chat template.

    Returns:
        `str` or `None`: A template that wraps its own; None where its own will do, or it has none.

    Raises:
        `ValueError`: When its own cannot be made to work, or the report's tags are special tokens.
    """
    own = _default_template(processing_class)
    if own is None:
        return None
    tokenizer = getattr(processing_class, "tokenizer", processing_class)
    if special := sorted(set(TAGS) & set(tokenizer.all_special_tokens)):
        msg = (
            f"expected the tags of reports to be text or ordinary tokens, found {special} among "
            "the special tokens, which decoding drops: add them anew with "
            "AddedToken(tag, special=False)"
        )
        raise ValueError(msg)
    reading = read_chat_template(processing_class, own)
    end = reading.end if reading.end.strip() else tokenizer.eos_token or ""
    # Without any token that ends a text there is nothing to supply.
    supplied = set(reading.troubles) - ({"endless"} if not end else set())
    if not supplied:
        return None
    wrapped = _wrap(own, reading.header, end)
    if supplied.intersection(left := read_chat_template(processing_class, wrapped).troubles):
        is_processor = isinstance(processing_class, ProcessorMixin)
        raise ValueError(_unfit(is_processor, f"it resists being wrapped ({', '.join(left)})"))
    return wrapped


def use_report_chat_template(processing_class: Any) -> None:
    """Gives a tokenizer or processor the chat template that reports need, where its own won't do.

    It is saved with it: whoever loads the model generates with what it was trained with. Both
    trainers call this; for TRL's own trainers call it first.

    Args:
        processing_class (`PreTrainedTokenizerBase` or `ProcessorMixin`): Changed in place.

    Raises:
        `ValueError`: As of [`report_chat_template`].
    """
    template = report_chat_template(processing_class)
    if template is None:
        return
    troubles = read_chat_template(processing_class, _default_template(processing_class)).troubles
    logger.warning(
        "The chat template does not leave a report as it is (%s): it is wrapped into one that "
        "does, which is saved with the model.",
        ", ".join(troubles),
    )
    own = processing_class.chat_template
    named = {**own, "default": template} if isinstance(own, dict) else template
    processing_class.chat_template = named
    if isinstance(processing_class, ProcessorMixin):
        # Saved to the same file, after the processor's.
        processing_class.tokenizer.chat_template = named


def _default_template(processing_class: Any) -> str | None:
    own = getattr(processing_class, "chat_template", None)
    return own.get("default") if isinstance(own, dict) else own


def _wrap(template: str, header: str, end: str) -> str:
    inside = _GENERATION.sub(
        lambda tag: f"{tag[1]}{'endif' if tag[2] else 'if 1'}{tag[3]}", template
    )
    pieces = {
        "@ORIGINAL@": inside.removesuffix("\n"),
        "@HEADER@": _literal(header),
        "@END@": _literal(end),
    }
    return re.sub("@[A-Z]+@", lambda name: pieces[name[0]], _WRAPPER)


def _literal(text: str) -> str:
    """Gives a string of Jinja, which reads the escapes of JSON."""
    return json.dumps(text, ensure_ascii=False)


def _message(role: str, text: str, as_parts: bool) -> dict[str, Any]:
    content: str | Sequence[dict[str, str]] = [{"type": "text", "text": text}] if as_parts else text
    return {"role": role, "content": content}


def _unfit(as_parts: bool, why: str) -> str:
    given, other = ("a list of parts", "tokenizer") if as_parts else ("a text", "processor")
    return (
        f"expected a chat template that renders a report whose content is {given}, found one that "
        f"won't do ({why}): pass the model's {other} as processing_class if that is what it has, "
        "or set processing_class.chat_template to another"
    )
