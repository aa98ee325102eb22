"""What is to be judged: notices, read and split, and rows of tables that are issues already.

A source that fails costs itself and nothing else. No model is needed here, nor numpy.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from rectify_nlp.decoding import decode
from rectify_nlp.errors import LabelsError, ReadError
from rectify_nlp.reading import STDIN, read, read_bytes
from rectify_nlp.reading import SUFFIXES as NOTICES
from rectify_nlp.rowfiles import SUFFIXES, csv_rows, json_rows
from rectify_nlp.splitting import segment, split
from rectify_nlp.taxonomy import Taxonomy
from rectify_nlp.types import Cut, CutRow, Failure, Limits, SplitNotice

# Rows judged together: more save no time, and cost memory.
CHUNK = 256


def cut(
    sources: Iterable[str], taxonomy: Taxonomy, *, limits: Limits | None = None
) -> Iterator[Cut]:
    """Each notice with its issues, and the rows of each segment file, in order.

    Folders give the files in them that can be read, sorted by path. What cannot be
    read gives a Failure. A segment file is .jsonl or .csv with the columns `problem`,
    `measures` and, if wanted, `path`; on standard input JSON objects are taken for one.
    """
    for source in sources:
        try:
            for name in _expanded(source):
                yield from _of_source(name, taxonomy, limits)
        except ReadError as error:
            yield failure(error)


def _of_source(name: str, taxonomy: Taxonomy, limits: Limits | None) -> Iterator[Cut]:
    try:
        if name == STDIN:
            if sys.stdin is None:
                raise ReadError(name, "standard input is closed")
            data = sys.stdin.buffer.read()
            if data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"):
                yield from _chunks(table_rows(decode(data)[0], name, ".jsonl"), name, taxonomy)
                return
            notice = read_bytes(data, name, limits=limits)
        elif name.lower().endswith(SUFFIXES):
            yield from _chunks(_rows(Path(name)), name, taxonomy)
            return
        else:
            notice = read(name, limits=limits)
        yield SplitNotice(notice, split(notice, taxonomy))
    except (ReadError, LabelsError) as error:
        yield failure(error, name)


def _expanded(source: str) -> list[str]:
    folder = Path(source)
    if source == STDIN or not folder.is_dir():
        return [source]
    found = sorted(
        str(path)
        for path in folder.rglob("*")
        if path.suffix.lower() in (*NOTICES, *SUFFIXES) and path.is_file()
    )
    if not found:
        raise ReadError(source, f"no {', '.join((*NOTICES, *SUFFIXES))} file in this folder")
    return found


def failure(error: Exception, name: str = "") -> Failure:
    """What an error in reading comes to."""
    source = error.source if isinstance(error, ReadError) else name
    message = error.what if isinstance(error, ReadError) else str(error)
    return Failure(source=source, error=type(error).__name__, message=message)


# -- tables ------------------------------------------------------------------------------


class Table(NamedTuple):
    """Where rows come from and how they are meant.

    `id_column` holds the name of a row, which becomes `source`; `text_column` the text (or
    the bytes) of a whole notice. Without the latter a row is a segment.
    """

    name: str
    id_column: str | None = None
    text_column: str | None = None


# A row with its line, or what is wrong with it.
Row = tuple[int, dict[str, Any]] | Failure


def table_rows(text: str, table: str, kind: str, shift: int = 0) -> Iterator[Row]:
    """Rows of JSON lines or of a CSV with its header, `kind` being the suffix.

    A line that holds none becomes a Failure of its own. `shift` is added to line numbers.
    """
    for line, row in (csv_rows if kind == ".csv" else json_rows)(text, table):
        if isinstance(row, LabelsError):
            yield Failure(source=f"{table}:{line + shift}", error="LabelsError", message=row.what)
        else:
            yield line + shift, row


def _rows(path: Path) -> Iterator[Row]:
    try:
        text, _ = decode(path.read_bytes())
    except OSError as error:
        raise ReadError(str(path), f"cannot be read ({error.strerror})") from error
    return table_rows(text, str(path), path.suffix.lower())


def _chunks(rows: Iterable[Row], name: str, taxonomy: Taxonomy) -> Iterator[list[CutRow | Failure]]:
    stream = iter(rows)
    while chunk := list(islice(stream, CHUNK)):
        yield [cut_row(row, Table(name=name), taxonomy) for row in chunk]


def cut_row(row: Row, table: Table, taxonomy: Taxonomy) -> CutRow | Failure:
    """The segment that a row holds."""
    if isinstance(row, Failure):
        return row
    line, given = row
    problem, measures, path = given.get("problem"), given.get("measures") or "", given.get("path")
    try:
        place = row_name(line, given, table)
    except ReadError as error:
        return failure(error)
    if table.id_column is not None:
        given = {**given, "source": place}
    if not isinstance(problem, str) or not problem.strip():
        return Failure(
            source=place, error="LabelsError", message="no text in problem; the column is needed"
        )
    if not isinstance(measures, str):
        return Failure(source=place, error="LabelsError", message="measures is not a text")
    if isinstance(path, str):
        path = [path] if path else []
    if not isinstance(path, list | None) or not all(isinstance(p, str) for p in path or ()):
        return Failure(source=place, error="LabelsError", message="path is not a list of texts")
    notice, issue = segment(problem, measures, path or (), source=table.name, taxonomy=taxonomy)
    return CutRow(notice, issue, given)


def row_source(row: Row, table: Table) -> str:
    """What a row is called in the output, where it could not be judged."""
    if isinstance(row, Failure):
        return row.source
    try:
        return row_name(*row, table)
    except ReadError as error:
        return error.source


def row_name(line: int, given: dict[str, Any], table: Table) -> str:
    """The name a row gives itself, else its place; ReadError where it gives none but should."""
    place = f"{table.name}:{line}"
    if table.id_column is None:
        return place
    name = given.get(table.id_column)
    if not isinstance(name, str | int) or name == "":
        raise ReadError(place, f"no name in {table.id_column}; --id-column needs one in every row")
    return str(name)
