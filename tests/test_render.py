"""Rows and every format of them: nothing lost, nothing that a spreadsheet or terminal obeys."""

import csv
import io
import json
from dataclasses import replace
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rectify_nlp import (
    Failure,
    Finding,
    Issue,
    Notice,
    Passage,
    Report,
    Stated,
    Verdict,
    read,
    rows,
)
from rectify_nlp.cards import model_card, model_lines
from rectify_nlp.records import clean
from rectify_nlp.render import (
    COLUMNS,
    TEXT_FORMATS,
    Layout,
    csv_columns,
    csv_lines,
    failure_row,
    lines,
    report_record,
    segment_lines,
    table,
    to_json_line,
)
from rectify_nlp.splitting import split
from rectify_nlp.terminal import split_lines, trace_lines

# DESIGN section 5.
FIELDS = [
    "source", "title", "publisher", "published", "number", "path", "problem", "measures",
    "category", "category_p", "also", "status", "status_p", "status_source", "stated_text",
    "doubtful", "p",
]  # fmt: skip
FAILURE = Failure(source="x.pdf", error="UnsupportedFormat", message="this is a PDF")


def verdict(label, **chances):
    ranking = tuple(sorted(chances.items(), key=lambda pair: -pair[1]))
    return Verdict(label=label, probability=ranking[0][1], ranking=ranking)


def report(problem="党费收缴不规范", measures="一是补缴。", **change):
    """A report of one finding; `stated`, `category` and `status` may be given."""
    text = f"1.{problem}\n{measures}\n整改进度:已完成"
    stated = Stated(status="已完成", text="已完成", start=len(text) - 3, masked=(0, 0))
    finding = Finding(
        issue=Issue(
            problem=Passage(text=problem, start=2),
            measures=Passage(text=measures, start=3 + len(problem)),
            number=Passage(text="1.", start=0),
            path=(Passage(text="一、甲", start=0), Passage(text="(一)乙", start=0)),
            stated=stated if change.get("stated", True) else None,
        ),
        category=change.get("category", verdict("党建", 党建=0.61234, 执法=0.38766)),
        status=change.get("status", verdict("未完成", 未完成=0.75, 已完成=0.25)),
        also=("执法",),
        doubtful=change.get("doubtful", False),
    )
    notice = Notice(
        text=text,
        source=change.get("source", "a.txt"),
        title=change.get("title", "通报"),
        publisher="某局",
        published=date(2024, 1, 2),
    )
    return Report(notice=notice, findings=(finding,), model="m@0")


@pytest.fixture(scope="module")
def seeds(model, seed_paths):
    return [model.predict(read(path), explain=True) for path in seed_paths]


def render(form, results, model, **layout):
    return "".join(lines(results, form, model, Layout(**layout)))


# -- rows --------------------------------------------------------------------------------


def test_a_row_has_the_agreed_fields(seeds):
    assert list(COLUMNS) == FIELDS
    for found in seeds:
        assert {tuple(row) for row in rows(found)} == {tuple(FIELDS)}
        assert {tuple(row) for row in rows(found, explain=True)} == {(*FIELDS, "evidence")}


def test_the_values_of_a_row():
    assert rows(report()) == [
        {
            "source": "a.txt",
            "title": "通报",
            "publisher": "某局",
            "published": "2024-01-02",
            "number": "1.",
            "path": ["一、甲", "(一)乙"],
            "problem": "党费收缴不规范",
            "measures": "一是补缴。",
            "category": "党建",
            "category_p": 0.6123,
            "also": ["执法"],
            "status": "已完成",
            "status_p": 0.25,
            "status_source": "stated",
            "stated_text": "已完成",
            "doubtful": False,
            "p": {
                "category": {"党建": 0.6123, "执法": 0.3877},
                "status": {"未完成": 0.75, "已完成": 0.25},
            },
        }
    ]


def status_of(found):
    (row,) = rows(found)
    return tuple(row[n] for n in ("status", "status_p", "status_source", "stated_text"))


def test_status_is_stated_predicted_or_withheld():
    unsure = verdict(None, 未完成=0.5, 已完成=0.3, 长期坚持=0.2)
    assert status_of(report()) == ("已完成", 0.25, "stated", "已完成")
    assert status_of(report(stated=False)) == ("未完成", 0.75, "predicted", None)
    assert status_of(report(stated=False, status=unsure)) == (None, 0.5, "predicted", None)
    assert status_of(report(status=unsure)) == ("已完成", 0.3, "stated", "已完成")


def test_a_withheld_category_keeps_its_probability():
    (row,) = rows(report(category=verdict(None, 党建=0.4, 执法=0.35)))
    assert (row["category"], row["category_p"]) == (None, 0.4)
    assert row["p"]["category"] == {"党建": 0.4, "执法": 0.35}


