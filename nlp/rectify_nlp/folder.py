"""The folder a run writes: committed part by part, locked, resumable.

    part-00000.jsonl ...   one for each shard, in the order of the inputs
    ledger.xlsx            instead of them where a ledger is wanted; until it is whole the
                           parts are .part-00000.xlsx.jsonl ...
    manifest.json          what the run is (inputs, model, options) and, at its end, its parts
    .journal.jsonl         while it runs: a line for each part that is done
    .lock                  while it runs: locked by the process that writes here

A part is written under another name, synced and renamed, and only then noted in the
journal. So a kill at any moment leaves whole parts and at most one file to remove; what a
resumed run comes to is the same, byte for byte, as if nothing had happened.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rectify_nlp.durable import replacing
from rectify_nlp.errors import OutputError
from rectify_nlp.workers import Part

# Raise this when a file of the folder changes its meaning; no other number is resumed.
FORMAT = 2
MANIFEST = "manifest.json"
_JOURNAL = ".journal.jsonl"
_LOCK = ".lock"
_UNFINISHED = ".writing"
LEDGER_NAME = "ledger.xlsx"
# Parts of a ledger are not for others.
_INNER = ".part-"


class Folder:
    """The output folder, held under its lock.

    `parts` are the entries of what is done; `bound` is that of the ledger made of them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts: dict[int, dict[str, Any]] = {}
        self.bound: dict[str, Any] | None = None

    def entries(self) -> list[dict[str, Any]]:
        """What the folder holds, in order."""
        return [self.bound] if self.bound else [self.parts[index] for index in sorted(self.parts)]

    @property
    def done(self) -> int:
        """Bytes of input that are done."""
        return sum(entry["input_bytes"] for entry in self.entries())

    def __enter__(self) -> Folder:
        with self._writing(remedy="choose another folder"):
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.path / _LOCK)
        if self._lock is None:
            raise OutputError(f"{self.path}: another run writes here; wait for it to end")
        return self

    def __exit__(self, *_: object) -> None:
        # Gone before it is released: who waits for a lock checks that it still has a name.
        with suppress(OSError):
            (self.path / _LOCK).unlink()
        assert self._lock is not None
        os.close(self._lock)

    @contextmanager
    def _writing(self, remedy: str = "what is done stays, --resume continues") -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"{self.path}: cannot be written ({error.strerror}); {remedy}"
            ) from error

    def manifest(self, *, resume: bool) -> dict[str, Any] | None:
        """The manifest of a run to be resumed, None for a new one."""
        path = self.path / MANIFEST
        if not path.exists():
            strange = [p.name for p in self.path.iterdir() if not _ours(p.name)]
            if strange:
                raise OutputError(
                    f"{self.path}: holds {min(strange)} and no {MANIFEST}; choose an empty folder"
                )
            return None
        if not resume:
            raise OutputError(
                f"{self.path}: holds a run already; --resume continues it, else choose an empty"
                " folder"
            )
        try:
            manifest = json.loads(path.read_bytes())
            if manifest["format"] == FORMAT and isinstance(manifest["run"], dict):
                return dict(manifest)
        except (OSError, ValueError, KeyError, TypeError):
            pass
        raise OutputError(f"{path}: not of a run that can be resumed; choose an empty folder")

    def begin(self, described: dict[str, Any], before: dict[str, Any] | None) -> None:
        """Start, or find out which parts of the run `before` are there."""
        with self._writing():
            if before is None:
                run = {"format": FORMAT, "complete": False, "run": described}
                self._put(MANIFEST, [_json(run)])
            else:
                for name, value in described.items():
                    if before["run"].get(name) != value:
                        raise OutputError(
                            f"{self.path}: {name} changed since this run began"
                            f" ({_difference(before['run'].get(name), value)}); choose an empty"
                            " folder"
                        )
                self._recover(before)
            self._put(_JOURNAL, map(_line, self.entries()))

    def _recover(self, before: dict[str, Any]) -> None:
        for path in self.path.iterdir():
            if path.name.endswith(_UNFINISHED) and _ours(path.name):
                _remove(path)
        entries = before.get("parts") or _journal(self.path / _JOURNAL)
        for entry in entries:
            with suppress(OSError):  # gone: it is made again
                with (self.path / entry["name"]).open("rb") as stream:
                    if hashlib.file_digest(stream, "sha256").hexdigest() != entry["sha256"]:
                        continue
                if entry["name"] == LEDGER_NAME:
                    self.bound = entry
                else:
                    self.parts[int(entry["name"].split("-")[1].split(".")[0])] = entry

    def commit(self, part: Part, form: str) -> dict[str, Any]:
        """Make a part durable; gives its entry."""
        name = f"part-{part.index:05d}.{form}"
        if form == "xlsx":
            name = f".{name}.jsonl"
        entry = {
            "name": name,
            "documents": part.documents,
            "rows": part.rows,
            "failures": part.failures,
            "warnings": list(part.warnings),
            "input_bytes": part.size,
            "sha256": hashlib.sha256(part.data).hexdigest(),
        }
        with self._writing():
            self._put(name, [part.data])
            with (self.path / _JOURNAL).open("ab") as journal:
                journal.write(_line(entry))
                journal.flush()
                os.fsync(journal.fileno())
        self.parts[part.index] = entry
        return entry

    # -- a ledger --------------------------------------------------------------------

    def records(self) -> Iterator[dict[str, Any]]:
        """What parts on their way into a ledger hold, in order."""
        for entry in self.entries():
            with self._writing(), (self.path / entry["name"]).open("rb") as lines:
                for line in lines:
                    yield json.loads(line)

    def scratch(self) -> Path:
        """An empty folder for what is needed while a ledger is written."""
        scratch = self.path / f".scratch{_UNFINISHED}"
        with self._writing():
            _remove(scratch)
            scratch.mkdir()
        return scratch

    def bind(self, ledger: Iterable[bytes]) -> None:
        """Make the ledger durable: from now on it is all the folder holds."""
        digest = hashlib.sha256()

        def counted() -> Iterator[bytes]:
            for piece in ledger:
                digest.update(piece)
                yield piece

        with self._writing():
            self._put(LEDGER_NAME, counted())
        entries = self.entries()
        counts = ("documents", "rows", "failures", "input_bytes")
        self.bound = {
            "name": LEDGER_NAME,
            **{name: sum(entry[name] for entry in entries) for name in counts},
            "warnings": [warning for entry in entries for warning in entry["warnings"]],
            "sha256": digest.hexdigest(),
        }

    def finish(self, described: dict[str, Any], totals: dict[str, int]) -> None:
        """Write the manifest of a complete run; the same however the run came about."""
        manifest = {
            "format": FORMAT,
            "complete": True,
            "run": described,
            **totals,
            "parts": self.entries(),
        }
        with self._writing():
            self._put(MANIFEST, [_json(manifest)])
            for path in self.path.iterdir():
                if path.name != _LOCK and _ours(path.name):
                    _remove(path)

    def _put(self, name: str, content: Iterable[bytes]) -> None:
        """A file that appears under its name only when it is whole and on the disk."""
        partial = self.path / f".{name.lstrip('.')}{_UNFINISHED}"
        with replacing(self.path / name, partial) as stream:
            stream.writelines(content)


