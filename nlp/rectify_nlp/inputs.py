"""What a run is given: files, folders, globs, lists; and what a first reading tells of them.

Names come in an order that never changes and are never held all at once: folders are
walked a directory at a time, a list is read again for each reading.
"""

from __future__ import annotations

import codecs
import csv
import glob
import hashlib
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any

from rectify_nlp.arrow import parquet_columns
from rectify_nlp.decoding import encoding_of
from rectify_nlp.errors import ReadError
from rectify_nlp.reading import STDIN
from rectify_nlp.reading import SUFFIXES as NOTICES
from rectify_nlp.rowfiles import LONGEST_FIELD, TOO_LONG
from rectify_nlp.sources import Table, table_rows
from rectify_nlp.types import Failure

PARQUET = ".parquet"
TABLES = (".jsonl", ".csv", PARQUET)
_FROM_FILE = "--from-file"
_BLOCK = 1 << 20
_HEAD = 1 << 16
# Bytes of a line: a field of Chinese takes three a character.
LONGEST_LINE = 3 * LONGEST_FIELD


@dataclass(slots=True, kw_only=True)
class Source:
    """One thing given: how many files and bytes it led to, and a digest over names and contents."""

    source: str
    files: int = 0
    bytes: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def as_dict(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "files": self.files,
            "bytes": self.bytes,
            "sha256": self.digest.hexdigest(),
        }


@dataclass(slots=True, kw_only=True)
class Survey:
    """What a first reading of all inputs tells.

    `encodings` names the tables whose beginning misleads; `columns` are the columns that
    segment tables were given with; `stamp` changes when a file comes, goes or is written to.
    """

    sources: dict[str, Source] = field(default_factory=dict)
    encodings: dict[str, str] = field(default_factory=dict)
    columns: dict[str, None] = field(default_factory=dict)
    stamp: str = ""

    @property
    def size(self) -> int:
        """Bytes of all inputs."""
        return sum(source.bytes for source in self.sources.values())


