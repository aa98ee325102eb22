"""A model at the service of many callers: bounded work on a few threads.

Nothing is stored. What is being worked on is in memory, and is gone when it is answered.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar

from rectify_nlp.batch import judged_rows
from rectify_nlp.errors import ReadError
from rectify_nlp.model import Model
from rectify_nlp.reading import read_bytes
from rectify_nlp.rowfiles import SUFFIXES
from rectify_nlp.sources import Table
from rectify_nlp.types import Failure, Limits, Notice, Report, Segment

T = TypeVar("T")
# A book has that many; what takes longer than a moment belongs to `rectify-nlp batch`.
CHARACTERS = 500_000
# In one request: judged with the words that decided, so many take 0.7 GB.
CHARACTERS_AT_ONCE = 2_000_000


class Busy(Exception):
    """More is waiting than will be taken on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Threads that work, and how much may wait for them."""

    workers: int = max(1, len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else 2
    waiting: int = 512


class Service:
    """Judges documents and issues; what a caller sent wrong becomes a Failure."""

    def __init__(
        self, model: Model, limits: Limits | None = None, capacity: Capacity | None = None
    ) -> None:
        self.model = model
        self.limits = limits or Limits()
        self.capacity = capacity or Capacity()
        self._threads = ThreadPoolExecutor(self.capacity.workers, thread_name_prefix="judge")
        self._pending = 0
        self._counting = Lock()

    async def run(self, work: Callable[..., T], *given: Any) -> T:
        """`work(*given)` on one of the threads; Busy where too much waits already.

        Work that nobody waits for any more is not begun.
        """
        with self._counting:
            if self._pending >= self.capacity.workers + self.capacity.waiting:
                raise Busy
            self._pending += 1
        future = self._threads.submit(work, *given)
        future.add_done_callback(self._done)
        return await asyncio.wrap_future(future)

    def _done(self, _: Future[Any]) -> None:
        with self._counting:
            self._pending -= 1

    def close(self) -> None:
        """Begin nothing any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    # -- what the threads do --------------------------------------------------------------

    def document(self, data: bytes, source: str, *, explain: bool = False) -> Report | Failure:
        """The report on the bytes of a document, whatever its kind."""
        try:
            if source.lower().endswith(SUFFIXES):
                raise ReadError(source, "tables of issues are not read here; use predict or batch")
            notice = read_bytes(data, source, limits=self.limits)
            return self.notice(notice, explain=explain)
        except ReadError as error:
            return Failure(source=error.source, error=type(error).__name__, message=error.what)

    def notice(self, notice: Notice, *, explain: bool = False) -> Report:
        """The report on a notice; ReadError where it is too long to be answered at once."""
        if len(notice.text) > CHARACTERS:
            raise ReadError(
                notice.source, f"has more than {CHARACTERS:,} characters; use rectify-nlp batch"
            )
        return self.model.predict(notice, explain=explain)

    def segments(
        self, given: Sequence[dict[str, Any]], *, explain: bool = False
    ) -> list[Segment | Failure]:
        """A finding for each ready-cut issue, in order."""
        numbered = list(enumerate(given, 1))
        return judged_rows(numbered, Table(name="request"), self.model, explain=explain)
