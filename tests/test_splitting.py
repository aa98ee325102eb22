"""Splitting as such: what it never does, whatever the text, and how its cost grows."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rectify_nlp import notice_from_text, read, split
from rectify_nlp.folding import Folded, fold
from rectify_nlp.splitting import segment

PIECES = [
    "一、", "(一)", "（二）", "1.", "2、", "(1)", "①", "一是", "二是", "问题1:", "关于“", "”的问题", "的问题。", "整改情况:",
    "整改进度:", "已完成", "未完成", "长期坚持", "整改措施:", "反馈问题:", "存在", "不到位", "学习不深入", "加强管理", "。", ",", ";",
    "\n", " ", "\u3000", "2023年", "25个问题", "《", "》", "(", ")", "下一步", "方面", "欢迎监督", "党(dǎng)", "關於", "整改", "巡察",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=120).map("".join))
@settings(deadline=None, max_examples=300)
def test_whatever_the_text_claims_stand_in_it_and_in_order(text: str) -> None:
    notice = notice_from_text(text, "made up")
    parts = split(notice)
    last = 0
    for issue in parts.issues:
        for passage in (issue.problem, issue.measures, *issue.path):
            assert text[passage.start : passage.end] == passage.text
        assert last <= issue.problem.start <= issue.problem.end <= issue.measures.start
        last = issue.measures.end
        if issue.stated:
            assert text[issue.stated.start : issue.stated.end] == issue.stated.text
    if not parts.issues:
        assert any("no issues found" in warning for warning in parts.warnings)


@given(st.text(max_size=200))
@settings(deadline=None)
def test_folding_leads_back(text: str) -> None:
    assert len(fold(text)) == len(text)
    folded = Folded.of(text)
    places = [folded.place(i) for i in range(len(folded.text) + 1)]
    assert places == sorted(places)
    assert places[-1] == len(text)


HARD = """
import resource
from rectify_nlp import notice_from_text, split
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
for piece in (
    "关于“", "关于的", "1.", "(一)", "整改情况:", "问题", " ", "不", "“", "该问题已", "反馈1个", "索 ", "引 ", "“。", "( ",
    "整改进度: ", "对不问题", "截至1月1日", "(dǎng)党", "一、", "\\n", "\\n1.", "\\n(1)关于“", "\\n整改情况:", "一是",
):
    line = piece * (100_000 // len(piece))
    split(notice_from_text("巡察整改通报\\n一、整改情况\\n1." + line + "引", "hard"))
"""


def test_no_line_costs_much_more_than_its_length() -> None:
    """Lines of 100,000 characters made to mislead: whatever grew with their square would be killed."""
    subprocess.run([sys.executable, "-c", HARD], check=True)


def test_seed_notices_are_cut_exactly(root: Path) -> None:
    first = split(read(root / "seeds/linyi-transport-2023.txt")).issues
    second = split(read(root / "seeds/guangzhou-transport-2025.txt")).issues
    assert [i.number and i.number.text for i in first] == [f"({n})" for n in range(1, 41)]
    assert [i.number and i.number.text for i in second] == [f"{n}." for n in range(1, 18)]
    assert all(i.stated for i in first)
    assert not any(i.stated for i in second)
    assert all(i.measures.text for i in (*first, *second))


def test_traditional_status_of_a_ready_cut_segment():
    pytest.importorskip("opencc")
    for measures in ("整改進度：已完成整改。", "該問題已完成整改。"):
        _, issue = segment("關於學習不夠的問題", measures)
        assert issue.stated is not None
        assert issue.stated.status == "已完成"
