"""Word documents to text, a line for each paragraph, and the way to all documents.

A .docx is read from its XML, for the libraries do not give what a reader of the accepted
document sees: tracked insertions, text boxes, automatic numbers. `docx` and `pdf.pdf` are
to be run in a child process, as `read_document` does.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rectify_nlp.confine import confined, run
from rectify_nlp.errors import NoText, ReadError, UnsupportedFormat
from rectify_nlp.numbering import Numbering, name_of, number, value
from rectify_nlp.tables import Cell, one_line, table_lines
from rectify_nlp.types import Limits

Element = Any  # of lxml, which has no types


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The text of a document, and what its reader ought to know."""

    text: str
    warnings: tuple[str, ...] = ()


def read_document(
    data: bytes, source: str, kind: Literal["docx", "pdf"], limits: Limits | None = None
) -> Document:
    """`docx` or `pdf` in a child process, within `limits`."""
    found = confined(kind, data, source, limits)
    return Document(text=found["text"], warnings=tuple(found["warnings"]))


# -- Word -----------------------------------------------------------------------------------


def docx(data: bytes, source: str) -> Document:
    """A .docx with all changes accepted; headers, footers, notes and comments are left out."""
    from lxml import etree

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            main = _related(archive, "", "officeDocument") or "word/document.xml"
            if main not in archive.namelist():
                raise UnsupportedFormat(source, "this zip archive holds no Word document")
            root = _part(archive, main)
            numbering, styles = (
                _part(archive, name) if (name := _related(archive, main, kind)) else None
                for kind in ("numbering", "styles")
            )
            pictures = any("/media/" in name for name in archive.namelist())
    except (zipfile.BadZipFile, etree.XMLSyntaxError, zlib.error, EOFError) as error:
        raise ReadError(source, f"the .docx is damaged ({error})") from error
    except (NotImplementedError, RuntimeError) as error:  # unusual packing, or a password
        raise ReadError(source, f"the .docx cannot be unpacked ({error})") from error
    if name_of(root) != "document":
        raise UnsupportedFormat(source, f"this Office file is a {name_of(root)}, not a document")
    lines = list(_Word(Numbering(numbering, styles)).lines(root))
    if not lines:
        what = "pictures but no text; it needs OCR first" if pictures else "no text"
        raise NoText(source, f"the document holds {what}")
    return Document(text="\n".join(lines))


def _part(archive: zipfile.ZipFile, name: str) -> Element:
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True
    )
    root = etree.fromstring(archive.read(name), parser)
    if root.getroottree().docinfo.doctype:  # Office writes none; entity bombs need one
        raise zipfile.BadZipFile(f"{name} declares a document type")
    return root


def _related(archive: zipfile.ZipFile, name: str, kind: str) -> str | None:
    """The part that part `name` ("" for the package) refers to as its `kind`."""
    folder, _, base = name.rpartition("/")
    relations = f"{folder}/_rels/{base}.rels".lstrip("/")
    if relations not in archive.namelist():
        return None
    for relation in _part(archive, relations):
        target = relation.get("Target", "")
        if relation.get("Type", "").endswith(f"/{kind}"):
            path = target if target.startswith("/") else f"{folder}/{target}"
            return path.lstrip("/") if path.lstrip("/") in archive.namelist() else None
    return None


