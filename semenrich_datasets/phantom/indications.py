"""Why a study was asked for: mostly because of what is there, sometimes for another reason."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import accumulate
from random import Random

from semenrich_datasets.phantom.grammar import Block, read_blocks
from semenrich_datasets.phantom.truth import State

_FILE = "indications.txt"
_NOISE = 0.12  # of studies: the reason has nothing to do with what is there
_AGES = (18, 92)

# Reason -> its weight in everybody, and what each finding adds to it.
REASONS: dict[str, tuple[float, Mapping[str, float]]] = {
    "trauma": (0.5, {"acute rib fracture": 14, "pneumothorax": 5, "old rib fracture": 1.5}),
    "heart failure": (
        0.3,
        {"edema": 7, "congestion": 5, "cardiomegaly": 3, "effusion": 1, "pacemaker": 1},
    ),
    "dyspnea": (
        1.2,
        {"edema": 3, "effusion": 3, "pneumothorax": 3, "emphysema": 2, "hyperinflation": 1}
        | {"consolidation": 1, "low volumes": 1, "elevated hemidiaphragm": 2},
    ),
    "infection": (1.0, {"consolidation": 9, "effusion": 1}),
    "cough": (1.5, {"consolidation": 2, "hyperinflation": 1, "nodule": 1}),
    "chest pain": (2.2, {"pneumothorax": 2, "acute rib fracture": 1, "tortuous aorta": 0.5}),
    "line placement": (0.05, {"central line": 9, "pacemaker": 2}),
    "mediastinum": (0.05, {"wide mediastinum": 9, "prominent hilum": 2}),
    "screening": (2.2, {}),
    "nodule": (0.2, {"nodule": 7, "granuloma": 1.5, "prominent hilum": 1}),
    "chronic lung disease": (0.3, {"emphysema": 5, "hyperinflation": 3}),
    "old infection": (0.1, {"scar": 2, "granuloma": 1.5}),
    "surgery": (0.1, {"sternotomy wires": 2, "atelectasis": 2, "low volumes": 1}),
}


@cache
def reasons() -> dict[str, Block]:
    """Maps each reason to its wordings."""
    return {block.heading: block for block in read_blocks(_FILE)}


@cache
def _weights() -> tuple[list[str], list[float], dict[str, list[tuple[int, float]]]]:
    """Gives the reasons, their weights in everybody, and what each finding adds to which."""
    names = list(REASONS)
    added: dict[str, list[tuple[int, float]]] = {}
    for number, (_, findings) in enumerate(REASONS.values()):
        for finding, weight in findings.items():
            added.setdefault(finding, []).append((number, weight))
    return names, [base for base, _ in REASONS.values()], added


def draw_indication(state: State, rng: Random) -> str:
    """Draws the indication of a study, as short as those who ask for it write."""
    names, weights, added = _weights()
    if state and rng.random() >= _NOISE:
        weights = weights.copy()
        for finding in {one.name: None for one in state}:
            for number, weight in added.get(finding, ()):
                weights[number] += weight
    reason = rng.choices(names, cum_weights=list(accumulate(weights)))[0]
    block = reasons()[reason]
    text = rng.choices(block.sentences, cum_weights=block.cumulative)[0]
    return text.replace("{age}", str(rng.randint(*_AGES))) if "{age}" in text else text
