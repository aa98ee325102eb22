"""Texts to terms with offsets, and terms to TF-IDF rows.

Words come from jieba's dictionary with HMM off. rjieba runs that dictionary in
Rust; jieba itself is the reference and the fallback where rjieba has no wheel.
Before cutting, digits are folded to "0" and Latin letters to "a", one character to
one, since numbers, dates and names are where tokenizers differ and where wording
does not generalise.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rectify_nlp.folding import Folded

FIELDS = ("path", "problem", "measures")
# The filler that hides a stated status: no word, no n-gram, one character for one.
MASK = "\u25a1"

_DIGITS_AND_LATIN = str.maketrans(
    "0123456789" + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "0" * 10 + "a" * 52
)
# How jieba itself cuts a run of ASCII; rjieba keeps 2023-06-21 and a.b whole.
_ASCII_RUN = re.compile(r"([a-zA-Z0-9]+(?:\.[0-9]+)?%?)")
_WORD = re.compile(r"\w")
_HAN_RUN = re.compile(r"[\u3400-\u9fff]{2,}")

Cutter = Callable[[str], list[str]]


@lru_cache(maxsize=1)
def cutter() -> Cutter:
    """The fastest cutter at hand; RECTIFY_NLP_TOKENIZER=jieba asks for the reference."""
    if os.environ.get("RECTIFY_NLP_TOKENIZER") != "jieba":
        try:
            return rjieba_cutter()
        except ImportError:
            pass
    return jieba_cutter()


def rjieba_cutter() -> Cutter:
    """jieba's dictionary in Rust, its ASCII runs cut again as jieba cuts them."""
    import rjieba

    def cut(text: str) -> list[str]:
        tokens: list[str] = []
        for token in rjieba.cut(text, False):
            if len(token) > 1 and token.isascii():
                tokens.extend(part for part in _ASCII_RUN.split(token) if part)
            else:
                tokens.append(token)
        return tokens

    return cut


def jieba_cutter() -> Cutter:
    """The reference. It is kept from writing its cache into a folder shared with others."""
    import logging
    import tempfile
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jieba's own source has invalid escapes
        import jieba
    jieba.setLogLevel(logging.ERROR)
    tokenizer = jieba.Tokenizer()
    with tempfile.TemporaryDirectory() as private:
        tokenizer.tmp_dir = private
        tokenizer.initialize()

    def cut(text: str) -> list[str]:
        return list(tokenizer.cut(text, HMM=False))

    return cut


def normalise(text: str) -> str:
    """Folded text as it is cut: digits as "0", Latin letters as "a"; of the same length."""
    return text.translate(_DIGITS_AND_LATIN)


@dataclass(frozen=True, slots=True)
class Block:
    """A group of features, TF-IDF weighted and normalised by itself.

    `words`: longest word n-gram (0 for none); `chars`: lengths of n-grams of Han
    characters, never across punctuation; `weight` scales the whole block.
    """

    name: str
    fields: tuple[str, ...]
    words: int = 1
    chars: tuple[int, ...] = ()
    weight: float = 1.0


Span = tuple[int, int]
Terms = list[tuple[str, int, int]]


class Analysis:
    """Tokens of one segment's fields, cut once and shared by all blocks and classifiers."""

    __slots__ = ("_folded", "_texts", "_tokens")

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._folded = {name: Folded.of(text) for name, text in fields.items()}
        self._texts = {name: normalise(folded.text) for name, folded in self._folded.items()}
        self._tokens: dict[str, Terms] = {}

    def words(self, field: str) -> Terms:
        """(word, start, end) in `field`; numbers and Latin runs appear as their class."""
        found = self._tokens.get(field)
        if found is None:
            found = self._tokens[field] = list(_words(self._texts.get(field, "")))
        return found

    def place(self, field: str, start: int, end: int) -> Span:
        """Where a span of terms lies in the text of the field as given."""
        folded = self._folded[field]
        return folded.place(start), folded.end_place(end)

    def counts(self, block: Block) -> Counter[str]:
        """How often each of `terms` occurs; quicker, for it needs no places."""
        found: Counter[str] = Counter()
        if block.words > 1:
            found.update(term for term, _, _, _ in self.terms(replace(block, chars=())))
        elif block.words:
            for field in block.fields:
                found.update(word for word, _, _ in self.words(field))
        for field in block.fields if block.chars else ():
            for run in _HAN_RUN.findall(self._texts.get(field, "")):
                for size in block.chars:
                    found.update(["#" + run[i : i + size] for i in range(len(run) - size + 1)])
        return found

    def terms(self, block: Block) -> Iterator[tuple[str, str, int, int]]:
        """(term, field, start, end) of every term of `block`, repeated as often as it occurs."""
        for field in block.fields:
            if block.words:
                words = self.words(field)
                for word, start, end in words:
                    yield word, field, start, end
                for size in range(2, block.words + 1):
                    for position in range(len(words) - size + 1):
                        group = words[position : position + size]
                        yield " ".join(w for w, _, _ in group), field, group[0][1], group[-1][2]
            for size in block.chars:
                for run in _HAN_RUN.finditer(self._texts.get(field, "")):
                    text, offset = run.group(), run.start()
                    for position in range(len(text) - size + 1):
                        start = offset + position
                        # "#" keeps an n-gram apart from a word of the same characters.
                        yield "#" + text[position : position + size], field, start, start + size


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    start = 0
    for token in cutter()(text):
        end = start + len(token)
        if token.isascii():
            if "0" in token:
                yield ("0%" if token.endswith("%") else "0"), start, end
            elif "a" in token:
                yield "a", start, end
        elif _WORD.search(token):
            yield token, start, end
        start = end


