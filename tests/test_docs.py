"""The documents say what is so: commands exist, examples run, figures are those of this version."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from rectify_nlp import Example
from rectify_nlp.examples import digest
from rectify_nlp.ledger import issue_columns
from rectify_nlp.render import FORMATS


@pytest.fixture(scope="module")
def readme(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme", root / "scripts" / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_readmes_show_real_output(readme: ModuleType) -> None:
    blocks = {
        "predict": readme.prediction(),
        "scores": readme.scores(json.loads(readme.EVALUATION.read_text(encoding="utf-8"))),
    }
    for path in readme.READMES:
        text = path.read_text(encoding="utf-8")
        for name, block in blocks.items():
            assert readme.filled(text, name, block) == text, "run scripts/readme.py"


def test_figures_are_of_these_labels(readme: ModuleType, examples: list[Example]) -> None:
    for result in json.loads(readme.EVALUATION.read_text(encoding="utf-8")):
        assert digest(examples)[:12] in result["signature"], "run scripts/readme.py --evaluate"


def test_python_example_runs_as_written(root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        run = subprocess.run(
            [sys.executable, "-c", block], cwd=root, capture_output=True, check=True
        )
        assert len(run.stdout.decode().splitlines()) == 40


def test_every_command_is_in_both_readmes(root: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "rectify_nlp", "--help"], capture_output=True, check=True
    )
    commands = [c for c in ("predict", "split", "train", "evaluate", "inspect", "batch", "serve") if c in run.stdout.decode()]  # fmt: skip
    assert len(commands) >= 5
    for name in ("README.md", "README.zh-CN.md"):
        text = (root / name).read_text(encoding="utf-8")
        for command in commands:
            assert f"rectify-nlp {command}" in text


@pytest.mark.parametrize(
    "name", ["README.md", "README.zh-CN.md", "docs/design.md", "docs/outputs.md"]
)
def test_links_lead_somewhere(root: Path, name: str) -> None:
    page = root / name
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_every_format_and_column_is_described(root: Path) -> None:
    text = (root / "docs/outputs.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.M)) == set(FORMATS)
    described = re.search(r"\*\*台账\*\*.*?\n\n(.*?)\n\n", text, re.S)
    assert described is not None
    names = [
        name.strip()
        for line in described[1].splitlines()[2:]
        for name in line.split("|")[1].split(",")
    ]
    assert names == [column.header for column in issue_columns({})]
