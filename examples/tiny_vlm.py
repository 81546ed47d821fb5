"""Vision-language models small enough to train on a CPU, made from configurations alone.

A LLaVA with random weights: the convolutions of a LeViT (Graham et al., ICCV 2021) as its vision
tower, a Llama, and a byte-level BPE trained on the reports at hand. "tiny" is for tests; "small"
learns the phantom (`semenrich_datasets.phantom.load_phantom`) in minutes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessorPil,
    LevitConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

IMAGE_SIZE = 64
# Each of the tower's four convolutions halves the image: 16 vectors, each of 16 x 16 pixels.
PATCH = 16
# The reports' tags are tokens, but not special ones: decoding must not drop them.
TAGS = ["<think>", "</think>", "<answer>", "</answer>"]
PAD, IMAGE, END = "<pad>", "<image>", "<end>"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% for part in ([{'type': 'text', 'text': message.content}] if message.content is string "
    "else message.content) %}"
    "{% if part.type == 'image' %}" + IMAGE + "{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}"
    "{% if message.role == 'assistant' %}" + END + "{% endif %}"
    "{% endfor %}"
)


@dataclass(frozen=True)
class Size:
    """How large a model is.

    Args:
        vocabulary (`int`): Tokens, the 256 bytes included.
        vision_width (`int`): Channels of the vision tower's last convolution.
        text_width (`int`): Hidden size of the language model.
        text_layers (`int`): Layers of the language model.
        heads (`int`): Attention heads of the language model.
    """

    vocabulary: int
    vision_width: int
    text_width: int
    text_layers: int
    heads: int


SIZES = {
    "tiny": Size(400, 32, 48, 2, 2),
    # Half of the language model of "small": an experiment of many runs.
    "narrow": Size(1000, 384, 192, 2, 6),
    "small": Size(1000, 384, 256, 2, 8),
}


def build_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Trains a byte-level BPE whose merges may span the words of a sentence.

    So the standing phrases of reports become single tokens, and reports are short.

    Args:
        texts (`Iterable[str]`): Reports, and the prompt.
        vocabulary (`int`): Tokens in all.

    Returns:
        [`~transformers.PreTrainedTokenizerFast`]: With the tags of reports, an end and a pad token.
    """
    tokenizer = Tokenizer(models.BPE())
    sentences = pre_tokenizers.Split(Regex(r" ?[^.]*\.?"), "isolated")
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([sentences, bytes_])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(TAGS),
        special_tokens=[PAD, IMAGE, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in TAGS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        model_input_names=["input_ids", "attention_mask"],
    )


def build_vlm(
    texts: Iterable[str], size: str = "small", seed: int = 0
) -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """Makes a vision-language model with random weights, and its processor.

    Args:
        texts (`Iterable[str]`): What the tokenizer is trained on: reports, and the prompt.
        size (`str`, *optional*, defaults to `"small"`): Of `SIZES`: "tiny" has about 150 thousand
            parameters, "narrow" about 3.3 million, "small" about 4.3 million.
        seed (`int`, *optional*, defaults to `0`): Seed of the weights.

    Returns:
        `tuple`: The model and the processor; images are grey or in colour and of any
            size, drawn to 64 x 64 pixels.
    """
    chosen = SIZES[size]
    tokenizer = build_tokenizer(texts, chosen.vocabulary)
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
            do_center_crop=False,
            image_mean=[0.5] * 3,
            image_std=[0.25] * 3,
        ),
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=CHAT_TEMPLATE,
    )
    torch.manual_seed(seed)
    return LlavaForConditionalGeneration(_config(chosen, tokenizer)), processor


def _config(size: Size, tokenizer: PreTrainedTokenizerFast) -> LlavaConfig:
    # A transformer from scratch needs far more images than convolutions do: after 40,000 of the
    # phantom's, a linear probe on a CLIP tower tells findings at a mean AUROC of 0.92, on these
    # convolutions of 0.99. The stage that follows them in a LeViT is left empty and unread.
    vision = LevitConfig(
        hidden_size=size.vision_width,
        hidden_sizes=[size.vision_width, 8],
        depths=[0],
        num_attention_heads=[1],
        key_dim=[8],
        num_channels=3,
        image_size=IMAGE_SIZE,
        patch_size=PATCH,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.text_width,
        intermediate_size=4 * size.text_width,
        num_hidden_layers=size.text_layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=1024,
        initializer_range=0.05,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=(IMAGE_SIZE // PATCH) ** 2,
        vision_feature_layer=-2,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
    )
