"""radgraph 0.1.18 on a model of ours, with the two tokenizer methods that it misses.

`python tests/peers/radgraph_peers.py` writes what it says of our own texts to
tests/data/radgraph_recorded.json.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]
from tiny_radgraph import RECORDED_MODELS, RECORDED_TEXTS, thin_out, write_archive  # noqa: E402

RECORDED = TESTS / "data" / "radgraph_recorded.json"


def load_radgraph(folder: Path, device: int = -1) -> Any:
    """The package's model from `folder`, which is named after its type."""
    for name in ("encode_plus", "build_inputs_with_special_tokens"):
        setattr(PreTrainedTokenizerBase, name, globals()[f"_{name}"])
    from radgraph import RadGraph

    return RadGraph(model_type=folder.name, model_cache_dir=str(folder.parent), cuda=device)


def _encode_plus(
    self: PreTrainedTokenizerBase, text: str, *pair: str, **options: Any
) -> dict[str, Any]:
    return self(text, *pair, **options)


def _build_inputs_with_special_tokens(self: PreTrainedTokenizerBase, ids: list[int]) -> list[int]:
    return [self.cls_token_id, *ids, self.sep_token_id]


def annotate(peer: Any, reports: list[str]) -> list[dict[str, Any]]:
    """Its annotations, in order."""
    found = peer(reports)
    return [found[str(row)] for row in range(len(reports))]


def rewards(pairs: list[tuple[Any, Any]]) -> list[tuple[float, float, float]]:
    """Its rewards of pairs of annotations."""
    from radgraph.rewards import compute_reward

    return [compute_reward(*pair, "all") for pair in pairs]


def score(
    peer: Any, predictions: list[str], references: list[str]
) -> tuple[tuple[float, float, float], list[tuple[float, float, float]]]:
    """Its means and the rewards of each pair of reports, as its class `F1RadGraph` has them."""
    from radgraph import F1RadGraph

    # Loading belongs to its `__init__`, which would load another model.
    scorer = F1RadGraph.__new__(F1RadGraph)
    torch.nn.Module.__init__(scorer)
    scorer.reward_level, scorer.radgraph = "all", peer
    means, levels, *_ = scorer(hyps=predictions, refs=references)
    return means, list(zip(*levels, strict=True))


def main() -> None:
    """Records annotations of each model, and the rewards of parts of them."""
    recorded = {}
    for model_type, max_length in RECORDED_MODELS.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / model_type
            write_archive(folder, model_type, max_length=max_length)
            found = annotate(load_radgraph(folder), RECORDED_TEXTS)
        pairs = [(thin_out(annotation), annotation) for annotation in found]
        recorded[model_type] = {"annotations": found, "rewards": rewards(pairs)}
    RECORDED.write_text(json.dumps(recorded) + "\n")


if __name__ == "__main__":
    main()
