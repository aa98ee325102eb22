"""The guide for offices: its commands run, its pictures show what the program shows.

`UPDATE_PICTURES=1 pytest tests/test_guide.py` takes the pictures anew; the ledger's needs
LibreOffice. A picture holds the text that was to be seen, so that an old one is found out.
"""

import io
import json
import os
import re
import shlex
import shutil
import subprocess
from importlib.metadata import metadata
from pathlib import Path

import openpyxl
import pytest
from PIL import Image
from typer.testing import CliRunner

from rectify_nlp.cli import app
from rectify_nlp.labelsheet import HEADERS, SHEET
from rectify_nlp.phrases import failure, warning

ROOT = Path(__file__).parent.parent
GUIDES = [ROOT / "docs" / name for name in ("guide.zh-CN.md", "guide.md")]
PICTURES = ROOT / "docs/pictures"
UPDATE = bool(os.environ.get("UPDATE_PICTURES"))
SHOWS = "Description"  # where a PNG holds the text that it shows
# Made up: a stated status that the text contradicts, and an issue of which little is said.
EXAMPLE = """中共示例县交通运输局党组关于巡察整改进展情况的通报
1.关于往来款长期挂账、清理不及时的问题。
整改措施：梳理往来款台账。尚未清理完毕，目前正在与有关单位对接，正在推进诉讼，计划明年6月底前完成。
整改进度：已完成
2.关于党费收缴不规范的问题。
整改措施：按标准重新核定党费，补缴到位，修订党费管理制度。
整改进度：已完成
3.关于乱的问题。
整改措施：已改。
"""


def text_of(guide):
    return guide.read_text(encoding="utf-8")


def commands(guide):
    """The lines of the guide that are typed, without their remarks."""
    return [
        line.partition("  #")[0].strip() for line in re.findall(r"^    (.+)$", text_of(guide), re.M)
    ]


def pictures(guide):
    return re.findall(r"!\[(.+?)\]\(pictures/([\w-]+)\.png\)", text_of(guide))


# -- both guides ---------------------------------------------------------------------------


def test_both_guides_have_the_same_sections_commands_and_pictures():
    shapes = [
        (
            [line.split()[0] for line in text_of(guide).splitlines() if line.startswith("#")],
            commands(guide),
            [name for _, name in pictures(guide)],
            text_of(guide).count("\n| "),
        )
        for guide in GUIDES
    ]
    assert shapes[0] == shapes[1]
    assert shapes[0][1]
    kept = {path.stem for path in PICTURES.glob("*.png")}
    assert set(shapes[0][2]) == kept


def test_links_lead_somewhere():
    for guide in GUIDES:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(guide)):
            assert (guide.parent / link).exists(), link


def test_messages_are_those_of_the_program():
    for guide in GUIDES:
        rows = re.findall(r"^\| `(.+?)` \| `(.+?)` \|", text_of(guide), re.M)
        assert len(rows) >= 5
        for pair in rows:
            english, chinese = pair if pair[0].isascii() else pair[::-1]
            assert chinese in (failure(english), warning(english))


def test_figures_are_those_of_the_readme():
    known = set(re.findall(r"\d\.\d{3}", text_of(ROOT / "README.md")))
    for guide in GUIDES:
        found = re.findall(r"\d\.\d{3}", text_of(guide))
        assert found
        assert set(found) <= known


# -- commands ------------------------------------------------------------------------------


@pytest.fixture
def office(tmp_path, monkeypatch, root, guangzhou, linyi):
    """A folder as the guide speaks of it."""
    monkeypatch.chdir(tmp_path)
    for folder in ("seeds", "通报"):
        Path(folder).mkdir()
        for notice in (guangzhou, linyi):
            shutil.copy(notice, folder)
    shutil.copy(root / "tests/cases/documents/d05_plain_a10.docx", "通报.docx")
    return tmp_path


def fill_in(sheet):
    """Label a sheet as somebody would who agrees with the model, or has no better idea."""
    book = openpyxl.load_workbook(sheet)
    table = book[SHEET]
    at = {cell.value: cell.column for cell in table[1]}
    for row in range(2, table.max_row + 1):
        suggested = table.cell(row, at[HEADERS["suggested_category"]]).value
        table.cell(row, at[HEADERS["category"]]).value = suggested or "党建"
        table.cell(row, at[HEADERS["annotator"]]).value = "李"
    book.save(sheet)


