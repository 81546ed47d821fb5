"""Vision-language models small enough to train on a CPU, made from configurations alone.

A LLaVA with random weights: a CLIP vision tower, a Llama and a byte-level BPE trained on the
reports at hand. "tiny" is for tests; "small" learns the phantom
(`semenrich_datasets.phantom.load_phantom`) in minutes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

IMAGE_SIZE = 64
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
        patch (`int`): Side of an image patch in pixels. The phantom's chests lie at the same place
            in each image, so few large patches learn faster from scratch than many small ones.
        vision_width (`int`): Hidden size of the vision tower.
        vision_layers (`int`): Layers of the vision tower.
        text_width (`int`): Hidden size of the language model.
        text_layers (`int`): Layers of the language model.
        heads (`int`): Attention heads of both.
    """

    vocabulary: int
    patch: int
    vision_width: int
    vision_layers: int
    text_width: int
    text_layers: int
    heads: int


SIZES = {
    "tiny": Size(400, 32, 32, 2, 48, 2, 2),
    "small": Size(1000, 32, 384, 2, 256, 2, 8),
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
            parameters, "small" about 4.5 million.
        seed (`int`, *optional*, defaults to `0`): Seed of the weights.

    Returns:
        `tuple`: The model and the processor; images are grey and any size, drawn to 64 x 64 pixels.
    """
    chosen = SIZES[size]
    tokenizer = build_tokenizer(texts, chosen.vocabulary)
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessor(
            size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
            do_center_crop=False,
            do_convert_rgb=False,
            image_mean=[0.5],
            image_std=[0.25],
        ),
        tokenizer=tokenizer,
        patch_size=chosen.patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )
    torch.manual_seed(seed)
    return LlavaForConditionalGeneration(_config(chosen, tokenizer)), processor


def _config(size: Size, tokenizer: PreTrainedTokenizerFast) -> LlavaConfig:
    vision = CLIPVisionConfig(
        hidden_size=size.vision_width,
        intermediate_size=2 * size.vision_width,
        projection_dim=size.vision_width,
        num_hidden_layers=size.vision_layers,
        num_attention_heads=size.heads,
        num_channels=1,
        image_size=IMAGE_SIZE,
        patch_size=size.patch,
        # CLIP's own 0.02 and 1 are for wide towers: a narrow one hardly starts to learn from them.
        initializer_range=0.05,
        initializer_factor=2.5,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.text_width,
        intermediate_size=2 * size.text_width,
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
        image_seq_length=(IMAGE_SIZE // size.patch) ** 2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=True,
    )
