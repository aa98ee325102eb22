"""The one form of a text that rules and features are matched on, with the way back.

Full-width forms are made half-width, one character to one (NFKC is not). Where a
text is in traditional characters they are simplified one by one, and pinyin printed
in brackets behind characters is left out; `Folded.place` leads back to the original.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from rectify_nlp.patterns import NO_UNIT, pattern
from rectify_nlp.radicals import RADICALS

HALF_WIDTH: dict[int, int] = {
    **{radical: ord(char) for radical, char in RADICALS.items()},
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},
    # Lone surrogates are no characters; tokenizers refuse them.
    **dict.fromkeys(range(0xD800, 0xE000), 0xFFFD),
    **dict.fromkeys((0x3000, 0xA0, 0x09, 0x2002, 0x2003, 0x2009, 0x200B, 0xFEFF), 0x20),
    **{
        ord(odd): ord(plain)
        for odd, plain in zip("〔〕【】「」『』﹙﹚〈〉", "[][]“”‘’()<>", strict=True)
    },
}
# Frequent characters of notices that only traditional script has.
TRADITIONAL = "關於問題黨組織實責進對領導業務員開會議監嚴幹廳鄉鎮縣區國資產"
# Without one of these between the first and the last no bracket holds pinyin.
TONED = "\u00e0\u01dc"
_PINYIN = pattern(r"(?<=[\u3400-\u9fff])[(\uff08][a-zA-Z\u0261\u00e0-\u01dc]{1,7}[)\uff09]")
_TONE = pattern(r"[(\uff08][a-z]{0,5}[\u00e0-\u01dc][a-z]{0,4}[)\uff09]")
_PINYIN_FROM = 3


def fold(text: str) -> str:
    """`text` with full-width forms made half-width, of the same length."""
    return text.translate(_half_width())


@lru_cache(maxsize=1)
def _half_width() -> list[int]:
    # A list, in which every character is found: half the time of a dict of the odd ones.
    table = list(range(0x10000))
    for code, half in HALF_WIDTH.items():
        table[code] = half
    return table


def simplify(text: str) -> str:
    """`text` with traditional characters made simplified, of the same length."""
    return _simplified(text) if some_traditional(text) else text


class Folded(NamedTuple):
    """Folded text; `places` maps its positions to the original (None: they are the same)."""

    text: str
    places: tuple[int, ...] | None = None

    @classmethod
    def of(cls, text: str) -> Folded:
        """Fold `text`, and simplify it where it is traditional.

        Pinyin is taken out where it has some, and line ends where it was wrapped.
        """
        folded = simplify(fold(text))
        out = [(end, end + 1) for end in _wraps(folded)]
        if not out:
            out = [match.span("break") for match in _BROKEN_TITLE.finditer(folded)]
        out += [
            blank.span()
            for label in _SPACED_LABEL.finditer(folded)
            for blank in _BLANKS.finditer(folded, *label.span())
        ]
        out.sort()
        if len(_TONE.findall(folded)) >= _PINYIN_FROM:
            out = sorted([*out, *(match.span() for match in _PINYIN.finditer(folded))])
        if not out:
            return cls(folded)
        kept: list[str] = []
        places: list[int] = []
        position = 0
        for start, end in out:
            kept.append(folded[position:start])
            places.extend(range(position, start))
            position = end
        kept.append(folded[position:])
        places.extend(range(position, len(folded) + 1))
        return cls("".join(kept), tuple(places))

    def place(self, position: int) -> int:
        """Where `position` of the folded text lies in the original."""
        return position if self.places is None else self.places[position]

    def end_place(self, position: int) -> int:
        """As `place`, for an exclusive end: behind the last character and its pinyin."""
        return 0 if position == 0 else self.place(position)


# A wrapped text has lines of this length at most, the fewest of which end a sentence.
_LONGEST_WRAPPED, _FEWEST_WRAPPED, _FEWEST_FULL = 60, 12, 3
_ENDED = "。!?;:.…"
# What begins a line of its own: a number, a label, an indent.
_OWN_LINE = pattern(
    r"[ ]|[(]?[一二三四五六七八九十]{1,3}[)、是]|[(]?[0-9]{1,3}[)]|[0-9]{1,3}[.、](?![0-9])|[①-⑳]"
    rf"|[0-9]{{1,2}}{NO_UNIT}"
    r"|[\[【]|[^,。:]{2,12}:"
)
_FIGURE = pattern(r"[0-9]+(?:\.[0-9]|[^0-9.、)])")


# A title whose line ends before its last words.
_BROKEN_TITLE = pattern(
    r"\n[ ]*+(?:[(]?[^ ,。\n]{1,2}[).、]|关于|针对)(?![^\n]*问题)[^。!?;:\n]{3,40}(?<![。!?;:.\n])(?<!方面)"
    r"(?P<break>\n)[ ]*+(?:有差距|有待[^,。;:\n]{1,4}|[不较偏缺][^,。;:\n]{1,6})?的问题[ ]*(?=[。(\[\n])"
)


# A label whose words stand apart (整改 情况:).
_SPACED_LABEL = pattern(
    r"(?<=[\n。; ])整[ ]*改[ ]*(?:(?:落[ ]*实|完[ ]*成|进[ ]*展)[ ]*)?(?:情[ ]*况|结[ ]*果|措[ ]*施|成[ ]*效)(?=[ ]*:)"
)
_BLANKS = pattern("[ ]+")


def _wraps(folded: str) -> list[int]:
    """The line ends at which a text was wrapped at a fixed width, in mid-sentence."""
    lines = folded.split("\n")
    filled = [line for line in lines if line.strip()]
    if len(filled) < _FEWEST_WRAPPED:
        return []
    # A title or two may be longer.
    width = sorted(map(len, filled))[-_FEWEST_FULL]
    if width > _LONGEST_WRAPPED:
        return []
    full = width * 0.85
    broken = [len(line) for line in filled if line[-1] not in _ENDED]
    if len(broken) * 5 < len(filled) * 2 or sum(n >= full for n in broken) * 5 < len(broken) * 3:
        return []
    ends = []
    end = -1
    for line, after in pairwise(lines):
        end += len(line) + 1
        goes_on = bool(line.strip()) and line[-1] not in _ENDED and bool(after.strip())
        if goes_on and not _OWN_LINE.match(after) and (len(line) >= full or _FIGURE.match(after)):
            ends.append(end)
    return ends


def some_traditional(text: str) -> bool:
    """Whether there is a character that only traditional script has."""
    return any(char in text for char in TRADITIONAL)


def is_traditional(text: str) -> bool:
    """Whether a noticeable part of `text` is in traditional characters."""
    return sum(map(text.count, TRADITIONAL)) * 50 > len(text)


def can_simplify() -> bool:
    """Whether the extra for traditional characters is installed."""
    return _converter() is not None


def _simplified(text: str) -> str:
    convert = _converter()
    if convert is None:
        return text
    return text.translate({ord(char): _one(char) for char in set(text) if char >= "\u3400"})


@lru_cache(maxsize=8192)
def _one(char: str) -> str:
    """The simplified form of one character; itself where that is not one character."""
    convert = _converter()
    simple: str = convert.convert(char) if convert else char
    return simple if len(simple) == 1 else char


@lru_cache(maxsize=1)
def _converter():  # type: ignore[no-untyped-def]
    try:
        from opencc import OpenCC
    except ImportError:
        return None
    return OpenCC("t2s")
