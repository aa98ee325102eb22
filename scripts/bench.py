"""Speed, as ratios against references measured in the same run.

    python scripts/bench.py [notice] [segments] [documents] [growth] [jobs] [start] [spark] [--runs N]

notice      one notice of 40 issues, whole process
segments    category and status of ready-cut segments, one core, model loaded
documents   splitting text, and reading and splitting web pages, one core
growth      `batch` over 1,000 to a million segments, to JSON lines and to Parquet, two jobs
jobs        `batch` over 200,000 segments with one job and with two
start       a Python process that loads a model and judges one segment, or a notice
spark       a million segments (--rows) on Spark local[2] and by two jobs without it; only if
            asked for, needs the extra `spark` and Java

What is compared runs alternately; the figures are medians and their ratios. The
reference is what one would write first: jieba, TfidfVectorizer and LogisticRegression
behind joblib.load, trained on the same segments, asked for one label and its
probability. fastText and Vowpal Wabbit are timed where they are installed (pip install
fasttext-community vowpalwabbit rjieba), on text that is already cut into words, or where it
says so cut by rjieba, and for one label;
fasttext-predict is the same module as fasttext-community, without training. Segments are
judged with numpy alone and, where numba is installed, by the compiled passes.
"""

import argparse
import gc
import itertools
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parent.parent
NOTICE = ROOT / "seeds" / "linyi-transport-2023.txt"
PREDICT = [str(Path(sys.executable).with_name("rectify-nlp")), "predict", "-f", "jsonl"]
SEGMENTS = 2000
GROWTH = (1_000, 10_000, 100_000, 1_000_000)
JOBS_SEGMENTS = 200_000
BATCH = [sys.executable, "-m", "rectify_nlp", "batch", "--id-column", "id", "--quiet"]
ROWS = 1_000_000

# A module of its own, for jieba.lcut itself cannot be pickled (it holds a lock).
OBVIOUS_CUT = "import jieba\n\n\ndef cut(text):\n    return jieba.lcut(text)\n"
OBVIOUS_TRAIN = """
import sys, warnings
warnings.simplefilter("ignore")
import joblib
from obvious import cut
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from pathlib import Path
from rectify_nlp import Taxonomy, load_examples
examples = load_examples([Path(sys.argv[1])], Taxonomy.load())
pipeline = make_pipeline(
    TfidfVectorizer(tokenizer=cut, token_pattern=None, ngram_range=(1, 2), min_df=2),
    LogisticRegression(max_iter=1000),
)
pipeline.fit([e.problem + e.measures for e in examples], [e.category for e in examples])
joblib.dump(pipeline, sys.argv[2])
"""
OBVIOUS_PREDICT = """
import re, sys, warnings
warnings.simplefilter("ignore")
import jieba, joblib, obvious, sklearn
pipeline = joblib.load(sys.argv[1])
text = open(sys.argv[2], encoding="utf-8").read()
segments = re.split(r"\\n(?=\\(\\d+\\))", text)[1:]
for label, p in zip(pipeline.predict(segments), pipeline.predict_proba(segments)):
    print(label, p.max())
"""


def process(command: list[str]) -> tuple[float, float]:
    """Wall and processor seconds of a new process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


T = TypeVar("T")


def alternately(runs: int, timed: dict[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Results of `runs` rounds; one before them warms the caches."""
    results: dict[str, list[T]] = {name: [] for name in timed}
    for _ in range(runs + 1):
        for name, run in timed.items():
            results[name].append(run())
    return {name: found[1:] for name, found in results.items()}


