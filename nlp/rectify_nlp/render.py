"""Results in every output format: one function, and the names that other modules use with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from rectify_nlp.model import Model
from rectify_nlp.rows import (
    COLUMNS,
    Result,
    Row,
    csv_columns,
    csv_lines,
    failure_row,
    records,
    report_record,
    row,
    rows,
    to_json_line,
)
from rectify_nlp.terminal import Layout, segment_lines, table
from rectify_nlp.types import Report

__all__ = [
    "COLUMNS",
    "FORMATS",
    "Layout",
    "Result",
    "Row",
    "csv_columns",
    "csv_lines",
    "failure_row",
    "lines",
    "records",
    "report_record",
    "row",
    "rows",
    "segment_lines",
    "table",
    "to_json_line",
]

FORMATS = ("table", "json", "jsonl", "csv")


def lines(found: Iterable[Result], form: str, model: Model, layout: Layout) -> Iterator[str]:
    """Results in one of `FORMATS`, piece by piece, each ending in a newline."""
    if form == "csv":
        every = [record for result in found for record in records(result, layout.explain)]
        extra = list(dict.fromkeys(name for record in every for name in record))
        yield from csv_lines(every, csv_columns(model, extra))
    elif form == "json":
        whole: list[Row] = []
        for result in found:
            if isinstance(result, Report):
                whole.append(report_record(result, explain=layout.explain))
            else:
                whole += records(result, layout.explain)
        yield json.dumps(whole, ensure_ascii=False, indent=1) + "\n"
    elif form == "table":
        for result in found:
            if isinstance(result, Report):
                yield table(result, layout) + "\n"
            else:
                yield from segment_lines(result)
    else:
        for result in found:
            for record in records(result, layout.explain):
                yield to_json_line(record)
