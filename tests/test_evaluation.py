"""Metrics against figures worked out by hand, and scores that say where they come from."""

import math
import re

import numpy as np
import pytest

from rectify_nlp.evaluation import (
    METRICS,
    Cut,
    Outcomes,
    accuracy,
    assess,
    calibration_error,
    coverage,
    lenient_accuracy,
    log_loss,
    macro_f1,
    reliability,
)

pytestmark = pytest.mark.usefixtures("few_resamples")

LABELS = ("甲", "乙", "丙")


def outcomes(rows, *, also=None, groups=None, majority="甲"):
    """Outcomes from (truth, probabilities) pairs."""
    return Outcomes(
        labels=LABELS,
        truth=tuple(truth for truth, _ in rows),
        also=also or ((),) * len(rows),
        probabilities=np.array([p for _, p in rows]),
        majority=(majority,) * len(rows),
        groups=groups or tuple(f"notice {i}" for i in range(len(rows))),
    )


FOUR = outcomes(
    [
        ("甲", [0.7, 0.2, 0.1]),  # right
        ("甲", [0.2, 0.7, 0.1]),  # wrong: 乙
        ("乙", [0.1, 0.8, 0.1]),  # right
        ("乙", [0.1, 0.3, 0.6]),  # wrong: 丙
    ],
    also=(("乙",), ("乙", "丙"), (), ("甲",)),
)


def test_predicted_is_the_likeliest_label():
    assert FOUR.predicted == ("甲", "乙", "乙", "丙")


def test_accuracy():
    assert accuracy(FOUR) == 0.5
    assert lenient_accuracy(FOUR) == 0.75


def test_macro_f1():
    # 甲: precision 1, recall 1/2; 乙: both 1/2; 丙 was given once and never true.
    assert macro_f1(FOUR) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)


def test_log_loss():
    assert log_loss(FOUR) == pytest.approx(-np.log([0.7, 0.2, 0.8, 0.3]).mean())
    certain = outcomes([("乙", [1.0, 0.0, 0.0])])
    assert log_loss(certain) == pytest.approx(-math.log(1e-15))


def test_calibration_error():
    # Bins: 0.6 (wrong), 0.7 (one of two right), 0.8 (right).
    assert calibration_error(FOUR) == pytest.approx((0.6 + 2 * 0.2 + 0.2) / 4)
    perfect = outcomes([("甲", [1.0, 0.0, 0.0]), ("乙", [0.0, 1.0, 0.0])])
    assert calibration_error(perfect) == 0.0


def test_taking_rows_repeats_them():
    taken = FOUR.take([3, 0, 0])
    assert taken.truth == ("乙", "甲", "甲")
    assert taken.also == (("甲",), ("乙",), ("乙",))
    assert taken.groups == ("notice 3", "notice 0", "notice 0")
    assert accuracy(taken) == pytest.approx(2 / 3)


def test_majority_baseline():
    majority = FOUR.as_majority()
    assert majority.predicted == ("甲",) * 4
    assert (accuracy(majority), lenient_accuracy(majority)) == (0.5, 0.75)
    result = assess(FOUR, task="t", method="m", provenance="p")
    assert result.score("accuracy").baseline == 0.5
    assert result.score("macro-F1").baseline == pytest.approx((2 / 3 + 0) / 2)
    assert result.score("log-loss").baseline is None


@pytest.fixture(scope="module")
def many():
    """Sixty segments of twelve notices, about two thirds right."""
    rng = np.random.default_rng(5)
    chances = rng.dirichlet((1, 1, 1), 60)
    truth = [LABELS[row.argmax()] if rng.random() < 0.6 else "丙" for row in chances]
    rows = list(zip(truth, chances, strict=True))
    return outcomes(rows, groups=tuple(f"notice {i % 12}" for i in range(60)))


PROVENANCE = {"task": "category", "method": "left out: x", "provenance": "labels 0123456789ab"}


@pytest.fixture
def result(many, few_resamples):
    return assess(many, **PROVENANCE)


