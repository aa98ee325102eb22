"""A trained model: two classifiers, their taxonomy, and a folder that cannot execute anything.

Folder layout (format 2):

    model.json               format, versions, digests, settings, labels, biases, measured scores
    terms.txt                the terms of both classifiers, one a line, sorted
    category.columns.npy     which of them each column of the classifier stands for (int32)
    category.weights.npy     a row for each column: its idf, then its weight for each label (float32)
    status.columns.npy
    status.weights.npy
    taxonomy.toml            the taxonomy it was trained with
    README.md                model card

Loading checks format, digests, shapes and finiteness before anything is used.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rectify_nlp.classifier import LinearClassifier, softmax
from rectify_nlp.compiled import Compiled
from rectify_nlp.errors import LabelsError, ModelError, OutputError
from rectify_nlp.features import (
    FIELDS,
    MASK,
    PAIR,
    Block,
    Fields,
    Floats,
    Texts,
    Vectorizer,
    Vocabulary,
)
from rectify_nlp.lexicon import Ints
from rectify_nlp.resources import resource
from rectify_nlp.splitting import split
from rectify_nlp.taxonomy import Taxonomy
from rectify_nlp.types import Evidence, Finding, Issue, Notice, Passage, Report, Verdict

# Raise this when a file changes its meaning, and teach `load` to say which version of
# the package reads the older number; a folder of a higher number is refused.
FORMAT = 2
TASKS = ("category", "status")
_ARRAYS = ("columns", "weights")
_FILES = (
    "terms.txt",
    *(f"{task}.{name}.npy" for task in TASKS for name in _ARRAYS),
    "taxonomy.toml",
)

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
        parts = split(notice, self.taxonomy)
        return Report(
            notice=notice,
            findings=tuple(self.judge(parts.issues, explain=explain)),
            model=self.fingerprint,
            warnings=(*notice.warnings, *parts.warnings),
            totals=parts.totals,
        )

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
        """The folder's files by name, model.json last."""
        described: dict[str, Any] = {}
        files: dict[str, bytes] = {}
        terms = sorted(
            {term for c in self.classifiers.values() for _, term in c.vectorizer.columns()}
        )
        index = {term: i for i, term in enumerate(terms)}
        files["terms.txt"] = "".join([term + "\n" for term in terms]).encode()
        for task, classifier in self.classifiers.items():
            vectorizer = classifier.vectorizer
            columns = np.array([index[term] for _, term in vectorizer.columns()], dtype="<i4")
            weights = np.column_stack([vectorizer.idf, classifier.weights]).astype("<f4")
            files[f"{task}.columns.npy"] = _npy(columns)
            files[f"{task}.weights.npy"] = _npy(weights)
            described[task] = {
                "labels": list(classifier.labels),
                "bias": [float(np.float32(value)) for value in classifier.bias],
                "blocks": [
                    {
                        "name": b.name,
                        "fields": list(b.fields),
                        "words": b.words,
                        "pairs": b.pairs,
                        "weight": b.weight,
                        "columns": len(own),
                    }
                    for b, own in zip(vectorizer.blocks, vectorizer.terms, strict=True)
                ],
                "temperature": classifier.temperature,
                "abstain_below": classifier.abstain_below,
            }
        files["taxonomy.toml"] = self.taxonomy.source.encode()
        description = {"format": FORMAT, **self.info, "classifiers": described}
        digests = {name: _sha256(files[name]) for name in _FILES}
        description["sha256"] = {**digests, "description": _sha256(_canonical(description))}
        files["model.json"] = (
            json.dumps(description, ensure_ascii=False, indent=1) + "\n"
        ).encode()
        return files

    def save(self, folder: Path, card: str = "") -> None:
        """Write the model folder; OutputError where it cannot be written.

        model.json is written last, so that an interrupted save does not load.
        """
        files = self.files()
        if card:
            files = {"README.md": card.encode(), **files}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "model.json").unlink(missing_ok=True)
            for name, content in files.items():
                (folder / name).write_bytes(content)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error

    @classmethod
    def load(cls, folder: Path | None = None) -> Model:
        """The model in `folder`, by default the one that comes with the package.

        ModelError says what is missing, altered, malformed or of a newer format.
        """
        folder = folder or resource("models/default")
        described = _described(folder)
        contents = {name: _read(folder / name) for name in _FILES}
        for name, content in contents.items():
            if _sha256(content) != described["sha256"].get(name):
                raise ModelError(
                    f"{folder / name}: altered since it was saved; train or copy it anew"
                )
        arrays = {
            name: _array(folder / name, content)
            for name, content in contents.items()
            if name.endswith(".npy")
        }
        try:
            taxonomy = Taxonomy.parse(contents["taxonomy.toml"].decode(), folder / "taxonomy.toml")
            vocabulary = Vocabulary(contents["terms.txt"].decode())
            classifiers = {
                task: _classifier(
                    described["classifiers"][task],
                    vocabulary,
                    *(arrays[f"{task}.{name}.npy"] for name in _ARRAYS),
                )
                for task in TASKS
            }
        except (KeyError, TypeError, ValueError, LabelsError) as error:
            raise ModelError(f"{folder}: malformed ({error}); train or copy it anew") from error
        for task, names in (
            ("category", taxonomy.category_names),
            ("status", taxonomy.status_names),
        ):
            if classifiers[task].labels != names:
                raise ModelError(f"{folder}: labels of {task} are not those of its taxonomy")
        info = {k: v for k, v in described.items() if k not in ("format", "classifiers", "sha256")}
        model = cls(classifiers=classifiers, taxonomy=taxonomy, info=info, name=folder.name)
        # Not carried over by dataclasses.replace: a changed model has another fingerprint.
        object.__setattr__(model, "loaded_sha256", _sha256(_read(folder / "model.json")))
        return model

    @cached_property
    def fingerprint(self) -> str:
        """Name and the beginning of the SHA-256 over all that decides a prediction."""
        digest = self.loaded_sha256 or _sha256(self.files()["model.json"])
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


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{path}: {error.strerror}; run `rectify-nlp train` or give --model"
        ) from error


