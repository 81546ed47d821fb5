"""A random CheXbert in the published checkpoint's layout, and the reports to try it on."""

import json
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer, BertConfig, BertModel, BertTokenizer

HEADS = [4] * 13 + [2]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SAMPLE_REPORTS = [
    "The heart is mildly enlarged. The lungs are clear.",
    "Small left pleural effusion with adjacent atelectasis, unchanged.",
    "No pneumothorax. No focal consolidation.",
    "Possible early pneumonia at the right base; follow up in six weeks.",
    "Interstitial edema has improved since yesterday.",
    "A port ends in the superior vena cava. Old healed rib fractures on the right.",
    "Normal chest.",
    "Nodule of 8 mm in the left upper lobe, suspicious for malignancy. CT is advised.",
    "Cardiomediastinal silhouette within normal limits. Degenerative change of the spine.",
    "Lines and tubes are in place. Low lung volumes with bibasilar opacities.",
    "Pleural thickening at the apices. Otherwise no acute abnormality.",
    "Hiatal hernia.",
]
EDGE_REPORTS = [
    "",
    " ",
    "\n\t ",
    "No acute disease.",
    "  No  acute\tdisease. \r\n",
    "no\x0bacute\x1cdisease\x85 today",
    "no\x00acute\x07disease",
    "no\u00a0acute\u2003disease\u200b today\ufeff",
    "Cardiomégalie modérée; œdème – 5 µm",
    "心臟擴大 heart 😀 enlarged",
    "[SEP] [CLS] [PAD] [MASK] heart",
    "a" * 300,
    "The heart is mildly enlarged. " * 150,
    "effusion " * 509,
    "effusion " * 510,
    "effusion " * 511,
    "lungs clear. " * 800,
]


def letter_vocabulary() -> list[str]:
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    words = ["heart", "lung", "##s", "effusion", "clear", "no", "the", "is", "enlarged", "edema"]
    return SPECIAL + letters + [f"##{letter}" for letter in letters] + words


def write_encoder(folder: Path, vocabulary: list[str] | None = None, **sizes: int) -> Path:
    """What is needed of bert-base-uncased: its configuration and its tokenizer."""
    vocabulary = vocabulary or letter_vocabulary()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    )
    tiny = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    BertConfig(vocab_size=len(vocabulary), **(tiny | sizes)).save_pretrained(folder)
    return folder


def write_checkpoint(path: Path, encoder: Path, seed: int = 0) -> Path:
    """A file like chexbert.pth: weights saved from `DataParallel`, by an old transformers."""
    config = BertConfig.from_pretrained(encoder)
    bert = BertModel(config).eval()
    heads = torch.nn.ModuleList(torch.nn.Linear(config.hidden_size, size) for size in HEADS)
    labeler = torch.nn.ModuleDict({"bert": bert, "linear_heads": heads})
    _randomize(labeler, config.hidden_size, seed)
    _center(heads, bert, AutoTokenizer.from_pretrained(encoder))
    weights = {f"module.{name}": tensor for name, tensor in labeler.state_dict().items()}
    positions = torch.arange(config.max_position_embeddings).expand((1, -1))
    weights["module.bert.embeddings.position_ids"] = positions
    torch.save({"model_state_dict": weights}, path)
    return path


@torch.no_grad()
def _randomize(labeler: torch.nn.Module, hidden_size: int, seed: int) -> None:
    # NumPy's draws are the same on every machine, torch's are not.
    generator = np.random.default_rng(seed)
    for name, weight in labeler.named_parameters():
        if weight.ndim == 2:
            # Loud attention: [CLS] must hear the text, or every text gets the same labels.
            scale = 2 / hidden_size**0.5 if ".encoder." in name else 1
            weight.copy_(torch.from_numpy(generator.standard_normal(weight.shape) * scale))


@torch.no_grad()
def _center(heads: torch.nn.ModuleList, bert: BertModel, tokenizer: BertTokenizer) -> None:
    """Sets the biases so that every class wins for some texts."""
    texts = tokenizer(SAMPLE_REPORTS, padding=True, return_tensors="pt")
    mean = bert(**texts).last_hidden_state[:, 0].mean(dim=0)
    for head in heads:
        head.bias.copy_(-head.weight @ mean)


def write_tiny(folder: Path) -> dict[str, str]:
    """The tiny model under `folder`, as the options that make chexbert_f1 use it."""
    encoder = write_encoder(folder / "encoder")
    checkpoint = write_checkpoint(folder / "chexbert.pth", encoder)
    return {"checkpoint": str(checkpoint), "encoder": str(encoder), "device": "cpu"}
