"""Splitting as such: what it never does, whatever the text, and how its cost grows."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rectify_nlp import notice_from_text, read, split
from rectify_nlp.folding import Folded, fold
from rectify_nlp.reading import read_bytes
from rectify_nlp.splitting import segment

PIECES = [
    "一、", "(一)", "（二）", "1.", "2、", "(1)", "①", "一是", "二是", "问题1:", "关于“", "”的问题", "的问题。", "整改情况:",
    "整改进度:", "已完成", "未完成", "长期坚持", "整改措施:", "反馈问题:", "存在", "不到位", "学习不深入", "加强管理", "。", ",", ";",
    "\n", " ", "\u3000", "2023年", "25个问题", "《", "》", "(", ")", "下一步", "方面", "欢迎监督", "针对上述两个问题,", "现已", "的问题,", "党(dǎng)", "關於", "整改", "巡察",
    "\n●", "\n——", "\n2 ", "\n3，", "\n某村支部\n2024年9月10日\n某村整改情况\n", "\n一、反馈的主要问题\n", "\n二、整改落实情况\n",
    "\n对第1个问题，", "\n对第1、2个问题，", "党的建设方面\n", "的问题\n", "\n有差距的问题\n", "反馈问题",
    "巡察组指出，", "\n反馈意见提到，", "方面，主要是", "存在两个问题：", "；二是", "\n对于第一点，", "对于第二点，", "此外，", "【党建】", "学习.",
    "对学习不深入的问题，", "\n学习教育\n",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=120).map("".join))
@settings(deadline=None, max_examples=300)
def test_whatever_the_text_claims_stand_in_it_and_in_order(text: str) -> None:
    notice = notice_from_text(text, "made up")
    parts = split(notice)
    for issue in parts.issues:
        for passage in (issue.problem, issue.measures, *issue.path):
            assert text[passage.start : passage.end] == passage.text
        assert issue.problem.end <= issue.measures.start
        if issue.stated:
            assert text[issue.stated.start : issue.stated.end] == issue.stated.text
    problems = [(issue.problem.start, issue.problem.end) for issue in parts.issues]
    assert problems == sorted(problems)
    # Measures may answer several problems, and stand behind other ones, but share no text.
    measures = {(i.measures.start, i.measures.end) for i in parts.issues if i.measures.text}
    for (_, end), (start, _) in pairwise(sorted([*problems, *measures])):
        assert end <= start
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
    "整改进度: ", "1", "1、", "不,已", "整改况", "对不问题", "截至1月1日", "(dǎng)党", "一、", "\\n", "\\n1.", "\\n(1)关于“", "\\n整改情况:", "一是",
):
    line = piece * (100_000 // len(piece))
    split(notice_from_text("巡察整改通报\\n一、整改情况\\n1." + line + "引", "hard"))
    split(notice_from_text("巡察整改通报\\n一、整改情况\\n1.不严\\n2.不实。\\n针对以上" + line, "hard"))
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


HEAD = "某局党组关于巡察整改情况的通报\n根据统一部署，巡察组反馈了问题。\n二、反馈问题整改情况\n"
LAST = "3.财务管理混乱。\n整改情况：补正凭证9张。"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "1.1.学习不深入。\n整改情况：整改情况：集中学习2次。\n2.2.管理松散。\n整改情况：：修订制度1项。\n"
            "3.1.财务管理混乱。\n整改情况：补正凭证9张。",
            [
                ("学习不深入。", "集中学习2次。"),
                ("管理松散。", "修订制度1项。"),
                ("财务管理混乱。", "补正凭证9张。"),
            ],
            id="numbers and labels printed twice",
        ),
        pytest.param(
            f"1.学习不深入。\n整改落实请况：集中学习2次。\n2.管理松散。\n整该情况：修订制度1项。\n{LAST}",
            [("学习不深入。", "集中学习2次。"), ("管理松散。", "修订制度1项。")],
            id="misspelt labels",
        ),
        pytest.param(
            f"1.学习不深入。\n整改情况各支部集中学习2次。\n2.管理松散。\n整改情况：修订制度1项。\n{LAST}",
            [("学习不深入。", "各支部集中学习2次。"), ("管理松散。", "修订制度1项。")],
            id="a label without its colon, beside others",
        ),
        pytest.param(
            "1.学习不深入。\n整改情况各支部集中学习2次。\n2.管理松散。\n办公室修订制度1项。",
            [
                ("学习不深入。", "整改情况各支部集中学习2次。"),
                ("管理松散。", "办公室修订制度1项。"),
            ],
            id="no label where there are no others",
        ),
        pytest.param(
            f"1.学习不深入，整改情况：集中学习2次。\n2.管理松散.整改落实情况：修订制度1项。\n{LAST}",
            [("学习不深入", "集中学习2次。"), ("管理松散.", "修订制度1项。")],
            id="labels behind a comma and a western full stop",
        ),
        pytest.param(
            f"1.学习不深入整改情况：集中学习2次。\n2.会议纪律松散问题整改情况：修订制度1项。\n{LAST}",
            [("学习不深入", "集中学习2次。"), ("会议纪律松散问题", "修订制度1项。")],
            id="labels run together with the title",
        ),
        pytest.param(
            f"1.学习不深入。2023年有1名党员缺少记录，整改情况：集中学习2次。\n{LAST}",
            [("学习不深入。2023年有1名党员缺少记录", "集中学习2次。")],
            id="a label behind the facts of the problem",
        ),
        pytest.param(
            "1.学习不深入，现已集中补学2次。\n"
            "2.白条入账，共有白条17张，经镇财政所核实，已换回票据。\n3.发放补贴不规范，截至目前已追回3万元。",
            [
                ("学习不深入", "现已集中补学2次。"),
                ("白条入账，共有白条17张", "经镇财政所核实，已换回票据。"),
                ("发放补贴不规范", "截至目前已追回3万元。"),
            ],
            id="problem and answer in one sentence",
        ),
        pytest.param(
            "1.就业资金方面。2家企业骗取补贴3万元。县人社局全部追回，将企业列入失信名单。\n"
            "2.危房改造方面。工程质量不合格。县住建局责成返修，审减工程款2万元。",
            [
                ("就业资金方面。2家企业骗取补贴3万元。", "县人社局全部追回，将企业列入失信名单。"),
                ("危房改造方面。工程质量不合格。", "县住建局责成返修，审减工程款2万元。"),
            ],
            id="an aspect on the line of its problem",
        ),
        pytest.param(
            "1.租金收缴不及时\n2.出租未公开招租\n针对上述两个问题，收回租金3万元，重新招租。\n"
            "3.账实不符\n对全部资产盘点1次。",
            [
                ("租金收缴不及时", "针对上述两个问题，收回租金3万元，重新招租。"),
                ("出租未公开招租", "针对上述两个问题，收回租金3万元，重新招租。"),
                ("账实不符", "对全部资产盘点1次。"),
            ],
            id="two problems answered together",
        ),
        pytest.param(
            "党的建设方面\n“三会一课”记录不全，有3次没有记录。5月起固定主题党日，集中补课2次。\n"
            "村务管理方面\n坐班制度落实不好。5月起实行轮流值班，缺岗扣绩效50元。",
            [
                ("“三会一课”记录不全，有3次没有记录。", "5月起固定主题党日，集中补课2次。"),
                ("坐班制度落实不好。", "5月起实行轮流值班，缺岗扣绩效50元。"),
            ],
            id="unnumbered problems below a numbered section",
        ),
        pytest.param(
            "1.防范债务风险不够有力。2022年末负债率上升3.6个百分点，部分公司短贷长投。\n"
            "一是制定方案1个。二是置换借款2亿元。\n2.学习不深入。\n一是补学2次。二是通报1次。",
            [
                (
                    "防范债务风险不够有力。2022年末负债率上升3.6个百分点，部分公司短贷长投。",
                    "一是制定方案1个。二是置换借款2亿元。",
                ),
                ("学习不深入。", "一是补学2次。二是通报1次。"),
            ],
            id="facts above a row of measures",
        ),
        pytest.param(
            "1.关于资金下达不及时的问题。县财政局建立台账，对超过30日未分配的亮灯提醒。该问题已整改到位。\n"
            "2.关于暂付款清理不到位的问题，县财政局制定计划，已消化3260万元。",
            [
                (
                    "关于资金下达不及时的问题。",
                    "县财政局建立台账，对超过30日未分配的亮灯提醒。该问题已整改到位。",
                ),
                ("关于暂付款清理不到位的问题", "县财政局制定计划，已消化3260万元。"),
            ],
            id="a firm title and a comma, a stated status at the end",
        ),
        pytest.param(
            "1.学习不深入。责任领导：张某。整改措施：集中学习2次。\n2.管理松散。责任领导：李某。整改措施：修订制度1项。",
            [("学习不深入。", "集中学习2次。"), ("管理松散。", "修订制度1项。")],
            id="labels one behind the other on a line",
        ),
        pytest.param(
            "1.学习不深入。各支部集中学习2次。2.管理松散。办公室修订制度1项。\n3.补贴重复发放 经核对多发3万元，已全部扣回。系统已对接。",
            [
                ("学习不深入。", "各支部集中学习2次。"),
                ("管理松散。", "办公室修订制度1项。"),
                ("补贴重复发放", "经核对多发3万元，已全部扣回。系统已对接。"),
            ],
            id="items on one line, an answer behind a blank",
        ),
        pytest.param(
            "1.学习不深入。\n各支部集中学习2次。\n退费不及时，群众反映较多。\n对应退未退的逐笔清理，退还306件。\n"
            "3.管理松散。\n办公室修订制度1项。",
            [
                ("学习不深入。", "各支部集中学习2次。"),
                ("退费不及时，群众反映较多。", "对应退未退的逐笔清理，退还306件。"),
                ("管理松散。", "办公室修订制度1项。"),
            ],
            id="an item that lost its number",
        ),
        pytest.param(
            "（一）全面从严治党方面\n一是救助金审核把关不严。对217人逐户核实，追回1万元。\n"
            "二是资金拨付缓慢。经与财政局对接，资金6万元已拨付到位。",
            [
                ("救助金审核把关不严。", "对217人逐户核实，追回1万元。"),
                ("资金拨付缓慢。", "经与财政局对接，资金6万元已拨付到位。"),
            ],
            id="points below an aspect, each with its answer",
        ),
        pytest.param(
            "1.关于科研经费支出不规范的问题。发放名册中存在代签，个别课题未签订合同。\n对经费逐笔复核，追回3万元。\n"
            "2.关于土地出租不规范的问题。\n重新评估1次，公开招租。",
            [
                (
                    "关于科研经费支出不规范的问题。发放名册中存在代签，个别课题未签订合同。",
                    "对经费逐笔复核，追回3万元。",
                ),
                ("关于土地出租不规范的问题。", "重新评估1次，公开招租。"),
            ],
            id="facts behind a firm title",
        ),
        pytest.param(
            "1.预算管理方面的问题。对5个部门未执行采购规定，涉及金额236万元的问题，5个部门修订制度5项。"
            "对3个部门车辆费用超预算的问题，有关部门压减经费。",
            [
                ("对5个部门未执行采购规定，涉及金额236万元的问题", "5个部门修订制度5项。"),
                ("对3个部门车辆费用超预算的问题", "有关部门压减经费。"),
            ],
            id="a problem with a comma in running text",
        ),
        pytest.param(
            f"党的建设方面\n1.学习不深入。\n整改情况：集中学习2次。\n作风建设方面：\n2.管理松散。\n整改情况：修订制度1项。\n{LAST}",
            [("学习不深入。", "集中学习2次。"), ("管理松散。", "修订制度1项。")],
            id="headings without a number above numbered issues",
        ),
        pytest.param(
            "——关于学习不深入的问题。集中学习2次。【已完成】——关于管理松散的问题。修订制度1项。\n"
            "- 关于接待超标准的问题。退还费用。",
            [
                ("关于学习不深入的问题。", "集中学习2次。"),
                ("关于管理松散的问题。", "修订制度1项。"),
                ("关于接待超标准的问题。", "退还费用。"),
            ],
            id="dashes for numbers, two on a line",
        ),
        pytest.param(
            f"1.学习不深入。\n整改情况：集中学习2次。\n2 管理松散，未按规定审批。\n整改情况：修订制度1项。\n{LAST}",
            [("学习不深入。", "集中学习2次。"), ("管理松散，未按规定审批。", "修订制度1项。")],
            id="a number that lost its stop",
        ),
        pytest.param(
            "（一）服务群众有偏差\n窗口态度生硬\n整改情况：培训2次。\n排队时间长\n整改情况：增开窗口3个。",
            [("窗口态度生硬", "培训2次。"), ("排队时间长", "增开窗口3个。")],
            id="titles without a number, told by the label below each",
        ),
        pytest.param(
            f"1.学习不深入。\n整改情况：集中学习2次。\n完成情况 已完成\n2.管理松散。\n整改情况：修订制度1项。\n（已整改。）\n{LAST}",
            [("学习不深入。", "集中学习2次。"), ("管理松散。", "修订制度1项。")],
            id="a status without its colon, and with a full stop in its brackets",
        ),
        pytest.param(
            "1.关于城市管理\n有差距的问题\n整治占道12处。\n2.关于审批不规范的问题街道修订制度1项。",
            [
                ("关于城市管理\n有差距的问题", "整治占道12处。"),
                ("关于审批不规范的问题", "街道修订制度1项。"),
            ],
            id="a title broken by a line end, and one that runs on",
        ),
        pytest.param(
            "1.关于学习的问题。学习记录缺失。（正在推进）\n整改措施：\n（1）集中学习。全员2次。\n整改成效：记录齐全。\n"
            "2.关于管理松散的问题（已完成）修订制度1项。",
            [
                (
                    "关于学习的问题。学习记录缺失。",
                    "（1）集中学习。全员2次。\n整改成效：记录齐全。",
                ),
                ("关于管理松散的问题", "修订制度1项。"),
            ],
            id="statuses in brackets behind the facts, and between title and measures",
        ),
        pytest.param(
            "1.关于经费不规范的问题\n（1）针对套取劳务费的问题，追回9万元，对2名负责人作出处理。\n（2）针对结余资金闲置的问题，收回结余12万元，修订办法1项。\n"
            "2.关于设备闲置的问题。\n整改情况：调剂12台。\n3.关于合同缺失的问题。\n整改情况：补签8份。",
            [
                ("针对套取劳务费的问题", "追回9万元，对2名负责人作出处理。"),
                ("针对结余资金闲置的问题", "收回结余12万元，修订办法1项。"),
                ("关于设备闲置的问题。", "调剂12台。"),
                ("关于合同缺失的问题。", "补签8份。"),
            ],
            id="parts of the form of an issue beside issues without parts",
        ),
        pytest.param(
            f"1.文物保护不到位\n一是巡查流于表面。整改情况：修复210米。二是底数不清。整改情况：核定36处。\n2.管理松散。\n整改情况：修订制度1项。\n{LAST}",
            [
                ("巡查流于表面。", "修复210米。"),
                ("底数不清。", "核定36处。"),
                ("管理松散。", "修订制度1项。"),
            ],
            id="points in one line, each with its label",
        ),
        pytest.param(
            "01\n\n学习不深入\n【整改】集中学习2次。\n02\n\n管理松散\n【整改】修订制度1项。",
            [("学习不深入", "集中学习2次。"), ("管理松散", "修订制度1项。")],
            id="numbers with a nought on lines of their own",
        ),
        pytest.param(
            "（一）思想方面\n1学习不深入。\n整改 情况：集中学习2次。\n（二）管理方面\n2管理松散。\n整改结果1.修订制度。2.通报1人。\n"
            "32022年接待超标准。\n整改情况：退还。",
            [
                ("学习不深入。", "集中学习2次。"),
                ("管理松散。", "1.修订制度。2.通报1人。"),
                ("2022年接待超标准。", "退还。"),
            ],
            id="numbers without stop that run on, a label with a blank, one without colon",
        ),
        pytest.param(
            "党建方面\n\n制度挂在墙上\n2023年有三次会没有人记录。\n整改情况：\n补记3次。\n已完成\n\n"
            "学习走过场\n笔记由一人代写。\n整改情况\n重写12本。\n长期坚持",
            [
                ("制度挂在墙上\n2023年有三次会没有人记录。", "补记3次。"),
                ("学习走过场\n笔记由一人代写。", "重写12本。"),
            ],
            id="problems of two lines without number, statuses alone",
        ),
        pytest.param(
            "1.学习不深入，笔记抄录。有人代写。\n整改情况各支部集中学习2次。\n2.管理松散。\n整改情况，修订制度1项。\n"
            "3.接待超标准。\n整改情况 退还5000元。",
            [
                ("学习不深入，笔记抄录。有人代写。", "各支部集中学习2次。"),
                ("管理松散。", "修订制度1项。"),
                ("接待超标准。", "退还5000元。"),
            ],
            id="labels with another mark for their colon, or none",
        ),
    ],
)
def test_what_typists_do_is_read(text: str, expected: list[tuple[str, str]]) -> None:
    issues = split(notice_from_text(HEAD + text + "\n三、下一步打算\n持续抓好整改。", "x")).issues
    found = [(issue.problem.text, issue.measures.text) for issue in issues]
    assert found[: len(expected)] == expected
    assert len(found) == len(expected) + text.endswith(LAST)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "1.拖欠的账款已达300万元。\n制定还款计划。\n2.闲置的厂房已三年无人问津。\n招商引资。\n3.档案缺失。\n补齐档案。",
            ["拖欠的账款已达300万元。", "闲置的厂房已三年无人问津。", "档案缺失。"],
            id="a deficit that has lasted is not mended",
        ),
        pytest.param(
            "1.未及时公示干部分工调整情况：涉及3个支部。\n重新公示。\n2.管理松散。\n修订制度。",
            ["未及时公示干部分工调整情况：涉及3个支部。", "管理松散。"],
            id="a word that ends like a label",
        ),
        pytest.param(
            "1.部分项目未验收　已投入使用。\n整改情况：完成验收。\n2.未批先建，经审计核实面积1200平方米。\n整改情况：拆除。\n"
            "3.未签订合同，已支付工程款30万元。\n整改情况：补签合同。",
            [
                "部分项目未验收　已投入使用。",
                "未批先建，经审计核实面积1200平方米。",
                "未签订合同，已支付工程款30万元。",
            ],
            id="facts are no answers",
        ),
        pytest.param(
            "1.学习不到位。\n整改情况：组织学习。\n剩余2个支部换届仍未完成，预计年底完成。\n3.接待超标准。\n整改情况：退还费用。",
            ["学习不到位。", "接待超标准。"],
            id="what is left over is no item that lost its number",
        ),
        pytest.param(
            "1.关于学习不到位的问题。修订制度。2.未按要求开会的支部已约谈。3.组织学习。\n2.关于接待超标准的问题。退还费用。",
            ["关于学习不到位的问题。", "关于接待超标准的问题。"],
            id="numbered measures on the line of their issue",
        ),
        pytest.param(
            "1.学习不到位。\n整改情况：学习2次。\n2.接待超标准。\n整改情况：退还。\n3.账目混乱。\n整改情况纳入年度考核。",
            ["学习不到位。", "接待超标准。", "账目混乱。"],
            id="a sentence about the rectification",
        ),
        pytest.param(
            "1.关于学习不深入的问题。\n整改情况：集中学习2次。\n2 所学校退还资金三万元。\n3 辆公车封存。\n2.关于管理松散的问题。\n整改情况：修订制度。",
            ["关于学习不深入的问题。", "关于管理松散的问题。"],
            id="a line that begins with a figure",
        ),
        pytest.param(
            "关于学习不深入的问题。\n整改情况：集中学习。\n后续工作打算\n继续加强学习。\n"
            "关于管理松散的问题。\n整改情况：修订制度。\n后续工作打算\n继续加强管理。",
            ["关于学习不深入的问题。", "关于管理松散的问题。"],
            id="what each issue says of the time to come",
        ),
        pytest.param(
            "1.关于学习不到位的问题较为突出，干部群众反映强烈。\n整改情况：学习2次。\n2.关于举报的问题线索，未及时处置。\n整改情况：处置3条。",
            [
                "关于学习不到位的问题较为突出，干部群众反映强烈。",
                "关于举报的问题线索，未及时处置。",
            ],
            id="a sentence that goes on behind 的问题",
        ),
        pytest.param(
            "（一）党的建设方面\n不担当不作为的问题\n谈话3人。\n缺乏创新的问题\n开展试点2个。",
            ["不担当不作为的问题", "缺乏创新的问题"],
            id="titles below a heading",
        ),
    ],
)
def test_what_only_looks_so_is_left_alone(text: str, expected: list[str]) -> None:
    issues = split(notice_from_text(HEAD + text, "x")).issues
    assert [issue.problem.text for issue in issues] == expected
    assert not any(issue.measures.text.startswith(("已", "纳入")) for issue in issues)


@pytest.mark.parametrize(("named", "answered"), [("两", 2), ("三", 3), ("3", 3)])
def test_measures_for_several_problems_answer_as_many_as_they_say(
    named: str, answered: int
) -> None:
    text = (
        f"1.学习不到位（已完成）。\n2.监管不到位。\n3.档案缺失。\n针对上述{named}个问题，补齐档案。"
    )
    issues = split(notice_from_text(HEAD + text, "x")).issues
    assert [bool(issue.measures.text) for issue in issues] == [n >= 3 - answered for n in range(3)]
    assert issues[0].stated is not None
    assert issues[0].stated.status == "已完成"


@pytest.mark.parametrize(
    ("sentence", "status"),
    [
        ("整改尚未完成，计划明年办结。", "未完成"),
        ("整改已全部完成。", "已完成"),
        ("整改未建台账。", None),
        ("整改已完成60%。", None),
        ("整改已完成8项，其余正在推进。", None),
        ("其余款项正在追缴，该问题尚未整改到位。", "未完成"),
        ("该问题目前仍在整改之中，预计春播前完成。", "未完成"),
        ("此项工作需要长期坚持。", "长期坚持"),
    ],
)
def test_a_status_may_be_stated_of_the_rectification(sentence: str, status: str | None) -> None:
    _, issue = segment("学习不深入。", f"集中学习2次，印发资料30份。{sentence}")
    assert (issue.stated and issue.stated.status) == status


@pytest.mark.parametrize(
    ("closing", "status"),
    [
        ("正在整改。", "未完成"),
        ("（进度：已完成）", "已完成"),
        ("（正在整改，达到序时进度）", "未完成"),
        ("\n整改进度：取得阶段性成效，长期坚持", "长期坚持"),
        ("该项工作有序推进。", None),
    ],
)
def test_a_status_may_close_the_measures(closing: str, status: str | None) -> None:
    text = f"{HEAD}1.学习不深入。\n整改情况：集中学习2次。{closing}\n2.管理松散。\n整改情况：修订制度1项。"
    issue, _ = split(notice_from_text(text, "x")).issues
    assert (issue.stated and issue.stated.status) == status
    assert issue.measures.text == "集中学习2次。" + closing * (status is None)


COPIED = """中共某村党总支关于巡察整改情况的公示
县委巡察组反馈了巡察意见，现将整改情况公示如下。
序号
存在问题
整改情况
整改结果
责任人
一、党的建设方面
1
学习不深入。
集中学习2次。
印发资料30份。
已完成
张某

