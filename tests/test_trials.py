"""Trials: nothing is tested on what it was trained on, and every way of leaving out leaves out."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from rectify_nlp import LabelsError
from rectify_nlp.classifier import Settings, softmax
from rectify_nlp.doubt import marks
from rectify_nlp.features import Block
from rectify_nlp.model import DOUBT_BELOW
from rectify_nlp.modelfolder import TASKS
from rectify_nlp.splitting import segment
from rectify_nlp.training import fit_calibrated, folds, tasks
from rectify_nlp.trials import (
    FOLDED,
    KINDS,
    POOLED,
    evaluate,
    evaluate_model,
    learning_curve,
    unit_kind,
    unseen_kinds,
)

# Few features: what is left out does not depend on what is read.
QUICK = {
    task: Settings(blocks=(Block("problem", ("problem",)),), inverse_regularisation=1.0)
    for task in TASKS
}
KIND_OF = {1: "县教育局", 2: "市教育局", 3: "总工会", 4: "水利局", 5: "统计局", 6: "区总工会"}


@pytest.fixture(scope="module")
def kinded(small_examples, examples):
    """The small examples and six notices of five kinds of units (two of each level of one)."""
    names = sorted({e.notice for e in examples if e.kind})[:6]
    kinds = {name: KIND_OF[i] for i, name in enumerate(names, 1)}
    more = [replace(e, kind=kinds[e.notice]) for e in examples if e.notice in kinds]
    return [*small_examples, *more]


@pytest.fixture(scope="module")
def kinded_tasks(kinded, taxonomy):
    return tasks(kinded, taxonomy, QUICK)


@pytest.fixture(scope="module")
def evaluation(kinded, taxonomy):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rectify_nlp.evaluation.RESAMPLES", 50)
        return evaluate(kinded, taxonomy, QUICK)


def test_every_way_of_leaving_out(evaluation, kinded):
    rated = sum(e.status is not None for e in kinded)
    of_kind = sum(e.kind is not None for e in kinded)
    assert [(r.task, r.method, r.segments) for r in evaluation.results] == [
        ("category", "left out: guangzhou-transport-2025", 17),
        ("category", "left out: linyi-transport-2023", 40),
        ("category", POOLED, 57),
        ("category", FOLDED, len(kinded)),
        ("category", KINDS, of_kind),
        ("status", "left out: linyi-transport-2023", 40),
        ("status", FOLDED, rated),
        ("status", KINDS, of_kind),
        ("doubtful", f"{FOLDED}, authored", rated - 40),
        ("doubtful", f"{FOLDED}, published", 40),
        ("doubtful", "left out: linyi-transport-2023", 40),
    ]
    pooled = evaluation.results[2].confusion
    parts = np.add(evaluation.results[0].confusion, evaluation.results[1].confusion)
    np.testing.assert_array_equal(pooled, parts)
    assert evaluation.origins == Counter(e.origin for e in kinded)
    assert evaluation.learning == ()


@pytest.mark.usefixtures("few_resamples")
def test_labels_without_kinds_or_published_notices(kinded, taxonomy):
    authored = [replace(e, kind=None) for e in kinded if e.origin != "seed"]
    results = evaluate(authored, taxonomy, QUICK).results
    assert [(r.task, r.method) for r in results] == [
        ("category", FOLDED),
        ("status", FOLDED),
        ("doubtful", f"{FOLDED}, authored"),
    ]


def test_the_kind_of_a_unit_has_no_level():
    assert unit_kind("县教育局") == unit_kind("市教育局") == "教育局"
    assert unit_kind("区总工会") == unit_kind("总工会") == "总工会"
    assert unit_kind("村党组织(县委巡察村)") == unit_kind("村党组织") == "村党组织"
    assert unit_kind("市委党校") == "市委党校"


def test_no_kind_is_trained_and_tested(kinded_tasks):
    """By hand: the fold that tests a kind trains on no notice of it, and on no unnamed one."""
    task = kinded_tasks["status"]
    found = unseen_kinds(task, 2.0)
    rows = [i for i, e in enumerate(task.examples) if e.kind]
    kinds = [unit_kind(task.examples[i].kind) for i in rows]
    assert len(set(kinds)) == 4
    trained, tested = next(folds(kinds))
    assert not {kinds[i] for i in trained} & {kinds[i] for i in tested}
    classifier = task.fit([rows[i] for i in trained])
    logits = task.logits(classifier, [rows[i] for i in tested])
    np.testing.assert_array_equal(found.probabilities[: len(tested)], softmax(logits / 2.0))
    assert len(found.truth) == len(rows)


def test_doubt_is_measured_out_of_fold(evaluation, kinded_tasks):
    task = kinded_tasks["status"]
    _, checked = fit_calibrated(task, range(len(task.examples)))
    authored = [i for i, group in enumerate(checked.groups) if group != "linyi-transport-2023"]
    by_hand = marks(checked.take(authored), DOUBT_BELOW)
    result = next(r for r in evaluation.results if r.task == "doubtful")
    assert result.score("recall").value == by_hand.recall
    assert result.confusion[1][1] == by_hand.false_doubted
    assert f"doubtful below {DOUBT_BELOW}" in result.signature


def test_a_learning_curve_grows_by_whole_notices(kinded_tasks):
    task = kinded_tasks["status"]
    points = list(learning_curve(task))
    authored = {e.notice for e in task.examples if e.origin != "seed"}
    trained, _ = next(folds([e.notice for e in task.examples if e.origin != "seed"]))
    assert [p.notices for p in points] == sorted({p.notices for p in points})
    assert points[-1].segments == len(trained)
    assert points[-1].notices < len(authored)
    for point in points:
        assert len(point.published) == len(point.authored) == (1 if point is points[-1] else 3)
        assert all(0 < share < 1 for share in (*point.published, *point.authored))
    assert list(learning_curve(task)) == points


def test_too_few_notices_have_no_learning_curve(small_examples, taxonomy):
    published = [e for e in small_examples if e.origin == "seed"]
    assert list(learning_curve(tasks(published, taxonomy)["category"])) == []


def test_a_model_is_not_judged_on_what_it_was_trained_on(model, small_examples):
    with pytest.raises(LabelsError, match="was trained on these very segments; give others"):
        evaluate_model(model, small_examples[::-1])


@pytest.mark.usefixtures("few_resamples")
def test_a_model_is_judged_on_other_segments(model, small_examples, examples):
    others = [e for e in examples if e not in small_examples and e.status][:90]
    results = evaluate_model(model, others).results
    assert [r.task for r in results] == ["category", "status", "doubtful"]
    assert results[0].segments == len(others)
    assert model.fingerprint in results[0].method
    verdicts = Counter()
    for example in others:
        verdicts[example.category, best(model, example)] += 1
    labels = results[0].labels
    assert results[0].confusion == tuple(tuple(verdicts[t, p] for p in labels) for t in labels)


def best(model, example):
    """The likeliest category of a segment."""
    _, issue = segment(example.problem, example.measures, example.path)
    return model.judge([issue])[0].category.ranking[0][0]
