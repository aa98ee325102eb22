"""The linear classifier: scikit-learn's numbers, and evidence that adds up."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from rectify_nlp.classifier import LinearClassifier, Settings, softmax
from rectify_nlp.features import FIELDS, Block, Counts, Texts

SETTINGS = Settings(
    blocks=(
        Block("problem", ("problem",), pairs=True),
        Block("both", ("problem", "measures"), weight=0.5),
        Block("path", ("path",)),
    ),
    inverse_regularisation=10.0,
)


@pytest.fixture(scope="module")
def segments(small_examples):
    return [{"problem": e.problem, "measures": e.measures} for e in small_examples]


@pytest.fixture(scope="module")
def texts(segments):
    return Texts(segments)


@pytest.fixture(scope="module")
def counts(segments):
    return Counts(segments, SETTINGS.blocks)


@pytest.fixture(scope="module")
def rows(segments):
    return range(len(segments))


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


def test_logits_equal_scikit_learns(classifier, counts, rows, texts, targets):
    fitted, expected = reference(counts, rows, targets)
    columns = [classifier.labels.index(name) for name in fitted.classes_]
    assert len(columns) >= 10
    for temperature in (1.0, 2.5):
        logits = classifier.with_calibration(temperature, 0.0).logits(texts)
        np.testing.assert_allclose(logits[:, columns], expected / temperature, rtol=1e-5, atol=1e-5)


def test_probabilities_sum_to_one(classifier, texts):
    probabilities = softmax(classifier.logits(texts))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    assert (probabilities >= 0).all()
    huge = softmax(np.array([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(huge, [[1, 0, 0], [1 / 3] * 3])


def test_labels_without_examples_are_never_given(classifier, texts, targets):
    probabilities = softmax(classifier.logits(texts))
    unseen = [i for i, name in enumerate(classifier.labels) if name not in targets]
    assert classifier.labels.index("no example has this") in unseen
    assert probabilities[:, unseen].max() < 1e-12


def test_evidence_adds_up_to_the_logit(classifier, segments):
    calibrated = classifier.with_calibration(0.7, 0.0)
    texts = Texts(segments[:10])
    logits = calibrated.logits(texts)
    segment = texts.find(calibrated.vectorizer.vocabulary).text // len(FIELDS)
    for column in range(len(calibrated.labels)):
        weights, known = calibrated.evidence(texts, np.full(10, column))
        assert not weights[~known].any()
        total = np.bincount(segment, weights) + calibrated.bias[column] / 0.7
        np.testing.assert_allclose(total, logits[:, column], rtol=0, atol=1e-9)


def test_evidence_takes_each_segment_by_its_own_label(classifier, segments):
    texts = Texts(segments[:10])
    labels = np.arange(10) % 3
    weights, known = classifier.evidence(texts, labels)
    segment = texts.find(classifier.vectorizer.vocabulary).text // len(FIELDS)
    for label in range(3):
        alone, also_known = classifier.evidence(texts, np.full(10, label))
        np.testing.assert_array_equal(
            weights[labels[segment] == label], alone[labels[segment] == label]
        )
        np.testing.assert_array_equal(known, also_known)


def test_terms_no_block_reads_are_no_evidence(classifier, segments):
    texts = Texts(segments)
    vectorizer = classifier.vectorizer
    found = texts.find(vectorizer.vocabulary)
    _, known = classifier.evidence(texts, np.zeros(len(segments), dtype=int))
    read = set()
    for block, own in zip(vectorizer.blocks, vectorizer.terms, strict=True):
        read |= {(term, FIELDS.index(field)) for term in own.tolist() for field in block.fields}
    fields = (found.text % len(FIELDS)).tolist()
    assert known.tolist() == [
        pair in read for pair in zip(found.term.tolist(), fields, strict=True)
    ]
    assert 0 < known.sum() < len(known)


def test_two_labels(counts, rows, texts, targets):
    two = ["党建" if target == "党建" else "其他" for target in targets]
    classifier = LinearClassifier.fit(counts, rows, two, ("其他", "党建"), SETTINGS)
    fitted, expected = reference(counts, rows, two)
    logits = classifier.logits(texts)
    sign = 1 if fitted.classes_[1] == "党建" else -1
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], sign * expected, rtol=1e-5, atol=1e-5)
    assert [classifier.labels[i] for i in logits.argmax(axis=1)] == two


def test_fitting_twice_gives_the_same_arrays(classifier, counts, rows, targets):
    again = LinearClassifier.fit(counts, rows, targets, classifier.labels, SETTINGS)
    assert list(again.vectorizer.columns()) == list(classifier.vectorizer.columns())
    assert np.array_equal(again.vectorizer.idf, classifier.vectorizer.idf)
    assert np.array_equal(again.weights, classifier.weights)
    assert np.array_equal(again.bias, classifier.bias)


def test_only_the_given_rows_count(counts, segments, targets, classifier):
    half = range(0, len(segments), 2)
    chosen = [targets[i] for i in half]
    one = LinearClassifier.fit(counts, half, chosen, classifier.labels, SETTINGS)
    few = Counts([segments[i] for i in half], SETTINGS.blocks)
    two = LinearClassifier.fit(few, range(len(half)), chosen, classifier.labels, SETTINGS)
    assert list(one.vectorizer.columns()) == list(two.vectorizer.columns())
    np.testing.assert_allclose(one.weights, two.weights, rtol=1e-5, atol=1e-6)


def test_one_label_is_not_enough(counts):
    with pytest.raises(ValueError, match="at least two labels"):
        LinearClassifier.fit(counts, range(5), ["党建"] * 5, ("党建", "执法"), SETTINGS)


def test_no_segments_give_no_rows(classifier):
    assert classifier.logits(Texts([])).shape == (0, len(classifier.labels))
    bare = classifier.logits(Texts([{}]))
    np.testing.assert_array_equal(bare, [classifier.bias])
