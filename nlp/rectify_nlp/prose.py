"""What each sentence of running prose tells: a problem, what was done about it, or neither.

Where nothing is numbered or labelled the wording alone tells, and what stands around it. A
linear classifier judges every sentence by its words and pairs of characters; the most
probable sequence is found (Viterbi) with how often one kind follows another, within a
paragraph and from one to the next. Its scores are posteriors divided by priors, which
stand for likelihoods in a hidden Markov model (Bourlard and Morgan, 1994).
`scripts/learn_prose.py` learns both from labels/prose.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from rectify_nlp.classifier import LinearClassifier
from rectify_nlp.features import Fields, Floats, Texts
from rectify_nlp.modelfolder import unpack_classifiers
from rectify_nlp.patterns import pattern
from rectify_nlp.resources import resource
from rectify_nlp.sentences import (
    BOTH,
    HEADING,
    MEASURES,
    OTHER,
    PROBLEM,
    Sentence,
    sentences_of,
)

TASK = "sentence"

_COMMA = pattern("[,;]")
_LONGEST_HEADING = 44
# Hardly a sentence has so many characters. More are not read, and a longer one is not parted: each
# of its commas would cost as much as the whole.
_LONGEST_READ = 1000
_ENDED = "。!?;"
# Alone on its line never anything but a heading.
_SHORT = pattern(
    r"[^,。;:!?\n]{2,12}|(?:[一二三四五六七八九十]{1,3}、|[(][一二三四五六七八九十]{1,3}[)])[^。;:!?\n]{2,40}"
)
# A heading also where it begins a paragraph.
_ASPECT = pattern(r"[^,。;:\n]{2,24}方面[。:]?")


# How a sentence begins (who acts?) and ends, in characters.
_OPENING = 6


def fields(sentence: str) -> Fields:
    """What the classifier reads of a sentence: its words, how it opens and how it ends, in the
    fields that a segment has its problem, path and measures in."""
    return {"problem": sentence, "path": sentence[:_OPENING], "measures": sentence[-_OPENING:]}


class Prose:
    """Tells the kinds of sentences.

    `transitions[opens][before][kind]`: the ln of how often a kind follows another, within a
    paragraph (0) and at the start of one (1).
    """

    def __init__(self, classifier: LinearClassifier, transitions: Floats) -> None:
        self.classifier = classifier
        self.transitions = transitions

    def kinds(self, folded: str, found: Sequence[Sentence]) -> list[int]:
        """The kind of each sentence, as an index into `KINDS`."""
        if not found:
            return []
        texts = [folded[s.start : s.end] for s in found]
        scores = self._scores(texts)
        for i, (sentence, text) in enumerate(zip(found, texts, strict=True)):
            alone = sentence.opens and (i + 1 == len(found) or found[i + 1].opens)
            if _ASPECT.fullmatch(text) or (alone and _SHORT.fullmatch(text)):
                scores[i, :HEADING] = scores[i, HEADING + 1 :] = -np.inf
            elif not (alone and len(text) <= _LONGEST_HEADING and text[-1] not in _ENDED):
                scores[i, HEADING] = -np.inf
        # What the text begins with stands as if below a heading.
        best = self.transitions[1, HEADING] + scores[0]
        before = []
        for sentence, score in zip(found[1:], scores[1:], strict=True):
            step = best[:, None] + self.transitions[int(sentence.opens)]
            before.append(step.argmax(axis=0))
            best = step.max(axis=0) + score
        kind = int(best.argmax())
        kinds = [kind]
        for choice in reversed(before):
            kind = int(choice[kind])
            kinds.append(kind)
        return kinds[::-1]

    def told(self, folded: str, start: int, end: int) -> tuple[list[Sentence], list[int]]:
        """The sentences between two positions and their kinds; one that tells both, a problem and
        what was done, is cut at the comma between them."""
        found: list[Sentence] = []
        kinds: list[int] = []
        whole = list(sentences_of(folded, start, end))
        for sentence, kind in zip(whole, self.kinds(folded, whole), strict=True):
            comma = self.parted(folded[sentence.start : sentence.end])[0] if kind == BOTH else -1
            if comma < 0:
                found.append(sentence)
                kinds.append(PROBLEM if kind == BOTH else kind)
            else:
                comma += sentence.start
                found.append(Sentence(sentence.start, comma, sentence.opens))
                found.append(Sentence(comma + 1, sentence.end, False))
                kinds += [PROBLEM, MEASURES]
        return found, kinds

    def leans(self, sentence: str) -> float:
        """By how many nats a sentence by itself tells a problem rather than what was done, or neither."""
        (scores,) = self._scores([sentence])
        return float(scores[PROBLEM] - max(scores[MEASURES], scores[OTHER]))

    def parted(self, sentence: str) -> tuple[int, float, float]:
        """At which comma a sentence is best parted into a problem and what was done about it, and
        by how many nats the one tells a problem, and the other a deed; -1 without a comma."""
        commas = [match.start() for match in _COMMA.finditer(sentence, 1, len(sentence) - 1)]
        if not commas or len(sentence) > _LONGEST_READ:
            return -1, -np.inf, -np.inf
        left = self._scores([sentence[:comma] for comma in commas])
        right = self._scores([sentence[comma + 1 :] for comma in commas])
        problem = left[:, PROBLEM] - left[:, MEASURES]
        deed = right[:, MEASURES] - right[:, PROBLEM]
        best = int((problem + deed).argmax())
        return commas[best], float(problem[best]), float(deed[best])

    def _scores(self, texts: Sequence[str]) -> Floats:
        return self.classifier.logits(Texts([fields(text[:_LONGEST_READ]) for text in texts]))


def read_prose(folder: Path) -> Prose:
    """What `scripts/learn_prose.py` wrote to `folder`."""
    described = json.loads((folder / "model.json").read_bytes())
    contents = {path.name: path.read_bytes() for path in folder.iterdir()}
    classifiers = unpack_classifiers(folder, described["classifiers"], contents)
    return Prose(classifiers[TASK], np.array(described["transitions"]))


@lru_cache(maxsize=1)
def prose() -> Prose:
    """The one that comes with the package."""
    return read_prose(resource("models/prose"))
