"""Options and arguments that several commands share; help.toml says what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rectify_nlp.types import Limits

LIMITS = Limits()
OWN = Path("own-labels.jsonl")

ModelOption = Annotated[Path | None, typer.Option("--model", "-m", metavar="FOLDER")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q")]
SizeOption = Annotated[float, typer.Option("--max-size", min=0.001, metavar="MB")]
MemoryOption = Annotated[float, typer.Option("--max-memory", min=64, metavar="MB")]
SecondsOption = Annotated[int, typer.Option("--max-seconds", min=1, metavar="SECONDS")]
TaxonomyOption = Annotated[Path | None, typer.Option("--taxonomy", metavar="FILE")]
LabelsOption = Annotated[Path, typer.Option("--labels", "-l", metavar="FILE")]
LabelsArgument = Annotated[list[Path] | None, typer.Argument(metavar="LABELS...")]


def limits_of(size: float, memory: float, seconds: int) -> Limits:
    """Limits of reading, from megabytes and seconds."""
    return Limits(
        input_bytes=int(size * 1e6),
        memory_bytes=int(memory * 1e6),
        cpu_seconds=seconds,
        wall_seconds=seconds,
    )
