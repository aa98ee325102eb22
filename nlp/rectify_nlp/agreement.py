"""How far labels can be trusted: agreement between annotators, disputes, suspects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from rectify_nlp.consensus import Labels, Opinion, by_segment, latest, segment_key, target
from rectify_nlp.errors import MissingExtra
from rectify_nlp.modelfolder import TASKS
from rectify_nlp.picking import Candidate
from rectify_nlp.records import clean
from rectify_nlp.taxonomy import Taxonomy
from rectify_nlp.types import Example


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Of two annotators, or of `annotators` together: on how many segments, and how well.

    `share` is that of segments (of pairs of answers where there are more than two
    annotators) with the same label. `value` is Cohen's kappa of two, Krippendorff's alpha
    of more; None where all gave one and the same label, so that chance says nothing.
    """

    task: str
    annotators: tuple[str, ...]
    segments: int
    share: float
    measure: str
    value: float | None

    def __str__(self) -> str:
        value = "undefined: one label only" if self.value is None else f"{self.value:.3f}"
        return (
            f"{self.task}: {', '.join(self.annotators)}: {self.segments} segments,"
            f" {self.share:.1%} the same, {self.measure} {value}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A label that a model trained without its notice finds unlikely, and what it would say."""

    task: str
    example: Example
    given: str
    likelier: str
    probability: float

    def __str__(self) -> str:
        return (
            f"{self.task}: {self.example.problem[:40]!r} of {self.example.notice}:"
            f" labelled {self.given}, the model says {self.likelier} ({self.probability:.0%})"
        )


def agreements(opinions: Sequence[Opinion]) -> Iterator[Agreement]:
    """Agreement on what several named annotators labelled, by their latest answers.

    Of each two by Cohen's kappa, and of more than two together by Krippendorff's alpha.
    Answers that settle a dispute are no independent ones and are left out.
    """
    free = [opinion for opinion in opinions if opinion.annotator and not opinion.final]
    for task in TASKS:
        units = [
            {o.annotator: label for o in latest(group) if (label := target(o.example, task))}
            for group in by_segment(free).values()
        ]
        shared = [unit for unit in units if len(unit) > 1]
        names = sorted({name for unit in shared for name in unit})
        for pair in combinations(names, 2):
            both = [
                tuple(unit[name] for name in pair) for unit in shared if unit.keys() >= set(pair)
            ]
            if both:
                yield _of_two(task, pair, both)
        if len(names) > 2:
            answers = [list(unit.values()) for unit in shared]
            same = [a == b for unit in answers for a, b in combinations(unit, 2)]
            yield Agreement(
                task=task,
                annotators=tuple(names),
                segments=len(shared),
                share=float(np.mean(same)),
                measure="Krippendorff's alpha",
                value=alpha(answers),
            )


def _of_two(task: str, pair: tuple[str, str], both: Sequence[tuple[str, ...]]) -> Agreement:
    from sklearn.metrics import cohen_kappa_score

    one, other = ([answers[i] for answers in both] for i in (0, 1))
    only = len({*one, *other}) == 1
    return Agreement(
        task=task,
        annotators=pair,
        segments=len(both),
        share=float(np.mean([a == b for a, b in both])),
        measure="Cohen's kappa",
        value=None if only else float(cohen_kappa_score(one, other)),
    )


def alpha(units: Sequence[Sequence[str]]) -> float | None:
    """Krippendorff's alpha for nominal labels; `units` hold the labels of one segment each.

    Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011, section C: 1 - observed /
    expected disagreement over pairs of labels, any number of them missing.
    """
    observed = 0.0
    totals: Counter[str] = Counter()
    for labels in units:
        if len(labels) > 1:
            counts = Counter(labels)
            pairs = len(labels) ** 2 - sum(n * n for n in counts.values())
            observed += pairs / (len(labels) - 1)
            totals.update(counts)
    n = totals.total()
    expected = (n * n - sum(count * count for count in totals.values())) / max(1, n - 1)
    return 1 - observed / expected if expected else None


def suspects(examples: Sequence[Example], taxonomy: Taxonomy) -> list[Suspect]:
    """Labels that are likely wrong, the least likely first, by confident learning.

    Northcutt et al., Confident Learning, 2021, on out-of-fold probabilities with whole
    notices left out. LabelsError where there is too little to learn from; MissingExtra
    without cleanlab.
    """
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise MissingExtra("finding suspect labels", "label") from error
    from rectify_nlp.classifier import softmax
    from rectify_nlp.training import out_of_fold, tasks

    found = []
    for name, task in tasks(examples, taxonomy).items():
        rows, logits = out_of_fold(task, range(len(task.examples)))
        # Labels nobody gave have no column: cleanlab asks for an example of each.
        present = [i for i, label in enumerate(task.labels) if label in set(task.targets)]
        probabilities = softmax(logits[:, present])
        given = np.array([present.index(task.labels.index(task.targets[i])) for i in rows])
        for i in find_label_issues(
            given, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1
        ):
            best = int(probabilities[i].argmax())
            found.append(
                Suspect(
                    task=name,
                    example=task.examples[rows[i]],
                    given=task.targets[rows[i]],
                    likelier=task.labels[present[best]],
                    probability=float(probabilities[i, best]),
                )
            )
    return found


def told(finding: object) -> str:
    """An agreement, a conflict or a suspect as one line for a terminal."""
    return clean(str(finding))


def to_review(labels: Labels, found: Sequence[Suspect]) -> list[Candidate]:
    """Disputed and suspect segments once each, with what was said of them, to be settled."""
    opinions = by_segment(labels.opinions)
    doubted = [c.opinions[0].example for c in labels.conflicts] + [s.example for s in found]
    chosen: dict[str, Candidate] = {}
    for example in doubted:
        key = segment_key(example.problem, example.measures)
        said = [
            f"{o.annotator or '未署名'}：{o.example.category}"
            + (f"，{o.example.status}" if o.example.status else "")
            for o in latest(opinions[key])
        ]
        chosen[key] = Candidate.of(example, told="\n".join(said))
    for suspect in found:
        key = segment_key(suspect.example.problem, suspect.example.measures)
        if not chosen[key].check:
            chosen[key] = _with(chosen[key], suspect)
    return list(chosen.values())


def _with(candidate: Candidate, suspect: Suspect) -> Candidate:
    if suspect.task == "category":
        return replace(candidate, category=suspect.likelier, category_p=suspect.probability)
    return replace(candidate, status=suspect.likelier, status_p=suspect.probability)
