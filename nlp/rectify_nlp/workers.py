"""What a worker process does: shards in, finished parts out.

A worker takes a shard from its standard input, says before each group of items that it
begins with it, and answers with the part. It writes no file, and ends by itself when
whoever started it is gone.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rectify_nlp.arrow import arrow_rows, parquet
from rectify_nlp.batch import fault, judged_document, judged_notice, judged_rows
from rectify_nlp.errors import ModelError
from rectify_nlp.inputs import text_of
from rectify_nlp.ledger import ledger_records
from rectify_nlp.model import Model
from rectify_nlp.records import csv_columns, csv_lines, failure_row, records, to_json_line
from rectify_nlp.shards import Shard, Slice
from rectify_nlp.sources import Row, Table, row_source, table_rows
from rectify_nlp.types import Failure, Limits, Report, Result, Segment

_BOM = "\ufeff"
# The form whose parts are JSON lines on their way into a ledger.
LEDGER = "xlsx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What decides the content of a part besides its shard.

    `model` is a folder or None for the default, `model_sha256` what it must turn out to be;
    `limits` hold for each document.
    """

    model: Path | None
    model_sha256: str
    form: str
    explain: bool = False
    id_column: str | None = None
    text_column: str | None = None
    limits: Limits = field(default_factory=Limits)


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
class Task:
    """A shard, and what has been learnt of its items from workers that died over it.

    `columns` are those of all segment tables, needed for CSV and Parquet.
    """

    shard: Shard
    columns: Sequence[str] = ()
    singly: set[int] = field(default_factory=set)
    lost: dict[int, tuple[str, str]] = field(default_factory=dict)
    suspect: int | None = None
    false_starts: int = 0


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
        settings: Settings | None = tasks.get()
        if settings is None:
            raise SystemExit
        model = Model.load(settings.model)
        # What is loaded stays, and rows are no garbage: looking for some takes a twentieth.
        gc.freeze()
        gc.set_threshold(100_000, 20, 20)
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
    try:
        with contextlib.suppress(EOFError, pickle.UnpicklingError):
            while True:
                tasks.put(pickle.load(source))  # noqa: S301 - from who started this process
    finally:  # whatever the reason, without tasks a worker must not stay
        tasks.put(None)
        time.sleep(0.5)
        # Busy still: whoever wanted the answer is gone.
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(2)
        os._exit(1)


def _part(task: Task, settings: Settings, model: Model, say: Any) -> Part:
    found: list[dict[str, Any]] = []
    documents = failures = rows = 0
    warnings: list[str] = []
    for result in _judged(task, settings, model, say):
        documents += 1
        failures += isinstance(result, Failure)
        rows += len(result.findings) if isinstance(result, Report) else 1
        if isinstance(result, Report):
            warnings += [f"{result.notice.source}: {warning}" for warning in result.warnings]
        found += _recorded(result, settings)
    say((documents, 0))
    columns = csv_columns(model, task.columns)
    try:
        data = _rendered(found, settings.form, columns)
    except Exception:  # a value that no format can hold costs its row
        held = [_held(record, settings.form, columns) for record in found]
        failures += sum(new is not old for new, old in zip(held, found, strict=True))
        data = _rendered(held, settings.form, columns)
    return Part(
        index=task.shard.index,
        size=task.shard.size,
        data=data,
        documents=documents,
        rows=rows,
        failures=failures,
        warnings=tuple(warnings),
    )


def _recorded(result: Result, settings: Settings) -> list[dict[str, Any]]:
    if settings.form != LEDGER:
        return records(result, settings.explain)
    return ledger_records(result, named=settings.id_column is not None)


def _rendered(found: list[dict[str, Any]], form: str, columns: Sequence[str]) -> bytes:
    if form in ("jsonl", LEDGER):
        return "".join(map(to_json_line, found)).encode()
    if form == "csv":
        return (_BOM + "".join(csv_lines(found, columns))).encode()
    return parquet(found, columns)


def _held(record: dict[str, Any], form: str, columns: Sequence[str]) -> dict[str, Any]:
    """The record, or what stands for it where it cannot be written."""
    try:
        _rendered([record], form, columns)
        return record
    except Exception as error:
        return failure_row(fault(str(record["source"]), error))


def _judged(task: Task, settings: Settings, model: Model, say: Any) -> Iterator[Result]:
    """A result for each item of the shard; `say` hears of each group before it is judged."""
    number = 0
    for piece in task.shard.pieces:
        try:
            group = _Group(piece, settings, model)
        except Exception as error:  # of a table's text nothing is known but that it does not parse
            assert isinstance(piece, Slice)
            yield fault(f"{piece.table}:{piece.shift + 1}", error)
            number += 1
            continue
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
                kind, message = task.lost[item]
                yield Failure(source=group.source(position), error=kind, message=message)
                continue
            say((item, 1))
            try:
                yield group.one(position)
            except Exception as error:  # a fault of ours must cost one document only
                yield fault(group.source(position), error)
        number += size


class _Group:
    """The items of a piece: rows of a table, a document, or what can only be reported."""

    def __init__(self, piece: str | Slice | Failure, settings: Settings, model: Model) -> None:
        self.piece, self.model, self.explain = piece, model, settings.explain
        self.limits = settings.limits
        self.rows: list[Row] = []
        if isinstance(piece, Slice):
            self.table = Table(
                name=piece.table, id_column=settings.id_column, text_column=settings.text_column
            )
            if piece.rows is None:
                text = text_of(piece.data)
                self.rows = list(table_rows(text, piece.table, piece.kind, piece.shift))
        # Notices take long enough to be judged one by one.
        self.separate = not isinstance(piece, Slice) or settings.text_column is not None

    def __len__(self) -> int:
        if not isinstance(self.piece, Slice):
            return 1
        return len(self.rows) if self.piece.rows is None else self.piece.rows

    def source(self, position: int) -> str:
        if not isinstance(self.piece, Slice):
            return self.piece.source if isinstance(self.piece, Failure) else self.piece
        if self.piece.rows is None:
            return row_source(self.rows[position], self.table)
        if self.table.id_column is not None:
            # Its name alone, for the rest of the row may be what cannot be unpacked.
            with contextlib.suppress(Exception):
                (row,) = self._unpacked(self.piece, position, [self.table.id_column])
                return row_source(row, self.table)
        return f"{self.piece.table}:{self.piece.shift + position + 1}"

    def row(self, position: int) -> Row:
        if isinstance(self.piece, Slice) and self.piece.rows is not None:
            # Unpacked alone, and only when it has been said: it may be what ends the process.
            return self._unpacked(self.piece, position)[0]
        return self.rows[position]

    def _unpacked(
        self, piece: Slice, only: int | None = None, columns: Sequence[str] | None = None
    ) -> list[Row]:
        return arrow_rows(piece.data, piece.shift, self.table.text_column, only, columns)

    def together(self) -> list[Segment | Failure]:
        packed = isinstance(self.piece, Slice) and self.piece.rows is not None
        rows = self._unpacked(self.piece) if packed else self.rows  # type: ignore[arg-type]
        return judged_rows(rows, self.table, self.model, explain=self.explain)

    def one(self, position: int) -> Result:
        if isinstance(self.piece, Failure):
            return self.piece
        if isinstance(self.piece, str):
            return judged_document(self.piece, self.model, explain=self.explain, limits=self.limits)
        row = self.row(position)
        if self.table.text_column is None:
            (result,) = judged_rows([row], self.table, self.model, explain=self.explain)
            return result
        return judged_notice(row, self.table, self.model, explain=self.explain, limits=self.limits)
