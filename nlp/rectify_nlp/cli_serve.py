"""`serve`: the page and the API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rectify_nlp.console import say
from rectify_nlp.model import Model
from rectify_nlp.options import (
    LIMITS,
    OWN,
    LabelsOption,
    MemoryOption,
    ModelOption,
    SecondsOption,
    SizeOption,
    limits_of,
)


def serve(
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, metavar="N")] = 8000,
    results: Annotated[Path | None, typer.Option("--results", metavar="FOLDER")] = None,
    label: Annotated[list[str] | None, typer.Option("--label", metavar="SOURCE")] = None,
    labels: LabelsOption = OWN,
    annotator: Annotated[str, typer.Option("--annotator", "-a", metavar="NAME")] = "",
    token: Annotated[
        str | None, typer.Option("--token", envvar="RECTIFY_NLP_TOKEN", metavar="TEXT")
    ] = None,
    allow_host: Annotated[list[str] | None, typer.Option("--allow-host", metavar="NAME")] = None,
    model: ModelOption = None,
    max_size: SizeOption = 20.0,
    max_memory: MemoryOption = LIMITS.memory_bytes / 1e6,
    max_seconds: SecondsOption = int(LIMITS.wall_seconds),
) -> None:
    """Serve a page and an API on this machine."""
    from rectify_nlp.web import Options
    from rectify_nlp.web import serve as run

    options = Options(
        host=host,
        port=port,
        token=token,
        names=tuple(allow_host or ()),
        results=results,
        label=tuple(label or ()),
        labels=labels,
        annotator=annotator,
        limits=limits_of(max_size, max_memory, max_seconds),
    )
    run(Model.load(model), options, say)
