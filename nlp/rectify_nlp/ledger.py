"""The rectification ledger (整改台账): rows to an Excel workbook.

Sheets: 台账, one row an issue; 汇总, counts by unit, category and status; 通报核对, one
row a notice with the totals it states, warnings and errors; 说明, model and columns.
docs/outputs.md lists the columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from rectify_nlp.errors import OutputError
from rectify_nlp.model import Model
from rectify_nlp.phrases import (
    CAUTION,
    STATUS_SOURCE,
    UNDECIDED,
    UNNAMED,
    about_model,
    deciding_words,
    doubts,
    likeliest,
    tones,
    warning,
)
from rectify_nlp.records import COLUMNS, Row, told
from rectify_nlp.sheets import Book, Column, Value, as_text
from rectify_nlp.types import Result, Segment
from rectify_nlp.version import __version__

_CHUNK = 1 << 20
# Notices kept in mind; segments of one that come later than so many others begin a further row.
_HELD = 10_000
_DOUBT = "需复核"


def workbook(records: Iterable[Row], model: Model, scratch: Path | None = None) -> Iterator[bytes]:
    """The ledger of `records` as the bytes of an .xlsx file, piece by piece.

    A record is what `report_record`, `row` or `failure_row` gives, made with
    `explain=True` if the deciding words are wanted. Rows are written as they come, to a
    folder in `scratch` or where temporary files are; memory holds counts by unit.
    OutputError where temporary files fail.
    """
    from xlsxwriter.exceptions import XlsxFileError

    try:
        with (
            TemporaryDirectory(
                prefix="rectify-nlp-", dir=scratch, ignore_cleanup_errors=True
            ) as folder,
            Path(folder, "ledger.xlsx").open("w+b") as file,
        ):
            ledger = Ledger(file, model, folder)
            for record in records:
                ledger.add(record)
            ledger.close()
            file.seek(0)
            while piece := file.read(_CHUNK):
                yield piece
    except (OSError, XlsxFileError) as error:
        place = scratch.parent if scratch else "the folder for temporary files"
        raise OutputError(
            f"ledger: cannot be written ({getattr(error, 'strerror', None) or error});"
            f" make room in {place}"
        ) from error


def ledger_records(result: Result, *, named: bool) -> list[Row]:
    """What `workbook` takes for a result; of rows that are `named` the table is told too.

    A name of its own does not make a notice of a segment: the table stands for it.
    """
    found = told(result, explain=True)
    if not isinstance(result, Segment):
        return found
    # As text already: what is nested deeply might not be read again.
    (row,) = ({name: _flat(name, value) for name, value in row.items()} for row in found)
    if not named:
        return [row]
    return [{"source": row["source"], "table": result.notice.source, "segment": row}]


def _flat(name: str, value: Value) -> Value:
    ours = name in ("path", "also", "p", "evidence")
    return as_text(value) if isinstance(value, dict | list) and not ours else value


@dataclass
class _Notice:
    """What the sheets tell of one notice."""

    source: str
    unit: str = UNNAMED
    title: str = ""
    published: str = ""
    totals: Row = field(default_factory=dict)
    warnings: Sequence[str] = ()
    error: str = ""
    statuses: Counter[str] = field(default_factory=Counter)
    doubtful: int = 0

    @property
    def stated(self) -> int | None:
        count: int | None = self.totals.get("issues")
        return count

    @property
    def comparison(self) -> str:
        if self.error or self.stated is None:
            return "" if self.error else "未自述"
        return "一致" if self.stated == self.statuses.total() else "不一致"


@dataclass
class _Unit:
    """What the summary tells of a unit: issues by category and status, notices, warnings."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    notices: int = 0
    stated: int | None = None
    warned: int = 0

    def add(self, other: _Unit) -> None:
        self.counts.update(other.counts)
        self.notices += other.notices
        self.warned += other.warned
        if other.stated is not None:
            self.stated = (self.stated or 0) + other.stated


