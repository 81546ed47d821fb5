"""What the scripts say on the console: little, and errors that a user can mend in one line."""

import logging
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import datasets
import transformers
from accelerate import PartialState

import semenrich_datasets
import semenrich_trainers

_OURS = [
    Path(__file__).parent,
    *(Path(str(one.__file__)).parent for one in (semenrich_datasets, semenrich_trainers)),
]


@contextmanager
def clear_errors() -> Iterator[None]:
    """Ends the process with one line where our own code refuses something, by exit code 1.

    What other libraries raise in the midst of a run keeps its traceback: it may be a bug.
    """
    try:
        yield
    except (ValueError, TypeError, OSError, ImportError) as error:
        place = Path(traceback.extract_tb(error.__traceback__)[-1].filename).resolve()
        if not any(place.is_relative_to(folder.resolve()) for folder in _OURS):
            raise
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)


def be_quiet() -> None:
    """Hides what a user cannot act on: bars of short steps, and what libraries tell developers.

    The bar of the training and those of an index that is built stay, and so do warnings about
    weights that are missing.
    """
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    for library in ("transformers", "trl", "torch", "peft"):
        warnings.filterwarnings("ignore", category=FutureWarning, module=library)
    # That images are read by PIL where torchvision is missing.
    logging.getLogger("transformers.utils.import_utils").setLevel(logging.ERROR)


def say(text: str) -> None:
    """Prints a line, once where there are several processes."""
    if PartialState().is_main_process:
        print(text, flush=True)
