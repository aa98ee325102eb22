"""What `train`, `inspect` and `evaluate` print: model card, strongest terms, scores."""

from __future__ import annotations

from collections.abc import Iterator

from rectify_nlp.evaluation import Result
from rectify_nlp.model import Model
from rectify_nlp.modelfolder import TASKS


def model_lines(model: Model, terms: int) -> Iterator[str]:
    """Card and strongest terms of a verified model."""
    yield f"{model.fingerprint}: format, digests, shapes and numbers verified"
    yield ""
    yield model_card(model).rstrip("\n")
    for task in TASKS:
        yield ""
        yield f"Strongest terms for the {task} (field:term weight)"
        for label, found in model.classifiers[task].strongest(terms).items():
            shown = " ".join(f"{block}:{term} {weight:.1f}" for block, term, weight in found)
            yield f"  {label}: {shown}"


def model_card(model: Model) -> str:
    """The model card in Markdown: data, figures with how they were obtained, limits."""
    trained = model.info.get("trained_on", {})
    origins = ", ".join(
        f"{count} {origin}" for origin, count in trained.get("by_origin", {}).items()
    )
    lines = [
        "# Model card",
        "",
        f"Trained by rectify-nlp {model.info.get('package')} on {trained.get('segments')} issue segments"
        f" of {trained.get('notices')} notices ({origins}); labels sha256"
        f" {str(trained.get('labels_sha256'))[:12]}. Tokens: {model.info.get('tokenizer')}.",
        "",
        "| task | labels | terms | temperature | abstains below | accuracy | given | accuracy of given"
        " | calibration error | how measured |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for task in TASKS:
        classifier, m = model.classifiers[task], model.info.get("measured", {}).get(task, {})
        lines.append(
            f"| {task} | {len(classifier.labels)} | {len(classifier.vectorizer.idf)}"
            f" | {classifier.temperature} | {classifier.abstain_below} | {m.get('accuracy')}"
            f" | {m.get('given')} | {m.get('accuracy_of_given')} | {m.get('calibration_error')}"
            f" | {m.get('method')}, {m.get('segments')} segments |"
        )
    lines += [
        "",
        "Segments of origin `authored` were written for this purpose; figures measured on them are"
        " better than figures on published notices. `rectify-nlp evaluate` measures on the published"
        " ones, each left out in turn.",
        "",
    ]
    return "\n".join(lines)


def result_lines(result: Result) -> Iterator[str]:
    """A result for a reader: scores with interval and baseline, confusion, signature."""
    yield f"{result.task}, {result.method} ({result.segments} segments, {result.notices} notices)"
    for score in result.scores:
        yield f"  {score}"
    present = [i for i, counts in enumerate(result.confusion) if any(counts)]
    yield "  confusion (row: true, then how often each label was given)"
    for i in present:
        given = sorted(enumerate(result.confusion[i]), key=lambda pair: -pair[1])
        shown = " ".join(f"{result.labels[j]} {count}" for j, count in given if count)
        yield f"    {result.labels[i]}: {shown}"
    yield f"  signature {result.signature}"
    yield ""
