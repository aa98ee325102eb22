"""The model is as good as it was: bounds on the committed evaluation and on training anew."""

import importlib.util
import json
from types import ModuleType

import pytest

from rectify_nlp.examples import digest


@pytest.fixture(scope="module")
def quality(root) -> ModuleType:
    spec = importlib.util.spec_from_file_location("quality", root / "scripts" / "quality.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def floors(quality):
    return json.loads(quality.FLOORS.read_text(encoding="utf-8"))


def test_the_bounds_are_of_these_labels(floors, examples):
    assert floors["labels"] == digest(examples), (
        "run scripts/readme.py --evaluate, then scripts/quality.py"
    )


def test_the_committed_evaluation_keeps_its_bounds(quality, floors):
    measured = quality.figures(json.loads(quality.EVALUATION.read_text(encoding="utf-8")))
    held = {n: bound for n, bound in floors["bounds"].items() if quality.RETRAINED not in n}
    assert measured.keys() == held.keys(), "run scripts/quality.py"
    assert quality.broken(measured, held) == []


def test_every_lowering_is_told(quality, floors):
    changelog = quality.CHANGELOG.read_text(encoding="utf-8")
    assert [entry for entry in floors["lowered"] if entry["reason"] not in changelog] == []


def test_a_model_trained_anew_keeps_the_bounds(quality, floors, examples, taxonomy):
    measured = quality.figures(quality.retrained(examples, taxonomy))
    held = {n: bound for n, bound in floors["bounds"].items() if quality.RETRAINED in n}
    assert measured.keys() == held.keys(), "run scripts/quality.py"
    assert quality.broken(measured, held) == []


RESULT = {"task": "category", "method": "m", "segments": 1000, "signature": "labels x"}


def result(accuracy, error=0.02):
    scores = {"accuracy": {"value": accuracy}, "calibration error": {"value": error}}
    return [{**RESULT, "scores": scores}]


@pytest.fixture
def held(quality):
    return quality.update(result(0.9), {"bounds": {}, "lowered": []}, "x", "", "")


def test_bounds_leave_a_little(held):
    assert held["bounds"] == {
        "category | m | accuracy": 0.895,
        "category | m | calibration error": 0.025,
    }


def test_bounds_only_become_stricter(quality, held):
    better = quality.update(result(0.92, 0.01), held, "x", "", "")
    assert list(better["bounds"].values()) == [0.915, 0.015]
    assert quality.update(result(0.896, 0.024), held, "x", "", "")["bounds"] == held["bounds"]


@pytest.mark.parametrize(
    ("worse", "told"),
    [
        (result(0.89), r"category \| m \| accuracy: 0.8900, bound 0.8950"),
        (result(0.9, 0.03), r"category \| m \| calibration error: 0.0300, bound 0.0250"),
        ([], r"category \| m \| accuracy: no longer measured"),
    ],
)
def test_lowering_needs_a_reason_that_the_changelog_tells(quality, held, worse, told):
    with pytest.raises(ValueError, match=told):
        quality.update(worse, held, "x", "", "the corpus became harder")
    with pytest.raises(ValueError, match=r"CHANGELOG.md does not say"):
        quality.update(worse, held, "x", "a better reason", "the corpus became harder")
    reason = "the corpus became harder"
    new = quality.update(worse, held, "x", reason, f"- Note: {reason}.")
    assert [entry["reason"] for entry in new["lowered"]] == [reason]
    assert new["bounds"] == quality.bounds(worse)
    assert quality.broken(quality.figures(worse), new["bounds"]) == []
