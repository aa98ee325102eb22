"""What is picked to label: unsure, of many kinds, nothing twice, and a fair draw to check."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rectify_nlp import Example, Model, read
from rectify_nlp.batch import results
from rectify_nlp.labelling import seal
from rectify_nlp.labelsheet import fields, from_fields
from rectify_nlp.picking import LONGEST, ROUND, Candidate, candidates, pick, queue
from rectify_nlp.similarity import Seen, shingles

WORDS = "党费收缴不规范公车私用超标采购程序倒置学习走过场台账缺失执法案卷归档迟缓信访积案化解窗口排队闲置资产处置"


def candidate(number, margin=0.5, category="党建", unit="甲局", **more):
    # Texts without a run of six characters in common.
    text = "".join(chr(0x4E00 + (number * 97 + i * 31 * (number + 1)) % 20000) for i in range(30))
    return Candidate(
        problem=text, measures="", notice=unit, unit=unit, category=category, margin=margin, **more
    )


def labelled(c):
    return Example(
        problem=c.problem, measures=c.measures, category="党建", notice="n", origin="own"
    )


@pytest.fixture
def pool():
    return [
        candidate(i, margin=i / 300, category=f"类{i % 5}", unit=f"局{i % 7}") for i in range(300)
    ]


def test_count_and_checks(pool):
    found = pick(pool, 50, check=10)
    assert len({c.key for c in found}) == 50
    assert sum(c.check for c in found) == 10
    assert {c.key for c in found} <= {c.key for c in pool}


def test_the_same_seed_picks_the_same(pool):
    assert pick(pool, 30, check=5, seed=1) == pick(pool, 30, check=5, seed=1)
    assert pick(pool, 30, check=5, seed=1) != pick(pool, 30, check=5, seed=2)


def test_checks_tell_no_suggestion_and_others_do(pool):
    found = pick(pool, 50, check=10)
    assert {(c.category is None, c.check) for c in found} == {(True, True), (False, False)}


def test_checks_are_drawn_whatever_the_margin(pool):
    drawn = [c.margin for seed in range(30) for c in pick(pool, 10, check=10, seed=seed)]
    assert 0.4 < sum(drawn) / len(drawn) < 0.6
    picked = [c.margin for c in pick(pool, 40)]
    assert max(picked) < 0.3


def test_no_more_than_there_is(pool):
    assert len(pick(pool[:4], 50, check=10)) == 4
    assert pick([], 50, check=10) == []


def test_low_margins_come_first_and_no_kind_crowds_out_others(pool):
    crowd = [candidate(1000 + i, margin=0.0, category="类0", unit="局0") for i in range(40)]
    first = [c for c, _ in zip(queue([*crowd, *pool]), range(ROUND), strict=False)]
    assert Counter(c.category for c in first)["类0"] <= -(-2 * ROUND // 5)
    assert Counter(c.unit for c in first)["局0"] <= -(-2 * ROUND // 7)
    rest = [c.margin for c in first if c.unit != "局0"]
    assert rest == sorted(rest)


def test_a_pool_of_one_kind_is_taken_nevertheless():
    pool = [candidate(i, margin=i / 10) for i in range(30)]
    assert [c.margin for c in queue(pool)] == [c.margin for c in pool]
    lopsided = [*(candidate(i) for i in range(30)), candidate(99, category="执法", unit="乙局")]
    assert len(list(queue(lopsided))) == 31


def test_what_is_labelled_is_not_picked_again(pool):
    first = pick(pool, 50, check=10)
    second = pick(pool, 50, check=10, known=[labelled(c) for c in first])
    assert {c.key for c in first} & {c.key for c in second} == set()


def test_one_of_a_group_of_near_duplicates():
    original = candidate(1, margin=0.1)
    like = [replace(original, problem=original.problem + end, margin=0.2) for end in "甲乙丙"]
    other = candidate(2, margin=0.9)
    assert list(queue([*like, original, other])) == [original, other]
    assert list(queue([*like, other], [labelled(original)])) == [other]


def test_texts_too_long_to_label_are_left_out():
    long = replace(candidate(1), problem="长" * (LONGEST + 1))
    assert pick([long, candidate(2)], 5) == [candidate(2)]


def test_the_next_one_is_the_first_of_the_queue(pool):
    labels = [labelled(c) for c in pool[:3]]
    assert next(queue(pool, labels)) == pool[3]


@given(st.text(WORDS, min_size=1, max_size=60), st.text(WORDS, max_size=60))
@settings(max_examples=60, deadline=None)
def test_seen_agrees_with_its_definition(one, other):
    seen = Seen()
    seen.add(one)
    a, b = shingles(one), shingles(other)
    assert seen.has_like(other) == (len(a & b) >= 0.5 * min(len(a), len(b)))
    assert seen.has_like(one)


def test_candidates_of_notices_and_of_tables(guangzhou, tmp_path):
    model = Model.load()
    found = list(candidates(results([str(guangzhou)], model)))
    notice = read(guangzhou)
    assert len(found) == 17
    assert {c.source_sha256 for c in found} == {notice.sha256}
    assert {c.notice for c in found} == {notice.title}
    assert all(0 <= c.margin <= 1.5 and c.category_p for c in found)
    table = tmp_path / "a.jsonl"
    table.write_text(
        '{"problem": "党费收缴不规范", "notice": "某局", "number": "3."}\n{"x": 1}\n', "utf-8"
    )
    [row] = candidates(results([str(table)], model))
    assert (row.notice, row.number, row.unit) == ("某局", "3.", "某局")
    assert len(row.source_sha256) == 64


def test_a_segment_with_half_a_character_is_a_candidate(tmp_path):
    table = tmp_path / "a.jsonl"
    given = {"problem": "\ud800党费收缴不规范", "source_sha256": "\ud800"}
    table.write_text(json.dumps({"problem": given["problem"]}) + "\n" + json.dumps(given), "utf-8")
    one, other = candidates(results([str(table)], Model.load()))
    assert (one.problem, other.source_sha256) == ("?党费收缴不规范", "?")
    assert len(one.source_sha256) == 64
    assert len(seal(one)) == len(seal(other)) == 16


@given(
    st.builds(
        Candidate,
        problem=st.text(min_size=1), measures=st.text(), notice=st.text(), number=st.text(),
        source_sha256=st.text("0123456789abcdef"), check=st.booleans(),
    )
)  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_a_seal_survives_what_a_sheet_does_to_texts(c):
    from rectify_nlp.sheets import as_text

    shown = {name: as_text(value).replace("\r", "").strip() for name, value in fields(c).items()}
    again = from_fields(shown)
    tidy = replace(
        c, **{n: as_text(getattr(c, n)) for n in ("problem", "measures", "notice", "number")}
    )
    assert seal(again) == seal(tidy)


@pytest.mark.parametrize("name", ["problem", "measures", "notice", "number", "source_sha256"])
def test_a_seal_tells_every_change(name):
    c = candidate(1)
    assert seal(replace(c, **{name: "改"})) != seal(c) != seal(replace(c, check=True))
    assert seal(replace(c, path=("一、",))) != seal(c)
    assert seal(replace(c, told="x", category=None, margin=0.0)) == seal(c)
