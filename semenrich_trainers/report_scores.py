"""How well generated reports agree with their references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from semenrich_datasets.index import FindingsIndex, Unit
from semenrich_trainers.formatting import ParsedReport, parse_report
from semenrich_trainers.references import known_texts
from semenrich_trainers.rewards.cluster import unit_sets
from semenrich_trainers.rewards.sections import f1
from semenrich_trainers.rewards.text import BleuReward

Pair = tuple[frozenset[Unit], frozenset[Unit]]


@dataclass(frozen=True)
class ReportScores:
    """How well generated reports agree with their references.

    Args:
        metrics (`dict[str, float]`): 0 to 1 each. `cluster_f1`: mean over the reports of the F1 of
            the findings' units; `cluster_precision`, `cluster_recall`: over all their
            statements together; `cluster_f1_normal`, `cluster_f1_abnormal`: F1 over all normal, or
            abnormal, statements; `impression_cluster_f1`; `sentence_bleu` of the findings;
            `format_rate`. A section whose reference says nothing counts in the last alone.
        reports (`pandas.DataFrame`): A row per report: completion, references, its F1.
        missed (`pandas.DataFrame`): The units that references hold and completions lack, the
            most often missed first: `sentence` (the most common of the unit), `sign`, `missed`,
            `held` (reports whose reference holds it).
    """

    metrics: dict[str, float]
    reports: pd.DataFrame
    missed: pd.DataFrame


class ReportScorer:
    """Scores completions against reference reports by an index.

    Args:
        index ([`FindingsIndex`]): Of findings.
        impression_index ([`FindingsIndex`], *optional*): Of impressions; by default `index`.
    """

    def __init__(self, index: FindingsIndex, impression_index: FindingsIndex | None = None) -> None:
        self.index = index
        self.impression_index = impression_index or index
        self._bleu = BleuReward(impression_column=None)

    def __call__(
        self, completions: Sequence[str], findings: Sequence[Any], impressions: Sequence[Any]
    ) -> ReportScores:
        """Scores completions.

        Args:
            completions (`Sequence[str]`): What a model wrote, tags and all.
            findings (`Sequence`): Reference findings; what says nothing
                ([`~references.known_text`]) is not scored.
            impressions (`Sequence`): Reference impressions; the same.

        Returns:
            [`ReportScores`]
        """
        parsed = [parse_report(text) for text in completions]
        wanted, answers = known_texts(findings), known_texts(impressions)
        pairs = self._pairs(parsed, wanted)
        scores = [None if pair is None else _pair_f1(*pair) for pair in pairs]
        known = [pair for pair in pairs if pair is not None]
        table = {"completion": list(completions), "findings": wanted, "impression": answers}
        return ReportScores(
            metrics={
                "format_rate": _mean([float(report.well_formed) for report in parsed]),
                "sentence_bleu": _mean(self._bleu(completions, findings=wanted)),
                "cluster_f1": _mean(scores),
                "impression_cluster_f1": self._impression_f1(parsed, answers),
                **self._pooled(known),
            },
            reports=pd.DataFrame({**table, "cluster_f1": scores}),
            missed=self._missed(known),
        )

    def most_missed(self, completions: Sequence[str], findings: Sequence[Any]) -> pd.DataFrame:
        """Gives the units that references hold and completions lack, as of [`ReportScores`]."""
        pairs = self._pairs([parse_report(text) for text in completions], known_texts(findings))
        return self._missed([pair for pair in pairs if pair is not None])

    def _pairs(self, parsed: Sequence[ParsedReport], wanted: Sequence[str]) -> list[Pair | None]:
        sets = unit_sets(self.index, [*(report.findings for report in parsed), *wanted])
        pairs = zip(sets[: len(wanted)], sets[len(wanted) :], strict=True)
        return [pair if text else None for pair, text in zip(pairs, wanted, strict=True)]

    def _missed(self, pairs: Sequence[Pair]) -> pd.DataFrame:
        held = Counter(unit.unit_id for _, wanted in pairs for unit in wanted)
        missed = Counter(unit.unit_id for written, wanted in pairs for unit in wanted - written)
        texts = self.index.unit_table.column("text")
        rows = [
            (texts[unit].as_py(), self.index.unit_signs[unit], count, held[unit])
            for unit, count in sorted(missed.items(), key=lambda item: (-item[1], item[0]))
            if unit >= 0
        ]
        return pd.DataFrame(rows, columns=["sentence", "sign", "missed", "held"])

    def _impression_f1(self, parsed: Sequence[ParsedReport], wanted: Sequence[str]) -> float:
        written = unit_sets(self.impression_index, [report.impression for report in parsed])
        scores = map(_pair_f1, written, unit_sets(self.impression_index, wanted))
        return _mean([score for score, text in zip(scores, wanted, strict=True) if text])

    def _pooled(self, pairs: Sequence[Pair]) -> dict[str, float]:
        shared, written, wanted = (
            Counter(unit.sign for units in sets for unit in units)
            for sets in (
                [generated & reference for generated, reference in pairs],
                [generated for generated, _ in pairs],
                [reference for _, reference in pairs],
            )
        )
        return {
            "cluster_precision": shared.total() / max(written.total(), 1),
            "cluster_recall": shared.total() / max(wanted.total(), 1),
            "cluster_f1_normal": f1(shared["normal"], written["normal"], wanted["normal"]),
            "cluster_f1_abnormal": f1(shared["abnormal"], written["abnormal"], wanted["abnormal"]),
        }


def _pair_f1(written: frozenset[Unit], wanted: frozenset[Unit]) -> float:
    return f1(len(written & wanted), len(written), len(wanted))


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 0.0
