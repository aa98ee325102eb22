"""Taxonomy: the categories and statuses, read and validated as strictly as code."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from rectify_nlp.errors import LabelsError
from rectify_nlp.resources import resource
from rectify_nlp.rowfiles import read_text


class Label(NamedTuple):
    """One category or status: its name, an English name and what it covers."""

    name: str
    en: str
    scope: str = ""
    wordings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Taxonomy:
    """The labels, in the file's order; statuses run from least to most done."""

    categories: tuple[Label, ...]
    statuses: tuple[Label, ...]
    source: str

    def __hash__(self) -> int:
        # It is looked up for every segment, and its labels are what its source says.
        return hash(self.source)

    @cached_property
    def category_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.categories)

    @cached_property
    def status_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.statuses)

    @classmethod
    def load(cls, path: Path | None = None) -> Taxonomy:
        """Read taxonomy.toml (the one that comes with the package by default).

        LabelsError if it is missing, no TOML, or a name is missing or given twice.
        """
        path = path or resource("labels/taxonomy.toml")
        return cls.parse(read_text(path), path)

    @classmethod
    def parse(cls, text: str, path: Path) -> Taxonomy:
        try:
            raw = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise LabelsError(path, 0, f"not valid TOML ({error})") from error
        return cls(
            categories=_labels(raw, "category", path),
            statuses=_labels(raw, "status", path),
            source=text,
        )


def _labels(raw: dict[str, Any], kind: str, path: Path) -> tuple[Label, ...]:
    entries = raw.get(kind)
    if not isinstance(entries, list) or len(entries) < 2:
        raise LabelsError(path, 0, f"needs at least two [[{kind}]] entries")
    labels = []
    for position, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise LabelsError(path, 0, f"[[{kind}]] number {position} is no table")
        name = entry.get("name")
        if not isinstance(name, str) or not name.strip():
            raise LabelsError(path, 0, f"[[{kind}]] number {position} has no name")
        wordings = entry.get("wordings", [])
        if not isinstance(wordings, list) or not all(isinstance(w, str) and w for w in wordings):
            raise LabelsError(path, 0, f"wordings of {name} must be a list of texts")
        labels.append(
            Label(
                name=name,
                en=str(entry.get("en", name)),
                scope=str(entry.get("scope", "")),
                wordings=tuple(wordings),
            )
        )
    seen: dict[str, str] = {}
    for label in labels:
        for word in {label.name, *label.wordings}:
            if seen.setdefault(word, label.name) != label.name:
                raise LabelsError(path, 0, f"{word} stands under {seen[word]} and {label.name}")
    if len({label.name for label in labels}) != len(labels):
        raise LabelsError(path, 0, f"a {kind} name is given twice")
    return tuple(labels)


@lru_cache(maxsize=1)
def default_taxonomy() -> Taxonomy:
    """The taxonomy that comes with the package, read once."""
    return Taxonomy.load()
