"""Help pages in the reader's language: examples first, then what a command does, then its options.

The texts are data (help.toml), read only when a page or a completion is wanted; the
commands themselves carry none. A test holds texts and commands together.
Messages stay English, so that they can be searched for.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from rectify_nlp.console import say
from rectify_nlp.patterns import pattern

LANGUAGES = ("en", "zh")
VARIABLE = "RECTIFY_NLP_LANG"
ROOT = "rectify-nlp"
_WIDEST = 100  # columns; longer lines are hard to read
# A word, or one wide character; punctuation that may not begin or end a line stays with it.
_UNBREAKABLE = pattern(r"[（“《]*(?:[!-~]+|.)[，。；：、！？）”》]*", re.DOTALL)


class App(typer.Typer):
    """Commands, or a group of them, whose pages come from help.toml."""

    def __init__(self, *, cls: type[Group] | None = None, **settings: Any) -> None:
        super().__init__(
            cls=cls or Group,
            no_args_is_help=True,
            pretty_exceptions_enable=False,
            rich_markup_mode=None,  # loading rich takes longer than a page
            context_settings={"help_option_names": ["-h", "--help"]},
            **settings,
        )

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        return super().command(name, cls=_Command, **settings)


def take_language(arguments: list[str]) -> list[str]:
    """The arguments without `--lang`, wherever it stood; its value goes into the environment."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept: list[str] = []
    before = iter(arguments[:end])
    for argument in before:
        name, equals, value = argument.partition("=")
        if name != "--lang":
            kept.append(argument)
            continue
        value = value if equals else next(before, "")
        if value not in LANGUAGES:
            say(f"error: --lang: one of {', '.join(LANGUAGES)} is needed")
            raise SystemExit(2)
        os.environ[VARIABLE] = value
    return kept + arguments[end:]


def language() -> str:
    """Language of the pages: RECTIFY_NLP_LANG, else as gettext finds it, else English."""
    told = os.environ.get(VARIABLE)
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next(filter(None, names), None) or _console_locale()
    preferred = os.environ.get("LANGUAGE", "").split(":")
    if told:
        wanted = [told]
    elif locale.partition(".")[0] in ("C", "POSIX"):  # then gettext looks no further
        wanted = []
    else:
        wanted = [*preferred, locale]
    return next((name[:2].lower() for name in wanted if name[:2].lower() in LANGUAGES), "en")


def _console_locale() -> str:
    if os.name != "nt":
        return "C"
    import locale

    name = locale.getlocale()[0] or "C"
    return "zh" if name.startswith("Chinese") else name


@cache
def texts() -> dict[str, Any]:
    """help.toml as it is."""
    return tomllib.loads(Path(__file__).with_name("help.toml").read_text(encoding="utf-8"))


def key(context: Any, *below: str) -> str:
    """Name of a command's texts: its path under the program, "label pick"."""
    names = list(below)
    while context.parent is not None:
        names.insert(0, context.info_name)
        context = context.parent
    return " ".join(names) or ROOT


def name_of(parameter: Any) -> str:
    """Name of an option's or argument's text: --model, SOURCE."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name).upper().strip("[].")
    return str(max(parameter.opts, key=len))


def _text(command: str, name: str | None = None) -> str:
    """Text of a command, or of one of its options, which commands may share."""
    found = texts().get(command, {})
    if name is not None:
        found = found.get(name) or texts()["shared"].get(name, {})
    return str(found.get(language(), ""))


def _brief(text: str) -> str:
    """The first sentence, without its full stop."""
    return re.split(r"\.(?=\s|$)|。", text, maxsplit=1)[0]


class Manual:
    """What commands and groups have in common: their texts."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        page = "\n".join(_page(self, ctx))
        encoding = sys.stdout.encoding or "utf-8"
        formatter.write(page.encode(encoding, "backslashreplace").decode(encoding))

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Completions show the texts, too: of commands the first clause, which fits in a line."""
        for parameter in self.get_params(ctx):  # type: ignore[attr-defined]
            parameter.help = _text(key(ctx), name_of(parameter))
        for name, command in getattr(self, "commands", {}).items():
            command.short_help = re.split("[,:;，：；]", _text(key(ctx, name)))[0]
        return super().shell_complete(ctx, incomplete)  # type: ignore[misc]


class _Command(Manual, TyperCommand):
    pass


class Group(Manual, TyperGroup):
    pass


def _page(command: Any, context: typer.Context) -> Iterator[str]:
    width = min(_WIDEST, shutil.get_terminal_size().columns)
    words = {name: both[language()] for name, both in texts()["words"].items()}
    here = key(context)
    parameters = [p for p in command.get_params(context) if not getattr(p, "hidden", False)]
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    options = [p for p in parameters if p.param_type_name == "option"]
    commands = [(n, c) for n, c in getattr(command, "commands", {}).items() if not c.hidden]

    yield words["examples"]
    for example in texts().get(here, {}).get("examples", ()):
        yield from _wrapped(example[language()], width, "  # ")
        yield f"  {example['run']}"
    yield ""
    pieces = [context.command_path, words["[options]"], *map(_usage, arguments)]
    yield words["usage"] + " ".join(pieces + [words["command"]] * bool(commands))
    for paragraph in _text(here).split("\n\n"):
        yield ""
        yield from _wrapped(paragraph, width)
    if arguments:
        yield from ("", words["arguments"])
        yield from _rows(((_usage(p), _described(here, p, words)) for p in arguments), width)
    if commands:
        yield from ("", words["commands"])
        yield from _rows(((n, _brief(_text(key(context, n)))) for n, _ in commands), width)
    yield from ("", words["options"])
    yield from _rows(((_flags(p), _described(here, p, words)) for p in options), width)


def _usage(argument: Any) -> str:
    shown = str(argument.metavar or argument.name.upper())
    return shown if argument.required else f"[{shown}]"


def _flags(option: Any) -> str:
    names = sorted([*option.opts, *option.secondary_opts], key=len)
    shown = ", ".join(names) if len(names[0]) == 2 else "    " + ", ".join(names)
    return shown if option.is_flag else f"{shown} {option.metavar or option.name.upper()}"


def _described(command: str, parameter: Any, words: dict[str, str]) -> str:
    text = _text(command, name_of(parameter))
    default = parameter.default
    if parameter.required:
        return text + words["required"]
    if isinstance(default, str | int | float | Path) and not isinstance(default, bool):
        shown = f"{default:g}" if isinstance(default, float) else str(default)
        return text + words["default"].format(shown)
    return text


def _rows(rows: Iterator[tuple[str, str]], width: int) -> Iterator[str]:
    """Names on the left, texts on the right in a column of their own."""
    listed = list(rows)
    column = min(30, 4 + max(len(name) for name, _ in listed))
    for name, text in listed:
        first, *others = _wrapped(text, width, " " * column)
        if len(name) > column - 4:
            yield f"  {name}"
            yield first
        else:
            yield f"  {name:<{column - 2}}{first[column:]}"
        yield from others


def _wrapped(text: str, width: int, indent: str = "") -> Iterator[str]:
    """Lines of at most `width` columns; a Chinese character takes two."""
    from rich.cells import cell_len

    line = ""
    for piece in _UNBREAKABLE.findall(" ".join(text.split())):
        if line.strip() and cell_len(indent + line + piece.rstrip()) > width:
            yield indent + line.strip()
            line = ""
        line += piece
    yield indent + line.strip()
