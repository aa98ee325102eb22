"""A batch on Spark: tables of JSON lines or Parquet in, a Parquet folder out.

The rows are those of the local engine, down to the line numbers of broken lines. Spark
reads, distributes, tries again and commits all parts at once at the end, so there is nothing
to resume. The manifest is written first, as the claim to the folder, and again when all is
done.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial, reduce
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rectify_nlp.arrow import row_schema
from rectify_nlp.errors import ModelError, OutputError, ReadError
from rectify_nlp.executors import (
    JSONL,
    Block,
    Reader,
    Work,
    counted,
    judged,
    line_rows,
    record_rows,
)
from rectify_nlp.folder import FORMAT, MANIFEST
from rectify_nlp.inputs import PARQUET, Inputs, is_uri, kind_of
from rectify_nlp.jobs import Totals
from rectify_nlp.model import Model
from rectify_nlp.records import csv_columns
from rectify_nlp.spark import session, shipment, told
from rectify_nlp.types import Failure, Limits
from rectify_nlp.version import __version__

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# A task is what has to be done again when an executor is lost: some seconds of work.
_TASK_BYTES = 16 << 20
_TASK_ROWS = 20_000
_NOTICE_ROWS = 32  # what a notice costs, in rows
# So many rows a Python worker holds at a time; a notice may have tens of megabytes.
_BATCH_ROWS = 1024
_BATCH_NOTICES = 16


def run_on(
    inputs: Inputs,
    out: str,
    master: str | None = None,
    *,
    model: Path | None = None,
    explain: bool = False,
    limits: Limits | None = None,
    progress: bool = False,
) -> Totals:
    """`run` in a `session` at `master`."""
    loaded = Model.load(model)
    with session(master, progress=progress) as spark:
        return run(spark, inputs, out, model=loaded, explain=explain, limits=limits)


def run(
    spark: SparkSession,
    inputs: Inputs,
    out: str,
    *,
    model: Model,
    explain: bool = False,
    limits: Limits | None = None,
) -> Totals:
    """Judge the tables among `inputs` into the folder `out`, as Parquet.

    Names of files must mean the same to every executor; URIs are Spark's. ReadError for
    what is no table of JSON lines or Parquet; OutputError where `out` holds something or
    cannot be written, inputs change, or Spark gives up. `out` is empty again then.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    limits = limits or Limits()
    try:
        _configure(spark, inputs)
        tables = _tables(inputs, spark)
        output = _Output(out, spark)
        described = _described(tables, inputs, model, spark, explain=explain, limits=limits)
        with output.claimed(described):
            totals, warnings = _judge(tables, inputs, model, output, explain=explain, limits=limits)
            if _tables(inputs, spark) != tables:
                raise OutputError(f"{out}: inputs changed while they were read; run again")
            parts = output.parts()
            totals.rows = sum(part["rows"] for part in parts)
            totals.failures = sum(part["failures"] for part in parts)
            ended = {"warnings_told": warnings, "parts": parts}
            output.put({"complete": True, "run": described, **asdict(totals), **ended})
    except (PySparkException, Py4JError) as error:
        what = told(error)
        if "No module named 'rectify_nlp'" in what:
            what = f"an executor lacks it: pip install 'rectify-nlp[spark]=={__version__}' there"
        kind = ModelError if "ModelError" in what else OutputError
        raise kind(f"{out}: Spark gave up and kept nothing: {what}") from error
    return totals


def _configure(spark: SparkSession, inputs: Inputs) -> None:
    rows = _BATCH_ROWS if inputs.text_column is None else _BATCH_NOTICES
    wanted = {
        "spark.sql.execution.arrow.maxRecordsPerBatch": rows,
        "spark.sql.files.maxPartitionBytes": _TASK_BYTES,
        # Shares of files must not depend on how many executors there happen to be.
        "spark.sql.files.minPartitionNum": 4 * spark.sparkContext.defaultParallelism,
    }
    given = spark.sparkContext.getConf()
    for name, value in wanted.items():
        if not given.contains(name):
            spark.conf.set(name, value)
    spark.conf.set("spark.sql.caseSensitive", True)
    spark.conf.set("spark.sql.session.timeZone", "UTC")


def _described(
    tables: Sequence[_Source],
    inputs: Inputs,
    model: Model,
    spark: SparkSession,
    *,
    explain: bool,
    limits: Limits,
) -> dict[str, Any]:
    """All that decides the rows. Inputs are known by size and time: they may be terabytes."""
    return {
        "package": __version__,
        "engine": f"spark {spark.version}",
        "model": model.loaded_sha256,
        "options": {
            "form": "parquet",
            "explain": explain,
            "limits": asdict(limits),
            "id_column": inputs.id_column,
            "text_column": inputs.text_column,
        },
        "inputs": [{"source": t.name, "bytes": t.bytes, "modified": t.modified} for t in tables],
    }


