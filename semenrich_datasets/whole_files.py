"""Files and folders that are the old ones or the new ones, whole, whenever a writer dies.

What is written is drafted in a folder of its own beside its target, which nobody else may enter,
and takes the target's place by a rename. The folder is locked while its writer lives: the next
writer to the same target deletes those whose lock is free.

Locks are `fcntl.flock` on the folders themselves. Windows and some network file systems have none:
there, drafts are deleted a day after their last change.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

#: Seconds after which what can't be locked counts as abandoned.
ABANDONED = 86_400.0
_RANDOM = r"[a-z0-9_]{8}"  # what `mkdtemp` puts into a name
_LockState = Literal["held", "busy", "none"]


@contextmanager
def draft_folder(target: Path) -> Iterator[Path]:
    """Gives an empty folder in which to write what will take the target's place.

    Args:
        target (`Path`): A file or a folder; its parents are made when missing.

    Yields:
        `Path`: `.{name}-{random}.draft` beside the target, of mode 0700, deleted at the end. Those
        of writers that died are deleted first, and a folder that one had moved away put back.

    Raises:
        `ValueError`: When the target is a device or a pipe: a file would take its place.
    """
    if target.exists() and not (target.is_file() or target.is_dir()):
        msg = f"{target} is a device or a pipe: expected the name of a file or a folder as --output"
        raise ValueError(msg)
    target.parent.mkdir(parents=True, exist_ok=True)
    clear_drafts(target)
    folder, descriptor = _make_draft(target)
    try:
        yield folder
    finally:
        _put_back(folder, target)
        shutil.rmtree(folder, ignore_errors=True)
        _unlock(descriptor)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Gives where to write a file, which takes the target's place where no error is raised.

    Args:
        target (`Path`): The file; through a link, the one that it names.

    Yields:
        `Path`: Of the target's name, in a [`draft_folder`].
    """
    target = Path(os.path.realpath(target))
    with draft_folder(target) as folder:
        draft = folder / target.name
        yield draft
        _keep_mode(draft, target)
        put_file(draft, target)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Gives where to write a folder, which takes the target's place where no error is raised.

    Folders can't be replaced in one step: the old one is moved into the draft first. Who dies
    between the two steps leaves no target, and [`clear_drafts`] puts the old one back.

    Args:
        target (`Path`): The folder; through a link, the one that it names.

    Yields:
        `Path`: Not yet made, in a [`draft_folder`].
    """
    target = Path(os.path.realpath(target))
    with draft_folder(target) as folder:
        new, old = folder / "new", _moved_away(folder, target)
        yield new
        _keep_mode(new, target)
        for path in [*new.rglob("*"), new]:
            _sync(path)
        old.parent.mkdir()
        with locked(target.parent):
            if target.exists():
                target.rename(old)
            new.rename(target)
            _sync(target.parent)


def put_file(draft: Path, target: Path) -> None:
    """Puts a written file into its place, there and whole even where the power fails."""
    _sync(draft)
    draft.replace(target)
    _sync(target.parent)


def replace_text(path: Path, text: str) -> None:
    """Writes a text file in one step: readers see the old text or the new one, never a part."""
    with whole_file(path) as draft:
        draft.write_text(text, encoding="utf-8")


def clear_drafts(target: Path) -> None:
    """Deletes the drafts of a target whose writers died, and puts back what one had moved away."""
    pattern = re.compile(rf"\.{re.escape(target.name)}-{_RANDOM}\.draft")
    for folder in sorted(target.parent.glob(".*.draft")):
        if pattern.fullmatch(folder.name):
            # Of another user, or just deleted by another process.
            with contextlib.suppress(OSError):
                _clear_draft(folder, target)


def _clear_draft(folder: Path, target: Path) -> None:
    before = folder.stat().st_mtime
    descriptor, state = _lock(folder, wait=False)
    try:
        dead = state == "held" or (state == "none" and time.time() - before > ABANDONED)
        if not dead:
            return
        _put_back(folder, target)
        shutil.rmtree(folder)
    finally:
        _unlock(descriptor)


def _moved_away(folder: Path, target: Path) -> Path:
    """Returns where a draft keeps the folder that it replaces, until it is replaced."""
    return folder / "old" / target.name


def _put_back(folder: Path, target: Path) -> None:
    old = _moved_away(folder, target)
    if old.exists() and not target.exists():
        old.rename(target)


def _make_draft(target: Path) -> tuple[Path, int | None]:
    """Makes a draft's folder and locks it; again where another process took it for abandoned."""
    while True:
        folder = Path(tempfile.mkdtemp(".draft", f".{target.name}-", target.parent))
        try:
            descriptor, state = _lock(folder, wait=False)
        except FileNotFoundError:
            continue
        if state != "busy" and folder.exists():
            return folder, descriptor
        _unlock(descriptor)


@contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[bool]:
    """Waits for the lock of a folder, and holds it.

    Args:
        folder (`Path`): Nothing is written into it.
        shared (`bool`, *optional*, defaults to `False`): Whether others may share it: of a reader.

    Yields:
        `bool`: Whether it is held; False where the file system has no locks.
    """
    descriptor, state = _lock(folder, wait=True, shared=shared)
    try:
        yield state == "held"
    finally:
        _unlock(descriptor)


def _lock(folder: Path, *, wait: bool, shared: bool = False) -> tuple[int | None, _LockState]:
    """Locks a folder until the descriptor is closed."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None, "none"
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # may be written to, but not listed
        return None, "none"
    kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(descriptor, kind)
    except BlockingIOError:
        return descriptor, "busy"
    except OSError:  # a network file system without locks, or without those of folders
        return descriptor, "none"
    return descriptor, "held"


def _unlock(descriptor: int | None) -> None:
    if descriptor is None:
        return
    with contextlib.suppress(OSError):
        import fcntl

        # A process that was forked meanwhile holds the descriptor too: closing it is not enough.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def _keep_mode(draft: Path, target: Path) -> None:
    """Gives a draft the mode of what it replaces: who had closed a file finds it closed."""
    if target.exists():
        draft.chmod(target.stat().st_mode & 0o777)


def _sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    if os.name == "nt" and path.is_dir():  # Windows opens no folders
        return
    # Windows syncs only what may be written, others only what may be read.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_apart(written: Iterable[Path], read: Iterable[Path]) -> None:
    """Checks that what will be written leaves alone what is read.

    Args:
        written (`Iterable[Path]`): Files or folders.
        read (`Iterable[Path]`): Files or folders.

    Raises:
        `ValueError`: When two are the same, by whatever name or link, or one lies in the other.
    """
    targets = list(written)
    for source in read:
        for target in targets:
            if _same(target, source):
                raise ValueError(f"{target} is the input itself: name another --output")
            if any(_same(parent, source) for parent in _parents(target)):
                raise ValueError(f"{target} lies in the input {source}: name another --output")
            if any(_same(parent, target) for parent in _parents(source)):
                raise ValueError(f"the input {source} lies in {target}: name another --output")


def _parents(path: Path) -> Iterable[Path]:
    return Path(os.path.realpath(path)).parents


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        # Names that are not there yet may differ in case and still become one file.
        first, second = (os.path.realpath(path).casefold() for path in (one, other))
        return first == second and not (one.exists() or other.exists())
