"""CheXbert on transformers' BERT: reports in, one of four classes per finding out.

Source: Smit et al., CheXbert: Combining Automatic Labelers and Expert Annotations for Accurate
Radiology Report Labeling Using BERT (EMNLP 2020), and the code released with it.
"""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

LABELS = (
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
    "No Finding",
)
BLANK, POSITIVE, NEGATIVE, UNCERTAIN = range(4)

WEIGHTS_REPO, WEIGHTS_FILE = "StanfordAIMI/RRG_scorers", "chexbert.pth"
ENCODER = "google-bert/bert-base-uncased"
_MAX_TOKENS = 512


@dataclass(frozen=True)
class CheXbertLabeler:
    """A loaded CheXbert: `load_labeler` makes it.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The encoder's tokenizer.
        model (`torch.nn.ModuleDict`): `bert`, and `linear_heads`, one per label.
        device (`str`): Where the model lies.
    """

    tokenizer: Any
    model: Any
    device: str

    def label(self, reports: Sequence[str], batch_size: int = 32) -> NDArray[np.int64]:
        """The class of each label in each report.

        Args:
            reports (`Sequence[str]`):
                Any text. White space is collapsed; what lies beyond 512 tokens is not read.
            batch_size (`int`, *optional*, defaults to `32`):
                Reports that go through the model at once.

        Returns:
            `ndarray` of shape `(reports, 14)`, int64: `BLANK`, `POSITIVE`, `NEGATIVE` or
            `UNCERTAIN`, in the order of `LABELS` ("No Finding" is only ever blank or positive).
        """
        import torch

        texts = [" ".join(report.split()) for report in reports]
        tokens = self.tokenizer(texts, truncation=True, max_length=_MAX_TOKENS)["input_ids"]
        # Neighbours of one length need no padding; the longest come first to run out of memory
        # at once if they must.
        order = sorted(range(len(texts)), key=lambda i: -len(tokens[i]))
        classes = np.empty((len(texts), len(LABELS)), dtype=np.int64)
        with torch.inference_mode():
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                classes[rows] = self._classify([tokens[row] for row in rows])
        return classes

    def _classify(self, tokens: list[list[int]]) -> NDArray[np.int64]:
        batch = self.tokenizer.pad({"input_ids": tokens}, return_tensors="pt").to(self.device)
        hidden = self.model["bert"](batch["input_ids"], batch["attention_mask"]).last_hidden_state
        votes = [head(hidden[:, 0]).argmax(dim=1) for head in self.model["linear_heads"]]
        return np.stack([vote.cpu().numpy() for vote in votes], axis=1)


@functools.cache
def load_labeler(
    checkpoint: str | None = None, encoder: str = ENCODER, device: str | None = None
) -> CheXbertLabeler:
    """CheXbert with its weights, loaded once a process.

    Args:
        checkpoint (`str`, *optional*):
            A file like `chexbert.pth`, or that file converted to safetensors. Downloaded from
            StanfordAIMI/RRG_scorers if left out.
        encoder (`str`, *optional*, defaults to `"google-bert/bert-base-uncased"`):
            Hub repository or folder of the BERT configuration and tokenizer.
        device (`str`, *optional*):
            A GPU when there is one, if left out.

    Raises:
        ValueError: The file is no CheXbert checkpoint, or not one of this encoder.
    """
    import torch
    from transformers import AutoConfig, AutoTokenizer, BertModel

    path = Path(checkpoint) if checkpoint else _hub_checkpoint()
    config = AutoConfig.from_pretrained(encoder)
    sizes = [4] * (len(LABELS) - 1) + [2]
    heads = [torch.nn.Linear(config.hidden_size, size) for size in sizes]
    model = torch.nn.ModuleDict(
        {"bert": BertModel(config), "linear_heads": torch.nn.ModuleList(heads)}
    )
    try:
        model.load_state_dict(_read_checkpoint(path))
    except RuntimeError as error:
        # torch lists every tensor; the first few say what is wrong.
        problem = " ".join(str(error).split())[:400]
        raise ValueError(
            f"Expected a CheXbert checkpoint for the encoder {encoder}, found other weights in "
            f"{path}: {problem}. Pass the encoder the checkpoint was trained with."
        ) from error
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    return CheXbertLabeler(tokenizer, model.eval().to(device), device)


def _hub_checkpoint() -> Path:
    """The published weights as safetensors, converted once per published version."""
    from huggingface_hub import cached_assets_path, hf_hub_download
    from safetensors.torch import save_file

    download = Path(hf_hub_download(WEIGHTS_REPO, WEIGHTS_FILE))
    commit = download.parent.name
    converted = cached_assets_path("semenrich", "chexbert", commit) / "chexbert.safetensors"
    if not converted.exists():
        # Written aside and moved: another process may be reading or writing it.
        partial = converted.with_suffix(f".{os.getpid()}")
        save_file(_read_checkpoint(download), partial)
        partial.replace(converted)
    return converted


def _read_checkpoint(path: Path) -> "dict[str, torch.Tensor]":
    """The weights under their own names: `bert.*` and `linear_heads.*`."""
    from pickle import UnpicklingError

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise ValueError(f"Expected a CheXbert checkpoint at {path}, found no file there")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(
            f"Expected a file of weights, found {path} that cannot be read: {error}. Download "
            f"{WEIGHTS_FILE} from {WEIGHTS_REPO} again."
        ) from error
    if not isinstance(saved, dict) or "model_state_dict" not in saved:
        raise ValueError(
            f"Expected {path} to hold CheXbert's weights as `model_state_dict`, found "
            f"{list(saved)[:5] if isinstance(saved, dict) else type(saved).__name__}"
        )
    weights = {
        name.removeprefix("module."): tensor.contiguous()
        for name, tensor in saved["model_state_dict"].items()
    }
    # A constant that older versions of transformers saved among the weights.
    weights.pop("bert.embeddings.position_ids", None)
    return weights
