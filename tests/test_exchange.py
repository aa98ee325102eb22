"""From picked segments through a sheet or a tool to label files: nothing lost, altered or doubled."""

import csv
import errno
import io
import json
import multiprocessing
import os
import re
from dataclasses import replace
from xml.etree import ElementTree

import openpyxl
import pytest

from rectify_nlp import LabelsError, OutputError, Taxonomy, load_examples
from rectify_nlp.examples import load_labels
from rectify_nlp.exchange import exported
from rectify_nlp.intake import candidates_in, import_labels
from rectify_nlp.labelling import Answer, append, undo
from rectify_nlp.labelsheet import HEADERS, sheet
from rectify_nlp.picking import Candidate

SEGMENTS = [
    Candidate(
        problem=problem, measures=measures, path=("一、", "(一)学习 > 研讨"), notice="某局通报",
        source_sha256="ab" * 32, number=f"{i}.", unit="某局", check=i == 2,
        category=None if i == 2 else "党建", category_p=None if i == 2 else 0.51234,
        status=None if i == 2 else "已完成", status_p=None if i == 2 else 0.7,
    )
    for i, (problem, measures) in enumerate(
        [("党费收缴不规范", "一是补缴。\n二是建制。"), ("=SUM(A1)类问题", "@某人 -3"),
         ("执法案卷\u3000归档迟缓", "_x0041_ 已归档"), ("+学习", "")],
    )
]  # fmt: skip
ANSWERS = [
    {"category": "党建", "also": "执法、作风建设", "status": "已完成", "annotator": "李"},
    {"category": "财经纪律", "annotator": "李", "remark": "拿不准"},
    {"category": "执法", "status": "未完成", "annotator": "李"},
    {},
]


def filled_xlsx(path, taxonomy, segments=SEGMENTS, answers=ANSWERS, **changes):
    """The sheet as an annotator gives it back: saved by another program."""
    book = openpyxl.load_workbook(io.BytesIO(sheet(segments, taxonomy, path)))
    cells = book["标注"]
    header = [cell.value for cell in cells[1]]
    for line, answer in enumerate(answers, 2):
        for name, value in answer.items():
            cells.cell(line, header.index(HEADERS[name]) + 1).value = value
    for place, value in changes.items():
        name, line = place.rsplit("_", 1)
        cells.cell(int(line), header.index(HEADERS[name]) + 1).value = value
    book.save(path)
    return path


def filled_csv(path, taxonomy):
    rows = list(csv.reader(io.StringIO(sheet(SEGMENTS, taxonomy, path).decode("utf-8-sig"))))
    for row, answer in zip(rows[1:], ANSWERS, strict=True):
        for name, value in answer.items():
            row[rows[0].index(HEADERS[name])] = value
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    path.write_bytes(out.getvalue().encode("gb18030"))  # as a Chinese Excel saves it
    return path


def label_studio(path, taxonomy, *, full=True):
    """What Label Studio exports after its import of our tasks, as its documentation shows it."""
    tasks = json.loads(exported(SEGMENTS, taxonomy, "label-studio")[0])
    done = []
    for number, (task, answer) in enumerate(zip(tasks, ANSWERS, strict=True), 101):
        chosen = {
            name: value.split("、") for name, value in answer.items()
            if name in ("category", "also", "status")
        }  # fmt: skip
        time = {
            "created_at": "2026-01-02T08:00:00.123456Z",
            "updated_at": "2026-01-02T09:00:00.5+08:00",
        }
        if full:
            result = [
                {
                    "id": "x",
                    "from_name": n,
                    "to_name": "problem",
                    "type": "choices",
                    "value": {"choices": v},
                }
                for n, v in chosen.items()
            ]
            if answer.get("remark"):
                text = {"text": [answer["remark"]]}
                result.append(
                    {"from_name": "remark", "to_name": "problem", "type": "textarea", "value": text}
                )
            said = {
                "id": 1,
                "completed_by": {"id": 7, "email": "li@x"},
                "was_cancelled": False,
                "result": result,
            }
            skipped = {"id": 2, "completed_by": 8, "was_cancelled": True, "result": []}
            done.append({"id": number, **task, "annotations": [{**said, **time}, skipped]})
        else:
            flat = {n: v[0] if len(v) == 1 else {"choices": v} for n, v in chosen.items()}
            remark = {"remark": answer["remark"]} if answer.get("remark") else {}
            done.append(
                {
                    "id": number,
                    **task["data"],
                    **flat,
                    **remark,
                    "annotator": 7,
                    "annotation_id": 1,
                    **time,
                }
            )
    path.write_text(json.dumps(done, ensure_ascii=False), "utf-8")
    return path


