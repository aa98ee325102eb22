"""A second process that works ahead of this one.

A short run waits for numpy and a model as long as for a notice to be read and split, and
neither needs the other. So the one is done here and the other in a fork of this process,
whose results come through a pipe; it waits while the pipe is full.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, TypeVar

from rectify_nlp.errors import RectifyError

T = TypeVar("T")


@contextmanager
def ahead(make: Callable[[], Iterator[T]]) -> Iterator[Iterator[T]]:
    """What the generator function `make` yields, made in a process of its own until the block is left.

    A RectifyError there is raised here, behind what was yielded before it; what else goes wrong
    there, a fault of ours, is a RuntimeError with its traceback. RectifyError also if the process
    was killed. Where nothing would be gained all is made in this process, when it is asked for.
    """
    if not _worthwhile():
        yield make()
        return
    source, sink = os.pipe()
    child = os.fork()
    if not child:
        # Whatever happens, no `finally`, handler or buffer of the process it came from is its own.
        try:
            os.close(source)
            _work(make, sink)
        finally:
            os._exit(0)
    os.close(sink)
    with os.fdopen(source, "rb") as stream:
        try:
            yield _received(stream)
        finally:
            os.kill(child, signal.SIGTERM)  # until we have waited for it, its number is its own
            os.waitpid(child, 0)


def _worthwhile() -> bool:
    """Whether a fork is safe and saves time.

    Elsewhere libraries of the system do not survive a fork; and a process that has numpy has
    nothing to wait for, but possibly threads, which a fork would lose.
    """
    return (
        sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1 and "numpy" not in sys.modules
    )


def _work(make: Callable[[], Iterator[T]], sink: int) -> None:
    # The end that it is told to make is that of Ctrl-C, so that it ends its own processes, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    last: Exception | None = None
    with suppress(KeyboardInterrupt, BrokenPipeError), os.fdopen(sink, "wb") as stream:
        try:
            for item in make():
                pickle.dump((item, None, True), stream)
                stream.flush()
        except RectifyError as error:
            last = error
        except Exception:
            last = RuntimeError(traceback.format_exc())
        pickle.dump((None, last, False), stream)


def _received(stream: BinaryIO) -> Iterator[Any]:
    more = True
    while more:
        try:
            # From our own fork, which is trusted as this process is.
            item, error, more = pickle.load(stream)  # noqa: S301
        except EOFError:
            raise RectifyError(
                "the process that reads the sources was killed; is the machine short of memory?"
            ) from None
        if error is not None:
            raise error
        if more:
            yield item
