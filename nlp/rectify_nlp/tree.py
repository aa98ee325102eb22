"""Nodes of a notice, hung below one another.

Which level a marker belongs to is not fixed: the tree follows from the order in which
the kinds of numbering open and resume.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

from rectify_nlp.markers import INNERMOST, is_aspect, marker_at
from rectify_nlp.patterns import pattern
from rectify_nlp.wording import CLOSING, Wording


@dataclass(slots=True, eq=False)
class Node:
    """One marker with the text it governs, up to the next marker.

    `start`: where it begins, `mark_start`, `mark_end`: the number; `head`, `head_end`: the
    title or first sentence after it, `body`: the text behind it and behind a status in brackets; `end`: where the next
    node starts.
    `answer`: where its measures lie, if they do not follow. `role` and `reason` are filled
    in by the splitter.
    """

    kind: str
    ordinal: int
    start: int
    mark_start: int
    mark_end: int
    head: int
    head_end: int
    body: int
    end: int
    inline: bool
    form: str
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    answer: tuple[int, int] | None = None
    role: str = ""
    reason: str = ""

    def walk(self) -> Iterator[Node]:
        """The nodes below, in the order of the text."""
        for child in self.children:
            yield child
            yield from child.walk()


def every(roots: list[Node]) -> list[Node]:
    """The first-level nodes and all below them, in the order of the text."""
    return [node for root in roots for node in (root, *root.walk())]


# Kinds of nodes that bear no number.
UNNUMBERED = ("open", "label", "question", "line", "clause")
# Kinds of counts, and the form in which each may go on.
_OTHER_FORM = {
    "han": "han_bracket",
    "han_bracket": "han",
    "arabic": "arabic_bracket",
    "arabic_bracket": "arabic",
}


def heading(folded: str, node: Node) -> str:
    """The node's title or first sentence, without what surrounds it."""
    return folded[node.head : node.head_end].strip(" 。:")


def tree(wording: Wording, nodes: list[Node]) -> list[Node]:
    """Hang each node below the last one of another kind that is still open."""
    roots: list[Node] = []
    stack: list[Node] = []
    last: dict[str, int] = {}
    for node, after in zip_longest(nodes, nodes[1:]):
        if node.kind == "han":
            inner = next((i for i, n in enumerate(stack) if n.kind in INNERMOST), len(stack))
            del stack[inner:]
        depth = _depth(wording, stack, node, last)
        if depth is None and node.kind in UNNUMBERED:
            # Unnumbered openers stand beside each other, below the last heading.
            depth = next((i for i, n in enumerate(stack) if n.kind in UNNUMBERED), None)
        if depth is None and node.kind == "aspect":
            # Beside the last heading that names an aspect, once something stands below that: one
            # of its count that lost its number.
            above = [i for i, n in enumerate(stack) if n.children and _aspect(wording, n)]
            depth = above[-1] if above else None
            if depth is not None:
                node.kind, node.ordinal = stack[depth].kind, stack[depth].ordinal + 1
        if depth is None and node.kind == "aspect" and after is not None:
            # Or above what follows it.
            depth = next((i for i, n in enumerate(stack) if _of_a_kind(n, after)), None)
        if node.kind == "open" and stack and _answered_title(wording, stack[-1]):
            # One of the numbered issues, without its number.
            depth = len(stack) - 1
            node.kind, node.ordinal = stack[-1].kind, stack[-1].ordinal
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


def _answered_title(wording: Wording, node: Node) -> bool:
    return node.form in ("quoted", "about") and _labelled(wording, node)


def _title_alone(wording: Wording, node: Node) -> bool:
    return node.form in ("quoted", "about") and not wording.text[node.body : node.end].strip()


def _of_a_kind(node: Node, other: Node) -> bool:
    return node.kind == other.kind or (node.kind in UNNUMBERED and other.kind in UNNUMBERED)


