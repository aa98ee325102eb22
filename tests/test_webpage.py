"""Web pages: encodings, particulars, the body, its lines, and tables of issues."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rectify_nlp.errors import NoText, ReadError
from rectify_nlp.tables import Cell, issue_rows, table_lines
from rectify_nlp.webpage import decode, page, read_page

TITLE = "中共云水县水利局党组关于巡察整改进展情况的通报"
OPENING = "根据县委统一部署，县委第一巡察组对县水利局党组开展了巡察。现将整改进展情况予以公布。"
ISSUES = [
    "一、巡察反馈问题整改落实情况",
    "1.关于“河长制落实不到位”的问题。一是对镇级河长逐一提醒，约谈落实不力的三人。",
    "2.关于水费收缴管理混乱的问题。全面停用手工票据，追缴坐支资金并上缴财政专户。",
]
LINES = [OPENING, *ISSUES]
PARAGRAPHS = "".join(f"<p>　　{line}</p>" for line in LINES)
MENU = "".join(f"<li><a href='/{n}'>栏目名称之{n}</a></li>" for n in range(30))


def html(body, head="", charset="utf-8"):
    return (
        f"<!DOCTYPE html><html><head><meta charset='{charset}'>{head}</head>"
        f"<body><ul>{MENU}</ul>{body}</body></html>"
    ).encode(charset)


def lines(body, **kwargs):
    return page(html(body, **kwargs)).text.split("\n")


def meta(**names):
    return "".join(f'<meta name="{name}" content="{value}">' for name, value in names.items())


# -- encodings --------------------------------------------------------------------------


@pytest.mark.parametrize("really", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("declared", ["utf-8", "gb2312", "big5", "iso-8859-1", "nonsense"])
def test_the_declared_charset_may_be_wrong(really, declared):
    text = f"<html><head><meta charset={declared}></head><body>{PARAGRAPHS}</body></html>"
    assert decode(text.encode(really))[0] == text


def test_traditional_pages_in_big5():
    text = "<html><head><meta charset='big5'></head><body>關於水費收繳管理混亂的問題</body></html>"
    assert decode(text.encode("big5"))[0] == text


def test_what_cannot_be_decoded_is_told():
    data = html(f"<div id=zoom>{PARAGRAPHS}</div>").replace("县委".encode(), b"\xff\xfe", 1)
    assert page(data).warnings == ("2 bytes could not be decoded",)


# -- particulars ------------------------------------------------------------------------


def test_mandated_meta_tags_come_first():
    head = meta(
        ArticleTitle=TITLE,
        PubDate="2024-09-12 10:21",
        ContentSource="县水利局",
        Url="http://a.cn/1",
    )
    found = page(html(f"<p>来源：别处 日期：2020-01-01</p><div id=zoom>{PARAGRAPHS}</div>", head))
    assert (found.title, found.publisher) == (TITLE, "县水利局")
    assert (found.published, found.url) == ("2024-09-12 10:21", "http://a.cn/1")
    assert found.text.split("\n") == [TITLE, "来源：别处 日期：2020-01-01", *LINES]


def test_title_and_particulars_above_the_body_stay_and_the_rest_goes():
    above = (
        "<div>当前位置：<a href=/>首页</a> &gt; 巡察整改</div><p>今天是2025年1月1日</p>"
        "<table><tr><td>索 引 号：</td><td>001/2024-1</td><td>发布机构：</td><td>县水利局</td></tr></table>"
        "<div class=tt>中共云水县水利局党组<br>关于巡察整改进展情况的通报</div>"
        "<div>发布时间：2024-09-12　信息来源：县水利局　浏览次数：7</div><div>分享到：微信 微博</div>"
    )
    found = page(html(f"{above}<div id=zoom>{PARAGRAPHS}</div>"))
    assert found.text.split("\n") == [
        "索 引 号： 001/2024-1 发布机构： 县水利局",
        "中共云水县水利局党组",
        "关于巡察整改进展情况的通报",
        "发布时间：2024-09-12 信息来源：县水利局 浏览次数：7",
        *LINES,
    ]
    assert (found.published, found.publisher) == ("2024-09-12", "县水利局")


def test_a_title_broken_over_lines_is_one_line():
    assert (
        lines(f"<h1>{TITLE[:12]}<br>{TITLE[12:]}</h1><div id=zoom>{PARAGRAPHS}</div>")[0] == TITLE
    )


# -- the body ---------------------------------------------------------------------------

LIST = (
    "<ul><li><a href=/1>1.关于校服采购的情况说明</a></li><li><a href=/2>二、具体问题</a></li></ul>"
)


@pytest.mark.parametrize(
    "body",
    [
        '<div class="TRS_Editor">{}</div>',
        '<div class="view TRS_UEDITOR"><div class=TRS_Editor><div class="Custom_UnionStyle">{}</div></div></div>',
        "<ucapcontent>{}</ucapcontent>",
        '<div class="rich_media_content" id="js_content" style="visibility: hidden;"><section>{}</section></div>',
        '<div id="zoom"></div><div class="unheard-of">{}</div>',
        '<div class="TRS_Editor"><p>内容摘要：巡察组对县水利局开展了巡察</p></div><div>{}</div>',
        "<div class=content><h2>通知公告</h2><div>{}</div>" + LIST + "</div>",
        "<table><tr><td>" + LIST + "</td><td><table><tr><td>{}</td></tr></table></td></tr></table>",
        "<a name=top><div>{}</div>",
        "{}",
        "<div><section><section>{}</section></section></div>",
    ],
)
@pytest.mark.parametrize("paragraphs", [PARAGRAPHS, "<br>\n".join(LINES)], ids=["p", "br"])
def test_the_body_is_found_and_nothing_around_it(body, paragraphs):
    found = lines(f"{body.format(paragraphs)}{LIST}<div>主办：云水县人民政府　网站地图</div>")
    assert found == LINES


def test_a_body_of_many_boxes_is_whole():
    boxes = "".join(f"<section><div><p>{line}</p></div></section>" for line in LINES * 3)
    assert lines(f"<div><div>{boxes}</div></div>") == LINES * 3


def test_furniture_at_the_edges_of_the_body_is_cut():
    around = "<p>点击蓝字 关注我们</p>{}<p>—— END ——</p><p>往期推荐</p><p>一、学习先进</p>"
    assert lines(f"<div id=js_content>{around.format(PARAGRAPHS)}</div>") == LINES


def test_measures_that_begin_like_furniture_stay():
    measures = [
        "关闭煤矿三家。",
        "承办案件九件；",
        "扫码即可查询办理进度。",
        "打印设备全部停用。",
        "相关信息全部公开",
    ]
    text = "".join(f"<p>{line}</p>" for line in [*LINES, *measures])
    assert lines(f"<div id=zoom>{text}<p>【打印本页】</p><p>上一篇：二、别的</p></div>") == [
        *LINES,
        *measures,
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<!-- x -->",
        b"<html><frameset><frame src=a></frameset></html>",
        "<html><body><script>document.write('整改')</script></body></html>".encode(),
    ],
)
def test_no_text(data):
    with pytest.raises(NoText) as caught:
        page(data, "a.html")
    assert caught.value.source == "a.html"


# -- lines ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markup", "seen"),
    [
        ("<strong>&nbsp; 一、</strong><strong>关于“学习”</strong>", "一、关于“学习”"),
        ("<span>“</span><font>第一\n议题</font><b>”</b>", "“第一议题”"),
        ("a\n  b &nbsp;c　　d", "a b c d"),
        ("整改<!-- 注 -->情况<script>x</script><i style='display: none'>无</i>", "整改情况"),
        ("<ruby>進<rt>jìn</rt></ruby>展", "進展"),
        ("\u200b完\u200b成\ufeff", "完成"),
        ("一<br>二<p>三</p>四", "一\n二\n三\n四"),
        ("<pre>一\n二</pre>三\n四", "一\n二\n三四"),
        ("<ol><li>甲<li>乙</ol><ul><li>丙</ul>", "1.甲\n2.乙\n丙"),
        ("<ol class=custom_cn2><li>甲<li>乙</ol>", "(一)甲\n(二)乙"),
        ("<ol start=5><li><p>甲</p><p>乙</p></li><li value=9>丙</ol>", "5.甲\n乙\n9.丙"),
        ("<ol><li></li><li><br></li></ol><p>甲</p>", "甲"),
        ("<table><tr><td>甲<td>乙<tr><td>丙</table>", "甲 乙\n丙"),
        ("<table><tr><td>甲<td><p>乙</p><p>丙</p></table>", "甲\n乙\n丙"),
        ("<table><tr><td>甲<table><tr><td>乙<td>丙</table></table>", "甲\n乙 丙"),
    ],
)
def test_lines_are_what_a_reader_sees(markup, seen):
    found = page(f"<body><div id=zoom>{markup}<p>{OPENING}</p></div>".encode()).text
    assert found == f"{seen}\n{OPENING}"


# -- tables of issues -------------------------------------------------------------------

HEADER = ["序号", "反馈问题", "整改措施", "完成情况"]


def test_a_row_is_an_issue():
    rows = [
        HEADER,
        ["一、聚焦政治建设方面"] * 4,
        ["1", "学习不深入。", "一是组织学习。\n　二是开展研讨。", "已完成"],
        HEADER,
        ["2", "调研不够。", "制定调研计划，下沉调研。", " "],
    ]
    assert issue_rows(rows) == [
        "一、聚焦政治建设方面",
        "1 反馈问题:学习不深入。",
        "整改情况:一是组织学习。",
        "二是开展研讨。",
        "完成情况:已完成",
        "2 反馈问题:调研不够。",
        "整改情况:制定调研计划，下沉调研。",
    ]


@pytest.mark.parametrize("filler", ["", "学习\n不深入。"], ids=["blank", "repeated"])
def test_a_problem_merged_over_rows_is_one_issue(filler):
    number = "1" if filler else ""
    rows = [
        ["编号", "存在问题", "整改情况", "整改状态", "责任单位"],
        ["1", "学习\n不深入。", "组织集中学习，开展专题研讨交流。", "已完成", "办公室"],
        [number, filler, "建立学习档案，按季度通报学习情况。", "已完成", "机关党委"],
    ]
    assert issue_rows(rows) == [
        "1 反馈问题:学习不深入。",
        "整改情况:组织集中学习，开展专题研讨交流。",
        "建立学习档案，按季度通报学习情况。",
        "完成情况:已完成",
    ]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("12", "12 反馈问题:学习不深入。"),
        ("", "反馈问题:学习不深入。"),
        ("1.", "1. 学习不深入。"),
        ("（三）", "（三） 学习不深入。"),
        ("A-7", "反馈问题:学习不深入。"),
    ],
)
def test_numbers_in_every_form(number, said):
    rows = [["序号", "存在的问题", "整改情况"], [number, "学习不深入。", "组织学习。"]]
    assert issue_rows(rows) == [said, "整改情况:组织学习。"]


def test_what_was_planned_stands_before_what_was_done():
    rows = [
        ["问题清单", "整改落实情况", "整改措施", "整改时限", "整改责任人"],
        ["学习不深入", "开展集中学习十二次，研讨四次。", "制定学习计划并组织研讨。", "6月", "张三"],
    ]
    assert issue_rows(rows) == [
        "反馈问题:学习不深入",
        "整改情况:制定学习计划并组织研讨。",
        "开展集中学习十二次，研讨四次。",
    ]


@pytest.mark.parametrize(
    ("heading", "cell", "said"),
    [
        ("整改成效", "已完成", "整改情况:已完成"),  # the only column that tells anything
        (
            "完成情况",
            "已召开会议，制定制度三项，全部落实。",
            "整改情况:已召开会议，制定制度三项，全部落实。",
        ),
    ],
)
def test_a_single_column_tells_what_was_done(heading, cell, said):
    assert issue_rows([["整改任务", heading], ["学习不深入", cell]]) == [
        "反馈问题:学习不深入",
        said,
    ]


def test_a_header_of_two_rows_and_a_title_above():
    rows = [
        ["附件 整改清单"] + [""] * 3,
        ["序号", "巡察反馈问题", "整改情况", "整改情况"],
        ["序号", "巡察反馈问题", "整 改 措 施", "完成情况（截至6月）"],
        ["1", "学习不深入", "制定学习计划，组织研讨交流。", "长期坚持"],
    ]
    assert issue_rows(rows) == [
        "附件 整改清单",
        "1 反馈问题:学习不深入",
        "整改情况:制定学习计划，组织研讨交流。",
        "完成情况:长期坚持",
    ]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [[]],
        [["序号", "热门文章", "点击"], ["1", "关于整改", "9"]],
        [["序号", "存在问题"], ["1", "学习不深入"]],
        [["责任单位", "整改时限"], ["办公室", "6月"]],
        [["1", "学习不深入问题", "已完成整改", "已完成"]],
    ],
)
def test_other_tables_are_not_issues(rows):
    assert issue_rows(rows) is None


def test_merged_cells_of_a_page_are_followed():
    table = (
        "<table><tr><th>序号<th>反馈问题<th>整改措施<th>整改进度"
        "<tr><td rowspan=2>1<td rowspan=2>学习不深入<td>制定学习计划，组织研讨交流。<td rowspan=2>已完成"
        "<tr><td>建立学习档案，按季通报情况。"
        "<tr><td colspan=4>二、作风建设方面<tr><td>2<td>调研不够<td>下沉一线调研，形成调研报告。<td>持续推进</table>"
    )
    assert lines(f"<div id=zoom><p>{OPENING}</p>{table}</div>") == [
        OPENING,
        "1 反馈问题:学习不深入",
        "整改情况:制定学习计划，组织研讨交流。",
        "建立学习档案，按季通报情况。",
        "完成情况:已完成",
        "二、作风建设方面",
        "2 反馈问题:调研不够",
        "整改情况:下沉一线调研，形成调研报告。",
        "完成情况:持续推进",
    ]


cells = st.text("一问题整改措施完成情况1.、（方面 \n。x", max_size=12)


@given(st.lists(st.lists(cells, max_size=5), max_size=6))
def test_no_table_loses_or_invents_text(rows):
    said = "".join("".join(table_lines([[Cell(text) for text in row] for row in rows])).split())
    if issue_rows(rows) is None:
        assert said == "".join("".join(text.split()) for row in rows for text in row)


@given(st.lists(st.tuples(cells, cells, cells.map("办。".__add__)), min_size=1, max_size=6))
def test_issues_never_lose_a_measure(rows):
    found = issue_rows([["序号", "反馈问题", "整改措施"], *map(list, rows)])
    assert found is not None
    assert all("\n" not in line for line in found)
    said = "".join("".join(found).split())
    assert all("".join(measure.split()) in said for _, _, measure in rows)


# -- foreign bytes ----------------------------------------------------------------------


@given(
    st.binary(max_size=300) | st.text("<>/adivtrplbo=\"' 整改\n&;", max_size=200).map(str.encode)
)
def test_any_bytes_give_a_page_or_a_read_error(data):
    try:
        found = page(data, "x")
    except ReadError:
        return
    assert found.text.strip()
    assert all(line == " ".join(line.split()) != "" for line in found.text.split("\n"))


@pytest.mark.parametrize("tag", ["div", "span", "table><tr><td", "i"])
def test_depth_is_survived_or_refused_and_never_cut(tag):
    shallow, deep = (
        f"<html><body><p>{OPENING}</p>{f'<{tag}>' * depth}{ISSUES[1]}".encode()
        for depth in (300, 100_000)
    )
    assert ISSUES[1] in read_page(shallow, "deep.html").text
    with pytest.raises(ReadError, match="nests its tags too deep"):
        read_page(deep, "deep.html")


def test_a_large_page_is_read_in_a_child():
    body = f"<div>{PARAGRAPHS * 6000}</div>"
    assert len(html(body)) > 2_000_000
    assert read_page(html(body), "large.html").text.split("\n") == LINES * 6000
