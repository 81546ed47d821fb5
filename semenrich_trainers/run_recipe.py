"""What a run is made of: kept in its folder, so that no other run goes on in its place."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from hashlib import blake2b
from pathlib import Path
from typing import Any

from datasets import Dataset, IterableDataset
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    RepositoryNotFoundError,
)
from transformers import TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from transformers.utils import (
    ADAPTER_SAFE_WEIGHTS_NAME,
    ADAPTER_WEIGHTS_NAME,
    cached_file,
    find_adapter_config_file,
)

from semenrich_datasets.whole_files import replace_text
from semenrich_trainers.rows import has_transform

#: Name of the recipe's file, in the folders of runs, of checkpoints and of models on the Hub.
RECIPE_NAME = "run_recipe.json"

# Settings that do not change what is learned: where to, how often, how fast, on what machine. The
# batch is compared as a whole, so that a run may go on with fewer devices and more accumulation:
# steps_per_generation too, by TRL's generation_batch_size.
_NOT_LEARNED = re.compile(
    r"output_dir|run_name|project|trackio_|report_to|logging_|log_|num_completions_to_print|save_"
    r"|enable_jit|push_to_hub|hub_|eval_|per_device_|prediction_loss_only|include_|batch_eval"
    r"|load_best|greater_is|ignore_data_skip|restore_callback|use_cpu|accelerator_|parallelism_"
    r"|dataloader_(?!drop_last)|ddp_|fsdp|deepspeed|debug|skip_memory|do_(train|eval|predict)$"
    r"|resume_from|local_rank|disable_tqdm|bf16|fp16|tf32|activation_|gradient_(?!clipping)|torch_"
    r"|use_liger|liger|use_cache|auto_find|full_determinism|remove_unused|trust_remote|ds3_"
    r"|dataset_num_proc|cache_|use_vllm|vllm_(?!importance)|use_transformers_|transformers_"
    r"|num_generations_eval|steps_per_generation"
)
_NOT_LEARNED_OF_MODEL = ("attn_implementation", "device_map")
_NOT_OF_ADAPTER = ("base_model_name_or_path", "inference_mode", "peft_version", "runtime_config")
# Enough to tell another column, order or enrichment; what else differs shows in the settings.
_SAMPLED_ROWS = 16
_CHUNK = 1 << 20

Prompt = str | list[dict[str, Any]]
Recipe = dict[str, Any]

_log = logging.getLogger(__name__)


def describe_rows(
    dataset: Dataset | IterableDataset | None, reference_columns: Sequence[str]
) -> Recipe:
    """Tells a dataset from another one without keeping a report's text.

    Args:
        dataset (`Dataset`, `IterableDataset` or None): Rows to train on. Images are not decoded,
            but for the two rows whose prompts a transform of the user's makes.
        reference_columns (`Sequence[str]`): Columns of the references.

    Returns:
        `dict`: `rows`; `sample`, a digest of the texts of 16 rows, the first, the last and those
        between; `prompt`, the prompt of these rows, where all have the same: one that differs from
        row to row may quote a report. Of a stream the prompt alone, for its order may not be fixed.
    """
    if not isinstance(dataset, Dataset):
        rows = [] if dataset is None else list(dataset.take(2))
        return {"rows": None, "sample": None, "prompt": _one_prompt(rows)}
    count = min(_SAMPLED_ROWS, len(dataset))
    sampled = [row * (len(dataset) - 1) // max(count - 1, 1) for row in range(count)]
    stored = dataset.with_format(None)
    names = [*reference_columns, "prompt", "completion"]
    texts = stored.select_columns([name for name in names if name in stored.column_names])
    sample: list[Any] = list(texts.select(sampled))
    prompted = dataset.select(sampled[:1] + sampled[-1:]) if has_transform(dataset) else sample
    return {
        "rows": len(dataset),
        "sample": _digest([sample, _transform_settings(dataset)]),
        "prompt": _one_prompt(list(prompted)),
    }


def _transform_settings(dataset: Dataset) -> list[str]:
    """What a `ReportFormatter` on the fly is made of; another transform is not looked into."""
    from semenrich_trainers.formatting import ReportFormatter

    transform = dataset.format["format_kwargs"].get("transform")
    if not isinstance(transform, ReportFormatter):
        return []
    enricher = transform.enricher.to_dict() if transform.enricher else None
    return [transform.findings_column, transform.impression_column, transform.prompt, str(enricher)]


def _one_prompt(rows: Sequence[Mapping[str, Any]]) -> Prompt | None:
    prompts = [row.get("prompt") for row in rows]
    if len(prompts) < 2 or any(prompt != prompts[0] for prompt in prompts):
        return None
    first = prompts[0]
    if first is None or isinstance(first, str):
        return first
    if not all(isinstance(message.get("content"), str) for message in first):
        return None
    return [{"role": one["role"], "content": one["content"]} for one in first]


def describe_run(trainer: Any, rows: Recipe, before: Recipe | None = None) -> Recipe:
    """Tells what a trainer's run is made of.

    Args:
        trainer ([`~checkpoints.IndexCheckpoints`]): One of our trainers.
        rows (`dict`): Of [`describe_rows`].
        before (`dict`, *optional*): Of an earlier training by the same trainer: its model stays.

    Returns:
        `dict`: Values of JSON.
    """
    args, config = trainer.args, trainer.model.config
    adapters = getattr(trainer.model, "peft_config", None) or {}
    batch = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    recipe = {
        "method": trainer._name,
        "model": before["model"] if before else config._name_or_path or _config_digest(config),
        "start": trainer.start_recipe,
        "adapter": {name: _adapter_settings(one) for name, one in adapters.items()} or None,
        "indexes": {folder: index.digest for folder, index in trainer.indexes.items()},
        "rewards": dict(trainer.card_rewards()) or None,
        "prompt": rows["prompt"],
        "data": {"rows": rows["rows"], "sample": rows["sample"]},
        "batch_size": batch,
        "settings": _settings(args, trainer.evaluation_settings),
    }
    return dict(json.loads(json.dumps(recipe, default=str)))


def _settings(args: TrainingArguments, not_learned: frozenset[str]) -> dict[str, Any]:
    settings = {
        one.name: getattr(args, one.name)
        for one in fields(args)
        if one.init and one.name not in not_learned and not _NOT_LEARNED.match(one.name)
    }
    if isinstance(given := settings.get("model_init_kwargs"), dict):
        settings["model_init_kwargs"] = {
            name: value for name, value in given.items() if name not in _NOT_LEARNED_OF_MODEL
        }
    return settings


def _adapter_settings(config: Any) -> dict[str, Any]:
    return {
        name: sorted(value) if isinstance(value, set) else value
        for name, value in config.to_dict().items()
        if name not in _NOT_OF_ADAPTER
    }


def _config_digest(config: Any) -> str:
    settings = config.to_diff_dict()
    settings.pop("transformers_version", None)
    return f"{config.model_type} {_digest(settings)}"


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def describe_start(model: Any, model_init_kwargs: Any) -> Recipe | None:
    """Tells the adapter that a run starts from, whose base model bears the name of the model.

    Args:
        model (`Any`): As the trainer's.
        model_init_kwargs (`dict[str, Any]`, *optional*): Of the trainer's configuration.

    Returns:
        `dict` or `None`: `adapter`, its name, and `weights`, a digest of its weights' file; None
            for a model that is not named by an adapter.

    Raises:
        `OSError`: When the adapter has no weights.
    """
    revision = (model_init_kwargs or {}).get("revision")
    if not isinstance(model, str) or find_adapter_config_file(model, revision=revision) is None:
        return None
    names = (ADAPTER_SAFE_WEIGHTS_NAME, ADAPTER_WEIGHTS_NAME)
    settings = {"revision": revision, "_raise_exceptions_for_missing_entries": False}
    found = next(filter(None, (cached_file(model, name, **settings) for name in names)), None)
    if found is None:
        raise OSError(f"expected {' or '.join(names)} in the adapter {model}, found neither")
    digest = blake2b(digest_size=8)
    with Path(found).open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return {"adapter": model, "weights": digest.hexdigest()}


def holds_run(folder: str | Path) -> bool:
    """Tells whether a run has left a checkpoint or a model in its folder."""
    folder = Path(folder)
    return any(folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*")) or any(folder.glob("*.safetensors"))


def check_start(start: Recipe | None, folder: str) -> None:
    """Compares what a run starts from with what the run in its folder did, before all is known.

    Args:
        start (`dict`, *optional*): Of [`describe_start`].
        folder (`str`): The run's output folder.

    Raises:
        `ValueError`: When the run there started from another adapter.
    """
    then = _read(Path(folder, RECIPE_NAME)) if holds_run(folder) else None
    if then is not None:
        _refuse_another({"start": then.get("start")}, {"start": start}, Path(folder), folder)


def check_folder(recipe: Recipe, folder: str, checkpoint: str | None) -> None:
    """Compares a run that begins with the one whose folder or checkpoint it takes.

    Args:
        recipe (`dict`): Of the run that begins.
        folder (`str`): Its output folder.
        checkpoint (`str`, *optional*): What it resumes from.

    Raises:
        `ValueError`: When the run there is of another recipe; each difference is named.
    """
    left = [path.name for path in Path(folder).glob(f"{PREFIX_CHECKPOINT_DIR}-*")]
    places = ([Path(checkpoint)] if checkpoint else []) + (
        [Path(folder)] if holds_run(folder) else []
    )
    for place in places:
        then = _read(place / RECIPE_NAME)
        if then is not None:
            _refuse_another(then, recipe, place, folder)
    if checkpoint:
        state = json.loads(Path(checkpoint, TRAINER_STATE_NAME).read_text(encoding="utf-8"))
        _log.warning("Resuming from %s, after step %s", checkpoint, state["global_step"])
        if all(_read(place / RECIPE_NAME) is None for place in places):
            _log.warning(
                "%s has no %s, so nothing tells whether it is of the same recipe: check it, or "
                "pass another output_dir",
                checkpoint,
                RECIPE_NAME,
            )
    elif left:
        _log.warning(
            "Starting anew in %s, which holds %s: to go on instead, pass resume_from_checkpoint="
            "last_checkpoint(output_dir)",
            folder,
            ", ".join(sorted(left)),
        )


def _refuse_another(then: Recipe, now: Recipe, place: Path, folder: str) -> None:
    if different := list(differences(then, now)):
        lines = "\n  ".join(different)
        raise ValueError(
            f"{place} holds a run of another recipe:\n  {lines}\n"
            f"pass another output_dir, or delete {folder} to start anew"
        )


def differences(then: Recipe, now: Recipe) -> Iterator[str]:
    """Names what differs between two recipes, an entry a line.

    Settings that only one of them knows come from another version of a library, and are left out.
    """
    known = [set(recipe.get("settings") or {}) for recipe in (then, now)]
    both = known[0] & known[1]
    flat = [dict(_flatten({**one, "settings": _only(one, both)})) for one in (then, now)]
    for name in dict.fromkeys([*flat[0], *flat[1]]):
        before, after = (entries.get(name) for entries in flat)
        if before != after:
            yield f"{name.removeprefix('settings.')}: then {before!r}, now {after!r}"


def _only(recipe: Recipe, names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in (recipe.get("settings") or {}).items() if name in names}


def _flatten(entries: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in entries.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def write_recipe(recipe: Recipe, folder: str | Path) -> None:
    """Writes a recipe into a folder, which is made where it is missing."""
    text = json.dumps(recipe, indent=1, ensure_ascii=False)
    replace_text(Path(folder, RECIPE_NAME), f"{text}\n")


def _read(path: Path) -> Recipe | None:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def trained_prompt(model: str) -> Prompt | None:
    """Gives the prompt that a model was trained with.

    Args:
        model (`str`): Folder or Hub id of what our trainers saved or pushed.

    Returns:
        `str`, `list` or `None`: A text or messages, as a row's `prompt`; None where nothing says
        so, or where it differed from row to row.
    """
    recipe = _recipe_of(model)
    return None if recipe is None else recipe["prompt"]


def trained_seed(model: str) -> int:
    """Gives the seed of a model's training, of [`trained_prompt`]; where nothing says so, TRL's."""
    settings = (_recipe_of(model) or {}).get("settings") or {}
    return int(settings.get("seed", TrainingArguments.seed))


def _recipe_of(model: str) -> Recipe | None:
    recipe = _read(Path(model, RECIPE_NAME))
    if recipe is not None or Path(model).exists():
        return recipe
    try:
        return _read(Path(hf_hub_download(model, RECIPE_NAME)))
    except (HFValidationError, EntryNotFoundError, RepositoryNotFoundError):
        return None
