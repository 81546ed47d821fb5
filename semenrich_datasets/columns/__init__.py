"""Which column is what in the datasets of the field, and what its rows say of a study."""

from semenrich_datasets.columns.names import ReportColumns, check_names, find_columns
from semenrich_datasets.columns.studies import (
    StudyTexts,
    check_column,
    iterate_studies,
    keyed_studies,
    read_texts,
    study_columns,
)

__all__ = [
    "ReportColumns",
    "StudyTexts",
    "check_column",
    "check_names",
    "find_columns",
    "iterate_studies",
    "keyed_studies",
    "read_texts",
    "study_columns",
]
