"""`rectify-nlp label`: pick what to label, take in answers, hand over to tools, check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rectify_nlp.console import Writer, print_lines, say
from rectify_nlp.manual import App
from rectify_nlp.options import OWN, LabelsArgument, LabelsOption, ModelOption, TaxonomyOption

label = App(name="label", add_completion=False)
Count = Annotated[int, typer.Option("--count", "-n", min=1, metavar="N")]
Check = Annotated[int, typer.Option("--check", min=0, metavar="N")]


def _is_sheet(path: Path | None) -> Path | None:
    from rectify_nlp.labelsheet import SUFFIXES

    if path and path.suffix.lower() not in SUFFIXES:
        raise typer.BadParameter(f"a sheet is one of {', '.join(SUFFIXES)}")
    return path


@label.command("pick")
def pick_(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...")],
    output: Annotated[Path, typer.Option("--output", "-o", callback=_is_sheet, metavar="FILE")],
    count: Count = 50,
    check: Check = 10,
    labels: LabelsOption = OWN,
    model: ModelOption = None,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N")] = 0,
) -> None:
    """Pick the segments that are most worth labelling and write a sheet to fill in."""
    from rectify_nlp.batch import results
    from rectify_nlp.errors import LabelsError
    from rectify_nlp.examples import load_labels
    from rectify_nlp.judging import Tally
    from rectify_nlp.labelsheet import sheet
    from rectify_nlp.model import Model
    from rectify_nlp.picking import candidates, pick

    loaded = Model.load(model)
    known = load_labels([labels], loaded.taxonomy).opinions if labels.exists() else ()
    tally = Tally(report=say, quiet=True)
    pool = candidates(tally.count(results(sources, loaded)))
    found = pick(pool, count, check=check, known=[o.example for o in known], seed=seed)
    if not found:
        raise LabelsError(", ".join(sources), 0, "no segment to label", "give further notices")
    with Writer(output) as write:
        write(sheet(found, loaded.taxonomy, output))
    checks = sum(candidate.check for candidate in found)
    say(f"{len(found)} segments in {output}, {checks} of them drawn at random to check")
    if tally.failed:
        raise typer.Exit(1)


@label.command("import")
def import_(
    sources: Annotated[list[Path], typer.Argument(metavar="SHEET...")],
    labels: LabelsOption = OWN,
    annotator: Annotated[str | None, typer.Option("--annotator", "-a", metavar="NAME")] = None,
    final: Annotated[bool, typer.Option("--final")] = False,
    taxonomy: TaxonomyOption = None,
) -> None:
    """Check filled-in sheets and add their labels; of a file with a faulty row nothing is added."""
    from rectify_nlp.intake import import_labels
    from rectify_nlp.records import clean
    from rectify_nlp.taxonomy import Taxonomy

    names = Taxonomy.load(taxonomy)
    refused = 0
    for source in sources:
        told = import_labels(source, labels, names, annotator=annotator or "", final=final)
        for line in (*told.refused, *told.remarks):
            say(clean(str(line)))
        if told.refused:
            refused += 1
            say(f"{source}: nothing added, mend the rows named above and import it again")
        else:
            say(
                f"{source}: {told.added} labels added to {labels}, {told.known} known already,"
                f" {told.empty} rows not labelled"
            )
    if refused:
        raise typer.Exit(3 if refused == len(sources) else 1)


@label.command("export")
def export(
    source: Annotated[Path, typer.Argument(metavar="SHEET")],
    tool: Annotated[str, typer.Option("--format", "-f", metavar="TOOL")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE")],
    taxonomy: TaxonomyOption = None,
) -> None:
    """Write tasks for Label Studio or doccano, and beside them the configuration to import first."""
    from rectify_nlp.exchange import TOOLS, exported
    from rectify_nlp.intake import candidates_in
    from rectify_nlp.taxonomy import Taxonomy

    if tool not in TOOLS:
        raise typer.BadParameter(f"{tool} is none of {', '.join(TOOLS)}", param_hint="--format")
    beside = output.with_suffix(TOOLS[tool]) if output.name else output
    if beside == output:
        raise typer.BadParameter(f"{output} is no name for tasks", param_hint="--output")
    names = Taxonomy.load(taxonomy)
    tasks, configuration = exported(candidates_in(source, names), names, tool)
    for path, text in ((output, tasks), (beside, configuration)):
        with Writer(path) as write:
            write(text)
    say(f"tasks in {output}, configuration in {beside}")


@label.command("check")
def check_(
    labels: LabelsArgument = None,
    suspect: Annotated[bool, typer.Option("--suspects")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", callback=_is_sheet, metavar="FILE")
    ] = None,
    taxonomy: TaxonomyOption = None,
) -> None:
    """Agreement between annotators, disputes, and (--suspects) labels that are likely wrong."""
    from rectify_nlp.agreement import agreements, suspects, to_review, told
    from rectify_nlp.examples import load_labels
    from rectify_nlp.labelsheet import sheet
    from rectify_nlp.resources import labels_named
    from rectify_nlp.taxonomy import Taxonomy

    names = Taxonomy.load(taxonomy)
    found = load_labels([labels_named(str(name)) for name in labels or [OWN]], names)
    print_lines(map(told, (*agreements(found.opinions), *found.conflicts)))
    doubted = suspects(found.examples, names) if suspect else []
    rows = to_review(found, doubted)
    print_lines(map(told, doubted))
    print_lines([f"{len(found.opinions)} labels, {len(rows)} segments to settle"])
    if output and rows:
        with Writer(output) as write:
            write(sheet(rows, names, output))
        say(f"{len(rows)} segments in {output}; settle them and import it with --final")
