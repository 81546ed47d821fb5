"""Checkpoints that carry the index they were trained with, and a card that names it."""

from __future__ import annotations

import os
import textwrap
from importlib.metadata import version
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard
from transformers import ProcessorMixin, Trainer
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from semenrich_datasets.index import FindingsIndex
from semenrich_trainers.formatting import DEFAULT_PROMPT

#: Folders beside the model's files: `FindingsIndex.from_pretrained(model, subfolder=...)`.
FINDINGS_INDEX = "findings_index"
IMPRESSION_INDEX = "impression_index"

SEMENRICH_PAPER = {
    "title": "SemEnrich: Self-Supervised Semantic Enrichment for Medical Vision-Language Models",
    "id": "2604.09887",
    "citation": textwrap.dedent("""\
        @article{gulluk2026semenrich,
            title   = {{SemEnrich: Self-Supervised Semantic Enrichment for Medical
                       Vision-Language Models}},
            author  = {Gulluk and Gevaert},
            year    = 2026,
            journal = {arXiv preprint arXiv:2604.09887},
        }"""),
}

_CARD = Path(__file__).with_name("model_card.md")
_PACKAGES = ("semenrich", "trl", "transformers", "torch", "datasets")

IndexOrName = FindingsIndex | str | os.PathLike[str]


class IndexCheckpoints(Trainer):
    """What both trainers change in saving: the indexes go where the model goes.

    The index holds every distinct sentence of its corpus, rare ones of single patients included,
    and is pushed with the model: set `hub_private_repo=True` unless the reports are public.
    """

    _name: str
    _paper: dict[str, str]
    indexes: dict[str, FindingsIndex]

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Saves the model and, beside it, the indexes."""
        super().save_model(output_dir, _internal_call)
        if not self.args.should_save:
            return
        # The run's own folder too, and last: it is what is pushed from a checkpoint, and it stays
        # where `save_total_limit` deletes checkpoints, so that pickles find the index there.
        run = str(self.args.output_dir)
        for folder in dict.fromkeys([output_dir or run, run]):
            for name, index in self.indexes.items():
                index.save_pretrained(Path(folder, name))

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Writes README.md into the run's folder: TRL's card data, our text."""
        super().create_model_card(*args, **kwargs)
        if not self.is_world_process_zero():
            return
        path = Path(str(self.args.output_dir), "README.md")
        data = ModelCard.load(path).data
        is_multimodal = isinstance(self.processing_class, ProcessorMixin)
        data.pipeline_tag = "image-text-to-text" if is_multimodal else "text-generation"
        card = ModelCard.from_template(
            data,
            template_path=str(_CARD),
            model=self.hub_model_id or str(self.args.output_dir),
            data=data,
            prompt=DEFAULT_PROMPT,
            trainer_name=self._name,
            indexes=self.indexes,
            rewards=self.card_rewards(),
            versions={name: version(name) for name in _PACKAGES},
            citation=self._paper["citation"],
        )
        card.save(path)

    def card_rewards(self) -> list[tuple[str, float]]:
        """Gives the rewards and their weights, for the card."""
        return []


def open_indexes(
    index: IndexOrName, impression_index: IndexOrName | None
) -> dict[str, FindingsIndex]:
    """Opens the indexes of a run, by the folder that each is saved in."""
    given = {FINDINGS_INDEX: index, IMPRESSION_INDEX: impression_index}
    return {
        folder: one if isinstance(one, FindingsIndex) else FindingsIndex.from_pretrained(one)
        for folder, one in given.items()
        if one is not None
    }


def last_checkpoint(output_dir: str | os.PathLike[str]) -> str | None:
    """Gives the newest complete checkpoint of a run, to resume from.

    The state of the trainer is written last: a checkpoint without it was cut off by a kill, and
    the one before it is taken.

    Args:
        output_dir (`str` or `os.PathLike`): Folder of the run.

    Returns:
        `str` or `None`: The checkpoint's folder; None when there is none, so that
        `trainer.train(resume_from_checkpoint=last_checkpoint(folder))` starts or resumes.
    """
    complete = [
        state.parent
        for state in Path(output_dir).glob(f"{PREFIX_CHECKPOINT_DIR}-*/{TRAINER_STATE_NAME}")
    ]
    steps = {int(folder.name.rsplit("-", 1)[1]): folder for folder in complete}
    return str(steps[max(steps)]) if steps else None
