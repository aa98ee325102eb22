"""Where the problem and the measures of one issue begin and end, and the status told there.

Measures begin behind the first label that opens them (整改情况: ...), else behind the
title and what still tells the problem; they run to the next issue, less the lines that
state a status, a deadline or a person in charge. docs/splitting.md tells the same in prose.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rectify_nlp.grammar import Grammar
from rectify_nlp.patterns import NON_ASCII, pattern
from rectify_nlp.tree import Node
from rectify_nlp.types import Stated
from rectify_nlp.wording import CLAUSE, CLEARLY, DONE, SENTENCES, Wording, next_start, skip_blank


class Extent(NamedTuple):
    """End of the problem, span of the measures, and the status stated with them."""

    problem_end: int
    measures: tuple[int, int]
    stated: Stated | None


class Extents:
    """Finds the extents of issues in one text."""

    def __init__(self, wording: Wording) -> None:
        self._wording = wording
        self._folded = wording.text
        self._grammar = wording.grammar
        self._statuses = wording.statuses

    def find(self, node: Node, end: int) -> Extent:
        """The extent of the issue of `node`, whose text runs to `end`; positions in folded text."""
        problem_end, start, fused = self._boundaries(node, end)
        if not self._wording.only_problems:
            marks = " " if self._folded[start:end].strip() else ",;。 "
            labelled = self._folded[problem_end:start].strip(" ,\n")
            answer = None if labelled else self._answer_within(node.head, problem_end, marks)
            if answer:
                problem_end, start = answer.span()
            elif start >= end and self._wording.in_prose and not node.children:
                comma = self._wording.parted(self._folded[node.head : problem_end])
                if comma >= 0:
                    problem_end, start = node.head + comma, node.head + comma + 1
        stop, trailing = self._measures_end(start, end, row=node.kind == "label")
        closing = self._statuses.closing_brackets(self._folded, node.head, problem_end)
        if closing:
            problem_end = closing.masked[0]
        stated = (
            trailing
            or fused
            or closing
            or self._beside(node, start)
            or self._statuses.in_sentence(self._folded, start, stop)
        )
        return Extent(problem_end, (start, max(start, stop)), stated)

    def answered(self, problem_end: int, start: int, end: int) -> Extent:
        """The extent of an issue whose answer stands apart, from `start` to `end`."""
        stop, trailing = self._measures_end(start, end, row=False)
        stated = trailing or self._statuses.in_sentence(self._folded, start, stop)
        return Extent(problem_end, (start, max(start, stop)), stated)

    def answered_before(self, extent: Extent) -> int:
        """How many problems before its own the measures say they answer, too."""
        joint = _JOINT.match(self._folded, *extent.measures)
        if joint is None:
            return 0
        count = _COUNT.search(joint.group())
        return _OTHERS[count[1]] if count else _MOST_JOINT

    def _beside(self, node: Node, stop: int) -> Stated | None:
        """A status in brackets behind the title, or behind a label before the measures."""
        stated = self._statuses.bracketed(self._folded, node.head_end, node.body)
        for label in () if stated else self._wording.labels(node.body, stop):
            line_end = self._folded.find("\n", label.end(), stop)
            if label["other"] and line_end >= 0:
                stated = stated or self._statuses.closing_brackets(
                    self._folded, label.end(), line_end
                )
        return stated

    def _boundaries(self, node: Node, end: int) -> tuple[int, int, Stated | None]:
        """End of the problem, start of the measures, and a status fused with their label."""
        folded = self._folded
        if node.kind == "clause" or node.form == "told":
            return node.head_end, skip_blank(folded, node.body, end), None
        problem_end = node.head_end
        position = node.body + folded.startswith(",", node.body)
        reading_problem = True
        planned = False
        while 0 <= position < end:
            start = skip_blank(folded, position, end)
            label = self._grammar.label.match(folded, start, end)
            if label is None:
                if reading_problem:
                    follow = next_start(folded, start, end, SENTENCES)
                    stop = self._wording.next_label(start, end)
                    follow = min(follow, stop) if follow >= 0 else stop
                    if self._problem_goes_on(node, start, follow, end):
                        problem_end = position = follow
                        while follow == stop and folded[problem_end - 1] in " ,":
                            problem_end -= 1
                        continue
                return problem_end, start, None
            if label["detail"] or label["problem"]:
                position = label.end()
                follow = next_start(folded, position, end)
                problem_end = follow if follow >= 0 else end
                position = follow
                continue
            value = self._statuses.after_label(folded, start, end)
            if value is not None:
                stated, finish = value
                again = self._grammar.label.match(folded, skip_blank(folded, finish, end), end)
                if again and again["measures"]:
                    return problem_end, skip_blank(folded, again.end(), end), stated
                return problem_end, skip_blank(folded, finish, end), stated
            if planned and "措施" in label.group():
                position = _later_label(folded, label.end(), end, self._grammar)
                if position >= 0:
                    continue
            if label["measures"] or label["status"]:
                begin = label.end() + folded.startswith(":", label.end())
                begin = skip_blank(folded, begin, end)
                again = self._grammar.label.match(folded, begin, end)
                if again and again["measures"] == label["measures"]:  # printed twice
                    begin = skip_blank(folded, again.end(), end)
                return problem_end, begin, None
            # Where a goal is given, what follows as 整改措施 is the plan, not the deed.
            planned = planned or "目标" in label.group()
            # Any other label (责任单位 ...) has its value up to the next, or the line's end.
            reading_problem = False
            begin = skip_blank(folded, label.end(), end)
            line_end = folded.find("\n", begin, end)
            another = self._wording.next_label(begin, line_end if line_end >= 0 else end)
            position = another if another < end else -1
        return problem_end, end, None

    def _answer_within(self, start: int, end: int, marks: str) -> re.Match[str] | None:
        """The mark, one of `marks`, between a problem and its answer in the same sentence."""
        for answer in _ANSWER.finditer(self._folded, start, end):
            told = self._folded[start : answer.start()]
            if answer.group() in marks and (
                (answer.group() == "," and told.endswith("的问题"))
                or (
                    self._wording.deficit(told)
                    and not self._wording.deficit(self._clause(answer.end(), end))
                )
            ):
                return answer
        return None

    def _clause(self, start: int, end: int) -> str:
        stop = CLAUSE.search(self._folded, start, end)
        return self._folded[start : stop.start() if stop else end]

    def _problem_goes_on(self, node: Node, start: int, follow: int, end: int) -> bool:
        """Whether the sentence at `start` still tells the problem, not the measures.

        Where no label tells, the classifier of sentences may overrule the wording.
        """
        sentence = self._folded[start:follow].strip()
        if not sentence or _JOINT.match(sentence):
            return False
        if self._wording.only_problems:
            return "\n" not in self._folded[node.body : start]
        goes_on = self._goes_on_by_wording(node, start, follow, end)
        if self._wording.label_ahead(start, end) or len(sentence) < _SHORTEST_JUDGED:
            return goes_on
        if goes_on:
            return self._wording.leans(sentence) > -CLEARLY
        if (
            _MEASURE_CUE.match(sentence)
            or _DEEDS.search(sentence)
            or self._wording.positive(sentence)
            or (self._grammar.positive.search(sentence) and not self._wording.deficit(sentence))
        ):
            return False
        return self._wording.leans(sentence) > CLEARLY

    def _goes_on_by_wording(self, node: Node, start: int, follow: int, end: int) -> bool:
        sentence = self._folded[start:follow].strip()
        if node.form == "labelled" and self._facts(start, end, of_label=True):
            return True
        firm = node.form not in ("sentence", "labelled")
        if self._label_closes(start, end) if firm else self._wording.label_ahead(start, end):
            return True
        if firm and not (
            _ROW_CUE.match(self._folded, follow)
            or _FOUND.match(sentence)
            or self._facts(start, end)
        ):
            return False  # behind a firm title, only what stands right before 一是 ...
        same_line = "\n" not in self._folded[node.body : start]
        return (
            same_line
            and len(sentence) <= 160
            and (
                self._wording.deficit(sentence)
                or self._above_a_row(follow, end)
                or (firm and _SOME.match(sentence) is not None)
            )
            and (not _HANDLING.match(sentence) or self._wording.deficit(sentence.split(",", 1)[0]))
            and not _MEASURE_CUE.match(sentence)
            and not self._wording.positive(sentence)
            and (firm or not self._wording.deeds(sentence))
        )

    def _label_closes(self, start: int, end: int) -> bool:
        """Whether 整改情况: follows on this line or begins the next one."""
        line_end = self._folded.find("\n", start, end)
        stop = self._wording.next_label(start, end)
        near = stop <= skip_blank(self._folded, line_end, end) if line_end >= 0 else True
        return near and stop < end and _OF_MEASURES.match(self._folded, stop) is not None

    def _facts(self, start: int, end: int, *, of_label: bool = False) -> bool:
        """Whether the rest of a line, which has others below, tells nothing but the problem.

        Behind a label whatever tells no deeds does.
        """
        line_end = self._folded.find("\n", start, end)
        if not 0 <= line_end - start <= _LONGEST_FACTS:
            return False
        rest = [part for part in SENTENCES.split(self._folded[start:line_end]) if part]
        return (
            bool(self._folded[line_end:end].strip())
            and not any(_DEEDS.search(part) or self._wording.positive(part) for part in rest)
            and (of_label or all(_SOME.match(part) or self._wording.deficit(part) for part in rest))
        )

    def _above_a_row(self, position: int, end: int) -> bool:
        """Whether a line ends at `position` and the next one begins a row of measures (一是 ...)."""
        begin = skip_blank(self._folded, position, end)
        return "\n" in self._folded[position - 1 : begin] and self._folded.startswith("一是", begin)

    def _measures_end(self, start: int, end: int, *, row: bool) -> tuple[int, Stated | None]:
        """Cut label lines (status, deadline, person in charge) off the end of the measures.

        Behind the status of a table's `row` nothing belongs to it any more.
        """
        folded = self._folded
        tail = start
        if end - start > 400:
            tail = next_start(folded, end - 400, end)
        stop, stated = end, None
        closing = self._statuses.closing_brackets(folded, start, end)
        closing = closing or self._statuses.closing_line(
            folded, start, start + len(folded[start:end].rstrip())
        )
        if closing:
            return closing.masked[0], closing
        for label in self._wording.labels(tail, end) if tail >= 0 else ():
            position = label.start()
            if row or self._only_labels(position, end):
                value = self._statuses.after_label(folded, position, end)
                if value is not None:
                    stated, stop = value[0], min(stop, position)
                elif label["other"]:
                    stop = min(stop, position)
        while stop > start and folded[stop - 1] in " \n":
            stop -= 1
        return stop, stated

    def _only_labels(self, start: int, end: int) -> bool:
        """Whether nothing but lines of a status or of an `other` label follows."""
        for line in self._folded[start:end].split("\n"):
            label = self._grammar.label.match(line)
            if _HAN.search(line) and not (
                label and (label["other"] or self._statuses.after_label(line, 0, len(line)))
            ):
                return False
        return True


# A clause that tells a deed, or whatever follows 针对...的问题.
_ANSWER = pattern(
    r"[,;。 ](?=(?:(?:现|目前|截至[^,。;]{0,10}),?)?已(?![有久超达逾近过连投支付形使入建竣占发一二三四五六七八九十0-9])"
    r"|现[已将]|对此|针对[此该这]|[^,。;:\n]{2,12}(?:随即|当即)"
    r"|经[^,。;]{0,14}(?:核[实对查]|审[核计]|研究|批准|协调|整改|清理|调查|协商)[^,。;]{0,24},)"
    r"|(?<=的问题),"
)
_HAN = pattern(NON_ASCII)
# Labels that stand right behind the problem, not behind the measures.
_OF_MEASURES = pattern(r"[ ]*+整改(?:(?:落实|完成|进展)?(?:情况|措施|举措)|:)")
_LONGEST_FACTS = 400  # characters
# Of a sentence that is left to the classifier, in characters.
_SHORTEST_JUDGED = 6
# What tells deeds, and what tells some cases of a problem.
_DEEDS = pattern(f"{DONE}|印发|召开|修订|约谈|追[缴回]|收回|退还|补缴|制定|建立")
# What those who inspected say.
_FOUND = pattern(r"(?:经)?(?:审计|巡[视察]组?|督察|检查)(?:组)?(?:抽查|发现|查出|指出|查明)")
_SOME = pattern("个别|部分|有的|有些|少数|一些")
# Measures that answer several problems at once say so: all that have no answer, or so many.
_MOST_JOINT = 9
# How many others there are where a numeral counts all.
_OTHERS = {"两": 1} | {
    n: at for ns in ("二三四五六七八九十", "23456789") for at, n in enumerate(ns, 1)
}
_COUNT = pattern(r"(?:以上|上述|这)([2-9两二三四五六七八九十])[个项条类]")
_NUMBER = "(?:[0-9]{1,2}|[一二三四五六七八九十两]{1,2})"
_JOINT = pattern(
    rf"(?:针对|对|关于)?(?:(?:以上|上述)(?:第?{_NUMBER}[、和及至-]*+)++[个项条类]?(?:具体)?问题"
    rf"|第{_NUMBER}(?:[、和及至-]第?{_NUMBER})++[个项条]?(?:具体)?问题|(?:这|上述|以上)(?:两|[二三四五])个问题|问题{_NUMBER}[、和及]问题{_NUMBER})"
)
_HANDLING = pattern(r"[对将把]")
_CUES = (
    r"(?:一是|首先|第一|针对|对此|(?:该|此|本)(?:项)?问题|目前|截至|下一?步|已|经(?![理济营费])|20[0-9]{2}年[0-9]{1,2}月"
    r"|[(\[]?[0-9一]{1,2}[)\].、]|对[0-9]{1,4}[名人个家起处户件][^,。;]{0,30}(?:给予|进行|予以|作出|实施))"
)
_MEASURE_CUE = pattern(_CUES)
# A sentence that states the status comes behind the measures, not before them.
_ROW_CUE = pattern(rf"(?!(?:该|此|本)(?:项)?问题(?:均|现|目前)*(?:已|基本|尚未|仍未|正在)){_CUES}")


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
