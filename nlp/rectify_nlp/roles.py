"""What each node of the outline is: heading, issue, measure, or outside of the issues.

Two passes. First what a node's own wording says, which is certain: the form of its
title, a deficit as predicate, an item label in its text. Then, from the top down, its
neighbours: sections are sorted into organisation, issues and next steps; a node
is a heading where its children read like issues and an issue where they read like
measures; leaves follow their siblings. docs/splitting.md tells the same in prose.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from rectify_nlp.outline import Node, clauses, openers
from rectify_nlp.patterns import pattern
from rectify_nlp.wording import Wording

ISSUE, HEADING, MEASURE, OUTSIDE = "issue", "heading", "measure", "outside"

# Kinds of nodes that open an issue by their form.
_OPENING = ("question", "label", "open")
# A text of fewer characters is a title's remainder, no account of measures.
_TEXT = 15
# A heading that names what is still open, only to go on to what is planned for it.
_PLAN = pattern(r"(?:安排|措施|打算|计划|举措|原因)[。:]?$")
# So much of a heading's end is looked at for an aspect (聚焦..., ...方面).
_LONGEST_ASPECT = 80
# How much a verdict yields to what the siblings are.
_FIRM, _WEAK, _WEAKEST = 2, 1, 0
# Of `_Family.issues`: most of the members with parts are issues.
_MOST = 2
_FIGURE = pattern("[0-9]")
_ANNOUNCES = pattern(
    r"(?:[^,。;:“”]{0,16}(?:反馈|指出|查出|发现))?的?(?:意见[和、]?|具体|主要|突出|各[项类])*问题的?整改"
    r"(?:落实|进展|完成)?(?:的?(?:主要|具体))?情况[。:]?"
)
_THIS_PROBLEM = pattern(
    r"(?:针对|对|对于)(?:这|此|该|第[一二三四五六七八九十0-9]+个|上述|以上|存在|反馈|巡[视察])[^“]{0,10}问题"
)


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

    def __init__(self, wording: Wording) -> None:
        self.wording = wording
        self.grammar = wording.grammar
        # What a node's own wording says is asked often and never changes.
        self.has_measures_label = cache(self._has_measures_label)
        self.has_status_label = cache(self._has_status_label)
        self.labelled_below = cache(self._labelled_below)
        self.strong = cache(self._strong)
        self.aspect = cache(self._aspect)
        self.statistic = cache(self._statistic)
        self.like_issue = cache(self._like_issue)
        self.verdict = cache(self._verdict)

    def assign(self, roots: list[Node]) -> list[Node]:
        """All nodes in the order of the text, with their roles."""
        childless = [
            node
            for root in roots
            if not self._next_steps(root)
            for node in (root, *root.walk())
            if not node.children
        ]
        for node in childless:
            self._open_up(node)
        if any(kid.kind == "clause" for node in childless for kid in node.children):
            # Where paragraphs tell several problems, one may tell a single one.
            for node in childless:
                if not node.children and not self._has_measures_label(node):
                    self._adopt(node, clauses(self.wording, node.body, node.end, least=1))
        family = self._family(roots)
        ahead = False
        for section in roots:
            zone, reason = self._zone(section, ahead, family)
            if zone == ISSUE:
                self._decide(section, family)
                ahead = True
            else:
                _mark((section, *section.walk()), OUTSIDE, reason)
        return [node for root in roots for node in (root, *root.walk())]

    # -- first pass: what a node's own wording says ------------------------------

    def head(self, node: Node) -> str:
        """The title or first sentence of `node`."""
        return self.wording.text[node.head : node.head_end].strip()

    def own(self, node: Node) -> str:
        """The text of `node` behind its head, up to the next node."""
        return self.wording.text[node.body : node.end]

    def _rest_of_line(self, node: Node) -> str:
        end = self.wording.text.find("\n", node.body)
        return self.wording.text[node.body : end if end >= 0 else None].strip()

    def _has_measures_label(self, node: Node) -> bool:
        labels = self.wording.labels(node.body, node.end)
        return any(self.wording.opens_measures(label, node.end) for label in labels)

    def _has_status_label(self, node: Node) -> bool:
        statuses, text = self.wording.statuses, self.wording.text
        return node.kind != "is" and any(
            label["status"] or statuses.after_label(text, label.start(), node.end)
            for label in self.wording.labels(node.body, node.end)
        )

    def _labelled_below(self, node: Node) -> bool:
        return self.has_measures_label(node) or any(map(self.labelled_below, node.children))

    def _strong(self, node: Node) -> bool:
        """Whether the form alone makes the head an issue title (or a heading over issues)."""
        if node.kind in ("title", "aspect"):
            return False
        if node.form == "labelled":
            return True
        if node.form in ("quoted", "about"):
            return not _THIS_PROBLEM.match(self.head(node))
        return node.kind in _OPENING or self._titled(node)

    def _answered_point(self, node: Node) -> bool:
        """Whether 一是... begins a line below an aspect, and others behind it tell what was done."""
        above = node.parent
        return (
            not node.inline
            and above is not None
            and self.aspect(above)
            and len(self.own(node).strip()) >= _TEXT
            and (self.wording.deeds(self.own(node)) or _FIGURE.search(self.own(node)) is not None)
            and self.wording.states_problem(self.head(node))
        )

    def _titled(self, node: Node) -> bool:
        """Whether the head ends like the title of an issue, and does not announce them all."""
        head = self.head(node)
        announces = node.parent is None and _ANNOUNCES.fullmatch(head)
        return not announces and self.grammar.title_end.search(head) is not None

    def _like_issue(self, node: Node) -> bool:
        """Whether the head reads like a problem."""
        if node.kind in ("title", "aspect"):
            return False
        if self.strong(node):
            return True
        head = self.head(node)
        if node.kind == "is" and not self.has_measures_label(node):
            # 一是... opens a measure unless nothing but a deficit is said.
            alone = not node.inline and not self._rest_of_line(node)
            if not alone and not self._answered_point(node):
                return False
            return self.wording.deficit(head) and not self.wording.positive(head)
        return self.wording.states_problem(head)

    def _aspect(self, node: Node) -> bool:
        head = self.head(node)
        # It is told by how a heading ends.
        return self.grammar.aspect.search(head, max(0, len(head) - _LONGEST_ASPECT)) is not None

    def _statistic(self, node: Node) -> bool:
        """Whether `node` counts problems instead of naming one."""
        head = self.head(node)
        return self.wording.statistic(node.head, node.end) and (
            self.wording.counts(head) or not self.wording.deficit(head)
        )

    def _next_steps(self, node: Node) -> bool:
        head = self.head(node)
        if self.grammar.next.search(head) is None:
            return False
        return self.grammar.deficit.search(head) is None or _PLAN.search(head) is not None

    def _open_up(self, node: Node) -> None:
        """Give a childless heading the unnumbered problems of its text for children."""
        if self._has_measures_label(node) and not self.aspect(node):
            return
        kids = clauses(self.wording, node.body, node.end)
        if not kids and self._leads(node):
            kids = openers(self.wording, node.body, node.end)
            if kids and "\n" not in self.wording.text[node.body : kids[0].start]:
                kids = []
        self._adopt(node, kids)

    def _adopt(self, node: Node, kids: list[Node]) -> None:
        for kid in kids:
            kid.parent = node
        node.children = kids
        if kids:
            node.end = kids[0].start

    def _leads(self, node: Node) -> bool:
        """An aspect or a section over issues, itself naming no deficit of its own."""
        head = self.head(node)
        return self.aspect(node) or (
            node.parent is None
            and node.form == "sentence"
            and node.kind not in _OPENING
            and self.grammar.issues.search(head) is not None
            and not self.wording.deficit(head)
        )

    # -- second pass: roles from the top down ------------------------------------

    def _zone(self, section: Node, ahead: bool, family: _Family) -> tuple[str, str]:
        """Whether a first-level node leads to issues, and why; `ahead`: some did before it."""
        head = self.head(section)
        below = list(section.walk())
        labelled = sum(1 for node in (section, *below) if self.has_measures_label(node))
        strong = sum(1 for node in (section, *below) if self.strong(node))
        is_next = self._next_steps(section)
        if labelled >= 2 or (labelled and strong):
            return ISSUE, "issues by their item labels"
        if is_next and ahead and strong < 2:
            return OUTSIDE, "a section about next steps"
        if strong >= 2 or (strong and not is_next and self.strong(section)):
            return ISSUE, "issues by the form of their titles"
        if is_next and strong == 0:
            return OUTSIDE, "a section about next steps"
        organises = self.grammar.organisation.search(head)
        # Run together with its text, a heading is what stands before the first comma.
        title = head.split(",", 1)[0] if len(head) > 40 else head
        leads = self.grammar.issues.search(head)
        like = [node for node in below if node.kind != "is" and self.like_issue(node)]
        countable = [node for node in below if node.kind != "is"]
        if (
            organises
            and not self.wording.deficit(title)
            and (len(like) * 2 < len(countable) or not like)
        ):
            return OUTSIDE, "a section about the organisation of the work"
        if self.like_issue(section) and (section.kind != "is" or labelled):
            return ISSUE, "the heading names a deficit"
        if like and len(like) * 3 >= len(countable):
            return ISSUE, "deficits are named below"
        if leads and (countable or labelled):
            return ISSUE, "the heading announces issues"
        if self.aspect(section):
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
        if role == HEADING and firmness < family.issues and not self.aspect(node):
            role, reason = ISSUE, "an issue like most of those beside it"
        elif role == ISSUE and firmness < _FIRM and family.headings:
            role, reason = HEADING, "a heading like most of those beside it"
        if role == OUTSIDE:
            _mark((node, *node.walk()), OUTSIDE, reason)
        elif role == HEADING:
            self._as_heading(node, reason)
        else:
            self._as_issue(node, reason)

    def _verdict(self, node: Node) -> tuple[str, str, int]:
        """Role of a node with parts, by its own wording and theirs, the reason, and how firm it is."""
        kids = node.children
        if node.kind == "label" and not any(self.strong(kid) for kid in kids):
            return ISSUE, "an item label names the problem", _FIRM
        if all(self.statistic(kid) for kid in kids):
            return OUTSIDE, "counts of problems, not problems", _FIRM
        own_label = self.has_measures_label(node)
        labelled = [kid for kid in kids if self.labelled_below(kid)]
        rated = [kid for kid in kids if self.has_status_label(kid)]
        if len(rated) >= 2:
            labelled = [kid for kid in kids if kid in labelled or kid in rated]
        like = [kid for kid in kids if self.like_issue(kid)]
        if own_label and not labelled:
            return ISSUE, "item label before its parts", _FIRM
        if labelled and self._one_answer(node, labelled):
            return ISSUE, "several parts of one problem answered together", _FIRM
        if labelled:
            return HEADING, "its parts have item labels", _FIRM
        if (
            like
            and self._numbered_like(kids, like) * 2 >= len(kids) + self.strong(node)
            and not self._bare_under_title(node, like)
        ):
            return HEADING, "its parts name deficits", _WEAK
        if like and self._titles_with_answers(node):
            return HEADING, "its parts are titles with texts, few of them positive", _WEAK
        if any(self.like_issue(n) for kid in kids for n in kid.walk() if n.kind != "is"):
            return HEADING, "deficits are named further below", _WEAK
        if (self.strong(node) and not self.aspect(node)) or self.like_issue(node):
            deep = all(kid.children for kid in kids)
            firm = _WEAK if deep else _FIRM
            return ISSUE, "names a deficit; its parts read like measures", firm
        if node.parent is not None and all(kid.kind == "is" for kid in kids):
            return ISSUE, "a positive title; its parts are 一是, 二是 ...", _FIRM
        if self.aspect(node) or node.parent is None or self._has_children_with_text(node):
            return HEADING, "leads to positive titles with text of their own", _WEAKEST
        return ISSUE, "a positive title; its parts read like measures", _FIRM

    def _numbered_like(self, kids: list[Node], like: list[Node]) -> int:
        """Children that read like issues; 一是 counts where nothing else stands beside it."""
        if all(kid.kind == "is" for kid in kids) and len(like) >= 2:
            return len(like)
        return sum(1 for node in like if node.kind != "is")

    def _bare_under_title(self, node: Node, like: list[Node]) -> bool:
        """Single sentences below the firm title of an issue: deeds, whatever they mention."""
        return (
            self.strong(node)
            and not self.aspect(node)
            and not self.wording.only_problems
            and not any(self.strong(kid) or kid.children or self.own(kid).strip() for kid in like)
        )

    def _titles_with_answers(self, node: Node) -> bool:
        """Parts that each have a title and a text, most titles naming no measure.

        A count that runs on from an earlier heading's parts is one of issues.
        """
        positive = sum(self.wording.positive(self.head(kid)) for kid in node.children)
        runs_on = node.children[0].ordinal > 1
        return (
            not self.own(node).strip()
            and self._has_children_with_text(node)
            and (runs_on or all("\n" in self.own(kid).rstrip() for kid in node.children))
            and positive * 2 < len(node.children)
        )

    def _one_answer(self, node: Node, labelled: list[Node]) -> bool:
        """Bare sub-problems, of which only the last is followed by 整改情况: one issue."""
        kids = node.children
        return (
            len(kids) >= 2
            and labelled == [kids[-1]]
            and not self.aspect(node)
            and self.like_issue(node)
            and node.parent is not None
            and all(not kid.children and not self.own(kid).strip() for kid in kids[:-1])
            and not kids[-1].children
        )

    def _has_children_with_text(self, node: Node) -> bool:
        """Every child has a title and, apart from it, a text or parts of its own."""
        return all(kid.children or len(self.own(kid).strip()) >= _TEXT for kid in node.children)

    def _as_issue(self, node: Node, reason: str) -> None:
        node.role, node.reason = ISSUE, reason
        _mark(node.walk(), MEASURE, "part of the issue above")

    def _as_heading(self, node: Node, reason: str) -> None:
        node.role, node.reason = HEADING, reason
        family = self._family(node.children)
        for position, kid in enumerate(node.children):
            if self._organisation_child(kid, family):
                _mark((kid, *kid.walk()), OUTSIDE, "organisation or next steps by its wording")
            elif position == 0 or kid.children or not self._continues_measures(kid, family):
                self._decide(kid, family)
            else:
                _mark((kid, *kid.walk()), MEASURE, "reads like a measure among issues")

    def _family(self, nodes: list[Node]) -> _Family:
        verdicts = [
            role
            for role, _, firmness in (self.verdict(node) for node in nodes if node.children)
            if firmness > _WEAKEST
        ]
        issues = verdicts.count(ISSUE)
        return _Family(
            size=len(nodes),
            like=sum(map(self.like_issue, nodes)),
            strong=sum(map(self.strong, nodes)),
            only_is=all(node.kind == "is" for node in nodes),
            issues=(issues * 2 >= len(verdicts) > 0) + (issues >= 2 and issues * 2 > len(verdicts)),
            headings=verdicts.count(HEADING) * 2 > len(verdicts) > 2,
        )

    def _organisation_child(self, node: Node, family: _Family) -> bool:
        """Organisation or next steps by its wording, among issues of firm form."""
        head = self.head(node)
        if family.strong < 2 or not (
            self.grammar.organisation.search(head) or self.grammar.next.search(head)
        ):
            return False
        if self.like_issue(node) or self.labelled_below(node):
            return False
        return not any(map(self.like_issue, node.walk()))

    def _continues_measures(self, node: Node, family: _Family) -> bool:
        """A childless node that cannot be an issue beside the issues before it."""
        if self.like_issue(node) or self.has_measures_label(node) or self.wording.only_problems:
            return False
        return family.like * 2 >= family.size and not self.own(node).strip()

    def _decide_leaf(self, node: Node, family: _Family) -> None:
        if self.has_measures_label(node):
            self._as_issue(node, "followed by an item label")
        elif self.statistic(node):
            node.role, node.reason = OUTSIDE, "counts of problems, not a problem"
        elif self.strong(node):
            self._as_issue(node, "title of the form of an issue")
        elif self.like_issue(node):
            self._as_issue(node, "names a deficit")
        elif self._beside_issues(node, family):
            self._as_issue(node, "of the same make as the issues beside it")
        elif node.kind == "is" or (node.inline and node.kind.startswith("arabic")):
            node.role, node.reason = MEASURE, "an ordinal without a deficit"
        elif len(self.own(node).strip()) >= _TEXT or family.has_leaf_issue:
            self._as_issue(node, "a positive title with text of its own")
        else:
            node.role, node.reason = MEASURE, "neither deficit nor text of its own"

    def _beside_issues(self, node: Node, family: _Family) -> bool:
        """A bare sentence with its answer below, most of whose siblings name deficits."""
        return (
            family.only_is
            and family.like * 2 >= family.size
            and not self._rest_of_line(node)
            and bool(self.own(node).strip())
        )


def _mark(nodes: Iterable[Node], role: str, reason: str) -> None:
    for node in nodes:
        node.role, node.reason = role, reason
