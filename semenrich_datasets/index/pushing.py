"""An index on its way to the Hub: one folder that nobody else reads, and that does not stay."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from huggingface_hub import HfApi

from semenrich_datasets.hub_privacy import check_visibility

_PREFIX = "semenrich-push-"
# Seconds after which the copy of a push is one that was killed.
_STALE_AFTER = 24 * 3600.0


def upload_index(
    write: Callable[[Path], object],
    repo_id: str,
    private: bool | None,
    token: str | bool | None,
    revision: str | None,
    commit_message: str,
) -> str:
    """Uploads an index in one commit, and deletes the files of the one before.

    Args:
        write (`Callable[[Path], object]`): Writes the index into a folder.
        repo_id (`str`): Of the model repository, made when missing.
        private (`bool` or `None`): Whether it is private; None leaves it to the Hub.
        token (`str`, `bool` or `None`): Hub token.
        revision (`str` or `None`): Branch to push to.
        commit_message (`str`): Of the commit.

    Returns:
        `str`: Address of the commit.

    Raises:
        `ValueError`: When the repository is public and was to be private.
    """
    check_visibility(repo_id, private=private, token=token)
    _remove_stale(Path(tempfile.gettempdir()))
    # Made by mkdtemp, which lets nobody but the owner in, whatever the umask.
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder:
        write(Path(folder))
        api = HfApi(token=token)
        repo = api.create_repo(repo_id, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo.repo_id,
            folder_path=folder,
            revision=revision,
            commit_message=commit_message,
            delete_patterns=["*.parquet", "*.faiss", "lexicon-*.json"],
        )
    return str(commit.commit_url)


def _remove_stale(root: Path) -> None:
    """Deletes what pushes that were killed left behind."""
    for folder in root.glob(f"{_PREFIX}*"):
        # Another user's can't be deleted, and another process may be deleting this one.
        with suppress(OSError):
            if time.time() - folder.lstat().st_mtime > _STALE_AFTER:
                shutil.rmtree(folder, ignore_errors=True)
