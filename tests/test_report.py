"""The HTML page and Markdown: nothing of the notice is lost, nothing of it is obeyed."""

import base64
import hashlib
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html
from markdown_it import MarkdownIt

from rectify_nlp import (
    Evidence,
    Failure,
    Finding,
    Issue,
    Notice,
    Passage,
    Stated,
    Verdict,
    notice_from_text,
    read,
)
from rectify_nlp.marked import blocks
from rectify_nlp.phrases import deciding_words, doubts, warning
from rectify_nlp.records import clean, deciding
from rectify_nlp.render import Layout, lines, rows
from rectify_nlp.splitting import split
from rectify_nlp.status import compare_totals
from rectify_nlp.types import Segment, Totals

FAILURE = Failure(source="x<b>.pdf", error="NoText", message="pictures & nothing else")
HOSTILE = """关于巡察整改进展情况的通报</title><script>alert(1)</script>
根据巡察工作安排，现将巡察整改进展情况公布如下。
二、反馈问题整改落实情况
1.关于“<img src=x onerror=alert(2)>党费收缴不规范”的问题。
整改情况：一是补缴党费</p></article><svg onload=alert(3)>。二是修订&lt;制度&gt;{{ 7*7 }}。
整改进度：已完成
2.关于“执法|检查`记录`*不*规范--><script>alert(4)</script>”的问题。
整改情况：一是开展[培训](javascript:alert(5))</style><style>*{display:none}。整改进度：正在整改
"""


def page(results, model):
    return "".join(lines(results, "html", model, Layout()))


def tree(results, model):
    return html.document_fromstring(page(results, model))


def texts(nodes):
    return ["".join(node.itertext()).strip() for node in nodes]


def squeezed(text):
    return re.sub(r"\s+", "", clean(text))


@pytest.fixture(scope="module")
def seeds(model, seed_paths):
    return [model.predict(read(path), explain=True) for path in seed_paths]


@pytest.fixture(scope="module")
def hostile(model):
    notice = notice_from_text(HOSTILE, 'a"><script>x</script>.txt')
    notice = replace(notice, url="javascript:alert(6)", title=HOSTILE.split("\n")[0])
    found = model.predict(notice, explain=True)
    assert len(found.findings) == 2
    return replace(found, warnings=("<b>bold</b>",))


@pytest.fixture(scope="module")
def doubted(seeds):
    """The second seed with its 30th finding in doubt, and its 31st without a category."""
    findings = list(seeds[1].findings)
    findings[29] = replace(findings[29], doubtful=True)
    findings[30] = replace(findings[30], category=replace(findings[30].category, label=None))
    return replace(seeds[1], findings=tuple(findings))


@pytest.fixture(scope="module")
def everything(seeds, doubted, hostile, model):
    return [seeds[0], doubted, FAILURE, hostile, *segments(model)]


def segments(model):
    from rectify_nlp.splitting import segment

    for problem in ("党费收缴不规范", "执法检查不规范"):
        notice, issue = segment(problem, "一是整改。", ["一、<甲>"], source="s.jsonl")
        (finding,) = model.judge([issue], explain=True)
        yield Segment(notice=notice, finding=finding, given={"id": 1})


# -- the whole text, with marks ------------------------------------------------------------


def test_the_page_holds_the_whole_text_in_order(seeds, hostile, model):
    for found in (*seeds, hostile):
        shown = tree([found], model).xpath("//*[@class='between' or @class='text']//p")
        assert "".join(map(squeezed, texts(shown))) == squeezed(found.notice.text)


def test_every_issue_stands_in_its_place_with_its_words(seeds, model):
    for found in seeds:
        sections = tree([found], model).xpath("//section[starts-with(@class, 'issue')]")
        assert len(sections) == len(found.findings)
        for section, finding in zip(sections, found.findings, strict=True):
            (text,) = section.xpath("div[@class='text']")
            bold = text.xpath(".//*[contains(concat(' ', @class, ' '), ' problem ')]")
            assert squeezed("".join(texts(bold))) == squeezed(finding.issue.problem.text)
            assert squeezed(finding.issue.measures.text) in squeezed("".join(text.itertext()))
            boxed = text.xpath(".//mark[contains(concat(' ', @class, ' '), ' stated ')]")
            stated = finding.issue.stated.text if finding.issue.stated else ""
            assert squeezed("".join(texts(boxed))) == squeezed(stated)
            for verdict, sign in ((finding.category, "c"), (finding.status, "s")):
                marked = text.xpath(f".//mark[contains(concat(' ', @class), ' {sign}')]")
                chosen = sorted(deciding(verdict), key=lambda e: e.start)
                words = "".join(found.notice.text[e.start : e.end] for e in chosen)
                shown = [m for m in marked if re.search(rf"\b{sign}[1-4]\b", m.get("class"))]
                assert squeezed("".join(m.text for m in shown)) == squeezed(words)
                assert any(f"{sign}4" in m.get("class").split() for m in shown)


