"""A notice's text with marks: where issues stand, and the words that decided.

The text is cut wherever a mark begins or ends, so that marks may overlap.
"""

from __future__ import annotations

from bisect import bisect, bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile
from math import ceil

from rectify_nlp.records import deciding
from rectify_nlp.types import Finding

# Deciding words come in so many strengths, relative to the heaviest of their verdict.
LEVELS = 4


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A stretch of text and how it is marked: "heading", "problem", "stated", "c1" ... "s4"."""

    text: str
    marks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Block:
    """Lines of a text: those of the issue of that position, or (None) between issues.

    `answered` is the position of another issue, where the measures stand that answer both;
    `apart` tells that the measures stand further on, behind other issues.
    """

    lines: Sequence[Sequence[Piece]]
    issue: int | None = None
    answered: int | None = None
    apart: bool = False


def blocks(text: str, findings: Sequence[Finding]) -> list[Block]:
    """The whole text in blocks, issues and what stands between them, in order."""
    ends: list[tuple[int, int | None]] = []
    ordered = sorted(enumerate(findings), key=lambda pair: _begin(pair[1]))
    begins = [*(_begin(finding) for _, finding in ordered), len(text)]
    # Issues that are answered together share the measures of the last.
    together = {finding.issue.measures.start: position for position, finding in ordered}
    others = sorted({*begins, *together})
    answered: dict[int | None, int] = {}
    apart: set[int | None] = set()
    for (position, finding), begin, after in zip(ordered, begins, begins[1:], strict=False):
        problem, measures = finding.issue.problem, finding.issue.measures
        end = _end(finding)
        if measures.text and together[measures.start] != position:
            answered[position] = together[measures.start]
        elif measures.text and bisect(others, problem.end) < bisect_left(others, measures.start):
            apart.add(position)
            end = problem.end
        ends += [(begin, None), (min(end, after), position)]
    ends.append((len(text), None))
    marks = {mark for finding in findings for mark in _marks(finding)}
    pieces = deque(_pieces(text, marks, [end for end, _ in ends]))
    found = []
    for end, issue in ends:
        inside = []
        while pieces and pieces[0][0] < end:
            inside.append(pieces.popleft()[1])
        found.append(
            Block(
                lines=_lines(inside),
                issue=issue,
                answered=answered.get(issue),
                apart=issue in apart,
            )
        )
    return [block for block in found if block.lines or block.issue is not None]


def _begin(finding: Finding) -> int:
    issue = finding.issue
    return min(passage.start for passage in (issue.number, issue.problem) if passage)


def _end(finding: Finding) -> int:
    """Where an issue ends, a status stated behind its measures included."""
    issue = finding.issue
    end = max(issue.problem.end, issue.measures.end)
    return max(end, issue.stated.masked[1]) if issue.stated else end


def _marks(finding: Finding) -> Iterator[tuple[int, int, str]]:
    """Start, end and kind of everything that is marked for an issue."""
    issue = finding.issue
    for heading in issue.path:
        yield heading.start, heading.end, "heading"
    yield issue.problem.start, issue.problem.end, "problem"
    if issue.stated:
        yield issue.stated.start, issue.stated.end, "stated"
    for verdict, sign in ((finding.category, "c"), (finding.status, "s")):
        chosen = deciding(verdict)
        for e in chosen:
            yield e.start, e.end, f"{sign}{ceil(LEVELS * e.weight / chosen[0].weight)}"


def _pieces(
    text: str, marks: Iterable[tuple[int, int, str]], cuts: Iterable[int]
) -> Iterator[tuple[int, Piece]]:
    """The text cut where marks begin and end and at `cuts`: each stretch with its start."""
    changes: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
    for start, end, mark in marks:
        changes[start].append((mark, 1))
        changes[end].append((mark, -1))
    active: Counter[str] = Counter()
    position = 0
    for place in sorted({*changes, *cuts, len(text)}):
        if place > position:
            yield position, Piece(text=text[position:place], marks=tuple(sorted(+active)))
        position = place
        for mark, step in changes[place]:
            active[mark] += step


def _lines(pieces: Iterable[Piece]) -> list[list[Piece]]:
    """Pieces line by line, without blank lines and indents."""
    lines: list[list[Piece]] = [[]]
    for piece in pieces:
        first, *further = piece.text.split("\n")
        lines[-1].append(replace(piece, text=first))
        lines += [[replace(piece, text=part)] for part in further]
    return [trimmed for line in lines if (trimmed := _trimmed(line))]


def _trimmed(line: list[Piece]) -> list[Piece]:
    kept = list(dropwhile(lambda piece: not piece.text.strip(), line))
    return [replace(kept[0], text=kept[0].text.lstrip()), *kept[1:]] if kept else []
