"""Write labels/seeds.jsonl anew: the seed notices as the splitter cuts them, with the labels they have.

    python scripts/label_seeds.py

Labels are matched by notice and number; run it after a change of the splitter.
"""

import json
from pathlib import Path

from rectify_nlp import read, split

ROOT = Path(__file__).parent.parent
LABELS = ROOT / "labels" / "seeds.jsonl"


def main() -> None:
    known = {}
    for line in LABELS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        known[row["notice"], row["number"]] = row
    rows = []
    for notice in sorted((ROOT / "seeds").glob("*.txt")):
        for issue in split(read(notice)).issues:
            assert issue.number is not None
            row = known[notice.stem, issue.number.text]
            rows.append(
                {
                    "notice": notice.stem,
                    "number": issue.number.text,
                    "path": [heading.text for heading in issue.path],
                    "problem": issue.problem.text,
                    "measures": issue.measures.text,
                    "category": row["category"],
                    "also": row["also"],
                    "status": row["status"],
                    "origin": "seed",
                }
            )
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    LABELS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