def test_a_card_tells_what_the_row_says(seeds, model):
    for found in seeds:
        cards = tree([found], model).xpath("//div[@class='card']")
        for card, row in zip(cards, rows(found, explain=True), strict=True):
            chips = texts(card.xpath(".//span[starts-with(@class, 'chip')]"))
            assert chips == [row["category"] or "未判断", row["status"] or "未判断"]
            shown = dict(
                zip(texts(card.xpath(".//tbody//th")), texts(card.xpath(".//tbody//td[2]")), strict=True)
            )  # fmt: skip
            for status, p in row["p"]["status"].items():
                assert shown[status] in (f"{p:.1%}", ">99.9%", "<0.1%")
            for task in ("category", "status"):
                words = [word for word, _ in deciding_words(row, task)]
                assert texts(card.xpath(f".//span[@class='{task}']")) == [w.strip() for w in words]


spans = st.tuples(st.integers(0, 60), st.integers(0, 20))


def test_an_issue_answered_with_another_leads_there(model):
    notice = notice_from_text(
        "某局关于巡察整改进展情况的通报\n1.党费收缴不及时的问题。\n2.会议记录不规范的问题。\n"
        "针对以上两个问题，逐一核对台账，补缴党费3200元，统一印制会议记录本。\n"
        "3.工程款拨付不及时的问题。\n整改情况：拨付工程款340万元。\n",
        "joint.txt",
    )
    document = tree([model.predict(notice, explain=True)], model)
    cards = document.xpath("//section[contains(@class, 'issue')]")
    links = [card.xpath(".//*[@class='answered']//@href") for card in cards]
    assert links == [["#" + cards[1].get("id")], [], []]
    assert "一并说明" in cards[0].text_content()


@st.composite
def marked_texts(draw):
    """A text and findings whose passages and evidence lie anywhere in it."""
    text = draw(st.text(st.sampled_from("整改\n。 　<&a"), max_size=60))

    def passage():
        start, length = draw(spans)
        start = min(start, len(text))
        return Passage(text=text[start : start + length], start=start)

    def verdict():
        found = sorted((passage() for _ in range(3)), key=lambda p: p.start)
        evidence = tuple(
            Evidence(start=p.start, end=p.end, term=p.text, weight=draw(st.floats(0.01, 9)))
            for p in found
        )
        return Verdict(label="党建", probability=0.5, ranking=(("党建", 1.0),), evidence=evidence)

    findings = []
    for _ in range(draw(st.integers(0, 4))):
        stated = passage()
        issue = Issue(
            problem=passage(),
            measures=passage(),
            number=passage() if draw(st.booleans()) else None,
            path=(passage(),),
            stated=Stated(status="已完成", text=stated.text, start=stated.start, masked=(stated.start, stated.end)) if draw(st.booleans()) else None,
        )  # fmt: skip
        findings.append(Finding(issue=issue, category=verdict(), status=verdict()))
    return text, findings


@settings(max_examples=200, deadline=None)
@given(marked_texts())
def test_marking_loses_nothing_wherever_things_lie(case):
    text, findings = case
    found = blocks(text, findings)
    shown = "".join(piece.text for block in found for line in block.lines for piece in line)
    assert squeezed(shown) == squeezed(text)
    assert sorted(b.issue for b in found if b.issue is not None) == list(range(len(findings)))
    for block in found:
        for line in block.lines:
            assert line[0].text.strip()
            assert not any("\n" in piece.text for piece in line)


