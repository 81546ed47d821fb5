"""How well generated reports agree with their references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from semenrich_datasets.index import FindingsIndex
from semenrich_datasets.index.claims import ClaimReader, Claims, Overlap, agree
from semenrich_trainers.formatting import ParsedReport, parse_report
from semenrich_trainers.references import known_texts
from semenrich_trainers.rewards.claim_weights import ClaimWeights
from semenrich_trainers.rewards.text import BleuReward

Pair = tuple[Claims, Claims]


@dataclass(frozen=True)
class ReportScores:
    """How well generated reports agree with their references.

    Args:
        metrics (`dict[str, float]`): 0 to 1 each. `cluster_f1`: mean over the reports of the F1 of
            the findings' claims, as [`~rewards.ClusterReward`] gives it; `cluster_precision`,
            `cluster_recall`: over all their claims together; `cluster_f1_normal`,
            `cluster_f1_abnormal`: F1 over all normal, or abnormal, claims; `impression_cluster_f1`;
            `sentence_bleu` of the findings; `format_rate`. A section whose reference says nothing
            counts in the last alone.
        reports (`pandas.DataFrame`): A row per report: completion, references, its F1.
        missed (`pandas.DataFrame`): What references claim and completions don't, whatever its
            details, the most often missed first: `sentence` (the commonest of the corpus that
            claims it), `sign`, `missed`, `held` (reports whose reference claims it).
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
        self._findings = ClaimReader(index)
        self._impressions = ClaimReader(impression_index) if impression_index else self._findings
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
        known = [pair for pair in pairs if pair is not None]
        overlaps = _overlaps(known, self._findings)
        remaining = iter(overlaps)
        scores = [None if pair is None else _total(next(remaining)).f1() for pair in pairs]
        table = {"completion": list(completions), "findings": wanted, "impression": answers}
        return ReportScores(
            metrics={
                "format_rate": _mean([float(report.well_formed) for report in parsed]),
                "sentence_bleu": _mean(self._bleu(completions, findings=wanted)),
                "cluster_f1": _mean(scores),
                "impression_cluster_f1": self._impression_f1(parsed, answers),
                **_pooled(overlaps),
            },
            reports=pd.DataFrame({**table, "cluster_f1": scores}),
            missed=self._missed(known),
        )

    def most_missed(self, completions: Sequence[str], findings: Sequence[Any]) -> pd.DataFrame:
        """Gives what references claim and completions don't, as of [`ReportScores`]."""
        pairs = self._pairs([parse_report(text) for text in completions], known_texts(findings))
        return self._missed([pair for pair in pairs if pair is not None])

    def _pairs(self, parsed: Sequence[ParsedReport], wanted: Sequence[str]) -> list[Pair | None]:
        written = self._findings([report.findings for report in parsed])
        pairs = zip(written, self._findings(wanted), strict=True)
        return [pair if text else None for pair, text in zip(pairs, wanted, strict=True)]

    def _missed(self, pairs: Sequence[Pair]) -> pd.DataFrame:
        held = Counter(claim for _, wanted in pairs for claim in set(wanted.kinds))
        missed = Counter(
            claim
            for written, wanted in pairs
            for claim in set(wanted.kinds) - set(written.kinds)
            if claim in self._sentences
        )
        rows = [
            (self._sentences[claim], "abnormal" if claim[1] else "normal", count, held[claim])
            for claim, count in missed.items()
        ]
        rows.sort(key=lambda row: (-row[2], row[0]))
        return pd.DataFrame(rows, columns=["sentence", "sign", "missed", "held"])

    @cached_property
    def _sentences(self) -> dict[tuple[Hashable, bool], str]:
        """The commonest sentence of the corpus for each claim, one that claims it alone if any."""
        texts = self._findings.index.unit_table.column("text").to_pylist()
        made = [
            (claims.kinds, text) for claims, text in zip(self._findings(texts), texts, strict=True)
        ]
        made.sort(key=lambda one: len(one[0]) != 1)
        sentences: dict[tuple[Hashable, bool], str] = {}
        for kinds, text in made:
            for claim in kinds:
                sentences.setdefault(claim, text)
        return sentences

    def _impression_f1(self, parsed: Sequence[ParsedReport], wanted: Sequence[str]) -> float:
        reader = self._impressions
        written = reader([report.impression for report in parsed])
        overlaps = _overlaps(list(zip(written, reader(wanted), strict=True)), reader)
        scores = zip(overlaps, wanted, strict=True)
        return _mean([_total(one).f1() for one, text in scores if text])


def _overlaps(pairs: Sequence[Pair], reader: ClaimReader) -> list[dict[str, Overlap]]:
    weights = ClaimWeights(reader)
    return [agree(*pair, weights, reader.index.reader) for pair in pairs]


def _total(by_sign: dict[str, Overlap]) -> Overlap:
    return sum(by_sign.values(), Overlap())


def _pooled(overlaps: Sequence[dict[str, Overlap]]) -> dict[str, float]:
    pooled = {
        sign: sum((one[sign] for one in overlaps), Overlap()) for sign in ("normal", "abnormal")
    }
    both = _total(pooled)
    return {
        "cluster_precision": both.shared / max(both.written, 1.0),
        "cluster_recall": both.shared / max(both.wanted, 1.0),
        "cluster_f1_normal": pooled["normal"].f1(),
        "cluster_f1_abnormal": pooled["abnormal"].f1(),
    }


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 0.0
