"""Worksheets that keep what they are given: long texts, many rows, and nothing that calculates.

Every text is written as a string cell: nothing becomes a formula, a link or a number.
A text that no cell can hold goes whole to a sheet of its own, and its cell says where.
A sheet that is full goes on in a further one. The same cells give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any, Literal

from rectify_nlp.records import clean, to_json

# Excel's limits: UTF-16 units in a cell, rows in a sheet.
CELL_LIMIT = 32_767
ROW_LIMIT = 1_048_576
# Bytes: from 2 GB on an archive needs an extension that not every program reads.
SIZE_LIMIT = 1_500_000_000
# Of a cell without its text, about.
_MARKUP = 60
# Points: a line of text, and the highest row that Excel allows.
_LINE, _HIGHEST = 15.5, 409.0
_A3, _A4 = 8, 9
# Code points of a piece of long text: within the limit even if each takes two units.
PIECE = 16_000
WHOLE = "长文本"
_CREATED = datetime(2000, 1, 1)  # noqa: DTZ001  # fixed, so that bytes repeat; a workbook has no zone
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_COLOURS = {
    "open": {"font_color": "#9C1C12", "bg_color": "#FBE3E0"},
    "ongoing": {"font_color": "#7A5200", "bg_color": "#FFF1CC"},
    "done": {"font_color": "#14622B", "bg_color": "#DDF3E2"},
    "mark": {"font_color": "#7A2E00", "bg_color": "#FFDDB0", "bold": True},
}
_CELL: dict[str, Any] = {
    "font_name": "微软雅黑",
    "font_size": 10,
    "valign": "top",
    "text_wrap": True,
    "border": 1,
    "border_color": "#D0D5DB",
}
_FORMATS: dict[str, dict[str, Any]] = {
    "text": {},
    # Excel's own apostrophe: the cell stays text even after somebody has edited it.
    "quoted": {"quote_prefix": True},
    "short": {"align": "center"},
    "entry": {"align": "center", "bg_color": "#FFFBE6"},
    "count": {"align": "center", "num_format": '0;-0;"·"'},
    "share": {"align": "center", "num_format": "0.0%"},
    "total": {"align": "center", "bold": True, "bg_color": "#EEF1F5"},
    "total text": {"bold": True, "bg_color": "#EEF1F5"},
    "head": {"bold": True, "align": "center", "valign": "vcenter", "bg_color": "#DCE6F1"},
}

Value = Any  # what a cell is given: text, None, a number, or something else that JSON can say


@dataclass(frozen=True, kw_only=True)
class Column:
    """Header, width in characters, look, and the colour ("open", "mark" ...) of certain values.

    "count" and "share" hold numbers, the others text; "entry" is to be filled in, from a
    drop-down of the cells `choices` ("=表!$A$2:$A$9") where they are given.
    """

    header: str
    width: int
    look: Literal["text", "short", "count", "share", "entry"] = "text"
    colours: Mapping[str, str] = field(default_factory=dict)
    meaning: str = ""
    choices: str = ""


class Book:
    """An Excel file written to `out`; rows go to files in `folder`, not to memory."""

    def __init__(self, out: IO[bytes], title: str, folder: str) -> None:
        from xlsxwriter import Workbook

        self.file = Workbook(
            out,
            {
                "constant_memory": True,
                "tmpdir": folder,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        self.file.set_properties({"title": title, "created": _CREATED})
        self.formats = {name: self.file.add_format(_CELL | look) for name, look in _FORMATS.items()}
        self.colours = {name: self.file.add_format(look) for name, look in _COLOURS.items()}
        self._sheets: list[Sheet] = []
        self._whole: Sheet | None = None

    def sheet(self, name: str, columns: Sequence[Column], **layout: int) -> Sheet:
        """A further sheet; `layout` as for `Sheet`."""
        self._sheets.append(Sheet(self, name, columns, **layout))
        return self._sheets[-1]

    def fitted(self, text: str, place: str, header: str) -> str:
        """`text`, or its beginning and where the whole stands if no cell can hold it."""
        if len(text) <= PIECE or len(text.encode("utf-16-le")) // 2 <= CELL_LIMIT:
            return text
        if self._whole is None:
            self._whole = self.sheet(
                WHOLE,
                [
                    Column(header="所在单元格", width=18),
                    Column(header="列", width=14),
                    Column(header="段", width=6, look="count"),
                    Column(header="文本", width=110),
                ],
            )
        whole = self._whole
        pieces = [text[i : i + PIECE] for i in range(0, len(text), PIECE)]
        whole.make_room(len(pieces))
        first = whole.row + 1
        for number, piece in enumerate(pieces, 1):
            whole.append([place, header, number, piece])
        return (
            f"{pieces[0]}……（此处略去 {len(text) - PIECE} 字；全文 {len(text)} 字，"
            f"见工作表“{whole.name}”第 {first} 至 {whole.row} 行）"
        )

    def continued(self) -> list[tuple[str, str]]:
        """Sheets that were too long for one, and a sentence that says where they go on."""
        return [
            (sheet.title, f"一张工作表放不下，续在{names}；汇总与核对包括全部各表")
            for sheet in self._sheets
            if (names := "、".join(f"“{name}”" for name in sheet.further))
        ]

    def close(self) -> None:
        for sheet in self._sheets:
            sheet.finish()
        self.file.close()


class Sheet:
    """A worksheet with a header that stays in view, filters and wrapped text.

    The first `frozen` columns stay in view too; the first `printed` are printed (0: all),
    on A3 where they are too wide for A4.
    """

    def __init__(
        self, book: Book, name: str, columns: Sequence[Column], *, frozen: int = 0, printed: int = 0
    ) -> None:
        self._book, self._columns = book, columns
        self.title, self._number = name, 0
        self.further: list[str] = []
        self._frozen, self._printed = frozen, printed or len(columns)
        self._start()

    def _start(self) -> None:
        self._number += 1
        self.name = self.title if self._number == 1 else f"{self.title} {self._number}"
        if self._number > 1:
            self.further.append(self.name)
        sheet = self._sheet = self._book.file.add_worksheet(self.name)
        sheet.set_row(0, 32)
        for position, column in enumerate(self._columns):
            sheet.set_column(position, position, column.width)
            sheet.write_string(0, position, column.header, self._book.formats["head"])
        sheet.freeze_panes(1, self._frozen)
        sheet.set_landscape()
        printed = sum(column.width for column in self._columns[: self._printed])
        sheet.set_paper(_A3 if printed > 150 else _A4)
        sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        sheet.set_footer("&C&P / &N")
        self.row = 1  # of the next cells, from 0; as Excel counts, that of the last ones
        self._size = 0

    def make_room(self, rows: int = 1) -> None:
        """Go on in a further sheet if so many rows do not fit any more."""
        if self.row + rows > ROW_LIMIT or self._size > SIZE_LIMIT:
            self.finish()
            self._start()

    def append(self, values: Sequence[Value], *, total: bool = False) -> None:
        """One row; what does not stand in a column of numbers is written as text."""
        from xlsxwriter.utility import xl_rowcol_to_cell

        self.make_room()
        texts = [
            "" if column.look in ("count", "share") else as_text(value)
            for column, value in zip(self._columns, values, strict=True)
        ]
        self._sheet.set_row(self.row, self._height(texts))
        for position, (column, value, text) in enumerate(
            zip(self._columns, values, texts, strict=True)
        ):
            look: str = column.look
            if total:
                look = "total text" if look == "text" else "total"
            if text:
                place = f"{self.name}!{xl_rowcol_to_cell(self.row, position)}"
                fitted = self._book.fitted(text, place, column.header)
                look = "quoted" if text.startswith(FORMULA) else look
                self._sheet.write_string(self.row, position, fitted, self._book.formats[look])
            elif value is None or column.look not in ("count", "share"):
                self._sheet.write_blank(self.row, position, None, self._book.formats[look])
            else:
                self._sheet.write_number(self.row, position, value, self._book.formats[look])
        self._size += sum(len(text.encode()) + _MARKUP for text in texts)
        self.row += 1

    def _height(self, texts: Sequence[str]) -> float:
        """Points that the longest of `texts` takes when wrapped; not every program works it out."""
        # In GB18030 a character has about as many bytes as it takes columns.
        lines = [
            sum(-(-len(line.encode("gb18030")) // column.width) or 1 for line in text.split("\n"))
            for column, text in zip(self._columns, texts, strict=True)
            if text
        ]
        return min(_HIGHEST, max(lines, default=1) * _LINE + 3)

    def finish(self) -> None:
        """Set filters, colours and what is printed over the rows there are."""
        last = max(1, self.row - 1)
        self._sheet.autofilter(0, 0, last, len(self._columns) - 1)
        self._sheet.print_area(0, 0, last, self._printed - 1)
        for position, column in enumerate(self._columns):
            if column.choices:
                told = {"error_title": column.header, "error_message": "请从下拉列表中选择。"}
                rule = {"validate": "list", "source": column.choices, **told}
                self._sheet.data_validation(1, position, last, position, rule)
            for value, colour in column.colours.items():
                quoted = value.replace('"', '""')
                rule = {"type": "cell", "criteria": "==", "value": f'"{quoted}"'}
                rule |= {"format": self._book.colours[colour]}
                self._sheet.conditional_format(1, position, last, position, rule)


def as_text(value: Value) -> str:
    """Any value as text that XML can hold: "" for None, a list of texts joined, else JSON."""
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = " > ".join(value)
    if not isinstance(value, str):
        value = to_json(value)
    whole: str = clean(value).encode("utf-8", "replace").decode()
    return whole.replace("\ufffe", "").replace("\uffff", "")
