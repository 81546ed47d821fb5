"""Caches: nobody else reads them, and killed runs leave nothing in them for long."""

import os

import numpy as np
import pytest

from semenrich_datasets.chat import AnswerFile
from semenrich_datasets.index.vector_cache import VectorCache
from semenrich_datasets.whole_files import draft_folder


@pytest.fixture(autouse=True)
def an_open_umask():
    old = os.umask(0)
    yield
    os.umask(old)


def mode(path):
    return path.stat().st_mode & 0o777


def test_vectors_are_read_by_their_owner_alone(tmp_path):
    cache = VectorCache(tmp_path / "cache", "encoder")
    cache.write(["a"], np.ones((1, 4), np.float32))
    assert mode(cache.folder) == 0o700
    assert [mode(path) for path in cache.folder.iterdir()] == [0o600]
    assert [rows for rows, _ in cache.read(["a"])] == [[0]]


def test_what_a_killed_run_left_goes_with_the_next_one(tmp_path):
    cache = VectorCache(tmp_path, "encoder")
    dead = cache.folder / ".vectors-abcd1234.draft"
    dead.mkdir(parents=True)
    (dead / "part.parquet").write_bytes(b"x")
    with draft_folder(cache.folder / "vectors") as living:
        cache.write(["a"], np.ones((1, 4), np.float32))
        assert living.exists()  # of a run that is writing it now
    assert not dead.exists()


def test_answers_are_read_by_their_owner_alone(tmp_path):
    file = AnswerFile(tmp_path / "answers" / "model.jsonl")
    file.add("prompt", "normal")
    file.add("other", "abnormal")
    assert (mode(file.path), mode(file.path.parent)) == (0o600, 0o700)
    again = AnswerFile(file.path)
    again.refresh()
    assert again["other"] == "abnormal"
