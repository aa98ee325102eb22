"""Tables of web pages and documents in lines of text.

A table that lists issues, told by its header, becomes labelled lines, an issue a row;
any other is set row by row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rectify_nlp.radicals import without_radicals

_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\xad]")


def one_line(text: str) -> str:
    """`text` on one line, with single spaces, nothing invisible and no radicals for characters."""
    return " ".join(_INVISIBLE.sub("", without_radicals(text)).split())


class Cell(NamedTuple):
    """A place in a table's grid: its text, and whether that repeats a cell merged over it."""

    text: str
    repeated: bool = False


def table_lines(grid: Sequence[Sequence[Cell]]) -> list[str]:
    """A table in lines: as issues where it lists issues, else row by row.

    The cells of a row are joined by spaces or, where one has several lines and the table
    is thus a layout, set below one another.
    """
    issues = issue_rows([[cell.text for cell in row] for row in grid])
    if issues is not None:
        return issues
    card = _card([_texts([cell.text for cell in row if not cell.repeated]) for row in grid])
    if card:
        return card
    lines: list[str] = []
    for row in grid:
        texts = _texts([cell.text for cell in row if not cell.repeated])
        if any("\n" in text for text in texts):
            lines += [line for text in texts for line in text.split("\n")]
        elif texts:
            lines.append(" ".join(texts))
    return lines


def issue_rows(rows: Sequence[Sequence[str]]) -> list[str] | None:
    """The lines of a table of issues; None for any other table.

    A header names a column of problems and one of what was done. Each row below gives
    "1 反馈问题:..." (or "（1） ...", where it is numbered so), "整改情况:..." with its line
    breaks kept and, where a column of a word or two tells the status, "完成情况:...".
    Merged cells may be repeated or blank: rows that share a problem are one issue. One
    text over all columns is a heading, so is a new one in a column of categories before the
    problems; a header that comes again is dropped, and so are totals.
    """
    at = next((at for at, row in enumerate(rows) if is_header(row)), None)
    if at is None:
        return None
    top, *below = rows[at:]
    lower = _lower_header(below[0], top) if below else None
    heads = [list(map(_tight, head)) for head in (top, *(below[:1] if lower else ()))]
    body = [row for row in below if list(map(_tight, row)) not in heads and not _is_total(row)]
    columns = _Columns.of(lower or top, [row for row in body if len(set(_texts(row))) > 1])
    parts: list[str | _Issue] = [_flat(" ".join(_texts(row))) for row in rows[:at] if _texts(row)]
    category = heading = ""
    for row in body:
        if columns.is_heading(row):
            heading = _flat(_texts(row)[0])
            parts.append(heading)
        elif _texts(row):
            above = _flat(_at(row, columns.category))
            if above not in ("", category):
                category = above
                if above not in heading:
                    parts.append(category)
            issue = parts[-1] if parts else None
            problem = _flat(_at(row, columns.problem))
            if not isinstance(issue, _Issue) or problem not in ("", issue.problem):
                issue = _Issue(_flat(_at(row, columns.number)), problem)
                parts.append(issue)
            issue.add(row, columns)
    return [line for part in parts for line in ([part] if isinstance(part, str) else part.lines())]


