"""The wording rules of labels/grammar.toml, compiled. They are matched on folded text."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rectify_nlp.errors import LabelsError
from rectify_nlp.patterns import NON_ASCII, pattern
from rectify_nlp.resources import resource


@dataclass(frozen=True, eq=False)
class Grammar:
    """Compiled rules; every pattern is applied to folded text. One is equal to itself alone."""

    label: re.Pattern[str]
    before_label: re.Pattern[str]
    behind_title: re.Pattern[str]
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
    notice: re.Pattern[str]
    findings: re.Pattern[str]
    no_notice: re.Pattern[str]


# What may stand around an item label: an opening bracket or ordinal before it, a
# closing bracket and a colon after it (or nothing, where it has its line to itself or a list follows).
# A row of a table has its number before the label.
_BEFORE = r"[ ]*+[\[(<]?[ ]*+(?:(?P<row>[0-9]{1,3})(?:[.、][ ]*+|[ ]))?"
_AFTER = r"[ ]*+[\])>]?[ ]*+(?::|(?=\n|$)|(?<=[\])>])|(?<!题)(?=(?:主要)?一是|1[.、](?![0-9])|[(]1[)]|[(]一[)]|①))"
# What an item label may begin with, apart from its words.
_FIRST = r" \[(<0-9"
_OPERATORS = "\\.^$*+?{}[]|()"

# Where an item label may stand: at the start of a line or sentence, or behind a bracket.
LABEL_BEHIND = r"。;!?\n\])”"
# 整改情况: stands behind a comma or a western full stop, too, or right behind a title.
# It begins with a character, so that re looks at nothing but places of it.
INNER_LABEL = pattern(
    rf"整(?:(?<=[,.].)|(?<=[,.] .)|(?<={NON_ASCII}.)(?<![的将报送把对按与和及其各此调完平修].))"
    r"改?[^,。:;\n]{0,5}[况施果效实]:"
)


@lru_cache(maxsize=4)
def load_grammar(path: Path | None = None) -> Grammar:
    """Read grammar.toml (the one that comes with the package by default).

    LabelsError where a list is missing or one of its entries empty, or where a label does
    not begin with a character, by which labels are looked for. That each entry is a
    regular expression that never matches nothing is for the tests: it takes too long here.
    """
    path = path or resource("labels/grammar.toml")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise LabelsError(path, 0, f"cannot be used ({error})") from error

    def entries(section: str, name: str) -> list[str]:
        found: Any = raw.get(section, {}).get(name)
        if not isinstance(found, list) or "" in found or not found:
            raise LabelsError(path, 0, f"[{section}] {name} must be a list of patterns")
        return sorted(found, key=len, reverse=True)

    def words(section: str, name: str) -> str:
        return "|".join(entries(section, name))

    def titled(name: str) -> re.Pattern[str]:
        return pattern(f"(?:{words('document', name)})(?:[(](?!附|[^()]*结果)[^()]*[)])?[ ]*$")

    kinds = ("measures", "detail", "problem", "other")
    labels = "|".join(f"(?P<{kind}>{words('labels', kind)})" for kind in kinds)
    status_words = words("labels", "status")
    first = {entry[0] for kind in (*kinds, "status") for entry in entries("labels", kind)}
    if not first.isdisjoint(_OPERATORS):
        raise LabelsError(path, 0, "[labels] each pattern must begin with a character")
    begins = f"(?=[{_FIRST}{''.join(sorted(first))}])"
    ends = [
        f"(?:{entry})(?!(?!的?问题|的整改|现象)\\w)" for entry in entries("problem", "clause_end")
    ]
    return Grammar(
        label=pattern(f"{_BEFORE}{begins}(?:{labels}|(?P<status>{status_words})){_AFTER}"),
        before_label=pattern(f"[{LABEL_BEHIND}]{begins}"),
        behind_title=pattern(rf"[。:;!”\]) ](?!(?<= )[ ]){begins}"),
        status_label=pattern(f"{_BEFORE}{begins}(?:{status_words}){_AFTER}"),
        organisation=pattern(words("sections", "organisation")),
        issues=pattern(words("sections", "issues")),
        next=pattern(words("sections", "next")),
        # A flat list of alternatives, each beginning with a character: re then looks at
        # nothing but places of such a character.
        deficit=pattern("|".join(entries("problem", "anywhere") + ends)),
        remedy=pattern(words("problem", "remedy")),
        positive=pattern(words("problem", "positive")),
        title_end=pattern(f"(?:{words('problem', 'title_end')})[。:;]?$"),
        aspect=pattern(f"(?:{words('problem', 'aspect')})(?:[(][^()]*[)])?[。:;]?$"),
        closing=pattern(words("closing", "lines")),
        closing_wider=pattern(words("closing", "wider")),
        subject=pattern(words("document", "subject")),
        occasion=pattern(words("document", "occasion")),
        foreign=pattern(words("document", "foreign")),
        regulation=pattern(words("document", "regulation")),
        notice=titled("notice"),
        findings=titled("findings"),
        no_notice=titled("no_notice"),
    )
