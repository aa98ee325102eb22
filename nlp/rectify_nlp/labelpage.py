"""The page on which people label: one segment, an answer by two keys, the next segment.

Every step is a form that this service answers with the way back to the page, so a reload
repeats nothing and the page works without its script, which adds the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field

from rectify_nlp.api import worked
from rectify_nlp.desk import Desk
from rectify_nlp.errors import RectifyError
from rectify_nlp.labelling import Answer, seal
from rectify_nlp.pages import Menu, rendered
from rectify_nlp.picking import Candidate
from rectify_nlp.schemas import Asked
from rectify_nlp.service import Service

# Two hands on the keyboard: digits, then the home row, for categories; the row between them
# for statuses. Labels beyond are chosen by pointer or Tab. U, N, M and B have uses of their own.
CATEGORY_KEYS = "1234567890asdfghjkl"
STATUS_KEYS = "qwertyiop"
REMARK = 500
_ELSEWHERE = "这个问题不在正在标注的材料中。服务可能换了材料重新启动过，请继续标注下面的问题。"
_NOT_LAST = "没有撤销：在此之后又有别的标注，或者它已经撤销了。"

Name = Annotated[str, Field(max_length=100)]


class Chosen(Asked):
    """The segment that a form is about, by its seal."""

    segment: Name


class Labelled(Chosen):
    """What was filled in. A status may be left out, as in a sheet."""

    category: Name
    also: Annotated[tuple[Name, ...], Field(max_length=100)] = ()
    status: Name = ""
    remark: Annotated[str, Field(max_length=REMARK)] = ""


def router(service: Service, desk: Desk, menu: Menu) -> APIRouter:
    """The page and its forms; there is one desk, whoever opens the page."""
    label = APIRouter(prefix="/label", include_in_schema=False)
    taxonomy = desk.taxonomy

    async def page(problem: str = "", status: int = 200) -> Response:
        try:
            view = await worked(service, desk.view)
        except RectifyError as error:
            raise HTTPException(503, str(error)) from error
        html = rendered(
            "label.html",
            service,
            here="label.html",
            menu=menu,
            desk=desk,
            view=view,
            seal=seal,
            told=suggestion,
            problem=problem,
            categories=keyed(taxonomy.category_names, CATEGORY_KEYS),
            choices=keyed([*taxonomy.status_names, ""], STATUS_KEYS),
            remark=REMARK,
        )
        return HTMLResponse(html, status)

    async def stepped(name: str, step: Callable[[Candidate], bool | None]) -> Response:
        """The way back to the page after a step, or the page with what went wrong."""
        candidate = desk.find(name)
        if candidate is None:
            return await page(_ELSEWHERE, 409)
        try:
            refused = await worked(service, step, candidate) is False
        except RectifyError as error:
            return await page(f"没有保存：{error}", 503)
        return await page(_NOT_LAST, 409) if refused else RedirectResponse("/label", 303)

    @label.get("")
    async def show() -> Response:
        return await page()

    @label.post("/answer")
    async def answer(labelled: Annotated[Labelled, Form()]) -> Response:
        def save(candidate: Candidate) -> None:
            desk.answer(
                Answer(
                    candidate=candidate,
                    category=labelled.category,
                    also=tuple(n for n in dict.fromkeys(labelled.also) if n != labelled.category),
                    status=labelled.status or None,
                    annotator=desk.annotator,
                    remark=labelled.remark.strip(),
                )
            )

        return await stepped(labelled.segment, save)

    @label.post("/skip")
    async def skip(chosen: Annotated[Chosen, Form()]) -> Response:
        return await stepped(chosen.segment, desk.skip)

    @label.post("/undo")
    async def undo(chosen: Annotated[Chosen, Form()]) -> Response:
        return await stepped(chosen.segment, desk.undo)

    return label


def suggestion(candidate: Candidate) -> str:
    """The model's first labels with their probabilities, as far as it was asked."""
    pairs = (
        (candidate.category, candidate.category_p),
        (candidate.status, candidate.status_p),
    )
    return "，".join(
        name if share is None else f"{name} {share:.2f}" for name, share in pairs if name
    )


def keyed(labels: Sequence[str], keys: str) -> list[tuple[str, str]]:
    """Each label with its key, "" where there are more labels than keys."""
    return list(zip_longest(labels, keys[: len(labels)], fillvalue=""))
