"""The linear classifier: scikit-learn's numbers, and evidence that adds up."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from rectify_nlp.classifier import LinearClassifier, Settings, softmax
from rectify_nlp.features import Analysis, Block, Counts, normalise
from rectify_nlp.folding import fold

SETTINGS = Settings(
    blocks=(
        Block("problem", ("problem",), chars=(2,)),
        Block("both", ("problem", "measures"), weight=0.5),
        Block("path", ("path",)),
    ),
    inverse_regularisation=10.0,
)


@pytest.fixture(scope="module")
def analyses(small_examples):
    return [Analysis({"problem": e.problem, "measures": e.measures}) for e in small_examples]


@pytest.fixture(scope="module")
def counts(analyses):
    return Counts(analyses, SETTINGS.blocks)


@pytest.fixture(scope="module")
def rows(analyses):
    return range(len(analyses))


@pytest.fixture(scope="module")
def targets(small_examples):
    return [e.category for e in small_examples]


@pytest.fixture(scope="module")
def classifier(counts, rows, targets, taxonomy):
    labels = (*taxonomy.category_names, "no example has this")
    return LinearClassifier.fit(counts, rows, targets, labels, SETTINGS)


def reference(counts, rows, targets):
    """scikit-learn's own fit on the same matrix, "balanced" as balance=1 shall be."""
    _, matrix = counts.fit(rows, SETTINGS.min_count)
    fitted = LogisticRegression(
        C=10.0, solver="newton-cg", tol=1e-8, max_iter=500, class_weight="balanced"
    ).fit(matrix, targets)
    return fitted, fitted.decision_function(matrix)


def test_logits_equal_scikit_learns(classifier, counts, rows, analyses, targets):
    fitted, expected = reference(counts, rows, targets)
    columns = [classifier.labels.index(name) for name in fitted.classes_]
    assert len(columns) >= 10
    for temperature in (1.0, 2.5):
        logits = classifier.with_calibration(temperature, 0.0).logits(analyses)
        np.testing.assert_allclose(logits[:, columns], expected / temperature, rtol=1e-5, atol=1e-5)


def test_probabilities_sum_to_one(classifier, analyses):
    probabilities = softmax(classifier.logits(analyses))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    assert (probabilities >= 0).all()
    huge = softmax(np.array([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(huge, [[1, 0, 0], [1 / 3] * 3])


def test_labels_without_examples_are_never_given(classifier, analyses, targets):
    probabilities = softmax(classifier.logits(analyses))
    unseen = [i for i, name in enumerate(classifier.labels) if name not in targets]
    assert classifier.labels.index("no example has this") in unseen
    assert probabilities[:, unseen].max() < 1e-12


OFFSETS = {"path": 0, "problem": 1000, "measures": 2000}


def test_evidence_adds_up_to_the_logit(classifier, analyses):
    calibrated = classifier.with_calibration(0.7, 0.0)
    logits = calibrated.logits(analyses[:10])
    for row, analysis in enumerate(analyses[:10]):
        for column, label in enumerate(calibrated.labels):
            evidence = calibrated.evidence(analysis, label, OFFSETS)
            total = sum(e.weight for e in evidence) + calibrated.bias[column] / 0.7
            assert total == pytest.approx(logits[row, column], abs=1e-6)


def test_evidence_lies_where_it_says(classifier, small_examples, analyses):
    for example, analysis in zip(small_examples[:20], analyses, strict=False):
        text = normalise(fold(f"前言{example.problem}\n{example.measures}"))
        offsets = {"problem": 2, "measures": 3 + len(example.problem)}
        evidence = classifier.evidence(analysis, example.category, offsets)
        assert len(evidence) > 10
        for e in evidence:
            there = text[e.start : e.end]
            assert there == e.term or (there.isascii() and e.term in ("0", "0%", "a"))


def test_evidence_of_fields_without_a_place_is_left_out(classifier, analyses):
    label = classifier.labels[0]
    whole = classifier.evidence(analyses[0], label, OFFSETS)
    part = classifier.evidence(analyses[0], label, {"problem": 1000})
    assert 0 < len(part) < len(whole)
    assert part == [e for e in whole if 1000 <= e.start < 2000]


def test_two_labels(counts, rows, analyses, targets):
    two = ["党建" if target == "党建" else "其他" for target in targets]
    classifier = LinearClassifier.fit(counts, rows, two, ("其他", "党建"), SETTINGS)
    fitted, expected = reference(counts, rows, two)
    logits = classifier.logits(analyses)
    sign = 1 if fitted.classes_[1] == "党建" else -1
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], sign * expected, rtol=1e-5, atol=1e-5)
    assert [classifier.labels[i] for i in logits.argmax(axis=1)] == two


def test_fitting_twice_gives_the_same_arrays(classifier, counts, rows, targets):
    again = LinearClassifier.fit(counts, rows, targets, classifier.labels, SETTINGS)
    assert again.vectorizer.vocabularies == classifier.vectorizer.vocabularies
    assert np.array_equal(again.vectorizer.idf, classifier.vectorizer.idf)
    assert np.array_equal(again.weights, classifier.weights)
    assert np.array_equal(again.bias, classifier.bias)


def test_only_the_given_rows_count(counts, analyses, targets, classifier):
    half = range(0, len(analyses), 2)
    chosen = [targets[i] for i in half]
    one = LinearClassifier.fit(counts, half, chosen, classifier.labels, SETTINGS)
    few = Counts([analyses[i] for i in half], SETTINGS.blocks)
    two = LinearClassifier.fit(few, range(len(half)), chosen, classifier.labels, SETTINGS)
    assert one.vectorizer.vocabularies == two.vectorizer.vocabularies
    np.testing.assert_allclose(one.weights, two.weights, rtol=1e-5, atol=1e-6)


def test_one_label_is_not_enough(counts):
    with pytest.raises(ValueError, match="at least two labels"):
        LinearClassifier.fit(counts, range(5), ["党建"] * 5, ("党建", "执法"), SETTINGS)


def test_no_segments_give_no_rows(classifier):
    assert classifier.logits([]).shape == (0, len(classifier.labels))
    bare = classifier.logits([Analysis({})])
    np.testing.assert_array_equal(bare, [classifier.bias])
