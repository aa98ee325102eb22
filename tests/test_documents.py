"""Word and PDF documents, made here byte by byte and read by the real parsers."""

import io
import shutil
import subprocess
import zipfile
from itertools import count
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rectify_nlp.documents import docx, legacy, read_document
from rectify_nlp.errors import NoText, ReadError, UnsupportedFormat
from rectify_nlp.numbering import numeral
from rectify_nlp.pdf import pdf
from rectify_nlp.types import Limits

# -- Word ---------------------------------------------------------------------------------

TRANSITIONAL = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml"
CONTENT_TYPES = (
    f'<Types xmlns="{PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    + "".join(
        f'<Override PartName="/word/{part}.xml" ContentType="{TYPE}.{kind}+xml"/>'
        for part, kind in (
            ("main", "document.main"),
            ("numbering", "numbering"),
            ("styles", "styles"),
        )
    )
    + "</Types>"
)


def t(text):
    return f'<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r>'


def p(content, properties=""):
    """A paragraph: plain text, or runs of it."""
    runs = content if content.startswith("<") else t(content)
    return f"<w:p><w:pPr>{properties}</w:pPr>{runs}</w:p>"


def word(body, namespace=TRANSITIONAL, **parts):
    """A .docx with this body, and these other parts of the package."""

    def relations(of):
        links = "".join(
            f'<Relationship Id="r{n}" Type="{RELATIONS}/{kind}" Target="{target}"/>'
            for n, (kind, target) in enumerate(of.items())
        )
        return f'<Relationships xmlns="{PACKAGE}/relationships">{links}</Relationships>'

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("[Content_Types].xml", CONTENT_TYPES)
        package.writestr("_rels/.rels", relations({"officeDocument": "word/main.xml"}))
        package.writestr(
            "word/_rels/main.xml.rels", relations({kind: f"{kind}.xml" for kind in parts})
        )
        parts["main"] = f"<w:body>{body}</w:body>"
        for name, content in parts.items():
            root = {"main": "document"}.get(name, name)
            package.writestr(
                f"word/{name}.xml", f'<w:{root} xmlns:w="{namespace}">{content}</w:{root}>'
            )
    return file.getvalue()


def lines(body, **parts):
    return docx(word(body, **parts), "a.docx").text.split("\n")


def test_what_the_accepted_document_says():
    changed = t("整改状态：") + f"<w:del>{t('未完成')}</w:del><w:ins>{t('已完成')}</w:ins>"
    joined, moved = (f"<w:rPr><w:{kind}/></w:rPr>" for kind in ("del", "moveFrom"))
    body = (
        p(changed)
        + p("一是开展研讨；", joined)
        + p("二是建立制度。")
        + p(f"<w:moveFrom>{t('已移走')}</w:moveFrom>", moved)
        + p(f"<w:moveTo>{t('移到这里')}</w:moveTo>")
        + p(f"<w:del>{t('已删去')}</w:del>", joined)
    )
    assert lines(body) == ["整改状态：已完成", "一是开展研讨；二是建立制度。", "移到这里"]


def test_text_boxes_are_read_once():
    box = f"<w:txbxContent>{p('三、长期坚持事项')}</w:txbxContent>"
    both = f"<w:r><w:Choice>{box}</w:Choice><w:Fallback>{box}</w:Fallback></w:r>"
    assert lines(p(both + t("1.学习不深入。"))) == ["三、长期坚持事项", "1.学习不深入。"]


def test_marks_controls_and_hidden_text():
    hidden = f"<w:r><w:rPr><w:vanish/></w:rPr>{t('暗')[5:]}"
    body = (
        p(t("\u3000\u3000整改") + "<w:r><w:tab/></w:r>" + t("情况\xa0 \xa0良好"))
        + p(t("一") + "<w:r><w:br/></w:r>" + t("\u3000\u3000二") + "<w:r><w:noBreakHyphen/></w:r>")
        + f"<w:sdt><w:sdtContent>{p(hidden + t('明'))}</w:sdtContent></w:sdt>"
        + p(f"<w:hyperlink>{t('链接')}</w:hyperlink>")
        + p("")
    )
    assert lines(body) == ["整改 情况 良好", "一", "二-", "明", "链接"]


def test_a_break_in_a_centred_title_is_none():
    title = t("中共某县水利局党组") + "<w:r><w:br/></w:r>" + t("关于整改情况的通报")
    assert lines(p(title, '<w:jc w:val="center"/>')) == ["中共某县水利局党组关于整改情况的通报"]


