"""A random RadGraph in the published archives' layout."""

import json
import tarfile
from pathlib import Path

import numpy as np
import torch
from tiny_chexbert import EDGE_REPORTS, SAMPLE_REPORTS, SPECIAL, write_encoder
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from torch.nn import functional
from transformers import AutoConfig, AutoModel, ModernBertConfig, PreTrainedTokenizerFast

from metrics.radgraph_f1 import radgraph_infer
from metrics.radgraph_f1.radgraph_archive import _ENCODER, _WIDTHS, load_annotator

CERTAINTIES = ("definitely present", "uncertain", "definitely absent")
ENTITY_LABELS = ["", "Anatomy::definitely present", *(f"Observation::{c}" for c in CERTAINTIES)]
RELATION_LABELS = ["modify", "located_at", "suggestive_of"]
FEATURES = 20
# More than 512 word pieces, with what the two ways of cutting words treat differently.
LONG_REPORT = " ".join(
    f"{text} Nodule {row} measures 1.{row} cm (50%). See ref./? \\n"
    for row, text in enumerate(SAMPLE_REPORTS)
)
# What is recorded of the package: each way of cutting reports and each encoder, and how many word
# pieces a segment holds; 48 fold most reports.
RECORDED_MODELS = {"radgraph": 48, "radgraph-xl": 512, "modern-radgraph-xl": 48}
# The package dies on reports without a word, and takes gigabytes for thousands of words.
RECORDED_TEXTS = [
    *SAMPLE_REPORTS,
    *(text for text in EDGE_REPORTS if text.split() and len(text) < 1000),
    LONG_REPORT,
]


def write_archive(
    folder: Path,
    model_type: str = "radgraph-xl",
    encoder: Path | None = None,
    *,
    max_length: int = 512,
    max_span_width: int = 8,
    hidden: int = 16,
    seed: int = 0,
    encoder_id: str | None = None,
) -> Path:
    """Writes `config.json`, `vocabulary/` and `weights.th` to `folder`, and `folder`.tar.gz.

    The archive names `encoder_id`, or else the folder `encoder`, as the encoder's repository.
    """
    if encoder is None:
        write = write_modern_encoder if model_type.startswith("modern") else write_encoder
        encoder = write(folder.with_name(f"{folder.name}-encoder"))
    vocabulary = folder / "vocabulary"
    vocabulary.mkdir(parents=True)
    (vocabulary / "non_padded_namespaces.txt").write_text("*labels\n*tags\n")
    for name, labels in (("ner", ENTITY_LABELS), ("relation", RELATION_LABELS)):
        path = vocabulary / f"{model_type}__{name}_labels.txt"
        path.write_text("".join(f"{label}\n" for label in labels))
    config = configuration(str(encoder), max_length, max_span_width, hidden)
    (folder / "config.json").write_text(json.dumps(config))
    weights = random_weights(model_type, encoder, max_span_width, hidden, seed)
    torch.save(weights, folder / "weights.th")
    _balance(weights, model_type, load_annotator(model_type, str(folder), "cpu"))
    torch.save(weights, folder / "weights.th")
    load_annotator.cache_clear()
    if encoder_id:
        config = configuration(encoder_id, max_length, max_span_width, hidden)
        (folder / "config.json").write_text(json.dumps(config))
    archive = folder.with_name(f"{folder.name}.tar.gz")
    with tarfile.open(archive, "w:gz", compresslevel=1) as file:
        for path in sorted(folder.rglob("*.*")):
            file.add(path, f"./{path.relative_to(folder)}")
    return archive


def write_tiny(folder: Path) -> dict[str, str]:
    """The tiny model under `folder`, as the options that make radgraph_f1 use it."""
    return {"archive": str(write_archive(folder / "radgraph-xl")), "device": "cpu"}


def thin_out(annotation: dict) -> dict:
    """Every eighth entity is gone, and with it the relations that point to it."""
    kept = {k: entity for k, entity in annotation["entities"].items() if int(k) % 8 != 3}
    for key, entity in kept.items():
        relations = [[label, target] for label, target in entity["relations"] if target in kept]
        kept[key] = {**entity, "relations": relations}
    return {"entities": kept}


def configuration(encoder: str, max_length: int, max_span_width: int, hidden: int) -> dict:
    """A DyGIE++ configuration; the keys that radgraph deletes are there for it to delete."""
    bert = {"model_name": encoder, "max_length": max_length}
    kind = "pretrained_transformer_mismatched"
    return {
        "dataset_reader": {
            "type": "dygie",
            "max_span_width": max_span_width,
            "token_indexers": {"bert": {"type": kind, **bert}},
        },
        "model": {
            "type": "dygie",
            "embedder": {"token_embedders": {"bert": {"type": kind, **bert}}},
            "initializer": {},
            "module_initializer": {},
            "modules": {
                "ner": {},
                "relation": {"spans_per_word": 0.5},
                "coref": {"spans_per_word": 0.3, "max_antecedents": 100},
                "events": {
                    "trigger_spans_per_word": 0.3,
                    "argument_spans_per_word": 0.8,
                    "loss_weights": {"trigger": 0.2, "arguments": 1.0},
                },
            },
            "feature_size": FEATURES,
            "max_span_width": max_span_width,
            "target_task": "relation",
            "feedforward_params": {"num_layers": 2, "hidden_dims": hidden, "dropout": 0.4},
            "loss_weights": {"ner": 0.2, "relation": 1.0, "coref": 0.0, "events": 0.0},
        },
    }