def notice(runs: int, obvious: str) -> None:
    commands = {
        "rectify-nlp predict": [*PREDICT, str(NOTICE)],
        "obvious pipeline": [sys.executable, "-c", OBVIOUS_PREDICT, obvious, str(NOTICE)],
        "import numpy": [sys.executable, "-c", "import numpy"],
    }
    taken = alternately(runs, {name: partial(process, c) for name, c in commands.items()})
    wall = {name: statistics.median(w for w, _ in found) for name, found in taken.items()}
    cpu = {name: statistics.median(c for _, c in found) for name, found in taken.items()}
    print(f"one notice of 40 issues, whole process, medians of {runs} alternating runs")
    print("                          wall ms   ratio    cpu ms   ratio  (rectify-nlp / this)")
    for name in commands:
        w, c = wall["rectify-nlp predict"] / wall[name], cpu["rectify-nlp predict"] / cpu[name]
        print(f"  {name:20s} {wall[name] * 1e3:10.0f} {w:7.2f} {cpu[name] * 1e3:9.0f} {c:7.2f}")


def segments(runs: int, obvious: str) -> None:
    import joblib

    from rectify_nlp import Model, compiled, load_examples
    from rectify_nlp.splitting import segment

    model = Model.load()
    examples = load_examples([ROOT / "labels"], model.taxonomy)[:SEGMENTS]
    characters = sum(len(e.problem) + len(e.measures) for e in examples) / len(examples)
    issues = [segment(e.problem, e.measures, e.path, taxonomy=model.taxonomy)[1] for e in examples]
    pipeline = joblib.load(obvious)
    texts = [e.problem + e.measures for e in examples]

    def findings() -> None:
        model.judge(
            [segment(e.problem, e.measures, e.path, taxonomy=model.taxonomy)[1] for e in examples]
        )

    def probabilities() -> None:
        model.probabilities(issues)

    def compiled_from(count: int, run: Callable[[], None]) -> None:
        compiled.WORTH_IT = count
        run()

    never = sys.maxsize
    timed: dict[str, Callable[[], object]] = {
        "obvious, one label": lambda: pipeline.predict_proba(texts),
        "segment and judge": partial(compiled_from, never, findings),
        "probabilities": partial(compiled_from, never, probabilities),
    }
    if find_spec("numba"):
        timed["segment and judge, compiled"] = partial(compiled_from, 0, findings)
        timed["probabilities, compiled"] = partial(compiled_from, 0, probabilities)
    import jieba

    cut = [" ".join(jieba.cut(text, HMM=False)).replace("\n", " ") for text in texts]
    labels = [e.category for e in examples]
    cutter = find_spec("rjieba") is not None

    def words() -> list[str]:
        import rjieba

        return [" ".join(rjieba.cut(text, hmm=False)).replace("\n", " ") for text in texts]

    if (large := fasttext_model(cut, labels, dimensions=100)) is not None:
        timed["fastText, 100 dim, already cut"] = lambda: large.predict(cut)
    if (small := fasttext_model(cut, labels)) is not None:
        timed["fastText, already cut"] = lambda: small.predict(cut)
        if cutter:
            timed["rjieba and fastText"] = lambda: small.predict(words())
    if (vw := vw_model(cut, labels)) is not None:
        given = [vw_line(line) for line in cut]
        timed["Vowpal Wabbit, already cut"] = lambda: [vw.predict(line) for line in given]
        if cutter:
            timed["rjieba and Vowpal Wabbit"] = lambda: [vw.predict(vw_line(w)) for w in words()]
    if cutter:
        timed["rjieba alone"] = words

    # What is loaded stays: a service would not have it searched for garbage either.
    gc.collect()
    gc.freeze()
    taken = alternately(runs, {name: partial(seconds, run) for name, run in timed.items()})
    rate = {name: len(examples) / statistics.median(found) for name, found in taken.items()}
    print(
        f"{len(examples)} segments of {characters:.0f} characters, one core, processor time,"
        f" medians of {runs} alternating runs"
    )
    for name, value in rate.items():
        ratio = value / rate["obvious, one label"]
        print(f"  {name:30s} {value:8.0f} segments/s {ratio:7.1f} of the obvious pipeline")


VW = "--oaa {} --ngram 2 -b 20 --loss_function logistic --quiet"


def vw_line(cut: str, label: int | None = None) -> str:
    """An example as Vowpal Wabbit reads it, where a colon and a bar mean something."""
    return f"{label or ''} | {cut.replace(':', ' ').replace('|', ' ')}"


