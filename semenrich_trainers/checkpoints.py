"""Checkpoints that carry the index and the recipe of their run, and a card that names them."""

from __future__ import annotations

import json
import os
import textwrap
from importlib.metadata import version
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard
from transformers import ProcessorMixin, Trainer
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from semenrich_datasets.hub_privacy import check_visibility
from semenrich_datasets.index import FindingsIndex
from semenrich_trainers.formatting import DEFAULT_PROMPT
from semenrich_trainers.one_process import on_main_process
from semenrich_trainers.rewards.cluster import open_index
from semenrich_trainers.run_recipe import (
    Prompt,
    Recipe,
    check_folder,
    describe_run,
    write_recipe,
)

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
    """What both trainers change in saving: the indexes and the recipe go where the model goes.

    The index holds every distinct sentence of its corpus, rare ones of single patients included,
    and is pushed with the model: into a private repository, unless the index is in its shared form
    (`index.save_pretrained(folder, share=True)`).
    """

    _name: str
    _paper: dict[str, str]
    indexes: dict[str, FindingsIndex]
    #: What the rows to train on are, of [`~run_recipe.describe_rows`].
    rows_recipe: Recipe
    #: The adapter that the run starts from, of [`~run_recipe.describe_start`].
    start_recipe: Recipe | None = None
    #: What the run is made of; None before training.
    run_recipe: Recipe | None = None
    #: Settings that this trainer reads at evaluations alone.
    evaluation_settings: frozenset[str] = frozenset()

    def train(
        self, resume_from_checkpoint: str | bool | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Trains, as [`~transformers.Trainer.train`]; a folder goes on with its own recipe only.

        Without `resume_from_checkpoint` a run starts anew, also where its folder holds checkpoints
        (a warning names them).

        Args:
            resume_from_checkpoint (`str` or `bool`, *optional*): A checkpoint, such as
                [`last_checkpoint`] gives, or True for it.
            args (`Any`): As of [`~transformers.Trainer.train`].
            kwargs (`Any`): The same.

        Returns:
            [`~transformers.trainer_utils.TrainOutput`]

        Raises:
            `ValueError`: When the folder, or the checkpoint, is of another recipe: what differs is
                named.
        """
        run = str(self.args.output_dir)
        if resume_from_checkpoint is True:  # the newest one may have been cut off by a kill
            resume_from_checkpoint = last_checkpoint(run) or True
        self._check_recipe(run, resume_from_checkpoint or None)
        return super().train(resume_from_checkpoint, *args, **kwargs)

    def _check_recipe(self, run: str, checkpoint: str | bool | None) -> None:
        # Kept, for training changes the model's configuration: its special tokens, for one.
        recipe = self.run_recipe = describe_run(self, self.rows_recipe, self.run_recipe)
        place = checkpoint if isinstance(checkpoint, str) else None

        def check_and_write() -> None:
            check_folder(recipe, run, place)
            write_recipe(recipe, run)

        on_main_process(check_and_write)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Saves the model and, beside it, the indexes and the recipe."""
        super().save_model(output_dir, _internal_call)
        if not self.args.should_save:
            return
        # The run's own folder too, and last: it is what is pushed from a checkpoint, and it stays
        # where `save_total_limit` deletes checkpoints, so that pickles find the index there.
        run = str(self.args.output_dir)
        recipe = self.run_recipe or describe_run(self, self.rows_recipe)
        for folder in dict.fromkeys([output_dir or run, run]):
            write_recipe(recipe, folder)
            for name, index in self.indexes.items():
                index.save_pretrained(Path(folder, name))

    def init_hf_repo(self, token: str | None = None, private: bool | None = None) -> None:
        """Makes the repository of the model: a private one where an index is not shared.

        Args:
            token (`str`, *optional*): Hub token.
            private (`bool`, *optional*): Whether it is private; `hub_private_repo` by default.

        Raises:
            `ValueError`: When the repository is public, or was asked to be.
        """
        private = self.args.hub_private_repo if private is None else private
        if self.is_world_process_zero() and not self._is_shared():
            if private is False:
                msg = (
                    "expected a private repository for a model whose folder holds an index of "
                    "every sentence of its corpus, found hub_private_repo=False: leave it out, or "
                    "train with the shared form: index.save_pretrained(folder, share=True)"
                )
                raise ValueError(msg)
            private = True
            repo_id = self.args.hub_model_id or Path(str(self.args.output_dir)).absolute().name
            check_visibility(repo_id, private=True, token=token or self.args.hub_token)
        super().init_hf_repo(token=token, private=private)

    def _is_shared(self) -> bool:
        return all(index.config.shared for index in self.indexes.values())

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
            messages=_card_messages(self.rows_recipe["prompt"], is_multimodal),
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


def _card_messages(prompt: Prompt | None, is_multimodal: bool) -> str:
    """Gives the input of the card's example as Python: the prompt that was trained with."""
    messages = [{"role": "user", "content": DEFAULT_PROMPT}] if prompt is None else prompt
    if isinstance(messages, str):
        return json.dumps(messages, ensure_ascii=False)
    asked = next((row for row, one in enumerate(messages) if one["role"] == "user"), None)
    lines = []
    for row, message in enumerate(messages):
        content: Any = message["content"]
        if is_multimodal:
            image = [{"type": "image", "url": "chest.png"}] if row == asked else []
            content = [*image, {"type": "text", "text": content}]
        shown = json.dumps({"role": message["role"], "content": content}, ensure_ascii=False)
        lines.append(f"    {shown},\n")
    return f"[\n{''.join(lines)}]"


def open_indexes(
    index: IndexOrName, impression_index: IndexOrName | None
) -> dict[str, FindingsIndex]:
    """Opens the indexes of a run, by the folder that each is saved in."""
    given = {FINDINGS_INDEX: index, IMPRESSION_INDEX: impression_index}
    return {folder: open_index(one) for folder, one in given.items() if one is not None}


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
