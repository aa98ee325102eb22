"""The dashboard: what a batch folder holds, whatever its form, and what it refuses."""

import json
import shutil

import pytest
from starlette.testclient import TestClient

from rectify_nlp.dashboard import Choice, Results, Shelf, part_rows, parts_of
from rectify_nlp.errors import ReadError
from rectify_nlp.phrases import doubts
from rectify_nlp.web import Options, application

FORMS = ("jsonl", "csv", "parquet")
# A unit whose name would be a formula, and one whose stated status the text contradicts.
NOTICE = """中共青石县水务局党组关于巡察整改进展情况的通报
1.关于=1+1的乱问题。
整改情况：已改。
2.关于党费收缴不规范的问题。
整改情况：已补缴全部党费，修订制度，整改任务全部完成并销号。整改进度：未完成
"""


@pytest.fixture(scope="module")
def folders(run, root, tmp_path_factory):
    """The same batch in every form."""
    given = tmp_path_factory.mktemp("given")
    (given / "notice.txt").write_text(NOTICE, encoding="utf-8")
    (given / "empty.txt").write_bytes(b"")
    for name in ("guangzhou-transport-2025", "linyi-transport-2023"):
        shutil.copy(root / f"seeds/{name}.txt", given)
    out = tmp_path_factory.mktemp("out")
    for form in FORMS:
        done = run("batch", given, "-o", out / form, "-f", form, "--explain", "-j", "1")
        assert done.returncode == 1, done.stderr
    return {form: out / form for form in FORMS}


@pytest.fixture(scope="module")
def results(folders):
    return Shelf(folders["jsonl"]).results()


def rows_in(folder):
    parts, _ = parts_of(folder)
    return [row for part in parts for row in part_rows(part)]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_every_form_gives_the_same_rows(folders, form):
    expected = rows_in(folders["jsonl"])
    found = rows_in(folders[form])
    assert len(found) == len(expected) == 60
    for row, one in zip(found, expected, strict=True):
        assert row["source"] == one["source"]
        assert bool(row.get("error")) == bool(one.get("error"))
        if "problem" in one:
            assert {name: row[name] for name in one} == one
            assert (
                list(row["p"]["category"].values()) == sorted(row["p"]["category"].values())[::-1]
            )


def test_counts_add_up(results, folders):
    rows = [row for row in rows_in(folders["jsonl"]) if "problem" in row]
    assert len(results) == len(rows) == 59
    assert results.failed == 1
    assert results.failures[0][0].endswith("empty.txt")
    assert results.complete
    assert results.in_doubt == sum(bool(doubts(row)) for row in rows) > 0
    assert results.counts().total() == 59
    units = results.units()
    assert sum(unit.by_status.total() for unit in units) == 59
    assert [unit.in_doubt for unit in units] == sorted((u.in_doubt for u in units), reverse=True)
    assert units[0].name == "中共青石县水务局党组"


def test_rows_in_doubt_come_first(results):
    rows = results.rows(results.chosen(Choice()))
    marks = [bool(doubts(row)) for row in rows]
    assert marks == sorted(marks, reverse=True)
    contradicted = [row["doubtful"] for row in rows]
    assert contradicted == sorted(contradicted, reverse=True)


@pytest.mark.parametrize(
    "choice",
    [
        Choice(status="未完成"),
        Choice(category="执法", status="长期坚持"),
        Choice(unit="中共青石县水务局党组", in_doubt=True),
        Choice(unit="没有这个单位"),
    ],
)
def test_a_choice_leaves_what_fits(results, choice):
    found = results.rows(results.chosen(choice))
    every = results.rows(results.chosen(Choice()))
    assert found == [
        row
        for row in every
        if choice.unit in (None, row["publisher"])
        and choice.category in (None, row["category"])
        and choice.status in (None, row["status"])
        and (not choice.in_doubt or doubts(row))
    ]


def test_a_run_that_goes_on_is_read_again(folders, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    manifest = json.loads((folders["jsonl"] / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"complete": False}))
    shelf = Shelf(folder)
    assert (len(shelf.results()), shelf.results().complete) == (0, False)
    assert shelf.results().units() == []
    shutil.copy(folders["jsonl"] / "part-00000.jsonl", folder)
    assert len(shelf.results()) == 59
    assert shelf.results() is shelf.results()


def test_a_folder_of_something_else_is_refused(tmp_path, released):
    with pytest.raises(ReadError, match="rectify-nlp batch"):
        Shelf(tmp_path)
    for content in ("[1]", "{"):
        (tmp_path / "manifest.json").write_text(content)
        with pytest.raises(ReadError, match=r"manifest\.json"):
            Shelf(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    for form, content in (("jsonl", b"{"), ("csv", b"a,b\n1,2\n"), ("parquet", b"PAR1")):
        part = tmp_path / f"part-00000.{form}"
        part.write_bytes(content)
        with pytest.raises(ReadError, match="damaged"):
            Results([part], complete=True)
        with TestClient(
            application(released, Options(results=tmp_path)), base_url="http://localhost"
        ) as client:
            answer = client.get("/dashboard")
        assert answer.status_code == 503
        assert "damaged" in answer.json()["detail"]
        part.unlink()


def test_the_page_shows_it(folders, released):
    for form in FORMS:
        options = Options(results=folders[form])
        with TestClient(application(released, options), base_url="http://localhost") as client:
            page = client.get("/dashboard?doubt=1&page=99").text
            assert "青石县" in page
            assert "第 99 页" not in page
            assert "没有符合条件的问题" in client.get("/dashboard?unit=x&category=&page=2").text
            assert client.get("/dashboard?page=0").status_code == 422
    with TestClient(application(released, Options()), base_url="http://localhost") as client:
        assert client.get("/dashboard").status_code == 404
        assert "/dashboard" not in client.get("/").text
