"""Speed, as ratios against a reference measured in the same run.

    python scripts/bench.py [--runs N]

Each pair is run alternately, a new process each time; the figures are medians and
the ratio of medians. The reference is what one would write first: jieba,
TfidfVectorizer and LogisticRegression behind joblib.load, trained on the same
segments, asked for one label and its probability on the same notice.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
NOTICE = ROOT / "seeds" / "linyi-transport-2023.txt"

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


def wall(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def one_notice(runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder) / "obvious.joblib")
        (Path(folder) / "obvious.py").write_text(OBVIOUS_CUT)
        os.environ["PYTHONPATH"] = folder
        subprocess.run(
            [sys.executable, "-c", OBVIOUS_TRAIN, str(ROOT / "labels"), model],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        pairs = {
            "rectify-nlp predict": [
                sys.executable, "-m", "rectify_nlp", "predict", str(NOTICE), "-f", "jsonl",
            ],
            "obvious pipeline": [sys.executable, "-c", OBVIOUS_PREDICT, model, str(NOTICE)],
            "import numpy": [sys.executable, "-c", "import numpy"],
        }  # fmt: skip
        times: dict[str, list[float]] = {name: [] for name in pairs}
        for _ in range(runs + 1):  # the first round warms the file cache
            for name, command in pairs.items():
                times[name].append(wall(command))
    medians = {name: statistics.median(taken[1:]) for name, taken in times.items()}
    ours = medians["rectify-nlp predict"]
    print(f"one notice of 40 issues, whole process, median wall of {runs} alternating runs")
    for name, median in medians.items():
        print(f"  {name:20s} {median * 1000:7.0f} ms   rectify-nlp takes {ours / median:.3f} of it")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    one_notice(parser.parse_args().runs)


if __name__ == "__main__":
    main()
