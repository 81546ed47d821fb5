"""What an index says of itself, and where it is not."""

import pytest
from fakes import build_index

from semenrich_datasets import FindingsIndex, SemEnricher
from semenrich_datasets.columns import find_columns


def test_its_repr_is_one_line_without_a_word_of_the_corpus():
    index = build_index()
    shown = repr(index)
    assert "\n" not in shown
    assert f"{index.config.reports:,} reports" in shown
    assert not any(text in shown for text in index.sentences.column("text").to_pylist())


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*look at the path"):
        FindingsIndex.from_pretrained(tmp_path / "a" / "b" / "index")


@pytest.mark.parametrize("names", [None, "findings"])
def test_names_that_are_no_list(names):
    with pytest.raises(TypeError, match="list of column names"):
        find_columns(names)
    with pytest.raises(TypeError, match="list of column names"):
        SemEnricher(build_index()).find_columns(names)


def test_a_table_is_no_dataset():
    import pandas as pd

    for reports in (pd.DataFrame({"findings": ["No effusion."]}), "reports.csv"):
        with pytest.raises(TypeError, match="load_dataset"):
            FindingsIndex.build(reports)


def test_one_sentence_is_no_list():
    with pytest.raises(TypeError, match="list of sentences"):
        build_index().units("No effusion.")
