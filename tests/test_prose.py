"""Sentences of running prose: how they are cut, what they tell, and what was learned from."""

import importlib.util
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rectify_nlp import notice_from_text, split
from rectify_nlp.decoding import decode
from rectify_nlp.errors import LabelsError
from rectify_nlp.features import Texts
from rectify_nlp.folding import fold
from rectify_nlp.prose import Prose, fields, prose, read_prose
from rectify_nlp.sentences import KINDS, Sentence, problems, sentences_of


@pytest.fixture(scope="module")
def learning(root: Path) -> Any:
    spec = importlib.util.spec_from_file_location("learn_prose", root / "scripts/learn_prose.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def texts(learning: Any, root: Path) -> list[Any]:
    return [learning.text_of(path) for path in sorted((root / "labels/prose").glob("*.txt"))]


def told(text: str) -> list[tuple[str, str]]:
    found, kinds = prose().told(text, 0, len(text))
    return [(KINDS[kind], text[s.start : s.end]) for s, kind in zip(found, kinds, strict=True)]


# -- sentences -----------------------------------------------------------------------------


def test_a_full_stop_within_quotation_marks_ends_no_sentence() -> None:
    text = "有群众说“门锁着。敲了没人应。”,一等就是半天。  第二天再来!\n 换了人。"
    assert [(text[s.start : s.end], s.opens) for s in sentences_of(text, 0, len(text))] == [
        ("有群众说“门锁着。敲了没人应。”,一等就是半天。", True),
        ("第二天再来!", False),
        ("换了人。", True),
    ]


@given(st.text("问题整改。!?\n “”,a1", max_size=80), st.integers(0, 80), st.integers(0, 80))
def test_sentences_leave_nothing_out(text: str, start: int, end: int) -> None:
    found = list(sentences_of(text, start, end))
    left = list(text[start:end])
    for before, after in pairwise(found):
        assert before.end <= after.start
    for sentence in found:
        assert start <= sentence.start < sentence.end <= end
        inside = text[sentence.start : sentence.end]
        assert inside == inside.strip()
        assert "\n" not in inside
        left[sentence.start - start : sentence.end - start] = [""] * len(inside)
    assert set("".join(left)) <= set("。!?\n ”")


@given(st.text("问题整改。!?\n “”,a1年党组开会", max_size=60))
def test_any_text_has_kinds(text: str) -> None:
    found, kinds = prose().told(text, 0, len(text))
    assert len(found) == len(kinds)
    spans = list(problems(found, kinds))
    assert all(first < last <= behind <= len(found) for first, last, behind in spans)
    assert all(before[2] <= after[0] for before, after in pairwise(spans))


# -- what they tell ------------------------------------------------------------------------


def test_facts_are_problems_and_deeds_are_measures() -> None:
    assert told(
        "机关食堂两年没有公布过账目,职工问起来,管理员说账本搬家时丢了。纪委查阅银行流水,把两年的收支重新列出。"
        "从4月起每月10日公布一次。\n镇上三个村的卫生室,药柜里摆着过期的药。过期药品当天封存,由县里统一销毁。"
    ) == [
        ("problem", "机关食堂两年没有公布过账目,职工问起来,管理员说账本搬家时丢了。"),
        ("measures", "纪委查阅银行流水,把两年的收支重新列出。"),
        ("measures", "从4月起每月10日公布一次。"),
        ("problem", "镇上三个村的卫生室,药柜里摆着过期的药。"),
        ("measures", "过期药品当天封存,由县里统一销毁。"),
    ]


def test_a_sentence_that_tells_both_is_cut_at_the_comma_between() -> None:
    text = "全镇有9处供水站的水质化验长期不按月送检,检测报告竟是同一张表改了日期,局里已与县疾控中心签订委托检测协议,每月取样,结果在公开栏张贴。"
    assert told(text) == [
        ("problem", "全镇有9处供水站的水质化验长期不按月送检,检测报告竟是同一张表改了日期"),
        ("measures", "局里已与县疾控中心签订委托检测协议,每月取样,结果在公开栏张贴。"),
    ]


NOTICE = """青峦镇党委关于巡察整改进展情况的通报
2023年3月至5月，县委第二巡察组对青峦镇党委开展了常规巡察。现将整改进展情况通报如下。
整改工作的组织
镇党委先后开会5次研究整改，成立了工作专班，每半月听取一次汇报。
财务方面
镇里的大会议室租给一家培训机构，租金收了三年，一分没有入账。
租金9.6万元已经由经办人缴入财政专户，合同重新签订。镇纪委对经办人作了诫勉谈话。
食堂买菜的发票都是一个人签字报销。
10月起改为三人验收、两人签字，每月底在公示栏贴出清单。
民生方面
一位前年去世的老人，高龄津贴一直发到今年6月。
多发的1400元由家属退回。民政所每月与派出所核对一次死亡人员名单。
下一步，镇党委将继续抓好整改，巩固成果。
青峦镇党委
2023年11月8日
"""


def test_a_notice_in_prose_is_cut_below_its_headings() -> None:
    issues = split(notice_from_text(NOTICE, "prose.txt")).issues
    assert [
        ([p.text for p in i.path], i.problem.text[:8], i.measures.text[:8], i.measures.text[-6:])
        for i in issues
    ] == [
        (["财务方面"], "镇里的大会议室租", "租金9.6万元已", "了诫勉谈话。"),
        (["财务方面"], "食堂买菜的发票都", "10月起改为三人", "栏贴出清单。"),
        (["民生方面"], "一位前年去世的老", "多发的1400元", "亡人员名单。"),
    ]


def test_what_does_not_call_itself_a_notice_is_not_read_so() -> None:
    text = NOTICE.replace("关于巡察整改进展情况的通报", "纪事").replace(
        "现将整改进展情况通报如下。", ""
    )
    issues = split(notice_from_text(text, "prose.txt")).issues
    assert not [issue for issue in issues if issue.problem.text.startswith("镇里")]


# -- what was learned ----------------------------------------------------------------------


def test_what_ships_is_learned_from_the_labels(
    learning: Any, texts: list[Any], root: Path, tmp_path: Path
) -> None:
    learning.save(learning.learn(texts), tmp_path)
    anew, committed = read_prose(tmp_path), read_prose(root / "models/prose")
    assert np.allclose(anew.transitions, committed.transitions)
    ours, theirs = anew.classifier, committed.classifier
    assert list(ours.vectorizer.columns()) == list(theirs.vectorizer.columns())
    assert np.allclose(ours.weights, theirs.weights, rtol=0, atol=1e-4)
    assert np.allclose(ours.bias, theirs.bias, rtol=0, atol=1e-4)
    described = json.loads((root / "models/prose/model.json").read_bytes())
    assert described.keys() == {"classifiers", "transitions"}


def test_an_author_left_out_is_read(learning: Any, texts: list[Any]) -> None:
    """Author b wrote the plainest prose, with hardly a word that names a deficit."""
    score = learning.score(texts, "b")
    assert score.sentences >= 0.93
    assert score.problems >= 0.8


def test_no_sentence_was_learned_that_a_case_tests(texts: list[Any], root: Path) -> None:
    learned = {
        text.folded[s.start : s.end]
        for text in texts
        for s, kind in zip(text.sentences, text.kinds, strict=True)
        if s.end - s.start >= 20 and KINDS[kind] in ("problem", "measures")
    }
    files = [*root.glob("tests/cases/txt/*.txt"), *root.glob("tests/open_cases/*.txt")]
    cases = "".join(fold(decode(path.read_bytes())[0]) for path in files)
    assert len(learned) > 2500
    assert not [sentence for sentence in learned if sentence in cases]


def test_a_line_without_a_tag_is_named(learning: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("H 标题\n\nX 没有标记\n", encoding="utf-8")
    with pytest.raises(LabelsError, match=r"x\.txt:3: a line begins with one of P, M, O, H, B"):
        learning.text_of(path)


def test_the_most_probable_sequence_is_found() -> None:
    """No other sequence of a few sentences is more probable."""
    reader: Prose = prose()
    text = "开会研究。台账不全。已经补齐。"
    found = [Sentence(0, 5, True), Sentence(5, 10, False), Sentence(10, 15, False)]
    scores = reader.classifier.logits(Texts([fields(text[s.start : s.end]) for s in found]))

    def total(kinds: tuple[int, ...]) -> float:
        before, sum_ = KINDS.index("heading"), 0.0
        for sentence, score, kind in zip(found, scores, kinds, strict=True):
            sum_ += reader.transitions[int(sentence.opens)][before][kind] + score[kind]
            before = kind
        return float(sum_)

    allowed = [i for i, kind in enumerate(KINDS) if kind != "heading"]
    best = max(((a, b, c) for a in allowed for b in allowed for c in allowed), key=total)
    assert tuple(reader.kinds(text, found)) == best
