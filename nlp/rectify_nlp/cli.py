"""The command line: parse, call the library, render, exit.

stdout carries data only. Exit status: 0 all done; 1 finished, but some sources
failed; 2 usage; 3 no input could be read; 4 model missing, altered or incompatible;
5 output could not be written.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from rectify_nlp.errors import (
    LabelsError,
    MissingExtra,
    ModelError,
    OutputError,
    ReadError,
    RectifyError,
)
from rectify_nlp.model import Model
from rectify_nlp.render import EXPLAINED, FORMATS, Layout, pieces
from rectify_nlp.resources import resource
from rectify_nlp.taxonomy import Taxonomy, load_examples
from rectify_nlp.types import Example, Limits
from rectify_nlp.version import __version__

if TYPE_CHECKING:
    from rectify_nlp.jobs import Totals

app = typer.Typer(
    name="rectify-nlp",
    help="Read rectification notices (整改进展情况的通报), split them into issues, and judge each issue.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Form(StrEnum):
    """Formats of the parts of a batch."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    XLSX = "xlsx"


ModelOption = Annotated[
    Path | None, typer.Option("--model", "-m", help="Model folder; the built-in one by default.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No warnings on stderr.")]
_LIMITS = Limits()
SizeOption = Annotated[
    float, typer.Option("--max-size", min=0.001, help="Largest document to read, in MB.")
]
MemoryOption = Annotated[
    float, typer.Option("--max-memory", min=64, help="What parsing one document may take, in MB.")
]
SecondsOption = Annotated[
    int, typer.Option("--max-seconds", min=1, help="How long parsing one document may take.")
]
LabelsArgument = Annotated[
    list[Path] | None,
    typer.Argument(help="Labelled segments, *.jsonl or *.csv, or folders of them."),
]


def main() -> None:
    """Entry point: turns errors into one line and an exit status."""
    # Tens of thousands of terms are no garbage; looking for some among them takes a tenth of a run.
    gc.set_threshold(100_000, 20, 20)
    for stream in (sys.stdout, sys.stderr):
        # A console of another encoding shows what it cannot print as \\u....
        if stream is not None:  # closed by the caller
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if sys.stdout is None:
        _say("error: standard output is closed; send it to a file or to /dev/null")
        raise SystemExit(5)
    try:
        app()
    except RectifyError as error:
        if "--debug" in sys.argv:
            raise
        _say(f"error: {error}")
        raise SystemExit(_exit_code(error)) from None


def _exit_code(error: RectifyError) -> int:
    codes = ((MissingExtra, 2), (ModelError, 4), (OutputError, 5), (ReadError, 3), (LabelsError, 3))
    return next((code for kind, code in codes if isinstance(error, kind)), 1)


def _say(message: str) -> None:
    print(" ".join(message.splitlines()), file=sys.stderr)


def _print(lines: Iterable[str]) -> None:
    with _Writer(None) as write:
        for line in lines:
            write(line + "\n")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"rectify-nlp {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Tracebacks instead of messages.")] = False,
) -> None:
    """Options before the command."""


@app.command()
def predict(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Notices (.txt .html .docx .pdf ...), segment files (.jsonl, .csv), folders, or -",
        ),
    ],
    form: Annotated[
        str | None,
        typer.Option("--format", "-f", help=f"{', '.join(FORMATS)}; table on a terminal."),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write.")] = None,
    model: ModelOption = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the words that decided.")
    ] = False,
    quiet: QuietOption = False,
    max_size: SizeOption = _LIMITS.input_bytes / 1e6,
    max_memory: MemoryOption = _LIMITS.memory_bytes / 1e6,
    max_seconds: SecondsOption = int(_LIMITS.wall_seconds),
) -> None:
    """Split notices into issues and judge each: what it is about, how far it probably is."""
    from rectify_nlp.batch import Tally, results

    form = _format(form, output)
    if form != "table" and output is None and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # in a pipe, whatever the console
    explain = explain or form in EXPLAINED
    loaded = Model.load(model)
    limits = _limits(max_size, max_memory, max_seconds)
    tally = Tally(report=_say, quiet=quiet)
    found = tally.count(results(sources, loaded, explain=explain, limits=limits))
    layout = Layout(width=_width(output), colour=_colour(output), explain=explain)
    with _Writer(output) as write:
        for piece in pieces(found, form, loaded, layout):
            write(piece)
    if tally.failed:
        raise typer.Exit(3 if tally.failed == tally.sources else 1)