def vw_model(cut: list[str], labels: list[str]) -> Any:
    """Vowpal Wabbit over words and pairs of them; None where it is not installed."""
    try:
        from vowpalwabbit import Workspace
    except ImportError:
        print("  Vowpal Wabbit left out: vowpalwabbit is not installed")
        return None
    numbers = {label: number for number, label in enumerate(sorted(set(labels)), 1)}
    model = Workspace(VW.format(len(numbers)))
    for _ in range(5):
        for line, label in zip(cut, labels, strict=True):
            model.learn(vw_line(line, numbers[label]))
    return model


def fasttext_model(cut: list[str], labels: list[str], dimensions: int = 10) -> Any:
    """fastText over words and pairs of them; None where it is not installed, or cannot train.

    Its default of 100 dimensions makes a model of 800 MB, which takes long to load.
    """
    try:
        import fasttext

        train = fasttext.train_supervised
    except (ImportError, AttributeError):
        print("  fastText left out: fasttext-community is not installed")
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.writelines(
            f"__label__{label} {line}\n" for label, line in zip(labels, cut, strict=True)
        )
        file.flush()
        return train(file.name, wordNgrams=2, dim=dimensions, verbose=0)


# Processes that judge the segment of a file. The peers know no words: theirs are cut by the
# port of jieba that starts fastest, or were cut before.
START_SEGMENT = """
import sys
from rectify_nlp import Model
from rectify_nlp.splitting import segment
model = Model.load()
print(model.judge([segment(open(sys.argv[1]).read(), "", (), taxonomy=model.taxonomy)[1]]))
"""
START_FASTTEXT = """
import sys
sys.path[:0] = sys.argv[3:]
import fasttext, rjieba
model = fasttext.load_model(sys.argv[2])
print(model.predict(" ".join(rjieba.cut(open(sys.argv[1]).read(), hmm=False)).replace("\\n", " ")))
"""
START_VW = """
import sys
from vowpalwabbit import Workspace
model = Workspace(f"-i {sys.argv[2]} --quiet")
text = open(sys.argv[1]).read()
if "cut" in sys.argv:
    import rjieba
    text = " ".join(rjieba.cut(text, False))
print(model.predict("| " + text.replace(":", " ").replace("|", " ")))
"""