def test_intervals_hold_the_value_and_are_the_same_again(many, result):
    assert [score.name for score in result.scores] == [
        name for name in METRICS if name != "lenient accuracy"
    ]
    for score in result.scores:
        assert score.low < score.high
        # Resampling adds noise to the calibration error: it can only grow.
        if score.name != "calibration error":
            assert score.low < score.value < score.high
    assert assess(many, **PROVENANCE) == result


def test_the_interval_is_drawn_over_notices():
    """Notices all right or all wrong: their accuracy is less sure than that of the segments."""
    right, wrong = [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]
    rows = [("甲", right if i % 12 < 6 else wrong) for i in range(120)]
    by_notice = outcomes(rows, groups=tuple(f"notice {i % 12}" for i in range(120)))
    by_segment = outcomes(rows, groups=tuple(f"notice {i % 9}" for i in range(120)))
    wide, narrow = (
        assess(o, task="t", method="m", provenance="p").score("accuracy")
        for o in (by_notice, by_segment)
    )
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert "by notice" in wide.signature
    assert "by segment" in narrow.signature


def test_lenient_accuracy_and_confusion_counts(result):
    assert "lenient accuracy" not in {score.name for score in result.scores}
    result = assess(FOUR, task="t", method="m", provenance="p")
    assert result.score("lenient accuracy").value == 0.75
    assert result.confusion == ((1, 1, 0), (0, 1, 1), (0, 0, 0))
    assert (result.segments, result.notices) == (4, 4)


def test_a_score_says_where_it_comes_from(result):
    assert result.signature == (
        "category|left out: x|labels 0123456789ab|segments 60|notices 12"
        "|bootstrap 50 by notice, seed 0"
    )
    assert {score.signature for score in result.scores} == {result.signature}
    assert re.fullmatch(
        r"accuracy 0\.\d{3} \[0\.\d{3}, 0\.\d{3}\] \(majority 0\.\d{3}\)",
        str(result.score("accuracy")),
    )


def test_a_result_as_data(result):
    data = result.as_dict()
    assert data["labels"] == list(LABELS)
    assert sum(map(sum, data["confusion"])) == data["segments"] == 60
    assert set(data["scores"]["accuracy"]) == {"value", "low", "high", "baseline"}
    assert data["signature"].startswith("category|left out: x|")


def test_scores_by_label(many):
    """The same as scikit-learn's."""
    from sklearn.metrics import precision_recall_fscore_support

    found = assess(many, **PROVENANCE).by_label()
    wanted = precision_recall_fscore_support(
        many.truth, many.predicted, labels=[s.label for s in found], zero_division=0.0
    )
    for i, score in enumerate(found):
        given = (score.precision, score.recall, score.f1, score.support)
        assert given == pytest.approx([column[i] for column in wanted])
    (never,) = (s for s in assess(FOUR, **PROVENANCE).by_label() if s.label == "丙")
    assert (never.precision, never.recall, never.f1, never.support) == (0.0, 0.0, 0.0, 0)


def test_reliability_bins():
    low, middle, high = reliability(FOUR)
    assert (low.segments, low.probability, low.accuracy) == (1, 0.6, 0.0)
    assert (middle.segments, middle.accuracy) == (2, 0.5)
    assert (high.segments, high.probability, high.accuracy) == (1, 0.8, 1.0)


def test_coverage_falls_and_holds_the_default(result, many):
    cuts = coverage(FOUR, 0.65)
    assert cuts[0] == Cut(threshold=0.0, given=1.0, accuracy=0.5)
    (default,) = (cut for cut in cuts if cut.threshold == 0.65)
    assert (default.given, default.accuracy) == (0.75, pytest.approx(2 / 3))
    assert cuts[-1] == Cut(threshold=0.8, given=0.25, accuracy=1.0)
    given = [cut.given for cut in result.coverage]
    assert given == sorted(given, reverse=True)
    assert result.score("accuracy").value == result.coverage[0].accuracy == accuracy(many)
