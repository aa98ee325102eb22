"""The page as a person uses it, in Chromium: files in, issues in their place, downloads out."""

import json
import re

import pytest
from openpyxl import load_workbook

from rectify_nlp import load_examples, read, rows

SIZES = ({"width": 1440, "height": 900}, {"width": 390, "height": 844})
HOSTILE = """关于巡察整改进展情况的通报</title><script>window.hurt = 1</script>
现将巡察整改进展情况公布如下。
1.关于“<img src=x onerror="window.hurt=2"><script>window.hurt=3</script>党费收缴不规范”的问题。
整改情况：一是补缴党费</p></article></template><svg onload="window.hurt=4">。整改进度：已完成
2.关于“{{ 7*7 }}执法不规范--><iframe src=javascript:window.hurt=5></iframe>”的问题。
整改情况：一是开展<a href="javascript:window.hurt=6">培训</a>。整改进度：正在整改
"""
# An issue of which the model cannot tell what it is about.
IN_DOUBT = """关于巡察整改进展情况的通报
1.关于乱的问题。
整改情况：已改。
2.关于党费收缴不规范的问题。
整改情况：补缴党费，修订制度。整改进度：已完成
"""


@pytest.fixture(scope="module")
def own_labels(tmp_path_factory):
    return tmp_path_factory.mktemp("labels") / "own.jsonl"


@pytest.fixture(scope="module")
def service(browser, serve, batch_folder, own_labels, linyi):
    labelling = ("--label", linyi, "--labels", own_labels, "--annotator", "张三")
    return serve("--results", batch_folder, *labelling)


@pytest.fixture
def open_page(browser, service):
    """Opens pages of the service; none of them may complain, or ask anybody else for anything."""
    contexts, faults = [], []

    def requested(request):
        if not request.url.startswith((service.address, f"blob:{service.address}", "data:")):
            faults.append(request.url)

    def start(path="/", size=SIZES[0], scheme="light"):
        context = browser.new_context(viewport=size, color_scheme=scheme, accept_downloads=True)
        contexts.append(context)
        context.on("request", requested)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.goto(service.address + path)
        return page

    yield start
    for context in contexts:
        context.close()
    assert faults == []


def give(page, *files):
    """Hand files to the page and wait for what it says in the end."""
    page.set_input_files("#files", list(files))
    return told(page)


def file(name, content):
    return {"name": name, "mimeType": "", "buffer": content}


def told(page):
    page.wait_for_selector('#told:text-matches("^已分析")', timeout=60_000)
    return page.inner_text("#told")


def shown(page):
    return page.locator("#rows tr:visible")


def squeezed(text):
    return re.sub(r"\s+", "", text)


def faults_of(page):
    """What axe finds serious or worse."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        (v["id"], [node["html"][:200] for node in v["nodes"]])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


def fits(page):
    """Nothing is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


DOCUMENTS = ("d05_plain_a10.docx", "p05_env_a9.pdf", "h02_zoom_a5_strong_nbsp.html")


def test_files_of_every_kind_become_one_list(open_page, root, guangzhou):
    page = open_page()
    files = [root / "tests/cases/documents" / name for name in DOCUMENTS]
    answers = [json.loads(file.with_suffix(".json").read_text(encoding="utf-8")) for file in files]
    expected = 17 + sum(len(answer["issues"]) for answer in answers)
    page.set_input_files("#files", [guangzhou, *files])
    told(page)
    page.set_input_files("#files", [file("扫描件.png", b"\x89PNG" * 9)])
    page.wait_for_selector("#failures li")
    assert told(page) == f"已分析 4 份材料，共 {expected} 个问题，1 份未能读入"
    assert page.inner_text("#failures") == (
        "扫描件.png：这是图片，请先做文字识别，存为 txt、docx 或 PDF"
    )
    assert shown(page).count() == expected
    # In the order given, though documents are read at the same time.
    notices = page.eval_on_selector_all("#rows tr", "rows => rows.map(r => r.dataset.notice)")
    assert notices == sorted(notices)
    assert page.inner_text("[data-count=all]") == str(expected)


