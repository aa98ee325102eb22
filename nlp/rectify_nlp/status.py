"""The status a notice states for an issue, and the totals it states for itself.

A status is taken from a label ("整改进度:已完成"), from a sentence whose subject is
the issue ("该问题已完成整改。") or from a heading that sorts issues ("已完成的整改事项").
Words are normalised by the taxonomy's wordings, the longest that fits first. A word
that is denied, promised or planned (未, 尚未, 拟, 预计 ...) never counts as reached.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from rectify_nlp.grammar import Grammar
from rectify_nlp.patterns import pattern
from rectify_nlp.taxonomy import Taxonomy
from rectify_nlp.types import Stated, Totals

_NOT_REACHED = pattern(r"(?:尚?未(?:能|全部|完全)?|没有?|尚需|仍需|待|不能|无法)$")
_PLANNED = pattern(
    r"(?:预计|拟|计划|力争|确保|争取|将|将于|可|要求|推动|年底前|月底前|日前)[^,。;]{0,14}$"
)
_VALUE = pattern(r"[ ]*+[“\[(]?(?P<words>[^。;\n]{1,40})")
_SUBJECT = (
    r"(?:(?:该|此|本|上述|以上|反馈)(?:项)?(?:具体)?(?:问题|事项|任务|整改任务|整改事项)|此项(?:整改)?工作"
    r"|整改(?:工作)?(?=尚未|仍未|已(?:全部|基本)?(?:完成|到位)(?:[,。;\n]|$)))"
)
_SENTENCE = pattern(
    r"(?:^|(?<=[。;,\n]))[ ]*+"
    rf"(?:(?:截至)?目前,?|至此,?)?{_SUBJECT}"
    r"(?:目前)?(?:均)?(?P<words>[^,。;\n]{2,24}(?:,(?:并|需|但|仍|正)[^,。;\n]{2,14})?)(?=[,。;\n]|$)"
)
_BARE = pattern(r"[ ]*+(?P<words>[^,。;:\n]{2,24})(?=[。;\n]|$)")
# Found several times as fast as a sentence that has it.
_SUBJECT_ONLY = pattern(_SUBJECT)
# What may follow a wording within a status: "已完成整改,并长期坚持", "已完成,同意销号".
_STATUS_TAIL = pattern(
    r"(?:[,、]?(?:整改|问题|任务|销号|阶段性|成效|并|需|仍|已|持续|长期|坚持|推进|巩固|取得|工作|到位|完成|同意|达到|序时|进度|中|的))*"
)
_BRACKETED = pattern(
    r"[ ]*+[(\[][ ]*+(?:(?:整改|完成)?(?:进[度展]|状态|情况):)?(?P<words>[^()\[\]\n]{2,16})[)\]]"
)
_SUBJECTS = pattern("问题|工作|事项|任务")
_OPENING = pattern(r"[(\[]")
_STATUS_LINE = pattern(
    r"[ ]*+(?:(?:整改|完成)?(?:进[度展]|状态|结果|情况))?(?P<words>[^,。;:\n]{2,12})[。 ]*"
)
_NEXT = pattern(r"[。;!?\n]")
_UNDER_WAY = pattern(r"预计|拟|计划|力争|正在|尚未|未")
# What says of itself that it is not reached, in whatever taxonomy.
_STILL = [
    f"{still}在{done}" for still in "仍还尚" for done in ("整改", "推进", "办理", "落实", "进行")
]
_PROMISED = pattern(r"(?:预计|拟|计划|力争)[^,。;]{2,30}(?:完成|整改到位)|正在(?:办理|实施|进行)")
# What may stand between 已完成 and a later, weaker statement.
_JOINED = pattern(r"[,、并且需要仍但继续 整改阶段性任务目标]*")
# A heading that sorts issues by their status, and one that names a problem instead.
_SORTS = pattern(r"问题(?!导向)|事项|任务|清单|[(][0-9]+|集中整改期")
_NAMES_PROBLEM = pattern(r"上一?轮|关于|不[到够力]|进一步|推动|确保|坚决|抓好|推进(?!的)")
# What may surround a wording in a bare sentence without changing what is said.
_FILLER = pattern(
    r"(?:问题|整改|目前|均|全部|已经|现|工作|任务|该|此|本|项|,|、|\(|\)|“|”|\s|立行立改)*"
)


class StatusReader:
    """Finds stated statuses in folded text by one taxonomy and one grammar."""

    def __init__(self, taxonomy: Taxonomy, grammar: Grammar) -> None:
        self._grammar = grammar
        # The status that stands for "not reached", should a reached one be denied.
        self._open = taxonomy.statuses[0].name
        self._reached = taxonomy.statuses[-1].name
        names = dict.fromkeys(_STILL, self._open) | {
            _tight(word): status.name
            for status in taxonomy.statuses
            for word in (status.name, *status.wordings)
        }
        self._names = names
        ordered = sorted(names, key=len, reverse=True)
        self._unspaced = pattern("|".join(map(re.escape, ordered)))
        self._spaced = pattern("|".join(r"[ ]*+".join(map(re.escape, word)) for word in ordered))

    def _wording(self, words: str) -> re.Match[str] | None:
        """The first wording of a status in `words`; blanks may stand between its characters."""
        # Few texts need the pattern with blanks, which takes long to compile.
        return (self._spaced if " " in words else self._unspaced).search(words)

    def normalise(self, words: str) -> str | None:
        """Taxonomy name for folded `words`, None where no wording fits.

        The first wording counts, unless it is denied or only planned; a denied or
        planned one means the least done status.
        """
        match = self._wording(words)
        if match is None:
            if _UNDER_WAY.match(words):
                return self._open
            return None
        name = self._names[_tight(match.group())]
        before = words[: match.start()]
        if _NOT_REACHED.search(before) or _PLANNED.search(before):
            return self._open
        rest = words[match.end() :]
        if name == self._reached:
            later = self._wording(rest)
            # "已完成整改并长期坚持": the later, weaker statement governs.
            if later and _JOINED.fullmatch(rest, 0, later.start()):
                return self._names[_tight(later.group())]
        return name

    def after_label(self, folded: str, start: int, end: int) -> tuple[Stated, int] | None:
        """The status given at a label that starts at `start`, and where it ends.

        The value must be a status through and through: "完成情况:一是..." introduces
        measures instead.
        """
        label = self._grammar.status_label.match(folded, start, end)
        if label is None:
            return None
        position = label.end()
        while position < end and folded[position] in " \n":
            position += 1
        value = _VALUE.match(folded, position, end)
        if value is None:
            return None
        words = value["words"]
        match = self._wording(words[:24])
        before = words[: match.start()] if match else ""
        if match is None or (
            len(before) > 6
            and len(_FILLER.sub("", before)) > 6
            and not _STATUS_TAIL.fullmatch(before.rstrip(","))
        ):
            open_ended = _PROMISED.match(words)
            if not open_ended:
                return None
            stop = open_ended.end()
        else:
            tail = _STATUS_TAIL.match(words, match.end())
            stop = tail.end() if tail else match.end()
            rest = words[stop:].strip(" ”])")
            if rest and not rest.startswith((",", ":", "(", "[")) and words[stop] != " ":
                return None
        status = self.normalise(words[:stop])
        if status is None:
            return None
        begin = value.start("words")
        text = words[:stop].rstrip(" ”])")
        stated = Stated(
            status=status, text=text, start=begin, masked=(label.start(), begin + len(text))
        )
        finish = begin + len(text)
        while finish < end and folded[finish] in "”]) 。;":
            finish += 1
        return stated, finish

    def bracketed(self, folded: str, position: int, end: int) -> Stated | None:
        """The status that brackets at `position` hold and nothing else: （已完成）, 【长期坚持】."""
        match = _BRACKETED.match(folded, position, end)
        if match is None:
            return None
        return self._nothing_else(match)

    def closing_line(self, folded: str, start: int, end: int) -> Stated | None:
        """The status that the last of several lines or sentences consists of, its label without a
        colon."""
        mark = max(folded.rfind(sign, start, end - 1) for sign in "\n。")
        if mark < start or (folded[mark] == "。" and _SUBJECTS.search(folded, mark, end)):
            return None  # a sentence about something is left to `in_sentence`
        return self.line(folded, mark + 1, end)

    def line(self, folded: str, start: int, end: int) -> Stated | None:
        """The status that a line consists of, its label without a colon."""
        match = _STATUS_LINE.fullmatch(folded, start, end)
        return self._nothing_else(match) if match else None

    def _nothing_else(self, match: re.Match[str]) -> Stated | None:
        """The status that the words of a match are, apart from what says nothing."""
        words = match["words"].rstrip(" 。")
        found = self._wording(words)
        if found is None:
            return None
        tail = _STATUS_TAIL.match(words, found.end())
        rest = words[tail.end() if tail else found.end() :]
        if _FILLER.sub("", words[: found.start()] + rest):
            return None
        status = self.normalise(words)
        if status is None:
            return None
        return Stated(status=status, text=words, start=match.start("words"), masked=match.span())

    def behind(self, folded: str, start: int, stop: int, end: int) -> tuple[int, int]:
        """Where a title that stops at `stop` ends, and where the text behind it begins.

        They differ where a status in brackets closes the title, stands in it or follows it.
        """
        closing = self.closing_brackets(folded, start, stop)
        if closing:
            return closing.masked[0], stop
        for opening in _OPENING.finditer(folded, start + 1, stop):
            stated = self.bracketed(folded, opening.start(), stop)
            if stated:  # what was done stands behind it
                return stated.masked[0], stated.masked[1]
        stated = self.bracketed(folded, stop, end)
        return (stop, stated.masked[1]) if stated else (stop, stop)

    def closing_brackets(self, folded: str, start: int, end: int) -> Stated | None:
        """The status in brackets with which the stretch ends."""
        opening = max(folded.rfind("(", start, end), folded.rfind("[", start, end))
        stated = self.bracketed(folded, opening, end) if opening > start else None
        return stated if stated and not folded[stated.masked[1] : end].strip(" 。:;.\n") else None

    def in_segment(self, folded: str, start: int, end: int) -> Stated | None:
        """The status stated in ready-cut measures: by a label at a line or sentence start, or a sentence."""
        position = start
        while 0 <= position < end:
            found = self.after_label(folded, position, end)
            if found:
                return found[0]
            match = _NEXT.search(folded, position, end)
            position = match.end() if match else -1
        return self.in_sentence(folded, start, end)

    def in_sentence(self, folded: str, start: int, end: int) -> Stated | None:
        """The status a sentence of its own states, in the first or last part of the measures."""
        windows = ((start, min(end, start + 120)), (max(start, end - 120), end))
        for low, high in windows if _SUBJECT_ONLY.search(folded, start, end) else ():
            for match in _SENTENCE.finditer(folded, low, high):
                stated = self._whole(match)
                if stated:
                    return stated
        opening = _BARE.match(folded, start, end)
        if opening and (found := self._wording(opening["words"])):
            words = opening["words"]
            around = words[: found.start()] + words[found.end() :]
            if not _FILLER.sub("", around):
                return self._whole(opening)
        return None

    def _whole(self, match: re.Match[str]) -> Stated | None:
        """None for what a sentence only plans: such a sentence states no status."""
        words = match["words"]
        found = self._wording(words)
        if found is None or _PLANNED.search(words[: found.start()]):
            return None
        status = self.normalise(words)
        if status is None:
            return None
        return Stated(status=status, text=words, start=match.start("words"), masked=match.span())

    def in_heading(self, folded: str, start: int, end: int) -> Stated | None:
        """The status by which a heading sorts the issues below it."""
        heading = folded[start:end]
        match = self._wording(heading)
        if match is None or _PLANNED.search(heading[: match.start()]):
            return None
        around = heading[: match.start()] + heading[match.end() :]
        if not _SORTS.search(around) and len(around) > 6:
            return None
        if _NAMES_PROBLEM.search(around):
            return None
        status = self.normalise(heading)
        if status is None:
            return None
        return Stated(
            status=status,
            text=match.group(),
            start=start + match.start(),
            masked=(start + match.start(), start + match.end()),
        )


@lru_cache(maxsize=4)
def status_reader(taxonomy: Taxonomy, grammar: Grammar) -> StatusReader:
    """The StatusReader for these rules, built once."""
    return StatusReader(taxonomy, grammar)


def _tight(words: str) -> str:
    return words.replace(" ", "").replace(",", ",")


_COUNT = r"(?P<count>[0-9]{1,4})[ ]*+(?:个|项|条|类)"
_TOTAL = pattern(
    r"(?:反馈|反映|指出|提出|涉及|梳理|分解|细化|共有?|列出|查出|审计发现)[^。;:\n0-9]{0,24}?"
    r"(?:[0-9]{1,3}(?:个(?:方面|大?类|大?项)|大?类)[、,]?(?:共)?)?"
    + _COUNT
    + r"(?:方面)?(?P<unit>具体问题|反馈问题|问题|整改问题|具体整改问题)"
    r"|(?:反馈|指出|提出|涉及)[^。;:\n0-9]{0,24}?(?<!查摆)(?<!查找)问题(?:共|合计|总数)?[ ]*+(?P<count2>[0-9]{1,4})[ ]*+(?:个|项|条)"
)
_DONE_BEFORE = r"(?:[^。;\n0-9]{0,12}?)(?P<n>[0-9]{1,4})[ ]*+(?:个|项|条)"


def stated_totals(folded: str, taxonomy: Taxonomy) -> Totals:
    """Totals of issues stated in running text; None and () where there are none.

    Only counts whose unit is 问题 are taken; counts of measures, tasks or systems
    with the same words are not comparable with issues.
    """
    total: int | None = None
    match = _TOTAL.search(folded)
    if match is None:
        return Totals()
    total = int(match["count"] or match["count2"])
    # Counts by status follow the total, in the same or the next sentences.
    stretch = folded[match.end() : match.end() + 160]
    by_status: dict[str, int] = {}
    for status in taxonomy.statuses:
        words = sorted((status.name, *status.wordings), key=len, reverse=True)
        wording = "|".join(map(re.escape, words))
        found = re.search(
            f"(?<![未尚])(?:{wording})(?:整改)?(?:的)?(?:问题)?{_DONE_BEFORE}", stretch
        )
        if found is None:
            continue
        sentence = stretch[stretch.rfind("。", 0, found.start()) + 1 : found.end()]
        near = sentence[found.start() - found.end() - 8 :]
        # Of so many measures (127项举措中) others are done than of the problems.
        of_measures = re.search("(?:举措|措施|任务)中", sentence)
        if not of_measures and not re.search("措施|任务|制度|线索|人", near):
            by_status.setdefault(status.name, int(found["n"]))
    return Totals(issues=total, by_status=tuple(by_status.items()))


def compare_totals(totals: Totals, statuses: Sequence[str | None]) -> list[str]:
    """Warnings where stated totals and what was found differ."""
    warnings = []
    if totals.issues is not None and totals.issues != len(statuses):
        warnings.append(f"the notice says {totals.issues} issues, {len(statuses)} found")
    if statuses and all(statuses):
        for name, count in totals.by_status:
            found = sum(1 for status in statuses if status == name)
            if found != count:
                warnings.append(f"the notice says {count} issues {name}, {found} found")
    return warnings
