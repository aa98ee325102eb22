"""The Arrow seam: a row out for a row in, under a schema that depends on the model alone."""

import datetime
import decimal
import json
import subprocess
import sys
from pathlib import Path

import pytest

from rectify_nlp import Model, score_arrow, score_schema
from rectify_nlp.arrow import parquet, parquet_slices
from rectify_nlp.batch import results
from rectify_nlp.errors import ReadError
from rectify_nlp.inputs import Inputs
from rectify_nlp.records import csv_columns, flattened, records
from rectify_nlp.shards import shards

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def test_scores_are_those_of_predict(model: Model, tmp_path: Path) -> None:
    given = [
        {"problem": "党费收缴不规范", "measures": "该问题已完成整改。", "path": ["一、党建"], "id": 7},
        {"problem": None, "measures": "x", "path": None, "id": 8},
        {"problem": "会议记录不全", "measures": None, "path": [], "id": 9},
    ]  # fmt: skip
    batch = pa.RecordBatch.from_pylist(given)
    scored = score_arrow(batch, model)
    assert scored.schema.names[:4] == ["problem", "measures", "path", "id"]
    assert scored.select(batch.schema.names).equals(batch)
    assert list(scored.schema)[4:] == list(score_schema(model))
    table = tmp_path / "t.jsonl"
    table.write_text("\n".join(map(json.dumps, given)), encoding="utf-8")
    rows = [flattened(row) for r in results([str(table)], model) for row in records(r, False)]
    for one, row in zip(scored.to_pylist(), rows, strict=True):
        assert {n: one[n] for n in score_schema(model).names} == {
            n: row.get(n) for n in score_schema(model).names
        }
    assert [row["error"] is None for row in scored.to_pylist()] == [True, False, True]


def test_the_schema_is_constant(model: Model) -> None:
    texts = pa.array(["会议记录不全"])
    wanted = list(score_schema(model))
    for column in (texts, texts.cast(pa.large_string()), texts.dictionary_encode(), texts[:0]):
        batch = pa.RecordBatch.from_arrays([column, column], ["problem", "status"])
        scored = score_arrow(batch, model)
        assert list(scored.schema)[1:] == wanted
        assert scored.schema.names.count("status") == 1
        assert scored.num_rows == len(column)
    with pytest.raises(ValueError, match="no column problem"):
        score_arrow(pa.RecordBatch.from_arrays([texts], ["text"]), model)


def test_a_parquet_table_is_read_in_slices(model: Model, tmp_path: Path) -> None:
    rows = [
        {"problem": f"问题{n}", "n": n, "when": datetime.date(2025, 3, n % 28 + 1),
         "cost": decimal.Decimal("1.50"), "share": float("nan"), "raw": b"\xff"}
        for n in range(600)
    ]  # fmt: skip
    path = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    sizes = [count for _, count, _ in parquet_slices(str(path), 256)]
    assert sum(sizes) == 600
    assert max(sizes) <= 256
    (shard,) = shards(Inputs([str(path)]), {})
    assert [piece.shift for piece in shard.pieces] == [0, 256, 512]
    done = subprocess.run(
        [sys.executable, "-m", "rectify_nlp", "batch", path, "-o", "-"],
        capture_output=True,
        check=True,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["n"] for row in found] == list(range(600))
    first = found[0]
    assert (first["when"], first["cost"], first["share"], first["raw"]) == (
        "2025-03-01",
        "1.50",
        None,
        "ff",
    )


def test_evidence_in_parquet(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"problem": "党费收缴不规范\\ud800", "n": {"a": ["\\ud800"]}}\n')
    (result,) = results([str(path)], model, explain=True)
    (row,) = records(result, explain=True)
    table = pq.read_table(pa.BufferReader(parquet([row], csv_columns(model, ["n"]))))
    (found,) = table.to_pylist()
    assert found["evidence"] == row["evidence"] != []
    assert (found["problem"], found["n"]) == ("党费收缴不规范?", '{"a": ["\\ud800"]}')


def test_what_is_no_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1 no")
    with pytest.raises(ReadError, match="no Parquet file"):
        list(parquet_slices(str(path), 10))
    (shard,) = shards(Inputs([str(path), str(tmp_path / "gone.parquet")]), {})
    assert [piece.error for piece in shard.pieces] == ["ReadError", "ReadError"]


def test_without_pyarrow_the_remedy_is_named(tmp_path: Path, linyi: Path) -> None:
    (tmp_path / "pyarrow.py").write_text("raise ImportError\n")
    done = subprocess.run(
        [sys.executable, "-m", "rectify_nlp", "batch", linyi, "-o", "out", "-f", "parquet"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert done.stderr.endswith(b"pip install 'rectify-nlp[parquet]'\n")
    assert done.returncode == 2
    assert not (tmp_path / "out").exists()
