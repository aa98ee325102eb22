"""The committed model is what training makes of the committed labels."""

from pathlib import Path

import numpy as np

from rectify_nlp import Example, Model, Taxonomy
from rectify_nlp.training import train

MAX_BYTES = 5_000_000


def test_default_model_is_reproduced(
    examples: list[Example], taxonomy: Taxonomy, root: Path
) -> None:
    """Same terms and labels, weights within 1e-5; on the same machine and versions the same bytes."""
    committed = Model.load(root / "models" / "default")
    anew = train(examples, taxonomy)
    assert committed.info["trained_on"] == anew.info["trained_on"]
    for task, classifier in anew.classifiers.items():
        other = committed.classifiers[task]
        assert list(classifier.vectorizer.columns()) == list(other.vectorizer.columns())
        assert classifier.labels == other.labels
        assert np.allclose(classifier.weights, other.weights, rtol=0, atol=1e-5)
        assert np.allclose(classifier.bias, other.bias, rtol=0, atol=1e-5)
        assert abs(classifier.temperature - other.temperature) < 1e-3
        assert classifier.abstain_below == other.abstain_below


def test_default_model_is_small(root: Path) -> None:
    assert sum(p.stat().st_size for p in (root / "models/default").iterdir()) <= MAX_BYTES
