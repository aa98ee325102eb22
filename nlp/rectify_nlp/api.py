"""The service for programs: notices, documents and ready-cut issues to JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, HTTPException, Query, Request, Response
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from rectify_nlp.records import Row, failure_row, records, report_record, to_json
from rectify_nlp.schemas import (
    Health,
    ModelOut,
    NoticeAsked,
    NoticeOut,
    NoticesOut,
    Problem,
    SegmentsAsked,
    SegmentsOut,
)
from rectify_nlp.service import CHARACTERS_AT_ONCE, Busy, Service
from rectify_nlp.types import Failure, Report
from rectify_nlp.version import __version__

T = TypeVar("T")
FILES = 100  # in one request
PROBLEM = "application/problem+json"
_FAULTS = {
    400: "请求不完整，或请求所指的主机不被接受",
    401: "需要令牌",
    403: "来自其他网站的请求",
    408: "请求没有及时传完",
    413: "请求过大",
    415: "请求的类型不对",
    422: "请求的内容不对，或材料无法读取",
    503: "正忙，请按 Retry-After 稍后再试",
    504: "没有及时处理完",
}


def faults(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How an operation's errors are documented."""
    schema = {"schema": Problem.model_json_schema()}
    return {s: {"description": _FAULTS[s], "content": {PROBLEM: schema}} for s in statuses}


_POSTED = faults(400, 401, 403, 408, 413, 415, 422, 503, 504)


class InMemory(MultiPartParser):
    """Parts stay in memory; the guard bounds what they may come to."""

    spool_max_size = 1 << 31


def json_of(value: Any) -> Response:
    """An answer as the command line writes it; lone surrogates are escaped."""
    return Response(to_json(value), media_type="application/json")


async def worked(service: Service, work: Callable[..., T], *given: Any) -> T:
    """`service.run`, a full queue told as 503."""
    try:
        return await service.run(work, *given)
    except Busy:
        told = "too much is waiting already; ask again"
        raise HTTPException(503, told, {"retry-after": "2"}) from None


def check_length(segments: Iterable[dict[str, Any]]) -> None:
    """HTTPException 413 where these issues together are too long to be judged at once."""
    length = sum(len(s["problem"]) + len(s.get("measures", "")) for s in segments)
    if length > CHARACTERS_AT_ONCE:
        raise HTTPException(
            413, f"more than {CHARACTERS_AT_ONCE:,} characters; send fewer at a time"
        )


def record_of(result: Report | Failure, *, explain: bool) -> Row:
    if isinstance(result, Failure):
        return failure_row(result)
    return report_record(result, explain=explain)


def router(service: Service) -> APIRouter:
    """The operations for programs."""
    api = APIRouter(responses=faults(400, 401))

    @api.get("/health/live", tags=["状态"], summary="服务是否在运行", response_model=Health)
    async def live() -> Any:
        return {"status": "live"}

    @api.get(
        "/health/ready",
        tags=["状态"],
        summary="模型是否已装入、可以处理请求",
        response_model=Health,
    )
    async def ready() -> Any:
        return {"status": "ready"}  # nothing is served before the model is loaded

    @api.get("/model", tags=["状态"], summary="所用的模型", response_model=ModelOut)
    async def model_info() -> Any:
        model = service.model
        return {
            "name": model.name,
            "fingerprint": model.fingerprint,
            "package": __version__,
            "categories": list(model.taxonomy.category_names),
            "statuses": list(model.taxonomy.status_names),
            "trained_on": model.info.get("trained_on", {}),
            "measured": model.info.get("measured", {}),
        }

    @api.post(
        "/predict",
        tags=["判断"],
        summary="一份通报的全文：切分出问题并逐一判断",
        response_model=NoticeOut,
        responses=_POSTED,
    )
    async def predict(asked: NoticeAsked) -> Response:
        data = asked.text.encode(errors="replace")
        found = await worked(service, _judged, service, data, asked.source, asked.explain)
        if "error" in found:
            raise HTTPException(422, f"{found['source']}: {found['error']}")
        return json_of(found)

    @api.post(
        "/predict/segments",
        tags=["判断"],
        summary="一批已切分好的问题：逐一判断",
        response_model=SegmentsOut,
        responses=_POSTED,
    )
    async def predict_segments(asked: SegmentsAsked) -> Response:
        given = [segment.model_dump() for segment in asked.segments]
        check_length(given)
        found = await worked(service, _segments, service, given, asked.explain)
        return json_of({"model": service.model.fingerprint, "results": found})

    @api.post(
        "/predict/files",
        tags=["判断"],
        summary="一份或多份文件（txt、html、docx、pdf……）；坏文件只影响它自己",
        response_model=NoticesOut,
        responses=_POSTED,
        openapi_extra={"requestBody": _UPLOAD},
    )
    async def predict_files(
        request: Request, explain: Annotated[Literal["true", "false"], Query()] = "false"
    ) -> Response:
        # As text: many documents take less room so.
        results: list[str] = []
        for name, data in await uploads(request):
            results.append(await worked(service, _told, service, data, name, explain == "true"))
        return Response(f'{{"results": [{", ".join(results)}]}}', media_type="application/json")

    return api


_FILE = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
_UPLOAD = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["files"],
                "properties": {
                    "files": {"type": "array", "items": _FILE, "minItems": 1, "maxItems": FILES}
                },
            }
        }
    },
}


async def uploads(request: Request) -> list[tuple[str, bytes]]:
    """Name and bytes of each file of a form, none of which has been written to disk."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise HTTPException(415, "not a form with files; send multipart/form-data, field files")
    parser = InMemory(request.headers, request.stream(), max_files=FILES, max_fields=10)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise HTTPException(400, f"the form is damaged ({error})") from error
    try:
        found = [
            (part.filename or "file", await part.read())
            for part in form.getlist("files")
            if isinstance(part, UploadFile)
        ]
    finally:
        await form.close()
    if not found:
        raise HTTPException(422, "no file in the field files; add at least one")
    return found


# -- on a thread -------------------------------------------------------------------------


def _judged(service: Service, data: bytes, source: str, explain: bool) -> Row:
    return record_of(service.document(data, source, explain=explain), explain=explain)


def _told(service: Service, data: bytes, source: str, explain: bool) -> str:
    return to_json(_judged(service, data, source, explain))


def _segments(service: Service, given: list[dict[str, Any]], explain: bool) -> list[Row]:
    found = service.segments(given, explain=explain)
    return [record for result in found for record in records(result, explain=explain)]
