"""From what several annotators say of a segment to what a model learns from it.

Label files only grow: a correction is a further row. Of each annotator the latest row
counts. A row marked `final` settles its segment alone, the latest of them if there are
several. Otherwise the category counts where all annotators give the same one, and the
status where all who give one give the same. A segment whose category is disputed is left
out; one whose status is disputed has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rectify_nlp.patterns import pattern
from rectify_nlp.types import Example

# Spaces, controls and marks of direction: what no reader sees.
_UNSEEN = pattern(r"[\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """One row of a label file: what an annotator says of a segment, and where that stands."""

    example: Example
    path: Path
    line: int
    annotator: str = ""
    time: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A segment on whose `task` ("category" or "status") the latest `opinions` differ."""

    task: str
    opinions: tuple[Opinion, ...]

    def __str__(self) -> str:
        said = ", ".join(
            f"{opinion.annotator or 'unnamed'} {value}"
            for opinion in self.opinions
            if (value := target(opinion.example, self.task))
        )
        left = "the segment is left out" if self.task == "category" else "its status is left out"
        first = self.opinions[0]
        return f"{first.path}:{first.line}: annotators differ on the {self.task} ({said}); {left}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What label files hold: the settled examples, the conflicts, and every row."""

    examples: tuple[Example, ...]
    conflicts: tuple[Conflict, ...] = ()
    opinions: tuple[Opinion, ...] = ()


def target(example: Example, task: str) -> str | None:
    """The label of `example` for a task."""
    return example.category if task == "category" else example.status


def segment_key(problem: str, measures: str) -> str:
    """What tells segments apart: their text without spaces and without what is not shown.

    Spreadsheets and annotation tools change line ends and spaces at will.
    """
    return f"{visible(problem)}\n{visible(measures)}"


def visible(text: str) -> str:
    """`text` without spaces, control and format characters."""
    return _UNSEEN.sub("", text)


def by_segment(opinions: Iterable[Opinion]) -> dict[str, list[Opinion]]:
    """Opinions by segment, in the order of their first rows."""
    groups: dict[str, list[Opinion]] = {}
    for opinion in opinions:
        key = segment_key(opinion.example.problem, opinion.example.measures)
        groups.setdefault(key, []).append(opinion)
    return groups


def latest(opinions: Iterable[Opinion]) -> list[Opinion]:
    """The last word of each annotator on one segment; of equal times the later row."""
    last: dict[str, Opinion] = {}
    for opinion in opinions:
        if opinion.annotator not in last or opinion.time >= last[opinion.annotator].time:
            last[opinion.annotator] = opinion
    return list(last.values())


def settle(opinions: Sequence[Opinion]) -> Labels:
    """What a model may learn, by the rule above; a segment that checks in one row checks."""
    examples: list[Example] = []
    conflicts: list[Conflict] = []
    for group in by_segment(opinions).values():
        final = [opinion for opinion in group if opinion.final]
        # Of equal times the later row, as in `latest`.
        decided = sorted(final, key=lambda o: o.time)[-1:] or latest(group)
        check = any(opinion.example.check for opinion in group)
        found = {task: _agreed(decided, task, conflicts) for task in ("category", "status")}
        if found["category"]:
            also = dict.fromkeys(name for opinion in decided for name in opinion.example.also)
            first = decided[0].example
            examples.append(replace(first, also=tuple(also), status=found["status"], check=check))
    return Labels(examples=tuple(examples), conflicts=tuple(conflicts), opinions=tuple(opinions))


def _agreed(opinions: Sequence[Opinion], task: str, conflicts: list[Conflict]) -> str | None:
    """The label all give who give one; where they differ, a conflict is noted."""
    given = {value for opinion in opinions if (value := target(opinion.example, task))}
    if len(given) > 1:
        conflicts.append(Conflict(task=task, opinions=tuple(opinions)))
        return None
    return given.pop() if given else None
