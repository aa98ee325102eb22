"""Bytes to a Notice: recognise, read, and take the particulars a notice gives about itself."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path

from rectify_nlp.decoding import decode
from rectify_nlp.errors import NoText, ReadError, UnsupportedFormat
from rectify_nlp.patterns import pattern
from rectify_nlp.types import Limits, Notice

# Kinds of content by their first bytes; the name of a file does not decide.
_OLE = b"\xd0\xcf\x11\xe0"
_RTF = b"{\\rtf"
_UNREADABLE = (
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"II*\0", "a picture"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"PAR1", "a Parquet table, which `rectify-nlp batch` reads as it is"),
)
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,500}?-->\s*)*"
    rb"<(?:!doctype\s+html|html|head|body|meta|div|table|p|title|script|link)\b",
    re.I | re.S,
)
STDIN = "-"
SUFFIXES = (".txt", ".htm", ".html", ".shtml", ".docx", ".doc", ".wps", ".rtf", ".pdf")


def read(source: str | Path, *, limits: Limits | None = None) -> Notice:
    """Read one source: a path, or "-" for standard input, within `limits`.

    Text, web pages, Word documents and PDFs with a text layer are told apart by their
    content. ReadError (UnsupportedFormat, NoText) names the source and the remedy.
    """
    name = str(source)
    most = (limits or Limits()).input_bytes + 1  # no more than it takes to see that it is too much
    try:
        if name == STDIN:
            data = sys.stdin.buffer.read(most)
        else:
            with Path(source).open("rb") as file:
                data = file.read(most)
    except OSError as error:
        raise ReadError(name, f"cannot be read ({error.strerror})") from error
    return read_bytes(data, name, limits=limits)


def read_bytes(data: bytes, source: str, *, limits: Limits | None = None) -> Notice:
    """A Notice from the bytes of a source; errors as in `read`."""
    limits = limits or Limits()
    if len(data) > limits.input_bytes:
        raise ReadError(
            source,
            f"is larger than {limits.input_bytes / 1e6:g} MB; --max-size allows more",
        )
    sha256 = hashlib.sha256(data).hexdigest()
    for magic, what in _UNREADABLE:
        if data.startswith(magic):
            raise UnsupportedFormat(
                source, f"this is {what}; save it as text (.txt), Word (.docx) or PDF first"
            )
    if data.startswith((b"%PDF-", b"PK\x03\x04", _OLE, _RTF)):
        return _document(data, source, sha256, limits)
    if _HTML.match(data[:4000]):
        from rectify_nlp.webpage import read_page

        page = read_page(data, source, limits)
        known = {"title": page.title, "publisher": page.publisher, "url": page.url}
        return notice_from_text(
            page.text,
            source,
            sha256=sha256,
            warnings=page.warnings,
            published=page.published or "",
            **{name: value for name, value in known.items() if value},
        )
    text, replaced = decode(data)
    if not text.strip():
        raise NoText(source, "the file holds no text")
    warnings = (f"{replaced} bytes could not be decoded",) if replaced else ()
    if _NUMBER_CELL.search(text):
        from rectify_nlp.copied import regrouped

        text = regrouped(text)
    return notice_from_text(text, source, sha256=sha256, warnings=warnings)


# The head of the first column of a copied table: alone on its line, or with a tab behind it.
_NUMBER_CELL = pattern(r"(?:^|\n)[ \u3000]*+(?:序号?|(?:问题)?编号|问题序号)[ \u3000]*+(?:\t|\n)")


def _document(data: bytes, source: str, sha256: str, limits: Limits) -> Notice:
    """A PDF or Word document, parsed in a child process."""
    from rectify_nlp.documents import legacy, read_document

    if data.startswith(b"%PDF-"):
        document = read_document(data, source, "pdf", limits)
    else:
        if data.startswith((_OLE, _RTF)):
            suffix = Path(source).suffix.lower()
            old = ".rtf" if data.startswith(_RTF) else suffix if suffix == ".wps" else ".doc"
            data = legacy(data, old, source, limits)
        document = read_document(data, source, "docx", limits)
    return notice_from_text(document.text, source, sha256=sha256, warnings=document.warnings)


def notice_from_text(
    text: str, source: str, *, sha256: str = "", warnings: tuple[str, ...] = (), **known: str
) -> Notice:
    """A Notice from text, with the particulars found in it.

    `known` overrides what would be searched for (title, publisher, url ...).
    """
    particulars = _labelled(text)
    title = known.get("title") or particulars.get("title") or _title(text)
    publisher = known.get("publisher") or particulars.get("publisher") or _publisher(title)
    return Notice(
        text=text,
        source=source,
        sha256=sha256 or hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        title=title,
        publisher=publisher or _signature(text),
        published=parse_date(known.get("published") or particulars.get("published") or "")
        or _signature_date(text),
        index_number=particulars.get("index_number"),
        document_number=particulars.get("document_number"),
        url=known.get("url"),
        warnings=warnings,
    )


# Particulars stand in the first lines and in the last; what lies between is the notice.
_TOP_CHARS = 3000
_TAIL_CHARS = 400
_LABELS = {
    "title": "名称|文件名称|标题",
    "index_number": "索引号|信息索引号|索引",
    "document_number": "文号|发文字号|文件编号|发文号",
    "publisher": "发布机构|发布单位|发文机构|发文单位|发布机关",
    "published": "发布日期|发布时间|发表时间|发文时间|公开日期|发文日期",
    "other": "分类|主题分类|主题词|成文日期|成文时间|生成日期|来源|信息来源|作者|编辑|责任编辑|浏览次数"
    "|浏览量|点击量|点击数|访问量|访问次数|阅读次数|字号|字体|体裁|效力状态|有效性|公开方式|公开形式"
    "|主题|打印|分享到|时间|更新时间|公开范围|公开时限|组配分类|类别",
}


_LABEL_NAMES = {word: name for name, words in _LABELS.items() for word in words.split("|")}
# What stands between the beginning of a word and a colon; pages put spaces inside a label.
_LABEL = pattern(r"(?<!\w)(?=(\w(?:[ \t\u3000]*\w){1,5})[ \t\u3000]*([:：]))")
# In some metadata rows a label follows a value without any space.
_GLUED = pattern(r"(?:发布时间|发布日期|发表时间|浏览次数|来源|作者|编辑|字号|字体)[ \t]*[:：]")


def _labelled(text: str) -> dict[str, str]:
    """Particulars given as "label: value" above the notice, the first of each kind."""
    found: dict[str, str] = {}
    for line in _top_lines(text):
        labels = _labels(line)
        stops = [start for start, _, _ in labels[1:]] + [len(line)]
        for (_, end, name), stop in zip(labels, stops, strict=False):
            value = line[end:stop].strip(" \t\u3000|·•-【】[]")
            if name != "other" and value not in ("", "无", "/", "暂无"):
                if name == "published" and parse_date(value) is None:
                    continue
                found.setdefault(name, value)
    return found


def _labels(line: str) -> list[tuple[int, int, str]]:
    """(start, end, name) of every label in `line` with its colon, in order."""
    found = {
        m.start(): (m.end(), "published" if m[0].startswith("发") else "other")
        for m in _GLUED.finditer(line)
    }
    for match in _LABEL.finditer(line):
        name = _LABEL_NAMES.get(re.sub(r"[ \t\u3000]", "", match[1]))
        if name:
            found[match.start()] = (match.end(2), name)
    return sorted((start, end, name) for start, (end, name) in found.items())


def _top_lines(text: str) -> Iterator[str]:
    for line in text[:_TOP_CHARS].split("\n")[:60]:
        if len(line) > 300:
            line = line[:300]
        yield line.strip(" \t\u3000\xa0")
        if re.match(r"[ \t\u3000]*(?:一、|[(（]一[)）])", line):
            return


_TITLE_END = pattern(
    r"(?:通报|公告|公示|报告|公开|公布|情况|说明|通告|反馈意见|反馈情况|清单)(?:[((][^()()]{1,30}[))])?$"
)
_TITLE_WORD = pattern(r"整改|巡[视察]|审计|督[察查]|反馈")
_UNIT_END = pattern(
    r"(?:党组|党委|党工委|党总支|党支部|委员会|局|厅|院|校|大学|学院|公司|集团|中心|街道|镇|乡|办公室)$"
)
_NOT_TITLE = pattern(
    r"当前位置|所在位置|您现在|首页|上一篇|下一篇|[。;；!！]$|^[一二三四五六七八九十]+、|来源[:：]"
)


def _title(text: str) -> str | None:
    """The heading above the notice, its parts joined where it is set on several lines."""
    lines = [line for line in _top_lines(text) if line][:30]
    for position, line in enumerate(lines):
        heading = re.split(r"(?:来源|发布时间|发布日期|日期)[:：]", line)[0].strip(
            " \t\u3000【】#*"
        )
        if len(heading) > 90:
            match = re.match(r".{4,80}?(?:通报|公告|报告)(?=[\s\u3000])", heading)
            heading = match.group() if match else ""
        if not heading or _NOT_TITLE.search(heading) or not _TITLE_END.search(heading):
            continue
        parts = [heading]
        while position and _continues(lines[position - 1], parts[0]):
            position -= 1
            parts.insert(0, lines[position])
        joined = "".join(parts)
        if _TITLE_WORD.search(joined) and len(joined) >= 6:
            return joined
    return None


def _continues(before: str, after: str) -> bool:
    """Whether `before` is the upper part of a title that goes on with `after`."""
    if len(before) > 60 or _NOT_TITLE.search(before) or _labels(before):
        return False
    return bool(
        after.startswith(("关于", "《", "落实", "整改", "巡", "情况"))
        and (_UNIT_END.search(before) or before.startswith(("中共", "关于")))
    )


def _publisher(title: str | None) -> str | None:
    match = re.match(r"(.{3,40}?)(?:关于|巡[视察]整改|落实|对)", title or "")
    return match.group(1).strip() if match and _UNIT_END.search(match.group(1).strip()) else None


_DATE = pattern(r"(?<!\d)((?:19|20)\d{2})\s*[-年./]\s*(\d{1,2})\s*[-月./]\s*(\d{1,2})\s*日?(?!\d)")
_HAN_DIGITS = str.maketrans("〇○零一二三四五六七八九", "000123456789")
_HAN_DATE = pattern(
    r"([二一][〇○零一二三四五六七八九]{3})年([一二三四五六七八九十]{1,3})月([一二三四五六七八九十]{1,3})日"
)


def parse_date(text: str) -> date | None:
    """The first calendar date in `text` (2023-06-21, 2023年6月21日, 二〇二三年六月二十一日)."""
    match = _DATE.search(text)
    if match:
        year, month, day = map(int, match.groups())
    else:
        match = _HAN_DATE.search(text)
        if not match:
            return None
        year = int(match[1].translate(_HAN_DIGITS))
        month, day = _han_number(match[2]), _han_number(match[3])
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _han_number(word: str) -> int:
    """Value of a Chinese number below 100; 0, which is no day or month, where it is none."""
    tens, ten, ones = word.rpartition("十")
    if len(tens) > 1 or len(ones) > 1 or "十" in tens:
        return 0
    value = int(ones.translate(_HAN_DIGITS)) if ones else 0
    return value + (10 * (int(tens.translate(_HAN_DIGITS)) if tens else 1) if ten else 0)


def _tail_lines(text: str) -> list[str]:
    return [line.strip(" \t\u3000\xa0") for line in text[-_TAIL_CHARS:].split("\n") if line.strip()]


def _signature_date(text: str) -> date | None:
    """Date of the signature: a short line near the end that is nothing but a date."""
    for line in reversed(_tail_lines(text)):
        if len(line) <= 40 and (found := parse_date(line)) is not None:
            return found
    return None


def _signature(text: str) -> str | None:
    """Unit named on the line above the signature's date."""
    lines = _tail_lines(text)
    for above, line in pairwise(lines):
        if len(above) <= 40 and len(line) <= 40 and parse_date(line) and _UNIT_END.search(above):
            return above
    return None
