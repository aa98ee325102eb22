"""Bytes to characters, for text files and web pages alike."""

from __future__ import annotations

import codecs
import re

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(
    rb"<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*[\"']?(gb|big5)", re.I
)
_FAMILIES = {b"gb": "gb18030", b"big5": "big5hkscs"}
_SAMPLE = 40_000  # bytes to judge an encoding by


def decode(data: bytes) -> tuple[str, int]:
    """Text with bare newlines, and how many characters had to be replaced.

    A byte order mark decides, else strict UTF-8, else of the usual encodings the one that
    gives the most of a notice's usual characters. What a web page declares only tips the
    balance, for it may be wrong; its gb2312 and gbk are read as GB18030.
    """
    encoding = encoding_of(data)
    for bom, _ in _BOMS:
        if data.startswith(bom):
            data = data[len(bom) :]
            break
    text = data.decode(encoding, errors="replace")
    genuine = 0 if encoding == "big5hkscs" else data.count("\ufffd".encode(encoding))
    replaced = text.count("\ufffd") - genuine
    return text.replace("\r\n", "\n").replace("\r", "\n"), max(0, replaced)


def encoding_of(data: bytes) -> str:
    """The encoding of a text, by its mark or by what its bytes make most sense in."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return encoding
    # UTF-16 without a mark is looked for first: half of its bytes may be valid ASCII.
    head = data[:4000]
    for encoding, nul_at in (("utf-16-le", 1), ("utf-16-be", 0)):
        if head[nul_at::2].count(0) * 20 > len(head):
            return encoding
    try:
        data.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError as error:
        # A file cut off inside its last character is still UTF-8.
        if error.start >= len(data) - 3 and error.reason == "unexpected end of data":
            return "utf-8"
    sample = data[:_SAMPLE]
    declared = _DECLARED.search(sample)
    favoured = _FAMILIES[declared[1].lower()] if declared else "gb18030"

    def merit(encoding: str) -> float:
        return _plausible(sample, encoding) * (1.2 if encoding == favoured else 1)

    return max(("gb18030", "utf-8", "utf-16-le", "utf-16-be", "big5hkscs"), key=merit)


_COMMON = frozenset(
    "的一是在不和有了中整改问题情况工作巡察视组党市县局委员会年月日对关于及等、\u3002\uff0c"
    "問題況視組黨縣員會對關於"
)


def _plausible(sample: bytes, encoding: str) -> float:
    """Share of characters that are usual in a notice, less those that cannot be."""
    text = sample.decode(encoding, errors="replace")
    good = sum(map(text.count, _COMMON))
    return (good - 3 * text.count("\ufffd")) / max(1, len(text))
