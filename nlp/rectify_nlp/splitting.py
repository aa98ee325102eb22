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

from collections.abc import Iterable, Iterator
from dataclasses import replace

from rectify_nlp.cautions import cautions
from rectify_nlp.extents import Extent, Extents
from rectify_nlp.folding import (
    Folded,
    can_simplify,
    fold,
    is_traditional,
    simplify,
    some_traditional,
)
from rectify_nlp.grammar import Grammar, load_grammar
from rectify_nlp.markers import INNERMOST
from rectify_nlp.outline import in_prose, outline
from rectify_nlp.pairing import answer_apart
from rectify_nlp.patterns import pattern
from rectify_nlp.roles import HEADING, ISSUE, OUTSIDE, Roles
from rectify_nlp.signs import Signs
from rectify_nlp.slips import put_right
from rectify_nlp.status import StatusReader, compare_totals, stated_totals, status_reader
from rectify_nlp.taxonomy import Taxonomy, default_taxonomy
from rectify_nlp.tree import Node
from rectify_nlp.types import Issue, Line, Notice, Passage, Split, Stated, Totals
from rectify_nlp.unnumbered import CLEARLY_MORE
from rectify_nlp.wording import LINE, Wording, line_above


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
    # The line feed before them shows where they begin.
    reader = status_reader(taxonomy, load_grammar())
    before = second.start - 1
    folded = simplify(fold(text))[before:] if some_traditional(text) else fold(text[before:])
    stated = reader.in_segment(folded, 1, len(folded))
    if stated:
        low, high = before + stated.start, before + stated.end
        masked = (before + stated.masked[0], before + stated.masked[1])
        stated = Stated(status=stated.status, text=text[low:high], start=low, masked=masked)
    issue = Issue(problem=first, measures=second, path=tuple(headings), stated=stated)
    return Notice(text=text, source=source), issue


def _issues_among(nodes: list[Node]) -> int:
    return sum(node.role == ISSUE for node in nodes)


# Numbers with so few issues by their wording are headings over prose, if that tells more than so many.
_FEW, _MANY = 2, 4
# So many items of one sentence that tell a problem and a deed show that all do, if half of them do.
_FEWEST_PARTED = 4
# Of so many new issues one that the wording told may become a heading.
_EACH_LOST = 4


