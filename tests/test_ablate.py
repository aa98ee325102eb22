"""The ablation compares like with like."""

import importlib.util
import sys

import numpy as np
import pytest

from rectify_nlp.features import Counts
from rectify_nlp.training import REAL, tasks


@pytest.fixture(scope="module")
def ablate(root):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root / "scripts")
        spec = importlib.util.spec_from_file_location("ablate", root / "scripts" / "ablate.py")
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "ablate", module)  # dataclasses look their module up
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def by_name(ablate, small_examples, taxonomy):
    return tasks(ablate.described(small_examples, taxonomy), taxonomy)


def test_descriptions_are_trained_on_only_where_asked(ablate, by_name):
    task = by_name["category"]
    descriptions = {i for i, e in enumerate(task.examples) if e.origin == ablate.DESCRIPTIONS}
    assert len(descriptions) == len(task.labels)
    for part in ablate.splits(task):
        for train, test in part:
            assert not descriptions & {*train, *test}
            assert set(ablate.with_descriptions(task, train)) == descriptions | set(train)
            assert not {task.examples[i].notice for i in train} & {
                task.examples[i].notice for i in test
            }
    assert not [e for e in by_name["status"].examples if e.origin == ablate.DESCRIPTIONS]


def test_published_segments_can_weigh_more_or_nothing(ablate, by_name):
    task = by_name["category"]
    rows = ablate.plain(task, list(range(len(task.examples))))
    real = [i for i in rows if task.examples[i].origin == REAL]
    assert len(ablate.with_published_repeated(task, rows)) == len(rows) + 4 * len(real)
    assert set(ablate.without_published(task, rows)) == set(rows) - set(real)


def test_counts_are_reused_only_where_they_are_the_same(ablate, by_name):
    task = by_name["status"]
    heavier = tuple(block._replace(weight=3.0) for block in task.settings.blocks)
    fewer = heavier[:1]
    for blocks in (heavier, fewer):
        _, reused = ablate.counted(task, blocks).fit(range(50), 2)
        _, anew = Counts(task.segments, blocks).fit(range(50), 2)
        np.testing.assert_array_equal(reused.toarray(), anew.toarray())
    assert task.counts.blocks == task.settings.blocks


def test_a_line_a_change(ablate, by_name):
    base, *changed = ablate.lines(by_name["status"], "C ")
    assert base.startswith("| status | as it is |")
    assert "[" not in base
    assert [cell.count("/") for cell in base.split("|")[3:7]] == [2, 0, 2, 0]
    assert [line.split("|")[2].strip() for line in changed] == ["C 0.667", "C 6"]
    for line in changed:
        assert line.count("[") == 2


def test_the_difference_is_paired(ablate):
    groups = tuple(f"notice {i % 13}" for i in range(120))
    right = np.tile([1.0, 0.0, 1.0, 1.0], 30)
    base = ablate.Tested(right=right, groups=groups, macro_f1=0.0, log_loss=0.0)
    assert ablate.difference(base, base) == (0.0, 0.0, 0.0)
    better = ablate.Tested(right=np.ones(120), groups=groups, macro_f1=0.0, log_loss=0.0)
    gain, low, high = ablate.difference(better, base)
    assert gain == 25.0
    assert 0.0 < low < 25.0 < high
