"""Where an index lies: a folder, or a commit of a Hub repository."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from semenrich_datasets.index.files import HUB_PATTERNS, IndexFileError, read_config


@dataclass(frozen=True)
class Location:
    """Where an index lies, in a form that travels to other processes and machines.

    Args:
        path (`str`): Of the folder; for a repository of the Hub, of the folder in it.
        repo_id (`str`, *optional*): Of the repository.
        commit (`str`, *optional*): Of the repository.
    """

    path: str
    repo_id: str = ""
    commit: str = ""

    def folder(self) -> Path:
        """Gives the folder; a repository is fetched when it is not in the cache."""
        if not self.repo_id:
            return Path(self.path)
        patterns = _patterns(self.path)
        try:
            root = snapshot_download(
                self.repo_id, revision=self.commit, allow_patterns=patterns, local_files_only=True
            )
        except LocalEntryNotFoundError:
            root = snapshot_download(self.repo_id, revision=self.commit, allow_patterns=patterns)
        return Path(root) / self.path

    def check(self, digest: str) -> None:
        """Raises `IndexFileError` when another index lies here, or none."""
        try:
            found = read_config(self.folder())["digest"]
        except (IndexFileError, OSError) as error:
            raise IndexFileError(self.gone(digest)) from error
        if found != digest:
            raise IndexFileError(self.gone(digest))

    def gone(self, digest: str) -> str:
        """Says that the index with a digest is not here any more."""
        place = self.repo_id or self.path
        return (
            f"the index {digest[:12]} is not at {place} any more: load it again with "
            "FindingsIndex.from_pretrained before using a pickled enricher"
        )


def find_index(
    name_or_path: str | os.PathLike[str],
    *,
    subfolder: str = "",
    revision: str | None = None,
    token: str | bool | None = None,
    force_download: bool = False,
) -> Location:
    """Finds an index, and fetches it from the Hub when there is no such folder.

    Args:
        name_or_path (`str` or `os.PathLike`): A folder, or the id of a Hub repository.
        subfolder (`str`, *optional*): Where in it.
        revision (`str`, *optional*): Branch, tag or commit on the Hub.
        token (`str` or `bool`, *optional*): Hub token.
        force_download (`bool`, *optional*, defaults to `False`): Whether to fetch the files again.

    Returns:
        [`Location`]
    """
    folder = Path(name_or_path)
    if folder.is_dir():
        return Location(str((folder / subfolder).resolve()))
    try:
        root = snapshot_download(
            str(name_or_path),
            revision=revision,
            token=token,
            force_download=force_download,
            allow_patterns=_patterns(subfolder),
        )
    except HFValidationError as error:
        msg = f"no folder {name_or_path}, and no id of a Hub repository either: look at the path"
        raise FileNotFoundError(msg) from error
    # The Hub's cache keeps each commit in a folder of its name.
    return Location(subfolder, str(name_or_path), Path(root).name)


def _patterns(subfolder: str) -> list[str]:
    return [str(Path(subfolder) / name) for name in HUB_PATTERNS]
