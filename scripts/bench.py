"""Speed, as ratios against references measured in the same run.

    python scripts/bench.py [notice] [segments] [documents] [growth] [--runs N]

notice      one notice of 40 issues, whole process
segments    category and status of ready-cut segments, one core, model loaded
documents   splitting text, and reading and splitting web pages, one core
growth      files of 1,000, 10,000 and 100,000 segments, whole process

What is compared runs alternately; the figures are medians and their ratios. The
reference is what one would write first: jieba, TfidfVectorizer and LogisticRegression
behind joblib.load, trained on the same segments, asked for one label and its
probability. fastText, if `fasttext-community` is installed, is timed on text that is
already cut into words. Segments are judged with numpy alone and, where numba is
installed, by the compiled passes.
"""

import argparse
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parent.parent
NOTICE = ROOT / "seeds" / "linyi-transport-2023.txt"
PREDICT = [sys.executable, "-m", "rectify_nlp", "predict", "-f", "jsonl"]
SEGMENTS = 2000
GROWTH = (1_000, 10_000, 100_000)

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
    try:
        import fasttext
    except ImportError:
        pass
    else:
        import jieba

        cut = [" ".join(jieba.cut(text, HMM=False)).replace("\n", " ") for text in texts]
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
            for example, line in zip(examples, cut, strict=True):
                file.write(f"__label__{example.category} {line}\n")
            file.flush()
            other = fasttext.train_supervised(file.name, wordNgrams=2, verbose=0)
        timed["fastText, cut text"] = lambda: other.f.multilinePredict(cut, 1, 0.0, "strict")

    def seconds(run: Callable[[], object]) -> Callable[[], float]:
        def once() -> float:
            start = time.process_time()
            run()
            return time.process_time() - start

        return once

    # What is loaded stays: a service would not have it searched for garbage either.
    gc.collect()
    gc.freeze()
    taken = alternately(runs, {name: seconds(run) for name, run in timed.items()})
    rate = {name: len(examples) / statistics.median(found) for name, found in taken.items()}
    print(
        f"{len(examples)} segments of {characters:.0f} characters, one core, processor time,"
        f" medians of {runs} alternating runs"
    )
    for name, value in rate.items():
        ratio = value / rate["obvious, one label"]
        print(f"  {name:27s} {value:8.0f} segments/s {ratio:7.1f} of the obvious pipeline")


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


def growth(runs: int, folder: Path) -> None:
    from rectify_nlp import Taxonomy, load_examples

    rows = [
        json.dumps(
            {"problem": e.problem, "measures": e.measures, "path": e.path}, ensure_ascii=False
        )
        for e in load_examples([ROOT / "labels"], Taxonomy.load())
    ]
    print(f"files of segments, whole process, medians of {runs} runs")
    for size in GROWTH:
        path = folder / f"{size}.jsonl"
        path.write_text("".join(rows[i % len(rows)] + "\n" for i in range(size)), encoding="utf-8")
        taken = alternately(runs, {"": partial(process, [*PREDICT, str(path)])})[""]
        wall, cpu = (statistics.median(column) for column in zip(*taken, strict=True))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
        print(
            f"  {size:7d} segments {wall:7.1f} s wall {cpu:7.1f} s cpu"
            f" {cpu / size * 1e6:6.0f} us each, peak {peak:.0f} MB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "what", nargs="*", help="notice, segments, documents, growth; all by default"
    )
    parser.add_argument("--runs", type=int, default=9)
    wanted = parser.parse_args()
    what = wanted.what or ["notice", "segments", "documents", "growth"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        obvious = str(folder / "obvious.joblib")
        (folder / "obvious.py").write_text(OBVIOUS_CUT)
        os.environ["PYTHONPATH"] = name
        sys.path.insert(0, name)
        # As they are once installed, also where Python may not write beside the sources.
        subprocess.run([sys.executable, "-m", "compileall", "-q", str(ROOT / "nlp")], check=True)
        if "growth" in what:  # first: its peak is that of the largest process so far
            growth(max(1, wanted.runs // 4), folder)
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
