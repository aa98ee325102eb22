"""Rows of .jsonl and .csv files, each with its line, broken ones as errors in their place."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rectify_nlp.errors import LabelsError

SUFFIXES = (".jsonl", ".csv")
# Columns that hold lists; in CSV their parts are joined by "|".
LISTS = ("path", "also")
_SEPARATOR = "|"
# A field may hold a whole notice; one that is longer is a quotation mark left open.
LONGEST_FIELD = 10_000_000
# What a reader puts in place of a line that no memory would hold.
TOO_LONG = "\0"
_TOO_LONG = "a line too long to be a row"


def read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise LabelsError(path, 0, f"not UTF-8 (byte {error.start})", "save it as UTF-8") from error
    except OSError as error:
        raise LabelsError(path, 0, f"cannot be read ({error.strerror})") from error


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a .jsonl or .csv file with their line numbers; LabelsError where one is broken."""
    rows = csv_rows if path.suffix.lower() == ".csv" else json_rows
    for line, row in rows(read_text(path), path):
        if isinstance(row, LabelsError):
            raise row
        yield line, row


def json_rows(text: str, path: Path | str) -> Iterator[tuple[int, dict[str, Any] | LabelsError]]:
    """Rows of JSON lines, an error in place of what is no JSON object; blank lines are none."""
    wanted = "one JSON object a line is wanted"
    for line, record in enumerate(text.split("\n"), 1):
        if not record.strip():
            continue
        if record == TOO_LONG:
            yield line, LabelsError(path, line, _TOO_LONG)
            continue
        try:
            row = json.loads(record)
        except (ValueError, RecursionError) as error:
            yield line, LabelsError(path, line, f"bad JSON ({error})", wanted)
            continue
        if isinstance(row, dict):
            yield line, row
        else:
            yield line, LabelsError(path, line, "not a JSON object", wanted)


def csv_rows(text: str, path: Path | str) -> Iterator[tuple[int, dict[str, Any] | LabelsError]]:
    """Rows of a CSV text by its header, an error in place of a broken one.

    List columns are split at "|".
    """
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = reader.fieldnames
    except csv.Error as error:
        yield 1, LabelsError(path, 1, f"bad CSV ({error})")
        return
    if (twice := repeated(columns or ())) is not None:
        yield 1, LabelsError(path, 1, f"has two columns {twice}; rename one")
        return
    while columns is not None:
        line = reader.line_num
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # The reader starts afresh on the next line.
            yield line + 1, LabelsError(path, line + 1, f"bad CSV ({error})")
            continue
        if None in row or None in row.values():
            what = "not as many fields as the header has"
            yield reader.line_num, LabelsError(path, reader.line_num, what)
            continue
        if TOO_LONG in row.values():
            yield reader.line_num, LabelsError(path, reader.line_num, _TOO_LONG)
            continue
        yield (
            reader.line_num,
            {
                name: [part for part in value.split(_SEPARATOR) if part] if name in LISTS else value
                for name, value in row.items()
            },
        )


def repeated(columns: Iterable[str]) -> str | None:
    """The first name that is there twice: one column would hide the other."""
    seen: set[str] = set()
    for column in columns:
        if column in seen:
            return column
        seen.add(column)
    return None
