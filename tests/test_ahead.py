"""The process that works ahead: what it makes arrives, and nothing of it stays."""

import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy  # noqa: F401 - what the process has
import pytest

from rectify_nlp import errors
from rectify_nlp.ahead import ahead

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2,
    reason="all is made in one process here",
)


def printed(code: str, *arguments: object, **more: Any) -> list[Any]:
    """What a fresh process prints that runs `code`, a JSON value a line."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import json, os, signal, time\n{IMPORTS}{code}",
            *map(str, arguments),
        ],
        capture_output=True,
        text=True,
        check=True,
        **more,
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


IMPORTS = """
from rectify_nlp.ahead import ahead
from rectify_nlp.errors import LabelsError, RectifyError

def show(value):
    print(json.dumps(value), flush=True)

def end_of(make):
    try:
        with ahead(make) as made:
            for item in made:
                show(item)
    except Exception as error:
        show([type(error).__name__, str(error)])
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        show("no process is left")
"""


def test_items_come_in_order_from_another_process() -> None:
    code = """
def make():
    for number in range(3):
        yield number, os.getpid()
show([0, os.getpid()])
end_of(make)
"""
    (_, here), *items, end = printed(code)
    assert [number for number, _ in items] == [0, 1, 2]
    assert len({there for _, there in items} - {here}) == 1
    assert end == "no process is left"


def test_an_error_comes_behind_what_was_made_before_it() -> None:
    code = """
def make():
    yield 1
    raise LabelsError("taxonomy.toml", 7, "no name", "give one")
end_of(make)
"""
    told = "taxonomy.toml:7: no name; give one"
    assert printed(code) == [1, ["LabelsError", told], "no process is left"]


def test_a_fault_of_ours_brings_its_traceback() -> None:
    code = """
def make():
    yield 1
    raise ZeroDivisionError(lambda: "cannot be pickled")
end_of(make)
"""
    item, (kind, told), end = printed(code)
    assert (item, kind, end) == (1, "RuntimeError", "no process is left")
    assert "in make" in told
    assert "ZeroDivisionError" in told


def test_that_the_process_was_killed_is_told() -> None:
    code = """
def make():
    yield 1
    os.kill(os.getpid(), signal.SIGKILL)
    yield 2
end_of(make)
"""
    item, (kind, told), end = printed(code)
    assert (item, kind, end) == (1, "RectifyError", "no process is left")
    assert "was killed" in told


def test_who_leaves_early_ends_the_process_and_what_it_runs(tmp_path: Path) -> None:
    # It ends as by Ctrl-C: its own `finally` is run.
    code = """
import sys
made_by_now, ended = sys.argv[1:]
def make():
    try:
        while True:
            with open(made_by_now, "a") as file:
                file.write("x")
            yield "a" * 1_000_000  # more than a pipe holds
    finally:
        open(ended, "w").close()
with ahead(make) as made:
    next(made)
    next(made)
show(os.path.getsize(made_by_now))
"""
    (count,) = printed(code, tmp_path / "made", tmp_path / "ended")
    assert 2 <= count <= 4
    assert (tmp_path / "ended").exists()


def test_it_ends_with_the_process_it_works_for(tmp_path: Path) -> None:
    code = """
import sys
def make():
    try:
        yield os.getpid()
        time.sleep(600)
    finally:
        open(sys.argv[1], "w").close()
with ahead(make) as made:
    next(made)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    # Our end of its output is open as long as one of the two lives.
    done = subprocess.run(
        [sys.executable, "-c", f"import os, signal, time\n{IMPORTS}{code}", tmp_path / "ended"],
        stdout=subprocess.PIPE,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "ended").exists()


def test_nothing_of_the_process_it_came_from_is_done_twice() -> None:
    code = """
import atexit
atexit.register(show, "ends")
print(json.dumps("not flushed yet"), end="\\n")
def make():
    yield 1
end_of(make)
"""
    told = ["not flushed yet", 1, "no process is left", "ends"]
    # Its output is a pipe: a buffer that was copied with the process would be written twice.
    assert printed(code) == told


def test_with_numpy_at_hand_all_is_made_here() -> None:
    with ahead(lambda: iter([os.getpid()])) as made:
        assert list(made) == [os.getpid()]


@pytest.mark.parametrize(
    "error",
    [
        errors.ReadError("a.txt", "empty"),
        errors.UnsupportedFormat("a.png", "a picture"),
        errors.LabelsError("labels.jsonl", 3, "no category"),
        errors.ModelError("no model"),
        errors.MissingExtra("Spark", "spark"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_a_change_of_process(error: errors.RectifyError) -> None:
    other = pickle.loads(pickle.dumps(error))
    assert type(other) is type(error)
    assert (str(other), vars(other)) == (str(error), vars(error))


# -- predict ---------------------------------------------------------------------------------


def predicted(*arguments: object, processors: int) -> tuple[int, bytes, bytes]:
    """Exit status and output of `predict`, on one processor in one process, on two in two."""
    some = sorted(os.sched_getaffinity(0))[:processors]
    done = subprocess.run(
        [sys.executable, "-m", "rectify_nlp", "predict", "-f", "jsonl", *map(str, arguments)],
        capture_output=True,
        preexec_fn=lambda: os.sched_setaffinity(0, some),
    )
    return done.returncode, done.stdout, done.stderr


def test_one_process_and_two_say_the_same(root: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"problem": "学习不深入"}\n{"problem": ""}\n', encoding="utf-8")
    page = min((root / "tests/cases").rglob("*.docx"))
    sources = [*sorted((root / "seeds").glob("*.txt")), tmp_path / "none.txt", rows, page]
    one, two = (predicted(*sources, "--explain", processors=count) for count in (1, 2))
    assert one == two
    assert one[0] == 1
    assert b"none.txt: error: cannot be read" in one[2]


@pytest.mark.parametrize("broken", ["taxonomy.toml", "model.json"])
def test_a_broken_model_is_told_before_any_source(root: Path, tmp_path: Path, broken: str) -> None:
    for file in (root / "models/default").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / broken).write_text("[[category]]\n", encoding="utf-8")
    one, two = (predicted("none.txt", "--model", tmp_path, processors=count) for count in (1, 2))
    assert one == two
    assert one[0] == 4
    assert broken.encode() in one[2]
