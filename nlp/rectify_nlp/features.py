"""Texts to terms with offsets, and terms to TF-IDF values, for many segments at once.

A term is a word (`lexicon` cuts them) or a pair of neighbouring Han characters. Before
cutting, digits are folded to "0" and Latin letters to "a", one character to one, since
numbers, dates and names are where tokenizers differ and where wording does not
generalise. Nothing here takes a Python step for a term: terms are integer keys, which a
vocabulary turns into indexes, and sorting the indexes counts them.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import lt
from string import ascii_letters, digits
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rectify_nlp.folding import (
    HALF_WIDTH,
    TONED,
    TRADITIONAL,
    Codes,
    Folded,
    code_points,
    replaced,
    replacements,
    string,
)
from rectify_nlp.lexicon import Ints, lexicon

FIELDS = ("path", "problem", "measures")
# The filler that hides a stated status: no word, no pair, one character for one.
MASK = "\u25a1"
# Marks a pair of characters among the terms and keeps it apart from a word of the same.
PAIR = "#"

Fields = Mapping[str, str]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Block:
    """A group of features, TF-IDF weighted and normalised by itself; `weight` scales it."""

    name: str
    fields: tuple[str, ...]
    words: bool = True
    pairs: bool = False
    weight: float = 1.0


@lru_cache(maxsize=1)
def _normal_forms() -> Codes:
    """The character that stands for each of the basic plane: half-width, "0" or "a"."""
    classes = {char: "0" if char in digits else "a" for char in digits + ascii_letters}
    return replacements({ord(char): ord(mark) for char, mark in classes.items()})[
        replacements(HALF_WIDTH)
    ]


@lru_cache(maxsize=1)
def _unfolded() -> NDArray[np.bool_]:
    """Which characters of the basic plane ask for more folding than a table can do."""
    table = np.zeros(0x10000, dtype=bool)
    table[[ord(char) for char in TRADITIONAL]] = True
    table[ord(TONED[0]) : ord(TONED[-1]) + 1] = True
    return table


def normalise(text: str) -> str:
    """The text as it is cut, of the same length."""
    return string(replaced(code_points(text), _normal_forms()))


class Found(NamedTuple):
    """Occurrences of terms: which term, in which text, from where to where in it.

    `text` counts fields: 3 * segment + position in `FIELDS`.
    """

    term: Ints
    text: Ints
    start: Ints
    end: Ints


class Counted(NamedTuple):
    """How often a term occurs in a segment's fields; sorted by segment and term."""

    segment: Ints
    term: Ints
    times: Ints


def _count(found: Found, fields: tuple[str, ...], terms: int) -> Counted:
    segment, field = np.divmod(found.text, len(FIELDS))
    read = np.flatnonzero(np.array([name in fields for name in FIELDS])[field])
    key = segment[read] * terms + found.term[read]
    # Half as wide sorts twice as fast.
    key = np.sort(key.astype(np.uint32) if key.max(initial=0) < 1 << 32 else key)
    head = heads(key)
    segment, term = np.divmod(key[head].astype(np.int64), terms)
    return Counted(segment, term, np.diff(head, append=len(key)))


def heads(sorted_: NDArray[Any]) -> Ints:
    """Where each run of equal values begins."""
    if not len(sorted_):
        return np.zeros(0, dtype=np.int64)
    return np.append(0, np.flatnonzero(sorted_[1:] != sorted_[:-1]) + 1)


