"""Which column is what in the datasets of the field, and what its rows say of a study."""

from semenrich_datasets.columns.names import ReportColumns, check_names, find_columns
from semenrich_datasets.columns.studies import (
    StudyTexts,
    check_column,
    iterate_studies,
    read_texts,
)

__all__ = [
    "ReportColumns",
    "StudyTexts",
    "check_column",
    "check_names",
    "find_columns",
    "iterate_studies",
    "read_texts",
]
