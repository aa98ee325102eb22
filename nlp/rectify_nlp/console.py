"""The console: standard streams, files written whole, and what a run ends with.

stdout carries data only; messages go to stderr, one line each. Exit status: 0 all done;
1 finished, but some sources failed; 2 usage; 3 no input could be read; 4 model missing,
altered or incompatible; 5 output could not be written.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import typer

from rectify_nlp.durable import replacing
from rectify_nlp.errors import (
    LabelsError,
    MissingExtra,
    MissingProgram,
    ModelError,
    OutputError,
    ReadError,
    RectifyError,
    ServeError,
)


def exit_code(error: RectifyError) -> int:
    """The exit status that goes with an error."""
    codes = (
        ((MissingExtra, MissingProgram, ServeError), 2),
        (ModelError, 4),
        (OutputError, 5),
        ((ReadError, LabelsError), 3),
    )
    return next((code for kind, code in codes if isinstance(error, kind)), 1)


def say(message: str) -> None:
    """Prints a message on stderr, in one line."""
    print(" ".join(message.splitlines()), file=sys.stderr)


def print_lines(lines: Iterable[str]) -> None:
    """Prints lines on stdout."""
    with Writer(None) as write:
        for line in lines:
            write(line + "\n")


def width(output: Path | None) -> int:
    """Columns of the terminal, or of a file (None: stdout)."""
    import shutil

    return shutil.get_terminal_size((120, 24)).columns if output is None else 120


def colour(output: Path | None) -> bool:
    """Whether colours are wanted: on a terminal that can, unless refused."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return output is None and sys.stdout.isatty() and not plain


class Writer:
    """stdout, or a file that appears under its name only when it is whole.

    A link is followed, an existing file keeps its permissions, and what is no regular
    file (a pipe, a device) is written to as it is.
    """

    def __init__(self, output: Path | None) -> None:
        self.output = output
        self.opened = ExitStack()

    def __enter__(self) -> Callable[[str | bytes], None]:
        if self.output is None:
            return self._write
        path = self.output.resolve()
        whole = path.is_file() or not path.exists()
        try:
            self.stream: BinaryIO = self.opened.enter_context(
                replacing(path) if whole else path.open("wb")
            )
        except OSError as error:
            raise self._refused(error) from error
        return self._write

    def _write(self, piece: str | bytes) -> None:
        try:
            if self.output is not None:
                self.stream.write(piece.encode() if isinstance(piece, str) else piece)
            elif isinstance(piece, str):
                sys.stdout.write(piece)
            else:
                sys.stdout.buffer.write(piece)
        except BrokenPipeError:
            self._no_reader()
        except OSError as error:
            raise self._refused(error) from error

    def _no_reader(self) -> NoReturn:
        """Whoever read our output has gone (`| head`): end quietly."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0)

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        try:
            if self.output is None:
                sys.stdout.flush()
            self.opened.__exit__(kind, error, traceback)
        except BrokenPipeError:
            self._no_reader()
        except OSError as problem:
            raise self._refused(problem) from problem

    def _refused(self, error: OSError) -> OutputError:
        return OutputError(f"{self.output or 'output'}: cannot be written ({error.strerror})")