def _card(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines "label:text" of a table of one issue, its labels in the left column, some also
    in the third; else []. Its number stands before the problem."""
    captioned = any(map(_is_captioned, rows))
    pairs: list[tuple[str, str]] = []
    for row in rows:
        if len(row) == 2 or (captioned and len(row) == 3):
            label, *texts = row[1:] if _is_captioned(row) else row
            pairs.append((_tight(label), " ".join(texts)))
        elif len(row) == 4 and column_kind(row[0]) is not None and not _NUMERAL.fullmatch(row[2]):
            pairs += [(_tight(row[0]), row[1]), (_tight(row[2]), row[3])]
        else:
            return []
    kinds = {column_kind(label) for label, _ in pairs}
    if not (kinds & {"problem", "task"} and kinds & {"planned", "done"}):
        return []
    number = next((text for label, text in pairs if column_kind(label) == "number"), "")
    lines: list[str] = []
    for label, text in pairs:
        kind = column_kind(label)
        before = f"{number} " if kind == "problem" and number.isdecimal() else ""
        if kind != "number":
            lines += f"{before}{label}:{text}".split("\n")
    return lines


def _is_captioned(row: Sequence[str]) -> bool:
    """Whether a row begins with the caption of several, a merged cell."""
    return len(row) == 3 and column_kind(row[0]) is None and column_kind(row[1]) is not None


@dataclass(frozen=True, slots=True)
class _Issue:
    number: str
    problem: str
    done: list[str] = field(default_factory=list)
    status: list[str] = field(default_factory=list)

    def add(self, row: Sequence[str], columns: _Columns) -> None:
        """Take what a row says, once: a cell merged over rows comes with each of them."""
        for found, where in ((self.done, columns.done), (self.status, columns.status)):
            for at in where:
                text = "\n".join(_texts(_at(row, at).split("\n")))
                if text and text not in found:
                    found.append(text)

    def lines(self) -> Iterator[str]:
        if _NUMBERED.fullmatch(self.number):
            yield f"{self.number} {self.problem}"
        elif self.problem:
            number = self.number if self.number.isdecimal() else ""
            yield f"{number} 反馈问题:{self.problem}".lstrip()
        if self.done:
            yield from ("整改情况:" + "\n".join(self.done)).split("\n")
        if self.status:
            yield "完成情况:" + "\uff1b".join(map(_flat, self.status))


# A number that introduces a problem by itself, where others need the label.
_NUMBERED = re.compile(
    "[(\uff08]([0-9]{1,3}|[一二三四五六七八九十]{1,3})[)\uff09][.、]?|[0-9]{1,3}[.、\uff0e]|[一二三四五六七八九十]{1,3}、"
)


# -- columns ------------------------------------------------------------------------------

# What the heading of a column may say, without spaces and brackets; the first that fits.
_HEADINGS = {
    "number": re.compile(r"序|(?:问题)?序号|.{0,8}编号"),
    "planned": re.compile(r".*(?:措施|举措|做法).*"),
    "other": re.compile(
        r".*(?:责任|单位|部门|领导|牵头|配合|时限|期限|时间|日期|备注|目标|类[别型]).*"
    ),
    "problem": re.compile(
        r".{0,12}?(?:问题|隐患)(?:及?隐患|清单|事项|内容|描述|表述|表现|概述|摘要|情况)?"
    ),
    "task": re.compile(r".{0,12}?(?:任务|事项|意见)(?:清单|内容|描述)?"),
    "done": re.compile(r".*(?:整改|成效|成果|落实|完成|进[展度]|状态|结果|办[理结]|销号).*"),
}
_CATEGORY = re.compile(r"(?:问题)?(?:类[别型]|分类|方面|领域|板块)")
_STATUS = re.compile(r"(?:完成|办[理结]|销号)(?:情况|状态|结果)$|进度|状态|是否")
# A column of statuses has no cell longer than these: what was done takes a sentence.
_BRIEF, _BRIEF_STATE = 12, 40


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns hold what; -1 for a category or a number that is not given."""

    category: int
    number: int
    problem: int
    done: list[int]
    status: list[int]

    @classmethod
    def of(cls, header: Sequence[str], body: Sequence[Sequence[str]]) -> _Columns:
        places: dict[str | None, list[int]] = {}
        for at, heading in enumerate(header):
            places.setdefault(column_kind(heading), []).append(at)

        def longest(at: int) -> int:
            return max((len(_at(row, at)) for row in body), default=0)

        # A heading may stand over two columns, one of them with mere numbers.
        problem = max(places.get("problem") or places["task"], key=longest)
        planned, done = places.get("planned", []), places.get("done", [])
        states = [at for at in done if _STATUS.search(_tight(header[at]))]
        brief = [at for at in done if longest(at) <= (_BRIEF_STATE if at in states else _BRIEF)]
        if len(brief) == len(planned + done):
            brief = [at for at in brief if at in states]
        told = [at for at in planned + done if at not in brief] or done
        status = [at for at in brief if at not in told]
        named = (at for at in range(problem) if _CATEGORY.fullmatch(_tight(header[at])))
        category = next(named, -1)
        number = next(iter(places.get("number", ())), -1)
        return cls(category, number, problem, told, status)

    def is_heading(self, row: Sequence[str]) -> bool:
        """Whether one text stands over all columns, or alone where nothing of an issue does."""
        filled = [at for at in range(len(row)) if row[at].strip()]
        if len(set(_texts(row))) != 1 or filled[0] in (*self.done, *self.status):
            return False
        text = _texts(row)[0]
        if len(filled) > 1 or ROW_TITLE.match(text):
            return True
        return filled[0] != self.problem and not _NUMERAL.fullmatch(text)


_NUMERAL = re.compile(r"\W*[0-9]*\W*")
ROW_TITLE = re.compile(r"[(\uff08]?[一二三四五六七八九十]+[)\uff09、]|.*方面$")


def column_kind(heading: str) -> str | None:
    """What the column below a heading holds, a key of `_HEADINGS`; None for no such heading."""
    text = re.sub(r"[(\uff08\[【].*?[)\uff09\]】]", "", _tight(heading))
    if len(text) > 20 or re.search("[,;:\u3002\uff0c\uff1a\uff1b]", text):
        return None  # a sentence
    return next((kind for kind, said in _HEADINGS.items() if said.fullmatch(text)), None)


def is_header(row: Sequence[str]) -> bool:
    """Whether a row is the header of a table that lists problems and what was done."""
    kinds = set(map(column_kind, row))
    numbers = any(cell.strip() and _NUMERAL.fullmatch(cell) for cell in row)
    return bool(kinds & {"problem", "task"} and kinds & {"planned", "done"}) and not numbers


def _is_total(row: Sequence[str]) -> bool:
    texts = _texts(row)
    return bool(texts) and len(texts[0]) <= 20 and _TOTAL.match(_tight(texts[0])) is not None


_TOTAL = re.compile(r"[合总共小]计")


def _lower_header(row: Sequence[str], upper: Sequence[str]) -> list[str] | None:
    """The full header, if `row` goes on with the one above it, as blank or merged cells show."""
    pairs = list(zip(row, upper, strict=False))
    full = [low if low.strip() else high for low, high in pairs]
    new = sum(1 for low, high in pairs if _tight(low) not in ("", _tight(high)))
    known = all(column_kind(low) for low in row if low.strip())
    return full if known and 2 <= new < len(pairs) and is_header(full) else None


def _at(row: Sequence[str], at: int) -> str:
    return row[at].strip() if 0 <= at < len(row) else ""


def _texts(row: Sequence[str]) -> list[str]:
    return [text for cell in row if (text := cell.strip())]


def _tight(text: str) -> str:
    return "".join(text.split())


def _flat(text: str) -> str:
    """The lines of a cell as one line."""
    return "".join(map(str.strip, text.split("\n")))