def test_evidence_speaks_for_the_likeliest_label_where_it_stands(seeds):
    for found in seeds:
        for row, finding in zip(rows(found, explain=True), found.findings, strict=True):
            assert {e["of"] for e in row["evidence"]} == {"category", "status"}
            for task in ("category", "status"):
                shown = [e for e in row["evidence"] if e["of"] == task]
                assert 1 <= len(shown) <= 8
                assert {e["label"] for e in shown} == {getattr(finding, task).ranking[0][0]}
                assert all(e["weight"] > 0 for e in shown)
                spans = sorted((e["start"], e["end"]) for e in shown)
                assert all(a[1] <= b[0] for a, b in pairwise(spans))
                for e in shown:
                    assert found.notice.text[e["start"] : e["end"]] == e["term"]
                    assert e["term"] in row["problem"] + "\n" + row["measures"]


# -- machine formats -----------------------------------------------------------------------


def test_jsonl_reads_back_as_the_rows(seeds, model):
    text = render("jsonl", [seeds[0], FAILURE, seeds[1]], model)
    expected = [*rows(seeds[0]), failure_row(FAILURE), *rows(seeds[1])]
    assert [json.loads(line) for line in text.splitlines()] == expected
    assert "整改" in text
    explained = render("jsonl", seeds[:1], model, explain=True)
    assert [json.loads(line) for line in explained.splitlines()] == rows(seeds[0], explain=True)


def test_json_is_one_value(seeds, model):
    whole = json.loads(render("json", [seeds[0], FAILURE], model))
    assert whole == [report_record(seeds[0]), failure_row(FAILURE)]
    assert whole[0]["issues"] == rows(seeds[0])
    assert whole[0]["sha256"] == seeds[0].notice.sha256
    assert json.loads(render("json", [], model)) == []


def test_a_failure_is_a_row_of_its_own():
    assert failure_row(FAILURE) == {"source": "x.pdf", "error": "UnsupportedFormat: this is a PDF"}


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(), st.text(st.characters()) | st.lists(st.text()) | st.none()))
def test_json_lines_keep_everything(record):
    line = to_json_line(record)
    assert line.endswith("\n")
    assert "\n" not in line[:-1]
    assert json.loads(line.encode()) == record


def test_lone_surrogates_survive_json():
    record = {"problem": "学习\ud800不够\udfff"}
    assert json.loads(to_json_line(record).encode()) == record


def test_csv_reads_back(seeds, model):
    text = render("csv", [*seeds, FAILURE], model, explain=True)
    records = list(csv.DictReader(io.StringIO(text, newline="")))
    expected = [row for found in seeds for row in rows(found, explain=True)]
    assert len(records) == len(expected) + 1
    for record, row in zip(records, expected, strict=False):
        for name in ("source", "title", "number", "problem", "measures", "status_source"):
            assert record[name] == (row[name] or "")
        for name in ("category", "status", "stated_text", "published"):
            assert record[name] == (row[name] or "")
        assert record["path"] == " | ".join(row["path"])
        assert record["also"] == " | ".join(row["also"])
        assert record["doubtful"] == ("true" if row["doubtful"] else "false")
        assert float(record["category_p"]) == row["category_p"]
        assert json.loads(record["evidence"]) == row["evidence"]
        assert record["error"] == ""
        for task in ("category", "status"):
            for label, p in row["p"][task].items():
                assert float(record[f"p.{task}.{label}"]) == p
    assert records[-1]["error"] == "UnsupportedFormat: this is a PDF"
    assert (records[-1]["source"], records[-1]["problem"]) == ("x.pdf", "")


def test_csv_columns_flatten_the_probabilities(model):
    columns = csv_columns(model, ["note", "problem"])
    labels = {task: list(c.labels) for task, c in model.classifiers.items()}
    assert columns == [
        "note",
        *FIELDS[:-1],
        *(f"p.category.{label}" for label in labels["category"]),
        *(f"p.status.{label}" for label in labels["status"]),
        "evidence",
        "error",
    ]


def cells(text):
    """What a CSV reader finds in one cell of this text."""
    found = list(csv.reader(io.StringIO("".join(csv_lines([{"a": text}], ["a"])), newline="")))
    return found[1][0] if found[1:] and found[1] else ""


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20a", "\x00=1", "\x1b=1"],
)  # fmt: skip
def test_formulas_are_neutralised(text):
    assert cells(text) == "'" + text.lstrip("\x00\x1b")


CONTROL = [chr(c) for c in [*range(9), *range(11, 32), *range(127, 160), 0x202E, 0x2066]]


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from(["=", "+", "-", "@", "a", "整", '"', ",", "\n", *CONTROL])))
def test_no_cell_is_a_formula_or_holds_control_characters(text):
    cell = cells(text)
    assert cell[:1] not in {*"=+-@\t\r"}
    assert not set(cell) & set(CONTROL)
    plain = "".join(c for c in text if c not in CONTROL)
    assert cell in (plain, f"'{plain}")


