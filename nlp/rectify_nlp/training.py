"""Learning a model from labelled segments.

Segments of one notice never stand on both sides of a split: they share their unit's
wording, and a model that has seen the notice looks better than it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rectify_nlp.classifier import LinearClassifier, Settings, softmax
from rectify_nlp.consensus import target
from rectify_nlp.errors import LabelsError
from rectify_nlp.evaluation import Outcomes, accuracy, calibration_error
from rectify_nlp.examples import digest
from rectify_nlp.features import Block, Counts, Fields, Floats, Texts
from rectify_nlp.model import Model, readable
from rectify_nlp.modelfolder import TASKS
from rectify_nlp.splitting import segment
from rectify_nlp.taxonomy import Taxonomy
from rectify_nlp.types import Example
from rectify_nlp.version import __version__

FOLDS = 5
SEED = 0
REAL = "seed"  # origin of segments cut from published notices

# Chosen on left-out authored notices; docs/model.md has the comparisons.
SETTINGS: Mapping[str, Settings] = {
    "category": Settings(
        blocks=(
            Block("problem", ("problem",), pairs=True),
            Block("measures", ("measures",), weight=0.5),
            Block("both", ("problem", "measures"), pairs=True),
            Block("path", ("path",), pairs=True, weight=0.7),
        ),
        inverse_regularisation=10.0,
        min_count=5,
    ),
    "status": Settings(
        blocks=(
            Block("problem", ("problem",), pairs=True),
            Block("measures", ("measures",), pairs=True),
        ),
        inverse_regularisation=2.0,
        balance=0.5,
        min_count=5,
    ),
}
# The share of given categories that shall be right on notices never seen.
PRECISION = {"category": 0.92, "status": 0.0}
# The weight of published segments among all, for calibration.
REAL_SHARE = 1 / 3
# The normal quantile of 0.9.
_ONE_SIDED_90 = 1.2816


@dataclass(frozen=True)
class Task:
    """The segments that have a label for one task, their terms counted once."""

    name: str
    labels: tuple[str, ...]
    settings: Settings
    examples: tuple[Example, ...]
    segments: tuple[Fields, ...]
    counts: Counts

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(target(example, self.name) or "" for example in self.examples)

    def fit(self, rows: Sequence[int]) -> LinearClassifier:
        """A classifier from these segments alone, not yet calibrated."""
        targets = self.targets
        try:
            return LinearClassifier.fit(
                self.counts, rows, [targets[i] for i in rows], self.labels, self.settings
            )
        except ValueError as error:
            what = f"{len(rows)} segments are too few to learn the {self.name} from ({error})"
            raise LabelsError("labels", 0, what, "label more, of more notices") from error

    def logits(self, classifier: LinearClassifier, rows: Sequence[int]) -> Floats:
        """What `classifier` says of these segments, in the order of `rows`."""
        return classifier.logits(Texts([self.segments[i] for i in rows]))


def tasks(
    examples: Sequence[Example], taxonomy: Taxonomy, settings: Mapping[str, Settings] = SETTINGS
) -> dict[str, Task]:
    """The tasks with their segments; LabelsError where one has too little to learn from."""
    segments = [
        readable(segment(e.problem, e.measures, e.path, taxonomy=taxonomy)[1]) for e in examples
    ]
    result = {}
    for name in TASKS:
        rows = [i for i, example in enumerate(examples) if target(example, name)]
        if len({target(examples[i], name) for i in rows}) < 2:
            raise LabelsError("labels", 0, f"fewer than two labels for {name}; nothing to learn")
        own = tuple(segments[i] for i in rows)
        result[name] = Task(
            name=name,
            labels=taxonomy.category_names if name == "category" else taxonomy.status_names,
            settings=settings[name],
            examples=tuple(examples[i] for i in rows),
            segments=own,
            counts=Counts(own, settings[name].blocks),
        )
    return result


def folds(groups: Sequence[str]) -> Iterator[tuple[list[int], list[int]]]:
    """(training rows, test rows) with whole groups in the test part, seeded."""
    names = sorted(set(groups))
    if len(names) < 2:
        raise LabelsError(
            "labels", 0, "all segments are of one notice; at least two notices are needed"
        )
    order = np.random.default_rng(SEED).permutation(len(names))
    count = min(FOLDS, len(names))
    # Largest groups first, each to the emptiest fold: folds of like size.
    size = Counter(groups)
    of_fold: list[set[str]] = [set() for _ in range(count)]
    for name in sorted((names[i] for i in order), key=lambda n: -size[n]):
        min(of_fold, key=lambda fold: sum(size[n] for n in fold)).add(name)
    for held_out in of_fold:
        test = [i for i, group in enumerate(groups) if group in held_out]
        yield [i for i, group in enumerate(groups) if group not in held_out], test


def out_of_fold(
    task: Task, rows: Sequence[int], groups: Sequence[str] | None = None
) -> tuple[list[int], Floats]:
    """Rows and uncalibrated logits of `rows`, each scored without its group (its notice)."""
    from joblib import Parallel, delayed

    def one(train_part: list[int], test_part: list[int]) -> tuple[list[int], Floats]:
        test = [rows[i] for i in test_part]
        classifier = task.fit([rows[i] for i in train_part])
        return test, task.logits(classifier, test)

    if groups is None:
        groups = [task.examples[i].notice for i in rows]
    # Threads: most of the time is spent in sparse products, outside of Python.
    done = Parallel(n_jobs=-1, prefer="threads")(delayed(one)(*part) for part in folds(groups))
    return [i for test, _ in done for i in test], np.vstack([logits for _, logits in done])


def calibration_weights(examples: Sequence[Example]) -> Floats:
    """Weights that let the segments of published notices count half as much as all others together.

    Authored text is easier than published text: calibrated on it alone, a model is
    too sure of itself on notices nobody has seen. docs/model.md compares other weights.
    """
    real = np.array([example.origin == REAL for example in examples])
    if real.all() or not real.any():
        return np.ones(len(examples))
    weights: Floats = np.where(
        real, REAL_SHARE / real.sum(), (1 - REAL_SHARE) / (~real).sum()
    ) * len(examples)
    return weights


def temperature(logits: Floats, columns: NDArray[np.int64], weights: Floats) -> float:
    """The divisor of logits that minimises the weighted log-loss of the true `columns`.

    Guo et al., On Calibration of Modern Neural Networks, 2017.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        probabilities = softmax(logits / np.exp(log_temperature))
        picked = probabilities[np.arange(len(columns)), columns]
        return float(np.average(-np.log(np.clip(picked, 1e-15, 1)), weights=weights))

    found = minimize_scalar(loss, bounds=(-4.0, 4.0), method="bounded", options={"xatol": 1e-6})
    return round(float(np.exp(found.x)), 4)


