"""The ledger read back cell by cell: what goes in comes out, as text, and nothing calculates."""

import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import date

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from rectify_nlp import Failure, Finding, Issue, Notice, Passage, Report, Stated, Verdict, read
from rectify_nlp.ledger import workbook
from rectify_nlp.phrases import deciding_words
from rectify_nlp.render import Layout, pieces, report_record, rows
from rectify_nlp.sheets import CELL_LIMIT, PIECE, as_text
from rectify_nlp.types import Totals

SHEETS = ["台账", "汇总", "通报核对", "说明"]
FAILURE = Failure(source="x.pdf", error="NoText", message="the document holds pictures only")


def written(results, model):
    return b"".join(pieces(results, "xlsx", model, Layout()))


def opened(results, model):
    return openpyxl.load_workbook(io.BytesIO(written(results, model)), rich_text=False)


def table(book, name):
    """Rows of a sheet as dictionaries by header; an empty cell is None."""
    header, *body = book[name].iter_rows(values_only=True)
    return [
        {
            # openpyxl leaves Excel's _x005F_ as it is where a string stands in its cell.
            name: unescape(value) if isinstance(value, str) else value
            for name, value in zip(header, row, strict=True)
        }
        for row in body
    ]


def finding(
    problem, measures="一是整改。", *, status="已完成", stated=None, doubtful=False, label="党建"
):
    ranking = {"未完成": 0.1, "长期坚持": 0.2, "已完成": 0.7}
    return Finding(
        issue=Issue(
            problem=Passage(text=problem, start=0),
            measures=Passage(text=measures, start=len(problem) + 1),
            number=Passage(text="1.", start=0),
            stated=Stated(status=stated, text=stated, start=0, masked=(0, 0)) if stated else None,
        ),
        category=Verdict(label=label, probability=0.6, ranking=(("党建", 0.6), ("执法", 0.4))),
        status=Verdict(label=status, probability=0.7, ranking=tuple(sorted(ranking.items(), key=lambda p: -p[1]))),
        doubtful=doubtful,
    )  # fmt: skip


def report(*findings, unit="某局", source="a.txt", **more):
    text = "\n".join(f"{f.issue.problem.text}\n{f.issue.measures.text}" for f in findings)
    notice = Notice(
        text=text, source=source, title="通报", publisher=unit, published=date(2024, 1, 2)
    )
    return Report(notice=notice, findings=findings, model="m@0", **more)


@pytest.fixture(scope="module")
def seeds(model, seed_paths):
    return [model.predict(read(path), explain=True) for path in seed_paths]


# -- issues --------------------------------------------------------------------------------


def test_every_cell_of_every_issue(seeds, model):
    found = table(opened(seeds, model), "台账")
    expected = [row for one in seeds for row in rows(one, explain=True)]
    assert len(found) == len(expected) == 57
    for number, (cells, row) in enumerate(zip(found, expected, strict=True), 1):
        predicted = max(row["p"]["status"], key=row["p"]["status"].get)
        words = {
            task: "、".join(f"{word} {weight:.2f}" for word, weight in deciding_words(row, task))
            for task in ("category", "status")
        }
        assert cells == {
            "序号": number,
            "单位": row["publisher"],
            "编号": row["number"],
            "问题": row["problem"],
            "整改措施": row["measures"],
            "类别": row["category"],
            "类别概率": row["category_p"],
            "状态": row["status"],
            "状态来源": {"stated": "通报写明", "predicted": "模型判断"}[row["status_source"]],
            "通报原话": row["stated_text"],
            "模型判断": predicted,
            "判断概率": row["p"]["status"][predicted],
            "需复核": "是" if row["doubtful"] else None,
            "复核原因": cells["复核原因"],
            "类别依据": words["category"],
            "状态依据": words["status"],
            "其他可能类别": "、".join(row["also"]) or None,
            "上级标题": " > ".join(row["path"]) or None,
            "通报": row["title"],
            "公布日期": row["published"],
            "来源": row["source"],
            "其他字段": None,
        }
        assert (cells["复核原因"] is not None) == row["doubtful"]
        for task in ("category", "status"):
            weights = [e["weight"] for e in row["evidence"] if e["of"] == task]
            assert sum(w for _, w in deciding_words(row, task)) == pytest.approx(sum(weights))


