"""What tells the weights of one model from those of another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def weights_digest(weights: Iterable[torch.Tensor], *settings: bytes) -> str:
    """Gives 16 hex digits that change with any weight, and not with how libraries name them.

    Args:
        weights (`Iterable[torch.Tensor]`): of any type and device, in any order.
        settings (`bytes`): what else the model's outputs depend on.
    """
    import torch

    contents = (weight.detach().cpu().contiguous() for weight in weights)
    digests = sorted(
        hashlib.sha256(content.view(-1).view(torch.uint8).numpy().tobytes()).digest()
        for content in contents
    )
    return hashlib.sha256(b"".join([*digests, *settings])).hexdigest()[:16]
