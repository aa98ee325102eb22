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
import threading
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
    needed, need = os.pipe()  # closed where it is needed no more, and by the end of this process
    child = os.fork()
    if not child:
        # Whatever happens, no `finally`, handler or buffer of the process it came from is its own.
        try:
            os.close(source)
            os.close(need)
            _work(make, sink, needed)
        finally:
            os._exit(0)
    os.close(sink)
    os.close(needed)
    try:
        # Closed before the process is waited for: it may be about to write into a full pipe.
        with os.fdopen(source, "rb") as stream:
            yield _received(stream)
    finally:
        os.close(need)
        os.waitpid(child, 0)


def _worthwhile() -> bool:
    """Whether a fork is safe and saves time.

    Elsewhere libraries of the system do not survive a fork; and a process that has numpy has
    nothing to wait for, but possibly threads, which a fork would lose.
    """
    return (
        sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1 and "numpy" not in sys.modules
    )


def _work(make: Callable[[], Iterator[T]], sink: int, needed: int) -> None:
    # It ends as by Ctrl-C, so that it ends processes of its own, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threading.Thread(target=_end_with, args=(needed,), daemon=True).start()
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


def _end_with(needed: int) -> None:
    os.read(needed, 1)
    os.kill(os.getpid(), signal.SIGTERM)


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
