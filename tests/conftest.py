"""What the tests share: the labels, a small trained model, the seed notices, the command line."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rectify_nlp import Example, Model, Taxonomy, load_examples
from rectify_nlp.training import train

ROOT = Path(__file__).parent.parent
SEEDS = {"guangzhou-transport-2025": 17, "linyi-transport-2023": 40}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = "no chromium; apt-get install chromium fonts-noto-cjk"
ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    return Taxonomy.load()


@pytest.fixture(scope="session")
def examples(taxonomy: Taxonomy) -> list[Example]:
    """Every shipped labelled segment."""
    return load_examples([ROOT / "labels"], taxonomy)


@pytest.fixture(scope="session")
def small_files() -> list[Path]:
    """The label files of the small model: the two real notices and one authored file."""
    return [ROOT / "labels/seeds.jsonl", ROOT / "labels/authored/starter-d.jsonl"]


@pytest.fixture(scope="session")
def small_examples(small_files: list[Path], taxonomy: Taxonomy) -> list[Example]:
    return load_examples(small_files, taxonomy)


@pytest.fixture(scope="session")
def model(small_examples: list[Example], taxonomy: Taxonomy) -> Model:
    """A model trained here, in a few seconds; never saved."""
    return train(small_examples, taxonomy)


@pytest.fixture(scope="session")
def model_folder(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model on disk; copy it before changing it."""
    folder = tmp_path_factory.mktemp("models") / "small"
    model.save(folder, card="# Model card\n")
    return folder


@pytest.fixture(scope="session")
def seed_paths() -> dict[Path, int]:
    """The real notices and how many issues each has."""
    return {ROOT / "seeds" / f"{name}.txt": count for name, count in SEEDS.items()}


@pytest.fixture(scope="session")
def guangzhou() -> Path:
    """A notice of 17 issues that states no status."""
    return ROOT / "seeds/guangzhou-transport-2025.txt"


@pytest.fixture(scope="session")
def linyi() -> Path:
    """A notice of 40 issues, each with its status on a line of its own."""
    return ROOT / "seeds/linyi-transport-2023.txt"


@pytest.fixture(scope="session")
def run() -> Run:
    """Runs `python -m rectify_nlp ARGS...` and gives back the finished process."""

    def start(
        *args: object, stdin: bytes = b"", cwd: Path | None = None, **env: str
    ) -> subprocess.CompletedProcess[bytes]:
        command: Sequence[str] = [sys.executable, "-m", "rectify_nlp", *map(str, args)]
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            cwd=cwd,
            env={**os.environ, "COLUMNS": "120", **env},
            timeout=120,
            check=False,
        )

    return start


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rough but quick intervals, where they are not what is looked at."""
    monkeypatch.setattr("rectify_nlp.evaluation.RESAMPLES", 50)


@pytest.fixture(scope="session")
def released() -> Model:
    """The model that comes with the package."""
    return Model.load()


@dataclass(frozen=True)
class Served:
    """A service in a process of its own."""

    address: str
    pid: int


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., Served]]:
    """Starts `rectify-nlp serve ARGS...` on a free port; ends it after the module's tests."""
    with ExitStack() as running:

        def start(*args: object) -> Served:
            command = [sys.executable, "-m", "rectify_nlp", "serve", "--port", "0"]
            process = running.enter_context(
                subprocess.Popen([*command, *map(str, args)], stderr=subprocess.PIPE, text=True)
            )
            running.callback(process.terminate)
            assert process.stderr is not None
            told = process.stderr.readline()
            found = re.search(r"http://\S+(?=/ )", told)
            assert found, told
            return Served(address=found[0], pid=process.pid)

        yield start


@pytest.fixture(scope="session")
def batch_folder(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `batch` makes of the published notices and of a file that cannot be read."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "empty.txt").write_bytes(b"")
    done = run("batch", ROOT / "seeds", folder / "empty.txt", "-o", folder / "out", "--explain")
    assert done.returncode == 1, done.stderr
    return folder / "out"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window; skips where there is none, unless REQUIRE_BROWSER is set."""
    if CHROMIUM is None:
        (pytest.fail if os.environ.get("REQUIRE_BROWSER") else pytest.skip)(MISSING)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield chromium
        chromium.close()
