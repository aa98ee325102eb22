"""What typists and scans get wrong is put right character for character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rectify_nlp.slips import put_right


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("间题1:", "问题1:"),
        ("一、\nl.学习", "一、\n1.学习"),
        ("己完成整改", "已完成整改"),
        ("甲。\n整改情况 乙。\n整改结果丙", "甲。\n整改情况:乙。\n整改: 丙"),
        ("整改情况乙", "整改情况乙"),  # alone it may be a sentence's
        ("甲\n整改情况如下\n整改情况较好", "甲\n整改情况如下\n整改情况较好"),
        ("学习.记录.", "学习。记录。"),
        ("甲\n— 3 —\n● 乙", "甲\n     \n  乙"),
    ],
)
def test_slips_are_put_right(typed: str, meant: str) -> None:
    assert put_right(typed).rstrip() == meant.rstrip()


@given(
    st.text(st.sampled_from("整改情况结果措施落实间题己完成l.1(—)● -。,;: \n一甲3"), max_size=200)
)
def test_every_position_stays(text: str) -> None:
    right = put_right(text)
    assert len(right) == len(text)
    assert [i for i, c in enumerate(right) if c == "\n"] == [
        i for i, c in enumerate(text) if c == "\n"
    ]
