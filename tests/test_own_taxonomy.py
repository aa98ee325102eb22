"""Another taxonomy in place of the shipped one: every command, sheet and page follows it."""

import csv
import io
import json

import openpyxl
import pytest
from typer.testing import CliRunner

from rectify_nlp import Taxonomy
from rectify_nlp.cli import app

# What an audit office might use: its own subjects, and statuses of its own in number and name.
TAXONOMY = """
[[category]]
name = "会计核算"
scope = "入账、科目、凭证、往来款"
[[category]]
name = "资产管理"
scope = "登记、盘点、出租、处置"
[[category]]
name = "合同采购"
[[category]]
name = "专项资金"
scope = "拨付、滞留、挪用"

[[status]]
name = "尚在处理"
wordings = ["正在处理", "处理中"]
[[status]]
name = "部分纠正"
wordings = ["已部分纠正"]
[[status]]
name = "分批推进"
[[status]]
name = "纠正到位"
wordings = ["已纠正", "已纠正到位"]
"""
# Two wordings a category, so that segments differ; each is its own group of terms.
FINDINGS = {
    "会计核算": ("往来款长期挂账未清理", "收入未及时入账、科目使用错误"),
    "资产管理": ("房屋出租未登记台账", "报废设备未按程序处置、盘点不实"),
    "合同采购": ("合同签订晚于施工", "应招标项目直接发包、采购拆分"),
    "专项资金": ("补助资金滞留未拨付", "专款被挪用于日常开支"),
}
DONE = {
    "尚在处理": "财务科已提出方案，报批后办理。",
    "部分纠正": "三笔中已办结一笔，其余继续办理。",
    "分批推进": "列入年度计划，逐季办理。",
    "纠正到位": "全部调账完毕，凭证附后，制度已印发。",
}
NOTICE = """XX区卫生局关于2024年度审计查出问题整改结果的公告

现将审计整改情况公告如下。

一、财务收支方面
（一）关于往来款长期挂账未清理的问题
整改情况：财务科已提出方案，报批后办理。
整改状态：处理中。
（二）关于补助资金滞留未拨付的问题
整改情况：全部调账完毕，凭证附后，制度已印发。
整改状态：已纠正到位。
二、资产和合同方面
（一）关于房屋出租未登记台账的问题
整改情况：三笔中已办结一笔，其余继续办理。
（二）关于应招标项目直接发包的问题
整改情况：列入年度计划，逐季办理。

XX区卫生局
2024年12月1日
"""


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """A folder with taxonomy, labels, a notice and the model learnt from them."""
    folder = tmp_path_factory.mktemp("office")
    (folder / "taxonomy.toml").write_text(TAXONOMY, "utf-8")
    (folder / "notice.txt").write_text(NOTICE, "utf-8")
    rows = [
        {
            "notice": f"公告{n}", "problem": f"{unit}{finding}", "measures": f"{unit}{done}",
            "category": category, "status": status,
        }
        for n, unit in enumerate(("一中", "二院", "水务所", "城投公司", "街道办", "敬老院"))
        for i, (category, findings) in enumerate(FINDINGS.items())
        for j, finding in enumerate(findings)
        for status, done in [list(DONE.items())[(i + j + n) % 4]]
    ]  # fmt: skip
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "labels.jsonl").write_text(lines, "utf-8")
    command(folder, "train labels.jsonl --taxonomy taxonomy.toml -o model")
    return folder


