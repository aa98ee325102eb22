"""Tokens, terms with offsets, and TF-IDF rows equal to scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rectify_nlp.features import FIELDS, Block, Counts, Texts, normalise
from rectify_nlp.folding import Folded, fold
from rectify_nlp.vocabulary import PAIR, Vocabulary

HAN = st.sampled_from("整改落实情况问题巡察党组已完成的一二三年月日") | st.characters(
    min_codepoint=0x3400, max_codepoint=0x9FFF
)
ASCII = st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.sampled_from("0a-.@%_+#&")
OTHER = st.sampled_from("\n\r\t\u3000,。;:!?“”()《》—…·、□○①%.-0A")
MIXED = st.text(HAN | ASCII | OTHER, max_size=60)


@settings(max_examples=300, deadline=None)
@given(MIXED | st.text(max_size=60))
def test_fold_and_normalise_keep_the_length(text):
    assert len(fold(text)) == len(text)
    assert len(normalise(text)) == len(text)


def test_fold_and_normalise():
    assert fold("\uff11\uff0e\uff21\uff1a\u3000\u3010整改\u3011") == "1.A: [整改]"
    assert normalise("共3次,Ab 95.5%") == "共0次,aa 00.0%"


def placed(segments):
    """(term, segment, field, start, end) of every term of `segments`, by its own vocabulary."""
    texts = Texts(segments)
    vocabulary = texts.vocabulary()
    for term, text, start, end in zip(*map(np.ndarray.tolist, texts.find(vocabulary)), strict=True):
        segment, field = divmod(text, len(FIELDS))
        yield vocabulary.terms[term], segment, FIELDS[field], *texts.place(text, start, end)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), MIXED), max_size=4))
def test_terms_lie_where_they_say(segments):
    for term, segment, field, start, end in placed(segments):
        text = segments[segment][field]
        there = normalise(Folded.of(text[start:end]).text)
        if Folded.of(text).text != fold(text):
            continue  # converted as a whole it may read otherwise
        if term.startswith(PAIR):
            assert there == term[1:]
            assert len(there) == 2
        else:
            assert there == term or (there.isascii() and term in ("0", "a"))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), MIXED), max_size=4))
def test_segments_do_not_touch_each_other(segments):
    together = sorted(placed(segments))
    alone = [(term, i, *place) for i, s in enumerate(segments) for term, _, *place in placed([s])]
    assert together == sorted(alone)


def test_terms_of_a_sentence():
    found = list(placed([{"problem": "召开会议3次, ABC不达标"}]))
    assert [(term, start, end) for term, _, _, start, end in found] == [
        ("召开", 0, 2), ("会议", 2, 4), ("0", 4, 5), ("次", 5, 6), ("a", 8, 11), ("不", 11, 12),
        ("达标", 12, 14), ("#召开", 0, 2), ("#开会", 1, 3), ("#会议", 2, 4), ("#不达", 11, 13),
        ("#达标", 12, 14),
    ]  # fmt: skip


def test_terms_are_placed_in_the_original():
    text = "学(xu\u00e9)习(x\u00ed)不够(g\u00f2u)深入"
    words = [
        (term, text[start:end])
        for term, _, _, start, end in placed([{"path": "甲", "problem": text, "measures": "乙"}])
        if not term.startswith(PAIR)
    ]
    assert words == [
        ("甲", text[:1]), ("学习", "学(xu\u00e9)习(x\u00ed)"), ("不够", "不够(g\u00f2u)"),
        ("深入", "深入"), ("乙", text[:1]),
    ]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.sets(st.text(HAN, min_size=2, max_size=2), max_size=40), st.lists(MIXED, max_size=5))
def test_a_vocabulary_finds_its_terms_and_no_other(pairs, texts):
    pairs = {pair for pair in pairs if all("\u3400" <= char <= "\u9fff" for char in pair)}
    segments = [{"problem": "".join(pairs), "measures": text} for text in texts]
    vocabulary = Vocabulary("".join(f"{PAIR}{pair}\n" for pair in sorted(pairs)))
    found = Texts(segments).find(vocabulary)
    every = [term for term, *_ in placed(segments) if term[1:] in pairs and term.startswith(PAIR)]
    assert sorted(vocabulary.terms[i] for i in found.term) == sorted(every)


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        (["乙", "甲", "丙"], "not sorted"),
        (["甲", "甲"], "not sorted"),
        (["#甲乙", "#乙甲"], "not sorted"),
        (["#乙甲", "!"], "not sorted"),
        (["#乙甲", ""], "not sorted"),
        (["甲", "#乙甲"], "no pairs and words"),
        (["#甲"], "no pairs and words"),
        (["#甲乙丙"], "no pairs and words"),
        (["#甲", "#甲乙丙"], "no pairs and words"),
        (["#甲", "乙"], "no pairs and words"),
    ],
)
def test_terms_that_are_none(terms, told):
    with pytest.raises(ValueError, match=told):
        Vocabulary("".join(f"{term}\n" for term in terms))


@pytest.fixture(scope="module")
def segments(small_examples):
    return [{"problem": e.problem, "measures": e.measures} for e in small_examples]


def dense(vectorizer, segments):
    """Rows as they are made in prediction, as a plain array."""
    found = np.zeros((len(segments), len(vectorizer.idf)))
    for part in vectorizer.parts(Texts(segments)):
        found[part.segment, part.column] = part.value
    return found


def fitted(segments, *blocks, rows=None, min_count=2):
    return Counts(segments, blocks).fit(rows or range(len(segments)), min_count)


def names(vectorizer, block):
    return [term for name, term in vectorizer.columns() if name == block]


def test_rows_equal_scikit_learns(segments):
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = [[] for _ in segments]
    for term, segment, field, *_ in placed(segments):
        if field == "measures" and not term.startswith(PAIR):
            words[segment].append(term)
    vectorizer, matrix = fitted(segments, Block("words", ("measures",)))
    reference = TfidfVectorizer(analyzer=lambda found: found, sublinear_tf=True, min_df=2)
    expected = reference.fit_transform(words).toarray()
    assert names(vectorizer, "words") == list(reference.get_feature_names_out())
    assert len(reference.vocabulary_) > 1000
    # idf is rounded to the 32 bits in which it is stored.
    np.testing.assert_allclose(dense(vectorizer, segments), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(matrix.toarray(), expected, rtol=0, atol=1e-6)


BLOCKS = (
    Block("a", ("problem",), pairs=True),
    Block("b", ("problem", "measures"), weight=0.5),
    Block("c", ("measures",), words=False, pairs=True),
)


@pytest.mark.parametrize("min_count", [1, 3])
def test_fitting_and_predicting_compute_the_same_rows(segments, min_count):
    chosen = range(0, len(segments), 2)
    vectorizer, matrix = fitted(segments, *BLOCKS, rows=chosen, min_count=min_count)
    expected = dense(vectorizer, [segments[i] for i in chosen])
    np.testing.assert_allclose(matrix.toarray(), expected, rtol=0, atol=1e-12)


def test_terms_of_other_segments_are_not_learned(segments):
    """A fit on some segments knows nothing of the others it was counted with."""
    alone, _ = fitted(segments[:40], *BLOCKS)
    among, _ = fitted(segments, *BLOCKS, rows=range(40))
    assert list(among.columns()) == list(alone.columns())
    np.testing.assert_array_equal(among.idf, alone.idf)


def test_each_block_has_its_weight_for_length_and_only_its_terms(segments):
    vectorizer, _ = fitted(segments, *BLOCKS)
    whole = dense(vectorizer, segments[:1])[0]
    first, second, _ = map(len, vectorizer.terms)
    assert np.linalg.norm(whole[:first]) == pytest.approx(1.0)
    assert np.linalg.norm(whole[first : first + second]) == pytest.approx(0.5)
    assert {term.startswith(PAIR) for term in names(vectorizer, "a")} == {True, False}
    assert {term.startswith(PAIR) for term in names(vectorizer, "b")} == {False}
    assert {term.startswith(PAIR) for term in names(vectorizer, "c")} == {True}


def test_unknown_and_empty_text_give_an_empty_row(segments):
    vectorizer, _ = fitted(segments, *BLOCKS)
    for empty in ([], [{}], [{"problem": "□□□,。"}, {}]):
        assert not dense(vectorizer, empty).any()
    mixed = [{}, segments[0], {"problem": ""}, segments[1]]
    np.testing.assert_array_equal(dense(vectorizer, mixed)[1::2], dense(vectorizer, segments[:2]))
