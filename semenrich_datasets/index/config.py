"""Settings and figures of a build, as they stand in config.json."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from semenrich_datasets.index.setting_checks import check_setting

Preset = Literal["safe", "paper"]


@dataclass(frozen=True)
class IndexConfig:
    """How an index was built, and from how much.

    Args:
        semenrich_version (`str`): Of the package that built it.
        preset (`str`): "safe" or "paper".
        text_column (`str`): Column of the reports.
        reports (`int`): Reports with a sentence.
        reports_without_text (`int`): Rows without one.
        embedder (`str`): Name of the sentence encoder.
        clustering (`dict`): Method and its settings.
        seed (`int`): Of k-means.
        lexicon (`str`): Name of the lexicon, whose words stand in the index.
        reader (`str`): Digest of lexicon and grammar.
        image_column (`str` or `None`): Column of the images.
        image_encoder (`str` or `None`): Name of what reads them.
        patient_column (`str` or `None`): Column of the patients, whose reports the parts of the
            corpus keep together.
        unsaid (`float`): Share of abnormalities left unsaid: assumed, or learned from the images.
        shared (`bool`): Whether this is the shared form: what may travel alone, counts rounded.
    """

    semenrich_version: str
    preset: Preset
    text_column: str
    reports: int
    reports_without_text: int
    embedder: str
    clustering: dict[str, Any]
    seed: int
    lexicon: str
    reader: str
    image_column: str | None
    image_encoder: str | None
    patient_column: str | None
    unsaid: float
    shared: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Gives the settings as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> IndexConfig:
        """Reads settings.

        Args:
            values (`dict`): All that config.json says of them.

        Raises:
            `KeyError`: When a setting is missing.
            `ValueError`: When a setting is unknown, of another type, or out of its bounds.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"expected the settings {sorted(known)}, found {unknown[0]!r:.80}")
        for field in fields(cls):
            check_setting(field.name, values[field.name], str(field.type))
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    @property
    def by_patient(self) -> bool:
        """Whether a column named the patients."""
        return self.patient_column is not None

    @property
    def clustering_text(self) -> str:
        """The clustering in words: "method hdbscan, min_cluster_size 5, ..."."""
        return ", ".join(f"{key} {value}" for key, value in self.clustering.items())
