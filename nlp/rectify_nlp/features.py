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
from functools import cached_property, lru_cache
from string import ascii_letters, digits
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rectify_nlp.codes import Codes, code_points, replaced, replacements, string
from rectify_nlp.folding import HALF_WIDTH, TONED, TRADITIONAL, Folded
from rectify_nlp.lexicon import Ints, Tokens, lexicon
from rectify_nlp.vocabulary import PAIR, Vocabulary, pair_keys

FIELDS = ("path", "problem", "measures")
# The filler that hides a stated status: no word, no pair, one character for one.
MASK = "\u25a1"

Fields = Mapping[str, str]
Floats = NDArray[np.float64]


class Block(NamedTuple):
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


def _by_field(found: Found, segments: int, terms: int) -> tuple[Ints, Ints, Ints]:
    """Segment * `terms` + term, field, and how often, sorted: one sort serves all blocks."""
    width = len(FIELDS)
    text = np.arange(segments * width)
    # Half as wide sorts twice as fast.
    kind = np.uint32 if segments * terms * width < 1 << 32 else np.int64
    first: NDArray[Any] = (text // width * (terms * width) + text % width).astype(kind)
    term: NDArray[Any] = found.term.astype(kind)
    key = np.sort(first[found.text] + width * term)
    head = heads(key)
    entry = key[head] // width
    field = key[head] - entry * width
    return entry.astype(np.int64), field.astype(np.int64), np.diff(head, append=len(key))


def _count(entry: Ints, field: Ints, times: Ints, fields: tuple[str, ...], terms: int) -> Counted:
    """What `_by_field` gives, summed over these fields."""
    read = np.flatnonzero(np.array([name in fields for name in FIELDS])[field])
    entry, times = entry[read], times[read]
    if len(fields) > 1 and len(read):
        head = heads(entry)
        entry, times = entry[head], np.add.reduceat(times, head)
    segment = entry // terms
    return Counted(segment, entry - segment * terms, times)


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
        codes, bounds = _joined(texts)
        special = np.flatnonzero(_unfolded()[np.minimum(codes, 0xFFFF)])
        if len(special):
            for index in np.unique(np.searchsorted(bounds, special, "right") - 1).tolist():
                folded = Folded.of(texts[index])
                texts[index] = folded.text
                if folded.places is not None:
                    self._places[index] = folded.places
            codes, bounds = _joined(texts)
        self.codes = replaced(codes, _normal_forms())
        self.bounds = bounds
        self._vocabulary: Vocabulary | None = None
        self._counted: dict[tuple[str, ...], Counted] = {}

    @cached_property
    def _keyed(self) -> tuple[Tokens, Ints, Ints]:
        """The words; the keys of the pairs (see `Vocabulary`) and where they start."""
        codes = self.codes
        han = (codes >= 0x3400) & (codes <= 0x9FFF)
        pair = np.flatnonzero(han[:-1] & han[1:])
        return lexicon().cut(codes), pair_keys(codes[pair], codes[pair + 1]), pair

    def find(self, vocabulary: Vocabulary) -> Found:
        """Occurrences of the vocabulary's terms, words first."""
        if self._vocabulary is not vocabulary:
            self._vocabulary = vocabulary
            words, pairs, at = self._keyed
            term = vocabulary.indexes(words.ids, pairs)
            known = np.flatnonzero(term >= 0)
            start = np.append(words.starts, at)[known]
            end = np.append(words.ends, at + 2)[known]
            text = np.repeat(np.arange(len(self.bounds) - 1), np.diff(self.bounds))
            self._found = Found(term[known], text[start], start, end)
            self._by_field = _by_field(self._found, self.segments, len(vocabulary))
            self._counted = {}
        return self._found

    def count(self, vocabulary: Vocabulary, fields: tuple[str, ...]) -> Counted:
        """How often each term occurs in `fields`, which is counted once."""
        self.find(vocabulary)
        if fields not in self._counted:
            self._counted[fields] = _count(*self._by_field, fields, len(vocabulary))
        return self._counted[fields]

    def vocabulary(self) -> Vocabulary:
        """Every term of these texts."""
        text, (words, pairs, at) = string(self.codes), self._keyed
        _, word = np.unique(words.ids, return_index=True)
        _, pair = np.unique(pairs, return_index=True)
        spans = zip(words.starts[word].tolist(), words.ends[word].tolist(), strict=True)
        terms = [_word(text[start:end]) for start, end in spans]
        terms += [PAIR + text[start : start + 2] for start in at[pair].tolist()]
        return Vocabulary("".join([term + "\n" for term in sorted(filter(None, terms))]))

    def place(self, text: int, start: int, end: int) -> tuple[int, int]:
        """Where a span of `Found` lies in the text of its field as given."""
        first = int(self.bounds[text])
        start, end = start - first, end - first
        places = self._places.get(text)
        return (start, end) if places is None else (places[start], places[end])


def _joined(texts: Sequence[str]) -> tuple[Codes, Ints]:
    """Code points of all texts, each with a line feed behind it, and where each begins and
    the last ends."""
    bounds = np.cumsum([0, *[len(text) + 1 for text in texts]], dtype=np.int64)
    return code_points("".join([text + "\n" for text in texts])), bounds


def _word(token: str) -> str:
    """The term that a token stands for: numbers and Latin runs by their class; "" for none."""
    if token.isascii():
        return "0" if "0" in token else "a" if "a" in token else ""
    return token if re.search(r"\w", token) else ""


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
    def column_of(self) -> tuple[Ints, ...]:
        """For each block the column of each term of the vocabulary, -1 for none."""
        tables = []
        width = 0
        for terms in self.terms:
            table = np.full(len(self.vocabulary), -1)
            table[terms] = np.arange(width, width + len(terms))
            width += len(terms)
            tables.append(table)
        return tuple(tables)

    def parts(self, texts: Texts) -> Iterator[Part]:
        """The rows of `texts`, block by block."""
        for block, column_of in zip(self.blocks, self.column_of, strict=True):
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
            df = np.bincount(taken.indices, minlength=len(self.vocabulary))
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
