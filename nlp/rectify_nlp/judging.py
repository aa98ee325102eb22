"""What was read and cut, to results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rectify_nlp.model import Model
from rectify_nlp.types import Cut, CutRow, Failure, Report, Result, Segment, SplitNotice


def judged(cuts: Iterable[Cut], model: Model, *, explain: bool = False) -> Iterator[Result]:
    """A Report for each notice, a Segment for each row, a Failure for what failed, in order."""
    model.warm_up()  # the first of them may still be in the making
    for cut in cuts:
        if isinstance(cut, SplitNotice):
            yield model.report(*cut, explain=explain)
        elif isinstance(cut, Failure):
            yield cut
        else:
            yield from judged_segments(cut, model, explain=explain)


def judged_segments(
    rows: Sequence[CutRow | Failure], model: Model, *, explain: bool = False
) -> list[Segment | Failure]:
    """A result for each row, in order, judged together."""
    issues = [row.issue for row in rows if isinstance(row, CutRow)]
    findings = iter(model.judge(issues, explain=explain))
    return [
        Segment(notice=row.notice, finding=next(findings), given=row.given)
        if isinstance(row, CutRow)
        else row
        for row in rows
    ]


@dataclass
class Tally:
    """Counts results as they pass, and tells failures and, unless `quiet`, warnings."""

    report: Callable[[str], None]
    quiet: bool = False
    sources: int = 0
    failed: int = 0

    def count(self, found: Iterable[Result]) -> Iterator[Result]:
        for result in found:
            self.sources += 1
            if isinstance(result, Failure):
                self.failed += 1
                self.report(f"{result.source}: error: {result.message}")
            elif isinstance(result, Report) and not self.quiet:
                for warning in result.warnings:
                    self.report(f"{result.notice.source}: warning: {warning}")
            yield result
