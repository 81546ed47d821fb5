"""An error of the main process reaches the others, whatever it is: none waits for ever."""

import json

import pytest

from semenrich_trainers import checkpoints, one_process
from semenrich_trainers.run_recipe import RECIPE_NAME


@pytest.fixture
def told(monkeypatch):
    """What the main process tells the others, who wait for it."""
    told = []
    monkeypatch.setattr(one_process, "broadcast_object_list", lambda value: told.append(value[0]))
    monkeypatch.setattr(checkpoints, "describe_run", lambda *_: {"settings": {}})
    return told


class Run(checkpoints.IndexCheckpoints):
    def __init__(self):
        self.rows_recipe = {}


def test_a_folder_that_cannot_be_written(tmp_path, told):
    (tmp_path / RECIPE_NAME).mkdir()
    with pytest.raises(IsADirectoryError) as error:
        Run()._check_recipe(str(tmp_path), None)
    assert told == [error.value]


def test_a_checkpoint_that_cannot_be_read(tmp_path, told):
    with pytest.raises(FileNotFoundError) as error:
        Run()._check_recipe(str(tmp_path), str(tmp_path / "checkpoint-1"))
    assert told == [error.value]
    (tmp_path / "checkpoint-1").mkdir()
    (tmp_path / RECIPE_NAME).write_text("{")
    with pytest.raises(json.JSONDecodeError) as broken:
        Run()._check_recipe(str(tmp_path), None)
    assert told[1:] == [broken.value]


def test_what_works_is_told_too(tmp_path, told):
    Run()._check_recipe(str(tmp_path), None)
    assert told == [None]
    assert (tmp_path / RECIPE_NAME).is_file()
