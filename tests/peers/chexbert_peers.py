"""f1chexbert and radeval on a model of ours, with shims for what no longer works in them.

`python tests/peers/chexbert_peers.py` writes what f1chexbert says of our own texts to
tests/data/chexbert_recorded.json.
"""

import importlib
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))
from tiny_chexbert import EDGE_REPORTS, SAMPLE_REPORTS, write_tiny  # noqa: E402

RECORDED = TESTS / "data" / "chexbert_recorded.json"


def load_f1chexbert(checkpoint: Path, encoder: Path) -> Any:
    """f1chexbert 0.0.2: its download is bypassed, the tokenizer method it misses put back."""
    module = importlib.import_module("f1chexbert.f1chexbert")
    module.CACHE_DIR = str(checkpoint.parent)
    peer = _beside(encoder, partial(module.F1CheXbert, device="cpu"))
    tokenizer = peer.tokenizer

    def encode_plus(tokens: list[str]) -> dict[str, list[int]]:
        ids = tokenizer.convert_tokens_to_ids(tokens)
        return {"input_ids": [tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]}

    tokenizer.encode_plus = encode_plus
    return peer


def load_radeval(checkpoint: Path, encoder: Path, **options: Any) -> Any:
    """radeval 2.2.1's CheXbert alone: the package's own `__init__` wants all its metrics."""
    if "radeval" not in sys.modules:
        found = importlib.util.find_spec("radeval")
        package = ModuleType("radeval")
        package.__path__ = list(found.submodule_search_locations)
        sys.modules["radeval"] = package
        sys.modules["radeval.metrics"] = metrics = ModuleType("radeval.metrics")
        metrics.__path__ = [f"{package.__path__[0]}/metrics"]
    module = importlib.import_module("radeval.metrics.f1chexbert.f1chexbert")
    # Its strict loading knows no `position_ids`.
    saved = torch.load(checkpoint, weights_only=True)["model_state_dict"]
    saved.pop("module.bert.embeddings.position_ids", None)
    plain = checkpoint.with_name("radeval.pth")
    torch.save({"model_state_dict": saved}, plain)
    module.hf_hub_download = lambda **_: str(plain)
    return _beside(encoder, partial(module.F1CheXbert, device="cpu", **options))


def _beside(encoder: Path, load: Callable[[], Any]) -> Any:
    """Both ask for "bert-base-uncased": a folder of that name in the working directory will do."""
    link = encoder.with_name("bert-base-uncased")
    if not link.exists():
        link.symlink_to(encoder, target_is_directory=True)
    before = Path.cwd()
    os.chdir(link.parent)
    try:
        return load()
    finally:
        os.chdir(before)


def main() -> None:
    """Records labels, classes and figures for the texts of tests/tiny_chexbert.py."""
    with tempfile.TemporaryDirectory() as folder:
        options = write_tiny(Path(folder))
        peer = load_f1chexbert(Path(options["checkpoint"]), Path(options["encoder"]))
        predictions = SAMPLE_REPORTS + EDGE_REPORTS
        references = SAMPLE_REPORTS[::-1] + EDGE_REPORTS[1:] + EDGE_REPORTS[:1]
        accuracy, per_report, of_14, of_5 = peer(predictions, references)
        recorded = {
            "labels": [peer.get_label(text) for text in predictions],
            "classes": [peer.get_label(text, mode="classification") for text in predictions],
            "accuracy_5": float(accuracy),
            "accuracy_5_per_report": per_report.tolist(),
            "report_14": of_14,
            "report_5": of_5,
        }
    RECORDED.parent.mkdir(exist_ok=True)
    RECORDED.write_text(json.dumps(recorded) + "\n")


if __name__ == "__main__":
    main()