2
管理松散。
修订制度1项。
长期坚持
李某
二、村务管理方面
3
白条入账。
换回票据12张。
正在整改
王某
欢迎监督。
"""


def test_several_notices_in_one_text() -> None:
    def village(name: str) -> str:
        return (
            f"{name}村党支部关于巡察整改情况的通报\n根据安排，现将整改情况公布如下。\n一、反馈问题整改情况\n"
            "1.村务公开不及时。\n整改情况：重做公开栏。\n整改进度：已完成\n2.台账不规范。\n整改情况：补登台账。\n"
            f"整改进度：长期坚持\n联系电话：0000-123\n中共{name}村支部委员会\n2024年9月10日\n"
        )

    text = village("上河") + village("下河") + village("新塘")
    issues = split(notice_from_text(text, "x")).issues
    assert [issue.problem.text for issue in issues] == ["村务公开不及时。", "台账不规范。"] * 3
    assert [issue.measures.text for issue in issues] == ["重做公开栏。", "补登台账。"] * 3
    assert [issue.path[-1].text for issue in issues] == ["一、反馈问题整改情况"] * 6
    assert [issue.path[0].text[:2] for issue in issues[2:]] == ["下河"] * 2 + ["新塘"] * 2


@pytest.mark.parametrize(
    ("answers", "measures"),
    [
        (
            "1.集中学习2次。\n2.修订制度1项。\n3.退还费用。",
            ["集中学习2次。", "修订制度1项。", "退还费用。"],
        ),
        (
            "●集中学习2次。\n●修订制度1项。\n●退还费用。",
            ["集中学习2次。", "修订制度1项。", "退还费用。"],
        ),
        (
            "对第1个问题，集中学习2次。\n对第2、3个问题，修订制度1项。",
            ["对第1个问题，集中学习2次。", *["对第2、3个问题，修订制度1项。"] * 2],
        ),
        (
            "对第1至99999999999个问题，修订制度1项。",
            ["对第1至99999999999个问题，修订制度1项。"] * 3,
        ),
        ("对第2个问题，修订制度1项。\n对第3个问题，退还费用。", [""] * 3),
        ("集中学习2次。\n修订制度1项。", [""] * 3),
    ],
    ids=["numbered", "bullets", "by number", "a large number", "one not named", "too few"],
)
def test_answers_in_the_next_section(answers: str, measures: list[str]) -> None:
    text = (
        "某局党组关于巡察整改情况的通报\n一、巡察反馈的主要问题\n1.学习不深入。\n2.管理松散。\n3.接待超标准。\n"
        f"二、整改落实情况\n{answers}\n三、下一步打算\n持续抓好整改。"
    )
    issues = split(notice_from_text(text, "x")).issues
    assert [issue.problem.text for issue in issues] == [
        "学习不深入。",
        "管理松散。",
        "接待超标准。",
    ]
    assert [issue.measures.text for issue in issues] == measures


def test_a_table_copied_a_cell_a_line_is_read_row_by_row() -> None:
    notice = read_bytes(COPIED.replace("\n", "\r\n").encode("gb18030"), "copied.txt")
    issues = split(notice).issues
    assert [
        (
            issue.number and issue.number.text,
            issue.problem.text,
            issue.measures.text,
            issue.stated and issue.stated.status,
            issue.path[-1].text,
        )
        for issue in issues
    ] == [
        ("1", "学习不深入。", "集中学习2次。\n印发资料30份。", "已完成", "一、党的建设方面"),
        ("2", "管理松散。", "修订制度1项。", "长期坚持", "一、党的建设方面"),
        ("3", "白条入账。", "换回票据12张。", "未完成", "二、村务管理方面"),
    ]
    assert notice.text.endswith("欢迎监督。\n")


def test_rows_with_tabs_may_be_short_or_go_on_below() -> None:
    text = (
        "序号\t存在问题\t整改措施\t完成情况\n1\t学习不到位\t修订制度\n2\t接待超标准\t一是退还。\n二是约谈。\t已完成\n"
        "二、财务方面\n序号\t存在问题\t整改措施\n1\t账目混乱\t一是重建。\n二是核对。\n2\t监管不力\t排查\n三、下一步\n电话\t123"
    )
    notice = read_bytes(text.encode(), "copied.txt")
    assert notice.text.split("\n") == [
        *("1 反馈问题:学习不到位", "整改情况:修订制度"),
        *("2 反馈问题:接待超标准", "整改情况:一是退还。", "二是约谈。", "完成情况:已完成"),
        *("二、财务方面", "1 反馈问题:账目混乱", "整改情况:一是重建。", "二是核对。"),
        *("2 反馈问题:监管不力", "整改情况:排查", "三、下一步", "电话\t123"),
    ]


def test_rows_with_tabs_may_be_stacked_run_together_lack_their_number_and_cross_pages() -> None:
    header = "序号\t反馈问题\t整改情况\t责任部门\t完成情况\n"
    text = (
        f"{header}一、思想方面\n1\n学习不到位\n集中学习2次。\n修订制度。\n办公室\n长期坚持\n"
        "2\t接待超标准\t退还费用。\t财务部\t已完成 3\t账目混乱\t重建账目。\t财务部\t已完成\n"
        f"\t合同缺失\t补签8份。\t综合部\t已完成\n第1页 共2页\n{header}5\t设备闲置\t调剂6台。\t资产部\t正在推进\n"
        "备注：共5项。"
    )
    notice = read_bytes(text.encode(), "copied.txt")
    assert notice.text.split("\n") == [
        *("一、思想方面", "1 反馈问题:学习不到位"),
        *("整改情况:集中学习2次。", "修订制度。", "完成情况:长期坚持"),
        *("2 反馈问题:接待超标准", "整改情况:退还费用。", "完成情况:已完成"),
        *("3 反馈问题:账目混乱", "整改情况:重建账目。", "完成情况:已完成"),
        *("反馈问题:合同缺失", "整改情况:补签8份。", "完成情况:已完成"),
        *("5 反馈问题:设备闲置", "整改情况:调剂6台。", "完成情况:正在推进"),
        "备注：共5项。",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "序号\t存在问题\n1\t2\n",
        "序号\n存在问题\n整改情况\n",
        "序号\t问题\t解决措施\n1\t甲\t乙\n2\t甲\t乙\n",  # of something else
        "序号\t存在问题\t整改情况\n1\t甲\t乙\t丙\n2\t甲\t乙\n",  # a cell too many
        COPIED.replace("修订制度1项。\n", ""),  # a cell too few
        COPIED[:90],
    ],
)
def test_what_only_begins_like_a_copied_table_stays(text: str) -> None:
    assert read_bytes(text.encode(), "x.txt").text == text


# -- lists of measures, facts ------------------------------------------------------------------

UNIVERSITY = """某大学党委关于巡视整改情况的通报
根据统一部署，巡视组反馈了意见。
三、反馈意见整改落实情况
（一）落实部署有差距方面
1.立德树人不到位
问题1.思政课教师不足，尚缺19人。
整改进展：
1.引进博士12名。
2.设立岗位津贴，已发放到位。
整改状态：已完成
问题2.心理咨询师仅3人，二级学院没有辅导站。
整改进展：1.增配咨询师5人。
2.16个学院全部建成辅导站。
整改状态：己完成
2.服务发展能力不强
问题3.成果转化率低。
整改进展：
1.成立转移中心。
- 2 -
整改状态：长期坚持
"""


def test_measures_numbered_like_the_headings_stay_with_their_issue() -> None:
    issues = split(notice_from_text(UNIVERSITY, "x")).issues
    first, second = "1.立德树人不到位", "2.服务发展能力不强"
    assert [(i.path[-1].text, i.measures.text, i.stated and i.stated.status) for i in issues] == [
        (first, "1.引进博士12名。\n2.设立岗位津贴，已发放到位。", "已完成"),
        (first, "1.增配咨询师5人。\n2.16个学院全部建成辅导站。", "已完成"),
        (second, "1.成立转移中心。", "长期坚持"),
    ]


FACTS = [
    (
        "渣土车审批",
        "2021年办理许可412件，其中88件的受理和发证时间相差不超过10分钟，踏勘表上签的是同一个名字。",
        "局党委对88件许可全部重新踏勘，撤销6件。原审批科长调离岗位，由派驻组立案。",
    ),
    (
        "公厕保洁外包",
        "2022年6月9日晚上7点，巡察组走了12座公厕，有7座已经关灯锁门。其中2座的洗手池里堆着拖把。",
        "环卫中心依据合同扣减服务费16.3万元，约谈保洁公司法定代表人。",
    ),
    (
        "路灯电费",
        "2019年至2021年，有3块电表挂的是沿街的洗车行和一家烧烤店，三年代付了9.6万元电费。",
        "路灯所与供电公司把217块电表查了一遍，错挂的表已经过户，向两家商户追回9.6万元。",
    ),
]


@pytest.mark.parametrize("between", ["\n", ""], ids=["below the title", "on its line"])
def test_numbered_items_told_by_facts_are_issues(between: str) -> None:
    mark = between or "。"
    items = "\n".join(
        f"（{'一二三'[at]}）{title}{mark}{facts}\n{deeds}"
        for at, (title, facts, deeds) in enumerate(FACTS)
    )
    text = f"某局党组关于巡察整改情况的通报\n巡察组反馈了意见，现将整改情况通报如下。\n二、逐项整改情况\n{items}\n"
    issues = split(notice_from_text(text, "x")).issues
    expected = [(f"{title}{mark}{facts}", deeds) for title, facts, deeds in FACTS]
    assert [(i.problem.text, i.measures.text) for i in issues] == expected


def test_measures_of_worded_issues_are_none_whatever_they_tell() -> None:
    items = "\n".join(
        f"{at}.关于“制度{at}落实不到位”的问题。\n（1）{title}。{facts}{deeds}\n（2）开展自查。对{at}个单位自查。"
        for at, (title, facts, deeds) in enumerate(FACTS, start=1)
    )
    text = f"某局党组关于巡察整改情况的通报\n巡察组反馈了意见。\n二、整改情况\n{items}\n"
    issues = split(notice_from_text(text, "x")).issues
    assert [i.problem.text for i in issues] == [
        f"关于“制度{n}落实不到位”的问题。" for n in (1, 2, 3)
    ]


def test_items_of_one_sentence_are_parted_at_the_comma() -> None:
    pairs = [
        ("三辆公务车周末停放在家属院", "车钥匙收归综合部，车内加装定位。"),
        ("营业厅收到的现金隔两三天才送银行", "改为每日下班前解款，保险柜撤走。"),
        (
            "同一支施工队两年揽下零星维修62宗，宗宗都在5万元以下",
            "从2024年起改为年度框架招标、三家轮候派单。",
        ),
        ("机关支部22名党员的学习笔记一字不差", "22人重新撰写并在支部会上讲读，书记作了检讨。"),
        ("水质检测单只贴在办公楼走廊，用户看不见", "每月10日在公众号和各营业所门口公布。"),
        ("17份议案先盖章后讨论", "公章移交综合部双人双锁保管，时任秘书受诫勉谈话。"),
    ]
    items = "\n".join(
        f"{at}、{problem}，{deed}" for at, (problem, deed) in enumerate(pairs, start=1)
    )
    text = f"某水务公司党委关于巡察整改情况的公告\n巡察组反馈了意见，现将整改情况公布如下。\n二、逐项整改结果\n{items}\n"
    issues = split(notice_from_text(text, "x")).issues
    assert [(i.problem.text, i.measures.text) for i in issues] == pairs


def test_points_in_a_paragraph_are_problems_each_with_its_deeds() -> None:
    text = """关于组织落实巡察整改工作情况的报告
