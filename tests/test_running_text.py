"""What running text tells, and what only looks like it: short notices, each for one rule."""

import pytest

from rectify_nlp import notice_from_text, split
from rectify_nlp.reading import read_bytes

HEAD = "某局党组关于巡察整改进展情况的通报\n现将整改情况通报如下。\n"
CLAUSES = "对学习不深入的问题，组织学习12次。\n对管理不规范的问题，修订制度3项。"
STUDY, MANAGE = "对学习不深入的问题", "对管理不规范的问题"


def cut(text: str) -> list[tuple[str, str, list[str]]]:
    issues = split(notice_from_text(text, "made up")).issues
    return [(i.problem.text, i.measures.text, [p.text for p in i.path]) for i in issues]


def problems(text: str) -> list[str]:
    return [problem for problem, _, _ in cut(text)]


def test_who_found_it_is_told_in_a_sentence() -> None:
    text = (
        "学习教育\n巡察组指出，学习不深入，记录有补写的痕迹。党组重排计划，集中学习5次。此外，审计还发现下属公司公车私用。责令补缴费用430元。\n"
        "【财务】反馈意见提到，报销手续不全。财务股补齐审批单22份。【今后】继续抓好整改。\n"
    )
    assert cut(HEAD + text)[:2] == [
        (
            "巡察组指出，学习不深入，记录有补写的痕迹。",
            "党组重排计划，集中学习5次。",
            ["学习教育"],
        ),
        ("审计还发现下属公司公车私用。", "责令补缴费用430元。", ["学习教育"]),
    ]


def test_a_list_is_answered_by_the_paragraph_below() -> None:
    lead = "巡察组指出，出租存在两个问题：一是租金十年没有调整；二是合同未备案。\n"
    each = "关于第一个问题，重新评估8处。关于第二个问题，补备合同56份。\n"
    joint = "针对上述两个问题，重新评估并补备合同56份。\n"
    first, second = "租金十年没有调整", "合同未备案。"
    assert cut(HEAD + "资产管理\n" + lead + each) == [
        (first, "关于第一个问题，重新评估8处。", ["资产管理"]),
        (second, "关于第二个问题，补备合同56份。", ["资产管理"]),
    ]
    assert [(p, m) for p, m, _ in cut(HEAD + "资产管理\n" + lead + joint)] == [
        (first, joint.strip()),
        (second, joint.strip()),
    ]


@pytest.mark.parametrize(
    "sentence",
    [
        "审计组提出加强内控的建议，已全部采纳。",
        "巡察组认为，局党组认真履行职责，各项工作取得明显成效。",
        "巡察组发现问题后，立即整改。",
        "县委巡察组指出我局存在3个方面12个问题。",
    ],
)
def test_praise_advice_and_counts_are_no_problems(sentence: str) -> None:
    assert problems(HEAD + sentence + "\n" + CLAUSES) == [STUDY, MANAGE]
    assert problems(HEAD + CLAUSES + sentence) == [STUDY, MANAGE]


@pytest.mark.parametrize(
    "measures",
    [
        "1.针对学习不经常的问题，制定计划。针对学习不严肃的问题，严格考勤。\n2.组织学习12次。",
        "一是针对学习不经常的问题，制定计划。二是针对学习不严肃的问题，严格考勤。",
    ],
)
def test_measures_that_name_parts_of_the_problem_stay_measures(measures: str) -> None:
    titles = ["关于“学习不深入”的问题", "关于“管理不规范”的问题"]
    text = "".join(f"{n}、{title}\n{measures}\n" for n, title in zip("一二", titles, strict=True))
    assert [(p, m) for p, m, _ in cut(HEAD + text)] == [(title, measures) for title in titles]


def test_a_numbered_line_may_tell_further_problems() -> None:
    text = (
        "一、党建方面\n1.对支部换届超期的问题，召开党员大会2次。对党员不参加组织生活的问题，编入党小组。对仍未补齐的问题，限期完成。\n"
        "2.对档案缺失的问题，补齐材料14份。"
    )
    assert problems(HEAD + text) == [
        "对支部换届超期的问题",
        "对党员不参加组织生活的问题",
        "对档案缺失的问题",
    ]


LABELLED = "1.学习不深入。\n整改情况：集中学习12次。\n2.管理不规范。\n整改情况：修订制度3项。\n"


@pytest.mark.parametrize(
    "top",
    [
        "首页 > 工作计划\n某局巡察反馈问题整改清单\n",
        "首页>通知公告>会议讲话\n某公司党委关于巡察整改进\n展情况的通报\n",
        "某局党组关于县委巡察反馈意见\n整改落实的函\n",
        "某卫生院审计问题整改方案（附整改结果）\n",
        "整改工作会议\n",  # a head that says another thing than the labels below
    ],
)
def test_a_notice_is_one_whatever_stands_above_it(top: str) -> None:
    assert [p for p, _, _ in cut(top + LABELLED)] == ["学习不深入。", "管理不规范。"]


@pytest.mark.parametrize(
    "title", ["某局党组巡察整改方案", "在整改动员大会上的讲话", "市委第三巡察组进驻某局公告"]
)
def test_by_its_title_a_text_is_no_notice(title: str) -> None:
    text = "一、关于学习不深入的问题。一是看得不清，认识不到位。\n二、关于管理不规范的问题。二是制度不落实。\n"
    parts = split(notice_from_text(f"{title}\n现将巡察整改有关事项通知如下。\n{text}", "made up"))
    assert parts.issues == ()
    assert parts.warnings == ("no issues found: by its title this is no rectification notice",)


def test_sentences_may_end_in_western_full_stops() -> None:
    text = (
        "一. 整改落实情况\n(一)党的领导弱化\n1)学习不深入,走过场.党委集中学习5.5天,整改到位.\n"
        "2)印章管理不严,由个人保管.合同章已收回综合部.全部登记."
    )
    assert [(p, m) for p, m, _ in cut("某公司巡察整改情况的通报\n" + text)] == [
        ("学习不深入,走过场.", "党委集中学习5.5天,整改到位."),
        ("印章管理不严,由个人保管.", "合同章已收回综合部.全部登记."),
    ]


def test_radicals_of_a_pdf_are_characters() -> None:
    text = "某局关于巡察整改情况的通报\n⼀、关于“项⽬管理不到位”的问题\n整改情况：⻋辆已登记。\n"
    assert problems(text) == ["关于“项⽬管理不到位”的问题"]
    page = read_bytes(f"<p>{text}</p>".encode(), "page.html")
    assert "关于“项目管理不到位”的问题" in page.text
    assert "车辆已登记" in page.text


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("学习教育\n巡察组指出学习不深入、记录不规范。\n" * 1000, 1000),
        ("党建方面。对学习不深入的问题，组织学习。巡察组指出学习很不深入很不到位。" * 500, 1000),
        (HEAD + "一是学习不深入；" * 8000, 0),
    ],
    ids=["headings", "run-in headings", "points"],
)
def test_much_of_the_same_is_cut_too(text: str, count: int) -> None:
    assert len(cut(text)) == count
