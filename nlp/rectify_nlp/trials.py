"""Trials of the way a model is learned: what it is worth on notices it has not seen.

Published notices are left out in turn, authored notices in folds, kinds of units in
folds; stated statuses are falsified; the training set is made smaller.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rectify_nlp.classifier import LinearClassifier, Settings, softmax
from rectify_nlp.consensus import target
from rectify_nlp.doubt import assess_doubt
from rectify_nlp.errors import LabelsError
from rectify_nlp.evaluation import Outcomes, Result, accuracy, assess
from rectify_nlp.examples import digest
from rectify_nlp.features import Texts
from rectify_nlp.model import DOUBT_BELOW, Model, readable
from rectify_nlp.splitting import segment
from rectify_nlp.taxonomy import Taxonomy
from rectify_nlp.training import (
    FOLDS,
    REAL,
    SETTINGS,
    Task,
    fit_calibrated,
    folds,
    out_of_fold,
    outcomes,
    tasks,
)
from rectify_nlp.types import Example
from rectify_nlp.version import __version__

POOLED = "leave-one-notice-out over the real notices"
FOLDED = f"{FOLDS}-fold cross-validation, whole notices left out"
CHECKED = "segments drawn at random to check, never trained on"
KINDS = f"{FOLDS}-fold cross-validation, authored, whole kinds of units left out"
# Shares of the notices a learning curve trains on, and how often each is drawn.
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
DRAWS = 3


@dataclass(frozen=True, kw_only=True)
class Learned:
    """Accuracies after training on so many authored notices, one for each draw of them.

    `published` is empty where no published notice has labels for the task.
    """

    task: str
    notices: int
    segments: float
    authored: tuple[float, ...]
    published: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Everything one evaluation found; `classifiers` are those whose terms can be shown."""

    results: tuple[Result, ...]
    classifiers: Mapping[str, LinearClassifier]
    taxonomy: Taxonomy
    origins: Mapping[str, int]
    provenance: str
    learning: tuple[Learned, ...] = ()


def evaluate(
    examples: Sequence[Example],
    taxonomy: Taxonomy,
    settings: Mapping[str, Settings] = SETTINGS,
    *,
    learning: bool = False,
) -> Evaluation:
    """Judge the way a model is learned from `examples`.

    First, each notice of origin "seed" is left out in turn: trained and calibrated on
    everything else, tested on it. Then cross-validation over all, whole notices left
    out; then over those that name their kind of unit, whole kinds left out. Segments that
    check take no part in that; they are judged by a model of all the others. `learning`
    adds the learning curves.
    """
    checks = [e for e in examples if e.check]
    learnt = [e for e in examples if not e.check]
    results: list[Result] = []
    doubts: list[Result] = []
    points: list[Learned] = []
    classifiers = {}
    provenance = f"rectify-nlp {__version__}|labels {digest(examples)[:12]}"
    for name, task in tasks(learnt, taxonomy, settings).items():
        parts = dict(left_out(task))
        for notice, (part, threshold) in parts.items():
            results.append(_assess(name, part, f"left out: {notice}", provenance, threshold))
        classifier, checked = fit_calibrated(task, range(len(task.examples)))
        classifiers[name], threshold = classifier, classifier.abstain_below
        if len(parts) > 1:
            pooled = _pooled([part for part, _ in parts.values()])
            results.append(_assess(name, pooled, POOLED, provenance, threshold))
        results.append(_assess(name, checked, FOLDED, provenance, threshold))
        unseen = unseen_kinds(task, classifier.temperature)
        if unseen:
            results.append(_assess(name, unseen, KINDS, provenance, threshold))
        checking = judged(classifier, name, checks, taxonomy, majority=checked.majority[0])
        if checking:
            results.append(_assess(name, checking, CHECKED, provenance, threshold))
        if name == "status":
            doubts = list(_doubts(checked, {n: part for n, (part, _) in parts.items()}, provenance))
        if learning:
            points += learning_curve(task)
    return Evaluation(
        results=(*results, *doubts),
        classifiers=classifiers,
        taxonomy=taxonomy,
        origins=Counter(e.origin for e in examples),
        provenance=provenance,
        learning=tuple(points),
    )


def evaluate_model(model: Model, examples: Sequence[Example]) -> Evaluation:
    """Judge a finished model on labelled segments, on those that check where there are any.

    LabelsError where the model was trained on them: such a score says nothing.
    """
    checks = [e for e in examples if e.check]
    learnt = digest(e for e in examples if not e.check)
    if not checks and learnt == model.info.get("trained_on", {}).get("labels_sha256"):
        raise LabelsError(
            "labels", 0, f"{model.name} was trained on these very segments", "give others"
        )
    results = []
    tested = checks or examples
    provenance = f"labels {digest(tested)[:12]}"
    given = "segments drawn at random to check" if checks else "given segments"
    method = f"model {model.fingerprint} on {given}"
    for name, classifier in model.classifiers.items():
        found = judged(classifier, name, tested, model.taxonomy)
        if found is None:
            continue
        results.append(_assess(name, found, method, provenance, classifier.abstain_below))
        if name == "status":
            results.append(_doubt(found, method, provenance))
    if not results:
        raise LabelsError("labels", 0, "no segment to judge", "give labelled ones")
    return Evaluation(
        results=tuple(results),
        classifiers=model.classifiers,
        taxonomy=model.taxonomy,
        origins=Counter(e.origin for e in tested),
        provenance=provenance,
    )


