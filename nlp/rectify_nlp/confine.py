"""Parsers of foreign bytes, run where they can do no harm.

A three kilobyte PDF can ask for hours and gigabytes. So a parser runs in a child
process with bounds on its memory, its processor time and the clock: bytes go in through
a pipe, JSON comes back, nothing is unpickled. Whatever happens to the child becomes a
ReadError that names the source and the bound that was hit.

Memory and processor bounds need a POSIX system; elsewhere only size and clock hold.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from rectify_nlp.errors import NoText, ReadError, UnsupportedFormat
from rectify_nlp.types import Limits

# What may run in the child, and where it is found: function(data, source) giving
# a dataclass or something JSON can say.
_READERS = {"page": "webpage", "docx": "documents", "pdf": "pdf"}
_KINDS = {kind.__name__: kind for kind in (ReadError, UnsupportedFormat, NoText)}


# The child takes the package's modules without running the package's own __init__, which
# would load the whole library (and numpy with its threads) to parse one document.
_BOOT = """\
import sys, types
package = types.ModuleType("rectify_nlp")
package.__path__ = [sys.argv[1]]
sys.modules["rectify_nlp"] = package
from rectify_nlp.confine import serve
serve(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
"""


def confined(function: str, data: bytes, source: str, limits: Limits | None = None) -> Any:
    """What the parser `function` says to `data`, a dataclass as a dict.

    ReadError and its kinds are raised here as the parser raised them in the child;
    KeyError for a function that is not meant to be run there.
    """
    limits = limits or Limits()
    module = _READERS[function]
    check_unpacked(data, source, limits)
    command = [sys.executable, "-P", "-c", _BOOT, str(Path(__file__).parent)]
    command += [f"{module}.{function}", str(limits.memory_bytes), str(limits.cpu_seconds)]
    status, output = run(command, source, data=data, wall_seconds=limits.wall_seconds)
    try:
        answer = json.loads(output)
    except ValueError:
        raise ReadError(source, _cause_of_death(status, limits)) from None
    if answer["error"] == MemoryError.__name__:
        raise ReadError(source, _too_large(limits))
    if answer["error"]:
        raise _KINDS[answer["error"]](source, " ".join(answer["what"].split()))
    return answer["result"]


def check_unpacked(data: bytes, source: str, limits: Limits) -> None:
    """ReadError for a zip archive that would be too large once unpacked."""
    if not data.startswith(b"PK\x03\x04"):
        return
    try:
        members = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return  # the parser says it better
    unpacked = sum(member.file_size for member in members)
    if unpacked > limits.unpacked_bytes or unpacked > max(10_000_000, limits.ratio * len(data)):
        raise ReadError(source, f"unpacks to {_megabytes(unpacked)}, which no notice does")


def run(
    command: Sequence[str], source: str, *, data: bytes = b"", wall_seconds: float
) -> tuple[int, bytes]:
    """Exit status and output of a command; ReadError, and its whole family killed, past the clock."""
    try:
        # A session of its own, so that children of the child can be ended with it.
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, or the soffice found
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise ReadError(source, f"no process could be started to read it ({error})") from error
    with process:
        try:
            output, _ = process.communicate(data, timeout=wall_seconds)
        except BaseException as error:  # an interrupt too must leave no process behind
            _end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise ReadError(source, f"was not read within {wall_seconds:g} s") from error
            raise
    return process.returncode, output


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that still runs, and its children."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _cause_of_death(status: int, limits: Limits) -> str:
    if status == -getattr(signal, "SIGXCPU", 0):
        return f"takes more than {limits.cpu_seconds} s of processor time to read"
    if status in (-getattr(signal, "SIGKILL", 0), 0):
        return "its reader was killed; is the machine short of memory?"
    return f"its reader crashed (status {status}): damaged, or in need of more than " + (
        f"{_megabytes(limits.memory_bytes)} of memory"
    )


def _too_large(limits: Limits) -> str:
    return f"takes more than {_megabytes(limits.memory_bytes)} of memory to read"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


# -- in the child -------------------------------------------------------------------------


def serve(function: str, memory_bytes: int, cpu_seconds: int) -> None:
    """Bound this process, parse standard input, write the answer as JSON."""
    # A parser that prints must not spoil the answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    data = sys.stdin.buffer.read()
    _bound(memory_bytes, cpu_seconds)
    try:
        module, _, name = function.partition(".")
        result = getattr(importlib.import_module(f"rectify_nlp.{module}"), name)(data, "")
        if is_dataclass(result) and not isinstance(result, type):
            result = asdict(result)
        answer = {"error": None, "result": result}
    except ReadError as error:
        answer = {"error": type(error).__name__, "what": error.what}
    except MemoryError:
        answer = {"error": MemoryError.__name__}
    except ImportError as error:
        answer = {"error": ReadError.__name__, "what": f"its reader cannot be loaded ({error})"}
    except Exception as error:  # whatever else a parser trips over
        what = f"is damaged, or not what it seems ({type(error).__name__}: {error})"
        answer = {"error": ReadError.__name__, "what": what[:300]}
    answers.write(json.dumps(answer).encode())
    answers.flush()


def _bound(memory_bytes: int, cpu_seconds: int) -> None:
    try:
        import resource
    except ImportError:
        return
    # The hard bound of processor time comes later: at the soft one the cause can be told.
    for which, soft, hard in (
        (resource.RLIMIT_AS, memory_bytes, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 5),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(which, (soft, hard))
