"""A web page to the notice it holds: particulars, body, and nothing of the page around it.

Title, date and source come from the meta tags that government sites must carry. Above
the body (`markup.article`), only lines are kept that give the title or a particular
(来源: ...), for `reading` finds the rest there; below it, nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rectify_nlp import markup
from rectify_nlp.confine import confined
from rectify_nlp.decoding import decode
from rectify_nlp.errors import NoText, ReadError
from rectify_nlp.markup import Line
from rectify_nlp.tables import one_line
from rectify_nlp.types import Limits

Element = Any  # of lxml, which has no types


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a web page says; `published` is as printed, `text` has a line for each line seen."""

    text: str
    title: str | None = None
    publisher: str | None = None
    published: str | None = None
    url: str | None = None
    warnings: tuple[str, ...] = ()


# Up to here lxml is quick and safe; no notice comes near it.
_LARGE_BYTES = 2_000_000
_DEEP_TAGS = 200


def read_page(data: bytes, source: str, limits: Limits | None = None) -> Page:
    """`page`, but in a child process where the page is large or deep enough to do harm."""
    if len(data) <= _LARGE_BYTES and _depth(data) <= _DEEP_TAGS:
        return page(data, source)
    found = confined("page", data, source, limits)
    return Page(**{**found, "warnings": tuple(found["warnings"])})


