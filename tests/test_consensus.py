"""What a model learns where several people labelled, and what stays out of training."""

import json

import pytest

from rectify_nlp import LabelsError, load_examples
from rectify_nlp.consensus import segment_key
from rectify_nlp.examples import digest, load_labels
from rectify_nlp.scorecard import limits, where
from rectify_nlp.training import train
from rectify_nlp.trials import CHECKED, evaluate, evaluate_model

SEGMENT = {"problem": "党费收缴不规范", "measures": "已补缴。", "notice": "某局通报"}


def row(annotator, category="党建", status="已完成", time="2026-01-01T00:00:00Z", **more):
    said = {"annotator": annotator, "category": category, "status": status, "time": time}
    return {**SEGMENT, **said, **more}


def labels(tmp_path, taxonomy, *rows):
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), "utf-8")
    return load_labels([path], taxonomy)


CASES = {
    "one": ([row("李")], ("党建", "已完成"), []),
    "two agree": ([row("李"), row("王")], ("党建", "已完成"), []),
    "the category is disputed": ([row("李"), row("王", "执法")], None, ["category"]),
    "the status is disputed": ([row("李"), row("王", status="未完成")], ("党建", None), ["status"]),
    "one gives no status": ([row("李"), row("王", status=None)], ("党建", "已完成"), []),
    "both are disputed": (
        [row("李"), row("王", "执法", "未完成")], None, ["category", "status"]
    ),
    "two against one": ([row("李"), row("王"), row("赵", "执法")], None, ["category"]),
    "a later answer corrects": (
        [row("李", "执法", time="2026-01-02T00:00:00Z"), row("李"), row("王", "执法")],
        ("执法", "已完成"), [],
    ),
    "of equal times the later row": ([row("李", "执法"), row("李")], ("党建", "已完成"), []),
    "settled": (
        [row("李"), row("王", "执法"), row("组长", "执法", "未完成", final=True)],
        ("执法", "未完成"), [],
    ),
    "settled twice": (
        [row("a", "执法", final=True, time="2026-01-03T00:00:00Z"), row("b", final=True)],
        ("执法", "已完成"), [],
    ),
    "settled twice at once": (
        [row("a", final=True), row("b", "执法", final=True)], ("执法", "已完成"), [],
    ),
    "a shipped row and one's own": (
        [{**SEGMENT, "category": "执法"}, row("李")], None, ["category"]
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "settled", "disputed"), CASES.values(), ids=CASES)
def test_the_rule(rows, settled, disputed, tmp_path, taxonomy):
    found = labels(tmp_path, taxonomy, *rows)
    assert [(e.category, e.status) for e in found.examples] == ([settled] if settled else [])
    assert [conflict.task for conflict in found.conflicts] == disputed
    assert len(found.opinions) == len(rows)


def test_a_conflict_says_where_and_who(tmp_path, taxonomy):
    [conflict] = labels(tmp_path, taxonomy, row("李"), row("王", "执法")).conflicts
    assert str(conflict) == (
        f"{tmp_path}/own.jsonl:1: annotators differ on the category (李 党建, 王 执法);"
        " the segment is left out"
    )


def test_secondary_categories_of_all_are_kept(tmp_path, taxonomy):
    [example] = labels(
        tmp_path, taxonomy, row("李", also=["执法"]), row("王", also=["作风建设", "执法"])
    ).examples
    assert example.also == ("执法", "作风建设")


@pytest.mark.parametrize(
    "changed", ["党费 收缴\r\n不规范", "党费收缴\u200b不规范", "党费\t收缴不规范\n"]
)
def test_spaces_do_not_make_another_segment(changed, tmp_path, taxonomy):
    assert segment_key(changed, "") == segment_key(SEGMENT["problem"], "")
    found = labels(tmp_path, taxonomy, row("李"), row("王", problem=changed))
    assert len(found.examples) == 1


def test_nobody_in_particular_says_it_once(tmp_path, taxonomy):
    with pytest.raises(LabelsError, match=r"own\.jsonl:2: the same segment as .*own\.jsonl:1"):
        labels(tmp_path, taxonomy, row(""), row(None))


@pytest.mark.parametrize(
    ("name", "value"), [("final", "ja"), ("check", 1), ("final", []), ("annotator", 1)]
)
def test_columns_of_a_wrong_kind(name, value, tmp_path, taxonomy):
    with pytest.raises(LabelsError, match=rf"own.jsonl:1: {name} is n"):
        labels(tmp_path, taxonomy, row("李") | {name: value})


@pytest.mark.parametrize("time", ["2026-01-31T08:00:00+08:00", "2026-01-31", "soon"])
def test_times_that_could_not_be_put_in_order(time, tmp_path, taxonomy):
    with pytest.raises(LabelsError, match=r"own.jsonl:1: time '.*'.*UTC is wanted"):
        labels(tmp_path, taxonomy, row("李", time=time))


def test_flags_in_csv(tmp_path, taxonomy):
    path = tmp_path / "own.csv"
    path.write_text("problem,category,check,final\na,党建,true,\nb,党建,,false\n", "utf-8")
    assert [e.check for e in load_examples([path], taxonomy)] == [True, False]


def test_a_segment_that_checks_for_one_checks(tmp_path, taxonomy):
    [example] = labels(tmp_path, taxonomy, row("李"), row("王", check=True)).examples
    assert example.check


# -- training and judging --------------------------------------------------------------


@pytest.fixture(scope="module")
def with_checks(small_examples):
    """Half of the small examples, every eighth of them kept to check."""
    from dataclasses import replace

    return [replace(e, check=i % 8 == 0) for i, e in enumerate(small_examples[::2])]


@pytest.fixture(scope="module")
def learnt(with_checks, taxonomy):
    return train(with_checks, taxonomy)


def test_no_model_learns_from_what_checks(with_checks, learnt):
    rest = [e for e in with_checks if not e.check]
    assert learnt.info["trained_on"]["labels_sha256"] == digest(rest)
    assert learnt.info["trained_on"]["segments"] == len(rest) < len(with_checks)


def test_a_finished_model_is_judged_on_what_checks(with_checks, learnt, few_resamples):
    found = evaluate_model(learnt, with_checks)
    category = next(r for r in found.results if r.task == "category")
    assert category.segments == sum(e.check for e in with_checks)
    assert "drawn at random to check" in category.method
    with pytest.raises(LabelsError, match="trained on these very segments"):
        evaluate_model(learnt, [e for e in with_checks if not e.check])


def test_one_segment_that_checks_is_enough(with_checks, learnt, few_resamples):
    one = next(e for e in with_checks if e.check)
    assert next(r.segments for r in evaluate_model(learnt, [one]).results) == 1


def test_evaluate_tells_of_what_checks(with_checks, taxonomy, few_resamples, monkeypatch):
    # The published notices, left out in turn, are looked at elsewhere.
    monkeypatch.setattr("rectify_nlp.trials.REAL", "none")
    evaluation = evaluate(with_checks, taxonomy)
    found = [r for r in evaluation.results if r.method == CHECKED]
    assert [r.task for r in found] == ["category", "status"]
    assert where(found[0]) == "segments kept to check"
    assert not any("published segments" in line for line in limits(evaluation))
    assert found[0].segments == sum(e.check for e in with_checks)
