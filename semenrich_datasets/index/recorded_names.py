"""Names of models as an index holds them: trusted less than those that a user types.

An index comes from anybody. Its names may lead to the Hub, where a model is known by the digest of
its weights, and only to files that hold data; never to a folder of this machine, whose place the
user did not name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)@([0-9a-f]{16})", re.ASCII)
# What is fetched: no code, and no weights that are pickled.
_DATA = ["*.json", "*.safetensors", "*.txt", "*.model"]


@dataclass(frozen=True)
class RecordedName:
    """A model as an index names it.

    Args:
        name (`str`): What [`~embedding.encoder_name`] or [`~image_encoders.image_encoder_name`]
            gave for it.
        argument (`str`, *optional*, defaults to `"encoder"`): The one that takes another model.
    """

    name: str
    argument: str = "encoder"

    def parts(self) -> tuple[str, str]:
        """Gives the Hub id and the digest of the weights.

        Raises:
            ValueError: If it is anything else: a path, an object's name, an id without a digest.
        """
        found = _NAME.fullmatch(self.name)
        if found is None:
            raise ValueError(
                f"expected the index to name a model of the Hub and its digest, found "
                f"{self.name!r:.120}, which is not loaded on its word: pass the model as "
                f"{self.argument}="
            )
        return found[1], found[2]

    def check(self, expected: str, found: str) -> None:
        """Raises `ValueError` unless the weights are those that the index was built with."""
        if expected != found:
            raise ValueError(
                f"expected the weights {expected} of {self.name!r:.120}, with which the index was "
                f"built, found {found}: to use another model pass it as {self.argument}="
            )


def fetch_model(repo_id: str) -> str:
    """Gives the folder of the data files of a model of the Hub, whatever lies in this folder.

    Raises:
        OSError: If the Hub, or its cache, does not give it.
    """
    from huggingface_hub import snapshot_download

    return str(snapshot_download(repo_id, allow_patterns=_DATA))
