"""Adds to each radiology report the normal findings that its author left out."""

from semenrich_datasets.enricher import SemEnricher
from semenrich_datasets.index import FindingsIndex

__all__ = ["FindingsIndex", "SemEnricher"]