def test_lone_surrogates_do_not_break_csv():
    assert "".join(csv_lines([{"a": "学\ud800习"}], ["a"])).encode() == "a\n学?习\n".encode()


# -- for a terminal ------------------------------------------------------------------------


def test_table_shows_every_issue(seeds, model):
    for found in seeds:
        text = render("table", [found], model, width=120)
        assert f"{len(found.findings)} issues, model {found.model}" in text
        for finding in found.findings:
            assert finding.issue.problem.text.lstrip()[:8] in text
        assert all(len(line.encode("gb18030")) <= 120 for line in text.splitlines())


def test_table_marks_where_a_status_comes_from(model):
    assert "  stated" in render("table", [report()], model)
    assert "stated, doubtful" in render("table", [report(doubtful=True)], model)
    assert "predicted" in render("table", [report(stated=False)], model)
    unsure = report(category=verdict(None, 党建=0.4, 执法=0.35))
    assert "?党建" in render("table", [unsure], model)


def test_table_explains_in_the_sentence(seeds, model):
    plain, explained = (
        render("table", seeds[:1], model, width=160, explain=e) for e in (False, True)
    )
    assert len(explained.splitlines()) == len(plain.splitlines()) + 4 * len(seeds[0].findings)
    first = seeds[0].findings[0].category
    reason, sentence = explained.split(f"category {first.ranking[0][0]}: ", 1)[1].split("\n")[:2]
    heaviest = seeds[0].notice.text[first.evidence[0].start : first.evidence[0].end]
    assert reason.startswith(f"{heaviest}+")
    assert f"[{heaviest}]" in sentence


def test_colour_only_where_wanted(seeds, model):
    assert "\x1b[" in render("table", seeds[:1], model, colour=True)
    assert "\x1b" not in render("table", seeds[:1], model, explain=True)


WILD = st.text(
    st.characters() | st.sampled_from(["\x1b", "\x9b", "\x07", "\u202e", "[", "]", "整"])
)


@settings(max_examples=200, deadline=None)
@given(WILD, WILD, WILD, st.integers(20, 200))
def test_no_text_steers_the_terminal(model, problem, measures, name, width):
    found = report(problem, measures, title=name, source=name)
    numbered = replace(found.findings[0].issue, number=Passage(text=problem, start=2))
    found = replace(found, findings=(replace(found.findings[0], issue=numbered),))
    failure = Failure(source=name, error="ReadError", message=measures)
    text = table(found, Layout(width=width, explain=True))
    text += "".join(segment_lines(failure))
    text += "\n".join(split_lines(found.notice, split(found.notice), as_json=False))
    text += "\n".join(trace_lines(found.notice, split(found.notice, trace=True)))
    assert not set(text) & set(CONTROL)


def test_clean_keeps_what_is_harmless():
    assert clean("整改\t1\n\x1b[31m红\x9b\u202e") == "整改\t1\n[31m红"


@pytest.mark.parametrize("form", TEXT_FORMATS)
def test_every_format_ends_its_lines(form, seeds, model):
    text = render(form, [*seeds, FAILURE], model)
    assert text.endswith("\n")
    assert "x.pdf" in text


def test_split_as_json_gives_places(linyi):
    notice = read(linyi)
    parts = split(notice)
    records = [json.loads(line) for line in split_lines(notice, parts, as_json=True)]
    assert len(records) == 40
    for record, issue in zip(records, parts.issues, strict=True):
        assert record["number"] == issue.number.text
        assert record["stated"] == issue.stated.status
        for name in ("problem", "measures"):
            start = record[f"{name}_start"]
            assert notice.text[start : start + len(record[name])] == record[name]
        start = record["stated_start"]
        assert notice.text[start:].startswith(record["stated_text"])


def test_trace_gives_a_reason_for_every_line(linyi):
    notice = read(linyi)
    parts = split(notice, trace=True)
    traced = list(trace_lines(notice, parts))
    assert len(traced) == len(parts.trace)
    assert sum(" issue " in line for line in traced) >= 40
    assert all(line.endswith(")") and "(" in line for line in traced)


def test_the_card_says_how_figures_were_obtained(model, small_examples):
    card = model_card(model)
    notices = len({e.notice for e in small_examples})
    assert f"{len(small_examples)} issue segments of {notices} notices (" in card
    assert " authored, 57 seed)" in card
    rated = sum(e.status is not None for e in small_examples)
    assert f"5-fold cross-validation, whole notices left out, {rated} segments" in card
    shown = "\n".join(model_lines(model, terms=2))
    assert shown.startswith(f"{model.fingerprint}: ")
    assert card.strip() in shown
    for classifier in model.classifiers.values():
        assert all(f"  {label}: " in shown for label in classifier.labels)
