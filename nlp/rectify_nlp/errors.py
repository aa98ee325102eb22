"""Errors that a user can cause and mend.

    RectifyError
    |-- ReadError              a source could not be turned into text
    |   |-- UnsupportedFormat  the bytes are of a kind that is not read
    |   `-- NoText             the source holds no text at all
    |-- LabelsError            labels, taxonomy or grammar data are wrong at a place
    |-- ModelError             a model folder is missing, incomplete, altered or newer
    |-- OutputError            a result could not be written
    |-- ServeError             the service cannot be started as asked
    |-- MissingExtra           an optional dependency is needed
    `-- MissingProgram         a program outside Python is needed

Each message is one line that says where, what is wrong and how to mend it.
Mistakes of the programmer stay ValueError and TypeError.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


class RectifyError(Exception):
    """Base of everything this package raises on purpose; can be sent between processes."""

    def __reduce__(self) -> tuple[Any, ...]:
        # By default it would be made anew from its message alone.
        return Exception.__new__, (type(self), *self.args), self.__dict__


class ReadError(RectifyError):
    """A source could not be read; `source` names it."""

    def __init__(self, source: str, what: str) -> None:
        super().__init__(f"{source}: {what}")
        self.source = source
        self.what = what


class UnsupportedFormat(ReadError):
    """The content is of a kind that is not read."""


class NoText(ReadError):
    """The source holds no text."""


class LabelsError(RectifyError):
    """A labels, taxonomy or grammar file is wrong.

    `path` and `line` (1-based, 0 when it concerns the whole file) give the place,
    `what` the fault and `allowed` what would be right.
    """

    def __init__(self, path: Path | str, line: int, what: str, allowed: str = "") -> None:
        place = f"{path}:{line}" if line else str(path)
        super().__init__(f"{place}: {what}" + (f"; {allowed}" if allowed else ""))
        self.path = Path(path)
        self.line = line
        self.what = what
        self.allowed = allowed


class ModelError(RectifyError):
    """A model folder cannot be used."""


class OutputError(RectifyError):
    """An output could not be written."""


class ServeError(RectifyError):
    """The service cannot, or for safety will not, be started as asked."""


class MissingExtra(RectifyError):
    """An optional dependency is not installed; the message gives the pip command."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an extra: pip install 'rectify-nlp[{extra}]'")
        self.extra = extra


class MissingProgram(RectifyError):
    """A program outside Python is missing or too old; the message says how to get it."""