def test_filters_leave_what_was_asked_for(open_page, linyi, guangzhou, released):
    page = open_page()
    give(page, linyi, guangzhou)
    found = [row for path in (linyi, guangzhou) for row in rows(released.predict(read(path)))]
    page.select_option("[name=status]", "未完成")
    left = [row for row in found if row["status"] == "未完成"]
    assert 0 < len(left) < len(found)
    assert shown(page).count() == len(left)
    assert page.inner_text("#shown") == f"显示 {len(left)} / {len(found)} 个问题"
    page.select_option("[name=category]", "业务发展")
    both = [row for row in left if row["category"] == "业务发展"]
    assert shown(page).locator("a").all_inner_texts() == [row["problem"] for row in both]
    page.click("#filters [type=reset]")
    page.fill("[name=words]", "非法营运")
    assert shown(page).count() == sum("非法营运" in row["problem"] for row in found) == 1
    page.fill("[name=words]", "")
    page.select_option("[name=notice]", index=2)
    assert shown(page).count() == 17


def test_an_issue_opens_in_its_place_with_the_right_words_marked(open_page, linyi, released):
    page = open_page()
    give(page, linyi)
    notice = read(linyi)
    report = released.predict(notice, explain=True)
    at = 3
    finding, row = report.findings[at], rows(report, explain=True)[at]
    link = page.locator("#rows a").nth(at)
    link.focus()
    page.keyboard.press("Enter")
    issue = page.locator(f"#n1-{at + 1}")
    assert issue.is_visible()
    assert not page.locator("#overview").is_visible()
    assert page.evaluate("document.activeElement.closest('.issue').id") == f"n1-{at + 1}"
    assert 0 <= issue.bounding_box()["y"] < 200
    text = squeezed(issue.locator(".text").inner_text())
    assert squeezed(finding.issue.problem.text) in text
    assert squeezed(finding.issue.measures.text) in text
    # Characters marked for the category, wherever a mark may be cut in two.
    for task, sign in (("category", "c"), ("status", "s")):
        evidence = [e for e in row["evidence"] if e["of"] == task]
        inside = {i for e in evidence for i in range(e["start"], e["end"])}
        begin = finding.issue.number.start
        expected = "".join(notice.text[i] for i in sorted(inside) if i >= begin)
        marks = issue.locator(".text mark").evaluate_all(
            "(marks, sign) => marks.filter(m => [...m.classList].some(c => RegExp(`^${sign}\\\\d`).test(c)))"
            ".map(m => m.textContent).join('')",
            sign,
        )
        assert expected
        assert squeezed(marks) == squeezed(expected)
    # Probabilities of both tasks side by side.
    boxes = [bars.bounding_box() for bars in issue.locator(".pair > div").all()]
    assert len(boxes) == 2
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] < boxes[1]["x"]
    page.click("#next")
    assert page.locator(".issue.opened").get_attribute("id") == f"n1-{at + 2}"
    page.keyboard.press("Escape")
    assert page.locator("#overview").is_visible()
    assert page.evaluate("document.activeElement.hash") == f"#n1-{at + 2}"


def test_downloads_hold_what_the_command_line_writes(open_page, run, guangzhou, tmp_path):
    page = open_page()
    give(page, guangzhou)
    saved = {}
    for form in ("xlsx", "jsonl", "html"):
        with page.expect_download() as waiting:
            page.click(f"[data-form={form}]")
        saved[form] = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(saved[form])
        page.wait_for_selector(f'#told:text-matches("^已下载：.*{form}$")')
    assert [path.name for path in saved.values()] == [
        "整改台账.xlsx",
        "整改情况.jsonl",
        "整改情况分析报告.html",
    ]
    done = run("predict", guangzhou.name, "-f", "jsonl", "--explain", cwd=guangzhou.parent)
    assert saved["jsonl"].read_bytes() == done.stdout
    done = run("predict", guangzhou.name, "-f", "html", cwd=guangzhou.parent)
    assert saved["html"].read_bytes() == done.stdout
    sheet = load_workbook(saved["xlsx"])["台账"]
    assert sheet.max_row == 18


