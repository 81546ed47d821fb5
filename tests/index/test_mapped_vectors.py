"""Files that change while an index is in use, and workers that open it again."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from fakes import FakeEncoder, build_index, child_environment
from tampering import copy_index, data_file, edit_table, put, replace_data

from semenrich_datasets import FindingsIndex
from semenrich_datasets.index import findings_index
from semenrich_datasets.index.files import IndexFileError
from semenrich_datasets.index.neighbors import build_search_index, load_search_index, nearest


def unit(rows, d=16):
    vectors = np.random.default_rng(0).normal(size=(rows, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def folder(tmp_path):
    build_index().save_pretrained(tmp_path / "index")
    return tmp_path / "index"


SCRIPT = """
import os, sys
from fakes import FakeEncoder
from semenrich_datasets import FindingsIndex
from semenrich_datasets.index.files import IndexFileError
index = FindingsIndex.from_pretrained(sys.argv[1], encoder=FakeEncoder())
index.units(["Something that nobody has said before."])
vectors = next(name for name in os.listdir(sys.argv[1]) if name.startswith("vectors"))
os.truncate(os.path.join(sys.argv[1], vectors), 0)
for use in (lambda: index.units(["And another."]), lambda: index.save_pretrained(sys.argv[2])):
    try:
        use()
        print("read")
    except IndexFileError as error:
        print("refused" if "cut or written since" in str(error) else error)
"""


def test_vectors_that_are_cut_while_in_use_are_an_error(folder, tmp_path):
    """Without the check the process ends by SIGBUS."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(tmp_path / "other")],
        env=child_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.split()) == (0, ["refused", "refused"]), done.stderr


def test_vectors_that_are_written_while_in_use_are_an_error(folder):
    index = FindingsIndex.from_pretrained(folder, encoder=FakeEncoder())
    path = data_file(folder, "vectors")
    with path.open("r+b") as file:
        file.seek(60)
        file.write(b"\xff\xff")
    os.utime(path, ns=(0, 1))
    with pytest.raises(IndexFileError, match=r"cut or written since it was loaded|cut or written"):
        index.units(["Something that nobody has said before."])


def test_a_file_that_makes_room_for_another_stays_in_use(folder):
    index = FindingsIndex.from_pretrained(folder, encoder=FakeEncoder())
    data_file(folder, "vectors").unlink()
    assert index.units(["Something that nobody has said before."])[0].unit_id == -1


def reopened(pickled):
    findings_index._open_indexes.clear()
    return pickle.loads(pickled)


@pytest.mark.parametrize("stem", ["vectors", "sentences", "lexicon"])
def test_a_worker_checks_what_it_opens(folder, stem):
    """Bytes of the same length under the same name, and config.json as it was."""
    pickled = pickle.dumps(FindingsIndex.from_pretrained(folder))
    reopened(pickled)
    content = bytearray(data_file(folder, stem).read_bytes())
    content[len(content) // 2] ^= 1
    data_file(folder, stem).write_bytes(bytes(content))
    with pytest.raises(IndexFileError, match=r"SHA-256 does not match"):
        reopened(pickled)


def test_a_worker_refuses_another_index(folder, tmp_path, monkeypatch):
    """It was saved between the look at config.json and the reading of the files."""
    pickled = pickle.dumps(FindingsIndex.from_pretrained(folder))
    edit_table(folder, "silence", put("weights", 0, [0.5] * 36))
    with pytest.raises(IndexFileError, match=r"not at .* any more"):
        reopened(pickled)
    monkeypatch.setattr("semenrich_datasets.index.location.Location.check", lambda *_: None)
    with pytest.raises(IndexFileError, match=r"not at .* any more"):
        reopened(pickled)


class TestInvertedLists:
    """The form of large indexes."""

    @pytest.fixture
    def content(self, tmp_path, monkeypatch):
        monkeypatch.setattr("semenrich_datasets.index.neighbors.APPROXIMATE_FROM", 10)
        from semenrich_datasets.index.neighbors import write_search_index

        with (tmp_path / "v").open("wb") as file:
            write_search_index(build_search_index(unit(400)), file)
        return (tmp_path / "v").read_bytes()

    def load(self, content, tmp_path, rows=400):
        (tmp_path / "w").write_bytes(content)
        return load_search_index((tmp_path / "w").open("rb"), rows)

    def test_it_loads(self, content, tmp_path):
        index = self.load(content, tmp_path)
        assert (nearest(index, unit(400), 1)[1].ravel() == np.arange(400)).mean() > 0.9
        with pytest.raises(ValueError, match=r"400"):
            self.load(content, tmp_path, 399)

    @pytest.mark.parametrize("place", range(0, 200, 4))
    def test_no_field_of_its_heads_can_be_another(self, content, tmp_path, place):
        """A changed field is refused, but for the two that FAISS leaves unused in each head."""
        changed = bytearray(content)
        changed[place : place + 4] = b"\x7f\x7f\x7f\x7f"
        unused = {*range(13, 32), *range(53 + 13, 53 + 32)}
        in_values = place >= 98
        try:
            self.load(bytes(changed), tmp_path)
        except (ValueError, IndexFileError):
            return
        assert place in unused or in_values

    def test_ids_are_those_of_the_sentences(self, content, tmp_path):
        for value in (-1, 400, 2**40, 0):
            changed = bytearray(content)
            changed[-8:] = value.to_bytes(8, "little", signed=True)
            with pytest.raises(ValueError, match=r"lists"):
                self.load(bytes(changed), tmp_path)

    @pytest.mark.parametrize("keep", [10, 44, 60, 100, 5_000, -1])
    def test_cut(self, content, tmp_path, keep):
        with pytest.raises(ValueError, match=r"expected"):
            self.load(content[:keep], tmp_path)
        with pytest.raises(ValueError, match=r"expected"):
            self.load(content + b"x", tmp_path)


def test_a_link_reads_what_its_hash_says(folder, tmp_path):
    """As in the Hub's cache; a link to a file of another content is refused."""
    path = data_file(folder, "units")
    (tmp_path / "blob").write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(tmp_path / "blob")
    FindingsIndex.from_pretrained(folder)
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(IndexFileError, match=r"damaged"):
        FindingsIndex.from_pretrained(folder)


def test_a_pipe_is_no_file(folder, tmp_path):
    other = copy_index(folder, tmp_path / "other")
    replace_data(other, "vectors", b"")
    path = data_file(other, "vectors")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(IndexFileError, match=r"missing"):
        FindingsIndex.from_pretrained(other)
