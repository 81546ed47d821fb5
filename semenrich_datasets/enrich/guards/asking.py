"""A guard asked about the additions of a batch."""

from __future__ import annotations

from collections.abc import Sequence

from semenrich_datasets.enrich.guards.proposal import Guard, Proposal
from semenrich_datasets.enrich.images import Cells
from semenrich_datasets.enrich.report import Addition, Report


def ask_guard(
    guard: Guard,
    reports: Sequence[Report | None],
    chosen: list[list[Addition]],
    cells: Cells,
) -> list[list[Addition]]:
    """Asks a guard about all additions of a batch at once, and drops those that it refuses.

    Args:
        guard ([`Guard`]): Whom to ask.
        reports (`Sequence[Report]` of length `n`): Those of the batch; None for a row without one.
        chosen (`list[list[Addition]]` of length `n`): What would be added to each.
        cells ([`Cells`]): The batch, for the images.

    Returns:
        `list[list[Addition]]` of length `n`: What the guard lets through.

    Raises:
        `ValueError`: When it gives another number of answers.
    """
    proposals = [
        Proposal(addition.sentence, report.text, "\n".join(report.context), cells.image(row))
        for row, (report, additions) in enumerate(zip(reports, chosen, strict=True))
        if report is not None
        for addition in additions
    ]
    reasons = guard(proposals) if proposals else []
    if len(reasons) != len(proposals):
        msg = (
            f"expected from the guard {guard!r} a reason or None for each of {len(proposals)} "
            f"proposals, found {len(reasons)}"
        )
        raise ValueError(msg)
    answers = iter(reasons)
    return [[a for a in additions if next(answers) is None] for additions in chosen]
