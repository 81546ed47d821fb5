"""A trained model on a Hub, with its index and its card, over HTTP with the real clients."""

import json
from pathlib import Path

TESTS = Path(__file__).parents[1]

SETUP = f"""
import json, sys
sys.path.insert(0, {str(TESTS)!r})
from fakes import UnusableEncoder
from huggingface_hub import HfApi
from semenrich_datasets import FindingsIndex
"""

TRAIN_AND_PUSH = """
from trainer_fakes import SETTINGS, make_dataset, make_index, make_model
from semenrich_trainers import SemEnrichSFTConfig, SemEnrichSFTTrainer

model, processor = make_model(images=True)
index = make_index()
args = SemEnrichSFTConfig(
    "runs/x", hub_model_id="me/x", hub_private_repo=True, push_to_hub=True,
    **SETTINGS, max_steps=2, save_steps=1, eval_strategy="steps", eval_steps=1,
)
data = make_dataset(4, images=True)
trainer = SemEnrichSFTTrainer(
    model, args, index=index, train_dataset=data, eval_dataset=data, processing_class=processor
)
trainer.train()  # pushes each checkpoint
trainer._finish_current_push()
pushed = HfApi().list_repo_files("me/x")
trainer.push_to_hub(dataset_name="me/reports")
print("=>", json.dumps([index.digest, pushed]))
"""

LOAD = """
from transformers import AutoModelForImageTextToText, AutoProcessor
from trainer_fakes import make_dataset
from semenrich_trainers import generate_completions
from semenrich_trainers.run_recipe import trained_prompt

index = FindingsIndex.from_pretrained(
    "me/x", subfolder="findings_index", encoder=UnusableEncoder()
)
assert index.units(["Lungs clear."])[0].unit_id != -1
model = AutoModelForImageTextToText.from_pretrained("me/x")
processor = AutoProcessor.from_pretrained("me/x")
rows = make_dataset(2, images=True)
written = generate_completions(model, processor, rows, max_new_tokens=5)
info = HfApi().model_info("me/x")
files = [file.rfilename for file in info.siblings]
from huggingface_hub import ModelCard
card = ModelCard.load("me/x").content
prompts = [trained_prompt("me/x") == rows[0]["prompt"], trained_prompt("me/none")]
print("=>", json.dumps([index.digest, len(written), info.private, files, card, prompts]))
"""


def test_a_model_comes_back_with_its_index_and_its_card(hub):
    text = hub.run(SETUP + TRAIN_AND_PUSH)
    digest, pushed_from_checkpoint = json.loads(text.split("=>")[1])
    assert "findings_index/config.json" in pushed_from_checkpoint
    loaded = hub.run(SETUP + LOAD)
    again, count, private, files, card, prompts = json.loads(loaded.split("=>")[1])
    assert (again, count, private) == (digest, 2, True)
    assert prompts == [True, None]
    assert not [name for name in files if name.startswith(("_tables", "checkpoint"))]
    assert f"`{digest[:12]}`" in card
    assert 'from_pretrained("me/x", subfolder="findings_index")' in card
    assert "me/reports" in card


def test_a_whole_index_is_pushed_in_private_alone(hub):
    text = hub.run(
        SETUP
        + """
from trainer_fakes import SETTINGS, make_dataset, make_index, make_model
from semenrich_trainers import SemEnrichSFTConfig, SemEnrichSFTTrainer

model, processor = make_model()
data = make_dataset(4)

def start(index, **options):
    args = SemEnrichSFTConfig("runs/y", push_to_hub=True, **SETTINGS, **options)
    try:
        SemEnrichSFTTrainer(
            model, args, index=index, train_dataset=data, processing_class=processor
        )
    except ValueError as error:
        return str(error)
    name = options["hub_model_id"]
    return HfApi().model_info(name if "/" in name else f"me/{name}").private

HfApi().create_repo("me/open")
index = make_index()
print("=>", json.dumps([
    start(index, hub_model_id="me/a"),
    start(index, hub_model_id="b", hub_private_repo=True),
    start(index, hub_model_id="me/c", hub_private_repo=False),
    start(index, hub_model_id="me/open"),
    start(index.shared(), hub_model_id="me/d"),
    start(index.shared(), hub_model_id="me/open"),
    HfApi().list_repo_files("me/open"),
]))
"""
    )
    default, private, asked, there, shared, shared_there, files = json.loads(text.split("=>")[1])
    assert (default, private, shared, shared_there) == (True, True, False, False)
    assert "leave it out, or train with the shared form" in asked
    assert "found it public: nothing was uploaded" in there
    assert files == [".gitattributes"]