def test_both_namespaces_of_word():
    assert docx(word(p("整改"), namespace=STRICT), "a").text == "整改"


def cell(text, properties=""):
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{p(text)}</w:tc>"


def row(*cells, properties=""):
    return f"<w:tr><w:trPr>{properties}</w:trPr>{''.join(cells)}</w:tr>"


def test_a_table_of_issues_with_merged_cells():
    start, on = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    table = (
        row(*map(cell, ["序号", "巡察反馈问题", "整改措施及成效", "责任单位", "整改进度"]))
        + row(cell("（一）政治建设", '<w:gridSpan w:val="5"/>'))
        + row(cell("1", start), cell("学习不深入。", start), *map(cell, ["组织学习十二次，研讨四次。", "甲股"]), cell("已完成", start))
        + row(cell("", on), cell("", on), *map(cell, ["建立学习档案，按季通报。", "乙股"]), cell("", on))
        + row(*map(cell, ["2", "已删去。", "已删去。", "丙股", "已完成"]), properties="<w:del/>")
        + row(*map(cell, ["3", "调研不够。", "下沉一线调研，形成报告。", "丙股", "长期坚持"]))
    )  # fmt: skip
    assert lines(f"<w:tbl>{table}</w:tbl>") == [
        "（一）政治建设",
        "1 反馈问题:学习不深入。",
        "整改情况:组织学习十二次，研讨四次。",
        "建立学习档案，按季通报。",
        "完成情况:已完成",
        "3 反馈问题:调研不够。",
        "整改情况:下沉一线调研，形成报告。",
        "完成情况:长期坚持",
    ]


def test_other_tables_are_set_row_by_row():
    inner = f"<w:tbl>{row(cell('丁'), cell('戊'))}</w:tbl>"
    table = row(cell("甲", '<w:gridSpan w:val="2"/>'), cell("乙")) + row(
        cell("丙"), f"<w:tc>{inner}{p('己')}</w:tc>"
    )
    assert lines(f"<w:tbl>{table}</w:tbl>") == ["甲 乙", "丙", "丁 戊", "己"]


# -- automatic numbers ----------------------------------------------------------------------


def level(at, form, pattern, *more):
    return (
        f'<w:lvl w:ilvl="{at}"><w:start w:val="1"/><w:numFmt w:val="{form}"/>'
        f'<w:lvlText w:val="{pattern}"/><w:suff w:val="nothing"/>{"".join(more)}</w:lvl>'
    )


OUTLINE = (
    level(0, "chineseCountingThousand", "%1、", '<w:pStyle w:val="H1"/>')
    + level(1, "chineseCounting", "（%2）")
    + level(2, "decimal", "%3.")
    + level(3, "decimal", "%1.%4", "<w:isLgl/>")
    + level(4, "bullet", "\uf0b7")
)
LISTS = (
    f'<w:abstractNum w:abstractNumId="7">{OUTLINE}</w:abstractNum>'
    '<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>'
    '<w:num w:numId="2"><w:abstractNumId w:val="7"/></w:num>'
    '<w:num w:numId="3"><w:abstractNumId w:val="7"/>'
    '<w:lvlOverride w:ilvl="2"><w:startOverride w:val="5"/></w:lvlOverride></w:num>'
)
STYLES = (
    '<w:style w:styleId="H1"><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
    '<w:style w:styleId="H1a"><w:basedOn w:val="H1"/></w:style>'
    '<w:style w:styleId="round"><w:basedOn w:val="round"/></w:style>'
)


def numbered(at, text, numbering=1):
    return p(text, f'<w:numPr><w:ilvl w:val="{at}"/><w:numId w:val="{numbering}"/></w:numPr>')


def styled(style, text, more=""):
    return p(text, f'<w:pStyle w:val="{style}"/>{more}')


def test_numbers_count_restart_and_follow_styles():
    body = (
        styled("H1", "甲")
        + numbered(1, "乙")
        + numbered(2, "丙")
        + numbered(2, "丁", numbering=2)  # the same definition: it counts on
        + numbered(2, "戊", numbering=3)  # a new start
        + numbered(2, "己", numbering=3)
        + numbered(1, "庚")
        + numbered(2, "辛")
        + styled("H1a", "壬")
        + numbered(3, "癸")
        + numbered(4, "子")
        + styled("H1", "丑", '<w:numPr><w:numId w:val="0"/></w:numPr>')
        + styled("round", "寅")
        + numbered(1, "卯")
    )
    assert lines(body, numbering=LISTS, styles=STYLES) == [
        "一、甲", "（一）乙", "1.丙", "2.丁", "5.戊", "6.己", "（二）庚", "1.辛",
        "二、壬", "2.1癸", "子", "丑", "寅", "（一）卯",
    ]  # fmt: skip


