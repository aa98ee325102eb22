"""The compiled passes find the same terms and logits as the arrays do, and know their place."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rectify_nlp import Model, compiled, read, split
from rectify_nlp.batch import judged_rows
from rectify_nlp.compiled import Compiled
from rectify_nlp.features import FIELDS, Texts
from rectify_nlp.records import records
from rectify_nlp.sources import Table

HAN = st.sampled_from("整改落实情况问题巡察党组已完成的一二三年月日") | st.characters(
    min_codepoint=0x3400, max_codepoint=0x9FFF
)
ASCII = st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.sampled_from("0a-.@%_+#&")
OTHER = st.sampled_from("\n\r\t\u3000,。;:!?“”()《》—…·、□○①%.-0A\uffff\U00020000")
MIXED = st.text(HAN | ASCII | OTHER, max_size=60)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(compiled, "WORTH_IT", 0)


@pytest.fixture(scope="module")
def default():
    return Model.load()


def same(model, segments):
    """Assert that both ways give the same terms, equally often, and the same logits."""
    texts = Texts(segments)
    vocabulary = model.classifiers["category"].vectorizer.vocabulary
    entries, terms, times = compiled._passes()[0](
        texts.codes, texts.bounds, *compiled._of_terms(vocabulary)
    )
    text = np.repeat(np.arange(len(entries) - 1), np.diff(entries))
    for field, name in enumerate(FIELDS):
        counted = texts.count(vocabulary, (name,))
        own = np.flatnonzero(text % len(FIELDS) == field)
        own = own[np.lexsort((terms[own], text[own]))]
        np.testing.assert_array_equal(counted.segment, text[own] // len(FIELDS))
        np.testing.assert_array_equal(counted.term, terms[own])
        np.testing.assert_array_equal(counted.times, times[own])
    found = Compiled(model.classifiers).logits(texts)
    for task, classifier in model.classifiers.items():
        np.testing.assert_allclose(found[task], classifier.logits(texts), rtol=0, atol=1e-12)


def test_all_labels_and_seeds_give_the_same(default, examples, seed_paths):
    labelled = [
        {"path": "\n".join(e.path), "problem": e.problem, "measures": e.measures} for e in examples
    ]
    notices = [{"measures": path.read_text(encoding="utf-8")} for path in seed_paths]
    for start in range(0, len(labelled), 500):
        same(default, labelled[start : start + 500])
    same(default, notices)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), MIXED), max_size=4))
def test_any_text_gives_the_same(default, segments):
    same(default, segments)


def test_what_the_wild_texts_are_unlikely_to_hold(default):
    same(default, [])
    same(default, [{}, {"problem": "整" * 2000, "measures": "0a" * 700}, {}])
    same(default, [{"problem": "整改\ud800", "measures": "學(xué)習(xí)不够(gòu)"}])


def test_classifiers_need_not_share_a_vocabulary(default):
    mixed = {**default.classifiers, "status": Model.load().classifiers["status"]}
    texts = Texts([{"problem": "整改落实不到位", "measures": "已完成整改"}])
    for task, logits in Compiled(mixed).logits(texts).items():
        np.testing.assert_allclose(logits, mixed[task].logits(texts), rtol=0, atol=1e-12)


def test_rows_are_the_same(examples, linyi, monkeypatch):
    issues = split(read(linyi)).issues
    rows = [(i, {"problem": e.problem, "measures": e.measures}) for i, e in enumerate(examples)]
    told = []
    for worth_it in (0, 1 << 60):
        monkeypatch.setattr(compiled, "WORTH_IT", worth_it)
        fresh = Model.load()
        found = judged_rows(rows[:600], Table(name="表"), fresh)
        told.append([r for result in found for r in records(result)])
        assert fresh.judge(issues)
    assert told[0] == told[1]


def test_few_segments_do_not_load_it(default, monkeypatch):
    monkeypatch.setattr(compiled, "WORTH_IT", 30)
    classifiers = Compiled(default.classifiers)
    texts = Texts([{"problem": "整改"}] * 20)
    assert classifiers.logits(texts) is None
    assert classifiers.logits(texts).keys() == default.classifiers.keys()


def test_without_numba_the_arrays_do_it(default, monkeypatch):
    compiled._passes.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", None)
    assert Compiled(default.classifiers).logits(Texts([{"problem": "整改"}])) is None
    compiled._passes.cache_clear()
