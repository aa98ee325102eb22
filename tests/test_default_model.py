"""The committed model is what training makes of the committed labels."""

from pathlib import Path

import numpy as np

from rectify_nlp import Example, Model, Taxonomy
from rectify_nlp.taxonomy import digest
from rectify_nlp.training import tasks

MAX_BYTES = 5_000_000


def test_default_model_is_reproduced(
    examples: list[Example], taxonomy: Taxonomy, root: Path
) -> None:
    """Same labels and terms, weights within 1e-5.

    Calibration takes five fits more; the bounds of test_quality hold what comes of it.
    """
    committed = Model.load(root / "models" / "default")
    assert committed.info["trained_on"]["labels_sha256"] == digest(examples)
    for name, task in tasks(examples, taxonomy).items():
        anew = task.fit(range(len(task.examples)))
        other = committed.classifiers[name]
        assert list(anew.vectorizer.columns()) == list(other.vectorizer.columns())
        assert anew.labels == other.labels
        assert np.allclose(anew.weights, other.weights, rtol=0, atol=1e-5)
        assert np.allclose(anew.bias, other.bias, rtol=0, atol=1e-5)


def test_default_model_is_small(root: Path) -> None:
    assert sum(p.stat().st_size for p in (root / "models/default").iterdir()) <= MAX_BYTES