class Inputs:
    """Sources, and the columns that say how their tables are meant.

    `listed` holds further sources, one a line. `without` is a folder that is never an
    input: the one that is written to.
    """

    def __init__(
        self,
        sources: Sequence[str],
        *,
        listed: IO[str] | None = None,
        text_column: str | None = None,
        id_column: str | None = None,
        without: Path | None = None,
    ) -> None:
        self.sources = sources
        self.listed = listed
        self.text_column = text_column
        self.id_column = id_column
        self.without = os.path.realpath(without) if without else None

    def table(self, name: str) -> Table:
        return Table(name=name, id_column=self.id_column, text_column=self.text_column)

    def names(self) -> Iterator[str | Failure]:
        """Every file, or what is wrong with a source."""
        return (name for _, name in self._named())

    def _named(self) -> Iterator[tuple[str, str | Failure]]:
        for source in self.sources:
            for name in self._expanded(source):
                yield source, name
        if self.listed is not None:
            self.listed.seek(0)
            for line in self.listed:
                source = line.rstrip("\r\n")
                if source == STDIN:
                    yield _FROM_FILE, failed(source, "a list cannot name standard input")
                elif source:
                    for name in self._expanded(source):
                        yield _FROM_FILE, name

    def _expanded(self, source: str) -> Iterator[str | Failure]:
        if source == STDIN or is_uri(source):
            yield source
        elif "\0" in source:
            yield failed(source.replace("\0", "\ufffd"), "holds a NUL; give one name a line")
        elif os.path.isdir(source):  # noqa: PTH112 - Path raises where a name is too long
            nothing = True
            for name in self._walked(Path(source)):
                nothing = False
                yield name
            if nothing:
                yield failed(source, f"no {', '.join((*NOTICES, *TABLES))} file in this folder")
        elif glob.has_magic(source) and not os.path.lexists(source):
            # Path.glob knows no patterns that start at the root.
            matches = [m for m in glob.glob(source, recursive=True) if self._ours(m)]  # noqa: PTH207
            yield from sorted(matches)
            if not matches:
                yield failed(source, "nothing matches this pattern")
        elif _odd(source):
            yield failed(source, "is no file that can be read twice; give it as - with -o -")
        else:
            yield source

    def _ours(self, match: str) -> bool:
        """Whether a match of a pattern is a file, and none of what the run itself writes."""
        inside = self.without and os.path.realpath(match).startswith(self.without + os.sep)
        return not inside and not _odd(match)

    def _walked(self, folder: Path) -> Iterator[str | Failure]:
        """Files of a folder that can be read, sorted by path."""
        try:
            with os.scandir(folder) as entries:
                # With its slash a folder takes the place that the paths in it have.
                names = sorted(name for entry in entries if (name := _entry_name(entry)))
        except OSError as error:
            yield failed(str(folder), f"cannot be listed ({error.strerror})")
            return
        for name in names:
            if not name.endswith("/"):
                yield str(folder / name)
            elif os.path.realpath(folder / name) != self.without:
                yield from self._walked(folder / name)

    # -- first reading ---------------------------------------------------------------

    def survey(self, *, columns: bool, told: Callable[[int], None]) -> Survey:
        """Read everything once: for digests, and for `columns` where they are wanted.

        `told` hears how many bytes have been read.
        """
        survey, stamp, size = Survey(), hashlib.sha256(), 0
        for source, name in self._named():
            entry = survey.sources.setdefault(source, Source(source=source))
            if isinstance(name, Failure):
                entry.digest.update(_said(name.source, name.message))
                continue
            _stamp(stamp, name)
            length, content = _digest(name, survey.encodings)
            if columns and self.text_column is None:
                survey.columns.update(dict.fromkeys(_columns(name, survey.encodings)))
            entry.digest.update(_said(name, content))
            entry.files += 1
            entry.bytes += length
            size += length
            told(size)
        survey.stamp = stamp.hexdigest()
        return survey

    def stamp(self) -> str:
        """What `Survey.stamp` would be now."""
        stamp = hashlib.sha256()
        for name in self.names():
            if isinstance(name, str):
                _stamp(stamp, name)
        return stamp.hexdigest()


