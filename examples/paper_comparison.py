"""Arms compared with one of them over studies and seeds, corrected for how many they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from paired_tests import Figure, compare_runs, holm

#: Figures of a run by name; the runs of an arm by seed.
Runs = Mapping[int, Mapping[str, Figure]]

RESAMPLES = 2000


def compare_arms(arms: Mapping[str, Runs], base: str) -> dict[str, Any]:
    """Gives the figures of each arm and how they differ from those of one of them.

    Args:
        arms (`Mapping`): Of each arm its runs by seed, of each run its figures by name.
        base (`str`): The arm that the others are compared with.

    Returns:
        `dict`: Of each arm and figure `value` (mean over the seeds), `seeds`, and where there is a
        base `difference`, `relative`, `interval` (95 %, over studies and seeds), `p_value` and
        `p_corrected` (Holm's method over the arms, figure by figure).
    """
    table = {
        arm: {
            name: {"value": float(np.mean([run[name].value for run in runs.values()]))}
            | {"seeds": len(runs)}
            for name in sorted(set.intersection(*map(set, runs.values())))
        }
        for arm, runs in arms.items()
    }
    if base not in arms:
        return table
    for name in table[base]:
        others = [arm for arm in arms if arm != base and name in table[arm]]
        for arm in others:
            first, second = (_figures(arms[one], name) for one in (arm, base))
            entry = compare_runs(first, second, RESAMPLES, 0)
            entry["relative"] = entry["difference"] / max(table[base][name]["value"], 1e-9)
            table[arm][name] |= entry
        p_values = [table[arm][name]["p_value"] for arm in others]
        for arm, corrected in zip(others, holm(p_values), strict=True):
            table[arm][name]["p_corrected"] = corrected
    return table


def _figures(runs: Runs, name: str) -> list[Figure]:
    return [run[name] for _, run in sorted(runs.items())]
