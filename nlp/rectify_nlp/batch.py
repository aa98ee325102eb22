"""Many sources or rows to results: a source that fails costs itself and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from rectify_nlp.decoding import decode
from rectify_nlp.errors import LabelsError, ReadError
from rectify_nlp.model import Model
from rectify_nlp.reading import STDIN, read, read_bytes
from rectify_nlp.reading import SUFFIXES as NOTICES
from rectify_nlp.rowfiles import SUFFIXES, csv_rows, json_rows
from rectify_nlp.splitting import segment
from rectify_nlp.types import Failure, Issue, Limits, Notice, Report, Result, Segment

# Rows judged together: more save no time, and cost memory.
CHUNK = 256


def results(
    sources: Iterable[str], model: Model, *, explain: bool = False, limits: Limits | None = None
) -> Iterator[Result]:
    """A Report for each notice, a Segment for each row of a segment file, in order.

    Folders give the files in them that can be read, sorted by path. What cannot be
    read gives a Failure. A segment file is .jsonl or .csv with the columns `problem`,
    `measures` and, if wanted, `path`; on standard input JSON objects are taken for one.
    """
    for source in sources:
        try:
            for name in _expanded(source):
                yield from _of_source(name, model, explain, limits)
        except ReadError as error:
            yield _failure(error)


def _of_source(name: str, model: Model, explain: bool, limits: Limits | None) -> Iterator[Result]:
    try:
        if name == STDIN:
            if sys.stdin is None:
                raise ReadError(name, "standard input is closed")
            data = sys.stdin.buffer.read()
            if data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"):
                rows = table_rows(decode(data)[0], name, ".jsonl")
                yield from _segments(rows, name, model, explain)
                return
            notice = read_bytes(data, name, limits=limits)
        elif name.lower().endswith(SUFFIXES):
            yield from _segments(_rows(Path(name)), name, model, explain)
            return
        else:
            notice = read(name, limits=limits)
        yield model.predict(notice, explain=explain)
    except (ReadError, LabelsError) as error:
        yield _failure(error, name)


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


def _failure(error: Exception, name: str = "") -> Failure:
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


def _segments(
    rows: Iterable[Row], name: str, model: Model, explain: bool
) -> Iterator[Segment | Failure]:
    stream = iter(rows)
    while chunk := list(islice(stream, CHUNK)):
        yield from judged_rows(chunk, Table(name=name), model, explain=explain)


def judged_rows(
    rows: Iterable[Row], table: Table, model: Model, *, explain: bool = False
) -> list[Segment | Failure]:
    """A result for each row that holds a segment, in order, judged together."""
    cut = [row if isinstance(row, Failure) else _cut(*row, table, model) for row in rows]
    findings = iter(model.judge([c[1] for c in cut if not isinstance(c, Failure)], explain=explain))
    return [
        c if isinstance(c, Failure) else Segment(notice=c[0], finding=next(findings), given=c[2])
        for c in cut
    ]


def judged_notice(
    row: Row, table: Table, model: Model, *, explain: bool = False, limits: Limits | None = None
) -> Result:
    """The result for a row that holds a whole notice."""
    if isinstance(row, Failure):
        return row
    line, given = row
    try:
        source = _row_name(line, given, table)
        data = given.get(table.text_column or "")
        if isinstance(data, str):
            data = data.encode(errors="replace")
        if not isinstance(data, bytes):
            raise ReadError(source, f"no text in {table.text_column}; the column is needed")
        return model.predict(read_bytes(data, source, limits=limits), explain=explain)
    except ReadError as error:
        return _failure(error)


def judged_document(
    name: str, model: Model, *, explain: bool = False, limits: Limits | None = None
) -> Result:
    """The result for a file that is one notice."""
    try:
        return model.predict(read(name, limits=limits), explain=explain)
    except ReadError as error:
        return _failure(error)


def fault(source: str, error: Exception) -> Failure:
    """What a fault of ours comes to: it must cost one document only."""
    message = " ".join(str(error).split())
    return Failure(source=source, error=type(error).__name__, message=message)


def row_source(row: Row, table: Table) -> str:
    """What a row is called in the output, where it could not be judged."""
    if isinstance(row, Failure):
        return row.source
    try:
        return _row_name(*row, table)
    except ReadError as error:
        return error.source


def _row_name(line: int, given: dict[str, Any], table: Table) -> str:
    place = f"{table.name}:{line}"
    if table.id_column is None:
        return place
    name = given.get(table.id_column)
    if not isinstance(name, str | int) or name == "":
        raise ReadError(place, f"no name in {table.id_column}; --id-column needs one in every row")
    return str(name)


def _cut(
    line: int, given: dict[str, Any], table: Table, model: Model
) -> tuple[Notice, Issue, dict[str, Any]] | Failure:
    problem, measures, path = given.get("problem"), given.get("measures") or "", given.get("path")
    try:
        place = _row_name(line, given, table)
    except ReadError as error:
        return _failure(error)
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
    notice, issue = segment(
        problem, measures, path or (), source=table.name, taxonomy=model.taxonomy
    )
    return notice, issue, given


# -- counting ----------------------------------------------------------------------------


@dataclass
class Tally:
    """Counts results as they pass, and tells failures and, unless `quiet`, warnings."""

    report: Callable[[str], None]
    quiet: bool = False
    sources: int = 0
    failed: int = 0

    def count(self, found: Iterable[Result]) -> Iterator[Result]:
        for result in found:
            self.sources += 1
            if isinstance(result, Failure):
                self.failed += 1
                self.report(f"{result.source}: error: {result.message}")
            elif isinstance(result, Report) and not self.quiet:
                for warning in result.warnings:
                    self.report(f"{result.notice.source}: warning: {warning}")
            yield result
