"""Texts to terms with offsets, and terms to TF-IDF values, for many segments at once.

A term is a word (`lexicon` cuts them) or a pair of neighbouring Han characters. Before
cutting, digits are folded to "0" and Latin letters to "a", one character to one, since
numbers, dates and names are where tokenizers differ and where wording does not
generalise. Nothing here takes a Python step for a term: terms are integer keys, which a
vocabulary turns into indexes, and sorting the indexes counts them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from string import ascii_letters, digits
from typing import Any

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


@dataclass(frozen=True)
class Found:
    """Occurrences of terms: which term, in which text, from where to where in it.

    `text` counts fields: 3 * segment + position in `FIELDS`.
    """

    term: Ints
    text: Ints
    start: Ints
    end: Ints


@dataclass(frozen=True)
class Counted:
    """How often a term occurs in a segment's fields; sorted by segment and term."""

    segment: Ints
    term: Ints
    count: Ints


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
    def _keyed(self) -> tuple[Found, Found]:
        """Every word by its id, and every pair by its key: 16 bits for each character."""
        codes = self._codes
        tokens = lexicon().cut(codes)
        han = (codes >= 0x3400) & (codes <= 0x9FFF)
        pair = np.flatnonzero(han[:-1] & han[1:])
        keys = codes[pair].astype(np.int64) << 16 | codes[pair + 1]
        return (
            self._occurrences(tokens.ids, tokens.starts, tokens.ends),
            self._occurrences(keys, pair, pair + 2),
        )

    def _occurrences(self, term: Ints, start: Ints, end: Ints) -> Found:
        return Found(term=term, text=self._owner[start], start=start, end=end)

    def find(self, vocabulary: Vocabulary) -> Found:
        """Occurrences of the vocabulary's terms, words first."""
        if self._vocabulary is not vocabulary:
            self._vocabulary = vocabulary
            self._counted.clear()
            words, pairs = self._keyed
            terms = vocabulary.words(words.term), vocabulary.pairs(pairs.term)
            known = [np.flatnonzero(term >= 0) for term in terms]

            def both(name: str) -> Ints:
                return np.concatenate(
                    [getattr(words, name)[known[0]], getattr(pairs, name)[known[1]]]
                )

            self._found = Found(
                term=np.concatenate([term[k] for term, k in zip(terms, known, strict=True)]),
                text=both("text"),
                start=both("start"),
                end=both("end"),
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
        text = string(self._codes)
        terms = []
        for keyed, mark in zip(self._keyed, ("", PAIR), strict=True):
            _, first = np.unique(keyed.term, return_index=True)
            for start, end in zip(keyed.start[first], keyed.end[first], strict=True):
                term = _term(text[start:end])
                if term:
                    terms.append(mark + term)
        return Vocabulary(sorted(terms))

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


def _term(token: str) -> str:
    """The word that a token stands for: numbers and Latin runs by their class; "" for none."""
    if token.isascii():
        return "0" if "0" in token else "a" if "a" in token else ""
    return token if re.search(r"\w", token) else ""


class Vocabulary:
    """Terms, sorted, and where each stands among them."""

    def __init__(self, terms: Sequence[str]) -> None:
        self.terms = tuple(terms)

    def words(self, ids: Ints) -> Ints:
        """Indexes of words by their ids in the lexicon; -1 for other words."""
        return self._of_word[np.minimum(ids, len(self._of_word) - 1)]

    @cached_property
    def _of_word(self) -> Ints:
        places = [i for i, term in enumerate(self.terms) if not term.startswith(PAIR)]
        ids = lexicon().ids([self.terms[i] for i in places])
        table = np.full(max(lexicon().size, int(ids.max(initial=0)) + 1) + 1, -1)
        table[ids[ids >= 0]] = np.array(places, dtype=np.int64)[ids >= 0]
        return table

    def pairs(self, keys: Ints) -> Ints:
        """Indexes of pairs by their keys; -1 for other pairs."""
        return self._of_pair.get(keys)

    @cached_property
    def _of_pair(self) -> _Table:
        places = [i for i, term in enumerate(self.terms) if term.startswith(PAIR)]
        pairs = code_points("".join([self.terms[i][1:] for i in places])).astype(np.int64)
        return _Table(pairs[::2] << 16 | pairs[1::2], np.array(places, dtype=np.int64))


class _Table:
    """A hash table from distinct 32-bit keys, none of them 0, to indexes; -1 for other keys."""

    def __init__(self, keys: Ints, indexes: Ints) -> None:
        # A quarter full at most: nearly every search then ends where it begins.
        self._shift = 32 - max(2, len(keys) * 2).bit_length() - 1
        size = (1 << 32 - self._shift) + len(keys)  # what runs over the end has room there
        self._keys = np.zeros(size, dtype=np.int64)
        self._indexes = np.full(size, -1)
        slots = self._slots(keys)
        while len(keys):
            free = np.flatnonzero(self._keys[slots] == 0)
            self._keys[slots[free]] = keys[free]
            placed = self._keys[slots] == keys
            self._indexes[slots[placed]] = indexes[placed]
            keys, indexes, slots = keys[~placed], indexes[~placed], slots[~placed] + 1

    def _slots(self, keys: Ints) -> Ints:
        # Fibonacci hashing (Knuth, volume 3, 6.4).
        return (keys * 0x9E3779B1 & 0xFFFFFFFF) >> self._shift

    def get(self, keys: Ints) -> Ints:
        slots = self._slots(keys)
        found = self._keys[slots]
        result = np.where(found == keys, self._indexes[slots], -1)
        rest = np.flatnonzero((found != keys) & (found != 0))
        while len(rest):
            slots[rest] += 1
            found = self._keys[slots[rest]]
            same = found == keys[rest]
            result[rest[same]] = self._indexes[slots[rest[same]]]
            rest = rest[~same & (found != 0)]
        return result


@dataclass(frozen=True)
class Part:
    """What one block says: an entry for each known term of each segment, in that order."""

    block: Block
    segment: Ints
    term: Ints
    column: Ints
    count: Ints
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
            segment, column, count = counted.segment[known], column[known], counted.count[known]
            value = (1.0 + np.log(count)) * self.idf[column]
            length = np.sqrt(np.bincount(segment, value * value, texts.segments))
            with np.errstate(divide="ignore"):
                value *= (block.weight / length)[segment]
            yield Part(block, segment, counted.term[known], column, count, value)


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
                    (counted.count[read].astype(float), (counted.segment[read], counted.term[read])),
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
