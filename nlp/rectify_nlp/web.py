"""The page and the API on this machine: `rectify-nlp serve`.

`application` puts together what the other modules of the extra `web` offer; a further part
of the page is one more router there. This module itself needs nothing of the extra until it
is called.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rectify_nlp.errors import MissingExtra, ServeError
from rectify_nlp.model import Model
from rectify_nlp.reading import notice_from_text
from rectify_nlp.types import Limits
from rectify_nlp.version import __version__

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

    from rectify_nlp.guard import App
    from rectify_nlp.service import Service

# A token that can be guessed is none.
_SHORTEST_TOKEN = 16
_WARM_UP = "关于巡察整改进展情况的通报\n1.关于党费收缴不规范的问题。\n整改情况：已补缴党费。\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to serve: where, to whom, the batch folder to show, and what to label.

    The answers of `annotator` on the segments of `label` go to the file `labels`.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    names: tuple[str, ...] = ()
    results: Path | None = None
    label: tuple[str, ...] = ()
    labels: Path = Path("own-labels.jsonl")
    annotator: str = ""
    limits: Limits = field(default_factory=lambda: Limits(input_bytes=20_000_000))


def serve(model: Model, options: Options, say: Callable[[str], None]) -> None:
    """Serve until interrupted; `say` hears the address.

    MissingExtra without the extra, ServeError for an address that cannot or must not be
    served, ReadError for a folder that holds no results, LabelsError where there is nothing
    to label or the label file is none.
    """
    try:
        import fastapi_swagger  # noqa: F401  # like python_multipart, needed only later
        import python_multipart  # noqa: F401
        import uvicorn

        from rectify_nlp.connection import Connection
    except ImportError as error:
        raise MissingExtra("serve", "web") from error
    check(options)
    app = application(model, options, say)
    listening = _listening(options.host, options.port)
    port = listening.getsockname()[1]
    host = f"[{options.host}]" if ":" in options.host else options.host
    say(f"rectify-nlp {__version__} on http://{host}:{port}/ (end with Ctrl+C)")
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        # Longer than clients keep theirs: whoever closes first must not be the server.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
    )
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def check(options: Options) -> None:
    """ServeError where the service would be open to others without a token, or labels to nobody."""
    if options.label and not options.annotator.strip():
        raise ServeError("--label: labels need the name of who gives them; add --annotator NAME")
    if options.annotator and not options.label:
        raise ServeError("--annotator: nothing to label; add --label SOURCE")
    if options.token is not None and len(options.token) < _SHORTEST_TOKEN:
        raise ServeError(
            f"--token: has {len(options.token)} characters; give at least {_SHORTEST_TOKEN},"
            " such as those of `openssl rand -hex 16`"
        )
    if options.token is None and not _loopback(options.host):
        raise ServeError(
            f"--host {options.host}: open to other machines; give a --token too, or leave the"
            " host at 127.0.0.1"
        )


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1024)
    except (OSError, OverflowError) as error:
        listening.close()
        what = getattr(error, "strerror", None) or error
        raise ServeError(f"{host}:{port}: cannot be served ({what}); try another --port") from error
    return listening


def application(model: Model, options: Options, say: Callable[[str], None] = lambda _: None) -> App:
    """The whole service as an ASGI application; `say` hears of notices that cannot be read."""
    from rectify_nlp import api, labelpage, openinference, pages
    from rectify_nlp.dashboard import Shelf
    from rectify_nlp.desk import opened
    from rectify_nlp.guard import LOOPBACK, Guard, Rules
    from rectify_nlp.service import Service

    service = Service(model, options.limits)
    # The first prediction loads the dictionary; a service that is ready has done so.
    service.notice(notice_from_text(_WARM_UP, "warm-up"), explain=True)
    shelf = Shelf(options.results) if options.results else None
    menu = pages.menu(dashboard=shelf is not None, labelling=bool(options.label))
    app = _fastapi(service)
    routers = [
        api.router(service),
        openinference.router(service),
        pages.router(service, shelf, menu),
    ]
    if options.label:
        desk = opened(
            options.label, model, options.labels, options.annotator.strip(), say, options.limits
        )
        routers.append(labelpage.router(service, desk, menu))
    for router in routers:
        app.include_router(router)
    pages.mount_static(app)
    rules = Rules(
        hosts=LOOPBACK | {options.host} | {name.lower() for name in options.names},
        any_address=not _loopback(options.host),
        token=options.token,
        body_bytes=options.limits.input_bytes,
    )
    return Guard(app, rules)


def _fastapi(service: Service) -> FastAPI:
    """An application without routes, whose errors are told as `guard.problem` tells them."""
    from fastapi import FastAPI, HTTPException, Response
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException as AnyHTTPException

    from rectify_nlp.guard import problem

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        lifespan=lifespan,
        title="rectify-nlp",
        version=__version__,
        summary="整改情况通报的切分与判断",
        description="切分整改情况通报中的问题，判断每个问题的类别和整改状态。不保存收到的材料。",
        docs_url=None,
        redoc_url=None,
    )

    async def told(request: Request, error: Any) -> Response:
        body, headers = problem(request.url.path, error)
        return Response(body, error.status_code, headers)

    async def invalid(request: Request, error: Any) -> Response:
        status = 400 if request.url.path.startswith("/v2/") else 422
        return await told(request, HTTPException(status, _mistakes(error.errors())))

    async def broken(request: Request, error: Exception) -> Response:
        what = f"a fault of this service ({type(error).__name__}); please report it"
        return await told(request, HTTPException(500, what))

    app.add_exception_handler(AnyHTTPException, told)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, broken)
    return app


def _mistakes(errors: list[dict[str, Any]]) -> str:
    """What is wrong with a request, place by place."""
    told = [f"{'.'.join(str(step) for step in e['loc'])}: {e['msg']}" for e in errors[:5]]
    more = f" and {len(errors) - 5} more" if len(errors) > 5 else ""
    return "; ".join(told)[:2000] + more
