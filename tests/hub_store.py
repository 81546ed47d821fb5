"""What the loopback Hub holds: content by SHA-256 on disk, repositories and commits in memory."""

import hashlib
import json
import os
import re
import tempfile
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

import yaml  # type: ignore[import-untyped]

Tree = Mapping[str, "Blob"]

PAGE_PREFIXES = {"models": "", "datasets": "datasets/", "spaces": "spaces/"}
LFS_SUFFIXES = (".arrow", ".bin", ".gz", ".npy", ".parquet", ".pt", ".safetensors", ".zip")
GIT_ATTRIBUTES = "".join(f"*{s} filter=lfs diff=lfs merge=lfs -text\n" for s in LFS_SUFFIXES)


class HubError(Exception):
    """An answer other than 2xx; `code` is the ``X-Error-Code`` that clients turn into a type."""

    def __init__(
        self, status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        escaped = message.encode("unicode_escape").decode()  # a header holds one line of ASCII
        self.headers = {**(headers or {}), "X-Error-Message": escaped}
        if code:
            self.headers["X-Error-Code"] = code


@dataclass(frozen=True)
class Blob:
    """One version of one file, as git and LFS name it."""

    sha256: str
    size: int
    git_oid: str
    lfs: bool = False

    @property
    def etag(self) -> str:
        """What clients compare with the hash of a local file, to skip what has not changed."""
        return self.sha256 if self.lfs else self.git_oid

    def lfs_info(self, hash_key: str) -> dict[str, Any]:
        """The `lfs` field, absent from a regular file."""
        if not self.lfs:
            return {}
        pointer_size = len(lfs_pointer(self.sha256, self.size))
        return {"lfs": {hash_key: self.sha256, "size": self.size, "pointerSize": pointer_size}}

    def entry(self, path: str) -> dict[str, Any]:
        """This file as a tree listing shows it."""
        info = {"type": "file", "path": path, "size": self.size, "oid": self.git_oid}
        return {**info, **self.lfs_info("oid")}

    def sibling(self, path: str) -> dict[str, Any]:
        """This file as the info page of a repository shows it."""
        info = {"rfilename": path, "size": self.size, "blobId": self.git_oid}
        return {**info, **self.lfs_info("sha256")}


@dataclass(frozen=True)
class Commit:
    """A snapshot: `id` hashes the parent, the message and every file, as git does."""

    id: str
    title: str
    message: str
    date: str
    parent: "Commit | None"
    tree: Tree

    @classmethod
    def create(cls, parent: "Commit | None", title: str, message: str, tree: Tree) -> "Commit":
        """A commit dated now."""
        files = sorted((path, blob.git_oid) for path, blob in tree.items())
        content = json.dumps([parent and parent.id, title, message, files])
        date = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return cls(_sha1(content.encode()), title, message, date, parent, tree)

    def history(self) -> list["Commit"]:
        """This commit and its ancestors, the newest first."""
        commits: list[Commit] = []
        commit: Commit | None = self
        while commit is not None:
            commits.append(commit)
            commit = commit.parent
        return commits


@dataclass
class Repo:
    """A repository: `kind` is models, datasets or spaces."""

    kind: str
    id: str
    private: bool
    sdk: str | None
    branches: dict[str, Commit]
    tags: dict[str, Commit] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    announced: dict[str, int] = field(default_factory=dict)
    uploaded: dict[str, int] = field(default_factory=dict)

    @property
    def page(self) -> str:
        """The path of the repository's page."""
        return PAGE_PREFIXES[self.kind] + self.id

    def resolve(self, revision: str) -> Commit:
        """The commit that a branch, a tag or a full commit id names."""
        for names in (self.branches, self.tags, self.commits):
            if revision in names:
                return names[revision]
        raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")


class HubStore:
    """Every repository of the Hub; the methods that change one hold the lock."""

    def __init__(self, root: Path) -> None:
        self.objects = root / "objects"
        self.objects.mkdir(parents=True)
        self.repos: dict[tuple[str, str], Repo] = {}
        self.lock = Lock()

    def create_repo(self, kind: str, repo_id: str, private: bool, sdk: str | None) -> Repo:
        """A repository with the first commit that the Hub makes itself."""
        tree = {".gitattributes": self.add_regular(GIT_ATTRIBUTES.encode())}
        first = Commit.create(None, "initial commit", "", tree)
        repo = Repo(kind, repo_id, private, sdk, {"main": first}, commits={first.id: first})
        with self.lock:
            if (kind, repo_id) in self.repos:
                raise HubError(409, "You already created this repo")
            self.repos[kind, repo_id] = repo
        return repo

    def create_ref(self, refs: dict[str, Commit], name: str, target: Commit) -> None:
        """A new branch or tag."""
        with self.lock:
            if name in refs:
                raise HubError(409, f"Reference already exists: {name}")
            refs[name] = target

    def read(self, blob: Blob) -> bytes:
        """The content of a small file."""
        return (self.objects / blob.sha256).read_bytes()

    def add_regular(self, data: bytes) -> Blob:
        """A file that git would hold itself."""
        sha256, size = self._write([data])
        return Blob(sha256, size, git_hash(data))

    def add_lfs(self, repo: Repo, oid: str, chunks: Iterable[bytes]) -> None:
        """Takes an announced LFS object, if it is what was announced."""
        sha256, size = self._write(chunks)
        expected = repo.announced.get(oid)
        if (sha256, size) != (oid, expected):
            message = f"Expected {expected} bytes of SHA-256 {oid}, found {size} of {sha256}"
            raise HubError(400, message)
        repo.uploaded[oid] = size

    def commit(self, repo: Repo, branch: str, lines: Sequence[dict[str, Any]]) -> Commit:
        """Moves `branch` by the header and the operations of an NDJSON commit."""
        if [line["key"] for line in lines].index("header") != 0:
            raise HubError(400, "Expected the header line first")
        header = lines[0]["value"]
        with self.lock:
            if branch not in repo.branches:
                raise HubError(404, f"Invalid branch: {branch}", "RevisionNotFound")
            head = repo.branches[branch]
            if not head.id.startswith(header.get("parentCommit", "")):
                raise HubError(412, "A commit has happened since. Please refresh and try again.")
            tree = dict(head.tree)
            for line in lines[1:]:
                self._apply(repo, tree, line["key"], line["value"])
            if "README.md" in tree:
                card_metadata(self.read(tree["README.md"]).decode())
            new = Commit.create(head, header["summary"], header.get("description", ""), tree)
            repo.branches[branch] = repo.commits[new.id] = new
        return new

    def _apply(self, repo: Repo, tree: dict[str, Blob], key: str, value: dict[str, Any]) -> None:
        path = value["path"]
        if key == "deletedFolder":
            inside = [name for name in tree if name.startswith(path.rstrip("/") + "/")]
        else:
            inside = [path] if path in tree else []
        if key in ("deletedFile", "deletedFolder"):
            if not inside:
                raise HubError(404, "A file with this name doesn't exist", "EntryNotFound")
            for name in inside:
                del tree[name]
            return
        if any(part in ("", ".", "..", ".git") for part in path.split("/")):
            raise HubError(400, f"Invalid path: {path!r}")
        if key == "file" and value["encoding"] == "base64":
            tree[path] = self.add_regular(b64decode(value["content"], validate=True))
        elif key == "lfsFile" and value["algo"] == "sha256":
            oid, size = value["oid"], repo.uploaded.get(value["oid"])
            if size is None or value.get("size", size) != size:
                raise HubError(400, f"LFS object of {path} was not uploaded: {oid}")
            tree[path] = Blob(oid, size, git_hash(lfs_pointer(oid, size)), lfs=True)
        else:
            raise HubError(400, f"Unknown operation: {key}")

    def _write(self, chunks: Iterable[bytes]) -> tuple[str, int]:
        """Streams to a file named by its own SHA-256: a wrong upload never hides a right one."""
        digest, size = hashlib.sha256(), 0
        with tempfile.NamedTemporaryFile(dir=self.objects, delete=False) as file:
            for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        os.replace(file.name, self.objects / digest.hexdigest())
        return digest.hexdigest(), size


def is_lfs(path: str, size: int, sample: bytes) -> bool:
    """Whether the Hub wants a file by LFS: by its suffix, when binary, or above 10 MiB."""
    return path.endswith(LFS_SUFFIXES) or b"\0" in sample or size > 10 * 2**20


def list_tree(tree: Tree, folder: str, recursive: bool) -> list[dict[str, Any]]:
    """The files and folders under `folder` (`""`: the root), sorted by path."""
    prefix = f"{folder}/" if folder else ""
    entries = {}
    for path, blob in tree.items():
        if not path.startswith(prefix):
            continue
        parts = path.removeprefix(prefix).split("/")
        parents = [prefix + "/".join(parts[:depth]) for depth in range(1, len(parts))]
        for parent in parents if recursive else parents[:1]:
            if parent not in entries:
                entries[parent] = folder_entry(tree, parent)
        if recursive or not parents:
            entries[path] = blob.entry(path)
    if folder and not entries:
        raise HubError(404, f"{folder} does not exist", "EntryNotFound")
    return [entries[path] for path in sorted(entries)]


def folder_entry(tree: Tree, folder: str) -> dict[str, Any]:
    """A folder as a tree listing shows it; its id changes with what is in it."""
    files = sorted((p, b.git_oid) for p, b in tree.items() if p.startswith(f"{folder}/"))
    return {
        "type": "directory",
        "path": folder,
        "size": 0,
        "oid": _sha1(json.dumps(files).encode()),
    }


def card_metadata(card: str) -> dict[str, Any] | None:
    """The YAML head of a README.md, None where it has none; HubError where it is not a mapping."""
    head = re.match(r"---\s*\n(.*?)\n?---\s*(\n|$)", card, re.DOTALL)
    if head is None:
        return None
    try:
        metadata = yaml.safe_load(head[1])
    except yaml.YAMLError as error:
        raise HubError(400, f"Invalid YAML in README.md: {str(error).splitlines()[0]}") from error
    if not isinstance(metadata, dict | None):
        raise HubError(400, f"Metadata of README.md must be a mapping, found {metadata!r}")
    return metadata


def lfs_pointer(oid: str, size: int) -> bytes:
    """The small file that git holds in place of an LFS object."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n".encode()


def git_hash(data: bytes) -> str:
    """The id that git gives to a file."""
    return _sha1(b"blob %d\0" % len(data) + data)


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
