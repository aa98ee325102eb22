"""The outline of a notice: every numbered heading or item, or what stands for one, as a node.

What a node is (heading, issue, measure) is decided later, from its wording and its
neighbours.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator
from itertools import pairwise, zip_longest
from operator import attrgetter, itemgetter

from rectify_nlp.clauses import FIRST_CLAUSE, Told, told_in_prose, told_problems
from rectify_nlp.heads import find_head
from rectify_nlp.markers import (
    NUMERALS,
    TITLE_LINE,
    Start,
    is_aspect,
    marker_at,
    paragraphs,
    positions,
)
from rectify_nlp.patterns import pattern
from rectify_nlp.tree import UNNUMBERED, Node, heading, tree
from rectify_nlp.wording import DONE, LINE, Wording, line_above, skip_blank


def outline(wording: Wording, stop: int, *, unnumbered: bool = False) -> list[Node]:
    """The first-level nodes of the text up to `stop`, each with its children.

    `unnumbered` also takes unnumbered headings and lines that open with a short
    sentence naming a deficit, for notices without any numbering.
    """
    folded = wording.text
    found = list(positions(wording, stop))
    found += _lost_numbers(wording, found)
    found.sort(key=itemgetter(0))
    found += [*_headings_above(wording, found), *_further_notices(wording, found, stop)]
    found.sort(key=itemgetter(0))
    if unnumbered:
        told = clauses(wording, 0, stop, sentences=True)
        if told:
            return under_headings(wording, told, 0, stop)
        numbered = {start for start, _, _ in found}
        # What stands above the first long line is the page's head, not the notice.
        first = _PARAGRAPH.search(folded)
        body = first.end() if first else 0
        found += [p for p in paragraphs(wording, body, stop) if p[0] not in numbered]
        found.sort(key=itemgetter(0))
    nodes = _without_repeated_headings(folded, _nodes(wording, found, stop))
    further = next((title for _, title in wording.further_notices), stop)
    own = [node for node in nodes if node.start < further]
    return tree(wording, [*_without_table_of_contents(folded, own), *nodes[len(own) :]])


def _headings_above(wording: Wording, found: list[Start]) -> Iterator[Start]:
    """Unnumbered headings that name an aspect, right above a marker, and sections right above them."""
    folded = wording.text
    taken = {start for start, _, _ in found}
    for start, _, inline in found:
        if inline:
            continue
        begin, end = line_above(folded, start)
        if begin in taken or not TITLE_LINE.fullmatch(folded, begin, end):
            continue
        if is_aspect(wording.grammar, folded[begin:end]):
            yield begin, ("aspect", 0, begin), False
            section, end = line_above(folded, begin)
            if (
                section not in taken
                and TITLE_LINE.fullmatch(folded, section, end)
                and wording.grammar.issues.search(folded, section, end)
                and _PARAGRAPH.search(folded, 0, section)  # else it is the title of the page
            ):
                yield section, ("title", 1, section), False


def _further_notices(wording: Wording, found: list[Start], stop: int) -> Iterator[Start]:
    """Titles of further notices in the same text, and the lines that sign the ones before."""
    taken = {start for start, _, _ in found}
    first = found[0][0] if found else stop
    for signed, title in wording.further_notices:
        if first < signed and title < stop and taken.isdisjoint((signed, title)):
            yield signed, ("title", 0, signed), False
            yield title, ("title", 0, title), False


def _lost_numbers(wording: Wording, found: list[Start]) -> Iterator[Start]:
    """The line that opens with a deficit where a count leaves out one number."""
    for (start, (kind, ordinal, _), _), (stop, (other, number, _), inline) in pairwise(found):
        if kind == other and number == ordinal + 2 and not inline:
            below = wording.text.find("\n", start, stop)
            lines = [
                p
                for p in paragraphs(wording, below, stop)
                if p[1][0] == "line" and not _NO_ITEM.match(wording.text, p[0])
            ]
            if len(lines) != 1:
                continue
            first, (_, _, head), _ = lines[0]
            answered = "\n" in wording.text[first:stop].strip()
            # Beside issues with a label this one has its own.
            labelled = not wording.labelled or wording.next_label(first, stop) < stop
            if answered and labelled:
                yield first, (kind, ordinal + 1, head), False


_NO_ITEM = pattern(rf"[对将把]|剩余|其余|目前|下一?步|[^。\n]*?{DONE}")
# A line of so many characters is a paragraph, not a title.
_PARAGRAPH_FROM = 60
_PARAGRAPH = pattern(rf"[^\n]{{{_PARAGRAPH_FROM},}}")


def under_headings(wording: Wording, told: list[Node], start: int, stop: int) -> list[Node]:
    """Nodes of running text below the unnumbered headings between them."""
    lines = list(_short_headings(wording, [node.start for node in told], start, stop))
    starts = {line[0] for line in lines} | {node.start for node in told}
    answers = bytearray(stop - start)
    for low, high in filter(None, (node.answer or _line_below(wording, node) for node in told)):
        answers[low - start : high - start] = b"\1" * (high - low)
    lines += [
        line
        for line in paragraphs(wording, start, told[-1].start)
        if line[1][0] in ("aspect", "line")
        and line[0] not in starts
        and not answers[line[0] - start]
    ]
    # Above the first heading no line tells a problem by itself.
    first = min((line[0] for line in lines if line[1][0] != "line"), default=stop)
    nodes = [*told, *_nodes(wording, sorted(p for p in lines if p[0] >= first), stop)]
    nodes.sort(key=attrgetter("start"))
    for node, after in pairwise(nodes):
        node.end = after.start
    return tree(wording, nodes)


def _line_below(wording: Wording, node: Node) -> tuple[int, int] | None:
    """The line below one that a problem fills: its answer."""
    if not wording.text.startswith("\n", node.head_end):
        return None
    below = LINE.search(wording.text, node.head_end)
    return below.span() if below else None


def _short_headings(wording: Wording, told: list[int], start: int, stop: int) -> Iterator[Start]:
    """Short lines without punctuation above paragraphs that tell problems, whatever they say,
    and the first one behind the last problem. `told`: where the problems start."""
    text = wording.text
    inline = [match.start() for match in _RUN_IN.finditer(text, start, stop)]
    for low, high in pairwise([*inline, stop]) if len(inline) >= 2 else ():
        yield low, ("aspect", int(bisect(told, low) < bisect(told, high)), low), True
    lines = [match.span() for match in LINE.finditer(text, start, stop)]
    long = [high - low >= _PARAGRAPH_FROM for low, high in lines]
    problems = set(told)
    short = [
        line[0] not in problems
        and _SHORT_HEADING.fullmatch(text, *line) is not None
        and not wording.answers(*line)
        for line in lines
    ]
    # Above the first sentence stands the title of the page.
    told_from = (i for i, line in enumerate(lines) if "。" in text[slice(*line)])
    first = next(told_from, len(lines)) if start == 0 else 0
    at = [i for i in range(first, len(lines) - 1) if short[i]]
    for (i, low), (_, high) in pairwise([*((i, lines[i][0]) for i in at), (len(lines), stop)]):
        if low > told[-1]:
            if long[i + 1]:
                yield low, ("title", 0, low), False
                return
        elif short[i + 1]:
            yield low, ("title", 1, low), False
        elif bisect(told, low) < bisect(told, high):
            yield low, ("aspect", 1, low), False


# A heading on the line of the text below it: in brackets, or an aspect above a problem.
_RUN_IN = pattern(
    r"(?<=[。\n ])(?:\[[^\[\]。,;:\n]{2,12}\](?=[^\s\[])|[^,。;:\n]{2,24}方面(?=[。:](?:对|针对|关于|审计|巡[视察])))"
)
_SHORT_HEADING = pattern(r"[^。;!?:\n]{2,30}")


def openers(wording: Wording, start: int, end: int) -> list[Node]:
    """Nodes for the unnumbered lines of a stretch that open with a deficit, below the
    unnumbered headings between them."""
    return tree(wording, _nodes(wording, list(paragraphs(wording, start, end)), end))


def answered_lines(wording: Wording, start: int, end: int) -> list[Node]:
    """Nodes for unnumbered lines that each have the same measures label, right below or behind
    the problem; [] below two."""
    folded = wording.text
    labels: dict[str, list[re.Match[str]]] = {}
    for label in wording.labels(start, end):
        if label["measures"]:
            labels.setdefault(label["measures"], []).append(label)
    answers = [
        [label for label in alike if not wording.rates(label, end)]
        for alike in labels.values()
        if len(alike) >= 2
    ]
    lines: list[Start] = []
    for label in max(answers, key=len, default=[]):
        first, stop = line_above(folded, label.start())
        if folded[label.start() - 1] not in "\n ":  # in mid-line
            line = folded.rfind("\n", 0, label.start()) + 1
            first, stop = skip_blank(folded, line, label.start()), label.start()
        elif "\n" not in folded[stop : label.start()]:
            return []
        else:
            first = _block_start(wording, start, first)
        titled = start <= first and stop - first <= _LONGEST_TITLE
        if not titled or wording.grammar.label.match(folded, first):
            return []
        lines.append((first, ("line", 0, first), False))
    return _nodes(wording, lines, end) if len(lines) >= 2 else []


_LONGEST_TITLE = 160


def _block_start(wording: Wording, start: int, line: int) -> int:
    """Where the few lines begin that `line` ends, if a blank one or a heading stands above them;
    else `line`."""
    text = wording.text
    first = line
    for _ in range(_MOST_ABOVE):
        above, end = line_above(text, first)
        if text.count("\n", end, first) > 1 or above < start:
            return first
        if is_aspect(wording.grammar, text[above:end]):
            return first
        if wording.answers(above, end):
            return line
        first = above
    return line


_MOST_ABOVE = 4


def answered_points(wording: Wording, start: int, end: int) -> list[Node]:
    """Nodes for 一是, 二是 ... in a line, right at its start, that each have a measures label or
    are titled ...的问题。; [] below two."""
    points = list(_POINT.finditer(wording.text, start, end))
    if len(points) < 2 or wording.text[start : points[0].start()].strip():
        return []
    for point, stop in zip(points, [*(p.start() for p in points[1:]), end], strict=True):
        labels = wording.labels(point.end(), stop)
        titled = _TITLED_POINT.match(wording.text, point.end(), stop)
        if not titled and sum(label["measures"] is not None for label in labels) != 1:
            return []
    found = [(p.start(), ("is", i, p.end()), True) for i, p in enumerate(points, start=1)]
    return _nodes(wording, found, end)


_TITLED_POINT = pattern(r"[^。;:\n]{4,80}的问题[。:]")
_POINT = pattern(rf"(?<=[。;\n ])[{NUMERALS}]{{1,2}}是")


def clauses(
    wording: Wording, start: int, end: int, least: int = 2, *, sentences: bool = False
) -> list[Node]:
    """Nodes for problems in running text (see `told_problems`); [] below `least`."""
    found = told_problems(wording, start, end, sentences=sentences)
    return _told_nodes(wording, found, end) if len(found) >= least else []


def in_prose(wording: Wording, start: int, end: int, least: int = 2) -> list[Node]:
    """The problems of running prose below the headings between them (see `told_in_prose`); []
    below `least`."""
    told, headings = told_in_prose(wording, start, end)
    lines: list[Start] = []
    for (low, high), (following, _) in zip_longest(headings, headings[1:], fillvalue=(end, end)):
        # One right above another is that of a section.
        kind = "aspect" if wording.text[high:following].strip() else "title"
        lines.append((low, marker_at(wording.text, low, high) or (kind, 1, low), False))
    numbered = [low for low, (_, _, head), _ in lines if head > low]
    if len(numbered) >= 2:  # above them stands the introduction
        told = [one for one in told if one.start > numbered[0]]
    if len(told) < least:
        return []
    nodes = [*_told_nodes(wording, told, end), *_nodes(wording, lines, end)]
    nodes.sort(key=attrgetter("start"))
    for node, after in pairwise(nodes):
        node.end = after.start
    return tree(wording, nodes)


def further_clauses(wording: Wording, node: Node) -> list[Node]:
    """Nodes for the clauses behind a numbered one on its line that tell further problems in its
    form: 1.对...的问题, ... 对...的问题, ..."""
    text = wording.text
    first = FIRST_CLAUSE.match(text, node.head, node.end)
    if first is None or first["bare"] or first.end("head") != node.head_end:
        return []
    line_end = text.find("\n", node.head_end, node.end)
    end = line_end if line_end >= 0 else node.end
    found = [
        told
        for told in told_problems(wording, node.head_end, end)
        if text[told.head] == text[node.head] and text.startswith("的问题", told.head_end - 3)
    ]
    return _told_nodes(wording, found, node.end)


def _told_nodes(wording: Wording, found: list[Told], end: int) -> list[Node]:
    nodes = _nodes(wording, [(told.start, ("clause", 0, told.head), True) for told in found], end)
    for node, told in zip(nodes, found, strict=True):
        node.mark_start, node.mark_end = told.mark
        node.head_end = told.head_end
        node.body = told.head_end + wording.text.startswith((",", ":", ";"), told.head_end)
        node.form = "quoted"
        node.answer = told.answer
    return nodes


def _nodes(wording: Wording, found: list[Start], stop: int) -> list[Node]:
    folded = wording.text
    nodes: list[Node] = []
    for position, (start, (kind, ordinal, head), inline) in enumerate(found):
        end = found[position + 1][0] if position + 1 < len(found) else stop
        mark_end = head
        line_end = folded.find("\n", head, end)
        if kind in ("title", "aspect"):
            head_end, form = (line_end if line_end >= 0 else end), "sentence"
            if run_in := _RUN_IN.match(folded, start, head_end):
                head_end = run_in.end()
        else:
            limit = line_end if line_end >= 0 else end
            label = wording.grammar.label.match(folded, head, limit)
            labelled = label and label["problem"] and folded[label.end() : limit].strip()
            if label and labelled:
                head = skip_blank(folded, label.end(), limit)
            elif (bare := wording.behind_bare_label(head, limit)) >= 0:
                head, labelled = bare, True
            head_end, form = find_head(folded, head, limit, wording.grammar)
            form = "labelled" if labelled else form
            if form == "quoted" and folded.startswith(",", head_end):
                # What follows the comma is part of the title where a line break closes it.
                stop_ = folded.find("。", head_end, limit) + 1
                if not folded[stop_ or limit : limit].strip() and folded[limit:end].strip():
                    head_end = stop_ or limit
        leads = kind not in ("title", "aspect") and form == "sentence"
        if leads and _ASPECT_LEAD.fullmatch(folded, head, head_end):
            # "...方面。" on the line of the problem that it leads to.
            further = find_head(folded, head_end, limit, wording.grammar)[0]
            several = FIRST_CLAUSE.match(folded, head_end, limit)
            if not several and wording.states_problem(folded[head_end:further]):
                head_end = further
        head_end, body = wording.statuses.behind(folded, head, head_end, end)
        nodes.append(
            Node(kind, ordinal, start, start, mark_end, head, head_end, body, end, inline, form)
        )
    _title_alike(folded, nodes)
    return nodes


def _title_alike(folded: str, nodes: list[Node]) -> None:
    """Where several numbered nodes have titles that end in a comma (对...问题, ...), let others
    that begin so have theirs."""
    titled = sum(
        n.form in ("about", "quoted") and folded[n.head_end : n.body + 1] == "," for n in nodes
    )
    if titled < _FEWEST_TITLED:
        return
    for node in nodes:
        title = FIRST_CLAUSE.match(folded, node.head, node.head_end)
        if title and not title["bare"] and node.form == "sentence":
            node.head_end = node.body = title.end("head")
            node.form = "about"


_FEWEST_TITLED = 3


_ASPECT_LEAD = pattern(r"[^,。;:\n]{2,24}方面[。:,]")


def _without_repeated_headings(folded: str, nodes: list[Node]) -> list[Node]:
    """The nodes, with a heading that is printed once more right below taken for one."""
    kept = nodes[:1]
    for node in nodes[1:]:
        above = kept[-1]
        same = (above.kind, above.ordinal) == (node.kind, node.ordinal)
        if (
            same
            and node.kind not in UNNUMBERED
            and folded[above.head : above.end].strip(" 。:\n") == heading(folded, node)
        ):
            above.body, above.end = node.body, node.end
        else:
            kept.append(node)
    return kept


def _without_table_of_contents(folded: str, nodes: list[Node]) -> list[Node]:
    """Drop headings that are printed once more, with their text, further down."""
    heads = [heading(folded, node) for node in nodes]
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
