"""Logits of many segments in two compiled passes, where numba is installed (extra `fast`).

The passes do for one segment after another what `lexicon`, `features` and `classifier` do
for all at once, from the same arrays: the terms are the same, the logits equal but for
rounding. numba translates them when they are first needed, which takes seconds, and keeps
the result beside this module or, where that may not be written, in the user's cache folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from math import log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rectify_nlp.classifier import LinearClassifier
from rectify_nlp.codes import Codes
from rectify_nlp.features import FIELDS, Floats, Texts
from rectify_nlp.lexicon import Ints, lexicon
from rectify_nlp.vocabulary import Vocabulary

# Importing numba and what it has kept takes as long as judging so many segments without.
WORTH_IT = 5000

Indexes = NDArray[np.int32]


class Compiled:
    """The classifiers of a model, to be asked for the logits of all their tasks at once."""

    def __init__(self, classifiers: Mapping[str, LinearClassifier]) -> None:
        self._classifiers = classifiers
        self._segments = 0

    def logits(self, texts: Texts) -> dict[str, Floats] | None:
        """What `LinearClassifier.logits` says, by task.

        None where numba is missing, and until `WORTH_IT` segments have come.
        """
        self._segments += texts.segments
        if self._segments < WORTH_IT or (passes := _passes()) is None:
            return None
        count, score = passes
        counted: dict[Vocabulary, tuple[Ints, Indexes, Indexes]] = {}
        result = {}
        for task, classifier in self._classifiers.items():
            vocabulary = classifier.vectorizer.vocabulary
            if vocabulary not in counted:
                counted[vocabulary] = count(texts.codes, texts.bounds, *_of_terms(vocabulary))
            out = np.tile(classifier.bias, (texts.segments, 1))
            score(*counted[vocabulary], *self._of_classifiers[task], out)
            result[task] = out / classifier.temperature
        return result

    @cached_property
    def _of_classifiers(self) -> dict[str, tuple[Any, ...]]:
        """What `score` reads of each classifier."""
        return {
            task: (
                np.array([[f in b.fields for f in FIELDS] for b in c.vectorizer.blocks]),
                np.array([b.weight for b in c.vectorizer.blocks]),
                np.stack(c.vectorizer.column_of, axis=1).astype(np.int32),
                # What is read together lies together. An idf was rounded to 32 bits before.
                _aligned(np.column_stack([c.vectorizer.idf, c.weights]).astype(np.float32)),
            )
            for task, c in self._classifiers.items()
        }


def _aligned(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """A copy that begins with a line of the processor's cache.

    Idf and 15 weights then lie in one line instead of two, and are added twice as fast.
    """
    room = np.empty(rows.nbytes + 64, dtype=np.uint8)
    start = -room.ctypes.data % 64
    copy = room[start : start + rows.nbytes].view(np.float32).reshape(rows.shape)
    copy[:] = rows
    return copy


def _of_terms(vocabulary: Vocabulary) -> tuple[Any, ...]:
    """What `count` reads of the dictionary and of the vocabulary."""
    words, pairs = lexicon(), vocabulary.of_pairs
    return (
        *(words.cells, words.weights, words.labels, words.in_run),
        *(vocabulary.of_words, pairs.cells, pairs.shift, len(vocabulary)),
    )


@cache
def _passes() -> tuple[Callable[..., Any], Callable[..., Any]] | None:
    """`_count` and `_score`, translated; None where that cannot be done once for all runs."""
    try:
        from numba import njit

        translate = njit(cache=True, error_model="numpy")
        return translate(_count), translate(_score)
    except (ImportError, RuntimeError):  # the latter where numba may keep files nowhere
        return None


def _count(
    codes: Codes,
    bounds: Ints,
    cells: Ints,
    weights: Floats,
    labels: Ints,
    in_run: NDArray[np.bool_],
    of_words: Ints,
    pair_cells: Ints,
    pair_shift: int,
    terms: int,
) -> tuple[Ints, Indexes, Indexes]:
    """The distinct terms of each text and how often each occurs.

    Gives where the terms of each text begin and the last end, the terms, their counts.
    """
    size = len(cells)
    digit, letter = size + ord("0"), size + ord("a")
    entries = np.zeros(len(bounds), np.int64)
    found = np.empty(2 * len(codes) + 1, np.int32)
    times = np.empty(2 * len(codes), np.int32)
    longest = (bounds[1:] - bounds[:-1]).max() if len(bounds) > 1 else 0
    best = np.zeros(longest + 1)
    stop = np.empty(longest, np.int64)
    ids = np.empty(longest, np.int64)
    label_at = np.empty(longest, np.int64)
    total = np.zeros(terms + 1, np.int32)
    total[terms] = 1
    used = 0
    for text in range(len(bounds) - 1):
        chars = codes[bounds[text] : bounds[text + 1] - 1]  # without the line feed behind it

        # The best sum from each position to the end of its run: see `Lexicon.cut`.
        best[len(chars)] = 0.0
        for start in range(len(chars) - 1, -1, -1):
            char = np.int64(chars[start])
            stop[start], ids[start] = start + 1, size + char
            basic = min(int(char), 0xFFFF)
            label_at[start] = labels[basic]
            if not in_run[basic]:
                best[start] = 0.0
                continue
            cell = cells[label_at[start]] if label_at[start] else 0
            top = weights[cell >> 16 & 0xFFFF] + best[start + 1]
            at = start + 1
            while cell and at < len(chars) and label_at[at]:
                slot = (cell >> 32) + label_at[at]
                cell = cells[slot]
                if cell & 0xFFFF != label_at[at]:
                    break
                at += 1
                index = cell >> 16 & 0xFFFF
                if index and weights[index] + best[at] >= top:
                    top = weights[index] + best[at]
                    stop[start], ids[start] = at, slot
            best[start] = top

        # A term is noted where it is first counted; with no branch there is none to guess
        # wrong. What is no term is counted as one behind the last, and was before.
        at = 0
        while at < len(chars):
            word = ids[at]
            at = stop[at]
            if word in (digit, letter):
                while at < len(chars) and ids[at] in (digit, letter):
                    word = min(word, ids[at])
                    at = stop[at]
            term = of_words[min(word, len(of_words) - 1)]
            term = term if term >= 0 else terms
            found[used] = term
            used += total[term] == 0
            total[term] += 1
        for at in range(len(chars) - 1):
            one, two = np.int64(chars[at]), np.int64(chars[at + 1])
            if not (0x3400 <= one <= 0x9FFF and 0x3400 <= two <= 0x9FFF):
                continue
            key = one << 16 | two
            slot = (key * 0x9E3779B1 & 0xFFFFFFFF) >> pair_shift
            while pair_cells[slot] >> 31 != key and pair_cells[slot] != 0:
                slot += 1
            term = pair_cells[slot] & 0x7FFFFFFF if pair_cells[slot] else terms
            found[used] = term
            used += total[term] == 0
            total[term] += 1
        for entry in range(entries[text], used):
            times[entry] = total[found[entry]]
            total[found[entry]] = 0
        entries[text + 1] = used
    return entries, found[:used], times[:used]


def _score(
    entries: Ints,
    found: Indexes,
    times: Indexes,
    read: NDArray[np.bool_],
    block_weight: Floats,
    column_of: Indexes,
    rows: NDArray[np.float32],
    out: Floats,
) -> None:
    """Add to each row of `out` what the blocks say of its segment: see `Vectorizer`.

    `rows` has for each column its idf, then its weights.
    """
    fields = read.shape[1]
    labels = out.shape[1]
    total = np.zeros(len(column_of), np.int32)
    seen = np.empty(len(column_of), np.int32)
    sums = np.empty(rows.shape[1])
    for segment in range(len(out)):
        for block in range(len(read)):
            terms = 0
            for field in range(fields):
                text = segment * fields + field
                for entry in range(entries[text], entries[text + 1] if read[block, field] else 0):
                    term = found[entry]
                    if column_of[term, block] >= 0:
                        if total[term] == 0:
                            seen[terms] = term
                            terms += 1
                        total[term] += times[entry]
            square = 0.0
            sums[:] = 0.0
            for i in range(terms):
                column = column_of[seen[i], block]
                value = np.float64(rows[column, 0])
                if total[seen[i]] > 1:
                    value *= 1.0 + log(total[seen[i]])
                total[seen[i]] = 0
                square += value * value
                for at in range(rows.shape[1]):
                    sums[at] += value * rows[column, at]
            if terms:
                scale = block_weight[block] / sqrt(square)
                for label in range(labels):
                    out[segment, label] += sums[label + 1] * scale
