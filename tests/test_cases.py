"""Notices with known answers: one table of cases drives the library and the command line alike."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


def _scoring() -> ModuleType:
    spec = importlib.util.spec_from_file_location("score_cases", ROOT / "scripts/score_cases.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["score_cases"] = module
    spec.loader.exec_module(module)
    return module


scoring = _scoring()
CASES = list(scoring.cases([ROOT / "tests" / "cases"]))
assert len(CASES) >= 553


@pytest.mark.parametrize(("source", "answer"), CASES, ids=lambda c: getattr(c, "stem", ""))
def test_issues_are_found_exactly(source: Path, answer: dict[str, Any]) -> None:
    _, parts = scoring.cut(source)
    found = [
        (
            scoring.tight(scoring.number(i)),
            scoring.tight(i.problem.text),
            i.stated and i.stated.status,
        )
        for i in parts.issues
    ]
    assert found == [
        (scoring.tight(i["number"]), scoring.tight(i["problem"]), i["stated"])
        for i in answer["issues"]
    ]
    for word in answer["warnings"]:
        assert any(word in warning for warning in parts.warnings)


def test_measures_and_paths_keep_their_floor() -> None:
    count = scoring.Count()
    for source, answer in CASES:
        scoring.compare(source, answer, count, False)
    assert count.found == count.expected == count.given
    assert count.measures / count.found >= 0.99
    assert count.paths / count.found >= 0.98


def test_open_cases_keep_their_floor() -> None:
    """Cases with known faults still to be mended; docs/splitting.md has the figures."""
    count = scoring.Count()
    for source, answer in scoring.cases([ROOT / "tests" / "open_cases"]):
        scoring.compare(source, answer, count, False)
    assert 2 * count.found / (count.expected + count.given) >= 0.83
    assert count.measures / count.found >= 0.91
    assert count.stated / count.found >= 0.95


@pytest.mark.parametrize(("source", "answer"), CASES, ids=lambda c: getattr(c, "stem", ""))
def test_every_claim_stands_in_the_text(source: Path, answer: dict[str, Any]) -> None:
    notice, parts = scoring.cut(source)
    for issue in parts.issues:
        passages = [issue.problem, issue.measures, *issue.path, *filter(None, [issue.number])]
        for passage in passages:
            assert notice.text[passage.start : passage.end] == passage.text
        assert issue.problem.end <= issue.measures.start
        if issue.stated:
            assert notice.text[issue.stated.start : issue.stated.end] == issue.stated.text
            assert issue.stated.masked[0] <= issue.stated.start < issue.stated.masked[1]


def test_the_command_line_gives_the_same_issues() -> None:
    some = CASES[::3]  # each is cut above; here the command line is at stake
    names = [str(source) for source, _ in some]
    command = [sys.executable, "-m", "rectify_nlp", "predict", *names, "-f", "jsonl", "-q"]
    run = subprocess.run(command, capture_output=True, check=True)
    given: dict[str, list[str]] = {}
    for line in run.stdout.decode().splitlines():
        row = json.loads(line)
        given.setdefault(row["source"], []).append(scoring.tight(row["problem"]))
    for source, answer in some:
        wanted = [scoring.tight(issue["problem"]) for issue in answer["issues"]]
        assert given.get(str(source), []) == wanted
