"""Answers from people and annotation tools, checked row by row and added to label files.

Read are the sheet of `labelsheet` (.xlsx, .csv) and exports of Label Studio (JSON and
JSON_MIN) and doccano (JSON lines). Every row carries its segment with a seal; one that was
altered, or comes from elsewhere, is refused. An import is taken whole or not at all, so that
a sheet is never half in.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rectify_nlp.errors import LabelsError
from rectify_nlp.examples import load_labels
from rectify_nlp.exchange import DOCCANO
from rectify_nlp.labelling import Answer, append, seal, timestamp
from rectify_nlp.labelsheet import HEADERS, from_fields, sheet_rows
from rectify_nlp.picking import Candidate
from rectify_nlp.rowfiles import read_rows, read_text
from rectify_nlp.sheets import as_text
from rectify_nlp.taxonomy import Taxonomy

SUFFIXES = (".xlsx", ".csv", ".json", ".jsonl")
_BETWEEN = re.compile(r"[、,，;；|\n]")
_GIVEN = ("category", "also", "status", "remark")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row as it was read: its segment with its seal, and what was filled in, unchecked.

    `columns` names what stands wrong as the file names it; `time` is empty where the file
    tells none.
    """

    line: int
    segment: Candidate
    seal: str
    category: tuple[str, ...]
    also: tuple[str, ...]
    status: tuple[str, ...]
    remark: str
    annotator: str
    time: str
    columns: Mapping[str, str]

    @property
    def is_filled(self) -> bool:
        return bool(self.category or self.also or self.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of an import: rows `added`, answers `known` already, rows without an answer.

    `remarks` are those of rows without an answer, with their places. Where anything was
    `refused`, nothing was added.
    """

    added: int = 0
    known: int = 0
    empty: int = 0
    remarks: tuple[str, ...] = ()
    refused: tuple[LabelsError, ...] = ()


def import_labels(
    source: Path,
    labels: Path,
    taxonomy: Taxonomy,
    *,
    annotator: str = "",
    final: bool = False,
) -> Imported:
    """Add the answers in `source` to the label file `labels`, all of them or none.

    `annotator` stands for rows that name none; `final` answers settle disputes. LabelsError
    where `source` as a whole cannot be read.
    """
    answers: list[Answer] = []
    refused: list[LabelsError] = []
    remarks: list[str] = []
    empty = 0
    for entry in entries(source, taxonomy):
        if not entry.is_filled:
            empty += 1
            if entry.remark:
                remarks.append(f"{source}:{entry.line}: {entry.remark}")
            continue
        faults = list(_faults(entry, source, taxonomy, annotator))
        refused += faults
        if not faults:
            answers.append(
                Answer(
                    candidate=entry.segment,
                    category=entry.category[0],
                    also=entry.also,
                    status=entry.status[0] if entry.status else None,
                    annotator=entry.annotator or annotator,
                    time=entry.time,
                    remark=entry.remark,
                    final=final,
                )
            )
    told = Imported(empty=empty, remarks=tuple(remarks), refused=tuple(refused))
    if refused:
        return told
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    added = len(append(labels, answers, taxonomy, digest))
    return Imported(added=added, known=len(answers) - added, empty=empty, remarks=tuple(remarks))


def _faults(
    entry: Entry, source: Path, taxonomy: Taxonomy, annotator: str
) -> Iterator[LabelsError]:
    """What is wrong with a row, each with its column and the remedy."""

    def fault(name: str, what: str, remedy: str) -> LabelsError:
        return _fault(entry, source, name, what, remedy)

    yield from _unsealed(entry, source)
    known = {"category": taxonomy.category_names, "status": taxonomy.status_names}
    known["also"] = taxonomy.category_names
    for name in ("category", "also", "status"):
        for value in getattr(entry, name):
            if value not in known[name]:
                yield fault(name, f"unknown {value!r}", f"allowed: {', '.join(known[name])}")
    for name in ("category", "status"):
        if len(getattr(entry, name)) > 1:
            yield fault(name, "more than one given", "give one")
    if not entry.category:
        yield fault("category", "empty", "give a category, or empty the whole row")
    if len({*entry.category, *entry.also}) < len(entry.category) + len(entry.also):
        yield fault("also", "repeats a category", "name each category once")
    if not (entry.annotator or annotator):
        yield fault("annotator", "empty", "name who labelled, or give --annotator")


def _unsealed(entry: Entry, source: Path) -> Iterator[LabelsError]:
    """A fault where a segment is not as it was picked."""
    if not entry.seal:
        remedy = "the row was not picked by `label pick`; take it out"
        yield _fault(entry, source, "seal", "empty", remedy)
    elif seal(entry.segment) != entry.seal:
        remedy = "restore the row from the sheet that was picked"
        yield _fault(entry, source, "seal", "the segment was altered", remedy)


def _fault(entry: Entry, source: Path, name: str, what: str, remedy: str) -> LabelsError:
    column = entry.columns.get(name, name)
    return LabelsError(source, entry.line, f"column {column}: {what}", remedy)


# -- reading -----------------------------------------------------------------------------


def entries(source: Path, taxonomy: Taxonomy) -> Iterator[Entry]:
    """The rows of a file of any kind that is read; LabelsError where it is none."""
    suffix = source.suffix.lower()
    if suffix in (".xlsx", ".csv"):
        yield from _from_sheet(source, taxonomy)
    elif suffix == ".json":
        yield from _from_label_studio(source)
    elif suffix == ".jsonl":
        yield from _from_doccano(source)
    else:
        raise LabelsError(source, 0, "of a kind that is not read", f"give {', '.join(SUFFIXES)}")


def _entry(
    line: int,
    columns: Mapping[str, Any],
    given: Mapping[str, Any],
    names: Mapping[str, str],
    *,
    annotator: str = "",
    time: str = "",
) -> Entry:
    return Entry(
        line=line,
        segment=from_fields(dict(columns)),
        seal=as_text(columns.get("seal")).strip(),
        category=tuple(given.get("category", ())),
        also=tuple(given.get("also", ())),
        status=tuple(given.get("status", ())),
        remark=as_text(given.get("remark")).strip(),
        annotator=annotator,
        time=time,
        columns=names,
    )


def _from_sheet(source: Path, taxonomy: Taxonomy) -> Iterator[Entry]:
    for line, row in sheet_rows(source):
        also = row.get("also", "")
        given = {
            "category": [row["category"]] if row["category"] else [],
            # A name may hold a comma itself.
            "also": [also] if also in taxonomy.category_names else _parts(also),
            "status": [row["status"]] if row.get("status") else [],
            "remark": row.get("remark", ""),
        }
        yield _entry(line, row, given, HEADERS, annotator=row.get("annotator", ""))


def _parts(text: str) -> list[str]:
    return [part.strip() for part in _BETWEEN.split(text) if part.strip()]


def _from_label_studio(source: Path) -> Iterator[Entry]:
    """One entry an annotation, numbered by task from 1; a task without any gives an empty one.

    An annotation that was cancelled is none.
    """
    try:
        tasks = json.loads(read_text(source))
    except (ValueError, RecursionError) as error:
        raise LabelsError(source, 0, f"bad JSON ({error})", "export it anew") from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise LabelsError(source, 0, "no list of tasks", "export as JSON or JSON-MIN")
    for number, task in enumerate(tasks, 1):
        full = isinstance(task.get("annotations"), list)
        columns = task.get("data") if full else task
        if not isinstance(columns, dict):
            raise LabelsError(source, number, "a task without data", "export as JSON or JSON-MIN")
        for said in _annotations(task) if full else [task]:
            given = _results(said) if full else {n: _chosen(said.get(n)) for n in _GIVEN}
            who = said.get("completed_by") if full else said.get("annotator")
            when = said.get("updated_at") or said.get("created_at")
            yield _entry(
                number, columns, {**given, "remark": "\n".join(given.get("remark", ()))}, {},
                annotator=_annotator(who), time=_time(when, source, number),
            )  # fmt: skip


def _annotations(task: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    said = [one for one in task["annotations"] if isinstance(one, dict)]
    return [one for one in said if not one.get("was_cancelled")] or [{}]


def _results(annotation: Mapping[str, Any]) -> dict[str, list[str]]:
    """Of an annotation in the full export: what was given under each name."""
    results = annotation.get("result")
    return {
        str(result.get("from_name")): _chosen(result.get("value"))
        for result in (results if isinstance(results, list) else ())
        if isinstance(result, dict)
    }


def _chosen(value: Any) -> list[str]:
    """The texts in a value of Label Studio: a text, a list, or a list under "choices" or "text"."""
    if isinstance(value, dict):
        value = value.get("choices", value.get("text"))
    if isinstance(value, str):
        value = [value]
    return [text for text in map(as_text, value or ()) if text] if isinstance(value, list) else []


def _annotator(who: Any) -> str:
    if isinstance(who, dict):
        who = who.get("email") or who.get("username") or who.get("id")
    return f"user {who}" if isinstance(who, int) else as_text(who).strip()


def _time(when: Any, source: Path, number: int) -> str:
    if not when:
        return ""
    try:
        return timestamp(datetime.fromisoformat(str(when)))
    except (ValueError, OverflowError) as error:
        raise LabelsError(source, number, f"no time: {when}", "export it anew") from error


def _from_doccano(source: Path) -> Iterator[Entry]:
    """One entry a line; doccano exports a file for each user or one that does not tell who."""
    meanings = {prefix: name for name, prefix in DOCCANO.items()}
    for line, row in read_rows(source):
        labels = row.get("label", row.get("labels"))
        if not isinstance(labels, list):
            raise LabelsError(source, line, "no list label", "export as JSON lines from doccano")
        meta = row.get("meta")
        columns = {**meta, **row} if isinstance(meta, dict) else row
        given: dict[str, list[str]] = {name: [] for name in DOCCANO}
        for label in map(as_text, labels):
            prefix, _, value = label.partition(":")
            # A label without a meaning is looked up as a category, and told as unknown.
            given[meanings.get(prefix, "category")].append(value if prefix in meanings else label)
        comments = row.get("Comments")
        remark = "\n".join(map(as_text, comments if isinstance(comments, list) else ()))
        names = dict.fromkeys(DOCCANO, "label")
        yield _entry(line, columns, {**given, "remark": remark}, names)


def candidates_in(source: Path, taxonomy: Taxonomy) -> list[Candidate]:
    """The segments of a sheet, or those of a label file with their labels as suggestions.

    LabelsError for a row whose segment was altered.
    """
    if source.suffix.lower() == ".jsonl":
        return [
            Candidate.of(e, category=e.category, status=e.status)
            for e in load_labels([source], taxonomy).examples
        ]
    found = []
    for entry in entries(source, taxonomy):
        for fault in _unsealed(entry, source):
            raise fault
        found.append(entry.segment)
    return found