class _Splitter:
    def __init__(
        self, text: str, grammar: Grammar, statuses: StatusReader, taxonomy: Taxonomy
    ) -> None:
        self.text = text
        self._fold = Folded.of(text)
        self.folded = put_right(self._fold.text)
        self.grammar = grammar
        self.statuses = statuses
        self.taxonomy = taxonomy
        self.wording = Wording(self.folded, grammar, statuses)
        self.signs = Signs(self.wording)
        self.extents = Extents(self.wording)

    def run(self, *, trace: bool) -> Split:
        stop = self._closing()
        nodes = self._nodes(stop, unnumbered=False)
        if self.wording.in_prose:
            nodes = self._by_facts(nodes, stop)
        # Points (一是 ...) number no issues by themselves: they may be the measures of running text.
        numbered = any(node.parent is None and node.kind not in INNERMOST for node in nodes)
        bare = not numbered or not any(node.role == ISSUE for node in nodes)
        if bare:
            running = self._nodes(stop, unnumbered=True)
            nodes = max(nodes, running, key=_issues_among)
        if self.wording.in_prose and (bare or len(self._worded_as_issues(nodes)) <= _FEW):
            prose = self._read(in_prose(self.wording, 0, stop), stop)
            least = CLEARLY_MORE * _issues_among(nodes)
            if _issues_among(prose) > (least if bare else max(least, _MANY)):
                nodes = prose
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
        for match in LINE.finditer(self.folded):
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
        roots = outline(self.wording, stop, unnumbered=unnumbered)
        # A text without numbers is read as prose as a whole.
        return self._read(roots, stop, prose=self.wording.in_prose and not unnumbered)

    def _by_facts(self, nodes: list[Node], stop: int) -> list[Node]:
        """The nodes by what their sentences tell, if that makes clearly more of them issues, and
        hardly one of those that wording makes issues is lost."""
        by_wording, before = self.signs, self._worded_as_issues(nodes)
        neutral = [
            node
            for node in nodes
            if not (node.children or node.kind in INNERMOST or node.start in before)
            and not self.wording.positive(self.signs.head(node))
        ]
        if len(neutral) <= len(before):
            return nodes
        single = [node for node in nodes if self.signs.one_sentence(node)]
        parted = sum(self.signs.parted(node) >= 0 for node in single)
        in_one = parted >= _FEWEST_PARTED and parted * 2 >= len(single)
        self.signs = Signs(self.wording, facts=True, in_one=in_one)
        found = self._nodes(stop, unnumbered=False)
        after = self._worded_as_issues(found)
        lost = len(before - after)
        more = len(after) > max(1, CLEARLY_MORE * len(before))
        if (
            more
            and len(after - before) > _EACH_LOST * lost
            and _issues_among(found) >= _issues_among(nodes)
        ):
            return found
        self.signs = by_wording
        return nodes

    def _worded_as_issues(self, nodes: list[Node]) -> set[int]:
        """Where the issues begin that are not taken for one by their neighbours alone."""
        return {n.start for n in nodes if n.role == ISSUE and self.signs.like_issue(n)}

    def _read(self, roots: list[Node], stop: int, *, prose: bool = False) -> list[Node]:
        """All nodes in the order of the text, each with its role."""
        nodes = Roles(self.signs).assign(roots, prose=prose)
        answer_apart(self.signs, nodes, stop)
        return nodes

    # -- where the notice ends -------------------------------------------------

    def _closing(self) -> int:
        """Start of the closing lines (thanks, contact, signature), or the end of the text."""
        folded = self.folded
        stop = len(folded)
        # What takes leave of a notice above another one does not end the text.
        last = max((title for _, title in self.wording.further_notices), default=0)
        start = folded.find("\n", max(stop * 2 // 5, stop - 6000, last)) + 1
        farewell = -1  # a paragraph that looks ahead, if no item follows it
        while 0 < start < stop:
            end = folded.find("\n", start)
            end = stop if end < 0 else end
            line = folded[start:end].strip()
            closes = self.grammar.closing.match(line) or _SIGNATURE.fullmatch(line)
            if closes and not self._issues_follow(start, stop):
                return farewell if farewell >= 0 else start
            if _ITEM.match(line) or _TITLED.match(line):
                farewell = -1
            elif len(line) < 400 and farewell < 0 and self.grammar.closing_wider.match(line):
                above, above_end = line_above(folded, start)
                slogan = self.grammar.next.search(folded, above, above_end)
                titled = slogan and _SLOGAN.fullmatch(folded, above, above_end)
                farewell = above if titled else start
            start = end + 1
        return farewell if farewell >= 0 else stop

    def _issues_follow(self, start: int, stop: int) -> bool:
        labels = list(self.wording.labels(start, stop))
        return any(label["problem"] for label in labels) and any(
            label["measures"] for label in labels
        )

    # -- issues --------------------------------------------------------------------

    def _is_notice(self, nodes: list[Node]) -> bool:
        """Whether the text is about rectification at all."""
        issues = [node for node in nodes if node.role == ISSUE]
        top = self.folded[:20000]
        labelled = sum(1 for node in issues if self.signs.labelled_below(node))
        if not issues or self.grammar.regulation.search(self.folded):
            return False
        asked = sum(1 for node in issues if self.signs.head(node).endswith("?"))
        if asked * 2 >= len(issues):
            return False  # questions and answers
        # Titles come last: few notices need them looked at.
        if not self._tells_results(issues) and self.wording.kind == "no_notice":
            return False
        if labelled >= 2:
            return True
        strong = sum(1 for node in issues if self.signs.strong(node))
        subject = len(self.grammar.subject.findall(top))
        foreign = len(self.grammar.foreign.findall(top))
        if foreign >= 4 and not strong >= 4 <= subject and self.wording.kind != "notice":
            return False
        if (strong >= 2 and subject) or (labelled and strong):
            return True
        like = sum(1 for node in issues if self.signs.like_issue(node))
        titled = self.wording.kind == "notice"
        if len(issues) == 1 and not (labelled or strong or (like and titled)):
            return False
        if (
            self.grammar.occasion.search(top)
            and subject >= 3
            and (like or subject * 400 >= len(top))
        ):
            return True
        # An excerpt says neither what it is nor on what occasion: deficits answered by deeds tell.
        answered = sum(
            1 for node in issues if len(self.signs.own(node).strip()) >= 20 or node.children
        )
        return "整改" in top and like >= 4 and answered >= 4 and like * 4 >= len(issues) * 3

    def _tells_results(self, issues: list[Node]) -> bool:
        """Whether labels of several issues say what came of them, not what is planned."""
        labels = (
            label.group()
            for node in issues
            for label in self.wording.labels(node.body, node.end)
            if label["measures"]
        )
        return sum(_RESULT.search(label) is not None for label in labels) >= 2

    def _issues(self, nodes: list[Node], stop: int) -> Iterator[Issue]:
        inside = [node for node in nodes if node.role in (ISSUE, HEADING, OUTSIDE)]
        unanswered: list[tuple[Node, Issue]] = []
        for position, node in enumerate(inside):
            if node.role != ISSUE:
                continue
            end = inside[position + 1].start if position + 1 < len(inside) else stop
            extent = self.extents.find(node, end)
            if node.answer:
                extent = self.extents.answered(extent.problem_end, *node.answer)
            issue = self._issue(node, extent)
            if not issue.problem.text:
                continue  # a number with nothing behind it
            if not issue.measures.text:
                unanswered.append((node, issue))
                continue
            others = self.extents.answered_before(extent) if unanswered else 0
            for ahead, (other, before) in zip(
                range(len(unanswered), 0, -1), unanswered, strict=True
            ):
                if ahead <= others and other.parent is node.parent:
                    stated = before.stated or issue.stated
                    yield replace(before, measures=issue.measures, stated=stated)
                else:
                    yield before
            unanswered = []
            yield issue
        for _, issue in unanswered:
            yield issue

    def _issue(self, node: Node, extent: Extent) -> Issue:
        stated = extent.stated or self._stated_above(node)
        return Issue(
            problem=self._passage(node.head, extent.problem_end),
            measures=self._passage(*extent.measures),
            number=self._number(node),
            path=tuple(self._path(node)),
            stated=_original(stated, self._fold, self.text),
        )

    def _number(self, node: Node) -> Passage | None:
        if node.kind == "label":
            row = self.grammar.label.match(self.folded, node.start, node.end)
            return self._passage(*row.span("row")) if row and row["row"] else None
        number = self._passage(node.mark_start, node.mark_end)
        return number if number.text else None

    def _stated_above(self, node: Node) -> Stated | None:
        above = node.parent
        while above is not None:
            if not self.signs.strong(above):
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
        own = self.signs.own(node).rstrip()
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
        return Passage(text=self.text[low : max(low, high)].rstrip(), start=low)

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
            if self.wording.kind == "no_notice":
                return ("no issues found: by its title this is no rectification notice",)
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
        places = cautions(self.signs, nodes, issues, self._line)
        return (*hint, *compare_totals(totals, statuses), *places)

    def _line(self, position: int) -> int:
        return self.text.count("\n", 0, self._fold.place(position)) + 1


_ITEM = pattern(r"[一二三四五六七八九十]+、|[(][一二三四五六七八九十0-9]+[)]|[0-9]+[.、]")
_TITLED = pattern(r"(?:关于|针对)[^\n]{2,300}?问题|(?:反馈|存在)问题")
_RESULT = pattern("情况|成效|成果|结果|进展")
# An unnumbered heading.
_SLOGAN = pattern(r"[^。;!?:,、0-9\n]{4,20}")
_SIGNATURE = pattern(
    r"(?:中共|中国共产党).{2,40}(?:党组|委员会|党委|党工委|总支部|支部)"
    r"|(?:19|20)[0-9]{2}年[0-9]{1,2}月[0-9]{1,2}日"
)


def _original(stated: Stated | None, folded: Folded, text: str) -> Stated | None:
    """A status found in folded text, with its places in the original `text`."""
    if stated is None:
        return None
    low, high = folded.place(stated.start), folded.end_place(stated.end)
    masked = (folded.place(stated.masked[0]), folded.end_place(stated.masked[1]))
    return Stated(status=stated.status, text=text[low:high], start=low, masked=masked)
