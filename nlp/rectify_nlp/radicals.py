"""Radicals that stand for the characters they look like.

A PDF made by a browser, and text copied from one, has ⽬ (U+2F6C) for 目: both have one
glyph, and the lower code point is taken. No notice means the radical.
"""

from __future__ import annotations

from unicodedata import normalize

from rectify_nlp.patterns import pattern

# The block CJK Radicals Supplement has no decompositions; these are its characters that are
# also written by themselves (EquivalentUnifiedIdeograph of the Unicode Character Database).
_SUPPLEMENT = (
    "⺁⺇⺎⺒⺟⺠⺩⺫⺬⺮⺶⺻⺽⻁⻄⻅⻆⻉⻊⻋⻑⻓⻔⻗⻘⻙⻚⻛⻜⻝⻡⻢⻣⻤⻥⻦⻧⻨⻩⻪⻬⻮⻰⻳"
)
_CHARACTERS = (
    "厂几兀巳母民王目示竹羊聿臼虎西见角贝足车長长门雨青韦页风飞食首马骨鬼鱼鸟卤麦黄黾齐齿龙龟"
)
RADICALS: dict[int, str] = {
    **str.maketrans(dict(zip(_SUPPLEMENT, _CHARACTERS, strict=True))),
    **{code: normalize("NFKC", chr(code)) for code in range(0x2F00, 0x2FD6)},
    # Their decompositions are the forms that Chinese fonts do not show.
    **str.maketrans({"\u2f3e": "户", "\u2fad": "青"}),
}
_RADICAL = pattern("[\u2e80-\u2fdf]")


def without_radicals(text: str) -> str:
    """`text` with characters for the radicals in it, of the same length."""
    return text.translate(RADICALS) if _RADICAL.search(text) else text
