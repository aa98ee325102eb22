"""Unnumbered problems in the text of numbered nodes, which become nodes below or beside them."""

from __future__ import annotations

from itertools import zip_longest
from operator import attrgetter

from rectify_nlp.markers import INNERMOST
from rectify_nlp.outline import (
    answered_lines,
    answered_points,
    clauses,
    further_clauses,
    in_prose,
    openers,
    under_headings,
)
from rectify_nlp.signs import Signs
from rectify_nlp.tree import Node, every
from rectify_nlp.wording import Wording

# Prose is read sentence by sentence where that finds so many times the issues.
CLEARLY_MORE = 4 / 3


def open_up(wording: Wording, roots: list[Node], *, prose: bool) -> None:
    """Give childless headings the unnumbered problems of their text for children; `prose` also
    looks for those that prose tells."""
    signs = Signs(wording)  # what it says of a node that gets children holds no more
    for siblings, above in [(roots, None), *((node.children, node) for node in every(roots))]:
        over = above is None or signs.leads(above)
        siblings[:] = [
            node
            for sibling in siblings
            for node in (sibling, *(_further(signs, sibling) if over else _points(signs, sibling)))
        ]
    for node in every(roots):
        kinds = {kid.kind for kid in node.children if not kid.children}
        if kinds == {"line"} and not any(kid.children for kid in node.children):
            _adopt(node, _with_answered(wording, node))
        elif prose and kinds == {"is"} and len(node.children) == 1 and signs.leads(node):
            (point,) = node.children
            told = in_prose(wording, point.start, point.end)
            if told and all(one.mark_end > one.mark_start for one in told):
                _adopt(node, told)
    childless = [
        node
        for node in every([root for root in roots if not signs.next_steps(root)])
        if not node.children and node.kind != "clause"
    ]
    for node in childless:
        kids = answered_lines(wording, node.body, node.end)
        kids = kids or answered_points(wording, node.body, node.end)
        labelled = signs.has_measures_label(node) and not signs.only_rated(node)
        if not kids and (not labelled or signs.aspect(node)):
            # A title of the form of an issue, or a point, is none over others.
            over = not signs.strong(node) and node.kind not in INNERMOST
            told = clauses(wording, node.body, node.end, sentences=over)
            if told and wording.text[node.body : told[0].start].strip():
                # Behind other text a sentence that says who found something opens no list.
                told = told if clauses(wording, node.body, node.end) else []
            kids = (
                under_headings(wording, told, node.body, node.end)
                if told
                else _openers(signs, node)
            )
            if prose and (signs.leads(node) or signs.announces(node)):
                told = in_prose(wording, node.body, node.end, 1 if signs.aspect(node) else 2)
                kids = told if _tells_more(signs, told, kids) else kids
        _adopt(node, kids)
    for node in every(roots):
        # Problems in running text may stand before numbered or titled ones.
        if node.children and signs.aspect(node) and node.children[0].kind not in ("clause", "line"):
            told = clauses(wording, node.body, node.end)
            _adopt(node, [*told, *node.children] if told else node.children)
    if any(kid.kind == "clause" for node in childless for kid in node.walk()):
        # Where paragraphs tell several problems, one may tell a single one.
        for node in childless:
            if not node.children and not signs.has_measures_label(node):
                _adopt(node, clauses(wording, node.body, node.end, least=1))


def _with_answered(wording: Wording, node: Node) -> list[Node]:
    """The lines below a heading that open with a deficit, and those that have a label below."""
    end = node.children[-1].end
    answered = answered_lines(wording, node.body, end)
    starts = {kid.start for kid in answered}
    kids = [*answered, *(kid for kid in node.children if kid.start not in starts)]
    kids.sort(key=attrgetter("start"))
    for kid, after in zip_longest(kids, kids[1:]):
        kid.end = after.start if after else end
    return kids


def _tells_more(signs: Signs, told: list[Node], kids: list[Node]) -> bool:
    """Whether prose finds clearly more than the rules, or more where these leave some unanswered."""
    answered = sum(1 for kid in kids if kid.answer or signs.own(kid).strip())
    if answered < len(kids):
        return sum(1 for node in told if node.answer) > answered
    return len(told) > CLEARLY_MORE * len(kids)


def _further(signs: Signs, node: Node) -> list[Node]:
    """Further problems told on the line of a numbered one, for siblings of it."""
    if node.children or node.kind == "clause":
        return []
    if node.kind in INNERMOST:
        return _points(signs, node)
    if signs.has_measures_label(node):
        return []
    return _beside(node, further_clauses(signs.wording, node))


def _points(signs: Signs, node: Node) -> list[Node]:
    """Further points on the line of a first one, if each has a measures label."""
    if node.kind != "is" or node.children:
        return []
    return _beside(node, answered_points(signs.wording, node.start, node.end)[1:])


def _beside(node: Node, found: list[Node]) -> list[Node]:
    for further in found:
        further.parent = node.parent
    if found:
        node.end = found[0].start
    return found


def _openers(signs: Signs, node: Node) -> list[Node]:
    """The lines below a heading over issues that open with a deficit."""
    kids = openers(signs.wording, node.body, node.end) if signs.leads(node) else []
    return kids if kids and "\n" in signs.wording.text[node.body : kids[0].start] else []


def _adopt(node: Node, kids: list[Node]) -> None:
    for kid in kids:
        kid.parent = node
    node.children = kids
    if kids:
        node.end = kids[0].start