def test_pasted_text_is_read_and_cleared_away(open_page, guangzhou):
    page = open_page()
    page.fill("#text", guangzhou.read_text(encoding="utf-8"))
    page.click("#paste button")
    assert told(page) == "已分析 1 份材料，共 17 个问题"
    page.click("#clear")
    assert page.locator("#results").is_hidden()
    assert page.locator("#rows tr").count() == 0
    page.fill("#text", guangzhou.read_text(encoding="utf-8"))
    page.click("#paste button")
    assert told(page) == "已分析 1 份材料，共 17 个问题"


def test_files_may_be_dropped(open_page):
    page = open_page()
    page.evaluate(
        """text => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([text], "通报.txt"));
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
        }""",
        HOSTILE,
    )
    assert told(page) == "已分析 1 份材料，共 2 个问题"


def test_a_notice_that_holds_a_script_does_nothing(open_page):
    page = open_page()
    scripts = page.locator("script").count()
    give(page, file("<img src=x onerror=hurt=7>.txt", HOSTILE.encode()))
    assert shown(page).count() == 2
    page.locator("#rows a").first.click()
    issue = page.locator("#n1-1")
    assert "<script>window.hurt=3</script>" in issue.inner_text()
    assert "{{ 7*7 }}" in page.locator("#n1-2").inner_text()
    assert page.locator("script").count() == scripts
    assert page.locator("main :is(img, iframe, [onload], [onerror])").count() == 0
    assert page.evaluate("window.hurt") is None


@pytest.mark.parametrize(("size", "scheme"), [*zip(SIZES, ("light", "dark"), strict=True)])
def test_every_view_is_accessible_and_fits(open_page, size, scheme):
    page = open_page("/", size, scheme)
    assert faults_of(page) == []
    give(page, file("通报.txt", IN_DOUBT.encode()), file("图.png", b"\x89PNG" * 9))
    assert page.inner_text("[data-count=doubt]") == "1"
    assert faults_of(page) == []
    assert fits(page)
    page.locator("#rows a").first.click()
    assert faults_of(page) == []
    assert fits(page)
    page.goto(page.url.split("#")[0] + "dashboard")
    page.locator("summary").first.click()
    assert faults_of(page) == []
    assert fits(page)


def test_the_dashboard_filters_a_batch(open_page):
    page = open_page("/dashboard")
    assert page.inner_text(".figures").split()[:4] == ["单位", "2", "问题", "57"]
    page.select_option("[name=status]", "未完成")
    page.click("text=筛选")
    cases = page.locator(".cases li")
    count = int(re.match(r"(\d+) 个问题", page.inner_text("#issues > .hint"))[1])
    assert cases.count() == min(count, 20) > 0
    assert set(cases.locator(".labels .chip:last-child").all_inner_texts()) == {"未完成"}
    cases.first.locator("summary").click()
    assert cases.first.locator(".bars").count() == 2


def labelled(own_labels):
    """What the label file holds: category, second ones, status and remark of each row."""
    rows = map(json.loads, own_labels.read_text(encoding="utf-8").splitlines())
    return [(r["category"], r["also"], r["status"], r.get("remark", "")) for r in rows]


def segment_of(page):
    return page.get_attribute("#answer", "data-segment")


def press(page, *keys):
    """Press keys of which the last one sends something, and wait for the page that follows."""
    with page.expect_navigation():
        for key in keys:
            page.keyboard.press(key)


