"""What each setting of the training is worth: change one, measure the difference.

    OMP_NUM_THREADS=1 nice python scripts/ablate.py [--only WORD]

Every line is one change of `training.SETTINGS` as they are. It is measured on each
published notice, left out in turn, and on two folds of authored notices left out, against
the unchanged settings on the same segments; the interval is a bootstrap of the paired
difference over whole notices (over segments for the published ones, which are few). What
`doubtful` would be worth below other thresholds comes last. The tables are written
between the markers of docs/model.md. About a quarter of an hour on one core; `--only`
prints the lines whose name holds WORD and writes nothing.
"""

import argparse
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from readme import filled
from rectify_nlp import Example, Taxonomy, load_examples
from rectify_nlp.classifier import Settings, softmax
from rectify_nlp.doubt import marks
from rectify_nlp.evaluation import RESAMPLES, SEED, log_loss, macro_f1
from rectify_nlp.examples import digest
from rectify_nlp.features import Block, Counts, Floats
from rectify_nlp.training import REAL, Task, fit_calibrated, folds, outcomes, tasks, temperature
from rectify_nlp.trials import FOLDED

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "model.md"
DESCRIPTIONS = "taxonomy"  # origin of the pseudo-documents
PUBLISHED_TIMES = 5
AUTHORED_FOLDS = 2  # of those there are; enough to tell half a point
# Of a fit: half the time; where it was compared, 0.002 of log-loss and no accuracy.
TOLERANCE = 1e-4
DOUBT_BELOW = (0.03, 0.05, 0.07, 0.1, 0.15, 0.2)

Rows = list[int]
Pick = Callable[[Task, Rows], Rows]


def plain(task: Task, rows: Rows) -> Rows:
    """The segments of these rows, no class descriptions."""
    return [i for i in rows if task.examples[i].origin != DESCRIPTIONS]


def with_descriptions(task: Task, rows: Rows) -> Rows:
    return plain(task, rows) + [i for i, e in enumerate(task.examples) if e.origin == DESCRIPTIONS]


def with_published_repeated(task: Task, rows: Rows) -> Rows:
    rows = plain(task, rows)
    return rows + [i for i in rows if task.examples[i].origin == REAL] * (PUBLISHED_TIMES - 1)


def without_published(task: Task, rows: Rows) -> Rows:
    return [i for i in plain(task, rows) if task.examples[i].origin != REAL]


@dataclass(frozen=True)
class Change:
    """One line: its name, the settings it tries and the segments it trains on."""

    name: str
    settings: Settings
    pick: Pick = plain


def changes(settings: Settings) -> Iterator[Change]:
    """The unchanged settings, then one change each."""
    blocks = settings.blocks
    yield Change("as it is", settings)
    for block in blocks:
        rest = tuple(b for b in blocks if b is not block)
        yield Change(f"without the block {block.name}", settings._replace(blocks=rest))
    yield Change("words only", _blocks(settings, lambda b: b._replace(pairs=False)))
    yield Change(
        "pairs of characters only",
        _blocks(settings, lambda b: b._replace(words=False) if b.pairs else b),
    )
    yield Change(
        "pairs of characters everywhere", _blocks(settings, lambda b: b._replace(pairs=True))
    )
    yield Change("all blocks at weight 1", _blocks(settings, lambda b: b._replace(weight=1.0)))
    for factor in (1 / 3, 3.0):
        strength = settings.inverse_regularisation * factor
        yield Change(f"C {strength:.3g}", settings._replace(inverse_regularisation=strength))
    for balance in (0.0, 0.5, 1.0):
        if balance != settings.balance:
            yield Change(f"balance {balance:g}", settings._replace(balance=balance))
    for count in (2, 10):
        if count != settings.min_count:
            yield Change(f"terms from {count} segments on", settings._replace(min_count=count))
    yield Change("class descriptions as pseudo-documents", settings, with_descriptions)
    yield Change(f"published segments {PUBLISHED_TIMES} times", settings, with_published_repeated)
    yield Change("no published segments in training", settings, without_published)


def _blocks(settings: Settings, change: Callable[[Block], Block]) -> Settings:
    return settings._replace(blocks=tuple(map(change, settings.blocks)))


def counted(task: Task, blocks: Sequence[Block]) -> Counts:
    """Counts of `blocks`: those of `task` where no more than weights differ."""
    weightless = [b._replace(weight=1.0) for b in blocks]
    if weightless != [b._replace(weight=1.0) for b in task.counts.blocks]:
        return Counts(task.segments, blocks)
    counts = copy.copy(task.counts)
    counts.blocks = tuple(blocks)
    return counts


@dataclass(frozen=True)
class Tested:
    """Whether each tested segment is right; macro-F1 and log-loss of all.

    The log-loss is that at the best temperature for these segments: what a logit is
    worth, not how well it is calibrated.
    """

    right: NDArray[np.float64]
    groups: tuple[str, ...]
    macro_f1: float
    log_loss: float


def splits(task: Task) -> tuple[list[tuple[Rows, Rows]], list[tuple[Rows, Rows]]]:
    """(training rows, tested rows): published notices one by one; folds of authored ones."""
    every = plain(task, list(range(len(task.examples))))
    notices = sorted({task.examples[i].notice for i in every if task.examples[i].origin == REAL})
    published = [
        (
            [i for i in every if task.examples[i].notice != notice],
            [i for i in every if task.examples[i].notice == notice],
        )
        for notice in notices
    ]
    real = [i for i in every if task.examples[i].origin == REAL]
    authored = [i for i in every if task.examples[i].origin != REAL]
    folded = [
        ([authored[i] for i in train] + real, [authored[i] for i in test])
        for train, test in islice(
            folds([task.examples[i].notice for i in authored]), AUTHORED_FOLDS
        )
    ]
    return published, folded