class Texts:
    """The fields of many segments, folded and cut; made once, read by every classifier."""

    def __init__(self, segments: Sequence[Fields]) -> None:
        self.segments = len(segments)
        texts = [segment.get(name, "") for segment in segments for name in FIELDS]
        self._places: dict[int, tuple[int, ...]] = {}
        codes, starts = _joined(texts)
        special = np.flatnonzero(_unfolded()[np.minimum(codes, 0xFFFF)])
        if len(special):
            for index in np.unique(np.searchsorted(starts, special, "right") - 1).tolist():
                folded = Folded.of(texts[index])
                texts[index] = folded.text
                if folded.places is not None:
                    self._places[index] = folded.places
            codes, starts = _joined(texts)
        self._codes = replaced(codes, _normal_forms())
        self._starts = starts
        self._owner = np.repeat(np.arange(len(texts)), np.diff(starts, append=len(codes)))
        self._vocabulary: Vocabulary | None = None
        self._counted: dict[tuple[str, ...], Counted] = {}

    @cached_property
    def _keyed(self) -> Found:
        """Every word and then every pair, `term` being its key: see `Vocabulary`."""
        codes = self._codes
        tokens = lexicon().cut(codes)
        han = (codes >= 0x3400) & (codes <= 0x9FFF)
        pair = np.flatnonzero(han[:-1] & han[1:])
        start = np.append(tokens.starts, pair)
        return Found(
            term=np.append(tokens.ids, _pair_keys(codes[pair], codes[pair + 1])),
            text=self._owner[start],
            start=start,
            end=np.append(tokens.ends, pair + 2),
        )

    def find(self, vocabulary: Vocabulary) -> Found:
        """Occurrences of the vocabulary's terms, words first."""
        if self._vocabulary is not vocabulary:
            self._vocabulary = vocabulary
            self._counted.clear()
            every = self._keyed
            term = vocabulary.indexes(every.term)
            known = np.flatnonzero(term >= 0)
            self._found = Found(
                term=term[known],
                text=every.text[known],
                start=every.start[known],
                end=every.end[known],
            )
        return self._found

    def count(self, vocabulary: Vocabulary, fields: tuple[str, ...]) -> Counted:
        """How often each term occurs in `fields`, which is counted once."""
        found = self.find(vocabulary)
        counted = self._counted.get(fields)
        if counted is None:
            counted = self._counted[fields] = _count(found, fields, len(vocabulary.terms))
        return counted

    def vocabulary(self) -> Vocabulary:
        """Every term of these texts."""
        text, every = string(self._codes), self._keyed
        keys, first = np.unique(every.term, return_index=True)
        marks = np.where(keys >= _PAIRS_FROM, PAIR, "").tolist()
        spans = zip(marks, every.start[first].tolist(), every.end[first].tolist(), strict=True)
        terms = [_term(mark, text[start:end]) for mark, start, end in spans]
        return Vocabulary(sorted(filter(None, terms)))

    def place(self, text: int, start: int, end: int) -> tuple[int, int]:
        """Where a span of `Found` lies in the text of its field as given."""
        first = int(self._starts[text])
        start, end = start - first, end - first
        places = self._places.get(text)
        return (start, end) if places is None else (places[start], places[end])


def _joined(texts: Sequence[str]) -> tuple[Codes, Ints]:
    """Code points of all texts, each with a line feed behind it, and where each starts."""
    ends = np.cumsum([len(text) + 1 for text in texts], dtype=np.int64)
    return code_points("".join([text + "\n" for text in texts])), np.append(0, ends[:-1])


def _pair_keys(first: Codes, second: Codes) -> Ints:
    return first.astype(np.int64) << 16 | second


# Every key of a pair is larger, every key of a word smaller.
_PAIRS_FROM = 0x3400 << 16


def _term(mark: str, token: str) -> str:
    """The term that a token stands for: numbers and Latin runs by their class; "" for none."""
    if token.isascii():
        return "0" if "0" in token else "a" if "a" in token else ""
    return mark + token if re.search(r"\w", token) else ""


class Vocabulary:
    """Terms, sorted, and where each stands among them.

    The key of a word is its id in the lexicon, that of a pair its characters, 16 bits each.
    ValueError for terms that are not sorted or are none.
    """

    def __init__(self, terms: Sequence[str]) -> None:
        self.terms = tuple(terms)
        if not all(map(lt, self.terms, self.terms[1:])):
            raise ValueError("the terms are not sorted")
        pairs = bisect(self.terms, PAIR + chr(0x10FFFF))
        self._words = self.terms[pairs:]
        self._pairs = code_points("".join(self.terms[:pairs]))
        if len(self._pairs) != 3 * pairs or (self._pairs[::3] != ord(PAIR)).any():
            raise ValueError("a pair is not two characters")

    def indexes(self, keys: Ints) -> Ints:
        """Where the terms of these keys stand; -1 for other keys."""
        return self._table.get(keys)

    @cached_property
    def _table(self) -> _Table:
        pairs = _pair_keys(self._pairs[1::3], self._pairs[2::3])
        return _Table(np.append(pairs, lexicon().ids(self._words)))


class _Table:
    """A hash table from distinct keys, of 32 bits and none of them 0, to their positions.

    A cell holds key << 31 | position, or 0.
    """

    def __init__(self, keys: Ints) -> None:
        # A quarter full at most: nearly every search then ends where it begins.
        self._shift = 31 - max(2, len(keys) * 2).bit_length()
        # What runs over the end has room behind it.
        self._cells = np.zeros((1 << 32 - self._shift) + len(keys) + 1, dtype=np.int64)
        cells = keys << 31 | np.arange(len(keys))
        slots = self._slots(keys)
        while len(cells):
            free = np.flatnonzero(self._cells[slots] == 0)
            self._cells[slots[free]] = cells[free]
            rest = np.flatnonzero(self._cells[slots] != cells)
            cells, slots = cells[rest], slots[rest] + 1

    def _slots(self, keys: Ints) -> Ints:
        # Fibonacci hashing (Knuth, volume 3, 6.4).
        return (keys * 0x9E3779B1 & 0xFFFFFFFF) >> self._shift

    def get(self, keys: Ints) -> Ints:
        """The position of each key, -1 for one that is not there."""
        slots = self._slots(keys)
        cells = self._cells[slots]
        differ = cells >> 31 != keys
        result = cells & 0x7FFFFFFF
        result[differ] = -1
        rest = np.flatnonzero(differ & (cells != 0))
        while len(rest):
            slots[rest] += 1
            cells = self._cells[slots[rest]]
            same = cells >> 31 == keys[rest]
            result[rest[same]] = cells[same] & 0x7FFFFFFF
            rest = rest[~same & (cells != 0)]
        return result


