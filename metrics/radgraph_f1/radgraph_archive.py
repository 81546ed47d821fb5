"""The published RadGraph archives: configuration, vocabulary and weights, and nothing to run."""

import functools
import io
import json
import posixpath
import tarfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from .radgraph_infer import MODEL_TYPES, RadGraphAnnotator, Scorer, SpanModel

ARCHIVE_REPO = "StanfordAIMI/RRG_scorers"

_ENCODER = "_embedder.token_embedder_bert._matched_embedder.transformer_model."
_WIDTHS = "_endpoint_span_extractor._span_width_embedding.weight"


@functools.cache
def load_annotator(
    model_type: str = "radgraph-xl", archive: str | None = None, device: str | None = None
) -> RadGraphAnnotator:
    """RadGraph with its weights, loaded once a process.

    The encoder's configuration and tokenizer come from the Hub repository or the folder that the
    archive names; its weights are in the archive.

    Args:
        model_type (`str`, *optional*, defaults to `"radgraph-xl"`): One of `MODEL_TYPES`.
        archive (`str`, *optional*): A file like `radgraph-xl.tar.gz`, or a folder with what is in
            it. Downloaded from StanfordAIMI/RRG_scorers if left out.
        device (`str`, *optional*): A GPU when there is one, if left out.

    Returns:
        [`RadGraphAnnotator`]

    Raises:
        `ValueError`: When this is no RadGraph archive, or not one of this type.
    """
    from transformers import AutoTokenizer

    if model_type not in MODEL_TYPES:
        msg = f"expected model_type to be one of {', '.join(MODEL_TYPES)}, found {model_type!r}"
        raise ValueError(msg)
    path = Path(archive) if archive else _download(model_type)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    spans = f"vocabulary/{model_type}__ner_labels.txt"
    relations = f"vocabulary/{model_type}__relation_labels.txt"
    files = _read(path, ("config.json", spans, relations, "weights.th"))
    entity_labels, relation_labels = _lines(files[spans]), _lines(files[relations])
    try:
        config = json.loads(files["config.json"])
        reader, modules = config["dataset_reader"], config["model"]["modules"]
        indexer = reader["token_indexers"]["bert"]
        if modules["coref"].get("coref_prop", 0):
            raise ValueError("spans are changed by coreference (coref_prop), which is not built in")
        weights = torch.load(io.BytesIO(files["weights.th"]), device, weights_only=True)
        encoder = _encoder(weights, indexer["model_name"]).to(device)
        model = _span_model(weights, model_type, encoder)
        _check(model, len(entity_labels), len(relation_labels), reader["max_span_width"])
        annotator = RadGraphAnnotator(
            model_type=model_type,
            tokenizer=AutoTokenizer.from_pretrained(indexer["model_name"]),
            model=model,
            entity_labels=entity_labels,
            relation_labels=relation_labels,
            segment_length=indexer["max_length"],
            max_span_width=reader["max_span_width"],
            candidates_per_word=modules["relation"]["spans_per_word"],
        )
    except (KeyError, TypeError, ValueError, RuntimeError, UnpicklingError, EOFError) as error:
        problem = " ".join(str(error).split())[:400]
        msg = (
            f"expected an archive of {model_type}, found {path} that cannot be read: "
            f"{type(error).__name__}: {problem}. Download it from {ARCHIVE_REPO} again, or name "
            "its own model_type."
        )
        raise ValueError(msg) from error
    return annotator


def _download(model_type: str) -> Path:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(ARCHIVE_REPO, f"{model_type}.tar.gz"))


def _read(path: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """The files of these names; nothing is unpacked, so no other member of the archive matters."""
    found: dict[str, bytes] = {}
    if path.is_dir():
        found = {name: (path / name).read_bytes() for name in names if (path / name).is_file()}
    elif path.is_file():
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.isreg() else None
                    if content and posixpath.normpath(member.name) in names:
                        found[posixpath.normpath(member.name)] = content.read()
        except (tarfile.TarError, OSError, EOFError) as error:
            msg = f"expected a tar archive, found {path} that cannot be read: {error}"
            raise ValueError(msg) from error
    missing = [name for name in names if name not in found]
    if missing:
        msg = (
            f"expected a RadGraph archive or its folder at {path}, found none of "
            f"{', '.join(missing)} there: pass the model_type that the archive was made for"
        )
        raise ValueError(msg)
    return found


def _lines(content: bytes) -> tuple[str, ...]:
    return tuple(content.decode().removesuffix("\n").split("\n"))


def _encoder(weights: dict[str, Tensor], name: str) -> Any:
    from transformers import AutoConfig, AutoModel

    encoder = AutoModel.from_config(AutoConfig.from_pretrained(name))
    own = {k.removeprefix(_ENCODER): v for k, v in weights.items() if k.startswith(_ENCODER)}
    # A constant that older versions of transformers saved among the weights.
    own.pop("embeddings.position_ids", None)
    encoder.load_state_dict(own)
    return encoder.eval()


def _span_model(weights: dict[str, Tensor], model_type: str, encoder: Any) -> SpanModel:
    entity = f"_ner._ner_scorers.{model_type}__ner_labels."
    candidate = f"_relation._mention_pruners.{model_type}__relation_labels._scorer."
    layers = f"_relation._relation_feedforwards.{model_type}__relation_labels."
    output = f"_relation._relation_scorers.{model_type}__relation_labels."
    return SpanModel(
        encoder,
        weights[_WIDTHS],
        entity=_scorer(weights, f"{entity}0._module.", f"{entity}1._module."),
        candidate=_scorer(weights, f"{candidate}0._module.", f"{candidate}1._module."),
        relation=_scorer(weights, layers, output),
    )


def _scorer(weights: dict[str, Tensor], hidden: str, output: str) -> Scorer:
    """A feed-forward network and the linear layer after it, as deep and wide as their weights."""
    names: list[str] = []
    while f"{hidden}_linear_layers.{len(names)}.weight" in weights:
        names.append(f"{hidden}_linear_layers.{len(names)}.")
    return tuple((weights[f"{name}weight"], weights[f"{name}bias"]) for name in [*names, output])


def _check(model: SpanModel, n_entity: int, n_relation: int, max_span_width: int) -> None:
    """Says which sizes do not fit together."""
    n_widths, width_size = model.widths.shape
    span = 2 * model.encoder.config.hidden_size + width_size
    expected = {"entity": (span, n_entity - 1), "candidate": (span, 1)}
    expected["relation"] = (3 * span, n_relation)
    for name, sizes in expected.items():
        scorer: Scorer = getattr(model, name)
        found = (scorer[0][0].shape[1], scorer[-1][0].shape[0])
        if found != sizes:
            msg = f"the {name} scorer maps {found[0]} values to {found[1]}, not {sizes}"
            raise ValueError(msg)
    if max_span_width > n_widths:
        msg = f"spans are up to {max_span_width} words wide, but {n_widths} widths are known"
        raise ValueError(msg)
