"""Learn from labels/prose what sentences of running prose tell, and write models/prose.

    python scripts/learn_prose.py [FOLDER]

Prints first what it is worth on notices of authors left out of the learning: how many
sentences get the right kind, and how many problems exactly their sentences. The first
letter of a file's name is its author's. Each line of a file is a tag (H heading, P problem,
M measures, O neither, B both), a blank and a sentence; an empty line ends a paragraph.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rectify_nlp.classifier import LinearClassifier, Settings
from rectify_nlp.errors import LabelsError
from rectify_nlp.features import Block, Counts, Floats
from rectify_nlp.folding import fold
from rectify_nlp.modelfolder import pack_classifiers, write
from rectify_nlp.prose import TASK, Prose, fields
from rectify_nlp.sentences import (
    BOTH,
    HEADING,
    KINDS,
    MEASURES,
    OTHER,
    PROBLEM,
    Sentence,
    problems,
)

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "models" / "prose"
TAGS = {"P": PROBLEM, "M": MEASURES, "O": OTHER, "H": HEADING, "B": BOTH}
# See `prose.fields`.
BLOCKS = (
    Block("sentence", ("problem",), words=True, pairs=True),
    Block("opening", ("path",), words=True, pairs=True, weight=0.5),
    Block("ending", ("measures",), words=True, pairs=True, weight=0.5),
)
# Chosen, as the blocks and what follows, by the problems found in notices of authors left out.
# Of what was compared most comes within a hundredth; without openings and endings one is lost,
# with theirs as heavy as the sentence three.
SETTINGS = Settings(BLOCKS, inverse_regularisation=5.0, balance=0.0)
# What a sentence says counts so many times as much as what stands before it.
SHARPNESS = 1.5
# Of so many problems that their measures follow in the paragraph one is joined with them.
JOINED = 4
# Added to every count of one kind behind another.
UNSEEN = 2.0


class Text(NamedTuple):
    """A notice: its folded text, its sentences and their kinds."""

    author: str
    folded: str
    sentences: list[Sentence]
    kinds: list[int]

    def told(self) -> list[tuple[str, int]]:
        """Its sentences, each with its kind."""
        spans = zip(self.sentences, self.kinds, strict=True)
        return [(self.folded[s.start : s.end], kind) for s, kind in spans]


def text_of(path: Path) -> Text:
    folded = ""
    found: list[Sentence] = []
    kinds: list[int] = []
    opens = True
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        tag, _, words = line.strip().partition(" ")
        if not tag:
            opens = True
            continue
        if tag not in TAGS or not words.strip():
            raise LabelsError(
                path, number, f"a line begins with one of {', '.join(TAGS)} and a blank"
            )
        opens = opens or tag == "H"
        sentence = fold(words.strip())
        folded += "\n" if opens else ""
        found.append(Sentence(len(folded), len(folded) + len(sentence), opens))
        kinds.append(TAGS[tag])
        folded += sentence
        opens = tag == "H"
    return Text(path.name[0], folded, found, kinds)


def joined(text: Text) -> Text:
    """The text as careless typists have it: a comma between some problems and their measures."""
    folded = ""
    found: list[Sentence] = []
    kinds: list[int] = []
    number = 0
    last = -1
    for sentence, (words, kind) in zip(text.sentences, text.told(), strict=True):
        if last == PROBLEM and kind == MEASURES and not sentence.opens and folded.endswith("。"):
            number += 1
            if number % JOINED == 0:
                folded = folded[:-1] + "," + words
                found[-1] = found[-1]._replace(end=len(folded))
                kinds[-1] = last = BOTH
                continue
        folded += "\n" if sentence.opens else ""
        found.append(Sentence(len(folded), len(folded) + len(words), sentence.opens))
        kinds.append(kind)
        folded += words
        last = kind
    return Text(text.author, folded, found, kinds)


def learn(texts: Sequence[Text]) -> Prose:
    careless = [joined(text) for text in texts]
    told = [pair for text in texts for pair in text.told()]
    told += [pair for text in careless for pair in text.told() if pair[1] == BOTH]
    segments = [fields(sentence) for sentence, _ in told]
    kinds = [kind for _, kind in told]
    fitted = LinearClassifier.fit(
        Counts(segments, BLOCKS),
        range(len(segments)),
        [KINDS[kind] for kind in kinds],
        KINDS,
        SETTINGS,
    )
    priors = np.log(np.bincount(kinds, minlength=len(KINDS)) / len(kinds))
    classifier = replace(
        fitted,
        bias=(fitted.bias - priors).astype(np.float32).astype(float),
        temperature=1 / SHARPNESS,
    )
    return Prose(classifier, transitions([*texts, *careless]))


def transitions(texts: Sequence[Text]) -> Floats:
    counts = np.full((2, len(KINDS), len(KINDS)), UNSEEN)
    for text in texts:
        before = HEADING
        for sentence, kind in zip(text.sentences, text.kinds, strict=True):
            counts[int(sentence.opens), before, kind] += 1
            before = kind
    shares: Floats = np.log(counts / counts.sum(axis=2, keepdims=True)).round(6)
    return shares


class Score(NamedTuple):
    """On the notices of one author, learned from the others: the share of sentences that got the
    right kind, how many problems there are, and the F1 of those found with their sentences."""

    sentences: float
    expected: int
    problems: float


def score(texts: Sequence[Text], author: str) -> Score:
    prose = learn([text for text in texts if text.author != author])
    right = sentences = expected = given = found = 0
    for text in (text for text in texts if text.author == author):
        kinds = prose.kinds(text.folded, text.sentences)
        right += sum(map(int.__eq__, kinds, text.kinds))
        sentences += len(kinds)
        wanted = {span[:2] for span in problems(text.sentences, text.kinds)}
        read = {span[:2] for span in problems(text.sentences, kinds)}
        expected += len(wanted)
        given += len(read)
        found += len(wanted & read)
    return Score(right / sentences, expected, 2 * found / (expected + given))


def save(prose: Prose, folder: Path) -> None:
    described, files = pack_classifiers({TASK: prose.classifier})
    description = {"classifiers": described, "transitions": prose.transitions.tolist()}
    files["model.json"] = (json.dumps(description, indent=1) + "\n").encode()
    write(folder, files)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    texts = [text_of(path) for path in sorted((ROOT / "labels" / "prose").glob("*.txt"))]
    for author in sorted({text.author for text in texts if PROBLEM in text.kinds}):
        found = score(texts, author)
        print(
            f"author {author}, learned from the others: {found.sentences:.3f} of the sentences, "
            f"{found.expected} problems F1 {found.problems:.3f}"
        )
    save(learn(texts), folder)
    print(f"{folder}: {len(texts)} texts, {sum(len(t.kinds) for t in texts)} sentences")


if __name__ == "__main__":
    main()
