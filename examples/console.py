"""What the scripts say on the console: little, and errors that a user can mend in one line."""

import logging
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("semenrich_datasets", "semenrich_trainers")


@contextmanager
def clear_errors() -> Iterator[None]:
    """Ends the process with one line where our own code refuses something, by exit code 1.

    Warnings are a line without the code that they come from. What other libraries raise in the
    midst of a run keeps its traceback: it may be a bug.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            yield
    except (ValueError, TypeError, OSError, ImportError) as error:
        if not _is_ours(Path(traceback.extract_tb(error.__traceback__)[-1].filename)):
            raise
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"Warning: {message}", file=sys.stderr)


def _is_ours(file: Path) -> bool:
    # Found and not imported: to score reports nothing of the training need be installed.
    specs = [find_spec(name) for name in _PACKAGES]
    folders = [Path(str(one.origin)).parent for one in specs if one]
    return any(
        file.resolve().is_relative_to(folder.resolve())
        for folder in (Path(__file__).parent, *folders)
    )


def be_quiet() -> None:
    """Hides what a user cannot act on: bars of short steps, and what libraries tell developers.

    The bar of the training and those of an index that is built stay, and so do warnings about
    weights that are missing.
    """
    import datasets
    import transformers

    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    for library in ("transformers", "trl", "torch", "peft"):
        warnings.filterwarnings("ignore", category=FutureWarning, module=library)
    warnings.filterwarnings("ignore", message=".*pin_memory.*no accelerator")
    # That images are read by PIL where torchvision is missing.
    logging.getLogger("transformers.utils.import_utils").setLevel(logging.ERROR)


def say(text: str) -> None:
    """Prints a line, once where there are several processes."""
    from accelerate import PartialState

    if PartialState().is_main_process:
        print(text, flush=True)