class Ledger:
    """A ledger that grows record by record; `close` writes it to `out`.

    Until then rows are in files in `folder`.
    """

    def __init__(self, out: IO[bytes], model: Model, folder: str) -> None:
        self._model = model
        self._categories = (*model.taxonomy.category_names, UNDECIDED)
        self._statuses = (*model.taxonomy.status_names, UNDECIDED)
        self._book = Book(out, "整改台账", folder)
        columns = issue_columns(tones(model.taxonomy.status_names))
        headers = [column.header for column in columns]
        self._about_columns = [(column.header, column.meaning) for column in columns]
        self._issues = self._book.sheet(
            "台账",
            columns,
            frozen=headers.index("整改措施"),
            printed=headers.index("复核原因") + 1,
        )
        self._summary = self._book.sheet("汇总", _summary_columns(self._statuses))
        self._checks = self._book.sheet("通报核对", _check_columns(self._statuses))
        self._about = self._book.sheet(
            "说明", [Column(header="项目", width=20), Column(header="内容", width=90)]
        )
        # Notices that are not in 通报核对 yet, and those of segments among them.
        self._notices: list[_Notice] = []
        self._loose: dict[tuple[str, ...], _Notice] = {}
        self._count = 0
        self._units: dict[str, _Unit] = {}

    def add(self, record: Row) -> None:
        """A report record with all its issues, the row of one issue, or a failure's row.

        An issue whose `source` is only its own name comes as `segment`, beside its `table`.
        """
        # A segment may have been given with columns of any name: look for what it always has.
        if "problem" in record:
            self._add_loose(record, as_text(record["source"]))
        elif "segment" in record:
            self._add_loose(record["segment"], record["table"])
        elif "issues" in record:
            notice = self._noted(record, as_text(record["source"]))
            notice.totals, notice.warnings = record["stated_totals"], record["warnings"]
            for issue in record["issues"]:
                self._add_issue(issue, notice)
        else:
            self._notices.append(_Notice(source=record["source"], error=record["error"]))
        if len(self._notices) >= _HELD:
            self._check()

    def _add_loose(self, record: Row, source: str) -> None:
        key = (source, *(as_text(record[name]) for name in ("publisher", "title", "published")))
        if key not in self._loose:
            self._loose[key] = self._noted(record, source)
        self._add_issue(record, self._loose[key])

    def _noted(self, record: Row, source: str) -> _Notice:
        notice = _Notice(
            source=source,
            unit=_unit(record),
            title=as_text(record["title"]),
            published=as_text(record["published"]),
        )
        self._notices.append(notice)
        return notice

    def _add_issue(self, record: Row, notice: _Notice) -> None:
        self._count += 1
        category, status = (record[task] or UNDECIDED for task in ("category", "status"))
        reasons = doubts(record)
        counts = self._units.setdefault(_unit(record), _Unit()).counts
        counts[category, status] += 1
        counts[category, _DOUBT] += bool(reasons)
        notice.statuses[status] += 1
        notice.doubtful += bool(reasons)
        other = {k: v for k, v in record.items() if k not in (*COLUMNS, "evidence")}
        values: list[Value] = [
            self._count,
            record["publisher"],
            record["number"],
            record["problem"],
            record["measures"],
            category,
            record["category_p"],
            status,
            STATUS_SOURCE[record["status_source"]],
            record["stated_text"],
            *likeliest(record, "status"),
            "是" if reasons else None,
            "\n".join(reasons),
            _weighed(record, "category"),
            _weighed(record, "status"),
            "、".join(record["also"]),
            record["path"],
            record["title"],
            record["published"],
            record["source"],
            "\n".join(f"{name}：{as_text(value)}" for name, value in other.items()),
        ]
        self._issues.append(values)

    def close(self) -> None:
        """Write what is known only at the end, and complete the file."""
        self._check()
        self._summarise()
        for entry in (
            ("生成", f"rectify-nlp {__version__}"),
            *about_model(self._model),
            ("使用", CAUTION),
            *((f"工作表“{name}”", where) for name, where in self._book.continued()),
            *((f"“{header}”一列", meaning) for header, meaning in self._about_columns),
        ):
            self._about.append(entry)
        self._book.close()

    def _check(self) -> None:
        """Write what is known of notices, and keep no more of it than counts by unit."""
        for notice in self._notices:
            if not notice.error:
                unit = self._units.setdefault(notice.unit, _Unit())
                unit.notices += 1
                unit.warned += bool(notice.warnings)
                if notice.stated is not None:
                    unit.stated = (unit.stated or 0) + notice.stated
            by_status = notice.totals.get("by_status", {})
            counted = [notice.statuses[name] for name in self._statuses]
            self._checks.append(
                [
                    notice.unit if notice.unit != UNNAMED else None,
                    notice.title,
                    notice.published,
                    None if notice.error else sum(counted),
                    notice.stated,
                    notice.comparison,
                    None if notice.error else notice.doubtful,
                    *(None if notice.error else count for count in counted),
                    *(by_status.get(name) for name in self._statuses[:-1]),
                    "\n".join(map(warning, notice.warnings)),
                    notice.error,
                    notice.source,
                ]
            )
        self._notices.clear()
        self._loose.clear()

    def _summarise(self) -> None:
        """Counts by unit, category and status, with a total for each unit and one for all."""
        everything = _Unit()
        for name, unit in self._units.items():
            everything.add(unit)
            self._block(name, "小计", unit)
        self._block("全部单位", "合计", everything)

    def _block(self, name: str, total: str, unit: _Unit) -> None:
        for category in self._categories:
            row = self._row_of(unit.counts, [category])
            if any(row):
                self._summary.append([name, category, *row, None, None, None])
        row = self._row_of(unit.counts, self._categories)
        about = [unit.notices, unit.stated, unit.warned]
        self._summary.append([name, total, *row, *about], total=True)

    def _row_of(self, counts: Counter[tuple[str, str]], categories: Sequence[str]) -> list[int]:
        """Issues of `categories` by status, all of them, and those in doubt."""
        row = [sum(counts[c, status] for c in categories) for status in self._statuses]
        return [*row, sum(row), sum(counts[c, _DOUBT] for c in categories)]


