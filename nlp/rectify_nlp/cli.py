"""The command line: gathers the commands and turns errors into one line and an exit status.

Commands are plain functions in `cli_*`, a module for those that belong together: parse,
call the library, render. `console` says what exit statuses mean.
"""

from __future__ import annotations

import gc
import sys
from typing import Annotated

import typer

from rectify_nlp.cli_batch import batch
from rectify_nlp.cli_label import app as label
from rectify_nlp.cli_predict import predict, split
from rectify_nlp.cli_serve import serve
from rectify_nlp.cli_train import evaluate, inspect, train
from rectify_nlp.console import exit_code, say
from rectify_nlp.errors import RectifyError
from rectify_nlp.manual import LANGUAGES, App, take_language
from rectify_nlp.version import __version__

app = App(name="rectify-nlp")
for _command in (predict, batch, split, train, evaluate, inspect, serve):
    app.command()(_command)
app.add_typer(label, name="label")


def main() -> None:
    """Entry point: turns errors into one line and an exit status."""
    # Tens of thousands of terms are no garbage; looking for some among them takes a tenth of a run.
    gc.set_threshold(100_000, 20, 20)
    for stream in (sys.stdout, sys.stderr):
        # A console of another encoding shows what it cannot print as \\u....
        if stream is not None:  # closed by the caller
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if sys.stdout is None:
        say("error: standard output is closed; send it to a file or to /dev/null")
        raise SystemExit(5)
    try:
        sys.argv[1:] = take_language(sys.argv[1:])
        app()
    except RectifyError as error:
        if "--debug" in sys.argv:
            raise
        say(f"error: {error}")
        raise SystemExit(exit_code(error)) from None


def _version(wanted: bool) -> None:
    if wanted:
        print(f"rectify-nlp {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
    debug: Annotated[bool, typer.Option("--debug")] = False,
    lang: Annotated[str | None, typer.Option("--lang", metavar="|".join(LANGUAGES))] = None,
) -> None:
    """Options before the command; `main` has looked for --debug and taken --lang already."""
