"""The README.md of an index: what it was made from and what it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
from huggingface_hub import ModelCardData

if TYPE_CHECKING:
    from semenrich_datasets.index import FindingsIndex

# A sentence held by fewer reports might be one patient's own, and is not shown.
_SHOWN_FROM = 10
_SHOWN = 10

_CARD = """---
{front_matter}
---

# SemEnrich findings index

Sentence clusters of {reports:,} radiology reports, for adding to a report the normal findings that
its author left out ([SemEnrich](https://arxiv.org/abs/2604.09887)).

```python
from datasets import load_dataset
from semenrich_datasets import FindingsIndex, SemEnricher

index = FindingsIndex.from_pretrained("{{this repository or folder}}")
enriched = dataset.map(SemEnricher(index, text_column="{text_column}"), batched=True)
```

| | |
| --- | --- |
| reports | {reports:,} ({reports_without_text:,} rows without text) |
| distinct sentences | {sentences:,} |
| occurrences in no cluster | {noise:.1%} |
| clusters | {clusters:,} ({normal:,} normal, {abnormal:,} abnormal, {neutral:,} neutral) |
| embedder | {embedder} |
| clustering | {clustering} |
| preset | {preset} |
| semenrich | {semenrich_version} |

## Most common clusters

| sentence | sign | reports |
| --- | --- | --- |
{rows}

## Limitations

- "Normal" means what a healthy person's report would say; the paper calls it positive, which in
  radiology means the opposite.
- The index repeats the habits, the vocabulary and the prevalences of its corpus.
- It holds every distinct sentence of that corpus, rare ones of single patients included. Treat it
  as you treat the reports.
"""


def index_card(index: FindingsIndex) -> str:
    """Writes the card of an index; nothing is fetched for it."""
    config = index.config
    noise = pc.filter(
        index.sentences.column("occurrences"), pc.equal(index.sentences.column("cluster_id"), -1)
    )
    total = pc.sum(index.sentences.column("occurrences")).as_py()
    signs = index.clusters.column("sign").to_pylist()
    clustering = ", ".join(f"{key} {value}" for key, value in config["clustering"].items())
    card_data = ModelCardData(
        library_name="semenrich", tags=["semenrich", "radiology", "chest-x-ray"]
    )
    return _CARD.format(
        front_matter=card_data.to_yaml(),
        sentences=index.sentences.num_rows,
        noise=(pc.sum(noise).as_py() or 0) / total,
        clusters=len(signs),
        **{sign: signs.count(sign) for sign in ("normal", "abnormal", "neutral")},
        rows="\n".join(_common_clusters(index)),
        **{**_fields(config), "clustering": clustering},
    )


def _common_clusters(index: FindingsIndex) -> list[str]:
    rows = index.clusters.sort_by([("reports", "descending"), ("cluster_id", "ascending")])
    shown = [row for row in rows.slice(0, _SHOWN).to_pylist() if row["reports"] >= _SHOWN_FROM]
    return [
        f"| {row['text'].replace('|', '/')} | {row['sign']} | {row['reports']:,} |" for row in shown
    ]


def _fields(config: dict[str, Any]) -> dict[str, Any]:
    names = ("reports", "reports_without_text", "text_column", "embedder", "preset")
    return {name: config[name] for name in (*names, "semenrich_version")}
