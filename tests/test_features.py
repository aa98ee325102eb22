"""Tokens, terms with offsets, and TF-IDF rows equal to scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rectify_nlp.features import (
    FIELDS,
    Analysis,
    Block,
    Counts,
    cutter,
    jieba_cutter,
    normalise,
    rjieba_cutter,
)
from rectify_nlp.folding import Folded, fold

HAN = st.sampled_from("整改落实情况问题巡察党组已完成的一二三年月日") | st.characters(
    min_codepoint=0x3400, max_codepoint=0x9FFF
)
ASCII = st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.sampled_from("0a-.@%_+#&")
OTHER = st.sampled_from("\n\r\t\u3000,。;:!?“”()《》—…·、□○①%.-0A")
MIXED = st.text(HAN | ASCII | OTHER, max_size=60)


@pytest.fixture(scope="module")
def both():
    return rjieba_cutter(), jieba_cutter()


@pytest.fixture(scope="module")
def texts(examples, seed_paths):
    """Every text of labels/ and seeds/."""
    found = {text for e in examples for text in (e.problem, e.measures, *e.path)}
    return sorted(found | {path.read_text(encoding="utf-8") for path in seed_paths})


def test_cutters_agree_on_all_labels_and_seeds(both, texts):
    assert len(texts) > 1000
    rust, reference = both
    differing = [t for t in texts if rust(normalise(fold(t))) != reference(normalise(fold(t)))]
    assert differing == []


@settings(max_examples=500, deadline=None)
@given(MIXED | st.text(max_size=40))
def test_cutters_agree_on_any_text(both, text):
    rust, reference = both
    cut = normalise(fold(text))
    tokens = rust(cut)
    assert tokens == reference(cut)
    assert "".join(tokens) == cut


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("2023-06-21", ["2023", "-", "06", "-", "21"]), ("a.b", ["a", ".", "b"]),
     ("95.5%以上", ["95", ".", "5", "%", "以上"]), ("召开党组会议3次", ["召开", "党组", "会议", "3", "次"])],
)  # fmt: skip
def test_cutters_on_what_they_used_to_differ(both, text, tokens):
    assert [cut(text) for cut in both] == [tokens, tokens]


def test_the_reference_can_be_asked_for(monkeypatch):
    cutter.cache_clear()
    try:
        monkeypatch.setenv("RECTIFY_NLP_TOKENIZER", "jieba")
        assert cutter().__qualname__.startswith("jieba_cutter")
        cutter.cache_clear()
        monkeypatch.delenv("RECTIFY_NLP_TOKENIZER")
        assert cutter().__qualname__.startswith("rjieba_cutter")
    finally:
        cutter.cache_clear()


@settings(max_examples=300, deadline=None)
@given(MIXED | st.text(max_size=60))
def test_fold_and_normalise_keep_the_length(text):
    assert len(fold(text)) == len(text)
    assert len(normalise(text)) == len(text)


def test_fold_and_normalise():
    assert fold("\uff11\uff0e\uff21\uff1a\u3000\u3010整改\u3011") == "1.A: [整改]"
    assert normalise("共3次,Ab 95.5%") == "共0次,aa 00.0%"


BLOCK = Block("all", FIELDS, words=2, chars=(2, 3))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), MIXED))
def test_terms_lie_where_they_say(fields):
    analysis = Analysis(fields)
    folded = {name: normalise(Folded.of(text).text) for name, text in fields.items()}
    for name in fields:
        for word, start, end in analysis.words(name):
            there = folded[name][start:end]
            assert there == word or (there.isascii() and word in ("0", "0%", "a"))
    words = {name: {start: end for _, start, end in analysis.words(name)} for name in fields}
    for term, name, start, end in analysis.terms(BLOCK):
        there = folded[name][start:end]
        if term.startswith("#"):
            assert there == term[1:]
            assert len(there) in BLOCK.chars
        elif " " in term:
            first, second = term.split(" ")
            assert words[name][start] < end
            assert there.startswith(first) or first in ("0", "0%", "a")
            assert there.endswith(second) or second in ("0", "0%", "a")
        else:
            assert words[name][start] == end


def test_terms_of_a_sentence():
    analysis = Analysis({"problem": "召开会议3次, ABC不达标"})
    assert [word for word, _, _ in analysis.words("problem")] == [
        "召开", "会议", "0", "次", "a", "不", "达标",
    ]  # fmt: skip
    pairs = Block("pairs", ("problem",), words=2)
    assert ("会议 0", "problem", 2, 5) in set(analysis.terms(pairs))
    runs = Block("runs", ("problem",), words=0, chars=(2,))
    assert [term for term, *_ in analysis.terms(runs)] == [
        "#召开", "#开会", "#会议", "#不达", "#达标",
    ]  # fmt: skip


def test_terms_are_placed_in_the_original():
    text = "学(xu\u00e9)习(x\u00ed)不够(g\u00f2u)深入"
    analysis = Analysis({"problem": text})
    placed = [
        (word, text[slice(*analysis.place("problem", start, end))])
        for word, start, end in analysis.words("problem")
    ]
    assert placed == [
        ("学习", "学(xu\u00e9)习(x\u00ed)"), ("不够", "不够(g\u00f2u)"), ("深入", "深入"),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def analyses(small_examples):
    return [Analysis({"problem": e.problem, "measures": e.measures}) for e in small_examples]


def dense(vectorizer, analyses):
    """Rows as they are made in prediction, as a plain array."""
    rows = vectorizer.rows(analyses)
    found = np.zeros((len(analyses), len(vectorizer.idf)))
    for i in range(len(analyses)):
        part = slice(rows.starts[i], rows.starts[i + 1])
        found[i, rows.columns[part]] = rows.values[part]
    return found


def fitted(analyses, *blocks, rows=None, min_count=2):
    return Counts(analyses, blocks).fit(rows or range(len(analyses)), min_count)


def test_rows_equal_scikit_learns(analyses):
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer, matrix = fitted(analyses, Block("words", ("measures",)))
    reference = TfidfVectorizer(
        analyzer=lambda analysis: [word for word, _, _ in analysis.words("measures")],
        sublinear_tf=True,
        min_df=2,
    )
    expected = reference.fit_transform(analyses).toarray()
    assert dict(vectorizer.vocabularies[0]) == reference.vocabulary_
    assert len(reference.vocabulary_) > 1000
    # idf is rounded to the 32 bits in which it is stored.
    np.testing.assert_allclose(dense(vectorizer, analyses), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(matrix.toarray(), expected, rtol=0, atol=1e-6)


BLOCKS = (
    Block("a", ("problem",), chars=(2,)),
    Block("b", ("problem", "measures"), words=2, weight=0.5),
    Block("c", ("path",), words=0, chars=(2, 3)),
)


@pytest.mark.parametrize("min_count", [1, 3])
def test_fitting_and_predicting_compute_the_same_rows(analyses, min_count):
    chosen = range(0, len(analyses), 2)
    vectorizer, matrix = fitted(analyses, *BLOCKS, rows=chosen, min_count=min_count)
    expected = dense(vectorizer, [analyses[i] for i in chosen])
    np.testing.assert_allclose(matrix.toarray(), expected, rtol=0, atol=1e-12)


def test_terms_of_other_segments_are_not_learned(analyses):
    """A fit on some segments knows nothing of the others it was counted with."""
    alone, _ = fitted(analyses[:40], *BLOCKS)
    among, _ = fitted(analyses, *BLOCKS, rows=range(40))
    assert among.vocabularies == alone.vocabularies
    np.testing.assert_array_equal(among.idf, alone.idf)


def test_each_block_has_its_weight_for_length(analyses):
    vectorizer, _ = fitted(analyses, *BLOCKS)
    whole = dense(vectorizer, analyses[:1])[0]
    first, second, _ = map(len, vectorizer.vocabularies)
    assert np.linalg.norm(whole[:first]) == pytest.approx(1.0)
    assert np.linalg.norm(whole[first : first + second]) == pytest.approx(0.5)


def test_columns_and_occurrences_agree(analyses):
    vectorizer, _ = fitted(analyses, *BLOCKS)
    names = list(vectorizer.columns())
    assert len(names) == len(vectorizer.idf)
    for analysis in analyses[:20]:
        found = list(vectorizer.occurrences(analysis))
        assert {column for column, *_ in found} == set(vectorizer.row(analysis)[0])
        assert {names[column][1] for column, *_ in found} == {term for _, term, *_ in found}


def test_unknown_and_empty_text_give_an_empty_row(analyses):
    vectorizer, _ = fitted(analyses, *BLOCKS)
    assert vectorizer.row(Analysis({})) == ([], [])
    assert vectorizer.row(Analysis({"problem": "□□□,。"})) == ([], [])
    assert vectorizer.rows([Analysis({})]).starts.tolist() == [0, 0]