def test_the_commands_run(office, few_resamples, small_files, serve):
    known = set(metadata("rectify-nlp").get_all("Provides-Extra"))
    for command in commands(GUIDES[0]):
        program, *args = shlex.split(command)
        if program == "python":
            assert args[:3] == ["-m", "pip", "install"]
            assert set(re.search(r"\[(.+)\]", args[3])[1].split(",")) <= known
            continue
        assert program == "rectify-nlp"
        if args[0] == "serve":  # on a free port, and ended after the tests
            assert serve(*args[1:]).pid
            continue
        if args[:2] == ["label", "import"]:
            fill_in(args[2])
        if args[0] == "train":  # from fewer labels than are shipped, which take a minute
            at = args.index("builtin")
            args[at : at + 1] = map(str, small_files)
        done = CliRunner().invoke(app, args)
        assert done.exit_code == 0, (command, done.output)
        if "-o" in args:
            assert Path(args[args.index("-o") + 1]).exists()


# -- pictures ------------------------------------------------------------------------------


def squeezed(text):
    return re.sub(r"\s+", " ", text).strip()


def held(name, shown, picture):
    """Keep a picture that is taken anew; else the one kept must show what is shown now."""
    path = PICTURES / f"{name}.png"
    if UPDATE:
        from PIL.PngImagePlugin import PngInfo

        about = PngInfo()
        about.add_itxt(SHOWS, squeezed(shown))
        small = (
            picture()
            .convert("RGB")
            .quantize(200, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        )
        small.save(path, optimize=True, pnginfo=about)
    with Image.open(path) as kept:
        kept.load()
        assert kept.text[SHOWS] == squeezed(shown), "run UPDATE_PICTURES=1 pytest on this file"
    assert path.stat().st_size <= 150_000
    for guide in GUIDES:
        (caption,) = [caption for caption, picture in pictures(guide) if picture == name]
        quoted = re.findall(r"“(.+?)”", caption)
        assert quoted
        assert [words for words in quoted if words not in shown] == []


def element(page, name, selector, height=None):
    """Hold a picture to an element of a page, or to its upper part, `height` CSS pixels."""
    found = page.locator(selector)

    def taken():
        found.scroll_into_view_if_needed()
        box = found.bounding_box()
        left, right = max(box["x"] - 16, 0), min(box["x"] + box["width"] + 16, 1000)
        box |= {"x": left, "width": right - left, "height": min(box["height"], height or 2000)}
        return Image.open(io.BytesIO(page.screenshot(clip=box)))

    held(name, found.inner_text(), taken)


@pytest.fixture
def new_page(browser):
    context = browser.new_context(viewport={"width": 1000, "height": 2000}, device_scale_factor=1.4)
    yield context.new_page
    context.close()


@pytest.fixture
def example(tmp_path):
    path = tmp_path / "示例.txt"
    path.write_text(EXAMPLE, encoding="utf-8")
    return path


def test_the_page_is_as_pictured(new_page, serve, linyi, example):
    page = new_page()
    page.goto(serve().address)
    page.set_input_files("#files", [example, linyi])
    page.wait_for_selector('#told:text-matches("^已分析")', timeout=60_000)
    page.select_option("[name=status]", "未完成")
    element(page, "page-list", "#results", 655)
    page.click("#filters [type=reset]")
    page.locator("#rows a").first.click()
    element(page, "page-issue", "#n1-1")


def test_the_report_is_as_pictured(new_page, run, guangzhou, tmp_path):
    run("predict", guangzhou.name, "-o", tmp_path / "报告.html", cwd=guangzhou.parent)
    page = new_page()
    page.goto((tmp_path / "报告.html").as_uri())
    element(page, "report", "body", 795)


def test_the_ledger_is_as_pictured(run, example, tmp_path):
    run("predict", example, "-o", tmp_path / "整改台账.xlsx")
    book = openpyxl.load_workbook(tmp_path / "整改台账.xlsx")
    rows = list(book["台账"].iter_rows(max_col=14, values_only=True))
    shown = json.dumps(
        [[round(v, 2) if isinstance(v, float) else v for v in row] for row in rows],
        ensure_ascii=False,
    )
    held("ledger", shown, lambda: printed(tmp_path / "整改台账.xlsx"))


def printed(book):
    """The first page of a workbook, drawn by LibreOffice, without its margins."""
    import pdfplumber
    from PIL import ImageChops

    profile = f"-env:UserInstallation={(book.parent / 'profile').as_uri()}"
    convert = ["--headless", "--convert-to", "pdf", "--outdir", str(book.parent), str(book)]
    subprocess.run(["soffice", profile, *convert], check=True, capture_output=True)
    with pdfplumber.open(book.with_suffix(".pdf")) as pages:
        sheet = pages.pages[0].to_image(resolution=110, antialias=True).original.convert("RGB")
    sheet = sheet.crop((0, 0, sheet.width, sheet.height * 9 // 10))  # without the page number
    ground = Image.new("RGB", sheet.size, "white")
    return sheet.crop(ImageChops.difference(sheet, ground).getbbox())
