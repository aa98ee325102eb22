"""The processes that judge shards, and what becomes of a shard when one dies or hangs.

The pool knows what each worker has in hand. When one ends, a group of rows is tried again
one by one and a single item a second time; what fails again, or hangs alone, becomes a
failure of its own, and everything else is judged as if nothing had happened.

Pickle is spoken between a process and those it started itself, nowhere else.
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rectify_nlp.errors import ModelError, OutputError
from rectify_nlp.shards import Shard
from rectify_nlp.workers import Part, Settings, Task

# Seconds that loading the model, and that writing out a part, may take beyond the limit.
_START = 60.0
_GRACE = 5.0
_TICK = 0.2
_ATTEMPTS = 3


class _Worker:
    """A process, its task, and which items it has in hand since when."""

    _BOOT = (
        "import sys; sys.path.append(sys.argv[1])\nfrom rectify_nlp.workers import serve; serve()"
    )

    def __init__(self, settings: Settings, inbox: queue.SimpleQueue[tuple[_Worker, Any]]) -> None:
        self.task: Task | None = None
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

    def give(self, task: Task) -> None:
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
        try:
            with self.process.stdout, contextlib.suppress(EOFError, pickle.UnpicklingError):
                while True:
                    message = pickle.load(self.process.stdout)  # noqa: S301 - from our own child
                    if isinstance(message, tuple):
                        self.in_hand, self.since = message, time.monotonic()
                    else:
                        self.since = math.inf
                        inbox.put((self, message))
        finally:
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

    def warm(self, workers: int) -> None:
        """Start up to so many workers, for work that is about to come."""
        while len(self._workers) < min(workers, self._jobs):
            self._workers.append(_Worker(self._settings, self._inbox))

    def parts(
        self, shards: Iterable[Shard], *, columns: Sequence[str] = (), ahead: int | None = None
    ) -> Iterator[Part]:
        """Parts as they get done; with `ahead` none is begun so far ahead of one not done.

        Before a part is given out its worker has the next shard: what becomes of the part
        holds up nobody.
        """
        waiting = iter(shards)
        shard = next(waiting, None)
        part: Part | None = None
        while True:
            while shard and self._near(shard.index, ahead) and (worker := self._idle()):
                worker.give(Task(shard=shard, columns=columns))
                shard = next(waiting, None)
            if part:
                yield part
            if not any(worker.task for worker in self._workers):
                return
            part = self._next()

    def _idle(self) -> _Worker | None:
        for worker in self._workers:
            if worker.task is None:
                return worker
        if len(self._workers) == self._jobs:
            return None
        self.warm(len(self._workers) + 1)
        return self._workers[-1]

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