@app.command()
def batch(
    *,
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT...",
            help="Folders, globs, notices, tables (.jsonl, .csv, .parquet), or -",
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Folder for the parts or the ledger, or - for JSON lines."
        ),
    ],
    from_file: Annotated[
        str | None, typer.Option("--from-file", help="List of inputs, one a line; - reads stdin.")
    ] = None,
    form: Annotated[Form, typer.Option("--format", "-f", help="Of the parts.")] = Form.JSONL,
    text_column: Annotated[
        str | None, typer.Option(help="Column of tables that holds a whole notice's text.")
    ] = None,
    id_column: Annotated[
        str | None, typer.Option(help="Column of tables that identifies a row; becomes source.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Processes; all processors by default."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a run that was ended, with the same inputs.")
    ] = False,
    timeout: Annotated[
        float, typer.Option("--timeout-per-doc", min=0.1, help="Seconds one document may take.")
    ] = 120.0,
    model: ModelOption = None,
    explain: Annotated[bool, typer.Option("--explain", help="Add the words that decided.")] = False,
    quiet: QuietOption = False,
    max_size: SizeOption = _LIMITS.input_bytes / 1e6,
    max_memory: MemoryOption = _LIMITS.memory_bytes / 1e6,
    max_seconds: SecondsOption = int(_LIMITS.wall_seconds),
) -> None:
    """Judge any number of notices or segments: in parallel, part by part, resumable."""
    from rectify_nlp.inputs import Inputs, listing
    from rectify_nlp.jobs import default_jobs, run, settings_for, stream

    streamed = str(output) == "-"
    _check_batch(sources or [], from_file, form, output, streamed=streamed, resume=resume)
    listed = listing(from_file) if from_file else None
    inputs = Inputs(
        sources or [], listed=listed, text_column=text_column, id_column=id_column,
        without=None if streamed else output,
    )  # fmt: skip
    settings = settings_for(
        inputs, model=model, form=form.value, explain=explain,
        limits=_limits(max_size, max_memory, max_seconds),
    )  # fmt: skip
    limits: dict[str, Any] = {"jobs": jobs or default_jobs(), "timeout": timeout}
    with _Status(quiet=quiet, kept=not streamed) as status:
        if streamed:
            with _Writer(None) as write:
                status.totals = stream(inputs, settings, write, **limits)
        else:
            status.totals = run(inputs, settings, output, resume=resume, tell=status.tell, **limits)


@app.command()
def split(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A notice, or -")],
    trace: Annotated[
        bool, typer.Option("--trace", help="Why each line was taken for what.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Issues as JSON lines.")] = False,
    quiet: QuietOption = False,
    max_size: SizeOption = _LIMITS.input_bytes / 1e6,
    max_memory: MemoryOption = _LIMITS.memory_bytes / 1e6,
    max_seconds: SecondsOption = int(_LIMITS.wall_seconds),
) -> None:
    """Show what was read of a notice and where it was cut; no model involved."""
    from rectify_nlp.reading import read
    from rectify_nlp.splitting import split as cut
    from rectify_nlp.terminal import split_lines, trace_lines

    notice = read(source, limits=_limits(max_size, max_memory, max_seconds))
    parts = cut(notice)
    _print(trace_lines(notice, parts) if trace else split_lines(notice, parts, as_json=as_json))
    if not quiet:
        for warning in (*notice.warnings, *parts.warnings):
            _say(f"{source}: warning: {warning}")


@app.command()
def train(
    labels: LabelsArgument = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Model folder to write.")] = Path(
        "models/default"
    ),
    taxonomy: Annotated[Path | None, typer.Option(help="taxonomy.toml to use instead.")] = None,
) -> None:
    """Learn a model from labelled segments (those that come with the package by default)."""
    from rectify_nlp.cards import model_card
    from rectify_nlp.training import train as learn

    learned = learn(*_labelled(labels, taxonomy))
    card = model_card(learned)
    learned.save(output, card)
    _print([card.rstrip()])
    _say(f"model written to {output}; use it with --model {output}")


@app.command()
def evaluate(
    labels: LabelsArgument = None,
    model: ModelOption = None,
    taxonomy: Annotated[Path | None, typer.Option(help="taxonomy.toml to use instead.")] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Folder for evaluation.md and evaluation.html."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All figures as JSON.")] = False,
) -> None:
    """Judge the training on notices left out, or (--model) a finished model on given labels."""
    from rectify_nlp.cards import result_lines
    from rectify_nlp.render import to_json_line
    from rectify_nlp.scorecard import write
    from rectify_nlp.trials import evaluate as judge
    from rectify_nlp.trials import evaluate_model

    if model:
        finished = Model.load(model)
        examples = load_examples(labels or [resource("labels")], finished.taxonomy)
        found = evaluate_model(finished, examples)
    else:
        found = judge(*_labelled(labels, taxonomy), learning=report is not None)
    if as_json:
        _print([to_json_line({"results": [result.as_dict() for result in found.results]}).rstrip()])
    else:
        _print(line for result in found.results for line in result_lines(result))
    if report:
        _say(f"report written: {', '.join(map(str, write(found, report)))}")


@app.command()
def inspect(
    model: Annotated[Path | None, typer.Argument(metavar="[MODEL]", help="Model folder.")] = None,
    terms: Annotated[int, typer.Option(min=0, help="Strongest terms to show for each label.")] = 12,
) -> None:
    """Verify a model and show its card and the strongest terms of each label."""
    from rectify_nlp.cards import model_lines

    _print(model_lines(Model.load(model), terms))


