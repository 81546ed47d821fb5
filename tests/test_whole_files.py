"""A file or folder is the old one or the new one, whole, wherever its writer dies."""

import contextlib
import json
import os
import resource
import signal
import stat
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from datasets import Dataset

from semenrich_datasets.report_files import (
    check_target,
    load_reports,
    read_settings,
    save_reports,
    settings_path,
)
from semenrich_datasets.whole_files import (
    check_apart,
    draft_folder,
    locked,
    replace_text,
    whole_file,
    whole_folder,
)

NAMES = ["out.csv", "out.jsonl", "out.parquet", "out"]
#: Each step at which something may fail while reports are saved.
STEPS = ["fsync", "rename", "replace"]


def reports(text: str) -> Dataset:
    return Dataset.from_dict({"findings": [f"{text} {number}." for number in range(50)]})


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def check_whole(target, *, found_in=("old", "new")):
    """The reports that are there, whole and with their own settings."""
    loaded = load_reports(str(target))["findings"][:]
    (which,) = {text.split()[0] for text in loaded}
    assert which in found_in
    assert loaded == reports(which)["findings"][:]
    assert read_settings(str(target)) == {"made": which}
    return which


def die_while_saving(target: Path, step: str, last: int) -> int:
    """Saves in another process, which SIGKILL ends at a call of a step; returns its signal."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    real, calls = getattr(os, step), []

    def dying(*arguments, **options):
        calls.append(arguments)
        if len(calls) == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)

    try:
        setattr(os, step, dying)
        save_reports(reports("new"), str(target), {"made": "new"})
    finally:
        os._exit(1)


@pytest.mark.parametrize(
    ("name", "step", "call"),
    [
        ("out.csv", "replace", 1),
        ("out.csv", "replace", 2),
        ("out.parquet", "replace", 3),
        ("out", "rename", 1),
        ("out", "rename", 2),
    ],
)
def test_a_killed_writer_leaves_the_old_or_the_new(tmp_path, name, step, call):
    target = tmp_path / name
    save_reports(reports("old"), str(target), {"made": "old"})
    expected = names(tmp_path)
    assert die_while_saving(target, step, call) == -signal.SIGKILL
    check_whole(target)
    save_reports(reports("new"), str(target), {"made": "new"})
    assert check_whole(target) == "new"
    assert names(tmp_path) == expected
    assert "before" not in settings_path(str(target)).read_text()


@pytest.mark.parametrize("name", NAMES)
def test_what_fails_at_any_step_leaves_the_old_or_the_new(tmp_path, monkeypatch, name):
    target = tmp_path / name
    save_reports(reports("old"), str(target), {"made": "old"})
    expected = names(tmp_path)
    for step in STEPS:
        for last in range(1, 30):
            calls, real = [], getattr(os, step)

            def failing(*arguments, calls=calls, last=last, real=real, **options):
                calls.append(arguments)
                if len(calls) == last:
                    raise OSError(28, "No space left on device")
                return real(*arguments, **options)

            with monkeypatch.context() as patch:
                patch.setattr(os, step, failing)
                with contextlib.suppress(OSError):
                    save_reports(reports("new"), str(target), {"made": "new"})
            check_whole(target)
            assert names(tmp_path) == expected
            save_reports(reports("old"), str(target), {"made": "old"})
            if len(calls) < last:
                break
        else:
            pytest.fail(f"{step} was called more than 30 times")


@contextmanager
def full_disk():
    """Files of more than 300 bytes can't be written, with what is said of a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_leaves_the_old(tmp_path, name):
    target = tmp_path / name
    save_reports(reports("old"), str(target), {"made": "old"})
    expected = names(tmp_path)
    new = reports("new")
    with full_disk(), pytest.raises(OSError, match="File too large"):
        save_reports(new, str(target), {"made": "new"})
    assert check_whole(target, found_in=("old",)) == "old"
    assert names(tmp_path) == expected


def test_a_draft_is_closed_to_others_and_is_cleared_when_its_writer_is_gone(tmp_path):
    target = tmp_path / "a [1]*.csv"
    with draft_folder(target) as alive:
        assert stat.S_IMODE(alive.stat().st_mode) == 0o700
        dead = tmp_path / f".{target.name}-abcd_123.draft"
        dead.mkdir()
        (dead / "half").write_text("x")
        others = tmp_path / ".a.csv-abcd_123.draft"
        others.mkdir()
        replace_text(target, "whole")
        assert alive.is_dir()
        assert names(tmp_path) == sorted([alive.name, others.name, target.name])
    assert names(tmp_path) == [others.name, target.name]


def test_a_folder_moved_away_by_a_writer_that_died_is_put_back(tmp_path):
    save_reports(reports("old"), str(tmp_path / "out"), {"made": "old"})
    dead = tmp_path / ".out-abcd_123.draft"
    (dead / "old").mkdir(parents=True)
    (tmp_path / "out").rename(dead / "old" / "out")
    assert check_whole(tmp_path / "out") == "old"
    assert names(tmp_path) == ["out"]


