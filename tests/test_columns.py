"""One column of any kind of dataset, and no other."""

import datasets
import pytest

from semenrich_datasets.columns import check_column, iterate_texts

ROWS = [{"findings": "Clear lungs.", "n": 1}, {"findings": None, "n": 2}]
TEXTS = ["Clear lungs.", None]


@pytest.mark.parametrize(
    "reports",
    [
        ROWS,
        TEXTS,
        iter(ROWS),
        datasets.Dataset.from_list(ROWS),
        datasets.Dataset.from_list(ROWS).with_format("numpy"),
        datasets.Dataset.from_list(ROWS).to_iterable_dataset(),
        datasets.Dataset.from_list(ROWS).to_iterable_dataset().map(lambda row: row),
    ],
    ids=["dicts", "strings", "iterator", "Dataset", "numpy", "IterableDataset", "stream"],
)
def test_texts_of_any_kind_of_dataset(reports):
    assert list(iterate_texts(reports, "findings")) == TEXTS


def test_other_columns_are_not_decoded():
    table = datasets.Dataset.from_dict(
        {"findings": ["Clear lungs."], "image": [{"bytes": b"no image", "path": None}]},
        features=datasets.Features(
            {"findings": datasets.Value("string"), "image": datasets.Image()}
        ),
    )
    with pytest.raises(OSError, match="cannot identify image"):
        table[0]
    assert list(iterate_texts(table, "findings")) == ["Clear lungs."]
    assert list(iterate_texts(table.to_iterable_dataset(), "findings")) == ["Clear lungs."]


@pytest.mark.parametrize(
    "reports",
    [
        ROWS,
        datasets.Dataset.from_list(ROWS),
        datasets.Dataset.from_list(ROWS).to_iterable_dataset(),
    ],
    ids=["dicts", "Dataset", "IterableDataset"],
)
def test_a_missing_column_names_those_there_are(reports):
    with pytest.raises(ValueError, match="'report' not found; the columns are 'findings', 'n'"):
        list(iterate_texts(reports, "report"))


def test_a_dataset_dict_is_refused_with_its_splits():
    splits = datasets.DatasetDict(train=datasets.Dataset.from_list(ROWS))
    with pytest.raises(ValueError, match="choose one of 'train'"):
        list(iterate_texts(splits, "findings"))
    streams = datasets.IterableDatasetDict(test=splits["train"].to_iterable_dataset())
    with pytest.raises(ValueError, match="choose one of 'test'"):
        list(iterate_texts(streams, "findings"))


def test_check_column_names_the_argument():
    check_column("a", {"a": 1})
    with pytest.raises(ValueError, match="columns are none: pass one as context_columns="):
        check_column("a", [], "context_columns")
