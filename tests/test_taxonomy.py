"""A taxonomy is validated as strictly as code, and every fault is named."""

import json

import pytest

from rectify_nlp import LabelsError, Taxonomy


def toml(categories=(("甲", ()), ("乙", ())), statuses=(("未", ()), ("已", ()))):
    text = ""
    for kind, entries in (("category", categories), ("status", statuses)):
        for name, wordings in entries:
            text += f'[[{kind}]]\nname = "{name}"\nwordings = {json.dumps(wordings)}\n'
    return text


BROKEN_TAXONOMIES = {
    "no TOML": ("[[category]\n", "not valid TOML"),
    "a kind missing": (toml(statuses=()), r"at least two \[\[status\]\] entries"),
    "one of a kind": (toml(categories=[("甲", ())]), r"at least two \[\[category\]\] entries"),
    "no name": ("[[category]]\nen='a'\n" + toml(), r"\[\[category\]\] number 1 has no name"),
    "empty name": (toml(categories=[("甲", ()), (" ", ())]), "number 2 has no name"),
    "name twice": (toml(categories=[("甲", ()), ("甲", ())]), "a category name is given twice"),
    "wording twice": (toml(statuses=[("未", ["在办"]), ("已", ["在办"])]), "在办 stands under 未 and 已"),
    "wording is a name": (toml(statuses=[("未", ()), ("已", ["未"])]), "未 stands under 未 and 已"),
    "wordings no list": ("[[category]]\nname='丙'\nwordings='丁'\n" + toml(), "wordings of 丙"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("content", "told"), BROKEN_TAXONOMIES.values(), ids=list(BROKEN_TAXONOMIES)
)
def test_broken_taxonomies_are_refused(content, told, tmp_path):
    path = tmp_path / "taxonomy.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(LabelsError, match=told) as caught:
        Taxonomy.load(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_taxonomy_that_cannot_be_read(tmp_path):
    with pytest.raises(LabelsError, match="cannot be read"):
        Taxonomy.load(tmp_path / "none.toml")
    path = tmp_path / "taxonomy.toml"
    path.write_bytes(toml().encode("gb18030"))
    with pytest.raises(LabelsError, match="not UTF-8"):
        Taxonomy.load(path)
