"""Generation through vLLM, on a stand-in with its interface that computes with transformers.

The interface is that of vllm/entrypoints/llm.py (`LLM`, `LLM.chat`), vllm/sampling_params.py,
vllm/lora/request.py and the content parts of vllm/entrypoints/chat_utils.py.
"""

import sys
from dataclasses import dataclass
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import generate_reports
import pandas as pd
import pytest
from datasets import Dataset
from fakes import FakeEncoder
from peft import LoraConfig, PeftModel, get_peft_model
from PIL import Image
from trainer_fakes import make_dataset, make_model
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

from semenrich_trainers import generate_completions
from semenrich_trainers.chat_templates import report_chat_template
from semenrich_trainers.vllm_generation import generate_with_vllm


@dataclass
class SamplingParams:
    n: int = 1
    temperature: float = 1.0
    max_tokens: int | None = 16
    seed: int | None = None


@dataclass
class LoRARequest:
    lora_name: str
    lora_int_id: int
    lora_path: str


class FakeVLLM(ModuleType):
    """The module, which keeps its engines, their calls, and candidates to be given in place."""

    SamplingParams = SamplingParams

    def __init__(self) -> None:
        super().__init__("vllm")
        self.engines: list[Any] = []
        self.calls: list[Any] = []
        self.templates: list[Any] = []
        self.candidates: Any = None
        self.processor: Any = None
        self.LLM = partial(Engine, self)


class Engine:
    """An `LLM` of that module."""

    def __init__(self, module, model, *, seed=0, **engine):
        self.module, self.model = module, model
        self.images = engine.get("limit_mm_per_prompt", {}).get("image", 0)
        self.rank = engine.get("max_lora_rank") if engine.get("enable_lora") else None
        module.engines.append({"model": model, "seed": seed, **engine})

    def chat(self, messages, sampling_params, lora_request=None, chat_template=None):
        self.module.calls.append((messages, sampling_params, lora_request))
        assert chat_template
        self.module.templates.append(chat_template)
        written = self.module.candidates or self.write(messages, sampling_params, lora_request)
        outputs = [SimpleNamespace(text=text) for text in written]
        size = sampling_params.n
        groups = [outputs[row : row + size] for row in range(0, len(outputs), size)]
        return [SimpleNamespace(outputs=group) for group in groups]

    def write(self, messages, sampling_params, lora_request):
        loader = AutoModelForImageTextToText if self.images else AutoModelForCausalLM
        model = loader.from_pretrained(self.model)
        if lora_request:
            assert self.rank >= 4
            model = PeftModel.from_pretrained(model, lora_request.lora_path)
        rows = [self.read(one) for one in messages]
        settings = {"max_new_tokens": sampling_params.max_tokens}
        return generate_completions(model, self.module.processor, rows, **settings)

    def read(self, messages):
        parts = [part for one in messages if isinstance(one["content"], list)
                 for part in one["content"]]  # fmt: skip
        images = [part["image_pil"] for part in parts if part["type"] == "image_pil"]
        assert len(images) <= max(self.images, 0)
        assert all(image.mode == "RGB" for image in images)
        if not parts:
            return {"prompt": messages}
        text = "".join(part["text"] for part in parts if part["type"] == "text")
        grey = [image.convert("L") for image in images]
        return {"prompt": [{"role": "user", "content": text}], "images": grey}


@pytest.fixture
def vllm(monkeypatch):
    """The stand-in, where `vllm` is imported."""
    module = FakeVLLM()
    request: Any = ModuleType("vllm.lora.request")
    request.LoRARequest = LoRARequest
    for name, one in {"vllm": module, "vllm.lora": ModuleType("vllm.lora")}.items():
        monkeypatch.setitem(sys.modules, name, one)
    monkeypatch.setitem(sys.modules, "vllm.lora.request", request)
    return module


def save(folder, images=False):
    model, processor = make_model(images)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return model, processor


def ask(*texts):
    return [{"prompt": [{"role": "user", "content": text}]} for text in texts]


def test_it_writes_what_transformers_writes(tmp_path, vllm):
    model, vllm.processor = save(tmp_path, images=True)
    views = [[Image.new("L", (48, 64), 40 * view) for view in range(n)] for n in (1, 3, 2)]
    rows = [
        {**row, "images": images} for row, images in zip(ask("a", "b", "c"), views, strict=True)
    ]
    written = generate_with_vllm(str(tmp_path), rows, max_new_tokens=6, images_per_prompt=3, seed=5)
    assert written == generate_completions(model, vllm.processor, rows, max_new_tokens=6)
    assert vllm.engines == [
        {"model": str(tmp_path), "seed": 5, "limit_mm_per_prompt": {"image": 3}}
    ]
    _, sampling, lora = vllm.calls[0]
    assert sampling == SamplingParams(n=1, temperature=0.0, max_tokens=6, seed=5)
    assert lora is None


