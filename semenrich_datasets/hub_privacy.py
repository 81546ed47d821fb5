"""Who will see what is pushed to the Hub, known before anything is uploaded."""

from __future__ import annotations

from typing import Literal

from huggingface_hub import HfApi
from huggingface_hub.errors import RepositoryNotFoundError

RepoType = Literal["model", "dataset"]


def check_visibility(
    repo_id: str,
    *,
    private: bool | None,
    repo_type: RepoType = "model",
    token: str | bool | None = None,
) -> str:
    """Tells how visible a push will be; nothing is made or changed on the Hub.

    Args:
        repo_id (`str`): Where to push.
        private (`bool`, *optional*): Whether it is to be private; None leaves it to the Hub.
        repo_type (`str`, *optional*, defaults to `"model"`): "model" or "dataset".
        token (`str` or `bool`, *optional*): Hub token.

    Returns:
        `str`: In words, such as "private" or "new, public".

    Raises:
        `ValueError`: When the repository is public and was to be private: pushing does not change
            the visibility of a repository.
    """
    api = HfApi(token=token)
    if "/" not in repo_id:  # the Hub makes it under the name of who pushes
        repo_id = f"{api.whoami()['name']}/{repo_id}"
    try:
        found = api.repo_info(repo_id, repo_type=repo_type)
    except RepositoryNotFoundError:
        words = {True: "private", False: "public", None: "public unless its owner's default is not"}
        return f"new, {words[private]}"
    if private and not found.private:
        msg = (
            f"expected {repo_type} {repo_id} to be private, found it public: nothing was uploaded; "
            "make it private in its settings on the Hub, push to another repository, or ask for a "
            "public one (--public, private=False)"
        )
        raise ValueError(msg)
    return "private" if found.private else "public"
