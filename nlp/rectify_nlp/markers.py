"""Where the nodes of an outline start: markers of numbering, and openings without any.

A marker is looked for at each line start, and inside a line after the end of a
sentence where the line is clearly several lines run together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rectify_nlp.grammar import Grammar
from rectify_nlp.patterns import NO_UNIT, NON_ASCII, pattern
from rectify_nlp.wording import DONE, LINE, MARKDOWN, SENTENCES, Wording, skip_blank

NUMERALS = "一二三四五六七八九十百"
# Kinds that are never above a first-level heading.
INNERMOST = ("is", "circled")
_YEAR = r"(?=(?:19|20)[0-9]{2}(?:年|[-.]))"
# Behind a decimal fraction: 1.5小时 is no heading 1.5.
_UNIT = "[ ]?(?:[万亿千百]|[个元倍米吨亩度斤]|小时|公[里顷斤]|平方|立方|分钟|厘米|毫米|千米)"
_MARKER = pattern(
    rf"(?P<question>(?:(?:反馈)?(?:具体)?(?:问题)?问题|(?:整改)?任务|(?:审议|反馈)意见)[ ]?(?:[0-9]{{1,4}}|[{NUMERALS}]{{1,3}})(?:[:;.、,)]:?(?!问题[0-9{NUMERALS}])[ ]*+|(?=[ \n“]|$))|第(?:[0-9]{{1,3}}|[{NUMERALS}]{{1,3}})项(?=[ ]*+(?:\n|$)))"
    rf"|(?P<question_bracket>(?:反馈)?问题[ ]?[(](?:[0-9]{{1,2}}|[{NUMERALS}]{{1,3}})[)]):"
    rf"|(?P<han>[{NUMERALS}]{{1,4}})(?:、|\.(?![0-9]))"
    rf"|[(][ ]*+(?P<han_bracket>[{NUMERALS}]{{1,4}})[ ]*+[)][、.]?"
    rf"|(?P<han_half>[{NUMERALS}]{{1,4}})[)]"
    rf"|(?P<multi>[0-9]{{1,2}}(?:\.[0-9]{{1,2}}){{1,3}})(?=[ “]|{NON_ASCII})(?!{_UNIT})"
    rf"|(?P<twice>[0-9]{{1,2}})[.、][0-9]{{1,2}}[.、](?=“|{NON_ASCII})(?!{_UNIT})"
    rf"|(?P<arabic>[0-9]{{1,4}})(?:[.、](?![0-9])|[.、]{_YEAR}|[)])"
    rf"|[(][ ]*+(?P<arabic_bracket>[0-9]{{1,4}})[ ]*+[)][、.]?"
    r"|(?P<circled>[①-⑳])"
    rf"|(?P<letter>[A-Za-z])[.、)][ ]*+(?=[“]?{NON_ASCII})"
    rf"|(?P<nth>第[{NUMERALS}]{{1,3}}(?:类|部分|方面)?)(?:[,、:](?!第)|(?<=部分)[ ]++(?=[^,。;\n]{{4,40}}(?:\n|$)))"
    rf"|(?P<is>[{NUMERALS}]{{1,3}})是(?!否)"
)
# A marker inside a line, after the end of a sentence, which is matched ...
_INLINE = pattern(
    rf"(?:[。;:!?”’)\] 日](?:(?<!日)|(?<=[0-9]日))|面(?<=方面))"
    rf"(?=(?:反馈)?问题[0-9{NUMERALS}]{{1,3}}[:.、,]|[{NUMERALS}]{{1,3}}、|[(][{NUMERALS}]{{1,3}}[)]|[0-9]{{1,4}}[.、](?:[^0-9]|{_YEAR})|[(][0-9]{{1,4}}[)])"
)
# ... or anywhere, in a line that is a whole notice run together.
_ANYWHERE = pattern(
    rf"(?=[{NUMERALS}]{{1,3}}[、)]|[(][{NUMERALS}]{{1,3}}[)]|[0-9]{{1,4}}[.、](?:[^0-9]|{_YEAR})|[(][0-9]{{1,4}}[)]|问题[0-9{NUMERALS}]{{1,3}}[:.、])"
    rf"(?<![{NUMERALS}第、,0-9.(约近达共])"
)
_STRONG_START = pattern(
    r"[ ]*+(?:关于|针对|对)?[ ]*+“[^“”]{4,200}”[^。;,\n]{0,12}(?:问题|整改)|[ ]*+关于(?:[^。;,:\n]{4,80}问题|[^。;:\n]{4,80}的问题[。:])"
)
_SENTENCE_ENDS = "。;:!?”’)] "
# Two sections of a notice in one line.
_SECTIONS = pattern(r"[。:]一、[^\n]{20,1500}?。二、")
# A line as long as this holds more than one paragraph; three times that, a whole notice.
_LONG_LINE = 700
# So many markers ahead are looked at to place one in mid-sentence.
_AHEAD = 60

# An unnumbered line that opens an issue by its form.
_OPENER = pattern(
    r"(?:关于|针对)[ ]*+(?:“[^“”\n]{4,160}”|“|反馈|巡[视察])?[^\n。:]{0,300}?问题(?:的?整改(?:落实|完成|进展)?情况|的?整改)?[ ]*+(?:[。:;]|$|(?=\n))"
)

_FURTHER_OPENER = pattern(
    r"[。;)\]][ —]*(?P<head>关于(?:“[^”\n]{4,120}”|[^“”,。;:\n]{4,60})的?问题[。:])"
)

Marker = tuple[str, int, int]  # kind, ordinal, start of the head
Start = tuple[int, Marker, bool]  # of a node, with its marker, and whether it lies inside a line


def positions(wording: Wording, stop: int) -> Iterator[Start]:
    """The starts of nodes, in order."""
    folded = wording.text
    start = 0
    last: dict[str, int] = {}  # the number of each kind, and the last that stood without a stop
    above: Marker | None = None  # the latest at the start of a line that is no point
    while start < stop:
        end = folded.find("\n", start, stop)
        end = stop if end < 0 else end
        first = start
        while first < end and folded[first] in MARKDOWN:
            first += 1
        if first < end:
            marker = _glued(folded, first, end, last) or marker_at(folded, first, end)
            if marker is None:
                marker = _opener(wording, first, end)
            if above is not None and (marker is None or marker[0] == "label"):
                unstopped = _continued(wording, first, end, above, last)
                if unstopped:
                    marker, last["unstopped"] = unstopped, unstopped[1]
            if marker is not None:
                if marker[0] not in INNERMOST or above is None:
                    above = marker
                last[marker[0]] = marker[1]
                yield first, marker, False
                if marker[2] > end and marker_at(folded, marker[2], len(folded)) is None:
                    # A badge: the title below it opens nothing of its own.
                    end = folded.find("\n", marker[2], stop)
                    end = stop if end < 0 else end
            whole = end - first > 3 * _LONG_LINE or (
                end - first > 500
                and (end - first > 0.6 * stop or _SECTIONS.search(folded, first, end) is not None)
            )
            if marker is not None and marker[0] == "open":
                # Others of the same form may stand behind its measures.
                for further in _FURTHER_OPENER.finditer(folded, first + 8, end):
                    yield further.start("head"), ("open", 0, further.start("head")), True
            behind = marker[2] if marker is not None else first
            inside = list(_inside(folded, behind, end, _ANYWHERE if whole else _INLINE))
            for at, (position, found) in enumerate(inside):
                if (
                    _counts_on(folded, inside, at, last)
                    if whole
                    else _splits(wording, found, first, end, marker)
                    or _goes_on(wording, found, (first, position, end), marker, last)
                ):
                    last[found[0]] = found[1]
                    yield position, found, not whole
        start = end + 1


def _glued(folded: str, start: int, end: int, last: dict[str, int]) -> Marker | None:
    """A marker run together with what follows ("1.37户", 问题4工程), where it continues or opens
    a count."""
    question = _GLUED_QUESTION.match(folded, start, end)
    if question and last.get("question", -1) + 1 == int(question[1]):
        return "question", int(question[1]), question.end()
    half = _HALF.match(folded, start, end)
    if half:
        kind = "arabic_bracket" if half[1].isdecimal() else "han_bracket"
        if last.get(kind, -1) + 1 == ordinal_of(half[1]):
            return kind, ordinal_of(half[1]), half.end()
    alone = _ALONE.fullmatch(folded, start, end)
    if alone and 0 < int(alone[1]) - last.get("arabic", 0) <= 2:
        if not _NOUGHT.search(folded, max(0, start - _FAR), end):
            return None
        return "arabic", int(alone[1]), skip_blank(folded, end, len(folded))
    match = _GLUED.match(folded, start, end)
    if match is None:
        return None
    ordinal = int(match["ordinal"])
    rest = folded[end : end + 1500]
    following = _NEXT_ARABIC.search(rest)
    opens = ordinal == 1 and following and following[1] == "2" and "\n1.2" not in rest
    if opens or last.get("arabic", -1) + 1 == ordinal:
        return "arabic", ordinal, match.end("mark")
    return None


# A bracket that is not closed.
_HALF = pattern(rf"[(]((?!十)[{NUMERALS}]{{1,2}}|[0-9]{{1,2}}){NO_UNIT}")
# On a line of its own a number is that of a page, but where the first have a nought before them.
_ALONE = pattern(r"(0[1-9]|[1-9][0-9])[ ]*")
_NOUGHT = pattern(r"\n[ ]*0[1-9][ ]*(?![^\n])")
_NEXT_ARABIC = pattern(r"\n[ ]*+([0-9]{1,2})[.、]")
_GLUED_QUESTION = pattern(rf"问题([0-9]{{1,3}})(?={NON_ASCII})(?![个项条类年月])")
_GLUED = pattern(
    r"(?P<mark>(?P<ordinal>[0-9]{1,2})[.、])[0-9]+(?:\.[0-9]+)?(?:、|" + NON_ASCII + ")"
)


def paragraphs(wording: Wording, start: int, stop: int) -> Iterator[Start]:
    """Unnumbered headings, and lines that open with a short sentence naming a deficit."""
    grammar = wording.grammar
    for match in LINE.finditer(wording.text, start, stop):
        first, line = match.start(), match.group().rstrip()
        if wording.answers(first, first + len(line)) or wording.below_label(first):
            continue
        aspect = is_aspect(grammar, line)
        if TITLE_LINE.fullmatch(line) and (
            aspect
            or grammar.organisation.search(line)
            or grammar.issues.search(line)
            or grammar.next.search(line)
        ):
            kind = "aspect" if aspect else "title"
            yield first, (kind, int(grammar.issues.search(line) is not None), first), False
        elif not _SPEECH.match(line):
            sentence = re.split(r"[。!?]|\.(?![0-9])", line, maxsplit=1)[0]
            if 6 <= len(sentence) <= 90 and wording.states_problem(sentence):
                opening = sentence.split(",", 1)[0]
                if not grammar.positive.match(opening) or wording.states_problem(opening):
                    yield first, ("line", 0, first), False


def is_aspect(grammar: Grammar, line: str) -> bool:
    """Whether a line by itself is a heading that names an aspect or a purpose."""
    return grammar.aspect.search(line) is not None or _PURPOSE.fullmatch(line) is not None


_PURPOSE = pattern(r"[^,。;:]{4,20},着力(?:解决|整治|破解|纠治)[^,。;:]*问题")
TITLE_LINE = pattern(r"[^。;!?:]{4,44}[:]?")
_SPEECH = pattern(
    r"“[^”\n]*[。!?]”|为(?![农民官政企])|[对将把][^,。:]{2,30}(?:进行|给予|予以|开展|作出)|(?!巡[视察]|审计|反馈)[^,。:]{2,20}(?:强调|指出|表示|要求|认为|提出)[,:]"
)


def marker_at(folded: str, start: int, end: int) -> Marker | None:
    """The marker at `start`, if one stands there."""
    match = _MARKER.match(folded, start, end)
    if match is None:
        return None
    kind = match.lastgroup or ""
    word = match[kind]
    head = skip_blank(folded, match.end(), end)
    if kind in ("han_half", "han_bracket"):
        kind = "han_bracket"
        if folded.startswith(folded[start : match.end()], match.end()):
            head = skip_blank(folded, 2 * match.end() - start, end)  # printed twice
    if kind == "twice":  # by the typist and by the program; the first counts on
        kind = "arabic"
    if kind in _BADGES and head >= end:  # above its title
        below = skip_blank(folded, end, len(folded))
        line_end = folded.find("\n", below)
        line_end = line_end if line_end >= 0 else len(folded)
        if kind == "question" or (below < line_end and _MARKER.match(folded, below) is None):
            head = below
    return kind, ordinal_of(word.rstrip(":;.、,) 项")), head


# Numbers that may stand on a line of their own.
_BADGES = ("question", "arabic", "arabic_bracket", "han_bracket")
_DIGITS = pattern(r"[0-9]+$")
_TRAILING = pattern(f"[{NUMERALS}]+$")


def ordinal_of(word: str) -> int:
    digits = _DIGITS.search(word)
    if digits:
        return int(digits.group())
    if "①" <= word <= "⑳":
        return ord(word) - ord("①") + 1
    if word.isascii():
        return ord(word.upper()) - ord("A") + 1
    han = _TRAILING.search(word)
    if not han:
        return 0
    hundreds, hundred, rest = han.group().rpartition("百")
    tens, ten, ones = rest.rpartition("十")
    value = NUMERALS.index(ones) + 1 if ones and ones in NUMERALS[:9] else 0
    if ten:
        value += 10 * (NUMERALS.index(tens) + 1 if tens and tens in NUMERALS[:9] else 1)
    if hundred:
        value += 100 * (
            NUMERALS.index(hundreds) + 1 if hundreds and hundreds in NUMERALS[:9] else 1
        )
    return value


def _inside(
    folded: str, start: int, end: int, places: re.Pattern[str]
) -> Iterator[tuple[int, Marker]]:
    """The markers that stand inside a line behind `start`, at `places`."""
    for match in places.finditer(folded, start, end):
        marker = marker_at(folded, match.end(), end)
        if marker is not None and match.end() > start:
            yield match.end(), marker


def _counts_on(
    folded: str, inside: Sequence[tuple[int, Marker]], at: int, last: dict[str, int]
) -> bool:
    """Whether a marker in a notice on one line opens or continues the count of its kind.

    In mid-sentence it yields to the same number behind the end of a sentence further on,
    and to a lower one: then it ran ahead of its count.
    """
    position, (kind, ordinal, _) = inside[at]
    if ordinal != 1 and not 0 < ordinal - last.get(kind, 0) <= 2:
        return False
    if folded[position - 1] in _SENTENCE_ENDS:
        return True
    for later, (other, number, _) in inside[at + 1 : at + _AHEAD]:
        if other == kind and number != ordinal:
            return not 1 < number < ordinal
        if other == kind and folded[later - 1] in _SENTENCE_ENDS:
            return False
    return True


def _splits(wording: Wording, marker: Marker, first: int, end: int, opening: Marker | None) -> bool:
    """Whether a marker inside a line begins a line of its own that was run together.

    `opening` is the marker the line begins with.
    """
    folded = wording.text
    kind, ordinal, head = marker
    if opening and wording.only_problems and kind == opening[0] and ordinal > opening[1]:
        return True
    if _STRONG_START.match(folded, head, min(end, head + 260)):
        return True
    if kind == "question":
        return True
    return kind == "han" and end - first > _LONG_LINE


def _goes_on(
    wording: Wording,
    marker: Marker,
    line: tuple[int, int, int],
    opening: Marker | None,
    last: dict[str, int],
) -> bool:
    """Whether a marker inside a line continues the line's own count, or begins one behind its
    heading, with a problem.

    `line` has where the line begins, where the marker stands, and where the line ends.
    """
    kind, ordinal, head = marker
    if opening is None:
        return False
    first, position, end = line
    if kind == opening[0]:
        if ordinal != last[kind] + 1 or wording.text[position - 1] != "。":
            return False
    elif opening[0] not in ("han", "han_bracket") or kind != "arabic":
        return False
    elif ordinal == 1:
        if _BROKEN.search(wording.text, first, position):
            return False
    elif ordinal != last.get(kind, 0) + 1 or wording.text[position - 1] != "。":
        return False
    stop = SENTENCES.search(wording.text, head, end)
    sentence = wording.text[head : stop.start() if stop else end]
    mark = wording.text[position:head].strip()
    return (
        wording.states_problem(sentence)
        and not wording.positive(sentence)
        and not _DEEDS.search(sentence)
        # A line of its own with this number is the item.
        and not any(
            line.lstrip().startswith(mark)
            for line in wording.text[end : end + _FAR].split("\n")[1:]
        )
    )


_DEEDS = pattern(f"{DONE}|未发现")
_FAR = 3000  # characters
_BROKEN = pattern("[。;,]")


def _continued(
    wording: Wording, first: int, end: int, above: Marker, last: dict[str, int]
) -> Marker | None:
    """A number without its stop, or with a comma, where it continues the count above.

    Before a problem label it does if that had one, too: else it is the row of a table.
    """
    match = _UNSTOPPED.match(wording.text, first, end)
    if match is None:
        return None
    kind, ordinal, head = above
    number = int(match["ordinal"])
    labels = [wording.grammar.label.match(wording.text, at) for at in (match.end(), head)]
    problems = [label is not None and label["problem"] is not None for label in labels]
    alike = 1 <= number - last.get("unstopped", number) <= 2
    counts_on = alike or 1 < number == last.get("arabic", 0) + 1
    if kind not in _ARABIC and not problems[0] and counts_on:
        # The count runs on below the next heading.
        runs_on = alike or _told_as_problem(wording, match.end(), end)
        return ("arabic", number, match.end()) if runs_on else None
    if number == 1 and kind not in _ARABIC and not problems[0]:
        # Below a heading it opens a count that goes on likewise.
        second = _UNSTOPPED_TWO.search(wording.text, end, end + _FAR)
        third = second and _UNSTOPPED_THREE.search(wording.text, second.end(), second.end() + _FAR)
        opens = second and (third or _told_as_problem(wording, match.end(), end))
        return ("arabic", 1, match.end()) if opens else None
    left_out = 1 if alike or match.group().endswith(" ") else 0
    if kind not in _ARABIC or not ordinal < number <= ordinal + 1 + left_out:
        return None
    if problems[0] > problems[1] or not (alike or _told_as_problem(wording, match.end(), end)):
        return None
    return kind, number, match.end()


def _told_as_problem(wording: Wording, start: int, end: int) -> bool:
    """Whether a line names a deficit, or a measures label follows it."""
    sentence = SENTENCES.split(wording.text[start:end], maxsplit=1)[0]
    label = wording.grammar.label.match(
        wording.text, skip_blank(wording.text, end, len(wording.text))
    )
    return wording.states_problem(sentence) or (label is not None and label["measures"] is not None)


_ARABIC = ("arabic", "arabic_bracket")
_UNSTOPPED_TWO = pattern(rf"\n[ ]*+2(?:[ ]|{NO_UNIT})")
_UNSTOPPED_THREE = pattern(rf"\n[ ]*+3(?:[ ]|{NO_UNIT}|{_YEAR})")
_UNSTOPPED = pattern(
    rf"(?P<ordinal>[0-9]{{1,2}})(?:(?:[ ]{{1,3}}|,[ ]?)?{NO_UNIT}|[ ]{{0,3}}{_YEAR})"
)


def _opener(wording: Wording, first: int, end: int) -> Marker | None:
    """An unnumbered line that opens an issue: 关于“...”的问题, 反馈问题: ..."""
    folded, grammar = wording.text, wording.grammar
    label = grammar.label.match(folded, first, end)
    if label and label["problem"]:
        head = skip_blank(folded, label.end(), end)
        # A label alone on its line governs the next line.
        if head >= end and end < len(folded):
            head = skip_blank(folded, end + 1, len(folded))
        return "label", 0, head
    if (bare := wording.behind_bare_label(first, end)) >= 0:
        return "label", 0, bare
    if _heads_row(folded, first, end, grammar):
        return "aspect", 0, first
    match = _OPENER.match(folded, first, end)
    if match and match.end() >= first + 8:
        following = folded[match.end() : match.end() + 120].strip().split("\n", 1)[0]
        if not _TITLE_CONTINUES.search(following):
            return "open", 0, first
    return None


def _heads_row(folded: str, first: int, end: int, grammar: Grammar) -> bool:
    """Whether the line is a heading over the labelled problem or row of a table below it."""
    if end - first > 30 or not TITLE_LINE.fullmatch(folded, first, end):
        return False
    if _LEADS_IN.search(folded, first, end):
        return False
    label = grammar.label.match(folded, skip_blank(folded, end, len(folded)))
    return label is not None and (label["row"] or label["problem"]) is not None


_LEADS_IN = pattern("[如见下附]表|如下")
# "关于...问题" over "...的公示": the title of the page, not an issue.
_TITLE_CONTINUES = pattern(r"(?:公示|通报|公告|报告|通告)$")