def test_words_that_decided_stand_in_the_issue(seeds, model):
    for cells in table(opened(seeds, model), "台账"):
        words = [part.rpartition(" ")[0] for part in cells["类别依据"].split("、")]
        assert words
        assert all(word in cells["问题"] + "\n" + (cells["整改措施"] or "") for word in words)


def test_who_must_look_and_why(model):
    unsure = finding("丙", status=None, label=None)
    doubted = finding("乙", stated="未完成", doubtful=True)
    cells = table(opened([report(finding("甲"), doubted, unsure)], model), "台账")
    assert [row["需复核"] for row in cells] == [None, "是", "是"]
    assert cells[1]["复核原因"] == "状态存疑：通报写“未完成”，文本更像“已完成”（70%）"
    assert [cells[1][n] for n in ("状态", "状态来源", "通报原话", "模型判断")] == ["未完成", "通报写明", "未完成", "已完成"]  # fmt: skip
    assert (cells[2]["类别"], cells[2]["状态"]) == ("未判断", "未判断")
    assert "类别未判断：最可能是“党建”（60%）" in cells[2]["复核原因"]
    assert "状态未判断：最可能是“已完成”（70%）" in cells[2]["复核原因"]


def test_a_segment_keeps_its_other_columns(run, tmp_path):
    given = {"problem": "党费收缴不规范", "id": 7, "unit": "=甲局", "number": 3, "source": None}
    given |= {"error": "none", "issues": [1], "publisher": 5}  # `error` is a name of ours
    (tmp_path / "s.jsonl").write_text(json.dumps(given))
    done = run("predict", "s.jsonl", "-f", "xlsx", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    book = openpyxl.load_workbook(io.BytesIO(done.stdout))
    (row,) = table(book, "台账")
    assert row["其他字段"] == "id：7\nunit：=甲局\nissues：[1]"
    assert (row["问题"], row["来源"]) == ("党费收缴不规范", None)
    assert (row["编号"], row["单位"]) == ("3", "5")
    assert len(table(book, "通报核对")) == 1


# -- nothing calculates, nothing is lost -----------------------------------------------------

FORMULAS = ["=1+1", '=HYPERLINK("http://a","b")', "+1", "-1", "@SUM(A1)", "＝1", "{=1}", "https://example.org", "007", "1e5", "TRUE"]  # fmt: skip


def test_text_stays_text(model):
    results = [
        report(finding(text, text), unit=text, source=text, warnings=(text,)) for text in FORMULAS
    ]
    book = opened([*results, replace(FAILURE, message=FORMULAS[0])], model)
    found = table(book, "台账")
    for name in ("问题", "整改措施", "单位", "来源"):
        assert [row[name] for row in found] == FORMULAS
    for sheet in book:
        for cell in (cell for row in sheet.iter_rows() for cell in row):
            assert cell.data_type in "sn"
            assert cell.hyperlink is None
            assert cell.data_type == "s" or isinstance(cell.value, int | float | None)
    problems = book["台账"]["D"][1:]
    assert [c.quotePrefix for c in problems] == [c.value[0] in "=+-@＝" for c in problems]


WILD = st.text(
    st.characters()
    | st.sampled_from(list("\x00\x07\x0b\x1b\x9b\r\n\t\ufffe\uffff\ud800=_&<>\"'整"))
)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(WILD, WILD), min_size=1, max_size=20))
def test_any_text_comes_back(model, texts):
    texts = [(problem, measures + "_x0041_") for problem, measures in texts]
    book = opened([report(*(finding(p, m) for p, m in texts), unit=texts[0][0])], model)
    for row, (problem, measures) in zip(table(book, "台账"), texts, strict=True):
        assert (row["问题"] or "") == as_text(problem)
        assert row["整改措施"] == as_text(measures)


def test_what_xml_forbids_is_dropped():
    assert as_text("整\x00改\x1b\ufffe\uffff\t一\n二\ud800") == "整改\t一\n二?"


