"""Training is repeatable and never lets a notice stand on both sides of a split."""

import math
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from rectify_nlp import LabelsError
from rectify_nlp.classifier import softmax
from rectify_nlp.training import (
    abstention,
    calibration_weights,
    fit_calibrated,
    folds,
    out_of_fold,
    tasks,
    temperature,
    train,
)


@pytest.fixture(scope="module")
def small_tasks(small_examples, taxonomy):
    return tasks(small_examples, taxonomy)


def test_the_same_bytes_again_whatever_the_order(model, small_examples, taxonomy):
    shuffled = random.Random(1).sample(small_examples, len(small_examples))
    assert shuffled != small_examples
    assert train(shuffled, taxonomy).files() == model.files()


def test_a_model_says_what_it_was_trained_on(model, small_examples):
    trained = model.info["trained_on"]
    assert trained["segments"] == len(small_examples)
    assert trained["notices"] == len({e.notice for e in small_examples})
    assert trained["by_origin"] == Counter(e.origin for e in small_examples)
    assert set(model.info["measured"]) == {"category", "status"}
    assert model.info["measured"]["status"]["segments"] == sum(
        e.status is not None for e in small_examples
    )


@pytest.mark.parametrize("sizes", [[40, 17, 32, 32, 31, 30], [1] * 12, [3, 1], [100, 1, 1, 1]])
def test_folds_never_share_a_notice_and_cover_every_row_once(sizes):
    groups = [f"notice {i}" for i, size in enumerate(sizes) for _ in range(size)]
    random.Random(0).shuffle(groups)
    parts = list(folds(groups))
    assert len(parts) == min(5, len(sizes))
    assert sorted(row for _, test in parts for row in test) == list(range(len(groups)))
    for trained, tested in parts:
        assert tested
        assert sorted([*trained, *tested]) == list(range(len(groups)))
        assert not {groups[i] for i in trained} & {groups[i] for i in tested}
    assert list(folds(groups)) == parts


def test_folds_are_of_like_size():
    sizes = [len(test) for _, test in folds([str(i % 20) for i in range(400)])]
    assert sizes == [80] * 5


def test_one_notice_cannot_be_split(small_examples, taxonomy):
    with pytest.raises(LabelsError, match="at least two notices are needed"):
        list(folds(["a"] * 10))
    linyi = [e for e in small_examples if e.notice == "linyi-transport-2023"]
    with pytest.raises(LabelsError, match="at least two notices are needed"):
        train(linyi, taxonomy)


def test_one_label_cannot_be_learned(small_examples, taxonomy):
    without = [replace(e, status=None) for e in small_examples]
    with pytest.raises(LabelsError, match="fewer than two labels for status"):
        train(without, taxonomy)


def test_out_of_fold_scores_every_row_without_its_notice(small_tasks):
    task = small_tasks["status"]
    rows = list(range(len(task.examples)))
    tested, logits = out_of_fold(task, rows)
    assert sorted(tested) == rows
    assert logits.shape == (len(rows), len(task.labels))
    # One notice by hand: the fold it is in is the only one that does not train on it.
    groups = [e.notice for e in task.examples]
    trained, held_out = next(folds(groups))
    by_hand = task.logits(task.fit(trained), held_out)
    place = {row: i for i, row in enumerate(tested)}
    np.testing.assert_array_equal(logits[[place[i] for i in held_out]], by_hand)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_temperature_recovers_a_known_scale(scale):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, size=(20_000, 4))
    chances = softmax(logits).cumsum(axis=1)
    truth = (rng.random((len(logits), 1)) > chances).sum(axis=1)
    assert temperature(logits * scale, truth, np.ones(len(truth))) == pytest.approx(scale, rel=0.03)


def test_temperature_heeds_the_weights():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, size=(2000, 4))
    truth = logits.argmax(axis=1)
    truth[1000:] = rng.integers(0, 4, 1000)  # the second half is not to be known
    sure, unsure = (
        temperature(logits, truth, np.repeat(weights, 1000)) for weights in ([9.0, 1.0], [1.0, 9.0])
    )
    assert sure < unsure


def two_labels(tops, right, weights=None):
    """Probabilities of two labels with these tops; the truth is the top one where right."""
    probabilities = np.array([[top, 1 - top] for top in tops])
    truth = np.array([0 if ok else 1 for ok in right])
    return probabilities, truth, np.ones(len(truth)) if weights is None else np.array(weights)


@pytest.mark.parametrize(
    ("precision", "threshold"),
    [(0.0, 0.0), (0.59, 0.0), (0.74, 0.6), (0.79, 0.73), (0.99, 0.73)],
)
def test_abstention_gives_the_lowest_threshold_that_reaches_the_precision(precision, threshold):
    tops, right = [0.955, 0.855, 0.755, 0.725, 0.595], [True, True, True, False, False]
    assert abstention(*two_labels(tops * 1000, right * 1000), precision) == threshold


def test_abstention_asks_more_where_few_segments_tell():
    tops, right = [0.95] * 9 + [0.65], [True] * 9 + [False]
    assert abstention(*two_labels(tops * 200, right * 200), 0.88) == 0.0
    assert abstention(*two_labels(tops * 2, right * 2), 0.88) == 0.66


def test_abstention_on_many_probabilities():
    rng = np.random.default_rng(3)
    tops = rng.uniform(0.5, 1.0, 2000)
    right = rng.random(2000) < tops
    threshold = abstention(*two_labels(tops, right), 0.9)
    share = right[tops >= threshold].mean()
    assert 0.9 <= share < 0.93
    assert 0.6 < threshold < 0.95


def test_abstention_that_nothing_satisfies_gives_nothing():
    given = two_labels([0.9, 0.8], [False, False])
    threshold = abstention(*given, 0.5)
    assert not (given[0].max(axis=1) >= threshold).any()


def test_abstention_heeds_the_weights():
    tops, right = [0.9, 0.8, 0.7] * 500, [True, False, True] * 500
    assert abstention(*two_labels(tops, right, [1.0, 1.0, 2.0] * 500), 0.73) == 0.0
    assert abstention(*two_labels(tops, right, [1.0, 2.0, 1.0] * 500), 0.73) == 0.81


def test_published_notices_weigh_half_as_much_as_all_others(small_examples):
    weights = calibration_weights(small_examples)
    real = np.array([e.origin == "seed" for e in small_examples])
    assert weights[real].sum() == pytest.approx(len(weights) / 3)
    assert weights[~real].sum() == pytest.approx(len(weights) * 2 / 3)
    assert len(set(weights[real])) == len(set(weights[~real])) == 1
    authored = [e for e in small_examples if e.origin != "seed"]
    np.testing.assert_array_equal(calibration_weights(authored), np.ones(len(authored)))


def test_calibrated_on_what_was_left_out(small_tasks):
    task = small_tasks["status"]
    rows = range(len(task.examples))
    classifier, outcomes = fit_calibrated(task, rows)
    tested, logits = out_of_fold(task, list(rows))
    np.testing.assert_array_equal(outcomes.probabilities, softmax(logits / classifier.temperature))
    assert outcomes.truth == tuple(task.targets[i] for i in tested)
    majority = Counter(task.targets).most_common(1)[0][0]
    assert set(outcomes.majority) == {majority}
    columns = np.array([task.labels.index(name) for name in outcomes.truth])
    picked = outcomes.probabilities[np.arange(len(columns)), columns]
    assert -np.log(picked).mean() < math.log(len(task.labels))
