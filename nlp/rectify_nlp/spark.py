"""Scoring on Spark: `score_arrow` in the Python workers of a cluster.

The model travels with the job, as the bytes of its folder; the package does not, so it has
to be installed wherever executors run, in the version of the driver. pyspark is an extra.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from rectify_nlp.arrow import score_arrow, score_schema
from rectify_nlp.errors import MissingExtra, MissingProgram, ModelError, OutputError
from rectify_nlp.model import Model
from rectify_nlp.version import __version__

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

# The Java that Spark 4 needs.
_JAVA = 17
# Version of the package that ships it, then name and content of each file of the model.
Shipment = tuple[str, tuple[tuple[str, bytes], ...]]


def score(df: DataFrame, model: Model | Path | str | None = None) -> DataFrame:
    """`df` with the columns of `score_schema(model)` added, a row for each row.

    `df` has the text columns `problem` and, if wanted, `measures` and `path` (an array of
    texts, or one text); every column passes through, unless it bears the name of one that
    is added. `model` is a model or its folder on the driver, by default the one of the
    package. Nothing is computed before an action asks for it. ValueError for a frame
    without `problem`.
    """
    require_pyspark()
    from pyspark.sql.pandas.types import from_arrow_schema
    from pyspark.sql.types import StructType

    if "problem" not in df.columns:
        raise ValueError(f"no column problem among {', '.join(df.columns)}")
    model = model if isinstance(model, Model) else Model.load(Path(model) if model else None)
    added = from_arrow_schema(score_schema(model))
    kept = [field for field in df.schema if field.name not in added.names]
    # Spark would take a dot in a name for a field within a column.
    plain = df.toDF(*(f"c{at}" for at in range(len(df.columns))))
    scored = partial(_scored, df.columns, shipment(model))
    return plain.mapInArrow(scored, StructType([*kept, *added]))


def _scored(
    names: Sequence[str], shipped: Shipment, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    model = unpacked(shipped)
    for batch in batches:
        yield score_arrow(batch.rename_columns(names), model)


# -- the model's way to a worker -----------------------------------------------------------


def shipment(model: Model) -> Shipment:
    """The model as what Spark can send along with a task."""
    return __version__, tuple(model.files().items())


@lru_cache(maxsize=2)
def unpacked(shipped: Shipment) -> Model:
    """The model that was shipped, loaded and verified once in each Python worker.

    ModelError where the worker has another version of the package.
    """
    version, files = shipped
    if version != __version__:
        raise ModelError(
            f"an executor has rectify-nlp {__version__}, the driver {version};"
            " install the same version everywhere"
        )
    with tempfile.TemporaryDirectory(prefix="rectify-nlp-") as folder:
        for name, content in files:
            (Path(folder) / name).write_bytes(content)
        return Model.load(Path(folder))


# -- a session ---------------------------------------------------------------------------


@contextmanager
def session(master: str | None = None, *, progress: bool = False) -> Iterator[SparkSession]:
    """The Spark session of this process, or one that begins and ends with the block.

    `master` is a Spark URL, by default all processors of this machine. MissingExtra or
    MissingProgram where Spark cannot run here, OutputError where it does not start. Spark's
    log is silent unless `spark.log.level` is configured.
    """
    require_pyspark()
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    if active := SparkSession.getActiveSession():
        yield active
        return
    require_java()
    master = master or "local[*]"
    settings = {"spark.master": master, "spark.ui.showConsoleProgress": str(progress).lower()}
    if master.startswith("local"):
        # Nobody outside this machine takes part, and Python is the one that runs here.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        settings |= dict.fromkeys(("spark.driver.host", "spark.driver.bindAddress"), "127.0.0.1")
        settings["spark.ui.enabled"] = "false"
    try:
        spark = SparkSession.builder.appName("rectify-nlp").config(map=settings).getOrCreate()
    except (PySparkException, Py4JError) as error:
        raise OutputError(f"Spark does not start at {master} ({told(error)})") from error
    if not spark.sparkContext.getConf().contains("spark.log.level"):
        spark.sparkContext.setLogLevel("OFF")
    try:
        yield spark
    finally:
        spark.stop()


def told(error: Exception) -> str:
    """What Spark has to say, in a line: the last exception it names."""
    lines = [line.strip(" :") for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.$]+(Error|Exception): ", line)]
    line = named[-1] if named else lines[0] if lines else type(error).__name__
    return " ".join(line.split())[:300]


def require_pyspark() -> None:
    """MissingExtra where pyspark, or what it needs for Arrow, is not installed."""
    try:
        import pandas  # noqa: F401
        import pyspark  # noqa: F401
    except ImportError as error:
        raise MissingExtra("Spark", "spark") from error


def require_java() -> None:
    """MissingProgram where there is no Java that Spark could run on."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    found = "none was found"
    if java:
        try:
            said = subprocess.run(  # noqa: S603
                [java, "-version"], capture_output=True, text=True, check=True
            ).stderr
        except (OSError, subprocess.CalledProcessError):
            found = f"{java} does not run"
        else:
            number = re.search(r'version "(\d+)', said)
            if number and int(number[1]) >= _JAVA:
                return
            found = f"{java} is {number[1] if number else 'unknown'}"
    raise MissingProgram(
        f"Spark needs Java {_JAVA} or newer ({found});"
        " install a Java runtime (Debian: default-jre-headless) or set JAVA_HOME"
    )
