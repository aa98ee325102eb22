"""The service for people: the page, the dashboard, and the API's documentation.

The page sends one document at a time and gets it back as HTML, rendered by the templates of
the report. It keeps what was read of each document, and sends that back for a download: so
nothing has to be kept here, and no document is parsed twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from pydantic import Field
from starlette.staticfiles import StaticFiles

from rectify_nlp.api import json_of, worked
from rectify_nlp.dashboard import Choice, Shelf
from rectify_nlp.errors import RectifyError
from rectify_nlp.phrases import CAUTION, TASK, UNDECIDED, about_model, failure, tones
from rectify_nlp.records import clean, notice_record
from rectify_nlp.render import Layout, pieces
from rectify_nlp.report import STYLE, TEMPLATES, Bar, chapter_of, environment, item_of
from rectify_nlp.schemas import Asked, Name, Text
from rectify_nlp.service import CHARACTERS_AT_ONCE, Service
from rectify_nlp.types import Failure, Notice, Result
from rectify_nlp.version import __version__

STATIC = Path(__file__).parent / "static"
PAGE_OF_ROWS = 20
UNITS_SHOWN = 200
DOWNLOADS = 2000  # documents in one
_KINDS = {
    "xlsx": ("整改台账", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "jsonl": ("整改情况", "application/jsonl"),
    "html": ("整改情况分析报告", "text/html; charset=utf-8"),
}


class NoticeRead(Asked):
    """What was read of a document, as `read_document` told it to the page."""

    text: Text
    source: Name
    sha256: Text = ""
    title: Text | None = None
    publisher: Text | None = None
    published: date | None = None
    index_number: Text | None = None
    document_number: Text | None = None
    url: Text | None = None
    warnings: tuple[Text, ...] = ()


class FailureRead(Asked):
    """A document that could not be read."""

    source: Name
    error: Text
    message: Text


class Download(Asked):
    """All documents of the page, in order."""

    documents: Annotated[list[NoticeRead | FailureRead], Field(min_length=1, max_length=DOWNLOADS)]

    @property
    def characters(self) -> int:
        return sum(len(d.text) for d in self.documents if isinstance(d, NoticeRead))


# Template, address and name of each page there is.
Menu = Sequence[tuple[str, str, str]]


def menu(*, dashboard: bool, labelling: bool) -> Menu:
    """The pages of this service, as every page lists them."""
    return [
        ("page.html", "/", "分析通报"),
        *[("dashboard.html", "/dashboard", "批量结果")] * dashboard,
        *[("label.html", "/label", "标注")] * labelling,
        ("docs.html", "/docs", "接口文档"),
    ]


def router(service: Service, shelf: Shelf | None, menu: Menu) -> APIRouter:
    """The pages and what they call; none of it is for programs."""
    pages = APIRouter(include_in_schema=False)
    model = service.model

    def shown(template: str, **values: Any) -> HTMLResponse:
        return HTMLResponse(rendered(template, service, here=template, menu=menu, **values))

    @pages.get("/")
    async def index() -> HTMLResponse:
        return shown(
            "page.html",
            categories=[*model.taxonomy.category_names, UNDECIDED],
            about=about_model(model),
            megabytes=service.limits.input_bytes / 1e6,
        )

    @pages.post("/page/document")
    async def read_document(
        request: Request,
        name: Annotated[str, Query(min_length=1, max_length=300)],
        number: Annotated[int, Query(ge=1, le=100_000)],
    ) -> Response:
        data = await request.body()
        return json_of(await worked(service, _fragments, service, data, name, number))

    @pages.post("/page/download/{form}")
    async def download(form: Literal["xlsx", "jsonl", "html"], asked: Download) -> Response:
        if asked.characters > CHARACTERS_AT_ONCE:
            told = f"材料共 {asked.characters:,} 字，一次最多下载 {CHARACTERS_AT_ONCE:,} 字"
            raise HTTPException(422, f"{told}；请用命令行 rectify-nlp predict 或 batch")
        name, kind = _KINDS[form]
        content = await worked(service, _rendition, service, form, asked)
        disposition = (
            f"attachment; filename=rectify.{form}; filename*=UTF-8''{_quoted(name)}.{form}"
        )
        return Response(content, media_type=kind, headers={"content-disposition": disposition})

    @pages.get("/dashboard")
    async def dashboard(
        unit: Annotated[str, Query(max_length=500)] = "",
        category: Annotated[str, Query(max_length=100)] = "",
        status: Annotated[str, Query(max_length=100)] = "",
        doubt: Annotated[str, Query(max_length=1)] = "",
        page: Annotated[int, Query(ge=1, le=10**9)] = 1,
    ) -> HTMLResponse:
        if shelf is None:
            raise HTTPException(404, "no batch folder is shown; start with serve --results FOLDER")
        choice = Choice(
            unit=unit or None,
            category=category or None,
            status=status or None,
            in_doubt=bool(doubt),
        )
        try:
            values = await worked(service, _overview, service, shelf, choice, page)
        except RectifyError as error:
            raise HTTPException(503, str(error)) from error
        return shown("dashboard.html", choice=choice, **values)

    @pages.get("/docs")
    async def docs() -> HTMLResponse:
        return shown("docs.html")

    @pages.get(f"/static/{STYLE}")
    async def style() -> FileResponse:
        return FileResponse(TEMPLATES / STYLE, headers={"cache-control": "no-cache"})

    return pages


def mount_static(app: FastAPI) -> None:
    """Serve the style sheets and scripts, among them those of the API's documentation."""
    swagger = StaticFiles(packages=[("fastapi_swagger", "resources")])
    app.mount("/static/swagger", swagger)
    app.mount("/static", StaticFiles(directory=STATIC))