def test_where_there_are_no_locks_age_tells(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    dead = tmp_path / ".a-abcd_123.draft"
    dead.mkdir()
    replace_text(tmp_path / "a", "x")
    assert dead.is_dir()
    os.utime(dead, (0, 0))
    replace_text(tmp_path / "a", "y")
    assert names(tmp_path) == ["a"]
    with locked(tmp_path) as held:
        assert not held


def test_an_error_leaves_what_was_there(tmp_path):
    replace_text(tmp_path / "a", "old")
    with contextlib.suppress(RuntimeError), whole_file(tmp_path / "a") as draft:
        draft.write_text("half")
        raise RuntimeError
    with contextlib.suppress(RuntimeError), whole_folder(tmp_path / "b") as draft:
        draft.mkdir()
        raise RuntimeError
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_a_device_or_a_pipe_is_never_replaced(tmp_path):
    # No device: a test that fails would take one away.
    pipe, link = tmp_path / "pipe", tmp_path / "out.csv"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for write in (lambda: save_reports(reports("new"), str(link)), lambda: replace_text(link, "a")):
        with pytest.raises(ValueError, match="pipe is a device or a pipe: expected the name of"):
            write()
    assert pipe.is_fifo()
    assert names(tmp_path) == ["out.csv", "pipe"]


def test_modes_and_links_stay(tmp_path):
    mask = os.umask(0o022)
    try:
        replace_text(tmp_path / "open", "x")
        replace_text(tmp_path / "closed", "x")
        (tmp_path / "closed").chmod(0o600)
        (tmp_path / "link").symlink_to(tmp_path / "closed")
        replace_text(tmp_path / "link", "naïve")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "closed").stat().st_mode) == 0o600
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "closed").read_text(encoding="utf-8") == "naïve"


# Reports and their settings


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out"])
def test_settings_of_other_reports_are_refused(tmp_path, name):
    target = tmp_path / name
    save_reports(reports("old"), str(target), {"made": "old"})
    kept = settings_path(str(target)).read_text()
    save_reports(reports("new"), str(target), {"made": "new"})
    settings_path(str(target)).write_text(kept)
    with pytest.raises(ValueError, match=r"semenrich.json does not belong to .*enrich them again"):
        read_settings(str(target))
    # Saving again mends the pair.
    save_reports(reports("new"), str(target), {"made": "new"})
    assert check_whole(target) == "new"


def test_damaged_settings_are_named(tmp_path):
    save_reports(reports("old"), str(tmp_path / "a.csv"), {"made": "old"})
    settings_path(str(tmp_path / "a.csv")).write_text("{")
    with pytest.raises(ValueError, match=r"a.csv.semenrich.json is damaged"):
        read_settings(str(tmp_path / "a.csv"))


def test_settings_written_before_digests_were_are_read(tmp_path):
    save_reports(reports("old"), str(tmp_path / "a.csv"))
    settings_path(str(tmp_path / "a.csv")).write_text(json.dumps({"made": "old"}))
    assert check_whole(tmp_path / "a.csv") == "old"


def test_reports_without_settings_keep_none_of_those_before(tmp_path):
    save_reports(reports("old"), str(tmp_path / "a.csv"), {"made": "old"})
    save_reports(reports("new"), str(tmp_path / "a.csv"))
    assert names(tmp_path) == ["a.csv"]
    assert read_settings(str(tmp_path / "a.csv")) is None


def test_a_folder_of_other_things_is_not_replaced(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds 'thesis.txt' and would be replaced"):
        save_reports(reports("new"), str(tmp_path / "data"))
    assert names(tmp_path / "data") == ["thesis.txt"]
    (tmp_path / "file").touch()
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(ValueError, match="is a file"):
        check_target(str(tmp_path / "file"))
    with pytest.raises(ValueError, match="is a folder"):
        check_target(str(tmp_path / "x.csv"))


# What is written leaves alone what is read


def test_an_output_that_would_eat_the_input_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "x.csv"
    data.write_text("findings\nClear.\n")
    (tmp_path / "hard.csv").hardlink_to(data)
    (tmp_path / "soft.csv").symlink_to(data)
    (tmp_path / "deep").mkdir()
    (tmp_path / "around").symlink_to(tmp_path)
    same = ["x.csv", "hard.csv", "soft.csv", "deep/../x.csv", "around/x.csv", str(data)]
    for output in same:
        with pytest.raises(ValueError, match="is the input itself"):
            check_apart([Path(output)], [data])
    beside = settings_path("x.csv")
    for output in (beside, Path("around") / beside, Path("X.csv.semenrich.JSON")):
        with pytest.raises(ValueError, match="is the input itself"):
            check_apart([output], [data, tmp_path / beside])
    for output in (tmp_path / "deep" / "a.csv", Path("around/deep/new/a.csv")):
        with pytest.raises(ValueError, match="lies in the input"):
            check_apart([output], [tmp_path / "deep"])
    with pytest.raises(ValueError, match="lies in"):
        check_apart([tmp_path / "around"], [data])
    check_apart([tmp_path / "y.csv", tmp_path / "deep" / "x.csv"], [data, tmp_path / "deeper"])
