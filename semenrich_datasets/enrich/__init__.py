"""A report to its additions: facts, reasons, the safe and the published choice, guards."""

from semenrich_datasets.enrich.enricher import SemEnricher

__all__ = ["SemEnricher"]
