"""The sheet on which people label in Excel or WPS: written, and read back.

Sheets: 标注, one row a segment with drop-downs for category and status; 选项, what the
drop-downs offer and what each category covers; 说明, how to fill it in. A CSV has the
columns of 标注 alone. docs/labelling.md describes them.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rectify_nlp.errors import LabelsError, OutputError
from rectify_nlp.labelling import seal
from rectify_nlp.picking import Candidate
from rectify_nlp.records import csv_cell
from rectify_nlp.rowfiles import repeated
from rectify_nlp.sheets import FORMULA, Book, Column, as_text
from rectify_nlp.taxonomy import Taxonomy
from rectify_nlp.types import Limits

SHEET, OPTIONS, HELP = "标注", "选项", "说明"
CHECK, TRAIN = "检验", "训练"
SUFFIXES = (".xlsx", ".csv")
# Of a path in one cell.
JOINT = " > "
# What is shown in one cell or column of a sheet, by the name it has elsewhere.
HEADERS = {
    "unit": "单位",
    "number": "编号",
    "path": "上级标题",
    "problem": "问题",
    "measures": "整改措施",
    "stated": "通报写明的状态",
    "told": "已有标注",
    "suggested_category": "模型建议类别",
    "category_p": "类别概率",
    "category": "类别",
    "also": "次要类别",
    "suggested_status": "模型建议状态",
    "status_p": "状态概率",
    "status": "状态",
    "remark": "备注",
    "annotator": "标注人",
    "purpose": "用途",
    "notice": "通报",
    "source_sha256": "来源摘要",
    "seal": "校验码",
}
# Without these a row cannot be told from one that was altered.
_NEEDED = tuple(HEADERS[name] for name in ("problem", "measures", "category", "seal"))
_GUIDE = (
    ("填写", "只填黄色各列。类别必填；次要类别可不填，多个用顿号分开；状态拿不准可不填。"),
    ("不填", "整行不填表示暂不标注，导入时跳过。不像一个问题的，请不填类别，在备注中说明。"),
    ("不要改", "问题、整改措施、通报、用途、校验码等列不要改，改过的行导入时会被指出。"),
    (
        "用途",
        "“检验”的行随机抽取，只用来检验模型，不给出模型建议，以免影响判断；“训练”的行用来训练。",
    ),
    ("标注人", "每行填写标注人姓名；也可以不填，导入时用 --annotator 统一给出。"),
)


def fields(candidate: Candidate) -> dict[str, Any]:
    """A candidate as columns by their names in `HEADERS`, its seal last."""
    c = candidate
    return {
        "unit": c.unit,
        "number": c.number,
        "path": JOINT.join(c.path),
        "problem": c.problem,
        "measures": c.measures,
        "stated": c.stated,
        "told": c.told,
        "suggested_category": c.category,
        "category_p": None if c.category_p is None else round(c.category_p, 4),
        "suggested_status": c.status,
        "status_p": None if c.status_p is None else round(c.status_p, 4),
        "purpose": CHECK if c.check else TRAIN,
        "notice": c.notice,
        "source_sha256": c.source_sha256,
        "seal": seal(c),
    }


def from_fields(columns: dict[str, Any]) -> Candidate:
    """The candidate that `fields` described; of the model's answers the first labels."""
    text = {name: as_text(value).strip() for name, value in columns.items()}
    return Candidate(
        problem=text.get("problem", ""),
        measures=text.get("measures", ""),
        path=tuple(part for part in text.get("path", "").split(JOINT) if part),
        notice=text.get("notice", ""),
        source_sha256=text.get("source_sha256", ""),
        number=text.get("number", ""),
        unit=text.get("unit", ""),
        stated=text.get("stated", ""),
        check=text.get("purpose") == CHECK,
        category=text.get("suggested_category") or None,
        category_p=_share(text.get("category_p", "")),
        status=text.get("suggested_status") or None,
        status_p=_share(text.get("status_p", "")),
        told=text.get("told", ""),
    )


def _share(text: str) -> float | None:
    """A probability, which a spreadsheet may have made a percentage; None for anything else."""
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return None


def sheet(candidates: Iterable[Candidate], taxonomy: Taxonomy, path: Path) -> bytes:
    """The sheet in the format that the suffix of `path`, one of `SUFFIXES`, asks for."""
    if path.suffix.lower() == ".csv":
        return csv_text(candidates).encode("utf-8", "replace")
    return workbook(candidates, taxonomy)


def workbook(candidates: Iterable[Candidate], taxonomy: Taxonomy) -> bytes:
    """The sheet as the bytes of an .xlsx file."""
    from xlsxwriter.exceptions import XlsxFileError

    out = io.BytesIO()
    try:
        with TemporaryDirectory(prefix="rectify-nlp-", ignore_cleanup_errors=True) as folder:
            book = Book(out, "标注表", folder)
            columns = _columns(taxonomy)
            frozen = [column.header for column in columns].index(HEADERS["measures"])
            printed = [column.header for column in columns].index(HEADERS["notice"])
            sheet = book.sheet(SHEET, columns, frozen=frozen, printed=printed)
            for candidate in candidates:
                values = fields(candidate)
                sheet.append([values.get(name) for name in HEADERS])
            _options(book, taxonomy)
            guide = book.sheet(
                HELP, [Column(header="项目", width=14), Column(header="内容", width=90)]
            )
            for entry in _GUIDE:
                guide.append(entry)
            book.close()
    except (OSError, XlsxFileError) as error:
        raise OutputError(
            f"sheet: cannot be written ({error}); make room for temporary files"
        ) from error
    return out.getvalue()


