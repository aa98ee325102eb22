"""Compile jieba's dictionary into dictionary/, which `rectify_nlp.lexicon` reads.

    python scripts/compile_dictionary.py [FOLDER]

Needed again only for another version of jieba; takes half a minute. The format is told in
`nlp/rectify_nlp/lexicon.py`; tests/test_lexicon.py holds the result equal to jieba's.
"""

import re
import sys
from collections import Counter, defaultdict
from math import log
from pathlib import Path

import jieba
import numpy as np
from numpy.typing import NDArray

from rectify_nlp.lexicon import FREE, HAN

FOLDER = Path(__file__).parent.parent / "dictionary"
_WINDOW = 512


def frequencies() -> tuple[dict[str, int], int]:
    """Words that folded text can hold, with their frequencies, and the sum over all words."""
    words: dict[str, int] = {}
    total = 0  # jieba counts a word that stands twice twice
    with jieba.get_dict_file() as file:
        for line in file.read().decode().splitlines():
            word, frequency, *_ = line.split(" ")
            words[word] = int(frequency)
            total += int(frequency)
    han = re.compile(f"[{HAN}]+")
    return {w: n for w, n in words.items() if n and han.fullmatch(w)}, total


def cells(
    words: dict[str, int], weight: dict[int, int], label: dict[str, int]
) -> NDArray[np.int64]:
    """A double array: the child of a cell by a character lies at its base plus the label.

    Every inner cell has a base of its own, so a cell's label tells its parent.
    """
    children: dict[str, list[str]] = {"": []}
    for word in sorted(words):
        for length in range(len(word)):
            if word[: length + 1] not in children:
                children[word[: length + 1]] = []
                children[word[:length]].append(word[length])
    size = len(children) * 2
    free = np.ones(size, dtype=bool)
    unused = np.ones(size, dtype=bool)  # as a base
    slot, base = {"": 0}, {"": 0}
    free[0] = unused[0] = False
    # Where families of a size begin to look for room: what lies before is nearly full.
    begin: dict[int, int] = defaultdict(lambda: 1)
    # The largest families first; single children then fill the gaps.
    inner = [prefix for prefix, found in children.items() if found]
    for prefix in sorted(inner, key=lambda p: (p != "", -len(children[p]), p)):
        labels = np.array([label[char] for char in children[prefix]])
        if prefix:
            start = max(begin[len(labels)], int(labels.min()) + 1)
            while True:
                bases = start + np.flatnonzero(free[start : start + _WINDOW]) - labels.min()
                bases = bases[unused[bases]]
                for one in labels:
                    bases = bases[free[bases + one]]
                if len(bases):
                    break
                start += _WINDOW
                begin[len(labels)] = start
            base[prefix] = int(bases[0])
        unused[base[prefix]] = False
        free[base[prefix] + labels] = False
        slot.update((prefix + char, base[prefix] + label[char]) for char in children[prefix])
    end = max(slot.values()) + 1
    # Behind the last cell nothing matches: there the base of a leaf points.
    table = np.full(end + len(label) + 1, FREE, dtype="<i8")
    for prefix, place in slot.items():
        if prefix:
            index = weight[words[prefix]] if prefix in words else 0
            table[place] = base.get(prefix, end) << 32 | index << 16 | label[prefix[-1]]
    return table


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    words, total = frequencies()
    often = Counter(char for word in words for char in word)
    characters = sorted(often, key=lambda char: (-often[char], char))
    distinct = sorted(set(words.values()))
    table = cells(
        words,
        {frequency: index for index, frequency in enumerate(distinct, 1)},
        {char: index for index, char in enumerate(characters, 1)},
    )
    folder.mkdir(exist_ok=True)
    np.save(folder / "cells.npy", table)
    np.save(folder / "characters.npy", np.array([ord(c) for c in characters], dtype="<u2"))
    # As jieba computes them, to the last bit; the first is that of a character it does not know.
    weights = [log(frequency or 1) - log(total) for frequency in (0, *distinct)]
    np.save(folder / "weights.npy", np.array(weights, dtype="<f8"))
    print(f"{len(words)} words, {len(table)} cells, {len(distinct)} weights")


if __name__ == "__main__":
    main()
