"""Segments and rows as Arrow tables: the seam to Ray, Daft, DuckDB, Spark and Parquet.

pyarrow is an extra; it is imported where it is needed.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from rectify_nlp.batch import judged_rows
from rectify_nlp.errors import MissingExtra, ReadError
from rectify_nlp.model import Model
from rectify_nlp.records import COLUMNS, csv_columns, flattened, headers, plain, records, to_json
from rectify_nlp.rowfiles import repeated
from rectify_nlp.sources import CHUNK, Row, Table

if TYPE_CHECKING:
    import pyarrow as pa

# What describes a segment; the rest of a row is what the model says of it.
_GIVEN = frozenset(COLUMNS[: COLUMNS.index("category")])


def score_arrow(batch: pa.RecordBatch, model: Model | None = None) -> pa.RecordBatch:
    """The batch with the columns of `score_schema(model)` added, a row for each row.

    `batch` has the text columns `problem` and, if wanted, `measures` and `path` (a list of
    texts, or one); every column passes through as it is, unless it bears the name of a
    column that is added. A row that cannot be judged has only `error`. The default model
    is loaded once a process. ValueError for a batch without `problem`.
    """
    arrow = require_pyarrow()
    if "problem" not in batch.schema.names:
        raise ValueError(f"no column problem among {', '.join(batch.schema.names)}")
    model = model or _default_model()
    schema = score_schema(model)
    kept = [name for name in batch.schema.names if name not in schema.names]
    read = [name for name in ("problem", "measures", "path") if name in kept]
    rows: Iterator[Row] = iter(enumerate(batch.select(read).to_pylist(), 1))
    found: list[dict[str, Any]] = []
    while chunk := list(islice(rows, CHUNK)):
        for result in judged_rows(chunk, Table(name=""), model):
            (record,) = records(result, explain=False)
            # A place in the batch would tell no one anything.
            found.append({name: v for name, v in record.items() if name != "source"})
    scored = row_batch(found, schema)
    return arrow.RecordBatch.from_arrays(
        [*(batch.column(name) for name in kept), *scored.columns],
        schema=arrow.schema([*(batch.schema.field(name) for name in kept), *schema]),
    )


def score_schema(model: Model | None = None) -> pa.Schema:
    """The columns `score_arrow` adds: those of a row from `category` on, then `error`.

    The probability of each label is a column of its own, `p.category.<label>` and
    `p.status.<label>`; so the schema is constant for a model.
    """
    names = [*csv_columns(model or _default_model())]
    return row_schema([n for n in names if n not in _GIVEN and n != "evidence"])


@cache
def _default_model() -> Model:
    return Model.load()


def require_pyarrow() -> Any:
    """The module; MissingExtra where it is not installed."""
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtra("Arrow and Parquet", "parquet") from error
    return pyarrow


# -- rows to tables ----------------------------------------------------------------------


def row_schema(columns: Iterable[str]) -> pa.Schema:
    """The schema of a flattened row; a column that was given with a segment is a text."""
    arrow = require_pyarrow()
    texts = arrow.list_(arrow.string())
    evidence = arrow.list_(
        arrow.struct(
            {
                "of": arrow.string(),
                "label": arrow.string(),
                "start": arrow.int64(),
                "end": arrow.int64(),
                "term": arrow.string(),
                "weight": arrow.float64(),
            }
        )
    )
    known = {"path": texts, "also": texts, "doubtful": arrow.bool_(), "evidence": evidence}
    known |= dict.fromkeys(("category_p", "status_p"), arrow.float64())
    return arrow.schema(
        (name, arrow.float64() if name.startswith("p.") else known.get(name, arrow.string()))
        for name in columns
    )


def row_batch(
    found: Sequence[Mapping[str, Any]], schema: pa.Schema, names: Sequence[str] | None = None
) -> pa.RecordBatch:
    """Rows as a batch of this schema; what they have besides is left out.

    `names` are those of the columns in the rows, where they differ.
    """
    arrow = require_pyarrow()
    flat = [flattened(record) for record in found]
    arrays = [
        arrow.array([_fitting(row.get(name), column.type) for row in flat], column.type)
        for name, column in zip(names or schema.names, schema, strict=True)
    ]
    return arrow.RecordBatch.from_arrays(arrays, schema=schema)


def _fitting(value: Any, kind: Any) -> Any:
    """`value` as its column wants it: what was given with a segment may be anything."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if kind == "string" and value is not None and not isinstance(value, str):
        value = to_json(value)
    return _clean(value)


