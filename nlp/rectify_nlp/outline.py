"""The numbered outline of a notice: every numbered heading or item, in a tree.

A marker is looked for at each line start, and inside a line after the end of a
sentence where the line is clearly several lines run together. Which level a marker
belongs to is not fixed: the tree follows from the order in which the kinds of
numbering open and resume. What a node is (heading, issue, measure) is decided
later, from its wording and its neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from rectify_nlp.grammar import Grammar
from rectify_nlp.heads import find_head
from rectify_nlp.wording import Wording, skip_blank

_HAN = "一二三四五六七八九十百"
_YEAR = r"(?=(?:19|20)[0-9]{2}(?:年|[-.]))"
_MARKER = re.compile(
    rf"(?P<question>(?:反馈)?(?:具体)?问题[ ]?(?:[0-9]{{1,4}}|[{_HAN}]{{1,3}})(?:[::.、)][ ]*+|(?=[ \n“]|$)))"
    rf"|(?P<han>[{_HAN}]{{1,4}})、"
    rf"|[(][ ]*+(?P<han_bracket>[{_HAN}]{{1,4}})[ ]*+[)][、.]?"
    rf"|(?P<han_half>[{_HAN}]{{1,4}})[)]"
    rf"|(?P<multi>[0-9]{{1,2}}(?:\.[0-9]{{1,2}}){{1,3}})(?=[ \u4e00-\u9fff“])"
    rf"|(?P<arabic>[0-9]{{1,4}})(?:[.、](?![0-9])|[.、]{_YEAR}|[)])"
    rf"|[(][ ]*+(?P<arabic_bracket>[0-9]{{1,4}})[ ]*+[)][、.]?"
    r"|(?P<circled>[①-⑳])"
    rf"|(?P<nth>第[{_HAN}]{{1,3}})[,、:](?!第)"
    rf"|(?P<is>[{_HAN}]{{1,3}})是(?!否)"
)
# A marker inside a line, after the end of a sentence ...
_INLINE = re.compile(
    rf"(?:(?<=[。;:!?”’)\] ])|(?<=[0-9]日))"
    rf"(?=(?:反馈)?问题[0-9{_HAN}]{{1,3}}[:.、]|[{_HAN}]{{1,3}}、|[(][{_HAN}]{{1,3}}[)]|[0-9]{{1,4}}[.、](?:[^0-9]|{_YEAR})|[(][0-9]{{1,4}}[)])"
)
# ... or anywhere, in a line that is a whole notice run together.
_ANYWHERE = re.compile(
    rf"(?=[{_HAN}]{{1,3}}、|[(][{_HAN}]{{1,3}}[)]|[0-9]{{1,4}}[.、](?:[^0-9]|{_YEAR})|[(][0-9]{{1,4}}[)]|问题[0-9{_HAN}]{{1,3}}[:.、])"
    rf"(?<![{_HAN}第、,0-9.(约近达共])"
)
_STRONG_START = re.compile(
    r"[ ]*+(?:关于|针对|对)?[ ]*+“[^“”]{4,200}”[^。;,\n]{0,12}(?:问题|整改)|[ ]*+关于[^。;,:\n]{4,80}问题"
)
_SENTENCE_ENDS = "。;:!?”’)] "
# A line as long as this holds more than one paragraph; three times that, a whole notice.
_LONG_LINE = 700

# An unnumbered line that opens an issue by its form.
_OPENER = re.compile(
    r"(?:关于|针对)[ ]*+(?:“|反馈|巡[视察])?[^\n。:]{2,300}?问题(?:的?整改(?:落实|完成|进展)?情况|的?整改)?[ ]*+(?:[。:;]|$|(?=\n))"
)


@dataclass(slots=True, eq=False)
class Node:
    """One marker with the text it governs, up to the next marker.

    `start`, `mark_end`: the marker; `head`, `head_end`: the title or first sentence after it, `body`:
    the text behind it and behind a status in brackets; `end`: where the next node starts.
    `role` and `reason` are filled in by the splitter.
    """

    kind: str
    ordinal: int
    start: int
    mark_end: int
    head: int
    head_end: int
    body: int
    end: int
    inline: bool
    form: str
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    role: str = ""
    reason: str = ""

    def walk(self) -> Iterator[Node]:
        """The nodes below, in the order of the text."""
        for child in self.children:
            yield child
            yield from child.walk()


Marker = tuple[str, int, int]  # kind, ordinal, start of the head


def outline(wording: Wording, stop: int, *, unnumbered: bool = False) -> list[Node]:
    """The first-level nodes of the text up to `stop`, each with its children.

    `unnumbered` also takes unnumbered headings and lines that open with a short
    sentence naming a deficit, for notices without any numbering.
    """
    folded = wording.text
    found = list(_positions(wording, stop))
    if unnumbered:
        told = clauses(wording, 0, stop)
        if told:
            return _under_headings(wording, told, stop)
        numbered = {start for start, _, _ in found}
        # What stands above the first long line is the page's head, not the notice.
        first = _PARAGRAPH.search(folded)
        body = first.end() if first else 0
        found += [p for p in paragraphs(wording, body, stop) if p[0] not in numbered]
        found.sort(key=lambda p: p[0])
    return _tree(wording, _without_table_of_contents(folded, _nodes(wording, found, stop)))


def _under_headings(wording: Wording, told: list[Node], stop: int) -> list[Node]:
    """Nodes of running text below the unnumbered headings between them."""
    starts = {node.start for node in told}
    titles = [
        p
        for p in paragraphs(wording, 0, stop)
        if p[1][0] == "aspect" and p[0] not in starts and p[0] < told[-1].start
    ]
    nodes = sorted([*told, *_nodes(wording, titles, stop)], key=lambda node: node.start)
    for node, after in pairwise(nodes):
        node.end = after.start
    return _tree(wording, nodes)


def openers(wording: Wording, start: int, end: int) -> list[Node]:
    """Nodes for the unnumbered lines of a stretch that open with a deficit."""
    return _nodes(wording, list(paragraphs(wording, start, end)), end)


def clauses(wording: Wording, start: int, end: int, least: int = 2) -> list[Node]:
    """Nodes for problems in running text: 对...问题, ... and “...”的整改, ...; [] below `least`."""
    found = [
        match
        for match in _CLAUSE_PROBLEM.finditer(wording.text, start, end)
        if not match["bare"] or _bare_problem(wording, match["bare"])
    ]
    if len(found) < least:
        return []
    markers = [(m.start(), ("clause", 0, m.start("head")), True) for m in found]
    nodes = _nodes(wording, markers, end)
    for node, match in zip(nodes, found, strict=True):
        node.head_end = node.body = match.end("head")
        node.form = "quoted"
    return nodes


def _bare_problem(wording: Wording, clause: str) -> bool:
    return wording.deficit(clause) and not wording.positive(clause)


_CLAUSE_PROBLEM = re.compile(
    rf"(?:^|(?<=[。;\n ]))(?P<mark>[{_HAN}]{{1,2}}是)?(?P<head>"
    r"(?:对|针对|关于)?“[^“”\n]{4,120}”[^“”,。;:\n]{0,8}问题(?:的整改)?"
    r"|“[^“”\n]{4,80}”的整改"
    r"|(?:对|针对|关于)(?![^。;\n]{0,6}(?:存在|反馈|上述|以上|发现的问题|巡[视察]|这))[^。;,:\n]{3,70}?问题"
    r"|(?P<bare>(?!对|针对|关于|其中|存在|反馈)[^。;,:“”\n]{6,60}的问题))(?=[,:])"
)


def _nodes(wording: Wording, found: list[tuple[int, Marker, bool]], stop: int) -> list[Node]:
    folded = wording.text
    nodes: list[Node] = []
    for position, (start, (kind, ordinal, head), inline) in enumerate(found):
        end = found[position + 1][0] if position + 1 < len(found) else stop
        mark_end = head
        line_end = folded.find("\n", head, end)
        if kind in ("title", "aspect"):
            head_end, form = (line_end if line_end >= 0 else end), "sentence"
        else:
            limit = line_end if line_end >= 0 else end
            label = wording.grammar.label.match(folded, head, limit)
            labelled = label and label["problem"] and folded[label.end() : limit].strip()
            if label and labelled:
                head = skip_blank(folded, label.end(), limit)
            head_end, form = find_head(folded, head, limit, wording.grammar)
            form = "labelled" if labelled else form
            if form == "quoted" and folded.startswith(",", head_end):
                # What follows the comma is part of the title where a line break closes it.
                stop_ = folded.find("。", head_end, limit) + 1
                if not folded[stop_ or limit : limit].strip() and folded[limit:end].strip():
                    head_end = stop_ or limit
        head_end, body = wording.statuses.behind(folded, head, head_end, end)
        nodes.append(Node(kind, ordinal, start, mark_end, head, head_end, body, end, inline, form))
    return nodes


def _positions(wording: Wording, stop: int) -> Iterator[tuple[int, Marker, bool]]:
    """Starts of nodes with their markers and whether they lie inside a line."""
    folded = wording.text
    start = 0
    last: dict[str, int] = {}
    while start < stop:
        end = folded.find("\n", start, stop)
        end = stop if end < 0 else end
        first = start
        while first < end and folded[first] in " #*":
            first += 1
        if first < end:
            marker = _glued(folded, first, end, last) or _marker(folded, first, end)
            if marker is None:
                marker = _opener(folded, first, end, wording.grammar)
            if marker is not None:
                last[marker[0]] = marker[1]
                yield first, marker, False
            whole = end - first > 3 * _LONG_LINE or 500 < end - first > 0.6 * stop
            inside = [
                (place.start(), _marker(folded, place.start(), end))
                for place in (_ANYWHERE if whole else _INLINE).finditer(folded, first + 1, end)
            ]
            for at, (position, found) in enumerate(inside):
                if found is None or (marker is not None and position <= marker[2]):
                    continue
                if whole:
                    if found[1] != 1 and not 0 < found[1] - last.get(found[0], 0) <= 2:
                        continue
                    if folded[position - 1] not in _SENTENCE_ENDS and _better(folded, inside[at:]):
                        continue
                elif not _splits(wording, found, first, end, marker):
                    continue
                last[found[0]] = found[1]
                yield position, found, not whole
        start = end + 1


def _glued(folded: str, start: int, end: int, last: dict[str, int]) -> Marker | None:
    """A marker run together with a number ("1.37户"), where it continues or opens a count."""
    match = _GLUED.match(folded, start, end)
    if match is None:
        return None
    ordinal = int(match["ordinal"])
    rest = folded[end : end + 1500]
    opens = ordinal == 1 and re.search(r"\n[ ]*+2[.、]", rest) and "\n1.2" not in rest
    if opens or last.get("arabic", -1) + 1 == ordinal:
        return "arabic", ordinal, match.end("mark")
    return None


_GLUED = re.compile(r"(?P<mark>(?P<ordinal>[0-9]{1,2})[.、])[0-9]+(?:\.[0-9]+)?[\u4e00-\u9fff]")


def paragraphs(wording: Wording, start: int, stop: int) -> Iterator[tuple[int, Marker, bool]]:
    """Unnumbered headings, and lines that open with a short sentence naming a deficit."""
    folded, grammar = wording.text, wording.grammar
    while start < stop:
        end = folded.find("\n", start, stop)
        end = stop if end < 0 else end
        first = start
        while first < end and folded[first] == " ":
            first += 1
        line = folded[first:end].rstrip()
        if _TITLE_LINE.fullmatch(line) and (
            grammar.aspect.search(line)
            or grammar.organisation.search(line)
            or grammar.issues.search(line)
            or grammar.next.search(line)
        ):
            kind = "aspect" if grammar.aspect.search(line) else "title"
            yield first, (kind, int(grammar.issues.search(line) is not None), first), False
        elif line and not grammar.label.match(line) and not _SPEECH.match(line):
            sentence = re.split(r"[。!?]|\.(?![0-9])", line, maxsplit=1)[0]
            if 6 <= len(sentence) <= 90 and wording.states_problem(sentence):
                opening = sentence.split(",", 1)[0]
                if not grammar.positive.match(opening) or wording.states_problem(opening):
                    yield first, ("line", 0, first), False
        start = end + 1


_PARAGRAPH = re.compile(r"[^\n]{60,}")
_TITLE_LINE = re.compile(r"[^。;!?:]{4,44}[:]?")
_SPEECH = re.compile(r"为|(?!巡[视察]|审计|反馈)[^,。:]{2,20}(?:强调|指出|表示|要求|认为|提出)[,:]")


def _marker(folded: str, start: int, end: int) -> Marker | None:
    match = _MARKER.match(folded, start, end)
    if match is None:
        return None
    kind = match.lastgroup or ""
    word = match[kind]
    head = skip_blank(folded, match.end(), end)
    if kind == "han_half":
        kind = "han_bracket"
    if kind == "question" and head >= end:  # a badge above the title
        head = skip_blank(folded, end, len(folded))
    return kind, _ordinal(word), head


def _ordinal(word: str) -> int:
    digits = re.search(r"[0-9]+$", word)
    if digits:
        return int(digits.group())
    if "①" <= word <= "⑳":
        return ord(word) - ord("①") + 1
    han = re.search(f"[{_HAN}]+$", word)
    if not han:
        return 0
    hundreds, hundred, rest = han.group().rpartition("百")
    tens, ten, ones = rest.rpartition("十")
    value = _HAN.index(ones) + 1 if ones and ones in _HAN[:9] else 0
    if ten:
        value += 10 * (_HAN.index(tens) + 1 if tens and tens in _HAN[:9] else 1)
    if hundred:
        value += 100 * (_HAN.index(hundreds) + 1 if hundreds and hundreds in _HAN[:9] else 1)
    return value


def _better(folded: str, ahead: list[tuple[int, Marker | None]]) -> bool:
    """Whether the first marker comes again, behind the end of a sentence, before its count goes on,
    or is ahead of that count."""
    (_, first), *later = ahead
    for position, found in later:
        if first and found and found[0] == first[0]:
            if found[1] != first[1]:
                return 1 < found[1] < first[1]
            if folded[position - 1] in _SENTENCE_ENDS:
                return True
    return False


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


def _opener(folded: str, first: int, end: int, grammar: Grammar) -> Marker | None:
    """An unnumbered line that opens an issue: 关于“...”的问题, 反馈问题: ..."""
    label = grammar.label.match(folded, first, end)
    if label and label["problem"]:
        head = label.end()
        while head < end and folded[head] == " ":
            head += 1
        # A label alone on its line governs the next line.
        if head >= end and end < len(folded):
            head = end + 1
            while head < len(folded) and folded[head] in " \n":
                head += 1
        return "label", 0, head
    if _heads_row(folded, first, end, grammar):
        return "aspect", 0, first
    match = _OPENER.match(folded, first, end)
    if match and match.end() >= first + 8:
        following = folded[match.end() : match.end() + 120].strip().split("\n", 1)[0]
        if not _TITLE_CONTINUES.search(following):
            return "open", 0, first
    return None


def _heads_row(folded: str, first: int, end: int, grammar: Grammar) -> bool:
    """Whether the line is a heading over the row of a table that follows it."""
    if end - first > 30 or not _TITLE_LINE.fullmatch(folded, first, end):
        return False
    label = grammar.label.match(folded, end + 1)
    return label is not None and label["row"] is not None


# "关于...问题" over "...的公示": the title of the page, not an issue.
_TITLE_CONTINUES = re.compile(r"(?:公示|通报|公告|报告|通告)$")


def _without_table_of_contents(folded: str, nodes: list[Node]) -> list[Node]:
    """Drop headings that are printed once more, with their text, further down."""
    heads = [folded[n.head : n.head_end].strip(" 。:") for n in nodes]
    last = {
        (n.kind, n.ordinal, head): i for i, (n, head) in enumerate(zip(nodes, heads, strict=True))
    }
    first = 0
    while first < len(nodes):
        node = nodes[first]
        bare = not folded[node.body : node.end].strip()
        again = last[node.kind, node.ordinal, heads[first]] > first
        # Below the last of them stands the introduction.
        if not (again and (bare or node.ordinal > 1) and len(heads[first]) >= 4):
            break
        first += 1
    return nodes[first:]


_UNNUMBERED = ("open", "label", "question", "line")
_COUNTED = ("han", "han_bracket", "arabic", "arabic_bracket")
# Never above a first-level heading.
_INNERMOST = ("is", "circled")


def _tree(wording: Wording, nodes: list[Node]) -> list[Node]:
    """Hang each node below the last one of another kind that is still open."""
    roots: list[Node] = []
    stack: list[Node] = []
    last: dict[str, int] = {}
    for node in nodes:
        if node.kind == "han":
            inner = next((i for i, n in enumerate(stack) if n.kind in _INNERMOST), len(stack))
            del stack[inner:]
        depth = _depth(wording, stack, node, last)
        if depth is None and node.kind in _UNNUMBERED:
            # Unnumbered openers stand beside each other, below the last heading.
            depth = next((i for i, n in enumerate(stack) if n.kind in _UNNUMBERED), None)
        if node.kind == "title" or (
            node.kind == "aspect" and stack and stack[0].kind == "title" and not stack[0].ordinal
        ):
            depth = 0  # nothing stands above a section, no aspect below one without issues
        if depth is not None:
            del stack[depth:]
        if stack:
            node.parent = stack[-1]
            stack[-1].children.append(node)
        else:
            roots.append(node)
        stack.append(node)
        last[node.kind] = node.ordinal
    return roots


def _depth(wording: Wording, stack: list[Node], node: Node, last: dict[str, int]) -> int | None:
    """Where in `stack` the node takes another one's place; None: it opens a level of its own."""
    same = [i for i, open_ in enumerate(stack) if open_.kind == node.kind]
    if not same:
        if node.kind in _COUNTED and 2 < node.ordinal != last.get(node.kind, 0) + 1:
            # A count that goes on in another form: 5. then (6).
            return next(
                (
                    i
                    for i, open_ in reversed(list(enumerate(stack)))
                    if open_.kind in _COUNTED and open_.ordinal + 1 == node.ordinal
                ),
                None,
            )
        return None
    if node.ordinal == 1 and stack[-1].kind == node.kind and _opens_list(wording, stack[-1]):
        return None  # the same numbering once more, a level below
    fitting = [i for i in same if stack[i].ordinal + 1 == node.ordinal]
    if len(fitting) > 1 and _labelled(wording, node) and not _labelled(wording, stack[fitting[-1]]):
        return fitting[-2]
    return fitting[-1] if fitting and len(same) > 1 else same[-1]


def _opens_list(wording: Wording, node: Node) -> bool:
    """Whether a list is to follow: a measures label ends the text, or the head announces issues."""
    own = wording.text[node.body : node.end].rstrip()
    if not own:
        head = wording.text[node.head : node.head_end]
        announces = wording.grammar.issues.search(head) and not wording.grammar.next.search(head)
        return bool(announces) and not wording.deficit(head)
    stop = node.body + len(own)
    return any(
        label["measures"] and label.end() >= stop for label in wording.labels(node.body, stop)
    )


def _labelled(wording: Wording, node: Node) -> bool:
    return next(wording.labels(node.body, node.end), None) is not None
