"""Reports to rows, and rows to what a person or a program reads.

A row has the same fields in every format and command. Nothing here computes a
prediction, and nothing that computes one prints.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rectify_nlp.evaluation import Result as Evaluated
from rectify_nlp.model import TASKS, Model
from rectify_nlp.splitting import Split
from rectify_nlp.types import Evidence, Failure, Finding, Notice, Report, Segment, Verdict

FORMATS = ("table", "json", "jsonl", "csv")
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
Result = Report | Segment | Failure


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


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How wide a table may be, whether in colour, and whether evidence is wanted."""

    width: int = 120
    colour: bool = False
    explain: bool = False


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


def records(result: Result, explain: bool) -> list[Row]:
    """The rows of any result; a segment's keep what it was given with."""
    if isinstance(result, Report):
        return rows(result, explain=explain)
    if isinstance(result, Failure):
        return [failure_row(result)]
    record = row(result.notice, result.finding, explain=explain)
    for name in _GIVEN:
        if name in result.given:
            record[name] = result.given[name]
    return [{**{k: v for k, v in result.given.items() if k not in {*record, *_OURS}}, **record}]


# Columns of a segment file that describe the segment and are passed on as they are.
_OURS = ("evidence", "error")  # not in every row, but never a column that was given
_GIVEN = ("source", "title", "publisher", "published", "number", "path")


def segment_lines(result: Segment | Failure) -> Iterator[str]:
    """A scored segment, or a failure, on one line of a terminal."""
    if isinstance(result, Failure):
        yield clean(f"{result.source}: {result.error}: {result.message}") + "\n"
        return
    record = row(result.notice, result.finding)
    yield (
        f"{record['category'] or '?'} {record['category_p']:.2f}  {record['status'] or '?'} "
        f"{record['status_p']:.2f}  {_shorten(clean(record['problem']), 80)}\n"
    )


# -- machine formats -------------------------------------------------------------------


