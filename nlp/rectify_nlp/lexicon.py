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

from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import count as count_from
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rectify_nlp.folding import Codes, code_points
from rectify_nlp.resources import resource

Ints = NDArray[np.int64]

# What jieba takes for one run, of characters that a normalised text can hold. No word
# holds any but the Han ones, yet the others take part in the sums of a run.
HAN = "\u4e00-\u9fd5"
_OTHERS = "a0+#&._%-"
FREE = 0xFFFF  # the label of a free cell, that of no character

# A step of the vectorised search serves all runs at once, and there are as many as the
# longest run has characters; the few longer ones are searched one by one.
_LONG = 400
# So many characters are cut at a time: the arrays then stay in the cache.
_PIECE = 1 << 16


class Tokens(NamedTuple):
    """Words and single characters in the order of the text, without gaps.

    `ids` below `Lexicon.size` are words of the dictionary; a character that is none is
    `Lexicon.size` + its code point.
    """

    starts: Ints
    ends: Ints
    ids: Ints


class Lexicon:
    """The compiled dictionary; `size` is a bound of its word ids."""

    def __init__(self, folder: Path) -> None:
        # Mapped: a notice touches few of its pages.
        self._cells = np.load(folder / "cells.npy", mmap_mode="r").view(np.ndarray)
        self._weights = np.load(folder / "weights.npy")
        characters = np.load(folder / "characters.npy")
        self._labels = np.zeros(0x10000, dtype=np.int64)
        self._labels[characters] = np.arange(1, len(characters) + 1)
        self.size = len(self._cells)

    @cached_property
    def _in_run(self) -> NDArray[np.bool_]:
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
        labels = self._labels.take(codes, mode="clip")
        ids = np.where(ends - starts == 1, self.size + codes[starts].astype(np.int64), -1)
        at = np.flatnonzero(ends > starts)
        base = np.zeros(len(at), dtype=np.int64)
        step = 0
        while len(at):
            label = labels[starts[at] + step]
            slot = base + label
            cell = self._cells[slot]
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
        in_run = self._in_run.take(codes, mode="clip")
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
        """
        edges = np.flatnonzero(np.diff(in_run, prepend=False, append=False))
        firsts, lasts = edges[::2], edges[1::2]
        lengths = lasts - firsts
        places = np.flatnonzero(in_run)
        to_end = np.repeat(lasts, lengths) - places
        long = np.repeat(lengths > _LONG, lengths)
        order = np.concatenate(
            [
                places[~long][np.argsort(to_end[~long].astype(np.uint16), kind="stable")],
                places[long][::-1],
            ]
        )
        together = np.cumsum(np.bincount(to_end[~long])).tolist()
        one_by_one = range(len(order) - int(long.sum()), len(order) + 1)

        stop, ids, sums, groups = self._candidates(codes, in_run, order)
        best = np.zeros(len(codes) + 1)
        for low, high in pairwise([*together, *one_by_one]):
            part = slice(groups[low], groups[high])
            sums[part] += best[stop[part]]
            best[order[low:high]] = np.maximum.reduceat(sums[part], groups[low:high] - groups[low])
        words = np.diff(groups)
        chosen = np.flatnonzero(sums == np.repeat(best[order], words))
        begin = np.repeat(order, words)[chosen]
        id_at = self.size + codes.astype(np.int64)
        id_at[begin] = ids[chosen]
        stop_at = np.empty(len(codes), dtype=np.int64)
        stop_at[begin] = stop[chosen]

        starts = ~in_run
        inside = np.append(in_run, False)
        at = firsts
        while len(at):
            starts[at] = True
            at = stop_at[at]
            at = at[inside[at]]
        start = np.flatnonzero(starts)
        return start, id_at[start]

    def _candidates(
        self, codes: Codes, in_run: NDArray[np.bool_], order: Ints
    ) -> tuple[Ints, Ints, NDArray[np.float64], Ints]:
        """End, id and weight of every word in the text, and where those of each start begin.

        Starts are in `order`; words of one start run from short to long. Where none
        starts, the character stands for itself.
        """
        labels = np.append(self._labels.take(codes, mode="clip"), 0)
        count = np.zeros(len(codes), dtype=np.int64)
        found = []
        at = np.flatnonzero(labels)
        slot = labels[at]
        cell = self._cells[slot]
        for length in count_from(1):
            index = cell >> 16 & 0xFFFF
            word = np.flatnonzero(index)
            found.append((length, at[word], slot[word], self._weights[index[word]]))
            count[at[word]] += 1
            label = labels[at + length]
            slot = (cell >> 32) + label
            cell = self._cells[slot]
            same = np.flatnonzero(cell & 0xFFFF == label)
            if not len(same):
                break
            at, slot, cell = at[same], slot[same], cell[same]
        alone = np.flatnonzero(in_run & (count == 0))
        unknown = np.full(len(alone), self._weights[0])
        found.append((1, alone, self.size + codes[alone].astype(np.int64), unknown))
        count[alone] = 1

        groups = np.concatenate([[0], np.cumsum(count[order])])
        stop, ids = np.empty((2, groups[-1]), dtype=np.int64)
        weight = np.empty(groups[-1])
        free = np.empty(len(codes), dtype=np.int64)
        free[order] = groups[:-1]
        for length, at, slot, weights in found:
            row = free[at]
            stop[row], ids[row], weight[row] = at + length, slot, weights
            free[at] += 1
        return stop, ids, weight, groups


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The dictionary that comes with the package."""
    return Lexicon(resource("dictionary"))
