"""Regular expressions that are compiled when they are first used.

There are a hundred; a notice needs two thirds of them, and compiling the others would take
as long as judging it.
"""

from __future__ import annotations

import re
from typing import Any, cast

# A letter or figure beyond ASCII: in folded text nearly always a Chinese character, and much
# sooner prepared by re than a range of those, like [\u4e00-\u9fff].
NON_ASCII = r"[^\W\x00-\x7f]"

# What stands behind a number that counts lines, not behind a figure.
NO_UNIT = rf"(?=“?{NON_ASCII})(?!个(?!别)|家(?!庭)|[年月日项条人户名次万亿元倍级处台份场期届])"

_METHODS = ("findall", "finditer", "fullmatch", "match", "search", "split", "sub")


class _Pattern:
    """Becomes like the compiled pattern when one of its methods is first asked for."""

    def __init__(self, pattern: str, flags: re.RegexFlag) -> None:
        self.pattern, self.flags = pattern, flags

    def __getattr__(self, name: str) -> Any:
        # Called only for what is not there yet.
        if name not in _METHODS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        compiled = re.compile(self.pattern, self.flags)
        for method in _METHODS:
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)


def pattern(text: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    """What `re.compile` gives, but compiled at its first match; re.error comes then, too."""
    return cast("re.Pattern[str]", _Pattern(text, flags))