# -- inputs ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A table: what rows call it, and what Spark calls it."""

    name: str
    uri: str
    bytes: int
    modified: float


def _tables(inputs: Inputs, spark: SparkSession) -> list[_Source]:
    """The tables in the order of the inputs, those of URIs last; ReadError for anything else."""
    from pyspark.errors import AnalysisException
    from pyspark.sql.functions import col

    local: dict[str, str] = {}
    uris: list[str] = []
    for name in inputs.names():
        if isinstance(name, Failure):
            raise ReadError(name.source, name.message)
        if is_uri(name):
            uris.append(name)
        elif not Path(name).is_file():
            raise ReadError(name, "no such file here; what lies elsewhere has a URI")
        elif Path(name).stat().st_size or kind_of(name) == PARQUET:
            local[_local_uri(name)] = name
    # Without the column `content` no file is opened.
    listing = spark.read.format("binaryFile").option("recursiveFileLookup", True)
    try:
        found = listing.load([*map(_literal, local), *uris])
    except AnalysisException as error:
        raise ReadError(", ".join(inputs.sources), f"not found by Spark ({told(error)})") from error
    modified = col("modificationTime").cast("double").alias("modified")
    tables = {
        row.path: _Source(
            name=local.get(row.path, row.path),
            uri=row.path,
            bytes=row.length,
            modified=row.modified,
        )
        for row in found.select("path", "length", modified).collect()
    }
    for uri, name in local.items():
        if uri not in tables:
            raise ReadError(name, "Spark passes over it (empty, or its name begins with _ or .)")
    for table in tables.values():
        if kind_of(table.name) not in (JSONL, PARQUET):
            raise ReadError(table.name, "no .jsonl or .parquet; the Spark engine reads only these")
    return [tables.pop(uri) for uri in local] + [tables[uri] for uri in sorted(tables)]


def _local_uri(name: str) -> str:
    return f"file:{os.path.abspath(name)}"  # noqa: PTH100 - as Spark does, links stay


def _literal(uri: str) -> str:
    """`uri` where Spark would take it for a pattern."""
    return re.sub(r"([{}\[\]*?\\])", r"\\\1", uri)


# -- the job -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Tables of one kind: as Spark has them, and how a worker gets at their rows."""

    frame: DataFrame
    reader: Reader
    documents: int
    columns: Sequence[str]


def _judge(
    tables: Sequence[_Source],
    inputs: Inputs,
    model: Model,
    output: _Output,
    *,
    explain: bool,
    limits: Limits,
) -> tuple[Totals, list[str]]:
    """Write the parts; gives what the output does not tell, and the warnings."""
    from pyspark.sql import DataFrame
    from pyspark.sql.pandas.types import from_arrow_schema

    spark = output.spark
    uris: dict[str, list[str]] = {}
    for table in tables:
        uris.setdefault(kind_of(table.name), []).append(table.uri)
    kinds = {JSONL: _lines, PARQUET: _records}
    frames = [kinds[kind](spark, uris[kind], inputs.text_column) for kind in uris]
    columns = dict.fromkeys(column for frame in frames for column in frame.columns)
    warnings = spark.sparkContext.accumulator(set[str](), _union())
    work = Work(
        shipped=shipment(model),
        names={table.uri: table.name for table in tables if table.name != table.uri},
        columns=csv_columns(model, tuple(columns)),
        id_column=inputs.id_column,
        text_column=inputs.text_column,
        explain=explain,
        limits=limits,
        warnings=warnings,
    )
    schema = from_arrow_schema(row_schema(work.columns))
    rows = reduce(
        DataFrame.unionAll,
        (f.frame.mapInArrow(partial(judged, work, f.reader), schema) for f in frames),
    )
    rows.write.mode("append").option("compression", "zstd").parquet(output.uri)
    documents = sum(frame.documents for frame in frames)
    return Totals(documents=documents, warnings=len(warnings.value)), sorted(warnings.value)