def test_segments_are_labelled_by_keys(open_page, own_labels, taxonomy):
    page = open_page("/label")
    first = segment_of(page)
    press(page, "7", "e")
    second = segment_of(page)
    assert second != first
    press(page, "w", "a")  # in any order
    expected = [("财经纪律", [], "已完成", ""), ("民生服务", [], "长期坚持", "")]
    assert labelled(own_labels) == expected
    # Half an answer outlives a reload, and what was saved is not asked again.
    third = segment_of(page)
    page.keyboard.press("Shift+3")
    page.keyboard.press("b")
    page.keyboard.type("7 拿不准")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    page.reload()
    assert segment_of(page) == third
    press(page, "q")
    assert labelled(own_labels) == [*expected, ("政治建设", ["党建"], "未完成", "7 拿不准")]
    # Taken back, it is asked again; its remark is kept.
    press(page, "u")
    assert segment_of(page) == third
    assert labelled(own_labels) == expected
    assert page.input_value("#remark") == "7 拿不准"
    assert page.locator("[type=radio]:checked").count() == 0
    press(page, "n")
    assert segment_of(page) not in (first, second, third)
    assert page.input_value("#remark") == ""
    press(page, "g", "r")
    assert labelled(own_labels)[-1] == ("整改落实", [], None, "")
    # By pointer.
    page.click("text=意识形态 >> nth=0")
    page.click("#answer >> text=未完成")
    with page.expect_navigation():
        page.click("text=保存，看下一个")
    assert labelled(own_labels)[-1] == ("意识形态", [], "未完成", "")
    found = load_examples([own_labels], taxonomy)
    assert [e.category for e in found] == ["财经纪律", "民生服务", "整改落实", "意识形态"]


def test_keys_can_be_turned_off(open_page):
    page = open_page("/label")
    page.uncheck("#keys")
    page.reload()
    for key in ("7", "m"):
        page.keyboard.press(key)
    assert page.locator("#answer :checked").count() == 0
    assert page.locator("#hint p").is_hidden()
    page.check("#keys")
    for key in ("7", "m", "Control+e"):
        page.keyboard.press(key)
    assert page.locator("#answer :checked").count() == 1
    assert page.locator("#hint p").is_visible()


def test_two_windows_lose_no_answer(open_page, own_labels):
    pages = [open_page("/label"), open_page("/label")]
    assert segment_of(pages[0]) == segment_of(pages[1])
    before = labelled(own_labels) if own_labels.exists() else []
    press(pages[0], "7", "e")
    press(pages[1], "8", "e")
    assert "您此前标为“财经纪律”" in pages[1].inner_text(".last")
    given = [("财经纪律", [], "已完成", ""), ("工程采购", [], "已完成", "")]
    assert labelled(own_labels) == [*before, *given]
    press(pages[1], "u")
    assert labelled(own_labels) == [*before, given[0]]


@pytest.mark.parametrize(("size", "scheme"), [*zip(SIZES, ("light", "dark"), strict=True)])
def test_labelling_is_accessible_and_fits(open_page, size, scheme):
    page = open_page("/label", size, scheme)
    for key in ("7", "Shift+3", "m"):
        page.keyboard.press(key)
    assert faults_of(page) == []
    assert fits(page)
    press(page, "q")
    assert page.locator(".last").is_visible()
    assert faults_of(page) == []
    assert fits(page)


def test_the_documentation_needs_nothing_from_elsewhere(open_page):
    page = open_page("/docs")
    page.wait_for_selector(".opblock")
    assert page.locator(".opblock").count() == 12
    page.click("#operations-判断-predict_predict_post button.opblock-summary-control")
    page.click("text=Try it out")
    page.fill(".body-param textarea", json.dumps({"text": "1.党费收缴不规范。已整改。"}))
    page.click("text=Execute")
    page.wait_for_selector(".live-responses-table .response-col_status:text-is('200')")
