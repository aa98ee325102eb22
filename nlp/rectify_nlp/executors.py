"""What the Python workers of a Spark job do: rows of tables in, rows of the output out.

Results are those of a local run: the same judges, and a row that fails costs itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from rectify_nlp.arrow import plain_rows, require_pyarrow, row_batch, row_schema
from rectify_nlp.batch import fault, judged_notice, judged_rows
from rectify_nlp.decoding import decode
from rectify_nlp.inputs import LONGEST_LINE
from rectify_nlp.model import Model
from rectify_nlp.records import records
from rectify_nlp.rowfiles import TOO_LONG
from rectify_nlp.sources import Row, Table, row_source, table_rows
from rectify_nlp.spark import Shipment, unpacked
from rectify_nlp.types import Failure, Limits, Report, Result

if TYPE_CHECKING:
    import pyarrow as pa

JSONL = ".jsonl"
# A file and the byte at which Spark's share of it begins.
Block = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a task needs to know besides its rows; `names` are those of local files."""

    shipped: Shipment
    names: Mapping[str, str]
    columns: Sequence[str]
    id_column: str | None
    text_column: str | None
    explain: bool
    limits: Limits
    warnings: Any

    def table(self, uri: str) -> Table:
        return Table(
            name=self.names.get(uri, uri), id_column=self.id_column, text_column=self.text_column
        )


# How a worker gets at the rows of a kind of table.
Reader = Callable[[Work, Iterable["pa.RecordBatch"]], Iterator[tuple[Table, list[Row]]]]


def judged(
    work: Work, reader: Reader, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    model, schema = unpacked(work.shipped), row_schema(work.columns)
    for table, rows in reader(work, batches):
        found: list[dict[str, Any]] = []
        for result in _results(rows, table, model, work):
            if isinstance(result, Report) and result.warnings:
                work.warnings.add({f"{result.notice.source}: {w}" for w in result.warnings})
            found += records(result, work.explain)
        yield row_batch(found, schema)


def _results(rows: list[Row], table: Table, model: Model, work: Work) -> Iterator[Result]:
    explain = work.explain
    if table.text_column is None:
        try:
            yield from judged_rows(rows, table, model, explain=explain)
            return
        except Exception:  # noqa: S110 - one by one it shows which row it was
            pass
    for row in rows:
        try:
            if table.text_column is None:
                yield from judged_rows([row], table, model, explain=explain)
            else:
                yield judged_notice(row, table, model, explain=explain, limits=work.limits)
        except Exception as error:
            yield fault(row_source(row, table), error)


def counted(wanted: bool, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """For each block its lines, those that are not blank, and the columns if they are wanted."""
    lines: Counter[Block] = Counter()
    rows: Counter[Block] = Counter()
    columns: dict[Block, dict[str, None]] = {}
    for block, texts in _blocks(batches):
        lines[block] += len(texts)
        rows[block] += sum(bool(text.strip()) for text in texts)
        names = columns.setdefault(block, {})
        if wanted:
            for row in table_rows("\n".join(texts), "", JSONL):
                if not isinstance(row, Failure):
                    names.update(dict.fromkeys(row[1]))
    found = [
        {"file": block[0], "start": block[1], "lines": lines[block], "rows": rows[block]}
        | {"columns": [*columns[block]]}
        for block in lines
    ]
    if found:
        yield require_pyarrow().RecordBatch.from_pylist(found)


def line_rows(
    shifts: Mapping[Block, int], work: Work, batches: Iterable[pa.RecordBatch]
) -> Iterator[tuple[Table, list[Row]]]:
    seen = Counter(shifts)
    for block, texts in _blocks(batches):
        table = work.table(block[0])
        yield table, list(table_rows("\n".join(texts), table.name, JSONL, seen[block]))
        seen[block] += len(texts)


def _blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Block, list[str]]]:
    """Consecutive lines of a block, which a task reads in their order."""
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in ("file", "start", "line"))
        for (file, start), lines in groupby(zip(*columns, strict=True), itemgetter(0, 1)):
            yield (unquote(file), start), [_text(line) for _, _, line in lines]


def _text(line: bytes) -> str:
    # As in a local run, where the newline counts too.
    return decode(line)[0] if len(line) < LONGEST_LINE else TOO_LONG


def record_rows(work: Work, batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Table, list[Row]]]:
    arrow = require_pyarrow()
    for batch in batches:
        given = arrow.RecordBatch.from_struct_array(batch.column("row"))
        rows = plain_rows(arrow.Table.from_batches([given]), work.text_column)
        by_file: dict[str, list[Row]] = {}
        numbered = zip(
            batch.column("file").to_pylist(), batch.column("number").to_pylist(), rows, strict=True
        )
        for file, number, row in numbered:
            by_file.setdefault(unquote(file), []).append((number, row))
        for file, found in by_file.items():
            yield work.table(file), found
