"""Runs that are killed, hung, starved of disk or asked twice come to the same parts."""

import csv
import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rectify_nlp import read
from rectify_nlp.batch import results
from rectify_nlp.cli import app
from rectify_nlp.errors import OutputError
from rectify_nlp.inputs import Inputs
from rectify_nlp.jobs import run as run_into
from rectify_nlp.jobs import settings_for
from rectify_nlp.model import Model
from rectify_nlp.records import records, to_json_line

# Loaded by every process of a run: a model that trips over some texts.
FAULTS = """
import os, time
from rectify_nlp.model import Model
plain = Model.judge
def judge(self, issues, **options):
    text = "".join(issue.problem.text for issue in issues)
    if "HANG" in text: time.sleep(600)
    if "DIE" in text: os._exit(9)
    if "FAULT" in text: raise RuntimeError("two\\nlines")
    return plain(self, issues, **options)
Model.judge = judge
"""


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rows_in(folder: Path) -> list[dict]:
    return [
        json.loads(line)
        for p in sorted(folder.glob("part-*"))
        for line in p.read_bytes().splitlines()
    ]


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "rectify_nlp", "batch", *map(str, args)]


@pytest.fixture(scope="module")
def given(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two notices and a table of which one row in a hundred is a segment: parts, little work."""
    folder = tmp_path_factory.mktemp("batch") / "given"
    folder.mkdir()
    for notice in (root / "seeds").glob("*.txt"):
        (folder / notice.name).write_bytes(notice.read_bytes())
    segments = (root / "labels/seeds.jsonl").read_text(encoding="utf-8").splitlines()
    with (folder / "a-segments.jsonl").open("w", encoding="utf-8") as table:
        for number in range(9000):
            good = number % 100 == 0 or 7000 <= number < 7100
            table.write((segments[number % 57] if good else "{}") + "\n")
    return folder


@pytest.fixture(scope="module")
def reference(given: Path) -> dict[str, bytes]:
    """What one process makes of it, undisturbed."""
    out = given.parent / "reference"
    done = subprocess.run(command(given, "-o", out, "-j", 1), capture_output=True, check=False)
    assert done.stderr.decode() == "9,002 documents gave 9,057 rows; 8,811 failed, 0 warnings\n"
    assert done.returncode == 1
    return content(out)


def test_parts_are_what_predict_gives(given: Path, reference: dict[str, bytes]) -> None:
    model = Model.load()
    rows = [to_json_line(row) for r in results([str(given)], model) for row in records(r, False)]
    parts = sorted(name for name in reference if name.startswith("part-"))
    assert len(parts) == 5
    assert b"".join(reference[name] for name in parts).decode() == "".join(rows)
    manifest = json.loads(reference["manifest.json"])
    assert sorted(reference) == ["manifest.json", *parts]
    assert (manifest["complete"], manifest["rows"]) == (True, len(rows))
    assert [entry["name"] for entry in manifest["parts"]] == parts
    assert manifest["run"]["model"] == model.loaded_sha256


def test_jobs_change_nothing(given: Path, reference: dict[str, bytes], tmp_path: Path) -> None:
    subprocess.run(command(given, "-o", tmp_path, "-j", 2), capture_output=True, check=False)
    assert content(tmp_path) == reference


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_moment_and_resumed(
    given: Path, reference: dict[str, bytes], tmp_path: Path, seed: int
) -> None:
    env = {**os.environ, "RECTIFY_NLP_TEST": str(tmp_path)}
    out = tmp_path / "out"
    process = subprocess.Popen(command(given, "-o", out, "-j", 2, "--resume"), env=env)
    time.sleep(random.Random(seed).uniform(0.3, 3))
    process.kill()
    process.wait()
    wait_until(lambda: not processes(tmp_path))
    done = subprocess.run(
        command(given, "-o", out, "--resume", "-q"), capture_output=True, check=False
    )
    assert (done.stderr, done.returncode) == (b"", 1)
    assert content(out) == reference


def processes(mark: Path) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"RECTIFY_NLP_TEST={mark}".encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def wait_until(so: object) -> None:
    end = time.monotonic() + 30
    while not so():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
@pytest.mark.parametrize("signalled", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_dies_or_stops_costs_nothing(
    given: Path, reference: dict[str, bytes], tmp_path: Path, signalled: int
) -> None:
    env = {**os.environ, "RECTIFY_NLP_TEST": str(tmp_path)}
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(given, "-o", out, "-j", 1, "-q", "--timeout-per-doc", 1), env=env
    )
    # At work: its first part is there.
    wait_until(lambda: (out / "part-00000.jsonl").exists())
    (worker,) = (pid for pid in processes(tmp_path) if pid != process.pid)
    os.kill(worker, signalled)
    assert process.wait(60) == 1
    assert content(out) == reference
    assert processes(tmp_path) == []


@pytest.mark.parametrize(("signalled", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_asked_to_end_it_leaves_what_is_done_and_no_lock(
    given: Path, reference: dict[str, bytes], tmp_path: Path, signalled: int, status: int
) -> None:
    out = tmp_path / "out"
    # A shell starts what runs in the background with SIGINT ignored, and children inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    for _ in range(5):
        process = subprocess.Popen(command(given, "-o", out, "-j", 1), stderr=subprocess.PIPE)
        wait_until(lambda: any(out.glob("part-*")))
        process.send_signal(signalled)
        told = process.communicate()[1]
        if not told.startswith(b"9,002 documents"):
            break
        shutil.rmtree(out)  # it was done before the signal came
    signal.signal(signal.SIGINT, before)
    assert told == b"interrupted; what is done stays, --resume goes on from there\n"
    assert process.returncode == status
    assert {".lock", *out.glob(".*.writing")}.isdisjoint(content(out))
    subprocess.run(command(given, "-o", out, "--resume", "-q"), check=False)
    assert content(out) == reference


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[dict[str, str]]:
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults/sitecustomize.py").write_text(FAULTS)
    return {**os.environ, "PYTHONPATH": str(tmp_path / "faults")}


def test_only_the_document_in_hand_is_lost(
    faulty: dict[str, str], linyi: Path, tmp_path: Path
) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "a.txt").write_bytes(linyi.read_bytes())
    notice = "一、关于“{}学习不深入”的问题。\n整改情况：召开会议3次。\n" * 3
    for name in ("DIE", "FAULT", "HANG"):
        (given / f"b-{name}.txt").write_text(notice.replace("{}", name), encoding="utf-8")
    problems = ["党费收缴不规范"] * 300
    problems[7], problems[270], problems[271] = "HANG", "DIE", "FAULT"
    lines = [json.dumps({"problem": p, "id": f"r{n}"}) for n, p in enumerate(problems)]
    (given / "c.jsonl").write_text("\n".join(lines))
    done = subprocess.run(
        command(given, "-o", tmp_path / "out", "--timeout-per-doc", 2, "--id-column", "id"),
        capture_output=True,
        env=faulty,
        check=False,
        timeout=100,
    )
    assert done.stderr.decode() == "304 documents gave 340 rows; 6 failed, 0 warnings\n".replace(
        "340", str(40 + 3 + 300)
    )
    rows = rows_in(tmp_path / "out")
    hung, died, fault = (
        "Timeout: was not judged within 2 s",
        "Crash: ended the process that judged it (status 9)",
        "RuntimeError: two lines",
    )
    found = {
        row["source"].removeprefix(f"{given}/"): row["error"] for row in rows if "error" in row
    }
    assert found == {
        "b-DIE.txt": died,
        "b-FAULT.txt": fault,
        "b-HANG.txt": hung,
        "r7": hung,
        "r270": died,
        "r271": fault,
    }
    assert [row["source"] for row in rows[43:]] == [f"r{n}" for n in range(300)]


def test_a_model_that_kills_every_worker_ends_the_run(tmp_path: Path, linyi: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif '-c' in sys.orig_argv: os._exit(3)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        command(linyi, "-o", tmp_path / "out"), capture_output=True, env=env, check=False
    )
    assert done.returncode == 5
    assert b"before they can work (status 3)" in done.stderr
    assert done.stderr.count(b"\n") == 1


# -- the folder --------------------------------------------------------------------------


def refused(match: str, inputs: Inputs, out: Path, **options: object) -> None:
    before = content(out)
    settings = settings_for(inputs, explain=bool(options.pop("explain", False)))
    with pytest.raises(OutputError, match=match):
        run_into(inputs, settings, out, jobs=1, **options)  # type: ignore[arg-type]
    assert content(out) == before


def test_a_folder_is_taken_up_only_as_it_was_left(tmp_path: Path, linyi: Path) -> None:
    given, out = tmp_path / "given.txt", tmp_path / "out"
    given.write_bytes(linyi.read_bytes())
    inputs = Inputs([str(given)])
    run_into(inputs, settings_for(inputs), out, jobs=1)
    whole = content(out)
    refused("--resume", inputs, out)
    refused("options changed .*explain", inputs, out, resume=True, explain=True)
    refused("inputs changed", Inputs([str(given), str(given)]), out, resume=True)
    given.write_bytes(linyi.read_bytes() + b"\n")
    refused("inputs changed .*bytes", inputs, out, resume=True)
    given.write_bytes(linyi.read_bytes())
    (out / "part-00000.jsonl").write_bytes(b"altered")
    totals = run_into(inputs, settings_for(inputs), out, jobs=1, resume=True)
    assert totals.rows == 40
    assert content(out) == whole
    (out / "manifest.json").unlink()
    refused("choose an empty folder", inputs, out, resume=True)


def test_another_model_is_refused(
    tmp_path: Path, linyi: Path, model_folder: Path, run: object
) -> None:
    out = tmp_path / "out"
    assert run("batch", linyi, "-o", out).returncode == 0  # type: ignore[operator]
    done = run("batch", linyi, "-o", out, "--resume", "-m", model_folder)  # type: ignore[operator]
    assert done.returncode == 5
    assert b"model changed since this run began" in done.stderr


def test_two_runs_never_share_a_folder(tmp_path: Path, linyi: Path) -> None:
    (tmp_path / "out").mkdir()
    with (tmp_path / "out/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused("another run writes here", Inputs([str(linyi)]), tmp_path / "out")
    totals = run_into(Inputs([str(linyi)]), settings_for(Inputs([])), tmp_path / "out", jobs=1)
    assert totals.rows == 40


def test_a_full_disk(given: Path, reference: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, fourth = (len(reference[f"part-0000{number}.jsonl"]) for number in (0, 3))
    assert first + 1024 < fourth
    # No file may grow much past the size of the first part; the fourth would.
    done = subprocess.run(
        ["sh", "-c", f'ulimit -f {first // 512 + 1}; exec "$@"', "sh", *command(given, "-o", out, "-j", 1)],
        capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 5
    assert done.stderr.decode().count("\n") == 1
    assert "cannot be written (File too large); what is done stays" in done.stderr.decode()
    left = content(out)
    parts = [name for name in left if name.startswith("part-")]
    assert 1 <= len(parts) < 4
    assert all(left[name] == reference[name] for name in parts)
    assert set(left) == {"manifest.json", ".journal.jsonl", *parts}
    subprocess.run(command(given, "-o", out, "--resume"), capture_output=True, check=False)
    assert content(out) == reference


# -- formats and pipes -------------------------------------------------------------------


def test_formats_say_the_same(given: Path, reference: dict[str, bytes], tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    wanted = [json.loads(line) for name in sorted(reference) if name.startswith("part-") for line in reference[name].splitlines()]  # fmt: skip
    for form in ("csv", "parquet"):
        subprocess.run(
            command(given, "-o", tmp_path / form, "-f", form), capture_output=True, check=False
        )
    in_csv: list[dict] = []
    for part in sorted((tmp_path / "csv").glob("part-*")):
        assert part.read_bytes().startswith(b"\xef\xbb\xbf")
        with part.open(encoding="utf-8-sig", newline="") as stream:
            in_csv += csv.DictReader(stream)
    paths = sorted((tmp_path / "parquet").glob("part-*"))
    in_parquet = parquet.read_table(paths).to_pylist()
    assert len(wanted) == len(in_csv) == len(in_parquet)
    for row, flat, typed in zip(wanted, in_csv, in_parquet, strict=True):
        for task, distribution in row.pop("p", {}).items():
            row |= {f"p.{task}.{label}": p for label, p in distribution.items()}
        assert typed == {name: row.get(name) for name in typed}
        assert list(flat) == list(typed)
        assert set(row) <= set(typed)
        for name in ("category", "category_p", "status", "doubtful", "number", "problem", "error"):
            value = row.get(name)
            text = str(value).lower() if isinstance(value, bool) else str(value or "")
            assert flat[name] == text


def test_a_stream_keeps_the_order_of_its_lines(given: Path) -> None:
    table = (given / "a-segments.jsonl").read_bytes()
    done = subprocess.run(
        command("-", "-o", "-", "-j", 2, "-q"), input=table, capture_output=True, check=False
    )
    assert (done.stderr, done.returncode) == (b"", 1)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 9000
    for number, row in enumerate(rows):
        assert ("problem" in row) == (number % 100 == 0 or 7000 <= number < 7100)
        assert "problem" in row or row["source"] == f"-:{number + 1}"


def test_a_reader_that_goes_away_is_no_error(given: Path, tmp_path: Path) -> None:
    table = given / "a-segments.jsonl"
    with (tmp_path / "err").open("wb") as err:
        batch = subprocess.Popen(command(table, "-o", "-"), stdout=subprocess.PIPE, stderr=err)
        assert batch.stdout
        assert batch.stdout.readline().startswith(b"{")
        batch.stdout.close()
        assert batch.wait(60) == 0
    assert (tmp_path / "err").read_bytes() == b""


def test_whole_notices_in_a_table(tmp_path: Path, linyi: Path, run: object) -> None:
    text = linyi.read_text(encoding="utf-8")
    table = tmp_path / "notices.csv"
    with table.open("w", encoding="gb18030", newline="") as stream:
        csv.writer(stream).writerows([("id", "body"), ("n1", text), ("n2", ""), ("", text)])
    done = run("batch", table, "-o", "-", "--text-column", "body", "--id-column", "id")  # type: ignore[operator]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    report = Model.load().predict(read(linyi))
    assert [row["problem"] for row in found[:40]] == [f.issue.problem.text for f in report.findings]
    assert {row["source"] for row in found[:40]} == {"n1"}
    empty, nameless = found[40:]
    assert empty == {"source": "n2", "error": "NoText: the file holds no text"}
    assert "--id-column" in nameless["error"]


@pytest.mark.parametrize(
    ("args", "what"),
    [
        (("-o", "x"), "no input"),
        (("-", "-o", "x"), "-o -"),
        (("a.txt", "-o", "-", "-f", "csv"), "need a folder"),
        (("a.txt", "-o", "-", "--resume"), "cannot be resumed"),
        (("a.txt", "-o", "l.xlsx", "-f", "xlsx"), "names a folder"),
        (("-", "--from-file", "-", "-o", "-"), "only once"),
    ],
)
def test_usage(args: tuple[str, ...], what: str) -> None:
    done = CliRunner().invoke(app, ["batch", *args], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert what in done.output


def test_nothing_readable_is_exit_3_and_says_why_in_a_row(tmp_path: Path, run: object) -> None:
    done = run("batch", "--from-file", "-", "-o", "-", stdin=b"gone.txt\n", cwd=tmp_path)  # type: ignore[operator]
    assert done.returncode == 3
    assert json.loads(done.stdout)["source"] == "gone.txt"
