"""The command line as people use it: what goes in, what comes out, and the exit status."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys

import pytest

from rectify_nlp import Model, read, rows
from rectify_nlp.version import __version__

PROBLEM = "党费收缴不规范"


def ok(done):
    """Standard output of a run that went well and had nothing to say about it."""
    assert done.stderr.decode() == ""
    assert done.returncode == 0
    return done.stdout.decode()


def one_line(done, code, *words):
    """A run that failed with `code` and one line on stderr that holds all of `words`."""
    message = done.stderr.decode()
    assert done.returncode == code
    assert message.count("\n") == 1
    assert message.endswith("\n")
    assert [word for word in map(str, words) if word not in message] == []


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def test_help_and_version(run):
    text = ok(run("--help"))
    assert [
        name
        for name in ("predict", "split", "train", "evaluate", "inspect")
        if f" {name} " not in text
    ] == []
    assert ok(run("--version")) == f"rectify-nlp {__version__}\n"


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("predict", "--explain"),
        ("split", "--trace"),
        ("train", "--taxonomy"),
        ("evaluate", "--json"),
        ("inspect", "--terms"),
    ],
)
def test_help_of_every_command(command, option, run):
    text = ok(run(command, "--help"))
    assert option in text
    assert f" {command} " in text


# -- predict -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def expected(guangzhou):
    return rows(Model.load().predict(read(guangzhou)))


def test_jsonl_is_what_a_pipe_gets(run, guangzhou, expected):
    assert len(expected) == 17
    assert records(ok(run("predict", guangzhou))) == expected


def test_json(run, guangzhou, expected):
    (whole,) = json.loads(ok(run("predict", "-f", "json", guangzhou)))
    assert whole["issues"] == expected
    assert whole["index_number"] == "11440100MB2C91373B/2025-00273"


def test_csv(run, guangzhou, expected):
    found = list(csv.DictReader(io.StringIO(ok(run("predict", "--format", "csv", guangzhou)))))
    assert [row["problem"] for row in found] == [row["problem"] for row in expected]
    assert [row["category"] for row in found] == [row["category"] or "" for row in expected]


def test_table(run, guangzhou, expected):
    text = ok(run("predict", "-f", "table", "--explain", guangzhou))
    assert "17 issues, model default@" in text
    assert "\x1b" not in text
    assert [row for row in expected if row["problem"][:6] not in text] == []
    assert "  category " in text


def test_standard_input(run, guangzhou, expected):
    found = records(ok(run("predict", "-", stdin=guangzhou.read_bytes())))
    assert found == [{**row, "source": "-"} for row in expected]


def test_segments_on_standard_input(run):
    stdin = json.dumps({"problem": PROBLEM, "id": 7}, ensure_ascii=False).encode()
    (row,) = records(ok(run("predict", "-", stdin=b"\xef\xbb\xbf" + stdin + b"\r\n")))
    assert (row["source"], row["problem"], row["id"]) == ("-", PROBLEM, 7)


def test_a_folder(run, tmp_path, guangzhou):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "b.TXT").write_bytes(guangzhou.read_bytes())
    (tmp_path / "deeper/a.jsonl").write_text(json.dumps({"problem": PROBLEM}), encoding="utf-8")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = records(ok(run("predict", ".", cwd=tmp_path)))
    assert [row["source"] for row in found] == ["b.TXT"] * 17 + ["deeper/a.jsonl"]
    (tmp_path / "empty").mkdir()
    one_line(run("predict", "empty", cwd=tmp_path), 3, "empty: error: no .txt", "in this folder")


def test_a_segment_file_of_json_lines(run, tmp_path):
    lines = [
        {"problem": PROBLEM, "measures": "该问题已完成整改。", "path": ["一、党建"], "number": "3",
         "note": {"by": ["王"]}},
        {"measures": "没有问题"},
        {"problem": "会议记录不全", "title": "某通报"},
    ]  # fmt: skip
    path = tmp_path / "segments.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n{broken\n", encoding="utf-8")
    done = run("predict", "segments.jsonl", cwd=tmp_path)
    assert done.returncode == 1
    first, second, third, fourth = records(done.stdout.decode())
    assert first["note"] == {"by": ["王"]}
    assert (first["number"], first["path"], third["title"]) == ("3", ["一、党建"], "某通报")
    assert (first["status"], first["status_source"]) == ("已完成", "stated")
    assert third["status_source"] == "predicted"
    assert second == {
        "source": "segments.jsonl:2",
        "error": "LabelsError: no text in problem; the column is needed",
    }
    assert (fourth["source"], fourth["error"][:21]) == ("segments.jsonl:4", "LabelsError: bad JSON")
    told = done.stderr.decode().splitlines()
    assert [line.split(": ")[0] for line in told] == ["segments.jsonl:2", "segments.jsonl:4"]


def test_a_segment_file_of_comma_separated_values(run, tmp_path):
    path = tmp_path / "segments.csv"
    path.write_text(
        f"problem,measures,path,note\n{PROBLEM},,一、甲|(一)乙,=1\n ,,,2\n会议记录不全,,,3\n",
        encoding="gb18030",
    )
    done = run("predict", "segments.csv", "-f", "csv", cwd=tmp_path)
    assert done.returncode == 1
    first, second, third = csv.DictReader(io.StringIO(done.stdout.decode()))
    assert (first["problem"], first["path"], first["note"]) == (PROBLEM, "一、甲 | (一)乙", "'=1")
    assert (second["source"], second["error"][:12]) == ("segments.csv:3", "LabelsError:")
    assert (third["problem"], third["note"], third["error"]) == ("会议记录不全", "3", "")


def test_some_sources_fail(run, tmp_path, guangzhou):
    done = run("predict", guangzhou, "missing.txt", cwd=tmp_path)
    one_line(done, 1, "missing.txt: error: cannot be read")
    found = records(done.stdout.decode())
    assert len(found) == 18
    assert found[-1] == {
        "source": "missing.txt",
        "error": "ReadError: cannot be read (No such file or directory)",
    }


def test_no_source_can_be_read(run, tmp_path):
    (tmp_path / "空.txt").write_bytes(b"")
    one_line(run("predict", "空.txt", cwd=tmp_path), 3, "空.txt: error: the file holds no text")
    one_line(run("split", "none.txt", cwd=tmp_path), 3, "error: none.txt: cannot be read")


@pytest.mark.parametrize("args", [["predict"], ["predict", "--unknown", "x"], ["unknown"]])
def test_usage(args, run):
    done = run(*args)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Usage: " in done.stderr


def test_unknown_format(run, guangzhou):
    done = run("predict", guangzhou, "-f", "xml")
    assert (done.returncode, done.stdout) == (2, b"")
    assert "xml is none of table, json, jsonl, csv" in done.stderr.decode()


def test_a_model_that_cannot_be_used(run, tmp_path, guangzhou, model_folder):
    (tmp_path / "out.csv").write_text("old")
    missing = run("predict", guangzhou, "--model", "none", "-o", "out.csv", cwd=tmp_path)
    one_line(missing, 4, "error: none/model.json: No such file", "rectify-nlp train")
    assert (tmp_path / "out.csv").read_text() == "old"
    for path in model_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes() + b"\n")
    one_line(run("inspect", tmp_path), 4, f"error: {tmp_path}/", "altered")


# -- output --------------------------------------------------------------------------------


def test_an_output_file_says_its_format(run, tmp_path, guangzhou, expected):
    assert ok(run("predict", guangzhou, "-o", "out.jsonl", cwd=tmp_path)) == ""
    assert records((tmp_path / "out.jsonl").read_text("utf-8")) == expected
    assert ok(run("predict", guangzhou, "-o", "out.csv", cwd=tmp_path)) == ""
    text = (tmp_path / "out.csv").read_text("utf-8")
    assert len(list(csv.DictReader(io.StringIO(text)))) == 17
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.jsonl"]


def test_output_that_cannot_be_written(run, tmp_path, guangzhou):
    (tmp_path / "folder").mkdir()
    for target in ("none/out.csv", "folder"):
        done = run("predict", guangzhou, "-o", target, cwd=tmp_path)
        one_line(done, 5, f"error: {target}: cannot be written")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def test_a_full_disk_leaves_the_old_file(tmp_path, guangzhou):
    (tmp_path / "out.jsonl").write_text("old")
    # One block of 1024 bytes may be written, after which writing fails.
    command = f"ulimit -f 1; exec '{sys.executable}' -B -m rectify_nlp predict '{guangzhou}'"
    done = subprocess.run(
        ["bash", "-c", f"{command} -o out.jsonl"], capture_output=True, cwd=tmp_path, check=False
    )
    one_line(done, 5, "error: out", "cannot be written (File too large)")
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
    assert (tmp_path / "out.jsonl").read_text() == "old"


def on_terminal(*args, **env):
    """What a command prints on a terminal."""
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rectify_nlp", *map(str, args)],
        stdout=slave,
        stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", **env},
    )
    os.close(slave)
    shown = b""
    try:
        while part := os.read(master, 65536):
            shown += part
    except OSError:  # Linux: the other side has closed
        pass
    os.close(master)
    assert process.communicate()[1] == b""
    assert process.returncode == 0
    return shown.decode()


def test_a_terminal_gets_a_table_in_colour_unless_refused(guangzhou, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured, plain = (
        on_terminal("predict", guangzhou),
        on_terminal("predict", guangzhou, NO_COLOR="1"),
    )
    assert "\x1b[" in coloured
    assert "\x1b" not in plain
    assert "17 issues, model default@" in plain
    assert "17 issues, model default@" in coloured


@pytest.mark.parametrize("encoding", ["gbk", "cp1252", "ascii"])
def test_no_encoding_of_the_console_crashes(encoding, run, tmp_path, linyi):
    done = run("predict", linyi, "缺.txt", "-f", "table", "--explain", cwd=tmp_path,
               PYTHONIOENCODING=encoding)  # fmt: skip
    message = done.stderr.decode(encoding)
    assert done.returncode == 1
    assert message.count("\n") == 1
    assert "40 issues" in done.stdout.decode(encoding)
    done = run("--help", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "predict" in done.stdout.decode(encoding)


@pytest.mark.parametrize("args", [["inspect"], ["split", "-"], ["split", "--trace", "-"]])
def test_other_commands_on_the_poorest_console(args, run, linyi):
    done = run(*args, stdin=linyi.read_bytes(), PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "\\u6574" in done.stdout.decode("ascii")


def test_a_closed_pipe_is_quiet(tmp_path, linyi):
    for i in range(20):
        (tmp_path / f"{i}.txt").write_bytes(linyi.read_bytes())
    process = subprocess.Popen(
        [sys.executable, "-m", "rectify_nlp", "predict", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert json.loads(process.stdout.readline())["number"] == "(1)"
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()
    process.wait()
    assert told == b""


# -- the other commands -----------------------------------------------------------------------


def test_split(run, linyi):
    notice = read(linyi)
    found = records(ok(run("split", "--json", linyi)))
    assert len(found) == 40
    for record in found:
        for name in ("problem", "measures"):
            start = record[f"{name}_start"]
            assert notice.text[start : start + len(record[name])] == record[name]
        assert notice.text[record["stated_start"] :].startswith(record["stated_text"])
    text = ok(run("split", linyi))
    assert text.startswith(notice.title + "\n")
    assert text.endswith("\n40 issues\n")
    trace = ok(run("split", "--trace", linyi)).splitlines()
    assert sum(line.split()[1] == "issue" for line in trace) == 40


def test_split_warns_on_stderr_only(run):
    done = run("split", "-", stdin="今天天气很好。".encode())
    one_line(done, 0, "-: warning: no issues found")
    assert done.stdout.decode().endswith("\n0 issues\n")
    quiet = run("split", "--json", "--quiet", "-", stdin="今天天气很好。".encode())
    assert ok(quiet) == ""


def test_limits_can_be_set(run, linyi):
    for command in ("predict", "split"):
        done = run(command, "--max-size", "0.01", linyi)
        one_line(done, 3, "is larger than 0.01 MB; --max-size allows")


def test_inspect(run):
    text = ok(run("inspect", "--terms", 3))
    model = Model.load()
    assert text.startswith(f"{model.fingerprint}: format, digests, shapes and numbers verified\n")
    for classifier in model.classifiers.values():
        for label in classifier.labels:
            line = next(line for line in text.splitlines() if line.startswith(f"  {label}: "))
            assert line.count(":") == 4


def test_train_then_predict(run, tmp_path, small_files, model_folder, guangzhou):
    done = run("train", *small_files, "-o", "mine", cwd=tmp_path, PYTHONHASHSEED="77")
    one_line(done, 0, "model written to mine; use it with --model mine")
    assert done.stdout.decode().startswith("# Model card\n")
    card = (tmp_path / "mine/README.md").read_bytes()
    assert card == done.stdout
    for path in model_folder.iterdir():  # another process, the same bytes
        if path.name != "README.md":
            assert (tmp_path / "mine" / path.name).read_bytes() == path.read_bytes()
    text = ok(run("predict", guangzhou, "-f", "table", "-m", "mine", cwd=tmp_path))
    mark = hashlib.sha256((tmp_path / "mine/model.json").read_bytes()).hexdigest()[:12]
    assert f"17 issues, model mine@{mark}" in text


def test_labels_that_cannot_be_used(run, tmp_path, small_files):
    (tmp_path / "bad.jsonl").write_text('{"problem": "a", "category": "b"}', encoding="utf-8")
    done = run("train", "bad.jsonl", "-o", "mine", cwd=tmp_path)
    one_line(done, 3, "error: bad.jsonl:1: unknown category 'b'; allowed: 政治建设")
    assert not (tmp_path / "mine").exists()
    one_line(run("evaluate", "none", cwd=tmp_path), 3, "error: none: no such file or folder")


def test_evaluate_a_model_on_other_labels(run, tmp_path, model_folder, small_examples, examples):
    others = [e for e in examples if e not in small_examples and e.status][:40]
    assert len({e.status for e in others}) > 1
    with (tmp_path / "others.jsonl").open("w", encoding="utf-8") as out:
        for e in others:
            row = {"problem": e.problem, "measures": e.measures, "category": e.category,
                   "status": e.status, "notice": e.notice}  # fmt: skip
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    args = ("evaluate", tmp_path / "others.jsonl", "--model", model_folder)
    done = run(*args, "--json", "--report", tmp_path / "report")
    assert done.returncode == 0, done.stderr.decode()
    results = json.loads(done.stdout)["results"]
    assert done.stderr.decode().startswith("report written: ")
    page = (tmp_path / "report" / "evaluation.html").read_text(encoding="utf-8")
    assert results[0]["signature"] in page
    assert "# Evaluation" in (tmp_path / "report" / "evaluation.md").read_text(encoding="utf-8")
    assert [result["task"] for result in results] == ["category", "status", "doubtful"]
    assert set(results[2]["scores"]) == {"precision", "recall", "false alarms"}
    for result in results[:2]:
        assert result["segments"] == len(others) == sum(map(sum, result["confusion"]))
        assert result["segments"] == sum(b["segments"] for b in result["reliability"])
        score = result["scores"]["accuracy"]
        assert 0 <= score["low"] <= score["value"] <= score["high"] <= 1
        assert (
            f"|model {Model.load(model_folder).fingerprint} on given segments|"
            in (result["signature"])
        )


def test_evaluate_refuses_what_the_model_was_trained_on(run, model_folder, small_files):
    done = run("evaluate", *small_files, "--model", model_folder)
    one_line(done, 3, "error: labels: small was trained on these very segments; give others")