def _unit(record: Row) -> str:
    return as_text(record["publisher"]).strip() or UNNAMED


def _weighed(record: Row, task: str) -> str:
    return "、".join(f"{word} {weight:.2f}" for word, weight in deciding_words(record, task))


def issue_columns(colours: dict[str, str]) -> list[Column]:
    """The columns of the sheet 台账; `colours` are those of the statuses."""

    def column(header: str, width: int, meaning: str, **look: Value) -> Column:
        return Column(header=header, width=width, meaning=meaning, **look)

    return [
        column("序号", 6, "在台账中的序号", look="count"),
        column("单位", 16, "发布通报的单位"),
        column("编号", 8, "问题在通报中的编号", look="short"),
        column("问题", 34, "反馈的问题，原文"),
        column("整改措施", 64, "整改措施，原文"),
        column("类别", 11, "模型判断的类别；“未判断”表示模型没有把握", look="short"),
        column("类别概率", 10, "模型给出的这一类别的概率", look="share"),
        column(
            "状态",
            11,
            "通报写明状态的，以通报为准；没有写明的，为模型判断的状态",
            look="short",
            colours=colours,
        ),
        column("状态来源", 11, "通报写明，或模型判断", look="short"),
        column("通报原话", 14, "通报中写明状态的原话"),
        column(
            "模型判断",
            11,
            "模型不看通报写明的状态，只凭其余文字判断的状态",
            look="short",
            colours=colours,
        ),
        column("判断概率", 10, "模型给出的“模型判断”一列的概率", look="share"),
        column(
            _DOUBT,
            9,
            "“是”：写明的状态与文本明显不符，或模型没有把握",
            look="short",
            colours={"是": "mark"},
        ),
        column("复核原因", 28, "为什么需要人工复核"),
        column("类别依据", 26, "对类别起决定作用的词语；数字是它对得分的贡献（自然对数单位）"),
        column("状态依据", 26, "对“模型判断”起决定作用的词语；数字同上"),
        column("其他可能类别", 14, "概率也较高的类别"),
        column("上级标题", 32, "问题所在的各级标题，由外到内"),
        column("通报", 30, "通报的标题"),
        column("公布日期", 12, "通报的公布日期", look="short"),
        column("来源", 26, "读入的文件"),
        column("其他字段", 20, "读入的表格中原有的其他列"),
    ]


def _summary_columns(statuses: Sequence[str]) -> list[Column]:
    names = [*statuses, "合计", _DOUBT, "通报份数", "通报自述合计", "有提示的通报"]
    counts = [Column(header=name, width=max(10, 2 * len(name) + 2), look="count") for name in names]
    return [Column(header="单位", width=34), Column(header="类别", width=14, look="short"), *counts]


def _check_columns(statuses: Sequence[str]) -> list[Column]:
    """The last of `statuses`, 未判断, is none that a notice could state."""
    counts = [f"{name}（台账）" for name in statuses] + [
        f"{name}（自述）" for name in statuses[:-1]
    ]
    return [
        Column(header="单位", width=24),
        Column(header="通报", width=40),
        Column(header="公布日期", width=12, look="short"),
        Column(header="切分出的问题", width=13, look="count"),
        Column(header="自述的问题", width=11, look="count"),
        Column(header="核对", width=10, look="short", colours={"不一致": "mark", "一致": "done"}),
        Column(header=_DOUBT, width=9, look="count"),
        *(Column(header=name, width=15, look="count") for name in counts),
        Column(header="提示", width=44),
        Column(header="出错", width=36),
        Column(header="来源", width=30),
    ]
