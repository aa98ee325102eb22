"""Which segments to label next: those the model is least sure of, of many kinds, none twice.

Some are drawn at random and kept aside: as nobody chose them, and no model learns from
them, they tell how good a model is. The rest are taken by margin, the distance of the two
likeliest labels (Scheffer et al., Active Hidden Markov Models for Information
Extraction, 2001), one of a group of near-duplicates, spread over categories and units.
docs/labelling.md shows what that is worth against picking at random.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from rectify_nlp.consensus import segment_key
from rectify_nlp.sheets import as_text
from rectify_nlp.similarity import Seen
from rectify_nlp.types import Example, Failure, Finding, Notice, Report, Result, Verdict

# Segments are spread within so many: no category or unit has more than twice its even share.
ROUND = 20
# What being unsure of the status counts for beside being unsure of the category. Tried on
# three deals of scripts/simulate_labelling.py (seeds 0 to 2): 0 and 1 gave worse categories
# after 50 to 200 labels, a product of both margins the like.
_STATUS = 0.5
# Longer texts fit no cell of a sheet, and nobody labels them.
LONGEST = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A segment to label and what the model says of it.

    `category` and `status` are the model's first labels with their probabilities, also
    where it abstains; None where no model was asked. `margin` is low where the model is
    unsure. `stated` are the words in which the notice itself gives a status, `told` what
    others have said of the segment. A segment that `check`s is for judging models, never for
    training them.
    """

    problem: str
    measures: str
    path: tuple[str, ...] = ()
    notice: str
    source_sha256: str = ""
    number: str = ""
    unit: str = ""
    check: bool = False
    stated: str = ""
    category: str | None = None
    category_p: float | None = None
    status: str | None = None
    status_p: float | None = None
    margin: float = 0.0
    told: str = ""

    @classmethod
    def of(cls, example: Example, **more: Any) -> Candidate:
        """A labelled segment to be looked at again; its labels are not told."""
        return cls(
            problem=example.problem,
            measures=example.measures,
            path=example.path,
            notice=example.notice,
            unit=example.notice,
            check=example.check,
            **more,
        )

    @property
    def key(self) -> str:
        """What makes it this segment, whatever its notice."""
        return segment_key(self.problem, self.measures)

    @property
    def text(self) -> str:
        return self.problem + self.measures


def candidates(results: Iterable[Result]) -> Iterator[Candidate]:
    """A candidate for each issue of notices and segment files; failures give none."""
    for result in results:
        if isinstance(result, Report):
            name = result.notice.title or Path(result.notice.source).name
            for finding in result.findings:
                yield _candidate(result.notice, finding, name, result.notice.publisher)
        elif not isinstance(result, Failure):
            given = {k: v for k, v in result.given.items() if isinstance(v, str) and v}
            name = given.get("notice") or given.get("title") or result.notice.source
            digest = as_text(given.get("source_sha256"))
            found = _candidate(result.notice, result.finding, name, given.get("publisher"), digest)
            yield replace(found, number=as_text(given.get("number")))


def _candidate(
    notice: Notice, finding: Finding, name: str, unit: str | None, digest: str = ""
) -> Candidate:
    issue, stated = finding.issue, finding.issue.stated
    return Candidate(
        problem=as_text(issue.problem.text),
        measures=as_text(issue.measures.text),
        path=tuple(as_text(heading.text) for heading in issue.path),
        notice=as_text(name),
        source_sha256=digest or notice.sha256 or _digest(notice.text),
        number=as_text(issue.number.text) if issue.number else "",
        unit=as_text(unit or name),
        stated=as_text(stated.text) if stated else "",
        category=finding.category.ranking[0][0],
        category_p=finding.category.probability,
        status=finding.status.ranking[0][0],
        status_p=finding.status.probability,
        margin=_margin(finding.category) + _STATUS * _margin(finding.status),
    )


def _digest(text: str) -> str:
    """SHA-256 of a segment's text, which JSON may have given lone surrogates."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _margin(verdict: Verdict) -> float:
    """The distance in probability of the two likeliest labels."""
    (_, first), (_, second) = verdict.ranking[:2]
    return first - second


def pick(
    pool: Iterable[Candidate],
    count: int,
    *,
    check: int = 0,
    known: Iterable[Example] = (),
    seed: int = 0,
) -> list[Candidate]:
    """At most `count` segments to label, `check` of them drawn at random, in mixed order.

    `known` are the segments labelled already, which are not taken again. Those drawn at
    random are drawn from all others, and come without the model's answers, which would sway
    whoever labels them; of the rest none is much like a known, a drawn or a taken one. The
    same pool, labels and `seed` give the same segments.
    """
    known = list(known)
    free = unlabelled(pool, known)
    draw = np.random.default_rng(seed)
    chance = draw.permutation(len(free))[: min(check, count)].tolist()
    checks = [_untold(free[i]) for i in chance]
    drawn = set(chance)
    rest = [candidate for i, candidate in enumerate(free) if i not in drawn]
    seen: list[Example | Candidate] = [*known, *checks]
    found = [*checks, *islice(queue(rest, seen), max(0, count - len(checks)))]
    return [found[i] for i in draw.permutation(len(found))]


def _untold(candidate: Candidate) -> Candidate:
    return replace(
        candidate, check=True, category=None, category_p=None, status=None, status_p=None
    )


def unlabelled(pool: Iterable[Candidate], known: Iterable[Example] = ()) -> list[Candidate]:
    """The candidates nobody has labelled, each once; without those too long to label."""
    seen = {segment_key(example.problem, example.measures) for example in known}
    found = []
    for candidate in pool:
        if candidate.key not in seen and len(candidate.text) <= LONGEST:
            seen.add(candidate.key)
            found.append(candidate)
    return found


def queue(
    pool: Sequence[Candidate], known: Iterable[Example | Candidate] = ()
) -> Iterator[Candidate]:
    """The most useful segment of `pool`, then the next one, as far as it reaches.

    Segments much like one given out, or like one of `known`, are passed over.
    """
    seen = Seen()
    for segment in known:
        seen.add(segment.problem + segment.measures)
    left = sorted(pool, key=lambda candidate: candidate.margin)
    while left:
        chosen: list[Candidate] = []
        for spread in (True, False):  # what is missing is taken wherever it is found
            left = list(_choose(left, chosen, seen, spread))
        yield from chosen
        if not chosen:
            return


def _choose(
    left: Sequence[Candidate], chosen: list[Candidate], seen: Seen, spread: bool
) -> Iterator[Candidate]:
    """Moves candidates to `chosen` until it holds a round; gives back those that stay.

    With `spread` none beyond twice the even share of its category or unit.
    """
    kinds: dict[str, set[str | None]] = {
        "category": {c.category for c in left},
        "unit": {c.unit for c in left},
    }
    most = {kind: -(-2 * ROUND // len(names)) for kind, names in kinds.items() if names}
    taken: Counter[tuple[str, str | None]] = Counter()
    for candidate in left:
        own = (("category", candidate.category), ("unit", candidate.unit))
        full = spread and any(taken[place] >= most[place[0]] for place in own)
        if len(chosen) == ROUND or full:
            yield candidate
        elif not seen.has_like(candidate.text):
            seen.add(candidate.text)
            chosen.append(candidate)
            taken.update(own)
