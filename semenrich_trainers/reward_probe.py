"""What a reward pays for: reports edited in known ways, and what each reward makes of the edit."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from semenrich_datasets.index import FindingsIndex
from semenrich_datasets.reading import Reading
from semenrich_datasets.sentences import join_sentences, split_sentences
from semenrich_trainers.formatting import DEFAULT_PROMPT
from semenrich_trainers.references import known_texts

Reward = Callable[..., list[float | None]]

_SIDES = {"left": "right", "right": "left"}
_DEGREES = {
    "small": "large", "large": "small", "mild": "severe", "severe": "mild", "tiny": "large",
    "minimal": "marked", "marked": "minimal", "moderate": "minimal", "slight": "marked",
}  # fmt: skip
_DOUBT = (r"\b(is|are)\b", r"may be")
_THERE = re.compile(r"^(there (?:is|are)) (?:an? )?", re.IGNORECASE)
_TEMPLATE = 8
_DENIALS = re.compile(r"^(?:there (?:is|are) )?no (?:evidence of |focal |acute )?", re.IGNORECASE)

#: Gives the findings of an edited report, or None where there is nothing to edit.
Edit = Callable[[list[str], random.Random], list[str] | None]


def probe_rewards(
    rewards: Mapping[str, Reward],
    reports: Any,
    index: FindingsIndex,
    *,
    findings_column: str = "findings",
    impression_column: str = "impression",
    prompt: str = DEFAULT_PROMPT,
    seed: int = 0,
    show_progress: bool = True,
) -> pd.DataFrame:
    """Shows what rewards pay for: reference reports, edited in known ways and scored.

    Each row is an edit of the findings of those reports that it can be made in; each reward has its
    mean over them as a share of what it pays for the reports themselves. So 1 is "not noticed".
    What keeps the meaning should stay near 1, what turns it fall most, and what any image would get
    should be near 0. Impressions are left out of it: their references are handed over as missing,
    and a reward of the form or of the impression, which pays nothing there, has NaN.

    Args:
        rewards (`Mapping[str, Callable]`): Reward functions as TRL calls them, by name.
        reports (`Dataset` or `Mapping`): Columns of texts.
        index ([`FindingsIndex`]): Whose reader finds what to edit, and whose corpus gives other
            wordings and the commonest normal report.
        findings_column (`str`, *optional*, defaults to `"findings"`): Column of the findings.
        impression_column (`str`, *optional*, defaults to `"impression"`): Column that the rewards
            read the impression from.
        prompt (`str`, *optional*): For the edit "the prompt".
        seed (`int`, *optional*, defaults to `0`): Of what is drawn.
        show_progress (`bool`, *optional*, defaults to `True`): Whether to draw a progress bar.

    Returns:
        `pandas.DataFrame`: Indexed by edit, a column `reports` (how many could be edited so) and
        one per reward.

    Raises:
        `ValueError`: When a column is missing.

    Example:
        ```python
        >>> probe_rewards({"bleu": BleuReward(), "cluster": ClusterReward(index)}, reports, index)
        ```
    """
    if findings_column not in getattr(reports, "column_names", reports):
        found = ", ".join(getattr(reports, "column_names", reports))
        raise ValueError(f"expected a column {findings_column!r} of reports, found {found}")
    wanted = known_texts(reports[findings_column])
    cut = [split_sentences(text) for text in wanted]

    def paid(
        reward: Reward, findings: Sequence[list[str]], of: Sequence[int]
    ) -> list[float | None]:
        completions = [f"<think> {join_sentences(one)} </think>" for one in findings]
        prompts = [prompt] * len(of)
        columns = {
            findings_column: [wanted[row] for row in of],
            impression_column: [None] * len(of),
        }
        return list(reward(completions=completions, prompts=prompts, **columns)) if of else []

    own = {name: paid(one, cut, range(len(cut))) for name, one in rewards.items()}
    rows = {}
    edits = _edits(index, cut, prompt)
    for name, edit in tqdm(edits.items(), desc="Probing", disable=not show_progress):
        rng = random.Random(seed)
        edited = [edit(list(sentences), rng) if sentences else None for sentences in cut]
        kept = [row for row, one in enumerate(edited) if one is not None]
        texts = [one for one in edited if one is not None]
        rows[name] = {"reports": float(len(kept))} | {
            reward: _share(paid(one, texts, kept), [own[reward][row] for row in kept])
            for reward, one in rewards.items()
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table["reports"] = table["reports"].astype(int)
    table.index.name = "edit"
    return table


def _share(edited: Sequence[float | None], own: Sequence[float | None]) -> float:
    """The mean as a share of another; NaN where that is not above 0."""
    whole = _mean(own)
    return _mean(edited) / whole if whole > 0 else float("nan")


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 0.0


def _edits(index: FindingsIndex, reports: list[list[str]], prompt: str) -> dict[str, Edit]:
    """The edits, those that keep the meaning first."""
    read = index.reader.read
    wordings = _wordings(index)
    template = normal_template(index)

    def swap(pairs: Mapping[str, str]) -> Edit:
        return lambda sentences, rng: _in_abnormal(sentences, read, lambda s: _swap(s, pairs))

    return {
        "in another order": lambda sentences, rng: rng.sample(sentences, len(sentences)),
        "in other words": lambda sentences, rng: _reworded(sentences, index, wordings, rng),
        "each sentence twice": lambda sentences, rng: sentences * 2,
        "a finding in doubt": lambda sentences, rng: _in_abnormal(
            sentences, read, lambda s: re.sub(*_DOUBT, s, count=1)
        ),
        "another degree": swap(_DEGREES),
        "the other side": swap(_SIDES),
        "a finding left out": lambda sentences, rng: _without(sentences, read, "abnormal"),
        "all findings left out": lambda sentences, rng: _without(sentences, read, "abnormal", None),
        "a normal statement left out": lambda sentences, rng: _without(sentences, read, "normal"),
        "a finding denied": lambda sentences, rng: _in_abnormal(sentences, read, _denied),
        "all findings denied as well": lambda sentences, rng: _taken_back(sentences, read),
        "a denial stated": lambda sentences, rng: _in_sign(
            sentences, read, "normal", lambda s: _DENIALS.sub("", s)
        ),
        "another report": lambda sentences, rng: rng.choice(reports),
        "normal template": lambda sentences, rng: template,
        "the prompt": lambda sentences, rng: split_sentences(prompt),
        "nothing": lambda sentences, rng: [],
    }


def _taken_back(sentences: list[str], read: Callable[[str], Reading]) -> list[str] | None:
    denials = [_denied(one) for one in sentences if read(one).sign == "abnormal"]
    return [*sentences, *denials] if denials else None


def _in_sign(
    sentences: list[str], read: Callable[[str], Reading], sign: str, edit: Callable[[str], str]
) -> list[str] | None:
    """Edits the first sentence of a sign that the edit changes into one that is understood."""
    for place, sentence in enumerate(sentences):
        if read(sentence).sign != sign:
            continue
        edited = edit(sentence)
        if edited != sentence and edited.strip():
            return [*sentences[:place], edited, *sentences[place + 1 :]]
    return None


def _in_abnormal(
    sentences: list[str], read: Callable[[str], Reading], edit: Callable[[str], str]
) -> list[str] | None:
    return _in_sign(sentences, read, "abnormal", edit)


def _swap(sentence: str, pairs: Mapping[str, str]) -> str:
    pattern = rf"\b({'|'.join(pairs)})\b"
    return re.sub(pattern, lambda found: pairs[found[0].lower()], sentence, flags=re.IGNORECASE)


def _denied(sentence: str) -> str:
    """Writes "no" into a sentence: "There is a nodule", "The heart is large", "Small nodule"."""
    if _THERE.match(sentence):
        return _THERE.sub(r"\1 no ", sentence)
    if re.search(r"\b(is|are)\b", sentence):
        return re.sub(r"\b(is|are)\b", r"\1 not", sentence, count=1)
    return f"No {sentence[0].lower()}{sentence[1:]}"


def _wordings(index: FindingsIndex) -> dict[int, list[str]]:
    """The sentences of each unit."""
    found: dict[int, list[str]] = {}
    columns = (index.sentences.column(name).to_pylist() for name in ("unit_id", "text"))
    for unit, text in zip(*columns, strict=True):
        found.setdefault(unit, []).append(text)
    return found


def _reworded(
    sentences: list[str], index: FindingsIndex, wordings: dict[int, list[str]], rng: random.Random
) -> list[str] | None:
    changed = []
    for sentence, unit in zip(sentences, index.units(sentences), strict=True):
        own = index.normalize(sentence)
        others = [one for one in wordings.get(unit.unit_id, []) if index.normalize(one) != own]
        changed.append(rng.choice(others) if unit.unit_id >= 0 and others else sentence)
    return changed if changed != sentences else None


def normal_template(index: FindingsIndex, count: int = _TEMPLATE) -> list[str]:
    """Gives the commonest normal statements of a corpus: a report that any image would get.

    Args:
        index ([`FindingsIndex`]): Of the corpus.
        count (`int`, *optional*, defaults to `8`): Statements; a complete report makes about eight.

    Returns:
        `list[str]`: Sentences, the commonest first.
    """
    table = index.unit_table
    support = Counter(dict(enumerate(table.column("support").to_pylist())))
    texts = table.column("text").to_pylist()
    signs = index.unit_signs
    common = [unit for unit, _ in support.most_common() if signs[unit] == "normal"]
    return [texts[unit] for unit in common[:count]]


def _without(
    sentences: list[str], read: Callable[[str], Reading], sign: str, most: int | None = 1
) -> list[str] | None:
    drop = [place for place, one in enumerate(sentences) if read(one).sign == sign][:most]
    kept = [one for place, one in enumerate(sentences) if place not in drop]
    return kept if drop and kept else None
