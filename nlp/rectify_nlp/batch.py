"""Sources and rows to results: one that fails costs itself and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rectify_nlp.errors import ReadError
from rectify_nlp.judging import judged, judged_segments
from rectify_nlp.model import Model
from rectify_nlp.reading import read, read_bytes
from rectify_nlp.sources import Row, Table, cut, cut_row, failure, row_name
from rectify_nlp.types import Failure, Limits, Result, Segment


def results(
    sources: Iterable[str], model: Model, *, explain: bool = False, limits: Limits | None = None
) -> Iterator[Result]:
    """A Report for each notice, a Segment for each row of a segment file, in order.

    What sources may be, `sources.cut` says. What cannot be read gives a Failure.
    """
    return judged(cut(sources, model.taxonomy, limits=limits), model, explain=explain)


def judged_rows(
    rows: Iterable[Row], table: Table, model: Model, *, explain: bool = False
) -> list[Segment | Failure]:
    """A result for each row that holds a segment, in order, judged together."""
    cuts = [cut_row(row, table, model.taxonomy) for row in rows]
    return judged_segments(cuts, model, explain=explain)


def judged_notice(
    row: Row, table: Table, model: Model, *, explain: bool = False, limits: Limits | None = None
) -> Result:
    """The result for a row that holds a whole notice."""
    if isinstance(row, Failure):
        return row
    line, given = row
    try:
        source = row_name(line, given, table)
        data = given.get(table.text_column or "")
        if isinstance(data, str):
            data = data.encode(errors="replace")
        if not isinstance(data, bytes):
            raise ReadError(source, f"no text in {table.text_column}; the column is needed")
        return model.predict(read_bytes(data, source, limits=limits), explain=explain)
    except ReadError as error:
        return failure(error)


def judged_document(
    name: str, model: Model, *, explain: bool = False, limits: Limits | None = None
) -> Result:
    """The result for a file that is one notice."""
    try:
        return model.predict(read(name, limits=limits), explain=explain)
    except ReadError as error:
        return failure(error)


def fault(source: str, error: Exception) -> Failure:
    """What a fault of ours comes to: it must cost one document only."""
    message = " ".join(str(error).split())
    return Failure(source=source, error=type(error).__name__, message=message)
