"""Tables of issues that were copied into a text: with tabs between their cells, or a cell a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, takewhile

from rectify_nlp.tables import ROW_TITLE, column_kind, is_header, issue_rows, one_line


def regrouped(text: str) -> str:
    """`text` with tables of issues set row by row that were copied into it.

    Their cells stand with tabs between them, or a line each; the number's column comes
    first. A table whose rows do not add up stays as it is.
    """
    tabbed = _from_tabs(text)
    return _from_lines(text) if tabbed is None else tabbed


def _from_tabs(text: str) -> str | None:
    """None where there is no such table."""
    lines = text.split("\n")
    set_: list[str] = []
    done = at = 0
    while at < len(lines):
        header = lines[at].rstrip("\t").split("\t")
        at += 1
        if len(header) < 2 or not _is_copied_header(header):
            continue
        rows, stop = _Tabbed(lines, header).rows(at)
        issues = issue_rows([header, *rows]) if rows else None
        if issues is not None:
            set_ += [*lines[done : at - 1], *issues]
            done = at = stop
    return "\n".join([*set_, *lines[done:]]) if done else None


class _Tabbed:
    """Lines below a header with tabs between its cells."""

    def __init__(self, lines: Sequence[str], header: Sequence[str]) -> None:
        self._lines = lines
        self._header = header
        self._number = 0

    def rows(self, at: int) -> tuple[list[list[str]], int]:
        """The rows from line `at` on, headings included, and the line behind them.

        A row begins with its number and goes on in the next line, in the same cell, up to the
        next row; the last one until it has all its columns. No rows where one has more. Headers
        that come again and the feet of pages are left out.
        """
        lines = self._lines
        rows: list[list[str]] = []
        while at < len(lines):
            if self._between(lines[at]):
                if not self._goes_on(at + 1):
                    break
                rows += [[lines[at].strip()]] if _is_heading(lines[at]) else []
                at += 1
                continue
            if not self._begins(lines[at]):
                break
            number = _NUMBER.match(lines[at])
            self._number = int(number[1]) if number else self._number + 1
            stop = self._end(at)
            for text in self._apart("\n".join(lines[at:stop])):
                row = _cells(text, self._header)
                if len(row) > len(self._header):
                    return [], at
                rows.append(row)
            at = stop
        return rows, at

    def _apart(self, text: str) -> Iterator[str]:
        """The text of a row, and of others whose number stands behind its last cell."""
        while text.count("\t") >= len(self._header):
            second = re.search(rf"(?<=[^\s0-9])[ \u3000]+(?={self._number + 1}\t)", text)
            if second is None:
                break
            yield text[: second.start()]
            text = text[second.end() :]
            self._number += 1
        yield text

    def _end(self, first: int) -> int:
        """The line behind the row that begins in line `first`."""
        lines = self._lines
        limit = min(len(lines), first + _MOST_LINES)
        inside = takewhile(
            lambda at: not (self._begins(lines[at]) or self._parts(lines[at])),
            range(first + 1, limit),
        )
        stop = max(inside, default=first) + 1
        if not self._goes_on(stop):  # the last one
            tabs = accumulate(line.count("\t") for line in lines[first:stop])
            full = (at for at, count in enumerate(tabs, start=1) if count >= len(self._header) - 1)
            stop = first + next(full, 1)
        return stop

    def _begins(self, line: str) -> bool:
        alone = _ALONE.fullmatch(line)
        if alone:
            return int(alone[1]) == self._number + 1
        unnumbered = line.startswith("\t") and line.count("\t") >= len(self._header) - 2
        return unnumbered or _ROW.match(line) is not None

    def _between(self, line: str) -> bool:
        return not line.strip() or self._parts(line)

    def _parts(self, line: str) -> bool:
        """Whether a heading parts the rows, or the foot of a page, or the header again."""
        again = line.rstrip("\t").split("\t") == list(self._header)
        return again or _is_heading(line) or _PAGE.fullmatch(line) is not None

    def _goes_on(self, at: int) -> bool:
        return any(map(self._begins, self._lines[at : at + _FEW]))


# So many lines may stand between two rows: a heading, the foot of a page, the header again.
_FEW = 3


def _cells(row: str, header: Sequence[str]) -> list[str]:
    """The cells of a row, between tabs or, where these are too few, a line each."""
    cells = row.split("\t")
    stacked = re.split("[\t\n]", row)
    if len(cells) < len(header) <= len(stacked):
        return _one_wide(stacked, header)
    cells = row.rstrip("\t").split("\t")
    return cells + [""] * (len(header) - len(cells))


def _one_wide(cells: Sequence[str], header: Sequence[str]) -> list[str]:
    """As many cells as there are columns: what was done is told in several."""
    wide = _wide(header)
    behind = wide + 1 + len(cells) - len(header)
    return [*cells[:wide], "\n".join(cells[wide:behind]), *cells[behind:]]


def _wide(header: Sequence[str]) -> int:
    return next(at for at, head in enumerate(header) if column_kind(head) in ("planned", "done"))


_ROW = re.compile(r"[ \u3000]*[0-9]{1,3}[.\u3001]?\t")
_NUMBER = re.compile(r"[ \u3000]*([0-9]{1,3})")
_ALONE = re.compile(r"[ \u3000]*([0-9]{1,3})[ \u3000]*")
_PAGE = re.compile(r"[ \u3000-]*第?[ ]?[0-9]+[ ]?页[^\t]{0,12}")


def _is_heading(line: str) -> bool:
    title = line.strip()  # a row of its own may have the tabs of its empty cells
    return "\t" not in title and ROW_TITLE.match(title) is not None


def _from_lines(text: str) -> str:
    lines = text.split("\n")
    filled = [at for at, line in enumerate(lines) if line.strip()]
    cells = [one_line(lines[at]) for at in filled]
    for first, cell in enumerate(cells):
        if column_kind(cell) != "number":
            continue
        header = list(takewhile(_is_head, cells[first : first + _MOST_COLUMNS]))
        if not _is_copied_header(header):
            continue
        rows, behind = _grouped(cells, first + len(header), header)
        if sum(len(row) > 1 for row in rows) >= 2 and (issues := issue_rows([header, *rows])):
            rest = lines[filled[behind] :] if behind < len(filled) else []
            return "\n".join([*lines[: filled[first]], *issues, *rest])
    return text


def _is_copied_header(row: Sequence[str]) -> bool:
    """A header that speaks of rectification: other texts list problems and measures, too."""
    return is_header(row) and any(map(_RECTIFICATION.search, row))


_RECTIFICATION = re.compile("整改|反馈|巡[视察]|审计|督[察查]")


def _is_head(cell: str) -> bool:
    return column_kind(cell) is not None and not ROW_TITLE.match(cell)


_MOST_COLUMNS = 12
# A row of a copied table has no more lines than this besides its cells.
_MOST_LINES = 30


def _grouped(cells: Sequence[str], at: int, header: Sequence[str]) -> tuple[list[list[str]], int]:
    """The rows that cells from `at` on make, headings included, and the cell behind them.

    A cell of several lines is taken for what was done. No rows where one is short of cells.
    """
    columns = len(header)
    wide = _wide(header)
    rows: list[list[str]] = []
    number = 0
    while at < len(cells):
        heading = ROW_TITLE.match(cells[at]) is not None
        if cells[at + heading : at + heading + 1] != [str(number + 1)]:
            break
        if heading:
            rows.append([cells[at]])
            at += 1
        number += 1
        ahead = cells[at : at + columns + _MOST_LINES]
        if str(number + 1) in ahead:
            size = ahead.index(str(number + 1))
            size -= ROW_TITLE.match(ahead[size - 1]) is not None
        else:
            # In the last row, what stands behind that cell has been said there before.
            said = {row[wide + 1] for row in rows if len(row) > wide + 1}
            sizes = range(columns, min(columns + 5, len(ahead)) + 1) if said else ()
            told = (n for n in sizes if ahead[n - columns + wide + 1] in said)
            size = next(told, columns)
        if not columns <= size <= len(ahead):
            return [], at
        rows.append(_one_wide(ahead[:size], header))
        at += size
    return rows, at
