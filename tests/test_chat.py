import json
import pickle
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
import torch
from datasets.fingerprint import Hasher
from huggingface_hub.errors import HfHubHTTPError
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, pipeline

from semenrich_datasets import chat
from semenrich_datasets.chat import (
    AnswerFile,
    CachedChat,
    InferenceChat,
    PipelineChat,
    parse_choice,
)


class Echo(CachedChat):
    """Answers each prompt with itself in capitals; stops at the prompt "stop"."""

    asked: ClassVar[list[str]] = []
    identity = "echo"

    def _generate(self, prompts):
        for prompt in prompts:
            if prompt == "stop":
                raise RuntimeError("cut off")
            self.asked.append(prompt)
            yield prompt, prompt.upper()


@pytest.fixture(autouse=True)
def _new_process():
    """Each test starts as a fresh process would: with nothing read yet."""
    chat._answer_file.cache_clear()
    chat._load_pipeline.cache_clear()
    Echo.asked.clear()


@pytest.mark.parametrize(
    ("answer", "choice"),
    [
        ("normal", "normal"),
        (" **Normal.**\n", "normal"),
        ("<think>abnormal? no</think>normal", "normal"),
        ("It reads as abnormal</think>\n\nnormal", "normal"),
        ("not normal", None),
        ("normal or abnormal", None),
        ("abnormal", None),
        ("<think>normal", None),
        ("", None),
    ],
)
def test_parse_choice_takes_one_word_only(answer, choice):
    assert parse_choice(answer, ("normal", "neutral")) == choice


def test_each_prompt_is_asked_once_and_answers_keep_their_order(tmp_path):
    ask = Echo(cache_dir=tmp_path)
    assert ask(["b", "a", "b"]) == ["B", "A", "B"]
    assert ask(["a", "c"]) == ["A", "C"]
    assert Echo.asked == ["b", "a", "c"]
    assert ask([]) == []


def test_an_interrupted_call_goes_on_where_it_stopped(tmp_path):
    with pytest.raises(RuntimeError, match="cut off"):
        Echo(cache_dir=tmp_path)(["a", "b", "stop", "c"])
    chat._answer_file.cache_clear()
    assert Echo(cache_dir=tmp_path)(["a", "b", "c"]) == ["A", "B", "C"]
    assert Echo.asked == ["a", "b", "c"]


@pytest.mark.parametrize("cut", range(1, 25))
def test_a_line_cut_by_a_crash_costs_its_own_answer_only(tmp_path, cut):
    ask = Echo(cache_dir=tmp_path)
    ask(["a", "b"])
    whole = ask.cache_path.read_bytes()
    ask.cache_path.write_bytes(whole[:-cut])
    chat._answer_file.cache_clear()
    Echo.asked.clear()
    assert ask(["a", "b", "c"]) == ["A", "B", "C"]
    assert "a" not in Echo.asked
    chat._answer_file.cache_clear()
    Echo.asked.clear()
    assert ask(["a", "b", "c"]) == ["A", "B", "C"]
    assert Echo.asked == []


def test_answers_of_another_process_are_found_and_garbage_is_ignored(tmp_path):
    mine, other = AnswerFile(tmp_path / "a.jsonl"), AnswerFile(tmp_path / "a.jsonl")
    mine.add("a", "1")
    other.add("b", "2")
    with mine.path.open("a") as file:
        file.write('[1]\nnull\n{"prompt": 3}\n\xff\n')
    other.add("c", "line\nbreak \u2028")
    mine.refresh()
    assert [mine[key] for key in "abc"] == ["1", "2", "line\nbreak \u2028"]


def test_report_text_is_not_copied_to_the_cache(tmp_path):
    ask = Echo(cache_dir=tmp_path)
    ask(["A made-up finding of John"])
    assert b"John" not in ask.cache_path.read_bytes()


def test_the_default_cache_lies_under_hf_home(monkeypatch, tmp_path):
    monkeypatch.setattr(chat.constants, "HF_HOME", str(tmp_path))
    assert Echo().cache_path.parent == tmp_path / "semenrich" / "answers"


def test_one_string_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"\[prompt\]"):
        Echo(cache_dir=tmp_path)("a prompt")


def test_use_changes_neither_pickle_nor_fingerprint(tmp_path):
    ask = InferenceChat("m", cache_dir=tmp_path)
    assert pickle.loads(pickle.dumps(ask)) == ask
    echo = Echo(cache_dir=tmp_path)
    before = Hasher.hash(echo)
    echo(["a"])
    assert Hasher.hash(echo) == before


# A transformers pipeline: a one-layer Llama whose answer is the token after the prompt's last
# word in the vocabulary, its weights set by hand.
WORDS = ["<pad>", "<eos>", "red", "green", "blue", "yellow"]


