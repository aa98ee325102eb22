"""Results in every output format: one function, and the names that other modules use with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rectify_nlp.records import (
    COLUMNS,
    Row,
    csv_columns,
    csv_lines,
    failure_row,
    records,
    report_record,
    row,
    rows,
    to_json,
    to_json_line,
    told,
)
from rectify_nlp.terminal import Layout, segment_lines, table
from rectify_nlp.types import Report, Result

if TYPE_CHECKING:
    from rectify_nlp.model import Model

__all__ = [
    "COLUMNS",
    "EXPLAINED",
    "FORMATS",
    "TEXT_FORMATS",
    "Layout",
    "Result",
    "Row",
    "csv_columns",
    "csv_lines",
    "failure_row",
    "lines",
    "pieces",
    "records",
    "report_record",
    "row",
    "rows",
    "segment_lines",
    "table",
    "to_json_line",
]

TEXT_FORMATS = ("table", "json", "jsonl", "csv", "html", "md")
FORMATS = (*TEXT_FORMATS, "xlsx")
# Formats that show the words which decided: predict with `explain=True` for them.
EXPLAINED = ("html", "xlsx")


def pieces(
    found: Iterable[Result], form: str, model: Model, layout: Layout
) -> Iterator[str] | Iterator[bytes]:
    """Results in one of `FORMATS`, piece by piece: text as of `lines`, or bytes for xlsx."""
    if form != "xlsx":
        return lines(found, form, model, layout)
    from rectify_nlp.ledger import workbook

    return workbook((record for result in found for record in told(result, True)), model)


def lines(found: Iterable[Result], form: str, model: Model, layout: Layout) -> Iterator[str]:
    """Results in one of `TEXT_FORMATS`, piece by piece, each ending in a newline."""
    if form == "csv":
        every = [record for result in found for record in records(result, layout.explain)]
        extra = list(dict.fromkeys(name for record in every for name in record))
        yield from csv_lines(every, csv_columns(model, extra))
    elif form == "json":
        whole = [record for result in found for record in told(result, layout.explain)]
        yield to_json(whole, indent=1) + "\n"
    elif form == "table":
        for result in found:
            if isinstance(result, Report):
                yield table(result, layout) + "\n"
            else:
                yield from segment_lines(result)
    elif form == "html":
        from rectify_nlp.report import page

        yield page(found, model)
    elif form == "md":
        from rectify_nlp.markdown import markdown

        yield from markdown(found, explain=layout.explain)
    else:
        for result in found:
            for record in records(result, layout.explain):
                yield to_json_line(record)