def _described(folder: Path) -> dict[str, Any]:
    path = folder / "model.json"
    try:
        described = json.loads(_read(path))
        number = described["format"]
        described["classifiers"], described["sha256"].keys()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path}: no model description ({error!r})") from error
    if number != FORMAT:
        newer = isinstance(number, int) and number > FORMAT
        remedy = "upgrade rectify-nlp" if newer else "train the model again"
        raise ModelError(f"{path}: format {number}, this version reads {FORMAT}; {remedy}")
    rest = {name: value for name, value in described.items() if name != "sha256"}
    if described["sha256"].get("description") != _sha256(_canonical(rest)):
        raise ModelError(f"{path}: altered since it was saved; train or copy it anew")
    return dict(described)


def _canonical(description: Mapping[str, Any]) -> bytes:
    return json.dumps(description, ensure_ascii=False, sort_keys=True).encode()


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _array(path: Path, content: bytes) -> Any:
    try:
        stream = io.BytesIO(content)
        np.lib.format.read_magic(stream)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        # Where it lies: read_array would copy it.
        array = np.frombuffer(content, dtype, offset=stream.tell())
        array = array.reshape(shape, order="F" if fortran else "C")
    except Exception as error:  # whatever comes of a header that is none
        raise ModelError(f"{path}: not readable ({error})") from error
    kind = "<i4" if path.name.endswith("columns.npy") else "<f4"
    if dtype != np.dtype(kind) or not np.isfinite(array).all():
        raise ModelError(f"{path}: not an array of finite 32-bit numbers ({kind})")
    return array


def _classifier(
    described: Mapping[str, Any], vocabulary: Vocabulary, columns: Any, weights: Any
) -> LinearClassifier:
    blocks = tuple(
        Block(
            name=str(b["name"]),
            fields=tuple(FIELDS[FIELDS.index(f)] for f in b["fields"]),
            words=bool((False, True).index(b["words"])),
            pairs=bool((False, True).index(b["pairs"])),
            weight=float(b["weight"]),
        )
        for b in described["blocks"]
    )
    labels = tuple(str(name) for name in described["labels"])
    bias = np.array([float(value) for value in described["bias"]])
    sizes = [int(b["columns"]) for b in described["blocks"]]
    if bias.shape != (len(labels),) or not np.isfinite(bias).all():
        raise ValueError("bias and labels differ in length")
    if min(sizes) < 0 or columns.shape != (sum(sizes),):
        raise ValueError("blocks and columns differ in length")
    if weights.shape != (len(columns), 1 + len(labels)):
        raise ValueError("columns and weights differ in length")
    temperature, abstain_below = float(described["temperature"]), float(described["abstain_below"])
    if not (0 < temperature < np.inf and 0 <= abstain_below <= 1):
        raise ValueError("temperature or abstention threshold out of range")
    terms = np.split(columns.astype(np.int64), np.cumsum(sizes)[:-1])
    for own in terms:
        # Sorted, so that none stands twice.
        if len(own) and not (
            own[0] >= 0 and own[-1] < len(vocabulary) and (np.diff(own) > 0).all()
        ):
            raise ValueError("the columns of a block are no sorted terms")
    return LinearClassifier(
        labels=labels,
        vectorizer=Vectorizer(blocks, vocabulary, terms, weights[:, 0].astype(np.float64)),
        weights=np.asfortranarray(weights[:, 1:]),
        bias=bias,
        temperature=temperature,
        abstain_below=abstain_below,
    )