@pytest.mark.parametrize(
    "text",
    [
        "整改" * 20_000,
        "=" * (CELL_LIMIT + 1),
        "𠀀" * (CELL_LIMIT // 2 + 1),
        "甲" * (CELL_LIMIT * 2 + 1),
    ],
)
def test_a_long_text_is_noted_and_kept_whole(text, model):
    book = opened([report(finding("甲"), finding("乙", text), finding(text, "丙"))], model)
    issues, whole = table(book, "台账"), table(book, "长文本")
    for place, cell in (("台账!E3", issues[1]["整改措施"]), ("台账!D4", issues[2]["问题"])):
        parts = [(n, r) for n, r in enumerate(whole, 2) if r["所在单元格"] == place]
        assert "".join(r["文本"] for _, r in parts) == text
        assert [r["段"] for _, r in parts] == list(range(1, len(parts) + 1))
        note = (
            f"……（此处略去 {len(text) - PIECE} 字；全文 {len(text)} 字，"
            f"见工作表“长文本”第 {parts[0][0]} 至 {parts[-1][0]} 行）"
        )
        assert cell == text[:PIECE] + note
    for sheet in book:
        for value in (value for row in sheet.iter_rows(values_only=True) for value in row):
            assert len(str(value).encode("utf-16-le")) // 2 <= CELL_LIMIT


def test_a_text_that_just_fits_is_left_alone(model):
    book = opened([report(finding("甲" * CELL_LIMIT))], model)
    assert table(book, "台账")[0]["问题"] == "甲" * CELL_LIMIT
    assert book.sheetnames == SHEETS


def test_rows_go_on_in_a_further_sheet(model, monkeypatch):
    monkeypatch.setattr("rectify_nlp.sheets.ROW_LIMIT", 40)
    book = opened([report(*(finding(f"问题{n}") for n in range(100)))], model)
    parts = [table(book, name) for name in ("台账", "台账 2", "台账 3")]
    assert [len(part) for part in parts] == [39, 39, 22]
    assert [row["问题"] for part in parts for row in part] == [f"问题{n}" for n in range(100)]
    assert [row["序号"] for part in parts for row in part] == list(range(1, 101))


def test_the_same_results_give_the_same_bytes(seeds, model):
    first, second = (written([*seeds, FAILURE], model) for _ in range(2))
    assert first == second
    assert opened(seeds, model).properties.created.isoformat() == "2000-01-01T00:00:00"
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}


def test_rows_without_their_reports_give_the_same_issues(seeds, model):
    """What a pipeline keeps as JSON lines makes the same ledger, but for the notices' totals."""
    loose = b"".join(workbook([r for one in seeds for r in rows(one, explain=True)], model))
    book = openpyxl.load_workbook(io.BytesIO(loose))
    whole = opened(seeds, model)
    for name in ("台账", "汇总"):
        assert table(book, name) == table(whole, name)
    assert [row["切分出的问题"] for row in table(book, "通报核对")] == [17, 40]


# -- summaries -----------------------------------------------------------------------------


def test_the_summary_counts_the_ledger(seeds, model):
    book = opened([*seeds, report(finding("甲", status=None, label=None), unit=None)], model)
    issues, summary = table(book, "台账"), table(book, "汇总")
    statuses = [*model.taxonomy.status_names, "未判断"]
    assert list(summary[0]) == ["单位", "类别", *statuses, "合计", "需复核", "通报份数", "通报自述合计", "有提示的通报"]  # fmt: skip
    for row in summary:
        unit, category = row["单位"], row["类别"]
        member = [
            issue
            for issue in issues
            if unit in ("全部单位", issue["单位"] or "（未写明单位）")
            and category in ("小计", "合计", issue["类别"])
        ]
        assert row["合计"] == len(member) > 0
        assert row["需复核"] == sum(issue["需复核"] == "是" for issue in member)
        for status in statuses:
            assert row[status] == sum(issue["状态"] == status for issue in member)
    totals = {row["单位"]: row["合计"] for row in summary if row["类别"] == "小计"}
    assert totals == {"广州市交通运输局": 17, "中共临沂市交通运输局党组": 40, "（未写明单位）": 1}
    assert (summary[-1]["单位"], summary[-1]["类别"], summary[-1]["合计"]) == (
        "全部单位",
        "合计",
        58,
    )


