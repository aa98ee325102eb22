"""Kill `rectify-nlp batch` at random moments, resume it, and compare with an untouched run.

    python scripts/kill_batch.py [--runs N] [--format FORM] [--seed SEED] [--rows N]

Each run is killed with SIGKILL, its workers left to themselves, and resumed; every other
resumption is killed too. In the end the folder must hold the same bytes as that of the run
nobody disturbed, nothing else, and no process may be left. Linux, for it looks into /proc.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
MARK = "RECTIFY_NLP_KILL_RUN"


def inputs(folder: Path, rows: int) -> None:
    """Notices, and a table of which one row in fifty is a segment: many parts, little work."""
    folder.mkdir()
    for notice in (ROOT / "seeds").glob("*.txt"):
        (folder / notice.name).write_bytes(notice.read_bytes())
    segments = (ROOT / "labels" / "seeds.jsonl").read_text(encoding="utf-8").splitlines()
    with (folder / "segments.jsonl").open("w", encoding="utf-8") as table:
        for number in range(rows):
            broken = json.dumps({"problem": None, "id": number})
            table.write((broken if number % 50 else segments[number % len(segments)]) + "\n")


def start(given: Path, out: Path, form: str, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "rectify_nlp", "batch", given.name, "--output", str(out)]
    return subprocess.Popen(
        [*command, "--format", form, "--jobs", "2", "--quiet", *more],
        cwd=given.parent,
        env={**os.environ, MARK: str(out)},
    )


def left_over(out: Path) -> list[int]:
    """Processes that were started for the run into `out`."""
    mark, found = f"{MARK}={out}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def gone(out: Path) -> float:
    """Seconds until no process of the run was left."""
    begun = time.monotonic()
    while left_over(out):
        if time.monotonic() - begun > 30:
            raise SystemExit(f"still there after 30 s: {left_over(out)}")
        time.sleep(0.02)
    return time.monotonic() - begun


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--format", default="jsonl")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=30_000, help="of the table among the inputs")
    args = parser.parse_args()
    chance = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as temporary:
        given, reference = Path(temporary) / "given", Path(temporary) / "reference"
        inputs(given, args.rows)
        begun = time.monotonic()
        start(given, reference, args.format).wait()
        whole = time.monotonic() - begun
        expected = content(reference)
        print(f"undisturbed: {len(expected)} files, {whole:.1f} s")
        for number in range(args.runs):
            out, kills, parts, slowest = Path(temporary) / f"run-{number}", 0, [], 0.0
            while True:
                process = start(given, out, args.format, "--resume")
                if kills == 0 or (kills < 4 and chance.random() < 0.5):
                    time.sleep(chance.uniform(0, whole * (1 if kills else 0.95)))
                    process.kill()
                    kills += process.wait() < 0
                    parts.append(
                        len([*out.glob("part-*"), *out.glob(".part-*")]) if out.exists() else 0
                    )
                    slowest = max(slowest, gone(out))
                else:
                    process.wait()
                    break
            same = content(out) == expected
            print(
                f"run {number}: {kills} kills, parts then {parts}, processes gone after"
                f" {slowest:.2f} s: {'same bytes' if same else 'DIFFERENT'}",
                flush=True,
            )
            if not same:
                raise SystemExit(1)


if __name__ == "__main__":
    main()
