"""RadGraph in plain PyTorch: reports in, entities and their relations out.

The model is DyGIE++ (Wadden et al., Entity, Relation, and Event Extraction with Contextualized Span
Representations, EMNLP 2019) as RadGraph (Jain et al., NeurIPS Datasets and Benchmarks 2021) and
RadGraph-XL (Delbrouck et al., Findings of ACL 2024) use it: a transformer encodes word pieces, a
span is its first word, its last word and its width, and feed-forward networks score spans as
entities and pairs of spans as relations. Labels are those of the package radgraph 0.1.18.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

MODEL_TYPES = ("radgraph", "radgraph-xl", "modern-radgraph-xl", "echograph")

# A feed-forward network with ReLU between its layers: the weight and bias of each.
Scorer = tuple[tuple[Tensor, Tensor], ...]

# Bounds the memory of a report with hundreds of entities.
_PAIRS_AT_ONCE = 2**14


@dataclass(frozen=True)
class SpanModel:
    """The networks of RadGraph.

    Args:
        encoder (`PreTrainedModel`): Of word pieces.
        widths (`Tensor` of shape `(widths, features)`): Embedding of a span's width, less one.
        entity (`Scorer`): Of a span, for each entity label but the first.
        candidate (`Scorer`): Of a span, for having relations at all.
        relation (`Scorer`): Of two spans and their product, for each relation label.
    """

    encoder: Any
    widths: Tensor
    entity: Scorer
    candidate: Scorer
    relation: Scorer


@dataclass(frozen=True)
class RadGraphAnnotator:
    """A loaded RadGraph: `radgraph_archive.load_annotator` makes it.

    Args:
        model_type (`str`): One of `MODEL_TYPES`; it decides how reports are cut into words.
        tokenizer (`PreTrainedTokenizerBase`): The encoder's tokenizer.
        model (`SpanModel`): Its networks.
        entity_labels (`tuple[str, ...]`): The first, empty, says that a span is no entity.
        relation_labels (`tuple[str, ...]`): Of an entity to another, or to itself.
        segment_length (`int`): Word pieces that the encoder reads at once, special ones included.
        max_span_width (`int`): Words of the longest entity.
        candidates_per_word (`float`): How many spans of a report may have relations.
    """

    model_type: str
    tokenizer: Any
    model: SpanModel
    entity_labels: tuple[str, ...]
    relation_labels: tuple[str, ...]
    segment_length: int
    max_span_width: int
    candidates_per_word: float

    def annotate(self, reports: Sequence[str], batch_tokens: int = 2048) -> list[dict[str, Any]]:
        """The entities and relations of each report, in RadGraph's JSON form.

        Args:
            reports (`Sequence[str]`): Any text, of any length.
            batch_tokens (`int`, *optional*, defaults to `2048`): Word pieces that go through the
                model at once; a longer report goes alone.

        Returns:
            `list[dict]`: Of each report `text` (its words), `entities` (keys "1", "2", ..., each
            with `tokens`, `label`, `start_ix`, `end_ix` and `relations`), `data_source` and
            `data_split`. Reports without a word have no entities; equal reports share an
            annotation.
        """
        documents = {report: split_words(report, self.model_type) for report in reports}
        pieces = self._word_pieces(sorted(set(chain.from_iterable(documents.values()))))
        sizes = {text: sum(len(pieces[w]) for w in words) for text, words in documents.items()}
        annotations: dict[str, dict[str, Any]] = {}
        with torch.inference_mode():
            for batch in _batches(sizes, batch_tokens):
                found = self._annotate([documents[report] for report in batch], pieces)
                annotations.update(zip(batch, found, strict=True))
        return [annotations[report] for report in reports]

    def _word_pieces(self, words: list[str]) -> dict[str, list[int]]:
        if not words:
            return {}
        # DyGIE++ reads these two marks of older corpora as a plain stop and question mark.
        spelled = [word[1:] if word in ("/.", "/?") else word for word in words]
        encoded = self.tokenizer(spelled, add_special_tokens=False)["input_ids"]
        return dict(zip(words, encoded, strict=True))

    def _annotate(
        self, documents: list[list[str]], pieces: dict[str, list[int]]
    ) -> list[dict[str, Any]]:
        """Works on the words, the spans and the pairs of spans of all documents at once."""
        model = self.model
        vectors = self._encode([[pieces[word] for word in words] for words in documents])
        lengths = torch.tensor([len(words) for words in documents], device=vectors.device)
        document = torch.arange(len(lengths), device=vectors.device).repeat_interleave(lengths)
        starts, ends = _enumerate_spans(document, self.max_span_width)
        labels = _best_label(_score_spans(model.entity, vectors, model.widths, starts, ends))
        scores = _score_spans(model.candidate, vectors, model.widths, starts, ends).squeeze(1)
        budget = torch.ceil(lengths.float() * self.candidates_per_word)
        kept = _best_spans(scores, document[starts], budget)
        # Relations are reported between entities alone: other candidates need no scoring.
        chosen = torch.nonzero(kept & (labels > 0)).squeeze(1)
        first, last = starts[chosen], ends[chosen]
        spans = torch.cat([vectors[first], vectors[last], model.widths[last - first]], dim=1)
        relations = _score_relations(model.relation, spans, scores[chosen], document[first])
        entities = torch.nonzero(labels).squeeze(1)
        number = (labels > 0).cumsum(0) - 1
        relations[:, :2] = number[chosen[relations[:, :2]]]
        offset = (lengths.cumsum(0) - lengths)[document[starts]]
        rows = torch.stack([document[starts], starts - offset, ends - offset, labels], dim=1)
        return self._to_json(documents, rows[entities].tolist(), relations.tolist())

    def _encode(self, documents: list[list[list[int]]]) -> Tensor:
        """The mean of each word's pieces, shape `(words, hidden)`; zeros for words without any."""
        room = self.segment_length - 2
        segments = []
        for words in documents:
            ids = list(chain.from_iterable(words))
            segments += [ids[at : at + room] for at in range(0, max(len(ids), 1), room)]
        start, stop = [self.tokenizer.cls_token_id], [self.tokenizer.sep_token_id]
        inputs = {"input_ids": [start + segment + stop for segment in segments]}
        encoder = self.model.encoder
        batch = self.tokenizer.pad(inputs, return_tensors="pt").to(encoder.device)
        output: Tensor = encoder(batch["input_ids"], batch["attention_mask"]).last_hidden_state
        hidden = output[:, 1:]
        sizes = torch.tensor([len(segment) for segment in segments], device=hidden.device)
        vectors = hidden[torch.arange(hidden.shape[1], device=hidden.device) < sizes[:, None]]
        counts = torch.tensor([len(word) for words in documents for word in words])
        counts = counts.to(hidden.device, torch.long)
        word = torch.arange(len(counts), device=hidden.device).repeat_interleave(counts)
        sums = hidden.new_zeros(len(counts), hidden.shape[2]).index_add_(0, word, vectors)
        return sums / counts.clamp(min=1)[:, None]

    def _to_json(
        self, documents: list[list[str]], spans: list[list[int]], relations: list[list[int]]
    ) -> list[dict[str, Any]]:
        annotations: list[dict[str, Any]] = [
            {
                "text": " ".join(words),
                "entities": {},
                "data_source": None,
                "data_split": "inference",
            }
            for words in documents
        ]
        entities: list[tuple[str, dict[str, Any]]] = []
        for document, start, end, label in spans:
            found = annotations[document]["entities"]
            entity: dict[str, Any] = {
                "tokens": " ".join(documents[document][start : end + 1]),
                "label": self.entity_labels[label],
                "start_ix": start,
                "end_ix": end,
                "relations": [],
            }
            entities.append((str(len(found) + 1), entity))
            found[entities[-1][0]] = entity
        for subject, target, label in relations:
            _, entity = entities[subject]
            entity["relations"].append([self.relation_labels[label], entities[target][0]])
        return annotations


