"""The simulated annotator of scripts/simulate_labelling.py: fair deals, and figures that add up."""

import importlib.util
import sys
from collections import Counter

import pytest


@pytest.fixture(scope="module")
def simulation(root):
    spec = importlib.util.spec_from_file_location("sim", root / "scripts/simulate_labelling.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["sim"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_notices_are_dealt_whole(simulation, examples):
    items = [simulation.Item(example=e, issue=None) for e in examples if e.origin == "authored"]
    parts = simulation.dealt(items, 3)
    notices = [{item.example.notice for item in part} for part in parts]
    assert not (notices[0] & notices[1])
    assert not (notices[0] & notices[2])
    assert not (notices[1] & notices[2])
    assert sum(map(len, parts)) == len(items)
    largest = max(Counter(item.example.notice for item in items).values())
    assert simulation.START <= len(parts[1]) < simulation.START + largest
    assert simulation.dealt(items, 3) == parts != simulation.dealt(items, 4)


def test_intervals_by_student(simulation):
    # Mean 2, standard error 1/sqrt(3), t(2; 0.975) = 4.3027.
    assert simulation.interval([1, 2, 3]) == pytest.approx((2, 2 - 2.4841, 2 + 2.4841), abs=1e-4)


def test_the_table_compares_arms_seed_by_seed(simulation, root):
    points = [
        simulation.Point(
            seed=seed, arm=arm, labels=labels, tested_on="authored", task="category",
            accuracy=0.5 + seed / 10 + (0.02 if arm == "picked" and labels else 0),
        )
        for seed in (1, 2) for arm in simulation.ARMS for labels in (0, 50)
    ]  # fmt: skip
    head, _, first, second, *_ = simulation.lines(points)
    assert first.endswith("|  |")
    assert second.endswith("| +2.0 [+2.0, +2.0] |")
    assert head in (root / "docs/labelling.md").read_text("utf-8").splitlines()