def abstention(
    probabilities: Floats, columns: NDArray[np.int64], weights: Floats, precision: float
) -> float:
    """The lowest probability from which on given labels are right at least `precision`.

    Not the share itself has to reach `precision` but the lower bound of its one-sided 90%
    interval (Wilson, 1927, with Kish's effective number of weighted segments): a few
    published segments that happen to be right shall not decide. What lies below is not
    given; a multiple of 0.01, 0 where all may be.
    """
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == columns
    for threshold in np.arange(0.0, 0.99, 0.01):
        given = top >= threshold
        if not given.any() or _at_least(right[given], weights[given]) >= precision:
            return round(float(threshold), 2)
    return 0.99


def _at_least(right: NDArray[np.bool_], weights: Floats) -> float:
    """Lower bound of the share of `right`."""
    share = float(np.average(right, weights=weights))
    n = float(weights.sum() ** 2 / (weights**2).sum())
    z2 = _ONE_SIDED_90**2
    spread = _ONE_SIDED_90 * (share * (1 - share) / n + z2 / (4 * n * n)) ** 0.5
    return float((share + z2 / (2 * n) - spread) / (1 + z2 / n))


def fit_calibrated(task: Task, rows: Sequence[int]) -> tuple[LinearClassifier, Outcomes]:
    """A calibrated classifier from `rows`, and its out-of-fold outcomes."""
    from threadpoolctl import threadpool_limits

    # Beside the folds, so that no processor waits for the last of them. Each fit is held to
    # one thread, and the first to end must not let go of the others.
    with threadpool_limits(limits=1), ThreadPoolExecutor(1) as beside:
        fitting = beside.submit(task.fit, rows)
        tested, logits = out_of_fold(task, rows)
        fitted = fitting.result()
    targets = task.targets
    columns = np.array([task.labels.index(targets[i]) for i in tested])
    weights = calibration_weights([task.examples[i] for i in tested])
    heat = temperature(logits, columns, weights)
    probabilities = softmax(logits / heat)
    threshold = abstention(probabilities, columns, weights, PRECISION[task.name])
    classifier = fitted.with_calibration(heat, threshold)
    return classifier, outcomes(task, tested, probabilities, rows)


def outcomes(
    task: Task, tested: Sequence[int], probabilities: Floats, trained: Sequence[int]
) -> Outcomes:
    """What was predicted for `tested`; the majority is that of `trained`."""
    targets = task.targets
    majority = Counter(targets[i] for i in trained).most_common(1)[0][0]
    return Outcomes(
        labels=task.labels,
        truth=tuple(targets[i] for i in tested),
        also=tuple(task.examples[i].also if task.name == "category" else () for i in tested),
        probabilities=probabilities,
        majority=(majority,) * len(tested),
        groups=tuple(task.examples[i].notice for i in tested),
    )


def train(
    examples: Sequence[Example], taxonomy: Taxonomy, settings: Mapping[str, Settings] = SETTINGS
) -> Model:
    """Learn a model from `examples`: the same bytes for the same examples and versions.

    Examples that check are left out.
    """
    ordered = sorted(
        (e for e in examples if not e.check), key=lambda e: (e.notice, e.problem, e.measures)
    )
    classifiers: dict[str, LinearClassifier] = {}
    measured: dict[str, Any] = {}
    for name, task in tasks(ordered, taxonomy, settings).items():
        classifier, checked = fit_calibrated(task, range(len(task.examples)))
        classifiers[name] = classifier
        given = checked.probabilities.max(axis=1) >= classifier.abstain_below
        measured[name] = {
            "method": f"{FOLDS}-fold cross-validation, whole notices left out",
            "segments": len(checked.truth),
            "accuracy": round(accuracy(checked), 4),
            "calibration_error": round(calibration_error(checked), 4),
            "given": round(float(given.mean()), 4),
            "accuracy_of_given": round(accuracy(checked.take(np.flatnonzero(given))), 4)
            if given.any()
            else None,
        }
    info = {
        "package": __version__,
        "tokenizer": "dictionary of jieba 0.42.1, HMM off, digits and Latin folded",
        "trained_on": {
            "segments": len(ordered),
            "notices": len({e.notice for e in ordered}),
            "by_origin": dict(sorted(Counter(e.origin for e in ordered).items())),
            "labels_sha256": digest(ordered),
        },
        "measured": measured,
    }
    return Model(classifiers=classifiers, taxonomy=taxonomy, info=info)