@dataclass(frozen=True, slots=True)
class Rows:
    """Sparse rows (CSR): row i has columns[starts[i]:starts[i+1]] with these values."""

    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[np.float64]


class Vectorizer:
    """TF-IDF over blocks, with the formulas of scikit-learn's TfidfVectorizer.

    tf = 1 + ln(count); idf = ln((1 + n) / (1 + df)) + 1; each block's part of a row is
    divided by its Euclidean length, then multiplied by the block's weight.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        vocabularies: Sequence[Mapping[str, int]],
        idf: NDArray[np.float64],
    ) -> None:
        self.blocks = tuple(blocks)
        self.vocabularies = tuple(vocabularies)
        self.idf = idf

    def columns(self) -> Iterator[tuple[str, str]]:
        """(block name, term) of every column, in order."""
        for block, vocabulary in zip(self.blocks, self.vocabularies, strict=True):
            for term in vocabulary:
                yield block.name, term

    def row(self, analysis: Analysis) -> tuple[list[int], list[float]]:
        """Columns and values of one segment."""
        columns: list[int] = []
        values: list[float] = []
        idf = self.idf
        for block, vocabulary in zip(self.blocks, self.vocabularies, strict=True):
            counts = {
                vocabulary[term]: count
                for term, count in analysis.counts(block).items()
                if term in vocabulary
            }
            part = [(1.0 + log(n)) * float(idf[c]) for c, n in counts.items()]
            length = sum(v * v for v in part) ** 0.5
            columns.extend(counts)
            values.extend(v * block.weight / length for v in part)
        return columns, values

    def rows(self, analyses: Iterable[Analysis]) -> Rows:
        starts = [0]
        columns: list[int] = []
        values: list[float] = []
        for analysis in analyses:
            row_columns, row_values = self.row(analysis)
            columns += row_columns
            values += row_values
            starts.append(len(columns))
        return Rows(
            starts=np.array(starts, dtype=np.int64),
            columns=np.array(columns, dtype=np.int32),
            values=np.array(values, dtype=np.float64),
        )

    def occurrences(self, analysis: Analysis) -> Iterator[tuple[int, str, str, int, int]]:
        """(column, term, field, start, end) of every occurrence of a known term."""
        for block, vocabulary in zip(self.blocks, self.vocabularies, strict=True):
            for term, field, start, end in analysis.terms(block):
                column = vocabulary.get(term)
                if column is not None:
                    yield column, term, field, start, end


class Counts:
    """How often each term occurs in each segment, counted once for many fits.

    Holds for each block its terms, sorted, and a SciPy matrix with a row a segment.
    `fit` and `Vectorizer.row` compute the same values; a test holds them equal.
    """

    def __init__(self, analyses: Sequence[Analysis], blocks: Sequence[Block]) -> None:
        from scipy.sparse import csr_matrix

        self.blocks = tuple(blocks)
        self.terms: list[list[str]] = []
        self.matrices: list[Any] = []
        for block in blocks:
            counted = [Counter(term for term, _, _, _ in a.terms(block)) for a in analyses]
            terms = sorted(set().union(*counted))
            column = {term: i for i, term in enumerate(terms)}
            starts = np.cumsum([0, *map(len, counted)])
            columns = [column[term] for counts in counted for term in counts]
            values = [float(n) for counts in counted for n in counts.values()]
            self.terms.append(terms)
            self.matrices.append(
                csr_matrix((values, columns, starts), shape=(len(counted), len(terms)))
            )

    def fit(self, rows: Sequence[int], min_count: int) -> tuple[Vectorizer, Any]:
        """A vectorizer of the terms that stand in `min_count` of these segments, and their
        TF-IDF matrix (SciPy, a row a segment)."""
        from scipy.sparse import diags, hstack

        vocabularies: list[dict[str, int]] = []
        idfs: list[NDArray[np.float64]] = []
        parts = []
        width = 0
        for block, terms, counts in zip(self.blocks, self.terms, self.matrices, strict=True):
            taken = counts[list(rows)]
            df = np.bincount(taken.indices, minlength=len(terms))
            kept = np.flatnonzero(df >= min_count)
            # As it will be stored, so that a saved model predicts what this one does.
            idf = (np.log((1 + len(rows)) / (1 + df[kept])) + 1).astype(np.float32).astype(float)
            part = taken[:, kept]
            part.data = 1.0 + np.log(part.data)
            part = part @ diags(idf)
            length = np.sqrt(part.multiply(part).sum(axis=1)).A1
            parts.append(diags(block.weight / np.where(length > 0, length, 1.0)) @ part)
            vocabularies.append({terms[column]: width + i for i, column in enumerate(kept)})
            idfs.append(idf)
            width += len(kept)
        return Vectorizer(self.blocks, vocabularies, np.concatenate(idfs)), hstack(parts).tocsr()
