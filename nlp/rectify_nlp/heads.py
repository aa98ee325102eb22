"""Where the title or first sentence behind a marker ends.

A full stop inside quotation marks or brackets does not end it; the first item label
or the first of a row of measures (一是 ...) does.
"""

from __future__ import annotations

import re

from rectify_nlp.grammar import INNER_LABEL, Grammar
from rectify_nlp.patterns import pattern

_MAX_HEAD = 600
_SENTENCE_END = "。!?"


def find_head(folded: str, start: int, end: int, grammar: Grammar) -> tuple[int, str]:
    """Where the title or first sentence that begins at `start` ends, and its form.

    Forms: "quoted" (关于“...”的问题), "about" (关于...的问题), "sentence".
    A full stop inside quotation marks or brackets does not end a sentence.
    """
    end = min(end, start + _MAX_HEAD)
    limit = _before_measures(folded, start, end, grammar)
    quoted = _QUOTED_OPEN.match(folded, start, limit)
    if quoted:
        close = quoted.end()
        while True:
            close = _closing_quote(folded, close, limit)
            if close < 0:
                break
            more = _QUOTED_MORE.match(folded, close, limit)
            if not more:
                break
            close = more.end()
        if close >= 0:
            tail = _TITLE_TAIL.match(folded, close, limit)
            named = tail and (tail["word"] or quoted["lead"])
            # In running text a comma may stand there: only 关于“...”的问题, is a title.
            if tail and named and (tail["comma"] is None or (tail["word"] and quoted["lead"])):
                return tail.end(), "quoted"
    about = _ABOUT.match(folded, start, limit)
    if about:
        depth = 0
        for match in _ABOUT_END.finditer(folded, about.end(), limit):
            mark = match.group()
            if mark in "“‘《(":
                depth += 1
            elif mark in "”’》)":
                depth -= 1
            elif depth <= 0 and (
                match["comma"] is None or _names_deficit(about, match.end(), grammar)
            ):
                return match.end(), "about"
        glued = _GLUED_TITLE.match(folded, start, limit)
        if glued and grammar.deficit.search(folded, start, glued.end()):
            return glued.end(), "about"
    return _sentence_end(folded, start, limit), "sentence"


_QUOTED_OPEN = pattern(
    r"(?P<lead>关于|针对|对于|对|就)?(?:反馈的?|巡[视察]组?(?:反馈|指出)的?)?[ ]*+[“\"]"
)
_QUOTED_MORE = pattern(r"(?:、|和|及|以及|与)?[ ]*+[“\"]")
_TITLE_TAIL = pattern(
    r"[ ]*+(?:等)?(?:[0-9一二三四五六七八九十]{1,3}个)?(?:方面)?(?:的)?(?:突出|主要|具体|反馈)?"
    r"(?P<word>问题|情况|方面)?(?:的)?(?:整改)?(?:落实|进展|完成)?(?:情况)?[ ]*+"
    r"(?:[(][^()\n]{1,24}[)])?(?:[。;:.!]|$|(?=\n)|(?=[ ]*+(?:整改|一是|责任))|(?P<comma>(?=,)))"
)
_ABOUT = pattern(r"关于|针对|对于|对(?![照标比口接])|就(?![业医学近地诊餐])")
_ABOUT_END = pattern(
    r"[“‘《(”’》)]|(?:的)?问题(?:的)?(?:整改)?(?:落实|进展|完成)?(?:情况)?[ ]*+"
    r"(?:[(][^()\n]{1,24}[)])?(?:[。;:.]|$|(?=\n)|(?=[ ]*+(?:整改情况|整改落实|一是)))|(?P<comma>的?问题(?=,))"
)

# A title that runs on into the measures: whoever took them, or what they did, comes next.
_GLUED_TITLE = pattern(
    r"关于[^,。;:“”\n]{4,60}?的问题(?=我|本|各|全|县|市|区|镇|乡|街道|党[委组工支]|学校|医院|公司|社区|村|局|院|校"
    r"|已|召开|组织|制定|修订|完善|印发|开展|建立|成立|对|将|把|通过|20[0-9]{2}年)"
)


