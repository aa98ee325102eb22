"""Labelled examples: read from label files, and validated as strictly as code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rectify_nlp.consensus import Labels, Opinion, by_segment, settle
from rectify_nlp.errors import LabelsError
from rectify_nlp.patterns import pattern
from rectify_nlp.rowfiles import LISTS, SUFFIXES, read_rows
from rectify_nlp.taxonomy import Taxonomy
from rectify_nlp.types import Example

_REQUIRED = ("problem", "category")
_TEXTS = ("problem", "measures", "category", "status", "notice", "origin", "kind")
_FLAGS = {"": False, "false": False, "true": True}
# Who said it and when, and whether it settles a dispute or is kept out of training.
_SAID = ("annotator", "time", "final", "check")
# Texts by which answers are put in order, so there is one form of them.
_TIME = pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
# Provenance that may stand beside a label; kept in the file, not used in training.
_PROVENANCE = ("number", "inspection", "source_sha256", "import_sha256", "remark")
COLUMNS = (*_TEXTS, *LISTS, *_SAID, *_PROVENANCE)


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


def _label_files(sources: Iterable[Path]) -> Iterator[Path]:
    for source in sources:
        if source.is_dir():
            yield from sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES)
        elif source.exists():
            yield source
        else:
            raise LabelsError(source, 0, "no such file or folder")


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
    for name in LISTS:
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
