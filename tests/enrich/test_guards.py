import io
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
)

from semenrich_datasets.enrich.guards import (
    Guard,
    ImageTextGuard,
    LLMGuard,
    NLIGuard,
    Proposal,
    image_text,
)
from semenrich_datasets.enrich.guards.image_text import opposite


def proposal(sentence, findings="", context="", image=None):
    return Proposal(sentence, findings, context, image)


def word_tokenizer(words, template, max_length):
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]", *words])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single=template[0], pair=template[1], special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        unk_token="[UNK]",
        model_max_length=max_length,
    )


# Entailment: a tiny BERT taught on pairs made from three findings, present or absent.
FINDINGS = ["effusion", "edema", "nodule"]
LABELS = ["ENTAILMENT", "neutral", "Contradiction"]
SIGNS = ["no", "some"]
FILLER = "the lines end well"


def nli_pairs():
    """All pairs over one or two statements in the premise, with their labels."""
    statements = [(finding, sign) for finding in FINDINGS for sign in SIGNS]
    premises = [[one] for one in statements]
    premises += [[one, two] for one in statements for two in statements if one[0] != two[0]]
    for premise in premises:
        text = f"{FILLER} " + " . ".join(f"{sign} {finding}" for finding, sign in premise)
        for finding, sign in statements:
            said = dict(premise).get(finding)
            label = 1 if said is None else (0 if said == sign else 2)
            yield text, f"{sign} {finding}", label


@pytest.fixture(scope="module")
def nli(tmp_path_factory):
    torch.manual_seed(0)
    words = [*FINDINGS, "no", "some", ".", *FILLER.split()]
    template = ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1")
    tokenizer = word_tokenizer(words, template, max_length=16)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=16,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=3,
        initializer_range=0.2,
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
    )
    model = BertForSequenceClassification(config).train()
    premises, hypotheses, labels = zip(*nli_pairs(), strict=True)
    inputs = tokenizer(list(premises), list(hypotheses), padding=True, return_tensors="pt")
    target = torch.tensor(labels)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(300):
        loss = torch.nn.functional.cross_entropy(model(**inputs).logits, target)
        if loss.item() < 0.005:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    folder = str(tmp_path_factory.mktemp("nli"))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_nli_guard_refuses_what_the_report_denies_or_says(nli):
    guard = NLIGuard(nli, batch_size=3)
    report = {"findings": f"{FILLER} some effusion", "context": ". no edema"}
    proposals = [
        proposal("no effusion", **report),
        proposal("no edema", **report),
        proposal("no nodule", **report),
        proposal("no nodule"),
        proposal("some edema", **report),
    ]
    assert guard(proposals) == ["contradicts", "redundant", None, None, "contradicts"]
    assert guard(proposals[::-1]) == ["contradicts", None, None, "redundant", "contradicts"]
    assert guard([]) == []
    assert pickle.loads(pickle.dumps(guard))(proposals) == guard(proposals)


def test_nli_guard_reads_a_long_report_to_its_end(nli):
    guard = NLIGuard(nli)
    for end, reason in [("some edema", "contradicts"), ("no edema", "redundant")]:
        # 15 words where 11 fit beside the sentence: the second window begins at the second filler.
        long = f"{FILLER} no effusion . no nodule {FILLER} {end}"
        assert guard([proposal("no edema", findings=long)]) == [reason]


def test_a_worker_process_loads_the_model_itself(nli):
    guard = NLIGuard(nli)
    cases = [proposal("no effusion", findings=f"{FILLER} {sign} effusion") for sign in SIGNS]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(guard, cases).result() == ["redundant", "contradicts"]


def test_nli_guard_threshold(nli):
    case = [proposal("no effusion", findings=f"{FILLER} some effusion")]
    assert NLIGuard(nli, threshold=1.0)(case) == [None]
    with pytest.raises(ValueError, match="threshold"):
        NLIGuard(nli, threshold=0.0)


def test_nli_guard_refuses_a_model_of_another_kind(tmp_path):
    tokenizer = word_tokenizer(["a"], ("[CLS] $A", "[CLS] $A $B"), 16)
    config = BertConfig(
        vocab_size=8,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        id2label={0: "bad", 1: "not_entailment"},
        label2id={"bad": 0, "not_entailment": 1},
    )
    BertForSequenceClassification(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="natural language inference"):
        NLIGuard(str(tmp_path))([proposal("a", findings="a")])


def answer_by_sentence(prompts):
    """A chat model whose answer is the proposed sentence itself."""
    return [prompt.rpartition("Proposed sentence: ")[2] for prompt in prompts]


def test_llm_guard_reads_one_word_and_refuses_the_rest():
    guard = LLMGuard(answer_by_sentence)
    said = ["add", "Contradicts.", "redundant", "prior", "undecided", "please add", "", "{x}"]
    assert guard([proposal(word) for word in said]) == [
        None,
        "contradicts",
        "redundant",
        "prior",
        "undecided",
        "undecided",
        "undecided",
        "undecided",
    ]
    assert pickle.loads(pickle.dumps(guard)) == guard


def test_llm_guard_shows_the_whole_report():
    seen = []

    def ask(prompts):
        seen.extend(prompts)
        return ["add"] * len(prompts)

    LLMGuard(ask)([proposal("A.", findings="B {f}.", context="C.")])
    assert "Findings: B {f}.\n\nContext: C.\n\nProposed sentence: A." in seen[0]


