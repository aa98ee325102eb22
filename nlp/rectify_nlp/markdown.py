"""Results as compact Markdown, for pasting into a document."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rectify_nlp.modelfolder import TASKS
from rectify_nlp.phrases import CAUTION, STATUS_SOURCE, UNDECIDED, deciding_words, doubts, warning
from rectify_nlp.records import Row, clean, records, rows
from rectify_nlp.types import Failure, Report, Result, Segment


def markdown(found: Iterable[Result], *, explain: bool = False) -> Iterator[str]:
    """Results as compact Markdown, a table for each notice; `explain` adds the deciding words."""
    header = ["编号", "问题", "类别", "状态", "说明", *(["依据"] if explain else [])]
    head = _row(header) + _row(["---"] * len(header))
    in_table = False
    for result in found:
        if isinstance(result, Segment):
            (record,) = records(result, explain)
            yield ("" if in_table else head) + _row(_cells(record, explain))
            in_table = True
            continue
        if in_table:
            yield "\n"
        in_table = False
        if isinstance(result, Failure):
            yield f"> 未能读入 {_escaped(result.source)}：{_escaped(result.message)}\n\n"
            continue
        yield _head(result)
        if result.findings:
            yield head
            for record in rows(result, explain=explain):
                yield _row(_cells(record, explain))
            yield "\n"
        yield f"模型 {_escaped(result.model)}。{CAUTION}\n\n"


def _head(report: Report) -> str:
    notice = report.notice
    statuses = Counter(record["status"] or UNDECIDED for record in rows(report))
    counts = "，".join(f"{name} {count}" for name, count in statuses.most_common())
    said = [f"{len(report.findings)} 个问题" + (f"（{counts}）" if counts else "")]
    if notice.published:
        said.insert(0, notice.published.isoformat())
    if notice.publisher:
        said.insert(0, notice.publisher)
    if report.totals.issues is not None:
        said.append(f"通报自述 {report.totals.issues} 个")
    hints = (f"> 提示：{_escaped(warning(text))}\n\n" for text in report.warnings)
    title = _escaped(notice.title or notice.source)
    return f"## {title}\n\n{_escaped('；'.join(said))}。\n\n{''.join(hints)}"


def _cells(record: Row, explain: bool) -> list[str]:
    remark = STATUS_SOURCE[record["status_source"]]
    # Beside a stated status the model's probability would read like doubt.
    chance = f" {record['status_p']:.0%}" if record["status_source"] == "predicted" else ""
    cells = [
        str(record["number"] or ""),
        record["problem"],
        f"{record['category'] or UNDECIDED} {record['category_p']:.0%}",
        f"{record['status'] or UNDECIDED}{chance}",
        "；".join([remark, *(f"需复核：{reason}" for reason in doubts(record))]),
    ]
    if explain:
        words = (deciding_words(record, task)[:5] for task in TASKS)
        cells.append("；".join("、".join(word for word, _ in chosen) for chosen in words))
    return [_escaped(cell) for cell in cells]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~$&]")


def _escaped(text: str) -> str:
    """Text on one line in which nothing is taken for Markdown or HTML."""
    one_line = re.sub(r"\s+", " ", clean(text)).strip().encode("utf-8", "replace").decode()
    return _SPECIAL.sub(r"\\\g<0>", one_line)
