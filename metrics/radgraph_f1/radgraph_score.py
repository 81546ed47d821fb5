"""RadGraph rewards: how far the entities and relations of two reports agree.

Plain Python on annotations in RadGraph's JSON form, wherever they come from.

Source: Delbrouck et al., Improving the Factual Correctness of Radiology Report Generation with
Semantic Rewards (Findings of EMNLP 2022), and `rewards.py` of the package radgraph 0.1.18.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

Annotation = Mapping[str, Any]
Statement = tuple[Any, ...]


class Rewards(NamedTuple):
    """F1 of what two reports say, from 0 to 1.

    Args:
        simple (`float`): Over entities: their words and label (RG_E).
        partial (`float`): Entities also agree on whether they have a relation (RG_ER).
        complete (`float`): Relations are compared with the words at both ends (RG_ER-bar).
    """

    simple: float
    partial: float
    complete: float


def rewards(prediction: Annotation, reference: Annotation, ignore_case: bool = False) -> Rewards:
    """Scores the annotation of one report against that of another.

    Args:
        prediction (`dict`): `{"entities": {"1": {"tokens", "label", "relations"}, ...}}`, where a
            relation is `[label, key of the entity it points to]`.
        reference (`dict`): The same, of the report written by a radiologist.
        ignore_case (`bool`, *optional*, defaults to `False`): radgraph 0.1.18 compares words
            without case in relations alone. `True` does so everywhere, as its repository does since
            July 2026.

    Returns:
        [`Rewards`]: All 0 when either report has no entities.

    Raises:
        `ValueError`: When an annotation lacks a key, or a relation points to no entity.

    Example:
        ```python
        >>> lung = {"tokens": "lungs", "label": "Anatomy::definitely present", "relations": []}
        >>> clear = {
        ...     "tokens": "clear",
        ...     "label": "Observation::definitely present",
        ...     "relations": [["located_at", "1"]],
        ... }
        >>> rewards({"entities": {"1": lung}}, {"entities": {"1": lung, "2": clear}})
        Rewards(simple=0.6666666666666666, partial=0.6666666666666666, complete=0.6666666666666666)
        ```
    """
    said = _statements(prediction, ignore_case)
    expected = _statements(reference, ignore_case)
    return Rewards(*(_f1(found, truth) for found, truth in zip(said, expected, strict=True)))


def _statements(annotation: Annotation, ignore_case: bool) -> tuple[set[Statement], ...]:
    """What a report says at the three levels."""
    simple: set[Statement] = set()
    partial: set[Statement] = set()
    complete: set[Statement] = set()
    try:
        entities = annotation["entities"]
        for entity in entities.values():
            words = entity["tokens"].lower() if ignore_case else entity["tokens"]
            plain, relations = (words, entity["label"]), entity["relations"]
            simple.add(plain)
            partial.add((*plain, True) if relations else plain)
            if not relations:
                complete.add(plain)
            for label, key in relations:
                ends = entity["tokens"].lower(), entities[key]["tokens"].lower()
                complete.add((ends[0], entity["label"], label, ends[1]))
    except (KeyError, TypeError, AttributeError) as error:
        msg = (
            f"expected an annotation in RadGraph's form, found {error!r}: it needs "
            "`entities`, each with `tokens`, `label` and `relations` to keys of `entities`"
        )
        raise ValueError(msg) from error
    return simple, partial, complete


def _f1(found: set[Statement], truth: set[Statement]) -> float:
    if not found & truth:
        return 0.0
    precision = len(found & truth) / len(found)
    recall = len(found & truth) / len(truth)
    # Multiplied from the left, as published: the last digit agrees too.
    return 2 * precision * recall / (precision + recall)