def _lines(spark: SparkSession, uris: Sequence[str], text_column: str | None) -> _Frame:
    """JSON lines, as bytes, each with its block.

    A first pass counts the lines of each block, so that a later one knows their numbers,
    and finds the columns.
    """
    from pyspark.sql.functions import col

    lines = spark.read.text([*map(_literal, uris)]).select(
        col("value").cast("binary").alias("line"),
        col("_metadata.file_path").alias("file"),
        col("_metadata.file_block_start").alias("start"),
    )
    blocks = lines.mapInArrow(
        partial(counted, text_column is None),
        "file string, start long, lines long, rows long, columns array<string>",
    ).collect()
    order = {uri: at for at, uri in enumerate(uris)}
    blocks.sort(key=lambda block: (order[block.file], block.start))
    before: Counter[str] = Counter()
    shifts: dict[Block, int] = {}
    for block in blocks:
        shifts[block.file, block.start] = before[block.file]
        before[block.file] += block.lines
    return _Frame(
        frame=lines,
        reader=partial(line_rows, shifts),
        documents=sum(block.rows for block in blocks),
        columns=[column for block in blocks for column in block.columns],
    )


def _records(spark: SparkSession, uris: Sequence[str], text_column: str | None) -> _Frame:
    """Parquet, each row a structure with its file and number, spread over the executors.

    A Parquet file is divided at its row groups only, and it may have a single one.
    """
    from pyspark.sql.functions import col, struct

    table = spark.read.option("mergeSchema", True).parquet(*map(_literal, uris))
    count = table.count()
    cost = count * (1 if text_column is None else _NOTICE_ROWS)
    tasks = min(4 * spark.sparkContext.defaultParallelism, cost // _BATCH_ROWS)
    rows = table.select(
        struct("*").alias("row"),
        col("_metadata.file_path").alias("file"),
        (col("_metadata.row_index") + 1).alias("number"),
    )
    return _Frame(
        frame=rows.repartition(max(1, tasks, cost // _TASK_ROWS)),
        reader=record_rows,
        documents=count,
        columns=table.columns if text_column is None else (),
    )


def _union() -> Any:
    """Sets that grow: what a task says again when it is tried again counts once."""
    from pyspark.accumulators import AccumulatorParam

    class Union(AccumulatorParam):  # type: ignore[misc]
        def zero(self, value: set[str]) -> set[str]:  # noqa: ARG002
            return set()

        def addInPlace(self, value1: set[str], value2: set[str]) -> set[str]:  # noqa: N802
            value1 |= value2
            return value1

    return Union()


# -- the output --------------------------------------------------------------------------


class _Output:
    """A folder of any file system that Spark knows: parts, and the manifest beside them."""

    def __init__(self, name: str, spark: SparkSession) -> None:
        self.name, self.spark = name, spark
        self.uri = name if is_uri(name) else _local_uri(name)
        hadoop: Any = spark._jvm.org.apache.hadoop.fs
        self._folder = hadoop.Path(self.uri)
        self._manifest = hadoop.Path(self._folder, MANIFEST)
        self._files = self._folder.getFileSystem(spark._jsc.hadoopConfiguration())

    @contextmanager
    def claimed(self, described: Mapping[str, Any]) -> Iterator[None]:
        """Hold the folder, by a manifest that is not complete; empty it where the block fails."""
        self._files.mkdirs(self._folder)
        held = [status.getPath().getName() for status in self._files.listStatus(self._folder)]
        if held:
            raise OutputError(
                f"{self.name}: holds {min(held)}; a run on Spark is not continued, choose an"
                " empty folder"
            )
        self.put({"complete": False, "run": described}, anew=True)
        try:
            yield
        except BaseException:
            for status in self._files.listStatus(self._folder):
                self._files.delete(status.getPath(), True)
            raise

    def put(self, manifest: Mapping[str, Any], *, anew: bool = False) -> None:
        """Write the manifest; with `anew` only where there is none yet."""
        content = json.dumps({"format": FORMAT, **manifest}, indent=1) + "\n"
        stream = self._files.create(self._manifest, not anew)
        stream.write(bytearray(content.encode()))
        stream.close()

    def parts(self) -> list[dict[str, Any]]:
        """Name, rows, failures and digest of each part, as they lie there."""
        from pyspark.sql.functions import col, count, sha2

        parts = f"{_literal(self.uri)}/part-*.parquet"
        name = col("_metadata.file_name").alias("name")
        counts = self.spark.read.parquet(parts).groupBy(name)
        counted = counts.agg(count("*").alias("rows"), count("error").alias("failures")).collect()
        found = {row.name: {"rows": row.rows, "failures": row.failures} for row in counted}
        content = self.spark.read.format("binaryFile").load(parts)
        digests = content.select(name, sha2("content", 256).alias("sha256")).collect()
        none = {"rows": 0, "failures": 0}
        return [
            {"name": row.name, **found.get(row.name, none), "sha256": row.sha256}
            for row in sorted(digests, key=itemgetter("name"))
        ]