def listing(source: str) -> IO[str]:
    """A list of sources that can be rewound: a file; standard input ("-") or a pipe laid by."""
    if source == STDIN and sys.stdin is None:
        raise ReadError(source, "standard input is closed")
    try:
        given: IO[bytes] = sys.stdin.buffer if source == STDIN else io.FileIO(source)
        if source == STDIN or not given.seekable():
            laid_by = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
            shutil.copyfileobj(given, laid_by)
            if source != STDIN:
                given.close()
            given = laid_by
        return io.TextIOWrapper(given, encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise ReadError(source, f"cannot be read ({error.strerror})") from error


def kind_of(name: str) -> str:
    """The suffix that says what kind of table a file is; "" for a notice."""
    suffix = Path(name).suffix.lower()
    return ".jsonl" if name == STDIN else suffix if suffix in TABLES else ""


def is_uri(name: str) -> bool:
    """Whether a name is of another file system: hdfs://..., s3a://..."""
    return "://" in name


def failed(source: str, what: str) -> Failure:
    return Failure(source=source, error=ReadError.__name__, message=what)


def _odd(name: str) -> bool:
    """Whether this is there and no file: a pipe, a device, a socket, a folder."""
    return os.path.exists(name) and not os.path.isfile(name)  # noqa: PTH110, PTH113


def _entry_name(entry: os.DirEntry[str]) -> str | None:
    if entry.is_dir(follow_symlinks=False):
        return entry.name + "/"
    # What cannot be looked at (a loop of links) is named too, and becomes a failure in its turn.
    readable = entry.name.lower().endswith((*NOTICES, *TABLES)) and not _odd(entry.path)
    return entry.name if readable else None


def _said(name: str, content: str) -> bytes:
    return f"{name}\0{content}\n".encode(errors="surrogatepass")


def _stamp(stamp: Any, name: str) -> None:
    try:
        status = Path(name).stat()
        stamp.update(_said(name, f"{status.st_size} {status.st_mtime_ns}"))
    except OSError as error:
        stamp.update(_said(name, str(error.strerror)))


def _digest(name: str, encodings: dict[str, str]) -> tuple[int, str]:
    """Size and digest of a file; notes the encoding of a table that only seems to be UTF-8."""
    digest, size = hashlib.sha256(), 0
    decoder = (
        codecs.getincrementaldecoder("utf-8")() if kind_of(name) in (".jsonl", ".csv") else None
    )
    try:
        with Path(name).open("rb") as stream:
            while block := stream.read(_BLOCK):
                if size == 0 and encoding_of(block[:_HEAD]) != "utf-8":
                    decoder = None
                digest.update(block)
                size += len(block)
                try:
                    if decoder is not None:
                        decoder.decode(block)
                except UnicodeDecodeError:
                    encodings[name] = encoding_of(block)
                    decoder = None
    except OSError as error:
        return 0, f"cannot be read ({error.strerror})"
    return size, digest.hexdigest()


def _columns(name: str, encodings: Mapping[str, str]) -> Iterable[str]:
    """Names of a table's columns, in the order they first appear; none where it cannot be read."""
    kind = kind_of(name)
    try:
        if kind == PARQUET:
            return parquet_columns(name)
        if kind == ".csv":
            with opened(name, encodings) as lines:
                return next(csv.reader(line.decode(errors="replace") for line in lines), [])
        if kind == ".jsonl":
            with opened(name, encodings) as lines:
                found = (row for line in lines for row in table_rows(text_of(line), name, kind))
                return dict.fromkeys(
                    c for row in found if not isinstance(row, Failure) for c in row[1]
                )
    except (ReadError, csv.Error):
        pass  # it becomes a row of the output in its turn
    return ()


@contextmanager
def opened(name: str, encodings: Mapping[str, str]) -> Iterator[Iterator[bytes]]:
    """Lines of a text with their newlines, in UTF-8, as they stand: `text_of` makes them text."""
    try:
        if name == STDIN and sys.stdin is None:
            raise ReadError(name, "standard input is closed")
        with io.FileIO(sys.stdin.fileno() if name == STDIN else name) as raw:
            blocks = iter(lambda: raw.read(_BLOCK), b"")
            first = next(blocks, b"")
            encoding = encodings.get(name) or encoding_of(first[:_HEAD])
            yield _lines(_in_utf8(chain((first,), blocks), encoding))
    except OSError as error:
        raise ReadError(name, f"cannot be read ({error.strerror})") from error


def text_of(lines: bytes) -> str:
    """Lines as text with bare newlines; what is no UTF-8 is replaced."""
    text = lines.decode(errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _in_utf8(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Blocks without a byte order mark, none of which ends within a newline of two bytes."""
    if encoding != "utf-8":
        blocks = _recoded(blocks, encoding)
    held = b""
    for number, block in enumerate(blocks):
        block = held + (block.removeprefix(codecs.BOM_UTF8) if number == 0 else block)
        held = b"\r" if block.endswith(b"\r") else b""
        yield block.removesuffix(held)
    yield held


def _recoded(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for block in blocks:
        yield decoder.decode(block).encode()
    yield decoder.decode(b"", final=True).encode()


def _lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines with their newline; `TOO_LONG` in place of one of more than `LONGEST_LINE` bytes."""
    begun: list[bytes] = []
    length = 0
    for block in blocks:
        for line in block.splitlines(keepends=True):
            whole = line.endswith((b"\n", b"\r"))
            length += len(line)
            if length > LONGEST_LINE:
                begun = [TOO_LONG.encode() + b"\n"]
            elif begun or not whole:
                begun.append(line)
            if whole:
                yield b"".join(begun) or line
                begun, length = [], 0
    if begun:
        yield b"".join(begun)