def split_words(report: str, model_type: str) -> list[str]:
    """Cuts a report into the words that its model was trained on.

    Args:
        report (`str`): Any text.
        model_type (`str`): One of `MODEL_TYPES`; all but "radgraph" cut at every change between
            letters and marks.

    Returns:
        `list[str]`: Words and marks.
    """
    if model_type == "radgraph":
        return re.sub(r"(?<! )(?=[/,:.!?()])|(?<=[/,:.!?()])(?! )", " ", report).split()
    for escape, text in (("\\n", "  "), ("\\f", "  "), ("\\u2122", "      "), ('\\"', "``")):
        report = report.replace(escape, text)
    tokens = " ".join(re.findall(r"\w+|[^\w\s]+", report))
    for mark, cut in ((").", ") ."), ("%.", "% ."), (".'", ". '"), ("%,", "% ,"), ("%)", "% )")):
        tokens = tokens.replace(mark, cut)
    return tokens.split()


def _batches(sizes: dict[str, int], limit: int) -> Iterator[list[str]]:
    """Reports of about one length together, so that little is padded; the longest first."""
    batch: list[str] = []
    filled = 0
    for report in sorted(sizes, key=lambda report: -sizes[report]):
        if batch and filled + sizes[report] > limit:
            yield batch
            batch, filled = [], 0
        batch.append(report)
        filled += sizes[report]
    if batch:
        yield batch


