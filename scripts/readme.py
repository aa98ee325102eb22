"""Put real output of this version between the markers of both READMEs.

    python scripts/readme.py [--evaluate]

`--evaluate` runs the whole evaluation first (minutes) and writes docs/evaluation.json;
without it the figures of that file are used. A test holds the READMEs to it.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from rectify_nlp import Model, Taxonomy, load_examples, read
from rectify_nlp.render import Layout, table
from rectify_nlp.trials import evaluate

ROOT = Path(__file__).parent.parent
NOTICE = "seeds/guangzhou-transport-2025.txt"
EVALUATION = ROOT / "docs" / "evaluation.json"
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")


def prediction() -> str:
    """What `scripts/predict` prints for the README's notice, 100 columns wide."""
    notice = read(ROOT / NOTICE)
    shown = table(Model.load(ROOT / "models" / "default").predict(notice), Layout(width=100))
    return "```text\n" + "\n".join(line.rstrip() for line in shown.splitlines()) + "\n```"


def scores(results: list[dict[str, Any]]) -> str:
    """The headline figures as a table, their signatures below."""
    lines = [
        "| task | tested on | accuracy | lenient | macro-F1 | calibration error | majority accuracy |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        if result["task"] == "doubtful":
            continue
        score = result["scores"]
        cells = [
            f"{score[name]['value']:.3f} [{score[name]['low']:.3f}, {score[name]['high']:.3f}]"
            if name in score
            else ""
            for name in ("accuracy", "lenient accuracy", "macro-F1", "calibration error")
        ]
        tested = f"{result['method']} ({result['segments']} segments)"
        majority = f"{score['accuracy']['baseline']:.3f}"
        lines.append(f"| {result['task']} | {tested} | {' | '.join(cells)} | {majority} |")
    signature = "|".join(results[0]["signature"].split("|")[2:4])
    return "\n".join([*lines, "", f"95% bootstrap intervals in brackets. Signature: {signature}."])


def filled(text: str, name: str, block: str) -> str:
    """`text` with what stands between the markers of `name` replaced by `block`."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.S)
    return pattern.sub(lambda _: f"{begin}\n{block}\n{end}", text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluate", action="store_true")
    if parser.parse_args().evaluate:
        taxonomy = Taxonomy.load()
        results = evaluate(load_examples([ROOT / "labels"], taxonomy), taxonomy).results
        record = json.dumps([r.as_dict() for r in results], ensure_ascii=False, indent=1)
        EVALUATION.write_text(record + "\n", encoding="utf-8")
    blocks = {
        "predict": prediction(),
        "scores": scores(json.loads(EVALUATION.read_text(encoding="utf-8"))),
    }
    for readme in READMES:
        text = readme.read_text(encoding="utf-8")
        for name, block in blocks.items():
            text = filled(text, name, block)
        readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
