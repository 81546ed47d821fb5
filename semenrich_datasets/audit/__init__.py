"""What was added to reports, why, and how true it is: counts, tables, page, card, verdicts."""

from semenrich_datasets.audit.card import dataset_card
from semenrich_datasets.audit.masked_truth import MaskedTruth, masked_truth
from semenrich_datasets.audit.page import write_audit
from semenrich_datasets.audit.publish import push_enriched
from semenrich_datasets.audit.summary import Summary, summarize
from semenrich_datasets.audit.tables import audit_tables
from semenrich_datasets.audit.verdicts import Verdicts, read_verdicts

__all__ = [
    "MaskedTruth",
    "Summary",
    "Verdicts",
    "audit_tables",
    "dataset_card",
    "masked_truth",
    "push_enriched",
    "read_verdicts",
    "summarize",
    "write_audit",
]