# What a reader of the accepted document does not see, or sees elsewhere already.
_UNSEEN = {"del", "moveFrom", "Fallback", "rt", "instrText", "delText", "rPr", "pPr", "sectPr"}
_MARKS = {"tab": " ", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


def _inside(parent: Element, *names: str) -> Iterator[Element]:
    """The nearest seen descendants of these names, through content controls and the like."""
    for child in parent:
        if name_of(child) in names:
            yield child
        elif name_of(child) not in _UNSEEN:
            yield from _inside(child, *names)


class _Word:
    """The lines of a Word document, in one pass: its numbering counts as it goes."""

    def __init__(self, numbering: Numbering) -> None:
        self._numbering = numbering

    def lines(self, parent: Element, *, cell: bool = False) -> Iterator[str]:
        """The lines of the paragraphs and tables in `parent`; in a `cell` also bare numbers."""
        text = ""
        for block in _inside(parent, "p", "tbl"):
            if name_of(block) == "tbl":
                yield from table_lines(self._grid(block))
                continue
            for box in _inside(block, "txbxContent"):  # it floats over its paragraph
                yield from self.lines(box)
            pieces = "".join(_pieces(block))
            # A break in a centred paragraph only balances the lines of a title.
            text += pieces.replace("\n", "") if value(block, "pPr", "jc") == "center" else pieces
            if any(value(block, "pPr", "rPr", gone) is not None for gone in ("del", "moveFrom")):
                continue  # its end is deleted: the next paragraph goes on with it
            label = self._numbering.label(block)
            for line in filter(None, map(one_line, text.split("\n"))):
                yield label + line
                label = ""
            if cell and label.strip():
                yield label.strip()
            text = ""
        yield from filter(None, [one_line(text)])

    def _grid(self, table: Element) -> list[list[Cell]]:
        """The cells of a table in their places, merged cells repeated."""
        grid: list[list[Cell]] = []
        for row in _inside(table, "tr"):
            if value(row, "trPr", "del") is not None:
                continue
            above = grid[-1] if grid else []
            cells = [Cell("")] * min(number(row, "trPr", "gridBefore") or 0, 100)
            for cell in _inside(row, "tc"):
                text = "\n".join(self.lines(cell, cell=True))
                merged = value(cell, "tcPr", "vMerge") in ("", "continue")
                if merged and len(cells) < len(above):
                    text = above[len(cells)].text
                span = min(number(cell, "tcPr", "gridSpan") or 1, 100)
                cells += [Cell(text, merged or at > 0) for at in range(span)]
            grid.append(cells)
        return grid


def _pieces(element: Element) -> Iterator[str]:
    """The text of a paragraph or run without the text boxes in it."""
    for child in element:
        name = name_of(child)
        if name == "t":
            yield child.text or ""
        elif name in _MARKS:
            yield _MARKS[name]
        elif name not in _UNSEEN and name != "txbxContent" and not _is_hidden(child):
            yield from _pieces(child)


def _is_hidden(run: Element) -> bool:
    return value(run, "rPr", "vanish") not in (None, "0", "false")


# -- older formats ------------------------------------------------------------------------------


def legacy(data: bytes, suffix: str, source: str, limits: Limits | None = None) -> bytes:
    """An older document (.doc, .wps, .rtf) as .docx, by LibreOffice where it is installed.

    UnsupportedFormat, with the remedy, where it is not or where it cannot read the file.
    """
    limits = limits or Limits()
    if data.startswith(_OLE) and _stream("EncryptedPackage") in data:
        raise ReadError(source, "the document is locked with a password; save an unlocked copy")
    if data.startswith(_OLE) and _stream("WordDocument") not in data:
        # LibreOffice would take it for text in some encoding.
        raise UnsupportedFormat(source, "this old Office file (xls, ppt ...) is no document")
    soffice = shutil.which("soffice") or shutil.which("libreoffice")
    if soffice is None:
        raise UnsupportedFormat(source, f"{suffix} is not read; {_REMEDY}")
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, f"notice{suffix}"), Path(folder, "made", "notice.docx")
        given.write_bytes(data)
        # With a profile of its own: a LibreOffice that is open would take over, and do nothing.
        profile = f"-env:UserInstallation={Path(folder, 'profile').as_uri()}"
        convert = ["--headless", "--convert-to", "docx", "--outdir", str(made.parent), str(given)]
        run([soffice, profile, *convert], source, wall_seconds=limits.wall_seconds)
        if not made.exists():
            raise UnsupportedFormat(source, f"LibreOffice cannot read this {suffix}; {_REMEDY}")
        return made.read_bytes()


_OLE = b"\xd0\xcf\x11\xe0"
_REMEDY = "save it as .docx, or install LibreOffice"


def _stream(name: str) -> bytes:
    """How the directory of an OLE file has the name of a stream."""
    return name.encode("utf-16-le")
