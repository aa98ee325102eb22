"""A notice to its issues, by wording and neighbours rather than by numbering level.

First pass: for every node of the outline, what is certain from its own wording (a
title of the form 关于...的问题, a deficit as predicate, an item label below it, a
positive task phrase, an aspect). Second pass, from the top down: first-level
sections are sorted into organisation, issues and next steps; below an issues
section a node is a heading where its children read like issues, an issue where they
read like measures; leaves follow their siblings. Measures run to the next issue or
heading. docs/splitting.md tells the same in prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rectify_nlp.cautions import cautions
from rectify_nlp.folding import Folded, can_simplify, fold, is_traditional, simplify
from rectify_nlp.grammar import Grammar, load_grammar
from rectify_nlp.outline import Node, outline
from rectify_nlp.roles import HEADING, ISSUE, OUTSIDE, Roles
from rectify_nlp.status import StatusReader, compare_totals, stated_totals, status_reader
from rectify_nlp.taxonomy import Taxonomy, default_taxonomy
from rectify_nlp.types import Issue, Notice, Passage, Stated, Totals
from rectify_nlp.wording import SENTENCES, Wording, next_start, skip_blank


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Why a line was taken for what it is: one row of `Split.trace`."""

    start: int
    end: int
    role: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Issues in the order of the text, stated totals, warnings; if asked for, the role of every line."""

    issues: tuple[Issue, ...]
    totals: Totals
    warnings: tuple[str, ...]
    trace: tuple[Line, ...]


def split(notice: Notice, taxonomy: Taxonomy | None = None, *, trace: bool = False) -> Split:
    """Cut `notice` into issues; `trace` also tells why each line was taken for what it is.

    No issues, with a warning that says why, for what is no notice.
    """
    taxonomy = taxonomy or default_taxonomy()
    grammar = load_grammar()
    statuses = status_reader(taxonomy, grammar)
    return _Splitter(notice.text, grammar, statuses, taxonomy).run(trace=trace)


def segment(
    problem: str,
    measures: str,
    path: Iterable[str] = (),
    *,
    source: str = "",
    taxonomy: Taxonomy | None = None,
) -> tuple[Notice, Issue]:
    """A notice that consists of one ready-cut issue, and that issue.

    The text is path, problem and measures, a line each. A status that the measures
    state is found as in a whole notice; its label is left in place.
    """
    taxonomy = taxonomy or default_taxonomy()
    passages = []
    start = 0
    for text in (*path, problem, measures):
        passages.append(Passage(text=text, start=start))
        start += len(text) + 1
    text = "\n".join(p.text for p in passages)
    *headings, first, second = passages
    # Folded alone, measures keep the length they have: pinyin is taken out nowhere else.
    reader = status_reader(taxonomy, load_grammar())
    folded = Folded(simplify(fold(text)))
    stated = _original(reader.in_segment(folded.text, second.start, second.end), folded, text)
    issue = Issue(problem=first, measures=second, path=tuple(headings), stated=stated)
    return Notice(text=text, source=source), issue


class _Splitter:
    def __init__(
        self, text: str, grammar: Grammar, statuses: StatusReader, taxonomy: Taxonomy
    ) -> None:
        self.text = text
        self._fold = Folded.of(text)
        self.folded = self._fold.text
        self.grammar = grammar
        self.statuses = statuses
        self.taxonomy = taxonomy
        self.wording = Wording(self.folded, grammar, statuses)
        self.roles = Roles(self.wording)

    def run(self, *, trace: bool) -> Split:
        stop = self._closing()
        nodes = self._nodes(stop, unnumbered=False)
        if not any(node.role == ISSUE for node in nodes):
            nodes = self._nodes(stop, unnumbered=True)
        issues = tuple(self._issues(nodes, stop)) if self._is_notice(nodes) else ()
        if not issues:
            for node in nodes:
                if node.role in (ISSUE, HEADING):
                    node.role, node.reason = OUTSIDE, "the text is no rectification notice"
        lines = tuple(self._trace(nodes, stop)) if trace else ()
        totals = self._totals(nodes)
        warnings = self._warnings(issues, nodes, totals)
        return Split(issues=issues, totals=totals, warnings=warnings, trace=lines)

    def _trace(self, nodes: list[Node], stop: int) -> Iterator[Line]:
        """Every node, and every line that is none, in the order of the text."""
        found = [(node.start, node.head_end, node.role, node.reason) for node in nodes]
        starts = {node.start for node in nodes}
        first = nodes[0].start if nodes else stop
        for match in _LINE.finditer(self.folded):
            if match.start() not in starts:
                role, reason = "text", "goes on with what stands above"
                if match.start() >= stop:
                    role, reason = OUTSIDE, "closing lines"
                elif match.start() < first:
                    role, reason = OUTSIDE, "above the first heading"
                found.append((*match.span(), role, reason))
        for start, end, role, reason in sorted(found):
            low, high = self._fold.place(start), self._fold.end_place(end)
            yield Line(start=low, end=high, role=role, reason=reason)

    def _nodes(self, stop: int, *, unnumbered: bool) -> list[Node]:
        """All nodes in the order of the text, each with its role."""
        return self.roles.assign(outline(self.wording, stop, unnumbered=unnumbered))

    # -- where the notice ends -------------------------------------------------

    def _closing(self) -> int:
        """Start of the closing lines (thanks, contact, signature), or the end of the text."""
        folded = self.folded
        stop = len(folded)
        start = folded.find("\n", max(stop * 2 // 5, stop - 6000)) + 1
        farewell = -1  # a paragraph that looks ahead, if no item follows it
        while 0 < start < stop:
            end = folded.find("\n", start)
            end = stop if end < 0 else end
            line = folded[start:end].strip()
            if self.grammar.closing.match(line) or _SIGNATURE.fullmatch(line):
                return farewell if farewell >= 0 else start
            if _ITEM.match(line):
                farewell = -1
            elif len(line) < 400 and farewell < 0 and self.grammar.closing_wider.match(line):
                farewell = start
            start = end + 1
        return farewell if farewell >= 0 else stop

    # -- issues --------------------------------------------------------------------

    def _is_notice(self, nodes: list[Node]) -> bool:
        """Whether the text is about rectification at all."""
        issues = [node for node in nodes if node.role == ISSUE]
        top = self.folded[:20000]
        labelled = sum(1 for node in issues if self.roles.labelled_below(node))
        if not issues or self.grammar.regulation.search(self.folded):
            return False
        if labelled >= 2:
            return True
        if len(self.grammar.foreign.findall(top)) >= 4:
            return False
        strong = sum(1 for node in issues if self.roles.strong(node))
        subject = len(self.grammar.subject.findall(top))
        if (strong >= 2 and subject) or (labelled and strong):
            return True
        like = sum(1 for node in issues if self.roles.like_issue(node))
        if (
            self.grammar.occasion.search(top)
            and subject >= 3
            and (like or subject * 400 >= len(top))
        ):
            return True
        # An excerpt says neither what it is nor on what occasion: deficits answered by deeds tell.
        answered = sum(
            1 for node in issues if len(self.roles.own(node).strip()) >= 20 or node.children
        )
        return "整改" in top and like >= 4 and answered >= 4 and like * 4 >= len(issues) * 3

    def _issues(self, nodes: list[Node], stop: int) -> Iterator[Issue]:
        inside = [node for node in nodes if node.role in (ISSUE, HEADING, OUTSIDE)]
        for position, node in enumerate(inside):
            if node.role == ISSUE:
                end = inside[position + 1].start if position + 1 < len(inside) else stop
                yield self._issue(node, end)

    def _issue(self, node: Node, end: int) -> Issue:
        """The issue of `node`, whose text runs to `end`."""
        problem_end, measures_start, fused = self._boundaries(node, end)
        beside = self._beside(node, measures_start)
        measures_end, trailing = self._measures_end(measures_start, end, row=node.kind == "label")
        path = tuple(self._path(node))
        stated = (
            trailing
            or fused
            or beside
            or self.statuses.in_sentence(self.folded, measures_start, measures_end)
            or self._stated_above(node)
        )
        number = self._number(node)
        return Issue(
            problem=self._passage(node.head, problem_end),
            measures=self._passage(measures_start, max(measures_start, measures_end)),
            number=number,
            path=path,
            stated=_original(stated, self._fold, self.text),
        )

    def _beside(self, node: Node, stop: int) -> Stated | None:
        """A status in brackets behind the title, or behind a label before the measures."""
        stated = self.statuses.bracketed(self.folded, node.head_end, node.body)
        for label in () if stated else self.wording.labels(node.body, stop):
            line_end = self.folded.find("\n", label.end(), stop)
            if label["other"] and line_end >= 0:
                stated = stated or self.statuses.closing_brackets(
                    self.folded, label.end(), line_end
                )
        return stated

    def _number(self, node: Node) -> Passage | None:
        if node.kind == "label":
            row = self.grammar.label.match(self.folded, node.start, node.end)
            return self._passage(*row.span("row")) if row and row["row"] else None
        return self._passage(node.start, node.mark_end) if node.mark_end > node.start else None

    def _boundaries(self, node: Node, end: int) -> tuple[int, int, Stated | None]:
        """End of the problem, start of the measures, and a status fused with their label."""
        folded = self.folded
        if node.kind == "clause":
            return node.head_end, skip_blank(folded, node.body + 1, end), None
        problem_end = node.head_end
        position = node.body + folded.startswith(",", node.body)
        reading_problem = True
        planned = False
        while 0 <= position < end:
            start = skip_blank(folded, position, end)
            label = self.grammar.label.match(folded, start, end)
            if label is None:
                if reading_problem:
                    follow = next_start(folded, start, end, SENTENCES)
                    if self._problem_goes_on(node, start, follow if follow >= 0 else end, end):
                        problem_end = follow if follow >= 0 else end
                        position = follow
                        continue
                return problem_end, start, None
            if label["detail"] or label["problem"]:
                position = label.end()
                follow = next_start(folded, position, end)
                problem_end = follow if follow >= 0 else end
                position = follow
                continue
            value = self.statuses.after_label(folded, start, end)
            if value is not None:
                stated, finish = value
                again = self.grammar.label.match(folded, skip_blank(folded, finish, end), end)
                if again and again["measures"]:
                    return problem_end, skip_blank(folded, again.end(), end), stated
                return problem_end, skip_blank(folded, finish, end), stated
            if planned and "措施" in label.group():
                position = _later_label(folded, label.end(), end, self.grammar)
                if position >= 0:
                    continue
            if label["measures"] or label["status"]:
                return problem_end, skip_blank(folded, label.end(), end), None
            # Where a goal is given, what follows as 整改措施 is the plan, not the deed.
            planned = planned or "目标" in label.group()
            # Any other label (责任单位 ...) has its value up to the line's end.
            reading_problem = False
            position = folded.find("\n", skip_blank(folded, label.end(), end), end)
        return problem_end, end, None

    def _problem_goes_on(self, node: Node, start: int, follow: int, end: int) -> bool:
        """Whether the sentence at `start` still tells the problem, not the measures."""
        sentence = self.folded[start:follow].strip()
        if not sentence:
            return False
        if self.wording.only_problems:
            return "\n" not in self.folded[node.body : start]
        firm = node.form not in ("sentence", "labelled")
        if not firm and self.wording.label_ahead(start, end):
            return True
        if firm and not _MEASURE_CUE.match(self.folded, follow):
            return False  # behind a firm title, only what stands right before 一是 ...
        same_line = "\n" not in self.folded[node.body : start]
        return (
            same_line
            and len(sentence) <= 160
            and self.wording.deficit(sentence)
            and (not _HANDLING.match(sentence) or self.wording.deficit(sentence.split(",", 1)[0]))
            and not _MEASURE_CUE.match(sentence)
            and not self.wording.positive(sentence)
            and not self.wording.deeds(sentence)
        )

    def _measures_end(self, start: int, end: int, *, row: bool) -> tuple[int, Stated | None]:
        """Cut label lines (status, deadline, person in charge) off the end of the measures.

        Behind the status of a table's `row` nothing belongs to it any more.
        """
        folded = self.folded
        tail = start
        if end - start > 400:
            tail = next_start(folded, end - 400, end)
        stop, stated = end, None
        closing = self.statuses.closing_brackets(folded, start, end)
        if closing:
            return closing.masked[0], closing
        for label in self.wording.labels(tail, end) if tail >= 0 else ():
            position = label.start()
            if row or self._only_labels(position, end):
                value = self.statuses.after_label(folded, position, end)
                if value is not None:
                    stated, stop = value[0], min(stop, position)
                elif label["other"]:
                    stop = min(stop, position)
        while stop > start and folded[stop - 1] in " \n":
            stop -= 1
        return stop, stated

    def _only_labels(self, start: int, end: int) -> bool:
        """Whether nothing but lines of a status or of an `other` label follows."""
        for line in self.folded[start:end].split("\n"):
            label = self.grammar.label.match(line)
            if line.strip() and not (
                label and (label["other"] or self.statuses.after_label(line, 0, len(line)))
            ):
                return False
        return True

    def _stated_above(self, node: Node) -> Stated | None:
        above = node.parent
        while above is not None:
            if not self.roles.strong(above):
                stated = self.statuses.in_heading(self.folded, above.start, above.head_end)
                if stated:
                    return stated
            above = above.parent
        return None

    def _path(self, node: Node) -> Iterable[Passage]:
        chain = []
        above = node.parent
        while above is not None:
            if above.role in (HEADING, OUTSIDE):
                chain.append(self._passage(above.start, self._heading_end(above)))
            above = above.parent
        return reversed(chain)

    def _heading_end(self, node: Node) -> int:
        """A heading of several sentences on one short line is one heading."""
        own = self.roles.own(node).rstrip()
        if own and "\n" not in own and node.end - node.head <= 160 and self.wording.deficit(own):
            return node.head_end + len(own)
        return node.head_end

    def _passage(self, start: int, end: int) -> Passage:
        """The original text of a folded span, without white space around it."""
        while start < end and self.folded[start].isspace():
            start += 1
        while end > start and self.folded[end - 1].isspace():
            end -= 1
        low, high = self._fold.place(start), self._fold.end_place(end)
        return Passage(text=self.text[low : max(low, high)], start=low)

    # -- warnings --------------------------------------------------------------------

    def _totals(self, nodes: list[Node]) -> Totals:
        """What the notice counts before its first issue and in its closing lines.

        Between them, counts are those of single issues.
        """
        first = next((node.start for node in nodes if node.role == ISSUE), len(self.folded))
        closing = self.folded[nodes[-1].end :] if nodes else ""
        return stated_totals(self.folded[:first] + "\n" + closing, self.taxonomy)

    def _warnings(
        self, issues: tuple[Issue, ...], nodes: list[Node], totals: Totals
    ) -> tuple[str, ...]:
        if not issues:
            about = self.grammar.subject.search(self.folded) is not None
            return (
                "no issues found: the text speaks of rectification but lists no single problems"
                if about
                else "no issues found: this does not look like a rectification notice",
            )
        hint = []
        if is_traditional(self.text) and not can_simplify():
            hint = ["traditional characters: pip install 'rectify-nlp[hant]' reads them better"]
        statuses = [issue.stated.status if issue.stated else None for issue in issues]
        places = cautions(self.roles, nodes, issues, self._line)
        return (*hint, *compare_totals(totals, statuses), *places)

    def _line(self, position: int) -> int:
        return self.text.count("\n", 0, self._fold.place(position)) + 1


_LINE = re.compile(r"[^ \n][^\n]*")
_ITEM = re.compile(r"[一二三四五六七八九十]+、|[(][一二三四五六七八九十0-9]+[)]|[0-9]+[.、]")
_SIGNATURE = re.compile(
    r"(?:中共|中国共产党).{2,40}(?:党组|委员会|党委|党工委|总支部|支部)"
    r"|(?:19|20)[0-9]{2}年[0-9]{1,2}月[0-9]{1,2}日"
)
_HANDLING = re.compile(r"[对将把]")
_MEASURE_CUE = re.compile(
    r"(?:一是|首先|第一|针对|对此|(?:该|此|本)(?:项)?问题|目前|截至|下一?步|已|经|20[0-9]{2}年[0-9]{1,2}月|[(\[]?[0-9一]{1,2}[)\].、])"
)


def _later_label(folded: str, position: int, end: int, grammar: Grammar) -> int:
    """Start of the next line with a measures label; -1 if there is none."""
    while 0 <= position < end:
        line = folded.find("\n", position, end)
        if line < 0:
            return -1
        position = line + 1
        label = grammar.label.match(folded, position, end)
        if label and label["measures"]:
            return position
    return -1


def _original(stated: Stated | None, folded: Folded, text: str) -> Stated | None:
    """A status found in folded text, with its places in the original `text`."""
    if stated is None:
        return None
    low, high = folded.place(stated.start), folded.end_place(stated.end)
    masked = (folded.place(stated.masked[0]), folded.end_place(stated.masked[1]))
    return Stated(status=stated.status, text=text[low:high], start=low, masked=masked)