def doccano(path, taxonomy, *, nested=False):
    lines = []
    for number, line in enumerate(exported(SEGMENTS, taxonomy, "doccano")[0].splitlines(), 1):
        row, answer = json.loads(line), ANSWERS[number - 1]
        labels = [
            f"{prefix}:{answer[n]}"
            for n, prefix in (("category", "类别"), ("status", "状态"))
            if n in answer
        ]
        labels += [f"次要:{name}" for name in answer.get("also", "").split("、") if name]
        text = row.pop("text")
        row.pop("label")
        meta = {"meta": row} if nested else row
        comments = {"Comments": [answer["remark"]]} if "remark" in answer else {}
        lines.append(
            json.dumps(
                {"id": number, "text": text, **meta, "label": labels, **comments},
                ensure_ascii=False,
            )
        )
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


KINDS = {
    "xlsx": (filled_xlsx, "a.xlsx", {}, "李"),
    "csv": (filled_csv, "a.csv", {}, "李"),
    "Label Studio": (label_studio, "a.json", {}, "li@x"),
    "Label Studio, JSON_MIN": (label_studio, "a.json", {"full": False}, "user 7"),
    "doccano": (doccano, "a.jsonl", {}, "赵"),
    "doccano, older": (doccano, "a.jsonl", {"nested": True}, "赵"),
}


@pytest.mark.parametrize(("write", "name", "more", "who"), KINDS.values(), ids=KINDS)
def test_there_and_back(write, name, more, who, tmp_path, taxonomy):
    source = write(tmp_path / name, taxonomy, **more)
    own = tmp_path / "deeper" / "own.jsonl"
    told = import_labels(source, own, taxonomy, annotator="赵")
    assert (told.added, told.known, told.empty, told.refused) == (3, 0, 1, ())
    rows = [json.loads(line) for line in own.read_text("utf-8").splitlines()]
    for row, segment, answer in zip(rows, SEGMENTS, ANSWERS, strict=False):
        assert (row["category"], row["status"]) == (answer["category"], answer.get("status"))
        assert row["also"] == (["执法", "作风建设"] if "also" in answer else [])
        assert row.get("remark") == answer.get("remark")
        assert (row["annotator"], row["source_sha256"]) == (who, "ab" * 32)
        assert row.get("check", False) is segment.check
        assert re.sub(r"\s", "", row["problem"] + row["measures"]) == re.sub(
            r"\s", "", segment.text
        )
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["time"])
        assert len(row["import_sha256"]) == 64
    if name == "a.json":
        assert {row["time"] for row in rows} == {"2026-01-02T01:00:00Z"}
    before = own.read_bytes()
    again = import_labels(source, own, taxonomy, annotator="赵")
    assert (again.added, again.known) == (0, 3)
    assert own.read_bytes() == before
    assert [e.check for e in load_examples([own], taxonomy)] == [False, False, True]


def test_what_is_wrong_is_told_with_its_place_and_nothing_is_taken(tmp_path, taxonomy):
    bad = filled_xlsx(
        tmp_path / "bad.xlsx", taxonomy,
        category_2="财务", problem_3="改了", also_4="执法、没有", status_4="做完", category_5="党建",
    )  # fmt: skip
    told = import_labels(bad, tmp_path / "own.jsonl", taxonomy)
    lines = [str(fault) for fault in told.refused]
    assert not (tmp_path / "own.jsonl").exists()
    assert told.added == 0
    expected = [
        (2, "类别: unknown '财务'; allowed: 政治建设"),
        (3, "校验码: the segment was altered; restore"),
        (4, "次要类别: unknown '没有'"),
        (4, "状态: unknown '做完'; allowed: 未完成, 长期坚持, 已完成"),
        (4, "次要类别: repeats a category"),
        (5, "标注人: empty; name who labelled, or give --annotator"),
    ]
    assert len(lines) == len(expected)
    for line, (row, what) in zip(lines, expected, strict=True):
        assert line.startswith(f"{bad}:{row}: column {what}")
    assert len(import_labels(bad, tmp_path / "own.jsonl", taxonomy, annotator="李").refused) == 5