@pytest.mark.parametrize(
    ("sentence", "denial"),
    [
        ("No pleural effusion.", "Pleural effusion."),
        ("There is no focal consolidation.", "There is focal consolidation."),
        ("no definite evidence of pneumothorax", "pneumothorax"),
        ("Lungs are without edema.", "Lungs are with edema."),
        ("The heart is not enlarged.", "The heart is enlarged."),
        ("The lungs are clear.", "The lungs are abnormal."),
        ("Lungs are free of infiltrates.", "Lungs are abnormal with infiltrates."),
        ("Normal heart size.", "Abnormal heart size."),
        ("Hila are within normal limits.", "Hila are abnormal."),
        ("Negative for fracture.", "Positive for fracture."),
        ("Osseous structures are intact.", "Osseous structures are abnormal."),
        ("There is an effusion.", None),
        ("Clear lungs without edema.", None),
        ("Effusion is no longer seen.", None),
        ("Abnormal contour.", None),
        ("Cardiac notch.", None),
        ("", None),
    ],
)
def test_opposite(sentence, denial):
    assert opposite(sentence) == denial


# Image and text: a tiny CLIP fitted to white pictures with an effusion and black ones without.
BLACK, WHITE = (Image.new("L", (16, 16), shade) for shade in (0, 255))
ABSENT, PRESENT = "No pleural effusion.", "Pleural effusion."


def clip_tokenizer():
    words = ["no", "pleural", "effusion", "."]
    return word_tokenizer(words, ("[CLS] $A [SEP]", "[CLS] $A $B [SEP]"), max_length=8)


TOWER = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
VISION = TOWER | {"image_size": 16, "patch_size": 8}
TEXT = TOWER | {"vocab_size": 8, "max_position_embeddings": 8, "projection_size": 16}


def image_processor():
    size = {"height": 16, "width": 16}
    return CLIPImageProcessor(size=size, crop_size=size)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    torch.manual_seed(0)
    tokens = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = CLIPConfig(text_config=TEXT | tokens, vision_config=VISION, projection_dim=16)
    model = CLIPModel(config).train()
    tokenizer, pictures = clip_tokenizer(), image_processor()
    inputs = tokenizer([ABSENT, PRESENT], padding=True, return_tensors="pt")
    shades = [image.convert("RGB") for image in (BLACK, WHITE)]
    inputs |= pictures(shades, return_tensors="pt")
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(100):
        loss = model(**inputs, return_loss=True).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    folder = str(tmp_path_factory.mktemp("clip"))
    model.save_pretrained(folder)
    CLIPProcessor(image_processor=pictures, tokenizer=tokenizer).save_pretrained(folder)
    return folder


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def test_image_guard_refuses_what_the_picture_does_not_show(clip):
    guard = ImageTextGuard(clip, batch_size=1)
    proposals = [
        proposal(ABSENT, image=BLACK),
        proposal(ABSENT, image=WHITE),
        proposal(ABSENT, image=None),
        proposal("Pleural scar.", image=BLACK),
    ]
    assert guard(proposals) == [None, "image", "undecided", "undecided"]
    assert guard(proposals[::-1]) == ["undecided", "undecided", "image", None]
    assert guard([]) == []
    assert ImageTextGuard(clip, margin=2.1)(proposals[:1]) == ["image"]
    assert pickle.loads(pickle.dumps(guard))(proposals) == guard(proposals)


@pytest.mark.parametrize(
    "form",
    [
        np.asarray,
        png,
        lambda image: image.convert("RGBA"),
        lambda image: np.asarray(image, dtype=np.float32) / 255,
        lambda image: torch.tensor(np.asarray(image)).expand(3, 16, 16),
        lambda image: np.asarray(image)[:, :, None],
        lambda image: image.convert("1"),
    ],
    ids=["array", "bytes", "rgba", "float", "channels_first", "one_channel", "binary"],
)
def test_image_guard_takes_every_form_of_image(clip, form):
    proposals = [proposal(ABSENT, image=form(image)) for image in (BLACK, WHITE)]
    assert ImageTextGuard(clip)(proposals) == [None, "image"]


def test_images_and_texts_are_embedded_once(clip, monkeypatch):
    image_text._load_towers.cache_clear()
    read = {"image": 0, "text": 0}
    embed = image_text._Towers._embed

    def count(self, tower, inputs):
        read["image" if "pixel_values" in inputs else "text"] += len(next(iter(inputs.values())))
        return embed(self, tower, inputs)

    monkeypatch.setattr(image_text._Towers, "_embed", count)
    proposals = [proposal(text, image=WHITE) for text in (ABSENT, "No effusion.", ABSENT)]
    ImageTextGuard(clip)(proposals)
    assert read == {"image": 1, "text": 4}
    ImageTextGuard(clip)(proposals)
    assert read == {"image": 2, "text": 4}


def test_siglip_reads_texts_at_full_length(tmp_path):
    torch.manual_seed(0)
    model = SiglipModel(SiglipConfig(text_config=TEXT, vision_config=VISION)).eval()
    model.save_pretrained(tmp_path)
    clip_tokenizer().save_pretrained(tmp_path)
    image_processor().save_pretrained(tmp_path)
    towers = image_text._load_towers(str(tmp_path))
    tokens = clip_tokenizer()([ABSENT], padding="max_length", return_tensors="pt")
    with torch.inference_mode():
        expected = model.get_text_features(**tokens)
    expected = torch.nn.functional.normalize(expected.pooler_output, dim=-1)
    torch.testing.assert_close(towers.text_features([ABSENT], 4).to("cpu"), expected)
    reasons = ImageTextGuard(str(tmp_path))([proposal(ABSENT, image=WHITE)])
    assert reasons[0] in (None, "image")


def test_a_plain_callable_is_a_guard():
    def polite(proposals):
        return ["rude" if "no" in item.sentence else None for item in proposals]

    guard: Guard = polite
    assert guard([Proposal("no effusion", "", ""), Proposal("clear", "", "")]) == ["rude", None]
