"""The page of this module's Space: scores one report against another."""

from pathlib import Path
from typing import Any

import evaluate
import gradio

metric = evaluate.load(str(Path(__file__).with_name("finding_f1.py")), per_report=True)


def score(prediction: str, reference: str) -> dict[str, Any]:
    """The scores of one generated report."""
    results: dict[str, Any] = metric.compute(predictions=[prediction], references=[reference])
    return results


page = gradio.Interface(
    fn=score,
    inputs=[
        gradio.Textbox(label="Generated report", lines=8),
        gradio.Textbox(label="Reference report", lines=8),
    ],
    outputs=gradio.JSON(label="Scores"),
    title="Finding F1",
    description=metric.description,
)

if __name__ == "__main__":
    page.launch()