def _clean(value: Any) -> Any:
    """`value`, its texts without lone surrogates, which Arrow cannot hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return {n: _clean(v) for n, v in value.items()} if isinstance(value, dict) else value


def parquet(found: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """Rows as a Parquet file with exactly these columns."""
    arrow = require_pyarrow()
    import pyarrow.parquet

    out = io.BytesIO()
    table = arrow.Table.from_batches([row_batch(found, row_schema(headers(columns)), columns)])
    pyarrow.parquet.write_table(table, out, compression="zstd")
    return out.getvalue()


# -- tables to rows ----------------------------------------------------------------------


def parquet_columns(name: str) -> list[str]:
    """Names of the columns; ReadError where this is no Parquet file."""
    with _opened(name) as file:
        return list(_schema_of(file, name).names)


def parquet_slices(name: str, rows: int) -> Iterator[tuple[bytes, int, float]]:
    """The table as Arrow streams of at most so many rows: bytes, rows, share of the table."""
    arrow = require_pyarrow()
    with _opened(name) as file:
        once(_schema_of(file, name).names, name)
        try:
            for batch in file.iter_batches(batch_size=rows):
                out = io.BytesIO()
                with arrow.ipc.new_stream(out, batch.schema) as stream:
                    stream.write_batch(batch)
                yield out.getvalue(), len(batch), len(batch) / file.metadata.num_rows
        except (arrow.ArrowException, OSError) as error:
            raise ReadError(name, f"is damaged ({_one_line(error)})") from error


def arrow_rows(
    data: bytes,
    shift: int,
    text_column: str | None,
    only: int | None = None,
    columns: Sequence[str] | None = None,
) -> list[Row]:
    """Rows of an Arrow stream, numbered from `shift` + 1; their values as `plain_rows` has them.

    `only` is the position of a single row that is wanted, `columns` are those that are: a
    value may be such that its whole table cannot be unpacked.
    """
    arrow = require_pyarrow()
    with arrow.ipc.open_stream(data) as stream:
        table = stream.read_all()
    if columns is not None:
        table = table.select(columns)
    if only is not None:
        table, shift = table.slice(only, 1), shift + only
    return list(enumerate(plain_rows(table, text_column), shift + 1))


def plain_rows(table: pa.Table, text_column: str | None) -> list[dict[str, Any]]:
    """Rows in types that JSON knows. Only `text_column` may keep bytes: they are a document."""
    arrow = require_pyarrow()
    for at, field in enumerate(table.schema):
        # Python knows no nanoseconds and no year beyond 9999.
        if (textual := _textual(field.type)) != field.type:
            with suppress(arrow.ArrowNotImplementedError):  # as Python has it, then
                table = table.set_column(at, field.name, table.column(at).cast(textual))
    return [
        {n: v if n == text_column else plain(v) for n, v in row.items()}
        for row in table.to_pylist()
    ]


def _textual(kind: Any) -> Any:
    """The type with texts in place of dates and times, counts in place of durations, at any depth."""
    arrow = require_pyarrow()
    types = arrow.types
    if types.is_duration(kind):
        return arrow.int64()
    if types.is_temporal(kind):
        return arrow.string()
    if types.is_dictionary(kind):
        return _textual(kind.value_type) if types.is_temporal(kind.value_type) else kind
    if types.is_list(kind) or types.is_large_list(kind):
        return arrow.list_(_textual(kind.value_type))
    if types.is_map(kind):
        return arrow.map_(_textual(kind.key_type), _textual(kind.item_type))
    if types.is_struct(kind):
        return arrow.struct([(field.name, _textual(field.type)) for field in kind])
    return kind


def _schema_of(file: Any, name: str) -> Any:
    try:
        return file.schema_arrow
    except (require_pyarrow().ArrowException, OSError, UnicodeDecodeError) as error:
        raise ReadError(name, f"is damaged ({_one_line(error)})") from error


def once(columns: Sequence[str], name: str) -> None:
    """ReadError where a column of the table `name` is there twice."""
    if (twice := repeated(columns)) is not None:
        raise ReadError(name, f"has two columns {twice}; rename one")


def _opened(name: str) -> Any:
    arrow = require_pyarrow()
    import pyarrow.parquet

    try:
        # Read as a stream: a row group may be larger than memory.
        return pyarrow.parquet.ParquetFile(name, buffer_size=1 << 20, pre_buffer=False)
    except OSError as error:
        raise ReadError(name, f"cannot be read ({_one_line(error)})") from error
    except arrow.ArrowException as error:
        raise ReadError(name, f"is no Parquet file ({_one_line(error)})") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