def _enumerate_spans(document: Tensor, max_width: int) -> tuple[Tensor, Tensor]:
    """First and last word of each span that lies in one document, in order."""
    starts = torch.arange(len(document), device=document.device)
    ends = starts[:, None] + torch.arange(max_width, device=document.device)
    limits = torch.searchsorted(document, document, right=True)
    inside = ends < limits[:, None]
    return starts[:, None].expand_as(ends)[inside], ends[inside]


def _score_spans(
    scorer: Scorer, vectors: Tensor, widths: Tensor, starts: Tensor, ends: Tensor
) -> Tensor:
    """Scores of each span, shape `(spans, outputs)`.

    The first layer is linear in `[first word; last word; width]`: it is applied to each word once,
    not to each span that starts or ends there.
    """
    weight, bias = scorer[0]
    size = vectors.shape[1]
    on_start, on_end, on_width = weight.tensor_split((size, 2 * size), dim=1)
    hidden = (vectors @ on_start.T)[starts] + (vectors @ on_end.T)[ends]
    return _later_layers(scorer, hidden + (widths @ on_width.T + bias)[ends - starts])


def _later_layers(scorer: Scorer, hidden: Tensor) -> Tensor:
    for weight, bias in scorer[1:]:
        hidden = functional.linear(hidden.relu(), weight, bias)
    return hidden


def _best_label(scores: Tensor) -> Tensor:
    """The best label from 1 up, or 0 where no label scores above 0."""
    return torch.cat([scores.new_zeros(len(scores), 1), scores], dim=1).argmax(dim=1)


def _best_spans(scores: Tensor, document: Tensor, budget: Tensor) -> Tensor:
    """Whether each span is among the best of its document, as many as its budget allows."""
    order = scores.argsort(descending=True, stable=True)
    order = order[document[order].argsort(stable=True)]
    counts = torch.bincount(document, minlength=len(budget))
    rank = torch.arange(len(order), device=order.device) - (counts.cumsum(0) - counts)[document]
    kept = torch.zeros_like(scores, dtype=torch.bool)
    kept[order] = rank < budget[document]
    return kept


def _score_relations(scorer: Scorer, spans: Tensor, scores: Tensor, document: Tensor) -> Tensor:
    """Rows of subject, object and label, for each ordered pair in one document that has one.

    As in `_score_spans`, what the first layer takes from either span alone is computed once a span.
    """
    weight, bias = scorer[0]
    on_subject, on_object, on_product = weight.tensor_split(3, dim=1)
    subjects, objects = spans @ on_subject.T + bias, spans @ on_object.T
    found = []
    for pairs in torch.split(torch.nonzero(document[:, None] == document), _PAIRS_AT_ONCE):
        a, b = pairs.T
        hidden = subjects[a] + objects[b] + (spans[a] * spans[b]) @ on_product.T
        outputs = _later_layers(scorer, hidden) + (scores[a] + scores[b])[:, None]
        labels = _best_label(outputs)
        found.append(torch.cat([pairs, labels[:, None] - 1], dim=1)[labels > 0])
    return torch.cat(found)
