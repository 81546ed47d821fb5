"""The README.md of an enriched dataset."""

from __future__ import annotations

import json

import datasets

from semenrich_datasets.audit.masked_truth import MaskedTruth, masked_truth
from semenrich_datasets.audit.summary import Summary, named_counts, summarize
from semenrich_datasets.enrich import SemEnricher
from semenrich_datasets.index.holders import travelling_texts

_SHOWN_UNITS = 10

_CARD = """# Radiology reports, enriched

Radiology reports with the normal findings that their authors most likely left out, added by
[SemEnrich](https://arxiv.org/abs/2604.09887).

| | |
| --- | --- |
{figures}

## How it was made

- Index of {index_reports:,} reports: {sentences:,} distinct sentences, {units:,} units of meaning
  ({clustering}; {embedder}; lexicon {lexicon}).
- SHA-256 of the index: `{digest}`.
- Enricher of semenrich {version}: preset "{preset}", strategy "{strategy}", least score
  {min_score}, most additions {max_added}, variant {variant}, seed {seed}.
- Privacy floor: {floor}.
- Additions were compared with {columns}. Guards beyond the built-in ones: {guards}.
- `{enriched_column}` is the report with the additions behind it, `{added_column}` lists them:
  `sentence`, `cluster_id` (its unit), `support` (reports of the index that hold it) and `score`.
  The other columns are as they were.

| most added | additions |
| --- | --- |
{most_added}

<details><summary>All settings, as `SemEnricher.from_dict` reads them</summary>

```json
{settings}
```

</details>

## Estimated truth

All that a report says on a topic was hidden, the rest was enriched, and what was added was compared
with what had been hidden: {masked_reports:,} reports, judged by a model of silence that had not
seen them. {masked_summary}

| hidden | abnormal | opposite added | normal | said again |
| --- | --- | --- | --- | --- |
{masked_rows}

This needs no label and no radiologist, and sees no more than the reader does: an abnormality that
nobody states in any report is not in it.

## Limitations

- An added sentence is inferred from other reports, not read off this patient's image. It must not
  be used for the care of patients.
- The additions repeat the habits, the vocabulary and the prevalences of the index's corpus.
- Rates of good, contradicting and redundant additions come from a reader: judge the sample of
  `semenrich audit`.{paper_limits}

## Citation

```bibtex
@misc{{gulluk2026semenrich,
  title = {{SemEnrich: Self-Supervised Semantic Enrichment for Medical Vision-Language Models}},
  author = {{Gulluk and Gevaert}},
  year = {{2026}},
  eprint = {{2604.09887}},
  archivePrefix = {{arXiv}}
}}
```
"""
_FLOOR = (
    "each addition is written in words of the lexicon alone, and reports of at least 3 patients of "
    "the index hold it"
)
_NO_FLOOR = "off: an addition may repeat the very words of one patient's report, names included"
_PAPER_LIMITS = """
- The preset "{preset}" is for comparison: nothing keeps an addition from contradicting its
  report."""


def dataset_card(
    enriched: datasets.Dataset, enricher: SemEnricher, masked: MaskedTruth | None = None
) -> str:
    """Writes the body of the README.md of an enriched dataset; nothing is fetched for it.

    Args:
        enriched (`datasets.Dataset`): The output of `map(enricher)`.
        enricher ([`SemEnricher`]): What made it.
        masked ([`MaskedTruth`], *optional*): Its masked truth, where it is known already; made here
            by default.

    Returns:
        `str`: Markdown without front matter, for `DatasetCard.text`: what was done, the figures,
        the limits and the citation. It shows no sentence that may not travel to other reports.
    """
    summary, config = summarize(enriched, enricher), enricher.index.config
    masked = masked or masked_truth(enriched, enricher, min_scores=())
    settings = enricher.to_dict()
    names = ("preset", "strategy", "min_score", "max_added", "variant", "seed")
    shown = {name: "by default" if settings[name] is None else settings[name] for name in names}
    found = enricher.find_columns(enriched.column_names)
    columns = dict.fromkeys([found.findings, *found.context])
    texts = travelling_texts(enricher.index.sentences, enricher.index.unit_table.num_rows)
    floored = enricher.preset == "safe" or enricher.privacy_floor
    return _CARD.format(
        figures="\n".join(_figure_rows(summary)),
        index_reports=config.reports,
        sentences=enricher.index.sentences.num_rows,
        units=enricher.index.unit_table.num_rows,
        clustering=config.clustering_text,
        embedder=config.embedder,
        lexicon=config.lexicon,
        digest=enricher.index.digest,
        columns=" and ".join(f"`{column}`" for column in columns),
        guards=", ".join(settings["guards"]) or "none",
        version=settings["semenrich_version"],
        settings=json.dumps(settings, indent=1),
        enriched_column=enricher.enriched_column,
        added_column=enricher.added_column,
        most_added="\n".join(_most_added(summary, texts)),
        masked_reports=masked.reports,
        masked_summary=masked.summary(),
        masked_rows="\n".join(_masked_rows(masked)),
        floor=_FLOOR if floored else _NO_FLOOR,
        paper_limits="" if enricher.preset == "safe" else _PAPER_LIMITS.format(**shown),
        **shown,
    )


def _figure_rows(summary: Summary) -> list[str]:
    rows = [f"| {name} | {value:,} |" for name, value in named_counts(summary)]
    return [*rows, f"| additions per report | {summary.additions_per_report:.2f} |"]


def _masked_rows(masked: MaskedTruth) -> list[str]:
    return [
        f"| {row['topic'].replace('_', ' ')} | {row['abnormal']:,} | {row['opposite']:,} "
        f"| {row['normal']:,} | {row['restored']:,} |"
        for row in masked.by_topic().to_pylist()
    ]


def _most_added(summary: Summary, texts: list[str | None]) -> list[str]:
    most = list(summary.additions_by_unit.items())[:_SHOWN_UNITS]
    named = [(texts[unit] or f"unit {unit}", count) for unit, count in most]
    return [f"| {name.replace('|', '/')} | {count:,} |" for name, count in named]
