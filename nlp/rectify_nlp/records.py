"""Reports to rows, and rows to what a program reads: JSON and CSV.

A row has the same fields in every format and command. Nothing here computes a
prediction, and nothing that computes one prints.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from itertools import count
from typing import TYPE_CHECKING, Any

from rectify_nlp.patterns import pattern
from rectify_nlp.types import Evidence, Failure, Finding, Notice, Report, Result, Verdict

if TYPE_CHECKING:
    from rectify_nlp.model import Model

COLUMNS = (
    "source",
    "title",
    "publisher",
    "published",
    "number",
    "path",
    "problem",
    "measures",
    "category",
    "category_p",
    "also",
    "status",
    "status_p",
    "status_source",
    "stated_text",
    "doubtful",
    "p",
)
EVIDENCE_SHOWN = 8
Row = dict[str, Any]


def rows(report: Report, *, explain: bool = False) -> list[Row]:
    """One row for each finding; `explain` adds the evidence."""
    return [row(report.notice, finding, explain=explain) for finding in report.findings]


def row(notice: Notice, finding: Finding, *, explain: bool = False) -> Row:
    issue, stated = finding.issue, finding.issue.stated
    status = stated.status if stated else finding.status.label
    result: Row = {
        "source": notice.source,
        "title": notice.title,
        "publisher": notice.publisher,
        "published": notice.published.isoformat() if notice.published else None,
        "number": issue.number.text if issue.number else None,
        "path": [heading.text for heading in issue.path],
        "problem": issue.problem.text,
        "measures": issue.measures.text,
        "category": finding.category.label,
        "category_p": _round(finding.category.probability),
        "also": list(finding.also),
        "status": status,
        "status_p": _round(
            finding.status.probability_of(status) if status else finding.status.probability
        ),
        "status_source": "stated" if stated else "predicted",
        "stated_text": stated.text if stated else None,
        "doubtful": finding.doubtful,
        "p": {"category": _distribution(finding.category), "status": _distribution(finding.status)},
    }
    if explain:
        result["evidence"] = [
            {
                "of": task,
                "label": verdict.ranking[0][0],
                "start": e.start,
                "end": e.end,
                "term": notice.text[e.start : e.end],
                "weight": round(e.weight, 4),
            }
            for task, verdict in (("category", finding.category), ("status", finding.status))
            for e in deciding(verdict)
        ]
    return result


def failure_row(failure: Failure) -> Row:
    """The row that stands for a source that could not be read."""
    return {"source": failure.source, "error": f"{failure.error}: {failure.message}"}


def deciding(verdict: Verdict) -> list[Evidence]:
    """The heaviest evidence for the likeliest label, no place twice."""
    chosen: list[Evidence] = []
    for e in verdict.evidence:
        if len(chosen) == EVIDENCE_SHOWN or e.weight <= 0:
            break
        if not any(e.start < c.end and c.start < e.end for c in chosen):
            chosen.append(e)
    return chosen


def _round(probability: float) -> float:
    return round(probability, 4)


def _distribution(verdict: Verdict) -> dict[str, float]:
    return {label: _round(p) for label, p in verdict.ranking}


def records(result: Result, explain: bool = False) -> list[Row]:
    """The rows of any result; a segment keeps the columns it was given with."""
    if isinstance(result, Report):
        return rows(result, explain=explain)
    if isinstance(result, Failure):
        return [failure_row(result)]
    record = row(result.notice, result.finding, explain=explain)
    for name in _GIVEN:
        if name in result.given:
            record[name] = result.given[name]
    return [{**{k: v for k, v in result.given.items() if k not in {*record, *_OURS}}, **record}]


def told(result: Result, explain: bool = False) -> list[Row]:
    """A report as one record, what is no report as rows."""
    if isinstance(result, Report):
        return [report_record(result, explain=explain)]
    return records(result, explain)


# Columns of a segment file that describe the segment and are passed on as they are.
_GIVEN = ("source", "title", "publisher", "published", "number")
# Not in every row, but never a column that was given.
_OURS = ("evidence", "error")


# -- machine formats -------------------------------------------------------------------


def to_json_line(record: Mapping[str, Any]) -> str:
    """One line of JSON, Chinese unescaped, ending in a newline.

    Lone surrogates, which UTF-8 cannot hold, are escaped.
    """
    return to_json(record) + "\n"


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON, Chinese unescaped unless there are lone surrogates; null for what is no number."""
    try:
        text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    except ValueError:
        value = plain(value)
        text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(value, indent=indent)
    return text