def random_weights(
    model_type: str, encoder: Path, max_span_width: int, hidden: int, seed: int
) -> dict[str, torch.Tensor]:
    """Weights under the names that the package gives them; NumPy draws alike everywhere."""
    generator = np.random.default_rng(seed)
    model = AutoModel.from_config(AutoConfig.from_pretrained(encoder))
    weights = {f"{_ENCODER}{name}": tensor for name, tensor in model.state_dict().items()}
    for name, tensor in weights.items():
        if tensor.ndim == 2:
            # Word embeddings loud, attention soft: or all words of a report look alike.
            scale = 1 if "embeddings" in name else 0.5 / tensor.shape[1] ** 0.5
            draw = generator.standard_normal(tensor.shape, dtype=np.float32) * scale
            weights[name] = torch.from_numpy(draw.astype(np.float32))
    span = 2 * model.config.hidden_size + FEATURES

    def linear(name: str, n_in: int, n_out: int) -> None:
        draw = generator.standard_normal((n_out, n_in), dtype=np.float32) * (2 / n_in) ** 0.5
        weights[f"{name}.weight"] = torch.from_numpy(draw.astype(np.float32))
        weights[f"{name}.bias"] = torch.zeros(n_out)

    def feedforward(name: str, n_in: int) -> None:
        linear(f"{name}._linear_layers.0", n_in, hidden)
        linear(f"{name}._linear_layers.1", hidden, hidden)

    def embedding(name: str, n: int) -> None:
        draw = generator.standard_normal((n, FEATURES), dtype=np.float32)
        weights[name] = torch.from_numpy(draw)

    ner, relation = f"{model_type}__ner_labels", f"{model_type}__relation_labels"
    embedding(_WIDTHS, max_span_width)
    feedforward(f"_ner._ner_scorers.{ner}.0._module", span)
    linear(f"_ner._ner_scorers.{ner}.1._module", hidden, len(ENTITY_LABELS) - 1)
    feedforward(f"_relation._mention_pruners.{relation}._scorer.0._module", span)
    linear(f"_relation._mention_pruners.{relation}._scorer.1._module", hidden, 1)
    feedforward(f"_relation._relation_feedforwards.{relation}", 3 * span)
    linear(f"_relation._relation_scorers.{relation}", hidden, len(RELATION_LABELS))
    # Unused, but there: the package loads them too.
    embedding("_coref._distance_embedding.weight", 10)
    feedforward("_coref._antecedent_feedforward._module", 3 * span + FEATURES)
    feedforward("_coref._mention_pruner._scorer.0._module", span)
    linear("_coref._mention_pruner._scorer.1._module", hidden, 1)
    linear("_coref._antecedent_scorer._module", hidden, 1)
    linear("_coref._f_network._linear_layers.0", 2 * span, span)
    embedding("_events._distance_embedding.weight", 10)
    return weights


@torch.inference_mode()
def _balance(weights: dict[str, torch.Tensor], model_type: str, annotator) -> None:
    """Sets the last biases so that about 1 span in 15 is an entity and 1 pair in 6 related."""
    model = annotator.model
    words = [radgraph_infer.split_words(text, model_type) for text in SAMPLE_REPORTS]
    pieces = annotator._word_pieces(sorted({word for report in words for word in report}))
    vectors = annotator._encode([[pieces[word] for word in report] for report in words])
    document = torch.arange(len(words)).repeat_interleave(torch.tensor([len(w) for w in words]))
    starts, ends = radgraph_infer._enumerate_spans(document, annotator.max_span_width)
    spans = torch.cat([vectors[starts], vectors[ends], model.widths[ends - starts]], dim=1)

    def score(scorer, inputs):
        for i, (weight, bias) in enumerate(scorer):
            inputs = functional.linear(inputs.relu() if i else inputs, weight, bias)
        return inputs

    entity, candidate = score(model.entity, spans), score(model.candidate, spans)
    share = 1 / 15 / entity.shape[1]
    bias = -entity.quantile(1 - share, dim=0)
    weights[f"_ner._ner_scorers.{model_type}__ner_labels.1._module.bias"] = bias.clone()
    found = (entity + bias).amax(dim=1) > 0
    spans, candidate = spans[found][:150], candidate[found][:150]
    a, b = torch.cartesian_prod(*[torch.arange(len(spans))] * 2).T
    pairs = torch.cat([spans[a], spans[b], spans[a] * spans[b]], dim=1)
    relation = score(model.relation, pairs) + candidate[a] + candidate[b]
    bias = -relation.quantile(1 - 1 / 6 / relation.shape[1], dim=0)
    weights[f"_relation._relation_scorers.{model_type}__relation_labels.bias"] = bias.clone()


def write_modern_encoder(folder: Path, **sizes: int) -> Path:
    """What is needed of a ModernBERT: its configuration and its byte-level tokenizer."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("e", "n"), ("en", "t"), ("t", "h"), ("th", "e"), ("l", "u"), ("lu", "n"), ("o", "n")]
    tokens = [*SPECIAL, *alphabet, *("".join(pair) for pair in merges)]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [(name, tokens.index(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=special
    )
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **dict(zip(names, SPECIAL, strict=True))
    ).save_pretrained(folder)
    tiny = {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "max_position_embeddings": 1024,
    }
    ModernBertConfig(
        vocab_size=len(tokens),
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        cls_token_id=2,
        sep_token_id=3,
        **(tiny | sizes),
    ).save_pretrained(folder)
    return folder
