"""Raise the floors of quality to what the committed evaluation measures.

    python scripts/quality.py [--lower REASON]

Reads docs/evaluation.json (made by `scripts/readme.py --evaluate`), trains once without
the published notices, and writes tests/quality_floor.json: for each figure a bound
slightly worse than measured. A bound only ever becomes stricter. Where a figure has
fallen past its bound, or is measured no longer, nothing is written unless `--lower` says
why; the reason must stand in CHANGELOG.md word by word. The tests hold the evaluation,
and a training as here, to these bounds.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rectify_nlp import Example, Taxonomy, load_examples
from rectify_nlp.classifier import softmax
from rectify_nlp.evaluation import METRICS
from rectify_nlp.examples import digest
from rectify_nlp.training import REAL, outcomes, tasks

ROOT = Path(__file__).parent.parent
EVALUATION = ROOT / "docs" / "evaluation.json"
FLOORS = ROOT / "tests" / "quality_floor.json"
CHANGELOG = ROOT / "CHANGELOG.md"
# A segment and a half: another processor may decide a tie the other way.
SLACK_SEGMENTS, SLACK = 1.5, 0.005
AT_LEAST = ("accuracy", "lenient accuracy", "macro-F1", "precision", "recall")
AT_MOST = ("calibration error", "false alarms")

RETRAINED = "trained without the published notices, tested on them"

Bounds = Mapping[str, float]


def retrained(examples: Sequence[Example], taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """Results, as in docs/evaluation.json, of one training a task without any published notice.

    However many notices there are, it costs seconds. Nothing is calibrated: a
    temperature does not change which label is the likeliest.
    """
    results = []
    for task in tasks(examples, taxonomy).values():
        rows = range(len(task.examples))
        trained = [i for i in rows if task.examples[i].origin != REAL]
        tested = [i for i in rows if task.examples[i].origin == REAL]
        probabilities = softmax(task.logits(task.fit(trained), tested))
        found = outcomes(task, tested, probabilities, trained)
        scores = {name: {"value": METRICS[name](found)} for name in ("accuracy", "macro-F1")}
        results.append(
            {"task": task.name, "method": RETRAINED, "segments": len(tested), "scores": scores}
        )
    return results


def figures(results: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Every figure that has a bound, by "task | method | score"."""
    return {
        _name(result, score): found["value"]
        for result in results
        for score, found in result["scores"].items()
        if score in (*AT_LEAST, *AT_MOST)
    }


def bounds(results: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """For each figure the bound that it keeps with a little to spare."""
    found = {}
    for result in results:
        slack = max(SLACK, SLACK_SEGMENTS / result["segments"])
        for score, measured in result["scores"].items():
            if score in AT_LEAST:
                found[_name(result, score)] = round(max(0.0, measured["value"] - slack), 4)
            elif score in AT_MOST:
                found[_name(result, score)] = round(min(1.0, measured["value"] + slack), 4)
    return found


def broken(measured: Mapping[str, float], held: Bounds) -> list[str]:
    """The bounds that a figure has fallen past, or whose figure is missing; sentences."""
    found = []
    for name, bound in held.items():
        if name not in measured:
            found.append(f"{name}: no longer measured")
        elif _worse(name, measured[name], bound):
            found.append(f"{name}: {measured[name]:.4f}, bound {bound:.4f}")
    return found


def raised(measured: Mapping[str, float], held: Bounds, wanted: Bounds) -> dict[str, float]:
    """`wanted`, but where a held bound is kept and stricter, that one."""
    return {
        name: held[name]
        if name in held
        and not _worse(name, measured[name], held[name])
        and _worse(name, bound, held[name])
        else bound
        for name, bound in wanted.items()
    }


def _name(result: Mapping[str, Any], score: str) -> str:
    return f"{result['task']} | {result['method']} | {score}"


def _worse(name: str, one: float, other: float) -> bool:
    return one > other if name.endswith(AT_MOST) else one < other


def update(
    results: Sequence[Mapping[str, Any]],
    floors: Mapping[str, Any],
    labels: str,
    reason: str,
    changelog: str,
) -> dict[str, Any]:
    """The new content of the file; ValueError where it would lower a bound without a reason."""
    held = floors["bounds"]
    fallen = broken(figures(results), held)
    lowered = list(floors["lowered"])
    if fallen:
        if not reason:
            told = "\n  ".join(fallen)
            raise ValueError(
                f'worse than before; mend it, or say why with --lower "...":\n  {told}'
            )
        if reason not in changelog:
            raise ValueError(f"CHANGELOG.md does not say {reason!r}")
        lowered.append({"reason": reason, "bounds": fallen})
    return {
        "labels": labels,
        "bounds": raised(figures(results), held, bounds(results)),
        "lowered": lowered,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lower", default="", metavar="REASON")
    reason = parser.parse_args().lower
    evaluated = json.loads(EVALUATION.read_text(encoding="utf-8"))
    floors: dict[str, Any] = {"bounds": {}, "lowered": []}
    if FLOORS.exists():
        floors = json.loads(FLOORS.read_text(encoding="utf-8"))
    taxonomy = Taxonomy.load()
    examples = load_examples([ROOT / "labels"], taxonomy)
    labels = digest(examples)
    try:
        if any(f"labels {labels[:12]}" not in result["signature"] for result in evaluated):
            raise ValueError("the evaluation is of other labels; run scripts/readme.py --evaluate")
        changelog = CHANGELOG.read_text(encoding="utf-8")
        results = [*evaluated, *retrained(examples, taxonomy)]
        new = update(results, floors, labels, reason, changelog)
    except ValueError as error:
        print(f"quality: {error}", file=sys.stderr)
        return 1
    FLOORS.write_text(json.dumps(new, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{len(new['bounds'])} bounds, {len(new['lowered'])} times lowered: {FLOORS.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