def test_stated_totals_and_warnings_are_checked(root, model):
    paths = [root / f"tests/cases/txt/{n}.txt" for n in ("b12_role_flip_total_mismatch", "b14_not_regulation")]  # fmt: skip
    results = [model.predict(read(path), explain=True) for path in paths]
    agreeing = report(
        finding("甲", stated="已完成"), totals=Totals(issues=1, by_status=(("已完成", 1),))
    )
    book = opened([*results, agreeing, FAILURE], model)
    differs, nothing, agrees, failed = table(book, "通报核对")
    assert (differs["自述的问题"], differs["切分出的问题"], differs["核对"]) == (14, 13, "不一致")
    assert differs["提示"] == "通报自述 14 个问题，切分出 13 个"
    assert (nothing["切分出的问题"], nothing["核对"]) == (0, "未自述")
    assert nothing["提示"].startswith("没有切分出问题")
    assert (agrees["核对"], agrees["已完成（自述）"], agrees["已完成（台账）"]) == ("一致", 1, 1)
    assert (failed["来源"], failed["出错"]) == ("x.pdf", "NoText: the document holds pictures only")
    assert (failed["切分出的问题"], failed["核对"]) == (None, None)
    summed = table(book, "汇总")[-1]
    assert (summed["通报份数"], summed["通报自述合计"], summed["有提示的通报"]) == (3, 15, 2)


def test_the_model_and_its_scores_are_told(seeds, model):
    about = {row["项目"]: row["内容"] for row in table(opened(seeds, model), "说明")}
    measured = model.info["measured"]["status"]
    assert about["模型"] == model.fingerprint
    assert about["状态的准确率"].startswith(
        f"{measured['accuracy']:.1%}（5 折交叉验证，整份通报留出，{measured['segments']} 个问题"
    )
    headers = table(opened(seeds[:1], model), "台账")[0]
    assert all(about[f"“{header}”一列"] for header in headers)


def test_no_results_make_an_empty_ledger(model):
    book = opened([], model)
    assert book.sheetnames == SHEETS
    assert table(book, "台账") == []


# -- looks -----------------------------------------------------------------------------------


def test_sheets_are_laid_out_for_reading(seeds, model):
    book = opened(seeds, model)
    for sheet in book:
        assert sheet.auto_filter.ref == sheet.dimensions
        assert sheet.freeze_panes is not None
        assert all(cell.alignment.wrap_text for row in sheet.iter_rows() for cell in row)
        assert sheet.print_title_rows == "$1:$1"
    issues = book["台账"]
    assert issues.freeze_panes == "E2"
    assert issues.column_dimensions["E"].width > 60
    heights = [issues.row_dimensions[row].height for row in range(2, 59)]
    assert 15 < min(heights) < max(heights) <= 409
    ruled = {
        str(ranges.sqref): {rule.formula[0] for rule in rules}
        for ranges, rules in issues.conditional_formatting._cf_rules.items()
    }
    names = {f'"{name}"' for name in model.taxonomy.status_names}
    assert ruled == {"H2:H58": names, "K2:K58": names, "M2:M58": {'"是"'}}


# -- the command -----------------------------------------------------------------------------


def test_a_file_and_a_pipe_get_the_same_ledger(run, tmp_path, linyi):
    done = run("predict", linyi, "-o", "ledger.xlsx", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    piped = run("predict", linyi, "-f", "xlsx")
    assert (piped.returncode, piped.stderr) == (0, b"")
    assert piped.stdout == (tmp_path / "ledger.xlsx").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.xlsx"]
    rows = table(openpyxl.load_workbook(tmp_path / "ledger.xlsx"), "台账")
    assert len(rows) == 40
    assert all(row["类别依据"] for row in rows)


def test_a_terminal_is_spared(linyi):
    import pty

    master, slave = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "rectify_nlp", "predict", linyi, "-f", "xlsx"],
        stdout=slave,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(slave)
    os.close(master)
    assert done.returncode == 2
    assert b"-o FILE.xlsx" in done.stderr


def test_a_full_disk_leaves_the_old_ledger(tmp_path, linyi):
    (tmp_path / "out.xlsx").write_text("old")
    command = (
        f"ulimit -f 8; exec '{sys.executable}' -B -m rectify_nlp predict '{linyi}' -o out.xlsx"
    )
    spare = tmp_path.with_name(f"{tmp_path.name}-spare")
    spare.mkdir()
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(spare)},
        check=False,
    )
    assert list(spare.iterdir()) == []
    assert done.returncode == 5
    assert done.stderr.decode().startswith("error: ledger: cannot be written (File too large)")
    assert done.stderr.count(b"\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out.xlsx"]
    assert (tmp_path / "out.xlsx").read_text() == "old"


def test_a_report_record_carries_the_stated_totals(root, model):
    found = model.predict(read(root / "tests/cases/txt/b12_role_flip_total_mismatch.txt"))
    assert report_record(found)["stated_totals"] == {"issues": 14, "by_status": {}}