巡察组反馈了意见，现将整改情况报告如下。
我是怎么抓的
一是自己先领。反馈意见涉及我本人的四条，我在党委会上第一个认。二是每周开会，到10月开了24次。
仓里的事
一是2022年秋粮收购的过磅单，有147张司机没有签字。我让仓储部对着监控录像一车一车核，128张补上了签字，追回粮款12.8万元。二是轮换出库的玉米，水分扣量全凭检验员用手捏、用牙咬。7月买来三台快速水分仪，样品一式三份封存。三是消防水池去年冻裂了池壁，水位一直只有一半。集团拨付56万元，9月28日试水不漏。
人的事
一是近五年进的31名合同工，有13名是本库职工的亲戚，考试卷子找不到。集团出题让这13人同场重考，9人考上留用。二是有22名退休工人的取暖补贴拖了两个采暖期。两期共19.36万元已在6月30日打到了每个人的卡上。
"""
    issues = split(notice_from_text(text, "x")).issues
    found = [i for i in issues if [p.text for p in i.path] != ["我是怎么抓的"]]
    assert [(i.number and i.number.text, [p.text for p in i.path]) for i in found] == [
        ("一是", ["仓里的事"]),
        ("二是", ["仓里的事"]),
        ("三是", ["仓里的事"]),
        ("一是", ["人的事"]),
        ("二是", ["人的事"]),
    ]
    assert found[1].problem.text == "轮换出库的玉米，水分扣量全凭检验员用手捏、用牙咬。"
    assert found[1].measures.text == "7月买来三台快速水分仪，样品一式三份封存。"


def test_titles_over_a_single_problem_each_belong_to_it() -> None:
    sections = [
        ("食堂的米面油", "食堂三年一直在校门口一家店拿货，一年约74万元，没有比过价。", FACTS[0][2]),
        ("校服", "冬季校服三年由同一家公司供货，棉含量标着65%，送检只有38%。", FACTS[1][2]),
        ("化学药品柜", "药品柜里的浓硫酸与登记本相差四瓶，两把钥匙都在实验员身上。", FACTS[2][2]),
    ]
    body = "\n".join("\n".join(lines) for lines in sections)
    text = f"某中学党总支关于巡察整改情况的公示\n巡察组反馈了意见，现将整改情况公示如下。\n二、巡察组提到的事，我们这样改\n{body}\n"
    issues = split(notice_from_text(text, "x")).issues
    assert [(i.problem.text, i.measures.text) for i in issues] == [
        (f"{title}\n{facts}", deeds) for title, facts, deeds in sections
    ]
    assert {i.path[0].text for i in issues} == {"二、巡察组提到的事，我们这样改"}
