"""Near-duplicates among segments: texts that share much of their wording.

Similarity of two texts is the share of the shorter one's 6-character shingles that the
other has too (the containment of Broder, On the Resemblance and Containment of
Documents, 1997), punctuation left out. Sets of shingles are compared exactly: what is
held is what somebody labels by hand, hundreds of segments or a few thousand.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

SHINGLE = 6
# From here on two segments tell a model nearly the same.
SIMILAR = 0.5


def shingles(text: str, size: int = SHINGLE) -> set[str]:
    """Every run of `size` characters of `text`, punctuation and spaces left out.

    A shorter text is its own and only shingle.
    """
    letters = re.sub(r"\W", "", text)
    return {letters[i : i + size] for i in range(max(1, len(letters) - size + 1))}


class Seen:
    """The texts seen so far; tells whether a further one is much like any of them."""

    def __init__(self) -> None:
        self._where: dict[str, list[int]] = defaultdict(list)
        self._sizes: list[int] = []

    def add(self, text: str) -> None:
        own = shingles(text)
        for shingle in own:
            self._where[shingle].append(len(self._sizes))
        self._sizes.append(len(own))

    def has_like(self, text: str) -> bool:
        """Whether a text seen is a near-duplicate of `text`."""
        own = shingles(text)
        shared = Counter(i for shingle in own for i in self._where.get(shingle, ()))
        return any(count >= SIMILAR * min(len(own), self._sizes[i]) for i, count in shared.items())
