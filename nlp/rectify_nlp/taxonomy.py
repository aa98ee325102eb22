"""Taxonomy (categories, statuses) and labelled examples: read, and validated as strictly as code."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from rectify_nlp.consensus import Labels, Opinion, by_segment, settle
from rectify_nlp.errors import LabelsError
from rectify_nlp.resources import resource
from rectify_nlp.types import Example

SUFFIXES = (".jsonl", ".csv")
_REQUIRED = ("problem", "category")
_TEXTS = ("problem", "measures", "category", "status", "notice", "origin", "kind")
_LISTS = ("path", "also")
_FLAGS = {"": False, "false": False, "true": True}
# Who said it and when, and whether it settles a dispute or is kept out of training.
_SAID = ("annotator", "time", "final", "check")
# Texts by which answers are put in order, so there is one form of them.
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
# Provenance that may stand beside a label; kept in the file, not used in training.
_PROVENANCE = ("number", "inspection", "source_sha256", "import_sha256", "remark")
COLUMNS = (*_TEXTS, *_LISTS, *_SAID, *_PROVENANCE)
_CSV_SEPARATOR = "|"
# A field may hold a whole notice; one that is longer is a quotation mark left open.
LONGEST_FIELD = 10_000_000
# What a reader puts in place of a line that no memory would hold.
TOO_LONG = "\0"
_TOO_LONG = "a line too long to be a row"


@dataclass(frozen=True)
class Label:
    """One category or status: its name, an English name and what it covers."""

    name: str
    en: str
    scope: str = ""
    wordings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Taxonomy:
    """The labels, in the file's order; statuses run from least to most done."""

    categories: tuple[Label, ...]
    statuses: tuple[Label, ...]
    source: str

    def __hash__(self) -> int:
        # It is looked up for every segment, and its labels are what its source says.
        return hash(self.source)

    @cached_property
    def category_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.categories)

    @cached_property
    def status_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.statuses)

    @classmethod
    def load(cls, path: Path | None = None) -> Taxonomy:
        """Read taxonomy.toml (the one that comes with the package by default).

        LabelsError if it is missing, no TOML, or a name is missing or given twice.
        """
        path = path or resource("labels/taxonomy.toml")
        return cls.parse(read_text(path), path)

    @classmethod
    def parse(cls, text: str, path: Path) -> Taxonomy:
        try:
            raw = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise LabelsError(path, 0, f"not valid TOML ({error})") from error
        return cls(
            categories=_labels(raw, "category", path),
            statuses=_labels(raw, "status", path),
            source=text,
        )


def _labels(raw: dict[str, Any], kind: str, path: Path) -> tuple[Label, ...]:
    entries = raw.get(kind)
    if not isinstance(entries, list) or len(entries) < 2:
        raise LabelsError(path, 0, f"needs at least two [[{kind}]] entries")
    labels = []
    for position, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise LabelsError(path, 0, f"[[{kind}]] number {position} is no table")
        name = entry.get("name")
        if not isinstance(name, str) or not name.strip():
            raise LabelsError(path, 0, f"[[{kind}]] number {position} has no name")
        wordings = entry.get("wordings", [])
        if not isinstance(wordings, list) or not all(isinstance(w, str) and w for w in wordings):
            raise LabelsError(path, 0, f"wordings of {name} must be a list of texts")
        labels.append(
            Label(
                name=name,
                en=str(entry.get("en", name)),
                scope=str(entry.get("scope", "")),
                wordings=tuple(wordings),
            )
        )
    seen: dict[str, str] = {}
    for label in labels:
        for word in {label.name, *label.wordings}:
            if seen.setdefault(word, label.name) != label.name:
                raise LabelsError(path, 0, f"{word} stands under {seen[word]} and {label.name}")
    if len({label.name for label in labels}) != len(labels):
        raise LabelsError(path, 0, f"a {kind} name is given twice")
    return tuple(labels)


@lru_cache(maxsize=1)
def default_taxonomy() -> Taxonomy:
    """The taxonomy that comes with the package, read once."""
    return Taxonomy.load()


def load_examples(sources: Sequence[Path], taxonomy: Taxonomy) -> list[Example]:
    """Labelled segments from files and folders, as `load_labels` settles them."""
    return list(load_labels(sources, taxonomy).examples)


def load_labels(sources: Sequence[Path], taxonomy: Taxonomy) -> Labels:
    """Labelled segments from files and folders (searched for *.jsonl and *.csv).

    Files are read in the order of their names; several rows on a segment are settled as
    `consensus` tells. LabelsError with file and line for unknown labels, empty texts, a
    segment given twice by nobody in particular, bad JSON, unknown or missing columns.
    """
    files = list(_label_files(sources))
    if not files:
        raise LabelsError(sources[0] if sources else "labels", 0, "no *.jsonl or *.csv file found")
    opinions = [
        _opinion(row, path, line, taxonomy) for path in files for line, row in read_rows(path)
    ]
    for group in by_segment(opinions).values():
        unnamed = [opinion for opinion in group if not opinion.annotator]
        if len(unnamed) > 1:
            raise LabelsError(
                unnamed[1].path,
                unnamed[1].line,
                f"the same segment as {unnamed[0].path}:{unnamed[0].line}",
                "give each segment once, or name the annotators",
            )
    return settle(opinions)


