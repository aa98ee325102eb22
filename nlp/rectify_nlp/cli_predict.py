"""`predict` and `split`: a few notices, now."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from rectify_nlp.ahead import ahead
from rectify_nlp.console import Writer, colour, print_lines, say, width
from rectify_nlp.options import (
    LIMITS,
    MemoryOption,
    ModelOption,
    QuietOption,
    SecondsOption,
    SizeOption,
    TaxonomyOption,
    limits_of,
)
from rectify_nlp.render import EXPLAINED, FORMATS, Layout, pieces
from rectify_nlp.resources import resource
from rectify_nlp.types import Cut


def predict(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...")],
    form: Annotated[str | None, typer.Option("--format", "-f", metavar="FORMAT")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE")] = None,
    model: ModelOption = None,
    explain: Annotated[bool, typer.Option("--explain")] = False,
    quiet: QuietOption = False,
    max_size: SizeOption = LIMITS.input_bytes / 1e6,
    max_memory: MemoryOption = LIMITS.memory_bytes / 1e6,
    max_seconds: SecondsOption = int(LIMITS.wall_seconds),
) -> None:
    """Split notices into issues and judge each: what it is about, how far it probably is."""
    form = _format(form, output)
    if form != "table" and output is None and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # in a pipe, whatever the console
    explain = explain or form in EXPLAINED
    limits = limits_of(max_size, max_memory, max_seconds)
    layout = Layout(width=width(output), colour=colour(output), explain=explain)

    def cuts() -> Iterator[Cut]:
        from rectify_nlp.sources import cut
        from rectify_nlp.taxonomy import Taxonomy

        # As in the model's folder, whose files are verified where it is loaded.
        folder = model or resource("models/default")
        yield from cut(sources, Taxonomy.load(folder / "taxonomy.toml"), limits=limits)

    with ahead(cuts) as made:
        from rectify_nlp.judging import Tally, judged
        from rectify_nlp.model import Model

        loaded = Model.load(model)
        tally = Tally(report=say, quiet=quiet)
        found = tally.count(judged(made, loaded, explain=explain))
        with Writer(output) as write:
            for piece in pieces(found, form, loaded, layout):
                write(piece)
    if tally.failed:
        raise typer.Exit(3 if tally.failed == tally.sources else 1)


def split(
    source: Annotated[str, typer.Argument(metavar="SOURCE")],
    trace: Annotated[bool, typer.Option("--trace")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    taxonomy: TaxonomyOption = None,
    quiet: QuietOption = False,
    max_size: SizeOption = LIMITS.input_bytes / 1e6,
    max_memory: MemoryOption = LIMITS.memory_bytes / 1e6,
    max_seconds: SecondsOption = int(LIMITS.wall_seconds),
) -> None:
    """Show what was read of a notice and where it was cut; no model involved."""
    from rectify_nlp.reading import read
    from rectify_nlp.splitting import split as cut
    from rectify_nlp.taxonomy import Taxonomy
    from rectify_nlp.terminal import split_lines, trace_lines

    notice = read(source, limits=limits_of(max_size, max_memory, max_seconds))
    parts = cut(notice, Taxonomy.load(taxonomy) if taxonomy else None, trace=trace)
    print_lines(
        trace_lines(notice, parts) if trace else split_lines(notice, parts, as_json=as_json)
    )
    if not quiet:
        for warning in (*notice.warnings, *parts.warnings):
            say(f"{source}: warning: {warning}")


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