def start(runs: int, folder: Path, predictor: Path | None) -> None:
    import jieba

    from rectify_nlp import Model, load_examples

    examples = load_examples([ROOT / "labels"], Model.load().taxonomy)
    cut = [" ".join(jieba.cut(e.problem, HMM=False)).replace("\n", " ") for e in examples]
    labels = [e.category for e in examples]
    segment, words = folder / "segment.txt", folder / "words.txt"
    segment.write_text(examples[0].problem, encoding="utf-8")
    words.write_text(cut[0], encoding="utf-8")

    def python(code: str, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-c", code, *map(str, arguments)]

    commands = {
        "rectify-nlp predict, 40 issues": [*PREDICT, str(NOTICE)],
        "rectify-nlp, one segment": python(START_SEGMENT, segment),
    }
    cutter = find_spec("rjieba") is not None
    if cutter and (other := fasttext_model(cut, labels)) is not None:
        model = folder / "fasttext.bin"
        other.save_model(str(model))
        commands["rjieba and fastText"] = python(START_FASTTEXT, segment, model)
        if predictor is not None:
            commands["rjieba and fasttext-predict"] = python(
                START_FASTTEXT, segment, model, predictor
            )
    if (vw := vw_model(cut, labels)) is not None:
        model = folder / "vw.model"
        vw.save(str(model))
        if cutter:
            commands["rjieba and Vowpal Wabbit"] = python(START_VW, segment, model, "cut")
        commands["Vowpal Wabbit, cut text"] = python(START_VW, words, model)
    if cutter:
        commands["rjieba alone"] = python("import rjieba; rjieba.cut('', False)")
    commands |= {"import numpy": python("import numpy"), "python": python("pass")}
    taken = alternately(runs, {name: partial(process, c) for name, c in commands.items()})
    print(f"whole process, model loaded and one segment judged, medians of {runs} alternating runs")
    for name, found in taken.items():
        wall, cpu = (statistics.median(column) * 1e3 for column in zip(*found, strict=True))
        print(f"  {name:31s} {wall:6.0f} ms wall {cpu:6.0f} ms cpu")


def documents(runs: int) -> None:
    """Splitting text against cutting it into words; web pages against parsing them."""
    import jieba
    from lxml import html

    from rectify_nlp import read, split
    from rectify_nlp.reading import read_bytes

    jieba.initialize()
    notices = [read(path) for path in sorted((ROOT / "seeds").glob("*.txt"))]
    pages = [path.read_bytes() for path in sorted((ROOT / "tests" / "cases").rglob("*.html"))]
    cpu: dict[str, Callable[[], float]] = {
        name: partial(seconds, work)
        for name, work in {
            "split": lambda: [split(notice) for notice in notices],
            "words": lambda: [jieba.lcut(notice.text) for notice in notices],
            "pages": lambda: [split(read_bytes(page, "page.html")) for page in pages],
            "parse": lambda: [html.fromstring(page) for page in pages],
        }.items()
    }
    gc.freeze()  # jieba's dictionary is no garbage that the splitter should look through
    median = {name: statistics.median(times) for name, times in alternately(runs, cpu).items()}
    size = sum(len(notice.text.encode()) for notice in notices) / 1e6
    print(
        f"text: {size / median['split']:.1f} MB/s split (the two seeds, {size:.2f} MB), "
        f"{median['split'] / median['words']:.3f} of the time jieba takes to cut it"
    )
    print(
        f"web pages: {median['pages'] / len(pages) * 1000:.1f} ms a page read and split "
        f"({len(pages)} pages), {median['pages'] / median['parse']:.1f} times lxml parsing them"
    )


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


@dataclass
class Tree:
    """What a process and those it started took: seconds, processor seconds, memory in MB.

    `own` are the processor seconds of the process alone, `peak` the most that all of them
    held at a time: their PSS, looked at five times a second (Linux).
    """

    wall: float
    cpu: float
    own: float
    peak: float


def tree(command: list[str]) -> Tree:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    own = peak = 0.0
    while running.poll() is None:
        own = processor_seconds(running.pid) or own
        peak = max(peak, sum(map(megabytes, [running.pid, *offspring(running.pid)])))
        time.sleep(0.2)
    wall = time.perf_counter() - start
    if running.returncode:
        raise SystemExit(f"{' '.join(command)}: exit status {running.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Tree(wall=wall, cpu=cpu, own=own, peak=peak)


def offspring(pid: int) -> list[int]:
    """Processes that a process started, and those that they started."""
    try:
        started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [one for child in map(int, started) for one in (child, *offspring(child))]


def processor_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1e3
    except OSError:
        return 0


def table(folder: Path, size: int) -> Path:
    """So many segments with an id each: those of labels/, over and over."""
    from rectify_nlp import Taxonomy, load_examples

    given = [
        {"problem": e.problem, "measures": e.measures, "path": e.path}
        for e in load_examples([ROOT / "labels"], Taxonomy.load())
    ]
    path = folder / f"{size}.jsonl"
    with path.open("w", encoding="utf-8") as lines:
        for number in range(size):
            row = {"id": f"s{number:07d}", **given[number % len(given)]}
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path


def growth(folder: Path) -> None:
    print("batch over segments, two jobs, one run each: whole process tree")
    for size in GROWTH:
        path = table(folder, size)
        for form in ("jsonl", "parquet"):
            out = folder / "out"
            took = tree([*BATCH, str(path), "-o", str(out), "-j", "2", "-f", form])
            shutil.rmtree(out)
            print(
                f"  {size:9,d} to {form:7s} {took.wall:7.1f} s wall {took.cpu:7.1f} s cpu"
                f" {took.cpu / size * 1e6:6.0f} us each, peak {took.peak:.0f} MB",
                flush=True,
            )
        path.unlink()


def jobs(runs: int, folder: Path) -> None:
    path = table(folder, JOBS_SEGMENTS)

    def run(count: int) -> Tree:
        out = folder / "out"
        took = tree([*BATCH, str(path), "-o", str(out), "-j", str(count)])
        shutil.rmtree(out)
        return took

    found = alternately(runs, {str(count): partial(run, count) for count in (1, 2)})
    one, two = found["1"], found["2"]
    print(f"batch over {JOBS_SEGMENTS:,} segments, medians of {runs} alternating runs")
    for name, took in (("one job", one), ("two jobs", two)):
        wall, cpu, own = (
            statistics.median(getattr(t, of) for t in took) for of in ("wall", "cpu", "own")
        )
        print(f"  {name:9s} {wall:7.1f} s wall {cpu:7.1f} s cpu, of which {own:.2f} s the parent's")
    ratio = statistics.median(a.wall / b.wall for a, b in zip(one, two, strict=True))
    # On two free processors the parent of two workers takes its time from theirs.
    bound = statistics.median((a.cpu - a.own) / (b.cpu / 2) for a, b in zip(one, two, strict=True))
    print(f"  two are {ratio:.2f} times as fast by the clock, {bound:.2f} times by processor time")
    path.unlink()


def spark(runs: int, folder: Path, rows: int) -> None:
    """Both engines write Parquet; Spark is started, and has run once, before the clock is."""
    from rectify_nlp import Model, cluster
    from rectify_nlp.inputs import Inputs
    from rectify_nlp.jobs import run as run_here
    from rectify_nlp.jobs import settings_for
    from rectify_nlp.spark import session

    model, many, few = Model.load(), table(folder, rows), table(folder, SEGMENTS)
    outputs = (folder / f"out-{number}" for number in itertools.count())

    def here(source: Path) -> float:
        inputs, start = Inputs([str(source)]), time.perf_counter()
        run_here(inputs, settings_for(inputs, form="parquet"), next(outputs), jobs=2)
        return time.perf_counter() - start

    with session("local[2]") as there:

        def on_spark(source: Path) -> float:
            start = time.perf_counter()
            cluster.run(there, Inputs([str(source)]), str(next(outputs)), model=model)
            return time.perf_counter() - start

        on_spark(few)
        taken = [(on_spark(many), here(many)) for _ in range(runs)]
    for one, other in taken:
        print(
            f"{rows} segments: Spark local[2] {one:.0f} s, without it two jobs {other:.0f} s,"
            f" ratio {one / other:.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "what",
        nargs="*",
        help="notice, segments, documents (these by default), growth, jobs, start, spark",
    )
    parser.add_argument("--rows", type=int, default=ROWS, help="of the table for Spark")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument(
        "--fasttext-predict",
        type=Path,
        metavar="FOLDER",
        help="also start what `pip install --target FOLDER fasttext-predict` put there;"
        " its module has the name of fasttext-community's",
    )
    wanted = parser.parse_args()
    what = wanted.what or ["notice", "segments", "documents"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        obvious = str(folder / "obvious.joblib")
        (folder / "obvious.py").write_text(OBVIOUS_CUT)
        os.environ["PYTHONPATH"] = name
        sys.path.insert(0, name)
        # As they are once installed, also where Python may not write beside the sources.
        subprocess.run([sys.executable, "-m", "compileall", "-q", str(ROOT / "nlp")], check=True)
        if "start" in what:
            start(wanted.runs, folder, wanted.fasttext_predict)
        if "growth" in what:
            growth(folder)
        if "jobs" in what:
            jobs(max(1, wanted.runs // 3), folder)
        if "spark" in what:
            spark(max(1, wanted.runs // 4), folder, wanted.rows)
        if "documents" in what:
            documents(wanted.runs)
        if set(what) & {"notice", "segments"}:
            subprocess.run(
                [sys.executable, "-c", OBVIOUS_TRAIN, str(ROOT / "labels"), obvious],
                check=True,
                stderr=subprocess.DEVNULL,
            )
        if "notice" in what:
            notice(wanted.runs, obvious)
        if "segments" in what:
            segments(wanted.runs, obvious)


if __name__ == "__main__":
    main()