# -- nothing is obeyed -----------------------------------------------------------------------

ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "a", "header", "p", "h1", "h2", "h3",
    "h4", "dl", "div", "dt", "dd", "nav", "ul", "li", "small", "main", "section", "table",
    "caption", "thead", "tbody", "tr", "th", "td", "span", "svg", "rect", "article", "aside",
    "mark", "b", "footer",
}  # fmt: skip


def test_a_notice_cannot_add_anything_to_the_page(everything, model):
    document = tree(everything, model)
    assert {node.tag for node in document.iter() if isinstance(node.tag, str)} <= ALLOWED
    names = {name for node in document.iter() for name in node.attrib}
    assert not [name for name in names if name.startswith("on") or name in ("style", "src")]
    assert all(link.startswith("#") for link in document.xpath("//@href"))
    assert len(document.xpath("//style")) == 1
    assert not list(document.iter(html.etree.Comment))
    whole = document.text_content()
    for claim in ("<script>alert(1)</script>", "<img src=x onerror=alert(2)>", "{{ 7*7 }}"):
        assert claim in whole
    assert "&lt;制度&gt;" in whole
    assert "javascript:alert(6)" in whole
    assert "x<b>.pdf" in whole


def test_the_policy_allows_only_the_pages_own_style(everything, model):
    document = tree(everything, model)
    (policy,) = document.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    (style,) = document.xpath("//style/text()")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert "url(" not in style
    assert "@import" not in style


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters() | st.sampled_from(list("<>&\"'\x00\x1b\u202e\ud800`|*"))))
def test_any_text_is_harmless(model, seeds, text):
    first = seeds[0].findings[0]
    found = replace(
        seeds[0],
        notice=replace(seeds[0].notice, title=text, source=text, publisher=text),
        findings=(first,),
        warnings=(text,),
    )
    written = page([found, replace(FAILURE, source=text)], model)
    assert written.encode().decode() == clean(written)
    document = html.document_fromstring(written)
    assert {node.tag for node in document.iter() if isinstance(node.tag, str)} <= ALLOWED


# -- a page for everybody --------------------------------------------------------------------


