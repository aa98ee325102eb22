"""Parsers in a child process: answers come back, and whatever goes wrong has a name."""

import io
import os
import signal
import sys
import time
import zipfile
import zlib

import pytest

from rectify_nlp.confine import check_unpacked, confined, run
from rectify_nlp.errors import NoText, ReadError, UnsupportedFormat
from rectify_nlp.types import Limits

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
BODY = f'<w:document xmlns:w="{WORD}"><w:body>%s</w:body></w:document>'
posix = pytest.mark.skipif(os.name != "posix", reason="needs resource limits")


def archive(**parts):
    """A zip archive of these members; "__" in a name stands for "/"."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name.replace("__", "/") + ".xml", content)
    return file.getvalue()


def pdf_bomb(size):
    """A page whose content is `size` bytes of path operators, packed twice: under 3 KB."""
    content = b"0 0 m " * (size // 6)
    for _ in range(2):
        content = zlib.compress(content, 9)
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<<>>>>",
        b"<</Length %d/Filter[/FlateDecode/FlateDecode]>>stream\n%b\nendstream"
        % (len(content), content),
    ]
    file = b"%PDF-1.5\n"
    for number, body in enumerate(objects, 1):
        file += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    return file + b"trailer<</Size 5/Root 1 0 R>>\n%%EOF"


def refusal(*args, **limits):
    with pytest.raises(ReadError) as caught:
        confined(*args, limits=Limits(**limits))
    assert caught.value.source == args[2]
    assert "\n" not in str(caught.value)
    return caught.value.what


def test_the_answer_comes_back_as_said():
    data = archive(word__document=BODY % "<w:p><w:r><w:t>一、学习“不够”深入</w:t></w:r></w:p>")
    assert confined("docx", data, "a.docx") == {"text": "一、学习“不够”深入", "warnings": []}


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (archive(word__document=BODY % ""), NoText),
        (archive(xl__workbook="<workbook/>"), UnsupportedFormat),
        (b"PK\x03\x04 and then nothing", ReadError),
    ],
    ids=["no text", "no document", "damaged"],
)
def test_errors_come_back_as_they_were_raised(data, kind):
    with pytest.raises(ReadError) as caught:
        confined("docx", data, "a.docx")
    assert type(caught.value) is kind
    assert str(caught.value).startswith("a.docx: ")


def test_only_known_parsers_run():
    with pytest.raises(KeyError):
        confined("os.system", b"", "x")


@pytest.mark.parametrize(("size", "limits"), [(30, {}), (9, {"unpacked_bytes": 10**6})])
def test_a_zip_bomb_is_not_unpacked(size, limits):
    data = archive(word__document=b" " * (size * 1_000_000))
    started = time.monotonic()
    assert f"unpacks to {size} MB" in refusal("docx", data, "a.docx", **limits)
    assert time.monotonic() - started < 1


def test_an_ordinary_archive_is_no_bomb():
    check_unpacked(archive(word__document=b" " * 5_000_000), "a.docx", Limits())
    check_unpacked(b"PK\x03\x04 damaged", "a.docx", Limits())


def test_entities_are_not_expanded():
    names = "abcdefghij"
    bomb = "".join(
        f'<!ENTITY {name} "{f"&{names[at - 1]};" * 10 if at else "ha"}">'
        for at, name in enumerate(names)
    )
    text = BODY % "<w:p><w:r><w:t>&%s;</w:t></w:r></w:p>"
    for entities, name in ((bomb, "j"), ('<!ENTITY x SYSTEM "file:///etc/passwd">', "x")):
        data = archive(word__document=f"<!DOCTYPE d [{entities}]>{text % name}")
        assert "damaged" in refusal("docx", data, "a.docx")


@posix
def test_a_pdf_bomb_runs_into_the_processor_limit():
    bomb = pdf_bomb(60_000_000)
    assert len(bomb) < 3000
    said = refusal("pdf", bomb, "a.pdf", cpu_seconds=1)
    assert said == "takes more than 1 s of processor time to read"


@posix
def test_a_pdf_bomb_runs_into_the_memory_limit():
    said = refusal("pdf", pdf_bomb(200_000_000), "a.pdf", memory_bytes=200_000_000)
    assert said == "takes more than 200 MB of memory to read"


def test_a_pdf_bomb_runs_into_the_clock():
    started = time.monotonic()
    said = refusal("pdf", pdf_bomb(60_000_000), "a.pdf", wall_seconds=1)
    assert said == "was not read within 1 s"
    assert time.monotonic() - started < 10


@posix
@pytest.mark.parametrize("megabytes", [1, 10, 20, 25])
def test_a_child_that_cannot_even_load_its_parser_has_an_error_too(megabytes):
    said = refusal("pdf", b"%PDF-1.5", "a.pdf", memory_bytes=megabytes * 1_000_000)
    assert "memory" in said or "cannot be loaded" in said


@posix
@pytest.mark.parametrize("death", ["SIGKILL", "SIGSEGV"])
def test_run_tells_how_a_process_ended(death):
    code = f"import os, signal; os.kill(os.getpid(), signal.{death})"
    status, output = run([sys.executable, "-c", code], "x", data=b"z" * 10**6, wall_seconds=30)
    assert (status, output) == (-getattr(signal, death), b"")


@posix
def test_run_leaves_no_grandchild_behind(tmp_path):
    trace = tmp_path / "alive"
    grandchild = f"import time; time.sleep(2); open({str(trace)!r}, 'w')"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    with pytest.raises(ReadError, match="not read within 1 s"):
        run([sys.executable, "-c", child], "x", wall_seconds=1)
    time.sleep(2)
    assert not trace.exists()


def test_a_missing_program_is_a_read_error():
    with pytest.raises(ReadError, match="no process could be started"):
        run(["/nowhere/soffice"], "x", wall_seconds=1)
