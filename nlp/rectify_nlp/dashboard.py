"""What a batch folder holds: counts by unit, category and status, and its rows on demand.

The parts are read once as a stream; of each row a few numbers are kept, among them where it
is. Rows in doubt come first. The folder is only read, also while a run still writes it.
"""

from __future__ import annotations

import csv
import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rectify_nlp.arrow import require_pyarrow
from rectify_nlp.errors import ReadError
from rectify_nlp.phrases import UNDECIDED, UNNAMED, doubts
from rectify_nlp.records import Row
from rectify_nlp.rowfiles import LONGEST_FIELD

FAILURES_KEPT = 200
_FORMS = (".jsonl", ".csv", ".parquet")
_MANIFEST = "manifest.json"
_NUMBERS = ("category_p", "status_p")
# What the reading of a damaged part may raise besides OSError.
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, csv.Error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which rows to show; None is all of them."""

    unit: str | None = None
    category: str | None = None
    status: str | None = None
    in_doubt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit with its issues by status, and those in doubt."""

    name: str
    by_status: Counter[str]
    in_doubt: int


@dataclass(kw_only=True)
class _Names:
    """Names as numbers, in the order of their first appearance."""

    of: dict[str, int] = field(default_factory=dict)

    def number(self, name: str) -> int:
        return self.of.setdefault(name, len(self.of))


