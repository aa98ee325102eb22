"""What each node of the outline is: heading, issue, measure, or outside of the issues.

What its own wording says is certain (`signs`). The rest, from the top down, say its
neighbours: sections are sorted into organisation, issues and next steps; a node
is a heading where its children read like issues and an issue where they read like
measures; leaves follow their siblings. docs/splitting.md tells the same in prose.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from rectify_nlp.signs import TEXT, Signs
from rectify_nlp.tree import Node, every
from rectify_nlp.unnumbered import open_up
from rectify_nlp.wording import CLEARLY, CLOSING

ISSUE, HEADING, MEASURE, OUTSIDE = "issue", "heading", "measure", "outside"

# How much a verdict yields to what the siblings are.
_FIRM, _WEAK, _WEAKEST = 2, 1, 0
# Of `_Family.issues`: most of the members with parts are issues.
_MOST = 2


@dataclass
class _Family:
    """What is asked about the children of one node, counted once."""

    size: int
    like: int
    strong: int
    only_is: bool
    # How many of the members with parts are issues: 2 most, 1 half of them, 0 fewer.
    issues: int = 0
    # Whether most of them are headings.
    headings: bool = False
    has_leaf_issue: bool = False


class Roles:
    """Gives every node of an outline its role and the reason for it."""

    def __init__(self, signs: Signs) -> None:
        self.signs = signs
        self.wording = signs.wording
        self.grammar = signs.wording.grammar
        # Asked for every node by its neighbours, too.
        self.verdict = cache(self._verdict)

    def assign(self, roots: list[Node], *, prose: bool = False) -> list[Node]:
        """All nodes in the order of the text, with their roles; `prose` also looks for problems
        that prose tells below headings."""
        open_up(self.wording, roots, prose=prose)
        family = self._family(roots)
        ahead = False
        for section in roots:
            zone, reason = self._zone(section, ahead, family)
            if zone == ISSUE:
                self._decide(section, family)
                ahead = True
            else:
                mark((section, *section.walk()), OUTSIDE, reason)
        return every(roots)

    def _zone(self, section: Node, ahead: bool, family: _Family) -> tuple[str, str]:
        """Whether a first-level node leads to issues, and why; `ahead`: some did before it."""
        head = self.signs.head(section)
        below = list(section.walk())
        labelled = sum(1 for node in (section, *below) if self.signs.has_measures_label(node))
        strong = sum(1 for node in (section, *below) if self.signs.strong(node))
        is_next = self.signs.next_steps(section)
        if labelled >= 2 or (labelled and strong):
            return ISSUE, "issues by their item labels"
        if is_next and ahead and (strong < 2 or self.signs.next_title(section)):
            return OUTSIDE, "a section about next steps"
        if strong >= 2 or (strong and not is_next and self.signs.strong(section)):
            return ISSUE, "issues by the form of their titles"
        if is_next and strong == 0:
            return OUTSIDE, "a section about next steps"
        organises = self.grammar.organisation.search(head)
        # Run together with its text, a heading is what stands before the first comma.
        title = head.split(",", 1)[0] if len(head) > 40 else head
        leads = self.grammar.issues.search(head)
        like = [node for node in below if node.kind != "is" and self.signs.like_issue(node)]
        countable = [node for node in below if node.kind != "is"]
        if (
            organises
            and not self.wording.deficit(title)
            and (len(like) * 2 < len(countable) or not like)
        ):
            return OUTSIDE, "a section about the organisation of the work"
        if self.signs.like_issue(section) and (section.kind != "is" or labelled):
            return ISSUE, "the heading names a deficit"
        if like and len(like) * 3 >= len(countable):
            return ISSUE, "deficits are named below"
        if leads and (countable or labelled):
            return ISSUE, "the heading announces issues"
        if self.signs.aspect(section):
            return ISSUE, "the heading names an aspect"
        if labelled:
            return ISSUE, "an item label"
        if ahead and family.issues == _MOST and below and not is_next:
            return ISSUE, "beside issues of the same make"
        return OUTSIDE, "neither deficits nor item labels below"

    def _decide(self, node: Node, family: _Family) -> None:
        """Give `node` its role, then its children theirs."""
        kids = node.children
        if not kids:
            self._decide_leaf(node, family)
            family.has_leaf_issue = family.has_leaf_issue or node.role == ISSUE
            return
        role, reason, firmness = self.verdict(node)
        if role == HEADING and firmness < family.issues and not self.signs.aspect(node):
            role, reason = ISSUE, "an issue like most of those beside it"
        elif role == ISSUE and firmness < _FIRM and family.headings:
            role, reason = HEADING, "a heading like most of those beside it"
        if role == OUTSIDE:
            mark((node, *node.walk()), OUTSIDE, reason)
        elif role == HEADING:
            self._as_heading(node, reason)
        else:
            self._as_issue(node, reason)

    def _verdict(self, node: Node) -> tuple[str, str, int]:
        """Role of a node with parts, by its own wording and theirs, the reason, and how firm it is."""
        kids = node.children
        if node.kind == "label" and not any(self.signs.strong(kid) for kid in kids):
            return ISSUE, "an item label names the problem", _FIRM
        if all(self.signs.statistic(kid) for kid in kids):
            return OUTSIDE, "counts of problems, not problems", _FIRM
        own_label = self.signs.has_measures_label(node)
        labelled = [kid for kid in kids if self.signs.labelled_below(kid)]
        rated = [kid for kid in kids if self.signs.has_status_label(kid)]
        if len(rated) >= 2:
            labelled = [kid for kid in kids if kid in labelled or kid in rated]
        like = [kid for kid in kids if self.signs.like_issue(kid)]
        if own_label and (not labelled or self._lists_measures(node, labelled)):
            return ISSUE, "item label before its parts", _FIRM
        if labelled and self._one_answer(node, labelled):
            return ISSUE, "several parts of one problem answered together", _FIRM
        if labelled:
            return HEADING, "its parts have item labels", _FIRM
        if self._mostly(node, like) and self.wording.in_prose and self.signs.like_issue(node):
            # Deeds may name what they mend: the classifier of sentences tells them apart.
            like = [
                kid
                for kid in like
                if self.signs.strong(kid) or self.wording.leans(self.signs.head(kid)) > -CLEARLY
            ]
        if self._mostly(node, like) and not self._bare_under_title(node, like):
            return (
                HEADING,
                "its parts name deficits",
                _FIRM if self._answered_below(kids) or self._all_titled(kids) else _WEAK,
            )
        if like and self._titles_with_answers(node):
            return HEADING, "its parts are titles with texts, few of them positive", _WEAK
        if any(self.signs.like_issue(n) for kid in kids for n in kid.walk() if n.kind != "is"):
            return HEADING, "deficits are named further below", _WEAK
        if (self.signs.strong(node) and not self.signs.aspect(node)) or self.signs.like_issue(node):
            deep = all(kid.children for kid in kids)
            firm = _WEAK if deep else _FIRM
            return ISSUE, "names a deficit; its parts read like measures", firm
        if node.parent is not None and all(kid.kind == "is" for kid in kids):
            return ISSUE, "a positive title; its parts are 一是, 二是 ...", _FIRM
        if self.signs.aspect(node) or node.parent is None or self._has_children_with_text(node):
            return HEADING, "leads to positive titles with text of their own", _WEAKEST
        return ISSUE, "a positive title; its parts read like measures", _FIRM

    def _mostly(self, node: Node, like: list[Node]) -> bool:
        """Whether most parts of `node` read like issues."""
        most = len(node.children) + self.signs.strong(node)
        return bool(like) and self._numbered_like(node.children, like) * 2 >= most

    def _numbered_like(self, kids: list[Node], like: list[Node]) -> int:
        """Children that read like issues; 一是 counts where nothing else stands beside it."""
        if all(kid.kind == "is" for kid in kids) and len(like) >= 2:
            return len(like)
        return sum(1 for node in like if node.kind != "is")

    def _bare_under_title(self, node: Node, like: list[Node]) -> bool:
        """Single sentences below the firm title of an issue: deeds, whatever they mention."""
        return (
            self.signs.strong(node)
            and not self.signs.aspect(node)
            and not self.wording.only_problems
            and not any(
                self.signs.strong(kid) or kid.children or self.signs.own(kid).strip()
                for kid in like
            )
        )

    def _answered_below(self, kids: list[Node]) -> bool:
        """Whether each of the parts has a text that begins below its line."""
        return all("\n" in self.signs.own(kid).rstrip() for kid in kids)

    def _all_titled(self, kids: list[Node]) -> bool:
        """Whether several parts all have the form of an issue and a text of their own."""
        return len(kids) >= 2 and all(
            self.signs.strong(kid) and len(self.signs.own(kid).strip()) >= TEXT for kid in kids
        )

    def _titles_with_answers(self, node: Node) -> bool:
        """Parts that each have a title and a text, most titles naming no measure.

        A count that runs on from an earlier heading's parts is one of issues.
        """
        positive = sum(self.wording.positive(self.signs.head(kid)) for kid in node.children)
        runs_on = node.children[0].ordinal > 1
        return (
            not self.signs.own(node).strip()
            and self._has_children_with_text(node)
            and (runs_on or self._answered_below(node.children))
            and positive * 2 < len(node.children)
        )

    def _lists_measures(self, node: Node, labelled: list[Node]) -> bool:
        """Whether the parts are measures, the last of which what closes the issue follows
        (整改成效:, 完成情况:)."""
        last = node.children[-1]
        closing = [
            CLOSING.search(label.group()) is not None
            for label in self.wording.labels(last.body, last.end)
        ]
        runs_on = node.children[0].ordinal == 2  # the first stands right behind the label
        return (
            labelled == [last]
            and not last.children
            and set(closing) == {True}
            and not self.signs.strong(last)
            and (runs_on or not any(map(self.signs.like_issue, node.children)))
        )

    def _one_answer(self, node: Node, labelled: list[Node]) -> bool:
        """Bare sub-problems, of which only the last is followed by 整改情况: one issue."""
        kids = node.children
        return (
            len(kids) >= 2
            and labelled == [kids[-1]]
            and not self.signs.aspect(node)
            and self.signs.like_issue(node)
            and node.parent is not None
            and all(not kid.children and not self.signs.own(kid).strip() for kid in kids[:-1])
            and not kids[-1].children
        )

    def _has_children_with_text(self, node: Node) -> bool:
        """Every child has a title and, apart from it, a text or parts of its own."""
        return all(
            kid.children or len(self.signs.own(kid).strip()) >= TEXT for kid in node.children
        )

    def _as_issue(self, node: Node, reason: str) -> None:
        node.role, node.reason = ISSUE, reason
        if told := self.signs.told(node):
            node.head_end, node.body = told
            node.form, node.reason = "told", "tells facts, and then what was done"
        mark(node.walk(), MEASURE, "part of the issue above")

    def _as_heading(self, node: Node, reason: str) -> None:
        node.role, node.reason = HEADING, reason
        family = self._family(node.children)
        for position, kid in enumerate(node.children):
            if self._organisation_child(kid, family):
                mark((kid, *kid.walk()), OUTSIDE, "organisation or next steps by its wording")
            elif position == 0 or kid.children or not self._continues_measures(kid, family):
                self._decide(kid, family)
            else:
                mark((kid, *kid.walk()), MEASURE, "reads like a measure among issues")

    def _family(self, nodes: list[Node]) -> _Family:
        verdicts = [
            role
            for role, _, firmness in (self.verdict(node) for node in nodes if node.children)
            if firmness > _WEAKEST
        ]
        issues = verdicts.count(ISSUE)
        return _Family(
            size=len(nodes),
            like=sum(map(self.signs.like_issue, nodes)),
            strong=sum(map(self.signs.strong, nodes)),
            only_is=all(node.kind == "is" for node in nodes),
            issues=(issues * 2 >= len(verdicts) > 0) + (issues >= 2 and issues * 2 > len(verdicts)),
            headings=verdicts.count(HEADING) * 2 > len(verdicts) > 2,
        )

    def _organisation_child(self, node: Node, family: _Family) -> bool:
        """Organisation or next steps by its wording, among issues of firm form."""
        head = self.signs.head(node)
        if family.strong < 2 or not (
            self.grammar.organisation.search(head) or self.grammar.next.search(head)
        ):
            return False
        if self.signs.like_issue(node) or self.signs.labelled_below(node):
            return False
        return not any(map(self.signs.like_issue, node.walk()))

    def _continues_measures(self, node: Node, family: _Family) -> bool:
        """A childless node that cannot be an issue beside the issues before it."""
        if (
            self.signs.like_issue(node)
            or self.signs.has_measures_label(node)
            or self.wording.only_problems
        ):
            return False
        return family.like * 2 >= family.size and not self.signs.own(node).strip()

    def _decide_leaf(self, node: Node, family: _Family) -> None:
        if self.signs.has_measures_label(node):
            self._as_issue(node, "followed by an item label")
        elif self.signs.statistic(node):
            node.role, node.reason = OUTSIDE, "counts of problems, not a problem"
        elif self.signs.strong(node):
            self._as_issue(node, "title of the form of an issue")
        elif self.signs.like_issue(node):
            self._as_issue(node, "names a deficit")
        elif self._beside_issues(node, family):
            self._as_issue(node, "of the same make as the issues beside it")
        elif node.kind == "is" or (node.inline and node.kind.startswith("arabic")):
            node.role, node.reason = MEASURE, "an ordinal without a deficit"
        elif (family.like or not self.signs.facts) and (
            len(self.signs.own(node).strip()) >= TEXT or family.has_leaf_issue
        ):
            self._as_issue(node, "a positive title with text of its own")
        else:
            node.role, node.reason = MEASURE, "neither deficit nor text of its own"

    def _beside_issues(self, node: Node, family: _Family) -> bool:
        """A bare sentence with its answer below, most of whose siblings name deficits."""
        return (
            family.only_is
            and family.like * 2 >= family.size
            and not self.signs.rest_of_line(node)
            and bool(self.signs.own(node).strip())
        )


def mark(nodes: Iterable[Node], role: str, reason: str) -> None:
    for node in nodes:
        node.role, node.reason = role, reason