def test_a_number_alone_in_its_cell():
    def counted(*texts):
        return f"<w:tr><w:tc>{numbered(2, '')}</w:tc>{''.join(map(cell, texts))}</w:tr>"

    head = row(cell("序号"), cell("存在问题"), cell("整改情况"))
    table = head + counted("学习不深入", "学习2次") + counted("管理松散", "修订制度")
    assert lines(f"<w:tbl>{table}</w:tbl>" + numbered(2, "") + p("完"), numbering=LISTS) == [
        "1. 学习不深入", "整改情况:学习2次", "2. 管理松散", "整改情况:修订制度", "完",
    ]  # fmt: skip


def test_a_list_defined_by_a_style():
    lists = (
        '<w:abstractNum w:abstractNumId="1"><w:numStyleLink w:val="L"/></w:abstractNum>'
        f'<w:abstractNum w:abstractNumId="2">{level(0, "decimal", "问题%1：")}</w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="1"/></w:num>'
        '<w:num w:numId="2"><w:abstractNumId w:val="2"/></w:num>'
    )
    style = (
        '<w:style w:styleId="L"><w:pPr><w:numPr><w:numId w:val="2"/></w:numPr></w:pPr></w:style>'
    )
    body = numbered(0, "甲") + numbered(0, "乙")
    assert lines(body, numbering=lists, styles=style) == ["问题1：甲", "问题2：乙"]


@pytest.mark.parametrize(
    ("form", "count", "said"),
    [
        ("chineseCounting", 10, "十"),
        ("chineseCounting", 19, "十九"),
        ("chineseCountingThousand", 20, "二十"),
        ("taiwaneseCounting", 105, "一百零五"),
        ("japaneseCounting", 1010, "一千零一十"),
        ("chineseLegalSimplified", 12, "壹拾贰"),
        ("ideographTraditional", 3, "丙"),
        ("ideographTraditional", 11, "11"),
        ("decimalEnclosedCircle", 20, "⑳"),
        ("lowerLetter", 2, "b"),
        ("upperRoman", 4, "IV"),
        ("none", 4, ""),
        ("unheardOf", 4, "4"),
    ],
)
def test_numerals(form, count, said):
    assert numeral(count, form) == said


# -- what is no document --------------------------------------------------------------------


def test_an_empty_document_and_one_of_pictures():
    with pytest.raises(NoText, match=r"a\.docx: .*no text"):
        docx(word(p("")), "a.docx")
    data = io.BytesIO(word(p("")))
    with zipfile.ZipFile(data, "a") as package:
        package.writestr("word/media/image1.png", b"x")
    with pytest.raises(NoText, match="needs OCR"):
        docx(data.getvalue(), "a.docx")


@pytest.mark.parametrize("damage", [lambda d: d[:200], lambda d: d.replace(b"<w:p>", b"<w:q>")])
def test_a_damaged_document(damage):
    with pytest.raises(ReadError, match=r"a\.docx: the \.docx is damaged"):
        docx(damage(word(p("整改"))), "a.docx")


def test_another_kind_of_office_file():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(UnsupportedFormat, match="holds no Word document"):
        docx(file.getvalue(), "a.xlsx")


# -- older formats --------------------------------------------------------------------------

RTF = rb"{\rtf1\ansi\uc0 \u19968\u12289\u25972\u25913\par \u24050\u23436\u25104\par}"


@pytest.mark.skipif(shutil.which("soffice") is None, reason="needs LibreOffice")
def test_older_formats_by_libreoffice(tmp_path):
    assert docx(legacy(RTF, ".rtf", "a.rtf"), "a.rtf").text == "一、整改\n已完成"
    (tmp_path / "a.docx").write_bytes(word(numbered(0, "整改"), numbering=LISTS))
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    command = ["soffice", profile, "--headless", "--convert-to", "doc", "--outdir", tmp_path]
    subprocess.run([*command, tmp_path / "a.docx"], check=True, capture_output=True, timeout=90)
    old = (tmp_path / "a.doc").read_bytes()
    assert old.startswith(OLE)
    assert docx(legacy(old, ".doc", "a.doc"), "a.doc").text == "一、整改"


