"""What a reader should look at twice once a notice is cut: gaps, empty answers, what was left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import TypeVar

from rectify_nlp.roles import HEADING, ISSUE, OUTSIDE
from rectify_nlp.signs import Signs
from rectify_nlp.tree import Node
from rectify_nlp.types import Issue

# Kinds of numbering that count on from one item to the next.
_COUNTED = ("han", "han_bracket", "arabic", "arabic_bracket", "question", "nth")
# So many places are named in one warning; the rest are counted.
_NAMED = 5


def cautions(
    signs: Signs, nodes: Sequence[Node], issues: Sequence[Issue], line: Callable[[int], int]
) -> list[str]:
    """Warnings about the cut of a notice that has issues.

    `nodes` with their roles, in the order of the text; `line` gives the line, from 1,
    of a position in the folded text.
    """

    def skipped(gap: tuple[Node, int]) -> str:
        return f"line {line(gap[0].start)} ({gap[1]} missing)"

    def said(node: Node) -> str:
        head = signs.wording.text[node.start : node.head_end].strip()[:24]
        return f'line {line(node.start)} "{head}"'

    left_out = [
        node
        for node in nodes
        if node.role == OUTSIDE
        and node.kind != "is"
        and (signs.strong(node) or signs.has_measures_label(node))
        and not signs.statistic(node)
    ]
    unanswered = [issue for issue in issues if not issue.measures.text]
    if len(unanswered) == len(issues):
        empty = ["no measures found for any of them"]
    else:
        empty = _warning("no measures found for", unanswered, _named)
    return [
        *_warning("numbering skips before", _gaps(nodes), skipped),
        *_warning("looks like an issue but was left out:", left_out, said),
        *empty,
    ]


def _gaps(nodes: Iterable[Node]) -> list[tuple[Node, int]]:
    """Nodes before which a numbering of issues or headings skips, and what is missing."""
    found = []
    families: dict[int, list[Node]] = {}
    for node in nodes:
        if node.role in (ISSUE, HEADING) and node.kind in _COUNTED:
            families.setdefault(id(node.parent), []).append(node)
    for family in families.values():
        for before, after in pairwise(family):
            if before.kind == after.kind and after.ordinal > before.ordinal + 1:
                found.append((after, after.ordinal - before.ordinal - 1))
    return found


def _named(issue: Issue) -> str:
    number = issue.number.text if issue.number else ""
    return f'"{number}{issue.problem.text[:16]}"'


T = TypeVar("T")


def _warning(what: str, found: Sequence[T], told: Callable[[T], str]) -> list[str]:
    """One warning for all places; only the first few are told."""
    if not found:
        return []
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return [f"{what} {', '.join(map(told, found[:_NAMED]))}{more}"]
