"""Values, names and files that no table should hold, in every format of a batch."""

import csv
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from rectify_nlp import Failure
from rectify_nlp.errors import OutputError, ReadError
from rectify_nlp.inputs import Inputs, listing, opened, text_of
from rectify_nlp.jobs import run as run_into
from rectify_nlp.jobs import settings_for
from rectify_nlp.records import headers, to_json
from rectify_nlp.shards import shards
from rectify_nlp.types import Limits

PROBLEM = "党费收缴不规范"
# Sixteen columns of values and names that one format or another does not know.
WILD = (
    f'{{"problem":"{PROBLEM}","nan":NaN,"inf":[-Infinity,{{"a":1e999}}],"nest":{{"k":[1,"二"]}},'
    '"list":["甲","乙"],"\\ud800":"x","\\\\ud800":"y","half":"\\ud83d","":3}\n'
    f'{{"problem":"{PROBLEM}","list":[]}}\n'
)
DEATH = """
import os
from rectify_nlp import arrow
plain = arrow.arrow_rows
def arrow_rows(*args):
    rows = plain(*args)
    if any("DIE" in row[1].get("s", "") for row in rows): os._exit(9)
    return rows
arrow.arrow_rows = arrow_rows
"""


def batch(given: Path, form: str, **options: object) -> list[Path]:
    """Parts of a run, in order."""
    inputs = Inputs([str(given)], **options)  # type: ignore[arg-type]
    out = given.parent / f"out-{given.stem}-{form}"
    run_into(inputs, settings_for(inputs, form=form), out, jobs=1)
    return sorted(out.glob("part-*"))


def refuse(value: str) -> None:
    raise AssertionError(value)


@pytest.fixture
def wild(tmp_path: Path) -> Path:
    (tmp_path / "wild.jsonl").write_text(WILD, encoding="utf-8")
    return tmp_path / "wild.jsonl"


def test_json_lines_are_json(wild: Path) -> None:
    (part,) = batch(wild, "jsonl")
    first, second = (
        json.loads(line, parse_constant=refuse) for line in part.read_text("utf-8").splitlines()
    )
    assert (first["nan"], first["inf"], first["nest"]) == (None, [None, {"a": None}], {"k": [1, "二"]})  # fmt: skip
    assert (first["\ud800"], first["\\ud800"], first["half"]) == ("x", "y", "\ud83d")
    assert second["category"] == "党建"


def test_nested_values_in_csv_are_json(wild: Path) -> None:
    (part,) = batch(wild, "csv")
    with part.open(encoding="utf-8-sig", newline="") as stream:
        first, second = csv.DictReader(stream)
    assert first["nan"] == ""
    assert json.loads(first["inf"]) == [None, {"a": None}]
    assert json.loads(first["nest"]) == {"k": [1, "二"]}
    assert json.loads(first["list"]) == ["甲", "乙"]
    assert (first["?"], first["\\ud800"], first["half"], first[""]) == ("x", "y", "?", "3")
    assert second["nest"] == ""


