"""Adds to each radiology report the normal findings that its author left out."""

from semenrich_datasets.enrich import SemEnricher
from semenrich_datasets.index import FindingsIndex
from semenrich_datasets.reading import Reader

__all__ = ["FindingsIndex", "Reader", "SemEnricher"]
