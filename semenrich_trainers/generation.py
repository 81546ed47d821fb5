"""Completions from a model: one for each prompt, or the best of several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
)
from trl.data_utils import prepare_multimodal_messages

from semenrich_datasets.index.embedding import Encoder
from semenrich_trainers.chat_templates import report_chat_template
from semenrich_trainers.formatting import parse_report
from semenrich_trainers.rows import check_image_columns
from semenrich_trainers.sentence_vectors import SentenceVectors
from semenrich_trainers.set_distance import Distance, medoid

Row = Mapping[str, Any]


def generate_completions(
    model: Any,
    processing_class: Any,
    rows: Iterable[Row],
    *,
    batch_size: int = 8,
    **generation: Any,
) -> list[str]:
    """Gives what a model writes to each prompt.

    Args:
        model ([`~transformers.PreTrainedModel`] or [`~peft.PeftModel`]): Text-only or
            vision-language.
        processing_class (`PreTrainedTokenizerBase` or `ProcessorMixin`): Its tokenizer or
            processor.
        rows (`Iterable[Mapping]`): With a `prompt` (messages or text) and, for a vision-language
            model, an `image` or `images`, as [`~formatting.ReportFormatter`] makes them. Images go
            with messages only.
        batch_size (`int`, *optional*, defaults to `8`): Prompts generated together.
        generation (`Any`): Fields of [`~transformers.GenerationConfig`]; greedy by default, and
            the model's own `generation_config` for what is not given.

    Returns:
        `list[str]`: A completion per row, or `num_return_sequences` of each row in turn.

    Raises:
        `ValueError`: When a row has a text for a prompt and an image for the model to see, or both
            an `image` and `images`.
    """
    tokenizer: Any = getattr(processing_class, "tokenizer", processing_class)
    batches = generate_tokens(model, processing_class, rows, batch_size=batch_size, **generation)
    return [
        text
        for written in batches
        for text in tokenizer.batch_decode(written, skip_special_tokens=True)
    ]


def generate_tokens(
    model: Any,
    processing_class: Any,
    rows: Iterable[Row],
    *,
    batch_size: int = 8,
    decoding: Callable[..., torch.Tensor] | None = None,
    **generation: Any,
) -> Iterator[torch.Tensor]:
    """Yields what [`generate_completions`] decodes, a batch of prompts at a time.

    Args:
        model ([`~transformers.PreTrainedModel`]): As of [`generate_completions`].
        processing_class (`PreTrainedTokenizerBase` or `ProcessorMixin`): The same.
        rows (`Iterable[Mapping]`): The same.
        batch_size (`int`, *optional*, defaults to `8`): Prompts generated together.
        decoding (`Callable`, *optional*): A loop of one's own in place of transformers', as the
            `custom_generate` of `generate`.
        generation (`Any`): Fields of [`~transformers.GenerationConfig`].

    Yields:
        `torch.Tensor` of shape `(prompts * num_return_sequences, tokens)`: Token ids behind the
        prompt, padded on the right.
    """
    tokenizer: Any = getattr(processing_class, "tokenizer", processing_class)
    config = GenerationConfig(
        **{"do_sample": False, "eos_token_id": _stop_tokens(model, tokenizer)}
        | {"pad_token_id": tokenizer.pad_token_id, "suppress_tokens": _image_tokens(model)}
        | generation
    )
    loop = {} if decoding is None else {"custom_generate": decoding}
    remaining = iter(rows)
    while batch := list(islice(remaining, batch_size)):
        with torch.no_grad(), _evaluation_mode(model):
            inputs = _encode(batch, processing_class, tokenizer).to(model.device)
            output = model.generate(**inputs, generation_config=config, **loop)
        yield output[:, inputs["input_ids"].shape[1] :]


@contextmanager
def _evaluation_mode(model: Any) -> Iterator[None]:
    """Keeps dropout off and batch statistics fixed, also in the middle of a training."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def best_of_n(
    model: Any,
    processing_class: Any,
    rows: Iterable[Row],
    n: int = 8,
    *,
    distance: Distance = "chamfer",
    encoder: Encoder | str | None = None,
    batch_size: int = 8,
    **generation: Any,
) -> list[str]:
    """Samples n completions for each prompt and gives the one that is most like the others.

    No reference is needed: the candidate of least mean set distance between the sentences of its
    findings and those of the others' is what the model says most surely (SDR, arXiv 2606.00440).
    Sampled by torch's generator: `transformers.set_seed` makes it repeatable.

    Args:
        model ([`~transformers.PreTrainedModel`]): As of [`generate_completions`].
        processing_class (`PreTrainedTokenizerBase` or `ProcessorMixin`): The same.
        rows (`Iterable[Mapping]`): The same.
        n (`int`, *optional*, defaults to `8`): Candidates for each prompt.
        distance (`str`, *optional*, defaults to `"chamfer"`): "chamfer", "matching" or "energy".
        encoder (`Encoder` or `str`, *optional*): Of sentences; all-MiniLM-L6-v2 by default.
        batch_size (`int`, *optional*, defaults to `8`): Prompts generated together, n times each.
        generation (`Any`): Fields of [`~transformers.GenerationConfig`], such as `temperature`.

    Returns:
        `list[str]`: A completion per row.

    Raises:
        `ValueError`: When n is below 1.
    """
    if n < 1:
        raise ValueError(f"expected n of at least 1, found {n}")
    sampled = {"do_sample": True, "num_return_sequences": n} | generation
    written = generate_completions(model, processing_class, rows, batch_size=batch_size, **sampled)
    vectors = SentenceVectors(encoder)
    groups = [written[start : start + n] for start in range(0, len(written), n)]
    return [group[most_typical(group, vectors, distance)] for group in groups]


