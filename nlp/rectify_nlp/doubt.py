"""How far the mark `doubtful` can be trusted: a notice states one status, the text reads like another.

Statements are falsified on purpose. Each segment that was not trained on is shown with
its own status and with each of the others; `FALSE_SHARE` says how many of a hundred
statements are taken to be false. Every false statement there can be is tried, so no
draw decides the figures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rectify_nlp.evaluation import Metrics, Outcomes, Result, scored, signature

FALSE_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Marks:
    """How many true and false statements there are, and how many of each are doubted."""

    true: int
    false: int
    true_doubted: int
    false_doubted: int

    @property
    def recall(self) -> float:
        """Share of the false statements that are doubted."""
        return self.false_doubted / self.false

    @property
    def false_alarms(self) -> float:
        """Share of the true statements that are doubted."""
        return self.true_doubted / self.true

    @property
    def precision(self) -> float:
        """Share of the doubted that are false where `FALSE_SHARE` of all are; 1 if none is doubted."""
        hits, alarms = FALSE_SHARE * self.recall, (1 - FALSE_SHARE) * self.false_alarms
        return hits / (hits + alarms) if hits + alarms else 1.0


def marks(outcomes: Outcomes, doubt_below: float) -> Marks:
    """What doubting each statement less likely than `doubt_below` gives."""
    doubted = outcomes.probabilities < doubt_below
    column = {name: i for i, name in enumerate(outcomes.labels)}
    own = doubted[np.arange(len(doubted)), [column[t] for t in outcomes.truth]]
    return Marks(
        true=len(doubted),
        false=len(doubted) * (len(outcomes.labels) - 1),
        true_doubted=int(own.sum()),
        false_doubted=int(doubted.sum() - own.sum()),
    )


def assess_doubt(outcomes: Outcomes, *, doubt_below: float, method: str, provenance: str) -> Result:
    """Precision, recall and false alarms of `doubtful` on status `outcomes`."""
    sign = signature(
        outcomes,
        f"doubtful below {doubt_below}|{method}|{provenance}|{FALSE_SHARE:.0%} of statements false",
    )
    metrics: Metrics = {
        "precision": lambda o: marks(o, doubt_below).precision,
        "recall": lambda o: marks(o, doubt_below).recall,
        "false alarms": lambda o: marks(o, doubt_below).false_alarms,
    }
    found = marks(outcomes, doubt_below)
    return Result(
        task="doubtful",
        method=method,
        segments=len(outcomes.truth),
        notices=len(set(outcomes.groups)),
        scores=scored(outcomes, metrics, sign),
        labels=("true", "falsified"),
        confusion=(
            (found.true - found.true_doubted, found.true_doubted),
            (found.false - found.false_doubted, found.false_doubted),
        ),
        signature=sign,
    )
