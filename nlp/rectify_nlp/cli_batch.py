"""`batch`: any number of notices or segments."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from rectify_nlp.console import Writer, say
from rectify_nlp.options import (
    LIMITS,
    MemoryOption,
    ModelOption,
    QuietOption,
    SecondsOption,
    SizeOption,
    limits_of,
)

if TYPE_CHECKING:
    from rectify_nlp.jobs import Totals


class Form(StrEnum):
    """Formats of the parts of a batch."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    XLSX = "xlsx"


class Engine(StrEnum):
    """What a batch runs on."""

    LOCAL = "local"
    SPARK = "spark"


def batch(
    context: typer.Context,
    *,
    sources: Annotated[list[str] | None, typer.Argument(metavar="INPUT...")] = None,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FOLDER")],
    from_file: Annotated[str | None, typer.Option("--from-file", metavar="FILE")] = None,
    form: Annotated[Form, typer.Option("--format", "-f", metavar="FORMAT")] = Form.JSONL,
    text_column: Annotated[str | None, typer.Option("--text-column", metavar="NAME")] = None,
    id_column: Annotated[str | None, typer.Option("--id-column", metavar="NAME")] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, metavar="N")] = None,
    resume: Annotated[bool, typer.Option("--resume")] = False,
    timeout: Annotated[
        float, typer.Option("--timeout-per-doc", min=0.1, metavar="SECONDS")
    ] = 120.0,
    engine: Annotated[Engine, typer.Option("--engine", metavar="ENGINE")] = Engine.LOCAL,
    master: Annotated[str | None, typer.Option("--master", metavar="URL")] = None,
    model: ModelOption = None,
    explain: Annotated[bool, typer.Option("--explain")] = False,
    quiet: QuietOption = False,
    max_size: SizeOption = LIMITS.input_bytes / 1e6,
    max_memory: MemoryOption = LIMITS.memory_bytes / 1e6,
    max_seconds: SecondsOption = int(LIMITS.wall_seconds),
) -> None:
    """Judge any number of notices or segments: in parallel, part by part, resumable."""
    from rectify_nlp.inputs import Inputs, is_uri, listing
    from rectify_nlp.jobs import default_jobs, run, settings_for, stream

    streamed = output == "-"
    _check_batch(sources or [], from_file, form, output, streamed=streamed, resume=resume)
    _check_engine(context, engine, master, streamed=streamed)
    listed = listing(from_file) if from_file else None
    reading = limits_of(max_size, max_memory, max_seconds)
    inputs = Inputs(
        sources or [], listed=listed, text_column=text_column, id_column=id_column,
        without=None if streamed or is_uri(output) else Path(output),
    )  # fmt: skip
    if engine == Engine.SPARK:
        from rectify_nlp.cluster import run_on

        options: dict[str, Any] = {"model": model, "explain": explain, "limits": reading}
        with _Progress(quiet=quiet, interrupted="nothing was kept") as status:
            status.totals = run_on(inputs, output, master, progress=status.shown, **options)
        return
    settings = settings_for(inputs, model=model, form=form.value, explain=explain, limits=reading)
    limits: dict[str, Any] = {"jobs": jobs or default_jobs(), "timeout": timeout}
    resumable = "" if streamed else "what is done stays, --resume goes on from there"
    with _Progress(quiet=quiet, interrupted=resumable) as status:
        if streamed:
            with Writer(None) as write:
                status.totals = stream(inputs, settings, write, **limits)
        else:
            limits |= {"resume": resume, "tell": status.tell}
            status.totals = run(inputs, settings, Path(output), **limits)


def _check_batch(
    sources: Sequence[str],
    from_file: str | None,
    form: Form,
    output: str,
    *,
    streamed: bool,
    resume: bool,
) -> None:
    standard_input = [*sources, from_file].count("-")
    wrong = {
        "no input; name folders, files or -, or give --from-file": not sources and not from_file,
        "standard input can be read only once": standard_input > 1,
        "- goes with -o - only: a run into a folder reads its input twice": "-" in sources
        and not streamed,
        "-o - writes JSON lines; other formats need a folder": streamed and form != Form.JSONL,
        "-o - cannot be resumed; give a folder": streamed and resume,
        "-o names a folder; the ledger in it is called ledger.xlsx": output.endswith(".xlsx"),
    }
    for what, is_so in wrong.items():
        if is_so:
            raise typer.BadParameter(what)


def _check_engine(
    context: typer.Context, engine: Engine, master: str | None, *, streamed: bool
) -> None:
    if engine == Engine.LOCAL:
        if master is not None:
            raise typer.BadParameter("--master goes with --engine spark")
        return
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = [name for name, by in sources.items() if by is not None and by.name == "COMMANDLINE"]
    wrong = {
        "Spark writes parquet": "form" in given and context.params["form"] != Form.PARQUET,
        "Spark writes a folder, not a stream": streamed,
        "--resume: a run on Spark is whole or not at all; run it again": "resume" in given,
        "--jobs: how many work is the master's matter, as in local[4]": "jobs" in given,
        "--timeout-per-doc: Spark does not watch single documents": "timeout" in given,
    }
    for what, is_so in wrong.items():
        if is_so:
            raise typer.BadParameter(what)


class _Terminated(BaseException):
    """Somebody asked the process to end."""


def _terminated(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    raise _Terminated


class _Progress:
    """Progress on a terminal, and at the end what came of a run: a line and the exit status."""

    def __init__(self, *, quiet: bool, interrupted: str) -> None:
        self.totals: Totals | None = None
        self.quiet = quiet
        self.interrupted = interrupted
        self.shown = not quiet and sys.stderr is not None and sys.stderr.isatty()

    def __enter__(self) -> _Progress:
        # Asked to end, as by an interrupt from the keyboard: workers and lock go first.
        signal.signal(signal.SIGTERM, _terminated)
        return self

    def tell(self, line: str) -> None:
        if self.shown:
            print(f"\r{'':78}\r{line}", end="", file=sys.stderr, flush=True)

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.tell("")
        if kind in (KeyboardInterrupt, _Terminated):
            say(f"interrupted; {self.interrupted}" if self.interrupted else "interrupted")
            raise typer.Exit(130 if kind is KeyboardInterrupt else 143) from None
        totals = self.totals
        if totals is None:
            return
        if self.shown or (totals.failures and not self.quiet):
            say(
                f"{totals.documents:,} documents gave {totals.rows:,} rows;"
                f" {totals.failures:,} failed, {totals.warnings:,} warnings"
            )
        if totals.failures:
            raise typer.Exit(3 if totals.failures == totals.documents else 1)
