"""A trained model: two classifiers, their taxonomy, and a folder that cannot execute anything.

Folder layout (format 1):

    model.json             format, versions, digests, settings, measured scores
    category.terms.txt     one "block<TAB>term" a line, in the order of the weights' rows
    status.terms.txt
    weights.npz            idf, weights, bias of each classifier; loaded without pickle
    taxonomy.toml          the taxonomy it was trained with
    README.md              model card

Loading checks format, digests, shapes and finiteness before anything is used.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rectify_nlp.classifier import LinearClassifier, softmax
from rectify_nlp.errors import LabelsError, ModelError, OutputError
from rectify_nlp.features import FIELDS, MASK, Analysis, Block, Vectorizer
from rectify_nlp.resources import resource
from rectify_nlp.splitting import split
from rectify_nlp.taxonomy import Taxonomy
from rectify_nlp.types import Evidence, Finding, Issue, Notice, Report, Verdict

# Raise this when a file changes its meaning, and teach `load` to say which version of
# the package reads the older number; a folder of a higher number is refused.
FORMAT = 1
TASKS = ("category", "status")
_FILES = ("category.terms.txt", "status.terms.txt", "weights.npz", "taxonomy.toml")
_ARRAYS = ("idf", "weights", "bias")

# Further categories at least this likely are named as secondary, two at most.
ALSO_FROM = 0.2
# A stated status the model finds less likely than this is marked doubtful.
DOUBT_BELOW = 0.15


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
        if not issues:
            return []
        analyses = [analyse(issue) for issue in issues]
        by_task = {
            task: self._verdicts(self.classifiers[task], issues, analyses, explain)
            for task in TASKS
        }
        return [
            Finding(
                issue=issue,
                category=category,
                status=status,
                also=tuple(n for n, p in category.ranking[1:3] if p >= ALSO_FROM),
                doubtful=issue.stated is not None
                and status.probability_of(issue.stated.status) < DOUBT_BELOW,
            )
            for issue, category, status in zip(
                issues, by_task["category"], by_task["status"], strict=True
            )
        ]

    def _verdicts(
        self,
        classifier: LinearClassifier,
        issues: Sequence[Issue],
        analyses: Sequence[Analysis],
        explain: bool,
    ) -> list[Verdict]:
        verdicts = []
        for issue, analysis, row in zip(
            issues, analyses, softmax(classifier.logits(analyses)), strict=True
        ):
            order = sorted(range(len(row)), key=lambda i: (-row[i], i))
            ranking = tuple((classifier.labels[i], float(row[i])) for i in order)
            best, probability = ranking[0]
            evidence: tuple[Evidence, ...] = ()
            if explain:
                offsets = {"problem": issue.problem.start, "measures": issue.measures.start}
                evidence = tuple(_merged(classifier.evidence(analysis, best, offsets)))
            verdicts.append(
                Verdict(
                    label=best if probability >= classifier.abstain_below else None,
                    probability=probability,
                    ranking=ranking,
                    evidence=evidence,
                )
            )
        return verdicts

    # -- storage -----------------------------------------------------------------------

    def files(self) -> dict[str, bytes]:
        """The folder's files by name, model.json last."""
        arrays: dict[str, Any] = {}
        described: dict[str, Any] = {}
        files: dict[str, bytes] = {}
        for task, classifier in self.classifiers.items():
            vectorizer = classifier.vectorizer
            arrays[f"{task}_idf"] = vectorizer.idf.astype("<f4")
            arrays[f"{task}_weights"] = classifier.weights.astype("<f4")
            arrays[f"{task}_bias"] = classifier.bias.astype("<f4")
            lines = "".join(f"{block}\t{term}\n" for block, term in vectorizer.columns())
            files[f"{task}.terms.txt"] = lines.encode()
            described[task] = {
                "labels": list(classifier.labels),
                "blocks": [
                    {
                        "name": b.name,
                        "fields": list(b.fields),
                        "words": b.words,
                        "chars": list(b.chars),
                        "weight": b.weight,
                    }
                    for b in vectorizer.blocks
                ],
                "temperature": classifier.temperature,
                "abstain_below": classifier.abstain_below,
            }
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        files["weights.npz"] = buffer.getvalue()
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
        arrays = _arrays(folder / "weights.npz", contents["weights.npz"])
        try:
            taxonomy = Taxonomy.parse(contents["taxonomy.toml"].decode(), folder / "taxonomy.toml")
            classifiers = {
                task: _classifier(
                    described["classifiers"][task],
                    contents[f"{task}.terms.txt"].decode(),
                    *(arrays[f"{task}_{name}"] for name in _ARRAYS),
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


def analyse(issue: Issue) -> Analysis:
    """What the classifiers may read of an issue: a status it states is masked."""
    hidden = issue.stated.masked if issue.stated else (0, 0)

    def visible(text: str, start: int) -> str:
        low = min(max(hidden[0] - start, 0), len(text))
        high = min(max(hidden[1] - start, 0), len(text))
        return text[:low] + MASK * (high - low) + text[high:]

    return Analysis(
        {
            "path": "\n".join(visible(p.text, p.start) for p in issue.path),
            "problem": visible(issue.problem.text, issue.problem.start),
            "measures": visible(issue.measures.text, issue.measures.start),
        }
    )


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


def _arrays(path: Path, content: bytes) -> dict[str, Any]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, TypeError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: not readable ({error})") from error
    for name, array in arrays.items():
        if array.dtype != np.dtype("<f4") or not np.isfinite(array).all():
            raise ModelError(f"{path}: {name} is not an array of finite 32-bit numbers")
    return arrays


def _classifier(
    described: Mapping[str, Any], terms: str, idf: Any, weights: Any, bias: Any
) -> LinearClassifier:
    blocks = tuple(
        Block(
            name=str(b["name"]),
            fields=tuple(FIELDS[FIELDS.index(f)] for f in b["fields"]),
            words=int(b["words"]),
            chars=tuple(int(n) for n in b["chars"]),
            weight=float(b["weight"]),
        )
        for b in described["blocks"]
    )
    labels = tuple(str(name) for name in described["labels"])
    vocabularies: dict[str, dict[str, int]] = {block.name: {} for block in blocks}
    lines = terms.split("\n")[:-1]
    for column, line in enumerate(lines):
        block, _, term = line.partition("\t")
        vocabularies[block][term] = column
    if idf.shape != (len(lines),) or weights.shape != (len(lines), len(labels)):
        raise ValueError("terms, idf and weights differ in length")
    if sum(map(len, vocabularies.values())) != len(lines):
        raise ValueError("a term stands twice")
    temperature, abstain_below = float(described["temperature"]), float(described["abstain_below"])
    if not (0 < temperature < np.inf and 0 <= abstain_below <= 1):
        raise ValueError("temperature or abstention threshold out of range")
    if bias.shape != (len(labels),):
        raise ValueError("bias and labels differ in length")
    return LinearClassifier(
        labels=labels,
        vectorizer=Vectorizer(
            blocks, [vocabularies[b.name] for b in blocks], idf.astype(np.float64)
        ),
        weights=weights,
        bias=bias.astype(np.float64),
        temperature=temperature,
        abstain_below=abstain_below,
    )
