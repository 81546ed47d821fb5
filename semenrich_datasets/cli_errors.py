"""Errors of readers, disks, workers and the Hub as one line for who typed a command."""

from __future__ import annotations

import errno
import logging
import warnings
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import typer

# What `datasets` says of a worker that the system or somebody killed.
_DIED = "subprocesses has abruptly died"
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turns what a user can mend into one line and exit code 1; other errors keep their trace."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            yield
    except Exception as error:
        told = _explain(error)
        if told is None:
            raise
        typer.secho(f"Error: {told}", fg=typer.colors.RED, err=True)
        raise typer.Exit(1) from error


def _explain(error: BaseException) -> str | None:
    """Returns what happened and what to do; None for what no user can mend."""
    # Readers wrap what the disk or the file said: "An error occurred while generating the dataset".
    causes = list(_causes(error))
    told = (rule(cause) for rule in (_system_error, _reading_error) for cause in causes)
    return next(filter(None, told), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yields an error and what it was raised from; never what it merely came after."""
    while error is not None:
        yield error
        error = error.__cause__


def _system_error(error: BaseException) -> str | None:
    """Returns what to do about the disk, the memory or a worker."""
    if isinstance(error, MemoryError):
        return "the memory is full: close other programs, or pass a smaller --num-proc"
    if isinstance(error, BrokenProcessPool) or (
        isinstance(error, RuntimeError) and _DIED in str(error)
    ):
        return (
            "a worker process died, most often because the memory was full: run again with a "
            "smaller --num-proc, or on a machine with more memory"
        )
    if not isinstance(error, OSError):
        return None
    name = f" ({error.filename})" if error.filename else ""
    if error.errno in _NO_SPACE or "No space left on device" in str(error):
        return (
            f"the disk is full{name}: free some space, or point --output, HF_HOME and TMPDIR at "
            "another disk, and run again"
        )
    if error.errno in _FORBIDDEN:
        return (
            f"no permission to read or write{name}: {error.strerror}; change the permissions of "
            "it, or name another place"
        )
    return None


def _reading_error(error: BaseException) -> str | None:
    """Returns what to do about files, columns, options and the Hub, in one line."""
    import pyarrow as pa
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, pa.ArrowException):
        return f"a Parquet or Arrow file is broken: {_one_line(error)}: save it, or fetch it, again"
    if isinstance(error, (FileNotFoundError, IsADirectoryError, NotADirectoryError)):
        if error.errno is not None and error.filename:
            return f"{error.strerror}: {error.filename}: look at the path"
        return _one_line(error)
    mendable = (ValueError, OSError, ImportError, HfHubHTTPError, DatasetsError)
    return _one_line(error) if isinstance(error, mendable) else None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Prints a warning as a line for who typed a command, not as one of code."""
    typer.secho(f"Warning: {message}", fg=typer.colors.YELLOW, err=True)
