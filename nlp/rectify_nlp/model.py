"""A trained model: two classifiers and their taxonomy, which split and judge notices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from rectify_nlp.classifier import LinearClassifier, softmax
from rectify_nlp.compiled import Compiled
from rectify_nlp.features import FIELDS, MASK, Fields, Floats, Texts
from rectify_nlp.lexicon import Ints
from rectify_nlp.modelfolder import TASKS, Contents, pack, sha256, unpack, write
from rectify_nlp.resources import resource
from rectify_nlp.taxonomy import Taxonomy
from rectify_nlp.types import Evidence, Finding, Issue, Notice, Passage, Report, Split, Verdict
from rectify_nlp.vocabulary import PAIR

# So many characters are judged at a time: more save no time, and cost memory.
_CHARACTERS = 120_000
# Further categories at least this likely are named as secondary, two at most.
ALSO_FROM = 0.2
# A stated status the model finds less likely than this is marked doubtful; docs/model.md
# has what other thresholds would give.
DOUBT_BELOW = 0.03


@dataclass(frozen=True)
class Model:
    """Classifiers by task name ("category", "status"), taxonomy and what model.json tells."""

    classifiers: Mapping[str, LinearClassifier]
    taxonomy: Taxonomy
    info: Mapping[str, Any] = field(default_factory=dict)
    name: str = "unsaved"
    # SHA-256 of model.json where the model was loaded; made anew it takes longer than a prediction.
    loaded_sha256: str = field(default="", init=False, compare=False)

    # -- prediction ------------------------------------------------------------------

    def predict(self, notice: Notice, *, explain: bool = False) -> Report:
        """Split `notice` and judge each issue; `explain` adds the evidence."""
        from rectify_nlp.splitting import split  # not for what is split already

        return self.report(notice, split(notice, self.taxonomy), explain=explain)

    def report(self, notice: Notice, parts: Split, *, explain: bool = False) -> Report:
        """What `predict` gives for `notice`, of what it was split into."""
        return Report(
            notice=notice,
            findings=tuple(self.judge(parts.issues, explain=explain)),
            model=self.fingerprint,
            warnings=(*notice.warnings, *parts.warnings),
            totals=parts.totals,
        )

    def warm_up(self) -> None:
        """Build now the tables that the first prediction would build."""
        nothing = Passage(text="", start=0)
        self.probabilities([Issue(problem=nothing, measures=nothing)])

    def judge(self, issues: Sequence[Issue], *, explain: bool = False) -> list[Finding]:
        """A finding for each issue, in order."""
        return [finding for chunk in _chunks(issues) for finding in self._findings(chunk, explain)]

    def probabilities(self, issues: Sequence[Issue]) -> dict[str, Floats]:
        """Calibrated probabilities for each task: a row an issue, a column a label.

        What `judge` says of many issues, without an object for each.
        """
        chunks = [self._probabilities(_texts(chunk)) for chunk in _chunks(issues)]
        return {
            task: np.concatenate(
                [np.empty((0, len(self.classifiers[task].labels))), *(c[task] for c in chunks)]
            )
            for task in TASKS
        }

    def _probabilities(self, texts: Texts) -> dict[str, Floats]:
        logits = self._compiled.logits(texts) or {
            task: classifier.logits(texts) for task, classifier in self.classifiers.items()
        }
        return {task: softmax(logits[task]) for task in TASKS}

    @cached_property
    def _compiled(self) -> Compiled:
        return Compiled(self.classifiers)

    def _findings(self, issues: Sequence[Issue], explain: bool) -> Iterator[Finding]:
        texts = _texts(issues)
        probabilities = self._probabilities(texts)
        verdicts = [
            self._verdicts(task, probabilities[task], issues, texts, explain) for task in TASKS
        ]
        for issue, category, status in zip(issues, *verdicts, strict=True):
            yield Finding(
                issue=issue,
                category=category,
                status=status,
                also=tuple([name for name, p in category.ranking[1:3] if p >= ALSO_FROM]),
                doubtful=issue.stated is not None
                and status.probability_of(issue.stated.status) < DOUBT_BELOW,
            )

    def _verdicts(
        self, task: str, probabilities: Floats, issues: Sequence[Issue], texts: Texts, explain: bool
    ) -> Iterator[Verdict]:
        classifier = self.classifiers[task]
        order = np.argsort(-probabilities, axis=1, kind="stable")
        evidence: Iterable[tuple[Evidence, ...]] = repeat(())
        if explain:
            evidence = _evidence(classifier, texts, order[:, 0], issues)
        names = np.array(classifier.labels, dtype=object)[order].tolist()
        chances = np.take_along_axis(probabilities, order, axis=1).tolist()
        for labels, row, shown in zip(names, chances, evidence, strict=False):
            yield Verdict(
                label=labels[0] if row[0] >= classifier.abstain_below else None,
                probability=row[0],
                ranking=tuple(zip(labels, row, strict=True)),
                evidence=shown,
            )

    # -- storage -----------------------------------------------------------------------

    def files(self) -> dict[str, bytes]:
        """The files of its folder by name, model.json last."""
        return pack(Contents(self.classifiers, self.taxonomy, self.info))

    def save(self, folder: Path, card: str = "") -> None:
        """Write the model folder, with `card` as its README.md; OutputError where it cannot be."""
        readme = {"README.md": card.encode()} if card else {}
        write(folder, {**readme, **self.files()})

    @classmethod
    def load(cls, folder: Path | None = None) -> Model:
        """The model in `folder`, by default the one that comes with the package.

        ModelError says what is missing, altered, malformed or of a newer format.
        """
        folder = folder or resource("models/default")
        contents, sha256_of_it = unpack(folder)
        model = cls(*contents, name=folder.name)
        # Not carried over by dataclasses.replace: a changed model has another fingerprint.
        object.__setattr__(model, "loaded_sha256", sha256_of_it)
        return model

    @cached_property
    def fingerprint(self) -> str:
        """Name and the beginning of the SHA-256 over all that decides a prediction."""
        digest = self.loaded_sha256 or sha256(self.files()["model.json"])
        return f"{self.name}@{digest[:12]}"


def _chunks(issues: Sequence[Issue]) -> Iterator[Sequence[Issue]]:
    start = size = 0
    for i, issue in enumerate(issues):
        size += len(issue.problem.text) + len(issue.measures.text)
        if size >= _CHARACTERS:
            yield issues[start : i + 1]
            start, size = i + 1, 0
    if start < len(issues):
        yield issues[start:]


def _texts(issues: Iterable[Issue]) -> Texts:
    return Texts([readable(issue) for issue in issues])


def readable(issue: Issue) -> Fields:
    """What the classifiers may read of an issue: a status it states is masked."""
    hidden = issue.stated.masked if issue.stated else None

    def visible(passage: Passage) -> str:
        text = passage.text
        if hidden is None:
            return text
        low = min(max(hidden[0] - passage.start, 0), len(text))
        high = min(max(hidden[1] - passage.start, 0), len(text))
        return text[:low] + MASK * (high - low) + text[high:] if low < high else text

    return {
        "path": "\n".join(map(visible, issue.path)),
        "problem": visible(issue.problem),
        "measures": visible(issue.measures),
    }


def _evidence(
    classifier: LinearClassifier, texts: Texts, labels: Ints, issues: Sequence[Issue]
) -> Iterator[tuple[Evidence, ...]]:
    """For each issue the terms in its problem and measures, heaviest first."""
    vocabulary = classifier.vectorizer.vocabulary
    found = texts.find(vocabulary)
    weights, known = classifier.evidence(texts, labels)
    starts = {
        FIELDS.index("problem"): [i.problem.start for i in issues],
        FIELDS.index("measures"): [i.measures.start for i in issues],
    }
    by_issue: list[list[Evidence]] = [[] for _ in issues]
    for i in np.flatnonzero(known).tolist():
        segment, field = divmod(int(found.text[i]), len(FIELDS))
        if field in starts:
            offset = starts[field][segment]
            low, high = texts.place(int(found.text[i]), int(found.start[i]), int(found.end[i]))
            by_issue[segment].append(
                Evidence(
                    start=offset + low,
                    end=offset + high,
                    term=vocabulary.terms[found.term[i]].removeprefix(PAIR),
                    weight=float(weights[i]),
                )
            )
    for evidence in by_issue:
        yield tuple(_merged(evidence))


def _merged(evidence: Iterable[Evidence]) -> list[Evidence]:
    """One entry a place: blocks that read the same words add up. Heaviest first."""
    weights: dict[tuple[int, int, str], float] = {}
    for e in evidence:
        key = (e.start, e.end, e.term)
        weights[key] = weights.get(key, 0.0) + e.weight
    merged = [
        Evidence(start=start, end=end, term=term, weight=weight)
        for (start, end, term), weight in weights.items()
    ]
    return sorted(merged, key=lambda e: (-e.weight, e.start, e.end))
