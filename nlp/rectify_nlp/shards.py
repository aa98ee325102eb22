"""Inputs to shards: pieces of work that depend on the inputs alone.

However many processes work, and however often a run is taken up again, shard 17 holds the
same documents and the same rows. Tables are read as streams; one shard is held at a time.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rectify_nlp.arrow import once, parquet_slices
from rectify_nlp.errors import ReadError
from rectify_nlp.inputs import PARQUET, Inputs, failed, kind_of, opened, text_of
from rectify_nlp.rowfiles import LONGEST_FIELD
from rectify_nlp.sources import CHUNK
from rectify_nlp.types import Failure

# Costs are in rows. A shard is what may have to be done again after a kill: some seconds of
# work. A notice costs about as many rows as it gives, and so does a kilocharacter more.
SHARD_COST = 2048
_NOTICE_COST = 32
_BYTES_A_ROW = 3072


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Consecutive rows of a table, not yet parsed.

    `data` is text in UTF-8 (with its header for CSV) or, for Parquet, an Arrow stream of so
    many `rows`; `shift` is what is missing from the line numbers within it.
    """

    table: str
    kind: str
    data: bytes
    shift: int
    rows: int | None = None


# A file that is one notice, rows of a table, or what can only be reported.
Piece = str | Slice | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Pieces that become one part; `size` is about the bytes they take in the inputs."""

    index: int
    pieces: tuple[Piece, ...]
    size: int


# A piece, its cost and its size.
_Weighed = tuple[Piece, int, int]


def shards(inputs: Inputs, encodings: Mapping[str, str], cost: int = SHARD_COST) -> Iterator[Shard]:
    """Shards of at least `cost`, the last one excepted, in the order of the inputs."""
    pieces: list[Piece] = []
    index = spent = size = 0
    for piece, price, length in _pieces(inputs, encodings):
        pieces.append(piece)
        spent, size = spent + price, size + length
        if spent >= cost:
            yield Shard(index=index, pieces=tuple(pieces), size=size)
            pieces, index, spent, size = [], index + 1, 0, 0
    if pieces:
        yield Shard(index=index, pieces=tuple(pieces), size=size)


def _pieces(inputs: Inputs, encodings: Mapping[str, str]) -> Iterator[_Weighed]:
    row_cost = 1 if inputs.text_column is None else _NOTICE_COST
    for name in inputs.names():
        if isinstance(name, Failure):
            yield name, 1, 0
        elif kind := kind_of(name):
            try:
                yield from _slices(name, kind, encodings, row_cost)
            except ReadError as error:
                yield failed(name, error.what), 1, 0
        else:
            yield name, _NOTICE_COST, _size(name)


def _size(name: str) -> int:
    try:
        return Path(name).stat().st_size
    except OSError:
        return 0


def _slices(
    name: str, kind: str, encodings: Mapping[str, str], row_cost: int
) -> Iterator[_Weighed]:
    if kind == PARQUET:
        shift, size = 0, _size(name)
        for data, rows, share in parquet_slices(name, CHUNK // row_cost):
            cost = rows * row_cost + len(data) // _BYTES_A_ROW
            piece = Slice(table=name, kind=kind, data=data, shift=shift, rows=rows)
            yield piece, cost, int(share * size)
            shift += rows
        return
    with opened(name, encodings) as lines:
        records = _csv_records(lines, name) if kind == ".csv" else ((line, 1) for line in lines)
        yield from _text_slices(name, kind, records, row_cost)


def _text_slices(
    name: str, kind: str, records: Iterator[tuple[bytes, int]], row_cost: int
) -> Iterator[_Weighed]:
    """Slices of records given as they stand and with their number of lines, a header first."""
    header = next(records, (b"", 0))[0] if kind == ".csv" else b""
    once(next(csv.reader(text_of(header).splitlines(keepends=True)), []), name)
    shift = 0
    taken: list[bytes] = []
    cost = lines = 0

    def piece() -> _Weighed:
        data = b"".join((header, *taken))
        size = len(data) - (len(header) if shift else 0)
        return Slice(table=name, kind=kind, data=data, shift=shift), cost, size

    for record, count in records:
        taken.append(record)
        cost += row_cost + len(record) // _BYTES_A_ROW
        lines += count
        if cost >= CHUNK:
            yield piece()
            shift += lines
            taken, cost, lines = [], 0, 0
    if taken:
        yield piece()


def _csv_records(lines: Iterator[bytes], name: str) -> Iterator[tuple[bytes, int]]:
    """Each record of a CSV, header included, as it stands: bytes and number of lines."""
    taken: list[bytes] = []
    quoted: list[bytes] = []

    def noted() -> Iterator[str]:
        while line := quoted.pop() if quoted else next(lines, b""):
            taken.append(line)
            yield text_of(line)

    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(noted(), strict=True)
    header = True
    for line in lines:
        if b'"' not in line:  # a record by itself
            yield line, 1
        else:
            quoted.append(line)
            try:
                next(reader)
            except csv.Error as error:
                # Whoever parses the slice comes to the same end of a broken record.
                if header:
                    raise ReadError(name, f"its header is bad CSV ({error})") from error
            yield b"".join(taken), len(taken)
            taken.clear()
        header = False