def judged(
    classifier: LinearClassifier,
    task: str,
    examples: Sequence[Example],
    taxonomy: Taxonomy,
    majority: str | None = None,
) -> Outcomes | None:
    """What a finished classifier says of `examples`; None where none has a label for the task.

    `majority` is the most frequent label it was trained on; by default that of the examples.
    """
    known = [e for e in examples if target(e, task)]
    if not known:
        return None
    texts = Texts(
        [readable(segment(e.problem, e.measures, e.path, taxonomy=taxonomy)[1]) for e in known]
    )
    truth = tuple(target(e, task) or "" for e in known)
    return Outcomes(
        labels=classifier.labels,
        truth=truth,
        also=tuple(e.also if task == "category" else () for e in known),
        probabilities=softmax(classifier.logits(texts)),
        majority=(majority or Counter(truth).most_common(1)[0][0],) * len(known),
        groups=tuple(e.notice for e in known),
    )


def left_out(task: Task) -> Iterator[tuple[str, tuple[Outcomes, float]]]:
    """Each published notice with its outcomes and the abstention threshold, learned without it."""
    rows = range(len(task.examples))
    for notice in sorted({e.notice for e in task.examples if e.origin == REAL}):
        rest = [i for i in rows if task.examples[i].notice != notice]
        held_out = [i for i in rows if task.examples[i].notice == notice]
        classifier, _ = fit_calibrated(task, rest)
        probabilities = softmax(task.logits(classifier, held_out))
        yield notice, (outcomes(task, held_out, probabilities, rest), classifier.abstain_below)


def unseen_kinds(task: Task, temperature: float) -> Outcomes | None:
    """Outcomes of the authored segments that name their kind of unit, none of it trained on.

    `temperature` is that of a model as it would be released. Segments of an unknown kind
    are kept out of training too. None where fewer than two kinds are named.
    """
    rows = [i for i, e in enumerate(task.examples) if e.kind and e.origin != REAL]
    kinds = [unit_kind(task.examples[i].kind or "") for i in rows]
    if len(set(kinds)) < 2:
        return None
    tested, logits = out_of_fold(task, rows, kinds)
    return outcomes(task, tested, softmax(logits / temperature), rows)


def unit_kind(name: str) -> str:
    """The kind of a unit whatever its level: 区总工会 and 总工会 are one, 村党组织(...) is 村党组织."""
    return re.sub(r"^[省市县区](?![委属])|[((].*", "", name)


def learning_curve(task: Task) -> Iterator[Learned]:
    """Accuracy by number of authored notices trained on; no published notice is among them.

    One fold of the authored notices and all published ones are tested. A larger training
    set holds the smaller one of the same draw. Nothing where there are too few to fold.
    """
    authored = [i for i, e in enumerate(task.examples) if e.origin != REAL]
    published = [i for i, e in enumerate(task.examples) if e.origin == REAL]
    if len({task.examples[i].notice for i in authored}) < FOLDS:
        return
    train_part, test_part = next(folds([task.examples[i].notice for i in authored]))
    rows = [authored[i] for i in train_part]
    names = sorted({task.examples[i].notice for i in rows})
    for size in sorted({max(2, round(share * len(names))) for share in SHARES}):
        scores: dict[str, list[float]] = {"authored": [], "published": []}
        segments = []
        for draw in range(DRAWS if size < len(names) else 1):
            order = np.random.default_rng(draw).permutation(len(names))
            chosen = {names[i] for i in order[:size]}
            trained = [i for i in rows if task.examples[i].notice in chosen]
            classifier = task.fit(trained)
            segments.append(len(trained))
            for where, tested in (
                ("authored", [authored[i] for i in test_part]),
                ("published", published),
            ):
                if tested:
                    probabilities = softmax(task.logits(classifier, tested))
                    found = outcomes(task, tested, probabilities, trained)
                    scores[where].append(accuracy(found))
        yield Learned(
            task=task.name,
            notices=size,
            segments=float(np.mean(segments)),
            authored=tuple(scores["authored"]),
            published=tuple(scores["published"]),
        )


def _assess(task: str, part: Outcomes, method: str, provenance: str, threshold: float) -> Result:
    return assess(part, task=task, method=method, provenance=provenance, abstain_below=threshold)


def _doubts(checked: Outcomes, parts: Mapping[str, Outcomes], provenance: str) -> Iterator[Result]:
    """Doubt on authored notices, on published ones, and on published ones the temperature
    was not fitted on either: without them it is fitted on authored text alone."""
    published = [i for i, group in enumerate(checked.groups) if group in parts]
    authored = [i for i, group in enumerate(checked.groups) if group not in parts]
    for where, rows in (("authored", authored), ("published", published)):
        if rows:
            yield _doubt(checked.take(rows), f"{FOLDED}, {where}", provenance)
    for notice, part in parts.items():
        yield _doubt(part, f"left out: {notice}", provenance)


def _doubt(part: Outcomes, method: str, provenance: str) -> Result:
    return assess_doubt(part, doubt_below=DOUBT_BELOW, method=method, provenance=provenance)


def _pooled(parts: Sequence[Outcomes]) -> Outcomes:
    return Outcomes(
        labels=parts[0].labels,
        truth=tuple(t for part in parts for t in part.truth),
        also=tuple(a for part in parts for a in part.also),
        probabilities=np.vstack([part.probabilities for part in parts]),
        majority=tuple(m for part in parts for m in part.majority),
        groups=tuple(g for part in parts for g in part.groups),
    )
