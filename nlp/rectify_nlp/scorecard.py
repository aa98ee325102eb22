"""An evaluation as a report for people: Markdown, and one HTML file that needs nothing else.

Every figure stands with its interval, the majority baseline and its signature.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rectify_nlp.charts import coverage_chart, learning_chart, reliability_diagram
from rectify_nlp.classifier import LinearClassifier
from rectify_nlp.errors import OutputError
from rectify_nlp.evaluation import Result, Score
from rectify_nlp.modelfolder import TASKS
from rectify_nlp.training import REAL
from rectify_nlp.trials import CHECKED, FOLDED, KINDS, POOLED, Evaluation, Learned

TERMS = 12
METRICS = ("accuracy", "lenient accuracy", "macro-F1", "log-loss", "calibration error")
_MEANING = {
    "accuracy": "share of segments given their label",
    "lenient accuracy": "share given their label or one of the further acceptable ones",
    "macro-F1": "mean of the labels' F1, each label counting the same",
    "log-loss": "mean negative logarithm of the probability given to the truth; 0 is best",
    "calibration error": "mean gap between claimed probability and share right; 0 is best",
    "majority": "accuracy of always naming the most frequent label of the training part",
}


def write(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write evaluation.md and evaluation.html into `folder`; OutputError where that fails."""
    texts = {"evaluation.md": markdown(evaluation), "evaluation.html": html(evaluation)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error
    return [folder / name for name in texts]


def html(evaluation: Evaluation) -> str:
    """A page without scripts or outside references; its policy allows its own style alone."""
    environment = _environment(autoescape=True)
    style = environment.get_template("scorecard.css").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return str(
        environment.get_template("scorecard.html").render(
            _context(evaluation),
            style=style,
            style_digest=digest,
            headlines=[r for task in TASKS for r in shown(evaluation, task)],
            cross_validated=any(r.method == FOLDED for r in evaluation.results),
            learning_charts=[learning_chart(points) for points in _learning(evaluation).values()],
        )
    )


def markdown(evaluation: Evaluation) -> str:
    """The same figures as tables."""
    environment = _environment(finalize=_plain)
    template = environment.get_template("scorecard.md")
    return str(template.render(_context(evaluation), learning=_learning(evaluation)))


def _environment(**options: Any) -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(  # noqa: S701  # Markdown escapes by `finalize`
        loader=PackageLoader("rectify_nlp"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
    environment.filters["score"] = _score
    environment.filters["where"] = where
    return environment


def _plain(value: Any) -> Any:
    """`value` as text that means nothing in Markdown, inside a line or a table."""
    if not isinstance(value, str):
        return value
    escaped = re.sub(r"[\\|`*_\[\]]", r"\\\g<0>", re.sub(r"\s+", " ", value))
    return escaped.replace("&", "&amp;").replace("<", "&lt;")


def _context(evaluation: Evaluation) -> dict[str, Any]:
    """What both forms show."""
    return {
        "evaluation": evaluation,
        "metrics": METRICS,
        "meaning": _MEANING,
        "english": _english(evaluation),
        "sections": [_section(evaluation, task) for task in TASKS],
        "doubts": _of(evaluation, "doubtful"),
        "limits": limits(evaluation),
    }


def shown(evaluation: Evaluation, task: str) -> list[Result]:
    """The results of `task` worth a chart: single notices are part of the pooled result."""
    results = _of(evaluation, task)
    pooled = any(r.method == POOLED for r in results)
    return [r for r in results if not (pooled and r.method.startswith("left out: "))]


def where(result: Result) -> str:
    """What a result was measured on, in a few words."""
    names = {
        POOLED: "published notices",
        FOLDED: "all notices",
        KINDS: "kinds of units never seen",
        CHECKED: "segments kept to check",
    }
    return names.get(result.method, result.method.replace("left out: ", "published notice "))


def limits(evaluation: Evaluation) -> list[str]:
    """What the figures do not say; sentences."""
    segments = sum(evaluation.origins.values())
    published = evaluation.origins.get(REAL, 0)
    found = []
    if published:
        found.append(
            f"{published} of {segments} segments are from published notices. Most others were written"
            " for training, and figures on such text are better than figures on published notices."
        )
        found += _gaps(evaluation)
        found.append(
            "Two careful readers, working apart, agreed on 95% of the published categories (kappa"
            " 0.94); each found 72.5% of the stated statuses of the published notice that states"
            " them, blind to them. Hardly any model can be expected to do better."
        )
    few = sorted({r.notices for r in evaluation.results if r.notices < 10})
    if few:
        found.append(
            "With fewer than ten notices the intervals are drawn over segments instead of notices,"
            " which makes them too narrow."
        )
    if any(r.method == KINDS for r in evaluation.results):
        found.append(
            "Kinds of units are tested on the segments that name theirs; these are not all segments"
            " of the cross-validation over notices, so the two are not to be compared."
        )
    found.append(
        "An interval of no width says that all resamples agree, as they do where no segment is"
        " wrong; among n segments without one error the true rate may still be about 3/n."
    )
    found.append(
        "A calibration error is never below zero and grows by chance where segments are few;"
        " resampling adds to it, so its interval may lie above its value."
    )
    if _of(evaluation, "doubtful"):
        found.append(
            "The precision of doubtful supposes that one statement in ten is false; what share"
            " of real statements is false is not known."
        )
        if any(r.method.startswith("left out: ") for r in _of(evaluation, "doubtful")):
            found.append(
                "A notice left out altogether is kept from fitting the temperature too; where no"
                " other published notice states statuses, the model is then too sure of itself"
                " and doubts too much."
            )
    found.append(
        "Terms show what the model goes by, not what makes a label right; a strong term may be"
        " a habit of the training text."
    )
    return found


def _gaps(evaluation: Evaluation) -> Iterator[str]:
    for task in TASKS:
        results = _of(evaluation, task)
        folded = [r for r in results if r.method == FOLDED]
        real = [r for r in shown(evaluation, task) if r.method not in (FOLDED, KINDS, CHECKED)]
        if real and folded:
            one = 100 / real[0].segments
            yield (
                f"The {task} is right in {real[0].score('accuracy').value:.1%} of"
                f" {real[0].segments} published segments and in"
                f" {folded[0].score('accuracy').value:.1%} of all; one segment moves the published"
                f" figure by {one:.1f} points."
            )


def _section(evaluation: Evaluation, task: str) -> dict[str, Any]:
    """What the page shows of one task."""
    results = shown(evaluation, task)
    return {
        "task": task,
        "results": results,
        # A matrix for published and one for all notices; kinds add nothing to look at.
        "matrices": [(r, _heat(r)) for r in results if r.method != KINDS],
        "labels": _label_rows(results),
        "reliability": [(r, reliability_diagram(r)) for r in results],
        "coverage": coverage_chart([(where(r), r) for r in results]),
        "terms": strongest(evaluation.classifiers[task]),
    }


def _heat(result: Result) -> list[tuple[str, list[tuple[int, int]]]]:
    """For each true label that occurs, each given label's count and shade (0 to 9)."""
    rows = []
    for label, counts in zip(result.labels, result.confusion, strict=True):
        if total := sum(counts):
            rows.append((label, [(n, min(9, -(-n * 9 // total))) for n in counts]))
    return rows


def _label_rows(results: Sequence[Result]) -> list[tuple[str, list[Any]]]:
    """Each label with its scores in each of `results`, None where it does not occur."""
    found = [{score.label: score for score in result.by_label()} for result in results]
    labels = results[0].labels if results else ()
    return [(label, [scores.get(label) for scores in found]) for label in labels]


def strongest(classifier: LinearClassifier) -> dict[str, list[tuple[str, str, float]]]:
    """For each label its heaviest terms as (term, fields, weight), each term once."""
    merged: dict[str, list[tuple[str, str, float]]] = {}
    for label, terms in classifier.strongest(6 * TERMS).items():
        fields: dict[str, list[str]] = {}
        weights: dict[str, float] = {}
        for block, term, weight in terms:
            name = term.lstrip("#")
            weights.setdefault(name, weight)
            if block not in fields.setdefault(name, []):
                fields[name].append(block)
        merged[label] = [(t, " ".join(fields[t]), weights[t]) for t in list(weights)[:TERMS]]
    return merged


def _of(evaluation: Evaluation, task: str) -> list[Result]:
    return [result for result in evaluation.results if result.task == task]


def _english(evaluation: Evaluation) -> Mapping[str, str]:
    taxonomy = evaluation.taxonomy
    return {label.name: label.en for label in (*taxonomy.categories, *taxonomy.statuses)}


def _learning(evaluation: Evaluation) -> dict[str, list[Learned]]:
    by_task: dict[str, list[Learned]] = {}
    for point in evaluation.learning:
        by_task.setdefault(point.task, []).append(point)
    return by_task


def _score(result: Result, name: str) -> Score | None:
    return next((score for score in result.scores if score.name == name), None)
