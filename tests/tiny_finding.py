"""A small FindingsIndex that knows each sentence of the modules' tests and examples."""

from pathlib import Path

from fakes import build_index, made_up_reports

SENTENCES = (
    "The heart is enlarged. No pleural effusion. The lungs are clear. Small left effusion. "
    "Normal chest. Clear lungs. Normal cardiac silhouette. No effusion. Heart size is normal. "
    "No consolidation."
)


def write_tiny(folder: Path) -> dict[str, str]:
    """The index under `folder`, as the option that makes finding_f1 use it."""
    index = build_index([*(row["findings"] for row in made_up_reports()), SENTENCES])
    index.save_pretrained(folder / "index")
    return {"index": str(folder / "index")}