class Part(NamedTuple):
    """What one block says: an entry for each known term of each segment, in that order."""

    block: Block
    segment: Ints
    term: Ints
    column: Ints
    times: Ints
    value: Floats


class Vectorizer:
    """TF-IDF over blocks, with the formulas of scikit-learn's TfidfVectorizer.

    tf = 1 + ln(count); idf = ln((1 + n) / (1 + df)) + 1; each block's part of a row is
    divided by its Euclidean length, then multiplied by the block's weight. The columns of
    a block are the terms of the vocabulary at `terms`, those of all blocks in a row.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        vocabulary: Vocabulary,
        terms: Sequence[Ints],
        idf: Floats,
    ) -> None:
        self.blocks = tuple(blocks)
        self.vocabulary = vocabulary
        self.terms = tuple(terms)
        self.idf = idf

    def columns(self) -> Iterator[tuple[str, str]]:
        """(block name, term) of every column, in order."""
        for block, terms in zip(self.blocks, self.terms, strict=True):
            for term in terms.tolist():
                yield block.name, self.vocabulary.terms[term]

    @cached_property
    def _columns(self) -> tuple[Ints, ...]:
        """For each block the column of each term of the vocabulary, -1 for none."""
        tables = []
        width = 0
        for terms in self.terms:
            table = np.full(len(self.vocabulary.terms), -1)
            table[terms] = np.arange(width, width + len(terms))
            width += len(terms)
            tables.append(table)
        return tuple(tables)

    def parts(self, texts: Texts) -> Iterator[Part]:
        """The rows of `texts`, block by block."""
        for block, column_of in zip(self.blocks, self._columns, strict=True):
            counted = texts.count(self.vocabulary, block.fields)
            column = column_of[counted.term]
            known = np.flatnonzero(column >= 0)
            segment, column, times = counted.segment[known], column[known], counted.times[known]
            value = (1.0 + np.log(times)) * self.idf[column]
            length = np.sqrt(np.bincount(segment, value * value, texts.segments))
            with np.errstate(divide="ignore"):
                value *= (block.weight / length)[segment]
            yield Part(block, segment, counted.term[known], column, times, value)


class Counts:
    """How often each term occurs in each segment, counted once for many fits.

    `fit` and `Vectorizer.parts` compute the same values; a test holds them equal.
    """

    def __init__(self, segments: Sequence[Fields], blocks: Sequence[Block]) -> None:
        from scipy.sparse import csr_matrix

        texts = Texts(segments)
        self.blocks = tuple(blocks)
        self.vocabulary = texts.vocabulary()
        pair = np.array([term.startswith(PAIR) for term in self.vocabulary.terms], dtype=bool)
        self._matrices: list[Any] = []
        for block in blocks:
            counted = texts.count(self.vocabulary, block.fields)
            read = np.where(pair[counted.term], block.pairs, block.words)
            self._matrices.append(
                csr_matrix(
                    (
                        counted.times[read].astype(float),
                        (counted.segment[read], counted.term[read]),
                    ),
                    shape=(len(segments), len(pair)),
                )
            )

    def fit(self, rows: Sequence[int], min_count: int) -> tuple[Vectorizer, Any]:
        """A vectorizer of the terms that stand in `min_count` of these segments, and their
        TF-IDF matrix (SciPy, a row a segment)."""
        from scipy.sparse import diags, hstack

        terms: list[Ints] = []
        idfs: list[Floats] = []
        parts = []
        for block, counts in zip(self.blocks, self._matrices, strict=True):
            taken = counts[list(rows)]
            df = np.bincount(taken.indices, minlength=len(self.vocabulary.terms))
            kept = np.flatnonzero(df >= max(min_count, 1))
            # As it will be stored, so that a saved model predicts what this one does.
            idf = (np.log((1 + len(rows)) / (1 + df[kept])) + 1).astype(np.float32).astype(float)
            part = taken[:, kept]
            part.data = 1.0 + np.log(part.data)
            part = part @ diags(idf)
            length = np.sqrt(part.multiply(part).sum(axis=1)).A1
            parts.append(diags(block.weight / np.where(length > 0, length, 1.0)) @ part)
            terms.append(kept)
            idfs.append(idf)
        vectorizer = Vectorizer(self.blocks, self.vocabulary, terms, np.concatenate(idfs))
        return vectorizer, hstack(parts).tocsr()
