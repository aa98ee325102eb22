"""What every request to the service must pass, whatever it asks for; plain ASGI.

In this order: the host it names (DNS rebinding), its origin (requests forged by other
sites), the token, the size of its body and of all bodies in memory, the clock. Answers get
headers that keep a browser from doing anything with them but what the page is made for.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import ipaddress
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from fastapi import HTTPException

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# Who asks whether the service lives has no token; the answer tells nothing else.
_OPEN = ("/health/", "/v2/health/")
_SAFE = ("GET", "HEAD", "OPTIONS")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is let through.

    `hosts` are names by which the service may be called; `any_address` also allows every IP
    address, which no rebound name can be. `body_bytes` is for one request, `held_bytes` for
    all that are being answered. `body_seconds` is for a body to arrive, `seconds` for the
    whole answer.
    """

    hosts: frozenset[str] = LOOPBACK
    any_address: bool = False
    token: str | None = None
    body_bytes: int = 20_000_000
    held_bytes: int = 256_000_000
    body_seconds: float = 60
    seconds: float = 300


def problem(path: str, error: HTTPException) -> tuple[bytes, dict[str, str]]:
    """Body and headers that tell an error: RFC 9457, or on /v2 the shape of that protocol."""
    if path == "/v2" or path.startswith("/v2/"):
        said: dict[str, Any] = {"error": error.detail}
        kind = "application/json"
    else:
        title = HTTPStatus(error.status_code).phrase
        said = {"type": "about:blank", "title": title, "status": error.status_code}
        said["detail"] = error.detail
        kind = "application/problem+json"
    # In ASCII: what was wrong may quote anything.
    return json.dumps(said).encode(), {"content-type": kind, **(error.headers or {})}


class Guard:
    """The outermost layer of the service."""

    def __init__(self, app: App, rules: Rules) -> None:
        self.app, self.rules = app, rules
        self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # No websockets here; the lifespan is the application's.
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        answer = _Answer(send)
        body = _Body(receive, self)
        try:
            async with asyncio.timeout(self.rules.seconds):
                _check(scope, self.rules)
                body.announced(scope)
                await self.app(scope, body.receive, answer.send)
        except HTTPException as error:
            await answer.refuse(scope, error)
        except TimeoutError:
            told = f"not answered within {self.rules.seconds:g} s; send less, or ask again later"
            await answer.refuse(scope, HTTPException(504, told))
        finally:
            self.held -= body.size


# -- who asks ----------------------------------------------------------------------------


def _check(scope: Scope, rules: Rules) -> None:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    host = headers.get("host", "")
    name = _name(host)
    if not (name in rules.hosts or (rules.any_address and _is_address(name))):
        raise HTTPException(
            400, f"the host {host[:100]!r} is not served; --allow-host would allow it"
        )
    if scope["method"] not in _SAFE:
        _check_origin(headers, host)
    elsewhere = not scope["path"].startswith(_OPEN)
    if rules.token is not None and elsewhere and not _knows(headers, rules.token):
        raise HTTPException(
            401,
            "a token is needed: Authorization: Bearer TOKEN, or as the password in a browser",
            {"www-authenticate": 'Basic realm="rectify-nlp", charset="UTF-8"'},
        )


def _name(host: str) -> str:
    """The name or address in a Host header, "" where there is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _check_origin(headers: dict[str, str], host: str) -> None:
    """Browsers say where a request comes from; only this service's own pages may send any."""
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site", "same-origin")
    own = origin is None or origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")
    if not own or site not in ("same-origin", "none"):
        raise HTTPException(403, "requests from other sites are not answered; open the page itself")


def _knows(headers: dict[str, str], token: str) -> bool:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            _, _, given = base64.b64decode(given, validate=True).decode().partition(":")
        except ValueError:
            return False
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(given.strip().encode(), token.encode())


# -- what is sent ------------------------------------------------------------------------


class _Body:
    """The body of one request as it arrives, counted."""

    def __init__(self, receive: Receive, guard: Guard) -> None:
        self._receive, self._guard = receive, guard
        self._deadline = asyncio.get_running_loop().time() + guard.rules.body_seconds
        self._whole = False
        self.size = 0

    def announced(self, scope: Scope) -> None:
        """Refuse at once what says of itself that it is too large."""
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit():
                self._check(int(value))

    def _check(self, size: int) -> None:
        rules = self._guard.rules
        if size > rules.body_bytes:
            most = f"{rules.body_bytes / 1e6:g} MB"
            raise HTTPException(
                413, f"the request is larger than {most}; `rectify-nlp batch` takes more"
            )
        if self._guard.held - self.size + size > rules.held_bytes:
            raise HTTPException(
                503, "too much is being read already; ask again", {"retry-after": "2"}
            )

    async def receive(self) -> Message:
        if self._whole:  # what follows is the end of the connection, which takes its time
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            waited = f"{self._guard.rules.body_seconds:g} s"
            raise HTTPException(
                408, f"the request did not arrive within {waited}; send it again"
            ) from None
        if message["type"] == "http.request":
            more = len(message.get("body", b""))
            self._check(self.size + more)
            self.size += more
            self._guard.held += more
            self._whole = not message.get("more_body", False)
        return message


class _Answer:
    """Adds the headers of every answer; refuses where nothing has been answered yet."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            there = {name.lower() for name, _ in message["headers"]}
            defaults = {**_HEADERS, "cache-control": "no-store"}
            message["headers"] = [*message["headers"]] + [
                (name.encode(), value.encode())
                for name, value in defaults.items()
                if name.encode() not in there
            ]
        await self._send(message)

    async def refuse(self, scope: Scope, error: HTTPException) -> None:
        if self._begun:
            raise error
        body, headers = problem(scope["path"], error)
        # What has not been read of the request must not be taken for the next one.
        headers |= {"content-length": str(len(body)), "connection": "close"}
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.send(
            {"type": "http.response.start", "status": error.status_code, "headers": pairs}
        )
        await self._send({"type": "http.response.body", "body": body})
