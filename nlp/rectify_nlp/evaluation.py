"""Scores that carry how they were obtained.

A `Score` cannot be made without its signature: what was trained on, what was
tested on, how many segments, how the interval was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 10
RESAMPLES = 500
SEED = 0


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
class Result:
    """All scores of one task on one way of splitting, with the confusion counts.

    `confusion[i][j]`: segments of label i that were given label j.
    """

    task: str
    method: str
    segments: int
    notices: int
    scores: tuple[Score, ...]
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    signature: str

    def score(self, name: str) -> Score:
        return next(score for score in self.scores if score.name == name)

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
        }


def accuracy(outcomes: Outcomes) -> float:
    return float(np.mean([t == p for t, p in zip(outcomes.truth, outcomes.predicted, strict=True)]))


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


def calibration_error(outcomes: Outcomes) -> float:
    """Expected calibration error of the likeliest label, ten bins of equal width."""
    confidence = outcomes.probabilities.max(axis=1)
    right = np.array([t == p for t, p in zip(outcomes.truth, outcomes.predicted, strict=True)])
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return float(
        sum(
            np.mean(bins == b) * abs(confidence[bins == b].mean() - right[bins == b].mean())
            for b in np.unique(bins)
        )
    )


METRICS: dict[str, Callable[[Outcomes], float]] = {
    "accuracy": accuracy,
    "lenient accuracy": lenient_accuracy,
    "macro-F1": macro_f1,
    "log-loss": log_loss,
    "calibration error": calibration_error,
}
# A constant answer has no probabilities worth a log-loss or a calibration error.
_WITH_BASELINE = ("accuracy", "lenient accuracy", "macro-F1")


def assess(outcomes: Outcomes, *, task: str, method: str, provenance: str) -> Result:
    """All metrics of `outcomes`, with bootstrap intervals over whole notices.

    Where there are fewer than ten notices the segments are resampled instead, which
    makes the interval too narrow; the signature says which was done.
    """
    from sklearn.metrics import confusion_matrix

    notices = sorted(set(outcomes.groups))
    by_notice = len(notices) >= 10
    unit = "notice" if by_notice else "segment"
    signature = (
        f"{task}|{method}|{provenance}|segments {len(outcomes.truth)}|notices {len(notices)}"
        f"|bootstrap {RESAMPLES} by {unit}, seed {SEED}"
    )
    samples = list(_resamples(outcomes, by_notice))
    majority = outcomes.as_majority()
    scores = []
    for name, metric in METRICS.items():
        if name == "lenient accuracy" and not any(outcomes.also):
            continue
        spread = [metric(sample) for sample in samples]
        low, high = np.percentile(spread, [2.5, 97.5])
        scores.append(
            Score(
                name=name,
                value=metric(outcomes),
                low=float(low),
                high=float(high),
                baseline=metric(majority) if name in _WITH_BASELINE else None,
                signature=signature,
            )
        )
    counts = confusion_matrix(outcomes.truth, outcomes.predicted, labels=list(outcomes.labels))
    return Result(
        task=task,
        method=method,
        segments=len(outcomes.truth),
        notices=len(notices),
        scores=tuple(scores),
        labels=outcomes.labels,
        confusion=tuple(tuple(int(n) for n in row) for row in counts),
        signature=signature,
    )


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
