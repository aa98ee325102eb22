"""Spark gives the rows of a local run, and whole folders or none.

Skipped where Java or pyspark is missing, unless REQUIRE_SPARK is set: then that is a failure.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rectify_nlp import Model, cluster, score_arrow, score_schema
from rectify_nlp import spark as on_spark
from rectify_nlp.cli import app
from rectify_nlp.errors import MissingExtra, MissingProgram, ModelError, OutputError, ReadError
from rectify_nlp.inputs import Inputs
from rectify_nlp.jobs import run as run_here
from rectify_nlp.jobs import settings_for
from rectify_nlp.types import Limits

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    # Java is not given time to optimise what is over in seconds.
    os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    try:
        with on_spark.session("local[2]") as session:
            session.conf.set("spark.sql.shuffle.partitions", 4)
            session.conf.set("spark.sql.codegen.wholeStage", False)
            yield session
    except (MissingExtra, MissingProgram) as missing:
        (pytest.fail if os.environ.get("REQUIRE_SPARK") else pytest.skip)(str(missing))


@pytest.fixture(scope="module")
def released() -> Model:
    return Model.load()


SEGMENTS: list[dict[str, Any]] = [
    {"id": 1, "problem": "党费收缴不规范", "measures": "该问题已完成整改。", "path": ["一、党建"]},
    {"id": "繁", "problem": "黨費收繳不規範", "measures": "該問題已完成整改，並長期堅持。"},
    {"id": 3, "problem": None, "measures": "无"},
    {"id": 4, "problem": " ", "path": None},
    {"id": None, "problem": "会议记录不全"},
    {"id": 6, "problem": "会议记录不全", "measures": 7, "a.b": {"c": [1, None]}},
    {"id": 7, "problem": "公务接待超标准", "path": [1], "status": "已完成", "A": True, "a": "x"},
]


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def rows_in(folder: Path) -> tuple[Any, list[str]]:
    """Schema and rows, the latter as texts in an order of their own."""
    table = pa.concat_tables(pq.read_table(path) for path in sorted(folder.glob("part-*")))
    return table.schema, sorted(json.dumps(row, sort_keys=True) for row in table.to_pylist())


# -- data frames ---------------------------------------------------------------------------


def test_a_frame_gets_the_columns_of_score_arrow(spark: Any, released: Model) -> None:
    classifiers = {
        name: dataclasses.replace(c, temperature=2 * c.temperature)
        for name, c in released.classifiers.items()
    }
    other = dataclasses.replace(released, classifiers=classifiers)
    given = [
        ("党费收缴不规范", ["一、党建"], "已完成", 1.5),
        (None, None, None, None),
        ("黨費收繳不規範", [], "x", 2.5),
    ]
    frame = spark.createDataFrame(
        given, "problem string, path array<string>, status string, `a.b` double"
    )
    batch = pa.RecordBatch.from_pylist(
        [dict(zip(frame.columns, row, strict=True)) for row in given]
    )
    for model in (None, other):
        scored = on_spark.score(frame, model)
        assert scored.columns == ["problem", "path", "a.b", *score_schema(model).names]
        expected = score_arrow(batch, model).to_pylist()
        found = [row.asDict() for row in scored.collect()]
        assert sorted(map(str, found)) == sorted(map(str, expected))
    assert [row["error"] is None for row in expected] == [True, False, True]
    with pytest.raises(ValueError, match="no column problem among text"):
        on_spark.score(frame.toDF("text", "b", "c", "d"))


def test_a_worker_loads_the_model_once(spark: Any, released: Model) -> None:
    shipped = on_spark.shipment(released)

    def probe(batches: Any) -> Any:
        import pyarrow

        from rectify_nlp.spark import _scored, unpacked

        for batch in _scored(["problem"], shipped, batches):
            known = {"pid": os.getpid(), "loads": unpacked.cache_info().misses}
            yield pyarrow.RecordBatch.from_pylist([known | {"rows": batch.num_rows}])

    frame = spark.createDataFrame([("会议记录不全",)] * 800, "problem string").repartition(8)
    told = frame.mapInArrow(probe, "pid long, loads long, rows long").collect()
    assert sum(row.rows for row in told) == 800
    assert len(told) == 8
    # Other tests may have had this worker load other models; within this job none is loaded.
    assert len({(row.pid, row.loads) for row in told}) == len({row.pid for row in told}) < 8


# -- batches -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory, linyi: Path) -> Path:
    """A folder of tables, its names such as URIs and patterns do not like."""
    folder = tmp_path_factory.mktemp("given") / "表 {1}[a]%20"
    folder.mkdir()
    many = [{"id": f"n{n}", "problem": f"问题{n}不落实", "measures": "已完成"} for n in range(500)]
    text = "\ufeff" + lines(SEGMENTS) + 'no JSON\n\n"none"\n' + lines(many) + '{"id": 9}'
    (folder / "a.jsonl").write_bytes(text.replace("\n", "\r\n").encode())
    (folder / "gb.jsonl").write_bytes(lines(SEGMENTS[:2]).encode("gb18030"))
    (folder / "empty.jsonl").touch()
    texts = [{"id": f"p{n}", "problem": row["problem"], "n": n} for n, row in enumerate(SEGMENTS)]
    pq.write_table(pa.Table.from_pylist(texts * 40), folder / "p.parquet", row_group_size=100)
    pq.write_table(
        pa.Table.from_pylist([{"id": "q", "problem": "作风不实", "f": 0.5, "raw": b"\xff"}]),
        folder / "q.parquet",
    )
    return folder


@pytest.mark.parametrize("options", [{}, {"id_column": "id"}])
def test_rows_are_those_of_a_local_run(
    spark: Any, released: Model, given: Path, tmp_path: Path, options: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(cluster, "_TASK_BYTES", 5_000)  # many tasks to a file
    monkeypatch.setattr(cluster, "_BATCH_ROWS", 20)  # many batches to a task
    explain = not options
    inputs = Inputs([str(given)], **options)
    here, there = tmp_path / "here", tmp_path / "there"
    settings = settings_for(inputs, form="parquet", explain=explain)
    totals = run_here(inputs, settings, here, jobs=1)
    assert cluster.run(spark, inputs, str(there), model=released, explain=explain) == totals
    assert totals.documents == 7 + 2 + 500 + 1 + 2 + 280 + 1
    assert rows_in(there) == rows_in(here)
    assert len(list(there.glob("part-*"))) > 8
    manifest = json.loads((there / "manifest.json").read_text())
    assert manifest["complete"]
    assert manifest["rows"] == totals.rows == sum(part["rows"] for part in manifest["parts"])
    for part in manifest["parts"]:
        content = (there / part["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == part["sha256"]
    with pytest.raises(OutputError, match="choose an empty folder"):
        cluster.run(spark, inputs, str(there), model=released)


def test_whole_notices_in_rows(
    spark: Any, released: Model, tmp_path: Path, linyi: Path, guangzhou: Path
) -> None:
    html = b"<html><body><p>" + "一、关于“学习不深入”的问题。".encode() + b"</p></body></html>"
    notices = [
        {"id": "a", "text": linyi.read_bytes()},
        {"id": "b", "text": html},
        {"id": "c", "text": None},
        {"id": "d", "text": b"%PDF-1.4 broken"},
    ]
    pq.write_table(pa.Table.from_pylist(notices), tmp_path / "t.parquet")
    written = {"id": "e", "text": guangzhou.read_text(encoding="utf-8").replace("3.", "", 1)}
    (tmp_path / "t.jsonl").write_text(lines([written]), encoding="utf-8")
    inputs = Inputs(
        [str(tmp_path / "t.jsonl"), str(tmp_path / "t.parquet")],
        id_column="id",
        text_column="text",
    )
    here, there = tmp_path / "here", tmp_path / "there"
    totals = run_here(inputs, settings_for(inputs, form="parquet"), here, jobs=1)
    assert cluster.run(spark, inputs, str(there), model=released) == totals
    assert totals.failures == 2
    assert totals.warnings > 0
    assert rows_in(there) == rows_in(here)
    said = [
        w for p in json.loads((here / "manifest.json").read_text())["parts"] for w in p["warnings"]
    ]
    manifest = json.loads((there / "manifest.json").read_text())
    assert manifest["warnings_told"] == sorted(said)


def test_limits_and_long_lines_cost_the_same_rows(
    spark: Any, released: Model, tmp_path: Path, linyi: Path
) -> None:
    # More characters than a field may have, fewer bytes than a line may.
    texts = ["x" * 10_000_001, linyi.read_text(encoding="utf-8"), "短"]
    rows = [{"id": str(at), "text": text} for at, text in enumerate(texts)]
    (tmp_path / "t.jsonl").write_text(lines(rows), encoding="utf-8")
    inputs = Inputs([str(tmp_path / "t.jsonl")], id_column="id", text_column="text")
    limits = Limits(input_bytes=1000)
    here, there = tmp_path / "here", tmp_path / "there"
    settings = settings_for(inputs, form="parquet", limits=limits)
    totals = run_here(inputs, settings, here, jobs=1)
    assert cluster.run(spark, inputs, str(there), model=released, limits=limits) == totals
    assert rows_in(there) == rows_in(here)
    errors = {row["source"]: row["error"] for row in map(json.loads, rows_in(here)[1])}
    assert all("is larger than 0.001 MB" in errors[source] for source in ("0", "1"))
    manifest = json.loads((there / "manifest.json").read_text())
    assert manifest["run"]["options"]["limits"]["input_bytes"] == 1000


def test_what_cannot_be_done_leaves_nothing(
    spark: Any, released: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    for name, what in (
        ("t.csv", "reads only these"),
        ("_t.jsonl", "passes over it"),
        ("gone.jsonl", "no such file"),
    ):
        path = tmp_path / name
        if "gone" not in name:
            path.write_text(lines(SEGMENTS), encoding="utf-8")
        with pytest.raises(ReadError, match=what):
            cluster.run(spark, Inputs([str(path)]), str(out), model=released)
    with pytest.raises(ReadError, match="not found by Spark"):
        cluster.run(spark, Inputs([f"file://{tmp_path}/gone"]), str(out), model=released)
    assert not out.exists()
    table = tmp_path / "t.jsonl"
    table.write_text(lines(SEGMENTS), encoding="utf-8")
    monkeypatch.setattr(on_spark, "__version__", "9.9")
    with pytest.raises(ModelError, match=r"the driver 9\.9; install the same version"):
        cluster.run(spark, Inputs([str(table)]), str(out), model=released)
    monkeypatch.undo()
    assert list(out.glob("[!.]*")) == []
    assert cluster.run(spark, Inputs([f"file://{table}"]), str(out), model=released).failures == 4
    _, rows = rows_in(out)
    assert sum(f'"source": "file:{table}' in row for row in rows) == 7
    table.chmod(0o600)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        cluster.run(spark, Inputs([str(table)]), str(tmp_path / "file" / "x"), model=released)


def test_inputs_that_change_meanwhile_are_told(
    spark: Any, released: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, out = tmp_path / "t.jsonl", tmp_path / "out"
    table.write_text(lines(SEGMENTS), encoding="utf-8")
    judge = cluster._judge

    def disturbed(*args: Any, **options: Any) -> Any:
        found = judge(*args, **options)
        table.write_text(lines(SEGMENTS[:3]), encoding="utf-8")
        return found

    monkeypatch.setattr(cluster, "_judge", disturbed)
    with pytest.raises(OutputError, match="inputs changed"):
        cluster.run(spark, Inputs([str(table)]), str(out), model=released)
    assert not (out / "manifest.json").exists()


# -- the command ---------------------------------------------------------------------------


def test_the_command(spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.jsonl").write_text(lines(SEGMENTS), encoding="utf-8")
    options = ["--id-column", "id", "--format", "parquet"]
    done = CliRunner().invoke(app, ["batch", "t.jsonl", "-o", "out", *options, "--engine", "spark"])
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr == "7 documents gave 7 rows; 5 failed, 0 warnings\n"
    here = CliRunner().invoke(app, ["batch", "t.jsonl", "-o", "here", *options, "--jobs", "1"])
    assert (here.exit_code, here.stderr) == (1, done.stderr)
    assert rows_in(tmp_path / "out") == rows_in(tmp_path / "here")


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--master", "local"], "--master goes with"),
        (["--engine", "spark", "--resume"], "whole or not at all"),
        (["--engine", "spark", "--jobs", "2"], "the master's matter"),
        (["--engine", "spark", "--format", "csv"], "Spark writes parquet"),
        (["--engine", "spark", "-o", "-"], "not a stream"),
    ],
)
def test_options_of_the_other_engine(arguments: list[str], what: str) -> None:
    done = CliRunner().invoke(app, ["batch", "t.jsonl", "-o", "out", *arguments])
    assert done.exit_code == 2
    assert what in " ".join(done.stderr.replace("│", " ").split())


def test_without_pyspark_the_remedy_is_named(tmp_path: Path, run: Any) -> None:
    (tmp_path / "pyspark.py").write_text("raise ImportError\n")
    done = run("batch", "t.jsonl", "-o", "out", "--engine", "spark", PYTHONPATH=str(tmp_path))
    assert done.stderr.endswith(b"pip install 'rectify-nlp[spark]'\n")
    assert done.returncode == 2


def test_without_java_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MissingProgram, match="does not run"):
        on_spark.require_java()
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_402\"' >&2\n")
    java.chmod(0o755)
    with pytest.raises(MissingProgram, match=r"java is 1\); install a Java runtime"):
        on_spark.require_java()
    java.write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\"' >&2\n")
    on_spark.require_java()
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingProgram, match="none was found"):
        on_spark.require_java()
