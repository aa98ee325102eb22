"""How well the splitter does on cases with known answers.

    python scripts/score_cases.py [FOLDER...] [--show]

A case is a notice beside a .json of the same name. An issue is found where its
problem is exactly the expected text (white space aside), in order. Measures and
stated status are counted over the issues found. Whether a sentence that states the
status (该问题已完成整改。) at either end belongs to the measures is left open.
"""

import argparse
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Any

from rectify_nlp import Issue, Notice, RectifyError, read, split
from rectify_nlp.types import Split

CASES = Path(__file__).parent.parent / "tests" / "cases"


@dataclass
class Count:
    cases: int = 0
    expected: int = 0
    given: int = 0
    found: int = 0
    measures: int = 0
    stated: int = 0
    paths: int = 0
    numbers: int = 0

    def __str__(self) -> str:
        f1 = 2 * self.found / max(1, self.expected + self.given)
        found = max(1, self.found)
        return (
            f"{self.cases} cases, {self.expected} issues expected, {self.given} given: F1 {f1:.3f}, "
            f"measures exact {self.measures / found:.3f}, stated right {self.stated / found:.3f}, "
            f"path {self.paths / found:.3f}, number {self.numbers / found:.3f}"
        )


def tight(text: str | None) -> str:
    return re.sub(r"\s+", "", text or "")


_STATUS = r"(?:目前|截至目前)?,?(?:该|此|本)(?:项)?问题[^。,，]{2,16}。?"


def bare(measures: str) -> str:
    """Measures without a status sentence and the full stop at their ends."""
    return re.sub(f"^{_STATUS}|(?<=。){_STATUS}$", "", tight(measures)).removesuffix("。")


def cases(folders: list[Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    for folder in folders:
        for answer in sorted(folder.rglob("*.json")):
            source = next(p for p in sorted(answer.parent.glob(answer.stem + ".*")) if p != answer)
            yield source, json.loads(answer.read_text(encoding="utf-8"))


@cache
def cut(source: Path) -> tuple[Notice, Split]:
    """The notice and what it was cut into, once for all who ask."""
    notice = read(source)
    return notice, split(notice)


def compare(source: Path, answer: dict[str, Any], count: Count, show: bool) -> None:
    wanted = answer["issues"]
    try:
        _, parts = cut(source)
    except RectifyError as error:
        print(f"{source.name}: {error}")
        count.cases += 1
        count.expected += len(wanted)
        return
    given = parts.issues
    count.cases += 1
    count.expected += len(wanted)
    count.given += len(given)
    left, right = [tight(i["problem"]) for i in wanted], [tight(i.problem.text) for i in given]
    told = []
    for tag, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag != "equal":
            told += [f"  - {wanted[i]['number']} {wanted[i]['problem'][:90]}" for i in range(a, b)]
            told += [f"  + {number(given[j])} {given[j].problem.text[:90]}" for j in range(c, d)]
            continue
        for i, j in zip(range(a, b), range(c, d), strict=True):
            want, got = wanted[i], given[j]
            stated = got.stated.status if got.stated else None
            checks = (
                ("measures", bare(want["measures"]), bare(got.measures.text)),
                ("stated", want["stated"], stated),
                ("paths", [tight(p) for p in want["path"]], [tight(p.text) for p in got.path]),
                ("numbers", tight(want["number"]), tight(number(got))),
            )
            count.found += 1
            for name, expected, actual in checks:
                if expected == actual:
                    setattr(count, name, getattr(count, name) + 1)
                elif name == "measures":
                    told.append(
                        f"  m {want['number']} {want['problem'][:20]}: {_ends(str(expected))} <> {_ends(str(actual))}"
                    )
                else:
                    told.append(
                        f"  {name} {want['number']} {want['problem'][:20]}: {expected} <> {actual}"
                    )
    for word in answer["warnings"]:
        if not any(word in warning for warning in parts.warnings):
            told.append(f"  no warning with {word}: {parts.warnings}")
    if not answer["warnings"] and parts.warnings and wanted:
        told.append(f"  warnings {parts.warnings}")
    if show and told:
        print(f"{source} ({answer['shape'][:60]})")
        print("\n".join(told))


def number(issue: Issue) -> str | None:
    return issue.number.text if issue.number else None


def _ends(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:28]} ... {text[-28:]}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, default=[CASES])
    parser.add_argument("--show", action="store_true", help="print what differs")
    options = parser.parse_args()
    count = Count()
    for source, answer in cases(options.folders):
        compare(source, answer, count, options.show)
    print(count)


if __name__ == "__main__":
    main()
