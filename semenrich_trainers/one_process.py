"""Work on a run's folder: done by one process, and an error in it is every process's."""

from __future__ import annotations

from collections.abc import Callable

from accelerate import PartialState
from accelerate.utils import broadcast_object_list


def on_main_process(work: Callable[[], None]) -> None:
    """Does something on the main process; the others wait for it, and raise what it raises.

    Args:
        work (`Callable[[], None]`): Reads or writes a folder.

    Raises:
        `Exception`: What the work raised, on all processes, lest the others wait for ever.
    """
    error: list[Exception | None] = [None]
    if PartialState().is_main_process:
        try:
            work()
        except Exception as found:
            error = [found]
    broadcast_object_list(error)
    if error[0] is not None:
        raise error[0]
