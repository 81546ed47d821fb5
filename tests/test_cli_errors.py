"""What goes wrong on disks, in files and in workers: one line, exit code 1, no traceback."""

import errno
import os
from concurrent.futures.process import BrokenProcessPool

import pytest
import typer
from datasets import Dataset
from datasets.exceptions import DatasetGenerationError
from fakes import build_index, made_up_reports
from typer.testing import CliRunner

from semenrich_datasets.cli import app
from semenrich_datasets.cli_errors import clear_errors

DIED = (
    "One of the subprocesses has abruptly died during map operation.To debug the error, disable "
    "multiprocessing."
)


def wrapped(error):
    outer = DatasetGenerationError("An error occurred while generating the dataset")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/x/out.csv"),
            "the disk is full (/x/out",
        ),
        (wrapped(OSError(errno.ENOSPC, "No space left on device")), "the disk is full: free some"),
        (OSError("[Errno 28] Error writing bytes: No space left on device"), "the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x"),
            "no permission to read or write",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "/x"),
            "no permission to read or write (/x)",
        ),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/x/y"), "/x/y: look at the"),
        (BrokenProcessPool("A process was terminated abruptly"), "a worker process died"),
        (RuntimeError(DIED), "smaller --num-proc"),
        (MemoryError(), "the memory is full"),
        (wrapped(ValueError("a\nb")), "An error occurred while generating"),
        (ValueError("two\n  lines"), "Error: two lines"),
    ],
)
def test_one_line_that_says_what_to_do(capsys, error, told):
    with pytest.raises(typer.Exit) as stopped, clear_errors():
        raise error
    assert stopped.value.exit_code == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    assert told in lines[0]


@pytest.mark.parametrize("error", [RuntimeError("a fault of ours"), KeyError("a"), TypeError("b")])
def test_a_fault_of_ours_keeps_its_trace(error):
    with pytest.raises(type(error)), clear_errors():
        raise error


def fault_while_an_error_is_handled():
    try:
        raise ValueError("mended")
    except ValueError:
        {}["fault"]


def test_a_fault_while_an_error_is_handled_is_no_error_of_the_users():
    with pytest.raises(KeyError), clear_errors():
        fault_while_an_error_is_handled()


def fail(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return result.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("errors")
    build_index(made_up_reports(60)).save_pretrained(path / "index")
    Dataset.from_list(made_up_reports(20)).to_parquet(path / "reports.parquet")
    Dataset.from_list(made_up_reports(20)).save_to_disk(str(path / "saved"))
    return path


def test_files_that_are_broken(folder, tmp_path):
    whole = (folder / "reports.parquet").read_bytes()
    for name, content in (("cut", whole[:-40]), ("text", b"hello"), ("empty", b"")):
        broken = tmp_path / f"{name}.parquet"
        broken.write_bytes(content)
        assert "not a whole Parquet file" in fail(
            "enrich", broken, "-i", folder / "index", "-o", tmp_path / "out.csv"
        )
    # Broken within, its footer whole.
    inside = bytearray(whole)
    inside[4:200] = bytes(196)
    (tmp_path / "inside.parquet").write_bytes(bytes(inside))
    output = fail(
        "enrich", tmp_path / "inside.parquet", "-i", folder / "index", "-o", tmp_path / "out.csv"
    )
    assert output.count("Error:") == 1


def test_a_saved_folder_that_is_broken(folder, tmp_path):
    arrow = next((folder / "saved").glob("*.arrow"))
    content = arrow.read_bytes()
    arrow.write_bytes(content[: len(content) // 2])
    output = fail("enrich", folder / "saved", "-i", folder / "index", "-o", tmp_path / "out.csv")
    assert output.count("Error:") == 1
    arrow.unlink()
    output = fail("enrich", folder / "saved", "-i", folder / "index", "-o", tmp_path / "out.csv")
    assert "look at the path" in output


def test_a_full_disk(folder, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("semenrich_datasets.whole_files.os.fsync", full)
    output = fail(
        "enrich", folder / "reports.parquet", "-i", folder / "index", "-o", tmp_path / "out.csv"
    )
    assert "the disk is full" in output
    assert not list(tmp_path.iterdir())


def test_a_worker_that_dies(folder, tmp_path, monkeypatch):
    from semenrich_datasets import SemEnricher

    monkeypatch.setattr(SemEnricher, "__call__", lambda self, rows: os._exit(9))
    output = fail(
        *("enrich", folder / "reports.parquet", "-i", folder / "index"),
        *("-o", tmp_path / "out.jsonl", "--num-proc", 2, "--variant", 7),
    )
    assert "a worker process died" in output
