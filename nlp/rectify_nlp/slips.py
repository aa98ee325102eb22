"""Slips of typists and scans, put right on folded text, one character for one.

Every position stays what it was, so that what is found can be shown where it was read.
"""

from __future__ import annotations

import re

from rectify_nlp.markers import NUMERALS
from rectify_nlp.patterns import NON_ASCII, pattern


def put_right(folded: str) -> str:
    """`folded`, of the same length, without what hides its lines, stops and labels."""
    text = _ALREADY.sub("已", _chinese_stops("\n" + folded))
    for taken, meant in _TAKEN_FOR.items():
        text = text.replace(taken, meant)
    if len(_LABELS.findall(text)) >= _FEWEST_LABELS:
        text = _LOOSE_LABEL.sub(_with_colon, text)
    return _BULLET.sub(_blank, _PAGE_NUMBER.sub(_blank, text))[1:]


# A sign before a line, or before a problem in it, that is no number.
_BULLET = pattern(
    rf"\n[ ]*+(?:[●○•·◆◇■▲△★☆※►▶➢◎]|——?|-(?=[ ]?[“]?{NON_ASCII}))"
    r"|[●•◆■](?=关于|针对)|——(?<=[。;)\]]——)(?=关于|针对)"
)
# The foot of a page, copied along.
_PAGE_NUMBER = pattern(r"\n[ ]*+[-—][ ]?[0-9]{1,3}[ ]?[-—][ ]*+(?=\n|$)")
# What a typist or a scan takes for something that looks the same.
_TAKEN_FOR = {"间题": "问题", "(—)": "(一)", "\nl.": "\n1."}
# Labels at the start of a line or sentence with another mark for their colon, or none, where there
# are several.
_LABEL = r"(?P<before>[\n。][ ]*+)整改(?P<what>(?:落实|完成|进展)?(?:情况|结果|措施))"
_LABELS = pattern(_LABEL)
_LOOSE_LABEL = pattern(
    rf"{_LABEL}(?P<mark>[ ,;。]?)(?=[ ]?(?:[0-9①“]|{NON_ASCII}))(?![ ]?[如的良较及通和与均汇报纳显表材作])"
)
_FEWEST_LABELS = 2
# Typed for 已, which looks the same.
_ALREADY = pattern("[己巳](?<!自.)(?=(?:全部|基本)?(?:完成|整改|办结|销号))")


def _chinese_stops(text: str) -> str:
    """Text whose sentences end in western full stops, with Chinese ones for them."""
    chinese, western = text.count("。"), text.count(".")
    if western > chinese and len(_WESTERN_STOP.findall(text)) > chinese:
        return _WESTERN_STOP.sub("。", text)
    return text


# Behind a word, not behind a number at the start of a line (一. or ①.).
_WESTERN_STOP = pattern(
    rf"(?<={NON_ASCII}|[”%])(?<![①-⑳])(?<![\n ][{NUMERALS}])(?<![\n ][{NUMERALS}]{{2}})\.(?!\.)"
)


def _with_colon(label: re.Match[str]) -> str:
    """A label with its colon, as long as it was without."""
    if label["mark"]:
        return f"{label['before']}整改{label['what']}:"
    return f"{label['before']}整改:".ljust(len(label.group()))


def _blank(sign: re.Match[str]) -> str:
    return "".join(["\n" if char == "\n" else " " for char in sign.group()])
