"""PDF documents to text.

A PDF has no paragraphs, only lines set at places on pages. They are joined again where
only the page broke them: a paragraph ends where the next line is indented or stands
apart, or where its own last line ends well before the margin. Page numbers and running
heads go; tables that a page break cut are put together.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

from rectify_nlp.documents import Document
from rectify_nlp.errors import NoText, ReadError
from rectify_nlp.tables import Cell, one_line, table_lines

Grid = list[list[Cell]]
Box = tuple[float, float, float, float]


class _Line(NamedTuple):
    """A visual line: text, place in points from the top left, the edges of its column."""

    text: str
    x0: float
    x1: float
    top: float
    bottom: float
    left: float = 0
    right: float = 0

    @property
    def height(self) -> float:
        return self.bottom - self.top


class _Sheet(NamedTuple):
    """A page: its lines outside tables, and its tables with the height they begin at."""

    width: float
    height: float
    lines: list[_Line]
    tables: list[tuple[float, Grid]]
    pictures: bool


def pdf(data: bytes, source: str) -> Document:
    """A PDF with a text layer; to be run in a child process (`documents.read_document`).

    NoText for a scan. A warning names pages that are pictures among others with text.
    """
    import pdfplumber
    from pdfminer.pdfdocument import PDFPasswordIncorrect
    from pdfplumber.utils.exceptions import PdfminerException

    sheets = []
    try:
        with pdfplumber.open(io.BytesIO(data)) as document:
            for page in document.pages:
                sheets.append(_sheet(page))
                page.close()
    except PdfminerException as error:
        if any(isinstance(cause, MemoryError) for cause in error.args):
            raise MemoryError from error
        if any(isinstance(cause, PDFPasswordIncorrect) for cause in error.args):
            what = "the PDF is locked with a password; save an unlocked copy"
        else:
            what = f"the PDF is damaged ({error})"
        raise ReadError(source, what) from error
    blank = {n: s.pictures for n, s in enumerate(sheets, 1) if not s.lines and not s.tables}
    scans = [str(n) for n, pictures in blank.items() if pictures]
    if len(blank) == len(sheets):
        scan = "is a scan, pictures of pages without text; run OCR on it first"
        raise NoText(source, f"the PDF {scan if scans else 'holds no text'}")
    warnings = (f"no text on page {', '.join(scans)}: pictures, in need of OCR",) if scans else ()
    return Document(text="\n".join(_flow(sheets)), warnings=warnings)


# -- from characters to lines and tables ----------------------------------------------------


def _sheet(page: Any) -> _Sheet:
    from pdfplumber.utils.text import dedupe_chars

    # What stands askew is a watermark; what is printed twice in one place is bold.
    chars = dedupe_chars([char for char in page.chars if _is_level(char["matrix"])])
    tables = [t for t in _tables(page) if len(t.rows) > 1 and len(t.columns) > 1]
    running = [c for c in chars if not any(_within(c, table.bbox) for table in tables)]
    return _Sheet(
        width=page.width,
        height=page.height,
        lines=_visual_lines(running),
        tables=[(table.bbox[1], _grid(table, chars)) for table in tables],
        pictures=bool(page.images),
    )


def _tables(page: Any) -> list[Any]:
    """The tables of a page, each closed where its sides end: a row that goes on on the next page
    has no line below it."""
    tables: list[Any] = page.find_tables()
    sides = [edge for edge in page.edges if edge["orientation"] == "v"]
    ends = set()
    for left, _, right, bottom in (table.bbox for table in tables):
        below = [
            side["bottom"]
            for side in sides
            if left - 1 <= side["x0"] <= right + 1
            and side["top"] <= bottom + 1
            and side["bottom"] > bottom + 3
        ]
        if len(below) > 1:
            ends.add(max(below))
    return page.find_tables({"explicit_horizontal_lines": sorted(ends)}) if ends else tables


def _is_level(matrix: Sequence[float]) -> bool:
    """Whether text with this text matrix (PDF 32000, 9.4.2) runs from left to right."""
    return matrix[0] > 0 and abs(matrix[1]) < 0.1 * matrix[0]


def _within(char: dict[str, Any], box: Box) -> bool:
    x, y = (char["x0"] + char["x1"]) / 2, (char["top"] + char["bottom"]) / 2
    return bool(box[0] <= x < box[2] and box[1] <= y < box[3])


def _visual_lines(chars: list[dict[str, Any]]) -> list[_Line]:
    from pdfplumber.utils.text import extract_words

    # Spaces are characters of their own; a gap is one only where it is wide.
    words = extract_words(chars, keep_blank_chars=True, x_tolerance_ratio=1.5, y_tolerance=4)
    lines: list[_Line] = []
    for word in words:
        x0, x1, top, bottom = (word[edge] for edge in ("x0", "x1", "top", "bottom"))
        last = lines[-1] if lines else None
        if last and top < last.bottom - last.height / 2 and x0 >= last.x1 - 1:
            lines[-1] = last._replace(text=f"{last.text} {word['text']}", x1=x1)
        else:
            lines.append(_Line(word["text"], x0, x1, top, bottom))
    return [line._replace(text=one_line(line.text)) for line in lines if line.text.strip()]


def _grid(table: Any, chars: list[dict[str, Any]]) -> Grid:
    """The cells of a table in their places, merged cells repeated."""
    found = {box: _visual_lines([c for c in chars if _within(c, box)]) for box in table.cells}
    reach: dict[float, float] = {}  # how far to the right the text of a column goes
    for box, lines in found.items():
        reach[box[2]] = max([reach.get(box[2], 0), *(line.x1 for line in lines)])
    texts: dict[Box, str] = {}
    for box, lines in found.items():
        left = min((line.x0 for line in lines), default=0)
        placed = [line._replace(left=left, right=reach[box[2]]) for line in lines]
        texts[box] = "\n".join(_paragraphs(placed, _type_height(placed)))

    def cell(x: float, y: float) -> Cell:
        for box, text in texts.items():
            if box[0] <= x < box[2] and box[1] <= y < box[3]:
                return Cell(text, box[0] < x or box[1] < y)
        return Cell("")

    edges = sorted({box[0] for box in texts})
    return [[cell(x, row.bbox[1]) for x in edges] for row in table.rows]


# -- from pages to running text ---------------------------------------------------------------


def _flow(sheets: Sequence[_Sheet]) -> Iterator[str]:
    """Paragraphs and tables of all pages, put together across page breaks."""
    heads = _running_heads(sheets)
    margins = {width: _margins(sheets, width) for width in {sheet.width for sheet in sheets}}
    em = _type_height([line for sheet in sheets for line in sheet.lines])
    lines: list[_Line] = []
    table: Grid = []
    for sheet in sheets:
        left, right = margins[sheet.width]
        items: list[tuple[float, _Line | Grid]] = [*sheet.tables]
        items += [
            (line.top, line._replace(left=left, right=right))
            for line in sheet.lines
            if _key(line) not in heads and not _is_page_number(line, sheet)
        ]
        for _, item in sorted(items, key=lambda item: item[0]):
            if isinstance(item, _Line):
                yield from table_lines(table)
                table = []
                lines.append(item)
            else:
                yield from _paragraphs(lines, em)
                lines = []
                if table and len(item[0]) != len(table[0]):
                    yield from table_lines(table)
                    table = []
                table = _joined(table, item)
    yield from _paragraphs(lines, em)
    yield from table_lines(table)


_PAGE_NUMBER = re.compile(
    r"[-—\u2013·~ ]*(?:第 ?)?[0-9]{1,4}(?: ?页)?(?:[ ,\uff0c/]*共? ?[0-9]{1,4} ?页?)?[-—\u2013·~ ]*"
)


def _is_page_number(line: _Line, sheet: _Sheet) -> bool:
    edge = line in (sheet.lines[0], sheet.lines[-1]) or _in_margin(line, sheet)
    return edge and _PAGE_NUMBER.fullmatch(line.text) is not None


def _in_margin(line: _Line, sheet: _Sheet) -> bool:
    """Whether a line stands above or below where text is set."""
    return not 0.09 * sheet.height < line.bottom < 0.91 * sheet.height


def _key(line: _Line) -> tuple[int, str]:
    """What a running head has in common on all pages: height, and text but for numbers."""
    return round(line.top / 3), re.sub("[0-9]+", "0", line.text)


def _running_heads(sheets: Sequence[_Sheet]) -> set[tuple[int, str]]:
    """Lines in the upper or lower margin of most pages, or of three."""
    margins = Counter(
        key
        for sheet in sheets
        for key in {_key(line) for line in sheet.lines if _in_margin(line, sheet)}
    )
    return {key for key, times in margins.items() if times > 2 or 2 <= times > len(sheets) / 2}


def _margins(sheets: Sequence[_Sheet], width: float) -> tuple[float, float]:
    """The edges of the text on pages of one width: not of a line that juts out by chance."""
    lines = [line for sheet in sheets if sheet.width == width for line in sheet.lines]
    if not lines:
        return 0, width
    starts = Counter(round(line.x0) for line in lines)
    common = [x for x, count in starts.items() if count >= max(2, len(lines) / 20)]
    ends = sorted(line.x1 for line in lines)
    return min(common or starts), ends[-1 - len(ends) // 20]


def _joined(table: Grid, more: Grid) -> Grid:
    """Two tables as one; a row that the page break cut in two is one row again."""
    if not table:
        return more
    if [cell.text for cell in more[0]] == [cell.text for cell in table[0]]:
        more = more[1:]
    if more and _is_cut(table[-1], more[0]):
        whole = [a._replace(text=a.text + b.text) for a, b in zip(table[-1], more[0], strict=True)]
        return [*table[:-1], whole, *more[1:]]
    return table + more


def _is_cut(row: Sequence[Cell], rest: Sequence[Cell]) -> bool:
    """Whether `rest` has no number of its own and some cell goes on in mid-sentence."""
    return not rest[0].text and any(
        low.text and high.text and not _ENDS.search(high.text)
        for high, low in zip(row, rest, strict=True)
    )


_ENDS = re.compile("[。！？；：!?;:”）)]$")
_MARKER = re.compile(
    r"[(\uff08]?[一二三四五六七八九十]{1,3}[)\uff09、]|[(\uff08][0-9]{1,2}[)\uff09]|[0-9]{1,2}[.、\uff0e](?![0-9])"
    "|问题[0-9一二三四五六七八九十]|[①-⑳]"
)


def _type_height(lines: Sequence[_Line]) -> float:
    return median([line.height for line in lines] or [0])


def _paragraphs(lines: Sequence[_Line], em: float) -> Iterator[str]:
    """The lines joined to paragraphs; `em` is the height of ordinary type."""
    if not lines:
        return
    pitches = [below.top - line.top for line, below in pairwise(lines)]
    pitch = median([p for p in pitches if p > 0] or [0])
    text = lines[0].text
    for line, below in pairwise(lines):
        if _breaks(line, below, em, pitch):
            yield text
            text = below.text
        else:
            words = text[-1:].isascii() and below.text[:1].isascii()
            text += " " + below.text if words and text[-1:].isalpha() else below.text
    yield text


def _breaks(line: _Line, below: _Line, em: float, pitch: float) -> bool:
    """Whether a paragraph ends between two lines."""
    titles = min(line.height, below.height) > 1.15 * em
    if titles and abs(line.height - below.height) < 1 and not _MARKER.match(below.text):
        return False  # a title set over several lines, in larger type
    if below.x0 - below.left > 0.8 * em or below.top - line.top > 1.5 * pitch:
        return True
    room = (line.right - line.x1) / em
    ended = _ENDS.search(line.text) is not None
    return room > 5 or (ended and room > 1.5) or (_MARKER.match(below.text) is not None and ended)