def _columns(taxonomy: Taxonomy) -> list[Column]:
    offered = {
        "category": f"={OPTIONS}!$A$2:$A${len(taxonomy.categories) + 1}",
        "status": f"={OPTIONS}!$C$2:$C${len(taxonomy.statuses) + 1}",
    }
    widths = {"problem": 34, "measures": 60, "path": 26, "unit": 16, "notice": 26, "told": 20}
    # Wide, so that they make no row higher; nobody reads them.
    widths |= {"source_sha256": 66, "seal": 18}
    looks: dict[str, Any] = dict.fromkeys(("category_p", "status_p"), "share")
    looks |= dict.fromkeys(("category", "also", "status", "remark", "annotator"), "entry")
    looks |= dict.fromkeys(("number", "suggested_category", "suggested_status", "purpose"), "short")
    return [
        Column(
            header=header,
            width=widths.get(name, 14 if looks.get(name) == "entry" else 11),
            look=looks.get(name, "text"),
            choices=offered.get(name, ""),
        )
        for name, header in HEADERS.items()
    ]


def _options(book: Book, taxonomy: Taxonomy) -> None:
    sheet = book.sheet(
        OPTIONS,
        [
            Column(header="类别", width=16, look="short"),
            Column(header="类别的范围", width=80),
            Column(header="状态", width=16, look="short"),
        ],
    )
    for category, status in zip_longest(taxonomy.categories, taxonomy.statuses):
        scope = (category.name, category.scope) if category else (None, None)
        sheet.append([*scope, status.name if status else None])


def csv_text(candidates: Iterable[Candidate]) -> str:
    """The columns of the sheet as CSV with a byte order mark, which Excel needs."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADERS.values())
    for candidate in candidates:
        values = fields(candidate)
        writer.writerow([csv_cell(values.get(name)) for name in HEADERS])
    return "\ufeff" + out.getvalue()


# -- reading -----------------------------------------------------------------------------


def sheet_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a labelled .xlsx or .csv with their numbers, columns named as in `HEADERS`.

    Rows without any text are left out. LabelsError where it is no such sheet.
    """
    table = _csv_table(path) if path.suffix.lower() == ".csv" else _xlsx_table(path)
    number, header = next(table, (1, []))
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise LabelsError(
            path, number, f"no column {', '.join(missing)}", "give a sheet that `label pick` wrote"
        )
    if (twice := repeated(title for title in header if title in HEADERS.values())) is not None:
        raise LabelsError(path, number, f"has two columns {twice}", "take one out")
    names = {header.index(title): name for name, title in HEADERS.items() if title in header}
    for number, cells in table:
        if any(cells):
            yield number, {name: cells[i] if i < len(cells) else "" for i, name in names.items()}


def _csv_table(path: Path) -> Iterator[tuple[int, list[str]]]:
    from rectify_nlp.decoding import decode

    text, _ = decode(_bytes(path))
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        for cells in reader:
            yield reader.line_num, [_unquoted(cell.strip()) for cell in cells]
    except csv.Error as error:
        raise LabelsError(path, reader.line_num, f"bad CSV ({error})", "save it anew") from error


def _unquoted(cell: str) -> str:
    """Without the apostrophe that keeps a spreadsheet from taking a text for a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def _xlsx_table(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows of the first sheet that has the needed columns, header first."""
    import warnings

    from openpyxl import load_workbook

    data = _bytes(path)
    _unpackable(path, data)
    try:
        with warnings.catch_warnings():
            # It tells of every feature of a sheet that it passes over.
            warnings.simplefilter("ignore")
            book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            for sheet in book.worksheets:
                table = list(_cells(sheet))
                if table and set(_NEEDED) <= set(table[0][1]):
                    return iter(table)
    # Whatever comes of XML that is none, or says what no workbook says.
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, SyntaxError, OSError) as error:
        raise LabelsError(path, 0, f"no readable workbook ({error})", "save it as .xlsx") from error
    return iter(())


def _cells(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    from openpyxl.utils.escape import unescape

    # What a program notes as the extent of a sheet is not always so.
    sheet.reset_dimensions()
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        yield number, [unescape(as_text(cell)).strip() for cell in row]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LabelsError(path, 0, f"cannot be read ({error.strerror})") from error


def _unpackable(path: Path, data: bytes) -> None:
    """LabelsError for what is no zip archive, or one that unpacks to more than may be read."""
    limits = Limits()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError) as error:
        raise LabelsError(path, 0, f"no workbook ({error})", "save it as .xlsx") from error
    if unpacked > limits.unpacked_bytes:
        raise LabelsError(path, 0, f"unpacks to {unpacked:,} bytes", "give a smaller sheet")