def most_typical(candidates: Sequence[str], vectors: SentenceVectors, distance: Distance) -> int:
    """Chooses among completions of one prompt.

    Args:
        candidates (`Sequence[str]`): Completions.
        vectors ([`SentenceVectors`]): Embeds their findings.
        distance (`str`): "chamfer", "matching" or "energy".

    Returns:
        `int`: Where the one of least mean set distance to the others stands.
    """
    return medoid(vectors([parse_report(text).findings for text in candidates]), distance)


def _encode(rows: Sequence[Row], processing_class: Any, tokenizer: PreTrainedTokenizerBase) -> Any:
    with _padding_on_the_left(tokenizer):
        is_multimodal = isinstance(processing_class, ProcessorMixin)
        texts = [row["prompt"] for row in rows]
        has_image = is_multimodal and any(map(row_images, rows))
        if isinstance(texts[0], str) and not has_image:
            return processing_class(text=texts, padding=True, return_tensors="pt")
        padding: dict[str, Any] = {"padding": True}
        return processing_class.apply_chat_template(
            [row_messages(row, is_multimodal) for row in rows],
            chat_template=report_chat_template(processing_class),
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            **({"processor_kwargs": padding} if is_multimodal else padding),
        )


def row_messages(row: Row, is_multimodal: bool) -> list[dict[str, Any]]:
    """Gives the messages of a prompt, with the row's images in front of the first user's text.

    Args:
        row (`Mapping`): With a `prompt` of messages and an `image` or `images`, if any.
        is_multimodal (`bool`): Whether the model sees; for one that does not images are left out.

    Returns:
        `list[dict]`: The messages, images as parts `{"type": "image", "image": ...}`.

    Raises:
        `ValueError`: When the prompt is a text, which has no place for an image, or the row has
            both an `image` and `images`.
    """
    if isinstance(row["prompt"], str):
        raise ValueError(
            "expected a prompt of messages, which images go with, found a text: make it "
            '[{"role": "user", "content": prompt}]'
        )
    if not is_multimodal:
        return list(row["prompt"])
    return prepare_multimodal_messages(row["prompt"], row_images(row))


def row_images(row: Row) -> list[Any]:
    """Gives the images of a row's `image` or `images`; having both raises a `ValueError`."""
    image, images = row.get("image"), row.get("images") or []
    if image is None:
        return list(images)
    if images:
        check_image_columns(["image", "images"], "a row")
    return [image]


@contextmanager
def _padding_on_the_left(tokenizer: PreTrainedTokenizerBase) -> Iterator[None]:
    """A completion follows its prompt at once; the trainer's own side is put back."""
    side = tokenizer.padding_side
    tokenizer.padding_side = "left"
    try:
        yield
    finally:
        tokenizer.padding_side = side


def _stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Every token that the model or the tokenizer says ends a text."""
    own = model.generation_config.eos_token_id
    declared = own if isinstance(own, list) else [own]
    return [token for token in {*declared, tokenizer.eos_token_id} if token is not None]


def _image_tokens(model: PreTrainedModel) -> list[int] | None:
    """A generated image token would have no image to stand for."""
    token = getattr(model.config, "image_token_id", None)
    return None if token is None else [token]
