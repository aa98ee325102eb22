"""What picking segments to label is worth against drawing them at random.

    python scripts/simulate_labelling.py [--seeds 6] [--rounds 6] [--write]

The annotator is simulated: the authored labels are the answers. For each seed the authored
notices are dealt out whole: a third is left out for testing, some of 300 segments in all
are labelled at the start, the rest is the pool. Each round 50 segments of the pool are
labelled, in one arm as `label pick` picks them, in the other at random, and a model is
trained anew, with the temperature of the start. Both arms share notices and start. --write
puts the table into docs/labelling.md.

Seeds begin at 10: the first ones were used to choose how to pick.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from rectify_nlp import Example, Model, Taxonomy, load_examples
from rectify_nlp.consensus import target
from rectify_nlp.evaluation import Outcomes, accuracy
from rectify_nlp.modelfolder import TASKS
from rectify_nlp.picking import Candidate, candidates, queue
from rectify_nlp.splitting import segment
from rectify_nlp.training import REAL, tasks, train
from rectify_nlp.types import Issue, Segment

ROOT = Path(__file__).parent.parent
DOC = ROOT / "docs/labelling.md"
BEGIN, END = "<!-- begin simulation -->\n", "<!-- end simulation -->\n"
FIRST_SEED = 10
START, STEP, TESTED = 300, 50, 1 / 3
ARMS = ("picked", "random")


@dataclass(frozen=True, kw_only=True)
class Item:
    """A segment with its answer, cut once."""

    example: Example
    issue: Issue


@dataclass(frozen=True, kw_only=True)
class Point:
    """Accuracy of one arm after so many labels, on left-out authored or published notices."""

    seed: int
    arm: str
    labels: int
    tested_on: str
    task: str
    accuracy: float


def dealt(items: Sequence[Item], seed: int) -> tuple[list[Item], list[Item], list[Item]]:
    """Test, start and pool: whole notices, in an order drawn by `seed`."""
    names = sorted({item.example.notice for item in items})
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    by_notice = {name: [i for i in items if i.example.notice == name] for name in names}
    tested = round(len(order) * TESTED)
    test = [item for name in order[:tested] for item in by_notice[name]]
    start: list[Item] = []
    pool: list[Item] = []
    for name in order[tested:]:
        (start if len(start) < START else pool).extend(by_notice[name])
    return test, start, pool


def proposed(model: Model, pool: Sequence[Item]) -> Iterator[Candidate]:
    """The pool as `label pick` sees it."""
    for item, finding in zip(pool, model.judge([item.issue for item in pool]), strict=True):
        e = item.example
        notice, _ = segment(e.problem, e.measures, e.path)
        given = {"notice": e.notice}
        yield from candidates([Segment(notice=notice, finding=finding, given=given)])


def chosen(
    arm: str, model: Model, labelled: Sequence[Item], pool: Sequence[Item], seed: int
) -> list[Item]:
    """The next segments to label."""
    if arm == "random":
        draw = np.random.default_rng([seed, len(labelled)]).permutation(len(pool))
        return [pool[i] for i in draw[:STEP]]
    offered = list(proposed(model, pool))
    by_key = {candidate.key: item for candidate, item in zip(offered, pool, strict=True)}
    found = queue(offered, [item.example for item in labelled])
    return [by_key[candidate.key] for candidate in islice(found, STEP)]


def retrained(labelled: Sequence[Item], taxonomy: Taxonomy, first: Model) -> Model:
    """A model of all that is labelled; accuracy does not depend on its temperature."""
    classifiers = {
        name: task.fit(range(len(task.examples))).with_calibration(
            first.classifiers[name].temperature, 0.0
        )
        for name, task in tasks([item.example for item in labelled], taxonomy).items()
    }
    return replace(first, classifiers=classifiers)


def measured(model: Model, test: Sequence[Item], task: str) -> float:
    """Accuracy on the segments of `test` that have a label for `task`."""
    known = [item for item in test if target(item.example, task)]
    truth = tuple(target(item.example, task) or "" for item in known)
    return accuracy(
        Outcomes(
            labels=model.classifiers[task].labels,
            truth=truth,
            also=((),) * len(known),
            probabilities=model.probabilities([item.issue for item in known])[task],
            majority=truth,
            groups=tuple(item.example.notice for item in known),
        )
    )


def simulate(items: Sequence[Item], taxonomy: Taxonomy, seed: int, rounds: int) -> Iterator[Point]:
    published = [item for item in items if item.example.origin == REAL]
    test, start, pool = dealt([i for i in items if i.example.origin != REAL], seed)
    tests = {"authored": test, "published": published}
    first = train([item.example for item in start], taxonomy)
    for arm in ARMS:
        model, labelled, left = first, list(start), list(pool)
        for turn in range(rounds + 1):
            for where, tested in tests.items():
                for task in TASKS:
                    score = measured(model, tested, task)
                    yield Point(
                        seed=seed, arm=arm, labels=turn * STEP, tested_on=where, task=task, accuracy=score,
                    )  # fmt: skip
            if turn < rounds:
                new = chosen(arm, model, labelled, left, seed)
                labelled += new
                gone = {id(item) for item in new}
                left = [item for item in left if id(item) not in gone]
                model = retrained(labelled, taxonomy, first)


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and its 95% interval by Student's t over the seeds."""
    from scipy.stats import t

    spread = float(np.std(values, ddof=1)) / len(values) ** 0.5
    half = float(t.ppf(0.975, len(values) - 1)) * spread
    mean = float(np.mean(values))
    return mean, mean - half, mean + half


def lines(points: Sequence[Point]) -> Iterator[str]:
    yield "| task | tested on | labelled | picked | at random | difference, points |"
    yield "|---|---|---|---|---|---|"
    values = {(p.task, p.tested_on, p.labels, p.arm, p.seed): p.accuracy for p in points}
    seeds = sorted({p.seed for p in points})
    for task, where, labels in sorted({(p.task, p.tested_on, p.labels) for p in points}):
        arms = {arm: [values[task, where, labels, arm, s] for s in seeds] for arm in ARMS}
        shown = ["{:.3f} [{:.3f}, {:.3f}]".format(*interval(arms[arm])) for arm in ARMS]
        gain = interval(
            [100 * (a - b) for a, b in zip(arms["picked"], arms["random"], strict=True)]
        )
        difference = "{:+.1f} [{:+.1f}, {:+.1f}]".format(*gain) if labels else ""
        yield f"| {task} | {where} | {START} + {labels} | {shown[0]} | {shown[1]} | {difference} |"
    yield ""
    yield (
        f"Mean accuracy over {len(seeds)} seeds (from {seeds[0]} on); in brackets 95% intervals by"
        " Student's t over them, of the difference in pairs."
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--write", action="store_true", help="put the table into docs/labelling.md")
    options = parser.parse_args()
    taxonomy = Taxonomy.load()
    items = [
        Item(example=e, issue=segment(e.problem, e.measures, e.path, taxonomy=taxonomy)[1])
        for e in load_examples([ROOT / "labels"], taxonomy)
    ]
    points = [
        p
        for seed in range(FIRST_SEED, FIRST_SEED + options.seeds)
        for p in simulate(items, taxonomy, seed, options.rounds)
    ]
    table = "".join(line + "\n" for line in lines(points))
    print(table, end="")
    if options.write:
        text = DOC.read_text(encoding="utf-8")
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        DOC.write_text(f"{before}{BEGIN}{table}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
