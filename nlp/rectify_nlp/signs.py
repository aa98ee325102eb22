"""What a node of the outline says by itself, whatever stands around it.

The form of its title, a deficit as predicate, an item label in its text, an aspect, a
count. `roles` decides by these, node by node and with the neighbours.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cache
from operator import attrgetter

from rectify_nlp.markers import INNERMOST
from rectify_nlp.patterns import pattern
from rectify_nlp.sentences import PROBLEM, problems
from rectify_nlp.tree import Node
from rectify_nlp.wording import Wording

# Kinds of nodes that open an issue by their form.
OPENING = ("question", "question_bracket", "label", "open")
# A text of fewer characters is a title's remainder, no account of measures.
TEXT = 15
# A heading that names what is still open, only to go on to what is planned for it.
_PLAN = pattern(r"(?:安排|措施|打算|计划|举措|原因|下一?步工作)[。:]?$")
# So much of a heading's end is looked at for an aspect (聚焦..., ...方面).
_LONGEST_ASPECT = 80
# A title of that kind, whatever text it is run together with.
_NEXT_TITLE = pattern(
    r"(?:下一?步|下一?阶段|今后|后续)的?(?:工作)?(?:打算|安排|计划|思路|工作)(?:[ 。:]|$)"
)
_FIGURE = pattern("[0-9]")
_ANNOUNCES = pattern(
    r"(?:(?:“[^”]{2,8}”)?[^,。;:“”]{0,30}(?:反馈|指出|查出|发现))?的?(?:意见[和、]?|具体|主要|突出|重点|各[项类])*问题的?整改"
    r"(?:落实|进展|完成)?(?:的?(?:主要|具体))?情况[。:]?"
)
_THIS_PROBLEM = pattern(
    r"(?:针对|对|对于)(?:这|此|该|第[一二三四五六七八九十0-9]+个|上述|以上|存在|反馈|巡[视察])[^“]{0,10}问题"
)

_HANDED_ON = pattern(r"(?:信访件?|线索|移送)[^,。;:]{0,8}(?:办理|处置|处理|查办|核查)(?:工作)?情况")


class Signs:
    """What the wording of a node says; with `facts` also what its sentences tell, whatever their
    wording, and with `in_one` those of one sentence tell a problem and what was done about it."""

    def __init__(self, wording: Wording, *, facts: bool = False, in_one: bool = False) -> None:
        self.wording = wording
        self.facts = facts
        self.in_one = in_one
        self.grammar = wording.grammar
        # These are asked often, and never change.
        self.has_measures_label = cache(self._has_measures_label)
        self.has_status_label = cache(self._has_status_label)
        self.labelled_below = cache(self._labelled_below)
        self.strong = cache(self._strong)
        self.aspect = cache(self._aspect)
        self.statistic = cache(self._statistic)
        self.like_issue = cache(self._like_issue)
        self.told = cache(self._told)

    def head(self, node: Node) -> str:
        """The title or first sentence of `node`."""
        return self.wording.text[node.head : node.head_end].strip()

    def own(self, node: Node) -> str:
        """The text of `node` behind its head, up to the next node."""
        return self.wording.text[node.body : node.end]

    def rest_of_line(self, node: Node) -> str:
        end = self.wording.text.find("\n", node.body)
        return self.wording.text[node.body : end if end >= 0 else None].strip()

    def _has_measures_label(self, node: Node) -> bool:
        labels = self.wording.labels(node.body, node.end)
        return any(self.wording.opens_measures(label, node.end) for label in labels)

    def only_rated(self, node: Node) -> bool:
        """Whether no label of `node` opens measures but those whose line is a status."""
        return all(
            not label["measures"] or self.wording.rates(label, node.end)
            for label in self.wording.labels(node.body, node.end)
        )

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
            return not (_THIS_PROBLEM.match(self.head(node)) or self.announces(node))
        return node.kind in OPENING or self._titled(node)

    def _answered_point(self, node: Node) -> bool:
        """Whether 一是... begins a line below an aspect, and others behind it tell what was done."""
        above = node.parent
        return (
            not node.inline
            and above is not None
            and self.aspect(above)
            and len(self.own(node).strip()) >= TEXT
            and (self.wording.deeds(self.own(node)) or _FIGURE.search(self.own(node)) is not None)
            and self.wording.states_problem(self.head(node))
        )

    def _titled(self, node: Node) -> bool:
        """Whether the head ends like the title of an issue, and does not announce them all."""
        head = self.head(node)
        return not self.announces(node) and self.grammar.title_end.search(head) is not None

    def announces(self, node: Node) -> bool:
        """Whether the head announces problems that follow (审计查出问题的整改情况)."""
        return _ANNOUNCES.fullmatch(self.head(node)) is not None

    def _like_issue(self, node: Node) -> bool:
        """Whether the head reads like a problem."""
        if node.kind in ("title", "aspect"):
            return False
        if self.strong(node):
            return True
        head = self.head(node)
        if node.kind == "is" and not self.has_measures_label(node):
            # 一是... opens a measure unless nothing but a deficit is said.
            alone = not node.inline and not self.rest_of_line(node)
            if not alone and not self._answered_point(node):
                return False
            return self.wording.deficit(head) and not self.wording.positive(head)
        return self.wording.states_problem(head) or self.told(node) is not None

    def one_sentence(self, node: Node) -> bool:
        """Whether a node, not the innermost kind, has a single sentence."""
        return not (node.children or node.kind in INNERMOST or self.own(node).strip())

    def parted(self, node: Node, *, surely: bool = True) -> int:
        """At which comma of its sentence a node is parted into a problem and a deed, or -1."""
        return self.wording.parted(self.wording.text[node.head : node.head_end], surely=surely)

    def _told(self, node: Node) -> tuple[int, int] | None:
        """Where the problem ends and the measures begin, if the head of `node` states none, but its
        sentences tell one, below a title perhaps, and then, or the nodes below, what was done."""
        if not self.facts or node.kind in INNERMOST:
            return None
        if self.one_sentence(node):
            comma = self.parted(node, surely=not self.in_one)
            if comma >= 0:
                return node.head + comma, node.head + comma + 1
        if self.wording.states_problem(self.head(node)):
            return None
        sentences, kinds = self.wording.told
        first = bisect_right(sentences, node.head, key=attrgetter("end"))
        behind = bisect_left(sentences, node.end, first, key=attrgetter("start"))
        if first < behind and sentences[first].end <= node.head_end and kinds[first] != PROBLEM:
            first += 1
        spans = list(problems(sentences[first:behind], kinds[first:behind]))
        if len(spans) != 1 or spans[0][0] != 0:
            return None
        _, last, stop = spans[0]
        problem_end = sentences[first + last - 1].end
        if last < stop:
            return problem_end, sentences[first + last].start
        answered_below = node.children and first + last == behind
        return (problem_end, problem_end) if answered_below else None

    def _aspect(self, node: Node) -> bool:
        head = self.head(node)
        # It is told by how a heading ends.
        return self.grammar.aspect.search(head, max(0, len(head) - _LONGEST_ASPECT)) is not None

    def _statistic(self, node: Node) -> bool:
        """Whether `node` counts problems, or leads that were handed on, instead of naming one."""
        if node.form == "quoted" or self.has_measures_label(node):
            return False
        head = self.head(node)
        if _HANDED_ON.search(head) and not self.wording.deficit(head):
            return True
        return self.wording.statistic(node.head, node.end) and (
            self.wording.counts(head) or not self.wording.deficit(head)
        )

    def next_steps(self, node: Node) -> bool:
        head = self.head(node)
        if self.grammar.next.search(head) is None:
            return False
        if self.next_title(node):
            return True
        return self.grammar.deficit.search(head) is None or _PLAN.search(head) is not None

    def next_title(self, node: Node) -> bool:
        """Whether the head begins with the very title of what is planned."""
        return _NEXT_TITLE.match(self.head(node)) is not None

    def leads(self, node: Node) -> bool:
        """An aspect or a section over issues, itself naming no deficit of its own."""
        head = self.head(node)
        return self.aspect(node) or (
            node.parent is None
            and node.form == "sentence"
            and node.kind not in OPENING
            and self.grammar.issues.search(head) is not None
            and not self.wording.deficit(head)
        )
