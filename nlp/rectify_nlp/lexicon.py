"""jieba's dictionary, compiled into arrays, and its cut of the most probable words.

The words are those of `jieba.cut(text, HMM=False)`, computed for many texts at once
without a Python step for a character; no dictionary is parsed, so the first cut costs
milliseconds. `scripts/compile_dictionary.py` makes the arrays:

    cells.npy       a double-array trie, one int64 a cell: base << 32 | weight << 16 | label.
                    The child of a cell by a character is the cell at base + label, if that
                    cell bears this label. `weight` 0: no word ends here.
    characters.npy  the characters of labels 1, 2, ... as UTF-16 units
    weights.npy     ln(frequency / total) by index; the first is that of an unknown character
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import count as count_from
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rectify_nlp.codes import Codes, code_points
from rectify_nlp.resources import resource

Ints = NDArray[np.int64]

# What jieba takes for one run, of characters that a normalised text can hold. No word
# holds any but the Han ones, yet the others take part in the sums of a run.
HAN = "\u4e00-\u9fd5"
_OTHERS = "a0+#&._%-"
FREE = 0xFFFF  # the label of a free cell, that of no character

# So many characters are cut at a time: the arrays then stay in the cache.
_PIECE = 1 << 16


class Tokens(NamedTuple):
    """Words and single characters in the order of the text, without gaps.

    `ids` below `Lexicon.size` are words of the dictionary; a single character, word or
    not, is `Lexicon.size` + its code point.
    """

    starts: Ints
    ends: Ints
    ids: Ints


class Lexicon:
    """The compiled dictionary; `size` is a bound of its word ids.

    `cells` and `weights` are told above. By character of the basic plane: its label in
    `labels` (0: none), the base of its cell in `base`, its weight in `alone`, and in
    `in_run` whether it is part of a run; the last of each also serves all other characters.
    """

    def __init__(self, folder: Path) -> None:
        # Mapped: a notice touches few of its pages.
        self.cells = np.load(folder / "cells.npy", mmap_mode="r").view(np.ndarray)
        self.weights = np.load(folder / "weights.npy")
        characters = np.load(folder / "characters.npy")
        self.labels = np.zeros(0x10000, dtype=np.int64)
        self.labels[characters] = np.arange(1, len(characters) + 1)
        first = self.cells[1 : len(characters) + 1]
        self.base = np.zeros(0x10000, dtype=np.int64)
        self.base[characters] = first >> 32
        self.alone = np.full(0x10000, self.weights[0])
        self.alone[characters] = self.weights[first >> 16 & 0xFFFF]
        self.size = len(self.cells)

    @cached_property
    def in_run(self) -> NDArray[np.bool_]:
        table = np.zeros(0x10000, dtype=bool)
        first, _, last = HAN.partition("-")
        table[ord(first) : ord(last) + 1] = True
        table[[ord(char) for char in _OTHERS]] = True
        return table

    def ids(self, words: Sequence[str]) -> Ints:
        """The id that each of `words` has as a token; -1 for what can be none."""
        codes = code_points("".join([word + "\n" for word in words]))
        ends = np.flatnonzero(codes == 10)
        starts = np.append(0, ends[:-1] + 1)[: len(ends)]
        labels = self.labels.take(codes, mode="clip")
        ids = np.where(ends - starts == 1, self.size + codes[starts].astype(np.int64), -1)
        at = np.flatnonzero(ends - starts > 1)
        base = np.zeros(len(at), dtype=np.int64)
        step = 0
        while len(at):
            label = labels[starts[at] + step]
            slot = base + label
            cell = self.cells[slot]
            same = (cell & 0xFFFF == label) & (label > 0)
            word = same & (starts[at] + step + 1 == ends[at]) & (cell >> 16 & 0xFFFF != 0)
            ids[at[word]] = slot[word]
            more = np.flatnonzero(same & (starts[at] + step + 1 < ends[at]))
            at, base = at[more], cell[more] >> 32
            step += 1
        return ids

    def cut(self, codes: Codes) -> Tokens:
        """The words of a normalised text, as jieba cuts them.

        A run of digits and Latin letters is one token, with the id of "0" if it holds a
        digit, else of "a".
        """
        in_run = self.in_run.take(codes, mode="clip")
        breaks = np.append(np.flatnonzero(~in_run), len(codes) - 1) + 1
        bounds = breaks[np.searchsorted(breaks, np.arange(_PIECE, len(codes), _PIECE))]
        starts, ids = [], []
        for start, stop in pairwise([0, *dict.fromkeys(bounds.tolist()), len(codes)]):
            piece_starts, piece_ids = self._cut(codes[start:stop], in_run[start:stop])
            starts.append(piece_starts + start)
            ids.append(piece_ids)
        return self._tokens(np.concatenate(starts), np.concatenate(ids), len(codes))

    def _tokens(self, starts: Ints, ids: Ints, length: int) -> Tokens:
        """Tokens without gaps from their starts; neighbouring digits and letters become one."""
        folded = (ids == self.size + ord("0")) | (ids == self.size + ord("a"))
        heads = np.flatnonzero(~(folded & np.append(False, folded[:-1])))
        starts = starts[heads]
        if len(heads):
            ids = np.minimum.reduceat(ids, heads)
        return Tokens(starts=starts, ends=np.append(starts[1:], length)[: len(starts)], ids=ids)

    def _cut(self, codes: Codes, in_run: NDArray[np.bool_]) -> tuple[Ints, Ints]:
        """Starts and ids of the words of one piece, which ends where a run does.

        Each position's best sum to the end of its run is the best of the words that start
        there, each with the best sum from its end. The sums are those of jieba, taken in
        its order: what is equal there is equal here, and the longest of equals wins.

        All runs are searched at once, from their ends. Positions are numbered for that:
        first the last of every run, the longest run first, then the last but one, and so
        on. The positions at one distance from the end are then neighbours, and in the same
        order at every distance, so that no step has to look anything up.
        """
        edges = np.flatnonzero(np.diff(in_run, prepend=False, append=False))
        firsts, lasts = edges[::2], edges[1::2]
        lengths = lasts - firsts
        rank = np.empty_like(lengths)
        rank[np.argsort(-lengths, kind="stable")] = np.arange(len(lengths))
        longer = len(lengths) - np.cumsum(np.bincount(lengths))
        begin = np.append(0, np.cumsum(longer[:-1]))
        places = np.flatnonzero(in_run)
        to_end = np.repeat(lasts - 1, lengths) - places
        number = np.empty(len(codes), dtype=np.int64)
        number[places] = begin[to_end] + np.repeat(rank, lengths)

        words = [(at, ids, number[at], weights) for at, ids, weights in self._words(codes)]
        sums = np.full((1 + len(words), len(places)), -np.inf)
        sums[0, number[places]] = self.alone[codes[places]]
        for row, (_, _, place, weights) in enumerate(words, 1):
            sums[row, place] = weights
        best = np.zeros(len(places))
        bounds = begin.tolist()
        for step, (low, high) in enumerate(pairwise(bounds)):
            reach = min(step, len(sums))
            for row, start in enumerate(reversed(bounds[step - reach : step])):
                sums[row, low:high] += best[start : start + high - low]
            sums[: step + 1, low:high].max(axis=0, out=best[low:high])

        length = np.ones(len(codes), dtype=np.int64)
        ids = self.size + codes.astype(np.int64)
        for row, (at, slots, place, _) in enumerate(words, 1):
            chosen = np.flatnonzero(sums[row, place] == best[place])
            length[at[chosen]] = row + 1
            ids[at[chosen]] = slots[chosen]
        starts = ~in_run
        inside = np.append(in_run, False)
        at = firsts
        while len(at):
            starts[at] = True
            at = at + length[at]
            at = at[inside[at]]
        start = np.flatnonzero(starts)
        return start, ids[start]

    def _words(self, codes: Codes) -> Iterator[tuple[Ints, Ints, NDArray[np.float64]]]:
        """Start, id and weight of every word in the text, those of two characters first,
        then those of three, and so on."""
        labels = np.append(self.labels.take(codes, mode="clip"), 0)
        known = labels > 0
        at = np.flatnonzero(known[:-1] & known[1:])
        base = self.base[codes[at]]
        for length in count_from(1):
            label = labels[at + length]
            slot = base + label
            cell = self.cells[slot]
            same = np.flatnonzero(cell & 0xFFFF == label)
            if not len(same):
                break
            at, slot, cell = at[same], slot[same], cell[same]
            index = cell >> 16 & 0xFFFF
            word = np.flatnonzero(index)
            yield at[word], slot[word], self.weights[index[word]]
            base = cell >> 32


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The dictionary that comes with the package."""
    return Lexicon(resource("dictionary"))
