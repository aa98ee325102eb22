"""Texts as arrays of code points, and back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint32]


def code_points(text: str) -> Codes:
    """The code points of `text`, read-only."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def string(codes: Codes) -> str:
    """The text of these code points."""
    return codes.tobytes().decode("utf-32-le", "surrogatepass")


def replaced(codes: Codes, table: Codes) -> Codes:
    """`codes` with those of the basic plane replaced by what `table` has for them.

    Several times as fast as `str.translate`.
    """
    basic = table.take(codes, mode="clip")
    return (
        np.where(codes < len(table), basic, codes) if codes.max(initial=0) >= len(table) else basic
    )


def replacements(pairs: Mapping[int, int]) -> Codes:
    """A table for `replaced`: itself for every code point of the basic plane but these."""
    table = np.arange(0x10000, dtype=np.uint32)
    table[list(pairs)] = list(pairs.values())
    return table
