"""The folder of a model: data that cannot execute anything, verified as it is read.

    model.json               format, versions, digests, settings, labels, biases, measured scores
    terms.txt                the terms of both classifiers, one a line, sorted
    category.columns.npy     which of them each column of the classifier stands for (int32)
    category.weights.npy     a row for each column: its idf, then its weight for each label (float32)
    status.columns.npy
    status.weights.npy
    taxonomy.toml            the taxonomy it was trained with
    README.md                model card

Reading checks format, digests, shapes and finiteness before anything is used.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rectify_nlp.classifier import LinearClassifier
from rectify_nlp.errors import LabelsError, ModelError, OutputError
from rectify_nlp.features import FIELDS, Block, Vectorizer
from rectify_nlp.taxonomy import Taxonomy
from rectify_nlp.vocabulary import Vocabulary

# Raise this when a file changes its meaning, and teach `unpack` to say which version of
# the package reads the older number; a folder of a higher number is refused.
FORMAT = 2
TASKS = ("category", "status")
_ARRAYS = ("columns", "weights")
_FILES = (
    "terms.txt",
    *(f"{task}.{name}.npy" for task in TASKS for name in _ARRAYS),
    "taxonomy.toml",
)


class Contents(NamedTuple):
    """What a folder holds: classifiers by task, taxonomy and what model.json tells of them."""

    classifiers: Mapping[str, LinearClassifier]
    taxonomy: Taxonomy
    info: Mapping[str, Any]


def pack(contents: Contents) -> dict[str, bytes]:
    """The folder's files by name, model.json last."""
    described, files = pack_classifiers(contents.classifiers)
    files["taxonomy.toml"] = contents.taxonomy.source.encode()
    description = {"format": FORMAT, **contents.info, "classifiers": described}
    digests = {name: sha256(files[name]) for name in _FILES}
    description["sha256"] = {**digests, "description": sha256(_canonical(description))}
    files["model.json"] = (json.dumps(description, ensure_ascii=False, indent=1) + "\n").encode()
    return files


def pack_classifiers(
    classifiers: Mapping[str, LinearClassifier],
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What a description tells of each classifier, and the files of their terms and weights."""
    described: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    terms = sorted({term for c in classifiers.values() for _, term in c.vectorizer.columns()})
    index = {term: i for i, term in enumerate(terms)}
    files["terms.txt"] = "".join([term + "\n" for term in terms]).encode()
    for task, classifier in classifiers.items():
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
    return described, files


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write `files`, of which model.json comes last: an interrupted save does not load.

    OutputError where they cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.json").unlink(missing_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error


def unpack(folder: Path) -> tuple[Contents, str]:
    """What `folder` holds, and the SHA-256 of its model.json.

    ModelError says what is missing, altered, malformed or of a newer format.
    """
    described = _described(folder)
    contents = {name: _read(folder / name) for name in _FILES}
    for name, content in contents.items():
        if sha256(content) != described["sha256"].get(name):
            raise ModelError(f"{folder / name}: altered since it was saved; train or copy it anew")
    try:
        taxonomy = Taxonomy.parse(contents["taxonomy.toml"].decode(), folder / "taxonomy.toml")
        classifiers = unpack_classifiers(
            folder, {task: described["classifiers"][task] for task in TASKS}, contents
        )
    except (KeyError, TypeError, ValueError, LabelsError) as error:
        raise ModelError(f"{folder}: malformed ({error}); train or copy it anew") from error
    for task, names in (
        ("category", taxonomy.category_names),
        ("status", taxonomy.status_names),
    ):
        if classifiers[task].labels != names:
            raise ModelError(f"{folder}: labels of {task} are not those of its taxonomy")
    info = {k: v for k, v in described.items() if k not in ("format", "classifiers", "sha256")}
    return Contents(classifiers, taxonomy, info), sha256(_read(folder / "model.json"))


def unpack_classifiers(
    folder: Path, described: Mapping[str, Any], contents: Mapping[str, bytes]
) -> dict[str, LinearClassifier]:
    """What `pack_classifiers` was given. `folder` is named in errors: ModelError for an array
    that cannot be read, KeyError, TypeError or ValueError for what does not fit together."""
    arrays = {
        name: _array(folder / name, content)
        for name, content in contents.items()
        if name.endswith(".npy")
    }
    vocabulary = Vocabulary(contents["terms.txt"].decode())
    return {
        task: _classifier(
            description, vocabulary, *(arrays[f"{task}.{name}.npy"] for name in _ARRAYS)
        )
        for task, description in described.items()
    }


def sha256(content: bytes) -> str:
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
    if described["sha256"].get("description") != sha256(_canonical(rest)):
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
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("not of version 1.0")
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
