"""Completions through vLLM: the same prompts and candidates as in `generation`, faster on a GPU."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from transformers import ProcessorMixin
from transformers.utils import find_adapter_config_file

from semenrich_datasets.index.embedding import Encoder
from semenrich_trainers.adapters import base_model, load_processing_class
from semenrich_trainers.chat_templates import report_chat_template
from semenrich_trainers.generation import Row, most_typical, row_messages
from semenrich_trainers.sentence_vectors import SentenceVectors
from semenrich_trainers.set_distance import Distance

# vLLM batches by itself; this bounds the images that are held at once.
CHUNK = 256
# The only ranks that vLLM takes as `max_lora_rank` (vllm/config/lora.py).
_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


def generate_with_vllm(
    model: str,
    rows: Iterable[Row],
    n: int = 1,
    *,
    max_new_tokens: int = 512,
    temperature: float = 1.0,
    distance: Distance = "chamfer",
    encoder: Encoder | str | None = None,
    images_per_prompt: int = 1,
    seed: int = 0,
) -> list[str]:
    """Gives what a model writes to each prompt: greedily, or the most typical of n candidates.

    The counterpart of [`~generation.generate_completions`] and [`~generation.best_of_n`] for
    vLLM's engine, which loads the model itself: by name, of a folder or the Hub, whole or a LoRA
    adapter. The chat template is that of the named model, wrapped where it must be, so that prompts
    are as in the training.

    Args:
        model (`str`): Folder or Hub id of a model or of its LoRA adapter.
        rows (`Iterable[Mapping]`): With a `prompt` of messages and, for a vision-language model,
            an `image` or `images`.
        n (`int`, *optional*, defaults to `1`): Candidates for each prompt; 1 is greedy.
        max_new_tokens (`int`, *optional*, defaults to `512`): Most tokens of a completion.
        temperature (`float`, *optional*, defaults to `1.0`): Of the candidates.
        distance (`str`, *optional*, defaults to `"chamfer"`): "chamfer", "matching" or "energy".
        encoder (`Encoder` or `str`, *optional*): Of sentences; all-MiniLM-L6-v2 by default.
        images_per_prompt (`int`, *optional*, defaults to `1`): The most images of a row.
        seed (`int`, *optional*, defaults to `0`): Of the candidates.

    Returns:
        `list[str]`: A completion per row.

    Raises:
        `ImportError`: When vLLM is not installed.
        `ValueError`: When n is below 1, a prompt is a text, or a row has both an `image` and
            `images`.
    """
    if n < 1:
        raise ValueError(f"expected n of at least 1, found {n}")
    try:
        from vllm import LLM, SamplingParams
    except ImportError as error:
        msg = "vLLM is not installed: pip install vllm, or go without it (slower, the same reports)"
        raise ImportError(msg) from error
    processor = load_processing_class(model)
    is_multimodal = isinstance(processor, ProcessorMixin)
    base, engine, adapter = _adapter(model)
    if is_multimodal:
        engine["limit_mm_per_prompt"] = {"image": images_per_prompt}
    template = report_chat_template(processor) or processor.chat_template
    llm = LLM(model=base, seed=seed, **engine)
    sampling = SamplingParams(
        n=n, temperature=0.0 if n == 1 else temperature, max_tokens=max_new_tokens, seed=seed
    )
    # Made only where there is a choice: it may load an encoder.
    vectors = SentenceVectors(encoder) if n > 1 else None
    completions: list[str] = []
    remaining = iter(rows)
    while chunk := list(islice(remaining, CHUNK)):
        messages = [_vllm_messages(row, is_multimodal) for row in chunk]
        outputs = llm.chat(
            messages,
            sampling_params=sampling,
            lora_request=adapter,
            chat_template=template,
        )
        for output in outputs:
            candidates = [candidate.text for candidate in output.outputs]
            best = 0 if vectors is None else most_typical(candidates, vectors, distance)
            completions.append(candidates[best])
    return completions


def _adapter(model: str) -> tuple[str, dict[str, Any], Any]:
    """Returns the model that vLLM loads, what its engine must know of LoRA, and the adapter."""
    if find_adapter_config_file(model) is None:
        return model, {}, None
    from huggingface_hub import snapshot_download
    from peft import PeftConfig
    from vllm.lora.request import LoRARequest

    config: Any = PeftConfig.from_pretrained(model)
    rank = max([config.r, *(config.rank_pattern or {}).values()])
    fitting = [one for one in _RANKS if one >= rank]
    if not fitting:
        msg = f"expected a LoRA rank of at most {_RANKS[-1]} for vLLM, found {rank}: merge {model}"
        raise ValueError(msg)
    folder = model if Path(model).is_dir() else snapshot_download(model)
    engine: dict[str, Any] = {"enable_lora": True, "max_lora_rank": fitting[0]}
    base, revision = base_model(model)
    if revision is not None:
        engine["revision"] = revision
    return base, engine, LoRARequest("reports", 1, folder)


def _vllm_messages(row: Row, is_multimodal: bool) -> list[dict[str, Any]]:
    messages = row_messages(row, is_multimodal)
    return [{**message, "content": _parts(message["content"])} for message in messages]


def _parts(content: str | list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Names open images as vLLM does."""
    if isinstance(content, str):
        return content
    return [
        {"type": "image_pil", "image_pil": part["image"].convert("RGB")}
        if part["type"] == "image"
        else part
        for part in content
    ]