CHANGES = {
    "a status without a category": ({"category_2": None}, "类别: empty; give a category, or empty"),
    "a check made training": ({"purpose_4": "训练"}, "校验码: the segment was altered"),
    "training made a check": ({"purpose_2": "检验"}, "校验码: the segment was altered"),
    "a foreign row": ({"seal_2": None}, "校验码: empty; the row was not picked"),
    "another notice": ({"notice_3": "别的通报"}, "校验码: the segment was altered"),
}


@pytest.mark.parametrize(("changes", "told"), CHANGES.values(), ids=CHANGES)
def test_a_changed_row_is_refused(changes, told, tmp_path, taxonomy):
    source = filled_xlsx(tmp_path / "a.xlsx", taxonomy, **changes)
    [fault] = import_labels(source, tmp_path / "own.jsonl", taxonomy).refused
    assert told in str(fault)


def test_remarks_on_rows_without_a_label_are_told(tmp_path, taxonomy):
    source = filled_xlsx(tmp_path / "a.xlsx", taxonomy, remark_5="不是问题")
    told = import_labels(source, tmp_path / "own.jsonl", taxonomy)
    assert (told.added, told.remarks) == (3, (f"{source}:5: 不是问题",))


WRONG_FILES = {
    "no workbook": ("a.xlsx", b"PK\x03\x04", "no workbook"),
    "another workbook": ("a.xlsx", "other", "no column 问题"),
    "another CSV": ("a.csv", b"a,b\n1,2\n", "a.csv:1: no column 问题"),
    "a column twice": ("a.csv", "问题,整改措施,类别,校验码,类别\na,b,,c,党建\n".encode(), "a.csv:1: has two columns 类别"),
    "an empty CSV": ("a.csv", b"", "no column 问题"),
    "no JSON": ("a.json", b"{", "bad JSON"),
    "no tasks": ("a.json", b'{"a": 1}', "no list of tasks"),
    "a task of nothing": ("a.json", b'[{"data": 3, "annotations": []}]', "a.json:1: a task without data"),
    "no time": ("a.json", b'[{"problem": "a", "updated_at": "soon"}]', "a.json:1: no time: soon"),
    "no labels": ("a.jsonl", b'{"text": "a"}', "a.jsonl:1: no list label"),
    "an array": ("a.jsonl", b"[1]", "a.jsonl:1: not a JSON object"),
    "another kind": ("a.txt", b"a", "of a kind that is not read; give .xlsx"),
    "nothing": ("a.xlsx", None, "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content", "told"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_files_that_are_none(name, content, told, tmp_path, taxonomy):
    path = tmp_path / name
    if content == "other":
        openpyxl.Workbook().save(path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(LabelsError, match=re.escape(told)) as caught:
        import_labels(path, tmp_path / "own.jsonl", taxonomy)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "own.jsonl").exists()


def test_labels_of_doccano_without_a_meaning(tmp_path, taxonomy):
    source = doccano(tmp_path / "a.jsonl", taxonomy)
    source.write_text(source.read_text("utf-8").replace('"类别:党建"', '"党务"'), "utf-8")
    [fault] = import_labels(source, tmp_path / "own.jsonl", taxonomy, annotator="赵").refused
    assert str(fault).startswith(f"{source}:1: column label: unknown '党务'; allowed: 政治建设")


# -- the sheet -------------------------------------------------------------------------


def test_the_sheet_offers_the_taxonomy_and_hides_nothing(tmp_path, taxonomy):
    book = openpyxl.load_workbook(io.BytesIO(sheet(SEGMENTS, taxonomy, tmp_path / "a.xlsx")))
    cells, options = book["标注"], book["选项"]
    header = [cell.value for cell in cells[1]]
    assert header == list(HEADERS.values())
    assert cells.freeze_panes == "E2"
    rules = {str(r.sqref): r.formula1 for r in cells.data_validations.dataValidation}
    assert rules == {"J2:J5": "选项!$A$2:$A$16", "N2:N5": "选项!$C$2:$C$4"}
    assert tuple(cell.value for (cell,) in options["A2:A16"]) == taxonomy.category_names
    assert tuple(cell.value for (cell,) in options["C2:C4"]) == taxonomy.status_names
    first = dict(zip(header, (cell.value for cell in cells[2]), strict=True))
    assert (first["模型建议类别"], first["类别概率"], first["类别"]) == ("党建", 0.5123, None)
    checked = dict(zip(header, (cell.value for cell in cells[4]), strict=True))
    assert (checked["用途"], checked["模型建议类别"], checked["类别概率"]) == ("检验", None, None)
    assert {cell.data_type for row in cells.iter_rows() for cell in row} <= {"s", "n"}
    assert cells["E2"].alignment.wrap_text
    assert "说明" in book.sheetnames


def test_names_that_files_find_hard(tmp_path):
    names = ['购"置"', "收入、支出", "a<b&c", "x" * 240, "类别:甲"]
    text = "".join(f"[[category]]\nname = {json.dumps(n)}\n" for n in names)
    text += "".join(f"[[status]]\nname = {json.dumps(n)}\n" for n in ("未、改", "已改"))
    own = Taxonomy.parse(text, tmp_path / "taxonomy.toml")
    segments = [replace(SEGMENTS[0], category=names[0], status="已改"), SEGMENTS[3]]
    answers = [
        {"category": names[2], "also": names[1], "status": "未、改", "annotator": "a"},
        {"category": names[4], "annotator": "a"},
    ]
    source = filled_xlsx(tmp_path / "a.xlsx", own, segments, answers)
    assert import_labels(source, tmp_path / "own.jsonl", own).added == 2
    first, second = load_examples([tmp_path / "own.jsonl"], own)
    assert (first.category, first.also, first.status) == (names[2], (names[1],), "未、改")
    assert second.category == names[4]
    view = ElementTree.fromstring(exported(segments, own, "label-studio")[1])
    assert [c.get("value") for c in view.findall("Choices[@name='category']/Choice")] == names


def test_a_picked_sheet_keeps_its_suggestions_on_the_way_to_a_tool(tmp_path, taxonomy):
    path = tmp_path / "a.xlsx"
    path.write_bytes(sheet(SEGMENTS, taxonomy, path))
    tasks = json.loads(exported(candidates_in(path, taxonomy), taxonomy, "label-studio")[0])
    choices = [
        [r["value"]["choices"] for r in t["predictions"][0]["result"]]
        for t in tasks
        if "predictions" in t
    ]
    assert choices == [[["党建"], ["已完成"]]] * 3
    assert tasks[0]["predictions"][0]["score"] == 0.5123
    assert "predictions" not in tasks[2]
    altered = filled_xlsx(tmp_path / "b.xlsx", taxonomy, problem_3="改了")
    with pytest.raises(LabelsError, match=r"b\.xlsx:3: column 校验码: the segment was altered"):
        candidates_in(altered, taxonomy)


def test_doccano_gets_no_labels_that_nobody_gave(taxonomy):
    tasks, configuration = exported(SEGMENTS, taxonomy, "doccano")
    assert [json.loads(line)["label"] for line in tasks.splitlines()] == [[]] * 4
    labels = [label["text"] for label in json.loads(configuration)]
    assert len(labels) == len(set(labels)) == 15 + 15 + 3
    assert {"类别:党建", "次要:党建", "状态:已完成"} <= set(labels)


@pytest.mark.parametrize("annotations", [[], [{"was_cancelled": True}]])
def test_a_task_nobody_annotated_counts_as_not_labelled(annotations, tmp_path, taxonomy):
    source = tmp_path / "a.json"
    source.write_text(json.dumps([{"data": {"problem": "a"}, "annotations": annotations}]), "utf-8")
    told = import_labels(source, tmp_path / "own.jsonl", taxonomy)
    assert (told.added, told.empty, told.refused) == (0, 1, ())


@pytest.mark.parametrize("output", ["tasks.xml", "."])
def test_tasks_and_configuration_are_two_files(output, run, tmp_path, taxonomy):
    (tmp_path / "a.csv").write_bytes(sheet(SEGMENTS, taxonomy, tmp_path / "a.csv"))
    done = run("label", "export", "a.csv", "-f", "label-studio", "-o", output, cwd=tmp_path)
    assert done.returncode == 2
    assert b"is no name for tasks" in done.stderr
    assert not (tmp_path / "tasks.xml").exists()


# -- label files -----------------------------------------------------------------------


def answer(i=0, category="党建", annotator="李", **more):
    return Answer(candidate=SEGMENTS[i], category=category, annotator=annotator, **more)


@pytest.fixture
def own(tmp_path):
    return tmp_path / "own.jsonl"


def test_a_correction_is_a_further_row(own, taxonomy):
    append(own, [answer(time="2026-01-01T00:00:00Z")], taxonomy)
    before = own.read_bytes()
    append(own, [answer(category="执法", time="2026-01-02T00:00:00Z")], taxonomy)
    assert own.read_bytes().startswith(before)
    assert [e.category for e in load_examples([own], taxonomy)] == ["执法"]


def test_an_old_sheet_does_not_undo_a_correction(tmp_path, own, taxonomy):
    first = filled_xlsx(tmp_path / "a.xlsx", taxonomy)
    second = filled_xlsx(tmp_path / "b.xlsx", taxonomy, category_2="执法", also_2=None)
    assert import_labels(first, own, taxonomy).added == 3
    assert import_labels(second, own, taxonomy).added == 1
    assert import_labels(first, own, taxonomy).added == 0
    assert load_examples([own], taxonomy)[0].category == "执法"


def test_two_annotators_are_both_kept_and_a_final_answer_settles(tmp_path, own, taxonomy):
    append(own, [answer(), answer(category="执法", annotator="王")], taxonomy)
    assert load_examples([own], taxonomy) == []
    source = filled_xlsx(tmp_path / "a.xlsx", taxonomy, category_2="执法", also_2=None)
    import_labels(source, own, taxonomy, final=True)
    assert load_examples([own], taxonomy)[0].category == "执法"
    assert len(load_labels([own], taxonomy).opinions) == 5


def test_undo_takes_back_ones_own_last_row(own, taxonomy):
    append(own, [answer(0), answer(1)], taxonomy)
    before = own.read_bytes()
    append(own, [answer(0, annotator="王"), answer(2)], taxonomy)
    assert undo(own, "李", taxonomy)["problem"] == SEGMENTS[2].problem
    assert undo(own, "王", taxonomy)["annotator"] == "王"
    assert own.read_bytes() == before
    assert undo(own, "赵", taxonomy) is None
    assert undo(own, "李", taxonomy) is not None
    assert undo(own, "李", taxonomy) is not None
    assert own.read_bytes() == b""
    assert len(append(own, [answer()], taxonomy)) == 1


def test_what_does_not_fit_is_not_written(own, taxonomy):
    append(own, [answer()], taxonomy)
    before = own.read_bytes()
    for wrong in (answer(1, "没有"), answer(1, status="做完"), answer(1, also=("党建",))):
        with pytest.raises(LabelsError, match=re.escape(str(own))):
            append(own, [answer(2), wrong], taxonomy)
    assert own.read_bytes() == before
    assert [p.name for p in own.parent.iterdir()] == [own.name]


def test_a_file_without_a_last_newline_and_one_that_is_broken(own, taxonomy):
    own.write_text('{"problem": "a", "category": "党建"}', "utf-8")
    append(own, [answer()], taxonomy)
    assert len(load_examples([own], taxonomy)) == 2
    own.write_text('{"problem": "a", "categ', "utf-8")
    with pytest.raises(LabelsError, match=r"own\.jsonl:1: bad JSON"):
        append(own, [answer()], taxonomy)
    with pytest.raises(LabelsError, match=r"name a \.jsonl file"):
        append(own.with_suffix(".csv"), [answer()], taxonomy)


def test_a_place_that_cannot_be_written(tmp_path, taxonomy):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        append(tmp_path / "file" / "own.jsonl", [answer()], taxonomy)
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(LabelsError, match=r"folder\.jsonl: cannot be read"):
        append(tmp_path / "folder.jsonl", [answer()], taxonomy)


def test_a_full_disk_costs_nothing(own, taxonomy, monkeypatch):
    append(own, [answer()], taxonomy)
    before = own.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        append(own, [answer(1)], taxonomy)
    assert own.read_bytes() == before
    assert [p.name for p in own.parent.iterdir()] == [own.name]


def _append_alone(path, who):
    names = Taxonomy.load()
    for i in range(4):
        append(path, [answer(i, annotator=who)], names)


@pytest.mark.skipif(os.name != "posix", reason="locks are POSIX")
def test_processes_that_add_at_once_lose_nothing(own, taxonomy):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_append_alone, args=(own, f"p{n}")) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert len(load_labels([own], taxonomy).opinions) == 12