def test_the_most_typical_candidate_is_chosen(tmp_path, vllm):
    save(tmp_path)
    texts = ["Heart enlarged.", "No pneumothorax. Lungs clear.", "Lungs clear. No pneumothorax."]
    vllm.candidates = [f"<think> {text} </think>" for text in texts]
    settings = {"temperature": 0.7, "max_new_tokens": 9, "encoder": FakeEncoder()}
    assert generate_with_vllm(str(tmp_path), ask("a"), 3, **settings) == [vllm.candidates[1]]
    assert vllm.calls[0][1] == SamplingParams(n=3, temperature=0.7, max_tokens=9, seed=0)


def test_an_adapter_is_laid_over_its_base(tmp_path, vllm):
    _, vllm.processor = save(tmp_path / "base")
    base = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    config = LoraConfig(r=4, target_modules=["q_proj"], rank_pattern={"layers.0.*": 12})
    adapted = get_peft_model(base, config)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            weight.data += 1
    adapted.save_pretrained(tmp_path / "adapter")
    vllm.processor.save_pretrained(tmp_path / "adapter")
    rows, folder = ask("a", "b"), str(tmp_path / "adapter")
    written = generate_with_vllm(folder, rows, max_new_tokens=8)
    assert written == generate_completions(adapted, vllm.processor, rows, max_new_tokens=8)
    assert written != generate_with_vllm(str(tmp_path / "base"), rows, max_new_tokens=8)
    assert vllm.engines[0] == {
        **{"model": str(tmp_path / "base"), "seed": 0},
        **{"enable_lora": True, "max_lora_rank": 16},
    }
    assert vllm.calls[0][2].lora_path == folder


def test_a_merged_base_is_found_where_it_was_moved_to_and_its_processor_too(tmp_path, vllm):
    run = tmp_path / "moved"
    _, vllm.processor = save(run / "merged_base")
    base = AutoModelForCausalLM.from_pretrained(run / "merged_base")
    base.name_or_path = str(tmp_path / "run" / "merged_base")
    config = LoraConfig(r=4, target_modules=["q_proj"])
    get_peft_model(base, config).save_pretrained(run)
    assert len(generate_with_vllm(str(run), ask("a"), max_new_tokens=2)) == 1
    assert vllm.engines[0]["model"] == str(run / "merged_base")
    assert vllm.templates == [vllm.processor.chat_template]


def test_it_asks_with_the_template_that_reports_need(tmp_path, vllm):
    model, tokenizer = make_model()
    tokenizer.chat_template += "{% if add_generation_prompt %}<think>{% endif %}"
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    vllm.candidates = ["Clear."]
    generate_with_vllm(str(tmp_path), ask("a"))
    messages = vllm.calls[0][0][0]
    settings = {"add_generation_prompt": True, "tokenize": False}
    asked = tokenizer.apply_chat_template(messages, chat_template=vllm.templates[0], **settings)
    assert tokenizer.apply_chat_template(messages, **settings).endswith("<think>")
    assert not asked.endswith("<think>")
    assert vllm.templates == [report_chat_template(tokenizer)]


def test_a_text_is_no_prompt(tmp_path, vllm):
    save(tmp_path)
    with pytest.raises(ValueError, match=r"expected a prompt of messages.*found a text"):
        generate_with_vllm(str(tmp_path), [{"prompt": "Report"}])


def test_the_script_writes_the_same_columns(tmp_path, vllm):
    _, vllm.processor = save(tmp_path / "model", images=True)
    studies = make_dataset(3, images=True).select_columns(["image", "findings", "impression"])
    views = [{"images": [row["image"]] * 2, "findings": row["findings"]} for row in studies]
    Dataset.from_list(views).to_parquet(tmp_path / "studies.parquet")
    files = ["--model", tmp_path / "model", "--dataset", tmp_path / "studies.parquet"]
    files += ["--max_new_tokens", "4", "--prompt", "Report.", "--split", "all"]
    for name, more in {"vllm": ["--vllm"], "transformers": []}.items():
        target = tmp_path / f"{name}.jsonl"
        generate_reports.main(list(map(str, [*files, *more, "--output", target])))
    tables = [
        pd.read_json(tmp_path / f"{one}.jsonl", lines=True) for one in ("vllm", "transformers")
    ]
    assert tables[0].equals(tables[1])
    assert vllm.engines[0]["limit_mm_per_prompt"] == {"image": 2}


def test_without_vllm_the_way_to_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ImportError, match="pip install vllm"):
        generate_with_vllm(str(tmp_path), ask("a"))
    with pytest.raises(ValueError, match="at least 1, found 0"):
        generate_with_vllm(str(tmp_path), ask("a"), 0)
