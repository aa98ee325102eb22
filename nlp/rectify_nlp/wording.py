"""What wording alone tells: item labels, deficits, deeds, counts. All on folded text."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import cache, cached_property
from itertools import pairwise, takewhile

from rectify_nlp.grammar import INNER_LABEL, LABEL_BEHIND, Grammar
from rectify_nlp.patterns import NON_ASCII, pattern
from rectify_nlp.sentences import Sentence
from rectify_nlp.status import StatusReader

# So sure, in nats, the classifier of sentences has to be to overrule the wording.
CLEARLY = 2.0
# Labels of what came of the measures, and of nothing else.
CLOSING = pattern(r"^(?!.*(?:措施|举措|做法)).*(?:成效|成果|效果|结果|结论|完成情况|状态|进度)")
CLAUSE = pattern(r"[,。;:!?]")
STARTS = pattern(f"[{LABEL_BEHIND}]")
SENTENCES = pattern(r"[。;!?\n]")
# 已 before a deed, not before how much or how long (已达, 已超过, 已连续 ...).
DONE = "已(?![有久超达逾近过连])"
_DEEDS = pattern(
    r"已[^,。;]{0,8}[经于将对完成制印修全建立开组召]|[^不]了|共计|累计|截至|均已|[0-9]+月[0-9]+日"
)
# What was to mend something, and was done badly: 清退不彻底.
_POORLY = pattern(
    r"(?:清[退收缴理]|追[缴回]|压减|退还|排查|梳理|[核查]查|补办|整顿|盘活|处置|督促|化解|修复|查处|问责|通报)"
    r"不(?:到位|彻底|及时|够|力|全面|深入|严|实|细|足|规范)"
)
# Counts of problems and of those mended: statistics, not an issue.
_NUMBERED = pattern(r"[0-9]+[个项条]")
_STATISTICS = pattern(
    r"问题[0-9]+[个项条]|[0-9]+[个项条](?:反馈|具体)?问题|(?:反馈|完成(?:整改)?|整改)[0-9]+[个项条]"
)
_DEALT_WITH = pattern(r"(?:对|将|把|向|给予)(?!.*(?:问题|现象|情况)$)")
_MENDED = pattern(r"已(?:全[部额]|分别|均|[由于][^,]{1,12})?[追收退还补缴清拆修移办恢]")
_COUNTED = pattern(r"的[0-9]+")

# A line without its indent.
LINE = pattern(r"[^ \n][^\n]*")
# What may stand before a line's own text.
MARKDOWN = " #*"
# The date below a signature, on a line of its own.
_DATED = pattern(r"\n[ ]*+(?:19|20)[0-9]{2}年[0-9]{1,2}月[0-9]{1,2}日[ ]*+(?=\n)")
_FURTHER_TITLE = pattern(r"[^,。;:\n]*?整改[^,。;:\n]{0,20}(?:情况|公开|报告|通报|公告)[ ]*")
_SORTED = pattern("问题|事项|任务|的")
_CONTACT = pattern(r"电话|邮箱|地址")
_LONGEST_SIGNATURE, _SHORTEST_TITLE, _LONGEST_TITLE = 40, 6, 60
# Titles are looked for in so many characters.
_TOP = 1000
_BREADCRUMB = pattern("[>\u203a\u00bb|]")
# What no title is or holds: an item, a sentence.
_TEXT = pattern(
    r"^(?:[一二三四五六七八九十]+[、.]|[(][一二三四五六七八九十0-9]+[)]|[0-9]+[.、])|[。;]"
)
_BARE_PROBLEM = pattern(
    rf"(?:反馈|存在)问题(?![的共及和是有数整主如清]|进[行一]|逐[条项])(?={NON_ASCII})"
)
_LINE = pattern(r"\n[ ]*+")
_ANSWERS = pattern(
    r"(?<!报送)(?<!提交)整改(?:进展|落实|完成)?情况[^。\n]{0,12}(?:通报|公布|公开|公示|报告|如下)"
)
# How a notice without a title says that it is one, and who tells of one.
_ANNOUNCED = pattern(
    r"现将[^。\n]{0,100}整改[^。\n]{0,60}(?:如下|通报|公布|公开|公示|报告|汇报)|整改[^。\n]{0,12}情况[^。\n]{0,12}如下"
)
_PRESS = pattern("记者|通讯员")
# Measures are told so, and in a report of findings the findings are.
_LISTED = pattern(r"一是[^。\n]{2,80}[;。]二是")
_FEEDBACK = pattern(r"(?:指出|发现)(?:了)?(?:的)?(?:以下|一些|主要)?[^。\n]{0,12}问题")


def next_start(text: str, position: int, end: int, marks: re.Pattern[str] = STARTS) -> int:
    """The next start of a line or sentence after `position`; -1 if there is none before `end`."""
    match = marks.search(text, position, end)
    return match.end() if match and match.end() < end else -1


def skip_blank(text: str, position: int, end: int) -> int:
    """The first position from `position` on that is no blank and no newline."""
    while position < end and text[position] in " \n":
        position += 1
    return position


def line_above(text: str, position: int) -> tuple[int, int]:
    """Where the text of the line above that of `position` begins and ends, marks of Markdown
    and blank lines apart."""
    end = max(text.rfind("\n", 0, position), 0)
    while end > 0 and text[end - 1] in " \n":
        end -= 1
    begin = text.rfind("\n", 0, end) + 1
    while begin < end and text[begin] in MARKDOWN:
        begin += 1
    return begin, end


class Wording:
    """Questions that can be put to a stretch of text, by one grammar."""

    def __init__(self, text: str, grammar: Grammar, statuses: StatusReader) -> None:
        self.text = text
        self.grammar = grammar
        self.statuses = statuses
        self.leans = cache(self._leans)
        self.parted = cache(self._parted)

    @cached_property
    def kind(self) -> str:
        """What the document calls itself: "notice", "findings", "no_notice"; "" unknown."""
        lines = [line.strip(MARKDOWN) for line in self.text[:_TOP].split("\n")]
        above = takewhile(self._may_be_title, filter(None, lines))
        # A title may stand on two lines. Where the page stands in the site is none.
        lines = [line for line in above if not _BREADCRUMB.search(line)]
        titles = [*lines, *map("".join, pairwise(lines))]
        kinds = {self._kind(title) for title in titles if len(title) >= _SHORTEST_TITLE}
        return next((kind for kind in ("notice", "findings", "no_notice") if kind in kinds), "")

    def _may_be_title(self, line: str) -> bool:
        return (
            len(line) <= _LONGEST_TITLE
            and not _TEXT.search(line)
            and self.grammar.label.match(line) is None
        )

    def _kind(self, title: str) -> str:
        grammar = self.grammar
        endings = {
            "no_notice": grammar.no_notice,
            "findings": grammar.findings,
            "notice": grammar.notice,
        }
        return next((kind for kind, ending in endings.items() if ending.search(title)), "")

    @cached_property
    def only_problems(self) -> bool:
        """Feedback made public: what inspectors found, without what was done about it."""
        text = self.text
        return (
            _FEEDBACK.search(text) is not None
            and _ANSWERS.search(text) is None
            and not any(self.grammar.label.match(text, m.end()) for m in _LINE.finditer(text))
            and self.kind != "notice"
            and (_LISTED.search(text) is None or self.kind == "findings")
        )

    @cached_property
    def in_prose(self) -> bool:
        """Whether problems may be told sentence by sentence: in what calls itself a notice, and
        has no labels to go by. A newspaper tells other things beside."""
        announced = not self.kind and _ANNOUNCED.search(self.text, 0, _TOP) is not None
        told = self.kind == "notice" or announced
        by_press = _PRESS.search(self.text, 0, _TOP) is not None
        return told and not (by_press or self.labelled or self.only_problems)

    @cached_property
    def told(self) -> tuple[list[Sentence], list[int]]:
        """The sentences of the text and the kind of each (see `prose`)."""
        from rectify_nlp.prose import prose  # with numpy, which most notices are split without

        return prose().told(self.text, 0, len(self.text))

    def _leans(self, sentence: str) -> float:
        """By how many nats a sentence by itself tells a problem, not what was done or neither."""
        from rectify_nlp.prose import prose

        return prose().leans(sentence)

    def _parted(self, sentence: str, *, surely: bool = True) -> int:
        """At which comma a sentence is parted into a problem and a deed, if it tells both; else -1.

        Not `surely`: if it is likelier than the other way round.
        """
        from rectify_nlp.prose import prose

        comma, problem, deed = prose().parted(sentence)
        begins = CLAUSE.split(sentence[comma + 1 :], maxsplit=1)[0]
        both = problem > 0 and deed > CLEARLY and not self.deficit(begins)
        return comma if both or (not surely and problem + deed > 0) else -1

    @cached_property
    def labelled(self) -> bool:
        """Whether the measures of several issues have a label."""
        return sum(label["measures"] is not None for label in self._labels) >= 2

    @cached_property
    def further_notices(self) -> list[tuple[int, int]]:
        """Where notices behind the first have their title, and where the one before is signed:
        (start of the signature, start of the title) each."""
        text = self.text
        found = []
        for dated in _DATED.finditer(text):
            title = skip_blank(text, dated.end(), len(text))
            line_end = text.find("\n", title)
            if not 0 < line_end - title <= _LONGEST_TITLE:
                continue
            if _FURTHER_TITLE.fullmatch(text, title, line_end):
                signed, end = line_above(text, dated.end())
                if end - signed > _LONGEST_SIGNATURE or CLAUSE.search(text, signed, end):
                    signed = dated.start() + 1
                above, end = line_above(text, signed)
                contact = end - above <= 200 and _CONTACT.search(text, above, end)
                found.append((above if contact else signed, title))
        return found

    def behind_bare_label(self, start: int, end: int) -> int:
        """Where the problem begins behind a label that lost its colon, where several others
        have theirs; -1 if there is none at `start`."""
        bare = _BARE_PROBLEM.match(self.text, start, end)
        return bare.end() if bare and self._problems_labelled else -1

    @cached_property
    def _problems_labelled(self) -> bool:
        return sum(label["problem"] is not None for label in self._labels) >= 2

    @cached_property
    def _labels(self) -> list[re.Match[str]]:
        """The item labels at the start of a line or sentence, in order."""
        marks = (mark.end() for mark in self.grammar.before_label.finditer(self.text))
        inner = (
            label.start()
            for label in INNER_LABEL.finditer(self.text)
            if self.text[label.start() - 1] in ",. "
        )
        starts = sorted((0, *marks, *inner))
        return [label for start in starts if (label := self.grammar.label.match(self.text, start))]

    @cached_property
    def _label_starts(self) -> list[int]:
        return [label.start() for label in self._labels]

    def labels(self, start: int, end: int) -> Iterator[re.Match[str]]:
        """Item labels (整改情况: ...) from `start` on: there, and at line or sentence starts."""
        first = self.grammar.label.match(self.text, start, end)
        if first:
            yield first
        done = first.end() if first else start
        starts = self._label_starts
        ahead = bisect_right(starts, start)
        for found in self._labels[ahead : bisect_left(starts, end, ahead)]:
            label: re.Match[str] | None = found
            if found.end() > end:
                label = self.grammar.label.match(self.text, found.start(), end)
            if label and label.start() >= done:
                done = label.end()
                yield label

    def next_label(self, start: int, end: int) -> int:
        """Where the next label behind `start` stands; `end` if there is none before."""
        starts = self._label_starts
        ahead = bisect_right(starts, start)
        return min(starts[ahead], end) if ahead < len(starts) else end

    def answers(self, start: int, end: int) -> bool:
        """Whether a line is a label's, or says a status and no more: neither is a title."""
        if self.grammar.label.match(self.text, start, end):
            return True
        # A heading that sorts issues by status says of what: 已完成的问题.
        bare = _SORTED.search(self.text, start, end) is None
        return bare and self.statuses.line(self.text, start, end) is not None

    def below_label(self, position: int) -> bool:
        """Whether the line above that of `position` is a label that opens measures, and no more."""
        begin, end = line_above(self.text, position)
        label = self.grammar.label.match(self.text, begin, end)
        return label is not None and label["measures"] is not None and label.end() == end

    def opens_measures(self, label: re.Match[str], end: int) -> bool:
        """Whether text follows the label: with a status alone (完成情况:已完成) it opens nothing."""
        if not label["measures"]:
            return False
        value = self.statuses.after_label(self.text, label.start(), end)
        return value is None or bool(self.text[value[1] : end].strip())

    def rates(self, label: re.Match[str], end: int) -> bool:
        """Whether the label's line holds a status and no more (完成情况:已完成)."""
        value = self.statuses.after_label(self.text, label.start(), end)
        return value is not None and (value[1] >= end or self.text[value[1]] == "\n")

    def label_ahead(self, start: int, end: int) -> bool:
        """Whether the next label, within a few sentences, opens the measures or goes before them."""
        starts = self._label_starts
        ahead = bisect_right(starts, start)
        if ahead == len(starts) or starts[ahead] >= min(end, start + 800):
            return False
        label = self.grammar.label.match(self.text, starts[ahead], end)
        return label is not None and (label["other"] is not None or self.opens_measures(label, end))

    def deficit(self, sentence: str) -> bool:
        """Whether some clause names a deficit that it does not promise to mend."""
        for clause in CLAUSE.split(sentence):
            match = self.grammar.deficit.search(clause)
            if match is None:
                continue
            remedy = self.grammar.remedy.search(clause, 0, match.start())
            if remedy and not _POORLY.search(clause, remedy.start(), match.end()):
                continue
            # "对整改不力的4个单位发出督办函", "超期的6个支部完成换届": said of those with the deficit.
            attribute = clause.startswith("的", match.end())
            if not (
                attribute
                and (
                    _DEALT_WITH.match(clause)
                    or _COUNTED.match(clause, match.end())
                    or _MENDED.search(clause, match.end())
                )
            ):
                return True
        return False

    def positive(self, sentence: str) -> bool:
        """Whether `sentence` begins like a measure or a positive title."""
        return self.grammar.positive.match(sentence) is not None

    def deeds(self, sentence: str) -> bool:
        """Whether `sentence` tells what was done."""
        return _DEEDS.search(sentence) is not None

    def states_problem(self, sentence: str) -> bool:
        """A deficit, and not as part of a sentence that tells deeds."""
        if self.deeds(sentence):
            first = CLAUSE.split(sentence, maxsplit=1)[0]
            if self.positive(sentence) or not self.deficit(first):
                return False
        return self.deficit(sentence)

    def counts(self, sentence: str) -> bool:
        """Whether `sentence` counts problems or the like."""
        return _NUMBERED.search(sentence) is not None

    def statistic(self, start: int, end: int) -> bool:
        """Counts of problems instead of a problem."""
        end = min(end, start + 160)
        return (
            len(_NUMBERED.findall(self.text, start, end)) >= 2
            and len(_STATISTICS.findall(self.text, start, end)) >= 2
        )
