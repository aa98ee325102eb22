"""The elements of a web page: which of them holds the article, and the lines they make.

The article is the innermost element that content systems are known to set articles in,
where it holds a fair share of the page's prose, else the innermost container of nearly
all prose. Prose is what runs on: each stretch between two line ends counts by its Chinese
characters outside links, less a few, so that menus, buttons and footers weigh nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from rectify_nlp.numbering import numeral
from rectify_nlp.tables import Cell, one_line, table_lines

Element = Any  # of lxml, which has no types


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Ids and classes by which content systems of government, universities and WeChat name the
# element of an article.
_KNOWN = _set(
    "zoom zoomcon fontzoom trs_editor trs_ueditor custom_unionstyle ucap-content ucapcontent"
    " pages_content js_content vsb_content v_news_content contenttext wh_x_c wzcon xl-xqnr"
    " xxgk_content article-content article_content articlecontent detail-content news_content"
    " newscontent bt-content wordsection1"
)
# Names that others give to it too.
_LIKELY = _set("article content context main-content text-main")
# Elements that begin and end a line; of these, the ones that are never a whole article.
_BLOCKS = _set(
    "address article aside blockquote body br center dd div dl dt fieldset figure footer form"
    " h1 h2 h3 h4 h5 h6 header hr li main marquee nav ol p pre section table tbody td tfoot th"
    " thead tr ucapcontent ul"
)
_PARTS = _set("h1 h2 h3 h4 h5 h6 li p table tbody thead tr ul ol dl dt")
_UNSEEN = _set(
    "script style noscript template select option button textarea iframe object svg head rt rp"
)
_HIDDEN = re.compile(r"display\s*:\s*none", re.I)
_HAN = re.compile("[\u4e00-\u9fff]")
# So many Chinese characters of a stretch are not yet prose.
_LABEL_LENGTH = 12


def article(body: Element) -> Element:
    """The element that holds the article; `body` itself where none stands out."""
    prose = _prose(body)  # inner elements come before outer ones
    total = prose[body]
    if not total:
        return body

    def named(names: frozenset[str], share: float) -> Element | None:
        fit = [e for e in prose if names.intersection(_names(e)) and prose[e] >= share * total]
        most = max(map(prose.__getitem__, fit), default=0)
        return next((e for e in fit if prose[e] >= 0.9 * most), None)

    known = named(_KNOWN, 0.5)
    if known is not None:
        return known
    block = next(e for e in prose if prose[e] >= 0.8 * total)
    while block is not body and not _holds_blocks(block):
        block = block.getparent()
    likely = named(_LIKELY, 0.6)
    return likely if likely is not None and block in likely.iterancestors() else block


def _holds_blocks(element: Element) -> bool:
    inner = any(child.tag in _BLOCKS for child in element)
    return inner and element.tag in _BLOCKS and element.tag not in _PARTS


def _names(element: Element) -> list[str]:
    return f"{element.tag} {element.get('id', '')} {element.get('class', '')}".lower().split()


def _prose(body: Element) -> dict[Element, int]:
    """How much prose each element holds."""
    from lxml import etree

    prose: dict[Element, int] = {}
    held = [0]  # prose so far in each open element
    stretch = 0
    walk = etree.iterwalk(body, events=("start", "end"))
    for event, element in walk:
        if element.tag in _BLOCKS:
            held[-1] += max(0, stretch - _LABEL_LENGTH)
            stretch = 0
        if event == "end":
            prose[element] = held.pop()
            held[-1] += prose[element]
            stretch += _han_count(element.tail)
            continue
        held.append(0)
        if element is not body and (_is_unseen(element) or _is_link(element)):
            walk.skip_subtree()
        else:
            stretch += _han_count(element.text)
    return prose


def _han_count(text: str | None) -> int:
    return len(_HAN.findall(text)) if text and not text.isascii() else 0


def _is_unseen(element: Element) -> bool:
    if element.tag in _UNSEEN:
        return True
    style = element.get("style")
    return style is not None and _HIDDEN.search(style) is not None


def _is_link(element: Element) -> bool:
    """An anchor around a few words; one left unclosed can hold the whole page."""
    return element.tag == "a" and len("".join(islice(element.itertext(), 50))) < 200


class Line(NamedTuple):
    """A line as a reader sees it, and whether there is nothing but links on it."""

    text: str
    linked: bool


def lines(root: Element, stop: Element | None = None) -> Iterator[Line]:
    """The lines of `root`, or of what of it comes before the element `stop`."""
    for marked in _marked_lines(root, stop):
        if text := one_line(_MARKS.sub("", marked)):
            linked = _LINK_START in marked and not _LETTER.search(_LINK.sub("", marked))
            yield Line(text, linked)


# Where a link starts and ends, until its line is put together.
_LINK_START, _LINK_END = "\x02", "\x03"
_LINK = re.compile(f"{_LINK_START}[^{_LINK_END}]*{_LINK_END}?")
# Beside links, numbers of items say nothing.
_LETTER = re.compile(r"[^\W\d]")
_MARKS = re.compile(f"[{_LINK_START}{_LINK_END}]")
# A line end of the source is a space to a reader, but nothing between two Chinese characters.
_SOURCE_LINE = "\x1e"
_HAN_OR_MARK = "[\u3001-\u9fff\uff00-\uffef]"
_UNSPACED = re.compile(
    f"(?<={_HAN_OR_MARK})[ \t]*{_SOURCE_LINE}[ \t{_SOURCE_LINE}]*(?={_HAN_OR_MARK})"
)


def _marked_lines(root: Element, stop: Element | None = None) -> list[str]:
    from lxml import etree

    around = set(stop.iterancestors()) if stop is not None else set()
    pieces: list[str] = []
    counts: Counter[Element] = Counter()
    verbatim = 0  # how many <pre> are open
    links: list[Element] = []  # those that are open
    number = ""  # of a list item, until its text begins, be it in a paragraph of its own
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        if element is stop:
            break
        if element.tag in _BLOCKS and not _balances(element):
            pieces.append("\n")
        if element.tag == "pre":
            verbatim += 1 if event == "start" else -1
        if event == "start" and _is_link(element):
            links.append(element)
            pieces.append(_LINK_START)
        elif links and links[-1] is element:
            links.pop()
            pieces.append(_LINK_END)
        text = ""
        if event == "end":
            number = "" if element.tag == "li" else number
            text = element.tail if element is not root else ""
        elif element.tag == "table" and element not in around and _is_leaf(element):
            caption = [one_line("".join(c.itertext())) for c in element.iterchildren("caption")]
            pieces += ("\n".join([*caption, *table_lines(_grid(element))]), "\n")
            number = ""
            walk.skip_subtree()
        elif element is not root and _is_unseen(element):
            walk.skip_subtree()
        else:
            number += _ordinal(element, counts)
            text = element.text or ""
        if number and text and text.strip():
            text, number = number + text.lstrip(), ""
        if text:
            pieces.append(text if verbatim else text.replace("\n", _SOURCE_LINE))
    return _UNSPACED.sub("", "".join(pieces)).split("\n")


def _balances(element: Element) -> bool:
    """Whether a line break only balances the lines of a title."""
    return element.tag == "br" and element.getparent().tag in ("h1", "h2", "h3")


# How the editor UEditor, which turns typed numbers into lists, names their styles.
_LISTS = {
    "custom_cn": "{han}、",
    "custom_cn1": "{han})",
    "custom_cn2": "({han})",
    "custom_num1": "{n})",
    "custom_num2": "({n})",
}


def _ordinal(item: Element, counts: Counter[Element]) -> str:
    """The number a browser sets before the item of an ordered list, "" before all else."""
    parent = item.getparent()
    if item.tag != "li" or parent is None or parent.tag != "ol":
        return ""
    if parent not in counts:
        counts[parent] = _integer(parent, "start", 1) - 1
    counts[parent] = _integer(item, "value", counts[parent] + 1)
    style = next((_LISTS[n] for n in _names(parent) if n in _LISTS), "{n}.")
    return style.format(n=counts[parent], han=numeral(counts[parent], "chineseCounting"))


def _is_leaf(table: Element) -> bool:
    """A table without tables in it; the others lay out the page."""
    return table.find(".//table") is None


def _grid(table: Element) -> list[list[Cell]]:
    """The cells of a table in their places, merged cells repeated."""
    hanging: dict[int, tuple[int, str]] = {}  # by column: rows yet to cover, and the text
    return [_row(row, hanging) for row in table.iter("tr")]


def _row(row: Element, hanging: dict[int, tuple[int, str]]) -> list[Cell]:
    cells: list[Cell] = []

    def cover() -> None:
        while (at := len(cells)) in hanging:
            rows, text = hanging.pop(at)
            if rows > 1:
                hanging[at] = (rows - 1, text)
            cells.append(Cell(text, True))

    for cell in row.iterchildren("td", "th"):
        cover()
        text = "\n".join(filter(None, map(one_line, _marked_lines(cell))))
        for at in range(_span(cell, "colspan")):
            if (rows := _span(cell, "rowspan")) > 1:
                hanging[len(cells)] = (rows - 1, text)
            cells.append(Cell(text, at > 0))
    cover()
    return cells


def _span(cell: Element, name: str) -> int:
    return min(max(_integer(cell, name, 1), 1), 100)


def _integer(element: Element, name: str, default: int) -> int:
    text = element.get(name, "").strip()
    return int(text) if re.fullmatch("[0-9]{1,4}", text) else default
