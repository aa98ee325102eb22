"""`train`, `evaluate` and `inspect`: models and how good they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rectify_nlp.console import print_lines, say
from rectify_nlp.examples import load_labels
from rectify_nlp.model import Model
from rectify_nlp.options import LabelsArgument, ModelOption, TaxonomyOption
from rectify_nlp.resources import labels_named
from rectify_nlp.taxonomy import Taxonomy
from rectify_nlp.types import Example


def train(
    labels: LabelsArgument = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER")] = Path(
        "models/default"
    ),
    taxonomy: TaxonomyOption = None,
) -> None:
    """Learn a model from labelled segments (those that come with the package by default)."""
    from rectify_nlp.cards import model_card
    from rectify_nlp.training import train as learn

    learned = learn(*_labelled(labels, taxonomy))
    card = model_card(learned)
    learned.save(output, card)
    print_lines([card.rstrip()])
    say(f"model written to {output}; use it with --model {output}")


def evaluate(
    labels: LabelsArgument = None,
    model: ModelOption = None,
    taxonomy: TaxonomyOption = None,
    report: Annotated[Path | None, typer.Option("--report", metavar="FOLDER")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Judge the training on notices left out, or (--model) a finished model on given labels."""
    from rectify_nlp.cards import result_lines
    from rectify_nlp.render import to_json_line
    from rectify_nlp.scorecard import write
    from rectify_nlp.trials import evaluate as judge
    from rectify_nlp.trials import evaluate_model

    if model:
        finished = Model.load(model)
        found = evaluate_model(finished, _settled(labels, finished.taxonomy))
    else:
        found = judge(*_labelled(labels, taxonomy), learning=report is not None)
    if as_json:
        print_lines(
            [to_json_line({"results": [result.as_dict() for result in found.results]}).rstrip()]
        )
    else:
        print_lines(line for result in found.results for line in result_lines(result))
    if report:
        say(f"report written: {', '.join(map(str, write(found, report)))}")


def inspect(
    model: Annotated[Path | None, typer.Argument(metavar="MODEL")] = None,
    terms: Annotated[int, typer.Option("--terms", min=0, metavar="N")] = 12,
) -> None:
    """Verify a model and show its card and the strongest terms of each label."""
    from rectify_nlp.cards import model_lines

    print_lines(model_lines(Model.load(model), terms))


def _labelled(labels: list[Path] | None, taxonomy: Path | None) -> tuple[list[Example], Taxonomy]:
    names = Taxonomy.load(taxonomy)
    return _settled(labels, names), names


def _settled(labels: list[Path] | None, taxonomy: Taxonomy) -> list[Example]:
    """What the labels settle on; what annotators differ on is told and left out."""
    named = [labels_named(str(name)) for name in labels or [Path("builtin")]]
    found = load_labels(named, taxonomy)
    for conflict in found.conflicts:
        say(f"warning: {conflict}")
    return list(found.examples)
