"""A source or row that fails costs itself and nothing else."""

from pathlib import Path

from rectify_nlp import Failure, Model
from rectify_nlp.batch import results
from rectify_nlp.types import Segment


def kinds(model: Model, path: Path) -> list[type]:
    return [type(result) for result in results([str(path)], model)]


def test_a_broken_row_costs_only_itself(model: Model, tmp_path: Path) -> None:
    table = tmp_path / "segments.csv"
    table.write_text("problem,measures\n学习不深入,a\n党费\n会议记录不全,b\n", encoding="utf-8")
    assert kinds(model, table) == [Segment, Failure, Segment]
    lines = tmp_path / "SEGMENTS.JSONL"
    lines.write_text(
        '{"problem": "\\ud800学习不深入"}\n'
        + "[" * 100_000
        + '\n{"problem": null}\n{"problem": "党费收缴不及时"}\n',
        encoding="utf-8",
    )
    assert kinds(model, lines) == [Segment, Failure, Failure, Segment]


def test_a_stated_status_in_a_segment_is_printed_as_given(model: Model, tmp_path: Path) -> None:
    table = tmp_path / "segments.csv"
    measures = "该问题已完成整改，并长期坚持。"
    table.write_text(f"problem,measures\n作风不实,{measures}\n", encoding="utf-8")
    (segment,) = results([str(table)], model)
    assert isinstance(segment, Segment)
    stated = segment.finding.issue.stated
    assert stated is not None
    assert stated.status == "长期坚持"
    assert segment.notice.text[stated.start : stated.end] == stated.text


def test_documents_and_pages_are_read_by_content(model: Model, tmp_path: Path) -> None:
    page = tmp_path / "saved.txt"
    body = "<p>一、关于“学习不深入”的问题。</p><p>整改情况：召开会议3次。</p>" * 3
    page.write_text(
        f"<html><body><div id=zoom><p>巡察整改通报</p>{body}</div></body></html>", "utf-8"
    )
    (report,) = results([str(page)], model)
    assert len(report.findings) == 3  # type: ignore[union-attr]
