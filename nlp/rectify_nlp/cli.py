"""The command line: finds the command and turns errors into one line and an exit status.

Commands are plain functions in `cli_*`, a module for those that belong together: parse,
call the library, render. `console` says what exit statuses mean.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer

from rectify_nlp.console import exit_code, say
from rectify_nlp.errors import RectifyError
from rectify_nlp.manual import LANGUAGES, App, Group, take_language
from rectify_nlp.version import __version__

# Modules of the commands, in the order of the help page.
_MODULES = {
    "predict": "cli_predict",
    "batch": "cli_batch",
    "split": "cli_predict",
    "train": "cli_train",
    "evaluate": "cli_train",
    "inspect": "cli_train",
    "serve": "cli_serve",
    "label": "cli_label",
}


@cache
def _command(name: str) -> Any:
    found = getattr(import_module(f"rectify_nlp.{_MODULES[name]}"), name)
    if not isinstance(found, App):
        function, found = found, App(add_completion=False)
        found.command(name)(function)
    return typer.main.get_command(found)


class _Commands(Mapping[str, Any]):
    """Commands by name. One is imported and built when it is asked for: all of them
    would take as long as judging a notice."""

    def __getitem__(self, name: str) -> Any:
        return _command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


class _Program(Group):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "commands": _Commands()})


app = App(cls=_Program, name="rectify-nlp")


def main() -> None:
    """Run the command of sys.argv; an error becomes one line and an exit status."""
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