def plain(value: Any) -> Any:
    """A value as JSON has it: NaN and infinities, which it has not, become None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str | int | None) else str(value)


def notice_record(notice: Notice) -> Row:
    """What a notice is, apart from its text and warnings."""
    return {
        "source": notice.source,
        "title": notice.title,
        "publisher": notice.publisher,
        "published": notice.published.isoformat() if notice.published else None,
        "index_number": notice.index_number,
        "document_number": notice.document_number,
        "url": notice.url,
        "sha256": notice.sha256,
    }


def report_record(report: Report, *, explain: bool = False) -> Row:
    """A whole report as one JSON value: what the notice is, warnings, its totals, issues."""
    return {
        **notice_record(report.notice),
        "model": report.model,
        "warnings": list(report.warnings),
        "stated_totals": {
            "issues": report.totals.issues,
            "by_status": dict(report.totals.by_status),
        },
        "issues": rows(report, explain=explain),
    }


def csv_columns(model: Model, extra: Sequence[str] = ()) -> list[str]:
    """Header of a CSV: columns of its own for each label's probability, `error` last."""
    columns = [name for name in COLUMNS if name != "p"]
    for task, classifier in model.classifiers.items():
        columns += [f"p.{task}.{label}" for label in classifier.labels]
    taken = {*columns, "p", "evidence", "error"}
    return [*(name for name in extra if name not in taken), *columns, "evidence", "error"]


def flattened(record: Mapping[str, Any]) -> Row:
    """The record with a column of its own for each label's probability, in place of `p`."""
    flat = dict(record)
    for task, distribution in flat.pop("p", {}).items():
        flat.update({f"p.{task}.{label}": p for label, p in distribution.items()})
    return flat


def csv_lines(records: Iterable[Row], columns: Sequence[str]) -> Iterator[str]:
    """CSV lines, header first. Probabilities have columns, `path` and `also` are joined by " | ".

    Other lists and nested values that were given are JSON.

    A text that a spreadsheet would take for a formula gets an apostrophe in front
    (OWASP's rule); C0 control characters but tab and newline are dropped.
    """
    yield _csv_line(headers([csv_cell(name) for name in columns]))
    for record in records:
        flat = flattened(record)
        for name in ("path", "also"):
            if isinstance(flat.get(name), list):
                flat[name] = " | ".join(flat[name])
        yield _csv_line([csv_cell(flat.get(name)) for name in columns])


_FORMULA = pattern(r"[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_CONTROL = pattern(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """`text` without anything that could steer a terminal."""
    return _CONTROL.sub("", text)


def headers(columns: Iterable[str]) -> list[str]:
    """Names that UTF-8 can hold, and none twice: names of columns may be anything."""
    found: dict[str, None] = {}
    for column in columns:
        name = shown = column.encode("utf-8", "backslashreplace").decode()
        for number in count(2):
            if shown not in found:
                break
            shown = f"{name} ({number})"
        found[shown] = None
    return list(found)


def csv_cell(value: Any) -> Any:
    """A value as a cell of a CSV that nothing can be made to calculate from."""
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    if isinstance(value, dict | list):
        value = to_json(value)
    if isinstance(value, str):
        value = value.encode("utf-8", "replace").decode()
        value = clean(value)
        return f"'{value}" if _FORMULA.match(value) else value
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value


def _csv_line(cells: Sequence[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()
