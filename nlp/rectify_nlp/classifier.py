"""One linear text classifier, used for the category and for the status.

logits = bias + TF-IDF row x weights, divided by a temperature so that their softmax
is calibrated. Because everything is linear, a logit is exactly the bias plus the sum
of the contributions of the words, which is what the evidence shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rectify_nlp.features import FIELDS, Block, Counts, Floats, Texts, Vectorizer, heads
from rectify_nlp.lexicon import Ints


class Settings(NamedTuple):
    """What a classifier reads and how it is fitted.

    `inverse_regularisation` is scikit-learn's C for the sum of losses; `balance` is the
    exponent of inverse label frequency in the sample weights (0: none, 1: "balanced").
    `tolerance` ends the fit; a comparison of many settings can do with a larger one.
    """

    blocks: tuple[Block, ...]
    inverse_regularisation: float
    balance: float = 1.0
    min_count: int = 2
    tolerance: float = 1e-9


@dataclass(frozen=True)
class LinearClassifier:
    """A fitted classifier. `weights` has a row for each column of the vectorizer and a
    column for each label, the values of a label next to each other in memory; `bias` one
    value a label; `abstain_below` a probability."""

    labels: tuple[str, ...]
    vectorizer: Vectorizer
    weights: NDArray[np.float32]
    bias: Floats
    temperature: float = 1.0
    abstain_below: float = 0.0

    @classmethod
    def fit(
        cls,
        counts: Counts,
        rows: Sequence[int],
        targets: Sequence[str],
        labels: Sequence[str],
        settings: Settings,
    ) -> LinearClassifier:
        """Multinomial logistic regression on the segments `rows` of `counts`.

        `targets` are the labels of these rows; ValueError where fewer than two occur.

        Newton's method with a tight tolerance: the optimum is unique, so other machines
        come to the same weights within 1e-5.
        """
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        present = [label for label in labels if label in set(targets)]
        if len(present) < 2:
            raise ValueError("a classifier needs examples of at least two labels")
        vectorizer, matrix = counts.fit(rows, settings.min_count)
        index = {label: i for i, label in enumerate(present)}
        y = np.array([index[t] for t in targets])
        frequency = np.bincount(y, minlength=len(present)) / len(y)
        weight = (1.0 / (frequency * len(present))) ** settings.balance
        # One thread: sums are then always taken in the same order.
        with threadpool_limits(limits=1), warnings.catch_warnings():
            # The line search ends on rounding noise just above so tight a tolerance.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = LogisticRegression(
                C=settings.inverse_regularisation,
                solver="newton-cg",
                tol=settings.tolerance,
                max_iter=500,
            ).fit(matrix, y, weight[y])
        coef, intercept = fitted.coef_, fitted.intercept_
        if len(present) == 2:  # scikit-learn keeps one row for two labels
            coef, intercept = np.vstack([-coef, coef]) / 2, np.hstack([-intercept, intercept]) / 2
        weights = np.zeros((len(vectorizer.idf), len(labels)), dtype=np.float32, order="F")
        bias = np.full(len(labels), _NEVER)
        for column, label in enumerate(present):
            weights[:, labels.index(label)] = coef[column]
            bias[labels.index(label)] = np.float32(intercept[column])
        return cls(labels=tuple(labels), vectorizer=vectorizer, weights=weights, bias=bias)

    def with_calibration(self, temperature: float, abstain_below: float) -> LinearClassifier:
        return replace(self, temperature=temperature, abstain_below=abstain_below)

    def logits(self, texts: Texts) -> Floats:
        """Calibrated logits in nats, one row a segment, one column a label."""
        out = np.tile(self.bias, (texts.segments, 1))
        for part in self.vectorizer.parts(texts):
            if len(part.segment):
                products = self.weights.T.take(part.column, axis=1) * part.value
                first = heads(part.segment)
                out[part.segment[first]] += np.add.reduceat(products, first, axis=1).T
        return out / self.temperature

    def evidence(self, texts: Texts, labels: Ints) -> tuple[Floats, NDArray[np.bool_]]:
        """What every occurrence of a term adds to the logit of its segment's label, in nats.

        One value for each of `texts.find(vocabulary)`, and whether the classifier reads
        it at all; `labels` has the column of a label for each segment. The values of a
        segment sum to the logit less bias / temperature.
        """
        found = texts.find(self.vectorizer.vocabulary)
        segment, field = np.divmod(found.text, len(FIELDS))
        width = len(self.vectorizer.vocabulary)
        occurrence = segment * width + found.term
        weight, known = np.zeros(len(occurrence)), np.zeros(len(occurrence), dtype=bool)
        for part in self.vectorizer.parts(texts):
            share = part.value * self.weights[part.column, labels[part.segment]]
            entry = part.segment * width + part.term
            read = np.array([name in part.block.fields for name in FIELDS])[field]
            place = np.minimum(np.searchsorted(entry, occurrence), len(entry) - 1)
            if len(entry):
                read &= entry[place] == occurrence
                weight[read] += (share / part.times)[place[read]] / self.temperature
                known |= read
        return weight, known

    def strongest(self, count: int) -> dict[str, list[tuple[str, str, float]]]:
        """For each label its `count` heaviest terms as (block, term, weight in nats)."""
        columns = list(self.vectorizer.columns())
        order = np.argsort(-self.weights, axis=0, kind="stable")[:count]
        return {
            label: [(*columns[i], float(self.weights[i, position])) for i in order[:, position]]
            for position, label in enumerate(self.labels)
        }


# Bias of a label no example has: its probability is nil, its arithmetic finite.
_NEVER = -1e4


def softmax(logits: Floats) -> Floats:
    """Probabilities from logits, row by row."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Floats = shifted / shifted.sum(axis=-1, keepdims=True)
    return result
