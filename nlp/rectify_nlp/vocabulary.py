"""The terms of a model by integer keys: what turns tokens of a text into columns."""

from __future__ import annotations

from functools import cached_property
from operator import lt

import numpy as np

from rectify_nlp.codes import Codes, code_points
from rectify_nlp.lexicon import Ints, lexicon

# Marks a pair of characters among the terms and keeps it apart from a word of the same.
PAIR = "#"


def pair_keys(first: Codes, second: Codes) -> Ints:
    """The key of each pair of characters of the basic plane."""
    return first.astype(np.int64) << 16 | second


class Vocabulary:
    """Terms, and where each stands among them.

    `lines` are the terms, sorted, each with a line feed. The key of a word is its id in the
    lexicon, that of a pair its characters, 16 bits each. ValueError for terms that are not
    sorted or are none.
    """

    def __init__(self, lines: str) -> None:
        if lines and not lines.endswith("\n"):
            raise ValueError("the last term has no line feed")
        self.lines = lines
        # Pairs stand before all words, as a line of four each.
        pairs = ("\n" + lines).rfind("\n" + PAIR)
        words = lines if pairs < 0 else lines[pairs + 4 :]
        self._words = words.split("\n")[:-1]
        codes = code_points(lines[: len(lines) - len(words)])
        if len(codes) % 4 or (codes[::4] != ord(PAIR)).any() or (codes[3::4] != ord("\n")).any():
            raise ValueError("the terms are no pairs and words behind them")
        self._pairs = pair_keys(codes[1::4], codes[2::4])
        if (np.diff(self._pairs) <= 0).any() or not all(map(lt, (PAIR, *self._words), self._words)):
            raise ValueError("the terms are not sorted")

    def __len__(self) -> int:
        return len(self._pairs) + len(self._words)

    @cached_property
    def terms(self) -> tuple[str, ...]:
        return tuple(self.lines.split("\n")[:-1])

    def indexes(self, words: Ints, pairs: Ints) -> Ints:
        """Where the terms of these keys stand, words and then pairs; -1 for other keys."""
        return np.append(self.of_words.take(words, mode="clip"), self.of_pairs.get(pairs))

    @cached_property
    def of_words(self) -> Ints:
        """The position of each word by its key; the last is that of any larger key."""
        keys = lexicon().ids(self._words)
        table = np.full(max(lexicon().size, keys.max(initial=0)) + 2, -1, dtype=np.int32)
        table[keys] = np.arange(len(self._pairs), len(self))
        table[-1] = -1  # also the place of words that no text can be cut into
        return table

    @cached_property
    def of_pairs(self) -> _Table:
        return _Table(self._pairs)


class _Table:
    """A hash table from distinct keys, of 32 bits and none of them 0, to their positions.

    A cell holds key << 31 | position, or 0.
    """

    def __init__(self, keys: Ints) -> None:
        # A quarter full at most: nearly every search then ends where it begins.
        self.shift = 31 - max(2, len(keys) * 2).bit_length()
        # What runs over the end has room behind it.
        self.cells = np.zeros((1 << 32 - self.shift) + len(keys) + 1, dtype=np.int64)
        cells = keys << 31 | np.arange(len(keys))
        slots = self._slots(keys)
        while len(cells):
            free = np.flatnonzero(self.cells[slots] == 0)
            self.cells[slots[free]] = cells[free]
            rest = np.flatnonzero(self.cells[slots] != cells)
            cells, slots = cells[rest], slots[rest] + 1

    def _slots(self, keys: Ints) -> Ints:
        # Fibonacci hashing (Knuth, volume 3, 6.4).
        return (keys * 0x9E3779B1 & 0xFFFFFFFF) >> self.shift

    def get(self, keys: Ints) -> Ints:
        """The position of each key, -1 for one that is not there."""
        slots = self._slots(keys)
        cells = self.cells[slots]
        differ = cells >> 31 != keys
        result = cells & 0x7FFFFFFF
        result[differ] = -1
        rest = np.flatnonzero(differ & (cells != 0))
        while len(rest):
            slots[rest] += 1
            cells = self.cells[slots[rest]]
            same = cells >> 31 == keys[rest]
            result[rest[same]] = cells[same] & 0x7FFFFFFF
            rest = rest[~same & (cells != 0)]
        return result