def _depth(wording: Wording, stack: list[Node], node: Node, last: dict[str, int]) -> int | None:
    """Where in `stack` the node takes another one's place; None: it opens a level of its own."""
    same = [i for i, open_ in enumerate(stack) if open_.kind == node.kind]
    if not same:
        other_form = 1 < node.ordinal != last.get(node.kind, 0) + 1
        return _in_other_form(wording, stack, node) if other_form else None
    # The ordinal of an unnumbered heading is none.
    opens = node.ordinal == 1 and node.kind not in ("title", "aspect")
    again = opens and same == [len(stack) - 1]
    if again and _opens_list(wording, stack[-1]):
        return None  # the same numbering once more, a level below
    if _runs_on_below(wording, stack[-1], node):
        return None  # the count of an earlier heading's items, in the numbering of the headings
    if 1 <= node.ordinal <= 2 and _lists_measures(wording, stack[-1], node):
        return None  # numbered like a heading further above
    if opens and same[-1] < len(stack) - 1 and _title_alone(wording, stack[-1]):
        return None  # measures below a title, numbered like the headings above it
    fitting = [i for i in same if stack[i].ordinal + 1 == node.ordinal]
    if len(fitting) > 1 and _beside_outer(wording, stack[fitting[-1]], node):
        return fitting[-2]
    if fitting and len(same) > 1:
        return fitting[-1]
    # A number given twice.
    twice = len(same) > 1 and stack[same[-2]].ordinal == node.ordinal
    return same[-2] if twice and _beside_outer(wording, stack[same[-1]], node) else same[-1]


def _beside_outer(wording: Wording, inner: Node, node: Node) -> bool:
    """Whether `node`, which could follow `inner`, goes on with a count further above."""
    if _aspect(wording, node) and not _aspect(wording, inner):
        return True
    above = inner.parent
    if above is not None and (
        _label_at_end(wording, above)
        or (above.children[0].ordinal == 2 and _labelled(wording, above))
    ):
        # In a list of measures only what came of them has a label, behind the last.
        return _labelled(wording, inner) or _answered(wording, node)
    return _labelled(wording, node) and not _labelled(wording, inner)


def _in_other_form(wording: Wording, stack: list[Node], node: Node) -> int | None:
    """Where the count stands that the node goes on with in another form: 5. then (6)."""
    for i, above in reversed(list(enumerate(stack))):
        if (above.kind, above.ordinal + 1) == (_OTHER_FORM.get(node.kind), node.ordinal):
            # Behind a first number the other form may as well have lost its own.
            alike = _aspect(wording, node) and _aspect(wording, above)
            return i if node.ordinal > 2 or alike else None
        if above.kind not in INNERMOST:
            return None  # what stands below the count is closer
    return None


def _aspect(wording: Wording, node: Node) -> bool:
    return is_aspect(wording.grammar, heading(wording.text, node))


def _opens_list(wording: Wording, node: Node) -> bool:
    """Whether a list is to follow: a measures label ends the text, or the head announces issues."""
    own = wording.text[node.body : node.end].rstrip()
    if not own:
        head = wording.text[node.head : node.head_end]
        announces = wording.grammar.issues.search(head) and not wording.grammar.next.search(head)
        return (announces or _aspect(wording, node)) and not wording.deficit(head)
    return _label_at_end(wording, node)


def _label_at_end(wording: Wording, node: Node) -> bool:
    """Whether a measures label ends the text of `node`."""
    stop = node.body + len(wording.text[node.body : node.end].rstrip())
    return any(
        label["measures"] and label.end() >= stop for label in wording.labels(node.body, stop)
    )


def _runs_on_below(wording: Wording, above: Node, node: Node) -> bool:
    """Whether `node` is no sibling of the aspect right above it: out of its count, and none."""
    return (
        above.kind == node.kind
        and node.ordinal > above.ordinal + 1
        and _aspect(wording, above)
        and not _aspect(wording, node)
        and not wording.text[above.body : above.end].strip()
    )


def _lists_measures(wording: Wording, above: Node, node: Node) -> bool:
    """Whether `node` is the first of a list that a measures label at the end of `above` opens, or
    the second where the first stands right behind the label."""
    if node.ordinal == 1:
        return _label_at_end(wording, above)
    next_to_it = (above.kind, above.ordinal) == (node.kind, 1)
    if _answered(wording, node) or (
        next_to_it and wording.states_problem(wording.text[node.head : node.head_end])
    ):
        return False
    *_, last = [None, *wording.labels(above.body, above.end)]
    if last is None or not last["measures"]:
        return False
    first = marker_at(wording.text, last.end(), above.end)
    return (
        first is not None
        and first[:2] == (node.kind, 1)
        and _SECOND.search(wording.text, first[2], above.end) is None
    )


# In mid-line.
_SECOND = pattern(r"(?<=[。;,])[(]?[2二][.、)](?![0-9])")


def _answered(wording: Wording, node: Node) -> bool:
    """Whether a label opens measures in the text of `node`, not only what came of them."""
    return any(
        wording.opens_measures(label, node.end) and not CLOSING.search(label.group())
        for label in wording.labels(node.body, node.end)
    )


def _labelled(wording: Wording, node: Node) -> bool:
    return next(wording.labels(node.body, node.end), None) is not None
