"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rectify_nlp.types import Limits

ModelOption = Annotated[
    Path | None, typer.Option("--model", "-m", help="Model folder; the built-in one by default.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No warnings on stderr.")]
LIMITS = Limits()
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


def limits_of(size: float, memory: float, seconds: int) -> Limits:
    """Limits of reading, from megabytes and seconds."""
    return Limits(
        input_bytes=int(size * 1e6),
        memory_bytes=int(memory * 1e6),
        cpu_seconds=seconds,
        wall_seconds=seconds,
    )
