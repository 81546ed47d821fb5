"""The README.md of an index: what it was made from and what it holds."""

from __future__ import annotations

import pyarrow as pa
from huggingface_hub import ModelCardData

from semenrich_datasets.index.config import IndexConfig
from semenrich_datasets.index.holders import MIN_SUPPORT, travelling_texts
from semenrich_datasets.reading.signs import SIGNS

_SHOWN = 10

_CARD = """---
{front_matter}
---

# SemEnrich findings index

What {reports:,} radiology reports say and how often, for adding to a report the normal findings
that its author left out ([SemEnrich](https://arxiv.org/abs/2604.09887)).

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
| units of meaning | {units:,} ({normal:,} normal, {abnormal:,} abnormal, {neutral:,} neutral) |
| embedder | {embedder} |
| clustering | {clustering} |
| lexicon | {lexicon} |
| preset | {preset} |
| semenrich | {semenrich_version} |

## Most common units

| sentence | sign | reports |
| --- | --- | --- |
{rows}

## Limitations

- "Normal" means what a healthy person's report would say; the paper calls it positive, which in
  radiology means the opposite.
- The index repeats the habits, the vocabulary and the prevalences of its corpus.
- {holds}
"""

_WHOLE = """It holds every distinct sentence of that corpus, rare ones of single patients included.
  Treat it as you treat the reports."""
_SHARED = """It is the shared form: it holds the sentences that may be added to other reports and
  that {least} patients or more hold, no abnormal one among them, and counts in steps of {least}."""


def index_card(config: IndexConfig, sentences: pa.Table, units: pa.Table) -> str:
    """Writes the card of an index; nothing is fetched for it.

    Args:
        config ([`IndexConfig`]): Of the index.
        sentences (`pyarrow.Table`): Of the index.
        units (`pyarrow.Table`): Of the index.

    Returns:
        `str`: Markdown with front matter.
    """
    signs = units.column("sign").to_pylist()
    card_data = ModelCardData(
        library_name="semenrich", tags=["semenrich", "radiology", config.lexicon.replace("_", "-")]
    )
    return _CARD.format(
        front_matter=card_data.to_yaml(),
        sentences=sentences.num_rows,
        units=len(signs),
        **{sign: signs.count(sign) for sign in SIGNS},
        rows="\n".join(_common_units(units, sentences)),
        holds=_SHARED.format(least=MIN_SUPPORT) if config.shared else _WHOLE,
        **{**config.to_dict(), "clustering": config.clustering_text},
    )


def _common_units(units: pa.Table, sentences: pa.Table) -> list[str]:
    """Returns rows of the most common units of which a sentence may be shown."""
    texts = travelling_texts(sentences, units.num_rows)
    rows = units.sort_by([("support", "descending"), ("unit_id", "ascending")]).to_pylist()
    shown = [row for row in rows if texts[row["unit_id"]] is not None][:_SHOWN]
    return [f"| {texts[row['unit_id']]} | {row['sign']} | {row['support']:,} |" for row in shown]
