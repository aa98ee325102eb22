"""Problems listed in one section whose answers follow in the next, in the same order."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from rectify_nlp.markers import ordinal_of
from rectify_nlp.patterns import pattern
from rectify_nlp.roles import HEADING, ISSUE, OUTSIDE, mark
from rectify_nlp.signs import Signs
from rectify_nlp.tree import Node
from rectify_nlp.wording import LINE

# The heading of a section that only lists problems.
_LISTS = pattern(r"(?:反馈|发现|指出|存在|查出)[^,。;:]{0,10}问题(?:清单|情况)?[。:]?$")
_LEAD = pattern(
    r"[ ]*+(?:针对|关于|对)第(?P<which>[0-9一二三四五六七八九十][0-9一二三四五六七八九十第、,和及至-]{0,20})[个项条]"
    r"[^,。;:\n]{0,4}问题(?:的整改(?:情况)?)?[。,:]"
)
_SEPARATOR = pattern("第?[、,和及]第?")


def answer_apart(signs: Signs, nodes: Iterable[Node], stop: int) -> None:
    """Give each problem of such a list the span of its answer.

    The answers are as many as the problems, numbered or a line each, and name no deficits
    themselves. The nodes get the roles that follow from that.
    """
    roots = [node for node in nodes if node.parent is None]
    ends = [*(root.start for root in roots[1:]), stop]
    for (section, answering), end in zip(pairwise(roots), ends[1:], strict=True):
        problems = section.children
        bare = not any(node.children or signs.own(node).strip() for node in problems)
        if len(problems) < 2 or not bare or not _LISTS.search(signs.head(section)):
            continue
        if "整改" in signs.head(answering) and not signs.next_steps(answering):
            answers = _answers(signs, answering, end, len(problems))
            if answers:
                section.role, section.reason = HEADING, "lists what the next section answers"
                mark(problems, ISSUE, "answered in the next section")
                mark((answering, *answering.walk()), OUTSIDE, "answers to the section above")
                for problem, answer in zip(problems, answers, strict=True):
                    problem.answer = answer
                return


def _answers(signs: Signs, section: Node, end: int, count: int) -> list[tuple[int, int]]:
    """The spans of the answers to `count` problems below `section`, which ends at `end`; [] for
    anything else."""
    text, kids = signs.wording.text, section.children
    lines = [match.span() for match in LINE.finditer(text, section.body, end)]
    if len(kids) == count and kids[0].kind != "clause":
        lines = [*zip([k.head for k in kids], [*(k.start for k in kids[1:]), end], strict=True)]
    leads = [_LEAD.match(text, start) for start, _ in lines]
    # A lead that is a sentence of its own is no part of the measures.
    spans = [
        (lead.end() if lead and lead.group()[-1] in "。:" else low, high)
        for lead, (low, high) in zip(leads, lines, strict=True)
    ]
    told = [lead for lead in leads if lead]
    if len(told) == len(leads):
        named = [_ordinals(lead["which"], count) for lead in told]
        by_ordinal = {n: span for ns, span in zip(named, spans, strict=True) for n in ns}
        every = range(1, count + 1)
        return [by_ordinal[n] for n in every] if by_ordinal.keys() == set(every) else []
    # With problems of their own they are issues themselves.
    own = any(map(signs.labelled_below, kids)) or any(map(signs.strong, kids))
    deficits = sum(
        signs.wording.states_problem(text[low:high].split("。")[0]) for low, high in spans
    )
    return spans if len(spans) == count and not own and deficits * 2 < count else []


def _ordinals(words: str, most: int) -> Iterable[int]:
    """3、4 and 3至5 as numbers, the latter up to `most`."""
    first, through, last = words.partition("至") if "至" in words else words.partition("-")
    if through:
        return range(ordinal_of(first), min(ordinal_of(last), most) + 1)
    return [ordinal_of(word) for word in _SEPARATOR.split(words)]
