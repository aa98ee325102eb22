"""A run over any number of documents: into a folder, resumable, or as a stream."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from rectify_nlp.arrow import require_pyarrow
from rectify_nlp.errors import OutputError
from rectify_nlp.folder import LEDGER_NAME, Folder
from rectify_nlp.inputs import Inputs, Survey
from rectify_nlp.ledger import workbook
from rectify_nlp.model import Model
from rectify_nlp.pool import Pool
from rectify_nlp.render import EXPLAINED
from rectify_nlp.shards import shards
from rectify_nlp.types import Limits
from rectify_nlp.version import __version__
from rectify_nlp.workers import LEDGER, Part, Settings

TIMEOUT = 120.0
# On a pipe rows should not wait for long, so few are taken together.
_STREAM_COST = 256
# Bytes of input beyond which one more worker is started before anything is known of them.
_WORTH_A_WORKER = 1 << 20


@dataclass(slots=True, kw_only=True)
class Totals:
    """What has been done: documents (files, or rows of tables), rows, and failures among them."""

    documents: int = 0
    rows: int = 0
    failures: int = 0
    warnings: int = 0

    def add(self, documents: int, rows: int, failures: int, warnings: int) -> None:
        self.documents += documents
        self.rows += rows
        self.failures += failures
        self.warnings += warnings


def settings_for(
    inputs: Inputs,
    *,
    model: Path | None = None,
    form: str = "jsonl",
    explain: bool = False,
    limits: Limits | None = None,
) -> Settings:
    """What workers need to know; ModelError or MissingExtra where they could not work."""
    if form == "parquet":
        require_pyarrow()
    return Settings(
        model=model,
        model_sha256=Model.load(model).loaded_sha256,
        form=form,
        explain=explain or form in EXPLAINED,
        id_column=inputs.id_column,
        text_column=inputs.text_column,
        limits=limits or Limits(),
    )


def default_jobs() -> int:
    """As many as this process may use processors."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def stream(
    inputs: Inputs,
    settings: Settings,
    write: Callable[[bytes], Any],
    *,
    jobs: int,
    timeout: float = TIMEOUT,
) -> Totals:
    """Judge all inputs and `write` their rows as JSON lines, in the order of the inputs."""
    totals, held, due = Totals(), dict[int, Part](), 0
    with Pool(settings, jobs=jobs, timeout=timeout) as pool:
        found = shards(inputs, {}, _STREAM_COST)
        for part in pool.parts(found, ahead=2 * jobs + 2):
            held[part.index] = part
            while due in held:
                part = held.pop(due)
                write(part.data)
                totals.add(part.documents, part.rows, part.failures, len(part.warnings))
                due += 1
    return totals


def run(
    inputs: Inputs,
    settings: Settings,
    out: Path,
    *,
    jobs: int,
    timeout: float = TIMEOUT,
    resume: bool = False,
    tell: Callable[[str], None] = lambda line: None,  # noqa: ARG005
) -> Totals:
    """Judge all inputs into the folder `out`; `tell` hears a line about the progress.

    OutputError where `out` cannot be written, holds something already, is being written by
    another run, or is to be resumed over other inputs, with another model or other options.
    Parts that are done stay as they are.
    """
    with Folder(out) as folder, Pool(settings, jobs=jobs, timeout=timeout) as pool:
        before = folder.manifest(resume=resume)
        meter = _Meter(tell)

        def told(size: int) -> None:
            # Workers load the model while the inputs are read, as many as there will be work for.
            pool.warm(1 + size // _WORTH_A_WORKER)
            meter.reading(size)

        survey = inputs.survey(columns=settings.form in ("csv", "parquet"), told=told)
        described = _described(survey, settings)
        folder.begin(described, before)
        totals = Totals()
        for entry in folder.entries():
            totals.add(*_counts(entry))
        if folder.bound is None:
            meter.begin(survey.size, folder.done, totals.documents)
            todo = (s for s in shards(inputs, survey.encodings) if s.index not in folder.parts)
            for part in pool.parts(todo, columns=tuple(survey.columns)):
                totals.add(*_counts(folder.commit(part, settings.form)))
                meter.done(totals, part.size)
            if inputs.stamp() != survey.stamp:
                raise OutputError(
                    f"{out}: inputs changed while they were read; run anew into another folder"
                )
            if settings.form == LEDGER:
                tell(f"writing {totals.rows:,} rows to {LEDGER_NAME}")
                model = Model.load(settings.model)
                folder.bind(workbook(folder.records(), model, folder.scratch()))
        folder.finish(described, asdict(totals))
    return totals


def _described(survey: Survey, settings: Settings) -> dict[str, Any]:
    """All that decides the content of the parts."""
    options = asdict(settings)
    return {
        "package": __version__,
        "model": options.pop("model_sha256"),
        "options": {name: options[name] for name in options if name != "model"},
        "inputs": [source.as_dict() for source in survey.sources.values()],
    }


def _counts(entry: dict[str, Any]) -> tuple[int, int, int, int]:
    return entry["documents"], entry["rows"], entry["failures"], len(entry["warnings"])


# -- progress ----------------------------------------------------------------------------


class _Meter:
    """Turns what has been done into a line, twice a second at most."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told = 0.0

    def begin(self, size: int, done: int, documents: int) -> None:
        """`size` bytes of input in all, of which `done`, with `documents`, were done before."""
        self._size, self._before, self._bytes = size, done, done
        self._documents = documents
        self._start = time.monotonic()

    def reading(self, size: int) -> None:
        self._say(lambda: f"reading inputs: {size / 1e6:,.0f} MB")

    def done(self, totals: Totals, size: int) -> None:
        self._bytes += size
        self._say(lambda: self._line(totals))

    def _line(self, totals: Totals) -> str:
        seconds = max(time.monotonic() - self._start, 1e-3)
        speed = (totals.documents - self._documents) / seconds
        rest = (self._size - self._bytes) * seconds / max(self._bytes - self._before, 1)
        return (
            f"{totals.documents:,} documents, {totals.failures:,} failed, {speed:,.1f}/s,"
            f" ETA {timedelta(seconds=max(0, round(rest)))}"
        )

    def _say(self, line: Callable[[], str]) -> None:
        if time.monotonic() - self._told > 0.5:
            self._told = time.monotonic()
            self._tell(line())
