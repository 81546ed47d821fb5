"""An index on disk: atomic to write, and what was damaged says so."""

import json
import os
import pickle
import sys
import time

import pytest

from semenrich_datasets.index.files import (
    CARD_NAME,
    CONFIG_NAME,
    DATA_FILES,
    FORMAT_VERSION,
    IndexFileError,
    data_path,
    index_digest,
    open_data,
    read_config,
    read_settled,
    write_index,
)
from semenrich_datasets.index.location import find_index
from semenrich_datasets.whole_files import locked


def writers(content="data"):
    return {stem: lambda file, s=stem: file.write(f"{s} {content}".encode()) for stem in DATA_FILES}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path):
    write_index(tmp_path / "index", {"seed": 0}, writers(), "card")
    return tmp_path / "index"


def rewrite_config(folder, **changes):
    path = folder / CONFIG_NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_what_was_written_is_read(folder):
    config = read_config(folder)
    assert config["seed"] == 0
    assert config["format_version"] == FORMAT_VERSION
    assert (folder / CARD_NAME).read_text() == "card"
    for stem in DATA_FILES:
        assert data_path(folder, config, stem).read_text() == f"{stem} data"
    assert len(names(folder)) == 2 + len(DATA_FILES)


def test_the_digest_is_that_of_settings_and_data(tmp_path):
    first = write_index(tmp_path / "a", {"seed": 0, "b": 1}, writers(), "card")
    assert write_index(tmp_path / "b", {"b": 1, "seed": 0}, writers(), "other card") == first
    assert write_index(tmp_path / "a", {"seed": 0, "b": 1}, writers(), "card") == first
    assert write_index(tmp_path / "c", {"seed": 1, "b": 1}, writers(), "card") != first
    assert write_index(tmp_path / "d", {"seed": 0, "b": 1}, writers("new"), "card") != first


def test_a_new_index_takes_the_place_of_the_old(folder):
    before = names(folder)
    digest = write_index(folder, {"seed": 1}, writers("new"), "new card")
    assert read_config(folder)["digest"] == digest
    assert data_path(folder, read_config(folder), "vectors").read_text() == "vectors new"
    assert len(names(folder)) == len(before)
    assert set(names(folder)) & set(before) == {CARD_NAME, CONFIG_NAME}


def test_other_files_of_the_folder_stay(folder):
    (folder / "notes.parquet").write_text("mine")
    write_index(folder, {}, writers("new"), "card")
    assert (folder / "notes.parquet").read_text() == "mine"


@pytest.mark.parametrize("failing", DATA_FILES)
def test_a_crash_while_writing_leaves_the_old_index_whole(folder, failing):
    def crash(file):
        file.write(b"half")
        raise RuntimeError("disk full")

    before = read_config(folder)
    with pytest.raises(RuntimeError, match="disk full"):
        write_index(folder, {"seed": 1}, {**writers("new"), failing: crash}, "new card")
    assert read_config(folder) == before
    for stem in DATA_FILES:
        assert data_path(folder, before, stem).read_text() == f"{stem} data"
    assert not [name for name in names(folder) if name.startswith(".")]
    # The next save sweeps up what the crash left.
    write_index(folder, {"seed": 2}, writers("newest"), "card")
    assert len(names(folder)) == 2 + len(DATA_FILES)


def test_a_crash_at_the_last_step_leaves_the_old_index_whole(folder, monkeypatch):
    from semenrich_datasets.index import files as index_files

    def crash(draft, target):
        if target.name == CONFIG_NAME:
            raise RuntimeError("power cut")
        draft.replace(target)

    before = read_config(folder)
    monkeypatch.setattr(index_files, "put_file", crash)
    with pytest.raises(RuntimeError, match="power cut"):
        write_index(folder, {"seed": 1}, writers("new"), "new card")
    assert read_config(folder) == before
    for stem in DATA_FILES:
        assert data_path(folder, before, stem).read_text() == f"{stem} data"


