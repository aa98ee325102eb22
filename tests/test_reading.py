"""Bytes to a Notice: encodings, particulars, dates, and what is refused."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rectify_nlp import NoText, ReadError, UnsupportedFormat, read
from rectify_nlp.reading import notice_from_text, parse_date, read_bytes

ENCODINGS = ["utf-8", "utf-8-sig", "gb18030", "utf-16-le", "utf-16-be", "mark+utf-16-le",
             "mark+utf-16-be"]  # fmt: skip


def encoded(text, encoding):
    marked, _, name = encoding.rpartition("+")
    return (("\ufeff" if marked else "") + text).encode(name)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_encoding_gives_the_same_text(encoding, newline, seed_paths):
    for path in seed_paths:
        text = path.read_bytes().decode("utf-8").replace("\r\n", "\n")
        notice = read_bytes(encoded(text.replace("\n", newline), encoding), "x")
        assert notice.text == text
        assert notice.warnings == ()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "text",
    [
        "学习不够深入。\n",
        "一、关于学习不够深入的问题\n整改情况:已完成。\n",
        "一、2023年3月\n二、1\n",
        "abc",
    ],
)
def test_short_texts_are_recognised_too(encoding, text):
    assert read_bytes(encoded(text, encoding), "x").text == text


def test_what_cannot_be_decoded_is_told():
    data = "整改情况".encode() * 100
    assert read_bytes(data[:-1], "x").warnings == ("1 bytes could not be decoded",)
    assert read_bytes("整改\ufffd情况".encode(), "x").warnings == ()  # it was so in the source


def test_particulars_of_a_notice_with_a_table_of_them(guangzhou):
    notice = read(guangzhou)
    assert notice.title == "中共广州市交通运输局党组关于巡察整改进展情况的通报"
    assert notice.publisher == "广州市交通运输局"
    assert notice.published == date(2025, 3, 27)
    assert notice.index_number == "11440100MB2C91373B/2025-00273"
    assert notice.document_number is None  # the label is there, its value is empty
    assert notice.source == str(guangzhou)


def test_particulars_from_the_title_alone(linyi):
    notice = read(linyi)
    assert notice.title == "中共临沂市交通运输局党组关于十四届市委第一轮巡察整改进展情况的通报"
    assert notice.publisher == "中共临沂市交通运输局党组"
    assert notice.published == date(2023, 6, 21)
    assert (notice.index_number, notice.document_number) == (None, None)


def test_particulars_from_the_signature():
    text = "落实情况\n" + "正文。\n" * 5 + "中共某某局党组\n2024年2月29日\n"
    notice = notice_from_text(text, "x")
    assert (notice.publisher, notice.published) == ("中共某某局党组", date(2024, 2, 29))


def test_what_is_known_overrides_what_is_found(guangzhou):
    text = guangzhou.read_text(encoding="utf-8")
    notice = notice_from_text(text, "x", title="题", published="2020-01-02", url="https://a.cn")
    assert (notice.title, notice.published) == ("题", date(2020, 1, 2))
    assert (notice.url, notice.publisher) == ("https://a.cn", "广州市交通运输局")


@pytest.mark.parametrize(
    "data", [b"", b"\xef\xbb\xbf", b"\xff\xfe", b" \r\n\t", "\u3000\n".encode()]
)
def test_no_text(data, tmp_path):
    path = tmp_path / "empty.txt"
    path.write_bytes(data)
    with pytest.raises(NoText) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        b"PK\x03\x04\x14\x00\x06\x00",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0\x00\x10JFIF",
        b"GIF89a",
        b"\x1f\x8b\x08\x00",
        b"Rar!\x1a\x07",
    ],
    ids=["pdf", "zip", "ole", "png", "jpeg", "gif", "gzip", "rar"],
)
def test_other_content_under_the_name_of_a_text(data, tmp_path):
    path = tmp_path / "notice.txt"
    path.write_bytes(data)
    with pytest.raises(ReadError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\x00\x10JFIF"])
def test_pictures_are_not_read(data):
    with pytest.raises(UnsupportedFormat, match="picture"):
        read_bytes(data, "x.txt")


@pytest.mark.parametrize("head", ["<!DOCTYPE html><html>", "\r\n <!-- saved -->\n<HTML>"])
def test_a_web_page_is_not_taken_for_text(head):
    page = f"{head}<body><h1>巡察整改情况的通报</h1><p>一、整改。</p></body></html>"
    try:
        text = read_bytes(page.encode(), "x.txt").text
    except UnsupportedFormat as refusal:
        text = refusal.what
    assert "<" not in text
    assert "一、整改。" in text or "this is a web page" in text


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(ReadError, match=r"none\.txt: cannot be read") as caught:
        read(tmp_path / "none.txt")
    assert caught.value.source == str(tmp_path / "none.txt")
    with pytest.raises(ReadError, match="cannot be read"):
        read(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "2023-06-21", "2023.6.21", "2023/06/21", "2023年6月21日", "2023 年 6 月 21 日",
        "发布于2023-06-21 10:30", "二〇二三年六月二十一日", "二○二三年六月二十一日",
        "二零二三年六月二十一日", "2023-06-21,2024-01-01",
    ],
)  # fmt: skip
def test_dates(text):
    assert parse_date(text) == date(2023, 6, 21)


@pytest.mark.parametrize(
    ("text", "found"),
    [("二〇二〇年十月十日", date(2020, 10, 10)), ("一九九九年十二月三十一日", date(1999, 12, 31))],
)
def test_dates_in_chinese_numerals(text, found):
    assert parse_date(text) == found


@pytest.mark.parametrize(
    "text",
    ["", "整改", "2023年6月", "2023-02-29", "2023-13-01", "2023-00-10", "1823-06-21",
     "12023-06-21", "2023-06-211", "二〇二三年二月三十日", "二〇二三年十三月一日"],
)  # fmt: skip
def test_impossible_dates(text):
    assert parse_date(text) is None


HEADS = [
    b"",
    b"%PDF-",
    b"PK\x03\x04",
    b"<html",
    b"{\\rtf",
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"),
]
TEXTS = st.text(st.sampled_from("整改一、(一)名称文号发布日期::2023年02月31日-通报\r\n\t \u3000\x00")).map(
    lambda text: [text.encode(e.rpartition("+")[2]) for e in ENCODINGS]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.builds(bytes.__add__, st.sampled_from(HEADS), st.binary(max_size=200))
    | TEXTS.flatmap(st.sampled_from)
)
def test_any_bytes_give_a_notice_or_a_read_error(data):
    try:
        notice = read_bytes(data, "source")
    except ReadError as error:
        message = str(error)
    else:
        assert notice.text.strip()
        assert "\r" not in notice.text
        message = f"{notice.source}: "
    assert message.startswith("source: ")
