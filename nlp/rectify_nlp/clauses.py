"""Problems told in running text, without a number or a title of their own.

By a clause (对...问题, ...), by a sentence that says who found it (巡察组指出, ...), as items
of a list that a sentence counts and the paragraph below answers one by one, or in sentences
of any wording, whose kinds `prose` tells.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator
from itertools import islice, zip_longest
from typing import NamedTuple

from rectify_nlp.markers import NUMERALS, marker_at, ordinal_of
from rectify_nlp.patterns import pattern
from rectify_nlp.sentences import HEADING, Sentence, problems
from rectify_nlp.wording import LINE, Wording


class Told(NamedTuple):
    """A problem in running text: where what leads to it begins; where its number lies (empty if
    it has none), and its words; and where its answer lies, if that stands apart."""

    start: int
    mark: tuple[int, int]
    head: int
    head_end: int
    answer: tuple[int, int] | None = None


# 针对反馈的问题, ... is about no single one.
_ALL_OF_THEM = r"[^。;,\n“]{0,12}?(?:存在|反馈|指出|发现|查[出实])的?(?:意见|具体|主要|突出|各|这|[0-9]|问题)|上述|以上|仍未|尚未|[^。;,\n]{0,3}这"
# What leads over to a further problem.
_FURTHER = r"(?:(?:此外|另外|同时|其次|再次|还有(?:就是)?|同样在[^,。\n]{2,8}),)?"
_LEADS_OVER = pattern(_FURTHER)
_CLAUSE_PROBLEM = (
    rf"(?P<clause>{_FURTHER}(?P<mark>[{NUMERALS}]{{1,2}}是|[①-⑳])?(?P<head>"
    r"(?:(?:对|针对|关于)(?:(?:巡[视察]|审计)组?(?:反馈|指出|发现|提出)的)?)?“[^“”\n]{4,120}”[^“”,。;:\n]{0,8}问题(?:的整改)?"
    r"|“[^“”\n]{4,80}”的整改|就[^。;:\n]{6,80}一事"
    rf"|(?:对|针对|关于)(?!{_ALL_OF_THEM})[^。;,:\n]{{3,70}}?问题"
    rf"|(?P<long>(?:对|针对|关于)(?!照|标|{_ALL_OF_THEM})[^。;,:\n]{{3,50}},[^。;,:\n]{{2,40}}的问题)"
    r"|(?P<bare>(?!对|针对|关于|其中|存在|反馈|[ \[])[^。;,:“”\n]{6,60}的问题))(?=[,:]))"
)
FIRST_CLAUSE = pattern(_CLAUSE_PROBLEM)
# The mark comes first and is matched, so that re looks at nothing but places behind one.
_LATER_CLAUSE = pattern(rf"(?:[。;\n \]]|(?<=方面):){_CLAUSE_PROBLEM}")
# Who found it, and what: 巡察反馈后, 巡察指出的 ... tell no problem.
_FINDER = r"(?:[省市县区镇]委?)?(?:(?:巡[视察]|审计|督[察查]|检查)(?:组|机关|报告)?|(?:巡[视察])?反馈意见)"
_FOUND = pattern(
    rf"[。\n \]](?P<clause>{_FURTHER}(?P<head>"
    rf"(?:在[^,。;:\n]{{2,18}},)?{_FINDER}(?:在[^,。;:\n]{{2,10}})?(?:还|也|又|同时|另){{0,2}}"
    r"(?:反馈|指出|发现|查出|认为|提到|提出|点[到出名])(?!后|会|了|的|意见|问题|情况)[,:]?[^。\n]{8,200}"
    r"|(?<=[此另]外,)[^,。;:\n]{2,30}存在[^。\n]{4,80}))(?=。|\n)"
)
# Problems that a line opens with: what is wrong in some respect, that there is something,
# or its words quoted.
_OPENS = pattern(
    r"(?<=\n)[ ]*(?P<head>[^,。;:\n]{2,30}方面,主要是[^。\n]{6,200}。|[^,。;:\n]{2,30}存在[^。\n]{4,80}(?:现象|问题|情况)[^。\n]{0,80}。"
    rf"|“[^”\n]{{6,160}}”——这(?:也|同样)?是{_FINDER}[^。\n]{{2,40}}。)"
)
_MANY = r"[个点项条](?:方面)?的?(?:主要|突出|具体)?的?"
# Counts of problems; praise, advice, deeds.
_NO_PROBLEM = pattern(
    r"后,|后[^,。]{0,6}立即|建议|肯定|成效(?!不)|采纳|履行职责|已(?:全部|均|分别)?[追收退补缴清拆修整完约制采]|"
    rf"(?:[0-9]+|[{NUMERALS}两]+){_MANY}(?:问题|不足)"
)
# A sentence that counts problems, and the list of them on the same line.
_LIST = pattern(
    rf"[^;\n]*?(?:有|存在|[为是])(?P<count>[0-9]{{1,2}}|[{NUMERALS}两]){_MANY}(?:问题|不足)?[:。](?P<items>[^\n]+)"
)
_ITEM = pattern(rf"(?P<mark>[{NUMERALS}]{{1,2}}是|[①-⑳])?(?P<head>[^;。]{{4,}}(?:。|(?=;)|$));?")
_ANSWER = pattern(
    rf"(?:对于?|关于|就|针对)第(?P<which>[0-9]{{1,2}}|[{NUMERALS}]{{1,3}})[个点项条][^,。;:\n]{{0,6}}[,:]"
)
_ANSWERS_ALL = pattern(r"(?:针对|对于?|就)(?:上述|以上|这)[^,。;:\n]{0,10}(?:问题|不足|情况),")
_POINT = pattern(
    rf"(?:(?<=[。;\n ])|^)(?P<mark>[{NUMERALS}]{{1,2}}是)(?P<head>[^。]{{2,300}}。)(?P<own>.*?)(?=[。;][{NUMERALS}]{{1,2}}是|$)"
)


def told_problems(wording: Wording, start: int, end: int, *, sentences: bool = False) -> list[Told]:
    """The problems told between `start` and `end` in their order: by clauses and, with
    `sentences`, also by sentences that say who found them and in lists."""
    found = list(_by_clause(wording, start, end))
    if sentences:
        found = [*_in_lists(wording, start, end), *_by_finder(wording, start, end), *found]
    return _apart(found, start, end)


def _in_lists(wording: Wording, start: int, end: int) -> list[Told]:
    lines = list(LINE.finditer(wording.text, start, end))
    lists = [told for line in lines for told in _listed(wording.text, line, end)]
    points = [told for line in lines for told in _points(wording, line)]
    return [*lists, *points]


def _apart(found: list[Told], start: int, end: int) -> list[Told]:
    """Those that do not begin within one before them, in the order of the text."""
    kept = []
    # By those before it in `found` and by their answers. A text may end before it starts: where
    # a title reaches over the next node.
    covered = bytearray(max(end - start, 0))
    for told in found:
        if not covered[told.head - start]:
            kept.append(told)
            for low, high in ((told.start, told.head_end), told.answer or (start, start)):
                covered[low - start : high - start] = b"\1" * (high - low)
    return sorted(kept)


def _mark(match: re.Match[str]) -> tuple[int, int]:
    return match.span("mark") if match["mark"] else (match.start("head"), match.start("head"))


def _by_clause(wording: Wording, start: int, end: int) -> Iterator[Told]:
    text = wording.text
    first = FIRST_CLAUSE.match(text, start, end) if start == 0 else None
    later = _LATER_CLAUSE.finditer(text, first.end() if first else max(0, start - 1), end)
    for match in [*([first] if first else []), *later]:
        bare, long = match["bare"], match["long"]
        if bare and (not wording.deficit(bare) or wording.positive(bare)):
            continue
        opens = match.start("clause") == 0 or text[match.start("clause") - 1] == "\n"
        if long and long.startswith("对") and not opens and not wording.deficit(long):
            continue
        yield Told(match.start("clause"), _mark(match), *match.span("head"))


# A sentence of fewer characters tells no problem by itself.
_SHORTEST = 8
_COUNTS_THEM = pattern(r"共(?:计|有|涉及)?[0-9]+[个项条件]|[^。]{0,20}?[0-9]+件事")


def told_in_prose(
    wording: Wording, start: int, end: int
) -> tuple[list[Told], list[tuple[int, int]]]:
    """The problems told between `start` and `end` in their order, by clauses and, by the kinds of
    sentences (see `prose`), in sentences of their own; and where the headings over them lie."""
    from rectify_nlp.prose import prose  # with numpy, which most notices are split without

    text = wording.text
    lists = _in_lists(wording, start, end)
    told = _apart([*lists, *_by_clause(wording, start, end)], start, end)
    found, kinds = prose().told(text, start, end)
    # What is told otherwise ends whatever stands before it, as a heading would.
    rest = list(kinds)
    for other in told:
        stop = max(other.head_end, other.answer[1] if other.answer else 0)
        first = max(bisect(found, (other.head, end)) - 1, 0)
        for at in range(first, bisect(found, (stop - 1, end))):
            rest[at] = HEADING
    spans = list(problems(found, rest))
    if sum(last == behind for _, last, behind in spans) * 2 > len(spans):
        spans = []  # a list, answered elsewhere or not at all
    for first, last, behind in spans:
        while first + 1 < last and _COUNTS_THEM.match(text, found[first].start):
            first += 1
        begin, stop = found[first].start, found[last - 1].end
        if stop - begin < _SHORTEST or _COUNTS_THEM.match(text, begin):
            continue
        marker = marker_at(text, begin, stop)
        head = marker[2] if marker else begin
        leads_over = _LEADS_OVER.match(text, head, stop)
        head = leads_over.end() if leads_over else head
        answer = (found[last].start, found[behind - 1].end) if last < behind else None
        told.append(Told(begin, (begin, head) if marker else (head, head), head, stop, answer))
    told.sort()
    return _titled(text, told, list(_headings(found, kinds, told)) if told else [])


def _titled(
    text: str, told: list[Told], headings: list[tuple[int, int]]
) -> tuple[list[Told], list[tuple[int, int]]]:
    """Problems and headings, where nearly every heading stands over a single problem: then it is
    the title of that."""
    starts = [one.start for one in told]
    titles: dict[int, int] = {}  # where a problem starts: where its title does
    over = 0
    for (low, high), following in zip_longest(headings, [low for low, _ in headings[1:]]):
        below = starts[bisect(starts, low) : bisect(starts, following or len(text))]
        if below and marker_at(text, low, high) is None:
            over += 1
            if len(below) == 1 and not text[high : below[0]].strip():
                titles[below[0]] = low
    if len(titles) < _FEWEST_TITLES or len(titles) * 4 < over * 3:
        return told, headings
    taken = set(titles.values())
    return (
        [
            one._replace(start=low, mark=(low, low), head=low)
            if (low := titles.get(one.start)) is not None
            else one
            for one in told
        ],
        [(low, high) for low, high in headings if low not in taken],
    )


_FEWEST_TITLES = 3


def _headings(
    found: list[Sentence], kinds: list[int], told: list[Told]
) -> Iterator[tuple[int, int]]:
    """Where the headings over problems lie."""
    # Above a sentence that stands before the first problem they are the title of the page, or
    # those of other sections.
    ahead = bisect(found, (told[0].start,))
    first = max((i for i in range(ahead) if kinds[i] != HEADING), default=-1)
    for sentence, kind in zip(found[first + 1 :], kinds[first + 1 :], strict=True):
        if kind == HEADING and sentence.start < told[-1].start:
            yield sentence.start, sentence.end


def _by_finder(wording: Wording, start: int, end: int) -> Iterator[Told]:
    text = wording.text
    for match in _FOUND.finditer(text, max(0, start - 1), end):
        if not _NO_PROBLEM.search(match["head"]):
            head, stop = match.span("head")
            yield Told(
                match.start("clause"), (head, head), head, stop + text.startswith("。", stop)
            )
    for match in _OPENS.finditer(text, start, end):
        if _NO_PROBLEM.search(match["head"]):
            continue
        respect, _, said = match["head"].partition("方面,主要是")
        if (
            respect.startswith("“")
            or wording.deficit(match["head"])
            or (said and not wording.positive(said))
        ):
            head = match.start("head")
            yield Told(head, (head, head), *match.span("head"))


def _listed(text: str, line: re.Match[str], end: int) -> list[Told]:
    """The items of a list on this line that the next ones answer; [] for no such list."""
    lead = _LIST.match(text, *line.span())
    if lead is None:
        return []
    items = list(_ITEM.finditer(text, *lead.span("items")))
    below = LINE.search(text, line.end(), end)
    if below is None or len(items) != _number(lead["count"]) or len(items) < 2:
        return []
    answers = [below.span()] * len(items)
    if not _ANSWERS_ALL.match(text, below.start()):
        answers = _answers(text, below.start(), end, len(items))
    if not answers:
        return []
    # What counts them belongs to none.
    starts = [lead.start(), *(item.start() for item in items[1:])]
    return [
        Told(start, _mark(item), *item.span("head"), answer)
        for start, item, answer in zip(starts, items, answers, strict=True)
    ]


def _answers(text: str, start: int, end: int, count: int) -> list[tuple[int, int]]:
    """Where 关于第一个问题, ... up to the last of `count` lie, in order, from `start` on and on so
    many lines at most; [] unless all do."""
    lines = [match.end() for match in islice(LINE.finditer(text, start, end), count)]
    leads = list(_ANSWER.finditer(text, start, lines[-1]))
    which = [_number(lead["which"]) for lead in leads]
    if which != list(range(1, count + 1)) or leads[0].start() > start:
        return []
    stop = next(line_end for line_end in lines if line_end >= leads[-1].end())
    stops = [*(lead.start() for lead in leads[1:]), stop]
    return [(lead.start(), stop) for lead, stop in zip(leads, stops, strict=True)]


def _number(word: str) -> int:
    return 2 if word == "两" else ordinal_of(word)


def _points(wording: Wording, line: re.Match[str]) -> list[Told]:
    """一是, 二是 ... on one line that each name a deficit and tell what was done about it."""
    points = list(_POINT.finditer(wording.text, *line.span()))
    answered = [
        point["own"]
        and wording.states_problem(point["head"])
        and not wording.positive(point["head"])
        for point in points
    ]
    if len(points) < 2 or not all(answered):
        return []
    return [Told(point.start(), _mark(point), *point.span("head")) for point in points]