@pytest.fixture
def llama(tmp_path):
    vocabulary = {word: i for i, word in enumerate(WORDS)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<eos>")
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    width = 16
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=width,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        eos_token_id=1,
    )
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        model.model.layers[0].self_attn.o_proj.weight.zero_()
        model.model.layers[0].mlp.down_proj.weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(len(WORDS), width))
        following = [1, 1, 3, 4, 1, 1]  # red -> green -> blue -> end; yellow -> end
        model.lm_head.weight.zero_()
        for word, then in enumerate(following):
            model.lm_head.weight[then, word] = 1.0
    model.save_pretrained(tmp_path / "llama")
    tokenizer.save_pretrained(tmp_path / "llama")
    return str(tmp_path / "llama")


def test_pipeline_answers_in_batches_of_unequal_length(llama, tmp_path):
    ask = PipelineChat(llama, batch_size=2, cache_dir=tmp_path)
    prompts = ["red", "blue red yellow green", "yellow yellow red red", "green", "yellow"]
    assert ask(prompts) == ["green blue", "blue", "green blue", "blue", ""]
    assert PipelineChat(llama, max_new_tokens=1, cache_dir=tmp_path)(["red"]) == ["green"]
    assert pickle.loads(pickle.dumps(ask)) == ask
    assert len(pickle.dumps(ask)) < 1000


def test_pipeline_object_is_known_by_its_weights(llama, tmp_path):
    pipe = pipeline("text-generation", model=llama)
    ask = PipelineChat(pipe, batch_size=1, max_new_tokens=1, cache_dir=tmp_path)
    assert ask(["green"]) == ["blue"]
    with torch.no_grad():
        pipe.model.lm_head.weight.copy_(pipe.model.lm_head.weight.roll(1, 0))
    assert ask(["green"]) == ["yellow"]


def test_pipeline_without_chat_template_is_refused(llama, tmp_path):
    pipe = pipeline("text-generation", model=llama)
    pipe.tokenizer.chat_template = None
    with pytest.raises(ValueError, match="no chat template"):
        PipelineChat(pipe, cache_dir=tmp_path)(["red"])


# An OpenAI-compatible server: fails with the statuses set for a prompt, then echoes it.
class Server(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.failures: dict[str, list[int]] = {}
        self.requests: list[dict] = []
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = body["messages"][0]["content"]
        self.server.requests.append({"path": self.path, **body})
        failures = self.server.failures.get(prompt)
        status = failures.pop(0) if failures else 200
        message = {"role": "assistant", "content": prompt.upper()}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        reply = json.dumps({"choices": [choice], "model": body["model"], "id": "1", "created": 1})
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "7")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply.encode())

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def waits(monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(chat.time, "sleep", waits.append)
    return waits


def test_inference_client_over_http(server, tmp_path):
    ask = InferenceChat("m", base_url=server.url, max_new_tokens=9, cache_dir=tmp_path)
    prompts = [f"prompt {i}" for i in range(20)]
    assert ask(prompts) == [prompt.upper() for prompt in prompts]
    assert ask(prompts[:3]) == ["PROMPT 0", "PROMPT 1", "PROMPT 2"]
    assert len(server.requests) == 20
    request = server.requests[0]
    assert request["path"] == "/v1/chat/completions"
    assert (request["model"], request["max_tokens"], request["temperature"]) == ("m", 9, 0.0)


def test_an_overloaded_server_is_asked_again(server, waits, tmp_path):
    server.failures = {"a": [503, 429, 503]}
    assert InferenceChat("m", base_url=server.url, cache_dir=tmp_path)(["a"]) == ["A"]
    assert waits == [1.0, 7.0, 4.0]


def test_giving_up_says_how_to_go_on_and_keeps_what_came(server, waits, tmp_path):
    server.failures = {"b": [503, 503, 503]}
    ask = InferenceChat("m", base_url=server.url, max_retries=2, concurrency=1, cache_dir=tmp_path)
    with pytest.raises(HfHubHTTPError) as caught:
        ask(["a", "b", "c"])
    assert "run the same again" in caught.value.__notes__[0]
    assert len(waits) == 2
    assert ask(["a", "b", "c"]) == ["A", "B", "C"]
    assert [request["messages"][0]["content"] for request in server.requests].count("a") == 1


def test_a_refusal_is_not_repeated(server, waits, tmp_path):
    server.failures = {"a": [401]}
    with pytest.raises(HfHubHTTPError, match="401"):
        InferenceChat("m", base_url=server.url, cache_dir=tmp_path)(["a"])
    assert (len(server.requests), waits) == (1, [])
