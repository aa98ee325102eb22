"""The values that flow from stage to stage.

Every offset is a code-point index into `Notice.text`; `end` is exclusive, so
`notice.text[x.start : x.end]` is always what `x` claims.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What reading one source may cost.

    `input_bytes` holds for every document, not for tables of segments. For zip archives `unpacked_bytes` (what the members
    declare, which is all that is ever unpacked) and `ratio` (unpacked to packed, looked at
    from 10 MB on) are checked before anything is parsed. `memory_bytes` (address space) and
    the two times bind what is parsed in a child process. An ordinary notice takes a second,
    and 0.1 GB of which most is the interpreter's.
    """

    input_bytes: int = 50_000_000
    unpacked_bytes: int = 300_000_000
    ratio: int = 100
    memory_bytes: int = 1 << 30
    cpu_seconds: int = 60
    wall_seconds: float = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A stretch of a notice: the text as printed and where it starts."""

    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A source turned into text, once."""

    text: str
    source: str
    sha256: str = ""
    title: str | None = None
    publisher: str | None = None
    published: date | None = None
    index_number: str | None = None
    document_number: str | None = None
    url: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A status the notice itself states: a taxonomy name and the words as printed.

    `start` and `end` cover the words; `masked` is the (wider) span, label included,
    that a status classifier must not see.
    """

    status: str
    text: str
    start: int
    masked: tuple[int, int]

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Counts a notice states for itself: issues in all, and issues by taxonomy status."""

    issues: int | None = None
    by_status: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One problem and what was done about it.

    `path` holds the enclosing headings, outermost first. `stated` may lie in a
    heading of `path`, in `measures` or outside of all (a label line of its own).
    Problems that are answered together share their measures, which stand behind the last.
    """

    problem: Passage
    measures: Passage
    number: Passage | None = None
    path: tuple[Passage, ...] = ()
    stated: Stated | None = None


class Line(NamedTuple):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A term that spoke for the chosen label: `weight` is its share of the logit in nats."""

    start: int
    end: int
    term: str
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a classifier says.

    `label` is None where the model abstains; `probability` is the calibrated
    probability of the first of `ranking`, which holds every label, likeliest first.
    """

    label: str | None
    probability: float
    ranking: tuple[tuple[str, float], ...]
    evidence: tuple[Evidence, ...] = ()

    def probability_of(self, label: str) -> float:
        """Probability of `label`; KeyError for a label the model does not know."""
        return dict(self.ranking)[label]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An issue with its two verdicts.

    `also` names further categories that are likely enough to mention. `doubtful`
    says that the notice states one status while the text reads like another.
    """

    issue: Issue
    category: Verdict
    status: Verdict
    also: tuple[str, ...] = ()
    doubtful: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings of one notice, and the totals it states for itself."""

    notice: Notice
    findings: tuple[Finding, ...]
    model: str
    warnings: tuple[str, ...] = ()
    totals: Totals = Totals()


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A ready-cut issue from a table: its finding and the columns it was `given` with."""

    notice: Notice
    finding: Finding
    given: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A source that gave no report."""

    source: str
    error: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A labelled segment. `also` are acceptable secondary categories, `status` may be unknown.

    One that `check`s is for judging models: no model is trained on it.
    """

    problem: str
    measures: str
    category: str
    notice: str
    origin: str
    path: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    status: str | None = None
    kind: str | None = None
    check: bool = False


class SplitNotice(NamedTuple):
    """A notice and what it was split into."""

    notice: Notice
    parts: Split


class CutRow(NamedTuple):
    """A ready-cut issue of a table, in a notice of its own, and the columns it was `given` with."""

    notice: Notice
    issue: Issue
    given: Mapping[str, Any]


# What is read of sources: a notice, rows of a table that are judged together, or what could
# not be read.
Cut = SplitNotice | list[CutRow | Failure] | Failure
# What comes of them.
Result = Report | Segment | Failure
