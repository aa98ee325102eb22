"""Patterns that are compiled when they are first used."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import rectify_nlp
from rectify_nlp.grammar import load_grammar
from rectify_nlp.patterns import _Pattern, pattern

USERS = sorted(
    path.stem
    for path in Path(rectify_nlp.__file__).parent.glob("*.py")
    if re.search(r"^from rectify_nlp.patterns import .*\bpattern$", path.read_text("utf-8"), re.M)
)
OF_THE_PACKAGE = [
    pytest.param(value, id=f"{module}.{name}")
    for module in USERS
    for name, value in vars(import_module(f"rectify_nlp.{module}")).items()
    if isinstance(value, _Pattern)
] + [
    pytest.param(value, id=f"grammar.toml {name}")
    for name, value in vars(load_grammar()).items()
    if isinstance(value, _Pattern)
]


def test_the_package_has_such_patterns():
    assert {"extents", "grammar", "markers", "status", "wording"} <= set(USERS)
    assert len(OF_THE_PACKAGE) > 120


@pytest.mark.parametrize("lazy", OF_THE_PACKAGE)
def test_every_pattern_of_the_package_can_be_compiled(lazy):
    re.compile(lazy.pattern, lazy.flags)


def test_it_matches_as_the_compiled_one_does():
    lazy, compiled = pattern("(a+)b", re.I), re.compile("(a+)b", re.I)
    text = "xAAb ab b"
    assert lazy.pattern == compiled.pattern
    for method in ("findall", "split"):
        assert getattr(lazy, method)(text) == getattr(compiled, method)(text)
    assert lazy.sub("-", text) == compiled.sub("-", text) == "x- - b"
    assert [m.span() for m in lazy.finditer(text)] == [m.span() for m in compiled.finditer(text)]
    for method in ("search", "match", "fullmatch"):
        found = getattr(lazy, method)(text, 1)
        assert (found and found[1]) == ("AA" if method != "fullmatch" else None)


def test_nothing_is_compiled_before_it_is_used():
    broken = pattern("(")
    with pytest.raises(re.error):
        broken.search("")


def test_what_a_pattern_does_not_have_is_told_as_usual():
    with pytest.raises(AttributeError, match="grep"):
        pattern("a").grep  # noqa: B018