def command(folder, line, *, exit_code=0):
    """What a command prints, run in `folder`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = CliRunner().invoke(app, line.split(), env={"COLUMNS": "200"})
    assert done.exit_code == exit_code, done.output
    return done


def names():
    own = Taxonomy.parse(TAXONOMY, "taxonomy.toml")
    return {*own.category_names, *own.status_names}


def foreign(text, taxonomy):
    """Names of the shipped taxonomy in a text that should hold none of them."""
    return [n for n in (*taxonomy.category_names, *taxonomy.status_names) if n in text]


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv", "html", "md"])
def test_predictions(form, office, taxonomy):
    text = command(office, f"predict notice.txt --model model -f {form}").stdout
    assert foreign(text, taxonomy) == []
    assert "会计核算" in text
    assert "纠正到位" in text


def test_what_the_notice_states_is_read_by_these_wordings(office):
    text = command(office, "predict notice.txt --model model -f jsonl").stdout
    rows = [json.loads(line) for line in text.splitlines()]
    assert [(r["status"], r["status_source"]) for r in rows][:2] == [
        ("尚在处理", "stated"), ("纠正到位", "stated"),
    ]  # fmt: skip
    assert [r["category"] or next(iter(r["p"]["category"])) for r in rows] == [
        "会计核算", "专项资金", "资产管理", "合同采购",
    ]  # fmt: skip
    assert {*rows[0]["p"]["category"], *rows[0]["p"]["status"]} == names()
    split = command(office, "split notice.txt --taxonomy taxonomy.toml --json").stdout
    assert json.loads(split.splitlines()[0])["stated"] == "尚在处理"


def test_the_ledger(office, taxonomy):
    command(office, "predict notice.txt --model model -o ledger.xlsx")
    book = openpyxl.load_workbook(office / "ledger.xlsx")
    cells = {str(c.value) for sheet in book for row in sheet.iter_rows() for c in row if c.value}
    assert foreign("\n".join(cells), taxonomy) == []
    header = [cell.value for cell in book["汇总"][1]]
    assert header[2:6] == ["尚在处理", "部分纠正", "分批推进", "纠正到位"]
    rules = [rule.formula[0] for r in book["台账"].conditional_formatting for rule in r.rules]
    assert {'"尚在处理"', '"部分纠正"', '"分批推进"', '"纠正到位"'} <= set(rules)


def test_a_batch(office, taxonomy):
    command(office, "batch notice.txt labels.jsonl --model model -o out -f csv -j 1")
    text = (office / "out/part-00000.csv").read_text("utf-8")
    header, *rows = csv.reader(io.StringIO(text))
    assert {f"p.category.{name}" for name in FINDINGS} <= set(header)
    assert len(rows) == 4 + 48
    assert foreign(text, taxonomy) == []


def test_an_evaluation(office, taxonomy, few_resamples):
    done = command(office, "evaluate labels.jsonl --taxonomy taxonomy.toml --report report")
    page = (office / "report/evaluation.html").read_text("utf-8")
    assert foreign(done.stdout + page, taxonomy) == []
    assert "会计核算" in page
    assert foreign(command(office, "inspect model").stdout, taxonomy) == []


def test_the_labelling_loop(office, taxonomy, few_resamples):
    command(office, "label pick notice.txt -n 4 --check 1 --model model -o sheet.xlsx")
    book = openpyxl.load_workbook(office / "sheet.xlsx")
    options = [c.value for row in book["选项"].iter_rows(min_row=2) for c in row if c.value]
    assert {value for value in options if value in names()} == names()
    cells, header = book["标注"], [cell.value for cell in book["标注"][1]]
    for line in range(2, 6):
        cells.cell(line, header.index("类别") + 1).value = "资产管理"
        cells.cell(line, header.index("状态") + 1).value = "部分纠正"
    book.save(office / "filled.xlsx")
    wrong = command(office, "label import filled.xlsx -a 李 -l own.jsonl", exit_code=3)
    assert "allowed: 政治建设" in wrong.stderr
    command(office, "label import filled.xlsx -a 李 -l own.jsonl --taxonomy taxonomy.toml")
    command(office, "label check own.jsonl --taxonomy taxonomy.toml")
    for tool in ("label-studio", "doccano"):
        options = f"label export own.jsonl -f {tool} --taxonomy taxonomy.toml -o tasks.json"
        command(office, options)
        beside = office / ("tasks.xml" if tool == "label-studio" else "tasks.labels.json")
        assert foreign(beside.read_text("utf-8"), taxonomy) == []
    learnt = command(office, "train labels.jsonl own.jsonl --taxonomy taxonomy.toml -o model2")
    assert "on 51 issue segments" in learnt.stdout
    judged = command(office, "evaluate own.jsonl --model model2").stdout
    assert "drawn at random to check (1 segments" in judged
