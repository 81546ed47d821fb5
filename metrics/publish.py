"""Creates or updates the Space of each metric: `python metrics/publish.py OWNER [MODULE ...]`.

Needs a token with the right to write (`hf auth login`, or `HF_TOKEN`). A Space holds what its
folder here holds: files that are gone here go there too.
"""

import argparse
from pathlib import Path

from huggingface_hub import HfApi

METRICS = Path(__file__).parent


def module_folders() -> list[Path]:
    """The folders beside this file that hold an `evaluate` module of their own name."""
    return sorted(script.parent for script in METRICS.glob("*/*.py") if _is_module(script))


def publish(folder: Path, owner: str, api: HfApi) -> str:
    """Creates or updates the Space of one module.

    Args:
        folder (`Path`): The module's folder; its name is the Space's.
        owner (`str`): User or organization on the Hub.
        api (`HfApi`): A client that is signed in.

    Returns:
        `str`: What `evaluate.load` takes, `OWNER/MODULE`.
    """
    repo_id = f"{owner}/{folder.name}"
    api.create_repo(repo_id, repo_type="space", space_sdk="gradio", exist_ok=True)
    api.upload_folder(
        repo_id=repo_id,
        repo_type="space",
        folder_path=folder,
        ignore_patterns=["__pycache__/*", ".*"],
        delete_patterns="*",
        commit_message=f"Publish {folder.name}",
    )
    return repo_id


def main(arguments: list[str] | None = None) -> None:
    """Publishes the named modules, or all."""
    folders = {folder.name: folder for folder in module_folders()}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("owner", help="user or organization on the Hub")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="all, if left out")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.modules) - set(folders))
    if unknown:
        parser.error(f"no module {', '.join(unknown)}; there are {', '.join(folders)}")
    api = HfApi()
    for name in options.modules or folders:
        repo_id = publish(folders[name], options.owner, api)
        print(f'evaluate.load("{repo_id}")  {api.endpoint}/spaces/{repo_id}')  # noqa: T201 - a script


def _is_module(script: Path) -> bool:
    return script.stem == script.parent.name


if __name__ == "__main__":
    main()
