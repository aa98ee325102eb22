"""Near-duplicates and stock phrases in the labelled segments, across notices.

    python scripts/check_corpus.py [LABELS...]

Similarity of two segments is the share of the shorter one's 6-character shingles that
the other has too; pairs from 0.5 on are listed. A stock phrase is a run of 16
characters that stands in three notices or more. Exit status 1 where pairs are found.
"""

import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

from rectify_nlp import Example, Taxonomy, load_examples

LABELS = Path(__file__).parent.parent / "labels"
SHINGLE, PHRASE = 6, 16
SIMILAR = 0.5


def shingles(example: Example, size: int) -> set[str]:
    text = re.sub(r"\W", "", example.problem + example.measures)
    return {text[i : i + size] for i in range(len(text) - size + 1)}


def similar_pairs(examples: list[Example]) -> list[tuple[float, Example, Example]]:
    """Pairs of segments of different notices that share much of their text."""
    sets = [shingles(example, SHINGLE) for example in examples]
    where: dict[str, list[int]] = defaultdict(list)
    for i, own in enumerate(sets):
        for shingle in own:
            where[shingle].append(i)
    shared: Counter[tuple[int, int]] = Counter()
    for places in where.values():
        if 2 <= len(places) <= 40:
            shared.update((a, b) for k, a in enumerate(places) for b in places[k + 1 :])
    found = []
    for (a, b), count in shared.items():
        share = count / max(1, min(len(sets[a]), len(sets[b])))
        if share >= SIMILAR and examples[a].notice != examples[b].notice:
            found.append((share, examples[a], examples[b]))
    return sorted(found, key=lambda pair: -pair[0])


def main() -> int:
    sources = [Path(name) for name in sys.argv[1:]] or [LABELS]
    examples = load_examples(sources, Taxonomy.load())
    pairs = similar_pairs(examples)
    for share, one, other in pairs:
        print(
            f"{share:.2f} {one.notice} | {one.problem[:50]}\n     {other.notice} | {other.problem[:50]}"
        )
    notices: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        for phrase in shingles(example, PHRASE):
            notices[phrase].add(example.notice)
    stock = sorted(((len(n), p) for p, n in notices.items() if len(n) >= 3), reverse=True)
    for count, phrase in stock[:20]:
        print(f"in {count} notices: {phrase}")
    print(f"{len(examples)} segments, {len(pairs)} similar pairs, {len(stock)} stock phrases")
    return 1 if pairs else 0


if __name__ == "__main__":
    sys.exit(main())