class Results:
    """The results of a batch folder as they were when it was read."""

    def __init__(self, parts: Sequence[Path], *, complete: bool) -> None:
        self.parts, self.complete = parts, complete
        self.failures: list[tuple[str, str]] = []
        self.failed = 0
        names = {name: _Names() for name in ("unit", "category", "status")}
        columns = {name: array("l") for name in (*names, "doubt", "part", "place")}
        for number, part in enumerate(parts):
            for place, row in enumerate(part_rows(part)):
                if row.get("error"):
                    self.failed += 1
                    if len(self.failures) < FAILURES_KEPT:
                        self.failures.append((str(row.get("source")), str(row["error"])))
                    continue
                unit = str(row.get("publisher") or "").strip() or UNNAMED
                columns["unit"].append(names["unit"].number(unit))
                for task in ("category", "status"):
                    columns[task].append(names[task].number(row[task] or UNDECIDED))
                # A stated status that the text contradicts is worse than one nobody gave.
                columns["doubt"].append(2 if row["doubtful"] else bool(doubts(row)))
                columns["part"].append(number)
                columns["place"].append(place)
        self._columns = {name: np.array(column, np.int64) for name, column in columns.items()}
        self._names = names
        doubt = self._columns["doubt"]
        self._order = np.argsort(-doubt, kind="stable")

    # -- counts --------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._order)

    @property
    def in_doubt(self) -> int:
        return int((self._columns["doubt"] > 0).sum())

    def names(self, of: str) -> list[str]:
        """The units, categories or statuses there are."""
        return list(self._names[of].of)

    def counts(self) -> Counter[tuple[str, str]]:
        """Issues by category and status."""
        return self._crossed("category", "status")

    def units(self) -> list[Unit]:
        """Every unit, those with most in doubt first, then those with most issues."""
        by_status: dict[str, Counter[str]] = {}
        for (unit, status), count in self._crossed("unit", "status").items():
            by_status.setdefault(unit, Counter())[status] = count
        doubt = np.bincount(
            self._columns["unit"], self._columns["doubt"] > 0, len(self._names["unit"].of)
        )
        found = [
            Unit(name=name, by_status=by_status[name], in_doubt=int(doubt[number]))
            for name, number in self._names["unit"].of.items()
        ]
        return sorted(found, key=lambda unit: (-unit.in_doubt, -unit.by_status.total()))

    def _crossed(self, one: str, other: str) -> Counter[tuple[str, str]]:
        width = len(self._names[other].of)
        pairs = self._columns[one] * width + self._columns[other]
        first, second = self.names(one), self.names(other)
        return Counter(
            {
                (first[pair // width], second[pair % width]): int(count)
                for pair, count in zip(*np.unique(pairs, return_counts=True), strict=True)
            }
        )

    # -- rows ----------------------------------------------------------------------------

    def chosen(self, choice: Choice) -> NDArray[np.int64]:
        """Positions of the rows of `choice`, those in doubt first."""
        wanted = np.ones(len(self), bool)
        for name in self._names:
            value = getattr(choice, name)
            if value is not None:
                wanted &= self._columns[name] == self._names[name].of.get(value, -1)
        if choice.in_doubt:
            wanted &= self._columns["doubt"] > 0
        return self._order[wanted[self._order]]

    def rows(self, positions: Sequence[int] | NDArray[np.int64]) -> list[Row]:
        """The rows at `positions`, read again from their parts."""
        places: dict[int, dict[int, int]] = {}
        for at, position in enumerate(positions):
            part, place = (int(self._columns[name][position]) for name in ("part", "place"))
            places.setdefault(part, {})[place] = at
        found: dict[int, Row] = {}
        for part, wanted in places.items():
            for place, row in enumerate(islice(part_rows(self.parts[part]), max(wanted) + 1)):
                if place in wanted:
                    found[wanted[place]] = row
        return [found[at] for at in sorted(found)]


class Shelf:
    """A batch folder and what was read of it, read again when the folder has changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = Lock()
        self._stamp: object = None
        self._results: Results | None = None
        parts_of(folder)  # a folder that holds no run is told at once

    def results(self) -> Results:
        """What the folder holds now; ReadError where it cannot be read."""
        parts, manifest = parts_of(self.folder)
        stamp = [(p.name, s.st_mtime_ns, s.st_size) for p in parts for s in [p.stat()]]
        stamp.append(("", manifest.get("complete", False), 0))
        with self._lock:
            if self._results is None or stamp != self._stamp:
                complete = bool(manifest.get("complete"))
                self._results, self._stamp = Results(parts, complete=complete), stamp
            return self._results


def parts_of(folder: Path) -> tuple[list[Path], dict[str, Any]]:
    """The parts of a batch folder in order, and its manifest; ReadError where it is none."""
    remedy = "give the folder that `rectify-nlp batch -o` wrote"
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        parts = sorted(p for p in folder.glob("part-*") if p.suffix in _FORMS)
    except OSError as error:
        raise ReadError(str(folder), f"holds no results ({error.strerror}); {remedy}") from error
    except ValueError as error:
        raise ReadError(str(folder / _MANIFEST), f"is damaged; {remedy}") from error
    if not isinstance(manifest, dict):
        raise ReadError(str(folder / _MANIFEST), f"is of no run; {remedy}")
    return parts, manifest


# -- parts to rows -----------------------------------------------------------------------


def part_rows(part: Path) -> Iterator[Row]:
    """The rows of a part, in whatever form, as `records` made them; ReadError for a damaged one."""
    read: Callable[[Path], Iterator[Row]] = {
        ".jsonl": _json_lines,
        ".csv": _csv_rows,
        ".parquet": _parquet_rows,
    }[part.suffix]
    try:
        yield from read(part)
    except (OSError, *_DAMAGE) as error:
        what = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise ReadError(str(part), f"is damaged ({what}); run the batch again") from error


def _json_lines(part: Path) -> Iterator[Row]:
    with part.open("rb") as lines:
        for line in lines:
            yield json.loads(line)


def _csv_rows(part: Path) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_FIELD)
    with part.open(encoding="utf-8-sig", newline="") as lines:
        for cells in csv.DictReader(lines):
            flat: Row = {name: _uncovered(value) or None for name, value in cells.items()}
            if not flat["error"]:
                for name in ("path", "also"):
                    flat[name] = flat[name].split(" | ") if flat[name] else []
                flat["doubtful"] = flat["doubtful"] == "true"
                for name in flat:
                    if name in _NUMBERS or name.startswith(("p.category.", "p.status.")):
                        flat[name] = float(flat[name])
                flat["problem"], flat["measures"] = flat["problem"] or "", flat["measures"] or ""
            yield _nested(flat)


def _uncovered(cell: str | None) -> str | None:
    """A cell without the apostrophe that keeps spreadsheets from calculating."""
    return cell[1:] if cell and cell.startswith("'") else cell


def _parquet_rows(part: Path) -> Iterator[Row]:
    arrow = require_pyarrow()
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(part) as file:
            for batch in file.iter_batches(batch_size=1024):
                yield from map(_nested, batch.to_pylist())
    except arrow.ArrowException as error:
        raise ValueError(" ".join(str(error).split())) from error


def _nested(flat: Row) -> Row:
    """A row with its probabilities in `p`, likeliest first, and its evidence as a list."""
    row = {name: value for name, value in flat.items() if not name.startswith("p.")}
    if row.get("error"):
        return row
    row["p"] = {
        task: dict(
            sorted(
                (
                    (name.removeprefix(f"p.{task}."), p)
                    for name, p in flat.items()
                    if name.startswith(f"p.{task}.")
                ),
                key=lambda pair: -pair[1],
            )
        )
        for task in ("category", "status")
    }
    evidence = row.pop("evidence", None)
    if evidence:
        row["evidence"] = json.loads(evidence) if isinstance(evidence, str) else evidence
    return row
