"""Marks on falsified statements, counted by hand."""

import numpy as np
import pytest

from rectify_nlp.doubt import assess_doubt, marks
from rectify_nlp.evaluation import Outcomes

LABELS = ("未完成", "长期坚持", "已完成")


def outcomes(rows):
    return Outcomes(
        labels=LABELS,
        truth=tuple(truth for truth, _ in rows),
        also=((),) * len(rows),
        probabilities=np.array([p for _, p in rows]),
        majority=("已完成",) * len(rows),
        groups=tuple(f"notice {i}" for i in range(len(rows))),
    )


THREE = outcomes(
    [
        ("未完成", [0.90, 0.07, 0.03]),  # 已完成 would be doubted
        ("长期坚持", [0.48, 0.03, 0.49]),  # doubted though true
        ("已完成", [0.02, 0.04, 0.94]),  # both others would be
    ]
)


def test_marks_by_hand():
    found = marks(THREE, 0.05)
    assert (found.true, found.true_doubted) == (3, 1)
    assert (found.false, found.false_doubted) == (6, 3)
    assert found.recall == 0.5
    assert found.false_alarms == pytest.approx(1 / 3)
    # Of 100 statements 10 are false: 5 of them and 30 of the 90 true ones are doubted.
    assert found.precision == pytest.approx(5 / 35)


def test_without_marks_none_is_wrong():
    found = marks(THREE, 0.0)
    assert (found.recall, found.false_alarms, found.precision) == (0.0, 0.0, 1.0)


@pytest.mark.usefixtures("few_resamples")
def test_doubt_as_a_result():
    result = assess_doubt(THREE, doubt_below=0.05, method="m", provenance="labels x")
    assert result.task == "doubtful"
    assert [score.name for score in result.scores] == ["precision", "recall", "false alarms"]
    assert result.score("recall").value == 0.5
    assert result.confusion == ((2, 1), (3, 3))
    assert result.signature.startswith(
        "doubtful below 0.05|m|labels x|10% of statements false|segments 3"
    )
