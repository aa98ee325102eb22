"""What a terminal shows: a table of findings, single segments, how a notice was cut."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rectify_nlp.records import clean, deciding, row, to_json_line
from rectify_nlp.types import Evidence, Failure, Finding, Notice, Report, Segment, Split


class Layout(NamedTuple):
    """How wide a table may be, whether in colour, and whether evidence is wanted."""

    width: int = 120
    colour: bool = False
    explain: bool = False


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
