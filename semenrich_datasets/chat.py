"""Chat models as one plain callable: prompts in, answers out, every answer kept on disk."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from huggingface_hub import InferenceClient, constants
from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError
from tqdm.auto import tqdm

if TYPE_CHECKING:
    from transformers import TextGenerationPipeline

Ask = Callable[[Sequence[str]], list[str]]
"""A chat model: one answer per prompt, in order. Any function of this form will do."""

Choice = TypeVar("Choice", bound=str)

RETRY_STATUSES = frozenset({429, 502, 503, 504})
LONGEST_WAIT = 60.0  # seconds


def parse_choice(answer: str, choices: Collection[Choice]) -> Choice | None:
    """The choice that the answer names, or None when it is anything but exactly one of them.

    Strict on purpose: "not normal" and "normal, but ..." are no answers. A reasoning model's
    thoughts, letter case and punctuation are set aside first.

    Args:
        answer (`str`): what the chat model said.
        choices (`Collection[str]`): the words it was asked to choose from, in lower case.
    """
    final = answer.rpartition("</think>")[2]
    word = re.sub(r"[^a-z]+", " ", final.lower()).strip()
    return next((choice for choice in choices if choice == word), None)


class AnswerFile:
    r"""Answers by prompt in one append-only JSONL file; survives crashes and parallel writers.

    Each record is one write of "\n{...}\n": whatever a crash left behind is a line of its own,
    which does not parse and is asked again. Prompts are kept as SHA-256 digests, so that report
    text is not copied into the cache.

    Args:
        path (`Path`): the file; it and its folder are made with the first answer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._answers: dict[str, str] = {}
        self._read = 0

    def refresh(self) -> None:
        """Take in what was appended since the last look, by this process or another."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        for line in whole.split(b"\n"):
            try:
                record = json.loads(line)
                self._answers[record["prompt"]] = record["answer"]
            except (ValueError, KeyError, TypeError):  # a torn line, or the blank between records
                continue

    def add(self, prompt: str, answer: str) -> None:
        """Keep the answer, on disk before anything else happens."""
        key = _digest(prompt)
        record = json.dumps({"prompt": key, "answer": answer})
        # What a model says of a report is read by nobody else on the machine.
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.touch(mode=0o600)
        with self.path.open("ab", buffering=0) as file:
            file.write(f"\n{record}\n".encode())
        self._answers[key] = answer

    def __contains__(self, prompt: str) -> bool:
        return _digest(prompt) in self._answers

    def __getitem__(self, prompt: str) -> str:
        return self._answers[_digest(prompt)]


# One per process, outside of the chat objects: their state, and so the fingerprint that datasets
# takes of them, does not change with use.
_answer_file = functools.cache(AnswerFile)


@dataclass(frozen=True, kw_only=True)
class CachedChat(ABC):
    """A chat model that is asked each prompt once: the base of the two below.

    Args:
        max_new_tokens (`int`, *optional*, defaults to `64`):
            the longest answer, in tokens. Enough for one word; raise it for a reasoning model.
        cache_dir (`str` or `Path`, *optional*):
            where answers are kept, one JSONL file per model and settings. Defaults to
            `semenrich/answers` under `HF_HOME`.
    """

    max_new_tokens: int = 64
    cache_dir: str | Path | None = None

    @property
    @abstractmethod
    def identity(self) -> str:
        """Everything that the answers depend on, prompts aside."""

    @abstractmethod
    def _generate(self, prompts: Sequence[str]) -> Iterator[tuple[str, str]]:
        """(prompt, answer) for each of the distinct prompts, in any order, as they come."""

    @property
    def cache_path(self) -> Path:
        """The file that keeps the answers of this model with these settings."""
        folder = Path(self.cache_dir or Path(constants.HF_HOME) / "semenrich" / "answers")
        identity = self.identity
        name = re.sub(r"[^\w.-]+", "_", identity)[:80]
        return folder / f"{name}-{_digest(identity)[:12]}.jsonl"

    def __call__(self, prompts: Sequence[str]) -> list[str]:
        """One answer per prompt, in order; only prompts without a kept answer are asked.

        An interrupted call loses nothing: the answers up to there are kept, and the same call
        goes on from them.

        Raises:
            TypeError: if `prompts` is a single string.
        """
        if isinstance(prompts, str):
            raise TypeError("Expected a list of prompts, found one string; pass [prompt].")
        answers = _answer_file(self.cache_path)
        answers.refresh()
        missing = [prompt for prompt in dict.fromkeys(prompts) if prompt not in answers]
        if missing:
            with tqdm(total=len(missing), desc="Asking", unit="prompt", leave=False) as progress:
                for prompt, answer in self._generate(missing):
                    answers.add(prompt, answer)
                    progress.update()
        return [answers[prompt] for prompt in prompts]


@dataclass(frozen=True)
class PipelineChat(CachedChat):
    """A chat model on this machine: a `transformers` text-generation pipeline, decoded greedily.

    Args:
        model (`str` or `transformers.TextGenerationPipeline`):
            a Hub id or folder, loaded at first need and once per process, on the GPU if there is
            one; or a pipeline that you made (quantized, spread over devices, ...), which needs a
            chat template and, for batches, a padding token.
        batch_size (`int`, *optional*, defaults to `16`): prompts per forward pass.
        max_new_tokens, cache_dir: see [`CachedChat`].

    Example:
    ```python
    >>> ask = PipelineChat("Qwen/Qwen2.5-7B-Instruct")
    >>> ask(["Is the sky blue? One word."])
    ['Yes.']
    ```
    """

    model: str | TextGenerationPipeline
    batch_size: int = 16

    @property
    def identity(self) -> str:
        """The Hub id; or, where a name says nothing about the weights, a digest of them."""
        if isinstance(self.model, str) and not Path(self.model).is_dir():
            source = self.model
        else:
            source = f"weights {_weights_digest(self._pipeline())}"
        return f"{source} max_new_tokens {self.max_new_tokens}"

    def _generate(self, prompts: Sequence[str]) -> Iterator[tuple[str, str]]:
        pipe = self._pipeline()
        # Neighbors in length share a batch: less padding.
        ordered = sorted(prompts, key=len)
        for start in range(0, len(ordered), self.batch_size):
            batch = ordered[start : start + self.batch_size]
            replies = pipe(
                [[{"role": "user", "content": prompt}] for prompt in batch],
                batch_size=self.batch_size,
                max_new_tokens=self.max_new_tokens,
                do_sample=False,
            )
            for prompt, (reply,) in zip(batch, replies, strict=True):
                yield prompt, str(reply["generated_text"][-1].get("content") or "")

    def _pipeline(self) -> Any:
        pipe: Any = _load_pipeline(self.model) if isinstance(self.model, str) else self.model
        if pipe.tokenizer.chat_template is None:
            raise ValueError(
                f"Expected a chat model, found {pipe.model.name_or_path or pipe.model.config!r} "
                "whose tokenizer has no chat template; choose an instruction-tuned model."
            )
        return pipe


@dataclass(frozen=True)
class InferenceChat(CachedChat):
    """A chat model behind `huggingface_hub.InferenceClient`, or any OpenAI-compatible server.

    The token is the one that `hf auth login` or `HF_TOKEN` set; this object never holds it.

    Args:
        model (`str`): the model, as the provider or server names it.
        provider (`str`, *optional*): an inference provider; by default the first that serves it.
        base_url (`str`, *optional*):
            an OpenAI-compatible server (vLLM, TGI, llama.cpp, ...) in place of a provider, such
            as `"http://localhost:8000/v1"`.
        timeout (`float`, *optional*, defaults to `120.0`): seconds that one answer may take.
        max_retries (`int`, *optional*, defaults to `6`):
            how often a prompt is asked again when the server is overloaded (HTTP 429, 502, 503,
            504) or silent. Waits 1, 2, 4, ... seconds, or as long as the server says.
        concurrency (`int`, *optional*, defaults to `8`): prompts under way at once.
        max_new_tokens, cache_dir: see [`CachedChat`].
    """

    model: str
    provider: str | None = None
    base_url: str | None = None
    timeout: float = 120.0
    max_retries: int = 6
    concurrency: int = 8

    @property
    def identity(self) -> str:
        """The model, where it is served, and the longest answer."""
        where = self.base_url or self.provider or "auto"
        return f"{self.model} at {where} max_new_tokens {self.max_new_tokens}"

    def _generate(self, prompts: Sequence[str]) -> Iterator[tuple[str, str]]:
        client = InferenceClient(
            provider=self.provider,  # type: ignore[arg-type]  # checked by the client
            base_url=self.base_url,
            timeout=self.timeout,
        )
        with ThreadPoolExecutor(self.concurrency) as pool:
            futures = {pool.submit(self._ask_one, client, prompt): prompt for prompt in prompts}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            finally:  # on an error or Ctrl-C, don't ask the rest first
                pool.shutdown(wait=False, cancel_futures=True)

    def _ask_one(self, client: InferenceClient, prompt: str) -> str:
        tries = 0
        while True:
            try:
                completion = client.chat_completion(
                    [{"role": "user", "content": prompt}],
                    model=self.model,
                    max_tokens=self.max_new_tokens,
                    temperature=0.0,
                )
                return completion.choices[0].message.content or ""
            except (HfHubHTTPError, InferenceTimeoutError) as error:
                tries += 1
                if tries > self.max_retries or not _is_passing(error):
                    error.add_note(
                        f"Asked {self.model} {tries} time(s). The answers so far are kept in "
                        f"{self.cache_path}: run the same again to go on from there."
                    )
                    raise
                time.sleep(_wait(error, tries))


def _is_passing(error: HfHubHTTPError | InferenceTimeoutError) -> bool:
    return isinstance(error, InferenceTimeoutError) or (
        error.response.status_code in RETRY_STATUSES
    )


def _wait(error: HfHubHTTPError | InferenceTimeoutError, tries: int) -> float:
    """Seconds to wait after the given number of failed tries."""
    backoff = float(2 ** (tries - 1))
    if isinstance(error, HfHubHTTPError):
        asked = error.response.headers.get("retry-after", "")
        if asked.isdigit():  # the header may also hold a date
            backoff = float(asked)
    return min(backoff, LONGEST_WAIT)


@functools.lru_cache(maxsize=2)
def _load_pipeline(name: str) -> Any:
    from transformers import pipeline

    pipe = pipeline("text-generation", model=name)
    if pipe.tokenizer is not None and pipe.tokenizer.pad_token is None:
        pipe.tokenizer.pad_token = pipe.tokenizer.eos_token
    return pipe


def _weights_digest(pipe: Any) -> str:
    """A digest of a few hundred values of every weight: cheap, and any training changes it."""
    digest = hashlib.sha256(str(pipe.tokenizer.chat_template).encode())
    for name, weight in pipe.model.state_dict().items():
        digest.update(f"{name} {tuple(weight.shape)}".encode())
        if not weight.is_meta:  # offloaded to disk: only its name and shape can be had
            values = weight.detach().flatten()[:: max(1, weight.numel() // 256)]
            digest.update(values.float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
