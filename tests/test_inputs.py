"""Which files a run reads, in which order, and how tables fall into shards."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rectify_nlp import Failure, ReadError
from rectify_nlp.inputs import Inputs, Survey, listing, text_of
from rectify_nlp.rowfiles import csv_rows
from rectify_nlp.shards import Shard, Slice, shards
from rectify_nlp.sources import table_rows


def surveyed(inputs: Inputs, columns: bool = False) -> Survey:
    return inputs.survey(columns=columns, told=lambda size: None)


def rows_of(found: list[Shard]) -> list[object]:
    """Every row of every slice, with its line."""
    return [
        row
        for shard in found
        for piece in shard.pieces
        if isinstance(piece, Slice) and piece.rows is None
        for row in table_rows(text_of(piece.data), piece.table, piece.kind, piece.shift)
    ]


def test_a_folder_is_walked_in_the_order_of_its_paths(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.PDF", "a-b/x.html", "a.jsonl", "a/b/c.csv", "a/no.png", "out/p.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    names = list(Inputs([str(tmp_path)], without=tmp_path / "out").names())
    wanted = ("a-b/x.html", "a.jsonl", "a/b/c.csv", "a/z.PDF", "b.txt")
    assert names == [str(tmp_path / name) for name in wanted]
    assert names == sorted(map(str, names))


def test_globs_lists_and_what_is_not_there(tmp_path: Path) -> None:
    for name in ("n1.txt", "n2.txt", "[x].txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "empty").mkdir()
    listed = io.StringIO(f"{tmp_path}/[x].txt\n\n{tmp_path}/missing.txt\n")
    names = list(Inputs([f"{tmp_path}/n*.txt", f"{tmp_path}/q*", f"{tmp_path}/empty"], listed=listed).names())  # fmt: skip
    found = [Path(n).name for n in names if isinstance(n, str)]
    assert found == ["n1.txt", "n2.txt", "[x].txt", "missing.txt"]
    said = [n.message for n in names if isinstance(n, Failure)]
    assert said[0] == "nothing matches this pattern"
    assert said[1].endswith("file in this folder")


def test_a_survey_knows_of_every_change(tmp_path: Path) -> None:
    table = tmp_path / "t.jsonl"
    table.write_text('{"problem": "甲", "id": 1}\n[]\n{"problem": "乙", "x": 2}\n', "utf-8")
    inputs = Inputs([str(tmp_path)])
    before = surveyed(inputs, columns=True)
    assert list(before.columns) == ["problem", "id", "x"]
    (source,) = before.sources.values()
    assert (source.files, source.bytes) == (1, table.stat().st_size)
    assert inputs.stamp() == before.stamp
    table.write_text(table.read_text("utf-8").replace("乙", "丙"), "utf-8")
    after = surveyed(inputs)
    assert after.sources[str(tmp_path)].as_dict() != source.as_dict()
    assert after.stamp != before.stamp


def test_a_table_that_turns_out_not_to_be_utf8(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    ascii_rows = "problem,measures\n" + "a,b\n" * 30_000
    table.write_bytes(ascii_rows.encode() + "会议记录不全,召开会议\n".encode("gb18030"))
    inputs = Inputs([str(table)])
    survey = surveyed(inputs)
    assert survey.encodings == {str(table): "gb18030"}
    last = rows_of(list(shards(inputs, survey.encodings)))[-1]
    assert last == (30_002, {"problem": "会议记录不全", "measures": "召开会议"})


CELLS = st.text(st.sampled_from('ab,"\n\r党 '), max_size=6)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(CELLS, CELLS), max_size=12),
    st.sampled_from(["", '"x"y,z\n', '"open\n', "one\n", "\n"]),
    st.integers(1, 40),
)
def test_slices_hold_the_rows_of_the_whole_csv(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]], odd: str, cost: int
) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([("problem", "measures"), *cells])
    text = out.getvalue().replace("\r\n", "\n").replace("\r", "\n") + odd + "c,d\n"
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_text(text, encoding="utf-8", newline="")
    whole = [
        (line, row) if isinstance(row, dict) else Failure(source=f"{path}:{line}", error="LabelsError", message=row.what)
        for line, row in csv_rows(text, path)
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rectify_nlp.shards.CHUNK", cost)
        assert rows_of(list(shards(Inputs([str(path)]), {}, cost))) == whole


def test_shards_are_of_a_size_and_hold_everything(tmp_path: Path) -> None:
    lines = [f'{{"problem": "{"党" * (n % 5000)}", "n": {n}}}' for n in range(3000)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for number in range(70):
        (tmp_path / f"n{number:02d}.txt").write_text("x")
    found = list(shards(Inputs([str(tmp_path)]), {}))
    assert [shard.index for shard in found] == list(range(len(found)))
    assert len(found) > 3
    assert max(len(shard.pieces) for shard in found) < 100
    assert [row[1]["n"] for row in rows_of(found)] == list(range(3000))  # type: ignore[index]
    notices = [p for shard in found for p in shard.pieces if isinstance(p, str)]
    assert len(notices) == 70


def test_a_line_no_memory_would_hold_costs_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rectify_nlp.inputs.LONGEST_LINE", 100)
    path = tmp_path / "t.jsonl"
    path.write_text('{"problem": "a"}\n{"problem": "' + "b" * 1000 + '"}\n{"problem": "c"}\n')
    first, second, third = rows_of(list(shards(Inputs([str(path)]), {})))
    assert first == (1, {"problem": "a"})
    assert isinstance(second, Failure)
    assert second.message == "a line too long to be a row"
    assert third == (3, {"problem": "c"})


def test_a_list_from_closed_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(ReadError, match="standard input is closed"):
        listing("-")


def test_a_list_may_not_name_standard_input_nor_hold_a_nul(run, tmp_path):
    (tmp_path / "list.txt").write_bytes(b"-\na\0b\n")
    done = run("batch", "--from-file", "list.txt", "-o", "out", cwd=tmp_path)
    assert done.returncode == 3
    told = [
        json.loads(line)
        for line in (tmp_path / "out" / "part-00000.jsonl").read_text().splitlines()
    ]
    assert [record["error"].split(": ")[1] for record in told] == [
        "a list cannot name standard input",
        "holds a NUL; give one name a line",
    ]
