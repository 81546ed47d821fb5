"""A corpus to its FindingsIndex: sentences, vectors, clusters, units, co-occurrence, files."""

from semenrich_datasets.index.findings_index import FindingsIndex
from semenrich_datasets.index.units import Unit

__all__ = ["FindingsIndex", "Unit"]
