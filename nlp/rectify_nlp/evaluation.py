"""Scores that carry how they were obtained.

A `Score` cannot be made without its signature: what was trained on, what was
tested on, how many segments, how the interval was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 10
RESAMPLES = 500
SEED = 0
THRESHOLDS = (*(i / 20 for i in range(20)), 0.98, 0.99)


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """True labels and predicted probabilities of segments that were not trained on.

    `probabilities` has a row a segment and a column a label; `majority` is the most
    frequent label of what was trained on, for each segment; `groups` names the notice.
    """

    labels: tuple[str, ...]
    truth: tuple[str, ...]
    also: tuple[tuple[str, ...], ...]
    probabilities: NDArray[np.float64]
    majority: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def predicted(self) -> tuple[str, ...]:
        return tuple(self.labels[i] for i in self.probabilities.argmax(axis=1))

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Outcomes:
        """The outcomes of some segments, repeats allowed."""
        return Outcomes(
            labels=self.labels,
            truth=tuple(self.truth[i] for i in rows),
            also=tuple(self.also[i] for i in rows),
            probabilities=self.probabilities[list(rows)],
            majority=tuple(self.majority[i] for i in rows),
            groups=tuple(self.groups[i] for i in rows),
        )

    def as_majority(self) -> Outcomes:
        """What always naming the most frequent label would have given."""
        certain = np.array([[float(name == m) for name in self.labels] for m in self.majority])
        return Outcomes(
            labels=self.labels,
            truth=self.truth,
            also=self.also,
            probabilities=certain,
            majority=self.majority,
            groups=self.groups,
        )


@dataclass(frozen=True, kw_only=True)
class Score:
    """A figure, its 95% bootstrap interval and the majority baseline's figure."""

    name: str
    value: float
    low: float
    high: float
    baseline: float | None
    signature: str

    def __str__(self) -> str:
        base = "" if self.baseline is None else f" (majority {self.baseline:.3f})"
        return f"{self.name} {self.value:.3f} [{self.low:.3f}, {self.high:.3f}]{base}"


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Segments whose likeliest label has a probability in the same tenth of 0 to 1.

    `probability` is the mean one, `accuracy` the share whose likeliest label is right.
    """

    segments: int
    probability: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What answering only from `threshold` on gives: the share answered, its accuracy."""

    threshold: float
    given: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class LabelScore:
    """Precision, recall and F1 of one label; `support` segments have it."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """All scores of one task on one way of splitting, with the confusion counts.

    `confusion[i][j]`: segments of label i that were given label j. `coverage` ascends by
    threshold; `abstain_below` is the threshold a model trained like this would have.
    """

    task: str
    method: str
    segments: int
    notices: int
    scores: tuple[Score, ...]
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    signature: str
    reliability: tuple[Bin, ...] = ()
    coverage: tuple[Cut, ...] = ()
    abstain_below: float = 0.0

    def score(self, name: str) -> Score:
        return next(score for score in self.scores if score.name == name)

    def by_label(self) -> list[LabelScore]:
        """The labels that occur in truth or prediction; what cannot be divided is 0."""
        counts = np.array(self.confusion)
        right, true, given = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
        return [
            LabelScore(
                label=label,
                precision=float(right[i] / max(1, given[i])),
                recall=float(right[i] / max(1, true[i])),
                f1=float(2 * right[i] / (true[i] + given[i])),
                support=int(true[i]),
            )
            for i, label in enumerate(self.labels)
            if true[i] or given[i]
        ]

    def as_dict(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "method": self.method,
            "segments": self.segments,
            "notices": self.notices,
            "scores": {
                s.name: {"value": s.value, "low": s.low, "high": s.high, "baseline": s.baseline}
                for s in self.scores
            },
            "labels": list(self.labels),
            "confusion": [list(row) for row in self.confusion],
            "signature": self.signature,
            "reliability": [asdict(b) for b in self.reliability],
            "coverage": [asdict(cut) for cut in self.coverage],
            "abstain_below": self.abstain_below,
        }


def accuracy(outcomes: Outcomes) -> float:
    return float(_right(outcomes).mean())


def lenient_accuracy(outcomes: Outcomes) -> float:
    """Share of segments given their label or one of the acceptable secondary ones."""
    return float(
        np.mean(
            [
                p == t or p in also
                for t, p, also in zip(
                    outcomes.truth, outcomes.predicted, outcomes.also, strict=True
                )
            ]
        )
    )


def macro_f1(outcomes: Outcomes) -> float:
    """Unweighted mean of F1 over the labels that occur in truth or prediction."""
    from sklearn.metrics import f1_score

    return float(f1_score(outcomes.truth, outcomes.predicted, average="macro", zero_division=0.0))


def log_loss(outcomes: Outcomes) -> float:
    """Mean negative natural logarithm of the probability given to the truth."""
    column = {name: i for i, name in enumerate(outcomes.labels)}
    picked = outcomes.probabilities[
        np.arange(len(outcomes.truth)), [column[t] for t in outcomes.truth]
    ]
    return float(-np.log(np.clip(picked, 1e-15, 1)).mean())


def reliability(outcomes: Outcomes) -> list[Bin]:
    """The bins that hold segments, ten of equal width, ascending."""
    confidence, right = outcomes.probabilities.max(axis=1), _right(outcomes)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        Bin(
            segments=int((bins == b).sum()),
            probability=float(confidence[bins == b].mean()),
            accuracy=float(right[bins == b].mean()),
        )
        for b in np.unique(bins)
    ]


def calibration_error(outcomes: Outcomes) -> float:
    """Expected calibration error of the likeliest label, over the bins of `reliability`."""
    off = sum(b.segments * abs(b.probability - b.accuracy) for b in reliability(outcomes))
    return off / len(outcomes.truth)


def coverage(outcomes: Outcomes, abstain_below: float) -> list[Cut]:
    """What each threshold would give and how much of it is right, `abstain_below` among them."""
    top, right = outcomes.probabilities.max(axis=1), _right(outcomes)
    return [
        Cut(
            threshold=threshold,
            given=float((top >= threshold).mean()),
            accuracy=float(right[top >= threshold].mean()),
        )
        for threshold in sorted({*THRESHOLDS, abstain_below})
        if (top >= threshold).any()
    ]


def _right(outcomes: Outcomes) -> NDArray[np.bool_]:
    return np.array([t == p for t, p in zip(outcomes.truth, outcomes.predicted, strict=True)])


Metrics = Mapping[str, Callable[[Outcomes], float]]
METRICS: Metrics = {
    "accuracy": accuracy,
    "lenient accuracy": lenient_accuracy,
    "macro-F1": macro_f1,
    "log-loss": log_loss,
    "calibration error": calibration_error,
}
# A constant answer has no probabilities worth a log-loss or a calibration error.
_WITH_BASELINE = ("accuracy", "lenient accuracy", "macro-F1")


def assess(
    outcomes: Outcomes, *, task: str, method: str, provenance: str, abstain_below: float = 0.0
) -> Result:
    """All metrics of `outcomes`, with bootstrap intervals over whole notices."""
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(outcomes.truth, outcomes.predicted, labels=list(outcomes.labels))
    sign = signature(outcomes, f"{task}|{method}|{provenance}")
    metrics = {
        name: metric
        for name, metric in METRICS.items()
        if name != "lenient accuracy" or any(outcomes.also)
    }
    return Result(
        task=task,
        method=method,
        segments=len(outcomes.truth),
        notices=len(set(outcomes.groups)),
        scores=scored(outcomes, metrics, sign),
        labels=outcomes.labels,
        confusion=tuple(tuple(int(n) for n in row) for row in counts),
        signature=sign,
        reliability=tuple(reliability(outcomes)),
        coverage=tuple(coverage(outcomes, abstain_below)),
        abstain_below=abstain_below,
    )


def signature(outcomes: Outcomes, what: str) -> str:
    """How figures of `outcomes` were obtained, `what` first."""
    unit = "notice" if _by_notice(outcomes) else "segment"
    return (
        f"{what}|segments {len(outcomes.truth)}|notices {len(set(outcomes.groups))}"
        f"|bootstrap {RESAMPLES} by {unit}, seed {SEED}"
    )


def scored(outcomes: Outcomes, metrics: Metrics, sign: str) -> tuple[Score, ...]:
    """A score for each metric, its interval drawn over notices.

    Where there are fewer than ten notices the segments are resampled instead, which
    makes the interval too narrow; the signature says which was done.
    """
    samples = _resamples(outcomes, _by_notice(outcomes))
    majority = outcomes.as_majority()
    scores = []
    for name, metric in metrics.items():
        low, high = np.percentile([metric(sample) for sample in samples], [2.5, 97.5])
        scores.append(
            Score(
                name=name,
                value=metric(outcomes),
                low=float(low),
                high=float(high),
                baseline=metric(majority) if name in _WITH_BASELINE else None,
                signature=sign,
            )
        )
    return tuple(scores)


def _by_notice(outcomes: Outcomes) -> bool:
    return len(set(outcomes.groups)) >= 10


def _resamples(outcomes: Outcomes, by_notice: bool) -> list[Outcomes]:
    random = np.random.default_rng(SEED)
    if not by_notice:
        n = len(outcomes.truth)
        return [outcomes.take(random.integers(0, n, n)) for _ in range(RESAMPLES)]
    rows: dict[str, list[int]] = {}
    for row, group in enumerate(outcomes.groups):
        rows.setdefault(group, []).append(row)
    names = sorted(rows)
    return [
        outcomes.take(
            [i for pick in random.integers(0, len(names), len(names)) for i in rows[names[pick]]]
        )
        for _ in range(RESAMPLES)
    ]