def _names_deficit(about: re.Match[str], end: int, grammar: Grammar) -> bool:
    """...的问题, is a title and no part of a sentence where it says what is wrong.

    For 对...的问题, and its kin what follows must tell deeds.
    """
    told = about.string
    if "。" in told[about.end() : end]:
        return False
    named = grammar.deficit.search(told, about.end(), end) is not None or (
        end - about.end() >= _TELLING and not _FOUND_SOMEWHERE.search(told, about.end(), end)
    )
    follows = (
        _PLANS_FOLLOW.match(told, end) is None
        if about.group() == "针对"
        else _DEEDS_FOLLOW.match(told, end) is not None
    )
    return named and (about.group() == "关于" or follows)


# A clause of so many characters tells a problem, unless it only says where there are some.
_TELLING = 12
_FOUND_SOMEWHERE = pattern(
    r"(?:反映|发现|存在|提出|指出|反馈|查出|查实|排查|梳理|检查|移交|交办|涉及|遗留|突出|关心|关注|整改|解决)的(?:[^,。;:]{0,6})?问题"
)
_DEEDS_FOLLOW = pattern(r",(?!将|继续|进一步|要|持续|坚持)[^。\n]*?(?:[0-9]|已|印发)")
# Whoever begins with 针对 goes on with what was done, if not with what is to be.
_PLANS_FOLLOW = pattern(r",[^。,\n]{0,12}(?:将|拟|要|应|须|需)")


_PAIRS = {"“": "”", "‘": "’", "《": "》", "(": ")", "[": "]"}
_TOKENS = pattern(r"[“”‘’《》()\[\]。!?]")


def _closing_quote(folded: str, start: int, end: int) -> int:
    """Position after the quotation mark that closes the one before `start`; -1 if none."""
    depth = 1
    for position in range(start, end):
        char = folded[position]
        if char == "“":
            depth += 1
        elif char == "”" or (char == '"' and depth == 1):
            depth -= 1
            if depth == 0:
                return position + 1
    return -1


def _sentence_end(folded: str, start: int, end: int) -> int:
    """Position after the first sentence end outside of quotation marks and brackets."""
    depth = 0
    for match in _TOKENS.finditer(folded, start, end):
        char = match.group()
        if char in _PAIRS:
            depth += 1
        elif char in _SENTENCE_END:
            if depth == 0:
                return match.end()
        elif depth:
            depth -= 1
    if depth:  # an opened mark is never closed: let the first full stop decide
        stop = folded.find("。", start, end)
        return stop + 1 if stop >= 0 else end
    return end


_MEASURE_START = pattern(
    r"[。;:, ”)](?P<row>)[ ]*+(?:(?:主要)?一是|(?:[(]1[)]|[(]一[)]|①|1[.、](?![0-9])))"
    r"|,?[ ]*+针对(?:此|该|这一?)(?:类|项|些)?问题,"
)


def _before_measures(folded: str, start: int, end: int, grammar: Grammar) -> int:
    """Where an item label or the first of a row of measures ends the title at the latest."""
    match = _MEASURE_START.search(folded, start + 1, end)
    limit = max(match.start(), match.start("row")) if match else end
    inner = INNER_LABEL.search(folded, start + 2, limit)
    label = grammar.label.match(folded, inner.start(), limit) if inner else None
    if inner and label and label["measures"] and folded[label.end() : limit].strip():
        limit = inner.start()
        while folded[limit - 1] in " ,":
            limit -= 1
    for mark in grammar.behind_title.finditer(folded, start + 2, limit):
        label = grammar.label.match(folded, mark.end(), limit)
        if label and (label["measures"] or label["other"] or label["status"]):
            return mark.end()
    return limit
