"""The files of a model before it is loaded: data alone, no code and no pickles."""

from __future__ import annotations

import json
from pathlib import Path

_OWN_MODULES = "sentence_transformers."


def check_model_files(name: str) -> None:
    """Checks what a SentenceTransformer says that it is made of.

    Args:
        name (`str`): Its folder or Hub id.

    Raises:
        ValueError: If a module of it is no part of sentence-transformers, or weights in the folder
            are pickled: either could run code.
    """
    from sentence_transformers.util import load_file_path

    path = load_file_path(name, "modules.json")
    modules = [] if path is None else json.loads(Path(path).read_text(encoding="utf-8"))
    for module in modules:
        kind = str(module.get("type")) if isinstance(module, dict) else str(module)
        if not kind.startswith(_OWN_MODULES):
            raise ValueError(
                f"expected modules of sentence-transformers in {name}, found {kind!r:.80}, whose "
                "code is not run: load the model yourself and pass the object"
            )
    check_weights(name)


def check_weights(name: str) -> None:
    """Raises `ValueError` where a folder has pickled weights and no others beside them."""
    for pickled in Path(name).rglob("*.bin") if Path(name).is_dir() else ():
        if not any(pickled.parent.glob("*.safetensors")):
            raise ValueError(
                f"expected weights in safetensors, found {pickled}: a pickle can run code. Save "
                "the model anew with save_pretrained"
            )