def _limits(size: float, memory: float, seconds: int) -> Limits:
    return Limits(
        input_bytes=int(size * 1e6),
        memory_bytes=int(memory * 1e6),
        cpu_seconds=seconds,
        wall_seconds=seconds,
    )


def _labelled(labels: list[Path] | None, taxonomy: Path | None) -> tuple[list[Example], Taxonomy]:
    names = Taxonomy.load(taxonomy)
    return load_examples(labels or [resource("labels")], names), names


def _check_batch(
    sources: Sequence[str],
    from_file: str | None,
    form: Form,
    output: Path,
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
        "-o names a folder; the ledger in it is called ledger.xlsx": output.suffix == ".xlsx",
    }
    for what, is_so in wrong.items():
        if is_so:
            raise typer.BadParameter(what)


class _Terminated(BaseException):
    """Somebody asked the process to end."""


def _terminated(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    raise _Terminated


class _Status:
    """Progress on a terminal, and at the end what came of a run: a line and the exit status."""

    def __init__(self, *, quiet: bool, kept: bool) -> None:
        self.totals: Totals | None = None
        self.quiet, self.kept = quiet, kept
        self.shown = not quiet and sys.stderr is not None and sys.stderr.isatty()

    def __enter__(self) -> _Status:
        # Asked to end, as by an interrupt from the keyboard: workers and lock go first.
        signal.signal(signal.SIGTERM, _terminated)
        return self

    def tell(self, line: str) -> None:
        if self.shown:
            print(f"\r{'':78}\r{line}", end="", file=sys.stderr, flush=True)

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.tell("")
        if kind in (KeyboardInterrupt, _Terminated):
            kept = "; what is done stays, --resume goes on from there" if self.kept else ""
            _say(f"interrupted{kept}")
            raise typer.Exit(130 if kind is KeyboardInterrupt else 143) from None
        totals = self.totals
        if totals is None:
            return
        if self.shown or (totals.failures and not self.quiet):
            _say(
                f"{totals.documents:,} documents gave {totals.rows:,} rows;"
                f" {totals.failures:,} failed, {totals.warnings:,} warnings"
            )
        if totals.failures:
            raise typer.Exit(3 if totals.failures == totals.documents else 1)


def _format(form: str | None, output: Path | None) -> str:
    if form is None:
        suffix = output.suffix.lower().lstrip(".") if output else ""
        on_terminal = output is None and sys.stdout.isatty()
        return suffix if suffix in FORMATS else "table" if on_terminal else "jsonl"
    if form not in FORMATS:
        raise typer.BadParameter(f"{form} is none of {', '.join(FORMATS)}", param_hint="--format")
    if form == "xlsx" and output is None and sys.stdout.isatty():
        raise typer.BadParameter(
            "xlsx is not for a terminal; give -o FILE.xlsx or a pipe", param_hint="--format"
        )
    return form


def _width(output: Path | None) -> int:
    import shutil

    return shutil.get_terminal_size((120, 24)).columns if output is None else 120


def _colour(output: Path | None) -> bool:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return output is None and sys.stdout.isatty() and not plain


class _Writer:
    """stdout, or a file that appears under its name only when it is whole.

    A link is followed, an existing file keeps its permissions, and what is no regular
    file (a pipe, a device) is written to as it is.
    """

    def __init__(self, output: Path | None) -> None:
        self.name = output
        self.output = output.resolve() if output else None
        self.partial: Path | None = None
        if self.output and not (self.output.exists() and not self.output.is_file()):
            self.partial = self.output.with_name(f".{self.output.name}.{os.getpid()}.part")

    def __enter__(self) -> Callable[[str | bytes], Any]:
        if self.output is None:
            self.stream = sys.stdout
            return self._write
        try:
            self.stream = (self.partial or self.output).open("w", encoding="utf-8", newline="")
            if self.partial and self.output.exists():
                self.partial.chmod(self.output.stat().st_mode & 0o777)
        except OSError as error:
            raise OutputError(f"{self.name}: cannot be written ({error.strerror})") from error
        return self._write

    def _write(self, piece: str | bytes) -> None:
        try:
            if isinstance(piece, bytes):
                self.stream.buffer.write(piece)
            else:
                self.stream.write(piece)
        except BrokenPipeError:
            self._no_reader()
        except OSError as error:
            raise OutputError(f"output: cannot be written ({error.strerror})") from error

    def _no_reader(self) -> NoReturn:
        """Whoever read our output has gone (`| head`): end quietly."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0)

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        try:
            self.stream.flush()
            if self.output is None:
                return
            if self.partial is not None:
                os.fsync(self.stream.fileno())
            self.stream.close()
            if kind is None and self.partial is not None:
                self.partial.replace(self.output)
        except BrokenPipeError:
            self._no_reader()
        except OSError as problem:
            raise OutputError(
                f"{self.name or 'output'}: cannot be written ({problem.strerror})"
            ) from problem
        finally:
            if self.partial is not None:
                self.partial.unlink(missing_ok=True)
