"""A decoding loop that drops candidates from the batch while they are being written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, cast

import torch
from transformers import Cache

#: From the candidates still in the race and their tokens so far to those that go on.
Selection = Callable[[list[int], list[torch.Tensor]], list[int]]


class PrunedDecoding:
    """Samples as transformers does, and stops candidates at given lengths.

    To be passed as `custom_generate` to [`~transformers.GenerationMixin.generate`], for models
    without an encoder, one whole model in a process. What is stopped leaves the batch and the
    cache: no later step computes it. While nobody is stopped the batch stays as it is, and so the
    tokens are those that transformers' own loop draws from the same seed.

    Args:
        select (`Callable`): Called with the candidates in the race (positions among all sequences
            of the batch) and the tokens that each has written; returns those that go on, in the
            order in which they are to stand.
        checkpoints (`Collection[int]`): After how many tokens it is asked.

    Attributes:
        racing (`list[int]`): Candidates of the last batch that nobody stopped.
        tokens (`int`): Tokens drawn in all batches so far, the end of a text among them; neither
            prompts nor padding.
    """

    def __init__(self, select: Selection, checkpoints: Collection[int]) -> None:
        self.select = select
        self.checkpoints = checkpoints
        self.racing: list[int] = []
        self.tokens = 0

    def __call__(
        self,
        model: Any,
        input_ids: torch.Tensor,
        logits_processor: Any,
        stopping_criteria: Any,
        generation_config: Any,
        **model_kwargs: Any,
    ) -> torch.Tensor:
        """Decodes one batch.

        Args:
            model ([`~transformers.PreTrainedModel`]): The model.
            input_ids (`torch.Tensor` of shape `(candidates, prompt)`): Prompts, padded on the left.
            logits_processor (`LogitsProcessorList`): As `generate` prepares it.
            stopping_criteria (`StoppingCriteriaList`): The same.
            generation_config ([`~transformers.GenerationConfig`]): The same.
            model_kwargs (`Any`): What `generate` hands on to the model, the cache among it.

        Returns:
            `torch.Tensor` of shape `(candidates, prompt + tokens)`: Prompts and what was written,
            padded on the right; of who was stopped, up to there.

        Raises:
            `ValueError`: When the model keeps no cache of past tokens.
        """
        prompts = input_ids
        pad = generation_config.pad_token_id
        batch = _Batch(input_ids, model_kwargs)
        self.racing = list(range(len(prompts)))
        step, is_first = 0, True
        while batch.unfinished.any():
            tokens = batch.next_tokens(model, logits_processor, generation_config, is_first)
            batch.append(torch.where(batch.unfinished, tokens, pad), stopping_criteria)
            step, is_first = step + 1, False
            if step in self.checkpoints and batch.unfinished.any():
                racing = self.select(self.racing, [batch.written(one) for one in self.racing])
                if len(racing) < len(self.racing):
                    batch.drop_all_but(racing)
                self.racing = racing
        written = [batch.written(one) for one in range(len(prompts))]
        self.tokens += sum(map(len, written))
        padded = torch.nn.utils.rnn.pad_sequence(written, batch_first=True, padding_value=pad)
        return torch.cat([prompts, padded], dim=1)


class _Batch:
    """The rows that are being decoded, and what those that left it had written."""

    def __init__(self, input_ids: torch.Tensor, model_kwargs: dict[str, Any]) -> None:
        self.ids = input_ids
        self.kwargs = model_kwargs
        self.unfinished = torch.ones(len(input_ids), dtype=torch.bool, device=input_ids.device)
        self._prompt = input_ids.shape[1]
        self._lengths = torch.zeros_like(self.unfinished, dtype=torch.long)
        self._candidates = list(range(len(input_ids)))
        self._left: dict[int, torch.Tensor] = {}

    def next_tokens(
        self, model: Any, logits_processor: Any, config: Any, is_first: bool
    ) -> torch.Tensor:
        # The prompt in one pass, then a token a pass; the cache holds what came before.
        width = None if is_first else 1
        inputs = model.prepare_inputs_for_generation(
            self.ids, next_sequence_length=width, is_first_iteration=is_first, **self.kwargs
        )
        outputs = model(**inputs, return_dict=True)
        self.kwargs = model._update_model_kwargs_for_generation(outputs, self.kwargs)
        logits = outputs.logits[:, -1].to(copy=True, dtype=torch.float32, device=self.ids.device)
        scores: torch.Tensor = logits_processor(self.ids, logits)
        if not config.do_sample:
            return scores.argmax(dim=-1)
        return torch.multinomial(scores.softmax(dim=-1), num_samples=1).squeeze(1)

    def append(self, tokens: torch.Tensor, stopping_criteria: Any) -> None:
        self.ids = torch.cat([self.ids, tokens[:, None]], dim=1)
        self._lengths += self.unfinished
        self.unfinished &= ~stopping_criteria(self.ids, None)

    def written(self, candidate: int) -> torch.Tensor:
        if candidate in self._left:
            return self._left[candidate]
        return self._written_in_row(self._candidates.index(candidate))

    def _written_in_row(self, row: int) -> torch.Tensor:
        return self.ids[row, self._prompt : self._prompt + int(self._lengths[row])]

    def drop_all_but(self, racing: Sequence[int]) -> None:
        """Drops who is out of the race, and who has finished: padding need not be computed."""
        is_racing = [candidate in racing for candidate in self._candidates]
        stays = torch.tensor(is_racing, device=self.ids.device) & self.unfinished
        for row in (~stays).nonzero().flatten().tolist():
            self._left[self._candidates[row]] = self._written_in_row(row).clone()
        rows = stays.nonzero().flatten()
        self.kwargs = _select_rows(self.kwargs, rows, len(self.ids))
        self.ids, self._lengths = self.ids[rows], self._lengths[rows]
        self.unfinished = self.unfinished[rows]
        self._candidates = [self._candidates[row] for row in rows.tolist()]


def _select_rows(model_kwargs: dict[str, Any], rows: torch.Tensor, count: int) -> dict[str, Any]:
    cache = model_kwargs.get("cache")
    if not isinstance(cache, Cache):
        msg = (
            "expected a model that keeps a cache of past tokens, from which candidates can be "
            f"dropped, found {type(cache).__name__}: use best_of_n"
        )
        raise ValueError(msg)
    if len(rows):
        # What beam search repeats and sorts; `batch_select_indices` leaves the states of linear
        # attention as they are.
        cache.reorder_cache(cast(torch.LongTensor, rows))
    selected = dict(model_kwargs)
    for name, value in model_kwargs.items():
        if not isinstance(value, torch.Tensor):
            continue
        if name == "position_ids" and value.ndim == 3:  # (axes, batch, length), of M-RoPE
            selected[name] = value[:, rows]
        elif value.ndim and len(value) == count:
            selected[name] = value[rows]
    return selected