def test_the_page_is_well_built(everything, model):
    document = tree(everything, model)
    assert document.get("lang") == "zh-Hans"
    assert [len(document.xpath(f"//{name}")) for name in ("h1", "main", "nav")] == [1, 1, 1]
    ids = document.xpath("//@id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in document.xpath("//@href")} <= set(ids)
    assert set(document.xpath("//@aria-labelledby")) <= set(ids)
    levels = [int(node.tag[1]) for node in document.xpath("//h1|//h2|//h3|//h4")]
    assert levels[0] == 1
    assert all(deeper - level <= 1 for level, deeper in pairwise(levels))
    for node in document.xpath("//table"):
        assert node.xpath("thead//th")
        assert all(th.get("scope") for th in node.xpath(".//th"))
    for svg in document.xpath("//svg"):
        named = svg.get("role") == "img" and svg.get("aria-label") == svg.findtext("title")
        assert named or svg.get("aria-hidden") == "true"


def test_what_is_in_doubt_comes_first(doubted, seeds, model):
    tables = tree([seeds[0], doubted], model).xpath("//section[@id='list']/table")
    captions = texts(table.find("caption") for table in tables)
    # The small model abstains from categories: that too asks for a second look.
    unclear = sum(bool(doubts(row)) for found in (seeds[0], doubted) for row in rows(found))
    assert captions[0] == f"需复核（{unclear} 个）"
    listed = [link for table in tables for link in table.xpath(".//a/@href")]
    assert len(listed) == len(set(listed)) == 57
    assert {"#n2-30", "#n2-31"} <= set(tables[0].xpath(".//a/@href"))
    assert not any(table.xpath(".//small[@class='doubt']") for table in tables[1:])


def test_charts_show_what_was_counted(seeds, model):
    (chart,) = tree([seeds[1]], model).xpath("//table[@class='chart']")
    expected = {}
    for row in rows(seeds[1]):
        counts = expected.setdefault(row["category"] or "未判断", dict.fromkeys(model.taxonomy.status_names, 0))  # fmt: skip
        counts[row["status"]] += 1
    heads = texts(chart.xpath("thead//th"))
    found = {}
    for line in chart.xpath("tbody/tr"):
        category, *cells = texts(line)
        numbers = [0 if cell == "·" else int(cell) for cell in cells[1:]]
        found[category] = dict(zip(heads[2:], numbers, strict=True))
        widths = [float(width) for width in line.xpath(".//rect/@width")]
        assert len(widths) == sum(1 for number in numbers[:-1] if number)
        assert sum(widths) <= 100
        said = "，".join(f"{name} {number}" for name, number in list(found[category].items())[:-1])
        assert line.xpath(".//svg/@aria-label") == [f"{category}：{said}"]
    assert found == {c: {**counts, "合计": sum(counts.values())} for c, counts in expected.items()}


def test_segments_of_a_table_stand_together(model):
    first, second = segments(model)
    document = tree([first, FAILURE, second], model)
    (chapter,) = document.xpath("//article")
    assert len(chapter.xpath(".//div[@class='card']")) == 2
    assert texts(chapter.xpath("dl[@class='facts']//dd")) == ["s.jsonl"]


def test_warnings_totals_failures_and_model_are_told(seeds, model):
    found = replace(
        seeds[1],
        totals=Totals(issues=41, by_status=(("已完成", 17),)),
        warnings=("the notice says 41 issues, 40 found",),
    )
    document = tree([found, FAILURE], model)
    assert texts(document.xpath("//p[@class='totals']")) == [
        "通报自述 41 个问题，已完成 17 个；切分出 40 个，不一致。"
    ]
    assert texts(document.xpath("//aside//li")) == ["通报自述 41 个问题，切分出 40 个"]
    (failures,) = document.xpath("//section[@id='failures']")
    assert texts(failures.xpath(".//td")) == ["x<b>.pdf", "NoText: pictures & nothing else"]
    about = "".join(texts(document.xpath("//section[@id='model']")))
    assert model.fingerprint in about
    for task in ("category", "status"):
        assert f"{model.info['measured'][task]['accuracy']:.1%}" in about


def test_nothing_found_makes_a_page(model):
    document = tree([], model)
    assert "没有问题可以统计" in document.text_content()


def test_the_same_results_give_the_same_page(everything, model):
    assert page(everything, model) == page(everything, model)


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_apart(scheme, seeds, model):
    """WCAG 2: text 4.5 to 1 at least, graphics 3 to 1."""
    (style,) = tree(seeds[:1], model).xpath("//style/text()")
    root = re.findall(r":root \{(.*?)\}", style, re.S)[scheme]
    colour = dict(re.findall(r"--([\w-]+): (#\w{6})", root))
    for name in ("ink", "soft", "link"):
        for ground in ("ground", "paper"):
            assert contrast(colour[name], colour[ground]) >= 4.5, (name, ground)
    for name in ("open", "ongoing", "done", "none", "plain"):
        assert contrast(colour[name], colour[f"{name}-ground"]) >= 4.5, name
        assert contrast(colour[name], colour["paper"]) >= 4.5, name
    for name in ("accent", "status", "open", "ongoing", "done", "none"):
        assert contrast(colour[name], colour["ground"]) >= 3, name
    # The strongest highlight behind a word.
    red, green, blue = map(int, re.search(r"--category: (\d+), (\d+), (\d+)", root).groups())
    paper = [int(colour["paper"][i : i + 2], 16) for i in (1, 3, 5)]
    mixed = [round(0.42 * c + 0.58 * p) for c, p in zip((red, green, blue), paper, strict=True)]
    assert contrast(colour["ink"], "#" + "".join(f"{c:02x}" for c in mixed)) >= 4.5


def test_a_page_from_the_command(run, tmp_path, linyi):
    done = run("predict", linyi, "none.txt", "-o", "report.html", cwd=tmp_path)
    assert done.returncode == 1
    document = html.fromstring((tmp_path / "report.html").read_bytes())
    assert len(document.xpath("//div[@class='card']")) == 40
    assert len(document.xpath("//section[@id='failures']//tbody/tr")) == 1
    assert document.xpath("//mark[contains(@class, 'c4')]")


# -- Chinese warnings ------------------------------------------------------------------------


def test_every_warning_is_told_in_chinese(tmp_path, root):
    (tmp_path / "broken.txt").write_bytes("整改情况通报".encode() * 50 + b"\xff\xfe\x80 ")
    totals = Totals(issues=3, by_status=(("已完成", 2), ("未完成", 1)))
    found = [
        *compare_totals(totals, ["已完成", "已完成", "已完成", "未完成"]),
        *compare_totals(totals, ["已完成", "长期坚持"]),
        *split(Notice(text="今天天气很好。", source="")).warnings,
        *split(read(root / "tests/cases/txt/b14_not_regulation.txt")).warnings,
        *read(tmp_path / "broken.txt").warnings,
        "no text on page 2, 3: pictures, in need of OCR",
        "traditional characters: pip install 'rectify-nlp[hant]' reads them better",
    ]
    assert len(found) >= 8
    for text in found:
        told = warning(text)
        assert told != text
        assert not re.search(r"[a-z]{3}", told.replace("pip install 'rectify-nlp[hant]'", ""))
    assert warning("something new") == "something new"


# -- Markdown --------------------------------------------------------------------------------


def parsed(text):
    return MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)


