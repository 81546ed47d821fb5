"""An enriched dataset on the Hub, with its card and with what it was made by."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from huggingface_hub import DatasetCard, HfApi

from semenrich_datasets.audit.card import dataset_card
from semenrich_datasets.hub_privacy import check_visibility
from semenrich_datasets.report_files import SETTINGS_NAME

if TYPE_CHECKING:
    import datasets

    from semenrich_datasets.enrich import SemEnricher


def push_enriched(
    enriched: datasets.Dataset | datasets.DatasetDict,
    enricher: SemEnricher,
    repo_id: str,
    *,
    index_repo: str | None = None,
    private: bool = True,
) -> str:
    """Pushes enriched reports, the settings that made them, and a card that says so.

    Args:
        enriched (`datasets.Dataset` or `datasets.DatasetDict`): The output of `map(enricher)`. The
            card counts the split "train" of a `DatasetDict`, or its first.
        enricher ([`SemEnricher`]): What made it.
        repo_id (`str`): The dataset's repository; made when it does not exist.
        index_repo (`str`, *optional*): Hub id of the index, for who audits the dataset.
        private (`bool`, *optional*, defaults to `True`): Whether the repository is private: the
            reports are those of patients.

    Returns:
        `str`: Address of the commit of the data.

    Raises:
        `ValueError`: When the repository is public and was to be private; nothing is uploaded then.
    """
    check_visibility(repo_id, private=private, repo_type="dataset")
    commit = enriched.push_to_hub(repo_id, private=private)
    settings = enricher.to_dict() | ({} if index_repo is None else {"index_repo": index_repo})
    HfApi().upload_file(
        path_or_fileobj=json.dumps(settings, indent=1).encode(),
        path_in_repo=SETTINGS_NAME,
        repo_id=repo_id,
        repo_type="dataset",
        commit_message="How it was made",
    )
    card = DatasetCard.load(repo_id)  # written by push_to_hub: its front matter lists the files
    card.text = dataset_card(_counted_split(enriched), enricher)
    card.push_to_hub(repo_id)
    return str(commit.commit_url)


def _counted_split(enriched: datasets.Dataset | datasets.DatasetDict) -> datasets.Dataset:
    if not isinstance(enriched, dict):
        return enriched
    return enriched["train"] if "train" in enriched else next(iter(enriched.values()))
