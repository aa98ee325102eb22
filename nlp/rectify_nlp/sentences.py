"""Sentences of running prose: where they lie, and the problems among those whose kinds are known.

`prose` tells the kinds, and costs the loading of numpy and of a classifier.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rectify_nlp.patterns import pattern

KINDS = ("problem", "measures", "other", "heading", "both")
PROBLEM, MEASURES, OTHER, HEADING, BOTH = range(len(KINDS))

# A full stop within quotation marks ends no sentence.
_SENTENCE = pattern(r"(?:“[^“”\n]{0,160}”|[^。!?\n])+(?:[。!?]+[”)]?)?")


_POINT = pattern("[一二三四五六七八九十]{1,2}是(?!否)")


class Sentence(NamedTuple):
    """A sentence of folded text, without blanks around it; `opens`: it begins a paragraph or is a
    point (一是 ...)."""

    start: int
    end: int
    opens: bool


def sentences_of(folded: str, start: int, end: int) -> Iterator[Sentence]:
    """The sentences between two positions, in order."""
    before = -1
    for match in _SENTENCE.finditer(folded, start, end):
        text = match.group().strip()
        if text:
            first = match.start() + match.group().index(text)
            opens = before < 0 or "\n" in folded[before:first] or _POINT.match(text) is not None
            before = first + len(text)
            yield Sentence(first, before, opens)


def problems(found: Sequence[Sentence], kinds: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """The problems among sentences of these kinds: the first sentence of each, the one behind
    its last, and the one behind the last that tells what was done about it.

    What tells neither behind a deed in its paragraph (该问题已整改到位。) belongs to it.
    """
    at = 0
    while at < len(kinds):
        first, at = at, at + 1
        if kinds[first] != PROBLEM:
            continue
        while at < len(kinds) and kinds[at] == PROBLEM and not found[at].opens:
            at += 1
        last = at
        while at < len(kinds) and (
            kinds[at] == MEASURES or (at > last and kinds[at] == OTHER and not found[at].opens)
        ):
            at += 1
        yield first, last, at