def test_no_index(tmp_path):
    with pytest.raises(IndexFileError, match=r"no index in .*config.json is missing; make one"):
        read_config(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"a"', "{}", '{"format_version": "x"}'])
def test_a_config_that_is_no_config(folder, text):
    (folder / CONFIG_NAME).write_text(text)
    with pytest.raises(IndexFileError, match=r"config.json is damaged: it is not the JSON"):
        read_config(folder)


def test_a_config_of_other_bytes(folder):
    (folder / CONFIG_NAME).write_bytes(b"\xff\xfe")
    with pytest.raises(IndexFileError, match="damaged"):
        read_config(folder)


def test_a_cut_config(folder):
    path = folder / CONFIG_NAME
    path.write_text(path.read_text()[:-20])
    with pytest.raises(IndexFileError, match=r"damaged: it is not the JSON.*force_download=True"):
        read_config(folder)


@pytest.mark.parametrize("changes", [{"seed": 1}, {"digest": "0" * 64}, {"files": {}}])
def test_an_edited_config(folder, changes):
    rewrite_config(folder, **changes)
    with pytest.raises(IndexFileError, match="its digest does not match its content"):
        read_config(folder)


def test_a_newer_version(folder):
    rewrite_config(folder, format_version=FORMAT_VERSION + 1)
    with pytest.raises(
        IndexFileError, match=rf"version {FORMAT_VERSION + 1}, .* pip install --upgrade"
    ):
        read_config(folder)


def test_a_missing_data_file(folder):
    config = read_config(folder)
    data_path(folder, config, "vectors").unlink()
    with pytest.raises(IndexFileError, match=r"vectors-\w+.faiss is damaged: it is missing"):
        data_path(folder, config, "vectors")


def test_a_cut_data_file(folder):
    config = read_config(folder)
    data_path(folder, config, "vectors").write_text("vect")
    for read in (data_path, open_data):
        with pytest.raises(IndexFileError, match="expected 12 bytes, found 4"):
            read(folder, config, "vectors")


def test_an_edited_data_file(folder):
    config = read_config(folder)
    data_path(folder, config, "units").write_text("units date")
    with pytest.raises(IndexFileError, match="SHA-256 does not match"):
        open_data(folder, config, "units")


def test_a_config_cannot_point_out_of_its_folder(folder):
    config = read_config(folder)
    (folder.parent / "secret").write_text("x")
    config["files"]["vectors"]["name"] = "../secret"
    with pytest.raises(IndexFileError, match="missing"):
        data_path(folder, config, "vectors")


def test_an_older_version(folder):
    rewrite_config(folder, format_version=FORMAT_VERSION - 1)
    with pytest.raises(IndexFileError, match="by an older semenrich: build the index anew"):
        read_config(folder)


def test_the_digest_can_be_had_without_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digest = index_digest({"seed": 0}, writers())
    assert list(tmp_path.iterdir()) == []
    assert digest == write_index(tmp_path / "a", {"seed": 0}, writers(), "card")
    assert digest != index_digest({"seed": 0}, writers("new"))


def test_a_place_knows_its_index(folder):
    digest = read_config(folder)["digest"]
    place = find_index(folder)
    assert place.folder() == folder.resolve()
    place.check(digest)
    assert pickle.loads(pickle.dumps(place)) == place
    write_index(folder, {"seed": 1}, writers(), "card")
    with pytest.raises(IndexFileError, match=r"is not at .* any more: load it again"):
        place.check(digest)
    (folder / CONFIG_NAME).unlink()
    with pytest.raises(IndexFileError, match=r"is not at .* any more: load it again"):
        place.check(digest)


def test_a_place_is_found_from_any_working_folder(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    place = find_index("index")
    monkeypatch.chdir("/")
    place.check(read_config(folder)["digest"])
    assert find_index(folder.parent, subfolder="index") == place


# Two savers, and readers beside them


def read_whole(folder):
    """What the index in a folder says; raises where its files are not of one index."""

    def read():
        config = read_config(folder)
        paths = [data_path(folder, config, stem) for stem in DATA_FILES]
        assert {path.read_text().split()[1] for path in paths} == {f"of-{config['seed']}"}
        return config["seed"]

    return read_settled(folder, read)


def in_another_process(work):
    """Starts some work in another process; call what it returns to await that it ends well."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return lambda: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def save_often(folder, seeds):
    for seed in seeds:
        write_index(folder, {"seed": seed}, writers(f"of-{seed}"), "card")


def test_savers_and_readers_of_one_folder_see_whole_indexes(tmp_path):
    folder = tmp_path / "index"
    save_often(folder, [0])
    waits = [
        in_another_process(lambda: save_often(folder, [1, 2] * 8)),
        in_another_process(lambda: save_often(folder, [2, 3] * 8)),
        in_another_process(lambda: [read_whole(folder) for _ in range(60)]),
    ]
    seen = {read_whole(folder) for _ in range(60)}
    assert [wait() for wait in waits] == [0, 0, 0]
    assert seen <= {0, 1, 2, 3}
    assert read_whole(folder) in (2, 3)
    assert len(names(folder)) == 2 + len(DATA_FILES)
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1


def test_a_reader_that_a_saver_overtook_reads_again(folder):
    calls = []

    def read():
        config = read_config(folder)
        if len(calls) < 6:
            calls.append(config["seed"])
            # The same index at times: config.json says the same, and is another file.
            save_often(folder, [1, 2, 2][len(calls) % 3 :])
        return data_path(folder, config, "units")

    assert read_settled(folder, read).is_file()


def test_what_is_damaged_is_not_read_again(folder):
    data_path(folder, read_config(folder), "units").unlink()
    calls = []

    def read():
        calls.append(1)
        return data_path(folder, read_config(folder), "units")

    with pytest.raises(IndexFileError, match="it is missing"):
        read_settled(folder, read)
    assert len(calls) == 1


def test_savers_wait_for_the_lock(folder):
    with locked(folder) as held:
        assert held
        waiting = in_another_process(lambda: save_often(folder, [1]))
        time.sleep(0.3)
        assert read_config(folder)["seed"] == 0
        for stem in DATA_FILES:
            assert data_path(folder, read_config(folder), stem).read_text() == f"{stem} data"
    assert waiting() == 0
    assert read_whole(folder) == 1


def test_where_there_are_no_locks_young_files_are_left(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    save_often(folder, [1])
    assert len(names(folder)) == 2 + 2 * len(DATA_FILES)
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    save_often(folder, [2])
    assert read_whole(folder) == 2
    assert len(names(folder)) == 2 + len(DATA_FILES)


def test_what_a_killed_saver_left_is_cleared(folder):
    for stem in ("sentences", "vectors"):
        draft = folder / f".config.json-{stem[:7]:_<8}.draft"
        draft.mkdir()
        (draft / stem).write_text("half")
    save_often(folder, [1])
    assert len(names(folder)) == 2 + len(DATA_FILES)