def test_older_formats_without_libreoffice(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UnsupportedFormat, match=r"save it as \.docx, or install LibreOffice"):
        legacy(RTF, ".doc", "a.doc")


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def test_a_locked_document_and_an_old_spreadsheet():
    with pytest.raises(ReadError, match="password"):
        legacy(OLE + "EncryptedPackage".encode("utf-16-le"), ".docx", "a.docx")
    with pytest.raises(UnsupportedFormat, match="no document"):
        legacy(OLE + "Workbook".encode("utf-16-le"), ".doc", "a.doc")


# -- PDF ------------------------------------------------------------------------------------

LEFT, RIGHT, SIZE = 80, 520, 16  # points; so a full line has 27 characters
WIDE = (RIGHT - LEFT) // SIZE


def at(x, y, text, size=SIZE, angle=(1, 0, 0, 1)):
    """Text at a place from the top left."""
    turn = " ".join(map(str, angle))
    return f"BT /F {size} Tf {turn} {x} {842 - y} Tm <{text.encode('utf-16-be').hex()}> Tj ET\n"


def rule(x0, y0, x1, y1):
    return f"{x0} {842 - y0} m {x1} {842 - y1} l S\n"


def pdf_file(*contents, extra="", resources=""):
    """A PDF with a page for each content, in a font that need not be embedded."""
    font = (
        "<</Type/Font/Subtype/Type0/BaseFont/STSong-Light/Encoding/UniGB-UCS2-H/DescendantFonts["
        "<</Type/Font/Subtype/CIDFontType0/BaseFont/STSong-Light/DW 1000/CIDSystemInfo"
        "<</Registry(Adobe)/Ordering(GB1)/Supplement 4>>/FontDescriptor"
        "<</Type/FontDescriptor/FontName/STSong-Light/Ascent 880/Descent -120/Flags 6>>>>]>>"
    )
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(contents)))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(contents)}/MediaBox[0 0 595 842]>>",
        font,
    ]
    for n, content in enumerate(contents):
        objects += [
            f"<</Type/Page/Parent 2 0 R/Contents {5 + 2 * n} 0 R/Resources<</Font<</F 3 0 R>>{resources}>>>>",
            f"<</Length {len(content)}>>stream\n{content}\nendstream",
        ]
    body = "".join(f"{n} 0 obj\n{o}\nendobj\n" for n, o in enumerate(objects, 1))
    return f"%PDF-1.5\n{body}trailer<</Size 99/Root 1 0 R{extra}>>\n%%EOF".encode()


def sheet(*paragraphs, top=80, before="", pitch=27):
    """Paragraphs set as offices set them: two characters indented, wrapped at the margin."""
    content, y = before, count(top, pitch)
    for paragraph in paragraphs:
        first = WIDE - 2
        content += at(LEFT + 2 * SIZE, next(y), paragraph[:first])
        for start in range(first, len(paragraph), WIDE):
            content += at(LEFT, next(y), paragraph[start : start + WIDE])
    return content


LONG = (
    "局党组召开专题会议研究部署整改工作，逐条制定整改措施，明确责任领导和完成时限，先后研究九次。"
)


def pdf_lines(*contents, **more):
    return pdf(pdf_file(*contents, **more), "a.pdf").text.split("\n")


def test_visual_lines_become_paragraphs_again():
    paragraphs = ["一、整改情况", LONG, "（一）关于“学习不深入”的问题", LONG + LONG, "已完成。"]
    assert pdf_lines(sheet(*paragraphs)) == paragraphs


def test_a_title_in_larger_type_is_one_line():
    title = at(100, 80, "中共某某县水利局党组关于县委巡察", 24) + at(240, 112, "整改情况的通报", 24)
    found = pdf_lines(sheet(LONG, LONG, top=160, before=title))
    assert found == ["中共某某县水利局党组关于县委巡察整改情况的通报", LONG, LONG]


@pytest.mark.parametrize("number", ["- {} -", "— {} —", "第 {} 页 共 3 页", "{}/3", "{}"])
def test_page_numbers_and_running_heads_go(number):
    pages = [
        at(180, 40, "某县党务公开材料汇编", 9)
        + sheet(LONG, "1.学习不深入。", top=90)
        + at(280, 800, number.format(n), 12)
        for n in (1, 2, 3)
    ]
    assert pdf_lines(*pages) == [LONG, "1.学习不深入。"] * 3


def test_a_paragraph_goes_on_over_the_page():
    first, second = LONG[: 2 * WIDE - 2], LONG[2 * WIDE - 2 :]
    pages = sheet(LONG, first), at(LEFT, 80, second) + sheet("完。", top=107)
    assert pdf_lines(*pages) == [LONG, LONG, "完。"]


