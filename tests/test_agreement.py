"""Agreement against known figures, and suspects where labels were falsified."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rectify_nlp import Example, MissingExtra
from rectify_nlp.agreement import agreements, alpha, suspects, to_review
from rectify_nlp.consensus import Opinion, settle


def opinions(**answers):
    """By annotator the category of segment 0, 1, 2 ...; None where there is none."""
    return [
        Opinion(
            example=Example(problem=f"问题{i}", measures="", category=label, notice="n", origin="own"),
            path=Path("own.jsonl"), line=i + 1, annotator=who,
        )
        for who, labels in answers.items()
        for i, label in enumerate(labels)
        if label
    ]  # fmt: skip


def test_alpha_of_the_published_example():
    # Krippendorff 2011, section C: four observers, twelve units, nominal alpha .743.
    columns = [
        "1 1 . 1", "2 2 3 2", "3 3 3 3", "3 3 3 3", "2 2 2 2", "1 2 3 4",
        "4 4 4 4", "1 1 2 1", "2 2 2 2", ". 5 5 5", ". . 1 1", ". . 3 .",
    ]  # fmt: skip
    units = [[v for v in column.split() if v != "."] for column in columns]
    assert alpha(units) == pytest.approx(0.743, abs=5e-4)


def test_alpha_of_nothing_to_differ_on():
    assert alpha([["a", "a"], ["a", "a"]]) is None
    assert alpha([]) is None
    assert alpha([["a", "a"], ["b", "b"]]) == 1


def test_two_annotators():
    # 20 and 15 yes both, 5 and 10 apart: the example of Cohen's kappa, 0.4.
    both = [("甲", "甲")] * 20 + [("甲", "乙")] * 5 + [("乙", "甲")] * 10 + [("乙", "乙")] * 15
    [found] = agreements(opinions(李=[a for a, _ in both], 王=[b for _, b in both]))
    assert (found.annotators, found.segments, found.measure) == (("李", "王"), 50, "Cohen's kappa")
    assert found.share == pytest.approx(0.7)
    assert found.value == pytest.approx(0.4)


def test_three_annotators_and_gaps():
    found = list(
        agreements(opinions(a=["甲", "乙", None], b=["甲", "甲", "乙"], c=[None, "甲", None]))
    )
    assert [(f.annotators, f.segments) for f in found] == [
        (("a", "b"), 2), (("a", "c"), 1), (("b", "c"), 1), (("a", "b", "c"), 2),
    ]  # fmt: skip
    assert found[2].value is None
    assert "undefined" in str(found[2])
    assert found[3].share == pytest.approx(2 / 4)


def test_nobody_agrees_with_a_settlement_or_with_shipped_rows():
    rows = opinions(李=["甲"], 组长=["甲"])
    assert list(agreements([rows[0], replace(rows[1], final=True)])) == []
    assert list(agreements([rows[0], replace(rows[1], annotator="")])) == []


WORDS = {
    "党建": "党费收缴换届组织生活",
    "财经纪律": "公车津补贴报销预算",
    "执法": "案卷处罚裁量巡查",
}


def easy_examples():
    """Segments of twelve notices whose category any classifier can learn."""
    return [
        Example(
            problem=f"{words[(i + n) % 6 :]}{words[: i + 2]}方面存在问题第{'甲乙丙丁戊己庚'[i]}条",
            measures="", category=category, notice=f"通报{n}", origin="own",
            status=("未完成", "已完成")[i % 2],
        )
        for n in range(12)
        for category, words in WORDS.items()
        for i in range(4)
    ]  # fmt: skip


def test_falsified_labels_are_suspected(taxonomy):
    pytest.importorskip("cleanlab")
    examples = easy_examples()
    wrong = range(5, len(examples), 31)
    for i in wrong:
        other = next(name for name in WORDS if name != examples[i].category)
        examples[i] = replace(examples[i], category=other)
    found = [s for s in suspects(examples, taxonomy) if s.task == "category"]
    assert {s.example.problem for s in found} >= {examples[i].problem for i in wrong}
    assert len(found) <= 2 * len(wrong)
    assert all(s.given == s.example.category != s.likelier for s in found)
    said = [Opinion(example=e, path=Path("a"), line=1, annotator="李") for e in examples]
    rows = to_review(settle(said), found)
    assert [(c.problem, c.category) for c in rows] == [
        (s.example.problem, s.likelier) for s in found
    ]
    assert rows[0].told.startswith(f"李：{found[0].given}")


def test_without_cleanlab_the_extra_is_named(taxonomy, monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    with pytest.raises(MissingExtra, match=r"rectify-nlp\[label\]"):
        suspects(easy_examples(), taxonomy)


def test_disputes_are_shown_with_what_everybody_said():
    labels = settle(opinions(李=["甲", "乙"], 王=["乙", "乙"]))
    [shown] = to_review(labels, [])
    assert (shown.problem, shown.told, shown.category) == ("问题0", "李：甲\n王：乙", None)
