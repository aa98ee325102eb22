"""Label files that grow: an answer is a line at the end, and nothing is ever overwritten.

A file is written anew beside itself, synced and renamed while its folder is locked: it
holds all of an import or nothing, whoever else writes and whenever a machine stops.
`consensus` says what counts where a segment has several answers.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rectify_nlp.consensus import segment_key, visible
from rectify_nlp.durable import replacing
from rectify_nlp.errors import LabelsError, OutputError
from rectify_nlp.examples import load_labels
from rectify_nlp.picking import Candidate
from rectify_nlp.records import Row, to_json_line
from rectify_nlp.rowfiles import read_rows
from rectify_nlp.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an annotator says of a segment. `time` is UTC as ISO 8601, now by default.

    `final` settles the segment where annotators differ.
    """

    candidate: Candidate
    category: str
    also: tuple[str, ...] = ()
    status: str | None = None
    annotator: str
    time: str = ""
    remark: str = ""
    final: bool = False

    def row(self, import_sha256: str = "") -> Row:
        """The line of a label file."""
        segment = self.candidate
        row: Row = {
            "notice": segment.notice,
            "source_sha256": segment.source_sha256,
            "number": segment.number,
            "path": list(segment.path),
            "problem": segment.problem,
            "measures": segment.measures,
            "category": self.category,
            "also": list(self.also),
            "status": self.status,
            "check": segment.check,
            "final": self.final,
            "remark": self.remark,
            "annotator": self.annotator,
            "time": self.time or now(),
            "import_sha256": import_sha256,
            "origin": "own",
        }
        optional = ("source_sha256", "number", "check", "final", "remark", "import_sha256")
        return {name: value for name, value in row.items() if value or name not in optional}


def now() -> str:
    return timestamp(datetime.now(UTC))


def timestamp(time: datetime) -> str:
    """A time in UTC as it stands in label files; without a zone it is taken for UTC."""
    zoned = time if time.tzinfo else time.replace(tzinfo=UTC)
    return zoned.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seal(candidate: Candidate) -> str:
    """What tells an altered segment from one as it was picked: a digest of all that is kept.

    Spaces do not count; a spreadsheet changes them.
    """
    parts = (
        ">".join(candidate.path),
        candidate.problem,
        candidate.measures,
        candidate.notice,
        candidate.number,
        candidate.source_sha256,
        "check" if candidate.check else "",
    )
    return hashlib.sha256("\n".join(map(visible, parts)).encode()).hexdigest()[:16]


def append(
    path: Path, answers: Sequence[Answer], taxonomy: Taxonomy, import_sha256: str = ""
) -> list[Row]:
    """Add `answers` to the label file `path` and give back the rows that are new.

    An answer is known where it is the annotator's last word on the segment already, or came
    with the same import before. LabelsError, and nothing written, where the file is no
    label file or an answer does not fit the taxonomy; OutputError where it cannot be written.
    """
    if path.suffix.lower() != ".jsonl":
        raise LabelsError(path, 0, "labels are added to JSON lines", "name a .jsonl file")
    with _locked(path):
        old = _content(path)
        rows = [row for _, row in read_rows(path)] if old.strip() else []
        if rows:
            load_labels([path], taxonomy)
        last = {_who(row): _said(row) for row in sorted(rows, key=lambda r: r.get("time") or "")}
        imported = {(_who(row), row.get("import_sha256")) for row in rows}
        new = []
        for row in (answer.row(import_sha256) for answer in answers):
            again = import_sha256 and (_who(row), import_sha256) in imported
            if not again and last.get(_who(row)) != _said(row):
                last[_who(row)] = _said(row)
                new.append(row)
        if new:
            joint = b"" if not old or old.endswith(b"\n") else b"\n"
            lines = "".join(map(to_json_line, new)).encode()
            _put(path, old + joint + lines, taxonomy)
    return new


def undo(path: Path, annotator: str, taxonomy: Taxonomy, *, key: str | None = None) -> Row | None:
    """Take back the last line of `annotator` and give back its row; None where there is none.

    With the `key` of a segment only where that line is on it.
    """
    with _locked(path):
        rows = list(read_rows(path)) if path.exists() else []
        own = [(line, row) for line, row in rows if row.get("annotator") == annotator]
        if not own:
            return None
        line, row = own[-1]
        if key is not None and _who(row) != (key, annotator):
            return None
        lines = _content(path).split(b"\n")
        del lines[line - 1]
        _put(path, b"\n".join(lines), taxonomy)
        return row


def _content(path: Path) -> bytes:
    """The label file's bytes, none where there is no such file yet."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise LabelsError(path, 0, f"cannot be read ({error.strerror})") from error


def _who(row: Row) -> tuple[str, str]:
    return segment_key(row["problem"], row.get("measures") or ""), row.get("annotator") or ""


def _said(row: Row) -> tuple[Any, ...]:
    return (
        row["category"],
        sorted(row.get("also") or ()),
        row.get("status") or None,
        bool(row.get("final")),
        row.get("remark") or "",
    )


def _put(path: Path, content: bytes, taxonomy: Taxonomy) -> None:
    """Replace the label file, once what it shall hold has been read back without fault."""
    path = path.resolve()
    try:
        with replacing(path) as stream:
            stream.write(content)
            stream.flush()
            if content.strip():
                load_labels([Path(stream.name)], taxonomy)
    except LabelsError as error:
        raise LabelsError(path, 0, error.what, error.allowed) from error
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Nobody else adds to label files of this folder meanwhile; the kernel ends the lock."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if os.name != "posix":  # two who add have to be kept apart by their user
            yield
            return
        descriptor = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