def test_any_name_makes_a_column_of_parquet(wild: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    (part,) = batch(wild, "parquet")
    first, second = parquet.read_table(part).to_pylist()
    assert (first["\\ud800"], first["\\ud800 (2)"], first[""]) == ("x", "y", "3")
    assert first["nan"] is None
    assert json.loads(first["inf"]) == [None, {"a": None}]
    assert (second["problem"], second["list"]) == (PROBLEM, "[]")


@pytest.mark.parametrize("form", ["jsonl", "parquet", "xlsx"])
def test_what_is_nested_deeply_ends_no_run(tmp_path: Path, form: str) -> None:
    lines = [
        f'{{"problem":"{PROBLEM}","x":{"[" * depth}{"]" * depth}}}' for depth in range(880, 1000, 4)
    ]
    (tmp_path / "deep.jsonl").write_text("\n".join(lines), encoding="utf-8")
    inputs = Inputs([str(tmp_path / "deep.jsonl")])
    totals = run_into(inputs, settings_for(inputs, form=form), tmp_path / "out", jobs=1)
    assert (totals.documents, totals.rows) == (30, 30)
    assert 0 < totals.failures < 30


def test_names_of_columns_stay_apart() -> None:
    assert headers(["a", "\ud800", "\\ud800", "a", "a (2)"]) == ["a", "\\ud800", "\\ud800 (2)", "a (2)", "a (2) (2)"]  # fmt: skip
    assert to_json({"x": float("nan"), "y": [float("inf"), 1.5]}) == '{"x": null, "y": [null, 1.5]}'


# -- parquet -------------------------------------------------------------------------------


def test_every_type_of_parquet_is_said(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    stamp = pa.timestamp("ns")
    columns = {
        "problem": pa.array([PROBLEM] * 2),
        "decimal": pa.array([Decimal("1.50"), None]),
        "ns": pa.array([1, None], stamp),
        "far": pa.array([2**31 - 1, 0], pa.date32()),
        "span": pa.array([1001, 2], pa.duration("ns")),
        "kind": pa.array(["a", None]).dictionary_encode(),
        "times": pa.array([[1001], []], pa.list_(stamp)),
        "nest": pa.array([{"t": 1001, "x": float("nan")}] * 2, pa.struct([("t", stamp), ("x", pa.float64())])),
        "map": pa.array([[("k", 1001)]] * 2, pa.map_(pa.string(), stamp)),
        "raw": pa.array([b"\xff\x00"] * 2),
    }  # fmt: skip
    parquet.write_table(pa.table(columns), tmp_path / "types.parquet")
    (part,) = batch(tmp_path / "types.parquet", "jsonl")
    first, second = (json.loads(line) for line in part.read_text("utf-8").splitlines())
    moment = "1970-01-01 00:00:00.000001001"
    assert {name: first[name] for name in columns} == {
        "problem": PROBLEM,
        "decimal": "1.50",
        "ns": "1970-01-01 00:00:00.000000001",
        "far": first["far"],
        "span": 1001,
        "kind": "a",
        "times": [moment],
        "nest": {"t": moment, "x": None},
        "map": first["map"],
        "raw": "ff00",
    }
    assert moment in str(first["map"])
    assert second["decimal"] is second["ns"] is second["kind"] is None


def broken_texts(path: Path, texts: list[bytes]) -> Path:
    """A Parquet table whose column `s` holds texts that need not be UTF-8."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    s = pa.array(texts, pa.binary()).view(pa.string())
    ids = [f"r{number}" for number in range(len(texts))]
    parquet.write_table(pa.table({"problem": [PROBLEM] * len(texts), "s": s, "id": ids}), path)
    return path


def test_a_value_that_cannot_be_unpacked_costs_its_row(tmp_path: Path) -> None:
    given = broken_texts(tmp_path / "t.parquet", [b"ok", b"\xff\xfe", b"ok"])
    (part,) = batch(given, "jsonl")
    rows = [json.loads(line) for line in part.read_text("utf-8").splitlines()]
    assert [row.get("s") for row in rows] == ["ok", None, "ok"]
    assert rows[1]["source"] == f"{given}:2"
    assert rows[1]["error"].startswith("UnicodeDecodeError: ")


def test_a_row_that_ends_the_process_when_unpacked_costs_itself(tmp_path: Path) -> None:
    broken_texts(tmp_path / "t.parquet", [b"ok", b"ok", b"DIE", b"ok"])
    (tmp_path / "sitecustomize.py").write_text(DEATH)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "rectify_nlp",
            "batch",
            "t.parquet",
            "-o",
            "out",
            "--id-column",
            "id",
        ],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    rows = [json.loads(line) for line in (tmp_path / "out/part-00000.jsonl").read_text("utf-8").splitlines()]  # fmt: skip
    assert [row.get("s") for row in rows] == ["ok", "ok", None, "ok"]
    assert rows[2] == {
        "source": "r2",
        "error": "Crash: ended the process that judged it (status 9)",
    }


def test_a_column_named_twice_is_refused_not_lost(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    texts = pa.array([PROBLEM])
    twice = pa.Table.from_arrays([texts, texts, texts], ["problem", "a", "a"])
    parquet.write_table(twice, tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text(f'problem,a,"a"\n{PROBLEM},1,2\n', encoding="utf-8")
    (shard,) = shards(Inputs([str(tmp_path)]), {})
    assert [piece.message for piece in shard.pieces if isinstance(piece, Failure)] == [
        "has two columns a; rename one"
    ] * 2


# -- files ---------------------------------------------------------------------------------


def test_links_pipes_and_names_too_long(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/up").symlink_to("..")
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    (tmp_path / "gone.txt").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "ok.txt").write_text("x")
    wanted = [str(tmp_path / name) for name in ("gone.txt", "loop.txt", "ok.txt")]
    assert list(Inputs([str(tmp_path)]).names()) == wanted
    assert list(Inputs([f"{tmp_path}/*.txt"]).names()) == wanted
    (pipe,) = Inputs([f"{tmp_path}/pipe.txt"]).names()
    assert isinstance(pipe, Failure)
    assert list(Inputs(["n" * 5000]).names()) == ["n" * 5000]  # a failure once it is opened


def test_a_list_may_be_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("x")
    reading, writing = os.pipe()
    os.write(writing, f"{tmp_path}/one.txt\n".encode())
    os.close(writing)
    with listing(f"/dev/fd/{reading}") as listed:
        inputs = Inputs([], listed=listed)
        assert list(inputs.names()) == list(inputs.names()) == [f"{tmp_path}/one.txt"]
    os.close(reading)


def test_newlines_of_any_kind_end_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\ufeff一\r\n二\r三\n\r\n四"
    for encoding, block in (("utf-8", 4), ("utf-16-le", 2), ("utf-16-be", 3), ("gb18030", 5)):
        monkeypatch.setattr("rectify_nlp.inputs._BLOCK", block)
        (tmp_path / "t").write_bytes(text.encode(encoding))
        with opened(str(tmp_path / "t"), {str(tmp_path / "t"): encoding}) as lines:
            assert [text_of(line) for line in lines] == ["一\n", "二\n", "三\n", "\n", "四"]


# -- limits --------------------------------------------------------------------------------


def test_limits_hold_for_documents_and_are_part_of_the_run(tmp_path: Path, linyi: Path) -> None:
    table = tmp_path / "t.jsonl"
    text = linyi.read_text("utf-8")
    table.write_text(json.dumps({"body": text}) + "\n", encoding="utf-8")
    small = Limits(input_bytes=1000)
    inputs = Inputs([str(linyi), str(table)], text_column="body")
    out = tmp_path / "out"
    totals = run_into(inputs, settings_for(inputs, limits=small), out, jobs=1)
    assert (totals.documents, totals.failures) == (2, 2)
    assert (out / "part-00000.jsonl").read_text("utf-8").count("larger than 0.001 MB") == 2
    assert json.loads((out / "manifest.json").read_text())["run"]["options"]["limits"]["input_bytes"] == 1000  # fmt: skip
    with pytest.raises(OutputError, match="limits: input_bytes: 1000 before, 50000000 now"):
        run_into(inputs, settings_for(inputs), out, jobs=1, resume=True)


def test_limits_are_options(run, tmp_path: Path, linyi: Path) -> None:  # type: ignore[no-untyped-def]
    done = run("batch", linyi, "-o", "-", "--max-size", "0.001")
    assert done.returncode == 3
    assert b"larger than 0.001 MB" in done.stdout


def test_parquet_whose_header_is_damaged_is_one_failure(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "t.parquet").write_bytes(b"PAR1" + bytes(40) + b"PAR1")
    (shard,) = shards(Inputs([str(tmp_path)]), {})
    (piece,) = shard.pieces
    assert isinstance(piece, Failure)
    assert piece.error == ReadError.__name__
