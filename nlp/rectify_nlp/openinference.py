"""The Open Inference Protocol (KServe v2): ready-cut issues in, labels out, as tensors.

The model takes the tensors `problem` and, optionally, `measures` (BYTES, an item an issue).
Whole notices do not fit tensors, since each gives a number of issues of its own: they go to
POST /predict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, get_args

from fastapi import APIRouter, HTTPException, Path

from rectify_nlp.api import check_length, worked
from rectify_nlp.records import Row, records
from rectify_nlp.schemas import (
    InferAsked,
    InferError,
    InferModel,
    InferOut,
    InferServer,
    InputName,
    Live,
    ModelReady,
    OutputName,
    Ready,
    TensorAsked,
)
from rectify_nlp.service import Service
from rectify_nlp.types import Failure
from rectify_nlp.version import __version__

_INPUTS = get_args(InputName)
# Fields of a row that become outputs, and their type; what a row has null is "".
_OUTPUTS: dict[OutputName, str] = {
    "category": "BYTES",
    "category_p": "FP64",
    "status": "BYTES",
    "status_p": "FP64",
    "status_source": "BYTES",
    "stated_text": "BYTES",
    "doubtful": "BOOL",
}
_FAULTS: dict[int | str, dict[str, Any]] = {
    status: {"model": InferError, "description": told}
    for status, told in (
        (400, "请求不对"),
        (401, "需要令牌"),
        (403, "来自其他网站的请求"),
        (404, "没有这个模型"),
        (413, "请求过大"),
        (503, "正忙，请稍后再试"),
    )
}
_ModelName = Annotated[str, Path(max_length=100, description="模型名称，见 GET /model")]


def router(service: Service) -> APIRouter:
    """The operations of the protocol."""
    v2 = APIRouter(prefix="/v2", tags=["KServe v2"], responses=_FAULTS)
    model = service.model
    version = model.fingerprint.rpartition("@")[2]

    def known(name: str) -> None:
        if name != model.name:
            raise HTTPException(404, f"no model {name[:100]!r}; this service has {model.name!r}")

    @v2.get("", summary="服务的说明", response_model=InferServer)
    async def server() -> Any:
        return {"name": "rectify-nlp", "version": __version__, "extensions": []}

    @v2.get("/health/live", summary="服务是否在运行", response_model=Live)
    async def live() -> Any:
        return {"live": True}

    @v2.get("/health/ready", summary="服务是否可以处理请求", response_model=Ready)
    async def ready() -> Any:
        return {"ready": True}

    @v2.get("/models/{name}", summary="模型的输入和输出", response_model=InferModel)
    async def about(name: _ModelName) -> Any:
        known(name)
        return {
            "name": model.name,
            "versions": [version],
            "platform": "rectify-nlp",
            "inputs": [{"name": n, "datatype": "BYTES", "shape": [-1]} for n in _INPUTS],
            "outputs": [
                {"name": n, "datatype": kind, "shape": [-1]} for n, kind in _OUTPUTS.items()
            ],
        }

    @v2.get("/models/{name}/ready", summary="模型是否已装入", response_model=ModelReady)
    async def model_ready(name: _ModelName) -> Any:
        known(name)
        return {"name": model.name, "ready": True}

    @v2.post(
        "/models/{name}/infer",
        summary="判断一批已切分好的问题",
        response_model=InferOut,
        response_model_exclude_none=True,
    )
    async def infer(name: _ModelName, asked: InferAsked) -> Any:
        known(name)
        wanted: list[OutputName] = [o.name for o in asked.outputs or ()] or list(_OUTPUTS)
        given = issues(asked.inputs)
        check_length(given)
        found = await worked(service, _rows, service, given) if given else []
        return {
            "model_name": model.name,
            "model_version": version,
            "id": asked.id,
            "outputs": [
                {
                    "name": output,
                    "shape": [len(found)],
                    "datatype": _OUTPUTS[output],
                    "data": ["" if row[output] is None else row[output] for row in found],
                }
                for output in wanted
            ],
        }

    return v2


def _wrong(what: str) -> HTTPException:
    return HTTPException(400, what)


def issues(inputs: Sequence[TensorAsked]) -> list[dict[str, Any]]:
    """The issues that tensors hold; HTTPException 400 for tensors that hold none."""
    columns = {tensor.name: _texts(tensor) for tensor in inputs}
    if len(columns) < len(inputs):
        raise _wrong("an input is given twice")
    if "problem" not in columns:
        raise _wrong("the input problem is missing")
    if len({len(column) for column in columns.values()}) > 1:
        raise _wrong("problem and measures are not of the same length")
    for at, text in enumerate(columns["problem"]):
        if not text.strip():
            raise _wrong(f"problem[{at}] holds no text")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _texts(tensor: TensorAsked) -> list[str]:
    """The items of a tensor of shape [n] or [n, 1], whether flat or nested."""
    if tensor.shape[1:] not in ([], [1]):
        raise _wrong(f"{tensor.name} is of shape {tensor.shape}; [n] or [n, 1] is taken")
    if len(tensor.data) != tensor.shape[0]:
        raise _wrong(f"{tensor.name} holds {len(tensor.data)} texts, not those of its shape")
    return [item if isinstance(item, str) else item[0] for item in tensor.data]


def _rows(service: Service, given: list[dict[str, Any]]) -> list[Row]:
    found = service.segments(given)
    assert not any(isinstance(result, Failure) for result in found)
    return [row for result in found for row in records(result)]
