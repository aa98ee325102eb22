"""Kill a worker of a Spark cluster while a batch runs, and compare the rows with a local run.

    python scripts/kill_spark.py [--segments N]

Starts a standalone master and two workers on the loopback interface. One worker is killed
with SIGKILL, and its executor with it, once the first parts of the job are written.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

import pyarrow.parquet as pq
import pyspark

from rectify_nlp import Taxonomy, load_examples
from rectify_nlp.resources import resource

DEPLOY = "org.apache.spark.deploy"
ENVIRONMENT = {
    **os.environ,
    "PYSPARK_PYTHON": sys.executable,
    "SPARK_LOCAL_IP": "127.0.0.1",
    "SPARK_HOME": str(Path(pyspark.__file__).parent),
}
PATIENCE = 600.0


@contextmanager
def java(log: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A class of Spark as a process, in a group of its own with whatever it starts."""
    program = Path(ENVIRONMENT["SPARK_HOME"]) / "bin" / "spark-class"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [program, *command], env=ENVIRONMENT, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(log: Path, words: str, times: int = 1) -> None:
    begun = time.monotonic()
    while log.read_text(errors="replace").count(words) < times:
        if time.monotonic() - begun > PATIENCE:
            raise SystemExit(f"{log.name}: no {words!r} after {PATIENCE:.0f} s")
        time.sleep(0.2)


def segments(path: Path, number: int) -> None:
    examples = load_examples([resource("labels")], Taxonomy.load())
    with path.open("w", encoding="utf-8") as table:
        for at, example in enumerate(islice(cycle(examples), number)):
            row = {"id": at, "problem": example.problem, "measures": example.measures}
            table.write(json.dumps(row if at % 50 else {"id": at}, ensure_ascii=False) + "\n")


def start(table: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "rectify_nlp", "batch", str(table), "-o", str(out)]
    return subprocess.Popen([*command, "--id-column", "id", *more], env=ENVIRONMENT)


def rows(folder: Path) -> list[str]:
    found = [row for part in folder.glob("part-*") for row in pq.read_table(part).to_pylist()]
    return sorted(json.dumps(row, sort_keys=True) for row in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segments", type=int, default=30_000)
    args = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    master, here = f"spark://127.0.0.1:{port}", ["--host", "127.0.0.1", "--webui-port", "0"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        table, local, out, log = (
            folder / name for name in ("segments.jsonl", "local", "spark", "master.log")
        )
        segments(table, args.segments)
        start(table, local, "--format", "parquet").wait()
        begun = time.monotonic()
        worker = [f"{DEPLOY}.worker.Worker", *here, "--cores", "1", "--memory", "1g"]
        with (
            java(log, f"{DEPLOY}.master.Master", *here, "--port", str(port)),
            java(folder / "1.log", *worker, "-d", str(folder / "1"), master) as lost,
            java(folder / "2.log", *worker, "-d", str(folder / "2"), master),
        ):
            wait_for(log, "Registering worker", 2)
            print(f"master and two workers are up after {time.monotonic() - begun:.0f} s")
            begun = time.monotonic()
            job = start(table, out, "--engine", "spark", "--master", master)
            while not (written := len(list(out.glob("_temporary/0/task_*/part-*")))):
                if job.poll() is not None or time.monotonic() - begun > PATIENCE:
                    job.kill()
                    raise SystemExit("the job ended before a worker could be killed")
                time.sleep(0.05)
            kill(lost)
            print(
                f"killed a worker after {time.monotonic() - begun:.0f} s, {written} parts written"
            )
            job.wait()
            wait_for(log, "lost executor")
            print(f"the job ended after {time.monotonic() - begun:.0f} s, status {job.returncode}")
        same = rows(out) == rows(local)
        print(f"{len(rows(out))} rows: {'those of a local run' if same else 'DIFFERENT'}")
        raise SystemExit(not same)


if __name__ == "__main__":
    main()
