"""An annotator's desk: the segments of some notices one at a time, each answer saved at once.

The label file is the only memory of what was said: it is read again whenever it has
changed, so that other windows, annotators and imports count as soon as they have written.
Only which segments were skipped, and which answers can be taken back, is known here alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from rectify_nlp.batch import results
from rectify_nlp.consensus import Opinion, by_segment, latest
from rectify_nlp.errors import LabelsError
from rectify_nlp.examples import load_labels
from rectify_nlp.intake import candidates_in
from rectify_nlp.judging import Tally
from rectify_nlp.labelling import Answer, append, seal, undo
from rectify_nlp.model import Model
from rectify_nlp.picking import Candidate, candidates, queue, unlabelled
from rectify_nlp.taxonomy import Taxonomy
from rectify_nlp.types import Limits

_SHEET = ".xlsx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An answer given at this desk, and the category the annotator had named before, if any."""

    answer: Answer
    before: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What lies on the desk.

    `segment` is the one to label, None where nothing useful is left. Of the notices' segments
    `done` have been labelled, by whomever, and `left` have not. `last` can be taken back.
    """

    segment: Candidate | None
    done: int
    left: int
    last: Given | None = None


class Desk:
    """Segments of `pool` for one annotator, whose answers go to the label file `labels`.

    Safe to use from several threads. Every method raises LabelsError where the file has been
    broken, and OutputError where it cannot be written.
    """

    def __init__(
        self, pool: Iterable[Candidate], labels: Path, annotator: str, taxonomy: Taxonomy
    ) -> None:
        append(labels, (), taxonomy)  # refuses at once what could not be added to later
        self.labels, self.annotator, self.taxonomy = labels, annotator, taxonomy
        self._stamp: tuple[int, ...] = ()
        self._opinions: dict[str, list[Opinion]] = {}
        everything = unlabelled(pool)
        self._pool = {seal(candidate): candidate for candidate in everything}
        self._keys = [candidate.key for candidate in everything]
        said = self._said()
        self._upcoming = queue(
            [candidate for candidate in everything if candidate.key not in said],
            [opinions[0].example for opinions in said.values()],
        )
        self._drawn: list[Candidate] = []
        self._skipped: list[Candidate] = []
        self._given: list[Given] = []
        self._lock = Lock()

    @property
    def size(self) -> int:
        return len(self._pool)

    def find(self, name: str) -> Candidate | None:
        """The segment of which `name` is the seal."""
        return self._pool.get(name)

    def view(self) -> View:
        with self._lock:
            said = self._said()
            done = sum(key in said for key in self._keys)
            return View(
                segment=self._next(said),
                done=done,
                left=self.size - done,
                last=self._given[-1] if self._given else None,
            )

    def answer(self, answer: Answer) -> None:
        """Save an answer; one that repeats the annotator's last word changes nothing."""
        with self._lock:
            earlier = latest(self._said().get(answer.candidate.key, ()))
            own = (o.example.category for o in earlier if o.annotator == answer.annotator)
            before = next(own, "")
            if append(self.labels, [answer], self.taxonomy):
                self._given.append(Given(answer=answer, before=before))

    def skip(self, candidate: Candidate) -> None:
        """Lay a segment aside: it comes again after all others."""
        with self._lock:
            self._put_away(candidate)
            self._skipped.append(candidate)

    def undo(self, candidate: Candidate) -> bool:
        """Take back the last answer given here, if it was on this segment, which comes next.

        False, and nothing taken back, where another answer has been given since.
        """
        with self._lock:
            last = self._given[-1].answer if self._given else None
            if last is None or last.candidate.key != candidate.key:
                return False
            if undo(self.labels, last.annotator, self.taxonomy, key=candidate.key) is None:
                return False
            self._given.pop()
            self._put_away(candidate)
            self._drawn.insert(0, candidate)
            return True

    def _said(self) -> dict[str, list[Opinion]]:
        """Everything said so far, by segment."""
        try:
            there = self.labels.stat()
        except FileNotFoundError:
            return {}
        stamp = (there.st_ino, there.st_size, there.st_mtime_ns)
        if stamp != self._stamp:
            self._opinions = by_segment(load_labels([self.labels], self.taxonomy).opinions)
            self._stamp = stamp
        return self._opinions

    def _next(self, said: dict[str, list[Opinion]]) -> Candidate | None:
        """What was drawn and not labelled, else the next of the queue, else what was skipped."""
        self._drawn = [candidate for candidate in self._drawn if candidate.key not in said]
        self._skipped = [candidate for candidate in self._skipped if candidate.key not in said]
        while not self._drawn and (further := next(self._upcoming, None)):
            if further.key not in said and further not in self._skipped:
                self._drawn.append(further)
        return next(iter((*self._drawn, *self._skipped)), None)

    def _put_away(self, candidate: Candidate) -> None:
        for waiting in (self._drawn, self._skipped):
            if candidate in waiting:
                waiting.remove(candidate)


def opened(
    sources: Sequence[str],
    model: Model,
    labels: Path,
    annotator: str,
    say: Callable[[str], None],
    limits: Limits | None = None,
) -> Desk:
    """A desk for the segments of notices, segment files and sheets of `label pick` (.xlsx).

    `say` hears of sources that cannot be read. LabelsError where there is no segment at all.
    """
    tally = Tally(report=say, quiet=True)
    desk = Desk(_segments(sources, model, tally, limits), labels, annotator, model.taxonomy)
    if not desk.size:
        raise LabelsError(", ".join(sources), 0, "no segment to label", "give further notices")
    return desk


def _segments(
    sources: Iterable[str], model: Model, tally: Tally, limits: Limits | None
) -> Iterator[Candidate]:
    for source in sources:
        if source.lower().endswith(_SHEET):
            yield from candidates_in(Path(source), model.taxonomy)
        else:
            yield from candidates(tally.count(results([source], model, limits=limits)))
