"""The wording rules of labels/grammar.toml, compiled. They are matched on folded text."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rectify_nlp.errors import LabelsError
from rectify_nlp.resources import resource


@dataclass(frozen=True, eq=False)
class Grammar:
    """Compiled rules; every pattern is applied to folded text. One is equal to itself alone."""

    label: re.Pattern[str]
    label_inside: re.Pattern[str]
    status_label: re.Pattern[str]
    organisation: re.Pattern[str]
    issues: re.Pattern[str]
    next: re.Pattern[str]
    deficit: re.Pattern[str]
    remedy: re.Pattern[str]
    positive: re.Pattern[str]
    title_end: re.Pattern[str]
    aspect: re.Pattern[str]
    closing: re.Pattern[str]
    closing_wider: re.Pattern[str]
    subject: re.Pattern[str]
    occasion: re.Pattern[str]
    foreign: re.Pattern[str]
    regulation: re.Pattern[str]


# What may stand around an item label: an opening bracket or ordinal before it, a
# closing bracket and a colon after it (or nothing, where it has its line to itself).
# A row of a table has its number before the label.
_BEFORE = r"[ ]*+[\[(<]?[ ]*+(?:(?P<row>[0-9]{1,3})(?:[.、][ ]*+|[ ]))?"
_AFTER = r"[ ]*+[\])>]?[ ]*+(?::|(?=\n|$)|(?<=[\])>]))"


# Where an item label may stand: at the start of a line or sentence, or behind a bracket.
LABEL_BEHIND = r"。;!?\n\])”"


@lru_cache(maxsize=4)
def load_grammar(path: Path | None = None) -> Grammar:
    """Read grammar.toml (the one that comes with the package by default).

    LabelsError where a list is missing or one of its entries empty. That each entry is a
    regular expression that never matches nothing is for the tests: it takes too long here.
    """
    path = path or resource("labels/grammar.toml")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise LabelsError(path, 0, f"cannot be used ({error})") from error

    def words(section: str, name: str) -> str:
        entries: Any = raw.get(section, {}).get(name)
        if not isinstance(entries, list) or "" in entries or not entries:
            raise LabelsError(path, 0, f"[{section}] {name} must be a list of patterns")
        return "|".join(sorted(entries, key=len, reverse=True))

    labels = "|".join(
        f"(?P<{kind}>{words('labels', kind)})"
        for kind in ("measures", "detail", "problem", "other")
    )
    status_words = words("labels", "status")
    label = f"{_BEFORE}(?:{labels}|(?P<status>{status_words})){_AFTER}"
    return Grammar(
        label=re.compile(label),
        label_inside=re.compile(f"(?:^|(?<=[{LABEL_BEHIND}])){label}"),
        status_label=re.compile(f"{_BEFORE}(?:{status_words}){_AFTER}"),
        organisation=re.compile(words("sections", "organisation")),
        issues=re.compile(words("sections", "issues")),
        next=re.compile(words("sections", "next")),
        deficit=re.compile(
            f"(?:{words('problem', 'anywhere')})"
            f"|(?:{words('problem', 'clause_end')})(?=[,。;:、!?”’)]|$|的?问题|的整改|现象)"
        ),
        remedy=re.compile(words("problem", "remedy")),
        positive=re.compile(words("problem", "positive")),
        title_end=re.compile(f"(?:{words('problem', 'title_end')})[。:;]?$"),
        aspect=re.compile(f"(?:{words('problem', 'aspect')})(?:[(][^()]*[)])?[。:;]?$"),
        closing=re.compile(words("closing", "lines")),
        closing_wider=re.compile(words("closing", "wider")),
        subject=re.compile(words("document", "subject")),
        occasion=re.compile(words("document", "occasion")),
        foreign=re.compile(words("document", "foreign")),
        regulation=re.compile(words("document", "regulation")),
    )