def rendered(template: str, service: Service, **values: Any) -> str:
    """A template with what all of them need; a page of its own needs `here` and `menu` too."""
    statuses = service.model.taxonomy.status_names
    common: dict[str, Any] = {
        "statuses": [*statuses, UNDECIDED],
        "tones": tones(statuses),
        "task": TASK,
        "caution": CAUTION,
        "version": __version__,
    }
    text: str = environment().get_template(template).render({**common, **values})
    return clean(text).encode("utf-8", "replace").decode()


def _quoted(name: str) -> str:
    return "".join(f"%{byte:02X}" for byte in name.encode())


# -- on a thread -------------------------------------------------------------------------


def _fragments(service: Service, data: bytes, source: str, number: int) -> dict[str, Any]:
    """What the page shows of a document, and what it sends back for a download."""
    found = service.document(data, source, explain=True)
    if isinstance(found, Failure):
        again = {"source": found.source, "error": found.error, "message": found.message}
        return {"failure": failure(found.message), "document": again}
    chapter = chapter_of(found, f"n{number}", service.model)
    notice = found.notice
    return {
        "title": chapter.title,
        "issues": len(chapter.items),
        "rows": rendered("rows.html", service, items=chapter.items),
        "article": rendered("article.html", service, chapter=chapter),
        "document": {
            "text": notice.text,
            **notice_record(notice),
            "warnings": list(notice.warnings),
        },
    }


def _rendition(service: Service, form: str, asked: Download) -> bytes:
    """The documents in one of the formats of `predict`."""
    found = pieces(_judged(service, asked), form, service.model, Layout(explain=True))
    return b"".join(p if isinstance(p, bytes) else p.encode() for p in found)


def _judged(service: Service, asked: Download) -> Iterable[Result]:
    for document in asked.documents:
        if isinstance(document, FailureRead):
            yield Failure(**document.model_dump())
        else:
            yield service.notice(Notice(**document.model_dump()), explain=True)


def _overview(service: Service, shelf: Shelf, choice: Choice, page: int) -> dict[str, Any]:
    """What the dashboard shows: counts of everything, and a page of the chosen rows."""
    results = shelf.results()
    positions = results.chosen(choice)
    pages = max(1, -(-len(positions) // PAGE_OF_ROWS))
    page = min(page, pages)
    first = (page - 1) * PAGE_OF_ROWS
    records = results.rows(positions[first : first + PAGE_OF_ROWS])
    taxonomy = service.model.taxonomy
    colours = tones(taxonomy.status_names)
    statuses = _ordered(results.names("status"), taxonomy.status_names)
    categories = _ordered(results.names("category"), taxonomy.category_names)
    counts = results.counts()
    units = results.units()
    return {
        "folder": shelf.folder.name,
        "results": results,
        "items": [
            item_of(record, f"r-{first + number}", service.model)
            for number, record in enumerate(records, 1)
        ],
        "found": len(positions),
        "page": page,
        "pages": pages,
        "units": units[:UNITS_SHOWN],
        "unit_names": sorted(unit.name for unit in units),
        "categories": categories,
        "statuses": statuses,
        "by_status": {
            name: sum(n for (_, s), n in counts.items() if s == name) for name in statuses
        },
        "chart": [
            (
                category,
                [
                    Bar(label=s, value=counts[category, s], tone=colours.get(s, "none"))
                    for s in statuses
                ],
            )
            for category in categories
        ],
    }


def _ordered(there: Sequence[str], known: Sequence[str]) -> list[str]:
    """The names that are there: known ones in their order, then others, 未判断 last."""
    others = [name for name in there if name not in known and name != UNDECIDED]
    return [*(n for n in known if n in there), *others, *([UNDECIDED] * (UNDECIDED in there))]