def tables(text):
    """Cells of all tables, row by row, as a reader sees them."""
    found, inside = [], False
    for token in parsed(text):
        if token.type == "tr_open":
            found.append([])
        inside = token.type in ("td_open", "th_open") or (inside and token.type == "inline")
        if inside and token.type == "inline":
            assert {child.type for child in token.children} <= {"text", "text_special"}
            found[-1].append("".join(child.content for child in token.children))
    return found


def test_markdown_is_a_table_of_issues(seeds, doubted, model):
    text = "".join(lines([seeds[0], FAILURE, doubted], "md", model, Layout()))
    assert text.count("\n## ") + text.startswith("## ") == 2
    assert "> 未能读入 x\\<b\\>.pdf：pictures \\& nothing else" in text
    found = [row for row in tables(text) if row[0] != "编号"]
    expected = [row for report in (seeds[0], doubted) for row in rows(report)]
    for (number, problem, category, status, remark), row in zip(found, expected, strict=True):
        assert (number, problem) == (row["number"], row["problem"])
        assert category == f"{row['category'] or '未判断'} {row['category_p']:.0%}"
        if row["status_source"] == "stated":
            assert (status, remark.split("；")[0]) == (row["status"], "通报写明")
        else:
            assert (status, remark.split("；")[0]) == (
                f"{row['status']} {row['status_p']:.0%}",
                "模型判断",
            )
        assert ("需复核" in remark) == bool(doubts(row))


def test_markdown_explains_where_asked(seeds, model):
    text = "".join(lines(seeds[:1], "md", model, Layout(explain=True)))
    for cells, row in zip(tables(text)[1:], rows(seeds[0], explain=True), strict=True):
        first = deciding_words(row, "category")[0][0]
        assert cells[-1].startswith(first.strip())


def test_segments_share_a_table(model):
    text = "".join(lines([*segments(model), FAILURE, *segments(model)], "md", model, Layout()))
    assert [row[1] for row in tables(text)] == ["问题", "党费收缴不规范", "执法检查不规范"] * 2


@settings(max_examples=150, deadline=None)
@given(
    st.text(st.characters() | st.sampled_from(list("\\`*_{}[]<>#|~$&\n\r\t\x00\x1b!()-+.1:=\"'@/")))
)
def test_nothing_in_markdown_is_taken_for_markup(model, seeds, text):
    first = seeds[0].findings[0]
    problem = replace(first.issue.problem, text=text + "整改")
    issue = replace(first.issue, problem=problem, number=None)
    found = replace(
        seeds[0],
        notice=replace(seeds[0].notice, title=text + "通报", publisher=text),
        findings=(replace(first, issue=issue),),
        warnings=(text + "。",),
    )
    written = "".join(lines([found], "md", model, Layout()))
    kinds = [token.type for token in parsed(written)]
    assert kinds.count("heading_open") == 1
    assert kinds.count("table_open") == 1
    assert "html_block" not in kinds
    one_line = re.sub(r"\s+", " ", clean(text + "整改")).strip()
    assert tables(written)[1][1] == one_line.encode("utf-8", "replace").decode()


@pytest.mark.parametrize(
    "text",
    [
        "numbering skips before line 4 (1 missing)",
        'looks like an issue but was left out: line 9 "（三）关于公开的问题"',
        "no measures found for any of them",
        'no measures found for "3.学习不够"',
    ],
)
def test_warnings_of_the_splitter_are_told_in_chinese(text):
    assert not re.search("[a-z]", warning(text))
