"""Processes that judge shards, and the pool that watches them.

A worker takes a shard from its standard input, says before each group of items that it
begins with it, and answers with the finished part. So when a worker dies or hangs, the pool
knows what was in hand: a group of rows is tried again one by one, a single item a second
time, and what fails again (or hangs alone) becomes a failure of its own. Workers write no
file, and end by themselves when whoever started them is gone.

Pickle is spoken between a process and those it started itself, nowhere else.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rectify_nlp.arrow import arrow_rows, parquet
from rectify_nlp.batch import (
    Result,
    Row,
    Table,
    judged_document,
    judged_notice,
    judged_rows,
    row_source,
    table_rows,
)
from rectify_nlp.confine import Limits
from rectify_nlp.errors import ModelError, OutputError
from rectify_nlp.inputs import failed
from rectify_nlp.model import Model
from rectify_nlp.render import csv_columns, csv_lines, records, to_json_line
from rectify_nlp.shards import Shard, Slice
from rectify_nlp.types import Failure, Report

# Seconds that loading the model, and that writing out a part, may take beyond the limit.
_START = 60.0
_GRACE = 5.0
_TICK = 0.2
_ATTEMPTS = 3
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What decides the content of a part besides its shard.

    `model` is a folder or None for the default, `model_sha256` what it must turn out to be;
    `columns` are the columns of segment tables, needed for CSV and Parquet.
    """

    model: Path | None
    model_sha256: str
    form: str
    explain: bool = False
    id_column: str | None = None
    text_column: str | None = None
    columns: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A finished shard: its bytes, and how many documents (or rows of tables) it is about."""

    index: int
    size: int
    data: bytes
    documents: int
    rows: int
    failures: int
    warnings: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class _Task:
    """A shard, and what has been learnt of its items from workers that died over it."""

    shard: Shard
    singly: set[int] = field(default_factory=set)
    lost: dict[int, tuple[str, str]] = field(default_factory=dict)
    suspect: int | None = None
    false_starts: int = 0


# -- in the pool -------------------------------------------------------------------------


class _Worker:
    """A process, its task, and which items it has in hand since when."""

    _BOOT = (
        "import sys; sys.path.append(sys.argv[1])\nfrom rectify_nlp.workers import serve; serve()"
    )

    def __init__(self, settings: Settings, inbox: queue.SimpleQueue[tuple[_Worker, Any]]) -> None:
        self.task: _Task | None = None
        self.in_hand: tuple[int, int] | None = None
        self.since = 0.0
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-P", "-c", self._BOOT, str(Path(__file__).parent.parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Sums are to be taken in one order, and the processors are all in use already.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            # An interrupt from the terminal is for the pool to act on.
            start_new_session=True,
        )
        self._tell(settings)
        threading.Thread(target=self._listen, args=(inbox,), daemon=True).start()

    def give(self, task: _Task) -> None:
        # Nothing in hand yet; a worker that has never said anything is still starting.
        self.in_hand = self.in_hand and (0, 0)
        self.task, self.since = task, time.monotonic()
        self._tell(task)

    def _tell(self, message: object) -> None:
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # its end is heard of in due course
            pickle.dump(message, self.process.stdin)
            self.process.stdin.flush()

    def _listen(self, inbox: queue.SimpleQueue[tuple[_Worker, Any]]) -> None:
        assert self.process.stdout
        with self.process.stdout, contextlib.suppress(EOFError, pickle.UnpicklingError):
            while True:
                message = pickle.load(self.process.stdout)  # noqa: S301 - from our own child
                if isinstance(message, tuple):
                    self.in_hand, self.since = message, time.monotonic()
                else:
                    inbox.put((self, message))
        inbox.put((self, None))

    def late(self, timeout: float) -> bool:
        if self.in_hand is None:
            timeout += _START
        elif self.in_hand[1] == 0:
            timeout += _GRACE
        return self.task is not None and time.monotonic() > self.since + timeout

    def end(self, patience: float = 0) -> int | None:
        """Wait, ask, force; gives the exit status, None if nothing helped."""
        for force in (None, self.process.terminate, self.process.kill):
            if force is not None:
                force()
                patience = 2
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
                break
        self.dismiss()
        return self.process.poll()

    def dismiss(self) -> None:
        """Let a worker without a task end by itself."""
        assert self.process.stdin
        with contextlib.suppress(OSError):
            self.process.stdin.close()


class Pool:
    """Workers for shards; use it as a context, so that no process outlives it."""

    def __init__(self, settings: Settings, *, jobs: int, timeout: float) -> None:
        self._settings = settings
        self._jobs = jobs
        self._timeout = timeout
        self._inbox: queue.SimpleQueue[tuple[_Worker, Any]] = queue.SimpleQueue()
        self._workers: list[_Worker] = []

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            if worker.task is None:
                worker.dismiss()
        for worker in self._workers:
            worker.end(patience=2 if worker.task is None else 0)

    def parts(self, shards: Iterable[Shard], *, ahead: int | None = None) -> Iterator[Part]:
        """Parts as they get done; with `ahead` none is begun so far ahead of one not done."""
        waiting = iter(shards)
        shard = next(waiting, None)
        while True:
            while shard and self._near(shard.index, ahead) and (worker := self._idle()):
                worker.give(_Task(shard=shard))
                shard = next(waiting, None)
            if not any(worker.task for worker in self._workers):
                return
            if part := self._next():
                yield part

    def _idle(self) -> _Worker | None:
        for worker in self._workers:
            if worker.task is None:
                return worker
        if len(self._workers) < self._jobs:
            self._workers.append(_Worker(self._settings, self._inbox))
            return self._workers[-1]
        return None

    def _near(self, index: int, ahead: int | None) -> bool:
        begun = [worker.task.shard.index for worker in self._workers if worker.task]
        return ahead is None or index < min(begun, default=index) + ahead

    def _next(self) -> Part | None:
        """The next part; None where there is none yet, or a worker had to be replaced."""
        for worker in [w for w in self._workers if w.late(self._timeout)]:
            worker.end()
            self._replace(worker, None)
        try:
            worker, message = self._inbox.get(timeout=_TICK)
        except queue.Empty:
            return None
        if worker not in self._workers:
            return None  # last words of one that has been replaced
        if isinstance(message, ModelError):
            raise message
        if not isinstance(message, Part):
            self._replace(worker, worker.end(patience=2))
            return None
        worker.task = None
        return message

    def _replace(self, worker: _Worker, status: int | None) -> None:
        """Give the task of a worker that ended with `status`, None if it hung, to a new one."""
        self._workers.remove(worker)
        task = worker.task
        if task is None:
            return
        first, count = worker.in_hand or (0, 0)
        if count == 0:
            task.false_starts += 1
            if task.false_starts == _ATTEMPTS:
                raise OutputError(
                    f"worker processes end before they can work ({_ending(status)}); is memory"
                    " short? fewer --jobs need less, --resume goes on from here"
                )
        elif count > 1:
            task.singly.update(range(first, first + count))
        elif status is None:
            task.lost[first] = ("Timeout", f"was not judged within {self._timeout:g} s")
        elif task.suspect == first:
            task.lost[first] = ("Crash", f"ended the process that judged it ({_ending(status)})")
        else:
            task.suspect = first
        fresh = _Worker(self._settings, self._inbox)
        self._workers.append(fresh)
        fresh.give(task)


def _ending(status: int | None) -> str:
    if status is None:
        return "no answer"
    return f"signal {-status}" if status < 0 else f"status {status}"


# -- in the worker -----------------------------------------------------------------------


def serve() -> None:
    """Judge shards from standard input until it ends."""
    # What a parser prints must not spoil the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Asked to end: as an exception, so that a reader's own child is ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(tasks,), daemon=True).start()

    def say(message: object) -> None:
        pickle.dump(message, answers)
        answers.flush()

    try:
        settings: Settings = tasks.get()
        model = Model.load(settings.model)
        if model.loaded_sha256 != settings.model_sha256:
            raise ModelError(f"{model.name}: not the model the run began with; run anew")
        while (task := tasks.get()) is not None:
            say(_part(task, settings, model, say))
    except ModelError as error:
        say(error)
    except (BrokenPipeError, SystemExit):
        pass  # nobody listens any more
    # Without the ceremonies of an interpreter's end: a thread still reads.
    os._exit(0)


def _receive(tasks: queue.SimpleQueue[Any]) -> None:
    source = os.fdopen(os.dup(0), "rb")
    with contextlib.suppress(EOFError, pickle.UnpicklingError):
        while True:
            tasks.put(pickle.load(source))  # noqa: S301 - from the process that started this one
    tasks.put(None)
    # Busy still: whoever wanted the answer is gone.
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(2)
    os._exit(1)


def _part(task: _Task, settings: Settings, model: Model, say: Any) -> Part:
    found: list[dict[str, Any]] = []
    documents = failures = 0
    warnings: list[str] = []
    for result in _judged(task, settings, model, say):
        documents += 1
        failures += isinstance(result, Failure)
        if isinstance(result, Report):
            warnings += [f"{result.notice.source}: {warning}" for warning in result.warnings]
        found += records(result, settings.explain)
    say((documents, 0))
    return Part(
        index=task.shard.index,
        size=task.shard.size,
        data=_rendered(found, settings, model),
        documents=documents,
        rows=len(found),
        failures=failures,
        warnings=tuple(warnings),
    )


def _rendered(found: list[dict[str, Any]], settings: Settings, model: Model) -> bytes:
    if settings.form == "jsonl":
        return "".join(map(to_json_line, found)).encode()
    columns = csv_columns(model, settings.columns)
    if settings.form == "csv":
        return (_BOM + "".join(csv_lines(found, columns))).encode()
    return parquet(found, columns)


def _judged(task: _Task, settings: Settings, model: Model, say: Any) -> Iterator[Result]:
    """A result for each item of the shard; `say` hears of each group before it is judged."""
    number = 0
    for piece in task.shard.pieces:
        group = _Group(piece, settings, model)
        size = len(group)
        whole = range(number, number + size)
        if not group.separate and not any(i in task.singly or i in task.lost for i in whole):
            say((number, size))
            try:
                yield from group.together()
                number += size
                continue
            except Exception:  # noqa: S110 - one by one it shows which row it was
                pass
        for position, item in enumerate(whole):
            if item in task.lost:
                error, message = task.lost[item]
                yield Failure(source=group.source(position), error=error, message=message)
                continue
            say((item, 1))
            try:
                yield group.one(position)
            except Exception as error:  # a fault of ours must cost one document only
                yield Failure(
                    source=group.source(position),
                    error=type(error).__name__,
                    message=" ".join(str(error).split()),
                )
        number += size


class _Group:
    """The items of a piece: rows of a table, a document, or what can only be reported."""

    def __init__(self, piece: str | Slice | Failure, settings: Settings, model: Model) -> None:
        self.piece, self.model, self.explain = piece, model, settings.explain
        self.rows: list[Row] = []
        if isinstance(piece, Slice):
            self.table = Table(
                name=piece.table, id_column=settings.id_column, text_column=settings.text_column
            )
            if isinstance(piece.data, bytes):
                self.rows = arrow_rows(piece.data, piece.shift, settings.text_column)
            else:
                self.rows = list(table_rows(piece.data, piece.table, piece.kind, piece.shift))
        # Notices take long enough to be judged one by one.
        self.separate = not isinstance(piece, Slice) or settings.text_column is not None

    def __len__(self) -> int:
        return len(self.rows) if isinstance(self.piece, Slice) else 1

    def source(self, position: int) -> str:
        if isinstance(self.piece, Slice):
            return row_source(self.rows[position], self.table)
        return self.piece.source if isinstance(self.piece, Failure) else self.piece

    def together(self) -> Iterable[Result]:
        return judged_rows(self.rows, self.table, self.model, explain=self.explain)

    def one(self, position: int) -> Result:
        if isinstance(self.piece, Failure):
            return self.piece
        if isinstance(self.piece, str):
            return self._document(self.piece)
        row = self.rows[position]
        if self.table.text_column is None:
            (result,) = judged_rows([row], self.table, self.model, explain=self.explain)
            return result
        return judged_notice(row, self.table, self.model, explain=self.explain)

    def _document(self, name: str) -> Result:
        limit = Limits().input_bytes
        with contextlib.suppress(OSError):  # reading it says what is wrong
            if Path(name).stat().st_size > limit:
                return failed(name, f"is larger than {limit / 1e6:,.0f} MB")
        return judged_document(name, self.model, explain=self.explain)