def test_bold_by_printing_twice_and_a_watermark():
    slanted = at(200, 400, "内部资料", 40, angle=(0.7, 0.7, -0.7, 0.7))
    twice = at(LEFT + 32, 60, "一、整改情况") + at(LEFT + 32.3, 60, "一、整改情况")
    assert pdf_lines(sheet(LONG, top=87, before=slanted + twice)) == ["一、整改情况", LONG]


EDGES = (60, 100, 230, 440, 540)


def grid(top, rows, height=50):
    """A ruled table; a cell is a list of visual lines."""
    content = ""
    for n, cells in enumerate(rows):
        y = top + n * height
        content += rule(EDGES[0], y, EDGES[-1], y)
        for x, lines in zip(EDGES, cells, strict=False):
            for m, text in enumerate(lines):
                content += at(x + 4, y + 14 + 14 * m, text, 12)
    bottom = top + len(rows) * height
    content += rule(EDGES[0], bottom, EDGES[-1], bottom)
    return content + "".join(rule(x, top, x, bottom) for x in EDGES)


HEADER = [["序号"], ["反馈问题"], ["整改情况"], ["完成情况"]]


def test_a_table_cut_by_the_page_is_put_together():
    first = [
        HEADER,
        [["1"], ["学习不够深入，研讨", "流于形式。"], ["组织集中学习十二次，开展专题研", "讨四次。", "建立学习档案。"], ["已完成"]],
        [["2"], ["调研不够。"], ["班子成员下沉一线开展调研，形成", "调研报告六篇，解决群众反映的"], ["长期坚持"]],
    ]  # fmt: skip
    second = [
        HEADER,
        [[], [], ["问题九个。"], []],
        [["3"], ["会风不实。"], ["精简会议三成，压减文件两成。"], ["已完成"]],
    ]
    pages = (
        sheet(LONG, before=grid(200, first) + at(280, 800, "1", 12)),
        sheet("特此通报。", top=300, before=grid(60, second) + at(280, 800, "2", 12)),
    )
    assert pdf_lines(*pages) == [
        LONG,
        "1 反馈问题:学习不够深入，研讨流于形式。",
        "整改情况:组织集中学习十二次，开展专题研讨四次。",
        "建立学习档案。",
        "完成情况:已完成",
        "2 反馈问题:调研不够。",
        "整改情况:班子成员下沉一线开展调研，形成调研报告六篇，解决群众反映的问题九个。",
        "完成情况:长期坚持",
        "3 反馈问题:会风不实。",
        "整改情况:精简会议三成，压减文件两成。",
        "完成情况:已完成",
        "特此通报。",
    ]


IMAGE = "q 500 0 0 700 40 40 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \xff EI Q"


def test_a_scan_needs_ocr_and_a_scanned_page_is_told():
    with pytest.raises(NoText, match=r"a\.pdf: the PDF is a scan.*OCR"):
        pdf(pdf_file(IMAGE, IMAGE), "a.pdf")
    with pytest.raises(NoText, match="holds no text"):
        pdf(pdf_file(""), "a.pdf")
    found = pdf(pdf_file(sheet(LONG), IMAGE), "a.pdf")
    assert (found.text, len(found.warnings)) == (LONG, 1)
    assert "page 2" in found.warnings[0]


def test_a_locked_pdf():
    lock = f"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<{'00' * 32}>/U<{'11' * 32}>>>/ID[<00><00>]"
    with pytest.raises(ReadError, match=r"a\.pdf: the PDF is locked with a password"):
        pdf(pdf_file(sheet(LONG), extra=lock), "a.pdf")


def test_a_damaged_pdf():
    with pytest.raises(ReadError, match=r"a\.pdf: the PDF is damaged"):
        pdf(b"%PDF-1.5 and nothing", "a.pdf")


# -- in the child ---------------------------------------------------------------------------


def test_documents_are_read_in_a_child():
    assert read_document(word(p("整改")), "a.docx", "docx").text == "整改"
    assert read_document(pdf_file(sheet(LONG)), "a.pdf", "pdf").text == LONG
    with pytest.raises(NoText, match=r"^b\.docx: "):
        read_document(word(p("")), "b.docx", "docx", Limits(cpu_seconds=30))


xml = st.text("<>/w:ptblrc=\"' 整\n&;", max_size=80)


@given(st.binary(max_size=100) | xml.map(lambda body: word(body)))
def test_any_bytes_give_a_document_or_a_read_error(data):
    try:
        assert docx(data, "x").text.strip()
    except ReadError as error:
        assert error.source == "x"  # noqa: PT017 - either is right
