"""An evaluation as a report for people: Markdown, and one HTML file that needs nothing else.

Every figure stands with its interval, the majority baseline and its signature.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rectify_nlp.charts import coverage_chart, learning_chart, reliability_diagram
from rectify_nlp.classifier import LinearClassifier
from rectify_nlp.errors import OutputError
from rectify_nlp.evaluation import Result, Score
from rectify_nlp.model import TASKS
from rectify_nlp.training import REAL
from rectify_nlp.trials import FOLDED, KINDS, POOLED, Evaluation, Learned

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
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("rectify_nlp"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["score"] = _score
    environment.filters["where"] = where
    style = environment.get_template("scorecard.css").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page: str = environment.get_template("scorecard.html").render(
        style=style,
        style_digest=digest,
        evaluation=evaluation,
        metrics=METRICS,
        meaning=_MEANING,
        english=_english(evaluation),
        sections=[_section(evaluation, task) for task in TASKS],
        headlines=[r for task in TASKS for r in shown(evaluation, task)],
        doubts=_of(evaluation, "doubtful"),
        cross_validated=any(r.method == FOLDED for r in evaluation.results),
        limits=limits(evaluation),
        learning_charts=[learning_chart(points) for points in _learning(evaluation).values()],
    )
    return page


def markdown(evaluation: Evaluation) -> str:
    """The same figures as tables."""
    return "\n".join(_markdown(evaluation)).rstrip() + "\n"


def shown(evaluation: Evaluation, task: str) -> list[Result]:
    """The results of `task` worth a chart: single notices are part of the pooled result."""
    results = _of(evaluation, task)
    pooled = any(r.method == POOLED for r in results)
    return [r for r in results if not (pooled and r.method.startswith("left out: "))]


def where(result: Result) -> str:
    """What a result was measured on, in a few words."""
    names = {POOLED: "published notices", FOLDED: "all notices", KINDS: "kinds of units never seen"}
    return names.get(result.method, result.method.replace("left out: ", "published notice "))


def limits(evaluation: Evaluation) -> list[str]:
    """What the figures do not say; sentences."""
    segments = sum(evaluation.origins.values())
    published = evaluation.origins.get(REAL, 0)
    found = []
    if published:
        found.append(
            f"{published} of {segments} segments are from published notices; the others were written"
            " for training, and figures on them are better than figures on published notices."
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
    found.append(
        "Terms show what the model goes by, not what makes a label right; a strong term may be"
        " a habit of the training text."
    )
    return found


def _gaps(evaluation: Evaluation) -> Iterator[str]:
    for task in TASKS:
        results = _of(evaluation, task)
        folded = [r for r in results if r.method == FOLDED]
        real = [r for r in shown(evaluation, task) if r.method not in (FOLDED, KINDS)]
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


# -- Markdown ------------------------------------------------------------------------


def _markdown(evaluation: Evaluation) -> Iterator[str]:
    yield "# Evaluation"
    yield ""
    origins = ", ".join(f"{n} {name}" for name, n in sorted(evaluation.origins.items()))
    yield f"{_cell(evaluation.provenance)}; segments: {_cell(origins)}."
    yield ""
    yield "## Scores"
    yield ""
    yield "95% bootstrap intervals in brackets; the signature of each line is below."
    yield ""
    rows = []
    for number, result in enumerate(evaluation.results, 1):
        if result.task in TASKS:
            scores = [_score(result, name) for name in METRICS]
            majority = result.score("accuracy").baseline
            rows.append(
                [str(number), result.task, result.method, str(result.segments)]
                + [_interval(score) for score in scores]
                + [f"{majority:.3f}"]
            )
    head = ["", "task", "tested on", "segments", *METRICS, "majority accuracy"]
    yield from _table(head, rows)
    for name, meaning in _MEANING.items():
        yield f"- {name}: {meaning}"
    yield ""
    for task in TASKS:
        yield from _task_markdown(evaluation, task)
    if doubts := _of(evaluation, "doubtful"):
        yield "## Doubtful"
        yield ""
        yield (
            "A stated status that the model finds very unlikely is marked. Here each segment is shown"
            " with its own status and with each of the others; one statement in ten counts as false."
        )
        yield ""
        names = [score.name for score in doubts[0].scores]
        rows = [[r.method, str(r.segments), *map(_interval, r.scores)] for r in doubts]
        yield from _table(["tested on", "segments", *names], rows)
    for task, points in _learning(evaluation).items():
        yield f"## Learning curve: {task}"
        yield ""
        head = ["authored notices", "segments", "published", "authored, left out"]
        rows = [
            [str(p.notices), f"{p.segments:.0f}", _spread(p.published), _spread(p.authored)]
            for p in points
        ]
        yield from _table(head, rows)
    yield "## Limits"
    yield ""
    yield from (f"- {_cell(sentence)}" for sentence in limits(evaluation))
    yield ""
    yield "## Signatures"
    yield ""
    for number, result in enumerate(evaluation.results, 1):
        yield f"{number}. {_cell(result.signature)}"


def _task_markdown(evaluation: Evaluation, task: str) -> Iterator[str]:
    results, english = shown(evaluation, task), _english(evaluation)
    yield f"## {task.capitalize()}"
    yield ""
    for result in results:
        yield f"### {_cell(result.method)}"
        yield ""
        rows = [
            [
                s.label,
                english[s.label],
                *(f"{v:.3f}" for v in (s.precision, s.recall, s.f1)),
                str(s.support),
            ]
            for s in result.by_label()
        ]
        yield from _table(["label", "", "precision", "recall", "F1", "support"], rows)
        yield "Confusion (row: true, column: given):"
        yield ""
        rows = [
            [label, *(str(n) if n else "" for n in counts)]
            for label, counts in zip(result.labels, result.confusion, strict=True)
            if any(counts)
        ]
        yield from _table(["", *result.labels], rows)
        yield "Reliability:"
        yield ""
        rows = [
            [str(b.segments), f"{b.probability:.3f}", f"{b.accuracy:.3f}"]
            for b in result.reliability
        ]
        yield from _table(["segments", "probability claimed", "share right"], rows)
        yield f"Answering only from a probability on (default {result.abstain_below:.2f}):"
        yield ""
        rows = [
            [f"{c.threshold:.2f}", f"{c.given:.3f}", f"{c.accuracy:.3f}"] for c in result.coverage
        ]
        yield from _table(["threshold", "share answered", "accuracy"], rows)
    yield f"### Strongest terms of the {task}"
    yield ""
    for label, terms in strongest(evaluation.classifiers[task]).items():
        found = ", ".join(f"{term} {weight:.1f}" for term, _, weight in terms)
        yield f"- {_cell(label)}: {_cell(found)}"
    yield ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for cells in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(map(_cell, cells)) + " |"
    yield ""


def _cell(text: str) -> str:
    """`text` as plain text inside a Markdown table or line."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return "".join("\\" + c if c in "\\|`*_[" else c for c in plain)


def _interval(score: Score | None) -> str:
    return f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})" if score else ""


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    mean = f"{sum(values) / len(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"
