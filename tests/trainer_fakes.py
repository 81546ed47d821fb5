"""Tiny models, their data and their settings, for the tests of the trainers."""

import random
import sys
from pathlib import Path

from datasets import Dataset
from PIL import Image
from transformers import LlamaForCausalLM

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

from fakes import build_index, made_up_reports
from tiny_vlm import build_vlm

from semenrich_trainers import ReportFormatter
from semenrich_trainers.formatting import DEFAULT_PROMPT

#: Of both trainers: short, quiet, and everything that is logged is logged at each step.
SETTINGS = {
    "per_device_train_batch_size": 4,
    "per_device_eval_batch_size": 4,
    "logging_steps": 1,
    "learning_rate": 3e-3,
    "max_completion_length": 16,
    "eval_reports": 6,
    "report_to": "none",
    "use_cpu": True,
    "disable_tqdm": True,
}


def make_index():
    return build_index(made_up_reports(60))


def make_dataset(n=16, images=False, seed=1):
    """Reports with an impression each, in the form that both trainers take."""
    rows = [{**row, "impression": "Normal."} for row in made_up_reports(n, seed=seed)]
    if images:
        rng = random.Random(seed)
        rows = [{**row, "image": Image.new("L", (48, 64), rng.randrange(256))} for row in rows]
    return Dataset.from_list(rows).map(ReportFormatter(), batched=True)


def make_model(images=False):
    """A LLaVA with its processor, or its language model with its tokenizer."""
    texts = [row["findings"] for row in made_up_reports(60)]
    vlm, processor = build_vlm([*texts, "Normal.", DEFAULT_PROMPT], "tiny")
    if images:
        return vlm, processor
    tokenizer = processor.tokenizer
    tokenizer.chat_template = processor.chat_template
    return LlamaForCausalLM(vlm.config.text_config), tokenizer


def losses(trainer):
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def logged(trainer, name):
    return [entry[name] for entry in trainer.state.log_history if name in entry]
