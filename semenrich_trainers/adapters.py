"""Models that are named by their LoRA adapter: to be trained on, merged, or generated with."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import snapshot_download
from transformers import AutoProcessor, PreTrainedModel
from transformers.utils.peft_utils import find_adapter_config_file
from trl import GRPOConfig, SFTConfig
from trl.trainer.utils import create_model_from_path

from semenrich_trainers.config import AdapterUse
from semenrich_trainers.one_process import on_main_process
from semenrich_trainers.run_recipe import Recipe, check_start, holds_run

if TYPE_CHECKING:
    from peft import PeftModel

logger = logging.getLogger(__name__)

#: Folder beside an adapter with the base model that an earlier adapter was merged into.
MERGED_BASE = "merged_base"


def load_policy(
    name: str,
    adapter: AdapterUse = "continue",
    *,
    is_trainable: bool = False,
    revision: str | None = None,
    **model_init_kwargs: Any,
) -> PreTrainedModel | PeftModel:
    """Loads a model by its name, which may be that of its LoRA adapter.

    An adapter is known by its adapter_config.json, as in peft, and is loaded on the base model that
    this names. Where another adapter had been merged into that base, the merged model lies beside
    the adapter, in `merged_base`, and is its base wherever the folder has gone.

    Args:
        name (`str`): Folder or Hub id of a model, or of a LoRA adapter.
        adapter (`str`, *optional*, defaults to `"continue"`): `"continue"` keeps the adapter apart,
            `"merge"` adds it to the weights of the base model.
        is_trainable (`bool`, *optional*, defaults to `False`): Whether the adapter's weights are
            to be trained.
        revision (`str`, *optional*): Of the name; that of the base model is in the adapter.
        model_init_kwargs (`Any`): As of the model's `from_pretrained`, such as `dtype`, which is
            float32 by default.

    Returns:
        [`~transformers.PreTrainedModel`] or [`~peft.PeftModel`]: The latter for an adapter that is
            kept apart.

    Raises:
        `OSError`: When there is neither a model nor an adapter of this name, or no base model.
    """
    if not is_adapter(name, revision):
        return create_model_from_path(name, revision=revision, **model_init_kwargs)
    from peft import PeftModel

    base_name, base_revision = base_model(name, revision)
    try:
        base = create_model_from_path(base_name, revision=base_revision, **model_init_kwargs)
    except OSError as error:
        msg = (
            f"expected the base model of the adapter {name!r}, found nothing to load at "
            f"{base_name!r}: put the model there, or its folder or Hub id into "
            "base_model_name_or_path of adapter_config.json"
        )
        raise OSError(msg) from error
    policy = PeftModel.from_pretrained(base, name, is_trainable=is_trainable, revision=revision)
    return policy.merge_and_unload() if adapter == "merge" else policy


def is_adapter(name: str, revision: str | None = None) -> bool:
    """Tells whether a folder or Hub id is a LoRA adapter: whether it has an adapter_config.json."""
    return find_adapter_config_file(name, revision=revision) is not None


def load_processing_class(name: str, **settings: Any) -> Any:
    """Loads the processor or tokenizer of a model, or of an adapter or its base model.

    Args:
        name (`str`): Folder or Hub id of a model, or of a LoRA adapter.
        settings (`Any`): As of [`~transformers.AutoProcessor`].

    Returns:
        `PreTrainedTokenizerBase` or `ProcessorMixin`: The adapter's own, which has the chat
            template that it was trained with; the base model's where there is none.
    """
    try:
        return AutoProcessor.from_pretrained(name, **settings)
    except (OSError, ValueError):
        if not is_adapter(name, settings.get("revision")):
            raise
    base_name, revision = base_model(name, settings.pop("revision", None))
    return AutoProcessor.from_pretrained(base_name, revision=revision, **settings)


def open_policy(
    model: str | PreTrainedModel,
    args: SFTConfig | GRPOConfig,
    kwargs: dict[str, Any],
    start: Recipe | None,
    **processing_settings: Any,
) -> dict[str, Any]:
    """Gives a trainer's arguments with the adapter loaded, if its model is named by one.

    Args:
        model (`str`, [`~transformers.PreTrainedModel`] or [`~peft.PeftModel`]): As the trainer's.
        args ([`ReportConfig`]): With the field `adapter`.
        kwargs (`dict[str, Any]`): What else the trainer was given.
        start (`dict`, *optional*): The adapter, of [`~run_recipe.describe_start`].
        processing_settings (`Any`): For loading the tokenizer or processor.

    Returns:
        `dict[str, Any]`: `model` and the kwargs; for an adapter with its `processing_class`, and
            without a `peft_config` where it is trained on.

    Raises:
        `ValueError`: When it is to be merged, and the run's folder holds a run of another adapter:
            its base would be lost.
    """
    given: Any = args.model_init_kwargs
    settings = dict(given or {})
    revision = settings.pop("revision", None)
    if start is None or not isinstance(model, str):
        return {**kwargs, "model": model}
    use: AdapterUse = args.adapter  # type: ignore[union-attr]
    run = str(args.output_dir)
    if use == "merge":
        on_main_process(lambda: check_start(start, run))
    kwargs = dict(kwargs)
    settings.setdefault("trust_remote_code", args.trust_remote_code)
    if (quantization := kwargs.pop("quantization_config", None)) is not None:
        settings["quantization_config"] = quantization
    if args.distributed_state.distributed_type in ("MULTI_GPU", "DEEPSPEED"):
        settings["device_map"] = None  # as TRL does: "auto" fails there
    policy = load_policy(model, use, is_trainable=True, revision=revision, **settings)
    if kwargs.get("processing_class") is None:
        kwargs["processing_class"] = load_processing_class(
            model,
            revision=revision,
            trust_remote_code=args.trust_remote_code,
            **processing_settings,
        )
    if use == "merge":
        _save_merged(policy, kwargs["processing_class"], run)
    elif kwargs.pop("peft_config", None) is not None:
        logger.warning(
            "The adapter %s is trained on as it is: peft_config is not used. adapter='merge' "
            "merges it into its base model and adds a new one.",
            model,
        )
    return {**kwargs, "model": policy}


def _save_merged(model: Any, processing_class: Any, run: str) -> None:
    """Saves the base of what will be trained, which nothing else holds, and names the model so.

    A new adapter is of no use without it, and TRL loads the reference model and vLLM from there,
    before the whole recipe is known. So that of a run of the same adapter stays as it is.
    """
    folder = Path(run, MERGED_BASE)

    def save() -> None:
        if not (holds_run(run) and (folder / "config.json").is_file()):
            model.save_pretrained(folder)
            processing_class.save_pretrained(folder)

    on_main_process(save)
    model.name_or_path = model.config._name_or_path = str(folder)


def base_model(name: str, revision: str | None = None) -> tuple[str, str | None]:
    """Gives the folder or Hub id of an adapter's base model, wherever it has gone.

    Args:
        name (`str`): Folder or Hub id of the adapter.
        revision (`str`, *optional*): Of the name.

    Returns:
        `tuple[str, str | None]`: The base model's name and its revision.
    """
    from peft import PeftConfig

    config = PeftConfig.from_pretrained(name, revision=revision)
    base_name = str(config.base_model_name_or_path)
    if Path(base_name).name != MERGED_BASE:
        return base_name, config.revision
    if not os.path.isdir(name):
        pattern = f"{MERGED_BASE}/*"
        name = snapshot_download(name, revision=revision, allow_patterns=pattern)
    # Beside the adapter, or beside the checkpoint that it is: the run may have been moved.
    for folder in (Path(name), Path(name).resolve().parent):
        if (folder / MERGED_BASE / "config.json").is_file():
            return str(folder / MERGED_BASE), None
    return base_name, None