def digest(examples: Iterable[Example]) -> str:
    """SHA-256 over the examples' content, independent of file layout and order."""
    rows = sorted(
        json.dumps(
            [e.problem, e.measures, e.path, e.category, e.also, e.status, e.notice, e.origin],
            ensure_ascii=False,
        )
        for e in examples
    )
    # JSON may have given lone surrogates.
    return hashlib.sha256("\n".join(rows).encode(errors="surrogatepass")).hexdigest()


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a .jsonl or .csv file with their line numbers; LabelsError where one is broken."""
    rows = csv_rows if path.suffix.lower() == ".csv" else json_rows
    for line, row in rows(read_text(path), path):
        if isinstance(row, LabelsError):
            raise row
        yield line, row


def json_rows(text: str, path: Path | str) -> Iterator[tuple[int, dict[str, Any] | LabelsError]]:
    """Rows of JSON lines, an error in place of what is no JSON object; blank lines are none."""
    wanted = "one JSON object a line is wanted"
    for line, record in enumerate(text.split("\n"), 1):
        if not record.strip():
            continue
        if record == TOO_LONG:
            yield line, LabelsError(path, line, _TOO_LONG)
            continue
        try:
            row = json.loads(record)
        except (ValueError, RecursionError) as error:
            yield line, LabelsError(path, line, f"bad JSON ({error})", wanted)
            continue
        if isinstance(row, dict):
            yield line, row
        else:
            yield line, LabelsError(path, line, "not a JSON object", wanted)


def csv_rows(text: str, path: Path | str) -> Iterator[tuple[int, dict[str, Any] | LabelsError]]:
    """Rows of a CSV text by its header, an error in place of a broken one.

    List columns are split at "|".
    """
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = reader.fieldnames
    except csv.Error as error:
        yield 1, LabelsError(path, 1, f"bad CSV ({error})")
        return
    if (twice := repeated(columns or ())) is not None:
        yield 1, LabelsError(path, 1, f"has two columns {twice}; rename one")
        return
    while columns is not None:
        line = reader.line_num
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # The reader starts afresh on the next line.
            yield line + 1, LabelsError(path, line + 1, f"bad CSV ({error})")
            continue
        if None in row or None in row.values():
            what = "not as many fields as the header has"
            yield reader.line_num, LabelsError(path, reader.line_num, what)
            continue
        if TOO_LONG in row.values():
            yield reader.line_num, LabelsError(path, reader.line_num, _TOO_LONG)
            continue
        yield (
            reader.line_num,
            {
                name: [part for part in value.split(_CSV_SEPARATOR) if part]
                if name in _LISTS
                else value
                for name, value in row.items()
            },
        )


def repeated(columns: Iterable[str]) -> str | None:
    """The first name that is there twice: one column would hide the other."""
    seen: set[str] = set()
    for column in columns:
        if column in seen:
            return column
        seen.add(column)
    return None


def _label_files(sources: Iterable[Path]) -> Iterator[Path]:
    for source in sources:
        if source.is_dir():
            yield from sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES)
        elif source.exists():
            yield source
        else:
            raise LabelsError(source, 0, "no such file or folder")


def read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise LabelsError(path, 0, f"not UTF-8 (byte {error.start})", "save it as UTF-8") from error
    except OSError as error:
        raise LabelsError(path, 0, f"cannot be read ({error.strerror})") from error


def _opinion(row: dict[str, Any], path: Path, line: int, taxonomy: Taxonomy) -> Opinion:
    example = _example(row, path, line, taxonomy)
    for name in ("annotator", "time"):
        if not isinstance(row.get(name), str | None):
            raise LabelsError(path, line, f"{name} is not a text")
    time = row.get("time") or ""
    if time and not _TIME.fullmatch(time):
        raise LabelsError(path, line, f"time {time!r}", "UTC is wanted: 2026-01-31T08:00:00Z")
    return Opinion(
        example=example,
        path=path,
        line=line,
        annotator=row.get("annotator") or "",
        time=time,
        final=_flag(row, "final", path, line),
    )


def _flag(row: dict[str, Any], name: str, path: Path, line: int) -> bool:
    value = row.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    if not isinstance(value, str) or value not in _FLAGS:
        raise LabelsError(path, line, f"{name} is neither true nor false", "or leave it empty")
    return _FLAGS[value]


def _example(row: dict[str, Any], path: Path, line: int, taxonomy: Taxonomy) -> Example:
    unknown = sorted(set(row) - set(COLUMNS))
    if unknown:
        raise LabelsError(
            path, line, f"unknown column {', '.join(unknown)}", f"allowed: {', '.join(COLUMNS)}"
        )
    for name in _REQUIRED:
        if name not in row:
            raise LabelsError(path, line, f"no column {name}", f"needed: {', '.join(_REQUIRED)}")
    for name in _TEXTS:
        if not isinstance(row.get(name), str | None):
            raise LabelsError(path, line, f"{name} is not a text")
    for name in _LISTS:
        value = row.get(name)
        if value is not None and not (
            isinstance(value, list) and all(isinstance(v, str) for v in value)
        ):
            raise LabelsError(path, line, f"{name} is not a list of texts")
    if not (row["problem"] or "").strip():
        raise LabelsError(path, line, "problem is empty", "every example needs its problem text")
    status = row.get("status") or None
    also = tuple(row.get("also") or ())
    for name in (row["category"], *also):
        _known(name, "category", taxonomy.category_names, path, line)
    if status is not None:
        _known(status, "status", taxonomy.status_names, path, line)
    if row["category"] in also or len(set(also)) != len(also):
        raise LabelsError(path, line, "also repeats a category", "name each category once")
    return Example(
        problem=row["problem"],
        measures=row.get("measures") or "",
        path=tuple(row.get("path") or ()),
        category=row["category"],
        also=also,
        status=status,
        notice=row.get("notice") or path.stem,
        origin=row.get("origin") or "own",
        kind=row.get("kind") or None,
        check=_flag(row, "check", path, line),
    )


def _known(name: Any, kind: str, allowed: Sequence[str], path: Path, line: int) -> None:
    if name not in allowed:
        raise LabelsError(path, line, f"unknown {kind} {name!r}", f"allowed: {', '.join(allowed)}")