def to_json_line(record: Mapping[str, Any]) -> str:
    """One line of JSON, Chinese unescaped, ending in a newline.

    Lone surrogates, which UTF-8 cannot hold, are escaped.
    """
    line = json.dumps(record, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        line = json.dumps(record)
    return line + "\n"


def report_record(report: Report, *, explain: bool = False) -> Row:
    """A whole report as one JSON value: what the notice is, warnings, issues."""
    notice = report.notice
    return {
        "source": notice.source,
        "title": notice.title,
        "publisher": notice.publisher,
        "published": notice.published.isoformat() if notice.published else None,
        "index_number": notice.index_number,
        "document_number": notice.document_number,
        "url": notice.url,
        "sha256": notice.sha256,
        "model": report.model,
        "warnings": list(report.warnings),
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


def csv_lines(found: Iterable[Row], columns: Sequence[str]) -> Iterator[str]:
    """CSV lines, header first. Lists are joined by " | ", nested values flattened.

    A text that a spreadsheet would take for a formula gets an apostrophe in front
    (OWASP's rule); C0 control characters but tab and newline are dropped.
    """
    yield _csv_line([_cell(name) for name in columns])
    for record in found:
        flat = flattened(record)
        for name in ("path", "also"):
            if isinstance(flat.get(name), list):
                flat[name] = " | ".join(flat[name])
        if "evidence" in flat:
            flat["evidence"] = json.dumps(flat["evidence"], ensure_ascii=False)
        yield _csv_line([_cell(flat.get(name)) for name in columns])


_FORMULA = re.compile(r"[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        value = value.encode("utf-8", "replace").decode()
        value = _CONTROL.sub("", value)
        return f"'{value}" if _FORMULA.match(value) else value
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value


def _csv_line(cells: Sequence[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


# -- for a terminal ---------------------------------------------------------------------


def clean(text: str) -> str:
    """`text` without anything that could steer a terminal."""
    return _CONTROL.sub("", text)


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", clean(text))


def table(report: Report, layout: Layout) -> str:
    """A report as text for a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    out = io.StringIO()
    console = Console(
        file=out,
        width=layout.width,
        force_terminal=layout.colour,
        no_color=not layout.colour,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
    )
    notice = report.notice
    head = [notice.title or notice.source, notice.publisher, notice.published]
    console.print(Text(clean("  ".join(str(part) for part in head if part)), style="bold"))
    grid = Table(box=None, padding=(0, 1), show_edge=False, pad_edge=False)
    for name, style in (
        ("no.", ""),
        ("problem", ""),
        ("category", "cyan"),
        ("p", ""),
        ("status", "green"),
        ("p", ""),
        ("", ""),
    ):
        grid.add_column(name, style=style, no_wrap=True, overflow="ellipsis")
    room = max(20, layout.width - 50)
    for finding in report.findings:
        record = row(notice, finding)
        problem = _one_line(record["problem"])
        grid.add_row(
            Text(clean(record["number"] or "-")),
            Text(_shorten(problem, room)),
            Text(record["category"] or f"?{finding.category.ranking[0][0]}"),
            Text(f"{record['category_p']:.2f}"),
            Text(record["status"] or f"?{finding.status.ranking[0][0]}"),
            Text(f"{record['status_p']:.2f}"),
            Text(_remark(finding)),
        )
        if layout.explain:
            for line in _explanation(notice, finding):
                grid.add_row("", Text(_shorten(clean(line), room), style="dim"), "", "", "", "", "")
    if report.findings:
        console.print(grid)
    console.print(Text(f"{len(report.findings)} issues, model {report.model}"))
    return out.getvalue()


def _remark(finding: Finding) -> str:
    if finding.doubtful:
        return "stated, doubtful"
    return "stated" if finding.issue.stated else "predicted"


def _explanation(notice: Notice, finding: Finding) -> Iterator[str]:
    """The deciding words in the sentence they stand in, a line for each verdict."""
    for task, verdict in (("category", finding.category), ("status", finding.status)):
        chosen = deciding(verdict)
        words = " ".join(f"{notice.text[e.start : e.end]}{e.weight:+.2f}" for e in chosen[:6])
        yield f"  {task} {verdict.ranking[0][0]}: {words}"
        if chosen:
            yield f"    {_in_sentence(notice, chosen)}"


def _in_sentence(notice: Notice, chosen: Sequence[Evidence]) -> str:
    """The sentence of the heaviest word, with every deciding word in it in [brackets]."""
    text, first = notice.text, chosen[0]
    start = max(text.rfind(mark, 0, first.start) for mark in "。;；\n") + 1
    stops = [p for p in (text.find(mark, first.end) for mark in "。;；\n") if p >= 0]
    end = min(stops, default=len(text))
    start, end = max(start, first.start - 60), min(end, first.end + 60)
    out, position = [], start
    for e in sorted(chosen, key=lambda e: e.start):
        if position <= e.start and e.end <= end:
            out += [text[position : e.start], "[", text[e.start : e.end], "]"]
            position = e.end
    return "".join([*out, text[position:end]]).strip()


def _shorten(text: str, columns: int) -> str:
    """`text` cut to so many terminal columns (a Han character takes two)."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= columns:
        return text
    return set_cell_size(text, columns - 2).rstrip() + ".."


# -- what `split`, `inspect` and `evaluate` print -----------------------------------------


def split_lines(notice: Notice, parts: Split, *, as_json: bool) -> Iterator[str]:
    """The issues of a notice as cut, for a reader or as JSON lines with offsets."""
    if not as_json:
        yield clean(f"{notice.title or '(no title)'}")
        published = notice.published.isoformat() if notice.published else "no date"
        yield clean(f"{notice.publisher or '(no publisher)'}, {published}")
    for issue in parts.issues:
        stated = issue.stated
        if as_json:
            record = {
                "number": issue.number.text if issue.number else None,
                "path": [heading.text for heading in issue.path],
                "problem": issue.problem.text,
                "problem_start": issue.problem.start,
                "measures": issue.measures.text,
                "measures_start": issue.measures.start,
                "stated": stated.status if stated else None,
                "stated_text": stated.text if stated else None,
                "stated_start": stated.start if stated else None,
            }
            yield to_json_line(record).rstrip("\n")
        else:
            yield ""
            for heading in issue.path:
                yield clean(f"  > {heading.text}")
            number = issue.number.text if issue.number else "-"
            yield clean(f"{number} {issue.problem.text}")
            yield f"  measures: {_shorten(_one_line(issue.measures.text), 100)}"
            if stated:
                yield clean(f"  stated: {stated.status} ({stated.text})")
    if not as_json:
        yield ""
        yield f"{len(parts.issues)} issues"


def trace_lines(notice: Notice, parts: Split) -> Iterator[str]:
    """Every numbered line with its role and the reason for it."""
    for line in parts.trace:
        text = _one_line(notice.text[line.start : line.end])
        yield f"{line.start:7d} {line.role:8s} {_shorten(text, 60)}  ({line.reason})"


def model_lines(model: Model, terms: int) -> Iterator[str]:
    """Card and strongest terms of a verified model."""
    yield f"{model.fingerprint}: format, digests, shapes and numbers verified"
    yield ""
    yield model_card(model).rstrip("\n")
    for task in TASKS:
        classifier = model.classifiers[task]
        columns = list(classifier.vectorizer.columns())
        yield ""
        yield f"Strongest terms for the {task} (field:term weight)"
        for position, label in enumerate(classifier.labels):
            weights = classifier.weights[:, position]
            top = np.argsort(-weights, kind="stable")[:terms]
            shown = " ".join(f"{columns[i][0]}:{columns[i][1]} {weights[i]:.1f}" for i in top)
            yield f"  {label}: {shown}"


def model_card(model: Model) -> str:
    """The model card in Markdown: data, figures with how they were obtained, limits."""
    trained = model.info.get("trained_on", {})
    origins = ", ".join(
        f"{count} {origin}" for origin, count in trained.get("by_origin", {}).items()
    )
    lines = [
        "# Model card",
        "",
        f"Trained by rectify-nlp {model.info.get('package')} on {trained.get('segments')} issue segments"
        f" of {trained.get('notices')} notices ({origins}); labels sha256"
        f" {str(trained.get('labels_sha256'))[:12]}. Tokens: {model.info.get('tokenizer')}.",
        "",
        "| task | labels | terms | temperature | abstains below | accuracy | given | accuracy of given"
        " | calibration error | how measured |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for task in TASKS:
        classifier, m = model.classifiers[task], model.info.get("measured", {}).get(task, {})
        lines.append(
            f"| {task} | {len(classifier.labels)} | {len(classifier.vectorizer.idf)}"
            f" | {classifier.temperature} | {classifier.abstain_below} | {m.get('accuracy')}"
            f" | {m.get('given')} | {m.get('accuracy_of_given')} | {m.get('calibration_error')}"
            f" | {m.get('method')}, {m.get('segments')} segments |"
        )
    lines += [
        "",
        "Segments of origin `authored` were written for this purpose; figures measured on them are"
        " better than figures on published notices. `rectify-nlp evaluate` measures on the published"
        " ones, each left out in turn.",
        "",
    ]
    return "\n".join(lines)


def result_lines(result: Evaluated) -> Iterator[str]:
    """A result for a reader: scores with interval and baseline, confusion, signature."""
    yield f"{result.task}, {result.method} ({result.segments} segments, {result.notices} notices)"
    for score in result.scores:
        yield f"  {score}"
    present = [i for i, counts in enumerate(result.confusion) if any(counts)]
    yield "  confusion (row: true, then how often each label was given)"
    for i in present:
        given = sorted(enumerate(result.confusion[i]), key=lambda pair: -pair[1])
        shown = " ".join(f"{result.labels[j]} {count}" for j, count in given if count)
        yield f"    {result.labels[i]}: {shown}"
    yield f"  signature {result.signature}"
    yield ""
