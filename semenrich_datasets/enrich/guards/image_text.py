"""A guard that looks at the study's own image."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from semenrich_datasets.enrich.guards.proposal import Proposal, batches, device
from semenrich_datasets.enrich.reasons import Reason
from semenrich_datasets.index.image_pixels import to_rgb

if TYPE_CHECKING:
    import torch

# Guards hold a model's name, never the model: they pickle small, and their fingerprint does not
# change with use. The functions marked lru_cache load a model once per process.


@dataclass(frozen=True)
class ImageTextGuard:
    """Refuses what the image does not show, by an image-text model such as CLIP or SigLIP.

    The sentence and its opposite are compared with the image, as in CheXzero's zero-shot reading
    (Tiu et al., Nature Biomedical Engineering 2022): the sentence may join the report when it is
    nearer by `margin`. Without an image, or an opposite to compare with, the sentence is refused
    as `"undecided"`: who asks for this guard wants no sentence in that no picture backs.

    Args:
        model (`str`):
            Hub id or folder of any `transformers` model with `get_image_features` and
            `get_text_features`, its tokenizer and image processor.
        margin (`float`, *optional*, defaults to `0.01`):
            by how much the cosine of image and sentence must exceed that of image and opposite.
            At CLIP's usual temperature of 1/100, 0.01 means odds of 2.7 to 1.
        batch_size (`int`, *optional*, defaults to `32`): images or texts per forward pass.
    """

    model: str
    margin: float = 0.01
    batch_size: int = 32

    def __call__(self, proposals: Sequence[Proposal]) -> list[str | None]:
        """`"image"`, `"undecided"` or None for each proposal; each image is embedded once."""
        reasons: list[str | None] = [Reason.UNDECIDED] * len(proposals)
        opposites = {
            i: denial
            for i, proposal in enumerate(proposals)
            if proposal.image is not None and (denial := opposite(proposal.sentence)) is not None
        }
        if not opposites:
            return reasons
        towers = _load_towers(self.model)
        # Proposals for one report share its image object, and outlive this call: id() is safe.
        images = {id(proposals[i].image): proposals[i].image for i in opposites}
        features = towers.image_features(images.values(), self.batch_size)
        row = {key: features[position] for position, key in enumerate(images)}
        said = towers.text_features([proposals[i].sentence for i in opposites], self.batch_size)
        denied = towers.text_features(list(opposites.values()), self.batch_size)
        for position, i in enumerate(opposites):
            lead = float(row[id(proposals[i].image)] @ (said[position] - denied[position]))
            reasons[i] = None if lead >= self.margin else Reason.IMAGE
        return reasons


# In this order; the first that matches is the sentence's cue.
_OPPOSITES = (
    (r"\bno (?:\w+ )?(?:evidence|signs?) (?:of|for) ", ""),
    (r"\bno (?!longer)", ""),
    (r"\bnot ", ""),
    (r"\bwithout ", "with "),
    (r"\bnegative for\b", "positive for"),
    (r"\b(?:clear|free) of\b", "abnormal with"),
    (r"\b(?:within normal limits|unremarkable|intact|normal|clear)\b", "abnormal"),
)
_CUE = re.compile("|".join(f"({pattern})" for pattern, _ in _OPPOSITES), re.IGNORECASE)


def opposite(sentence: str) -> str | None:
    """The sentence that denies this one, or None where a few plain rules cannot make it.

    A negation is dropped, a normal structure becomes an abnormal one. A sentence with two such
    words or none says more, or other, than these rules can turn around.

    Example:
    ```python
    >>> opposite("No pleural effusion.")
    'Pleural effusion.'
    >>> opposite("Normal heart size.")
    'Abnormal heart size.'
    ```
    """
    cues = list(_CUE.finditer(sentence))
    if len(cues) != 1 or cues[0].lastindex is None:
        return None
    replacement = _OPPOSITES[cues[0].lastindex - 1][1]
    denial = sentence[: cues[0].start()] + replacement + sentence[cues[0].end() :]
    return denial[:1].upper() + denial[1:] if sentence[:1].isupper() else denial


class _Towers:
    """A loaded image-text model, with the features of every text it has read."""

    def __init__(self, name: str) -> None:
        from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

        self._network = AutoModel.from_pretrained(name).eval().to(device())
        self._tokenizer = AutoTokenizer.from_pretrained(name)
        self._image_processor = AutoImageProcessor.from_pretrained(name)
        # SigLIP was trained on texts padded to its full length, and misreads shorter ones.
        siglip = self._network.config.model_type.startswith("siglip")
        self._padding = "max_length" if siglip else True
        self._texts: dict[str, torch.Tensor] = {}

    def text_features(self, texts: Sequence[str], batch_size: int) -> torch.Tensor:
        """Unit vectors, float32, shape (len(texts), d), on the CPU."""
        import torch

        unread = [text for text in dict.fromkeys(texts) if text not in self._texts]
        for batch in batches(unread, batch_size):
            tokens = self._tokenizer(
                batch, padding=self._padding, truncation=True, return_tensors="pt"
            )
            features = self._embed(self._network.get_text_features, tokens)
            self._texts.update(zip(batch, features, strict=True))
        return torch.stack([self._texts[text] for text in texts])

    def image_features(self, images: Iterable[Any], batch_size: int) -> torch.Tensor:
        """Unit vectors, float32, shape (number of images, d), on the CPU."""
        import torch

        features = []
        for batch in batches(list(images), batch_size):
            pixels = self._image_processor([to_rgb(image) for image in batch], return_tensors="pt")
            features.append(self._embed(self._network.get_image_features, pixels))
        return torch.cat(features)

    def _embed(self, tower: Any, inputs: Any) -> torch.Tensor:
        import torch

        with torch.inference_mode():
            output = tower(**inputs.to(self._network.device))
        # transformers 5 returns a model output whose pooler_output is what 4 returned itself.
        features = output if isinstance(output, torch.Tensor) else output.pooler_output
        return torch.nn.functional.normalize(features.float(), dim=-1).cpu()


_load_towers = functools.lru_cache(maxsize=2)(_Towers)