def page(data: bytes, source: str = "the web page") -> Page:
    """The notice on a web page; NoText where there is none (only frames or scripts)."""
    html, replaced = decode(data)
    root = _parse(html, source)
    body = root.find(".//body") if root is not None else None
    lines: list[str] = []
    if body is not None:
        block = markup.article(body)
        lines = _without_furniture(list(markup.lines(block)))
    if not lines:
        raise NoText(source, "the web page holds no text; is it drawn by a script?")
    meta = _meta(root)
    title = meta.get("title")
    names = _tight(f"{root.findtext('.//title')} {title}")
    before = [line.text for line in markup.lines(body, stop=block) if not line.linked]
    above = _telling(before, names)
    if title and _tight(title) not in _tight("".join(above + lines[:5])):
        above.insert(0, title)
    return Page(
        text="\n".join(above + lines),
        title=title,
        publisher=meta.get("publisher") or _found(_SOURCE, above),
        published=meta.get("published") or _found(_DATE, above),
        url=meta.get("url"),
        warnings=(f"{replaced} bytes could not be decoded",) if replaced else (),
    )


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _parse(html: str, source: str) -> Element:
    """The root element, None where there is none.

    ReadError rather than the mere beginning that libxml2 keeps of a deep page.
    """
    from lxml import etree

    parser = etree.HTMLParser(
        encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(_CONTROL.sub("", html).encode("utf-8"), parser)
    except etree.XMLSyntaxError:
        return None
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        raise ReadError(source, "the web page nests its tags too deep; save its text as .txt")
    return root


_TAG = re.compile(rb"<(/?)(?:div|section|span|font|table|ul|ol|dl|b|strong|blockquote)\b", re.I)


def _depth(data: bytes) -> int:
    """How deep tags nest at most, counting those that pages do nest."""
    depth = deepest = 0
    for tag in _TAG.finditer(data):
        depth = max(0, depth - 1) if tag[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest


# -- what the page says about the notice ----------------------------------------------------

_META = {
    "title": ("articletitle", "og:title"),
    "published": ("pubdate", "publishdate", "article:published_time"),
    "publisher": ("contentsource",),
    "url": ("url", "og:url"),
}


def _meta(root: Element) -> dict[str, str]:
    """Particulars from the mandated meta tags (国办发〔2017〕47号) or their usual substitutes."""
    given: dict[str, str] = {}
    for meta in root.iter("meta"):
        name = (meta.get("name") or meta.get("property") or "").lower()
        if content := one_line(meta.get("content") or ""):
            given.setdefault(name, content)
    found = ((key, next(filter(None, map(given.get, names)), None)) for key, names in _META.items())
    return {key: content for key, content in found if content}


_SUBJECT = re.compile(r"整改|巡[视察]|审计|督[察查]|反馈")
_LABEL = re.compile(
    r"(?:来源|时间|日期|索引号|文号|发文字号|机构|机关|单位|标题|名称|分类|作者|编辑)[:\uff1a]"
)
# A source ends at a space or at the next label, which may follow without one.
_SOURCE = re.compile(
    r"来源[:\uff1a]\s*([^\s:\uff1a|]{2,30}?)"
    r"(?=[\s|\uff5c【\[]|发布|发表|更新|时间|日期|作者|编辑|浏览|访问|阅读|点击|字[号体]|$)"
)
_DATE = re.compile(r"(\d{4}\s*[-/.年]\s*\d{1,2}\s*[-/.月]\s*\d{1,2}\s*日?)")
_CRUMBS = re.compile(r"(?:当前|所在|现在的?)位置|首页[>\u203a»\uff1e]|今天是")


def _telling(lines: list[str], names: str) -> list[str]:
    """The lines above the body that give the title or a particular; `names` is the page's title."""
    told = [_tells(_tight(line), names) for line in lines]
    for at, line in enumerate(lines[1:], 1):
        # A title of two lines has the unit in its first, the subject in its second.
        if told[at] and _SUBJECT_LINE.match(line) and _UNIT_LINE.fullmatch(lines[at - 1]):
            told[at - 1] = True
    return [line for line, tells in zip(lines, told, strict=True) if tells]


_SUBJECT_LINE = re.compile("关于|落实|《|巡|整改")
_UNIT_LINE = re.compile(
    r"中共.{2,40}|.{2,40}(?:党组|党委|党工委|委员会|总支|支部|局|院|校|公司|学)"
)


def _tells(tight: str, names: str) -> bool:
    if len(tight) > 200 or _CRUMBS.search(tight) or _LIST_ITEM.match(tight):
        return False
    if _LABEL.search(tight) or _DATE.match(tight):
        return True
    if len(tight) < 6 or _SENTENCE.search(tight):
        return False
    return tight in names or (len(tight) <= 80 and _SUBJECT.search(tight) is not None)


_LIST_ITEM = re.compile(r"[0-9]{1,2}[.、]")
_SENTENCE = re.compile("[:;!?\u3002\uff01\uff1a\uff1b\uff1f]")


def _found(pattern: re.Pattern[str], lines: Sequence[str]) -> str | None:
    match = next((m for line in lines if (m := pattern.search(line))), None)
    return match[1].strip() if match else None


def _tight(text: str) -> str:
    return "".join(text.split())


# How lines begin that a page sets above and below an article: never with a mere verb that
# a measure may begin with too (关闭煤矿三家), and never a sentence.
_FURNITURE = re.compile(
    r"[【\[(\uff08·•—\-\s]*(?:(?:当前|所在|现在的?)位置|上一[篇条页]|下一[篇条页]|扫一扫|扫码(?:关注|分享|浏览)|微信扫"
    r"|(?:打印|关闭|收藏)(?:本页|此页|此文|本文|窗口|[\]】]|\s|$)|返回(?:顶部|上一)|分享(?:到|至|[:\uff1a]|$)"
    r"|字[号体][:\uff1a]|浏览次数|阅读[:\uff1a\d]|阅读原文|点击蓝字|往期(?:推荐|回顾|精彩)|推荐阅读|延伸阅读"
    r"|相关(?:链接|阅读|文章|信息|新闻|附件)(?:[:\uff1a]|$)|热门(?:文章|新闻|推荐|$)|供稿[:\uff1a]|责编|(?:责任)?编辑[:\uff1a]"
    r"|END\b|(?:主办|承办)(?:单位)?[:\uff1a]|版权所有|网站(?:地图|标识码|声明|支持)|您是第|.{0,12}(?:ICP备|公网安备))"
    r"[^\u3002\uff1b;]{0,80}$"
)


# Furniture between parts of an article is shorter than anything it could be taken for.
_LONGEST_BAR = 30


def _without_furniture(lines: list[Line]) -> list[str]:
    """Texts without furniture and links at both ends, and without share bars between them.

    Past half way, furniture is an end unless much of the text is still to come.
    """
    furniture = [_FURNITURE.match(line.text) is not None for line in lines]
    theirs = [line.linked or mark for line, mark in zip(lines, furniture, strict=True)]
    ours = [0 if mark else len(line.text) for line, mark in zip(lines, theirs, strict=True)]
    first = next((at for at, mark in enumerate(theirs) if not mark), len(lines))
    total = sum(len(line.text) for line in lines)
    seen, last = 0, len(lines)
    for at, line in enumerate(lines):
        if seen * 2 > total and furniture[at] and sum(ours[at:]) * 4 < total:
            last = at
            break
        seen += len(line.text)
    while last > first and theirs[last - 1]:
        last -= 1
    kept: list[str] = []
    bar = False  # within a share bar or a box of links
    for at in range(first, last):
        text = lines[at].text
        bar = len(text) <= _LONGEST_BAR and (furniture[at] or (bar and lines[at].linked))
        if not bar:
            kept.append(text)
    return kept
