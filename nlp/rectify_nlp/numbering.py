"""Word's XML, and the automatic numbers that Word prints before paragraphs.

（一） is often no text at all in a .docx: the paragraph (or its style) names a list and a
level, the list a numeral format and a pattern, and the number is how often the level has
come up. Elements are told by their local names, for Word has two sets of namespaces.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Element = Any  # of lxml, which has no types


def name_of(element: Element) -> str:
    """Local name of an element."""
    return str(element.tag).rpartition("}")[2]


def children(parent: Element | None, name: str) -> list[Element]:
    """Children of that local name; none of no parent."""
    return [child for child in parent if name_of(child) == name] if parent is not None else []


def value(element: Element | None, *path: str, key: str = "val") -> str | None:
    """Attribute `key` of the first element that `path` leads to.

    None where there is no such element, "" where it is there without the attribute.
    """
    for name in path:
        element = next(iter(children(element, name)), None)
    if element is None:
        return None
    return next((v for k, v in element.attrib.items() if k.rpartition("}")[2] == key), "")


def number(element: Element | None, *path: str, key: str = "val") -> int | None:
    """As `value`, for whole numbers; None for anything else."""
    text = value(element, *path, key=key) or ""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


class _Level(NamedTuple):
    start: int
    numerals: str
    pattern: str
    gap: str
    restart: int | None
    legal: bool
    style: str | None


@dataclass(frozen=True, slots=True)
class _List:
    levels: dict[int, _Level]
    counts: dict[int, int]  # one for all lists that continue each other
    anew: set[int]  # levels that count from their start when the list is first used


class Numbering:
    """The numbers of a document's paragraphs, in one pass: it counts as it goes.

    `numbering` and `styles` are the roots of the parts of these names, if there are any.
    """

    def __init__(self, numbering: Element | None, styles: Element | None) -> None:
        self._styles = {value(s, key="styleId"): s for s in children(styles, "style")}
        abstract = {value(a, key="abstractNumId"): a for a in children(numbering, "abstractNum")}
        lists = {value(n, key="numId"): n for n in children(numbering, "num")}
        shared: dict[str | None, dict[int, int]] = {}
        self._lists: dict[str | None, _List] = {}
        for list_id, element in lists.items():
            definition = value(element, "abstractNumId")
            link = value(abstract.get(definition), "numStyleLink")
            if link in self._styles:  # the definition is that of another list, by way of a style
                other = value(self._styles[link], "pPr", "numPr", "numId")
                definition = value(lists.get(other), "abstractNumId")
            levels = dict(map(_level, children(abstract.get(definition), "lvl")))
            anew = set()
            for override in children(element, "lvlOverride"):
                levels.update(map(_level, children(override, "lvl")))
                at = number(override, key="ilvl") or 0
                start = number(override, "startOverride")
                if start is not None and at in levels:
                    levels[at] = levels[at]._replace(start=start)
                    anew.add(at)
            self._lists[list_id] = _List(levels, shared.setdefault(definition, {}), anew)

    def label(self, paragraph: Element) -> str:
        """The number before the next paragraph, "" for none. Call it once for each."""
        used, at = self._place(paragraph)
        if used is None or at not in used.levels:
            return ""
        levels, counts = used.levels, used.counts
        for fresh in used.anew:
            counts.pop(fresh, None)
        used.anew.clear()
        level = levels[at]
        counts[at] = counts.get(at, level.start - 1) + 1
        for deeper in [n for n in counts if n > at]:
            restart = levels[deeper].restart if deeper in levels else None
            if restart is None or at < restart:
                del counts[deeper]

        def spelled(match: re.Match[str]) -> str:
            other = levels.get(int(match[1]) - 1, level)
            count = counts.get(int(match[1]) - 1, other.start)
            return numeral(count, "decimal" if level.legal else other.numerals)

        if level.numerals == "bullet" or not level.pattern:
            return ""
        return re.sub(r"%([1-9])", spelled, level.pattern) + level.gap

    def _place(self, paragraph: Element) -> tuple[_List | None, int]:
        """List and level of a paragraph, given by itself or by its style."""
        list_id = value(paragraph, "pPr", "numPr", "numId")
        at = number(paragraph, "pPr", "numPr", "ilvl")
        style = value(paragraph, "pPr", "pStyle")
        chain: list[str | None] = []  # styles rest on styles, in a damaged file on themselves
        while list_id is None and style in self._styles and style not in chain:
            chain.append(style)
            list_id = value(self._styles[style], "pPr", "numPr", "numId")
            if at is None:
                at = number(self._styles[style], "pPr", "numPr", "ilvl")
            style = value(self._styles[style], "basedOn")
        used = self._lists.get(list_id)
        if used is not None and at is None:
            at = next((n for n, level in used.levels.items() if level.style in chain), 0)
        return used, at or 0


def _level(element: Element) -> tuple[int, _Level]:
    return number(element, key="ilvl") or 0, _Level(
        start=number(element, "start") or 0,
        numerals=value(element, "numFmt") or "decimal",
        pattern=value(element, "lvlText") or "",
        gap="" if value(element, "suff") == "nothing" else " ",
        restart=number(element, "lvlRestart"),
        legal=value(element, "isLgl") is not None,
        style=value(element, "pStyle"),
    )


_SEQUENCES: dict[str, Sequence[str]] = {
    "ideographTraditional": "甲乙丙丁戊己庚辛壬癸",
    "ideographZodiac": "子丑寅卯辰巳午未申酉戌亥",
    "decimalEnclosedCircle": "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳",
    "decimalEnclosedCircleChinese": "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳",
    "upperLetter": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "lowerLetter": "abcdefghijklmnopqrstuvwxyz",
    "upperRoman": ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"),
    "lowerRoman": ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x"),
}
_COUNTING = re.compile("Counting|ideographDigital")


def numeral(count: int, numerals: str) -> str:
    """`count` in Word's format `numerals` (ST_NumberFormat); in digits where that is unknown."""
    sequence = _SEQUENCES.get(numerals, "")
    if 1 <= count <= len(sequence):
        return sequence[count - 1]
    if numerals == "none":
        return ""
    if "Legal" in numerals and 0 < count < 10_000:
        return _han(count, "零壹贰叁肆伍陆柒捌玖", "拾佰仟")
    if _COUNTING.search(numerals) and 0 < count < 10_000:
        text = _han(count, "零一二三四五六七八九", "十百千")
        return text[1:] if 10 <= count < 20 else text
    return str(count)


def _han(count: int, digits: str, units: str) -> str:
    text, zero = "", False
    for power in (3, 2, 1, 0):
        digit = count // 10**power % 10
        if digit:
            text += (
                (digits[0] if zero else "") + digits[digit] + (units[power - 1] if power else "")
            )
        zero = not digit and bool(text)
    return text