def _ours(name: str) -> bool:
    """Whether a file is one that a run leaves when it is killed."""
    inner = name.startswith(_INNER) or (name.startswith(".") and name.endswith(_UNFINISHED))
    return inner or name in (_LOCK, _JOURNAL)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _locked(path: Path) -> int | None:
    """A descriptor that holds the lock, None where another process has it.

    The kernel releases it however the process ends.
    """
    try:
        import fcntl
    except ImportError:  # not POSIX: two runs have to be kept apart by their user
        return os.open(path, os.O_RDWR | os.O_CREAT)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            pass  # whoever had it has just removed it
        os.close(descriptor)


def _journal(path: Path) -> Iterator[dict[str, Any]]:
    """Entries up to the first line that was not written in full."""
    with suppress(OSError, ValueError), path.open("rb") as lines:
        for line in lines:
            yield json.loads(line)


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=True, indent=1) + "\n").encode()


def _line(value: Any) -> bytes:
    return (json.dumps(value) + "\n").encode()


def _difference(before: Any, now: Any) -> str:
    """The first thing that is not the same, in a few words."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in now:
            if before.get(name) != now[name]:
                return f"{name}: {_difference(before.get(name), now[name])}"
    if isinstance(before, list) and isinstance(now, list):
        for old, new in zip(before, now, strict=False):
            if old != new:
                return f"{new.get('source')}: {_difference(old, new)}"
        return f"{len(before)} before, {len(now)} now"
    return f"{str(before)[:40]} before, {str(now)[:40]} now"
