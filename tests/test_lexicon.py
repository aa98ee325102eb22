"""The compiled dictionary cuts as jieba itself does, on every text there is and on wild ones."""

import logging
import tempfile

import jieba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rectify_nlp import lexicon as module
from rectify_nlp.codes import code_points
from rectify_nlp.features import normalise
from rectify_nlp.lexicon import lexicon

HAN = st.sampled_from("整改落实情况问题巡察党组已完成的一二三年月日中华人民共和国") | st.characters(
    min_codepoint=0x3400, max_codepoint=0x9FFF
)
ASCII = st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.sampled_from("0a-.@%_+#&")
OTHER = st.sampled_from("\n\r\t\u3000,。;:!?“”()《》—…·、□○①%.-0A\U00020000")
MIXED = st.text(HAN | ASCII | OTHER, max_size=60)


@pytest.fixture(scope="module")
def reference():
    jieba.setLogLevel(logging.ERROR)
    tokenizer = jieba.Tokenizer()
    with tempfile.TemporaryDirectory() as private:
        tokenizer.tmp_dir = private
        tokenizer.initialize()
    return tokenizer


@pytest.fixture(scope="module")
def texts(examples, seed_paths):
    """Every text of labels/ and seeds/."""
    found = {text for e in examples for text in (e.problem, e.measures, *e.path)}
    return sorted(found | {path.read_text(encoding="utf-8") for path in seed_paths})


def cut(text):
    tokens = lexicon().cut(code_points(text))
    return [text[i:j] for i, j in zip(tokens.starts, tokens.ends, strict=True)]


def expected(reference, text):
    # "\r\n" is one token of jieba's and two of ours; neither is a term.
    return [part for t in reference.cut(text, HMM=False) for part in (t if t == "\r\n" else [t])]


def test_all_labels_and_seeds_are_cut_as_jieba_does(reference, texts):
    assert len(texts) > 1000
    normal = [normalise(text) for text in texts]
    tokens = [expected(reference, text) for text in normal]
    whole = "\n".join(normal) + "\n"  # many pieces, each ending where a run does
    assert len(whole) > 10 * module._PIECE
    assert cut(whole) == [token for found in tokens for token in (*found, "\n")]
    assert [cut(text) for text in normal[::100]] == tokens[::100]


@settings(max_examples=300, deadline=None)
@given(MIXED | st.text(max_size=40))
def test_any_text_is_cut_as_jieba_does(reference, text):
    normal = normalise(text)
    assert cut(normal) == expected(reference, normal)


@settings(max_examples=20, deadline=None)
@given(st.text(HAN | ASCII, min_size=1, max_size=30))
def test_long_runs_are_cut_as_jieba_does(reference, text):
    normal = normalise(text) * (1200 // len(text))
    assert cut(normal) == expected(reference, normal)


def test_the_longest_of_equals_wins(reference):
    for text in (
        "有意见分歧",
        "研究生命起源",
        "长春市长春节讲话",
        "乒乓球拍卖完了",
        "结合成分子时",
    ):
        assert cut(text) == expected(reference, text)


def test_every_word_of_jieba_is_there_with_its_weight(reference):
    words = [w for w, n in reference.FREQ.items() if n and not any(c.isascii() for c in w)]
    words = [w for w in words if all("\u4e00" <= c <= "\u9fd5" for c in w)]
    assert len(words) > 340_000
    ids = lexicon().ids(words)
    assert len(np.unique(ids)) == len(words)
    alone = np.array([len(w) == 1 for w in words])
    assert ((ids >= lexicon().size) == alone).all()
    weights = np.empty(len(words))
    weights[~alone] = lexicon().weights[lexicon().cells[ids[~alone]] >> 16 & 0xFFFF]
    weights[alone] = lexicon().alone[ids[alone] - lexicon().size]
    frequency = np.array([reference.FREQ[w] for w in words])
    np.testing.assert_allclose(weights, np.log(frequency) - np.log(reference.total), rtol=1e-15)
    assert np.count_nonzero(lexicon().cells >> 16 & 0xFFFF) == len(words)


def test_ids_are_those_of_tokens(texts):
    normal = normalise("\n".join(texts[::10]))
    tokens = lexicon().cut(code_points(normal))
    words = cut(normal)
    alone = [i for i, w in enumerate(words) if not w.isascii() and w != "\n"]
    assert len(alone) > 10_000
    np.testing.assert_array_equal(lexicon().ids([words[i] for i in alone]), tokens.ids[alone])


@pytest.mark.parametrize(
    ("text", "tokens", "classes"),
    [("2023-06-21", ["0000", "-", "00", "-", "00"], "0-0-0"), ("A.B3", ["a", ".", "a0"], "a.0"),
     ("", [], ""), ("召开会议3次", ["召开", "会议", "0", "次"], None)],
)  # fmt: skip
def test_numbers_and_latin_runs_are_one_token_of_their_class(text, tokens, classes):
    normal = normalise(text)
    assert cut(normal) == tokens
    if classes is not None:
        ids = lexicon().cut(code_points(normal)).ids
        assert [chr(i - lexicon().size) for i in ids] == list(classes)


def test_what_is_no_word_has_no_id():
    ids = lexicon().ids(["整改", "整改巡", "巡", "□", "\U00020000", "不存在的词", ""])
    assert (ids >= 0).tolist() == [True, False, True, True, True, False, False]
    assert ids[3] == lexicon().size + ord("□")
    assert lexicon().ids([]).tolist() == []