def measure(task: Task, pick: Pick, parts: Sequence[tuple[Rows, Rows]]) -> Tested:
    """Train on what `pick` makes of the training rows of each of `parts`, and test."""
    from joblib import Parallel, delayed

    def one(train: Rows, test: Rows) -> Floats:
        return task.logits(task.fit(pick(task, train)), test)

    every = np.vstack(Parallel(n_jobs=-1, prefer="threads")(delayed(one)(*p) for p in parts))
    tested = [i for _, test in parts for i in test]
    targets = task.targets
    columns = np.array([task.labels.index(targets[i]) for i in tested])
    heat = temperature(every, columns, np.ones(len(tested)))
    found = outcomes(task, tested, softmax(every / heat), tested)
    right = np.array([t == p for t, p in zip(found.truth, found.predicted, strict=True)], float)
    return Tested(
        right=right, groups=found.groups, macro_f1=macro_f1(found), log_loss=log_loss(found)
    )


def difference(one: Tested, base: Tested) -> tuple[float, float, float]:
    """Gain in accuracy over `base`, in points, with its 95% interval."""
    gain = 100 * (one.right - base.right)
    random = np.random.default_rng(SEED)
    names = sorted(set(base.groups))
    if len(names) < 10:
        drawn = [gain[random.integers(0, len(gain), len(gain))].mean() for _ in range(RESAMPLES)]
    else:
        place = {name: i for i, name in enumerate(names)}
        group = np.array([place[g] for g in base.groups])
        sums, sizes = np.bincount(group, gain), np.bincount(group)
        picks = random.integers(0, len(names), (RESAMPLES, len(names)))
        drawn = list(sums[picks].sum(axis=1) / sizes[picks].sum(axis=1))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(gain.mean()), float(low), float(high)


def lines(task: Task, only: str) -> Iterator[str]:
    """The rows of the table of one task, as they are measured."""
    parts = splits(task)
    base: list[Tested] = []
    descriptions = any(e.origin == DESCRIPTIONS for e in task.examples)
    for change in changes(task.settings):
        same = change.settings == task.settings and change.pick is plain
        if base and (same or only not in change.name):
            continue
        if change.pick is with_descriptions and not descriptions:
            continue
        changed = replace(
            task,
            settings=change.settings._replace(tolerance=TOLERANCE),
            counts=counted(task, change.settings.blocks),
        )
        found = [measure(changed, change.pick, part) for part in parts]
        base = base or found
        cells = []
        for one, before in zip(found, base, strict=True):
            cells.append(f"{one.right.mean():.3f} / {one.macro_f1:.3f} / {one.log_loss:.3f}")
            gain, low, high = difference(one, before)
            cells.append("" if found is base else f"{gain:+.1f} [{low:+.1f}, {high:+.1f}]")
        yield f"| {task.name} | {change.name} | {' | '.join(cells)} |"


def doubt_lines(task: Task) -> Iterator[str]:
    """What marking a stated status below other probabilities would give, out of fold."""
    every = plain(task, list(range(len(task.examples))))
    _, checked = fit_calibrated(task, every)
    real = {task.examples[i].notice for i in every if task.examples[i].origin == REAL}
    rows = [
        [i for i, g in enumerate(checked.groups) if (g in real) is wanted]
        for wanted in (False, True)
    ]
    for threshold in DOUBT_BELOW:
        cells = []
        for part in rows:
            found = marks(checked.take(part), threshold)
            cells += [f"{found.precision:.3f}", f"{found.recall:.3f}", f"{found.false_alarms:.4f}"]
        yield f"| {threshold:.2f} | {' | '.join(cells)} |"


def described(examples: Sequence[Example], taxonomy: Taxonomy) -> list[Example]:
    """`examples` and a pseudo-document for each category: what its scope is said to be."""
    return [
        *examples,
        *(
            Example(
                problem=label.scope,
                measures="",
                category=label.name,
                notice=DESCRIPTIONS,
                origin=DESCRIPTIONS,
            )
            for label in taxonomy.categories
            if label.scope
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="WORD")
    only = parser.parse_args().only
    taxonomy = Taxonomy.load()
    examples = load_examples([ROOT / "labels"], taxonomy)
    by_name: Mapping[str, Task] = tasks(described(examples, taxonomy), taxonomy)
    table = [
        "| task | change | published | gain, points | authored, left out | gain, points |",
        "|---|---|---|---|---|---|",
    ]
    for task in by_name.values():
        for line in lines(task, only):
            print(line, flush=True)
            table.append(line)
    doubt = [
        "| doubtful below | authored: precision | recall | false alarms"
        " | published: precision | recall | false alarms |",
        "|---|---|---|---|---|---|---|",
        *doubt_lines(by_name["status"]),
    ]
    print("\n".join(doubt))
    if not only:
        labels = f"Labels {digest(examples)[:12]}"
        drawn = f"{labels}; bootstrap {RESAMPLES}, seed {SEED}."
        crossed = f"{labels}; {FOLDED}."
        text = DOCUMENT.read_text(encoding="utf-8")
        text = filled(text, "ablation", "\n".join([*table, "", drawn]))
        text = filled(text, "doubt", "\n".join([*doubt, "", crossed]))
        DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
