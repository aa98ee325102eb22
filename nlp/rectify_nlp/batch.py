"""Many sources or rows to results: a source that fails costs itself and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rectify_nlp.decoding import decode
from rectify_nlp.errors import LabelsError, ReadError
from rectify_nlp.model import Model
from rectify_nlp.reading import STDIN, read, read_bytes
from rectify_nlp.reading import SUFFIXES as NOTICES
from rectify_nlp.splitting import segment
from rectify_nlp.taxonomy import SUFFIXES, csv_rows, json_row
from rectify_nlp.types import Failure, Issue, Limits, Notice, Report, Segment

_CHUNK = 256

Result = Report | Segment | Failure


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
                yield from _segments(_json_rows(decode(data)[0], name), name, model, explain)
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


# -- segments --------------------------------------------------------------------------

_Row = tuple[int, dict[str, Any]] | Failure


def _rows(path: Path) -> Iterator[_Row]:
    try:
        text, _ = decode(path.read_bytes())
    except OSError as error:
        raise ReadError(str(path), f"cannot be read ({error.strerror})") from error
    if path.suffix.lower() == ".csv":
        for line, row in csv_rows(text, path):
            place = f"{path}:{line}"
            yield (
                Failure(source=place, error="LabelsError", message=row.what)
                if isinstance(row, LabelsError)
                else (line, row)
            )
    else:
        yield from _json_rows(text, str(path))


def _json_rows(text: str, name: str) -> Iterator[_Row]:
    """Rows of JSON lines; a line that is none becomes a Failure of its own."""
    for line, record in enumerate(text.split("\n"), 1):
        if record.strip():
            try:
                yield line, json_row(record, name, line)
            except LabelsError as error:
                yield Failure(source=f"{name}:{line}", error="LabelsError", message=error.what)


def _segments(
    rows: Iterable[_Row], name: str, model: Model, explain: bool
) -> Iterator[Segment | Failure]:
    stream = iter(rows)
    while chunk := list(islice(stream, _CHUNK)):
        cut = [
            entry if isinstance(entry, Failure) else _cut(*entry, name, model) for entry in chunk
        ]
        findings = iter(
            model.judge([c[1] for c in cut if not isinstance(c, Failure)], explain=explain)
        )
        for c in cut:
            if isinstance(c, Failure):
                yield c
            else:
                yield Segment(notice=c[0], finding=next(findings), given=c[2])


def _cut(
    line: int, given: dict[str, Any], name: str, model: Model
) -> tuple[Notice, Issue, dict[str, Any]] | Failure:
    problem, measures, path = given.get("problem"), given.get("measures") or "", given.get("path")
    place = f"{name}:{line}"
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
    notice, issue = segment(problem, measures, path or (), source=name, taxonomy=model.taxonomy)
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
