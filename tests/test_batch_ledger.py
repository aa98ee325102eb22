"""The ledger of a batch read back cell by cell; killed, resumed or altered it is the same bytes."""

import hashlib
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.utils.escape import unescape

from rectify_nlp import Model, ledger, sheets
from rectify_nlp.batch import results
from rectify_nlp.inputs import Inputs
from rectify_nlp.jobs import run as run_into
from rectify_nlp.jobs import settings_for
from rectify_nlp.records import records

LONG = "该局会议记录不全，" * 5000


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "rectify_nlp", "batch", *map(str, args), "-f", "xlsx"]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def table(book: Any, name: str) -> list[dict[str, Any]]:
    header, *body = book[name].iter_rows(values_only=True)
    return [
        {
            column: unescape(value) if isinstance(value, str) else value
            for column, value in zip(header, row, strict=True)
        }
        for row in body
    ]


@pytest.fixture(scope="module")
def given(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two notices, one that cannot be read, and segments of two units with names of their own."""
    folder = tmp_path_factory.mktemp("ledger") / "given"
    folder.mkdir()
    for notice in (root / "seeds").glob("*.txt"):
        (folder / notice.name).write_bytes(notice.read_bytes())
    (folder / "empty.txt").write_bytes(b"")
    segments = (root / "labels/seeds.jsonl").read_text(encoding="utf-8").splitlines()
    with (folder / "segments.jsonl").open("w", encoding="utf-8") as lines:
        for number in range(2200):
            row = {"problem": None}  # two shards, little work
            if number % 100 == 0:
                row = json.loads(segments[number // 100])
                row |= {"publisher": f"某{number // 100 % 2}局", "unit": "=1+1", "score": number}
            if number == 300:
                row |= {"problem": LONG, "measures": "-已完成整改"}
            lines.write(json.dumps({"id": f"s{number}", **row}, ensure_ascii=False) + "\n")
    return folder


@pytest.fixture(scope="module")
def folder(given: Path) -> Path:
    """What an undisturbed run of one process makes of it."""
    out = given.parent / "out"
    done = subprocess.run(
        command(given, "-o", out, "-j", 1, "--id-column", "id"), capture_output=True, check=False
    )
    assert done.stderr.decode() == "2,203 documents gave 2,258 rows; 2,179 failed, 0 warnings\n"
    assert done.returncode == 1
    return out


@pytest.fixture(scope="module")
def book(folder: Path) -> Any:
    return openpyxl.load_workbook(folder / "ledger.xlsx")


@pytest.fixture(scope="module")
def expected(given: Path) -> list[dict[str, Any]]:
    """Rows of what was judged, as `predict` has them."""
    names = [str(given / n) for n in sorted(p.name for p in given.iterdir())]
    found = [row for r in results(names, Model.load(), explain=True) for row in records(r, True)]
    return [row for row in found if "error" not in row]


def test_every_issue_is_a_row_and_every_cell_its_value(book: Any, expected: list) -> None:
    cells = table(book, "台账")
    assert len(cells) == len(expected) == 57 + 22
    for number, (cell, row) in enumerate(zip(cells, expected, strict=True), 1):
        segment = "id" in row
        long = row["problem"] == LONG
        stated = row["status_source"] == "stated"
        assert cell | {"复核原因": 0, "类别依据": 0, "状态依据": 0} == {
            "序号": number,
            "单位": row["publisher"],
            "编号": row["number"],
            "问题": cell["问题"] if long else row["problem"],
            "整改措施": row["measures"] or None,
            "类别": row["category"] or "未判断",
            "类别概率": row["category_p"],
            "状态": row["status"] or "未判断",
            "状态来源": "通报写明" if stated else "模型判断",
            "通报原话": row["stated_text"],
            "模型判断": max(row["p"]["status"], key=row["p"]["status"].get),
            "判断概率": max(row["p"]["status"].values()),
            "需复核": cell["需复核"],
            "复核原因": 0,
            "类别依据": 0,
            "状态依据": 0,
            "其他可能类别": "、".join(row["also"]) or None,
            "上级标题": " > ".join(row["path"]) or None,
            "通报": row["title"],
            "公布日期": row["published"],
            "来源": row["id"] if segment else row["source"],
            "其他字段": cell["其他字段"],
        }
        assert ("unit：=1+1" in (cell["其他字段"] or "")) == segment
        assert long == ("略去" in cell["问题"])
    types = {c.data_type for row in book["台账"].iter_rows() for c in row if c.value is not None}
    assert types <= {"s", "n"}


def test_a_text_no_cell_holds_stands_whole_beside(book: Any) -> None:
    pieces = [row["文本"] for row in table(book, "长文本") if row["列"] == "问题"]
    assert "".join(pieces) == LONG


def test_what_begins_like_a_formula_stays_text(book: Any) -> None:
    (cell,) = (c for row in book["台账"].iter_rows() for c in row if c.value == "-已完成整改")
    assert (cell.data_type, cell.quotePrefix) == ("s", True)


def test_the_summary_counts_what_the_rows_say(book: Any, expected: list) -> None:
    cells = table(book, "汇总")
    counted: Counter = Counter()
    for row in expected:
        key = (row["publisher"] or "（未写明单位）", row["category"] or "未判断", row["status"] or "未判断")  # fmt: skip
        counted[key] += 1
    statuses = ("未完成", "长期坚持", "已完成", "未判断")
    found = {
        (row["单位"], row["类别"], status): row[status]
        for row in cells
        for status in statuses
        if row[status] and row["类别"] not in ("小计", "合计")
    }
    for (_, category, status), count in list(counted.items()):
        counted["全部单位", category, status] += count
    assert found == dict(counted)
    counted = Counter({key: n for key, n in counted.items() if key[0] != "全部单位"})
    (total,) = (row for row in cells if row["类别"] == "合计")
    assert [total[s] for s in statuses] == [sum(n for k, n in counted.items() if k[2] == s) for s in statuses]  # fmt: skip
    assert total["合计"] == 79
    subtotals = [row["合计"] for row in cells if row["类别"] == "小计"]
    assert sum(subtotals) == 79
    # Two notices, and of each unit one table: an id does not make a notice of a segment.
    assert total["通报份数"] == 4


def test_failures_and_tables_are_checked_by_name(book: Any, given: Path) -> None:
    cells = table(book, "通报核对")
    failed = [row for row in cells if row["出错"]]
    assert len(failed) == 2178 + 1
    assert failed[0]["来源"] == f"{given}/empty.txt"
    table_rows = [row for row in cells if row["来源"] == f"{given}/segments.jsonl"]
    assert [(row["单位"], row["切分出的问题"]) for row in table_rows] == [
        ("某0局", 11),
        ("某1局", 11),
    ]


def test_statuses_are_coloured_by_rules(book: Any) -> None:
    sheet = book["台账"]
    rules = [
        rule.formula
        for area in sheet.conditional_formatting
        if str(area.sqref).startswith("H2")
        for rule in area.rules
    ]
    assert rules == [['"未完成"'], ['"长期坚持"'], ['"已完成"']]


# -- the folder ------------------------------------------------------------------------------


def test_the_folder_holds_the_ledger_and_what_it_is_made_of(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    (entry,) = manifest["parts"]
    assert sorted(content(folder)) == ["ledger.xlsx", "manifest.json"]
    assert (entry["name"], entry["rows"], entry["failures"]) == ("ledger.xlsx", 2258, 2179)
    digest = hashlib.sha256((folder / "ledger.xlsx").read_bytes()).hexdigest()
    assert entry["sha256"] == digest


def test_killed_and_resumed_it_is_the_same_bytes(given: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    again = command(given, "-o", out, "-j", 2, "-q", "--resume", "--id-column", "id")
    process = subprocess.Popen(again)
    end = time.monotonic() + 60
    while not list(out.glob(".part-*.jsonl")):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (out / "ledger.xlsx").exists()
    # As a kill while the workbook is written would leave it.
    (out / ".scratch.writing/rectify-nlp-x").mkdir(parents=True)
    (out / ".ledger.xlsx.writing").write_bytes(b"half")
    assert subprocess.run(again, check=False).returncode == 1
    assert content(out) == content(folder)
    # A complete run is verified and left alone; an altered one is made anew.
    (out / "ledger.xlsx").write_bytes(b"altered")
    (out / ".part-00000.xlsx.jsonl").write_bytes(b"")
    assert subprocess.run(again, check=False).returncode == 1
    assert content(out) == content(folder)


def test_a_complete_ledger_is_not_made_again(tmp_path: Path, linyi: Path) -> None:
    inputs = Inputs([str(linyi)])
    settings = settings_for(inputs, form="xlsx")
    out = tmp_path / "out"
    first = run_into(inputs, settings, out, jobs=1)
    written = (out / "ledger.xlsx").stat().st_ino
    assert run_into(inputs, settings, out, jobs=1, resume=True) == first
    assert (out / "ledger.xlsx").stat().st_ino == written


# -- size ------------------------------------------------------------------------------------


def test_a_full_sheet_goes_on_in_a_further_one_and_says_so(
    monkeypatch: pytest.MonkeyPatch, linyi: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(sheets, "SIZE_LIMIT", 20_000)
    model = Model.load()
    rows = [row for r in results([str(linyi)], model) for row in records(r, False)]
    (tmp_path / "l.xlsx").write_bytes(b"".join(ledger.workbook(rows, model)))
    book = openpyxl.load_workbook(tmp_path / "l.xlsx")
    names = [name for name in book.sheetnames if name.startswith("台账")]
    assert len(names) > 2
    problems = [row["问题"] for name in names for row in table(book, name)]
    assert problems == [row["problem"] for row in rows]
    told = {row["项目"]: row["内容"] for row in table(book, "说明")}
    further = "、".join(f"“{name}”" for name in names[1:])
    assert told["工作表“台账”"] == f"一张工作表放不下，续在{further}；汇总与核对包括全部各表"


def test_no_more_notices_are_kept_in_mind_than_a_bound(
    monkeypatch: pytest.MonkeyPatch, linyi: Path, tmp_path: Path
) -> None:
    model = Model.load()
    rows = [row for r in results([str(linyi)], model) for row in records(r, False)]
    given = [{**row, "source": f"{number % 7}"} for number, row in enumerate(rows)]
    totals = []
    for held in (10_000, 3):
        monkeypatch.setattr(ledger, "_HELD", held)
        (tmp_path / "l.xlsx").write_bytes(b"".join(ledger.workbook(given, model)))
        book = openpyxl.load_workbook(tmp_path / "l.xlsx")
        totals.append([{**row, "通报份数": 0} for row in table(book, "汇总")])
        checks = table(book, "通报核对")
        assert sum(row["切分出的问题"] for row in checks) == len(rows)
        assert len(checks) == (7 if held == 10_000 else len(rows))
    assert totals[0] == totals[1]
