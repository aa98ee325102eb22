"""labels/grammar.toml: every entry is a regular expression of its own that needs some text."""

import re
import tomllib
from pathlib import Path

import pytest

from rectify_nlp.errors import LabelsError
from rectify_nlp.grammar import load_grammar
from rectify_nlp.resources import resource

SECTIONS = tomllib.loads(resource("labels/grammar.toml").read_text(encoding="utf-8"))
ENTRIES = [
    (section, name, entry)
    for section, lists in SECTIONS.items()
    for name, entries in lists.items()
    for entry in entries
]


@pytest.mark.parametrize(("section", "name", "entry"), ENTRIES)
def test_entry_stands_alone_and_never_matches_nothing(section: str, name: str, entry: str) -> None:
    assert re.compile(entry).match("") is None


def test_list_without_entries_or_with_an_empty_one_is_refused(tmp_path: Path) -> None:
    text = resource("labels/grammar.toml").read_text(encoding="utf-8")
    path = tmp_path / "grammar.toml"
    for harm in ("[]", '["", "问题"]'):
        path.write_text(re.sub(r"(?m)^problem = .*$", f"problem = {harm}", text, count=1), "utf-8")
        with pytest.raises(LabelsError, match="problem must be a list"):
            load_grammar(path)


def test_label_that_begins_with_no_character_is_refused(tmp_path: Path) -> None:
    text = resource("labels/grammar.toml").read_text(encoding="utf-8")
    path = tmp_path / "grammar.toml"
    path.write_text(
        re.sub(r"(?m)^detail = .*$", 'detail = ["(?:主要)?表现"]', text, count=1), "utf-8"
    )
    with pytest.raises(LabelsError, match="must begin with a character"):
        load_grammar(path)
